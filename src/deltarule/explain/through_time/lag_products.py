"""How much of a state's gradient is left after so many steps: norms of products of the steps' Jacobians.

    ∂s[t]/∂s[k] = J[t] J[t−1] ⋯ J[k+1],    t the last step of the sample, t − k the lag

Beside the whole product stand the products of its parts alone: along the carried way only (the gates), and
along the hidden state only (every step through the recurrent weight).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.through_time.gradient_rate import Horizon, Rate, fitted_rate, horizon_of
from deltarule.explain.through_time.large_states import StepOperator, log_norms_over_lags
from deltarule.explain.through_time.loss_steps import LossSteps
from deltarule.explain.through_time.recurrent_layers import RecurrentLayer
from deltarule.explain.through_time.spectra import log_of, rescaled, spectral_norm, spectral_radius
from deltarule.explain.through_time.step_jacobians import SampleStep, sample_jacobian, sample_steps

# Lags at which norms are computed: all up to half of these, the later ones evenly spread.
MOST_LAGS = 80
# Third powers of the states' number that eigenvalues may cost in all; beyond it some steps have no radius.
EIGENVALUE_COST = 8e8
FEWEST_RADII = 12
# States together above which Jacobians are no longer formed, and how many steps are then looked at.
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
    linked            how many steps at the end hand their state on, unchanged and with its gradient: products
                      reach over these. n unless a state was cut off, or changed between two steps
    norms, radii      (n,) spectral norm and spectral radius of each step's Jacobian; nan where not computed
    slope_norms       (n,) spectral norm of the hidden state's rows of D: of a simple layer the largest φ'
    slope_means       (n,) mean over the hidden units of Σ|D|: of a simple layer the mean φ'
    carried_means     (n,) mean over the units of what is carried past the recurrent weights; None in a simple
                      layer, where nothing is
    carried_largest   (n,) the largest of it
    weight_norm       spectral norm of the recurrent weight
    weight_radius     its spectral radius, estimated where it is large; None unless it is square
    ways              the products over the lag
    """

    sample: int
    exact: bool
    times: Array
    linked: int
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


def jacobian_flow(loss_steps: LossSteps, layer: RecurrentLayer, sample: int) -> JacobianFlow:
    """Jacobians and their products for one sample of a layer, in a single walk from its last step back."""
    steps = sample_steps(loss_steps, layer, sample)
    formed = layer.hidden * len(layer.cell.states) <= LARGEST_FORMED
    gated = layer.cell.gates > 1
    weight = loss_steps.steps[layer].weights["weight_hh"]
    norms, radii, slope_norms, slope_means, carried_means, carried_largest = np.full((6, len(steps)), np.nan)
    found = JacobianFlow(
        sample=sample,
        exact=formed,
        times=np.array([each.time for each in steps], int),
        linked=_linked_at_the_end(steps),
        norms=norms,
        radii=radii,
        slope_norms=slope_norms,
        slope_means=slope_means,
        carried_means=carried_means if gated else None,
        carried_largest=carried_largest if gated else None,
        weight_norm=spectral_norm(weight),
        weight_radius=None if gated else spectral_radius(weight),
    )
    (_form if formed else _estimate)(found, loss_steps, layer, steps)
    return found


def _form(
    found: JacobianFlow, loss_steps: LossSteps, layer: RecurrentLayer, steps: Sequence[SampleStep]
) -> None:
    """Fills in what is computed from the steps' Jacobians."""
    hidden, states = layer.hidden, len(layer.cell.states)
    radius_at = _evenly(len(steps), max(FEWEST_RADII, int(EIGENVALUE_COST / (states * hidden) ** 3)))
    gated = found.carried_means is not None
    blocks = {"hidden": slice(0, hidden)}
    if states > 1:
        blocks = {"state": slice(None), **blocks, "cell": slice(hidden, None)}
    whole, carried, recurrent = _Product(), _Product(), _Product()
    lags = lags_shown(found.linked - 1)
    ways = [*blocks, "carried", "recurrent"] if gated else [*blocks]
    logs: dict[str, list[float]] = {way: [] for way in ways}
    for number in reversed(range(len(steps))):
        jacobian = sample_jacobian(loss_steps, layer, steps[number], found.sample)
        slopes, kept = jacobian.slopes[:hidden], jacobian.carried[-hidden:, -hidden:]
        found.norms[number] = spectral_norm(jacobian.whole)
        if number in radius_at:
            found.radii[number] = spectral_radius(jacobian.whole)
        found.slope_norms[number] = spectral_norm(slopes)
        found.slope_means[number] = np.abs(slopes).sum(axis=1).mean()
        _note_carried(found, number, np.diagonal(kept))
        lag = len(steps) - number
        if lag >= found.linked:
            continue
        whole.times(jacobian.whole)
        if gated:
            carried.times(kept)
            recurrent.times(slopes @ jacobian.weight)
        if lag in lags:
            for way, block in blocks.items():
                logs[way].append(whole.log_norm(block))
            if gated:
                logs["carried"].append(carried.log_norm())
                logs["recurrent"].append(recurrent.log_norm())
    found.ways.extend(lag_norms(way, lags, norms, layer) for way, norms in logs.items())


