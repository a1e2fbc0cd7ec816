"""Every row of the table of operation cases, compiled: what is recorded with one set of elements must hold
for others, in value, in gradient and in the gradient of the gradient, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.autodiff.backward import gradients
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import CompileError
from tests.compiler.harness import compile_exactly, same_elements
from tests.operations.cases import CASES
from tests.operations.harness import Case, outputs_of, weights_for

# Their shapes depend on elements, which a program cannot follow.
REFUSED = {"getitem", "one_hot", "nonzero", "repeat"}


def varied(case: Case, number: int) -> list[Any]:
    """The row's inputs with other elements of the same range: moved along, and floats a little smaller."""
    moved = [np.roll(np.asarray(array), number) for array in case.flat_inputs()]
    return [
        array * (1 - 0.003 * number) if flag else array
        for array, flag in zip(moved, case.differentiable(), strict=True)
    ]


def tensors(case: Case, number: int) -> list[Tensor]:
    flags = case.differentiable()
    return [
        dr.tensor(array, requires_grad=flag) for array, flag in zip(varied(case, number), flags, strict=True)
    ]


def derivatives(case: Case, inputs: list[Tensor], twice: bool) -> list[Any]:
    outputs = [output for output in outputs_of(case.call(inputs)) if output.requires_grad]
    wanted = [each for each in inputs if each.requires_grad]
    if not outputs or not wanted:
        return []
    found = gradients(outputs, wanted, weights_for(tuple(outputs)), create_graph=twice)
    if twice:
        live = [each for each in found if each is not None and each.requires_grad]
        found = gradients(live, wanted, weights_for(tuple(live))) if live else []
    return [each for each in found if each is not None]


def same(expected: Any, found: Any) -> bool:
    expected, found = outputs_of(tuple(expected)), outputs_of(tuple(found))
    return len(expected) == len(found) and all(
        one.dtype == other.dtype and same_elements(one.numpy(), other.numpy())
        for one, other in zip(expected, found, strict=True)
    )


def agrees(case: Case, function: Any) -> None:
    """Compiles a function of the row's inputs and compares it with itself for several sets of elements."""
    compiled = compile_exactly(function)
    for number in range(3):
        try:
            expected = function(*tensors(case, number))
        except (ValueError, ArithmeticError, IndexError) as error:
            with pytest.raises(type(error)):
                compiled(*tensors(case, number))
            continue
        try:
            found = compiled(*tensors(case, number))
        except CompileError:
            assert case.name in REFUSED
            return
        assert same(expected, found), f"elements {number} of {compiled!r}\n{compiled.source()}"
    assert compiled.replays or case.name in REFUSED, compiled.source()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_and_gradient(case: Case) -> None:
    def values_and_gradients(*inputs: Tensor) -> Any:
        return (*outputs_of(case.call(list(inputs))), *derivatives(case, list(inputs), False))

    agrees(case, values_and_gradients)


@pytest.mark.parametrize("case", [case for case in CASES if case.twice], ids=str)
def test_gradient_of_gradient(case: Case) -> None:
    agrees(case, lambda *inputs: tuple(derivatives(case, list(inputs), True)))
