"""How much of a state's gradient is left after so many steps: norms of products of the steps' Jacobians.

    ∂s[t]/∂s[k] = J[t] J[t−1] ⋯ J[k+1],    t the last step of the sample, t − k the lag

Beside the whole product stand the products of its parts alone: along the carried way only (the gates), and
along the hidden state only (every step through the recurrent weight).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.through_time.gradient_rate import Horizon, Rate, fitted_rate, horizon_of
from deltarule.explain.through_time.large_states import StepOperator, log_norms_over_lags, radius
from deltarule.explain.through_time.loss_steps import LossSteps
from deltarule.explain.through_time.recurrent_layers import RecurrentLayer
from deltarule.explain.through_time.step_jacobians import (
    SampleStep,
    StepJacobian,
    sample_steps,
    spectral_norm,
    spectral_radius,
    step_jacobian,
)

# Lags at which norms are computed: all up to half of these, the later ones evenly spread.
MOST_LAGS = 80
# Third powers of the states' number that eigenvalues may cost in all; beyond it some steps have no radius.
EIGENVALUE_COST = 8e8
FEWEST_RADII = 12
# States together above which Jacobians are no longer formed, and how many steps and lags are then looked at.
LARGEST_FORMED = 300
FEW_STEPS = 8


@dataclass(frozen=True, eq=False)
class LagNorms:
    """Norms of the products along one way, over the lag.

    way        "hidden": ∂h[t]/∂h[k]; "cell": ∂c[t]/∂c[k]; "state": both states together;
               "carried": past the recurrent weights alone, through the gates;
               "recurrent": through the hidden state and the recurrent weights alone
    lags       (n,) numbers of steps; log_norms: (n,) natural logarithms of the spectral norms
    rate       the fitted factor per step, None without lags; horizon: how far it reaches
    """

    way: str
    lags: Array
    log_norms: Array
    rate: Rate | None
    horizon: Horizon

    @property
    def norms(self) -> Array:
        """The norms themselves, 0 or inf where they leave the range of floats."""
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(self.log_norms)


@dataclass(frozen=True, eq=False)
class JacobianFlow:
    """The Jacobians of one sample's steps, summarised.

    sample            which of the batch
    exact             whether the Jacobians were formed; else norms and radii were estimated from products
                      with vectors, for some steps and lags
    times             (n,) the steps, in the order of computation
    norms, radii      (n,) spectral norm and spectral radius of each step's Jacobian; nan where not computed
    slope_norms       (n,) spectral norm of the hidden state's rows of D: of a simple layer the largest φ'
    slope_means       (n,) mean over the hidden units of Σ|D|: of a simple layer the mean φ'
    carried_means     (n,) mean over the units of what is carried past the recurrent weights, or None
    carried_largest   (n,) the largest of it
    weight_norm       spectral norm of the recurrent weight, nan where not computed
    weight_radius     its spectral radius, None unless it is square
    ways              the products over the lag
    """

    sample: int
    exact: bool
    times: Array
    norms: Array
    radii: Array
    slope_norms: Array
    slope_means: Array
    carried_means: Array | None
    carried_largest: Array | None
    weight_norm: float
    weight_radius: float | None
    ways: list[LagNorms] = field(default_factory=list)

    def way(self, name: str) -> LagNorms:
        """One of the ways by its name."""
        return next(each for each in self.ways if each.way == name)

    @property
    def main(self) -> LagNorms:
        """All that steps hand back: of both states where there is a cell state, else of the hidden state."""
        return self.ways[0]


class _Product:
    """A running product of matrices whose size is kept apart, as a logarithm."""

    def __init__(self) -> None:
        self.matrix: Array | None = None
        self._log = 0.0

    def times(self, factor: Array) -> None:
        self.matrix = factor if self.matrix is None else self.matrix @ factor
        largest = float(np.max(np.abs(self.matrix), initial=0.0))
        if largest > 0 and math.isfinite(largest):
            self.matrix = self.matrix / largest
            self._log += math.log(largest)

    def log_norm(self, rows: slice = slice(None)) -> float:
        """Logarithm of the spectral norm, of one state's own block where rows are given."""
        assert self.matrix is not None
        norm = spectral_norm(self.matrix[rows, rows])
        if math.isnan(norm):
            return math.nan
        return math.log(norm) + self._log if norm > 0 else -math.inf


def lags_shown(count: int) -> list[int]:
    """The lags 1 to count: all of them where they are few, else the later ones thinned out evenly.

    >>> lags_shown(4), len(lags_shown(1000)), lags_shown(1000)[-1]
    ([1, 2, 3, 4], 80, 1000)
    """
    if count <= MOST_LAGS:
        return list(range(1, count + 1))
    near = MOST_LAGS // 2
    far = np.linspace(near + 1, count, MOST_LAGS - near)
    return [*range(1, near + 1), *(round(each) for each in far)]


