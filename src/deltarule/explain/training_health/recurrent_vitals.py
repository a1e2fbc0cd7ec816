"""How gradients fare in a recurrence: spectral radii, and what is left of a gradient at the first step."""

from __future__ import annotations

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.through_time.recurrences import Recurrence
from deltarule.explain.training_health.vitals import RecurrentVitals

# Rows of the cell that the Jacobians of a few steps may take.
_MOST_ROWS = 4096
_MOST_STEPS = 8
# Powers of a matrix from whose growth its spectral radius is read.
_POWERS = 60
# Larger matrices than this get their radius from powers too.
_EXACT = 256
# Share of the largest gradient below which a step counts as not read.
_READ = 1e-6
_KEEPING = {"LSTM": "forget_gate", "GRU": "update_gate"}


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
        radius, norm = spectral_radius(weights), float(np.linalg.norm(weights, 2))
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


def spectral_radius(matrices: Array) -> float:
    """Largest magnitude of an eigenvalue; of several matrices (n, h, h) the geometric mean over them.

    From eigenvalues for small matrices, else from powers: ρ = lim ‖Aᵏ v‖^(1/k) (Gelfand 1941).

    >>> round(spectral_radius(np.array([[0.0, 2.0], [-2.0, 0.0]])), 3)
    2.0
    """
    stacked = matrices.reshape(-1, *matrices.shape[-2:])
    if stacked.shape[-1] <= _EXACT and len(stacked) == 1:
        return float(np.abs(np.linalg.eigvals(stacked[0])).max())
    vectors = np.random.default_rng(0).standard_normal((len(stacked), stacked.shape[-1], 4))
    logs = np.zeros(len(stacked))
    for power in range(_POWERS):
        vectors = stacked @ vectors
        size = np.sqrt((vectors * vectors).sum(axis=(1, 2)))
        if not size.all():
            return 0.0
        vectors /= size[:, None, None]
        # The first half only turns the vectors towards those that grow most.
        if power >= _POWERS // 2:
            logs += np.log(size)
    return float(np.exp(logs.mean() / (_POWERS - _POWERS // 2)))


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
    return spectral_radius(np.concatenate(parts, axis=1).reshape(len(chosen), size, size))


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
    lags = np.flatnonzero(norms > 0)
    if len(lags) < 2:
        return 0.0, 0.0
    slope = np.polyfit(lags, np.log(norms[lags]), 1)[0]
    return float(np.exp(slope)), float(norms[-1] / norms[0])
