"""Rows of a table: looked up by number, and their gradient, the sum of what came to each row."""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Pointer


@dataclass(frozen=True)
class TakeRows(Routine):
    """out[m] = table[positions[m]]; positions are not checked."""

    dtype: str
    width: int | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {"table": array, "positions": "int64*", "out": array, "rows": "index", "width": "index"}

    def write(
        self, code: Code, table: Pointer, positions: Pointer, out: Pointer, rows: Bound, width: Bound
    ) -> None:
        width = width if self.width is None else self.width
        low, high = code.share(rows)
        for row in code.range(low, high):
            source, target = table + positions.number(row).index() * width, out + row * width
            for i, count in code.blocks(width, code.lanes(self.dtype)):
                mask = code.mask(count, code.lanes(self.dtype))
                target.put(source.vector(i, mask=mask), i, mask)


@dataclass(frozen=True)
class SumRows(Routine):
    """out[p] = Σ of updates[m] over all m with positions[m] = p, added in the order of m.

    cleared   whether `out` holds zeros already

    Each thread has columns of its own: nothing depends on the number of threads.
    """

    dtype: str
    cleared: bool
    width: int | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken = {"positions": "int64*", "updates": array, "out": array}
        return taken | dict.fromkeys(("count", "rows", "width"), "index")

    def write(
        self,
        code: Code,
        positions: Pointer,
        updates: Pointer,
        out: Pointer,
        count: Bound,
        rows: Bound,
        width: Bound,
    ) -> None:
        width = width if self.width is None else self.width
        lanes = code.lanes(self.dtype)
        low, high = code.share(width, lanes)
        if not self.cleared:
            for row in code.range(count):
                for i, inside in code.blocks(high, lanes, low):
                    out.put(code.zeros(self.dtype), row * width + i, code.mask(inside, lanes))
        for row in code.range(rows):
            target = out + positions.number(row).index() * width
            source = updates + row * width
            for i, inside in code.blocks(high, lanes, low):
                mask = code.mask(inside, lanes)
                target.put(target.vector(i, mask=mask) + source.vector(i, mask=mask), i, mask)
