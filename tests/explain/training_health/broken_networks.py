"""Networks that are broken on purpose, one cause each: the rules must name it first."""

from __future__ import annotations

import numpy as np

import deltarule as dr
from deltarule.training.tasks import regression_loss
from tests.explain.training_health.networks import (
    LastStep,
    Network,
    Setup,
    blobs,
    digits,
    drawn,
    first_sign,
    images,
    line,
    penalised,
    register,
    scale,
    stack,
)

BROKEN: list[Network] = []
entropy = dr.cross_entropy


def _adam(model, lr: float = 1e-3):
    return dr.optim.Adam(model.parameters(), lr=lr)


# ---- data


@register(BROKEN, "inputs_not_finite", "")
def missing_values(seed: int) -> Setup:
    inputs, classes = digits()
    inputs = inputs.copy()
    inputs[np.random.default_rng(seed).random(inputs.shape) < 0.02] = np.nan
    model = stack(64, 32, 10)
    return Setup(model, inputs, classes, entropy, _adam(model))


@register(BROKEN, "targets_not_finite", "")
def missing_targets(seed: int) -> Setup:
    inputs, values = line(seed)
    values = values.copy()
    values[::50] = np.inf
    model = stack(6, 16, 1)
    return Setup(model, inputs, values, regression_loss, _adam(model))


@register(BROKEN, "inputs_constant", "")
def same_image_always(seed: int) -> Setup:
    inputs, classes = digits()
    model = stack(64, 32, 10)
    return Setup(model, np.repeat(inputs[:1], len(inputs), axis=0), classes, entropy, _adam(model))


@register(BROKEN, "inputs_not_standardised", "")
def raw_pixels(seed: int) -> Setup:
    inputs, classes = digits()
    model = stack(64, 32, 10)
    return Setup(model, 127 + 80 * inputs, classes, entropy, dr.optim.SGD(model.parameters(), lr=0.05))


@register(BROKEN, "inputs_not_standardised", "")
def far_from_zero(seed: int) -> Setup:
    inputs, values = line(seed)
    model = stack(6, 16, 1)
    return Setup(model, 300 + inputs, values, regression_loss, _adam(model))


@register(BROKEN, "feature_dominates", "")
def one_huge_feature(seed: int) -> Setup:
    inputs, classes = blobs(seed)
    inputs = inputs * np.array([1, 1, 1, 2000, 1, 1, 1, 1, 1, 1], np.float32)
    model = stack(10, 32, 4)
    return Setup(model, inputs, classes, entropy, dr.optim.SGD(model.parameters(), lr=0.05))


@register(BROKEN, "targets_not_standardised", "")
def prices(seed: int) -> Setup:
    inputs, values = line(seed)
    model = stack(6, 16, 1)
    targets = 250000 + 40000 * values
    return Setup(model, inputs, targets, regression_loss, _adam(model))


@register(BROKEN, "labels_uninformative", "")
def shuffled_labels(seed: int) -> Setup:
    inputs, classes = digits()
    model = stack(64, 32, 10)
    mixed = np.random.default_rng(seed).permutation(classes)
    return Setup(model, inputs, mixed, entropy, _adam(model))


@register(BROKEN, "labels_uninformative", "")
def noise_for_inputs(seed: int) -> Setup:
    inputs, values = line(seed)
    random = np.random.default_rng(seed)
    model = stack(6, 16, 1, activation=dr.nn.Tanh)
    noise = random.standard_normal(inputs.shape).astype(np.float32)
    return Setup(model, noise, values, regression_loss, dr.optim.SGD(model.parameters(), lr=0.02))


@register(BROKEN, "class_imbalance", "")
def one_in_a_hundred(seed: int) -> Setup:
    inputs, classes = blobs(seed, classes=2, spread=3.0, rows=4000)
    keep = (classes == 0) | (np.random.default_rng(seed).random(len(classes)) < 0.015)
    model = stack(10, 16, 2)
    return Setup(model, inputs[keep], classes[keep], entropy, _adam(model), rows=1024)


