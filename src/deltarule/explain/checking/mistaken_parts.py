"""Parts of an equation that are taken for others: indices, arrays, slopes, the order of a product, gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, product

from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Function,
    Index,
    Number,
    Reduction,
    Symbol,
    symbols_in,
)
from deltarule.explain.checking.fault import Fault
from deltarule.explain.checking.trees import Path, at, factors, mapped, multiplied, replaced, same, walk

# States of a step and those one step later.
_STEPS = (
    ("previous_hidden", "hidden"),
    ("previous_cell", "cell"),
    ("hidden_state", "next_hidden"),
    ("cell_state", "next_cell"),
)


def of_contractions(equation: Equation) -> Iterator[Fault]:
    """A product of two square matrices in another order, with other transposes, or element by element."""
    left, part = equation.left, equation.right
    if not (isinstance(left, Element) and isinstance(part, Reduction) and part.kind == "sum"):
        return
    pair = [factor for _, factor in factors(part.body)]
    if len(pair) != 2 or len(part.indices) != 1 or len(left.indices) != 2:
        return
    first, second = pair
    if not (isinstance(first, Element) and isinstance(second, Element)):
        return
    row, column, summed = *left.indices, part.indices[0]
    extents = {index.extent for index in (row, column, summed) if isinstance(index, Index)}
    if len(extents) > 1 or len(first.indices) != 2 or len(second.indices) != 2:
        return
    # As matrices, the factor with the row's index stands before the other.
    if any(index is row for index in second.indices):
        first, second = second, first
    for order, (one, other) in enumerate(((first, second), (second, first))):
        for turned, (own, its) in enumerate(product((False, True), repeat=2)):
            places = ((summed, row) if own else (row, summed), (column, summed) if its else (summed, column))
            factor = Element(one.symbol, places[0]) * Element(other.symbol, places[1])
            kind = "operand_order" if order else "transposed"
            new: Expression = Reduction("sum", factor, part.indices)
            yield Fault(kind, f"product {order} {turned}", new, part, new)
            if not order:
                flat = [(column, row) if each else (row, column) for each in (own, its)]
                new = Element(one.symbol, flat[0]) * Element(other.symbol, flat[1])
                yield Fault("hadamard_for_product", f"flat {turned}", new, part, new)


def of_elements(right: Expression, path: Path, part: Element) -> Iterator[Fault]:
    """Two indices exchanged, or the neighbouring step."""
    place = ".".join(map(str, path))
    for first in range(len(part.indices) - 1):
        a, b = part.indices[first : first + 2]
        if isinstance(a, Index) and isinstance(b, Index) and a is not b and a.extent == b.extent > 1:
            turned = [*part.indices]
            turned[first], turned[first + 1] = b, a
            new = Element(part.symbol, tuple(turned), part.outside)
            yield Fault("transposed", f"turned {place} {first}", replaced(right, path, new), part, new)
    last = part.indices[-2:]
    if len(part.indices) > 2 and all(isinstance(each, Index) and each.extent > 1 for each in last):
        backwards = tuple(each.extent - 1 - each for each in last if isinstance(each, Index))
        new = Element(part.symbol, (*part.indices[:-2], *backwards), part.outside)
        yield Fault("flipped", f"flipped {place}", replaced(right, path, new), part, new)
    for position, index in enumerate(part.indices):
        if isinstance(index, Index) and index.name == "t" and index.extent > 1:
            for offset in (-1, 1):
                moved = [*part.indices]
                moved[position] = index + offset
                new = Element(part.symbol, tuple(moved), 0.0)
                yield Fault("shifted", f"moved {place} {offset}", replaced(right, path, new), part, new)


def chooses(part: Function) -> bool:
    """Whether a choice by cases puts the errors of gates side by side."""
    return all(
        isinstance(each, Element) or (isinstance(each, Function) and each.name == "where" and chooses(each))
        for each in part.arguments[1:]
    )


def of_gates(right: Expression) -> Iterator[Fault]:
    """Errors of two gates in each other's rows."""
    gates = [part.symbol for _, part in walk(right) if isinstance(part, Element)]
    for first, second in combinations(gates, 2):
        names = {first.name: second, second.name: first}
        yield Fault(
            "swapped_gates", f"gates {first.name} {second.name}", _renamed(right, names), first, second
        )


