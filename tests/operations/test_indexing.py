"""What the table of rows cannot say of indexing: views, repeated indices, random keys, padding tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.autodiff.backward import gradients
from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import InPlaceError
from deltarule.operations.embedding import embedding
from deltarule.operations.gathering import index_add, scatter_add, take, take_along_axis
from deltarule.operations.indexing import getitem, nonzero, one_hot


def leaf(array: Any, dtype: Any = np.float64) -> Tensor:
    return tensor(np.asarray(array), dtype=dtype, requires_grad=True)


def gradient_of(output: Tensor, x: Tensor, upstream: Any) -> np.ndarray:
    (gradient,) = gradients(output, [x], [upstream])
    assert gradient is not None
    return gradient.numpy()


@st.composite
def keys(draw: Any) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """A shape and a key that NumPy takes for it, with up to one index array for each axis."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    common = draw(st.sampled_from([(), (2,), (1,), (3, 2), (0,)]))
    parts: list[Any] = []
    # An ellipsis stands for the axes from `first` to `last`, perhaps for none.
    first = draw(st.integers(0, len(shape)))
    last = draw(st.integers(first, len(shape)))
    for axis, extent in enumerate(shape):
        if axis == first and (last < len(shape) or draw(st.booleans())):
            parts.append(Ellipsis)
        if first <= axis < last:
            continue
        kind = draw(st.sampled_from(["integer", "slice", "array", "array", "new", "mask"]))
        if kind == "new":
            parts.append(None)
            kind = "slice"
        if kind == "integer":
            parts.append(draw(st.integers(-extent, extent - 1)))
        elif kind == "slice":
            ends = st.none() | st.integers(-extent - 2, extent + 2)
            parts.append(slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, -1, -2]))))
        elif kind == "mask":
            mask = np.zeros(extent, dtype=bool)
            mask[draw(st.integers(0, extent - 1))] = True
            parts.append(mask)
        else:
            spread = tuple(size if draw(st.booleans()) else 1 for size in common)
            size = int(np.prod(spread))
            picked = draw(st.lists(st.integers(-extent, extent - 1), min_size=size, max_size=size))
            parts.append(np.array(picked, dtype=np.int64).reshape(spread))
    return shape, tuple(parts)


@given(keys())
def test_random_keys_pick_what_numpy_picks(drawn: Any) -> None:
    shape, key = drawn
    generator = np.random.default_rng(5)
    array = generator.standard_normal(shape)
    expected = np.asarray(array[key])
    x = leaf(array)
    y = getitem(x, key)
    np.testing.assert_array_equal(y.numpy(), expected)
    upstream = generator.standard_normal(expected.shape)
    added = np.zeros(shape)
    np.add.at(added, key, upstream)
    np.testing.assert_allclose(gradient_of(y, x, upstream), added, atol=1e-12)


@pytest.mark.parametrize(
    "key", [([0, 1], Ellipsis, [1, 2]), (slice(None), [0], Ellipsis, [1]), (0, Ellipsis, [1, 2])]
)
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 4, 5), (2, 3, 3)])
def test_an_ellipsis_between_index_arrays_moves_their_axes_to_the_front(key: Any, shape: Any) -> None:
    array = np.arange(float(np.prod(shape))).reshape(shape)
    np.testing.assert_array_equal(getitem(tensor(array), key).numpy(), array[key])


def test_slices_share_memory_and_index_arrays_do_not() -> None:
    x = tensor(np.arange(6.0).reshape(2, 3))
    view, picked = getitem(x, (slice(None), 1)), getitem(x, [0, 1])
    x[0, 1] = 50.0
    assert view.tolist() == [50.0, 4.0]
    assert picked.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_writing_into_a_view_that_a_gradient_needs_is_found() -> None:
    x = tensor(np.arange(4.0))
    weight = leaf(2.0)
    loss = weight * getitem(x, slice(1, 3))
    x[0] = 7.0
    with pytest.raises(InPlaceError, match="multiply"):
        gradients(loss, [weight], [np.ones(2)])


def test_writing_into_recorded_indices_is_found() -> None:
    indices = tensor(np.array([0, 2]))
    x = leaf(np.arange(3.0))
    y = take(x, indices)
    indices[0] = 1
    with pytest.raises(InPlaceError, match="indices0 of gather"):
        gradients(y, [x], [np.ones(2)])


def test_a_slice_of_a_leaf_may_be_written_since_its_gradient_reads_no_elements() -> None:
    x = leaf(np.arange(4.0))
    y = getitem(x, slice(1, 3))
    x.detach()[...] = 0.0
    assert gradient_of(y, x, np.array([2.0, 3.0])).tolist() == [0.0, 2.0, 3.0, 0.0]


