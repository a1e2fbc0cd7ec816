"""flow: what happens to the gradient on its way back through time, in every recurrent layer of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.autodiff.backward import require_graph, seed_for
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, GraphError, OutOfBoundsError
from deltarule.explain.derivations.derivation import known_names
from deltarule.explain.shown import Shown
from deltarule.explain.through_time.contributions import (
    MOST_ELEMENTS,
    LayerSums,
    add_up,
    contributions_of,
    relative_deviation,
    shares_of,
)
from deltarule.explain.through_time.engine_gradients import engine_gradients
from deltarule.explain.through_time.lag_products import JacobianFlow, jacobian_flow, sample_jacobian
from deltarule.explain.through_time.loss_steps import Entry, LossSteps
from deltarule.explain.through_time.recurrent_layers import WEIGHTS, RecurrentLayer, chosen_layers
from deltarule.explain.through_time.step_jacobians import StepJacobian, sample_steps
from deltarule.explain.through_time.time_paths import paths_through_time
from deltarule.kernels.threads import limited_threads

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
    gradients            weight -> ∂L/∂W as the engine computed it; None where it needs none
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

        None where the gradient is 0, or the loss enters by steps that are not those of this layer alone.
        """
        shares = self.shares(weight)
        if shares is None or any(entry.steps != self.steps for entry in self.entries):
            return None
        # Before the loss: of a layer that runs backwards, later in time.
        lags = np.subtract.outer(np.arange(self.steps), np.arange(self.steps))
        lags = -lags if self.reverse else lags
        return np.array([shares[lags == lag].sum() for lag in range(self.steps)])

    def total(self, weight: str = "weight_hh") -> Array:
        """Σ_t Σ_k C[t, k]: the gradient, added up from the contributions."""
        return self._sums.totals[self._known(weight)]

    def contribution(self, weight: str, t: int, k: int) -> Array:
        """C[t, k]: what the loss entering at t says of the weight through its use at step k.

        t   number of the entry: the step, where all layers have equally many
        k   step

        Raises ArgumentError for a weight that there is not, OutOfBoundsError for numbers outside the range.
        """
        self._known(weight)
        for value, count, what in ((t, len(self.entries), "entry"), (k, self.steps, "step")):
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


@dataclass(eq=False)
class Flow(Shown):
    """The gradient's way back through time.

    loss      the loss, None if it has several elements
    entries   where it enters: time steps of the layers that it reads directly
    layers    in the order of computation
    sample    whose Jacobians are shown; batch: of how many
    """

    loss: float | None
    entries: list[Entry]
    layers: list[LayerFlow]
    sample: int
    batch: int

    def layer(self, name: str) -> LayerFlow:
        """A layer by its name. Raises ArgumentError if there is none."""
        for each in self.layers:
            if each.name == name:
                return each
        there = ", ".join(each.name for each in self.layers)
        raise ArgumentError(_WHO, f"there is no layer {name!r}", f"There is: {there}.")


def flow(
    loss: Tensor,
    *,
    sample: int = 0,
    layers: Sequence[int | str] | None = None,
    upstream: Any = None,
    names: Mapping[str, Tensor] | None = None,
) -> Flow:
    """Where the gradient of each recurrent weight comes from, and how fast it is lost on the way.

    ∂L/∂W = Σ_t Σ_k C[t, k], C[t, k] from the loss at step t through the use of W at step k
    ∂h[t]/∂h[k] = J[t] J[t−1] ⋯ J[k+1], J = diag(φ') W_hh in a simple recurrent layer

    loss       a recorded tensor of one element, or any with its `upstream` gradient
    sample     whose Jacobians are computed; contributions and gradients are those of the whole batch
    layers     numbers or names of layers to look at; all if left out
    names      name -> tensor, such as `dict(model.named_parameters())`

    Any number of layers, both directions, masks, states carried on, cells in a loop of one's own. Step t is
    that of the output of a recurrent layer which the loss reads without another such layer between; a last
    state belongs to the last step that its sequence has, so that reading it and reading the output
    there are the same. Computed in float64, from the formulas of the cells.
    Time grows with (steps² · batch · hidden²) for each layer: 4 s and 30 MB for an LSTM of 128 units over
    200 steps with a batch of 8, on two cores that others used too. Jacobians of more than 300 states are not
    formed, their norms are then estimated.

    Raises GraphError for a loss without a graph or without recurrent layers, OutOfBoundsError for a sample
    that is not there, ArgumentError for layers that are not.
    Source: Pascanu, Mikolov & Bengio 2013, eq. 3 to 5; Hochreiter 1991.

    >>> import deltarule as dr
    >>> x, W = dr.ones((1, 3, 1)), dr.tensor([[0.5]], requires_grad=True)
    >>> output, last = dr.rnn(x, None, [[1.0]], W, nonlinearity="relu")
    >>> layer = dr.explain.flow(last.sum()).layers[0]
    >>> layer.contributions("weight_hh")[2, :, 0, 0].tolist(), layer.gradients["weight_hh"].item()
    ([0.0, 0.5, 1.5], 2.0)
    >>> layer.jacobians.main.rate.per_step
    0.5
    """
    if not isinstance(loss, Tensor):
        raise GraphError(_WHO, f"expected a tensor, got {type(loss).__name__}", "Give it the loss.")
    require_graph(loss, _WHO)
    seed = seed_for(loss, upstream, _WHO)
    names = known_names(names, None, _WHO)
    if isinstance(sample, bool) or not isinstance(sample, int | np.integer):
        raise ArgumentError(_WHO, f"sample expected a whole number, got {sample!r}", "Count from 0.")
    apart = LossSteps(loss, seed, names)
    if not apart.layers:
        raise GraphError(
            _WHO,
            "nothing recurrent leads to this tensor: no rnn, gru or lstm, and no cell of one",
            "Paths through any graph: dr.explain.paths.",
        )
    chosen = chosen_layers(apart.layers, layers, _WHO)
    smallest = min(layer.batch for layer in chosen)
    if not -smallest <= sample < smallest:
        raise OutOfBoundsError(_WHO, f"sample {sample} is outside of a batch of {smallest}", "Count from 0.")
    gradients = engine_gradients(loss, seed, apart, chosen)
    paths = paths_through_time(apart, loss)
    sample %= smallest
    # Products and eigenvalues of matrices this small: a second thread of NumPy's library mostly waits.
    with limited_threads(1), np.errstate(over="ignore", invalid="ignore"):
        sums = add_up(apart, gradients)
        shown = [
            _layer_flow(apart, layer, sums[layer], gradients[layer], paths[layer], sample, names)
            for layer in chosen
        ]
    value = float(loss.item()) if loss.size == 1 else None
    return Flow(value, apart.entries, shown, sample, chosen[0].batch)


def _layer_flow(
    apart: LossSteps,
    layer: RecurrentLayer,
    sums: LayerSums,
    gradients: dict[str, Array | None],
    paths: dict[str, int],
    sample: int,
    names: Mapping[str, Tensor] | None,
) -> LayerFlow:
    kinds = ("hidden", "cell")
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
        state_gradients={
            kind: np.linalg.norm(each, axis=(1, 2)) for kind, each in zip(kinds, sums.states, strict=False)
        },
        sample_gradients={
            kind: np.linalg.norm(each, axis=2) for kind, each in zip(kinds, sums.states, strict=False)
        },
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
