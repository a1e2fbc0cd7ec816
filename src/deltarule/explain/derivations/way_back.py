"""The way back through a record, and whether an opened group goes the same way as the closed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import backpropagate
from deltarule.autodiff.node import Node
from deltarule.autodiff.tensor import Array, Tensor


@dataclass(frozen=True)
class WayBack:
    """One backward pass. visits: node -> (what arrived at its outputs, what it hands to its inputs)."""

    visits: dict[Node, tuple[tuple[Any, ...], tuple[Any, ...]]]
    leaves: dict[Any, Any]


def walk_back(outputs: Sequence[Tensor], upstream: Sequence[Tensor], after: int) -> WayBack:
    """The pass from these outputs through the nodes that were recorded after that order."""
    visits: dict[Node, tuple[tuple[Any, ...], tuple[Any, ...]]] = {}

    def observe(node: Node, incoming: Sequence[Any], outgoing: Sequence[Any]) -> None:
        # In-place additions of the pass end before a node is visited, so the arrays are final.
        visits[node] = tuple(incoming), tuple(outgoing)

    with np.errstate(all="ignore"):
        return WayBack(visits, backpropagate(outputs, upstream, observer=observe, after=after))


def same_values(outputs: Sequence[Tensor], values: Sequence[Array]) -> bool:
    """Whether the open form gave what was recorded: it does not where it draws random numbers."""
    return len(outputs) == len(values) and all(
        _close(output._array, value) for output, value in zip(outputs, values, strict=True)
    )


def same_gradients(stand_ins: Sequence[Tensor], way: WayBack, contributions: Sequence[Array | None]) -> bool:
    """Whether the open form hands the same gradients back: at a kink, such as max(x, 0) at 0, it may not."""
    for stand_in, contribution in zip(stand_ins, contributions, strict=True):
        if contribution is not None:
            found = way.leaves.get(stand_in)
            if not _close(np.zeros_like(contribution) if found is None else found, contribution):
                return False
    return True


def _close(found: Array, expected: Array) -> bool:
    tolerance = 1e-3 if expected.dtype.itemsize < 8 else 1e-9
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(float(np.max(finite, initial=0.0)), 1e-3)
    return found.shape == expected.shape and np.allclose(
        found, expected, tolerance, tolerance * scale, equal_nan=True
    )
