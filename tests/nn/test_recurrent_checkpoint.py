"""RNN, GRU and LSTM in checkpointed segments: the same results, less memory."""

import tracemalloc

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError, ShapeError


def run(kind, segments, lengths=None, **options):
    """Output, states and all gradients of a layer over 11 steps."""
    dr.manual_seed(2)
    layer = kind(3, 4, dtype=dr.float64, checkpoint_segments=segments, **options)
    x = dr.tensor(np.random.default_rng(0).normal(size=(2, 11, 3)), requires_grad=True)
    output, state = layer(x, lengths=lengths)
    states = state if isinstance(state, tuple) else (state,)
    ((output * output).sum() + sum(dr.sin(each).sum() for each in states)).backward()
    return [output, *states, x.grad, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.parametrize("kind", [dr.nn.RNN, dr.nn.GRU, dr.nn.LSTM])
@pytest.mark.parametrize("segments", ["sqrt", 1, 3, 50])
def test_segments_change_nothing(kind, segments):
    for options in (
        {},
        {"num_layers": 2, "bidirectional": True, "dropout": 0.4, "lengths": [11, 5]},
    ):
        expected = run(kind, None, **options)
        found = run(kind, segments, **options)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-10, atol=1e-13)


def test_backward_keeps_the_names_of_layers():
    layer = dr.nn.LSTM(3, 4, num_layers=2, checkpoint_segments=2)
    output, _ = layer(dr.ones((2, 6, 3)))
    assert {node.operation.name for node in dr.Graph(output).nodes} >= {"checkpoint", "concat"}
    assert {node.scope for node in dr.Graph(output).nodes if node.operation.name == "checkpoint"} == {
        "l0",
        "l1",
    }


def _peak(segments, steps):
    """Most memory of a step beyond the inputs, in bytes, where the last state alone is used."""
    layer = dr.nn.LSTM(4, 32, checkpoint_segments=segments)
    x = dr.zeros((4, steps, 4))
    tracemalloc.start()
    _, (hidden, _) = layer(x)
    hidden.sum().backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_less_memory():
    # Native code is compiled and loaded at the first call: not what is measured.
    _peak("sqrt", 64), _peak(None, 64)
    assert _peak("sqrt", 1024) < _peak(None, 1024) / 3


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "root"])
def test_wrong_segments_are_named(wrong):
    with pytest.raises(ArgumentError, match="checkpoint_segments expected"):
        dr.nn.GRU(3, 4, checkpoint_segments=wrong)


def test_shown_where_set():
    assert "checkpoint_segments='sqrt'" in repr(dr.nn.RNN(3, 4, checkpoint_segments="sqrt"))
    assert "checkpoint" not in repr(dr.nn.RNN(3, 4))


def test_no_steps_are_refused_as_without_segments():
    with pytest.raises(ShapeError, match="expected at least one time step"):
        dr.nn.LSTM(3, 4, checkpoint_segments="sqrt")(dr.zeros((2, 0, 3)))
