"""Comparisons: one thing changed, all else the same; and a record of what came of it."""

import functools

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError, DataError
from deltarule.explain.comparison.compare import compare, vary
from deltarule.operations.random import get_random_state

rng = np.random.default_rng(11)
INPUTS = rng.normal(size=(64, 4)).astype(np.float32)
CLASSES = (INPUTS[:, 0] * INPUTS[:, 1] > 0).astype(int)
DATA = (INPUTS, CLASSES)


def build(hidden=8, activation=None, norm=False):
    layers = [dr.nn.Linear(4, hidden)]
    if norm:
        layers.append(dr.nn.LayerNorm(hidden))
    return dr.nn.Sequential(*layers, activation or dr.nn.Tanh(), dr.nn.Linear(hidden, 2))


class Deep(dr.nn.Module):
    """Ten layers, with or without the way around each."""

    def __init__(self, skip):
        self.skip = skip
        self.layers = dr.nn.ModuleList([dr.nn.Linear(4, 4) for _ in range(10)])
        self.output = dr.nn.Linear(4, 2)

    def forward(self, x):
        for layer in self.layers:
            y = dr.sigmoid(layer(x))
            x = x + y if self.skip else y
        return self.output(x)


def test_one_thing_changed_on_a_model_by_name():
    found = compare(vary("activation", ["tanh", "relu"]), DATA, model="mlp", hidden=(6, 5), epochs=2)
    assert [each.name for each in found.runs] == ["tanh", "relu"]
    assert [each.changed for each in found.runs] == [{"activation": "tanh"}, {"activation": "relu"}]
    tanh, relu = found.runs
    assert tanh.parameters == relu.parameters == relu.shared
    assert tanh.shared == 0
    assert len(tanh.losses) == len(relu.losses) == 2 * found.batches == 4
    assert tanh.losses != relu.losses
    assert found.steps == (0, 2, 4)
    assert list(tanh.looks[0].norms) == ["hidden.linear1", "hidden.linear2", "output"]
    assert not found.recurrent


class Normalised(dr.nn.Module):
    """Holds its layers in another order than it uses them."""

    def __init__(self):
        self.output = dr.nn.Linear(8, 2)
        self.norm = dr.nn.LayerNorm(8)
        self.first = dr.nn.Linear(4, 8)

    def forward(self, x):
        return self.output(self.norm(self.first(x)))


class Scaled(dr.nn.Module):
    """Vectors alone."""

    def __init__(self):
        self.norm = dr.nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(x)[:, :2]


def test_layers_stand_in_the_order_in_which_they_are_used_and_normalisation_does_not_shift_them():
    found = compare({"normalised": Normalised, "scaled": Scaled}, DATA, epochs=1)
    normalised, scaled = found.runs
    for look in normalised.looks:
        assert list(look.norms) == ["first", "output"]
        assert all(norm > 0 for norm in look.norms.values())
    assert list(scaled.looks[0].norms) == ["norm"]


def test_a_function_that_gives_the_same_model_each_time():
    model = build()
    before = model[0].weight.numpy().copy()
    found = compare({"one": lambda: model, "two": lambda: model}, DATA, epochs=2, lr=0.1)
    one, two = found.runs
    assert one.losses == two.losses
    np.testing.assert_array_equal(model[0].weight.numpy(), before)


def test_functions_without_a_name_are_called_by_what_they_make():
    variants = {
        "lambda": {"optimizer": lambda parameters: dr.optim.SGD(parameters, lr=0.1)},
        "partial": {"optimizer": functools.partial(dr.optim.RMSprop, lr=0.1)},
        "model": {"model": lambda: build()},
    }
    found = compare(variants, DATA, model=build, epochs=1)
    assert [each.changed for each in found.runs] == [
        {"optimizer": "SGD"},
        {"optimizer": "RMSprop"},
        {"model": "Sequential"},
    ]


def test_the_same_twice_is_the_same():
    found = compare({"one": build, "two": build}, DATA, epochs=3, lr=0.01)
    one, two = found.runs
    assert one.losses == two.losses
    assert [look.norms for look in one.looks] == [look.norms for look in two.looks]
    again = compare({"one": build}, DATA, epochs=3, lr=0.01)
    assert again.runs[0].losses == one.losses


def test_it_is_the_training_that_fit_does():
    found = compare({"one": build}, DATA, epochs=3, lr=0.01, batch_size=16, compile=False)
    dr.manual_seed(0)
    model = build()
    dr.manual_seed(0)
    trainer = dr.fit(model, DATA, epochs=3, lr=0.01, batch_size=16, compile=False)
    assert [each["train_loss"] for each in trainer.history] == [
        each["train_loss"] for each in found.runs[0].history
    ]


