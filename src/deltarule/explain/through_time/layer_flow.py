"""What happens to the gradient in one recurrent layer, in one direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, OutOfBoundsError
from deltarule.explain.through_time.contributions import (
    MOST_ELEMENTS,
    LayerSums,
    contributions_of,
    relative_deviation,
    shares_of,
)
from deltarule.explain.through_time.lag_products import JacobianFlow, jacobian_flow
from deltarule.explain.through_time.loss_steps import Entry, LossSteps
from deltarule.explain.through_time.recurrent_layers import WEIGHTS, RecurrentLayer
from deltarule.explain.through_time.step_jacobians import StepJacobian, sample_jacobian, sample_steps

_WHO = "flow"


@dataclass(eq=False)
class LayerFlow:
    """What happens in one layer, in one direction.

    name, operation      the layer's name; "rnn", "gru" or "lstm", or a cell of one's own
    steps, hidden, batch its sizes
    reverse              whether it runs from the last step to the first
    weights              "weight_hh", ... -> the name that its tensor has
    paths                weight -> number of paths to it from the loss in the recorded graph, sequences opened
                         into their steps
    gradients            weight -> ∂L/∂W through its uses in this layer, as the engine computed it; None where
                         it needs none
    deviations           weight -> largest difference between that and the sum of all contributions, over its
                         largest element; None where there is none to compare
    state_gradients      "hidden" (and "cell") -> (steps,) norm of ∂L/∂state after each step, over the batch
    sample_gradients     the same for each sequence, (steps, batch)
    arriving             (entries, steps) norm of the part of ∂L/∂h[k] that comes from each entry of the loss
    jacobians            the steps' Jacobians for one sample
    """

    name: str
    operation: str
    steps: int
    hidden: int
    batch: int
    reverse: bool
    dtype: str
    weights: dict[str, str]
    paths: dict[str, int]
    gradients: dict[str, Array | None]
    deviations: dict[str, float | None]
    state_gradients: dict[str, Array]
    sample_gradients: dict[str, Array]
    arriving: Array
    jacobians: JacobianFlow
    entries: list[Entry]
    _sums: LayerSums = field(repr=False)
    _layer: RecurrentLayer = field(repr=False)
    _pass: LossSteps = field(repr=False)
    _latest: tuple[Any, dict[int, Array]] | None = field(default=None, repr=False)

    def sizes(self, weight: str = "weight_hh") -> Array:
        """‖C[t, k]‖ for every entry t of the loss and step k, (entries, steps).

        Raises ArgumentError for a weight that there is not.
        """
        return self._sums.sizes[self._known(weight)]

    def shares(self, weight: str = "weight_hh") -> Array | None:
        """⟨C[t, k], ∂L/∂W⟩ / ‖∂L/∂W‖²: signed shares of the gradient, which sum to 1.

        None where the gradient is 0, or the engine computed none.
        """
        return shares_of(self._sums.products[self._known(weight)], self.gradients[weight])

    def lag_shares(self, weight: str = "weight_hh") -> Array | None:
        """(steps,) share of the gradient that passes so many steps between loss and use: they sum to 1.

        None where the gradient is 0, or the engine computed none; where the loss enters by steps that are not
        those of this layer alone; or where uses tell of a loss before them, as with attention in between.
        """
        shares = self.shares(weight)
        if shares is None or any(entry.steps != self.steps for entry in self.entries):
            return None
        # Before the loss: of a layer that runs backwards, later in time.
        lags = np.subtract.outer(np.arange(self.steps), np.arange(self.steps))
        lags = -lags if self.reverse else lags
        if shares[lags < 0].any():
            return None
        return np.array([shares[lags == lag].sum() for lag in range(self.steps)])

    def total(self, weight: str = "weight_hh") -> Array:
        """Σ_t Σ_k C[t, k]: the gradient, added up from the contributions."""
        return self._sums.totals[self._known(weight)]

    def contribution(self, weight: str, t: int, k: int) -> Array:
        """C[t, k]: what the loss entering at t says of the weight through its use at step k.

        t   number of the entry: the step, where all layers have equally many
        k   step

        Raises ArgumentError for a weight that there is not and for what is no number, OutOfBoundsError for
        numbers outside the range.
        """
        self._known(weight)
        for value, count, what in ((t, len(self.entries), "entry"), (k, self.steps, "step")):
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise ArgumentError(_WHO, f"{what} expected a whole number, got {value!r}", "Count from 0.")
            if value not in range(count):
                raise OutOfBoundsError(
                    _WHO, f"{what} {value} is outside of 0 to {count - 1}", "Count from 0."
                )
        if self._latest is None or self._latest[0] != (weight, t):
            self._latest = (weight, t), contributions_of(self._pass, self._layer, weight, t)
        found = self._latest[1].get(k)
        return np.zeros(self._layer.weight(weight).shape) if found is None else found.copy()

    def contributions(self, weight: str = "weight_hh") -> Array:
        """All C[t, k], (entries, steps, *shape of the weight): sum over the first two axes for the gradient.

        Raises ArgumentError where they have more than 50 million elements.
        """
        shape = self._layer.weight(self._known(weight)).shape
        count = len(self.entries) * self.steps * int(np.prod(shape))
        if count > MOST_ELEMENTS:
            raise ArgumentError(
                _WHO,
                f"all contributions to {weight} have {count:,} elements, more than {MOST_ELEMENTS:,}",
                "Ask for one with contribution(weight, t, k), or for their sizes.",
            )
        found = np.zeros((len(self.entries), self.steps, *shape))
        for entry in range(len(self.entries)):
            for step, array in contributions_of(self._pass, self._layer, weight, entry).items():
                found[entry, step] = array
        return found

    def jacobian(self, step: int) -> StepJacobian:
        """The Jacobian of one step of the sample, with its factors.

        Raises OutOfBoundsError for a step that the sample does not have.
        """
        sample = self.jacobians.sample
        for where in sample_steps(self._pass, self._layer, sample):
            if where.time == step:
                return sample_jacobian(self._pass, self._layer, where, sample)
        raise OutOfBoundsError(
            _WHO,
            f"sample {sample} has no step {step} in {self.name}",
            f"It has {len(self.jacobians.times)} steps, see jacobians.times.",
        )

    def _known(self, weight: str) -> str:
        if weight not in WEIGHTS:
            raise ArgumentError(
                _WHO, f"weight expected one of {', '.join(WEIGHTS)}, got {weight!r}", "Names are PyTorch's."
            )
        return weight


def layer_flow(
    apart: LossSteps,
    layer: RecurrentLayer,
    sums: LayerSums,
    gradients: dict[str, Array | None],
    paths: dict[str, int],
    sample: int,
    names: Mapping[str, Tensor] | None,
) -> LayerFlow:
    """All about one layer, from what was added up while the loss's entries passed it."""
    states = dict(zip(("hidden", "cell"), sums.states, strict=False))
    return LayerFlow(
        name=layer.name,
        operation=layer.operation,
        steps=layer.steps,
        hidden=layer.hidden,
        batch=layer.batch,
        reverse=layer.reverse,
        dtype=str(np.dtype(layer.dtype)),
        weights={weight: _label(layer, weight, names) for weight in WEIGHTS},
        paths=paths,
        gradients=gradients,
        deviations={
            weight: None if gradient is None else relative_deviation(sums.totals[weight], gradient)
            for weight, gradient in gradients.items()
        },
        state_gradients={kind: np.linalg.norm(each, axis=(1, 2)) for kind, each in states.items()},
        sample_gradients={kind: np.linalg.norm(each, axis=2) for kind, each in states.items()},
        arriving=sums.arriving,
        jacobians=jacobian_flow(apart, layer, sample),
        entries=apart.entries,
        _sums=sums,
        _layer=layer,
        _pass=apart,
    )


def _label(layer: RecurrentLayer, weight: str, names: Mapping[str, Tensor] | None) -> str:
    tensor = layer.weight(weight)
    given = next((name for name, each in (names or {}).items() if each is tensor), tensor.name)
    return given or f"{layer.name}.{weight}"
