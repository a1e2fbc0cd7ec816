"""Which work becomes one call, and that nothing is stored which nobody reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import nn
from deltarule.compiler.native.native_program import NativeProgram
from deltarule.compiler.native.plan import View
from tests.compiler.harness import floats, whole
from tests.compiler.native.native import compiled, kinds, labels, the_call


@pytest.fixture(autouse=True)
def _without_gradients(request: Any) -> Any:
    if "training" in request.node.name:
        yield
        return
    with dr.no_grad():
        yield


def _stored(program: NativeProgram) -> list[Any]:
    """What each written argument is: the kind of memory outside, or None for memory of the step."""
    found = []
    for call in program.calls:
        for position in call.writes:
            argument = call.arguments[position]
            if isinstance(argument, View):
                outer = argument.storage.outer
                found.append(outer if outer is None else outer[0])
    return found


@pytest.mark.parametrize("rows", [2, 40])
def test_linear_bias_and_activation_are_one_call(rows):
    layer = nn.Linear(5, 6)
    x = floats(rows, 5)
    made, program = compiled(lambda x: dr.relu(layer(x)), x)
    assert len(program.calls) == 1
    assert labels(program) == ["linear | add bias, relu"]
    assert set(_stored(program)) == {"result"}
    expected = np.maximum(x @ layer.weight.numpy().T + layer.bias.numpy(), 0)
    np.testing.assert_allclose(made(x).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_chain_of_element_wise_steps_is_one_loop():
    x, y = floats(7, 9), floats(7, 1, seed=1)
    made, program = compiled(lambda x, y: dr.tanh(x * 2 + y) * dr.sin(x) - dr.exp(x), x, y)
    assert kinds(program) == ["LoopNest"]
    assert _stored(program) == ["result"]
    expected = np.tanh(x * 2 + y) * np.sin(x) - np.exp(x)
    np.testing.assert_allclose(made(x, y).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_a_sum_joins_the_loop_that_makes_what_it_adds_up():
    x = floats(7, 9)
    made, program = compiled(lambda x: dr.sum(dr.exp(x) * 2, axis=0), x)
    assert kinds(program) == ["LoopNest"]
    assert _stored(program) == ["result"]
    np.testing.assert_allclose(made(x).numpy(), np.exp(x).sum(0) * 2, rtol=1e-5)


@pytest.mark.parametrize("kept", [False, True])
def test_what_is_returned_is_stored_and_nothing_else(kept):
    layer = nn.Linear(5, 6)

    def function(x):
        before = layer(x)
        after = dr.relu(before)
        return (before, after) if kept else after

    x = floats(40, 5)
    made, program = compiled(function, x)
    assert kinds(program) == ["Product"]
    written = [each for each in _stored(program) if each is not None]
    assert written == ["result"] * (1 + kept)
    if kept:
        before, after = made(x)
        np.testing.assert_array_equal(np.maximum(before.numpy(), 0), after.numpy())


def test_what_nobody_reads_is_not_computed():
    layer = nn.Linear(5, 6)

    def function(x):
        dr.tanh(layer(x))
        return x * 2

    _, program = compiled(function, floats(4, 5))
    assert labels(program) == ["multiply"]


def test_convolution_bias_and_activation_are_one_call():
    first, second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 3, 3)
    x = floats(2, 2, 9, 9)
    made, program = compiled(lambda x: second(dr.relu(first(x))).sum(), x)
    assert "add bias, relu" in the_call(program, "conv2d", "relu").label
    assert not any(label.startswith(("add bias", "relu")) for label in labels(program))
    expected = dr.sum(second(dr.relu(first(dr.tensor(x))))).item()
    np.testing.assert_allclose(made(x).item(), expected, rtol=1e-4)


def _training(optimizer: Any, **options: Any) -> tuple[Any, NativeProgram, nn.Module]:
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3))
    rule = optimizer(model.parameters(), **options)

    def step(x, y):
        loss = dr.cross_entropy(model(x), y)
        loss.backward()
        rule.step()
        rule.zero_grad()
        return loss

    made, program = compiled(step, floats(30, 5), whole(3, 30))
    return made, program, model


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [(dr.optim.SGD, {"lr": 0.1}), (dr.optim.SGD, {"lr": 0.1, "momentum": 0.9}), (dr.optim.Adam, {})],
)
def test_training_updates_weights_in_the_product_that_makes_their_gradient(optimizer, options):
    _, program, _ = _training(optimizer, **options)
    name = optimizer.__name__
    fused = [call for call in program.calls if "weight" in call.label and name in call.label]
    assert [type(call.routine).__name__ for call in fused] == ["Product", "Product"]
    for call in fused:
        written = [call.arguments[position].storage.outer for position in call.writes[:1]]
        assert [outer and outer[0] for outer in written] == ["place"]


def test_training_stores_no_gradient_that_is_dropped_at_the_end():
    """The weights' gradients are nowhere: no memory of the step has their size, and none is a result."""
    _, program, model = _training(dr.optim.SGD, lr=0.1)
    outers = [storage.outer for storage in {s for call in program.calls for s in call.storages()}]
    assert [outer[0] for outer in outers if outer is not None].count("result") == 1
    call = the_call(program, "0: linear gradient", "weight")
    own = [
        storage.elements
        for storage in call.storages()
        if storage.outer is None and storage not in call.scratch
    ]
    assert model[0].weight.numpy().size not in own


def test_training_asks_for_no_gradient_of_its_input():
    _, program, _ = _training(dr.optim.SGD, lr=0.1)
    assert not any("0: linear gradient, x" in label for label in labels(program))
    assert any("2: linear gradient, x" in label for label in labels(program))


def test_training_adds_the_activations_gradient_to_the_product_before_it():
    _, program, _ = _training(dr.optim.SGD, lr=0.1)
    assert "relu" in the_call(program, "2: linear gradient, x").label
