"""What a single feature tells of the targets, against the same targets in random order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.tensor import Array

# Rows that are looked at: what it costs grows with them, here to 0.1 s for 1000 features.
MOST_ROWS = 1024
_ORDERS = 40
_MOST_COLUMNS = 4096
_MOST_OUTPUTS = 16
_MOST_ANSWERS = 64
_LEAST_ROWS = 8
# Deviations above chance from which a feature is said to tell something: the largest of many is skewed.
_DEVIATIONS = 4.0
# Share of what the best feature tells that another one has to tell to count.
_COMPARABLE = 0.2


@dataclass(frozen=True)
class LabelInformation:
    """How much of the targets' variance the best single feature explains.

    best         largest share in [0, 1] over all features and their squares
    by_chance    mean of the same with the targets in random order
    spread       its standard deviation over the random orders
    together     the sum of the shares of all features, in deviations above its mean by chance
    told_within  of sequences: the least number of time steps, counted from the end, among which a feature
                 tells significantly more than by chance, and a fifth of what the best one tells or more;
                 None where none does, or there is no time
    """

    best: float
    by_chance: float
    spread: float
    together: float
    told_within: int | None


def label_information(inputs: Array, targets: Array, labelled: bool) -> LabelInformation | None:
    """Permutation test of the strongest link between one feature and the targets, and of all such links.

    inputs     (rows, ...) numbers, of which each element and its square is a feature; or tokens (rows, time),
               of which each token at each place and the count of each is one. Of very many features an
               even choice of 4096
    targets    (rows,) or (rows, outputs); or (rows, time) next tokens, told by the token before each
    labelled   whether they are classes

    None for fewer than 8 rows, and for what is not finite. What features tell only together, as in an
    exclusive or, is not seen.

    Source: the largest statistic under permutation, Westfall & Young 1993; shares of variance: Fisher 1925.

    >>> x = np.random.default_rng(0).standard_normal((100, 5, 2))
    >>> found = label_information(x, (x[:, 3, 0] > 0).astype(int), True)
    >>> found.best > 0.5, found.told_within
    (True, 2)
    """
    rows = min(len(inputs), MOST_ROWS)
    if rows < _LEAST_ROWS or len(targets) != len(inputs):
        return None
    tokens = inputs.dtype.kind in "iub"
    if tokens and labelled and targets.ndim == 2 and targets.shape == inputs.shape:
        # Next tokens: a row for each place, on a choice of them.
        chosen = np.linspace(0, inputs.size - 1, min(inputs.size, MOST_ROWS)).astype(int)
        inputs, targets = inputs.reshape(-1)[chosen, None], targets.reshape(-1)[chosen]
        rows = len(chosen)
    columns, lags = _columns(inputs[:rows], tokens)
    answers = _answers(targets[:rows], labelled)
    if answers is None or not columns.shape[1] or not np.isfinite(columns).all():
        return None
    source = np.random.default_rng(0)
    # The true order and the random ones, in one product.
    orders = [np.arange(rows), *(source.permutation(rows) for _ in range(_ORDERS))]
    seen = (columns.T @ np.concatenate([answers[each] for each in orders], axis=1)) ** 2
    shares, *others = seen.reshape(len(seen), len(orders), -1).sum(axis=2).T
    chance = np.array([each.max() for each in others], np.float64)
    sums = np.array([each.sum() for each in others], np.float64)
    mean, spread = float(chance.mean()), float(chance.std())
    together = float((shares.sum() - sums.mean()) / sums.std()) if sums.std() > 0 else 0.0
    telling = lags[shares > max(mean + _DEVIATIONS * spread, _COMPARABLE * float(shares.max()))]
    timed = (inputs.ndim == 3 or (tokens and inputs.ndim == 2 and inputs.shape[1] > 1)) and telling.size
    return LabelInformation(
        float(shares.max()), mean, spread, together, int(telling.min()) if timed else None
    )


def _columns(inputs: Array, tokens: bool) -> tuple[Array, Array]:
    """(features of unit length, for each the place of its time step from the end)."""
    rows = len(inputs)
    if tokens:
        flat = inputs.reshape(rows, -1)
        kinds = np.unique(flat)[: max(1, _MOST_COLUMNS // max(flat.shape[1], 1))]
        places = (flat[:, :, None] == kinds).astype(np.float32)
        made = np.concatenate([places.reshape(rows, -1), places.sum(axis=1)], axis=1)
        lags = np.repeat(flat.shape[1] - np.arange(flat.shape[1]), len(kinds))
        steps = np.concatenate([lags, np.full(len(kinds), flat.shape[1])])
    else:
        flat = inputs.reshape(rows, -1)
        time = inputs.shape[1] if inputs.ndim == 3 else 1
        steps = time - np.arange(flat.shape[1]) // max(1, flat.shape[1] // time)
        if flat.shape[1] > _MOST_COLUMNS // 2:
            chosen = np.linspace(0, flat.shape[1] - 1, _MOST_COLUMNS // 2).astype(int)
            flat, steps = flat[:, chosen], steps[chosen]
        flat = flat.astype(np.float64)
        centred = flat - flat.mean(axis=0)
        made = np.concatenate([centred, centred * centred], axis=1)
        steps = np.tile(steps, 2)
    made = made - made.mean(axis=0)
    length = np.sqrt((made * made).sum(axis=0))
    told = length > 1e-6 * max(1.0, float(length.max(initial=0.0)))
    return (made[:, told] / length[told]).astype(np.float32), steps[told]


def _answers(targets: Array, labelled: bool) -> Array | None:
    """Orthonormal columns that span what the targets may say; None for targets that are all the same."""
    rows = len(targets)
    flat = targets.reshape(rows, -1)
    if labelled and flat.shape[1] == 1:
        made = (flat == np.unique(flat)).astype(np.float64)
    else:
        chosen = np.linspace(0, flat.shape[1] - 1, min(flat.shape[1], _MOST_OUTPUTS)).astype(int)
        made = flat[:, chosen].astype(np.float64)
    made = made - made.mean(axis=0)
    if not np.isfinite(made).all():
        return None
    basis, sizes, _ = np.linalg.svd(made, full_matrices=False)
    kept = sizes > 1e-8 * max(sizes[0], 1e-300) if sizes.size else sizes > 0
    if not kept.any() or not sizes[0] > 0:
        return None
    return basis[:, kept][:, :_MOST_ANSWERS].astype(np.float32)
