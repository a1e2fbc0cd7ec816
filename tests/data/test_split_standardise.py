"""Splits and standardisation."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data import Standardise, split_contiguous, split_rows
from deltarule.errors import ArgumentError, DataError, ShapeError


@given(
    rows=st.integers(5, 300),
    validation=st.sampled_from([0, 0.05, 0.1, 0.3]),
    test=st.sampled_from([0, 0.1, 0.2, 0.25]),
    seed=st.integers(0, 2**32),
    stratified=st.booleans(),
)
def test_every_row_is_in_one_part(rows, validation, test, seed, stratified):
    classes = np.arange(rows) % 3 if stratified else None
    parts = split_rows(rows, validation, test, seed, classes)
    assert sorted(np.concatenate(parts).tolist()) == list(range(rows))
    assert len(parts.validation) == (max(1, round(rows * validation)) if validation else 0)
    assert len(parts.test) == (max(1, round(rows * test)) if test else 0)
    again = split_rows(rows, validation, test, seed, classes)
    for ours, theirs in zip(parts, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@given(counts=st.lists(st.integers(1, 60), min_size=2, max_size=6), seed=st.integers(0, 1000))
def test_stratified_parts_keep_the_proportions(counts, seed):
    classes = np.repeat(np.arange(len(counts)), counts)
    if len(classes) < 5:
        return
    parts = split_rows(len(classes), 0.1, 0.2, seed, classes)
    for part in (parts.validation, parts.test, parts.train):
        found = np.bincount(classes[part], minlength=len(counts))
        assert (np.abs(found - np.array(counts) * len(part) / len(classes)) <= 2).all()
    single = np.flatnonzero(np.array(counts) == 1)
    assert set(single) <= set(classes[parts.train])


def test_seeds_matter_and_training_rows_are_shuffled():
    classes = np.repeat([0, 1], 50)
    first, second = split_rows(100, seed=0, classes=classes), split_rows(100, seed=1, classes=classes)
    assert first.test.tolist() != second.test.tolist()
    assert 20 < classes[first.train][:35].sum() + 10 < 40


def test_split_errors():
    with pytest.raises(DataError, match="got 2 rows of which 1 go to validation and 1 to test"):
        split_rows(2, 0.1, 0.1)
    for wrong in (-0.1, 1, 1.5, "a", True):
        with pytest.raises(ArgumentError, match=r"validation expects a fraction in \[0, 1\)"):
            split_rows(10, wrong)
    with pytest.raises(ArgumentError, match=r"validation=0.5 and test=0.5 leave nothing"):
        split_rows(10, 0.5, 0.5)


def test_contiguous():
    parts = split_contiguous(100, 0.1, 0.2)
    assert [(int(part[0]), int(part[-1])) for part in parts] == [(0, 69), (70, 79), (80, 99)]
    assert len(split_contiguous(1115394).train) == 1003854


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("per", "axes"), [("feature", (0,)), ("channel", (0, 2, 3)), ("global", (0, 1, 2, 3))]
)
def test_against_plain_numpy(dtype, per, axes):
    inputs = np.random.default_rng(1).integers(0, 200, (30, 3, 4, 5)).astype(dtype)
    standardise = Standardise.fit(inputs, per, 2.0)
    scaled = inputs.astype(np.float64) / 2
    expected = (scaled - scaled.mean(axes, keepdims=True)) / scaled.std(axes, keepdims=True)
    applied = standardise.apply(inputs)
    assert applied.dtype == np.float32
    np.testing.assert_allclose(applied, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(standardise.restore(applied), inputs, rtol=1e-4, atol=1e-3)
    again = Standardise.from_dict(json.loads(json.dumps(standardise.to_dict())))
    np.testing.assert_array_equal(again.apply(inputs), applied)


def test_large_arrays_are_worked_on_in_blocks():
    inputs = np.random.default_rng(0).integers(0, 256, (3000, 800), dtype=np.uint8)
    standardise = Standardise.fit(inputs, "global")
    np.testing.assert_allclose(standardise.mean, inputs.mean(), rtol=1e-12)
    np.testing.assert_allclose(standardise.std, inputs.std(), rtol=1e-12)
    np.testing.assert_array_equal(standardise.apply(inputs)[2900:], standardise.apply(inputs[2900:]))


@pytest.mark.parametrize("value", [0.0, 0.1, 3.7e8, -1e-12])
def test_constant_features_are_only_centred(value):
    standardise = Standardise.fit(np.full((37, 1), value))
    assert standardise.std[0] == 1
    np.testing.assert_allclose(standardise.apply(np.array([[value], [value + 1]])), [[0], [1]], atol=1e-6)


def test_standardise_errors():
    with pytest.raises(ArgumentError, match="per expects"):
        Standardise.fit(np.ones((2, 2)), "row")
    with pytest.raises(ShapeError, match="per='channel' expects images"):
        Standardise.fit(np.ones((2, 2)), "channel")
    with pytest.raises(ShapeError, match="at least one row"):
        Standardise.fit(np.ones((0, 2)))
    for wrong in (np.nan, np.inf, 1e300):
        with pytest.raises(DataError, match="mean and variance are finite"):
            Standardise.fit(np.array([[wrong], [-1e300]]))
