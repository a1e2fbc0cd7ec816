"""DataLoader, SequenceLoader, padding and one-hot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data import DataLoader, Part, SequenceLoader, one_hot, pad_sequences
from deltarule.errors import ArgumentError, DataError, DTypeError, OutOfBoundsError, ShapeError


def arrays(rows=10):
    return np.arange(rows * 2).reshape(rows, 2), np.arange(rows)


def seen(batches):
    return [targets.tolist() for _, targets in batches]


@given(
    rows=st.integers(1, 40),
    batch_size=st.one_of(st.none(), st.integers(1, 50)),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 5),
)
def test_every_row_comes_once_and_any_start_continues_exactly(rows, batch_size, seed, epoch):
    loader = DataLoader(arrays(rows), batch_size, seed=seed)
    whole = seen(loader.batches(epoch))
    assert len(whole) == len(loader)
    assert sorted(row for batch in whole for row in batch) == list(range(rows))
    for start in range(len(loader) + 1):
        assert seen(DataLoader(arrays(rows), batch_size, seed=seed).batches(epoch, start)) == whole[start:]


def test_inputs_and_targets_stay_together():
    for inputs, targets in DataLoader(arrays(), 3, seed=5):
        np.testing.assert_array_equal(inputs[:, 0], 2 * targets)


def test_orders_differ_between_epochs_and_seeds_and_follow_no_global_state():
    loader = DataLoader(arrays(50), None, seed=1)
    np.random.seed(0)  # noqa: NPY002
    first = seen(loader.batches(0))
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert seen(loader.batches(0)) == first
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert seen(loader.batches(1)) != first
    assert seen(DataLoader(arrays(50), None, seed=2).batches(0)) != first
    assert seen(DataLoader(arrays(50), None, shuffle=False).batches(7)) == [list(range(50))]


def test_drop_last():
    assert [len(batch) for batch in seen(DataLoader(arrays(), 4, drop_last=True))] == [4, 4]
    with pytest.raises(DataError, match="drop_last leaves no batch: 10 rows are fewer than batch_size=11"):
        DataLoader(arrays(), 11, drop_last=True)


def test_loops_count_epochs_and_a_state_resumes_within_one():
    make = lambda: DataLoader(arrays(), 3, seed=4)  # noqa: E731
    expected = [seen(make().batches(epoch)) for epoch in range(3)]
    loader = make()
    assert [seen(loader), seen(loader)] == expected[:2]
    assert loader.state == {"epoch": 2, "batch": 0}

    loader = make()
    for number, _ in enumerate(loader):
        if number == 1:
            break
    assert loader.state == {"epoch": 0, "batch": 2}
    resumed = make()
    resumed.restore(loader.state)
    assert seen(resumed) == expected[0][2:]
    assert seen(resumed) == expected[1]
    assert seen(loader) == expected[1]  # a loop left early is not continued by the next


def test_batches_are_copies():
    inputs, targets = arrays()
    for shuffle in (False, True):
        for batch, _ in DataLoader((inputs, targets), None, shuffle=shuffle):
            batch[:] = -1
    np.testing.assert_array_equal(inputs, arrays()[0])


def test_loader_errors():
    with pytest.raises(ShapeError, match=r"got inputs \(3, 2\) and targets \(2,\)"):
        DataLoader((np.zeros((3, 2)), np.zeros(2)))
    with pytest.raises(DataError, match="at least one row"):
        DataLoader((np.zeros((0, 2)), np.zeros(0)))
    with pytest.raises(DataError, match="no targets"):
        DataLoader(Part(np.zeros(3), None))
    for wrong in (0, -1, 2.5, True):
        with pytest.raises(ArgumentError, match="batch_size expects a whole number of 1 or more"):
            DataLoader(arrays(), wrong)
    for wrong in (-1, 1.5, "a"):
        with pytest.raises(ArgumentError, match="seed expects"):
            DataLoader(arrays(), seed=wrong)
    with pytest.raises(ArgumentError, match=r"a batch in \[0, 2\], got epoch 0, batch 3"):
        DataLoader(arrays(), 5).batches(0, 3)
    with pytest.raises(ArgumentError, match="epoch -1"):
        DataLoader(arrays(), 5).restore({"epoch": -1, "batch": 0})
    with pytest.raises(ShapeError, match="as many targets as inputs, got 2 targets, 3 inputs"):
        Part(np.zeros(3), np.zeros(2))


@given(
    steps=st.integers(2, 200),
    batch_size=st.integers(1, 8),
    sequence_length=st.integers(1, 20),
    shuffle=st.booleans(),
    epoch=st.integers(0, 4),
)
def test_streams_continue_from_batch_to_batch(steps, batch_size, sequence_length, shuffle, epoch):
    if steps <= batch_size:
        with pytest.raises(DataError, match=f"at least {batch_size} steps"):
            SequenceLoader(np.arange(steps), batch_size, sequence_length)
        return
    loader = SequenceLoader(np.arange(steps), batch_size, sequence_length, shuffle=shuffle)
    batches = list(loader.batches(epoch))
    assert len(batches) == len(loader)
    for inputs, targets in batches:
        assert inputs.shape == targets.shape
        assert inputs.shape[0] == batch_size
        np.testing.assert_array_equal(targets, inputs + 1)
    rows = np.concatenate([inputs for inputs, _ in batches], axis=1)
    np.testing.assert_array_equal(np.diff(rows, axis=1), 1)
    assert all(inputs.shape[1] == sequence_length for inputs, _ in batches[:-1])
    if not shuffle:
        assert rows.size >= steps - batch_size
        assert rows[0, 0] == 0
    for start in range(len(batches) + 1):
        for (ours, _), (expected, _) in zip(loader.batches(epoch, start), batches[start:], strict=True):
            np.testing.assert_array_equal(ours, expected)


def test_streams_begin_elsewhere_in_each_epoch():
    loader = SequenceLoader(np.arange(1000), 4, 16, seed=3)
    begins = {int(next(iter(loader.batches(epoch)))[0][0, 0]) for epoch in range(10)}
    assert len(begins) > 3
    assert max(begins) < 16
    assert {len(list(loader.batches(epoch))) for epoch in range(10)} == {len(loader)}
    assert loader.carries_state


def test_windows():
    loader = SequenceLoader(np.arange(200), 4, 10, contiguous=False, seed=1)
    assert len(loader) == 4
    assert not loader.carries_state
    first = list(loader.batches(0))
    begins = np.concatenate([inputs[:, 0] for inputs, _ in first])
    assert len(set(begins.tolist())) > 8
    for inputs, targets in first:
        assert inputs.shape == (4, 10)
        np.testing.assert_array_equal(np.diff(inputs, axis=1), 1)
        np.testing.assert_array_equal(targets, inputs + 1)
    np.testing.assert_array_equal(next(iter(loader.batches(0, 2)))[0], first[2][0])
    assert not np.array_equal(next(iter(loader.batches(1)))[0], first[0][0])
    fixed = SequenceLoader(np.arange(200), 4, 10, contiguous=False, shuffle=False)
    np.testing.assert_array_equal(next(iter(fixed.batches(0)))[0], next(iter(fixed.batches(1)))[0])
    shortest = SequenceLoader(np.arange(11), 2, 10, contiguous=False)
    np.testing.assert_array_equal(next(iter(shortest))[1], [np.arange(1, 11)] * 2)
    with pytest.raises(DataError, match=r"at least 10 steps .* got 9"):
        SequenceLoader(np.arange(10), 2, 10, contiguous=False)


def test_sequence_loader_takes_a_part_and_resumes():
    part = Part(np.arange(50), np.arange(1, 51))
    loader = SequenceLoader(part, 2, 5)
    iterator = iter(loader)
    next(iterator)
    resumed = SequenceLoader(part, 2, 5)
    resumed.restore(loader.state)
    np.testing.assert_array_equal(next(iter(resumed))[0], next(iterator)[0])
    assert len(SequenceLoader(part, 3, 7, shuffle=False, drop_last=True)) == 2
    assert len(SequenceLoader(part, 3, 7, shuffle=False)) == 3
    with pytest.raises(DataError, match="at least 60 steps"):
        SequenceLoader(part, 6, 10, drop_last=True)
    for wrong in (np.zeros((3, 3), int), np.zeros(9), np.array(3)):
        with pytest.raises(ShapeError, match="whole numbers of shape"):
            SequenceLoader(wrong)


def test_one_hot():
    np.testing.assert_array_equal(one_hot([[0], [2]]), [[[1, 0, 0]], [[0, 0, 1]]])
    assert one_hot([], 3).shape == (0, 3)
    assert one_hot([1], 2, "float64").dtype == np.float64
    with pytest.raises(OutOfBoundsError, match=r"indices in \[0, 2\), got 2. Did you mean classes=3\?"):
        one_hot([0, 2], 2)
    with pytest.raises(OutOfBoundsError, match="got -1"):
        one_hot([0, -1], 2)
    with pytest.raises(DTypeError, match="whole numbers, got float64"):
        one_hot([0.5])


@given(st.lists(st.lists(st.integers(-5, 5), max_size=6), min_size=1, max_size=6))
def test_padding_loses_nothing(sequences):
    values, lengths, mask = pad_sequences(sequences, value=9)
    assert values.shape == mask.shape == (len(sequences), max(map(len, sequences)))
    assert [row[:length].tolist() for row, length in zip(values, lengths, strict=True)] == sequences
    assert (values[~mask] == 9).all()
    assert mask.sum(axis=1).tolist() == [len(sequence) for sequence in sequences]


def test_padding_of_features_and_errors():
    padded = pad_sequences([np.ones((2, 3), np.float32), np.ones((1, 3), np.float32)], length=4)
    assert padded.values.shape == (2, 4, 3)
    assert padded.values.dtype == np.float32
    assert padded.values.sum() == 9
    assert pad_sequences([[1, 2], []]).values.dtype == np.int64
    with pytest.raises(ShapeError, match=r"got shape \(2, 4\) at position 1"):
        pad_sequences([np.ones((2, 3)), np.ones((2, 4))])
    with pytest.raises(ArgumentError, match="length=1 is shorter than the longest sequence of 2 steps"):
        pad_sequences([[1, 2]], length=1)
    with pytest.raises(ArgumentError, match="at least one sequence"):
        pad_sequences([])
