"""grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp and their nesting."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError, DTypeError, GraphError, ShapeError

X = np.array([0.3, -1.2, 0.7])


def wavy(x):
    return (dr.sin(x) * x * x).sum()


def test_grad_and_value():
    value, gradient = dr.value_and_grad(wavy)(X)
    np.testing.assert_allclose(value.item(), np.sum(np.sin(X) * X * X))
    np.testing.assert_allclose(gradient.numpy(), np.cos(X) * X * X + 2 * X * np.sin(X))
    assert not value.requires_grad
    assert not gradient.requires_grad


def test_grad_of_several_arguments_and_aux():
    gradients = dr.grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(X, 2 * X)
    np.testing.assert_allclose(gradients[0].numpy(), 2 * X)
    np.testing.assert_allclose(gradients[1].numpy(), X)
    gradient, aux = dr.grad(lambda a: ((a * a).sum(), "note"), has_aux=True)(X)
    assert aux == "note"
    np.testing.assert_allclose(gradient.numpy(), 2 * X)


def test_grad_leaves_its_arguments_alone():
    x = dr.tensor(X, requires_grad=True)
    dr.grad(wavy)(x)
    assert x.grad is None


@pytest.mark.parametrize(("order", "expected"), [(1, 4 * 8), (2, 12 * 4), (3, 24 * 2), (4, 24), (5, 0)])
def test_gradients_of_gradients_to_any_order(order, expected):
    f = lambda x: x**4  # noqa: E731 - reads best as a formula
    for _ in range(order):
        f = dr.grad(f)
    assert f(2.0).item() == pytest.approx(expected, abs=1e-4)


def test_grad_through_a_closure_of_an_outer_trace():
    outer = dr.grad(lambda a: dr.grad(lambda b: a * a * b)(1.0))
    assert outer(3.0).item() == pytest.approx(6.0)


def test_grad_result_differentiates_for_tensors_that_need_it():
    x = dr.tensor(X, requires_grad=True)
    penalty = (dr.grad(wavy)(x) ** 2).sum()
    penalty.backward()
    expected = dr.grad(lambda z: (dr.grad(wavy)(z) ** 2).sum())(X)
    np.testing.assert_allclose(x.grad.numpy(), expected.numpy())


def test_grad_works_inside_no_grad():
    with dr.no_grad():
        assert dr.grad(lambda x: x * x)(3.0).item() == 6.0


def test_function_that_ignores_its_argument_has_gradient_zero():
    assert dr.grad(lambda x: dr.tensor(1.0))(3.0).item() == 0.0


def test_vjp_and_jvp_agree_with_the_jacobian():
    def f(x):
        return dr.stack([x[0] * x[1], dr.sin(x[2]), x[0] ** 3, x[2] * x[1]])

    J = dr.jacobian(f)(X).numpy()
    assert J.shape == (4, 3)
    value, pull = dr.vjp(f, X)
    u, v = np.array([1.0, -2.0, 0.5, 3.0]), np.array([0.2, 1.0, -1.0])
    np.testing.assert_allclose(pull(u)[0].numpy(), u @ J, rtol=1e-12)
    same, pushed = dr.jvp(f, (X,), (v,))
    np.testing.assert_allclose(pushed.numpy(), J @ v, rtol=1e-12)
    np.testing.assert_allclose(value.numpy(), same.numpy())


def test_vjp_of_several_outputs():
    (a, b), pull = dr.vjp(lambda x, y: (x * y, x + y), 2.0, 3.0)
    assert (a.item(), b.item()) == (6.0, 5.0)
    gx, gy = pull((1.0, 10.0))
    assert (gx.item(), gy.item()) == (13.0, 12.0)


def test_hessian_and_hvp_agree():
    H = dr.hessian(wavy)(X).numpy()
    expected = np.diag(-np.sin(X) * X * X + 4 * X * np.cos(X) + 2 * np.sin(X))
    np.testing.assert_allclose(H, expected, atol=1e-12)
    v = np.array([1.0, 2.0, -1.0])
    np.testing.assert_allclose(dr.hvp(wavy, X, v).numpy(), expected @ v, atol=1e-12)


def test_hessian_of_a_matrix_argument():
    A = np.arange(6.0).reshape(2, 3)
    H = dr.hessian(lambda x: (x**2).sum() + x[0, 0] * x[1, 2])(A)
    assert H.shape == (2, 3, 2, 3)
    assert H[0, 0, 1, 2].item() == 1.0
    assert H[1, 1, 1, 1].item() == 2.0


def test_jvp_nested_in_grad():
    directional = lambda x: dr.jvp(lambda z: z**3, (x,), (dr.tensor(1.0),))[1]  # noqa: E731
    assert dr.grad(directional)(2.0).item() == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: dr.grad(lambda x: x * 2.0)(X), GraphError, r"returned shape \(3,\), expected a single"),
        (lambda: dr.grad(lambda x: 3.0)(X), GraphError, "returned float, expected a tensor"),
        (lambda: dr.grad(wavy, argnums=2)(X), ArgumentError, "argnums 2 is out of range: the call has 1"),
        (lambda: dr.grad(wavy)(np.array([1, 2])), DTypeError, "only floating tensors"),
        (lambda: dr.jvp(wavy, (X,), (X[:2],)), ShapeError, r"a tangent has shape \(2,\), its primal \(3,\)"),
        (lambda: dr.hvp(wavy, X, X[:2]), ShapeError, r"a vector has shape \(2,\)"),
    ],
)
def test_bad_calls_are_answered_clearly(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_jacobian_and_hessian_for_several_arguments_and_outputs():
    a, b = dr.tensor(X), dr.tensor(X[:2])

    def f(a, b):
        return a * b.sum(), (b * b).sum()

    (first_a, first_b), (second_a, second_b) = dr.jacobian(f, argnums=(0, 1))(a, b)
    np.testing.assert_allclose(first_a.numpy(), np.eye(3) * X[:2].sum())
    np.testing.assert_allclose(first_b.numpy(), np.outer(X, np.ones(2)))
    np.testing.assert_array_equal(second_a.numpy(), np.zeros(3))
    np.testing.assert_allclose(second_b.numpy(), 2 * X[:2])

    blocks = dr.hessian(lambda a, b: (a * a).sum() * b.sum(), argnums=(0, 1))(a, b)
    np.testing.assert_allclose(blocks[0][0].numpy(), 2 * np.eye(3) * X[:2].sum())
    np.testing.assert_allclose(blocks[0][1].numpy(), np.outer(2 * X, np.ones(2)))
    np.testing.assert_allclose(blocks[1][0].numpy(), np.outer(np.ones(2), 2 * X))
    np.testing.assert_array_equal(blocks[1][1].numpy(), np.zeros((2, 2)))
