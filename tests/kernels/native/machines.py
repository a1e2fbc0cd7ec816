"""Processors with narrower vectors than the running one, and how a test runs kernels as on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from deltarule.kernels.native import team
from deltarule.kernels.native.compilation import load
from deltarule.kernels.native.entry import built_in
from deltarule.kernels.native.processor import Processor, processor
from deltarule.kernels.native.routine import Routine, Unit

NARROW = [
    replace(processor(), vector_bytes=width, registers=16)
    for width in (32, 16)
    if width < processor().vector_bytes
]

each_machine = pytest.mark.parametrize("machine", NARROW, ids=lambda each: f"{each.vector_bytes} bytes")


def entry_on(machine: Processor) -> Callable[..., Any]:
    """What `entry` is on that processor."""

    @cache
    def entry(routine: Routine, checked: bool = False) -> Callable[..., Any]:
        def write() -> str:
            unit = Unit(machine)
            unit.entry(routine, "python_entry", checked)
            return unit.text()

        description = f"{routine!r} {checked} on {machine.vector_bytes} bytes"
        return built_in("test", load(description, write, ["python_entry"])["python_entry"])

    return entry


@contextmanager
def running_on(machine: Processor, module: Any) -> Iterator[None]:
    """The kernels that a module calls are those of another processor."""
    kept = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    with pytest.MonkeyPatch.context() as patch:
        for each in kept:
            getattr(each, "cache_clear", lambda: None)()
        patch.setattr(module, "entry", entry_on(machine))
        patch.setattr(module, "processor", lambda: machine, raising=False)
        yield
    for each in kept:
        getattr(each, "cache_clear", lambda: None)()


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Native kernels use so many threads."""
    before = team.thread_count()
    team.set_threads(count)
    try:
        yield
    finally:
        team.set_threads(before)
