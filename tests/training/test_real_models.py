"""Whole networks on real data: they learn, and a run that was stopped and resumed is the same run."""

import numpy as np
import pytest

from deltarule.data import DataLoader, SequenceLoader, load
from deltarule.nn.models import build
from deltarule.operations.random import manual_seed
from deltarule.optim.adam import Adam
from deltarule.training.callbacks import Callback
from deltarule.training.run_folder import RunFolder
from deltarule.training.trainer import Trainer

DIGITS = load("digits")
TEXT = load("python-help")


class StopAfter(Callback):
    def __init__(self, step: int):
        self.step = step

    def on_batch_end(self, event):
        if event.step == self.step:
            event.trainer.stop("enough")


def digits(name: str, **options) -> Trainer:
    manual_seed(5)
    own = {"mlp": {"dropout": 0.3, "batch_norm": True}, "gru": {"hidden": 16, "layers": 2, "dropout": 0.2}}
    model = build(name, input_shape=DIGITS.input_shape, outputs=DIGITS.outputs, **own.get(name, {}))
    return Trainer(model, Adam(model.parameters(), lr=0.003), "classification", clip_norm=1.0, **options)


def language(name: str, **options) -> Trainer:
    manual_seed(5)
    model = build(
        name, input_shape=(), outputs=TEXT.outputs, task="text", hidden=16, layers=2, embedding=8, dropout=0.2
    )
    return Trainer(model, Adam(model.parameters(), lr=0.01), "text", clip_norm=1.0, **options)


def streams() -> SequenceLoader:
    tokens = np.concatenate([TEXT.train.inputs[:3000], TEXT.train.targets[2999:3000]])
    return SequenceLoader(tokens, batch_size=8, sequence_length=32)


def assert_same_run(second: Trainer, whole: Trainer) -> None:
    expected, found = whole.checkpoint().arrays, second.checkpoint().arrays
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert array.tobytes() == found[name].tobytes(), name
    for ours, theirs in zip(second.history, whole.history, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_a_network_learns_the_digits():
    trainer = digits("mlp")
    trainer.fit(DataLoader(DIGITS.train, 32), DataLoader(DIGITS.validation, None), epochs=8)
    assert trainer.evaluate(DataLoader(DIGITS.test, 256))["accuracy"] > 0.95


@pytest.mark.parametrize(("name", "stop"), [("mlp", 5), ("mlp", 10), ("gru", 13)])
def test_digits_stopped_and_resumed(tmp_path, name, stop):
    train = DataLoader(DIGITS.train, 128, seed=2)
    validation = DataLoader(DIGITS.validation, None)
    whole = digits(name)
    whole.fit(train, validation, epochs=2)
    run = RunFolder.create(tmp_path / "run", {})
    digits(name, run_folder=run, callbacks=[StopAfter(stop)]).fit(train, validation, epochs=2)
    second = digits(name, run_folder=run)
    second.resume()
    assert second.progress.step == stop
    second.fit(train, validation, epochs=2)
    assert_same_run(second, whole)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("stop", [7, 12])
def test_text_stopped_and_resumed(tmp_path, name, stop):
    assert len(streams()) == 12
    whole = language(name)
    whole.fit(streams(), streams(), epochs=2)
    assert whole.history[1]["train_loss"] < whole.history[0]["train_loss"]
    run = RunFolder.create(tmp_path / "run", {})
    language(name, run_folder=run, callbacks=[StopAfter(stop)]).fit(streams(), streams(), epochs=2)
    second = language(name, run_folder=run)
    second.resume()
    assert (second.carried is not None) == (stop == 7)
    second.fit(streams(), streams(), epochs=2)
    assert_same_run(second, whole)
