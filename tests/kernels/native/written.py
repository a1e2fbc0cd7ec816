"""Small kernels that a test writes in place: a function of a Code and its arguments becomes callable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deltarule.kernels.native.compilation import load
from deltarule.kernels.native.entry import built_in
from deltarule.kernels.native.processor import Processor, processor
from deltarule.kernels.native.routine import Routine, Unit


@dataclass(frozen=True)
class Written(Routine):
    """A routine from a function; `name` tells routines of one unit apart."""

    kinds: tuple[str, ...]
    body: Callable[..., None] = field(repr=False)
    name: str = ""

    def parameters(self) -> dict[str, str]:
        return {f"argument{i}": kind for i, kind in enumerate(self.kinds)}

    def write(self, code: Any, *arguments: Any) -> None:
        self.body(code, *arguments)


def written(
    kinds: list[str], body: Callable[..., None], machine: Processor | None = None, checked: bool = False
) -> Callable[..., Any]:
    """function(threads, *arguments) that runs `body`. The text itself is its key among kept object code."""
    unit = Unit(machine or processor())
    unit.entry(Written(tuple(kinds), body), "python_entry", checked)
    text = unit.text()
    return built_in("written", load(text, lambda: text, ["python_entry"])["python_entry"])
