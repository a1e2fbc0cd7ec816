"""The training loop: its modes, its options, what it records, and how it stops."""

import math
import os
import signal

import numpy as np
import pytest

from deltarule.data import DataLoader, SequenceLoader
from deltarule.errors import ArgumentError, DTypeError, NonFiniteError, RunError, ShapeError
from deltarule.operations.functions import log, sqrt
from deltarule.operations.penalties import l2_penalty
from deltarule.operations.random import get_random_state, manual_seed
from deltarule.operations.reductions import mean
from deltarule.optim.adam import Adam
from deltarule.optim.plateau import ReduceLROnPlateau
from deltarule.optim.schedules import ExponentialLR
from deltarule.optim.sgd import SGD
from deltarule.training.callbacks import Callback, EarlyStopping, LearningRateLog
from deltarule.training.evaluation import predict
from deltarule.training.interruption import TrainingInterrupted
from deltarule.training.run_folder import RunFolder
from deltarule.training.running_metrics import RegressionMetrics
from deltarule.training.trainer import Trainer
from tests.training.tiny_models import Affine, Classifier, NextToken

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(60, 4)).astype(np.float32)
LABELS = (INPUTS[:, 0] > 0).astype(np.int64) + (INPUTS[:, 1] > 0)
NUMBERS = (INPUTS @ np.array([[1.0], [-2.0], [0.5], [0.0]]) + 0.3).astype(np.float32)


def classes(batch_size=16, shuffle=True) -> DataLoader:
    return DataLoader((INPUTS, LABELS), batch_size, shuffle=shuffle)


def numbers(batch_size=16, shuffle=True) -> DataLoader:
    return DataLoader((INPUTS, NUMBERS), batch_size, shuffle=shuffle)


def regression(lr=0.1, **options) -> Trainer:
    model = Affine(4, 1)
    return Trainer(model, SGD(model.parameters(), lr=lr), "regression", **options)


def squared(output, targets):
    return mean((output - targets) * (output - targets))


class Recorder(Callback):
    """Writes down every call."""

    def __init__(self):
        self.calls = []

    def on_fit_begin(self, event):
        self.calls.append(("fit begin", event.epoch))

    def on_epoch_begin(self, event):
        self.calls.append(("epoch begin", event.epoch, event.batch))

    def on_batch_end(self, event):
        self.calls.append(("batch", event.epoch, event.batch, event.batches, event.step))
        assert math.isfinite(event.loss)
        assert event.measures()["loss"] > 0

    def on_epoch_end(self, event):
        self.calls.append(("epoch end", event.epoch, event.record["epoch"]))

    def on_save(self, event):
        self.calls.append(("save", event.epoch))

    def on_fit_end(self, event):
        self.calls.append(("fit end", event.epoch, event.trainer.stop_reason))


# ---- three modes of one loop


@pytest.mark.parametrize(("batch_size", "steps"), [(None, 1), (16, 4), (1, 60)])
def test_whole_batch_mini_batch_and_online(batch_size, steps):
    trainer = regression(lr=0.05)
    history = trainer.fit(numbers(batch_size), numbers(None), epochs=12)
    assert trainer.progress.step == 12 * steps
    assert history[-1]["step"] == 12 * steps
    losses = history.column("validation_loss")
    assert losses[-1] < 0.5 * losses[0]


