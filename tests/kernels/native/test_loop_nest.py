"""Loops over strided memory against NumPy: views, broadcasting, reductions over any axes, several results."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.loop_nest import RUN, Body, LoopNest, Operand, simplified
from deltarule.kernels.native.processor import processor
from deltarule.kernels.native.team import threads
from tests.kernels.native.machines import NARROW, entry_on, on_threads

SUM = Body("x0 * x1 + 1", lambda code, vectors: [vectors[0] * vectors[1] + 1])
SEVERAL = Body("sum, difference", lambda code, vectors: [vectors[0] + vectors[1], vectors[0] - vectors[1]])


def _strides(array: Any) -> tuple[int, ...]:
    return tuple(stride // array.itemsize for stride in array.strides)


def _run(body: Body, inputs: Any, results: Any, kinds: Any = None, make: Any = entry) -> None:
    """Runs a loop over the box of the first input; every array is a view of that shape."""
    shape = inputs[0].shape
    kinds = kinds or [None] * len(results)
    strides = [_strides(each) for each in (*inputs, *results)]
    extents, strides = simplified(shape, strides)
    operands = [Operand(each.dtype.name, lies) for each, lies in zip(inputs, strides, strict=False)]
    targets = [
        Operand(each.dtype.name, lies, kind)
        for each, lies, kind in zip(results, strides[len(inputs) :], kinds, strict=True)
    ]
    # Native code takes an array by where its memory begins, whatever its strides.
    make(LoopNest(extents, tuple(operands), tuple(targets), body))(threads(), *inputs, *results)


@st.composite
def views(draw: Any, count: int) -> tuple[tuple[int, ...], list[Any]]:
    """A shape and views of it: contiguous, turned, stepped, offset, or broadcast along some axes."""
    shape = tuple(draw(st.lists(st.integers(1, 19), min_size=1, max_size=3)))
    made = []
    for number in range(count):
        order = draw(st.permutations(range(len(shape))))
        broadcast = [draw(st.booleans()) and draw(st.booleans()) for _ in shape]
        own = tuple(1 if broad else extent for extent, broad in zip(shape, broadcast, strict=True))
        step = draw(st.integers(1, 3))
        memory = np.arange(math.prod(own) * step, dtype=np.float64) % 11 + number
        dtype = draw(st.sampled_from(["float32", "float64"])) if number == 0 else made[0].dtype
        laid = memory.astype(dtype)[::step].reshape([own[axis] for axis in order])
        made.append(np.broadcast_to(laid.transpose(np.argsort(order)), shape))
    return shape, made


@settings(max_examples=40)
@given(views(2), st.integers(1, 3), st.data())
def test_views_of_every_kind(drawn, count, data):
    shape, (x, y) = drawn
    order = data.draw(st.permutations(range(len(shape))))
    memory = np.zeros([shape[axis] for axis in order], x.dtype)
    out = memory.transpose(np.argsort(order))
    with on_threads(count):
        _run(SUM, [x, y], [out])
    np.testing.assert_array_equal(out, x * y + 1)


@settings(max_examples=40)
@given(views(2), st.integers(0, 6), st.integers(1, 3), st.sampled_from(["sum", "max"]))
def test_reductions_over_any_axes_beside_plain_results(drawn, pick, count, kind):
    shape, (x, y) = drawn
    axes = [one for size in range(1, len(shape) + 1) for one in combinations(range(len(shape)), size)]
    chosen = axes[pick % len(axes)]
    plain = np.zeros(shape, x.dtype)
    reduced = np.zeros([1 if axis in chosen else extent for axis, extent in enumerate(shape)], x.dtype)
    with on_threads(count):
        target = _stretched(reduced, shape)
        _run(SEVERAL, [x, y], [plain, target], [None, kind])
    np.testing.assert_array_equal(plain, x + y)
    expected = (np.sum if kind == "sum" else np.max)(x - y, axis=chosen, keepdims=True)
    np.testing.assert_array_equal(reduced, expected)


def _stretched(array: Any, shape: tuple[int, ...]) -> Any:
    """The array with stride 0 along every axis of length 1, and writable."""
    strides = [
        0 if extent == 1 else stride for extent, stride in zip(array.shape, array.strides, strict=True)
    ]
    return np.lib.stride_tricks.as_strided(array, shape, strides)


@pytest.mark.parametrize("machine", [processor(), *NARROW], ids=lambda each: f"{each.vector_bytes} bytes")
@pytest.mark.parametrize("shape", [(1,), (37,), (5, 33), (3, 4, 21)])
def test_masks_of_bools_at_every_width(machine, shape):
    generator = np.random.default_rng(0)
    x, keep = generator.standard_normal(shape).astype(np.float32), generator.random(shape) > 0.5
    body = Body(
        "keep ? x : 0, x > 0, not keep",
        lambda code, vectors: [vectors[1].select(vectors[0], 0), vectors[0] > 0, ~vectors[1]],
    )
    chosen, above, other = np.empty_like(x), np.empty(shape, bool), np.empty(shape, bool)
    _run(body, [x, keep], [chosen, above, other], make=entry_on(machine))
    np.testing.assert_array_equal(chosen, np.where(keep, x, 0))
    np.testing.assert_array_equal(above, x > 0)
    np.testing.assert_array_equal(other, ~keep)


@pytest.mark.parametrize("machine", [processor(), *NARROW], ids=lambda each: f"{each.vector_bytes} bytes")
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)])
def test_reductions_at_every_width(machine, axes):
    x = np.random.default_rng(0).integers(-9, 9, (5, 7, 29)).astype(np.float32)
    out = np.zeros([1 if axis in axes else extent for axis, extent in enumerate(x.shape)], np.float32)
    body = Body("x", lambda code, vectors: vectors)
    _run(body, [x], [_stretched(out, x.shape)], ["sum"], entry_on(machine))
    np.testing.assert_array_equal(out, x.sum(axes, keepdims=True))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("shape", [(70_001,), (3, 30_000), (30_000, 3), (300, 17, 19)])
def test_more_than_65536_elements_with_long_sums(shape, count):
    x = np.random.default_rng(0).random(shape).astype(np.float32)
    body = Body("x", lambda code, vectors: vectors)
    assert max(shape) > RUN
    for axes in [(0,), (len(shape) - 1,), tuple(range(len(shape)))]:
        out = np.zeros([1 if axis in axes else extent for axis, extent in enumerate(shape)], np.float32)
        with on_threads(count):
            _run(body, [x], [_stretched(out, shape)], ["sum"])
        np.testing.assert_allclose(out, x.astype(np.float64).sum(axes, keepdims=True), rtol=3e-6)


def test_sums_over_nothing_and_boxes_of_nothing():
    out, body = np.full((3, 1), 7.0), Body("x", lambda code, vectors: vectors)
    _run(body, [np.ones((3, 0))], [_stretched(out, (3, 0))], ["sum"])
    assert out.tolist() == [[0.0]] * 3
    around = np.full(8, 7.0)
    _run(SUM, [np.ones((0, 4))] * 2, [around[4:4].reshape(0, 4)])
    assert around.tolist() == [7.0] * 8


def test_results_may_be_the_inputs():
    x = np.arange(50, dtype=np.float64)
    _run(SEVERAL, [x, x], [x, np.empty(50)])
    np.testing.assert_array_equal(x, np.arange(50) * 2.0)


def test_nan_in_sums_and_infinity_in_extremes():
    x = np.ones((4, 30), np.float32)
    x[1, 7], x[2, 9], x[3] = np.nan, np.inf, -np.inf
    body = Body("x", lambda code, vectors: vectors)
    for kind, expected in (("sum", [30, np.nan, np.inf, -np.inf]), ("max", [1, None, np.inf, -np.inf])):
        out = np.zeros((4, 1), np.float32)
        _run(body, [x], [_stretched(out, x.shape)], [kind])
        kept = [row for row in range(4) if expected[row] is not None]
        np.testing.assert_array_equal(out[kept, 0], np.array([expected[row] for row in kept], np.float32))


@pytest.mark.parametrize(
    ("extents", "strides", "expected"),
    [
        ((3, 4), [(4, 1)], ((12,), [(1,)])),
        ((3, 4), [(4, 1), (0, 1)], ((3, 4), [(4, 1), (0, 1)])),
        ((3, 1, 4), [(4, 9, 1)], ((12,), [(1,)])),
        ((2, 3, 4), [(12, 4, 1), (0, 4, 1)], ((2, 12), [(12, 1), (0, 1)])),
        ((2, 3, 4), [(1, 2, 6)], ((2, 3, 4), [(1, 2, 6)])),
        ((1, 1), [(5, 5)], ((1,), [(0,)])),
        ((), [()], ((1,), [(0,)])),
        ((4, 5), [(0, 0)], ((20,), [(0,)])),
    ],
)
def test_axes_are_joined_where_every_operand_allows_it(extents, strides, expected):
    assert simplified(extents, strides) == expected
