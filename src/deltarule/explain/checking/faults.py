"""The mistakes that people make with one equation, tried on the right one: each gives a faulty right side.

The equations are those that operations state of their gradients, in index form, so that a factor, a summand,
a sum over an axis, an index or a state of a recurrence each is a part of the tree that can be lost or
mistaken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, product

from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Function,
    Index,
    Loop,
    Number,
    Reduction,
    Symbol,
    equal,
    function,
    symbols_in,
    where,
)
from deltarule.autodiff.formula.rewriting import reindexed
from deltarule.explain.checking.trees import (
    Path,
    at,
    factors,
    mapped,
    replaced,
    same,
    summands,
    walk,
)

# Kinds of faults, those that say most of a mistake first: of several that fit alike the first is named.
RANKS = {
    kind: rank
    for rank, kind in enumerate(
        (
            "sign",
            "transposed",
            "wrong_point",
            "missing_square",
            "elementwise",
            "operand_order",
            "hadamard_for_product",
            "wrong_slope",
            "wrong_step",
            "swapped_gates",
            "skipped_step",
            "missing_recurrent",
            "missing_factor",
            "missing_summand",
            "summand_sign",
            "mean_for_sum",
            "last_only",
            "first_only",
            "missing_step",
            "missing_function",
            "shifted",
            "wrong_operand",
            "extra_factor",
        )
    )
}

# States of a step and those one step later.
_STEPS = (
    ("previous_hidden", "hidden"),
    ("previous_cell", "cell"),
    ("hidden_state", "next_hidden"),
    ("cell_state", "next_cell"),
)
# Functions of one argument whose loss is a mistake of its own.
_MAPS = ("tanh", "sigmoid", "exp", "log", "sqrt", "sin", "cos", "erf")


@dataclass(frozen=True, eq=False)
class Fault:
    """A faulty right side of an equation.

    kind      one of RANKS
    key       what it does and where, the same for the same equation over other extents
    right     the faulty right side
    subject   the part that is missing or mistaken, as it should be
    used      what stands in its place, where something does
    step      the only time step at which it happens, or None for all
    more      other equations of the same loop that change with it: place -> right side
    """

    kind: str
    key: str
    right: Expression
    subject: Expression | None = None
    used: Expression | None = None
    step: int | None = None
    more: Mapping[int, Expression] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The key without the step."""
        return self.key.partition("@")[0]

    @property
    def weak(self) -> bool:
        """Whether it is named only where nothing else fits: it imitates other mistakes on some gradients."""
        return RANKS[self.kind] >= RANKS["missing_function"]

    @property
    def rank(self) -> float:
        """Small for what explains most."""
        late = 0 if self.step is None or self.kind == "skipped_step" else 30
        # Who loses a constant seldom loses the upstream gradient with it.
        upstream = (
            self.kind == "missing_factor"
            and self.subject is not None
            and any(name.startswith("grad_") for name in symbols_in(self.subject))
        )
        return RANKS[self.kind] + late + (0.5 if upstream else 0)


def faults_of(equation: Equation, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Fault]:
    """Every fault of one equation.

    shapes   the shape of each array that the equation may read
    """
    right = equation.right
    yield Fault("sign", "sign", -right, right)
    for path, part in walk(right):
        place = ".".join(map(str, path))
        parent = at(right, path[:-1]) if path else None
        in_product = isinstance(parent, Function) and parent.name == "multiply"
        in_sum = isinstance(parent, Function) and parent.name in ("add", "subtract")
        if isinstance(part, Function):
            if part.name == "multiply" and not in_product:
                yield from _products(right, path, part)
            elif part.name in ("add", "subtract") and not in_sum:
                yield from _sums(right, path, part)
            elif part.name == "divide":
                top, bottom = part.arguments
                lost = Number(1) / bottom
                yield Fault("missing_factor", f"undivided {place}", replaced(right, path, top), lost)
            elif part.name == "square":
                base = part.arguments[0]
                yield Fault("missing_square", f"unsquared {place}", replaced(right, path, base), part, base)
            elif part.name in _MAPS:
                inner = part.arguments[0]
                yield Fault(
                    "missing_function", f"unmapped {place}", replaced(right, path, inner), part, inner
                )
            elif part.name == "where" and not path and _chosen(part):
                yield from _swapped(right)
            elif part.name == "negative":
                yield Fault(
                    "summand_sign", f"unnegated {place}", replaced(right, path, part.arguments[0]), part
                )
        elif isinstance(part, Reduction) and part.kind == "sum":
            yield from _reductions(equation, path, part)
        elif isinstance(part, Element):
            yield from _elements(right, path, part)
    yield from _contractions(equation)
    yield from _slopes(right)
    yield from _exchanges(right, shapes)


