"""Views and the plan of memory: what may be seen in another shape, and that lives never share a byte."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.compiler.native.plan import (
    ALIGNMENT,
    Call,
    Scratch,
    Storage,
    View,
    contiguous_strides,
    plan_memory,
)
from deltarule.kernels.native.processor import SIZES
from deltarule.kernels.native.routine import Routine


def _seen(view: View, memory: Any) -> Any:
    """The elements of a view of memory."""
    strides = [stride * memory.itemsize for stride in view.strides]
    return np.lib.stride_tricks.as_strided(memory[view.offset :], view.shape, strides)


@st.composite
def views(draw: Any) -> View:
    """Views of one memory: axes in any order, steps between elements, parts of axes, an offset."""
    shape = draw(st.lists(st.integers(1, 4), max_size=4))
    order = draw(st.permutations(range(len(shape))))
    step, strides = draw(st.sampled_from([1, 1, 2])), [0] * len(shape)
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis] + draw(st.sampled_from([0, 0, 0, 1]))
    return View(Storage(2000, "int64"), tuple(shape), tuple(strides), draw(st.integers(0, 3)))


MEMORY = np.arange(5000)


@given(views(), st.data())
def test_a_reshaped_view_has_the_same_elements_in_order(view, data):
    sizes = [view.size]
    for _ in range(data.draw(st.integers(0, 3))):
        size = sizes.pop(data.draw(st.integers(0, len(sizes) - 1)))
        divisor = data.draw(st.sampled_from([each for each in range(1, size + 1) if size % each == 0]))
        sizes += [divisor, size // divisor]
    wanted = tuple(data.draw(st.permutations(sizes)))
    found = view.reshaped(wanted)
    if found is None:
        assert not view.is_contiguous
        return
    assert found.shape == wanted
    np.testing.assert_array_equal(_seen(found, MEMORY), _seen(view, MEMORY).reshape(wanted))


@pytest.mark.parametrize(
    ("shape", "strides", "wanted", "expected"),
    [
        ((4, 6), (6, 1), (2, 2, 6), (12, 6, 1)),
        ((4, 6), (1, 4), (2, 2, 6), (2, 1, 4)),
        ((4, 6), (1, 4), (24,), None),
        ((2, 3, 4), (100, 4, 1), (2, 12), (100, 1)),
        ((2, 3, 4), (100, 5, 1), (2, 12), None),
        ((2, 3), (10, 1), (1, 2, 1, 3), (None, 10, None, 1)),
        ((6,), (3,), (2, 3), (9, 3)),
    ],
)
def test_which_shapes_need_no_copy(shape, strides, wanted, expected):
    found = View(Storage(1000, "float32"), shape, strides).reshaped(wanted)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        pairs = zip(found.strides, expected, strict=True)
        assert all(stride == one for stride, one in pairs if one is not None)


@given(views())
def test_dense_and_contiguous_views(view):
    places = _seen(view, MEMORY).ravel()
    lowest = places.min()
    fills = sorted(places) == list(range(lowest, lowest + view.size))
    assert view.is_dense == fills
    assert view.is_contiguous == (places.tolist() == list(range(lowest, lowest + view.size)))


def test_an_element_that_is_seen_twice_is_not_dense():
    assert not View(Storage(10, "float32"), (3, 4), (0, 1)).is_dense
    assert View(Storage(10, "float32"), (), ()).is_dense


@given(views(), st.lists(st.integers(1, 3), max_size=2), st.data())
def test_broadcast_strides_are_those_of_numpy(view, front, data):
    wider = [data.draw(st.integers(1, 3)) if extent == 1 else extent for extent in view.shape]
    shape = (*front, *wider)
    found = View(view.storage, shape, view.broadcast(shape), view.offset)
    np.testing.assert_array_equal(_seen(found, MEMORY), np.broadcast_to(_seen(view, MEMORY), shape))


@given(st.lists(st.integers(0, 4), max_size=4))
def test_contiguous_strides(shape):
    view = View(Storage(1, "float32"), tuple(shape), contiguous_strides(tuple(shape)))
    assert view.is_contiguous
    assert view.size == math.prod(shape)


# ---- memory


@st.composite
def programs(draw: Any) -> list[Call]:
    """Calls in order, each with some pieces of memory that are shared between them, and scratch."""
    pieces = [
        Storage(
            draw(st.integers(0, 300)),
            draw(st.sampled_from(sorted(SIZES))),
            outer=draw(st.sampled_from([None, None, None, ("place", number)])),
            kept=draw(st.booleans()) and draw(st.booleans()),
        )
        for number in range(draw(st.integers(1, 10)))
    ]
    calls = []
    for _ in range(draw(st.integers(1, 12))):
        chosen = draw(st.lists(st.sampled_from(pieces), max_size=4))
        arguments: list[Any] = [View(each, (each.elements,), (1,)) for each in chosen]
        if draw(st.booleans()):
            arguments.append(Scratch(draw(st.integers(1, 100)), "float32", draw(st.booleans())))
        calls.append(Call(Routine(), [*arguments, 7, None], (0,), 1, ""))
    return calls


@given(programs(), st.integers(1, 3))
def test_pieces_that_are_needed_at_the_same_time_never_overlap(calls, threads):
    wanted = [
        sum(
            each.elements * (threads if each.per_thread else 1)
            for each in call.arguments
            if isinstance(each, Scratch)
        )
        for call in calls
    ]
    total = plan_memory(calls, threads)
    lives: dict[Storage, list[int]] = {}
    for position, call in enumerate(calls):
        assert not any(isinstance(each, Scratch) for each in call.arguments)
        assert sum(each.elements for each in call.scratch) == wanted[position]
        for storage in call.storages():
            lives.setdefault(storage, []).append(position)
    own = {storage: uses for storage, uses in lives.items() if storage.outer is None}
    for storage, uses in own.items():
        end = len(calls) if storage.kept else uses[-1]
        size = max(storage.elements, 1) * SIZES[storage.dtype]
        assert storage.offset >= 0
        assert storage.offset % ALIGNMENT == 0
        assert storage.offset + size <= total
        for other, other_uses in own.items():
            other_end = len(calls) if other.kept else other_uses[-1]
            apart = end < other_uses[0] or other_end < uses[0]
            other_size = max(other.elements, 1) * SIZES[other.dtype]
            if other is not storage and not apart:
                below = storage.offset + size <= other.offset
                assert below or other.offset + other_size <= storage.offset
    assert all(storage.offset == -1 for storage in lives if storage.outer is not None)


def test_memory_is_used_again_once_it_is_free():
    pieces = [Storage(1000, "float32") for _ in range(10)]
    views = [View(each, (1000,), (1,)) for each in pieces]
    calls = [Call(Routine(), [a, b], (1,), 1, "") for a, b in pairwise(views)]
    assert plan_memory(calls, 1) == 2 * 4032
