"""Tensors in nested tuples, lists and dictionaries: taken out, and put back in the same places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from deltarule.autodiff.tensor import Tensor


class _Gap:
    """Where a tensor was."""

    def __repr__(self) -> str:
        return "tensor"


GAP = _Gap()


def taken_out(value: Any) -> tuple[list[Tensor], Any]:
    """The tensors of a nested value in order, and the same value with a gap for each.

    value   a tensor, or tuples (named ones too), lists and dictionaries; whatever else stays as it is

    >>> tensors, rest = taken_out((Tensor(1.0), {"cell": Tensor(2.0)}, None))
    >>> len(tensors), rest
    (2, (tensor, {'cell': tensor}, None))
    """
    tensors: list[Tensor] = []
    return tensors, _mapped(value, _take_into, tensors)


def put_back(rest: Any, tensors: Sequence[Tensor]) -> Any:
    """The value that `taken_out` took apart, with these tensors in its gaps."""
    return _mapped(rest, _give_from, iter(tensors))


# No function here calls itself through a closure: such a cycle would hold the tensors, until Python's
# collector of cycles came by.
def _take_into(part: Any, tensors: list[Tensor]) -> Any:
    if not isinstance(part, Tensor):
        return part
    tensors.append(part)
    return GAP


def _give_from(part: Any, tensors: Iterator[Tensor]) -> Any:
    return next(tensors) if part is GAP else part


def _mapped(part: Any, change: Callable[[Any, Any], Any], tensors: Any) -> Any:
    """The same nesting with every part that is no container changed."""
    if isinstance(part, tuple):
        parts = [_mapped(each, change, tensors) for each in part]
        return type(part)(*parts) if hasattr(part, "_fields") else tuple(parts)
    if isinstance(part, list):
        return [_mapped(each, change, tensors) for each in part]
    if isinstance(part, dict):
        return {key: _mapped(each, change, tensors) for key, each in part.items()}
    return change(part, tensors)
