"""What the backward pass holds: less and less, and sums in place."""

import tracemalloc
from itertools import pairwise

import numpy as np

import deltarule as dr

ELEMENTS = 50_000
BYTES = 8 * ELEMENTS


class Watched(dr.Operation):
    """Identity that notes how much memory is held when the backward pass comes by."""

    name = "watched"
    inputs = ("x",)
    reads = ()

    def __init__(self):
        self.held = []

    def shape(self, x):
        return x

    def forward(self, x):
        return x

    def backward_kernel(self, node, upstream):
        self.held.append(tracemalloc.get_traced_memory()[0] / BYTES)
        return (upstream,)


def watched(y, operation):
    return dr.autodiff.operation.apply(operation, y)


def test_memory_falls_during_the_pass():
    operation = Watched()
    x = dr.tensor(np.ones(ELEMENTS), requires_grad=True)
    dr.tanh(x).sum().backward()  # loads native code, whose memory is not counted
    x.zero_grad()
    tracemalloc.start()
    y = x
    for _ in range(12):
        y = watched(dr.tanh(y), operation)
    loss = y.sum()
    del y
    before = tracemalloc.get_traced_memory()[0] / BYTES
    tracemalloc.reset_peak()
    loss.backward()
    after, peak = (each / BYTES for each in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    assert 12 <= before < 12.1
    # The gradient on its way is one array, after the first step, whose upstream is a single number spread
    # out; then each step back frees one result.
    assert all(later < earlier - 0.9 for earlier, later in pairwise(operation.held[1:]))
    assert operation.held[-1] < 2.6
    assert peak < 12 + 2.1
    assert after < 1.1  # x.grad


def test_the_gradient_of_many_uses_is_summed_in_place():
    w = dr.tensor(np.ones(ELEMENTS), requires_grad=True)
    loss = sum((w * float(number)).sum() for number in range(20))
    tracemalloc.start()
    loss.backward()
    peak = tracemalloc.get_traced_memory()[1] / BYTES
    tracemalloc.stop()
    # The first two contributions and their sum, or the sum, a contribution, and what it is made from.
    assert peak < 4.1
    assert (w.grad.numpy() == sum(range(20))).all()


def test_sums_leave_alone_what_others_hold():
    x, y = (dr.tensor(np.ones(3), requires_grad=True) for _ in range(2))
    total = (x + y).retain_grad()
    # One upstream array goes to total, x and y; x then gets more.
    (total + x + x + x * 2.0).sum().backward()
    assert total.grad.tolist() == [1.0] * 3 and y.grad.tolist() == [1.0] * 3
    assert x.grad.tolist() == [5.0] * 3


def test_slices_add_to_one_array():
    x = dr.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    y = x * 1.0
    loss = sum((y[:, column] * float(column)).sum() for column in range(3)) + (y[0] * 10.0).sum() + y[1, 2]
    loss = loss + (y * 100.0).sum()
    loss.backward()
    assert x.grad.tolist() == [[110.0, 111.0, 112.0], [100.0, 101.0, 103.0]]


def test_a_loop_over_slices_needs_one_gradient_of_the_whole():
    x = dr.tensor(np.ones((50, ELEMENTS // 50)), requires_grad=True)
    loss = sum(x[row].sum() for row in range(50))
    tracemalloc.start()
    loss.backward()
    peak = tracemalloc.get_traced_memory()[1] / BYTES
    tracemalloc.stop()
    assert peak < 1.3
    assert (x.grad.numpy() == 1.0).all()


def test_gradients_of_gradients_of_slices():
    x = dr.tensor([1.0, 2.0, 3.0], dtype=dr.float64)
    found = dr.hessian(lambda x: (x[:2] ** 3).sum() + x[0] * x[2])(x)
    assert found.tolist() == [[6.0, 0.0, 1.0], [0.0, 12.0, 0.0], [1.0, 0.0, 0.0]]
