"""checkpoint: same values, same gradients, less memory."""

import tracemalloc

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import GraphError

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


def test_sums_over_several_checkpoints_have_the_bits_of_the_plain_pass():
    """Float32 sums depend on their order, which is that of the pass without checkpoints."""
    generator = np.random.default_rng(0)
    arrays = [generator.normal(size=(16, 16)).astype(np.float32) for _ in range(2)]

    def gradient(wrap):
        w = dr.tensor(arrays[0] * 0.2, requires_grad=True)

        def twice(x):
            return dr.tanh(dr.tanh(x @ w) @ w)

        x = dr.tensor(arrays[1])
        for _ in range(10):
            x = wrap(twice)(x)
        x.sum().backward()
        return w.grad.numpy()

    np.testing.assert_array_equal(gradient(dr.checkpoint), gradient(lambda f: f))


def test_checkpoints_in_checkpoints():
    w = dr.tensor(X.T @ X, requires_grad=True)
    inner = dr.checkpoint(lambda x: dr.tanh(x @ w))
    outer = dr.checkpoint(lambda x: inner(inner(x)) * w[0])
    gradients = []
    for f in (outer, lambda x: dr.tanh(dr.tanh(x @ w) @ w) * w[0]):
        w.grad = None
        x = dr.tensor(X, requires_grad=True)
        f(x).sum().backward()
        gradients.append((x.grad.numpy(), w.grad.numpy()))
    for found, expected in zip(*gradients, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_nested_arguments_and_results():
    def f(state, options):
        return {"sum": state[0] + state[1], "parts": (state[0] * options["factor"], None, 7)}

    a, b = (dr.tensor(X * scale, requires_grad=True) for scale in (1.0, 2.0))
    found = dr.checkpoint(f)((a, b), {"factor": b})
    assert found["parts"][1:] == (None, 7)
    (found["sum"] * found["parts"][0]).sum().backward()
    # (a + b) a b
    np.testing.assert_allclose(a.grad.numpy(), (2 * X + 2 * X) * 2 * X)
    np.testing.assert_allclose(b.grad.numpy(), (X + 2 * 2 * X) * X)


def test_a_function_that_returns_its_input_or_its_surroundings():
    h = dr.exp(dr.tensor(X, requires_grad=True)).retain_grad()
    x = dr.tensor(X, requires_grad=True)
    same, outside = dr.checkpoint(lambda x: (x, h))(x)
    (same * 3.0 + outside * 5.0).sum().backward()
    assert (x.grad.numpy() == 3.0).all() and (h.grad.numpy() == 5.0).all()


def test_the_same_tensor_twice_and_from_the_surroundings():
    x = dr.tensor(X, requires_grad=True)
    dr.checkpoint(lambda a, b: a * b * x)(x, x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 3 * X * X)


def test_an_observed_pass_sees_the_checkpoint_as_one_operation():
    x = dr.tensor(X, requires_grad=True)
    h = dr.exp(x)
    graph = dr.Graph(dr.checkpoint(lambda h: h * h * x)(h).sum())
    assert [step.operation for step in graph.steps] == ["exp", "checkpoint", "sum"]
    gradients = graph.gradients()
    np.testing.assert_allclose(gradients[graph.number_of(h)], 2 * np.exp(X) * X)
    np.testing.assert_allclose(gradients[graph.number_of(x)], np.exp(2 * X) * (2 * X + 1))


def test_a_function_without_a_tensor_is_refused():
    with pytest.raises(GraphError, match="checkpoint: the function returned no tensor"):
        dr.checkpoint(lambda x: None)(dr.tensor(1.0))


def test_backward_holds_one_checkpoint_at_a_time():
    def peak(wrap):
        x = dr.tensor(np.ones(20_000), requires_grad=True)
        y = x
        for _ in range(10):
            y = wrap(lambda y: dr.tanh(dr.tanh(dr.tanh(dr.tanh(dr.tanh(dr.tanh(y)))))))(y)
        tracemalloc.start()
        y.sum().backward()
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size / 160_000

    # One segment's six results and the gradients on their way.
    assert peak(dr.checkpoint) < 6 + 3.1
