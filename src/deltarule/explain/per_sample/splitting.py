"""Splitting: the gradient of one input of one operation, sample by sample, from the operation's own formula.

The formula of a gradient is a sum over samples, ∂L/∂w[o, i] = Σ_n δ[n, o] x[n, i]. Leaving n out of the sum
gives the gradient of each sample, as one more matrix product and not as a loop. Where samples lie in runs of
rows (n·T + t, for the rows of sequences), only n is left out and the sum over t stays.
"""

from __future__ import annotations

import math

import numpy as np

from deltarule.autodiff.formula.expression import Reduction
from deltarule.autodiff.tensor import Array
from deltarule.explain.per_sample.contraction import contracted
from deltarule.explain.per_sample.evaluator import Evaluator
from deltarule.explain.per_sample.labelling import names_of
from deltarule.explain.per_sample.labels import NONE
from deltarule.explain.per_sample.node_arrays import NodeArrays
from deltarule.explain.per_sample.plan import Plan
from deltarule.explain.per_sample.scattering import scattered


class Split:
    """The gradient of one input of a node, split by sample.

    arrays   of the node
    name     of the input
    plan     how it is split
    """

    def __init__(self, arrays: NodeArrays, name: str, plan: Plan):
        arrays.complete(name)
        self.plan = plan
        self.arrays = arrays.arrays
        self.dtype = arrays.node.inputs[names_of(arrays.node).index(name)].dtype
        self.shape = tuple(index.extent for index in plan.left)

    def parts(self, start: int, stop: int) -> Array:
        """The parts of the samples from `start` until before `stop`: (stop − start, *shape)."""
        plan, evaluator = self.plan, Evaluator(self.arrays)
        if plan.rows is not None:
            value = np.broadcast_to(evaluator.value(plan.body, plan.left), self.shape)
            found = by_rows(value, plan.rows, start, stop, plan.samples)
        elif plan.runs is not None:
            sample, body = plan.by_runs(start, stop)
            summed = scattered(body, sample, plan.left, evaluator)
            if summed is None:
                summed = evaluator.value(body, (sample, *plan.left))
            found = np.broadcast_to(summed, (sample.extent, *self.shape))
        else:
            found = self._grouped(evaluator, start, stop)
        return found.astype(self.dtype, copy=False)

    def outer(self, start: int, stop: int, most: int) -> tuple[Array, Array, list[int]] | None:
        """(left (n, t, a), right (n, t, b), order) where parts are Σ_t left ⊗ right, axes put in that order.

        None where the parts are no such sum of outer products, where it has more than so many terms, or where
        two Gram matrices of its terms would not be clearly cheaper than the parts.
        """
        if self.plan.runs is None:
            return None
        sample, body = self.plan.by_runs(start, stop)
        if not isinstance(body, Reduction) or body.kind != "sum":
            body = Reduction("sum", body, ())
        factor, operands = Evaluator(self.arrays).operands(body.body)
        if len(operands) != 2:
            return None
        sides = [[index for index in self.plan.left if index in each.indices] for each in operands]
        if set(sides[0]) & set(sides[1]) or len(sides[0]) + len(sides[1]) != len(self.plan.left):
            return None
        if not all(sides) or not all(sample in each.indices for each in operands):
            return None
        summed = list(body.indices)
        rows, *widths = (math.prod(index.extent for index in each) for each in (summed, *sides))
        # A Gram matrix costs more time for each product than a matrix of weights does.
        if rows > most or 4 * rows * sum(widths) >= math.prod(widths):
            return None
        arrays = []
        for operand, side, width in zip(operands, sides, widths, strict=True):
            if any(index not in operand.indices for index in summed):
                return None
            whole = contracted([operand], [sample, *summed, *side])
            arrays.append(whole.reshape(sample.extent, rows, width))
        order = [self.plan.left.index(index) for index in (*sides[0], *sides[1])]
        return arrays[0] * factor, arrays[1], order

    def _grouped(self, evaluator: Evaluator, start: int, stop: int) -> Array:
        """Every term, added up by its sample."""
        plan = self.plan
        running = (*plan.left, *plan.free)
        extents = [index.extent for index in running]
        value = np.broadcast_to(evaluator.value(plan.opened, running), extents)
        labels = plan.labels
        axes = tuple(range(len(plan.left), len(running)))
        own = [np.where(labels == sample, value, 0).sum(axis=axes) for sample in range(start, stop)]
        return np.stack(own) + np.where(labels == NONE, value, 0).sum(axis=axes) / plan.samples


def by_rows(value: Array, labels: Array, start: int, stop: int, samples: int) -> Array:
    """One copy for each sample, that is 0 where elements belong to others; those of none are shared out."""
    wanted = np.arange(start, stop).reshape(-1, *[1] * value.ndim)
    found = np.where(labels[None] == wanted, value[None], np.zeros((), value.dtype))
    return found + np.where(labels == NONE, value / samples, 0) if (labels == NONE).any() else found