@register(BROKEN, "targets_constant", "")
def one_class_only(seed: int) -> Setup:
    inputs, classes = digits()
    model = stack(64, 32, 10)
    return Setup(model, inputs, np.full_like(classes, 3), entropy, _adam(model))


# ---- connection


class _Forgotten(dr.nn.Module):
    """Its second layer is made, and never called."""

    def __init__(self):
        self.first = dr.nn.Linear(64, 32)
        self.second = dr.nn.Linear(32, 32)
        self.output = dr.nn.Linear(32, 10)

    def forward(self, x):
        return self.output(dr.relu(self.first(x)))


@register(BROKEN, "weights_not_finite", "2")
def loaded_with_a_nan(seed: int) -> Setup:
    model = stack(64, 32, 10)
    model[2].weight._array[3, 5] = np.nan
    return Setup(model, *digits(), entropy, _adam(model), updates=0)


@register(BROKEN, "learning_rate_zero", "")
def learning_rate_of_zero(seed: int) -> Setup:
    model = stack(64, 32, 10)
    optimizer = dr.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
    return Setup(model, *digits(), entropy, optimizer, updates=10, looks=(0, 5, 10))


@register(BROKEN, "all_frozen", "")
def everything_frozen(seed: int) -> Setup:
    model = stack(64, 32, 10)
    optimizer = _adam(model)
    model.requires_grad_(False)
    return Setup(model, *digits(), entropy, optimizer, updates=0)


@register(BROKEN, "not_connected", "second")
def forgotten_layer(seed: int) -> Setup:
    model = _Forgotten()
    return Setup(model, *digits(), entropy, _adam(model))


class _Cut(_Forgotten):
    """The gradient ends at a detach."""

    def forward(self, x):
        hidden = dr.relu(self.first(x)).detach()
        return self.output(dr.relu(self.second(hidden)))


@register(BROKEN, "not_connected", "first")
def detached_layer(seed: int) -> Setup:
    model = _Cut()
    return Setup(model, *digits(), entropy, _adam(model))


class _Returned(_Forgotten):
    """The answer is a number of its own, which no parameter has anything to do with."""

    def __init__(self, recorded: bool):
        super().__init__()
        self.recorded = recorded

    def forward(self, x):
        answer = self.output(dr.relu(self.second(dr.relu(self.first(x)))))
        return dr.tensor(answer.numpy(), requires_grad=True) if self.recorded else answer.detach()


@register(BROKEN, "not_connected", "output")
def detached_answer(seed: int) -> Setup:
    model = _Returned(recorded=False)
    return Setup(model, *digits(), entropy, _adam(model), updates=0)


@register(BROKEN, "not_connected", "output")
def answer_through_numpy(seed: int) -> Setup:
    model = _Returned(recorded=True)
    return Setup(model, *digits(), entropy, _adam(model), updates=0)


@register(BROKEN, "loss_not_connected", "")
def detached_before_the_loss(seed: int) -> Setup:
    model = stack(64, 32, 10)
    return Setup(model, *digits(), lambda o, t: entropy(o.detach(), t), _adam(model), updates=0)


@register(BROKEN, "loss_not_connected", "")
def loss_in_numpy(seed: int) -> Setup:
    model = stack(6, 16, 1)

    def loss(output, targets):
        return dr.tensor(np.mean((output.numpy() - targets.numpy()) ** 2), requires_grad=True)

    return Setup(model, *line(seed), loss, _adam(model), updates=0)


@register(BROKEN, "not_optimised", "0")
def forgotten_in_the_optimiser(seed: int) -> Setup:
    model = stack(64, 32, 10)
    return Setup(model, *digits(), entropy, dr.optim.Adam(model[2].parameters(), lr=1e-3))


# ---- loss and output


@register(BROKEN, "softmax_before_loss")
def softmax_twice(seed: int) -> Setup:
    model = dr.nn.Sequential(dr.nn.Linear(64, 32), dr.nn.ReLU(), dr.nn.Linear(32, 10), dr.nn.Softmax())
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.1))


