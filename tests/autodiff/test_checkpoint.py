"""checkpoint: same values, same gradients, less memory."""

import tracemalloc

import numpy as np
import pytest

import deltarule as dr

X = np.linspace(-1.0, 1.0, 6).reshape(2, 3)


def test_value_and_gradient_are_the_same_to_the_last_bit():
    w = dr.tensor(X * 0.7, requires_grad=True)

    def f(x, factor):
        return dr.tanh(x * w) * factor

    results = []
    for each in (f, dr.checkpoint(f)):
        w.grad = None
        x = dr.tensor(X, requires_grad=True)
        y = each(x, 2.0)
        (y * y).sum().backward()
        results.append((y.numpy(), x.grad.numpy(), w.grad.numpy()))
    for plain, recomputed in zip(*results, strict=True):
        np.testing.assert_array_equal(plain, recomputed)


def test_intermediate_tensors_of_the_surroundings_get_their_gradient():
    w = dr.tensor(X, requires_grad=True)
    h = dr.exp(w)
    x = dr.tensor(X, requires_grad=True)
    (dr.checkpoint(lambda x: x * h)(x) + h).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), np.exp(X) * (X + 1))


def test_several_outputs():
    x = dr.tensor(X, requires_grad=True)
    a, b = dr.checkpoint(lambda x: (x * x, dr.sin(x)))(x)
    (a.sum() + b.sum() * 3.0).backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * X + 3 * np.cos(X))


def test_second_derivatives():
    plain = dr.grad(lambda x: (dr.grad(lambda z: dr.tanh(z * z).sum())(x) ** 2).sum())(X)
    recomputed = dr.grad(
        lambda x: (dr.grad(lambda z: dr.checkpoint(lambda u: dr.tanh(u * u))(z).sum())(x) ** 2).sum()
    )(X)
    np.testing.assert_allclose(plain.numpy(), recomputed.numpy(), rtol=1e-12)


def test_random_numbers_are_replayed():
    dr.manual_seed(3)
    x = dr.tensor(np.ones((4, 50)), requires_grad=True)
    y = dr.checkpoint(lambda x: dr.dropout(x, 0.5, training=True))(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())


def test_without_recording_it_just_computes():
    with dr.no_grad():
        assert not dr.checkpoint(dr.exp)(dr.tensor(1.0, requires_grad=True)).requires_grad


def test_memory_between_is_not_kept():
    def deep(x):
        for _ in range(20):
            x = dr.tanh(x)
        return x

    def held(f):
        x = dr.tensor(np.ones(100_000), requires_grad=True)
        tracemalloc.start()
        y = f(x)
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert y.requires_grad
        return size

    assert held(dr.checkpoint(deep)) < held(deep) / 8


def test_errors_inside_pass_through():
    with pytest.raises(ZeroDivisionError):
        dr.checkpoint(lambda x: x * (1 // 0))(dr.tensor(1.0, requires_grad=True))


def test_arguments_by_name():
    def f(x, *, scale, factor=1.0, shift):
        return dr.tanh(x * scale) * factor + shift

    results = []
    for each in (f, dr.checkpoint(f)):
        x = dr.tensor(X, requires_grad=True)
        scale, shift = dr.tensor(X + 2.0, requires_grad=True), dr.tensor(X * 3.0, requires_grad=True)
        each(x, scale=scale, factor=2.0, shift=shift).sum().backward()
        results.append([x.grad.numpy(), scale.grad.numpy(), shift.grad.numpy()])
    for expected, found in zip(*results, strict=True):
        np.testing.assert_array_equal(found, expected)
