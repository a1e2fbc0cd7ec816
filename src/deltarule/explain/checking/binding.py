"""A user's formula and arrays -> a tree of `autodiff.formula`: what a product means follows from the shapes.

A formula without indices becomes matrix form, one with elements or sums over indices becomes index form.
A vector is a column; its transpose a row: so `δ xᵀ` is an outer product and `xᵀ δ` a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import (
    Expression,
    Index,
    Number,
    Reduction,
    Symbol,
    array_function,
    function,
)
from deltarule.autodiff.formula.rewriting import reindexed
from deltarule.explain.checking.syntax import Term

Shape = tuple[int, ...]
_COMPARISONS = {
    "<": "less", ">": "greater", "<=": "less_equal", ">=": "greater_equal", "=": "equal", "!=": "not_equal",
}  # fmt: skip
_MAPS = frozenset(
    "tanh sigmoid exp log sqrt abs sin cos tan sinh cosh square sign erf expm1 log1p maximum minimum "
    "where".split()
)


class Misfit(Exception):
    """Shapes that do not fit together in a part of a formula.

    term     the part
    shapes   of its operands
    """

    def __init__(self, term: Term, problem: str, *shapes: Shape):
        super().__init__(problem)
        self.term, self.problem, self.shapes = term, problem, shapes


@dataclass(frozen=True, eq=False)
class Bound:
    """A part of a formula with its shape.

    expression   the tree
    shape        of the axes that are not running indices
    axes         in index form: the index of each of these axes
    row          whether a vector is a row
    """

    expression: Expression
    shape: Shape = ()
    axes: tuple[Index, ...] | None = None
    row: bool = False


class Binder:
    """Binds one equation.

    shapes    name -> shape of every array that is known
    counts    name -> value of letters that count something, such as N
    """

    def __init__(self, shapes: Mapping[str, Shape], counts: Mapping[str, float], by_index: bool):
        self.shapes, self.counts, self.by_index = shapes, counts, by_index
        self.running: dict[str, Index] = {}
        self._fresh = 0

    # ---- indices

    def fresh(self, extent: int) -> Index:
        """An index of its own for an axis."""
        letters = [letter for letter in "abcdefghpqrs" if letter not in self.running]
        count, self._fresh = self._fresh, self._fresh + 1
        return Index(letters[count % len(letters)] + "'" * (count // len(letters)), extent)

    def find_extents(self, term: Term, own: tuple[str, Sequence[str], Shape | None]) -> None:
        """The extent of every index name, from the axes that it is used on.

        own   name, indices and shape of the left side; None where its shape is not known yet
        """
        title, indices, shape = own
        uses: dict[str, list[int]] = {}
        if shape is not None:
            for index, extent in zip(indices, shape, strict=False):
                uses.setdefault(index, []).append(extent)

        def visit(part: Term) -> None:
            if part.kind == "element" and part.text in self.shapes and part.text != title:
                for index, extent in zip(part.parts, self.shapes[part.text], strict=False):
                    if index.kind == "name":
                        uses.setdefault(index.text, []).append(extent)
                        if len({*uses[index.text]}) > 1:
                            lengths = " and ".join(str(each) for each in sorted({*uses[index.text]}))
                            raise Misfit(part, f"index {index.text} is used on axes of lengths {lengths}")
            for inner in part.parts:
                visit(inner)

        visit(term)
        self.running = {name: Index(name, extents[0]) for name, extents in uses.items()}

    def index(self, part: Term) -> Expression:
        """An index as an expression."""
        if part.kind == "number":
            return Number(int(part.value))
        if part.kind == "name":
            if part.text in self.running:
                return self.running[part.text]
            raise Misfit(part, f"index {part.text} runs over no axis")
        if part.kind == "negative":
            return Number(-int(part.parts[0].value))
        left, right = (self.index(each) for each in part.parts)
        return left + right if part.kind == "add" else left - right

    # ---- parts

    def bind(self, term: Term) -> Bound:
        """A part of a formula with its meaning. Raises Misfit where shapes do not fit."""
        kind = term.kind
        if kind == "number":
            return self.constant(term.value)
        if kind == "name":
            return self.symbol(term)
        if kind == "element":
            return self.element(term)
        if kind in ("add", "subtract"):
            return self.mapped(term, kind, *(self.bind(part) for part in term.parts))
        if kind == "negative":
            return self.mapped(term, "negative", self.bind(term.parts[0]))
        if kind == "product":
            return self.product(term, *(self.bind(part) for part in term.parts))
        if kind == "divide":
            return self.mapped(term, "divide", *(self.bind(part) for part in term.parts))
        if kind == "power":
            base, exponent = (self.bind(part) for part in term.parts)
            if isinstance(exponent.expression, Number) and exponent.expression.value == 2:
                return self.mapped(term, "square", base)
            return self.mapped(term, "pow", base, exponent)
        if kind == "transpose":
            return self.transposed(self.bind(term.parts[0]))
        if kind == "compare":
            return self.mapped(term, _COMPARISONS[term.text], *(self.bind(part) for part in term.parts))
        if kind == "over":
            return self.over(term)
        return self.called(term)

    def constant(self, value: float) -> Bound:
        return Bound(Number(value), (), () if self.by_index else None)

    def symbol(self, term: Term) -> Bound:
        if term.text in self.counts:
            return self.constant(self.counts[term.text])
        if term.text in self.running and term.text not in self.shapes:
            return Bound(self.running[term.text], (), ())
        shape = self.shapes[term.text]
        symbol = Symbol(term.text, len(shape))
        if not self.by_index:
            return Bound(symbol, shape)
        axes = tuple(self.fresh(extent) for extent in shape)
        return Bound(symbol.at(axes), shape, axes)

    def element(self, term: Term) -> Bound:
        shape = self.shapes.get(term.text)
        if shape is None:
            # The left side's own earlier elements: all its indices are written.
            indices = [self.index(part) for part in term.parts]
            return Bound(Symbol(term.text, len(indices)).at(indices, 0.0), (), ())
        parts = [*term.parts, *(Term("slice") for _ in range(len(shape) - len(term.parts)))]
        indices: list[Expression] = []
        axes: list[Index] = []
        outside: float | None = None
        for part, extent in zip(parts, shape, strict=True):
            if part.kind == "slice":
                axes.append(self.fresh(extent))
                indices.append(axes[-1])
                continue
            index = self.index(part)
            if isinstance(index, Number) and index.value < 0:
                index = Number(int(index.value) + extent)
            if not isinstance(index, (Index, Number)):
                outside = 0.0
            indices.append(index)
        expression = Symbol(term.text, len(shape)).at(indices, outside)
        return Bound(expression, tuple(each.extent for each in axes), tuple(axes))

    def mapped(self, term: Term, title: str, *operands: Bound) -> Bound:
        """An element-wise function: operands are broadcast."""
        rows = {each.row for each in operands if len(each.shape) == 1}
        if len(rows) > 1 and len({each.shape for each in operands if each.shape}) > 1:
            raise Misfit(term, "a row and a column do not fit", *(each.shape for each in operands))
        try:
            shape = np.broadcast_shapes(*(each.shape for each in operands))
        except ValueError:
            raise Misfit(term, "shapes do not fit", *(each.shape for each in operands)) from None
        row = bool(rows) and rows == {True}
        if not self.by_index:
            return Bound(function(title, *(each.expression for each in operands)), shape, None, row)
        aligned, axes = self.aligned(operands, shape)
        return Bound(function(title, *aligned), shape, axes, row)

    def aligned(self, operands: Sequence[Bound], shape: Shape) -> tuple[list[Expression], tuple[Index, ...]]:
        """Expressions over the same axes."""
        chosen: list[Index] = []
        for place, extent in enumerate(shape):
            behind = len(shape) - place
            found = next(
                (
                    each.axes[-behind]
                    for each in operands
                    if each.axes is not None and len(each.axes) >= behind and each.shape[-behind] == extent
                ),
                None,
            )
            assert found is not None
            chosen.append(found)
        expressions = []
        for each in operands:
            expression = each.expression
            assert each.axes is not None
            for place, own in enumerate(each.axes):
                target = chosen[len(shape) - len(each.axes) + place]
                if own is not target:
                    replacing: Expression = target if own.extent == target.extent else Number(0)
                    expression = reindexed(expression, {own: replacing})
            expressions.append(expression)
        return expressions, tuple(chosen)

    def product(self, term: Term, left: Bound, right: Bound) -> Bound:
        """Numbers multiply; arrays as the sign says, and side by side as their shapes allow."""
        if term.text != "*":
            # A matrix times a vector of ones is a sum: over rows, 𝟙ᵀ A, or over columns, A 𝟙.
            for place, (other, axis) in enumerate(((right, -2), (left, -1))):
                if _is_ones(term.parts[place]) and term.parts[1 - place].kind != "compare":
                    if len(other.shape) >= 2:
                        return replace(self.summed(term, other, axis, False, False), row=place == 0)
                    if place == 0 and len(other.shape) == 1 and term.parts[0].kind == "transpose":
                        return self.summed(term, other, None, False, False)
        if not left.shape or not right.shape or term.text == "*":
            return self.mapped(term, "multiply", left, right)
        both = len(left.shape) == len(right.shape) == 1
        if both and not left.row and right.row:
            return self.outer(left, right)
        if both and left.row == right.row and term.text != "@":
            return self.mapped(term, "multiply", left, right)
        inner = right.shape[0] if len(right.shape) == 1 else right.shape[-2]
        if left.shape[-1] == inner and not (len(right.shape) == 1 and right.row and len(left.shape) > 1):
            return self.matmul(left, right)
        if term.text == "@" or both:
            raise Misfit(term, "the inner lengths of the matrix product differ", left.shape, right.shape)
        try:
            return self.mapped(term, "multiply", left, right)
        except Misfit:
            raise Misfit(
                term, "the inner lengths of the matrix product differ", left.shape, right.shape
            ) from None

    def outer(self, left: Bound, right: Bound) -> Bound:
        shape = (left.shape[0], right.shape[0])
        if self.by_index:
            assert left.axes is not None and right.axes is not None
            other, own = right.expression, right.axes[0]
            if own is left.axes[0]:
                own = self.fresh(own.extent)
                other = reindexed(other, {right.axes[0]: own})
            return Bound(left.expression * other, shape, (left.axes[0], own))
        column = array_function("reshape", left.expression, shape=(shape[0], 1))
        across = array_function("reshape", right.expression, shape=(1, shape[1]))
        return Bound(column * across, shape)

    def matmul(self, left: Bound, right: Bound) -> Bound:
        vector = len(right.shape) == 1
        shape = left.shape[:-1] + (() if vector else right.shape[-1:])
        if len(right.shape) > 2:
            lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
            shape = (*lead, left.shape[-2], right.shape[-1])
        row = len(shape) == 1 and not vector
        if not self.by_index:
            return Bound(left.expression @ right.expression, shape, None, row)
        assert left.axes is not None and right.axes is not None
        first, *others = right.axes
        if len(others) > 1:
            return self.stacked(left, right, shape)
        summed = left.axes[-1]
        other = reindexed(right.expression, {first: summed})
        axes = (*left.axes[:-1], *others)
        return Bound(Reduction("sum", left.expression * other, (summed,)), shape, axes, row)

    def stacked(self, left: Bound, right: Bound, shape: Shape) -> Bound:
        """A product for each of several matrices."""
        assert left.axes is not None and right.axes is not None
        summed = left.axes[-1]
        other = reindexed(right.expression, {right.axes[-2]: summed})
        leads = [
            Bound(left.expression, left.shape[:-2], left.axes[:-2]),
            Bound(other, right.shape[:-2], right.axes[:-2]),
        ]
        (first, second), lead = self.aligned(leads, shape[:-2])
        axes = (*lead, left.axes[-2], right.axes[-1])
        return Bound(Reduction("sum", first * second, (summed,)), shape, axes)

    def transposed(self, part: Bound) -> Bound:
        if len(part.shape) < 2:
            return replace(part, row=not part.row) if part.shape else part
        shape = (*part.shape[:-2], part.shape[-1], part.shape[-2])
        if not self.by_index:
            return Bound(part.expression.T, shape)
        assert part.axes is not None
        return Bound(part.expression, shape, (*part.axes[:-2], part.axes[-1], part.axes[-2]))

    def over(self, term: Term) -> Bound:
        """Σ over named indices."""
        indices = []
        for each in term.names:
            if each not in self.running:
                raise Misfit(term, f"index {each} of the sum is on no axis of its body")
            indices.append(self.running[each])
        body = self.bind(term.parts[0])
        return Bound(Reduction("sum", body.expression, tuple(indices)), body.shape, body.axes, body.row)

    def summed(self, term: Term, part: Bound, axis: Any, keep: bool, mean: bool) -> Bound:
        count = len(part.shape)
        given = range(count) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
        if any(not -count <= each < count for each in given):
            raise Misfit(term, f"there is no axis {axis}", part.shape)
        axes = sorted({each % count for each in given}) if count else []
        extent = int(np.prod([part.shape[each] for each in axes]))
        shape = tuple(
            1 if place in axes else each for place, each in enumerate(part.shape) if keep or place not in axes
        )
        if not self.by_index:
            options: dict[str, Any] = {"axis": tuple(axes)}
            if keep:
                options["keepdims"] = True
            expression: Expression = array_function("sum", part.expression, **options)
            own: tuple[Index, ...] | None = None
        else:
            assert part.axes is not None
            over = tuple(part.axes[each] for each in axes)
            expression = Reduction("sum", part.expression, over) if over else part.expression
            own = tuple(
                self.fresh(1) if place in axes else each
                for place, each in enumerate(part.axes)
                if keep or place not in axes
            )
        if mean:
            expression = expression / Number(extent)
        return Bound(expression, shape, own)

    def called(self, term: Term) -> Bound:
        title = term.text
        parts = [self.bind(part) for part in term.parts]
        if title in _MAPS:
            return self.mapped(term, title, *parts)
        if title == "len":
            axis, shape = term.options.get("axis", 0), parts[0].shape
            if axis is not None and not -len(shape) <= axis < len(shape):
                raise Misfit(term, f"there is no axis {axis}", shape)
            return self.constant(int(np.prod(shape)) if axis is None else shape[axis])
        if title == "relu":
            return self.mapped(term, "maximum", parts[0], self.constant(0.0))
        if title in ("sum", "mean"):
            options = term.options
            return self.summed(
                term, parts[0], options.get("axis"), bool(options.get("keepdims")), title == "mean"
            )
        if title == "softmax":
            grown = self.mapped(term, "exp", parts[0])
            again = self.mapped(term, "exp", self.bind(term.parts[0]))
            total = self.summed(term, again, term.options.get("axis", -1), True, False)
            return self.mapped(term, "divide", grown, total)
        if title == "matrix":
            return self.matrix(term, parts)
        if title == "outer":
            return self.outer(parts[0], parts[1])
        if title in ("ones_like", "zeros_like"):
            value = Number(1.0 if title == "ones_like" else 0.0)
            return self.mapped(term, "add", self.mapped(term, "multiply", parts[0], self.constant(0.0)),
                               replace(self.constant(0.0), expression=value))  # fmt: skip
        if title == "one_hot":
            return self.one_hot(term, parts[0])
        assert title == "diag", title
        if len(parts[0].shape) != 1:
            raise Misfit(term, "diag expects a vector", parts[0].shape)
        extent = parts[0].shape[0]
        assert parts[0].axes is not None
        own, other = parts[0].axes[0], self.fresh(extent)
        return Bound(parts[0].expression * function("equal", own, other), (extent, extent), (own, other))

    def matrix(self, term: Term, parts: Sequence[Bound]) -> Bound:
        """Elements written out, row by row; a single column is a vector."""
        shape = tuple(term.options["shape"])
        axes = tuple(self.fresh(extent) for extent in shape)
        expression: Expression = Number(0)
        for place, part in zip(np.ndindex(shape), parts, strict=True):
            if part.shape:
                raise Misfit(term, "an element of a matrix is no number", part.shape)
            here = [function("equal", axis, Number(at)) for axis, at in zip(axes, place, strict=True)]
            expression = expression + here[0] * here[1] * part.expression
        if shape[1] == 1:
            return Bound(reindexed(expression, {axes[1]: Number(0)}), shape[:1], axes[:1])
        return Bound(expression, shape, axes)

    def one_hot(self, term: Term, part: Bound) -> Bound:
        """1 in the place of the class number."""
        classes = int(self.counts.get("classes", 0))
        if not classes:
            raise Misfit(term, "the number of classes is not known here", part.shape)
        if not self.by_index:
            chosen = array_function("indicator", part.expression, classes=classes, axis=len(part.shape))
            return Bound(chosen, (*part.shape, classes))
        assert part.axes is not None
        own = self.fresh(classes)
        return Bound(function("equal", part.expression, own), (*part.shape, classes), (*part.axes, own))


def _is_ones(term: Term) -> bool:
    own = term.parts[0] if term.kind == "transpose" else term
    return own.kind == "number" and own.text == "ones"
