"""The lectures' derivations, each by the general machinery."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.explain.examples import EXAMPLES, example
from deltarule.explain.explanation import Explanation
from deltarule.report import FORMS
from deltarule.report.words import Words


@cache
def explained(name: str) -> Explanation:
    return example(name)


def gradient(name: str, label: str) -> np.ndarray:
    found = explained(name).trace.named(label).gradient
    assert found is not None
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_line_is_right(name):
    assert explained(name).largest_error < 1e-12


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_program_runs(name):
    explanation = explained(name)
    found = explanation.program.run()
    compared = 0
    for value in explanation.trace.values:
        identifier = explanation.notation.gradient(value.number)
        if value.gradient is not None and identifier in found:
            assert np.allclose(found[identifier], value.gradient, 1e-10, 1e-12), identifier
            compared += 1
    assert compared


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_is_shown_in_every_form(name, language):
    for form in FORMS:
        text = getattr(explained(name), form)(language=language)
        if form in ("html", "text"):
            assert Words(language)(f"examples.{name}").split(":")[0].split("：")[0].split(" = ")[0] in text


def test_the_graph_by_hand():
    """(x + y) z at (-2, 5, -4), as every lecture has it."""
    assert [gradient("graph", each).item() for each in "xyz"] == [-4, -4, 3]


def test_the_neuron_at_both_granularities():
    for name in ("sigmoid-neuron", "sigmoid-gates"):
        found = [round(gradient(name, each).item(), 2) for each in ("w0", "x0", "w1", "x1", "w2")]
        assert found == [-0.20, 0.39, -0.39, -0.59, 0.20]


def test_gates():
    """Add distributes, max routes, multiply switches."""
    assert [gradient("gates", each).item() for each in "xyzw"] == [-8, 6, 2, 0]


def test_the_squared_norm():
    assert np.allclose(gradient("squared-norm", "W"), [[0.088, 0.176], [0.104, 0.208]])
    assert np.allclose(gradient("squared-norm", "x"), [-0.112, 0.636])


def test_the_linear_layer():
    trace = explained("linear").trace
    delta = np.array([1.0, -2.0])
    assert np.allclose(gradient("linear", "W"), np.outer(delta, trace.named("x").array))
    assert np.allclose(gradient("linear", "x"), trace.named("W").array.T @ delta)


def test_max_pooling_routes():
    assert gradient("max-pooling", "x").tolist() == [
        [[[0, 0, 0, 0], [1, 0, 0, 2], [0, 0, 4, 0], [0, 3, 0, 0]]]
    ]


def test_convolution():
    trace = explained("convolution").trace
    x, delta = trace.named("x").array[0, 0], 2 * trace.named("y").array[0, 0]
    expected = [[np.sum(delta * x[i : i + 3, j : j + 3]) for j in range(2)] for i in range(2)]
    assert np.allclose(gradient("convolution", "W")[0, 0], expected)


def test_no_such_example():
    with pytest.raises(ArgumentError, match=r"explain: there is no example 'lstn'\. Did you mean lstm\?"):
        example("lstn")
    with pytest.raises(ArgumentError, match="There are: graph, sigmoid-neuron"):
        example("")


def test_every_example_has_its_title():
    titles = {Words("en")(f"examples.{name}") for name in EXAMPLES}
    assert len(titles) == len(EXAMPLES)
    assert dr.explain.EXAMPLES is EXAMPLES