def of_slopes(right: Expression) -> Iterator[Fault]:
    """The slope of another activation: y(1 − y) for 1 − y², or the other way round; or one too much."""
    for path, part in walk(right):
        place = ".".join(map(str, path))
        base = _tanh_slope(part)
        if base is not None:
            for name, used in (("sigmoid", base * (1.0 - base)), ("value", base)):
                yield Fault("wrong_slope", f"{name} {place}", replaced(right, path, used), part, used)
        if isinstance(part, Function) and part.name == "multiply":
            found = [factor for _, factor in factors(part)]
            for first, second in combinations(range(len(found)), 2):
                base = _sigmoid_slope(found[first], found[second])
                if base is None:
                    continue
                used = 1.0 - base * base
                kept = [each for position, each in enumerate(found) if position not in (first, second)]
                yield Fault(
                    "wrong_slope",
                    f"tanh {place} {first} {second}",
                    replaced(right, path, multiplied([*kept, used])),
                    base * (1.0 - base),
                    used,
                )
    # What the loss is computed from has been differentiated already.
    for path, part in walk(right):
        own = isinstance(part, Element) and part.symbol.name in ("p", "y")
        if own or (isinstance(part, Function) and part.name in ("sigmoid", "tanh")):
            for name, used in (("sigmoid", part * (1.0 - part)), ("tanh", 1.0 - part * part)):
                yield Fault("extra_factor", f"{name} besides {path}", right * used, None, used)


def _tanh_slope(part: Expression) -> Expression | None:
    """y of 1 − y²."""
    if isinstance(part, Function) and part.name == "subtract":
        one, square = part.arguments
        if isinstance(one, Number) and one.value == 1 and isinstance(square, Function):
            if square.name == "square":
                return square.arguments[0]
            if square.name == "multiply" and same(*square.arguments):
                return square.arguments[0]
    return None


def _sigmoid_slope(left: Expression, right: Expression) -> Expression | None:
    """y of y and 1 − y."""
    for base, rest in ((left, right), (right, left)):
        if isinstance(rest, Function) and rest.name == "subtract":
            one, other = rest.arguments
            if isinstance(one, Number) and one.value == 1 and same(base, other):
                return base
    return None


def of_exchanges(right: Expression, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Fault]:
    """Another array of the same shape: the input for the output, the step after for the step before."""
    read = sorted(symbols_in(right))
    step_of = dict(_STEPS) | {after: before for before, after in _STEPS}
    for name in read:
        if name.startswith(("grad_", "delta")) or name not in shapes:
            continue
        for other, shape in shapes.items():
            if other == name or shape != shapes[name] or other.startswith(("grad_", "delta")):
                continue
            if step_of.get(name) == other:
                kind = "wrong_step"
            elif {name, other} == {"x", "y"}:
                kind = "wrong_point"
            else:
                kind = "wrong_operand"
            old, new = Symbol(name, len(shape)), Symbol(other, len(shape))
            yield Fault(kind, f"{other} for {name}", _renamed(right, {name: new}), old, new)
            places = [
                path
                for path, part in walk(right)
                if (isinstance(part, Symbol) and part.name == name)
                or (isinstance(part, Element) and part.symbol.name == name)
            ]
            if len(places) > 1:
                for path in places:
                    changed = _renamed(at(right, path), {name: new})
                    yield Fault(kind, f"{other} for {name} {path}", replaced(right, path, changed), old, new)


def _renamed(expression: Expression, names: Mapping[str, Symbol]) -> Expression:
    def change(part: Expression) -> Expression | None:
        if isinstance(part, Symbol) and part.name in names:
            return Symbol(names[part.name].name, part.ndim)
        if isinstance(part, Element):
            symbol = part.symbol
            if symbol.name in names:
                symbol = Symbol(names[symbol.name].name, symbol.ndim)
            return Element(symbol, part.indices, part.outside)
        return None

    return mapped(expression, change)
