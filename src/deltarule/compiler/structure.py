"""Nested tuples, lists and dictionaries: taken apart into leaves and put together again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Leaf:
    """Stands for an array in a structure: its position, and whether it is a "tensor" or a "number"."""

    position: int
    kind: str = "tensor"


def mapped(structure: Any, function: Callable[[Any], Any]) -> Any:
    """The same structure with function(leaf) for every leaf; named tuples stay what they are.

    >>> mapped({"a": [1, 2], "b": (3,)}, lambda leaf: leaf * 10)
    {'a': [10, 20], 'b': (30,)}
    """
    if type(structure) is list:
        return [mapped(part, function) for part in structure]
    if type(structure) is dict:
        return {key: mapped(part, function) for key, part in structure.items()}
    if isinstance(structure, tuple):
        parts = [mapped(part, function) for part in structure]
        return type(structure)(*parts) if hasattr(structure, "_fields") else type(structure)(parts)
    return function(structure)