def at_one_step(fault: Fault, equation: Equation, time: Index, step: int) -> Fault:
    """The same fault at one step of a recurrence alone."""
    right = where(equal(time, step), fault.right, equation.right)
    return replace(fault, key=f"{fault.key}@{step}", right=right, step=step)


def missing_steps(equation: Equation) -> Iterator[Fault]:
    """Sums over time from which one step is missing."""
    for path, part in walk(equation.right):
        if isinstance(part, Reduction) and part.kind == "sum":
            for index in part.indices:
                if index.name == "t" and index.extent > 1:
                    for step in range(index.extent):
                        body = function("not_equal", index, step) * part.body
                        right = replaced(equation.right, path, Reduction("sum", body, part.indices))
                        yield Fault("missing_step", f"without {path}@{step}", right, part, step=step)


def _product(parts_of: list[Expression]) -> Expression:
    if not parts_of:
        return Number(1)
    result = parts_of[0]
    for part in parts_of[1:]:
        result = result * part
    return result


def _products(right: Expression, path: Path, part: Expression) -> Iterator[Fault]:
    """One or two factors lost, or one written twice."""
    found = [factor for _, factor in factors(part)]
    place = ".".join(map(str, path))
    for count in (1, 2, 3):
        if count >= len(found) + (count == 1):
            break
        for lost in combinations(range(len(found)), count):
            kept = [factor for position, factor in enumerate(found) if position not in lost]
            subject = _product([found[position] for position in lost])
            kind = "missing_factor"
            if count == 1 and any(same(found[lost[0]], other) for other in kept):
                kind = "missing_square"
                subject = _product([found[lost[0]]] * 2)
            yield Fault(kind, f"lost {place} {lost}", replaced(right, path, _product(kept)), subject)
    for position, factor in enumerate(found):
        if not isinstance(factor, Number):
            yield Fault(
                "extra_factor",
                f"twice {place} {position}",
                replaced(right, path, _product([*found, factor])),
                None,
                factor,
            )


def _sums(right: Expression, path: Path, part: Expression) -> Iterator[Fault]:
    """A summand lost, or with the wrong sign."""
    place = ".".join(map(str, path))
    found = summands(part)
    for position, (_, summand, sign) in enumerate(found):
        others = found[:position] + found[position + 1 :]
        rest = _signed([(each, own) for _, each, own in others])
        kind = "missing_recurrent" if _from_later(summand) else "missing_summand"
        yield Fault(
            kind, f"lost summand {place} {position}", replaced(right, path, rest),
            summand if sign > 0 else -summand,
        )  # fmt: skip
        turned = [(each, -own if other == position else own) for other, (_, each, own) in enumerate(found)]
        yield Fault(
            "summand_sign", f"turned {place} {position}", replaced(right, path, _signed(turned)),
            summand if sign > 0 else -summand,
        )  # fmt: skip


def _from_later(expression: Expression) -> bool:
    """Whether a summand is what comes back from the next step of a recurrence."""
    return any(
        isinstance(part, Element) and part.symbol.name.startswith("grad_previous")
        for _, part in walk(expression)
    )


def skipped_steps(loop: Loop) -> Iterator[tuple[int, Fault]]:
    """Steps that the loop over time leaves out: no error there, what came from later goes on as it is."""
    errors = [
        place
        for place, equation in enumerate(loop.equations)
        if isinstance(equation.left, Element)
        and equation.left.symbol.name in ("delta", "delta_ih", "delta_hh")
    ]
    if not errors or loop.index.extent < 2:
        return
    beside = loop.index + (1 if loop.reverse else -1)
    for step in range(loop.index.extent):
        more: dict[int, Expression] = {}
        for place, equation in enumerate(loop.equations):
            left = equation.left
            if not isinstance(left, Element):
                continue
            if place in errors:
                more[place] = where(equal(loop.index, step), 0.0, equation.right)
            elif left.symbol.name.startswith("grad_previous"):
                handed = Element(left.symbol, (beside, *left.indices[1:]), 0.0)
                more[place] = where(equal(loop.index, step), handed, equation.right)
        first = errors[0]
        right = more.pop(first)
        yield first, Fault("skipped_step", f"skipped@{step}", right, step=step, more=more)


