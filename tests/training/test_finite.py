"""Which operation produced NaN or infinity first: in values, in gradients, in the data itself."""

import numpy as np
import pytest

from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.finite import is_finite, locate_nonfinite, locate_nonfinite_gradient
from deltarule.autodiff.recording import name_scope
from deltarule.autodiff.tensor import Tensor
from deltarule.operations.functions import exp, log, sqrt
from deltarule.operations.reductions import sum as total
from deltarule.operations.softmax import softmax

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def leaf(*values) -> Tensor:
    return tensor(np.array(values), requires_grad=True)


def test_the_first_operation_is_named_with_its_layer():
    x = leaf(1.0, 0.0, 4.0)
    with name_scope("encoder"), name_scope("0"):
        y = log(x * 2.0)
    found = locate_nonfinite(total(exp(y) - y) * 3.0)
    assert found is not None
    assert (found.operation, found.scope, found.what) == ("log", "encoder.0", "value")
    assert (found.found, found.count, found.size, found.index) == ("infinity", 1, 3, (1,))
    assert str(found) == (
        "log in encoder.0 produced it first: its output has infinity in 1 of 3 elements, the first at (1,), "
        "computed from x (3,) from 0 to 8"
    )


def test_a_finite_loss_has_no_such_place():
    assert locate_nonfinite(total(leaf(1.0, 2.0))) is None
    assert locate_nonfinite_gradient(total(leaf(1.0, 2.0) * 2.0)) is None


def test_a_mask_of_infinity_is_not_blamed():
    x = leaf(1.0, 0.0)
    masked = softmax(leaf(1.0, 2.0) + Tensor(np.array([0.0, -np.inf])), axis=0)
    found = locate_nonfinite(total(masked + log(x)))
    assert found is not None
    assert found.operation == "log"


def test_data_that_is_not_finite_is_named_itself():
    data = Tensor(np.array([1.0, np.nan]))
    found = locate_nonfinite(total(leaf(1.0, 2.0) * data))
    assert found is not None
    assert found.operation == ""
    assert str(found) == ("the input b of multiply already holds NaN in 1 of 2 elements, the first at (1,)")
    weight = leaf(np.inf, 1.0)
    weight.name = "weight"
    assert locate_nonfinite(total(weight * 2.0)).place == "weight"  # type: ignore[union-attr]
    assert locate_nonfinite(Tensor(np.array(np.nan))).place == "the loss"  # type: ignore[union-attr]


def test_the_first_of_several_is_named():
    x = leaf(0.0)
    early = log(x)
    late = sqrt(x - 1.0)
    assert locate_nonfinite(total(late + early)).operation == "log"  # type: ignore[union-attr]


def test_a_gradient_from_finite_values():
    x = leaf(4.0, 0.0)
    with name_scope("norm"):
        y = sqrt(x)
    loss = total(y * 2.0)
    assert is_finite(loss.data)
    found = locate_nonfinite_gradient(loss)
    assert found is not None
    assert (found.operation, found.scope, found.what, found.name) == ("sqrt", "norm", "gradient", "x")
    assert "the gradient of its input x has infinity in 1 of 2 elements, the first at (1,)" in str(found)
    assert "upstream gradient (2,) from 2 to 2" in str(found)
    assert x.grad is None


def test_a_sum_of_gradients_that_overflows():
    x = tensor(np.array([1.0], np.float32), requires_grad=True)
    large = Tensor(np.array([3e38], np.float32))
    found = locate_nonfinite_gradient(total(x * large + x * large))
    # No single step overflows, only the leaf's sum.
    assert found is None or found.place.startswith("the summed gradient")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_is_finite(dtype):
    # The squares overflow, the numbers do not.
    for size in (3, 20_000):
        assert is_finite(np.full(size, np.finfo(dtype).max, dtype))
        for bad in (np.nan, np.inf, -np.inf):
            array = np.ones((2, size), dtype)
            array[1, size // 2] = bad
            assert not is_finite(array[:, ::-1])
            assert is_finite(array[:1])
    assert is_finite(np.zeros((0, 2), dtype))
    assert is_finite(np.array(1.0, dtype))
    assert not is_finite(np.array(np.nan, dtype))
    assert is_finite(np.array([1, 2]))
