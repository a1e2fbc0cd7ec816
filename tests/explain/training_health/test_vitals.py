"""What `vitals` measures, compared with plain computations; and that it leaves no trace."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.explain.training_health.probe import vitals
from deltarule.explain.training_health.unit_activity import UnitVitals
from deltarule.explain.training_health.vitals import Vitals


def batch(rows: int = 32, features: int = 5, classes: int = 3, seed: int = 0):
    source = np.random.default_rng(seed)
    inputs = source.standard_normal((rows, features)).astype(np.float32)
    return inputs, inputs[:, :classes].argmax(axis=1)


def network(*activations: dr.nn.Module, width: int = 8, features: int = 5, outputs: int = 3):
    dr.manual_seed(1)
    layers: list[dr.nn.Module] = []
    for place, activation in enumerate(activations):
        layers += [dr.nn.Linear(width if place else features, width), activation]
    return dr.nn.Sequential(*layers, dr.nn.Linear(width if activations else features, outputs))


def unit(found: Vitals, gate: str) -> UnitVitals:
    (one,) = [each for each in found.units if each.gate == gate]
    return one


def fill(parameter: dr.Tensor, values) -> None:
    with dr.no_grad():
        parameter.assign(np.broadcast_to(np.asarray(values, parameter.dtype), parameter.shape))


# ---- no trace


def everything(model: dr.nn.Module, optimizer: dr.optim.Optimizer) -> list[bytes]:
    """The bits of all that a step could change."""
    state = [*model.parameters(), *model.buffers()]
    return [
        *[each.numpy().tobytes() for each in state],
        *[b"" if each.grad is None else each.grad.numpy().tobytes() for each in state],
        *[str(each._version).encode() for each in state],
        *[str(value).encode() for value in optimizer.state_dict().values()],
        str(dr.random.get_random_state()).encode(),
        str([module.training for module in model.modules()]).encode(),
        str([each.requires_grad for each in state]).encode(),
    ]


@pytest.mark.parametrize("recorded", [True, False], ids=["recording", "no_grad"])
def test_it_leaves_no_trace(recorded):
    model = dr.nn.Sequential(
        *(dr.nn.Linear(5, 8), dr.nn.BatchNorm1d(8), dr.nn.ReLU(), dr.nn.Dropout(0.5), dr.nn.Linear(8, 3))
    )
    optimizer = dr.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    inputs, targets = batch()
    dr.cross_entropy(model(inputs), targets).backward()
    optimizer.step()
    model[3].eval()
    model[0].bias.requires_grad = False
    pending = dr.cross_entropy(model(inputs), targets)
    before = everything(model, optimizer)
    with dr.enable_grad() if recorded else dr.no_grad():
        first = vitals(model, dr.cross_entropy, inputs, targets, optimizer, clip_norm=0.1)
        again = vitals(model, dr.cross_entropy, inputs, targets, optimizer, clip_norm=0.1)
    assert everything(model, optimizer) == before
    # A graph that was recorded before can still go back: nothing it needs was written into.
    pending.backward()
    # The same probe gives the same numbers, dropout included.
    assert (first.loss, first.optimizer, first.parameters) == (again.loss, again.optimizer, again.parameters)


def test_what_cannot_be_copied_is_told():
    model = network()
    model.lock = threading.Lock()
    with pytest.raises(
        ArgumentError, match=r"vitals: the model or its optimiser cannot be copied \(TypeError"
    ):
        vitals(model, dr.cross_entropy, *batch())


def test_a_batch_needs_rows():
    with pytest.raises(ArgumentError, match=r"vitals: loss expects a function, got 'mse'"):
        vitals(dr.nn.Linear(5, 3), "mse", np.zeros((4, 5)), np.zeros((4, 3)))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"vitals: expected a model, got type"):
        vitals(dr.nn.Linear, dr.mse_loss, np.zeros((4, 5)), np.zeros((4, 3)))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"vitals: expected a batch of rows, got shape \(0, 5\)"):
        vitals(network(), dr.cross_entropy, np.zeros((0, 5), np.float32), np.zeros(0, int))


# ---- parameters and updates


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_gradients_and_updates_are_those_of_a_real_step(rule):
    model = network(dr.nn.Tanh())
    options = {"momentum": 0.9, "weight_decay": 0.01} if rule == "SGD" else {}
    optimizer = getattr(dr.optim, rule)(model.parameters(), lr=0.05, **options)
    inputs, targets = batch()
    dr.cross_entropy(model(inputs), targets).backward()
    optimizer.step()
    optimizer.zero_grad()
    found = vitals(model, dr.cross_entropy, inputs, targets, optimizer, clip_norm=0.2)
    before = {name: each.numpy().copy() for name, each in model.named_parameters()}
    loss = dr.cross_entropy(model(inputs), targets)
    loss.backward()
    norms = {name: np.linalg.norm(each.grad.numpy()) for name, each in model.named_parameters()}
    total = dr.optim.clip_grad_norm_(list(model.parameters()), 0.2)
    optimizer.step()
    assert found.loss == pytest.approx(loss.item(), rel=1e-6)
    assert found.optimizer.gradient_norm == pytest.approx(total, rel=1e-5)
    assert found.optimizer.clipped == 1.0
    assert found.optimizer.clip_factor == pytest.approx(0.2 / total, rel=1e-5)
    for each in found.parameters:
        moved = np.linalg.norm(dict(model.named_parameters())[each.name].numpy() - before[each.name])
        size = np.linalg.norm(before[each.name])
        assert each.gradient_norm == pytest.approx(norms[each.name], rel=1e-5)
        assert each.update_norm == pytest.approx(moved, rel=1e-4)
        assert each.update_ratio == pytest.approx(moved / size, rel=1e-4)
    # The loss that was foretold for the whole step is the loss after it.
    after = dr.cross_entropy(model(inputs), targets).item()
    place = found.optimizer.factors.index(1.0)
    assert found.optimizer.losses[place] == pytest.approx(after, rel=1e-5)


def test_a_penalty_is_told_apart_from_the_loss():
    model, (inputs, targets) = network(dr.nn.Tanh()), batch()
    optimizer = dr.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def penalty(model):
        return dr.l2_penalty([each for each in model.parameters() if each.ndim > 1], 3.0)

    plain = vitals(model, dr.cross_entropy, inputs, targets, optimizer)
    found = vitals(model, dr.cross_entropy, inputs, targets, optimizer, penalty=penalty)
    loss = dr.cross_entropy(model(inputs), targets) + penalty(model)
    assert (found.loss, plain.penalty) == (plain.loss, 0.0)
    assert found.total == pytest.approx(loss.item(), rel=1e-6)
    for each, other in zip(found.parameters, plain.parameters, strict=True):
        assert each.gradient_norm == other.gradient_norm
        pull = 3.0 * each.weight_norm if "weight" in each.name else 0.0
        assert (other.penalty_norm, each.penalty_norm) == (0.0, pytest.approx(pull, rel=1e-6))
    # The step is that of both, and so are the losses along it.
    loss.backward()
    size = np.sqrt(sum(float((each.grad.numpy() ** 2).sum()) for each in model.parameters()))
    optimizer.step()
    after = dr.cross_entropy(model(inputs), targets) + penalty(model)
    step = found.optimizer
    assert step.gradient_norm == pytest.approx(size, rel=1e-5)
    assert step.losses[step.factors.index(1.0)] == pytest.approx(after.item(), rel=1e-5)


@pytest.mark.parametrize(("rate", "shortest"), [(1.0, 1e-3), (1e6, 1e-7), (1e20, 1e-21)])
def test_shorter_steps_are_tried_until_one_no_longer_raises_the_loss(rate, shortest):
    model = dr.nn.Linear(1, 1, bias=False)
    fill(model.weight, 1.0)
    optimizer = dr.optim.SGD(model.parameters(), lr=rate)
    inputs = np.full((8, 1), 3.0, np.float32)
    found = vitals(model, dr.mse_loss, inputs, np.zeros((8, 1), np.float32), optimizer)
    factors = found.optimizer.factors
    assert factors[0] == pytest.approx(shortest, rel=1e-6, abs=0)
    assert list(factors) == sorted(factors)
    assert (found.optimizer.losses[0] < found.loss, len(factors) == 9) == (True, rate == 1.0)


def test_the_curvature_of_a_square_is_its_second_derivative():
    # L = mean((x w)²) has the Hessian 2 mean(x²) in one dimension.
    model = dr.nn.Linear(1, 1, bias=False)
    fill(model.weight, 1.0)
    inputs = np.full((8, 1), 3.0, np.float64)
    model.astype("float64")
    optimizer = dr.optim.SGD(model.parameters(), lr=0.01)
    step = vitals(model, dr.mse_loss, inputs, np.zeros((8, 1)), optimizer).optimizer
    assert step.curvature == pytest.approx(18.0, rel=1e-6)
    # Δw = -0.01 · 18, so a step promises 0.01 · 18²; twice 1/18 over 0.01 away the loss is as it was.
    assert step.expected == pytest.approx(0.01 * 18**2)
    assert min(step.losses) == step.losses[step.factors.index(3.0)]


def test_a_training_tells_its_own_updates():
    model, (inputs, targets) = network(), batch()
    optimizer = dr.optim.SGD(model.parameters(), lr=0.1)
    real = {"0.weight": np.full((3, 5), 0.01)}
    found = vitals(model, dr.cross_entropy, inputs, targets, optimizer, updates=real, clipped=(0.25, 0.5))
    assert found.parameters[0].update_norm == pytest.approx(0.01 * np.sqrt(15))
    assert found.parameters[1].update_norm == 0.0
    assert (found.optimizer.clipped, found.optimizer.clip_factor) == (0.25, 0.5)


def test_a_layer_that_is_cut_off_has_no_gradient():
    class Cut(dr.nn.Module):
        def __init__(self):
            self.before, self.after, self.unused = dr.nn.Linear(5, 4), dr.nn.Linear(4, 3), dr.nn.Linear(2, 2)
            self.activation = dr.nn.Tanh()

        def forward(self, x):
            return self.after(self.activation(self.before(x)).detach())

    found = vitals(Cut(), dr.cross_entropy, *batch())
    assert {each.name: each.has_gradient for each in found.parameters} == {
        "before.weight": False,
        "before.bias": False,
        "after.weight": True,
        "after.bias": True,
        "unused.weight": False,
        "unused.bias": False,
    }
    assert {each.layer: each.connected for each in found.layers} == {
        "before": False, "after": True, "unused": False,
    }  # fmt: skip
    # It is measured all the same: its units are seen although no gradient passes.
    assert [each.before for each in found.units] == ["before"]


def test_parameters_outside_of_the_optimiser_have_no_learning_rate():
    model = network(dr.nn.ReLU())
    optimizer = dr.optim.SGD(model[2].parameters(), lr=0.1)
    found = vitals(model, dr.cross_entropy, *batch(), optimizer)
    assert [each.learning_rate for each in found.parameters] == [None, None, 0.1, 0.1]
    assert [each.update_norm is None for each in found.parameters] == [True, True, False, False]


@pytest.mark.parametrize(
    ("values", "share"), [("constant", 1.0), ("zero", 1.0), ("pair", 2 / 8), ("drawn", 0.0)]
)
def test_units_that_stay_equal_are_counted(values, share):
    model = network(dr.nn.Tanh())
    weight, outgoing = model[0].weight, model[2].weight
    drawn = weight.numpy().copy()
    if values == "pair":
        drawn[5], out = drawn[2], outgoing.numpy().copy()
        out[:, 5] = out[:, 2]
        fill(outgoing, out)
        fill(model[0].bias, np.zeros(8, np.float32))
        fill(weight, drawn)
    elif values != "drawn":
        for each in (weight, outgoing):
            fill(each, 0.1 if values == "constant" else 0.0)
        fill(model[0].bias, 0.0)
    found = vitals(model, dr.cross_entropy, *batch())
    assert found.parameters[0].equal_units == pytest.approx(share)
    assert found.parameters[0].zero == (values == "zero")
    # Equal rows of the last layer have targets of their own, and so other gradients, where any arrives.
    assert found.parameters[2].equal_units == (1.0 if values == "zero" else 0.0)


# ---- noise and labels


def test_noise_and_signal_are_those_of_the_gradients_of_parts():
    model, (inputs, targets) = network(dr.nn.Tanh()).astype("float64"), batch()
    noise = vitals(model, dr.cross_entropy, inputs, targets, batch_size=16).noise
    assert (noise.samples, noise.rows) == (8, 4)
    parts = []
    for place in range(8):
        here = slice(4 * place, 4 * place + 4)
        wanted = list(model.parameters())
        found = dr.gradients(dr.cross_entropy(model(inputs[here].astype(float)), targets[here]), wanted)
        parts.append(np.concatenate([each.numpy().ravel() for each in found]))
    stacked = np.stack(parts)
    variance = 4 * ((stacked - stacked.mean(axis=0)) ** 2).sum() / 7
    signal = (stacked.mean(axis=0) ** 2).sum() - variance / 32
    assert noise.variance == pytest.approx(variance)
    assert noise.signal == pytest.approx(signal)
    assert noise.scale == pytest.approx(variance / signal if signal > 0 else np.inf)
    assert noise.share == pytest.approx(variance / 16 / (max(signal, 0) + variance / 16))


def test_a_gradient_without_noise_has_a_noise_scale_of_0():
    model = network()
    inputs, targets = np.ones((16, 5), np.float32), np.zeros(16, int)
    noise = vitals(model, dr.cross_entropy, inputs, targets).noise
    assert noise.variance == pytest.approx(0.0, abs=1e-9)
    assert noise.scale == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_a_few_rows_have_no_noise_to_measure(rows):
    model = dr.nn.Sequential(dr.nn.Linear(5, 3), dr.nn.LayerNorm(3) if rows == 1 else dr.nn.BatchNorm1d(3))
    found = vitals(model, dr.cross_entropy, *batch(rows=rows))
    assert (found.noise is None) == (rows < 4)


def test_bytes_are_numbers_and_other_whole_numbers_are_tokens():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 5)).astype(np.uint8)
    facts = vitals(network(), dr.cross_entropy, pixels, np.arange(16) % 3).inputs
    assert (facts.kind, facts.mean) == ("features", pixels.mean())
    model = dr.nn.Sequential(dr.nn.Embedding(9, 4), dr.nn.Flatten(), dr.nn.Linear(20, 3))
    found = vitals(model, dr.cross_entropy, pixels.astype(int) % 9, np.arange(16) % 3)
    assert found.inputs.kind == "tokens"
    assert found.parameters[0].kind == "embedding"


def test_labels_that_tell_nothing_look_like_labels_in_random_order():
    model = network(dr.nn.ReLU(), width=32)
    inputs, targets = batch(rows=256)
    told = vitals(model, dr.cross_entropy, inputs, targets)
    mixed = vitals(model, dr.cross_entropy, inputs, np.random.default_rng(3).permutation(targets))
    for found, informative in ((told, True), (mixed, False)):
        gradient = (found.noise.true_labels - found.noise.permuted_labels) / found.noise.permuted_spread
        near = (
            found.targets.neighbours - found.targets.neighbours_by_chance
        ) / found.targets.neighbours_spread
        assert (gradient > 5) == informative
        assert (near > 5) == informative


# ---- activations


def test_dead_saturated_and_always_on_units_are_counted():
    model = network(dr.nn.ReLU(), dr.nn.Tanh(), dr.nn.Sigmoid())
    bias = np.zeros(8, np.float32)
    bias[:2], bias[2:5] = -100.0, 100.0
    fill(model[0].bias, bias)
    fill(model[2].weight, 0.0)
    fill(model[2].bias, [5.0] * 4 + [0.0] * 4)
    fill(model[4].weight, 0.0)
    fill(model[4].bias, [-10.0] + [0.0] * 7)
    relu, tanh, sigmoid = vitals(model, dr.cross_entropy, *batch()).units
    assert (relu.dead, relu.always_on, relu.saturated) == (2 / 8, 3 / 8, 0.0)
    assert (tanh.saturated, tanh.dead) == (4 / 8, 0.0)
    assert (sigmoid.saturated, sigmoid.operation, sigmoid.before) == (1 / 8, "sigmoid", "4")
    assert [each.depth for each in (relu, tanh, sigmoid)] == [0, 1, 2]
    assert sigmoid.derivative == pytest.approx(0.25 * np.sqrt(7 / 8), rel=1e-3)


def test_the_border_of_saturation_is_a_twentieth_of_the_largest_derivative():
    # tanh: 1 - y² = 0.05 at y = 0.9747.
    model = network(dr.nn.Tanh())
    fill(model[0].weight, 0.0)
    fill(model[0].bias, np.arctanh([0.974] * 4 + [0.9751] * 4))
    assert vitals(model, dr.cross_entropy, *batch()).units[0].saturated == 0.5


def test_units_of_images_are_channels():
    model = dr.nn.Sequential(dr.nn.Conv2d(1, 4, 3), dr.nn.ReLU(), dr.nn.Flatten(), dr.nn.Linear(4 * 36, 10))
    fill(model[0].bias, [-100.0, 0.0, 0.0, 0.0])
    inputs = np.random.default_rng(0).standard_normal((16, 1, 8, 8)).astype(np.float32)
    (relu,) = vitals(model, dr.cross_entropy, inputs, np.arange(16) % 10).units
    assert (relu.units, relu.dead) == (4, 1 / 4)


def test_the_activation_of_the_output_is_marked():
    model = dr.nn.Sequential(*network(dr.nn.Tanh()).children(), dr.nn.Sigmoid())
    found = vitals(model, dr.mse_loss, batch()[0], np.zeros((32, 3), np.float32))
    assert [each.output for each in found.units] == [False, True]
    assert (found.outputs.operation, found.outputs.loss) == ("sigmoid", ("mse_loss",))


# ---- recurrent layers


def recurrent(kind: str, hidden: int = 4, **options):
    class Reader(dr.nn.Module):
        def __init__(self):
            self.layer = getattr(dr.nn, kind)(3, hidden, **options)
            self.output = dr.nn.Linear(hidden * (1 + options.get("bidirectional", False)), 2)

        def forward(self, x):
            return self.output(self.layer(x)[0][:, -1])

    dr.manual_seed(2)
    return Reader()


def sequences(rows: int = 8, steps: int = 12):
    source = np.random.default_rng(1)
    return source.standard_normal((rows, steps, 3)).astype(np.float32), np.arange(rows) % 2


@pytest.mark.parametrize(
    ("kind", "gates"),
    [
        ("LSTM", ["input_gate", "forget_gate", "candidate", "output_gate"]),
        ("GRU", ["reset_gate", "update_gate", "candidate"]),
        ("RNN", ["hidden"]),
    ],
)
def test_each_gate_is_known_by_its_own_bias(kind, gates):
    for place, gate in enumerate(gates):
        model = recurrent(kind)
        bias = np.zeros(4 * len(gates), np.float32)
        bias[4 * place : 4 * place + 4] = 20.0
        fill(model.layer.bias_ih_l0, bias)
        fill(model.layer.weight_ih_l0, 0.1)
        found = vitals(model, dr.cross_entropy, *sequences())
        saturated = {each.gate: each.saturated for each in found.units}
        assert saturated[gate] == 1.0
        assert all(saturated[other] == 0.0 for other in gates if other != gate)
        (layer,) = found.recurrent
        if gate in ("forget_gate", "update_gate"):
            assert layer.forget == pytest.approx(1.0, abs=1e-6)


def test_a_recurrence_that_shrinks_by_six_tenths_is_measured_so():
    model = recurrent("RNN", hidden=6)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0]
    fill(model.layer.weight_hh_l0, (0.6 * rotation).astype(np.float32))
    # Inputs so small that tanh is a straight line.
    fill(model.layer.weight_ih_l0, np.zeros((6, 3), np.float32))
    fill(model.layer.bias_ih_l0, 0.0)
    fill(model.layer.bias_hh_l0, 0.0)
    (layer,) = vitals(model, dr.cross_entropy, *sequences(steps=20)).recurrent
    for measured in (layer.weight_radius, layer.jacobian_radius, layer.gradient_rate, layer.weight_norm):
        assert measured == pytest.approx(0.6, rel=1e-3)
    assert layer.remains == pytest.approx(0.6**20, rel=1e-3)
    assert (layer.kind, layer.steps, layer.layer, layer.forget) == ("RNN", 20, "layer", None)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_the_gradient_through_time_is_the_engines_own(kind):
    model = recurrent(kind)
    inputs, targets = sequences(rows=4)
    (layer,) = vitals(model, dr.cross_entropy, inputs, targets).recurrent
    rnn = model.layer.astype("float64")
    states = [dr.zeros((1, 4, 4), dtype="float64", requires_grad=True) for _ in range(1 + (kind == "LSTM"))]
    output, _ = rnn(inputs.astype(float), tuple(states) if kind == "LSTM" else states[0])
    seed = np.random.default_rng(0).standard_normal((4, 4))
    found = dr.gradients((output[:, -1] * dr.tensor(seed)).sum(), states)
    left = np.sqrt(sum(float((each.numpy() ** 2).sum()) for each in found)) / np.linalg.norm(seed)
    assert layer.remains == pytest.approx(left, rel=1e-6)


def test_a_cell_that_is_called_step_by_step_is_the_layer():
    class Stepwise(dr.nn.Module):
        def __init__(self):
            self.cell, self.output = dr.nn.LSTMCell(3, 4), dr.nn.Linear(4, 2)

        def forward(self, x):
            state = (dr.zeros((x.shape[0], 4)), dr.zeros((x.shape[0], 4)))
            for t in range(x.shape[1]):
                state = self.cell(x[:, t], state)
            return self.output(state[0])

    layered = recurrent("LSTM")
    stepwise = Stepwise()
    names = {"cell.weight_ih": "layer.weight_ih_l0", "cell.weight_hh": "layer.weight_hh_l0"}
    names |= {name.replace("weight", "bias"): own.replace("weight", "bias") for name, own in names.items()}
    state = layered.state_dict()
    stepwise.load_state_dict({name: state[names.get(name, name)] for name in stepwise.state_dict()})
    one, other = (vitals(model, dr.cross_entropy, *sequences()) for model in (layered, stepwise))
    assert other.recurrent[0].remains == pytest.approx(one.recurrent[0].remains, rel=1e-5)
    assert other.recurrent[0].jacobian_radius == pytest.approx(one.recurrent[0].jacobian_radius, rel=1e-5)
    assert [each.gate for each in one.units] == [each.gate for each in other.units]
    assert [each.mean for each in one.units] == pytest.approx([each.mean for each in other.units], rel=1e-5)


def test_layers_and_directions_are_measured_apart():
    model = recurrent("GRU", num_layers=2, bidirectional=True)
    found = vitals(model, dr.cross_entropy, *sequences())
    assert [(each.layer, each.sublayer, each.reverse) for each in found.recurrent] == [
        ("layer", 0, False), ("layer", 0, True), ("layer", 1, False), ("layer", 1, True),
    ]  # fmt: skip
    assert len(found.units) == 4 * 3


# ---- data and outputs


def test_facts_of_the_inputs():
    inputs, targets = batch()
    inputs[:, 1] = 7.0
    inputs[3, 0] = np.nan
    facts = vitals(network(), dr.cross_entropy, inputs, targets).inputs
    assert facts.not_finite == pytest.approx(1 / 160)
    assert facts.constant == 1 / 5
    assert (facts.means[1], facts.stds[1], facts.largest) == (7.0, 0.0, 7.0)
    assert facts.means[0] == pytest.approx(np.nanmean(inputs[:, 0].astype(float)))


def test_values_that_are_not_finite_are_measured_without_an_error():
    for model in (network(dr.nn.Tanh()), recurrent("LSTM"), recurrent("GRU", num_layers=2)):
        for parameter in list(model.parameters())[:2]:
            fill(parameter, np.nan)
        optimizer = dr.optim.SGD(model.parameters(), lr=0.1)
        data = batch() if isinstance(model, dr.nn.Sequential) else sequences()
        found = vitals(model, dr.cross_entropy, *data, optimizer)
        assert np.isnan(found.loss)
        assert not found.finite
        assert found.parameters[0].not_finite > 0


def test_the_loss_of_the_best_constant_answer():
    inputs, _ = batch()
    targets = np.array([0] * 24 + [1] * 8)
    found = vitals(network(), dr.cross_entropy, inputs, targets).targets
    assert found.classes == {0: 0.75, 1: 0.25}
    assert found.constant_loss == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))
    values = inputs[:, :1] * 3 + 1
    found = vitals(network(outputs=1), dr.mse_loss, inputs, values).targets
    assert (found.kind, found.classes) == ("numbers", {})
    assert found.constant_loss == pytest.approx(values.astype(float).var())


def test_what_the_loss_makes_of_the_output():
    inputs, targets = batch()
    model = network(dr.nn.ReLU())
    seen = vitals(model, dr.cross_entropy, inputs, targets)
    outputs = seen.outputs
    logits = model(inputs).numpy().astype(float)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert (outputs.operation, outputs.layer, outputs.loss, outputs.classes) == (
        "linear", "2", ("cross_entropy",), 3,
    )  # fmt: skip
    assert outputs.entropy == pytest.approx(-(chances * np.log(chances)).sum(axis=1).mean(), rel=1e-5)
    assert outputs.accuracy == (logits.argmax(axis=1) == targets).mean()
    assert outputs.row_std == pytest.approx(logits.std(axis=1).mean(), rel=1e-5)


def test_the_loss_is_found_through_reshapes():
    task = dr.training.task_for("classification")
    found = vitals(network(outputs=1), task.loss, batch()[0], np.arange(32) % 2).outputs
    assert (found.loss, found.classes) == (("binary_cross_entropy_with_logits",), 2)
    text = dr.training.task_for("text")
    dr.manual_seed(0)
    model = dr.nn.models.build("rnn", input_shape=(), outputs=7, task="text", hidden=8)
    tokens = np.random.default_rng(0).integers(0, 7, (4, 10))
    seen = vitals(model, text.loss, tokens[:, :-1], tokens[:, 1:])
    assert (seen.outputs.loss, seen.outputs.classes, seen.inputs.kind) == (("cross_entropy",), 7, "tokens")
    assert seen.outputs.accuracy is not None


def test_dropout_shows_between_both_losses():
    dr.manual_seed(0)
    model = dr.nn.Sequential(dr.nn.Linear(5, 64), dr.nn.ReLU(), dr.nn.Dropout(0.9), dr.nn.Linear(64, 3))
    found = vitals(model, dr.cross_entropy, *batch())
    model.eval()
    inputs, targets = batch()
    assert found.quiet_loss == pytest.approx(dr.cross_entropy(model(inputs), targets).item(), rel=1e-6)
    assert found.loss > found.quiet_loss
    assert found.dropout == {"2": 0.9}


# ---- structure


def test_skip_connections_and_normalisation_are_seen():
    class Skip(dr.nn.Module):
        def __init__(self, skips: bool):
            self.first, self.second = dr.nn.Linear(5, 5), dr.nn.Linear(5, 5)
            self.norm, self.skips = dr.nn.LayerNorm(5), skips

        def forward(self, x):
            first = dr.relu(self.first(x))
            branch = self.second(first)
            return self.norm(first + branch if self.skips else branch + dr.tensor(1.0))

    for skips in (True, False):
        found = vitals(Skip(skips), dr.cross_entropy, *batch(classes=5))
        assert found.bypass is skips
        assert found.normalised == ("norm",)


def test_the_gradient_of_each_layer_is_that_of_its_output():
    model, (inputs, targets) = network(dr.nn.Tanh(), dr.nn.Tanh()), batch()
    found = vitals(model, dr.cross_entropy, inputs, targets)
    hidden = model[0](dr.tensor(inputs))
    value = hidden
    for layer in list(model.children())[1:]:
        value = layer(value)
    (gradient,) = dr.gradients(dr.cross_entropy(value, targets), [hidden])
    expected = 32 * np.sqrt((gradient.numpy().astype(float) ** 2).mean())
    assert found.layers[0].gradient == pytest.approx(expected, rel=1e-5)
    assert [each.layer for each in found.layers] == ["0", "2", "4"]
    assert found.layers[0].output_rms == pytest.approx(np.sqrt((hidden.numpy() ** 2).mean()), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["mlp", "lenet", "cnn", "rnn", "gru", "lstm"])
def test_every_model_of_the_library_is_measured(name, dtype):
    dr.manual_seed(0)
    model = dr.nn.models.build(name, input_shape=(1, 8, 8), outputs=10, task="classification").astype(dtype)
    inputs = np.random.default_rng(0).standard_normal((16, 1, 8, 8)).astype(dtype)
    optimizer = dr.optim.Adam(model.parameters(), lr=1e-3)
    found = vitals(model, dr.cross_entropy, inputs, np.arange(16) % 10, optimizer)
    assert found.finite
    assert found.dtype == dtype
    assert all(each.has_gradient and each.gradient_norm > 0 for each in found.parameters)
    assert all(each.connected and each.gradient > 0 for each in found.layers)
    assert bool(found.recurrent) == (name in ("rnn", "gru", "lstm"))
