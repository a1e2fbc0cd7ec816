"""checkpoint_sequence: the values and gradients of the plain loop, and memory like the square root of T."""

import tracemalloc
from collections import namedtuple
from itertools import pairwise

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError, InPlaceError, ShapeError

GENERATOR = np.random.default_rng(5)


def leaf(*shape, scale=0.5):
    return dr.tensor(GENERATOR.normal(size=shape) * scale, dtype=dr.float64, requires_grad=True)


def plain_loop(step, state, inputs=None, *, steps=None, axis=1, **_):
    """What checkpoint_sequence computes, without it."""
    outputs = []
    for t in range(steps or inputs.shape[axis]):
        given = None if inputs is None else inputs[t] if axis == 0 else inputs[:, t]
        state, output = step(state, given)
        outputs.append(output)
    return state, dr.stack(outputs, axis=axis)


def gradients_of(loop, make, *leaves, **options):
    """Loss and gradients of a loop, the first of them with respect to the first state."""
    for each in leaves:
        each.grad = None
    dr.manual_seed(1)
    last, outputs = loop(*make(), **options)
    states = last if isinstance(last, tuple) else (last,)
    loss = dr.sin(outputs).sum() + sum((state * state).sum() for state in states)
    loss.backward()
    return [loss.numpy(), *(each.grad.numpy() for each in leaves)]


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("segments", [None, 1, 3, 10])
@pytest.mark.parametrize("axis", [0, 1])
def test_bits_are_those_of_the_plain_loop(segments, axis):
    x, first = leaf(*((10, 2, 3) if axis == 0 else (2, 10, 3))), leaf(2, 4)
    weight, recurrent = leaf(3, 4), leaf(4, 4)

    def step(state, given):
        state = dr.tanh(given @ weight + state @ recurrent)
        return state, state * given[:, :1]

    leaves = (x, first, weight, recurrent)
    expected = gradients_of(plain_loop, lambda: (step, first, x), *leaves, axis=axis)
    found = gradients_of(
        dr.checkpoint_sequence, lambda: (step, first, x), *leaves, axis=axis, segments=segments
    )
    same(found, expected)


def test_a_state_of_two_and_dropout_are_replayed():
    x = leaf(2, 11, 3)
    first = (leaf(2, 4), leaf(2, 4))
    cell = dr.nn.LSTMCell(3, 4, dtype=dr.float64)

    def step(state, given):
        hidden, memory = cell(dr.dropout(given, 0.4), state)
        return (hidden, memory), dr.dropout(hidden, 0.3)

    leaves = (x, *first, *cell.parameters())
    expected = gradients_of(plain_loop, lambda: (step, first, x), *leaves)
    same(gradients_of(dr.checkpoint_sequence, lambda: (step, first, x), *leaves), expected)


def test_a_tensor_of_the_surroundings_that_was_computed_outside():
    raw, first = leaf(4, 4), leaf(2, 4)

    def make():
        weight = dr.tanh(raw)  # one node, which all segments share

        def step(state, given):
            state = dr.tanh(state @ weight)
            return state, state + weight[0]

        return step, first

    expected = gradients_of(plain_loop, make, raw, first, steps=9)
    same(gradients_of(dr.checkpoint_sequence, make, raw, first, steps=9), expected)


def test_lists_of_inputs_nested_states_and_outputs():
    Pair = namedtuple("Pair", "fast slow")
    weight = leaf(3)
    inputs = [(number, dr.tensor([1.0, 2.0, 3.0], dtype=dr.float64) * number) for number in range(5)]

    def step(state, given):
        number, features = given
        fast = state["pair"].fast * weight + features
        pair = Pair(fast, state["pair"].slow + fast.sum())
        return {"pair": pair, "none": None}, (fast, [pair.slow * number], None)

    zeros = dr.zeros(3, dtype=dr.float64)
    first = {"pair": Pair(zeros, dr.zeros((), dtype=dr.float64)), "none": None}
    results = []
    for segments in (1, 2, 5):
        weight.grad = None
        last, (fast, (slow,), nothing) = dr.checkpoint_sequence(
            step, first, inputs, segments=segments, axis=0
        )
        assert fast.shape == (5, 3) and slow.shape == (5,) and nothing is None
        assert last["pair"].fast.tolist() == fast[-1].tolist() and last["none"] is None
        (fast.sum() + slow.sum() * 2.0 + last["pair"].slow).backward()
        results.append((fast.numpy(), slow.numpy(), weight.grad.numpy()))
    same(results[1], results[0])
    same(results[2], results[0])


def test_an_output_of_numbers_stands_along_one_axis():
    _, losses = dr.checkpoint_sequence(
        lambda state, x: (state + x, (state * x).sum()), dr.ones(2), steps=None, inputs=dr.ones((2, 7))
    )
    assert losses.shape == (7,)


