"""The source of a program: readable Python with the names of the user's layers."""

from __future__ import annotations

import ast
from typing import Any

import pytest

import deltarule as dr
from deltarule import nn
from deltarule.errors import CompileError
from tests.compiler.harness import compile_exactly, floats, same_elements, whole

EXPECTED = """\
def step(x, y, fc1_weight, fc1_bias, fc2_weight, fc2_bias):
    # ---- forward
    fc1_y = linear(x, fc1_weight, fc1_bias)  # fc1
    tanh_y = tanh(fc1_y)
    fc2_y = linear(tanh_y, fc2_weight, fc2_bias)  # fc2
    mse_loss_y = mse_loss(fc2_y, y, reduction='mean')
    # ---- backward
    grad_fc2_y, _ = mse_loss.gradient(number_1_0, inputs=(fc2_y, y), values=(mse_loss_y,), needs=(1, 0), \
parameters=dict(reduction='mean'))
    grad_tanh_y, grad_fc2_weight, grad_fc2_bias = linear.gradient(grad_fc2_y, inputs=(tanh_y, fc2_weight, \
fc2_bias), values=(fc2_y,), needs=(1, 1, 1))  # fc2
    grad_fc1_y, = tanh.gradient(grad_tanh_y, inputs=(fc1_y,), values=(tanh_y,), needs=(1,))
    _, grad_fc1_weight, grad_fc1_bias = linear.gradient(grad_fc1_y, inputs=(x, fc1_weight, fc1_bias), \
values=(fc1_y,), needs=(0, 1, 1))  # fc1
    # ---- update
    update_sgd(
        (fc1_weight, grad_fc1_weight),
        (fc1_bias, grad_fc1_bias),
        (fc2_weight, grad_fc2_weight),
        (fc2_bias, grad_fc2_bias),
    )  # SGD
    # ---- what is returned, then gradients that are kept
    return (mse_loss_y,)
"""


class Perceptron(nn.Module):
    def __init__(self) -> None:
        self.fc1 = nn.Linear(2, 4)
        self.fc2 = nn.Linear(4, 1)

    def forward(self, x: Any) -> Any:
        return self.fc2(dr.tanh(self.fc1(x)))


def test_a_training_step_as_python() -> None:
    model = Perceptron()
    optimizer = dr.optim.SGD(model.parameters(), lr=0.1)

    @compile_exactly
    def step(x: Any, y: Any) -> Any:
        loss = dr.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    with pytest.raises(
        CompileError, match=r"step: nothing has been recorded yet. Call the compiled function once"
    ):
        step.source()
    assert step.program is None
    step(dr.tensor(floats(3, 2)), dr.tensor(floats(3, 1)))
    assert step.source() == EXPECTED


def test_every_line_parses_and_names_are_unique() -> None:
    blocks = [nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)) for _ in range(3)]
    model = nn.Sequential(*blocks)
    optimizer = dr.optim.Adam(model.parameters())

    @compile_exactly
    def step(x: Any, rows: Any) -> Any:
        optimizer.zero_grad()
        y = model(x)[rows, 1:]
        (y * y).mean().backward()
        dr.optim.clip_grad_norm_(model.parameters(), float("inf"))
        optimizer.step()
        return {"y": y}

    for k in range(3):
        step(dr.tensor(floats(3, 4, seed=k)), dr.tensor(whole(3, 2, seed=k)))
    (function,) = ast.parse(step.source()).body
    assert isinstance(function, ast.FunctionDef)
    names = [argument.arg for argument in function.args.args]
    assert len(names) == len(set(names)) == len(step.program.inputs) + len(step.program.states)
    assert {"layer_0_0_weight", "layer_2_1_running_mean"} <= set(names)
    values = {value.name for each in step.program.instructions for value in each.makes()}
    assert "layer_1_0_y" in values
    assert all(name.isidentifier() for name in values)


def test_what_nothing_needs_is_left_out_and_common_parts_are_computed_once() -> None:
    @compile_exactly
    def f(x: Any) -> Any:
        dr.exp(x)
        twice = dr.sin(x) + dr.sin(x)
        return twice.reshape(twice.shape) * (dr.tensor([2.0, 3.0]) * 2.0)

    x = dr.tensor([0.5, 1.0])
    for _ in range(3):
        assert same_elements(f(x).numpy(), f.function(x).numpy())
    assert [each.name for each in f.program.instructions] == ["sin", "add", "multiply"]
    assert [value.array.tolist() for value in f.program.constants] == [[4.0, 6.0]]


def test_gradients_that_nobody_reads_are_not_asked_for() -> None:
    weight = dr.tensor([1.0, 2.0], requires_grad=True)
    other = dr.tensor([3.0, 4.0], requires_grad=True)

    @compile_exactly
    def f(x: Any) -> Any:
        return dr.gradients(dr.sum(weight * other * x), [weight])[0]

    f(dr.tensor([0.5, 1.0]))
    needs = [each.needs for each in f.program.instructions if each.kind == "gradient"]
    assert needs == [(True,), (True, False), (True, False)]


def test_random_draws_and_checks_stay() -> None:
    @compile_exactly
    def f(tokens: Any) -> Any:
        dr.rand(3)
        dr.one_hot(tokens, 4)
        return tokens * 2

    f(dr.tensor([1, 2]))
    assert [each.kind for each in f.program.instructions] == ["random", "check", "forward"]


def test_elements_that_a_gradient_reads() -> None:
    weight = dr.tensor([[1.0, 2.0]], requires_grad=True)

    @compile_exactly
    def f(x: Any) -> Any:
        dr.sum(dr.tanh(dr.linear(x, weight))).backward()
        return weight.grad

    f(dr.tensor([[0.5, 1.0]]))
    kinds = {each.name: each for each in f.program.instructions if each.kind == "gradient"}
    assert [value.name for value in kinds["tanh"].elements_read()] == ["tanh_y", "grad_tanh_y"]
    assert [value.name for value in kinds["linear"].elements_read()] == ["x", "tensor", "grad_linear_y"]