def test_looking_changes_nothing():
    def dropping():
        return dr.nn.Sequential(
            dr.nn.Linear(4, 8), dr.nn.BatchNorm1d(8), dr.nn.ReLU(), dr.nn.Dropout(0.5), dr.nn.Linear(8, 2)
        )

    few = compare({"one": dropping}, DATA, epochs=4, looks=2)
    many = compare({"one": dropping}, DATA, epochs=4, looks=9)
    assert few.runs[0].losses == many.runs[0].losses
    assert len(many.runs[0].looks) == 9


def test_weights_are_shared_where_name_and_shape_agree():
    variants = {"plain": build, "norm": lambda: build(norm=True), "wide": lambda: build(hidden=9)}
    found = compare(variants, DATA, epochs=1)
    assert [each.shared for each in found.runs] == [0, 4 * 8 + 8, 2]
    apart = compare(variants, DATA, epochs=1, same_weights=False)
    assert [each.shared for each in apart.runs] == [0, 0, 0]


def test_initialisers_are_left_as_they_are():
    found = compare(vary("initialiser", ["default", "orthogonal"]), DATA, model="mlp", epochs=1)
    assert [each.shared for each in found.runs] == [0, 0]
    assert found.runs[0].losses[0] != found.runs[1].losses[0]

    def zero(model):
        for parameter in model.parameters():
            parameter._array[...] = 0

    found = compare({"drawn": {}, "zero": {"initialise": zero}}, DATA, model=build, epochs=1)
    assert found.run("zero").losses[0] == pytest.approx(np.log(2))
    assert found.run("zero").changed == {"initialise": "zero"}


def test_optimisers():
    def momentum(parameters):
        return dr.optim.SGD(parameters, lr=0.1, momentum=0.9)

    variants = {
        "adam": {"optimizer": "adam"},
        "sgd": {"optimizer": "SGD"},
        "class": {"optimizer": dr.optim.RMSprop},
        "momentum": {"optimizer": momentum},
    }
    found = compare(variants, DATA, model=build, epochs=2, lr=0.02)
    assert len({each.losses[0] for each in found.runs}) == 1
    assert len({each.losses[-1] for each in found.runs}) == 4


def test_skip_connections_keep_the_gradient():
    found = compare({"plain": lambda: Deep(False), "skip": lambda: Deep(True)}, DATA, epochs=1)
    plain, skip = (list(each.looks[0].norms.values()) for each in found.runs)
    assert plain[0] / plain[-1] < 1e-4
    assert skip[0] / skip[-1] > 1e-3


def test_recurrent_layers_are_followed_through_time():
    x = rng.normal(size=(16, 10, 3)).astype(np.float32)
    t = (x[:, 0, 0] > 0).astype(int)
    found = compare(
        vary("model", ["rnn", "gru", "lstm"]), (x, t), hidden=6, epochs=1, looks=2, validation=(x, t)
    )
    assert found.recurrent
    for run in found.runs:
        assert [look.step for look in run.looks] == [0, 1]
        (layer,) = run.looks[0].time
        assert len(layer.norms) == 10
        assert layer.lags == tuple(range(1, 10))
        assert 0 < layer.rate < 1.2
        assert run.final_validation > 0
    # The output layer alone has the same shapes in all three.
    assert [each.shared for each in found.runs] == [0, 6 * 2 + 2, 6 * 2 + 2]


class Looped(dr.nn.Module):
    """A cell in a loop of its own."""

    def __init__(self, cell):
        self.cell = cell
        self.output = dr.nn.Linear(6, 2)

    def forward(self, x):
        state = None
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        return self.output(state)


def test_cells_in_a_loop_are_followed_too():
    x = rng.normal(size=(8, 5, 3)).astype(np.float32)
    t = (x[:, 0, 0] > 0).astype(int)
    variants = {"rnn": lambda: Looped(dr.nn.RNNCell(3, 6)), "gru": lambda: Looped(dr.nn.GRUCell(3, 6))}
    found = compare(variants, (x, t), epochs=1, looks=2)
    for run in found.runs:
        (layer,) = run.looks[0].time
        assert len(layer.norms) == 5
        assert len(layer.left) == 4


