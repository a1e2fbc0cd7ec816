"""fit(model, data): what it finds by itself."""

import numpy as np
import pytest

from deltarule.data import DataLoader, Part, from_arrays, from_text
from deltarule.errors import ArgumentError, DTypeError, ShapeError
from deltarule.operations.random import manual_seed
from deltarule.optim.sgd import SGD
from deltarule.training.short_form import fit
from tests.training.tiny_models import Affine, Classifier, NextToken

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(80, 4)).astype(np.float32)
LABELS = (INPUTS[:, 0] > 0).astype(np.int64)
NUMBERS = INPUTS[:, :1] * 2


def test_classification_from_a_data_set():
    manual_seed(0)
    data = from_arrays(INPUTS, LABELS)
    trainer = fit(Classifier(4, 2), data, epochs=40, lr=0.02, batch_size=8)
    assert trainer.history[-1]["validation_accuracy"] > 0.8
    assert trainer.evaluate(DataLoader(data.test))["accuracy"] > 0.8


def test_regression_from_arrays_with_validation():
    trainer = fit(Affine(4, 1), (INPUTS, NUMBERS), validation=(INPUTS[:9], NUMBERS[:9]), epochs=60, lr=0.05)
    assert trainer.history[-1]["validation_r2"] > 0.99


def test_text():
    data = from_text("abcabdabcabe" * 30)
    trainer = fit(NextToken(5), data, epochs=20, lr=0.03, batch_size=2, sequence_length=12)
    assert trainer.history[-1]["validation_perplexity"] < 2.0


def test_evaluation_takes_parts_and_arrays_as_they_are():
    data = from_arrays(INPUTS, LABELS)
    trainer = fit(Classifier(4, 2), data, epochs=1)
    expected = trainer.evaluate(DataLoader(data.test, 3))
    assert trainer.evaluate(data.test) == pytest.approx(expected)
    assert trainer.evaluate((data.test.inputs, data.test.targets)) == pytest.approx(expected)
    assert trainer.measure(data.test).confusion.sum() == len(data.test)
    with pytest.raises(DTypeError, match="expected a loader, got Dataset"):
        trainer.evaluate(data)


def test_validation_of_a_text_leaves_nothing_out():
    data = from_text("abcabdabcabe" * 30)
    trainer = fit(NextToken(5), data, epochs=1, batch_size=2, sequence_length=12)
    assert trainer.measure(data.validation).count == len(data.validation)
    validation = trainer.evaluate(data.validation)["loss"]
    assert trainer.history[-1]["validation_loss"] == pytest.approx(validation)


def test_one_column_of_targets_may_be_flat():
    results = [
        fit(Affine(4, 1), (INPUTS, targets), epochs=2, lr=0.1, batch_size=None).history[-1]
        for targets in (NUMBERS, NUMBERS[:, 0])
    ]
    for name in ("train_loss", "train_mae", "train_r2"):
        assert results[0][name] == results[1][name]
    with pytest.raises(ShapeError, match=r"input has shape \(32, 2\), target \(32,\)"):
        fit(Affine(4, 2), (INPUTS, NUMBERS[:, 0]))


def test_a_named_data_set():
    trainer = fit(Affine(2, 2), "xor", epochs=1)
    assert "train_accuracy" in trainer.history[0]


def test_whole_batch_and_online():
    for batch_size, steps in ((None, 1), (1, 80)):
        trainer = fit(Affine(4, 1), Part(INPUTS, NUMBERS), epochs=1, batch_size=batch_size)
        assert trainer.progress.step == steps


def test_patience_stops_early_with_the_best_weights():
    model = Affine(4, 1)
    optimizer = SGD(model.parameters(), lr=0.9)
    trainer = fit(model, (INPUTS, NUMBERS), epochs=500, patience=3, optimizer=optimizer, batch_size=None)
    assert len(trainer.history) < 500
    assert trainer.restore_best


def test_options_go_to_the_trainer():
    trainer = fit(Affine(4, 1), (INPUTS, NUMBERS), epochs=1, clip_norm=1.0, accumulate=2)
    assert trainer.accumulate == 2
    assert trainer.gradient_norm > 0


def test_what_cannot_be_found():
    with pytest.raises(ArgumentError, match="the task cannot be found from a loader"):
        fit(Affine(4, 1), DataLoader((INPUTS, NUMBERS)), epochs=1)
    with pytest.raises(ArgumentError, match="batch_size=None expects rows; a text has none"):
        fit(NextToken(5), from_text("abcabdabcabe" * 30), batch_size=None)


@pytest.mark.parametrize(
    ("data", "got"),
    [
        ((INPUTS,), "tuple of 1"),
        ((), "tuple of 0"),
        ((INPUTS, NUMBERS, NUMBERS), "tuple of 3"),
        (INPUTS, r"ndarray \(\d+, 4\)"),
        (None, "NoneType"),
    ],
)
def test_data_of_another_kind_is_refused(data, got):
    with pytest.raises(ArgumentError, match=rf"fit: data expects a Dataset, .* got {got}"):
        fit(Affine(4, 1), data, epochs=1)
    if isinstance(data, tuple):
        with pytest.raises(ArgumentError, match=rf"DataLoader: data expects a Part .* got {got}"):
            fit(Affine(4, 1), (INPUTS, NUMBERS), validation=data, epochs=1)


def test_a_list_of_two_is_a_pair():
    trainer = fit(Affine(4, 1), [INPUTS, NUMBERS], validation=[INPUTS, NUMBERS], epochs=1)
    assert "validation_loss" in trainer.history[-1]


def test_a_model_by_name_is_built_for_the_data():
    manual_seed(0)
    trainer = fit("mlp", from_arrays(INPUTS, LABELS), epochs=20, lr=0.01, batch_size=8)
    assert trainer.history[-1]["validation_accuracy"] > 0.8
    again = fit("mlp", from_arrays(INPUTS, LABELS), epochs=20, lr=0.01, batch_size=8)
    assert again.history[-1]["train_loss"] == trainer.history[-1]["train_loss"]
    with pytest.raises(ArgumentError, match=r"model 'mlp' by name expects a Dataset, .* got tuple"):
        fit("mlp", (INPUTS, LABELS))
