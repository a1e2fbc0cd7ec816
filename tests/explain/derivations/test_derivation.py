"""Formulas against the engine: of every operation and of whole models, at the top and inside of groups."""

from __future__ import annotations

from functools import cache, reduce

import numpy as np
import pytest

import deltarule as dr
from deltarule.autodiff.formula.latex import latex_lines
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, DTypeError, GraphError, InPlaceError
from deltarule.explain.derivations.derivation import (
    Derivation,
    as_opened,
    derivation_of,
    derive,
    known_arrays,
    statements_inside,
)
from deltarule.explain.derivations.formula_check import difference
from deltarule.explain.derivations.program import program_of
from deltarule.explain.derivations.statement import Statement
from deltarule.explain.explanation import Explanation
from deltarule.explain.record.trace import Trace
from tests.explain.networks_explained import MODELS, numbers
from tests.operations.cases import CASES
from tests.operations.harness import outputs_of, weights_for

NAMES = sorted({case.name for case in CASES})


@cache
def explained(name: str) -> Explanation:
    return dr.explain(MODELS[name]())


def wrong(loss: Tensor, upstream: np.ndarray | None = None) -> list[str]:
    """Statements that miss the engine's numbers, at the top and inside every group; [] is what tests want."""
    trace = Trace(loss, upstream=upstream)
    derivation = derivation_of(trace, as_opened(()))
    arrays = known_arrays(trace, derivation.notation)
    levels: dict[str, list[Statement]] = {"top": derivation.statements}
    for group in (step for step in trace.steps if step.children):
        statements, _ = statements_inside(trace, derivation.notation, group, arrays)
        levels[f"{group.operation} {group.number}"] = statements
    found = []
    for place, statements in levels.items():
        for each in statements:
            errors = [error for error in (each.index_error, each.matrix_error) if error is not None]
            if each.value is not None and each.steps and not errors:
                found.append(f"{place}: {each.kind} of {', '.join(each.defines)} was not compared")
            if errors and not max(errors) < 1e-6:
                found.append(f"{place}: {each.kind} of {', '.join(each.defines)}: {errors}")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_is_what_its_formulas_say(name):
    for case in (each for each in CASES if each.name == name):
        output = next((each for each in outputs_of(case.call(case.tensors())) if each.requires_grad), None)
        if output is not None:
            assert wrong(output, weights_for((output,))[0]) == [], str(case)


@pytest.mark.parametrize("name", MODELS)
def test_whole_models_are_what_their_formulas_say(name):
    assert wrong(MODELS[name]()) == []


@pytest.mark.parametrize(
    "name", ["multi-layer perceptron", "LeNet", "RNN", "GRU", "LSTM", "transformer layer"]
)
def test_both_forms_of_every_gradient_of_a_parameter_were_compared(name):
    explanation = explained(name)
    derivation, trace = explanation.derivation, explanation.trace
    checked = {each.value: each for each in derivation.gradients if each.value is not None}
    parameters = [value for value in trace.values if value.kind == "parameter"]
    assert parameters
    for value in parameters:
        statement = checked[value.number]
        assert statement.index_error is not None and statement.matrix_error is not None
        assert statement.checked >= value.array.size


def test_a_wrong_formula_is_caught():
    """The tester's own test: a derivation whose statement is changed no longer agrees."""
    x = numbers(3)
    derivation = derive((dr.tanh(x) * 2.0).sum(), names={"x": x})
    statement = derivation.gradients[0]
    assert statement.matrix_error is not None and statement.matrix_error < 1e-12
    found = np.asarray(derivation.trace.named("x").gradient) * 1.001
    assert difference(found, derivation.trace.named("x").gradient) == pytest.approx(1e-3)


def test_differences():
    assert difference([1.0, np.nan, np.inf], [1.0, np.nan, np.inf]) == 0
    assert difference([np.nan], [1.0]) == np.inf
    assert difference(np.zeros((0, 3)), np.zeros((0, 3))) == 0
    assert difference(3.0, np.full((2, 2), 2.0)) == 0.5
    # Gradients that cancel are measured by what they are made of.
    assert difference([1e-17], [0.0], floor=1.0) == 1e-17


def test_the_delta_recursion_of_a_network():
    explanation = explained("multi-layer perceptron")
    kinds = [each.kind for each in explanation.derivation.errors]
    assert kinds == ["delta", "delta", "delta"]
    written = [
        latex_lines(each.matrix, matrix=True, names=explanation.names)[0]
        for each in explanation.derivation.errors
    ]
    assert written[0].startswith(r"\delta^{(3)} =")
    assert r"\delta^{(3)} \, W^{(3)}" in written[1]
    assert r"\delta^{(2)} \, W^{(2)}" in written[2]


