"""Lines of formulas as equations of `autodiff.formula`: indices on the left, recurrences as loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Index,
    Line,
    Loop,
    Reduction,
    Symbol,
)
from deltarule.explain.checking.binding import Binder, Misfit, Shape
from deltarule.explain.checking.syntax import Term, indexed, names_in


def bound_equation(
    title: str,
    indices: Sequence[str],
    term: Term,
    shapes: Mapping[str, Shape],
    counts: Mapping[str, float],
    target: Shape | None,
    *,
    by_index: bool = False,
) -> tuple[Line, bool]:
    """A line of a formula as an equation, and whether it is in index form.

    title, indices   the left side: its name, and the indices written behind it
    target           the shape that the left side has, where that is known
    by_index         whether a formula without indices becomes index form too
    """
    by_index = by_index or bool(indices) or indexed(term)
    binder = Binder(shapes, counts, by_index)
    own = title in names_in(term)
    if by_index:
        visible = {name: shape for name, shape in shapes.items() if name != title or not own}
        binder.shapes = visible
        binder.find_extents(term, (title, indices, target))
    part = binder.bind(term)
    if not by_index:
        return Equation(Symbol(title, len(part.shape)), part.expression), False
    assert part.axes is not None
    left = [binder.running[each] for each in indices if each in binder.running]
    if len(left) < len(indices):
        lost = next(each for each in indices if each not in binder.running)
        raise Misfit(term, f"index {lost} of the left side is not used")
    axes = [*left, *part.axes]
    if part.row and len(axes) == 1:
        axes = list(axes)
    free = _free(part.expression, axes)
    if free:
        raise Misfit(term, f"index {free} is neither summed over nor on the left side")
    equation = Equation(Symbol(title, len(axes)).at(axes), part.expression)
    if own:
        return _loop(title, term, left, equation), True
    return equation, True


def _free(expression: Expression, bound: Sequence[Index]) -> str:
    """The name of an index that nothing binds, or ""."""
    if isinstance(expression, Index):
        return "" if any(expression is each for each in bound) else expression.name
    if isinstance(expression, Reduction):
        return _free(expression.body, (*bound, *expression.indices))
    if isinstance(expression, Element):
        return next((name for name in (_free(each, bound) for each in expression.indices) if name), "")
    for part in getattr(expression, "arguments", ()):
        name = _free(part, bound)
        if name:
            return name
    return ""


def _loop(title: str, term: Term, left: Sequence[Index], equation: Equation) -> Loop:
    """A recurrence: the index that is shifted in the left side's own elements runs step by step."""
    found: list[tuple[int, bool]] = []

    def visit(part: Term) -> None:
        if part.kind == "element" and part.text == title:
            for place, index in enumerate(part.parts):
                if index.kind in ("add", "subtract"):
                    found.append((place, index.kind == "add"))
        for inner in part.parts:
            visit(inner)

    visit(term)
    if not found:
        raise Misfit(term, f"{title} is defined by itself")
    place, later = found[0]
    return Loop(left[place], (equation,), reverse=later)
