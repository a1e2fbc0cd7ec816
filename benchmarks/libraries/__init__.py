"""The implementations that are compared. A new one is one record here and one module with `prepare`.

`prepare(row)` returns a Session: the network built, with the row's first weights, and its batches in the
library's own arrays. Only the process that measures an implementation imports its module.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.rows.row import Row


class Session(Protocol):
    """One network in one library, ready to be run."""

    def step(self, count: int) -> Any:
        """Starts step `count` on the batch of its turn: its loss, or its output where nothing is trained."""

    def numbers(self, result: Any) -> list[float]:
        """What a step gave as plain numbers; waits until the step is finished."""


@dataclass(frozen=True)
class Implementation:
    """One way to train the rows.

    name      what --libraries takes, and the module's name with _ for -
    title     what the table shows
    package   what must be installed
    is_peer   whether ours are compared with it
    """

    name: str
    title: str
    package: str
    is_peer: bool = True

    def is_installed(self) -> bool:
        """Whether its package can be found; nothing is imported."""
        return importlib.util.find_spec(self.package) is not None

    def prepare(self, row: Row) -> Session:
        """The row's network in this library."""
        module = importlib.import_module(f"{__name__}.{self.name.replace('-', '_')}")
        return module.prepare(row)


IMPLEMENTATIONS = {
    each.name: each
    for each in (
        Implementation("deltarule", "deltarule eager", "deltarule", is_peer=False),
        Implementation("deltarule-compiled", "deltarule compiled", "deltarule.compiler", is_peer=False),
        Implementation("pytorch", "PyTorch eager", "torch"),
        Implementation("pytorch-compile", "torch.compile", "torch"),
        Implementation("jax", "JAX jit", "jax"),
    )
}
# Whose losses are the right ones.
REFERENCE = "pytorch"