@register(BROKEN, "sigmoid_before_loss")
def sigmoid_twice(seed: int) -> Setup:
    inputs, classes = blobs(seed)
    model = dr.nn.Sequential(dr.nn.Linear(10, 16), dr.nn.ReLU(), dr.nn.Linear(16, 1), dr.nn.Sigmoid())

    def loss(output, targets):
        return dr.binary_cross_entropy_with_logits(output.reshape((-1,)), targets)

    return Setup(model, inputs, (classes == 0).astype(np.float32), loss, _adam(model))


@register(BROKEN, "activation_before_loss")
def relu_on_logits(seed: int) -> Setup:
    model = dr.nn.Sequential(dr.nn.Linear(64, 32), dr.nn.ReLU(), dr.nn.Linear(32, 10), dr.nn.ReLU())
    return Setup(model, *digits(), entropy, _adam(model))


@register(BROKEN, "log_softmax_missing")
def likelihood_of_logits(seed: int) -> Setup:
    model = stack(64, 32, 10)
    return Setup(model, *digits(), dr.nll_loss, _adam(model))


@register(BROKEN, "output_out_of_reach")
def relu_for_negative_targets(seed: int) -> Setup:
    inputs, values = line(seed)
    model = dr.nn.Sequential(dr.nn.Linear(6, 16), dr.nn.ReLU(), dr.nn.Linear(16, 1), dr.nn.ReLU())
    return Setup(model, inputs, values - 1, regression_loss, _adam(model))


@register(BROKEN, "output_out_of_reach")
def sigmoid_for_large_targets(seed: int) -> Setup:
    inputs, values = line(seed)
    model = dr.nn.Sequential(dr.nn.Linear(6, 16), dr.nn.Tanh(), dr.nn.Linear(16, 1), dr.nn.Sigmoid())
    return Setup(model, inputs, 2 * values, regression_loss, _adam(model))


# ---- initialisation


@register(BROKEN, "equal_units", "0")
def constant_weights(seed: int) -> Setup:
    model = drawn(stack(64, 32, 10, activation=dr.nn.Tanh), lambda w: dr.nn.init.constant_(w, 0.01))
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.1))


@register(BROKEN, "equal_units", "0")
def zero_weights(seed: int) -> Setup:
    model = drawn(stack(64, 32, 10), dr.nn.init.zeros_)
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.1))


@register(BROKEN, "overconfident_start")
def loud_last_layer(seed: int) -> Setup:
    model = stack(64, 32, 10)
    scale(model[2].weight, 60)
    return Setup(model, *digits(), entropy, _adam(model))


@register(BROKEN, "saturated_by_weights", "2")
def saturated_second_layer(seed: int) -> Setup:
    model = drawn(stack(64, 32, 6, 10, activation=dr.nn.Tanh), dr.nn.init.xavier_uniform_)
    scale(model[2].weight, 30)
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.05))


@register(BROKEN, "saturated_by_weights", "0")
def saturated_sigmoids(seed: int) -> Setup:
    model = stack(64, 6, 10, activation=dr.nn.Sigmoid)
    dr.nn.init.normal_(model[0].weight, 0.0, 4.0)
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=1.0))


@register(BROKEN, "saturated_by_inputs", "0")
def saturating_inputs(seed: int) -> Setup:
    inputs, classes = digits()
    model = stack(64, 6, 10, activation=dr.nn.Sigmoid)
    return Setup(model, 60 * inputs, classes, entropy, dr.optim.SGD(model.parameters(), lr=1.0))


@register(BROKEN, "overflows", "2")
def exponents_too_large(seed: int) -> Setup:
    # As a training left it that went too fast: seen without its past.
    inputs, values = line(seed)
    model = stack(6, 16, 1)
    scale(model[2].weight, 1e5)

    def loss(output, targets):
        return (dr.exp(output) - targets * output).mean()

    return Setup(model, inputs, np.exp(values), loss, _adam(model), updates=0)


