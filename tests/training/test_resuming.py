"""A resumed run goes on bit for bit as if it had never stopped, wherever it was stopped, and however."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import deltarule
from deltarule.autodiff.tensor import Tensor
from deltarule.data import DataLoader, SequenceLoader
from deltarule.errors import ArgumentError, DTypeError, RunError, ShapeError
from deltarule.operations.random import generator, manual_seed
from deltarule.optim.adam import Adam
from deltarule.optim.plateau import ReduceLROnPlateau
from deltarule.optim.schedules import ExponentialLR
from deltarule.optim.sgd import SGD
from deltarule.training.callbacks import Callback, EarlyStopping, LearningRateLog
from deltarule.training.recurrent_state import detached, put_together, taken_apart
from deltarule.training.run_folder import RunFolder
from deltarule.training.trainer import Trainer
from tests.training.tiny_models import Affine, Classifier, NextToken

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(50, 4)).astype(np.float32)
LABELS = (INPUTS[:, 0] > 0).astype(np.int64) + (INPUTS[:, 1] > 0)
TOKENS = np.array([ord(letter) - ord("a") for letter in "abcabdabcabe" * 12])

SOURCE = Path(deltarule.__file__).parents[1]
CHECKOUT = Path(__file__).parents[2]


class StopAfter(Callback):
    """Ends training after an update, as a crash would, but in this process."""

    def __init__(self, step: int):
        self.step = step

    def on_batch_end(self, event):
        if event.step == self.step:
            event.trainer.stop("enough for today")


def classifier(schedule: str = "epoch", **options) -> Trainer:
    """A trainer whose every part has a state: noise, running mean, Adam, schedule, callbacks."""
    manual_seed(11)
    model = Classifier(4, 3)
    optimizer = Adam(model.parameters(), lr=0.02)
    schedules = {
        "epoch": lambda: ExponentialLR(optimizer, 0.9),
        "step": lambda: ExponentialLR(optimizer, 0.99),
        "plateau": lambda: ReduceLROnPlateau(optimizer, patience=0, threshold=0.2),
    }
    options.setdefault("callbacks", [])
    return Trainer(
        model,
        optimizer,
        "classification",
        schedule=schedules[schedule](),
        schedule_per="step" if schedule == "step" else "epoch",
        **{**options, "callbacks": [LearningRateLog(), EarlyStopping(patience=20), *options["callbacks"]]},
    )


def loader(batch_size=8) -> DataLoader:
    return DataLoader((INPUTS, LABELS), batch_size, seed=3)


def everything(trainer: Trainer) -> tuple:
    """All that two runs have to agree on, bit for bit; only times may differ."""
    checkpoint = trainer.checkpoint()
    arrays = {name: (array.dtype.str, array.tobytes()) for name, array in checkpoint.arrays.items()}
    values = json.loads(json.dumps(checkpoint.values))
    del values["progress"]["seconds"]
    history = [
        {key: value for key, value in record.items() if key != "seconds"} for record in trainer.history
    ]
    return arrays, values, history


@pytest.mark.parametrize("schedule", ["epoch", "step", "plateau"])
@pytest.mark.parametrize("stop", [7, 14, 16, 27])
def test_four_epochs_equal_two_and_two(tmp_path, schedule, stop):
    validation = DataLoader((INPUTS[:20], LABELS[:20]), None)
    whole = classifier(schedule)
    whole.fit(loader(), validation, epochs=4)
    run = RunFolder.create(tmp_path / "run", {})
    first = classifier(schedule, run_folder=run, callbacks=[StopAfter(stop)])
    first.fit(loader(), validation, epochs=4)
    assert first.progress.step == stop
    generator().random(100)
    second = classifier(schedule, run_folder=RunFolder(run.path))
    manual_seed(99)
    second.resume()
    assert (second.progress.epoch, second.progress.batch) == divmod(stop, 7)
    history = second.fit(loader(), validation, epochs=4)
    assert everything(second) == everything(whole)
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]
    saved = [record["epoch"] for record in run.history()]
    assert saved == [1, 2, 3, 4]


def test_planned_ends_are_no_different(tmp_path):
    whole, parts = classifier(), classifier()
    whole.fit(loader(), epochs=4)
    manual_seed(11)
    parts.fit(loader(), epochs=1)
    parts.save(tmp_path / "state.safetensors")
    other = classifier()
    other.load(tmp_path / "state.safetensors")
    other.fit(loader(), epochs=4)
    assert everything(other) == everything(whole)


def test_gradients_that_wait_for_others_are_never_cut_off(tmp_path):
    # 7 batches in threes: updates after 3, 6 and 7.
    whole = classifier(accumulate=3)
    whole.fit(loader(), epochs=3)
    run = RunFolder.create(tmp_path / "run", {})
    first = classifier(accumulate=3, run_folder=run, callbacks=[StopAfter(5)], save_steps=1)
    first.fit(loader(), epochs=3)
    second = classifier(accumulate=3, run_folder=run)
    second.resume()
    assert (second.progress.epoch, second.progress.batch, second.progress.step) == (1, 6, 5)
    second.fit(loader(), epochs=3)
    assert everything(second) == everything(whole)


def language(**options) -> Trainer:
    model = NextToken(5)
    return Trainer(model, Adam(model.parameters(), lr=0.02), "text", **options)


@pytest.mark.parametrize("stop", [3, 7, 10])
def test_a_carried_state_goes_on(tmp_path, stop):
    streams = SequenceLoader(TOKENS, batch_size=2, sequence_length=10)
    assert len(streams) == 7
    whole = language()
    whole.fit(streams, epochs=2)
    run = RunFolder.create(tmp_path / "run", {})
    language(run_folder=run, callbacks=[StopAfter(stop)]).fit(streams, epochs=2)
    second = language(run_folder=run)
    second.resume()
    assert (second.carried is not None) == (stop != 7)
    second.fit(SequenceLoader(TOKENS, batch_size=2, sequence_length=10), epochs=2)
    assert everything(second) == everything(whole)


def test_early_stopping_and_the_best_weights_survive(tmp_path):
    def trainer(**options) -> Trainer:
        model = Affine(4, 3)
        # So fast that it gets worse again.
        optimizer = SGD(model.parameters(), lr=8.0, momentum=0.9)
        callbacks = [EarlyStopping(3), *options.pop("callbacks", ())]
        return Trainer(model, optimizer, "classification", restore_best=True, callbacks=callbacks, **options)

    whole = trainer()
    whole.fit(loader(), epochs=40)
    assert len(whole.history) < 40
    assert whole.progress.best_epoch == len(whole.history) - 3
    stop = 7 * whole.progress.best_epoch + 9
    run = RunFolder.create(tmp_path / "run", {})
    trainer(run_folder=run, callbacks=[StopAfter(stop)]).fit(loader(), epochs=40)
    second = trainer(run_folder=run)
    second.resume()
    second.fit(loader(), epochs=40)
    assert second.stop_reason == whole.stop_reason == "train_loss did not improve for 3 epochs"
    np.testing.assert_array_equal(second.model.weight.numpy(), whole.model.weight.numpy())
    assert run.load("best").values["progress"]["epoch"] == whole.progress.best_epoch
    # A run that had stopped early stops again at once, unless it is to have more patience.
    again = trainer(run_folder=run)
    again.resume()
    again.fit(loader(), epochs=40)
    assert len(again.history) == len(whole.history)
    patient = trainer(run_folder=run)
    patient.callbacks[0].patience = 5
    patient.resume()
    patient.fit(loader(), epochs=40)
    assert len(patient.history) > len(whole.history)


def test_the_best_weights_survive_without_a_folder(tmp_path):
    def trainer() -> Trainer:
        model = Affine(4, 3)
        return Trainer(
            model, SGD(model.parameters(), lr=0.05), "classification", restore_best=True, monitor="train_f1"
        )

    first = trainer()
    first.callbacks.append(StopAfter(17))
    first.fit(loader(), epochs=9)
    first.save(tmp_path / "state.safetensors")
    second = trainer()
    second.load(tmp_path / "state.safetensors")
    assert second.best_weights is not None
    best = second.best_weights["weight"]
    # Nothing can be better than a perfect score: the kept weights come back.
    second.progress.best = 1.0
    second.fit(loader(), epochs=9)
    np.testing.assert_array_equal(second.model.weight.numpy(), best)


def test_checkpoints_within_epochs(tmp_path):
    class Watch(Callback):
        def __init__(self):
            self.steps = []

        def on_save(self, event):
            self.steps.append(event.step)

    watch = Watch()
    run = RunFolder.create(tmp_path / "by-steps", {})
    classifier(run_folder=run, save_steps=3, callbacks=[watch]).fit(loader(), epochs=1)
    assert watch.steps == [3, 6, 7]
    watch = Watch()
    run = RunFolder.create(tmp_path / "by-minutes", {})
    classifier(run_folder=run, save_minutes=1e-9, callbacks=[watch]).fit(loader(), epochs=1)
    assert watch.steps == [1, 2, 3, 4, 5, 6, 7]


def test_saving_takes_a_small_share_of_short_epochs(tmp_path, monkeypatch):
    run = RunFolder.create(tmp_path / "run", {})
    written = []
    save = RunFolder.save

    def slow(self, name, checkpoint):
        time.sleep(0.02)
        written.append((name, checkpoint.values["progress"]["epoch"]))
        save(self, name, checkpoint)

    monkeypatch.setattr(RunFolder, "save", slow)
    trainer = classifier(run_folder=run)
    trainer.fit(loader(None), epochs=60)
    last = [epoch for name, epoch in written if name == "last"]
    assert last[0] == 1
    assert last[-1] == 60
    assert len(last) < 30
    # The best one is there although many epochs were not saved, and was never behind `last`.
    assert run.load("best").values["progress"]["epoch"] == trainer.progress.best_epoch
    for name, epoch in written:
        if name == "last":
            assert max(each for kind, each in written if kind == "best" and each <= epoch) <= epoch


# ---- what does not fit


def test_what_does_not_fit_is_refused(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    trainer = classifier(run_folder=run, callbacks=[StopAfter(9)])
    with pytest.raises(RunError, match="it has no checkpoint 'last'"):
        trainer.resume()
    trainer.fit(loader(), epochs=4)
    with pytest.raises(RunError, match=r"this run has been trained already. Call trainer.resume\(\)"):
        classifier(run_folder=run).fit(loader(), epochs=4)
    resumed = classifier(run_folder=run)
    resumed.resume()
    with pytest.raises(ArgumentError, match="expected 7 batches as in the epoch that was left, got 4"):
        resumed.fit(loader(16), epochs=4)
    model = Classifier(4, 3)
    with pytest.raises(
        ArgumentError, match="schedule of the learning rate: the checkpoint has ExponentialLR"
    ):
        Trainer(model, Adam(model.parameters()), "classification", run_folder=run).resume()
    model = Classifier(4, 5)
    optimizer = Adam(model.parameters())
    other = Trainer(
        model, optimizer, "classification", schedule=ExponentialLR(optimizer, 0.9), run_folder=run
    )
    with pytest.raises(ShapeError, match=r"second.weight has shape \(5, 8\), the given one \(3, 8\)"):
        other.resume()
    (run.path / "history.jsonl").unlink()
    with pytest.raises(ArgumentError, match="taken after 1 epochs, the history has 0"):
        resumed.resume()


def test_a_folder_is_trained_in_by_one_at_a_time(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    with run.locked(), pytest.raises(RunError, match="is training in this folder"):
        classifier(run_folder=RunFolder(run.path)).fit(loader(), epochs=1)


# ---- recurrent states


def test_states_of_any_nesting_come_back():
    state = (Tensor(np.ones((1, 2))), (Tensor(np.zeros(3)), None))
    arrays, structure = taken_apart(state)
    back = put_together(arrays, json.loads(json.dumps(structure)))
    assert isinstance(back, tuple)
    assert isinstance(back[1], tuple)
    np.testing.assert_array_equal(back[0].numpy(), state[0].numpy())
    assert back[1][1] is None
    assert taken_apart(None) == ([], None)
    assert put_together([], None) is None
    with pytest.raises(
        DTypeError, match="expected the model's state to be a tensor, or tuples of them, got int"
    ):
        detached((3,))


def test_a_detached_state_carries_no_graph():
    x = Tensor(np.ones(2), requires_grad=True)
    state = detached(((x * 2.0), None))
    assert state[0].is_leaf
    assert not state[0].requires_grad


# ---- killed for real

TRAINING = """
import sys
sys.path.insert(0, sys.argv[2])
from deltarule.training.run_folder import RunFolder
from tests.training.test_resuming import Callback, classifier, loader

class Say(Callback):
    def on_save(self, event):
        print("saved", event.step, flush=True)

run = RunFolder(sys.argv[1])
trainer = classifier(run_folder=run, save_steps=2, callbacks=[Say()])
if run.checkpoints():
    trainer.resume()
trainer.fit(loader(), epochs=30)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_never_was(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    random = np.random.default_rng(8)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", TRAINING, str(run.path), str(CHECKOUT)]
    killed = 0
    for _ in range(4):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("saved")
        time.sleep(random.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert killed >= 1
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    whole = classifier()
    whole.fit(loader(), epochs=30)
    found = classifier(run_folder=RunFolder(run.path))
    found.resume()
    assert everything(found) == everything(whole)
