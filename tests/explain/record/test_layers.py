"""Layers are counted where weights enter, and their error terms stand at the pre-activation."""

from __future__ import annotations

import numpy as np

import deltarule as dr
from deltarule.explain.record.layers import Layers
from deltarule.explain.record.trace import Trace
from tests.explain.networks_explained import MODELS, numbers


def layers_of(loss) -> tuple[Trace, Layers]:
    trace = Trace(loss, most_steps=0)
    return trace, Layers(trace, trace.frontier())


def test_a_cell_in_a_loop_is_one_layer():
    _, layers = layers_of(MODELS["cell by hand"]())
    assert layers.count == 1 and set(layers.of_step.values()) <= {0, 1}


def test_weights_written_out():
    """W x + U h + b, of which the sum is the pre-activation."""
    w, u, b = numbers(3, 2), numbers(3, 3, seed=1), numbers(3, seed=2)
    x, h = numbers(2, seed=3, requires_grad=False), numbers(3, seed=4, requires_grad=False)
    a = w @ x + u @ h + b
    trace, layers = layers_of(dr.tanh(a).sum())
    (number,) = [each for each, layer in layers.deltas.items() if layer == 1]
    assert np.array_equal(trace.values[number].array, a.numpy())


def test_a_product_of_two_leaves_is_no_layer():
    _, layers = layers_of((numbers(2, 3) @ numbers(3, 2)).sum())
    assert layers.count == 0 and layers.deltas == {}


def test_the_loss_is_no_pre_activation():
    _, layers = layers_of(numbers(1, 3) @ numbers(3, 1, requires_grad=False))
    assert layers.count == 1 and layers.deltas == {}


def test_embedding_and_recurrence_begin_layers():
    trace, layers = layers_of(MODELS["language model"]())
    found = {step.operation: layers.of_step[step.number] for step in trace.frontier()}
    assert (found["embedding"], found["gru"], found["linear"]) == (1, 2, 3)
    assert list(layers.deltas.values()) == [3]