@register(BROKEN, "loss_not_finite", "")
def logarithm_of_negative_numbers(seed: int) -> Setup:
    inputs, values = line(seed)
    model = stack(6, 16, 1)

    def loss(output, targets):
        return ((dr.log(output) - targets) ** 2).mean()

    return Setup(model, inputs, values, loss, _adam(model), updates=0)


@register(BROKEN, "dead_units", "0")
def dead_at_the_bottom_of_a_deep_network(seed: int) -> Setup:
    # No gradient passes: it is not the weights that make it vanish.
    model = stack(64, 32, 32, 32, 10)
    dr.nn.init.constant_(model[0].bias, -50.0)
    return Setup(model, *digits(), entropy, _adam(model))


@register(BROKEN, "dead_units", "0")
def dead_by_bias(seed: int) -> Setup:
    model = stack(64, 32, 10)
    dr.nn.init.constant_(model[0].bias, -8.0)
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.05))


# ---- depth


@register(BROKEN, "vanishing_by_activation")
def stacked_sigmoids(seed: int) -> Setup:
    model = drawn(stack(64, *[24] * 8, 10, activation=dr.nn.Sigmoid), dr.nn.init.xavier_uniform_)
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.1))


@register(BROKEN, "vanishing_by_weights")
def tiny_weights(seed: int) -> Setup:
    model = drawn(stack(64, *[24] * 8, 10, activation=dr.nn.Tanh), lambda w: dr.nn.init.normal_(w, 0.0, 0.02))
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.1))


@register(BROKEN, "exploding_over_depth")
def huge_weights(seed: int) -> Setup:
    model = drawn(stack(64, *[32] * 10, 10), lambda w: dr.nn.init.kaiming_normal_(w, nonlinearity="relu"))
    for parameter in model.parameters():
        scale(parameter, 4.0)
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.01))


# ---- time


@register(BROKEN, "memory_too_short", "recurrent")
def forgetful_rnn(seed: int) -> Setup:
    model = LastStep(dr.nn.RNN(3, 24), 2)
    dr.nn.init.orthogonal_(model.recurrent.weight_hh_l0, gain=0.6)
    return Setup(model, *first_sign(seed, 30), entropy, _adam(model, 2e-3))


@register(BROKEN, "memory_too_short", "recurrent")
def forgetful_lstm(seed: int) -> Setup:
    model = LastStep(dr.nn.LSTM(3, 16), 2)
    dr.nn.init.forget_gate_bias_(model, -2.0)
    return Setup(model, *first_sign(seed, 30), entropy, _adam(model, 2e-3))


@register(BROKEN, "recurrence_explodes", "recurrent")
def exploding_rnn(seed: int) -> Setup:
    model = LastStep(dr.nn.RNN(3, 24, nonlinearity="relu"), 2)
    dr.nn.init.orthogonal_(model.recurrent.weight_hh_l0, gain=2.4)
    return Setup(model, *first_sign(seed, 30), entropy, dr.optim.SGD(model.parameters(), lr=0.01))


# ---- the update


@register(BROKEN, "learning_rate_too_high", "")
def steps_too_long(seed: int) -> Setup:
    model = stack(64, 32, 10)
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=15.0))


@register(BROKEN, "learning_rate_too_high", "")
def adam_too_fast(seed: int) -> Setup:
    model = stack(64, 32, 10)
    return Setup(model, *digits(), entropy, _adam(model, 1.0))


@register(BROKEN, "learning_rate_too_high", "")
def diverging_regression(seed: int) -> Setup:
    model = stack(6, 32, 1)
    return Setup(model, *line(seed), regression_loss, dr.optim.SGD(model.parameters(), lr=5.0))


@register(BROKEN, "learning_rate_too_high", "")
def overflowing_at_once(seed: int) -> Setup:
    # Most of the first gradient is noise, and batches are as large as the probe: the steps are too long.
    inputs, values = line(seed, noise=4.0)
    model = stack(6, 64, 32, 1)
    optimizer = dr.optim.SGD(model.parameters(), lr=3.0)
    return Setup(model, inputs, values, regression_loss, optimizer, looks=(0, 2, 10), rows=32)


