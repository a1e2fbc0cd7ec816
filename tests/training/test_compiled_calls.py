"""Steps that run compiled: the same numbers, the same promises, and only where it pays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.training import compiled_calls
from deltarule.training.callbacks import Callback
from deltarule.training.trainer import Trainer
from tests.training.tiny_models import Classifier

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(40, 4)).astype(np.float32)
LABELS = (INPUTS[:, 0] > 0).astype(np.int64) + (INPUTS[:, 1] > 0)


@pytest.fixture
def at_once(monkeypatch):
    """A shape is compiled when it comes for the second time."""
    monkeypatch.setattr(compiled_calls, "WORTH_COMPILING", 1)


def calls_of(trainer: Trainer) -> Any:
    assert trainer._update.calls is not None
    return trainer._update.calls


def classes(**options: Any) -> Trainer:
    """Dropout, running statistics and slots: everything that a step may leave behind."""
    dr.manual_seed(1)
    model = dr.nn.Sequential(
        dr.nn.Linear(4, 6, bias=False),
        dr.nn.BatchNorm1d(6),
        dr.nn.Tanh(),
        dr.nn.Dropout(0.25),
        dr.nn.Linear(6, 3),
    )
    return Trainer(model, dr.optim.Adam(model.parameters(), lr=0.02), "classification", **options)


def batches(batch_size: int = 10) -> dr.data.DataLoader:
    return dr.data.DataLoader((INPUTS, LABELS), batch_size)


def everything(trainer: Trainer) -> dict[str, Any]:
    checkpoint = trainer.checkpoint()
    arrays = {name: array.tobytes() for name, array in checkpoint.arrays.items()}
    gradients = [parameter.grad for parameter in trainer.model.parameters()]
    return {**arrays, "random": checkpoint.values["random"], "gradients": gradients}


def assert_close(first: Trainer, second: Trainer) -> None:
    for one, other in zip(first.history, second.history, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if name != "seconds":
                assert other[name] == pytest.approx(value, rel=2e-4, abs=1e-6), name
    state = second.model.state_dict()
    for name, array in first.model.state_dict().items():
        np.testing.assert_allclose(state[name], array, rtol=2e-3, atol=2e-5, err_msg=name)


# ---- the same numbers

MODELS = {
    "mlp": {"hidden": (6, 5), "dropout": 0.2, "batch_norm": True, "input_shape": (4,)},
    "lenet": {"input_shape": (1, 16, 16)},
    "cnn": {"input_shape": (3, 8, 8), "channels": (4,)},
    "rnn": {"input_shape": (5, 3), "hidden": 4, "layers": 2},
    "gru": {"input_shape": (5, 3), "hidden": 4, "dropout": 0.2, "layers": 2},
    "lstm": {"input_shape": (5, 3), "hidden": 4},
}


def test_every_model_is_here():
    assert set(MODELS) == set(dr.nn.models.names())


@pytest.mark.parametrize("name", MODELS)
def test_models_compiled_and_not(at_once, name):
    options = MODELS[name]
    inputs = np.random.default_rng(2).normal(size=(20, *options["input_shape"])).astype(np.float32)
    loader = dr.data.DataLoader((inputs, LABELS[:20]), 5)
    trainers = []
    for compile in (False, True):
        dr.manual_seed(3)
        model = dr.nn.models.build(name, outputs=3, **options)
        optimizer = dr.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
        trainers.append(Trainer(model, optimizer, "classification", clip_norm=1.0, compile=compile))
        trainers[-1].fit(loader, loader, epochs=2)
    plain, compiled = trainers
    assert plain._update.calls is None
    assert compiled.notes == []
    assert compiled._update.calls.programs == compiled._measurement.calls.programs == 1
    assert_close(plain, compiled)


def test_a_state_that_is_carried(at_once):
    tokens = np.random.default_rng(5).integers(0, 7, 401)
    loader = dr.data.SequenceLoader(tokens, batch_size=4, sequence_length=10, shuffle=False)
    trainers = []
    for compile in (False, True):
        dr.manual_seed(3)
        options = {"hidden": 4, "layers": 2, "embedding": 3, "dropout": 0.2}
        model = dr.nn.models.build("lstm", input_shape=(), outputs=7, task="text", **options)
        trainers.append(Trainer(model, dr.optim.Adam(model.parameters(), lr=0.01), "text", compile=compile))
        trainers[-1].fit(loader, loader, epochs=3)
    # One program begins an epoch, the other goes on from a state.
    assert calls_of(trainers[1]).programs == 2
    assert_close(*trainers)


@pytest.mark.parametrize(
    "options",
    [
        {"accumulate": 3},
        {"clip_value": 0.05, "penalty": lambda model: dr.l2_penalty([model[0].weight], 0.1)},
    ],
)
def test_options_of_an_update(at_once, options):
    trainers = []
    for compile in (False, True):
        trainers.append(classes(compile=compile, **options))
        trainers[-1].fit(batches(8), epochs=4)
    plain, compiled = trainers
    assert calls_of(compiled).programs == (5 if "accumulate" in options else 1)
    assert_close(plain, compiled)


def test_a_rate_that_falls_needs_no_other_program(at_once):
    trainers = []
    for compile in (False, True):
        trainer = classes(compile=compile)
        trainer.schedule = dr.optim.ExponentialLR(trainer.optimizer, 0.8)
        trainer.schedule_per = "step"
        trainer.fit(batches(), epochs=3)
        trainers.append(trainer)
    assert calls_of(trainers[1]).programs == 1
    assert_close(*trainers)


class Annealing(Callback):
    """Changes what the loss reads, as the weight of a term that grows."""

    def __init__(self, weight: dict[str, float]):
        self.weight = weight

    def on_epoch_end(self, event):
        self.weight["term"] += 0.5


def test_what_a_loss_reads_may_change(at_once):
    trainers = []
    for compile in (False, True):
        weight = {"term": 0.0}

        def loss(output, targets, weight=weight):
            return dr.cross_entropy(output, targets) + weight["term"] * dr.mean(output * output)

        dr.manual_seed(1)
        model = dr.nn.Linear(4, 3)
        optimizer = dr.optim.SGD(model.parameters(), lr=0.1)
        trainer = Trainer(model, optimizer, loss=loss, callbacks=[Annealing(weight)], compile=compile)
        trainer.fit(batches(), epochs=3)
        trainers.append(trainer)
    assert calls_of(trainers[1]).programs == 3
    assert_close(*trainers)


# ---- all or nothing


@pytest.mark.parametrize("options", [{}, {"clip_norm": 1.0}])
def test_a_step_that_is_not_finite_changes_nothing(at_once, options):
    trainer = classes(**options)
    for start in range(0, 40, 10):
        trainer.partial_fit(INPUTS[start : start + 10], LABELS[start : start + 10])
    assert calls_of(trainer).programs == 1
    bad = INPUTS[:10].copy()
    bad[3, 2] = np.nan
    before = everything(trainer)
    with pytest.raises(dr.errors.NonFiniteError, match=r"batch of inputs already holds NaN .* at \(3, 2\)"):
        trainer.partial_fit(bad, LABELS[:10])
    assert everything(trainer) == before
    with dr.no_grad():
        trainer.model[4].weight.assign(np.full((3, 6), 3e38, np.float32))
    before = everything(trainer)
    with pytest.raises(dr.errors.NonFiniteError, match="linear in 4 produced it first"):
        trainer.partial_fit(INPUTS[:10], LABELS[:10])
    assert everything(trainer) == before
    assert calls_of(trainer).programs == 1


def test_a_gradient_that_is_not_finite_changes_nothing(at_once):
    dr.manual_seed(0)
    model = dr.nn.Linear(4, 1, bias=False)
    optimizer = dr.optim.Adam(model.parameters(), lr=0.1)
    trainer = Trainer(model, optimizer, loss=lambda output, targets: dr.mean(dr.sqrt(output * output)))
    for start in range(0, 16, 4):
        trainer.partial_fit(INPUTS[start : start + 4], LABELS[start : start + 4])
    assert calls_of(trainer).programs == 1
    before = everything(trainer)
    with pytest.raises(dr.errors.NonFiniteError, match="the gradient is not finite at update 5: sqrt"):
        trainer.partial_fit(np.zeros((4, 4), np.float32), LABELS[:4])
    assert everything(trainer) == before
    trainer.partial_fit(INPUTS[:4], LABELS[:4])
    assert optimizer.state[model.weight]["step"] == 5


def test_errors_in_the_data_are_those_of_eager_mode(at_once):
    said = []
    for compile in (False, True):
        trainer = classes(compile=compile)
        for _ in range(4):
            trainer.partial_fit(INPUTS[:10], LABELS[:10])
        for inputs, labels in ((INPUTS[:10, :3], LABELS[:10]), (INPUTS[:10], LABELS[:10] + 7)):
            with pytest.raises(dr.errors.DeltaruleError) as caught:
                trainer.partial_fit(inputs, labels)
            said.append(str(caught.value))
    assert said[:2] == said[2:]


# ---- resuming


@pytest.mark.parametrize("stop", [3, 5, 8, 14])
def test_a_resumed_run_equals_an_unbroken_one(at_once, monkeypatch, stop):
    # Compiled from the fifth batch of each shape on, and stopped before, right then, and after.
    monkeypatch.setattr(compiled_calls, "WORTH_COMPILING", 4 * compiled_calls._LEAST)

    class Stop(Callback):
        def on_batch_end(self, event):
            if event.step == stop:
                kept.append(event.trainer.checkpoint())
                event.trainer.stop("enough")

    kept: list[Any] = []
    # Batches of 9 and a last one of 4.
    whole = classes()
    whole.fit(batches(9), batches(9), epochs=6)
    expected = everything(whole)
    first = classes(callbacks=[Stop()])
    first.fit(batches(9), batches(9), epochs=6)
    second = classes()
    dr.manual_seed(99)
    second.restore(kept[0], first.history)
    second.fit(batches(9), batches(9), epochs=6)
    assert calls_of(whole).programs == 2
    assert everything(second) == expected
    for one, other in zip(whole.history, second.history, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


# ---- what cannot be compiled


def test_a_loss_that_branches_on_values_runs_as_it_is(at_once):
    def loss(output, targets):
        value = dr.cross_entropy(output, targets)
        return value * 0.5 if value > 1.0 else value

    trainers, states = [], []
    for compile in (False, True):
        trainers.append(classes(loss=loss, compile=compile))
        trainers[-1].fit(batches(), epochs=2)
        states.append(everything(trainers[-1]))
    assert states[0] == states[1]
    assert trainers[0].notes == []
    (note,) = trainers[1].notes
    assert note == (
        "training runs uncompiled: a branch (bool) reads the elements of the result of greater, which differ "
        "from call to call"
    )


def test_numbers_drawn_behind_the_compilers_back_stay_random(at_once):
    class Noisy(dr.nn.Module):
        def __init__(self) -> None:
            self.first = dr.nn.Linear(4, 3)
            self.seen: list[bytes] = []

        def forward(self, x):
            noise = dr.random.generator().random(x.shape).astype(np.float32)
            self.seen.append(noise.tobytes())
            return self.first(x + dr.tensor(noise))

    dr.manual_seed(4)
    model = Noisy()
    trainer = Trainer(model, dr.optim.SGD(model.parameters(), lr=0.1), "classification")
    for _ in range(12):
        trainer.partial_fit(INPUTS[:10], LABELS[:10])
    assert calls_of(trainer).programs == 0
    assert "reads an array that Python or NumPy makes anew in every call" in trainer.notes[0]
    assert len(set(model.seen)) == len(model.seen) == 12


def test_buffers_that_are_replaced_are_left_alone(at_once):
    states = []
    for compile in (False, True):
        dr.manual_seed(4)
        model = Classifier(4, 3)
        optimizer = dr.optim.Adam(model.parameters())
        trainer = Trainer(model, optimizer, "classification", compile=compile)
        trainer.fit(batches(), epochs=2)
        states.append(everything(trainer))
    assert states[0] == states[1]
    assert "it changes 'mean' of a RunningMean" in trainer.notes[0]


# ---- when it pays


def test_a_small_shape_is_compiled_after_fifty_calls():
    trainer = classes()
    for count in range(60):
        trainer.partial_fit(INPUTS[:10], LABELS[:10])
        if count % 10 == 0:
            trainer.partial_fit(INPUTS[:7], LABELS[:7])
    calls = calls_of(trainer)
    assert list(calls.chosen) == ["(float32[10, 4], int64[10], None, 1.0, True)"]
    assert list(calls.seen) == ["(float32[7, 4], int64[7], None, 1.0, True)"]
    assert calls.programs == 1


def test_a_large_step_is_compiled_at_once_and_rare_shapes_never(monkeypatch):
    monkeypatch.setattr(compiled_calls, "_MOST_SHAPES", 1)
    size = 4 * 6 + 2 * 6 + 6 * 3 + 3
    # What two batches of 10 rows come to: their inputs and labels times the parameters.
    monkeypatch.setattr(compiled_calls, "_LEAST", 1)
    monkeypatch.setattr(compiled_calls, "WORTH_COMPILING", 2 * 50 * size)
    trainer = classes()
    for _ in range(4):
        trainer.partial_fit(INPUTS[:10], LABELS[:10])
    assert calls_of(trainer).programs == 1
    for _ in range(9):
        trainer.partial_fit(INPUTS[:20], LABELS[:20])
    assert len(calls_of(trainer).chosen) == 1
    assert calls_of(trainer).programs == 1
