"""Every row of the case table against everything that an operation must satisfy."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.autodiff.backward import gradients
from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.latex import latex_lines
from deltarule.autodiff.operation import REGISTRY, Group
from deltarule.autodiff.tensor import Tensor
from tests.operations.cases import CASES, ERRORS
from tests.operations.harness import (
    Case,
    ErrorCase,
    analytic_gradients,
    arrays_of,
    differences,
    formula_views,
    loss_of,
    outputs_of,
    recorded_nodes,
    relative_error,
    weights_for,
)

each_case = pytest.mark.parametrize("case", CASES, ids=str)
differentiable_cases = [case for case in CASES if any(case.differentiable())]
each_differentiable = pytest.mark.parametrize("case", differentiable_cases, ids=str)


@each_case
def test_value_equals_reference(case: Case) -> None:
    found = outputs_of(case.call(case.tensors()))
    expected = arrays_of(case.call([np.asarray(array) for array in case.flat_inputs()], case.reference))
    assert len(found) == len(expected)
    for output, array in zip(found, expected, strict=True):
        assert output.shape == array.shape
        np.testing.assert_allclose(output.numpy(), array, rtol=1e-9, atol=1e-11)


@each_differentiable
def test_gradient_equals_central_differences(case: Case) -> None:
    assert case.tolerance <= (1e-5 if case.reason else 1e-6), "up to 1e-5 with a reason, else 1e-6"
    assert case.second_tolerance <= 1e-5
    inputs = case.tensors()
    found = analytic_gradients(case, inputs)
    arrays = [each.numpy().copy() for each in inputs]
    positions = [position for position, each in enumerate(inputs) if each.requires_grad]
    for position, gradient in zip(positions, found, strict=True):
        expected = differences(lambda moved: loss_of(case, moved), arrays, position)
        value = np.zeros_like(expected) if gradient is None else gradient.numpy()
        assert value.dtype == np.float64
        assert relative_error(value, expected) < case.tolerance, (
            f"input {position}: {value} against {expected}"
        )


@each_differentiable
def test_gradient_of_the_gradient(case: Case) -> None:
    if not case.twice:
        pytest.skip("this row says that its gradient cannot be differentiated again")
    inputs = case.tensors()
    wanted = [each for each in inputs if each.requires_grad]
    positions = [position for position, each in enumerate(inputs) if each.requires_grad]
    first = analytic_gradients(case, inputs, create_graph=True)
    live = [gradient for gradient in first if gradient is not None and gradient.requires_grad]
    alive = {id(gradient) for gradient in live}
    directions = [np.random.default_rng(3).uniform(0.5, 1.5, each.shape) for each in wanted]
    used = [direction for gradient, direction in zip(first, directions, strict=True) if id(gradient) in alive]
    second = gradients(live, wanted, used) if live else [None] * len(wanted)

    def slope(moved: list[np.ndarray]) -> float:
        fresh = [tensor(a, requires_grad=each.requires_grad) for a, each in zip(moved, inputs, strict=True)]
        found = analytic_gradients(case, fresh)
        return float(
            sum(np.sum(g.numpy() * d) for g, d in zip(found, directions, strict=True) if g is not None)
        )

    arrays = [each.numpy().copy() for each in inputs]
    for position, gradient in zip(positions, second, strict=True):
        expected = differences(slope, arrays, position)
        value = np.zeros_like(expected) if gradient is None else gradient.numpy()
        assert relative_error(value, expected) < case.second_tolerance, (
            f"input {position}: {value}, {expected}"
        )


@each_case
def test_float32_stays_float32(case: Case) -> None:
    if not case.float32 or not any(np.asarray(a).dtype == np.float64 for a in case.flat_inputs()):
        pytest.skip("this row has no float input that could be float32")
    inputs = case.tensors(np.float32)
    for low, high in zip(outputs_of(case.call(inputs)), outputs_of(case.call(case.tensors())), strict=True):
        if high.dtype == np.float64:
            assert low.dtype == np.float32
        np.testing.assert_allclose(low.numpy(), high.numpy(), rtol=2e-4, atol=2e-4)
    wanted = [each for each in inputs if each.requires_grad]
    for each, gradient in zip(wanted, analytic_gradients(case, inputs), strict=True):
        if gradient is not None:
            assert gradient.dtype == np.float32
            assert gradient.shape == each.shape


@each_case
def test_memory_order_does_not_matter(case: Case) -> None:
    def scattered(array: np.ndarray) -> np.ndarray:
        if not array.ndim:
            return array
        spread = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), dtype=array.dtype)[..., ::2]
        spread[...] = array
        return np.asfortranarray(spread) if array.ndim == 2 else spread

    inputs = case.tensors()
    moved = []
    for each in inputs:
        other = Tensor(scattered(each.numpy()), requires_grad=each.requires_grad)
        moved.append(other)
    for found, expected in zip(outputs_of(case.call(moved)), outputs_of(case.call(inputs)), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12, atol=1e-13)
    for found, expected in zip(
        analytic_gradients(case, moved), analytic_gradients(case, inputs), strict=True
    ):
        assert (found is None) == (expected is None)
        if found is not None and expected is not None:
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12, atol=1e-13)


@each_case
def test_formula_gives_value_and_gradient(case: Case) -> None:
    for operation, call, environment, upstream, node, values in formula_views(case):
        formula = operation.formula(call)
        for kind in ("index", "matrix"):
            solved = solve(getattr(formula.value, kind), dict(environment))
            for name, value in zip(operation.outputs, values, strict=True):
                assert np.shape(solved[name]) == value.shape, f"{operation.name} {kind} form of {name}"
                np.testing.assert_allclose(
                    solved[name],
                    value,
                    rtol=1e-7,
                    atol=1e-9,
                    err_msg=f"{operation.name} {kind} form of {name}",
                )
            if node is None:
                continue
            answers = operation.backward_kernel(node, *upstream)
            for position, name in enumerate(operation.input_names(len(node.inputs))):
                if not node.needs(position):
                    continue
                if answers[position] is None:
                    assert name not in formula.gradients
                    continue
                assert name in formula.gradients, f"{operation.name}: formula lacks the gradient of {name}"
                found = solve(getattr(formula.gradients[name], kind), dict(solved))[f"grad_{name}"]
                np.testing.assert_allclose(
                    np.broadcast_to(found, answers[position].shape),
                    answers[position],
                    rtol=1e-6,
                    atol=1e-9,
                    err_msg=f"{operation.name} {kind} form of the gradient of {name}",
                )
                assert np.shape(found) == answers[position].shape


@each_case
def test_formula_as_latex(case: Case) -> None:
    for operation, call, *_ in formula_views(case):
        formula = operation.formula(call)
        for each in (formula.value, *formula.gradients.values()):
            for written, matrix in ((each.index, False), (each.matrix, True)):
                lines = latex_lines(written, matrix=matrix, names=operation.symbols)
                assert lines
                for line in lines:
                    assert " = " in line
                    depth = 0
                    for character in line.replace(r"\{", "").replace(r"\}", ""):
                        depth += {"{": 1, "}": -1}.get(character, 0)
                        assert depth >= 0, line
                    assert depth == 0, line
                    assert line.count(r"\left") == line.count(r"\right"), line


@each_case
def test_shape_rule_predicts_the_shape(case: Case) -> None:
    for operation, call, _, _, node, values in formula_views(case):
        shapes = [each.shape for each in node.inputs] if node else [np.shape(a) for a in case.flat_inputs()]
        predicted = operation.shape(*shapes, **call.parameters)
        expected = [value.shape for value in values]
        assert (list(predicted) if len(operation.outputs) > 1 else [predicted]) == expected


@each_differentiable
def test_open_form_equals_closed_form(case: Case) -> None:
    for node in recorded_nodes(case, case.tensors()):
        operation = node.operation
        if not isinstance(operation, Group):
            continue
        fresh = [Tensor(each.numpy().copy(), requires_grad=each.requires_grad) for each in node.inputs]
        opened = outputs_of(operation.open(*fresh, **node.parameters))
        upstream = weights_for(opened)
        for found, value in zip(opened, node.values, strict=True):
            np.testing.assert_allclose(found.numpy(), value, rtol=1e-9, atol=1e-11)
        live = [(o, w) for o, w in zip(opened, upstream, strict=True) if o.requires_grad]
        found = gradients([o for o, _ in live], fresh, [w for _, w in live])
        for position, answer in enumerate(operation.backward_kernel(node, *upstream)):
            if node.needs(position) and answer is not None:
                gradient = found[position]
                value = np.zeros_like(answer) if gradient is None else gradient.numpy()
                np.testing.assert_allclose(value, answer, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("case", ERRORS, ids=str)
def test_bad_input_is_answered_clearly(case: ErrorCase) -> None:
    with pytest.raises(case.error) as caught:
        case.call()
    for part in case.says:
        assert part in str(caught.value)


def test_every_operation_has_a_row() -> None:
    seen = {case.name for case in CASES if not any(case.differentiable())}
    for case in differentiable_cases:
        seen |= {node.operation.name for node in recorded_nodes(case, case.tensors())}
    assert set(REGISTRY) - seen == set()