def test_the_way_through_time_is_that_of_flow():
    x = np.repeat(rng.normal(size=(1, 6, 3)), 4, axis=0)
    t = np.zeros(4, int)
    dr.manual_seed(3)
    model = dr.nn.models.build("lstm", input_shape=(6, 3), outputs=2, task="classification", hidden=5)
    model = model.astype("float64")
    found = compare({"lstm": model}, (x, t), epochs=1, looks=2)
    (layer,) = found.runs[0].looks[0].time
    expected = dr.explain.flow(dr.cross_entropy(model(dr.tensor(x)), dr.tensor(t))).layers[0]
    np.testing.assert_allclose(layer.norms, expected.state_gradients["hidden"], rtol=1e-12)
    np.testing.assert_allclose(layer.left, expected.jacobians.main.norms, rtol=1e-12)
    assert layer.rate == pytest.approx(expected.jacobians.main.rate.per_step)


def test_a_training_that_diverges_ends_and_the_others_go_on():
    variants = {"steady": {"lr": 0.01}, "wild": {"lr": 1e18}}
    found = compare(variants, (INPUTS, INPUTS), model="mlp", optimizer="sgd", epochs=2, batch_size=8)
    steady, wild = found.runs
    assert steady.diverged is None
    assert len(steady.losses) == 16
    assert wild.diverged == len(wild.losses) + 1 < 16
    assert "not finite" in wild.reason
    assert found.best is steady
    hopeless = compare({"wild": variants["wild"]}, (INPUTS, INPUTS), model="mlp", optimizer="sgd", epochs=2)
    assert hopeless.best is None


def test_models_given_are_copied_and_the_random_state_is_kept():
    model = build()
    before = model[0].weight.numpy().copy()
    drawn = get_random_state()
    found = compare({"given": model}, DATA, epochs=1, lr=0.1)
    np.testing.assert_array_equal(model[0].weight.numpy(), before)
    assert str(get_random_state()) == str(drawn)
    assert found.runs[0].changed == {"model": "Sequential"}


def test_curves_of_many_batches_are_means_of_stretches():
    found = compare({"one": build}, DATA, epochs=5, batch_size=4)
    run = found.runs[0]
    steps, losses = run.curve(10)
    assert len(steps) == len(losses) == 10
    assert steps[0] == 4.5
    assert losses[0] == pytest.approx(np.mean(run.losses[:8]))
    assert run.curve(1000) == ([float(each) for each in range(1, 81)], list(run.losses))
    assert run.column("train_loss")[0] == [16, 32, 48, 64, 80]


def test_datasets_loaders_losses_and_options_of_the_trainer():
    loader = dr.data.DataLoader(DATA, batch_size=16)
    found = compare({"one": build}, loader, loss=dr.cross_entropy, epochs=1, clip_norm=0.1)
    assert (found.batches, found.batch_size) == (4, 16)
    dataset = compare(vary("model", ["mlp", "lenet"]), "digits", epochs=1, batch_size=None, looks=2)
    assert dataset.runs[0].final_validation > 0
    schedule = compare(
        {"one": {"schedule": lambda optimizer: dr.optim.StepLR(optimizer, step_size=1, gamma=0.5)}},
        DATA,
        model=build,
        epochs=2,
    )
    assert schedule.runs[0].history[-1]["learning_rate"] < 1e-3


def test_errors_say_what_to_do():
    with pytest.raises(ArgumentError, match="options that nothing takes: hidden"):
        compare({"one": {"hidden": 3}}, DATA, model=build)
    with pytest.raises(ArgumentError, match="variant 'one' has no model"):
        compare({"one": {"lr": 3}}, DATA)
    with pytest.raises(ArgumentError, match="variants expected names with what each changes"):
        compare({}, DATA)
    with pytest.raises(ArgumentError, match="variant 'one' expected options, a function"):
        compare({"one": 3}, DATA)
    with pytest.raises(ArgumentError, match="optimizer expected one of sgd, adagrad"):
        compare({"one": build}, DATA, optimizer="newton")
    with pytest.raises(ArgumentError, match="Each network needs its own"):
        compare({"one": build}, DATA, optimizer=dr.optim.SGD(build().parameters(), lr=0.1))
    with pytest.raises(ArgumentError, match="the model of 'one' expected a Module, got int"):
        compare({"one": lambda: 3}, DATA)
    with pytest.raises(ArgumentError, match="looks expected a whole number of 2 or more"):
        compare({"one": build}, DATA, looks=1)
    with pytest.raises(ArgumentError, match="the task cannot be found from a loader"):
        compare({"one": build}, dr.data.DataLoader(DATA, batch_size=16))
    with pytest.raises(ArgumentError, match="two values would both be called 'model=function'"):
        vary("model", [lambda: build(), lambda: build(norm=True)])
    with pytest.raises(DataError, match="expected at least one row"):
        compare({"one": build}, (INPUTS[:0], CLASSES[:0]))
    with pytest.raises(ArgumentError, match="there is no 'two'"):
        compare({"one": build}, DATA, epochs=1).run("two")