def test_a_step_is_gradient_descent_by_hand():
    trainer = regression(lr=0.1)
    weight, bias = (each.numpy().astype(np.float64) for each in trainer.model.parameters())
    trainer.fit(numbers(None), epochs=1)
    error = INPUTS @ weight.T + bias - NUMBERS
    np.testing.assert_allclose(
        trainer.model.weight.numpy(), weight - 0.1 * 2 * error.T @ INPUTS / 60, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(trainer.model.bias.numpy(), bias - 0.1 * 2 * error.mean(axis=0), rtol=1e-5)
    assert trainer.history[0]["train_loss"] == pytest.approx(float((error**2).mean()), rel=1e-5)


def test_classification_learns_and_is_measured():
    manual_seed(0)
    model = Classifier(4, 3)
    trainer = Trainer(model, Adam(model.parameters(), lr=0.03), "classification")
    history = trainer.fit(classes(), classes(None), epochs=40)
    assert history[-1]["validation_accuracy"] > 0.9
    assert set(history[0]) == {
        "epoch", "step", "train_loss", "train_accuracy", "train_f1", "validation_loss",
        "validation_accuracy", "validation_f1", "learning_rate", "seconds",
    }  # fmt: skip
    assert trainer.evaluate(classes(7)).keys() == {"loss", "accuracy", "f1"}
    assert trainer.measure(classes()).confusion.sum() == 60
    assert not model.training
    predicted = predict(model, INPUTS, batch_size=13)
    assert (predicted.argmax(axis=1) == LABELS).mean() == history[-1]["validation_accuracy"]
    assert trainer.stop_reason == "40 epochs are done"


def test_data_that_arrives_at_any_time():
    model = Affine(4, 1)
    trainer = Trainer(model, SGD(model.parameters(), lr=0.05), "regression")
    losses = [trainer.partial_fit(INPUTS[[i % 60]], NUMBERS[[i % 60]]) for i in range(240)]
    assert trainer.progress.step == 240
    assert np.mean(losses[-60:]) < 0.05 * np.mean(losses[:60])


def test_other_floating_types_are_taken_as_the_models():
    trainer = regression()
    loader = DataLoader((INPUTS.astype(np.float64), NUMBERS.astype(np.float64)), 16)
    trainer.fit(loader, loader, epochs=1)
    assert trainer.model.weight.dtype == np.float32
    assert predict(trainer.model, INPUTS.astype(np.float64)).dtype == np.float32


# ---- options


def test_accumulated_batches_equal_one_large_one():
    together, apart = regression(), regression(accumulate=4)
    loader = DataLoader((INPUTS[:56], NUMBERS[:56]), 28, shuffle=False)
    together.fit(loader, epochs=3)
    # 8 batches of 7 in fours: the same 28 rows an update.
    apart.fit(DataLoader((INPUTS[:56], NUMBERS[:56]), 7, shuffle=False), epochs=3)
    assert apart.progress.step == together.progress.step == 6
    np.testing.assert_allclose(apart.model.weight.numpy(), together.model.weight.numpy(), rtol=1e-5)


def test_a_last_group_of_fewer_batches_counts_fully():
    trainer = regression(accumulate=4)
    rows = slice(0, 50)
    trainer.fit(DataLoader((INPUTS[rows], NUMBERS[rows]), 10, shuffle=False), epochs=1)
    assert trainer.progress.step == 2
    by_hand = regression()
    by_hand.partial_fit(INPUTS[:40], NUMBERS[:40])
    by_hand.partial_fit(INPUTS[40:50], NUMBERS[40:50])
    np.testing.assert_allclose(trainer.model.weight.numpy(), by_hand.model.weight.numpy(), rtol=1e-5)


def test_clipping():
    start = Affine(4, 1).weight.numpy()
    trainer = regression(lr=1.0, clip_norm=1e-3)
    trainer.fit(numbers(None), epochs=1)
    assert trainer.gradient_norm > 0.1
    moved = [trainer.model.weight.numpy() - start, trainer.model.bias.numpy()]
    assert math.sqrt(sum(float((each**2).sum()) for each in moved)) == pytest.approx(1e-3, rel=1e-2)
    trainer = regression(lr=1.0, clip_value=1e-3)
    trainer.fit(numbers(None), epochs=1)
    assert np.abs(trainer.model.weight.numpy() - start).max() == pytest.approx(1e-3, rel=1e-2)
    assert math.isnan(trainer.gradient_norm)


def test_a_penalty_shrinks_the_weights_and_is_recorded_apart():
    plain, shrunk = regression(), regression(penalty=lambda model: l2_penalty([model.weight], 0.5))
    plain.fit(numbers(), epochs=10)
    shrunk.fit(numbers(), epochs=10)
    assert np.abs(shrunk.model.weight.numpy()).sum() < 0.9 * np.abs(plain.model.weight.numpy()).sum()
    with_penalty = shrunk.history[-1]
    assert with_penalty["train_penalty"] == pytest.approx(l2_penalty([shrunk.model.weight], 0.5).item())
    assert "train_penalty" not in plain.history[-1]
    assert shrunk.evaluate(numbers(None))["loss"] == pytest.approx(with_penalty["train_loss"], rel=0.2)


def test_a_schedule_per_epoch_and_per_step():
    for per, expected in (("epoch", [1.0, 0.5, 0.25]), ("step", [0.5**3, 0.5**7, 0.5**11])):
        model = Affine(4, 1)
        optimizer = SGD(model.parameters(), lr=1.0)
        schedule = ExponentialLR(optimizer, gamma=0.5)
        log_of_rates = LearningRateLog(every=2)
        trainer = Trainer(
            model, optimizer, loss=squared, schedule=schedule, schedule_per=per, clip_norm=0.01,
            callbacks=[log_of_rates],
        )  # fmt: skip
        trainer.fit(numbers(), epochs=3)
        rates = trainer.history.column("learning_rate")
        if per == "step":
            # The rate that the next update will use.
            assert rates == pytest.approx([0.5**4, 0.5**8, 0.5**12])
        else:
            assert rates == expected
        assert log_of_rates.steps == [2, 4, 6, 8, 10, 12]
        assert len(log_of_rates.rates) == 6


def test_a_plateau_schedule_waits_for_validations():
    model = Affine(4, 1)
    optimizer = SGD(model.parameters(), lr=0.0)
    optimizer.param_groups[0]["lr"] = 1e-12
    schedule = ReduceLROnPlateau(optimizer, patience=0, factor=0.1, eps=0.0, threshold=1e-3)
    trainer = Trainer(model, optimizer, "regression", schedule=schedule, evaluate_every=2)
    history = trainer.fit(numbers(), numbers(None), epochs=5)
    assert history.column("learning_rate") == pytest.approx([1e-12] * 4 + [1e-13])
    assert [value is not None for value in history.column("validation_loss")] == [
        False,
        True,
        False,
        True,
        True,
    ]


def test_own_loss_and_metrics():
    model = Affine(4, 1)
    trainer = Trainer(model, SGD(model.parameters(), lr=0.1), loss=squared)
    assert set(trainer.fit(numbers(), epochs=1)[0]) == {
        "epoch",
        "step",
        "train_loss",
        "learning_rate",
        "seconds",
    }
    model = Affine(4, 1)
    scaled = Trainer(
        model,
        SGD(model.parameters(), lr=0.1),
        "regression",
        metrics=lambda: RegressionMetrics(transform=lambda values: values * 100),
    )
    results = scaled.evaluate(numbers(None))
    assert results["rmse"] == pytest.approx(100 * math.sqrt(results["loss"]), rel=1e-4)


# ---- callbacks and stopping


def test_callbacks_are_called_in_order(tmp_path):
    recorder = Recorder()
    trainer = regression(callbacks=[recorder], run_folder=RunFolder.create(tmp_path / "run", {}))
    trainer.fit(numbers(30), epochs=2)
    saves = [call for call in recorder.calls if call[0] == "save"]
    assert saves[-1] == ("save", 2)
    assert [call for call in recorder.calls if call[0] != "save"] == [
        ("fit begin", 1),
        ("epoch begin", 1, 0),
        ("batch", 1, 1, 2, 1),
        ("batch", 1, 2, 2, 2),
        ("epoch end", 1, 1),
        ("epoch begin", 2, 0),
        ("batch", 2, 1, 2, 3),
        ("batch", 2, 2, 2, 4),
        ("epoch end", 2, 2),
        ("fit end", 2, "2 epochs are done"),
    ]


def test_a_callback_is_asked_from_its_next_step_on():
    class EveryThird(Callback):
        next_step = 3

        def __init__(self):
            self.seen = []

        def on_batch_end(self, event):
            self.seen.append(event.step)
            self.next_step = event.step + 3

    rare, always = EveryThird(), Recorder()
    regression(callbacks=[rare, always]).fit(numbers(30), epochs=5)
    assert rare.seen == [3, 6, 9]
    assert [call[-1] for call in always.calls if call[0] == "batch"] == list(range(1, 11))


class Worsening(Callback):
    """Makes the weights worse from the fourth epoch on, so that the third is the best."""

    def on_epoch_begin(self, event):
        if event.epoch >= 4:
            event.trainer.model.weight._array += 1.0


@pytest.mark.parametrize("in_folder", [False, True])
def test_early_stopping_with_the_best_weights(tmp_path, in_folder):
    options = {"run_folder": RunFolder.create(tmp_path / "run", {})} if in_folder else {}
    trainer = regression(
        lr=0.02, callbacks=[Worsening(), EarlyStopping(patience=2)], restore_best=True, **options
    )
    trainer.fit(numbers(), numbers(None), epochs=50)
    assert len(trainer.history) == 5
    assert trainer.stop_reason == "validation_loss did not improve for 2 epochs"
    assert trainer.progress.best_epoch == 3
    best = trainer.evaluate(numbers(None))["loss"]
    assert best == trainer.progress.best == min(trainer.history.column("validation_loss"))


def test_early_stopping_on_another_value():
    stopping = EarlyStopping(patience=1, monitor="train_r2", minimum_change=2.0)
    trainer = regression(callbacks=[stopping])
    trainer.fit(numbers(), epochs=10)
    assert len(trainer.history) == 2
    assert stopping.best == trainer.history[0]["train_r2"]


def test_a_callback_may_stop_in_the_middle_of_an_epoch():
    class Stop(Callback):
        def on_batch_end(self, event):
            if event.step == 6:
                event.trainer.stop("enough")

    trainer = regression(callbacks=[Stop()])
    trainer.fit(numbers(), epochs=10)
    assert (trainer.progress.epoch, trainer.progress.batch, trainer.stop_reason) == (1, 2, "enough")
    assert len(trainer.history) == 1


class PressControlC(Callback):
    """What a user does in the middle of an epoch."""

    def __init__(self, step: int):
        self.step = step

    def on_batch_end(self, event):
        if event.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.skipif(os.name == "nt", reason="os.kill with SIGINT ends the process on Windows")
def test_control_c_saves_and_says_how_to_go_on(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    trainer = regression(callbacks=[PressControlC(6)], run_folder=run)
    with pytest.raises(
        TrainingInterrupted, match=r"after epoch 1, batch 2 of the next. The checkpoint is in .*run"
    ):
        trainer.fit(numbers(), epochs=5)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert trainer.stop_reason == "interrupted"
    whole, resumed = regression(), regression(run_folder=RunFolder(run.path))
    whole.fit(numbers(), epochs=5)
    resumed.resume()
    assert (resumed.progress.epoch, resumed.progress.batch) == (1, 2)
    resumed.fit(numbers(), epochs=5)
    np.testing.assert_array_equal(resumed.model.weight.numpy(), whole.model.weight.numpy())


@pytest.mark.skipif(os.name == "nt", reason="os.kill with SIGINT ends the process on Windows")
def test_control_c_without_a_run_folder_and_at_the_end_of_an_epoch():
    trainer = regression(callbacks=[PressControlC(4)])
    with pytest.raises(
        KeyboardInterrupt, match=r"after epoch 1, batch 0 of the next\. Calling fit again goes on"
    ):
        trainer.fit(numbers(), epochs=3)
    trainer.callbacks.clear()
    trainer.fit(numbers(), epochs=3)
    whole = regression()
    whole.fit(numbers(), epochs=3)
    np.testing.assert_array_equal(trainer.model.weight.numpy(), whole.model.weight.numpy())


@pytest.mark.skipif(os.name == "nt", reason="os.kill with SIGINT ends the process on Windows")
def test_a_second_control_c_interrupts_at_once():
    class Impatient(Callback):
        def on_batch_end(self, event):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("the second one came too late")

    with pytest.raises(KeyboardInterrupt) as raised:
        regression(callbacks=[Impatient()]).fit(numbers(), epochs=3)
    assert not isinstance(raised.value, TrainingInterrupted)


# ---- NaN and infinity


class Fragile(Classifier):
    """Takes a logarithm that fails for a row whose first input is at most 0."""

    def forward(self, x):
        return super().forward(x) + log(x[:, :1])


def test_nan_in_the_loss_names_the_operation_and_leaves_everything_as_it_was():
    manual_seed(1)
    model = Fragile(4, 3)
    inputs = np.abs(INPUTS) + 0.1
    trainer = Trainer(model, Adam(model.parameters(), lr=0.01), "classification")
    trainer.partial_fit(inputs, LABELS)
    before, random = model.state_dict(), get_random_state()
    inputs[17, 0] = 0.0
    with pytest.raises(
        NonFiniteError,
        match=r"Trainer: the loss is not finite at update 2: log produced it first: its output has infinity "
        r"in 1 of 60 elements, the first at \(17, 0\), computed from x \(60, 1\) from 0 to .*"
        r"The parameters are as before this batch. Lower the learning rate",
    ):
        trainer.partial_fit(inputs, LABELS)
    after = model.state_dict()
    assert set(after) == set(before)
    assert "center.mean" in after and after["center.batches"] == 1
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)
    assert get_random_state() == random
    assert all(parameter.grad is None for parameter in model.parameters())
    assert trainer.progress.step == 1


def test_nan_in_a_gradient_names_the_operation():
    class Rooted(Affine):
        def forward(self, x):
            return sqrt(super().forward(x) * 0.0)

    model = Rooted(4, 1)
    start = model.state_dict()
    trainer = Trainer(model, SGD(model.parameters(), lr=0.1), loss=squared)
    with pytest.raises(
        NonFiniteError,
        match=r"the gradient is not finite at epoch 1, batch 1: sqrt produced it first: the gradient of its "
        "input x",
    ):
        trainer.fit(DataLoader((INPUTS, NUMBERS), 8, shuffle=False), epochs=1)
    for name, array in start.items():
        np.testing.assert_array_equal(model.state_dict()[name], array)
    assert trainer.stop_reason == "the loss or a gradient was not finite"


def test_nan_in_the_data_is_called_so():
    spoiled = INPUTS.copy()
    spoiled[3, 2] = np.nan
    with pytest.raises(
        NonFiniteError,
        match=r"the batch of inputs already holds NaN in 1 of 240 .* Check the data for missing values",
    ):
        regression().fit(DataLoader((spoiled, NUMBERS), None, shuffle=False), epochs=1)


def test_a_diverging_run_stops_and_what_it_saved_is_finite(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    trainer = regression(lr=1e4, run_folder=run)
    with pytest.raises(NonFiniteError, match=r"at epoch \d+, batch \d+: "):
        trainer.fit(numbers(), epochs=200)
    for array in run.load().part("model").values():
        assert np.isfinite(array).all()


# ---- recurrent state

TEXT = np.array([ord(letter) - ord("a") for letter in "abcabdabcabe" * 12])


def language(**options) -> Trainer:
    model = NextToken(5)
    return Trainer(model, Adam(model.parameters(), lr=0.02), "text", **options)


def test_a_state_is_carried_through_an_epoch_of_streams():
    trainer = language()
    loader = SequenceLoader(TEXT, batch_size=2, sequence_length=10, shuffle=False)
    trainer.fit(loader, epochs=2)
    states = trainer.model.seen_states
    assert len(states) == 2 * len(loader)
    for number, state in enumerate(states):
        if number % len(loader) == 0:
            assert state is None
        else:
            assert state[0].shape == (2, 6)
            assert state[0].is_leaf
            assert state[1] is None


def test_no_state_is_carried_between_windows_or_rows():
    trainer = language()
    trainer.fit(SequenceLoader(TEXT, 2, 10, contiguous=False), epochs=1)
    assert set(trainer.model.seen_states) == {None}


def test_a_language_model_learns_and_is_measured():
    trainer = language()
    loader = SequenceLoader(TEXT, batch_size=4, sequence_length=12)
    history = trainer.fit(loader, SequenceLoader(TEXT, 1, 24, shuffle=False), epochs=30)
    assert history[-1]["validation_perplexity"] < 1.5
    assert history[-1]["validation_accuracy"] > 0.85
    assert history[-1]["validation_perplexity"] == pytest.approx(math.exp(history[-1]["validation_loss"]))


# ---- what is refused


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Trainer(Affine(1, 1), SGD(Affine(1, 1).parameters(), lr=0.1)),
            ArgumentError,
            "a task or a loss",
        ),
        (lambda: regression(schedule_per="batch"), ArgumentError, "schedule_per expects 'epoch' or 'step'"),
        (lambda: regression(accumulate=0), ArgumentError, "accumulate expects a whole number of 1 or more"),
        (lambda: regression(evaluate_every=1.5), ArgumentError, "evaluate_every expects a whole number"),
        (lambda: regression(clip_norm=0), ArgumentError, "clip_norm expects a number above 0, got 0"),
        (lambda: regression(clip_value=-1), ArgumentError, "clip_value expects a number above 0"),
        (lambda: regression(mode="lowest"), ArgumentError, "mode expects 'min' or 'max', got 'lowest'"),
        (lambda: regression(save_steps=5), ArgumentError, "save_steps and save_minutes expect a run_folder"),
        (lambda: regression().fit(numbers(), epochs=0), ArgumentError, "epochs expects a whole number"),
        (
            lambda: regression().fit((INPUTS, NUMBERS), epochs=1),
            DTypeError,
            "expected a loader, got tuple. Wrap",
        ),
        (lambda: regression().fit(numbers(), NUMBERS), DTypeError, "expected a loader, got ndarray"),
        (
            lambda: regression(monitor="validation_accuracy").fit(numbers(), numbers(), epochs=3),
            ArgumentError,
            "monitor expects a name in the epoch's record, got 'validation_accuracy'. Choose one of epoch",
        ),
        (
            lambda: regression(callbacks=[EarlyStopping(monitor="test_loss")]).fit(numbers(), epochs=2),
            ArgumentError,
            "EarlyStopping: no epoch has 'test_loss'",
        ),
        (lambda: EarlyStopping(patience=0), ArgumentError, "patience expects a whole number of 1 or more"),
        (lambda: EarlyStopping(minimum_change=-1.0), ArgumentError, "minimum_change expects 0 or more"),
        (lambda: LearningRateLog(every=0), ArgumentError, "every expects 1 or more"),
        (
            lambda: predict(Affine(1, 1), np.zeros((0, 1))),
            ArgumentError,
            "expected a row and a batch_size of 1 or more, got 0 rows",
        ),
        (lambda: regression().resume(), RunError, "there is no run folder"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_loss_has_to_be_one_number():
    model = Affine(4, 1)
    trainer = Trainer(model, SGD(model.parameters(), lr=0.1), loss=lambda output, targets: output - targets)
    with pytest.raises(ShapeError, match=r"expected a loss of one element, got shape \(60, 1\)"):
        trainer.partial_fit(INPUTS, NUMBERS)


def test_epochs_are_counted_in_all():
    trainer = regression()
    trainer.fit(numbers(), epochs=2)
    with pytest.raises(ArgumentError, match=r"2 epochs are done already, .* epochs=4 trains 2 more"):
        trainer.fit(numbers(), epochs=2)
    trainer.fit(numbers(), epochs=4)
    assert [record["epoch"] for record in trainer.history] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"model": lambda x: x}, DTypeError, "model expects an instance of Module, got function"),
        ({"optimizer": SGD}, DTypeError, "optimizer expects an instance of Optimizer, got SGD"),
        ({"loss": "mse"}, DTypeError, "loss expects a function of output and targets, got 'mse'"),
        ({"callbacks": [print]}, DTypeError, "callbacks expects a list of Callback instances, got <built-in"),
        ({"callbacks": EarlyStopping()}, DTypeError, "callbacks expects a list of Callback instances"),
        (
            {"optimizer": SGD(Affine(2, 1).parameters(), lr=0.1)},
            ArgumentError,
            "optimizer expects parameters of the model, got only others",
        ),
    ],
)
def test_parts_that_make_no_trainer(change, error, words):
    model = Affine(2, 1)
    parts = {"model": model, "optimizer": SGD(model.parameters(), lr=0.1), "task": "regression", **change}
    with pytest.raises(error, match=words):
        Trainer(**parts)


def test_a_single_row_needs_its_batch_axis():
    model = Affine(2, 3)
    trainer = Trainer(model, SGD(model.parameters(), lr=0.1), "classification")
    with pytest.raises(ShapeError, match=r"partial_fit: .* got a single target\. A single row needs an axis"):
        trainer.partial_fit(np.zeros(2, np.float32), 1)
    assert trainer.partial_fit([[0.0, 1.0]], [1]) > 0
