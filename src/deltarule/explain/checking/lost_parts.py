"""Parts of an equation that get lost, or are written twice: factors, summands, terms of a sum, time steps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Index,
    Loop,
    Number,
    Reduction,
    equal,
    function,
    where,
)
from deltarule.autodiff.formula.rewriting import reindexed
from deltarule.explain.checking.fault import Fault
from deltarule.explain.checking.trees import Path, factors, multiplied, replaced, same, summands, walk


def of_products(right: Expression, path: Path, part: Expression) -> Iterator[Fault]:
    """One or two factors lost, or one written twice."""
    found = [factor for _, factor in factors(part)]
    place = ".".join(map(str, path))
    for count in (1, 2, 3):
        if count >= len(found) + (count == 1):
            break
        for lost in combinations(range(len(found)), count):
            kept = [factor for position, factor in enumerate(found) if position not in lost]
            subject = multiplied([found[position] for position in lost])
            kind = "missing_factor"
            if count == 1 and any(same(found[lost[0]], other) for other in kept):
                kind = "missing_square"
                subject = multiplied([found[lost[0]]] * 2)
            yield Fault(kind, f"lost {place} {lost}", replaced(right, path, multiplied(kept)), subject)
    for position, factor in enumerate(found):
        if not isinstance(factor, Number):
            yield Fault(
                "extra_factor",
                f"twice {place} {position}",
                replaced(right, path, multiplied([*found, factor])),
                None,
                factor,
            )


def of_sums(right: Expression, path: Path, part: Expression) -> Iterator[Fault]:
    """A summand lost, or with the wrong sign; z for 1 − z."""
    place = ".".join(map(str, path))
    found = summands(part)
    one, rest = found[0][1], found[-1][1]
    if len(found) == 2 and isinstance(one, Number) and one.value == 1 and found[-1][2] < 0:
        yield Fault("wrong_operand", f"complement {place}", replaced(right, path, rest), part, rest)
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


def _signed(terms: list[tuple[Expression, int]]) -> Expression:
    result: Expression | None = None
    for term, sign in terms:
        if result is None:
            result = term if sign > 0 else -term
        else:
            result = result + term if sign > 0 else result - term
    return Number(0) if result is None else result


def of_reductions(equation: Equation, path: Path, part: Reduction) -> Iterator[Fault]:
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
    for count in range(2, len(part.indices) + 1):
        for lost in combinations(part.indices, count):
            rest = tuple(each for each in part.indices if each not in lost)
            for kind, ends in (
                ("last_only", [each.extent - 1 for each in lost]),
                ("first_only", [0] * count),
            ):
                body = reindexed(
                    part.body, {index: Number(end) for index, end in zip(lost, ends, strict=True)}
                )
                new = Reduction("sum", body, rest) if rest else body
                names = " ".join(index.name for index in lost)
                yield Fault(kind, f"{kind} {place} {names}", replaced(right, path, new), part)
    yield from _over_another_axis(equation, path, part)
    left = equation.left
    if len(part.indices) == 1 and isinstance(left, Element):
        own = part.indices[0]
        for position, index in enumerate(left.indices):
            if isinstance(index, Index) and index is not own and index.extent == own.extent > 1:
                body = reindexed(part.body, {own: index})
                yield Fault("elementwise", f"own {place} {position}", replaced(right, path, body), part, body)


def _over_another_axis(equation: Equation, path: Path, part: Reduction) -> Iterator[Fault]:
    """A sum along another axis of the same terms: over the rows for over the columns."""
    left = equation.left
    if len(part.indices) != 1 or not isinstance(left, Element):
        return
    summed = part.indices[0]
    used = {each for _, inner in walk(part.body) if isinstance(inner, Element) for each in inner.indices}
    own = left.indices[0] if len(left.indices) == 1 else None
    if not path and isinstance(own, Index) and own in used:
        # A bias that is summed over its own axis in place of the batch.
        new = Reduction("sum", part.body, (own,))
        turned = Element(left.symbol, part.indices)
        yield Fault("wrong_axis", "axis of the whole", new, part, new, left=turned)
    for own in left.indices:
        if not isinstance(own, Index) or own.extent != summed.extent or own in used:
            continue
        for other in left.indices:
            if isinstance(other, Index) and other is not own and other in used:
                running = Index(f"{other.name}'", other.extent)
                new = Reduction("sum", reindexed(part.body, {summed: own, other: running}), (running,))
                key = f"axis {'.'.join(map(str, path))} {other.name}"
                yield Fault("wrong_axis", key, replaced(equation.right, path, new), part, new)


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
