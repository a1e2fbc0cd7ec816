"""Tensor as an array: creation, types, promotion, protocols."""

import copy
import pickle

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError, DTypeError, GraphError, InPlaceError, OutOfBoundsError, ShapeError


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        ([1.0, 2.0], "float32"),
        ([1, 2], "int64"),
        (True, "bool"),
        (np.float64(2.0), "float64"),
        (np.ones(2), "float64"),
        (np.ones(2, dtype=np.float16), "float16"),
        ([np.ones(2), np.ones(2)], "float64"),
        (1 + 2j, "complex128"),
        (np.array([1, 2], dtype=np.uint8), "uint8"),
    ],
)
def test_element_types(data, dtype):
    assert dr.tensor(data).dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("float32", "float64", "float64"),
        ("float32", "int64", "float32"),
        ("int8", "uint8", "int16"),
        ("bool", "int32", "int32"),
        ("float16", "float32", "float32"),
    ],
)
def test_promotion_of_arrays(left, right, expected):
    a, b = dr.tensor(np.ones(2, dtype=left)), dr.tensor(np.ones(2, dtype=right))
    assert (a + b).dtype == np.dtype(expected)
    assert (b + a).dtype == np.dtype(expected)


def test_promotion_with_python_numbers_is_weak():
    assert (dr.tensor(np.ones(2, dtype=np.float16)) * 2.0).dtype == np.float16
    assert (dr.tensor(np.ones(2)) * 2).dtype == np.float64
    assert (dr.tensor([1, 2]) * 2).dtype == np.int64
    assert (dr.tensor([1, 2]) * 2.0).dtype == np.float32
    assert (dr.tensor([1, 2]) / 2).dtype == np.float32
    assert dr.exp(dr.tensor([1, 2])).dtype == np.float32


def test_numpy_arrays_on_the_left_are_recorded():
    x = dr.tensor([1.0, 2.0], dtype=dr.float64, requires_grad=True)
    y = np.array([3.0, 4.0]) * x
    assert isinstance(y, dr.Tensor)
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]


def test_numpy_functions_do_not_cut_the_graph_silently():
    with pytest.raises(TypeError):
        np.exp(dr.tensor([1.0], requires_grad=True))


def test_protocols():
    x = dr.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.__array_namespace__() is dr
    assert np.asarray(x).shape == (2, 2)
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.from_dlpack(x), x.numpy())
    np.testing.assert_array_equal(dr.from_dlpack(np.arange(3.0)).numpy(), np.arange(3.0))
    assert len(x) == 2
    assert [row.tolist() for row in x] == [[1.0, 2.0], [3.0, 4.0]]
    assert float(x[0, 1]) == 2.0
    assert int(dr.tensor(3.7)) == 3
    assert [10, 20, 30][dr.tensor(1)] == 20
    assert x.device == "cpu"
    assert x.to_device("cpu") is x


def test_what_needs_one_element_says_so():
    x = dr.tensor([1.0, 2.0])
    for call in (x.item, lambda: float(x), lambda: bool(x), lambda: int(x)):
        with pytest.raises(ShapeError, match=r"expected a tensor of one element, got shape \(2,\)"):
            call()
    with pytest.raises(TypeError):
        len(dr.tensor(1.0))


def test_bad_data_is_answered_clearly():
    with pytest.raises(ShapeError, match="same length"):
        dr.tensor([[1, 2], [3]])
    with pytest.raises(DTypeError, match="got Python objects"):
        dr.tensor([1.0, None])


def test_setitem_and_assign():
    x = dr.zeros((2, 2))
    x[0] = 1.0
    x[1, 1] = dr.tensor(5.0)
    assert x.tolist() == [[1.0, 1.0], [0.0, 5.0]]
    x.assign(2.0)
    assert x.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    with pytest.raises(ShapeError, match=r"The tensor has shape \(2, 2\)"):
        x[0] = [1.0, 2.0, 3.0]