def jacobian_flow(loss_steps: LossSteps, layer: RecurrentLayer, sample: int) -> JacobianFlow:
    """Jacobians and their products for one sample of a layer, in a single walk from its last step back."""
    if layer.hidden * len(layer.cell.states) > LARGEST_FORMED:
        return _estimated(loss_steps, layer, sample)
    steps = sample_steps(loss_steps, layer, sample)
    hidden, states = layer.hidden, len(layer.cell.states)
    radius_at = _evenly(len(steps), max(FEWEST_RADII, int(EIGENVALUE_COST / (states * hidden) ** 3)))
    wanted = set(lags_shown(len(steps) - 1))
    # Of each step, in the order of computation.
    norms, radii, slope_norms, slope_means, carried_means, carried_largest = np.full((6, len(steps)), np.nan)
    ways = ["state", "hidden", "cell"] if states > 1 else ["hidden"]
    blocks = {"hidden": slice(0, hidden), "cell": slice(hidden, 2 * hidden), "state": slice(None)}
    products = {name: _Product() for name in ("whole", "carried", "recurrent")}
    logs: dict[str, list[float]] = {name: [] for name in (*ways, "carried", "recurrent")}
    lags: list[int] = []
    carries = False
    for number in reversed(range(len(steps))):
        jacobian = sample_jacobian(loss_steps, layer, steps[number], sample)
        norms[number] = spectral_norm(jacobian.whole)
        if number in radius_at:
            radii[number] = spectral_radius(jacobian.whole)
        slope_norms[number] = spectral_norm(jacobian.slopes[:hidden])
        slope_means[number] = np.abs(jacobian.slopes[:hidden]).sum(axis=1).mean()
        # What a state keeps of itself: of the cell state where there is one.
        kept = jacobian.carried[-hidden:, -hidden:]
        carried_means[number] = np.diagonal(kept).mean()
        carried_largest[number] = np.diagonal(kept).max()
        carries = carries or bool(kept.any())
        if number == 0:
            break
        products["whole"].times(jacobian.whole)
        products["carried"].times(kept)
        products["recurrent"].times((jacobian.slopes @ jacobian.weight)[:hidden])
        lag = len(steps) - number
        if lag in wanted:
            lags.append(lag)
            for way in ways:
                logs[way].append(products["whole"].log_norm(blocks[way]))
            for way in ("carried", "recurrent"):
                logs[way].append(products[way].log_norm())
    shown = [*ways, "carried", "recurrent"] if carries else ways
    weight = loss_steps.steps[layer].weights["weight_hh"]
    return JacobianFlow(
        sample=sample,
        exact=True,
        times=np.array([each.time for each in steps], int),
        norms=norms,
        radii=radii,
        slope_norms=slope_norms,
        slope_means=slope_means,
        carried_means=carried_means if carries else None,
        carried_largest=carried_largest if carries else None,
        weight_norm=spectral_norm(weight),
        weight_radius=spectral_radius(weight) if layer.cell.gates == 1 else None,
        ways=[lag_norms(way, lags, logs[way], layer) for way in shown],
    )


def _estimated(loss_steps: LossSteps, layer: RecurrentLayer, sample: int) -> JacobianFlow:
    """The same for a layer whose Jacobians are too large to be formed."""
    steps = sample_steps(loss_steps, layer, sample)
    states = len(layer.cell.states)
    size = states * layer.hidden
    norms, radii, slope_norms, slope_means, carried_means, carried_largest = np.full((6, len(steps)), np.nan)

    def operator(number: int) -> StepOperator:
        return StepOperator(loss_steps, layer, steps[number], sample)

    carried_log = np.zeros(layer.hidden)
    carried: dict[int, float] = {}
    looked_at = _evenly(len(steps), FEW_STEPS)
    for number in reversed(range(len(steps))):
        one = operator(number)
        if number in looked_at:
            norms[number] = math.exp(log_norms_over_lags(lambda _, one=one: one, 1, [1], size)[0])
            radii[number] = radius(one, size)
        found = one.slopes(states)
        if found is None:
            continue
        slopes, kept = found
        slope_means[number] = slopes.sum(axis=0).mean()
        slope_norms[number] = np.sqrt(np.square(slopes).sum(axis=0)).max()
        carried_means[number], carried_largest[number] = kept.mean(), kept.max()
        with np.errstate(divide="ignore"):
            carried_log += np.log(np.abs(kept))
        carried[len(steps) - number] = float(carried_log.max())
    lags = sorted({*(2**power for power in range(20) if 2**power < len(steps)), len(steps) - 1} - {0})
    main = "state" if states > 1 else "hidden"
    ways = [lag_norms(main, lags, log_norms_over_lags(operator, len(steps), lags, size), layer)]
    carries = bool(np.nanmax(np.abs(carried_largest), initial=0.0) > 0) and len(carried) == len(steps)
    if carries:
        ways.append(lag_norms("carried", lags, [carried[lag] for lag in lags], layer))
    return JacobianFlow(
        sample=sample,
        exact=False,
        times=np.array([each.time for each in steps], int),
        norms=norms,
        radii=radii,
        slope_norms=slope_norms,
        slope_means=slope_means,
        carried_means=carried_means if carries else None,
        carried_largest=carried_largest if carries else None,
        weight_norm=math.nan,
        weight_radius=None,
        ways=ways,
    )


def sample_jacobian(
    loss_steps: LossSteps, layer: RecurrentLayer, where: SampleStep, sample: int
) -> StepJacobian:
    """The Jacobian of one step of one sample."""
    row = slice(sample, sample + 1)
    values = loss_steps.inputs[where.call].values(where.position, row)
    return step_jacobian(loss_steps.steps[layer], values, where.time, layer.hidden)


def lag_norms(way: str, lags: list[int], log_norms: list[float], layer: RecurrentLayer) -> LagNorms:
    """Norms with their fitted rate and their horizon in the layer's float type."""
    x, y = np.array(lags, int), np.array(log_norms)
    rate = fitted_rate(x, y)
    return LagNorms(way, x, y, rate, horizon_of(x, y, rate, layer.dtype))


def _evenly(count: int, most: int) -> set[int]:
    """Up to so many numbers below count, evenly spread, the first and the last among them."""
    return set(range(count)) if count <= most else {round(each) for each in np.linspace(0, count - 1, most)}