def test_a_gradient_that_is_another_one_needs_no_name():
    """Behind a residual sum the gradient of the inner layer is that of the sum."""
    layers = [dr.nn.Conv2d(1, 1, 3, padding=1).astype("float64") for _ in range(2)]
    x = numbers(1, 1, 4, 4, requires_grad=False)
    derivation = derive((dr.relu(x + layers[1](dr.relu(layers[0](x)))) ** 2).sum())
    assert [each.defines for each in derivation.errors] == [("delta2",), ("delta1",)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_that_cancel_are_zero_but_for_rounding(dtype):
    explanation = dr.explain(dr.softmax(numbers(4, 3).astype(dtype), axis=1).sum())
    assert explanation.largest_error < (1e-6 if dtype == "float64" else 1e-3)


@pytest.mark.skipif(
    np.finfo(np.longdouble).maxexp == np.finfo(np.float64).maxexp, reason="no wider numbers on this platform"
)
def test_logits_of_a_network_that_diverged():
    """exp(1000) overflows when it is computed as it stands there."""
    logits = dr.tensor([[1000.0, -900.0, 0.0], [20.0, 800.0, 790.0]], dtype="float64", requires_grad=True)
    explanation = dr.explain(dr.cross_entropy(logits, dr.tensor([1, 1])) + dr.softmax(logits, axis=1)[0, 0])
    assert explanation.derivation.largest_error < 1e-6


def test_softmax_with_cross_entropy_is_p_minus_y():
    derivation = dr.explain.example("softmax-cross-entropy").derivation
    (statement,) = derivation.gradients
    assert latex_lines(statement.matrix, matrix=True, names=derivation.names) == [
        r"\frac{\partial L}{\partial Z} = P - \operatorname{one\_hot}_{3}\left(t\right)"
    ]


def test_names_of_users_are_the_symbols():
    weight, x = numbers(2, 3), numbers(3, seed=1)
    derivation = derive((weight @ x).sum(), names={"W": weight, "x": x})
    program = str(program_of(derivation))
    assert "grad_W" in program and "grad_x" in program
    assert {"W", "x"} <= {sign.identifier for sign in derivation.notation.signs.values()}


def test_a_value_that_is_used_many_times():
    x = numbers(2)
    loss = sum((x * float(factor) for factor in range(1, 40)), x).sum()
    derivation = derive(loss, names={"x": x})
    assert derivation.largest_error < 1e-12
    assert np.allclose(derivation.trace.named("x").gradient, 1 + sum(range(1, 40)))


def test_a_product_with_itself():
    x = dr.tensor(3.0, requires_grad=True)
    derivation = derive(x * x, names={"x": x})
    (statement,) = derivation.gradients
    assert statement.matrix_error == 0
    assert latex_lines(statement.matrix, matrix=True, names=derivation.names)[0].endswith("= x + x")


def test_a_thousand_layers():
    loss = reduce(lambda value, _: dr.tanh(value), range(1000), numbers(2)).sum()
    derivation = derive(loss)
    assert len(derivation.forward) == 1001
    assert derivation.largest_error < 1e-12
    assert len(derivation.text()) > 10_000


def test_losses_of_several_elements():
    weight = numbers(2, 3)
    upstream = np.array([[1.0], [-2.0]])
    derivation = derive(weight @ numbers(3, 1, seed=1), upstream=upstream, names={"W": weight})
    assert derivation.largest_error < 1e-12
    with pytest.raises(GraphError, match="expected a loss of one element"):
        derive(weight @ numbers(3, 1, seed=1))


def test_float32_is_as_exact_as_float32_can_be():
    x = dr.tensor(np.random.default_rng(0).normal(size=(4, 3)).astype("float32"), requires_grad=True)
    error = derive((dr.tanh(x) @ x.T).sum()).largest_error
    assert 0 < error < 1e-5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(bad):
    x = dr.tensor([bad, 1.0], dtype="float64", requires_grad=True)
    with np.errstate(all="ignore"):
        loss = (dr.tanh(x) * x).sum()
    assert derive(loss).largest_error < 1e-12


def test_overflow_warns_nobody():
    x = dr.tensor([1000.0, 1.0], dtype="float64", requires_grad=True)
    with np.errstate(all="ignore"):
        loss = dr.exp(x).sum()
    assert derive(loss).largest_error == 0


def test_arrays_without_elements():
    assert derive((numbers(0, 3) @ numbers(3, 2)).sum()).largest_error == 0


def test_a_loss_without_a_graph():
    x = numbers(3)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(GraphError, match="freed by an earlier backward"):
        derive(loss)
    with pytest.raises(GraphError, match="needs no gradient"):
        derive((numbers(3, requires_grad=False) * 2.0).sum())
    with pytest.raises(GraphError, match="this tensor is a leaf"):
        derive(numbers())
    with pytest.raises(GraphError, match="expected a tensor that was computed from others, got float"):
        derive(3.0)  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match="only floating tensors have gradients"):
        derive(dr.tensor([1, 2]).sum())
    with pytest.raises(ArgumentError, match="names expects name -> tensor, got int for 'x'"):
        derive((x * x).sum(), names={"x": 3})  # type: ignore[dict-item]


def test_what_was_written_into_after_recording():
    weight = dr.tensor([1.0, 2.0], requires_grad=True)
    loss = (weight * weight).sum()
    with dr.no_grad():
        weight[0] = 5.0
    with pytest.raises(InPlaceError, match="was written into 1 time"):
        derive(loss)


@pytest.mark.parametrize("opened", ["sigmoid", ("sigmoid",), lambda step: step.operation == "sigmoid"])
def test_a_group_derived_from_its_inside(opened):
    x = numbers(3)
    whole = derive(dr.sigmoid(x).sum(), names={"x": x})
    inner = derive(dr.sigmoid(x).sum(), names={"x": x}, open=opened)
    assert len(whole.forward) == 2 and len(inner.forward) == 5
    assert inner.largest_error < 1e-12
    assert np.allclose(inner.trace.named("x").gradient, whole.trace.named("x").gradient, 1e-14, 0)


def test_every_line_that_is_read_is_written_before():
    for name in MODELS:
        derivation = explained(name).derivation
        known = {
            derivation.notation.signs[value.number].identifier
            for value in derivation.trace.values
            if value.made_by is None
        } | {derivation.notation.gradient(derivation.trace.loss)}
        for statement in derivation.statements:
            assert statement.reads <= known, (name, statement.defines, statement.reads - known)
            known |= set(statement.defines)


def test_a_derivation_says_what_it_is():
    assert isinstance(explained("classifier").derivation, Derivation)
    assert "∂L/∂W⁽¹⁾" in str(explained("classifier").derivation)
