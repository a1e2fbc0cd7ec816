"""Vitals: what was measured of a network at one step of its training. Plain numbers, no judgement.

`probe.vitals` measures them, `watch.Watch` does so in the course of a training, `causes` reads them.

Names of layers are dotted names of modules ("encoder.0"), "" for the model itself. A share lies in
[0, 1]. A size is a root mean square unless it says norm. None means that there was nothing to measure,
and NaN that the measurement gave no number.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class InputVitals:
    """The probe batch as the network gets it.

    kind           "features" (rows, features), "sequence" (rows, time, features), "image" (rows, channels,
                   height, width), "tokens" (whole numbers that are not bytes)
    shape          of the batch
    mean, std      over all elements that are finite
    means, stds    of each feature (for images: of each channel), over all else
    smallest, largest   over all elements that are finite
    constant       share of the features that have the same value in the whole batch
    not_finite     share of elements that are NaN or infinite
    """

    kind: str
    shape: tuple[int, ...]
    mean: float
    std: float
    means: tuple[float, ...]
    stds: tuple[float, ...]
    smallest: float
    largest: float
    constant: float
    not_finite: float


@dataclass(frozen=True)
class TargetVitals:
    """What the network is to learn.

    kind           "classes" (whole numbers), "probabilities" (in [0, 1]) or "numbers"
    classes        class -> share of the batch; empty for "numbers"
    mean, std, smallest, largest   over all elements
    not_finite     share of elements that are NaN or infinite
    constant_loss  the loss of the best constant guess, where it is known: the entropy of the classes'
                   shares; None else
    neighbours     how well the target of the nearest other row (by Euclidean distance of standardised
                   inputs) tells a row's target: share of equal classes, or correlation; None for tokens
                   and for fewer than 8 rows
    neighbours_by_chance   mean of the same with the targets in random order
    neighbours_spread      its standard deviation over the random orders
    feature        share of the targets' variance that goes with the best single feature; None for few rows
    feature_by_chance, feature_spread   mean and deviation of the same with the targets in random order
    features       the same share summed over all features, in deviations above its mean by chance
    told_within    of sequences: among how many last time steps a feature tells significantly more than by
                   chance; None where none does
    """

    kind: str
    classes: dict[int, float]
    mean: float
    std: float
    smallest: float
    largest: float
    not_finite: float
    constant_loss: float | None
    neighbours: float | None
    neighbours_by_chance: float | None
    neighbours_spread: float | None
    feature: float | None = None
    feature_by_chance: float | None = None
    feature_spread: float | None = None
    features: float | None = None
    told_within: int | None = None


@dataclass(frozen=True)
class OutputVitals:
    """What the network answers, and what becomes of it.

    shape        of the output on the probe batch
    operation    operation that made the output, through reshapes: "linear", "softmax", "sigmoid", "relu"
    layer        where that operation was called
    loss         operations of the loss that take the output: "cross_entropy", "mse_loss"
    classes      length of the class axis where the loss is over classes; None else
    mean, std, smallest, largest   over all elements
    row_std      mean over rows of the standard deviation within a row: the spread of the logits
    between_std  mean over outputs of the standard deviation over rows: whether the answer depends on the
                 input
    entropy      mean entropy of softmax(output) in nats, where the loss is over classes; None else
    accuracy     share of rows whose largest output is the target's, where the loss is over classes
    """

    shape: tuple[int, ...]
    operation: str
    layer: str
    loss: tuple[str, ...]
    classes: int | None
    mean: float
    std: float
    smallest: float
    largest: float
    row_std: float
    between_std: float
    entropy: float | None
    accuracy: float | None


@dataclass(frozen=True)
class ParameterVitals:
    """One parameter, its gradient on the probe batch, and its last real update.

    name, layer     "0.weight", "0"
    kind            "weight" (two axes or more), "bias", "recurrent" (the weights on a hidden state),
                    "embedding", "scale" (of a normalisation)
    fan_in          number of inputs of a unit: product of all axes but the first; 1 for one axis
    requires_grad   False where it is frozen
    has_gradient    whether a gradient arrives: False where it is not connected with the loss
    gradient_norm, gradient_rms   of the probe batch; 0 where none arrives
    weight_norm, weight_rms
    update_norm     ‖Δw‖ of the optimiser's step at this state; None without an optimiser
    update_ratio    ‖Δw‖ / ‖w‖; None where w is zero
    decay_norm      weight decay's part: weight_decay · ‖w‖; 0 without
    learning_rate   of its parameter group; None without an optimiser or where it is in no group
    signal          squared norm of the mean gradient over samples, without bias; may be negative by chance
    variance        trace of the covariance of the gradient of one sample
    equal_units     share of its rows (units) that equal another row in value and in gradient: units that
                    will stay the same for ever; 0 for vectors
    zero            whether all of its elements are 0
    not_finite      share of elements, of value and gradient, that are NaN or infinite
    """

    name: str
    layer: str
    kind: str
    shape: tuple[int, ...]
    fan_in: int
    requires_grad: bool
    has_gradient: bool
    gradient_norm: float
    gradient_rms: float
    weight_norm: float
    weight_rms: float
    update_norm: float | None
    update_ratio: float | None
    decay_norm: float
    learning_rate: float | None
    signal: float | None
    variance: float | None
    equal_units: float
    zero: bool
    not_finite: float


@dataclass(frozen=True)
class UnitVitals:
    """The units of one activation function, over the probe batch.

    layer         module that called it
    operation     "relu", "leaky_relu", "sigmoid", "tanh", "gelu", ...; inside a recurrent layer one record
                  for each gate: operation "sigmoid", gate "forget_gate"
    gate          name of the gate of a recurrent layer; "" else
    before        layer whose output it takes: the weights to look at; "" where it is not a layer's
    depth         its place among the activations in the order of computation, from 0
    units         number of units (features; channels for images)
    saturated     share of elements whose derivative is below 0.05 of its largest value: |tanh| > 0.975,
                  sigmoid outside (0.0127, 0.9873); 0 for functions that do not saturate
    dead          share of units whose derivative is 0 on the whole probe: ReLUs without a positive input;
                  GELU and SiLU where it stays below 0.01; 0 for all others
    always_on     share of units that take positive inputs alone on the whole probe: linear there
    mean, std     of its values
    input_mean, input_std   of what it takes
    derivative    root mean square of its local derivative
    output        whether it makes the model's output: saturation is then an answer that is sure
    """

    layer: str
    operation: str
    gate: str
    before: str
    depth: int
    units: int
    saturated: float
    dead: float
    always_on: float
    mean: float
    std: float
    input_mean: float
    input_std: float
    derivative: float
    output: bool = False


@dataclass(frozen=True)
class LayerVitals:
    """One layer with parameters: its value and its gradient, to see both grow or decay over depth.

    layer       module
    kind        class of the module: "Linear", "Conv2d", "LSTM"
    depth       its place in the order of computation, from 0
    input_rms   root mean square of its input
    output_rms, output_mean   of its output
    output_std  mean over units of the standard deviation over samples: 0 where the answer is the same
                for all samples
    gradient    root mean square of ∂L/∂output, of the sum over the batch (not of its mean): comparable
                between batch sizes; None where no gradient arrives
    connected   whether the loss depends on it
    """

    layer: str
    kind: str
    depth: int
    input_rms: float
    output_rms: float
    output_mean: float
    output_std: float
    gradient: float | None
    connected: bool


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


@dataclass(frozen=True)
class StepVitals:
    """What one step of the optimiser would do to the loss, tried on the probe batch and taken back.

    optimizer       class of the optimiser: "SGD", "Adam"
    learning_rate   of its first parameter group
    momentum        of SGD; 0 else
    weight_decay    of its first parameter group
    factors         multiples of the step that were tried: 0.001 ... 1 ... 1000
    losses          the loss at each of them, on the same batch: a step that is right lowers it, and the
                    factor of the smallest loss tells how far the learning rate is off
    expected        decrease of the loss that the gradient promises for the whole step: -g·Δw
    curvature       gᵀHg / gᵀg on the probe batch by differences of gradients: plain gradient descent
                    diverges along g above the learning rate 2 / curvature. NaN where it is not finite
    gradient_norm   joint norm of all gradients of the probe batch
    update_norm     joint norm of the step
    clip_norm, clip_value   limits of the training; None without
    clipped         share of the steps since the last measurement that were clipped (by norm), or of
                    elements (by value) of this one; 0 without limits
    clip_factor     mean factor by which clipping shortens the gradient; 1 without
    """

    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    factors: tuple[float, ...]
    losses: tuple[float, ...]
    expected: float
    curvature: float
    gradient_norm: float
    update_norm: float
    clip_norm: float | None
    clip_value: float | None
    clipped: float
    clip_factor: float


@dataclass(frozen=True)
class Vitals:
    """Everything that was measured of a training at one step.

    step            updates that were done before it: 0 at the initialisation
    loss            of the probe batch in training mode (dropout, batch statistics), penalty left out
    quiet_loss      the same in evaluation mode
    training_loss   mean of the training's own losses since the last measurement; None outside of one
    dtype           "float32" or "float64"
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
    inputs: InputVitals
    targets: TargetVitals
    outputs: OutputVitals
    parameters: tuple[ParameterVitals, ...]
    units: tuple[UnitVitals, ...]
    layers: tuple[LayerVitals, ...]
    recurrent: tuple[RecurrentVitals, ...]
    noise: NoiseVitals | None
    optimizer: StepVitals | None
    dropout: dict[str, float] = field(default_factory=dict)
    normalised: tuple[str, ...] = ()
    bypass: bool = False
    seconds: float = 0.0

    @property
    def finite(self) -> bool:
        """Whether the loss and all values and gradients were numbers."""
        return self.loss - self.loss == 0 and not any(each.not_finite for each in self.parameters)