def _signed(terms: list[tuple[Expression, int]]) -> Expression:
    result: Expression | None = None
    for term, sign in terms:
        if result is None:
            result = term if sign > 0 else -term
        else:
            result = result + term if sign > 0 else result - term
    return Number(0) if result is None else result


def _reductions(equation: Equation, path: Path, part: Reduction) -> Iterator[Fault]:
    """A sum that keeps one term, or became a mean."""
    right, place = equation.right, ".".join(map(str, path))
    for index in part.indices:
        if index.extent < 2:
            continue
        rest = tuple(each for each in part.indices if each is not index)
        for kind, value in (("last_only", index.extent - 1), ("first_only", 0)):
            body = reindexed(part.body, {index: Number(value)})
            new = Reduction("sum", body, rest) if rest else body
            yield Fault(kind, f"{kind} {place} {index.name}", replaced(right, path, new), part, index)
        mean = part / Number(index.extent)
        yield Fault("mean_for_sum", f"mean {place} {index.name}", replaced(right, path, mean), part, index)
    if len(part.indices) > 1:
        count = 1
        for index in part.indices:
            count *= index.extent
        yield Fault("mean_for_sum", f"mean {place}", replaced(right, path, part / Number(count)), part)
    left = equation.left
    if len(part.indices) == 1 and isinstance(left, Element):
        own = part.indices[0]
        for position, index in enumerate(left.indices):
            if isinstance(index, Index) and index is not own and index.extent == own.extent > 1:
                body = reindexed(part.body, {own: index})
                yield Fault("elementwise", f"own {place} {position}", replaced(right, path, body), part, body)


def _contractions(equation: Equation) -> Iterator[Fault]:
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


def _elements(right: Expression, path: Path, part: Element) -> Iterator[Fault]:
    """Two indices exchanged, or the neighbouring step."""
    place = ".".join(map(str, path))
    for first in range(len(part.indices) - 1):
        a, b = part.indices[first : first + 2]
        if isinstance(a, Index) and isinstance(b, Index) and a is not b and a.extent == b.extent > 1:
            turned = [*part.indices]
            turned[first], turned[first + 1] = b, a
            new = Element(part.symbol, tuple(turned), part.outside)
            yield Fault("transposed", f"turned {place} {first}", replaced(right, path, new), part, new)
    for position, index in enumerate(part.indices):
        if isinstance(index, Index) and index.name == "t" and index.extent > 1:
            for offset in (-1, 1):
                moved = [*part.indices]
                moved[position] = index + offset
                new = Element(part.symbol, tuple(moved), 0.0)
                yield Fault("shifted", f"moved {place} {offset}", replaced(right, path, new), part, new)


def _chosen(part: Function) -> bool:
    """Whether a choice by cases puts the errors of gates side by side."""
    return all(
        isinstance(each, Element) or (isinstance(each, Function) and each.name == "where" and _chosen(each))
        for each in part.arguments[1:]
    )


def _swapped(right: Expression) -> Iterator[Fault]:
    """Errors of two gates in each other's rows."""
    gates = [part.symbol for _, part in walk(right) if isinstance(part, Element)]
    for first, second in combinations(gates, 2):
        names = {first.name: second, second.name: first}
        yield Fault(
            "swapped_gates", f"gates {first.name} {second.name}", _renamed(right, names), first, second
        )


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


def _slopes(right: Expression) -> Iterator[Fault]:
    """The slope of another activation: y(1 − y) for 1 − y², or the other way round."""
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
                    replaced(right, path, _product([*kept, used])),
                    base * (1.0 - base),
                    used,
                )


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


def _exchanges(right: Expression, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Fault]:
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
