"""Recurrences: a layer and a loop of cells are the same steps, and steps on fewer samples stand apart."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.autodiff.backward import nodes_below
from deltarule.explain.training_health.recurrences import recurrences


def of(loss):
    return recurrences(nodes_below([loss]))


@pytest.mark.parametrize(
    ("cell", "sequence"), [(dr.nn.RNNCell, dr.rnn), (dr.nn.GRUCell, dr.gru), (dr.nn.LSTMCell, dr.lstm)]
)
def test_a_loop_of_cells_is_a_sequence(cell, sequence):
    cell = cell(3, 4, dtype=dr.float64)
    x, state = dr.tensor(np.random.default_rng(0).normal(size=(2, 5, 3))), None
    for t in range(5):
        state = cell(x[:, t], state)
    last = state[0] if isinstance(state, tuple) else state
    zeros = [dr.zeros((2, 4), dtype=dr.float64)] * (2 if isinstance(state, tuple) else 1)
    weights = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    (loop,), (whole,) = of(last.sum()), of(sequence(x, *zeros, *weights)[0].sum())
    assert loop.kind == whole.kind and loop.inputs == pytest.approx(whole.inputs)
    for one, other in zip(loop.states, whole.states, strict=True):
        assert one == pytest.approx(other, abs=1e-12)
    for (gate, one), (name, other) in zip(loop.gates(), whole.gates(), strict=True):
        assert gate == name and one.values[0] == pytest.approx(other.values[0])


def test_steps_of_fewer_samples_stand_apart():
    cell = dr.nn.GRUCell(3, 4)
    x, state = dr.ones((4, 3, 3)), None
    for t, left in enumerate((4, 4, 2)):
        state = cell(x[:left, t], None if state is None else state[:left])
    assert [each.inputs.shape[:2] for each in of(state.sum())] == [(2, 4), (1, 2)]