def _estimate(
    found: JacobianFlow, loss_steps: LossSteps, layer: RecurrentLayer, steps: Sequence[SampleStep]
) -> None:
    """Fills in the same for a layer whose Jacobians are too large to be formed."""
    operators = [StepOperator(loss_steps, layer, step, found.sample) for step in steps]
    for number in _evenly(len(steps), FEW_STEPS):
        found.norms[number], found.radii[number] = operators[number].norm(), operators[number].radius()
    carried_log = np.zeros((len(steps), layer.hidden))
    for number, operator in enumerate(operators):
        slopes, kept = operator.parts()
        found.slope_norms[number] = np.sqrt(np.square(slopes).sum(axis=0)).max()
        found.slope_means[number] = slopes.sum(axis=0).mean()
        _note_carried(found, number, kept)
        with np.errstate(divide="ignore"):
            carried_log[number] = np.log(np.abs(kept))
    longest = found.linked - 1
    lags = sorted({*(2**power for power in range(20) if 2**power < longest), longest} - {0, -1})
    main = "state" if len(layer.cell.states) > 1 else "hidden"
    found.ways.append(lag_norms(main, lags, log_norms_over_lags(operators, lags), layer))
    if found.carried_means is not None:
        # Gates act on each unit alone: the norm of their product is the largest product of one unit's gates.
        carried = [float(carried_log[len(steps) - lag :].sum(axis=0).max()) for lag in lags]
        found.ways.append(lag_norms("carried", lags, carried, layer))


def _linked_at_the_end(steps: Sequence[SampleStep]) -> int:
    """Steps from the last one that starts anew."""
    anew = [number for number, step in enumerate(steps) if not step.linked]
    return len(steps) - anew[-1] if anew else 0


def _note_carried(found: JacobianFlow, number: int, kept: Array) -> None:
    """What each unit keeps of its state at a step: of the cell state where there is one."""
    if found.carried_means is not None and found.carried_largest is not None:
        found.carried_means[number], found.carried_largest[number] = kept.mean(), kept.max()


class _Product:
    """A running product of matrices whose size is kept apart, as a logarithm."""

    def __init__(self) -> None:
        self._matrix: Array | None = None
        self._log = 0.0

    def times(self, factor: Array) -> None:
        product = factor if self._matrix is None else self._matrix @ factor
        self._matrix, self._log = rescaled(product, self._log)

    def log_norm(self, rows: slice = slice(None)) -> float:
        """Logarithm of the spectral norm, of one state's own block where rows are given."""
        assert self._matrix is not None
        return log_of(spectral_norm(self._matrix[rows, rows])) + self._log


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


def lag_norms(way: str, lags: list[int], log_norms: list[float], layer: RecurrentLayer) -> LagNorms:
    """Norms with their fitted rate and their horizon in the layer's float type."""
    x, y = np.array(lags, int), np.array(log_norms)
    rate = fitted_rate(x, y)
    return LagNorms(way, x, y, rate, horizon_of(x, y, rate, layer.dtype))


def _evenly(count: int, most: int) -> set[int]:
    """Up to so many numbers below count, evenly spread, the first and the last among them."""
    return set(range(count)) if count <= most else {round(each) for each in np.linspace(0, count - 1, most)}
