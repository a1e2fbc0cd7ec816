"""Labels: which sample each element of an array belongs to, found from index formulas.

A formula such as y[n, o] = Σ_i x[n, i] w[o, i] says by itself that row n of y belongs to the sample of row n
of x, and that w belongs to none. The same walk over the tree sees where samples meet: in a sum over n, as a
loss does it, which keeps them apart as terms; or in any other way, which mixes them (a batch's mean inside of
a product).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Function,
    Index,
    Line,
    Number,
    Reduction,
    Symbol,
)
from deltarule.autodiff.formula.functions import FUNCTIONS
from deltarule.autodiff.tensor import Array
from deltarule.explain.per_sample.evaluator import Evaluator, UnreadableError
from deltarule.explain.per_sample.lines import defined_by, names_defined

# An element of no sample; an element that several samples were added up in.
NONE, SEVERAL = -1, -2
_LINEAR = frozenset(("add", "subtract", "negative", "positive"))


@dataclass(frozen=True)
class Labels:
    """Sample numbers, NONE or SEVERAL, for an array or an expression.

    of     one axis for each axis of the array, of length 1 where the sample does not depend on it
    live   whether it depends on what is differentiated; what samples share besides is a constant of the loss
    """

    of: Array
    live: bool

    @property
    def shared(self) -> bool:
        """Whether it belongs to no sample at all."""
        return bool((self.of == NONE).all())

    @property
    def by_sample(self) -> bool:
        """Whether every element belongs to one sample or to none."""
        return not (self.of == SEVERAL).any()


def no_labels(ndim: int, live: bool) -> Labels:
    """Of an array that belongs to no sample."""
    return Labels(np.full((1,) * ndim, NONE), live)


def compressed(of: Array) -> Array:
    """Without repetition along axes on which nothing depends."""
    for axis in range(of.ndim):
        first = of[(slice(None),) * axis + (slice(0, 1),)]
        if of.shape[axis] > 1 and (of == first).all():
            of = first
    return of


class LabelReader:
    """Walks over formulas with labels in place of numbers.

    labels   of every symbol
    arrays   of symbols that stand inside of indices
    mixes    whether samples met otherwise than as terms of a sum
    """

    def __init__(self, labels: Mapping[str, Labels], arrays: Mapping[str, Any]):
        self.labels = dict(labels)
        self.arrays = Evaluator(arrays)
        self.mixes = False

    # ---- lines

    def solve(self, lines: Sequence[Line]) -> None:
        """Adds the labels of what lines define."""
        for line in lines:
            if isinstance(line, Equation):
                self._define(line)
                continue
            # Equations of a loop read each other's results of the step before: again until nothing changes.
            # A sample that only the first state knows goes on by one step each time.
            mixed = self.mixes
            for _ in range(line.index.extent + 2):
                before = {name: self.labels.get(name) for name in names_defined(line)}
                self.mixes = mixed
                for equation in line.equations:
                    self._define(equation)
                if all(_same(before[name], self.labels[name]) for name in before):
                    break

    def _define(self, equation: Equation) -> None:
        symbol, running = defined_by(equation)
        found = self.read(equation.right, running)
        self.labels[symbol.name] = Labels(compressed(found.of), found.live)

    # ---- expressions

    def read(self, expression: Expression, running: Sequence[Index]) -> Labels:
        """Labels with one axis for each running index."""
        if isinstance(expression, (Number, Index)):
            return no_labels(len(running), False)
        if isinstance(expression, (Symbol, Element)):
            return self._element(expression, running)
        if isinstance(expression, Function):
            return self._function(expression, running)
        if isinstance(expression, Reduction):
            return self._reduction(expression, running)
        raise UnreadableError("a function of whole arrays in index form")

    def _element(self, expression: Symbol | Element, running: Sequence[Index]) -> Labels:
        depth = len(running)
        if isinstance(expression, Symbol):
            own = self.labels.get(expression.name)
            if own is None or own.of.ndim == 0:
                value = NONE if own is None else int(own.of)
                return Labels(np.full((1,) * depth, value), own is not None and own.live)
            raise UnreadableError("a whole array in index form")
        own = self.labels.get(expression.symbol.name)
        found = no_labels(depth, False) if own is None else self._picked(own, expression, running)
        for index in expression.indices:
            if not isinstance(index, (Index, Number)):
                chosen = self.read(index, running)
                if not chosen.shared:
                    found = self._combined(found, Labels(chosen.of, found.live))
        return found

    def _picked(self, own: Labels, expression: Element, running: Sequence[Index]) -> Labels:
        """The labels of the elements that are read; NONE for what is read beyond the edges."""
        places, inside = [], np.True_
        for index, extent in zip(expression.indices, own.of.shape, strict=True):
            if extent == 1:
                places.append(np.zeros((1,) * len(running), np.int64))
                continue
            place = self.arrays.value(index, running).astype(np.int64)
            inside = inside & (place >= 0) & (place < extent)
            places.append(np.clip(place, 0, extent - 1))
        if not places:
            return Labels(np.full((1,) * len(running), int(own.of)), own.live)
        return Labels(np.where(inside, own.of[tuple(places)], NONE), own.live)

    def _function(self, expression: Function, running: Sequence[Index]) -> Labels:
        if expression.name == "where":
            return self._where(expression.arguments, running)
        parts = [self.read(part, running) for part in expression.arguments]
        if expression.name in ("multiply", "divide"):
            parts = self._without_zeros(expression.arguments, parts, running)
            self._look_at_product(parts, expression.name == "divide")
        elif expression.name not in _LINEAR:
            self.mixes = self.mixes or any(part.live and not part.by_sample for part in parts)
        found = parts[0]
        for part in parts[1:]:
            found = self._combined(found, part)
        return found

    def _look_at_product(self, parts: Sequence[Labels], divides: bool) -> None:
        """A sum over samples may be scaled by what belongs to none."""
        left, right = parts
        if divides and right.live and not right.by_sample:
            self.mixes = True
        for one, other in ((left, right), (right, left)):
            if one.live and not one.by_sample and other.live and not other.shared:
                self.mixes = True

    def _without_zeros(
        self, arguments: Sequence[Expression], parts: list[Labels], running: Sequence[Index]
    ) -> list[Labels]:
        """Where a bracket of indices is 0, the other factor does not matter."""
        for own, other in ((0, 1), (1, 0)):
            if _is_of_indices(arguments[own]) and isinstance(arguments[own], Function):
                zero = self.arrays.value(arguments[own], running) == 0
                if zero.any():
                    parts[other] = Labels(np.where(zero, NONE, parts[other].of), parts[other].live)
        return parts

    def _where(self, arguments: Sequence[Expression], running: Sequence[Index]) -> Labels:
        condition, chosen, otherwise = arguments
        first, second = self.read(chosen, running), self.read(otherwise, running)
        live = first.live or second.live
        if _is_of_indices(condition):
            holds = self.arrays.value(condition, running) != 0
            return Labels(np.where(holds, first.of, second.of), live)
        decides = self.read(condition, running)
        if decides.live and not decides.by_sample:
            self.mixes = True
        return self._combined(decides, self._combined(first, second))

    def _reduction(self, expression: Reduction, running: Sequence[Index]) -> Labels:
        body = self.read(expression.body, (*running, *expression.indices))
        axes = tuple(range(len(running), len(running) + len(expression.indices)))
        known = body.of >= 0
        low = np.where(known, body.of, np.iinfo(np.int64).max).min(axis=axes)
        high = body.of.max(axis=axes)
        several = (body.of == SEVERAL).any(axis=axes) | ((high >= 0) & (low != high))
        found = np.where(several, SEVERAL if body.live else NONE, np.where(high >= 0, high, NONE))
        if body.live and expression.kind != "sum" and several.any():
            self.mixes = True
        return Labels(found, body.live)

    def _combined(self, one: Labels, other: Labels) -> Labels:
        """Labels of what is computed from two elements each."""
        if one.live != other.live:
            live, constant = (one, other) if one.live else (other, one)
            return Labels(np.where(live.of != NONE, live.of, constant.of), True)
        a, b = np.broadcast_arrays(one.of, other.of)
        differ = (a >= 0) & (b >= 0) & (a != b)
        if one.live and (differ.any() or (((a >= 0) & (b == SEVERAL)) | ((b >= 0) & (a == SEVERAL))).any()):
            self.mixes = True
        found = np.where(a >= 0, a, np.where(b >= 0, b, np.minimum(a, b)))
        return Labels(np.where(differ, SEVERAL if one.live else NONE, found), one.live)


def varying(of: Array, axes: Sequence[int]) -> list[int]:
    """Those axes along which labels differ."""
    return [
        axis
        for axis in axes
        if of.shape[axis] > 1 and (of != of[(slice(None),) * axis + (slice(0, 1),)]).any()
    ]


def _is_of_indices(expression: Expression) -> bool:
    """Whether an expression is computed from indices and numbers alone."""
    if isinstance(expression, Function):
        return expression.name in FUNCTIONS and all(_is_of_indices(part) for part in expression.arguments)
    return isinstance(expression, (Index, Number))


def _same(one: Labels | None, other: Labels) -> bool:
    return (
        one is not None
        and one.live == other.live
        and one.of.shape == other.of.shape
        and bool((one.of == other.of).all())
    )