@register(BROKEN, "learning_rate_too_low", "")
def adam_a_thousand_times_too_slow(seed: int) -> Setup:
    # Of wide layers whose weights are small even that is a visible part.
    layers = (dr.nn.Conv2d(1, 8, 3, padding=1), dr.nn.ReLU(), dr.nn.Flatten(), dr.nn.Linear(512, 10))
    model = dr.nn.Sequential(*layers)
    return Setup(model, *images(), entropy, _adam(model, 1e-6))


@register(BROKEN, "learning_rate_too_low", "")
def steps_too_short(seed: int) -> Setup:
    model = stack(64, 32, 10)
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=1e-6))


@register(BROKEN, "learning_rate_too_low", "")
def adam_too_slow(seed: int) -> Setup:
    model = stack(64, 32, 10)
    return Setup(model, *digits(), entropy, _adam(model, 1e-7))


@register(BROKEN, "weight_decay_too_strong", "")
def decayed_away(seed: int) -> Setup:
    model = stack(64, 32, 10)
    optimizer = dr.optim.SGD(model.parameters(), lr=0.1, weight_decay=1.0)
    return Setup(model, *digits(), entropy, optimizer)


@register(BROKEN, "penalty_too_strong", "")
def penalty_far_above_the_loss(seed: int) -> Setup:
    model = stack(64, 32, 10)
    return Setup(model, *digits(), entropy, _adam(model), penalty=penalised(dr.l2_penalty, 10.0))


@register(BROKEN, "penalty_too_strong", "")
def penalty_that_takes_all_weights_away(seed: int) -> Setup:
    # Not much above the loss: it is what comes of it that shows.
    model = stack(64, 32, 10)
    optimizer = dr.optim.SGD(model.parameters(), lr=0.05)
    return Setup(model, *digits(), entropy, optimizer, penalty=penalised(dr.l1_penalty, 0.1))


@register(BROKEN, "dropout_too_strong")
def dropped_nearly_all(seed: int) -> Setup:
    model = dr.nn.Sequential(dr.nn.Linear(64, 32), dr.nn.ReLU(), dr.nn.Dropout(0.95), dr.nn.Linear(32, 10))
    return Setup(model, *digits(), entropy, _adam(model))


@register(BROKEN, "clipped_always", "")
def clipped_to_nothing(seed: int) -> Setup:
    model = stack(64, 32, 10)
    optimizer = dr.optim.SGD(model.parameters(), lr=0.05)
    return Setup(model, *digits(), entropy, optimizer, clip_norm=1e-4)


@register(BROKEN, "batch_too_small", "")
def single_noisy_samples(seed: int) -> Setup:
    inputs, values = line(seed)
    random = np.random.default_rng(seed)
    noisy = values + 1.5 * random.standard_normal(values.shape).astype(np.float32)
    model = stack(6, 32, 1, activation=dr.nn.Tanh)
    optimizer = dr.optim.SGD(model.parameters(), lr=0.1)
    return Setup(
        model, inputs, noisy, regression_loss, optimizer, batch_size=1, updates=300, looks=(0, 30, 100, 300)
    )


@register(BROKEN, "exploding_over_depth")
def huge_convolutions(seed: int) -> Setup:
    layers = [dr.nn.Conv2d(1, 6, 3, padding=1), dr.nn.ReLU()]
    for _ in range(6):
        layers += [dr.nn.Conv2d(6, 6, 3, padding=1), dr.nn.ReLU()]
    model = dr.nn.Sequential(*layers, dr.nn.Flatten(), dr.nn.Linear(6 * 64, 10))
    model = drawn(model, lambda w: dr.nn.init.kaiming_normal_(w, nonlinearity="relu"))
    for parameter in model.parameters():
        scale(parameter, 5.0)
    return Setup(model, *images(300), entropy, dr.optim.SGD(model.parameters(), lr=0.05), rows=64)
