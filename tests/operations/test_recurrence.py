"""What the case table cannot say of recurrent operations: padding, large sizes, cells in the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deltarule.autodiff.backward import gradients, nodes_below
from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.operation import REGISTRY
from deltarule.autodiff.tensor import Tensor
from deltarule.operations.recurrence import gru, lstm, lstm_cell, rnn
from tests.operations.recurrence_reference import lstm_step, sequence

LAYERS = [(rnn, 1, 1), (gru, 3, 1), (lstm, 4, 2)]
each_layer = pytest.mark.parametrize(("function", "gates", "count"), LAYERS, ids=["rnn", "gru", "lstm"])


def _inputs(
    gates: int, count: int, batch: int, steps: int, features: int, hidden: int, dtype: Any
) -> list[Tensor]:
    generator = np.random.default_rng(5)
    rows = gates * hidden
    shapes = [
        (batch, steps, features),
        *[(batch, hidden)] * count,
        (rows, features),
        (rows, hidden),
        (rows,),
        (rows,),
    ]
    return [tensor(generator.uniform(-0.4, 0.4, shape), dtype=dtype, requires_grad=True) for shape in shapes]


@each_layer
@pytest.mark.parametrize("reverse", [False, True])
def test_what_stands_in_padding_does_not_matter(function: Any, gates: int, count: int, reverse: bool) -> None:
    inputs = _inputs(gates, count, 2, 4, 3, 5, np.float64)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    spoiled = inputs[0].numpy().copy()
    spoiled[1, 2:] = np.nan

    def run(x: Tensor) -> list[np.ndarray]:
        output, *last = function(x, *inputs[1:], mask, reverse=reverse)
        found = gradients(
            [output, *last], [x, *inputs[1:]], [np.ones(part.shape) for part in (output, *last)]
        )
        return [each.numpy() for each in (output, *last, *found) if each is not None]

    found, expected = run(tensor(spoiled, requires_grad=True)), run(inputs[0])
    assert len(found) == 1 + count + 5 + count
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not found[1 + count][1, 2:].any(), "padding gets no gradient"


@each_layer
def test_large_layer_in_float32_equals_its_open_form(function: Any, gates: int, count: int) -> None:
    inputs = _inputs(gates, count, 7, 33, 19, 37, np.float32)
    result = function(*inputs)
    node = result[0].node
    opened = REGISTRY[function.__name__].open(*inputs, **node.parameters)
    upstream = [np.linspace(-1, 1, part.size, dtype=np.float32).reshape(part.shape) for part in result]
    for found, expected in zip(result, opened, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=2e-6)
    pairs = zip(gradients(result, inputs, upstream), gradients(opened, inputs, upstream), strict=True)
    for found, expected in pairs:
        assert found is not None and expected is not None
        assert found.dtype == np.float32
        scale = float(np.abs(expected.numpy()).max())
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-3, atol=2e-6 * scale)


@each_layer
def test_it_opens_into_one_cell_a_step(function: Any, gates: int, count: int) -> None:
    inputs = _inputs(gates, count, 2, 6, 3, 4, np.float64)
    closed = function(*inputs)
    assert [node.operation.name for node in nodes_below(closed)] == [function.__name__]
    opened = REGISTRY[function.__name__].open(*inputs, **closed[0].node.parameters)
    names = [node.operation.name for node in nodes_below(opened)]
    assert names.count(f"{function.__name__}_cell") == 6


def test_saturated_gates_neither_overflow_nor_warn() -> None:
    weights = [np.full((8, 1), 1e4), np.full((8, 2), 1e4)]
    x = np.array([[[1.0], [-1.0]]])
    with np.errstate(all="raise", under="ignore"):
        output, hidden, cell = lstm(tensor(x, requires_grad=True), None, None, *weights)
        output.sum().backward()
    expected = sequence(
        lstm_step, 2, x, np.zeros((1, 2)), np.zeros((1, 2)), *weights, np.zeros(8), np.zeros(8)
    )
    for found, array in zip((output, hidden, cell), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), array, atol=1e-12)


def test_only_the_last_state_may_be_used() -> None:
    inputs = _inputs(4, 2, 2, 3, 2, 2, np.float64)
    _, hidden, _ = lstm(*inputs)
    (found,) = gradients([hidden], [inputs[0]], [np.ones(hidden.shape)])
    output, *_ = lstm(*inputs)
    upstream = np.zeros(output.shape)
    upstream[:, -1] = 1.0
    (expected,) = gradients([output], [inputs[0]], [upstream])
    assert found is not None and expected is not None
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-13)


def test_only_wanted_gradients_come_back() -> None:
    inputs = _inputs(4, 2, 2, 3, 2, 2, np.float64)
    constants = [each.detach() for each in inputs]
    for position in range(len(inputs)):
        mixed = [
            each if i == position else constant
            for i, (each, constant) in enumerate(zip(inputs, constants, strict=True))
        ]
        all_at_once = gradients(lstm(*inputs), inputs, [np.ones(part.shape) for part in lstm(*inputs)])
        result = lstm(*mixed)
        (alone,) = gradients(result, [inputs[position]], [np.ones(part.shape) for part in result])
        assert alone is not None and all_at_once[position] is not None
        np.testing.assert_allclose(alone.numpy(), all_at_once[position].numpy(), rtol=1e-13)


def test_last_state_may_be_written_before_the_way_back() -> None:
    inputs = _inputs(4, 2, 2, 3, 2, 2, np.float64)
    output, hidden, cell = lstm(*inputs)
    (expected,) = gradients([output], [inputs[4]], [np.ones(output.shape)])
    hidden.detach().assign(0.0)
    cell.detach().assign(0.0)
    (found,) = gradients([output], [inputs[4]], [np.ones(output.shape)])
    assert found is not None and expected is not None
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_integer_input_takes_the_weights_type() -> None:
    hidden, cell = lstm_cell([[1, 2]], None, None, np.ones((4, 2), np.float32), np.ones((4, 1), np.float32))
    assert hidden.dtype == cell.dtype == np.float32


def test_shared_bias_gets_both_gradients() -> None:
    inputs = _inputs(1, 1, 2, 3, 2, 2, np.float64)
    output, _ = rnn(*inputs)
    both = gradients([output], inputs[4:], [np.ones(output.shape)])
    shared, _ = rnn(*inputs[:4], inputs[4], inputs[4])
    twin, _ = rnn(*inputs[:4], tensor(2 * inputs[4].numpy()), None)
    np.testing.assert_allclose(shared.numpy(), twin.numpy())
    (found,) = gradients([shared], [inputs[4]], [np.ones(shared.shape)])
    np.testing.assert_array_equal(both[0].numpy(), both[1].numpy())
    one_bias = tensor(inputs[4].numpy().copy(), requires_grad=True)
    output, _ = rnn(*inputs[:4], one_bias, inputs[4].detach())
    (single,) = gradients([output], [one_bias], [np.ones(output.shape)])
    np.testing.assert_allclose(found.numpy(), 2 * single.numpy())
