"""Gradients inside of groups: what arrives there, what leaves, and what it is called."""

from __future__ import annotations

import numpy as np

import deltarule as dr
from deltarule.autodiff.operation import Group, Operation, apply
from deltarule.autodiff.tensor import Tensor
from deltarule.explain.record.level import Level
from deltarule.explain.record.trace import Trace
from tests.explain.networks_explained import MODELS, numbers


class _Product(Group):
    """sigmoid(x) · x, with neither kernels nor a formula: only its inside can be explained."""

    name = "own_product"
    inputs = ("x",)

    def shape(self, x):
        return x

    def open(self, x):
        return dr.sigmoid(x) * x


class _Reused(Group):
    """Its first result is used inside of it for the second."""

    name = "own_reused"
    inputs = ("x",)
    outputs = ("first", "second")

    def shape(self, x):
        return x, x

    def open(self, x):
        first = dr.tanh(x)
        return first, first * first


class _Cube(Operation):
    name = "own_cube"
    inputs = ("x",)

    def shape(self, x):
        return x

    def forward(self, x):
        return x**3

    def backward(self, node, upstream):
        return (upstream * 3.0 * node.inputs[0] ** 2,)


def own(operation: type[Operation], x: Tensor):
    return apply(operation(), x)


def test_a_group_without_a_formula_is_explained_by_its_inside():
    x = numbers(3)
    for most_steps in (0, 1000):
        explanation = dr.explain(own(_Product, x).sum(), names={"x": x}, most_steps=most_steps)
        assert [step.operation for step in explanation.derivation.notation.steps] == [
            "sigmoid",
            "multiply",
            "sum",
        ]
        assert explanation.largest_error < 1e-12
    assert dr.explain.derive(own(_Product, x).sum()).largest_error < 1e-12


def test_an_operation_without_a_formula_says_what_to_do():
    try:
        dr.explain(own(_Cube, numbers(3)).sum())
    except dr.errors.GraphError as error:
        message = str(error)
    assert message == (
        "explain: operation own_cube has no formula. Give its class a method `formula`, or make it a Group, "
        "whose `open` is explained instead."
    )


def test_what_a_group_gives_may_be_used_inside_of_it():
    x = numbers(3)
    first, second = own(_Reused, x)
    explanation = dr.explain((first * 3.0 + second).sum(), names={"x": x})
    assert explanation.largest_error < 1e-12


def test_what_a_group_reads_may_be_used_outside_of_it():
    x = numbers(3)
    explanation = dr.explain((dr.sigmoid(x) * x + x).sum(), names={"x": x})
    assert explanation.largest_error < 1e-12
    group = next(step for step in explanation.trace.steps if step.operation == "sigmoid")
    level = Level(
        explanation.trace,
        explanation.notation,
        [explanation.trace.steps[each] for each in group.children],
        group,
    )
    name = level.gradient(group.inputs[0])
    assert name != explanation.notation.gradient(group.inputs[0])
    assert np.array_equal(level.arrays()[name], group.contributions[0])


def test_the_same_numbers_at_every_granularity():
    """What steps inside hand back to what a group reads adds up to what the closed group hands back."""
    for name in MODELS:
        trace = Trace(MODELS[name]())
        for group in (step for step in trace.steps if step.children):
            for position, number in enumerate(group.inputs):
                expected = group.contributions[position]
                if expected is None or group.inputs.count(number) > 1:
                    continue
                parts = [
                    contribution
                    for step, place in trace.uses(
                        trace.values[number], [trace.steps[each] for each in group.children]
                    )
                    if (contribution := step.contributions[place] if step.contributions else None) is not None
                ]
                assert np.allclose(sum(parts), expected, 1e-9, 1e-12), (name, group.operation)
