"""Parameter groups, state and errors, which all optimisers share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, DTypeError, GraphError, InPlaceError, ShapeError
from deltarule.operations.arithmetic import multiply
from deltarule.operations.reductions import sum
from deltarule.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

ALL: list[Callable[..., Optimizer]] = [
    lambda parameters: SGD(parameters, lr=0.1, momentum=0.9, nesterov=True),
    lambda parameters: Adagrad(parameters, lr=0.1, lr_decay=0.1),
    lambda parameters: RMSprop(parameters, centered=True, momentum=0.5),
    lambda parameters: Adam(parameters, lr=0.05, amsgrad=True),
    lambda parameters: AdamW(parameters, lr=0.05),
]


def _parameter(*values: float) -> Tensor:
    return tensor(np.array(values), requires_grad=True)


def _with_gradient(*values: float) -> Tensor:
    parameter = _parameter(*values)
    parameter.grad = tensor(np.ones(len(values)))
    return parameter


def _train(optimizer: Optimizer, steps: int) -> None:
    """Steps on Σ (θ − 1)² of every parameter."""
    for _ in range(steps):
        optimizer.zero_grad()
        for parameter in optimizer.parameters():
            difference = parameter - 1.0
            sum(multiply(difference, difference)).backward()
        optimizer.step()


@pytest.mark.parametrize("make", ALL)
def test_training_comes_closer_to_the_minimum(make) -> None:
    parameter = _parameter(1.5, 0.2)
    before = np.abs(parameter.numpy() - 1).sum()
    _train(make([parameter]), 30)
    assert np.abs(parameter.numpy() - 1).sum() < 0.8 * before


@pytest.mark.parametrize("make", ALL)
def test_resuming_from_a_saved_state_continues_bit_for_bit(make) -> None:
    first, second = _parameter(1.5, -0.5), _parameter(3.0)
    optimizer = make([first, second])
    _train(optimizer, 4)
    saved = optimizer.state_dict()
    # Arrays go one way and everything else through JSON, as a checkpoint does.
    arrays = {key: value for key, value in saved.items() if isinstance(value, np.ndarray)}
    plain = json.loads(json.dumps({key: value for key, value in saved.items() if key not in arrays}))
    others = [tensor(each.numpy(), requires_grad=True) for each in (first, second)]
    resumed = make(others)
    resumed.load_state_dict({**plain, **arrays})
    _train(optimizer, 5)
    _train(resumed, 5)
    for found, expected in zip(others, (first, second), strict=True):
        assert found.numpy().tobytes() == expected.numpy().tobytes()
    assert resumed.state_dict().keys() == optimizer.state_dict().keys()


def test_a_saved_state_is_a_copy() -> None:
    parameter = _with_gradient(1.0)
    optimizer = SGD([parameter], lr=0.1, momentum=0.5)
    optimizer.step()
    saved = optimizer.state_dict()
    assert saved == {
        "optimizer": "SGD",
        "groups.0.parameters": 1,
        "groups.0.lr": 0.1,
        "groups.0.momentum": 0.5,
        "groups.0.dampening": 0.0,
        "groups.0.weight_decay": 0.0,
        "groups.0.nesterov": False,
        "state.0.momentum_buffer": np.array([1.0]),
    }
    optimizer.step()
    assert saved["state.0.momentum_buffer"].tolist() == [1.0]
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert saved["state.0.momentum_buffer"].tolist() == [1.0]


def test_groups_have_options_of_their_own() -> None:
    slow, fast, late = _with_gradient(1.0), _with_gradient(1.0), _with_gradient(1.0)
    optimizer = SGD([{"params": slow, "lr": 0.25}, {"params": [fast]}], lr=0.5)
    optimizer.add_param_group({"params": [late], "lr": 1.0})
    optimizer.step()
    assert [each.item() for each in (slow, fast, late)] == [0.75, 0.5, 0.0]
    optimizer.param_groups[1]["lr"] = 0.125
    optimizer.step()
    assert fast.item() == 0.375
    assert "group 2: 1 parameters, lr=1.0" in repr(optimizer)


def test_parameters_without_gradient_are_left_alone() -> None:
    moved, still = _with_gradient(1.0), _parameter(2.0)
    optimizer = AdamW([moved, still], lr=0.5)
    optimizer.step()
    assert still.item() == 2.0
    assert moved.item() != 1.0
    assert not any(key.startswith("state.1") for key in optimizer.state_dict())


def test_zero_grad_forgets_gradients() -> None:
    parameter = _with_gradient(1.0)
    SGD([parameter]).zero_grad()
    assert parameter.grad is None


@pytest.mark.parametrize("make", ALL)
def test_a_step_is_counted_as_a_write(make) -> None:
    parameter = _with_gradient(2.0)
    loss = sum(multiply(parameter, parameter))
    make([parameter]).step()
    with pytest.raises(InPlaceError, match="was written into 1 time"):
        loss.backward()


def test_a_step_writes_in_place() -> None:
    parameter = _with_gradient(2.0, 3.0)
    view = parameter.numpy()
    SGD([parameter], lr=1.0).step()
    assert view.tolist() == [1.0, 2.0]


INTEGER = tensor([1, 2])
TWICE = _parameter(1.0)
ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: SGD([]),
        ArgumentError,
        "SGD: expected parameters, got none. A generator such as model.parameters",
    ),
    (lambda: Adam(iter(())), ArgumentError, "Adam: expected parameters, got none"),
    (lambda: SGD([TWICE, TWICE]), ArgumentError, r"SGD: parameter 1 of shape \(1,\) is given twice"),
    (lambda: SGD([{"params": TWICE}, {"params": [TWICE]}]), ArgumentError, "is given twice"),
    (
        lambda: SGD(TWICE),
        DTypeError,
        "SGD: expected a list of tensors or groups, got one Tensor. Put it into a list",
    ),
    (lambda: SGD([("weight", TWICE)]), DTypeError, r"got tuple at position 0. Pass model.parameters\(\)"),
    (lambda: SGD([3.0]), DTypeError, "SGD: expected tensors, got float"),
    (lambda: SGD([{"params": TWICE}, TWICE]), DTypeError, "expected only groups, got a Tensor among them"),
    (lambda: SGD([INTEGER]), DTypeError, "SGD: only floating tensors have gradients, this one is int64"),
    (lambda: SGD([TWICE * 2.0]), GraphError, "was made by multiply. Only leaves can be trained"),
    (lambda: SGD([{"lr": 0.1}]), ArgumentError, r'a group needs "params", got \[\'lr\'\]'),
    (lambda: SGD([{"params": []}]), ArgumentError, "a group has no parameters"),
    (
        lambda: SGD([{"params": TWICE, "rate": 0.1}]),
        ArgumentError,
        "unknown option rate of a group. Options are lr,",
    ),
    (lambda: SGD([TWICE], lr=-0.1), ArgumentError, "SGD: lr expected at least 0, got -0.1"),
    (lambda: SGD([TWICE], lr=float("nan")), ArgumentError, "SGD: lr expected at least 0, got nan"),
    (lambda: SGD([TWICE], lr="0.1"), ArgumentError, "SGD: lr expected at least 0, got '0.1'"),
    (lambda: SGD([TWICE], lr=math.inf), ArgumentError, "SGD: lr expected at least 0, got inf"),
    (lambda: SGD([TWICE], momentum=-1), ArgumentError, "SGD: momentum expected at least 0"),
    (lambda: SGD([TWICE], weight_decay=-1), ArgumentError, "SGD: weight_decay expected at least 0"),
    (
        lambda: SGD([TWICE], nesterov=True),
        ArgumentError,
        "nesterov needs momentum and no dampening, got momentum 0",
    ),
    (lambda: SGD([TWICE], momentum=0.9, dampening=0.1, nesterov=True), ArgumentError, "dampening 0.1"),
    (lambda: SGD([{"params": TWICE, "lr": -1.0}]), ArgumentError, "SGD: lr expected at least 0, got -1.0"),
    (lambda: Adagrad([TWICE], lr_decay=-1), ArgumentError, "Adagrad: lr_decay expected at least 0"),
    (lambda: Adagrad([TWICE], eps=-1), ArgumentError, "Adagrad: eps expected at least 0"),
    (
        lambda: Adagrad([TWICE], initial_accumulator_value=-1),
        ArgumentError,
        "Adagrad: initial_accumulator_value expected at least 0",
    ),
    (
        lambda: RMSprop([TWICE], alpha=1.0),
        ArgumentError,
        "RMSprop: alpha expected at least 0 and below 1, got 1.0",
    ),
    (lambda: RMSprop([TWICE], momentum=-1), ArgumentError, "RMSprop: momentum expected at least 0"),
    (
        lambda: Adam([TWICE], betas=(0.9, 1.0)),
        ArgumentError,
        r"Adam: betas\[1\] expected at least 0 and below 1",
    ),
    (lambda: AdamW([TWICE], betas=0.9), ArgumentError, "AdamW: betas expected two numbers, got 0.9"),
    (lambda: AdamW([TWICE], eps=-1e-8), ArgumentError, "AdamW: eps expected at least 0"),
]


@pytest.mark.parametrize(("call", "error", "says"), ERRORS, ids=[says[:40] for *_, says in ERRORS])
def test_bad_arguments_are_answered_clearly(call, error, says) -> None:
    with pytest.raises(error, match=says):
        call()


def test_named_parameters_are_named_in_errors() -> None:
    parameter = _parameter(1.0)
    parameter.name = "encoder.weight"
    with pytest.raises(ArgumentError, match=r"parameter 'encoder.weight' is given twice"):
        SGD([parameter, parameter])


def test_an_option_changed_to_nonsense_stops_the_step() -> None:
    parameter = _with_gradient(1.0)
    optimizer = SGD([parameter])
    optimizer.param_groups[0]["lr"] = -1.0
    with pytest.raises(ArgumentError, match="lr expected at least 0"):
        optimizer.step()
    assert parameter.item() == 1.0


def test_a_gradient_of_another_shape_is_refused() -> None:
    parameter = _parameter(1.0, 2.0)
    parameter.grad = tensor(np.ones((2, 1)))
    with pytest.raises(ShapeError, match=r"a gradient has shape \(2, 1\), its parameter \(2,\)"):
        SGD([parameter]).step()


def _changed(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda saved: saved.update({key: value})


BAD_STATES: list[tuple[Callable[[dict[str, Any]], Any], type[Exception], str]] = [
    (
        _changed("optimizer", "Adam"),
        ArgumentError,
        "SGD.load_state_dict: expected the state of SGD, got that of Adam",
    ),
    (_changed("groups.1.lr", 0.1), ArgumentError, "groups.1.lr: there are only 1 groups"),
    (_changed("state.2.momentum_buffer", np.ones(1)), ArgumentError, "there are only 2 parameters"),
    (_changed("state.0.momentum_buffer", np.ones(3)), ShapeError, r"has shape \(3,\), its parameter \(2,\)"),
    (_changed("groups.0.parameters", 3), ArgumentError, "group 0 has 2 parameters, the saved one 3"),
    (_changed("groups.0.lr", -1.0), ArgumentError, "lr expected at least 0"),
    (_changed("momentum", 1), ArgumentError, "unknown entry 'momentum'"),
    (_changed("state.x.step", 1), ArgumentError, "unknown entry 'state.x.step'"),
    (lambda saved: saved.pop("groups.0.momentum"), ArgumentError, "group 0 lacks momentum"),
]


@pytest.mark.parametrize(("damage", "error", "says"), BAD_STATES, ids=[says[:40] for *_, says in BAD_STATES])
def test_a_state_that_does_not_fit_changes_nothing(damage, error, says) -> None:
    optimizer = SGD([_with_gradient(1.0, 2.0), _with_gradient(3.0)], lr=0.1, momentum=0.9)
    optimizer.step()
    saved = optimizer.state_dict()
    saved["groups.0.lr"] = 0.7
    damage(saved)
    with pytest.raises(error, match=says):
        optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.state_dict()["state.0.momentum_buffer"].tolist() == [1.0, 1.0]


def test_numbers_that_a_file_made_arrays_are_numbers_again() -> None:
    optimizer = Adam([_with_gradient(1.0)])
    optimizer.step()
    saved = optimizer.state_dict()
    saved["groups.0.lr"] = np.array(0.5)
    saved["state.0.step"] = np.int64(1)
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert type(optimizer.param_groups[0]["lr"]) is float
    assert type(next(iter(optimizer.state.values()))["step"]) is int
