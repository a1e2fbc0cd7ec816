"""Upstream times local gradient, and shares of what adds up."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr
from deltarule.explain.record.arithmetic import local_gradients, shares
from deltarule.explain.record.trace import Trace
from deltarule.operations.elementwise import Elementwise
from tests.explain.networks_explained import MODELS, numbers
from tests.operations.cases import CASES
from tests.operations.harness import outputs_of, weights_for

ELEMENTWISE = [
    case
    for case in CASES
    if case.name in {"tanh", "exp", "multiply", "divide", "maximum", "sigmoid", "gelu", "where", "pow"}
]


@pytest.mark.parametrize("case", ELEMENTWISE, ids=str)
def test_upstream_times_local_is_the_contribution(case):
    output = outputs_of(case.call(case.tensors()))[0]
    trace = Trace(output, upstream=weights_for((output,))[0])
    compared = 0
    for step in trace.steps:
        for local, contribution in zip(local_gradients(trace, step), step.contributions, strict=False):
            if local is not None and step.upstream[0] is not None:
                assert np.allclose(step.upstream[0] * local, contribution, 1e-9, 1e-12)
                compared += 1
    whole = [
        value for value in trace.values if value.gradient is not None and value.array.shape == output.shape
    ]
    assert compared or len(whole) <= 1


def test_other_steps_have_no_local_gradient():
    trace = Trace((numbers(2, 3) @ numbers(3, 2)).sum())
    assert not isinstance(trace.steps[0].node.operation, Elementwise)
    assert local_gradients(trace, trace.steps[0]) == (None, None)


def test_a_broadcast_input_has_no_local_gradient():
    trace = Trace((numbers(2, 3) * numbers(3)).sum())
    local, missing = local_gradients(trace, trace.steps[0])
    assert local is not None and local.shape == (2, 3) and missing is None


def test_overflow_warns_nobody():
    with np.errstate(all="ignore"):
        trace = Trace(dr.exp(dr.tensor([1000.0], requires_grad=True)).sum())
    assert np.isinf(local_gradients(trace, trace.steps[0])[0])


@pytest.mark.parametrize("name", MODELS)
def test_shares_are_parts_of_a_whole(name):
    trace = Trace(MODELS[name](), most_steps=0)
    steps = trace.frontier(lambda step: step.operation == "checkpoint")
    for value in trace.values:
        parts = shares(trace, value, steps)
        if parts:
            assert sum(each.share for each in parts) == pytest.approx(1)
            assert np.allclose(sum(each.contribution for each in parts), value.gradient, 1e-12, 1e-14)


def test_shares_of_nothing_are_equal():
    x = dr.tensor([0.0], requires_grad=True)
    trace = Trace((x * 0.0 + x * 0.0).sum())
    assert [each.share for each in shares(trace, trace.values[0], trace.steps)] == [0.5, 0.5]
