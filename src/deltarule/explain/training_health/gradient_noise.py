"""Noise against signal of the mini-batch gradient, and whether the targets tell anything.

Source: McCandlish, Kaplan & Amodei 2018, An Empirical Model of Large-Batch Training, appendix A.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import backpropagate, gradients, seed_for
from deltarule.autodiff.recording import enable_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.explain.training_health.recorded_pass import RecordedPass, losses
from deltarule.explain.training_health.step_trial import inner
from deltarule.nn.module import Module, Parameter

_PARTS = 8
_LEAST_ROWS = 4
_ORDERS = 8

# Parameter -> (signal, variance).
Shares = dict[Parameter, tuple[float, float]]


@dataclass(frozen=True)
class NoiseVitals:
    """Noise against signal of the gradient of the mini-batch, over all parameters.

    samples     number of gradients that were compared (of single samples or of micro-batches)
    rows        rows in each of them
    signal      |G|²: squared norm of the true gradient, without bias; may be negative by chance
    variance    tr Σ: summed variance of the gradient of a single sample
    scale       the simple noise scale tr Σ / |G|²: batches that are much smaller are mostly noise,
                batches that are much larger waste work; infinite where the signal is not positive
    batch_size  of the training, which may be other than the probe's
    share       noise's share of the squared norm of a training batch's gradient:
                (tr Σ / batch_size) / (|G|² + tr Σ / batch_size)
    true_labels        what the targets tell: squared distance between the gradient of the last weights (those
                       that make the output) and its mean over targets in random order
    permuted_labels    the same for targets in random order, mean of 8; None where there is one row
    permuted_spread    their standard deviation: true_labels within a few of it is no information

    Source: McCandlish, Kaplan & Amodei 2018, An Empirical Model of Large-Batch Training, eqs. 2.8, A.2.
    """

    samples: int
    rows: int
    signal: float
    variance: float
    scale: float
    batch_size: int
    share: float
    true_labels: float | None
    permuted_labels: float | None
    permuted_spread: float | None


def gradient_noise(
    model: Module,
    loss: Callable[..., Tensor],
    inputs: Array,
    targets: Array,
    batch_size: int,
    told: tuple[float, float, float] | None,
) -> tuple[NoiseVitals, Shares] | None:
    """Compares the gradients of parts of a batch; None where it has fewer than 4 rows.

    batch_size   rows of a batch in training
    told         what `label_signal` answered

    With M parts of b rows, ḡ the mean of their gradients: tr Σ = b Σ_m |g_m − ḡ|² / (M − 1), and
    |G|² = |ḡ|² − tr Σ / (M b).
    """
    rows = min(len(inputs), len(targets))
    # One row alone says nothing of a batch, and batch normalisation refuses it.
    if rows < _LEAST_ROWS or len(inputs) != len(targets):
        return None
    parts = max(2, min(_PARTS, rows // _LEAST_ROWS))
    size = rows // parts
    # Sums of g and of |g|² in float64 over parts, by parameter.
    sums: dict[Parameter, Array] = {}
    squares: dict[Parameter, float] = {}
    parameters = set(model.parameters())
    for part in range(parts):
        here = slice(part * size, (part + 1) * size)
        with enable_grad():
            _, value, _ = losses(model, loss, None, inputs[here], targets[here])
        if not value.requires_grad:
            return None
        arrived = backpropagate([value], [seed_for(value, None, "vitals")], retain_graph=False)
        for tensor, gradient in arrived.items():
            if tensor not in parameters:
                continue
            wide = np.asarray(gradient).astype(np.float64)
            squares[tensor] = squares.get(tensor, 0.0) + inner(wide, wide)
            if tensor in sums:
                sums[tensor] += wide
            else:
                sums[tensor] = wide
    shares: Shares = {}
    for parameter, total in sums.items():
        of_mean = inner(total, total) / parts**2
        variance = size * max(squares[parameter] - parts * of_mean, 0.0) / (parts - 1)
        shares[parameter] = (of_mean - variance / (parts * size), variance)
    signal, variance = (float(sum(each[place] for each in shares.values())) for place in (0, 1))
    noise = variance / batch_size
    true, permuted, spread = told or (None, None, None)
    record = NoiseVitals(
        parts,
        size,
        signal,
        variance,
        variance / signal if signal > 0 else float("inf"),
        batch_size,
        noise / (max(signal, 0.0) + noise) if noise > 0 else 0.0,
        true,
        permuted,
        spread,
    )
    return record, shares


def label_signal(
    seen: RecordedPass, loss: Callable[..., Tensor], weights: Sequence[Tensor]
) -> tuple[float, float, float] | None:
    """Whether targets tell the last weights more than targets in random order do: a permutation test.

    T(targets) = ‖g(targets) − mean over random orders of g‖², g the gradient of `weights`. Targets without
    information are themselves in random order: T of them lies among T of the others.

    returns   (T of the true targets, mean of T over random orders, its deviation); None for a single target
    """
    targets = seen.targets._array
    if not weights or targets.ndim == 0 or targets.size < 2:
        return None
    source = np.random.default_rng(0)
    each_alone = targets.dtype.kind in "iu"
    count = targets.size if each_alone else len(targets)
    flat = targets.reshape(-1) if each_alone else targets

    def gradient(order: Array) -> Array | None:
        wanted = Tensor(flat[order].reshape(targets.shape))
        with enable_grad():
            value = loss(seen.output, wanted)
        found = gradients(value, list(weights))
        known = [each._array.astype(np.float64).ravel() for each in found if each is not None]
        return np.concatenate(known) if known else None

    true = gradient(np.arange(count))
    permuted = [gradient(source.permutation(count)) for _ in range(_ORDERS)]
    known = [each for each in permuted if each is not None]
    if true is None or len(known) < _ORDERS:
        return None
    stacked = np.stack(known)
    mean = stacked.mean(axis=0)
    # The mean holds a share of each random order itself, and its own error meets the true one's.
    spread = ((stacked - mean) ** 2).sum(axis=1) * _ORDERS / (_ORDERS - 1)
    distance = float(((true - mean) ** 2).sum()) * _ORDERS / (_ORDERS + 1)
    return distance, float(spread.mean()), float(spread.std())


def shares_of(found: tuple[NoiseVitals, Shares] | None) -> Mapping[Any, tuple[float, float]]:
    """(signal, variance) by parameter; nothing where nothing was measured."""
    return {} if found is None else found[1]
