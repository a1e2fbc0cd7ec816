"""The record at every granularity: values, gradients, contributions, opened groups."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import deltarule as dr
from deltarule.explain.record.trace import Trace
from tests.explain.networks_explained import MODELS, numbers


@pytest.fixture(scope="module")
def traces() -> dict[str, Trace]:
    return {name: Trace(build()) for name, build in MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_the_engine(name):
    loss = MODELS[name]()
    graph = dr.Graph(loss)
    trace = Trace(loss)
    expected = dict(
        zip(
            (id(value.array.base if value.array.base is not None else value.array) for value in graph.values),
            graph.gradients(),
            strict=True,
        )
    )
    seen = 0
    for value in trace.values:
        base = value.array.base if value.array.base is not None else value.array
        if value.parent is None and id(base) in expected and value.kind == "parameter":
            assert np.array_equal(value.gradient, expected[id(base)])
            seen += 1
    assert seen == sum(value.kind == "parameter" for value in trace.values)


@pytest.mark.parametrize("name", MODELS)
def test_contributions_add_up_to_the_gradient(name, traces):
    trace = traces[name]
    top = [trace.steps[number] for number in trace.top]
    for value in trace.values:
        if value.parent is not None or value.gradient is None or value.number == trace.loss:
            continue
        parts = [
            step.contributions[position] for step, position in trace.uses(value, top) if step.contributions
        ]
        total = sum(part for part in parts if part is not None)
        assert np.allclose(total, value.gradient, 1e-12, 1e-14), value


@pytest.mark.parametrize("name", MODELS)
def test_the_tree_of_steps(name, traces):
    trace = traces[name]
    assert [step.number for step in trace.steps] == list(range(len(trace.steps)))
    assert [value.number for value in trace.values] == list(range(len(trace.values)))
    for step in trace.steps:
        assert all(trace.steps[child].parent == step.number for child in step.children)
        for number in step.outputs:
            made_by = trace.values[number].made_by
            assert made_by is not None
        for position, number in enumerate(step.inputs):
            assert (step.number, position) in trace.values[number].used_by
    # Everything that a level reads is there, or made by an earlier step of the level or of one above.
    everything = trace.frontier(lambda step: True)
    made = {value.number for value in trace.values if value.made_by is None}
    for step in everything:
        assert set(step.inputs) <= made
        made |= set(step.outputs)
    assert trace.loss in made


def test_a_group_opens_down_to_primitives():
    x = numbers()
    trace = Trace(dr.sigmoid(x))
    assert [step.operation for step in trace.frontier()] == ["sigmoid"]
    opened = [step.operation for step in trace.frontier(lambda step: True)]
    assert opened == ["negative", "exp", "add", "divide"]


def test_few_steps_leave_groups_closed():
    loss = MODELS["LSTM"]()
    assert len(Trace(loss, most_steps=0).steps) == len(dr.Graph(loss))
    assert len(Trace(loss, most_steps=30).steps) <= 30


def test_times_of_a_sequence_run_with_it():
    trace = Trace(MODELS["two LSTM layers in both directions"]())
    sequences = [step for step in trace.steps if step.operation == "lstm"]
    assert len(sequences) == 4
    for step in sequences:
        times = [trace.times[child] for child in step.children if child in trace.times]
        assert times == ([2, 1, 0] if step.parameters.get("reverse") else [0, 1, 2])


def test_random_groups_stay_closed():
    """Dropout, opened again, would drop others."""
    trace = Trace(MODELS["dropout"]())
    dropout = next(step for step in trace.steps if step.operation == "dropout")
    assert dropout.children == [] or all(
        np.array_equal(trace.values[number].array, dropout.node.values[0]) for number in dropout.outputs
    )


def test_groups_whose_inside_differs_at_a_kink_stay_closed():
    """relu takes 0 for its slope at 0, the max gate inside of it shares."""
    x = dr.tensor([0.0, 1.0], requires_grad=True)
    (relu, _) = Trace(dr.relu(x).sum()).frontier()
    assert relu.operation == "relu" and relu.children == []
    away = dr.tensor([0.5, 1.0], requires_grad=True)
    assert Trace(dr.relu(away).sum()).frontier()[0].children


def test_the_user_s_graph_is_left_as_it_was():
    x = numbers(3)
    loss = dr.sigmoid(x).sum()
    Trace(loss)
    assert x.grad is None
    loss.backward()
    assert x.grad is not None and np.all(np.isfinite(x.grad.numpy()))


def test_a_trace_is_freed_with_its_last_user():
    trace = Trace(MODELS["RNN"]())
    seen = weakref.ref(trace)
    del trace
    gc.collect()
    assert seen() is None


def test_labels():
    model = dr.nn.Linear(2, 3)
    x = dr.zeros((1, 2))
    x.name = "pixels"
    trace = Trace(model(x).sum(), names=dict(model.named_parameters()))
    assert [value.label for value in trace.values if value.made_by is None] == ["pixels", "weight", "bias"]
    assert trace.named("weight").kind == "parameter"
    with pytest.raises(KeyError):
        trace.named("nothing")


def test_a_name_that_was_taken_away_is_none():
    x = dr.tensor(2.0, requires_grad=True)
    x.name = None  # type: ignore[assignment]
    assert Trace(x * x).values[0].label == ""