def test_copy_and_pickle_of_leaves():
    x = dr.tensor([1.0, 2.0], requires_grad=True)
    for other in (copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x))):  # noqa: S301 - made in this line
        assert other.tolist() == [1.0, 2.0]
        assert other.requires_grad
        assert other is not x
    for call in (copy.deepcopy, pickle.dumps):
        with pytest.raises(GraphError, match="Detach it first"):
            call(x * 2.0)


def test_repr():
    x = dr.tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "tensor([1., 2.], dtype=float32, requires_grad=True)"
    assert repr(x * 2.0) == "tensor([2., 4.], dtype=float32, from multiply)"
    assert repr(dr.tensor([1, 2])) == "tensor([1, 2])"


def test_requires_grad_of_a_result_cannot_be_switched_off():
    with pytest.raises(GraphError, match=r"Use x\.detach\(\)"):
        (dr.tensor(1.0, requires_grad=True) * 2.0).requires_grad = False


def test_operators_on_integers_and_booleans_are_those_of_their_bits():
    i, b = dr.tensor([6, -5]), dr.tensor([True, False])
    assert (i & 3).tolist() == [2, 3]
    assert (i | 1).tolist() == [7, -5]
    assert (1 ^ i).tolist() == [7, -6]
    assert (~i).tolist() == [-7, 4]
    assert (i << 1).tolist() == [12, -10]
    assert (i >> 1).tolist() == [3, -3]
    assert (True & b).tolist() == [True, False]
    assert (b ^ True).tolist() == [False, True]
    assert (~b).dtype == bool
    with pytest.raises(DTypeError, match="bitwise_and: not defined for float32"):
        dr.tensor([1.5]) & 1


def test_integers_stay_integers():
    i = dr.tensor([-1, 2])
    assert dr.relu(i).dtype == np.int64
    assert (+i).dtype == np.int64
    assert np.signbit((+dr.tensor(-0.0)).numpy())
    with pytest.raises(ArgumentError, match=r"pow: .*Convert to a floating type"):
        i**-1


def test_format_as_a_number():
    assert f"{dr.tensor(2.5):.3f}" == "2.500"
    assert f"{dr.tensor([3]):04d}" == "0003"
    assert f"{dr.tensor([1.0, 2.0])}" == "tensor([1., 2.], dtype=float32)"
    with pytest.raises(ShapeError, match="format: expected a tensor of one element"):
        f"{dr.tensor([1.0, 2.0]):.3f}"


def test_text_is_no_tensor():
    with pytest.raises(DTypeError, match="expected numbers, got elements of type <U3"):
        dr.tensor(["abc"])


def test_what_cannot_be_written_says_so():
    x = dr.tensor([1.0, 2.0])
    with pytest.raises(OutOfBoundsError, match=r"setitem: index 5 is out of bounds.*shape \(2,\)"):
        x[5] = 1.0
    with pytest.raises(ShapeError, match="setitem: could not broadcast"):
        x[:] = [1.0, 2.0, 3.0]
    spread = dr.broadcast_to(x, (3, 2))
    with pytest.raises(InPlaceError, match="spread over repeated elements"):
        spread[0] = 1.0


def test_reductions_to_booleans_and_closeness():
    x = dr.tensor([[1, 0], [2, 3]])
    assert dr.any(x, axis=(0, -1)).item() is True
    assert dr.all(x, axis=1, keepdims=True).tolist() == [[False], [True]]
    with pytest.raises(ShapeError, match="any: axis 2 does not exist"):
        dr.any(x, axis=2)
    with pytest.raises(ShapeError, match="isclose: shapes"):
        dr.allclose([1.0, 2.0], [1.0, 2.0, 3.0])
    nan = dr.tensor(float("nan"))
    assert not dr.allclose(nan, nan)
    assert dr.allclose(nan, nan, equal_nan=True)


def test_sizes_below_zero_are_refused():
    with pytest.raises(ShapeError, match="expected sizes of 0 or more"):
        dr.zeros((2, -1))
