"""Rows and columns of matrices exchanged: images from channels-first to channels-last memory and back."""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.matrix_product import transposed
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Pointer


@dataclass(frozen=True)
class Transpose(Routine):
    """out[b, j, i] = x[b, i, j] for a stack of rows × columns matrices; out is contiguous, rows of x too.

    sizes   (batch, rows, columns, elements from one matrix of x to the next) where they are known, else None
    """

    dtype: str
    sizes: tuple[int, int, int, int] | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {"x": array, "out": array} | dict.fromkeys(("batch", "rows", "columns", "step"), "index")

    def write(
        self, code: Code, x: Pointer, out: Pointer, batch: Bound, rows: Bound, columns: Bound, step: Bound
    ) -> None:
        if self.sizes is not None:
            batch, rows, columns, step = self.sizes
        lanes = code.lanes(self.dtype)
        blocks = (columns + (lanes - 1)) // lanes
        low, high = code.share(batch * blocks)
        for unit in code.range(low, high):
            matrix, first = unit // blocks, unit % blocks * lanes
            source = x + (matrix * step + first)
            target = out + (matrix * rows * columns + first * rows)
            count = code.least(columns - first, lanes)
            for row, height in code.blocks(rows, lanes):
                for _ in code.when(count == lanes):
                    self._block(code, source + row * columns, target + row, columns, rows, height, lanes)
                for _ in code.when(count < lanes):
                    self._block(code, source + row * columns, target + row, columns, rows, height, count)

    def _block(
        self,
        code: Code,
        source: Pointer,
        target: Pointer,
        columns: Bound,
        rows: Bound,
        height: Bound,
        count: Bound,
    ) -> None:
        """One square of registers; `height` rows and `count` columns of it are there."""
        lanes = code.lanes(self.dtype)
        inside = code.mask(count, lanes)
        lines = []
        for i in range(lanes):
            # Lines beyond the last repeat it; what comes of them is not stored.
            line = i if isinstance(height, int) and i < height else code.least(height - 1, i)
            lines.append((source + line * columns).vector(mask=inside))
        stored = code.mask(height, lanes)
        for i, vector in enumerate(transposed(lines)):
            for _ in code.when(True if isinstance(count, int) and i < count else count > i):
                target.put(vector, i * rows, mask=stored)
