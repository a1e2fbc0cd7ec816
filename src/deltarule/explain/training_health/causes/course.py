"""Course: the vitals of a training in their order, and what several rules ask of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deltarule.explain.training_health.layer_vitals import ParameterVitals
from deltarule.explain.training_health.unit_activity import UnitVitals
from deltarule.explain.training_health.vitals import Vitals

# A loss that stays above this share of where it began, or of the best constant answer, has not fallen.
FALLEN = 0.9
# One that is so many times as high as it was has diverged.
DIVERGED = 3.0
# Activations that let through about half of the variance.
_HALVING = frozenset(("relu", "leaky_relu", "gelu", "gelu_tanh", "silu", "elu"))
# Where the network scales inputs itself, what goes into its first layer differs from them by such a factor.
_SCALED = 3.0
_NORMALISING = frozenset(
    ("BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm", "RMSNorm", "Embedding", "Dropout")
)


@dataclass(frozen=True)
class Course:
    """One training as it was measured: at one step at least.

    history   vitals in the order of their steps
    """

    history: Sequence[Vitals]

    @property
    def first(self) -> Vitals:
        return self.history[0]

    @property
    def last(self) -> Vitals:
        return self.history[-1]

    @property
    def trained(self) -> bool:
        """Whether updates lie between the first measurement and the last."""
        return self.last.step > self.first.step

    @property
    def diverged(self) -> bool:
        """Whether the loss, a value or a gradient stopped being a number, or the loss grew threefold."""
        if not self.trained:
            return False
        return not self.last.finite or level(self.last) > DIVERGED * max(level(self.first), 1e-12)

    @property
    def falls(self) -> bool:
        """Whether the training has lowered the loss: below FALLEN of its start and of a constant's loss.

        Where it knows its own losses, those of many batches, they have to have fallen too: the loss of a
        small probe is below that of a constant by chance.
        """
        if not self.trained or not math.isfinite(level(self.last)):
            return False
        constant = baseline(self.last)
        bound = level(self.first) if constant is None else min(level(self.first), constant)
        return max(level(self.last), self._own_level) < FALLEN * bound

    @property
    def _own_level(self) -> float:
        """The latest of the training's own losses, as low as `level` has it; -inf where it told none."""
        for each in reversed(self.history):
            if each.training_loss is not None and math.isfinite(each.training_loss) and each.loss > 0:
                return each.training_loss * level(each) / each.loss
        return -math.inf


def level(vitals: Vitals) -> float:
    """The loss without what makes it look worse than it is: dropout, or early running statistics."""
    losses = (vitals.loss, vitals.quiet_loss)
    return min(losses) if all(map(math.isfinite, losses)) else math.nan


def baseline(vitals: Vitals) -> float | None:
    """The loss of the best constant answer, where it is known and not 0."""
    return vitals.targets.constant_loss or None


def usual_rms(parameter: ParameterVitals, operation: str) -> float:
    """The size that keeps the variance of a layer's sums: √(gain² / fan_in).

    operation   the activation that follows; ReLU and its relatives lose half of the variance: gain √2

    Source: LeCun, Bottou, Orr & Müller 1998, eq. 16; He, Zhang, Ren & Sun 2015, eq. 10.
    """
    return usual_gain(operation) / math.sqrt(max(parameter.fan_in, 1))


def weight_of(vitals: Vitals, layer: str) -> ParameterVitals | None:
    """The matrix on a layer's inputs, the first of several."""
    return next((each for each in vitals.parameters if each.layer == layer and each.kind == "weight"), None)


def hidden_units(vitals: Vitals) -> list[UnitVitals]:
    """Activations between layers: not the one that makes the output, no gates."""
    return [each for each in vitals.units if not each.output and not each.gate]


def takes_inputs_as_they_are(vitals: Vitals) -> bool:
    """Whether numbers go into a layer that weighs them, not normalised before, nor scaled by the network."""
    if vitals.inputs.kind == "tokens" or not vitals.layers:
        return False
    first = vitals.layers[0]
    size = input_rms(vitals)
    scaled = first.input_rms * _SCALED < size or size * _SCALED < first.input_rms
    return first.kind not in _NORMALISING and not scaled


def input_rms(vitals: Vitals) -> float:
    """Root mean square of the inputs over all features."""
    return math.hypot(vitals.inputs.mean, vitals.inputs.std)


def initialiser_for(operation: str) -> str:
    """The initialiser that suits an activation, as `nn.models.initialise` calls it."""
    return "kaiming_normal" if usual_gain(operation) > 1 else "xavier_uniform"


def usual_gain(operation: str) -> float:
    """√2 for ReLU and its relatives, 1 for others."""
    return math.sqrt(2.0) if operation in _HALVING else 1.0
