"""How gradients fare in a recurrence: spectral radii, and what is left of a gradient at the first step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.through_time.gradient_rate import fitted_rate
from deltarule.explain.through_time.spectra import estimated_radius, log_of, spectral_norm, spectral_radius
from deltarule.explain.training_health.recurrences import Recurrence

# Rows of the cell that the Jacobians of a few steps may take.
_MOST_ROWS = 4096
_MOST_STEPS = 8
# Share of the largest gradient below which a step counts as not read.
_READ = 1e-6
_KEEPING = {"LSTM": "forget_gate", "GRU": "update_gate"}


@dataclass(frozen=True)
class RecurrentVitals:
    """One layer and direction of a recurrent module.

    layer            module; `sublayer` counts layers from 0, `reverse` is True for the backward direction
    kind             "RNN", "GRU" or "LSTM"
    steps            length of the sequence
    weight_radius    spectral radius of the recurrent weights; of the candidate's for GRU and LSTM
    weight_norm      their largest singular value
    jacobian_radius  geometric mean over steps of the spectral radius of ∂h_t/∂h_{t-1} (for LSTM of the
                     pair (h, c)), on a few samples
    gradient_rate    factor per step by which ‖∂L/∂h_t‖ changes on its way back, fitted for one injected
                     gradient at the last step: 1 keeps it, 0.6 loses it
    remains          what is left of it at the first step
    forget           mean of the forget gate (LSTM) or update gate (GRU); None for RNN
    read             share of the steps whose output is read from outside: 1 for an answer at each step or a
                     mean over time, little for one at the end; None for cells that were called one by one
    """

    layer: str
    sublayer: int
    reverse: bool
    kind: str
    steps: int
    weight_radius: float
    weight_norm: float
    jacobian_radius: float
    gradient_rate: float
    remains: float
    forget: float | None
    read: float | None = None


def recurrent_vitals(recurrence: Recurrence, arriving: Array | None = None) -> RecurrentVitals:
    """Spectral radius of weights and of step Jacobians, and the rate at which a gradient decays going back.

    arriving   ∂L/∂(outputs of the sequence) (rows, time, hidden) as it comes from outside, where it is known

    Source: Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks.
    """
    steps = len(recurrence.inputs)
    hidden = recurrence.states[0].shape[-1]
    # The candidate's block is the third of GRU (reset, update, ...) and of LSTM (input, forget, ...).
    block = 0 if recurrence.kind == "RNN" else 2
    weights = recurrence.weights[1][block * hidden : (block + 1) * hidden]
    finite = bool(np.isfinite(weights).all()) and all(np.isfinite(each).all() for each in recurrence.states)
    nan = float("nan")
    radius = norm = jacobian = rate = remains = nan
    keeping: float | None = None
    if finite:
        radius, norm = spectral_radius(weights), spectral_norm(weights)
        jacobian = _jacobian_radius(recurrence)
        rate, remains = _rate(_norms_back(recurrence))
        if recurrence.kind in _KEEPING:
            gate = dict(recurrence.gates())[_KEEPING[recurrence.kind]]
            keeping = float(gate.values[0].mean())
    return RecurrentVitals(
        recurrence.layer,
        recurrence.sublayer,
        recurrence.reverse,
        recurrence.kind,
        steps,
        radius,
        norm,
        jacobian,
        rate,
        remains,
        keeping,
        _share_read(arriving),
    )


def _share_read(arriving: Array | None) -> float | None:
    """Share of the time steps at which a gradient comes from outside."""
    if arriving is None or arriving.ndim != 3 or not arriving.size or not np.isfinite(arriving).all():
        return None
    sizes = np.abs(arriving).max(axis=(0, 2))
    return float(np.mean(sizes > _READ * sizes.max()))


def _jacobian_radius(recurrence: Recurrence) -> float:
    """Geometric mean over some steps of the spectral radius of ∂(states after)/∂(states before)."""
    steps, hidden = len(recurrence.inputs), recurrence.states[0].shape[-1]
    size = hidden * len(recurrence.states)
    count = max(1, min(_MOST_STEPS, steps, _MOST_ROWS // size))
    chosen = np.unique(np.linspace(0, steps - 1, count).round().astype(int))
    rows = recurrence.inputs.shape[1]
    which = np.arange(len(chosen)) % rows

    def repeated(values: Array) -> Array:
        return np.repeat(values[chosen, which], size, axis=0)

    node = recurrence.step(repeated(recurrence.inputs), [repeated(each) for each in recurrence.states])
    seeds = np.tile(np.eye(size), (len(chosen), 1))
    parts = recurrence.back(node, np.split(seeds, len(recurrence.states), axis=1))
    jacobians = np.concatenate(parts, axis=1).reshape(len(chosen), size, size)
    # Estimated: a training waits for this.
    radii = [estimated_radius(lambda rows, matrix=matrix: rows @ matrix, size) for matrix in jacobians]
    return float(np.exp(np.mean([log_of(each) for each in radii])))


def _norms_back(recurrence: Recurrence) -> Array:
    """‖∂L/∂state_t‖ from the last step to before the first, for a gradient that enters at the end."""
    shape = recurrence.states[0].shape[1:]
    gradients = [np.zeros(shape) for _ in recurrence.states]
    gradients[0] = np.random.default_rng(0).standard_normal(shape)
    norms = [_joint(gradients)]
    for t in reversed(range(len(recurrence.inputs))):
        node = recurrence.step(recurrence.inputs[t], [each[t] for each in recurrence.states])
        gradients = list(recurrence.back(node, gradients))
        norms.append(_joint(gradients))
    return np.array(norms)


def _joint(arrays: list[Array]) -> float:
    return float(np.sqrt(sum(float((each * each).sum()) for each in arrays)))


def _rate(norms: Array) -> tuple[float, float]:
    """(fitted factor per step, share that is left at the end) of the norms of a gradient."""
    if not norms[0] > 0 or not np.isfinite(norms).all():
        return float("nan"), float("nan")
    with np.errstate(divide="ignore"):
        logs = np.log(norms[1:] / norms[0])
    rate = fitted_rate(np.arange(1, len(norms)), logs)
    return float("nan") if rate is None else rate.per_step, float(norms[-1] / norms[0])
