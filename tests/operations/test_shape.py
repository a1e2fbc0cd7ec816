"""What the table of rows cannot say of shapes: memory that is shared or copied, types, aliases."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.autodiff.backward import gradients
from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.formula.latex import latex_lines
from deltarule.errors import InPlaceError
from deltarule.operations.arrangement import flip
from deltarule.operations.joining import concat, split, stack, unstack
from deltarule.operations.padding import pad
from deltarule.operations.shape import (
    expand_dims,
    flatten,
    moveaxis,
    permute_dims,
    reshape,
    squeeze,
    swapaxes,
)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: reshape(x, (3, 2)),
        lambda x: reshape(x, (6,), copy=False),
        flatten,
        permute_dims,
        lambda x: swapaxes(x, 0, 1),
        lambda x: moveaxis(x, 0, 1),
        lambda x: expand_dims(x, 1),
        lambda x: squeeze(expand_dims(x, 1), 1),
        flip,
        lambda x: split(x, 2)[1],
        lambda x: unstack(x)[1],
    ],
)
def test_views_share_memory_and_know_when_it_is_written(view) -> None:
    x = tensor(np.arange(6.0).reshape(2, 3))
    weight = tensor(np.asarray(2.0), requires_grad=True)
    seen = view(x)
    assert np.shares_memory(seen.numpy(), x.numpy())
    product = weight * seen
    x[...] = 0.0
    assert not seen.numpy().any()
    with pytest.raises(InPlaceError):
        gradients(product, [weight], [np.ones(product.shape)])


@pytest.mark.parametrize("copy", [True, None])
def test_reshape_copies_when_asked_to_or_when_it_must(copy: bool | None) -> None:
    x = tensor(np.arange(6.0).reshape(2, 3))
    source = x if copy else permute_dims(x)
    y = reshape(source, (6,), copy=copy)
    assert not np.shares_memory(y.numpy(), x.numpy())
    assert y.tolist() == source.numpy().ravel().tolist()


def test_joined_types_promote_and_gradients_come_back_in_their_own() -> None:
    single = tensor([1.0, 2.0], requires_grad=True)
    double = tensor(np.array([3.0]), requires_grad=True)
    joined = concat([single, double, [4]])
    assert joined.dtype == np.float64
    found = gradients(joined, [single, double], [np.array([5.0, 6.0, 7.0, 8.0])])
    assert [each.dtype for each in found] == [np.float32, np.float64]
    assert [each.tolist() for each in found] == [[5.0, 6.0], [7.0]]
    assert stack([tensor([1]), tensor([2])]).dtype == np.int64


def test_the_same_part_twice_gets_both_gradients() -> None:
    x = tensor(np.ones(2), requires_grad=True)
    for joined, upstream in ((concat([x, x]), np.arange(4.0)), (stack([x, x]), np.arange(4.0).reshape(2, 2))):
        assert gradients(joined, [x], [upstream])[0].tolist() == [2.0, 4.0]


def test_padding_keeps_the_type_and_a_constant_gets_no_gradient() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    y = pad(x, 1, constant_values=9.0)
    assert y.dtype == np.float32
    assert y.tolist() == [9.0, 1.0, 2.0, 9.0]
    assert gradients(y, [x], [np.array([1.0, 2.0, 3.0, 4.0])])[0].tolist() == [2.0, 3.0]
    assert pad(tensor([1, 2]), (1, 0)).tolist() == [0, 1, 2]


def test_formulas_read_as_one_would_write_them() -> None:
    x = tensor(np.ones((2, 6)), requires_grad=True)

    def written(y) -> tuple[str, str]:
        operation = y.node.operation
        formula = operation.formula(operation.call(y.node))
        return latex_lines(formula.value.index)[0], latex_lines(formula.value.matrix, matrix=True)[0]

    row, column = (
        r"\left\lfloor \tfrac{3 \, i + j}{6} \right\rfloor",
        r"\left(3 \, i + j\right) \bmod 6",
    )
    assert written(reshape(x, (4, 3)))[0] == f"y_{{ij}} = x_{{{row}, {column}}}"
    assert written(reshape(x, (2, 1, 6)))[0] == "y_{ijk} = x_{ik}"
    assert written(permute_dims(x)) == ("y_{ji} = x_{ij}", r"Y = X^{\mathsf{T}}")
    assert written(flip(x, 1))[0] == "y_{ij} = x_{i, 5 - j}"
    assert written(x[1, 2::3]) == (r"y_{i} = x_{1, 3 \, i + 2}", r"Y = {X}_{\left[1, 2:6:3\right]}")
    assert written(concat([x, x], 1))[1] == r"Y = \operatorname{concat}_{1}\left(X^{(0)}, X^{(1)}\right)"