@pytest.mark.parametrize("width", [1, 3, 40])
def test_repeated_indices_add_up_in_float32(width: int) -> None:
    x = leaf(np.zeros((4, width)), np.float32)
    y = take(x, np.array([3, 1, 3, 3, 1]), axis=0)
    upstream = np.arange(5 * width, dtype=np.float32).reshape(5, width)
    found = gradient_of(y, x, upstream)
    assert found.dtype == np.float32
    expected = np.stack(
        [np.zeros(width), upstream[1] + upstream[4], np.zeros(width), upstream[0] + upstream[2] + upstream[3]]
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64])
def test_every_integer_type_indexes(dtype: Any) -> None:
    array = np.arange(600.0).reshape(200, 3)
    indices = np.array([100, 0, 127, 100], dtype=dtype)
    upstream = np.arange(12.0).reshape(4, 3)
    expected = np.zeros_like(array)
    np.add.at(expected, indices.astype(int), upstream)
    x = leaf(array)
    for y in (getitem(x, indices), take(x, indices, axis=0), embedding(indices, x)):
        np.testing.assert_array_equal(y.numpy(), array[indices])
        np.testing.assert_array_equal(gradient_of(y, x, upstream), expected)
    line = leaf(array[:, 0])
    y = take_along_axis(line, indices, 0)
    np.testing.assert_array_equal(gradient_of(y, line, upstream[:, 0]), expected[:, 0] * 1.0)
    added = scatter_add(np.zeros(200), indices, upstream[:, 0])
    np.testing.assert_array_equal(added.numpy(), expected[:, 0])


def test_narrow_negative_indices_count_from_the_end_of_a_long_axis() -> None:
    array = np.arange(300.0)
    assert take(tensor(array), np.array([-1, 5], dtype=np.int8)).tolist() == [299.0, 5.0]


def test_integers_and_booleans_can_be_indexed_and_keep_their_type() -> None:
    whole = tensor(np.arange(6).reshape(2, 3))
    assert getitem(whole, (1, [0, 2])).dtype == np.int64
    assert getitem(whole > 2, (slice(None), 0)).tolist() == [False, True]
    assert index_add(tensor([0, 0]), [1, 1], tensor([2, 3])).tolist() == [0, 5]
    assert index_add(tensor([0, 0]), [1], tensor([0.5])).dtype == np.float32


def test_a_mask_of_the_tensor_itself() -> None:
    x = leaf([-1.0, 2.0, -3.0, 4.0])
    y = getitem(x, x > 0)
    assert y.tolist() == [2.0, 4.0]
    assert gradient_of(y, x, np.array([5.0, 6.0])).tolist() == [0.0, 5.0, 0.0, 6.0]


def test_nonzero_finds_what_indexing_picks() -> None:
    x = tensor([[0.0, 3.0], [5.0, 0.0]])
    assert [each.tolist() for each in nonzero(x)] == [[0, 1], [1, 0]]
    assert getitem(x, nonzero(x)).tolist() == [3.0, 5.0]


def test_one_hot_counts_classes_and_takes_the_default_float() -> None:
    encoded = one_hot([2, 0])
    assert encoded.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert encoded.dtype == np.float32
    assert one_hot([1], 2, dtype=np.int64).dtype == np.int64


@pytest.mark.parametrize("padding", [1, -4])
def test_a_padding_token_gets_no_gradient(padding: int) -> None:
    table = leaf(np.arange(10.0).reshape(5, 2))
    indices = np.array([[1, 4], [1, 0]])
    y = embedding(indices, table, padding_idx=padding)
    np.testing.assert_array_equal(y.numpy(), table.numpy()[indices])
    upstream = np.array([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    expected = [[7.0, 8.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [3.0, 4.0]]
    assert gradient_of(y, table, upstream).tolist() == expected
    (recorded,) = gradients(y, [table], [leaf(upstream)], create_graph=True)
    assert recorded is not None
    assert recorded.tolist() == expected
    formula = y.node.operation.formula(y.node.operation.call(y.node)).gradients["weight"]
    for lines in (formula.index, formula.matrix):
        solved = solve(lines, {"indices": indices, "weight": table.numpy(), "grad_y": upstream})
        assert solved["grad_weight"].tolist() == expected


def test_the_gradient_of_a_blocked_gradient_is_blocked_too() -> None:
    upstream, table = leaf(np.ones((2, 3))), leaf(np.ones((4, 3)))
    (first,) = gradients(embedding([0, 2], table, 2), [table], [upstream], create_graph=True)
    (second,) = gradients(first, [upstream], [np.ones((4, 3))])
    assert second.tolist() == [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
