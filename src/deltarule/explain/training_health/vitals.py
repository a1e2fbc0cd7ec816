"""Vitals: what was measured of a network at one step of its training. Plain numbers, no judgement.

`probe.vitals` measures them, `watch.Watch` does so in the course of a training, `causes` reads them.

Names of layers are dotted names of modules ("encoder.0"), "" for the model itself. A share lies in
[0, 1]. A size is a root mean square unless it says norm. None means that there was nothing to measure,
and NaN that the measurement gave no number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deltarule.explain.training_health.data_vitals import InputVitals, TargetVitals
from deltarule.explain.training_health.gradient_noise import NoiseVitals
from deltarule.explain.training_health.layer_vitals import LayerVitals, ParameterVitals
from deltarule.explain.training_health.output_vitals import OutputVitals
from deltarule.explain.training_health.recurrent_vitals import RecurrentVitals
from deltarule.explain.training_health.step_trial import StepVitals
from deltarule.explain.training_health.unit_activity import UnitVitals


@dataclass(frozen=True)
class Vitals:
    """Everything that was measured of a training at one step.

    step            updates that were done before it: 0 at the initialisation
    loss            of the probe batch in training mode (dropout, batch statistics), penalty left out
    penalty         the penalty on the weights, which training adds to the loss; 0 without one
    quiet_loss      the same in evaluation mode
    training_loss   mean of the training's own losses since the last measurement; None outside of one
    dtype           "float32" or "float64"
    rows            of the probe batch; the facts of the data may be those of more rows
    cut             where the recorded graph of the loss ends too early: "output" where the model's output
                    is not recorded as computed from its parameters, "loss" where the loss is not as computed
                    from the output; "" where it is whole
    dropout         layer -> probability of dropping, of all dropout layers
    bypass          whether there are skip connections: a sum joins two branches, one of which goes around
                    layers
    normalised      layers that normalise
    parameters, units, layers, recurrent   in the order of computation
    seconds         what the measurement took
    """

    step: int
    loss: float
    quiet_loss: float
    training_loss: float | None
    dtype: str
    rows: int
    inputs: InputVitals
    targets: TargetVitals
    outputs: OutputVitals
    parameters: tuple[ParameterVitals, ...]
    units: tuple[UnitVitals, ...]
    layers: tuple[LayerVitals, ...]
    recurrent: tuple[RecurrentVitals, ...]
    noise: NoiseVitals | None
    optimizer: StepVitals | None
    cut: str = ""
    dropout: dict[str, float] = field(default_factory=dict)
    normalised: tuple[str, ...] = ()
    bypass: bool = False
    penalty: float = 0.0
    seconds: float = 0.0

    @property
    def total(self) -> float:
        """The loss with the penalty: what the steps go down, and what `StepVitals.losses` start from."""
        return self.loss + self.penalty

    @property
    def finite(self) -> bool:
        """Whether the loss and all values and gradients were numbers."""
        return self.total - self.total == 0 and not any(each.not_finite for each in self.parameters)
