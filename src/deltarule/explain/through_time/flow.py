"""flow: what happens to the gradient on its way back through time, in every recurrent layer of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import require_graph, seed_for
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, GraphError, OutOfBoundsError
from deltarule.explain.derivations.derivation import known_names
from deltarule.explain.shown import Shown
from deltarule.explain.through_time.contributions import add_up
from deltarule.explain.through_time.engine_gradients import engine_gradients
from deltarule.explain.through_time.layer_flow import LayerFlow, layer_flow
from deltarule.explain.through_time.loss_steps import Entry, LossSteps
from deltarule.explain.through_time.recurrent_layers import chosen_layers
from deltarule.explain.through_time.time_paths import paths_through_time
from deltarule.kernels.threads import limited_threads

_WHO = "flow"


@dataclass(eq=False, repr=False)
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

    Any number of layers, both directions, masks, states carried on, cells in a loop of one's own. The same
    weights on a second sequence, from a new first state, count as a second layer. Step t is that of the
    output of a recurrent layer which the loss reads without another such layer between; a last state belongs
    to the last step that its sequence has, so that reading it and reading the output there are the same.
    Computed in float64, from the formulas of the cells.
    Products of Jacobians reach back to where a state was cut off, or changed by other operations between two
    steps. Jacobians of more than 300 states are not formed, their norms are then estimated.
    Time grows with (steps² · batch · hidden²) for each layer: 4 s and 30 MB for an LSTM of 128 units over
    200 steps with a batch of 8, on two cores that others used too.

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
    if not smallest:
        raise ArgumentError(_WHO, "expected samples, got an empty batch", "Give it at least one sequence.")
    if not -smallest <= sample < smallest:
        raise OutOfBoundsError(_WHO, f"sample {sample} is outside of a batch of {smallest}", "Count from 0.")
    gradients = engine_gradients(loss, seed, apart, chosen)
    paths = paths_through_time(apart, loss)
    sample %= smallest
    # Products and eigenvalues of matrices this small: a second thread of NumPy's library mostly waits.
    with limited_threads(1), np.errstate(over="ignore", invalid="ignore"):
        sums = add_up(apart, gradients)
        shown = [
            layer_flow(apart, layer, sums[layer], gradients[layer], paths[layer], sample, names)
            for layer in chosen
        ]
    value = float(loss.item()) if loss.size == 1 else None
    return Flow(value, apart.entries, shown, sample, smallest)
