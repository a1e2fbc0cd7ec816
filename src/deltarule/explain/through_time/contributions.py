"""Contributions to a recurrent weight's gradient: from the loss at each step, through its use at each step.

    ∂L/∂W = Σ_t Σ_k C[t, k],    C[t, k] = Σ over the batch of δ[t, k] inputᵀ[k]

with δ[t, k] what the part of the loss that enters at step t says of the error at step k. C itself, of as
many elements as the weight, is formed on demand alone; its size and its share of the gradient come from
the two factors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.through_time.loss_steps import LossSteps, StepBack
from deltarule.explain.through_time.recurrent_layers import WEIGHTS, RecurrentLayer

# Elements of one array that a pass holds for all of its entries: some twenty such arrays are alive at a time.
CHUNK_ELEMENTS = 600_000
# Elements of all contributions of a weight that `contributions` gives at once.
MOST_ELEMENTS = 50_000_000


class LayerSums:
    """What is added up for one layer while the loss's entries pass it.

    sizes       weight -> (entries, steps): the norm of each contribution
    products    weight -> (entries, steps): its scalar product with the gradient
    totals      weight -> the sum of all contributions
    arriving    (entries, steps): ‖∂L_t/∂h_k‖ over the batch
    states      of each state (steps, batch, hidden): ∂L/∂state, all entries together
    """

    def __init__(self, layer: RecurrentLayer, entries: int, gradients: Mapping[str, Array | None]):
        self._gradients = gradients
        shape = (entries, layer.steps)
        self.sizes = {name: np.zeros(shape) for name in WEIGHTS}
        self.products = {name: np.zeros(shape) for name in WEIGHTS}
        self.totals = {name: np.zeros(layer.weight(name).shape) for name in WEIGHTS}
        self.arriving = np.zeros(shape)
        states = len(layer.cell.states)
        self.states = [np.zeros((layer.steps, layer.batch, layer.hidden)) for _ in range(states)]

    def add(self, pass_: LossSteps, back: StepBack, first: int) -> None:
        """Adds one step; `first` is the entry that the pass began with."""
        entries = slice(first + back.entries.start, first + back.entries.stop)
        time = back.time
        for total, gradient in zip(self.states, back.gradients, strict=True):
            total[time] += gradient.sum(axis=0)
        self.arriving[entries, time] = _norms(back.gradients[0])
        step = pass_.steps[back.layer]
        for name in WEIGHTS:
            errors, inputs = step.factors(name, back.environment)
            self.totals[name] += _product(errors.sum(axis=0), inputs)
            self.sizes[name][entries, time] = _sizes(errors, inputs)
            gradient = self._gradients[name]
            if gradient is not None:
                self.products[name][entries, time] = _scalar_products(errors, inputs, gradient)


def add_up(
    loss_steps: LossSteps, gradients: Mapping[RecurrentLayer, Mapping[str, Array | None]]
) -> dict[RecurrentLayer, LayerSums]:
    """All entries of a loss, sent back in portions that fit into memory."""
    count = len(loss_steps.entries)
    sums = {layer: LayerSums(layer, count, gradients[layer]) for layer in gradients}
    widest = max(layer.batch * layer.hidden * layer.cell.gates for layer in loss_steps.layers)
    longest = max(
        layer.batch * call.steps * max(layer.hidden, call.input("x").shape[-1])
        for layer in loss_steps.layers
        for call in layer.calls
    )
    portion = max(1, min(CHUNK_ELEMENTS // widest, 10 * CHUNK_ELEMENTS // longest))
    for first in range(0, count, portion):
        entries = range(first, min(first + portion, count))

        def visit(back: StepBack, first: int = first) -> None:
            if back.layer in sums:
                sums[back.layer].add(loss_steps, back, first)

        loss_steps.run(entries, visit)
    return sums


@np.errstate(over="ignore", invalid="ignore")
def contributions_of(
    loss_steps: LossSteps, layer: RecurrentLayer, weight: str, entry: int
) -> dict[int, Array]:
    """Step -> C[entry, step], for all steps that this entry of the loss reaches."""
    found: dict[int, Array] = {}

    def visit(back: StepBack) -> None:
        if back.layer is layer:
            errors, inputs = loss_steps.steps[layer].factors(weight, back.environment)
            found[back.time] = _product(errors[0], inputs)

    loss_steps.run([entry], visit)
    return found


def _norms(arrays: Array) -> Array:
    return np.sqrt(np.einsum("ebh,ebh->e", arrays, arrays))


def _product(errors: Array, inputs: Array | None) -> Array:
    """Σ over the batch of error · inputᵀ."""
    return errors.sum(axis=0) if inputs is None else errors.T @ inputs


def _sizes(errors: Array, inputs: Array | None) -> Array:
    """‖Σ error · inputᵀ‖ for each entry, from the smaller of the two ways."""
    if inputs is None:
        return np.sqrt(np.square(errors.sum(axis=1)).sum(axis=1))
    batch, columns = inputs.shape
    if batch == 1:
        return _norms(errors) * np.linalg.norm(inputs)
    if batch < columns:
        # ‖AᵀB‖² is the scalar product of the Gram matrices A Aᵀ and B Bᵀ.
        squares = np.einsum("ebc,bc->e", errors @ errors.swapaxes(1, 2), inputs @ inputs.T)
        return np.sqrt(np.maximum(squares, 0.0))
    return np.array([np.linalg.norm(each.T @ inputs) for each in errors])


def _scalar_products(errors: Array, inputs: Array | None, gradient: Array) -> Array:
    """⟨Σ error · inputᵀ, gradient⟩ for each entry."""
    if inputs is None:
        return errors.sum(axis=1) @ gradient
    return np.einsum("ebr,br->e", errors, inputs @ gradient.T)


def shares_of(products: Array, gradient: Array | None) -> Array | None:
    """Scalar products as shares of ‖gradient‖², which sum to 1; None where it is 0 or unknown."""
    square = 0.0 if gradient is None else float(np.vdot(gradient, gradient))
    return products / square if square > 0 else None


def relative_deviation(value: Array, reference: Any) -> float:
    """Largest difference over the largest element of the reference."""
    scale = float(np.max(np.abs(reference), initial=0.0))
    deviation = float(np.max(np.abs(value - reference), initial=0.0))
    return deviation / scale if scale > 0 else deviation
