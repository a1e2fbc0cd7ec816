"""The mistakes that people make with one equation, tried on the right one: each gives a faulty right side.

The equations are those that operations state of their gradients, in index form, so that a factor, a summand,
a sum over an axis, an index or a state of a recurrence each is a part of the tree that can be lost or
mistaken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Function,
    Index,
    Number,
    Reduction,
    equal,
    where,
)
from deltarule.explain.checking.fault import Fault
from deltarule.explain.checking.lost_parts import of_products, of_reductions, of_sums
from deltarule.explain.checking.mistaken_parts import (
    chooses,
    of_contractions,
    of_elements,
    of_exchanges,
    of_gates,
    of_slopes,
)
from deltarule.explain.checking.trees import at, replaced, walk

# Functions of one argument whose loss is a mistake of its own.
_MAPS = ("tanh", "sigmoid", "exp", "log", "sqrt", "sin", "cos", "erf")


def faults_of(equation: Equation, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Fault]:
    """Every fault of one equation.

    shapes   the shape of each array that the equation may read
    """
    right = equation.right
    yield Fault("sign", "sign", -right, right)
    yield Fault("zero", "zero", Number(0) * right, right)
    for path, part in walk(right):
        place = ".".join(map(str, path))
        parent = at(right, path[:-1]) if path else None
        in_product = isinstance(parent, Function) and parent.name == "multiply"
        in_sum = isinstance(parent, Function) and parent.name in ("add", "subtract")
        if isinstance(part, Function):
            if part.name == "multiply" and not in_product:
                yield from of_products(right, path, part)
            elif part.name in ("add", "subtract") and not in_sum:
                yield from of_sums(right, path, part)
            elif part.name == "divide":
                top, bottom = part.arguments
                lost = Number(1) / bottom
                yield Fault("missing_factor", f"undivided {place}", replaced(right, path, top), lost)
                yield Fault(
                    "wrong_operand", f"over {place}", replaced(right, path, top * bottom), part, top * bottom
                )
            elif part.name == "square":
                base = part.arguments[0]
                yield Fault("missing_square", f"unsquared {place}", replaced(right, path, base), part, base)
            elif part.name in (*_MAPS, "pow"):
                inner = part.arguments[0]
                yield Fault(
                    "missing_function", f"unmapped {place}", replaced(right, path, inner), part, inner
                )
            elif part.name == "where" and not path and chooses(part):
                yield from of_gates(right)
            elif part.name == "negative":
                yield Fault(
                    "summand_sign", f"unnegated {place}", replaced(right, path, part.arguments[0]), part
                )
        elif isinstance(part, Reduction) and part.kind == "sum":
            yield from of_reductions(equation, path, part)
        elif isinstance(part, Element):
            yield from of_elements(right, path, part)
    yield from of_contractions(equation)
    yield from of_slopes(right)
    yield from of_exchanges(right, shapes)


def at_one_step(fault: Fault, equation: Equation, time: Index, step: int) -> Fault:
    """The same fault at one step of a recurrence alone."""
    right = where(equal(time, step), fault.right, equation.right)
    return replace(fault, key=f"{fault.key}@{step}", right=right, step=step)