def test_gradients_of_gradients():
    x, first = leaf(2, 6, 3).detach(), leaf(2, 3).detach()

    def penalty(loop):
        def loss(weight):
            def step(state, given):
                state = dr.tanh(given + state @ weight)
                return state, state

            return (loop(step, first, x)[1] ** 2).sum()

        return lambda weight: (dr.grad(loss)(weight) ** 2).sum()

    weight = leaf(3, 3).detach()
    expected = dr.grad(penalty(plain_loop))(weight).numpy()
    np.testing.assert_allclose(dr.grad(penalty(dr.checkpoint_sequence))(weight).numpy(), expected, rtol=1e-12)


def test_a_gradient_for_chosen_tensors_enters_only_what_it_needs():
    weight, first = leaf(3, 3), leaf(2, 3)
    start = dr.exp(first)
    _, outputs = dr.checkpoint_sequence(lambda state, _: (dr.tanh(state @ weight), state), start, steps=8)
    found = dr.gradients(outputs.sum(), [start, weight])
    _, plain = plain_loop(lambda state, _: (dr.tanh(state @ weight), state), start, steps=8)
    expected = dr.gradients(plain.sum(), [start, weight])
    same([each.numpy() for each in found], [each.numpy() for each in expected])
    assert weight.grad is None and first.grad is None


def test_gradients_are_checked_by_differences():
    x, first, weight = (leaf(*shape).detach() for shape in ((2, 7, 3), (2, 3), (3, 3)))

    def f(x, first, weight):
        last, outputs = dr.checkpoint_sequence(
            lambda state, given: (dr.tanh(given + state @ weight), state), first, x
        )
        return outputs, last

    dr.check_gradients(f, x, first, weight)


def test_writing_into_what_will_be_read_again_is_named():
    weight = leaf(3, 3)
    _, outputs = dr.checkpoint_sequence(
        lambda state, _: (dr.tanh(state @ weight), state), dr.ones((2, 3), dtype=dr.float64), steps=4
    )
    with dr.no_grad():
        weight[0, 0] = 9.0
    with pytest.raises(InPlaceError, match="of checkpoint was written into"):
        outputs.sum().backward()


def _memory(loop, steps):
    """(held after forward, peak of backward) beyond inputs, in bytes, for a network of 64 units."""
    weight = dr.tensor(np.eye(64) * 0.5, requires_grad=True)
    inputs = dr.tensor(np.zeros((1, steps, 1)))

    def step(state, given):
        state = dr.tanh(state @ weight + given)
        return state, state.sum()

    tracemalloc.start()
    loss = loop(step, dr.zeros((16, 64), dtype=dr.float64), inputs)[0].sum()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    loss.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return held, peak


def _last_state_only(step, state, inputs):
    for t in range(inputs.shape[1]):
        state, _ = step(state, inputs[:, t])
    return state, None


def test_memory_grows_with_the_square_root_of_the_steps():
    """From 256 to 1,024 and 4,096 steps: a plain loop holds four times as much, a checkpointed one twice."""
    found = [_memory(dr.checkpoint_sequence, steps) for steps in (256, 1024, 4096)]
    for (held, peak), (held_later, peak_later) in pairwise(found):
        assert held_later < 2.3 * held
        assert peak_later < 2.3 * peak
    held, peak = _memory(_last_state_only, 1024)
    assert found[1][1] < peak / 6


@pytest.mark.parametrize(
    ("arguments", "options", "error", "says"),
    [
        ((None,), {}, ArgumentError, "at least one time step, got None"),
        (([],), {}, ArgumentError, "at least one time step, got 0"),
        ((dr.ones((2, 0, 3)),), {}, ArgumentError, "at least one time step, got 0"),
        ((dr.ones(3),), {}, ShapeError, r"inputs expected an axis 1 for time, got shape \(3,\)"),
        ((np.ones((2, 3)),), {}, ArgumentError, "got ndarray. Convert arrays with dr.tensor"),
        ((dr.ones((2, 3)),), {"steps": 4}, ArgumentError, "steps expected 3, which inputs has, got 4"),
        ((dr.ones((2, 3)),), {"axis": 2}, ArgumentError, "axis expected 0 or 1, got 2"),
        ((dr.ones((2, 3)),), {"segments": 4}, ArgumentError, "from 1 to the 3 steps, got 4"),
        ((dr.ones((2, 3)),), {"segments": 0}, ArgumentError, "from 1 to the 3 steps, got 0"),
        ((dr.ones((2, 3)),), {"segments": 1.5}, ArgumentError, "got 1.5"),
    ],
)
def test_wrong_arguments_are_named(arguments, options, error, says):
    with pytest.raises(error, match=says):
        dr.checkpoint_sequence(lambda state, x: (state, x), dr.ones(2), *arguments, **options)


@pytest.mark.parametrize(
    ("result", "says"), [(lambda s: s, "got Tensor"), (lambda s: (s,) * 3, "got 3 parts")]
)
def test_a_step_returns_a_pair(result, says):
    with pytest.raises(ArgumentError, match=says):
        dr.checkpoint_sequence(lambda state, _: result(state), dr.ones(2), steps=2)


def test_outputs_must_agree():
    def step(state, given):
        return state, [state] * int(given.sum().item())

    with pytest.raises(ShapeError, match=r"as many tensors in all steps, got \[1, 2\]"):
        dr.checkpoint_sequence(step, dr.ones(2), dr.tensor([[1.0, 2.0]]))
