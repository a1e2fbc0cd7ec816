"""try_remedy and health: what each remedy changes, that nothing else changes, and what is found."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.explain.training_health.causes.finding import Remedy
from deltarule.explain.training_health.health import health
from deltarule.explain.training_health.remedy import try_remedy
from deltarule.explain.training_health.remedy_changes import CHANGES, NotPossible
from deltarule.explain.training_health.setup import Setup, train_for
from deltarule.explain.training_health.watch import Watch
from tests.explain.training_health.broken_networks import BROKEN
from tests.explain.training_health.networks import line


def data(rows: int = 256):
    source = np.random.default_rng(0)
    inputs = source.standard_normal((rows, 6)).astype(np.float32)
    return inputs, inputs[:, :3].argmax(axis=1)


def setup(model=None, lr: float = 0.1, rows=None, loss=dr.cross_entropy, **options) -> Setup:
    dr.manual_seed(1)
    inputs, targets = data() if rows is None else rows
    if model is None:
        model = dr.nn.Sequential(
            *(dr.nn.Linear(6, 16), dr.nn.ReLU(), dr.nn.Dropout(0.5), dr.nn.Linear(16, 3))
        )
    return Setup(
        *(model, loss, dr.data.DataLoader((inputs, targets), 16), dr.optim.SGD(model.parameters(), lr=lr)),
        probe=(inputs[:64], targets[:64]),
        **options,
    )


def changed(key: str, before: Setup, **arguments) -> Setup:
    return CHANGES[key](before.copied(), arguments)[0]


def bits(model: dr.nn.Module) -> list[bytes]:
    return [array.tobytes() for array in model.state_dict().values()]


# ---- short trainings


def test_a_short_training_is_the_same_each_time_and_changes_nothing():
    start = setup()
    before, state = bits(start.model), dr.random.get_random_state()
    one, other = train_for(start, 20), train_for(start, 20, every=5)
    assert one.losses == other.losses
    assert len(one.losses) == 20
    assert [each.step for each in other.history] == [0, 5, 10, 15, 20]
    assert other.history[2].training_loss == pytest.approx(np.mean(one.losses[5:10]))
    assert bits(start.model) == before
    assert dr.random.get_random_state() == state
    assert all(each.grad is None for each in start.model.parameters())
    assert not start.optimizer.state


def test_a_short_training_is_that_of_a_trainer():
    start = setup(dr.nn.Linear(6, 3))
    course = train_for(start, 16, every=16)
    trainer = dr.Trainer(start.model, start.optimizer, "classification", compile=False)
    history = trainer.fit(start.loader, epochs=1)
    assert np.mean(course.losses) == pytest.approx(history[-1]["train_loss"], rel=1e-6)
    assert bits(course.trained.model) == bits(start.model)


# ---- what each remedy changes


def test_rates_limits_and_decay_are_set():
    start = setup()
    assert changed("learning_rate", start, factor=0.1).optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
    assert changed("weight_decay", start, value=0.5).optimizer.param_groups[0]["weight_decay"] == 0.5
    assert changed("clip_norm", start, limit=2.0).clip_norm == 2.0
    assert changed("dropout", start, layer="2", probability=0.1).model[2].p == 0.1
    pulled = replace(start, penalty=lambda _: dr.tensor(4.0))
    assert changed("penalty", pulled, factor=0.25).penalty(start.model).item() == 1.0
    with pytest.raises(NotPossible, match="already"):
        changed("penalty", start, factor=0.25)
    assert start.model[2].p == 0.5
    assert start.optimizer.param_groups[0]["lr"] == 0.1


def test_the_batch_size_is_set_and_rows_stay():
    other = changed("batch_size", setup(), rows=64)
    assert other.batch_size == 64
    assert len(next(other.loader.batches(0))[0]) == 64
    with pytest.raises(NotPossible, match="already"):
        changed("batch_size", setup(), rows=16)


def test_inputs_are_standardised_feature_by_feature():
    inputs, targets = data()
    inputs = inputs * np.array([1, 10, 100, 1, 1, 0], np.float32) + 50
    other = changed("standardise_inputs", setup(rows=(inputs, targets)))
    batches = np.concatenate([batch for batch, _ in other.loader.batches(0)])
    assert batches.mean(axis=0) == pytest.approx(np.zeros(6), abs=1e-4)
    assert batches.std(axis=0)[:5] == pytest.approx(np.ones(5), rel=1e-4)
    assert abs(other.probe[0].mean(axis=0)).max() < 0.5
    assert batches.dtype == np.float32


def test_losses_of_standardised_targets_are_given_in_the_old_unit():
    inputs, _ = data()
    targets = (100 * inputs[:, :1] + 1000).astype(np.float32)
    start = setup(dr.nn.Linear(6, 1), rows=(inputs, targets), loss=dr.mse_loss, lr=0.05)
    other, unit = CHANGES["standardise_targets"](start.copied(), {})
    assert unit == pytest.approx(targets.var(), rel=1e-5)
    scaled = np.concatenate([wanted for _, wanted in other.loader.batches(0)])
    assert (scaled.mean(), scaled.std()) == pytest.approx((0.0, 1.0), abs=1e-4)
    trial = try_remedy(Remedy("standardise_targets"), start, steps=10)
    # Before it has learned much, the standardised network errs by about the deviation of the targets.
    assert trial.remedied[0] == pytest.approx(targets.var(), rel=1.0)
    assert trial.unchanged[0] > 50 * trial.remedied[0]


def test_weights_are_drawn_anew_or_scaled():
    start = setup()
    other = changed("initialise", start, layer="0", initialiser="orthogonal", factor=0.1)
    weight = other.model[0].weight.numpy()
    assert weight.T @ weight == pytest.approx(np.eye(6), abs=1e-5)
    assert other.model[3].weight.numpy() == pytest.approx(start.model[3].weight.numpy())
    again = changed("initialise", start, layer="0", initialiser="orthogonal")
    assert (again.model[0].weight.numpy() == weight).all()
    scaled = changed("initialise", start, layer="", factor=0.5)
    assert scaled.model[3].weight.numpy() == pytest.approx(0.5 * start.model[3].weight.numpy())
    last = changed("scale_last_layer", start, layer="3", factor=0.1)
    assert last.model[3].weight.numpy() == pytest.approx(0.1 * start.model[3].weight.numpy())
    assert last.model[3].bias.numpy() == pytest.approx(start.model[3].bias.numpy())


def test_activations_are_exchanged_and_left_out():
    start = setup()
    for layer in ("1", "", "0"):
        if layer == "0":
            with pytest.raises(NotPossible, match="not_a_module"):
                changed("replace_activation", start, layer=layer, old="relu", new="leaky_relu")
            continue
        other = changed("replace_activation", start, layer=layer, old="relu", new="leaky_relu")
        assert type(other.model[1]) is dr.nn.LeakyReLU
    removed = changed("remove_activation", start, layer="1", operation="relu")
    inputs = data()[0]
    expected = removed.model[3](removed.model[0](inputs)).numpy()
    assert removed.model.eval()(inputs).numpy() == pytest.approx(expected)
    assert type(start.model[1]) is dr.nn.ReLU


class Reader(dr.nn.Module):
    """A recurrent layer and what reads its last state."""

    def __init__(self, layer: dr.nn.Module):
        self.layer, self.output = layer, dr.nn.Linear(8, 3)

    def forward(self, x):
        return self.output(self.layer(dr.reshape(x, (x.shape[0], 6, 1)))[0][:, -1])


def test_recurrent_weights_become_orthogonal_gate_by_gate():
    other = changed("orthogonal", setup(Reader(dr.nn.GRU(1, 8))), layer="layer")
    for block in np.split(other.model.layer.weight_hh_l0.numpy(), 3):
        assert block.T @ block == pytest.approx(np.eye(8), abs=1e-5)


def test_forget_gates_are_opened():
    other = changed("forget_bias", setup(Reader(dr.nn.LSTM(1, 8))), layer="layer", value=3.0)
    layer = other.model.layer
    total = layer.bias_ih_l0.numpy() + layer.bias_hh_l0.numpy()
    assert total[8:16] == pytest.approx(np.full(8, 3.0))
    with pytest.raises(NotPossible, match="no_such_layer"):
        changed("forget_bias", setup(Reader(dr.nn.GRU(1, 8))), layer="layer", value=3.0)


def test_the_activation_of_a_recurrent_layer_is_exchanged():
    other = changed("replace_activation", setup(Reader(dr.nn.RNN(1, 8))), layer="", old="tanh", new="relu")
    assert other.model.layer.nonlinearity == "relu"


def test_forgotten_parameters_are_given_to_the_optimiser():
    start = setup()
    partial = Setup(
        start.model, start.loss, start.loader, dr.optim.SGD(start.model[3].parameters(), lr=0.1), start.probe
    )
    other = changed("optimise", partial, layer="0")
    assert set(other.optimizer.parameters()) == set(other.model.parameters())
    assert other.optimizer.param_groups[1]["lr"] == 0.1
    with pytest.raises(NotPossible, match="already"):
        changed("optimise", start, layer="0")


def test_the_loss_gets_its_log_softmax():
    start = setup(loss=dr.nll_loss)
    other = changed("add_log_softmax", start)
    output, targets = start.model(data()[0]), dr.tensor(data()[1])
    assert other.loss(output, targets).item() == pytest.approx(dr.cross_entropy(output, targets).item())


# ---- trials


def test_a_trial_starts_from_the_same_weights_and_batches():
    start = setup()
    before = bits(start.model)
    trial = try_remedy(Remedy("learning_rate", {"factor": 1.0}), start, steps=30)
    assert trial.outcome == "same"
    assert trial.unchanged == trial.remedied
    assert trial.places == tuple(range(1, 31))
    assert bits(start.model) == before


def test_a_remedy_that_harms_is_said_to():
    trial = try_remedy(Remedy("learning_rate", {"factor": 1e-6}), setup(lr=0.5), steps=60)
    assert trial.outcome == "worse"
    assert trial.remedied_end > trial.unchanged_end
    assert trial.remedied_accuracy < trial.unchanged_accuracy


def test_a_run_that_ends_with_nan_loses():
    inputs, _ = data()
    start = setup(dr.nn.Linear(6, 3), rows=(inputs, inputs[:, :3]), loss=dr.mse_loss, lr=1e6)
    trial = try_remedy(Remedy("learning_rate", {"factor": 1e-7}), start, steps=50)
    assert (trial.outcome, trial.unchanged_end) == ("better", math.inf)
    assert len(trial.unchanged) < len(trial.remedied) == 50
    both = try_remedy(Remedy("learning_rate", {"factor": 2.0}), start, steps=50)
    assert (both.outcome, both.remedied_end) == ("same", math.inf)


def test_curves_of_long_trials_are_thinned():
    trial = try_remedy(Remedy("learning_rate", {"factor": 1.0}), setup(), steps=450)
    assert trial.places[:2] == (3, 6)
    assert trial.places[-1] == 450
    assert len(trial.places) == len(trial.unchanged) == 150


def test_advice_is_not_tried():
    assert try_remedy(Remedy("connect", {"layer": "0"}), setup()).outcome == "advice"
    functional = try_remedy(Remedy("remove_activation", {"layer": "", "operation": "tanh"}), setup())
    assert (functional.outcome, functional.reason) == ("unchanged", "not_a_module")


def test_a_trial_needs_steps():
    with pytest.raises(ArgumentError, match="try_remedy: steps expects 2 or more, got 1"):
        try_remedy(Remedy("connect"), setup(), steps=1)


# ---- health


def too_fast():
    inputs, _ = data()
    model = dr.nn.Linear(6, 3)
    return model, (inputs, inputs[:, :3]), dr.optim.SGD(model.parameters(), lr=30.0)


def test_health_names_a_cause_and_tries_its_remedy():
    model, rows, optimizer = too_fast()
    before = bits(model)
    found = health(model, dr.mse_loss, rows, optimizer, steps=16, try_remedies=True, trial_steps=20)
    assert not found.healthy
    assert found.findings[0].cause == "learning_rate_too_high"
    assert found.trials[0].outcome == "better"
    assert len(found.history) > 1
    assert bits(model) == before


@pytest.mark.parametrize(
    "name",
    [
        *(
            "everything_frozen",
            "raw_pixels",
            "one_huge_feature",
            "prices",
            "forgotten_in_the_optimiser",
            "softmax_twice",
        ),
        *("likelihood_of_logits", "relu_for_negative_targets", "zero_weights", "saturated_sigmoids"),
        *("dead_by_bias", "tiny_weights", "huge_weights", "forgetful_rnn", "exploding_rnn", "adam_too_fast"),
        *(
            "steps_too_short",
            "decayed_away",
            "penalty_far_above_the_loss",
            "dropped_nearly_all",
            "clipped_to_nothing",
            "single_noisy_samples",
        ),
    ],
)
def test_the_remedy_of_a_network_that_is_broken_on_purpose_helps(name):
    dr.manual_seed(0)
    (network,) = [each for each in BROKEN if each.name == name]
    built = network.build(0)
    found = health(
        *(built.model, built.loss, (built.inputs, built.targets), built.optimizer),
        steps=60, try_remedies=True, trial_steps=60, batch_size=built.batch_size, clip_norm=built.clip_norm,
            penalty=built.penalty,
    )  # fmt: skip
    assert found.findings[0].cause == network.cause
    trial = found.trials[0]
    assert trial.outcome == "better"
    assert trial.remedied_end < trial.unchanged_end


def test_health_of_a_trainer_a_watch_and_measurements():
    watch = Watch(every=16, probe=64)
    trainer = dr.fit(dr.nn.Linear(6, 3), data(), epochs=2, batch_size=16, lr=0.01, callbacks=[watch])
    found = health(trainer)
    assert (found.last.step, found.last.inputs.shape) == (32, (256, 6))
    assert found.name == "Linear"
    assert [each.step for each in health(watch).history] == [0, 16, 32]
    assert health(watch.records).healthy
    # A trainer that was never fitted is told its data.
    fresh = dr.Trainer(trainer.model, trainer.optimizer, "classification")
    assert health(fresh, data=data()).history[0].step == 0


def test_health_takes_a_task_for_a_loss():
    model, rows, _ = too_fast()
    one, other = health(model, "regression", rows), health((model, dr.mse_loss, rows))
    assert one.last.loss == pytest.approx(other.last.loss)
    assert one.last.optimizer is None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: health("runs/one"), "expected a trainer, a model, a Watch or .* got str. For a run folder"),
        (lambda: health(dr.nn.Linear(6, 3)), "a model expects loss= and data="),
        (lambda: health(dr.nn.Linear(6, 3), dr.mse_loss, 5), "data expects .* got int"),
        (lambda: health((dr.nn.Linear(6, 3), "regression")), "expected a trainer, .* got a tuple of 2"),
        (lambda: health(dr.nn.Linear), "expected a trainer, .* got the class Linear: call it"),
        (lambda: health(dr.nn.ReLU(), dr.mse_loss, data()), "expected a model with parameters, got ReLU"),
        (lambda: health([]), "expected one measurement or more, got none. Pass a Watch"),
        (lambda: health(Watch()), "this Watch has measured nothing yet. Pass it to a training first"),
        (
            lambda: health(dr.nn.Linear(6, 3), "classification", data(), steps=5),
            "steps expects an optimizer, got none",
        ),
        (
            lambda: health([health(dr.nn.Linear(6, 3), "classification", data()).last], steps=5),
            "measurements alone cannot be trained",
        ),
        (
            lambda: health(
                dr.Trainer(model := dr.nn.Linear(1, 1), dr.optim.SGD(model.parameters(), 0.1), "regression")
            ),
            "this trainer has not been given data yet",
        ),
    ],
)
def test_what_health_lacks_is_told(call, said):
    with pytest.raises(ArgumentError, match=f"health: {said}"):
        call()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        *(
            ({"rows": rows}, "rows expects a whole number of 2 or more")
            for rows in (1, 0, -1, "a", 2.5, True)
        ),
        *(({"steps": steps}, "steps expects a whole number of 0 or more") for steps in (-1, "a", 1.5, True)),
        *(({"trial_steps": steps}, "trial_steps expects a whole number of 2 or more") for steps in (0, "a")),
        *(({"batch_size": size}, "batch_size expects a whole number of 1 or more") for size in (0, "a")),
        *(({"seed": seed}, "seed expects a whole number of 0 or more") for seed in (-1, "a")),
        *(({"clip_norm": limit}, "clip_norm expects a number above 0") for limit in (0, "a", math.nan)),
        ({"clip_value": -1}, "clip_value expects a number above 0, got -1. Leave it out for no clipping."),
        ({"loss": 3}, "loss expects a function, got 3. For example dr.cross_entropy; or one of 'classi"),
        ({"loss": "crossentropy"}, "loss expects a function, got 'crossentropy'"),
        ({"loss": dr.nn.CrossEntropyLoss}, "loss expects a function, got CrossEntropyLoss"),
        ({"penalty": 0.1}, "penalty expects a function, got 0.1"),
        ({"optimizer": "adam"}, "optimizer expects an optimiser, got 'adam'"),
        (
            {"optimizer": dr.optim.SGD(dr.nn.Linear(6, 3).parameters(), lr=0.1)},
            "optimizer expects parameters of this model, got those of another one",
        ),
        ({"data": data()[:1]}, r"data expects \(inputs, targets\), got a tuple of 1"),
        ({"data": list(data())}, "data expects .* got list. Pass the data .*, two arrays as a tuple"),
    ],
)
def test_what_is_out_of_range_is_told(options, said):
    model = dr.nn.Linear(6, 3)
    given = {"loss": "classification", "data": data(), **options}
    with pytest.raises(ArgumentError, match=f"health: {said}"):
        health(model, **given)


def test_numbers_of_numpy_and_a_measurement_by_itself_will_do():
    model = dr.nn.Linear(6, 3)
    found = health(model, "classification", data(), rows=np.int64(16))
    assert (found.last.rows, found.last.outputs.shape) == (16, (16, 3))
    assert health(found.last).history == found.history


def test_a_loss_that_is_no_tensor_is_told():
    with pytest.raises(ArgumentError, match="vitals: the loss expects to give a tensor, got float"):
        health(dr.nn.Linear(6, 3), lambda output, targets: 3.0, data())


@pytest.mark.parametrize("penalty", [None, lambda model: 0.01 * (model.weight * model.weight).sum()])
def test_a_loss_that_is_cut_off_is_named_before_and_after_a_training(penalty):
    inputs, values = line(0, features=1)
    model = dr.nn.Linear(1, 1)
    optimizer = dr.optim.SGD(model.parameters(), lr=0.1)

    def loss(output, targets):
        return dr.mse_loss(output.detach(), targets)

    for steps in (0, 10):
        found = health(
            model, loss, (100 * inputs, values), optimizer, steps=steps, penalty=penalty, try_remedies=True
        )
        assert found.findings[0].cause == "loss_not_connected"
        assert found.findings[0].evidence["parameters"] == 2
        assert [each.outcome for each in found.trials][:1] == ["advice"]


def test_health_can_be_asked_for_where_nothing_is_recorded():
    model, rows, optimizer = too_fast()
    with dr.no_grad():
        found = health(model, dr.mse_loss, rows, optimizer, steps=16)
    assert found.findings[0].cause == "learning_rate_too_high"


def test_broken_weights_are_named_before_and_after_a_training():
    dr.manual_seed(0)
    model = dr.nn.Linear(6, 3)
    model.bias._array[1] = np.inf
    optimizer = dr.optim.SGD(model.parameters(), lr=0.1)
    found = health(model, "classification", data(), optimizer, steps=8, try_remedies=True, trial_steps=4)
    assert [each.cause for each in found.findings] == ["weights_not_finite"]
    assert found.findings[0].evidence["names"] == "bias"
    assert found.trials[0].outcome == "advice"


def test_a_course_of_what_is_frozen_has_losses_and_no_updates():
    start = setup()
    start.model.requires_grad_(False)
    course = train_for(start, 10, every=5)
    assert len(course.losses) == 10
    assert all(math.isfinite(loss) for loss in course.losses)
    assert bits(course.trained.model) == bits(start.model)
    assert [each.step for each in course.history] == [0, 5, 10]
