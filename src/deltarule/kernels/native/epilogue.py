"""What happens to a tile of a product while it is still in registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.values import Mask, Vector


class Epilogue:
    """A function of each element of a product and its place. Subclasses are frozen dataclasses.

    `parameters` are arguments that the routine takes in addition; `apply` answers what is stored.
    """

    def parameters(self, dtype: str) -> dict[str, str]:
        """Names and kinds of further arguments, as Routine.parameters gives them."""
        return {}

    def apply(
        self, code: Code, value: Vector, row: Bound, column: Bound, mask: Mask | None, arguments: list[Any]
    ) -> Vector:
        """The result for elements [row, column …]; lanes that `mask` leaves out may hold anything."""
        raise NotImplementedError(f"{type(self).__name__}: apply")


@dataclass(frozen=True)
class AddBias(Epilogue):
    """Adds one number for each column."""

    def parameters(self, dtype: str) -> dict[str, str]:
        return {"bias": dtype + "*"}

    def apply(
        self, code: Code, value: Vector, row: Bound, column: Bound, mask: Mask | None, arguments: list[Any]
    ) -> Vector:
        (bias,) = arguments
        return value + bias.vector(column, lanes=value.lanes, mask=mask)


# Instructions of an epilogue from which it is written once, in a loop over the rows of the tile, and not once
# for each of the tile's vectors: 28 times GELU's gradient is more than the cache of instructions holds (a
# product of 2048 x 512 by 128 then took 5.5 ms, and takes 1.6 in the loop).
_LONG = 20


def is_long(code: Code, epilogue: Epilogue, value: Vector, arguments: list[Any]) -> bool:
    """Whether an epilogue takes many instructions; found by writing it once, for a try."""
    lines, entry = len(code.lines), len(code.entry)
    epilogue.apply(code, value, 0, 0, None, arguments)
    count = len(code.lines) - lines
    del code.lines[lines:], code.entry[entry:]
    return count > _LONG
