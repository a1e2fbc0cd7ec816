"""The inner loops of convolution: a register tile of neighbouring output positions × output channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.epilogue import Epilogue, is_long
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.tile import multiply_accumulate
from deltarule.kernels.native.values import Index, Mask, Pointer, Vector

Tile = list[list[Any]]


def diagonal_accumulate(code: Code, rows: int, vectors: int, left: Any, right: Any, tile: Tile) -> None:
    """tile[i][j] += left(i, j) · right(j), lane by lane: each channel by itself."""
    held = [right(j) for j in range(vectors)]
    for i in range(rows):
        for j in range(vectors):
            tile[i][j].value = left(i, j).fma(held[j], tile[i][j].value)


def fresh_tile(code: Code, dtype: str, rows: int, vectors: int) -> Tile:
    """Accumulators that hold 0."""
    return [[code.variable(code.zeros(dtype)) for _ in range(vectors)] for _ in range(rows)]


@dataclass(frozen=True)
class ConvolutionTile(Routine):
    """`count` tiles of `rows` neighbouring outputs in one line, for one panel of output channels.

    position, tap_y, tap_x   elements of the frame from one output's window to the next, from tap to tap
    out_step                 elements from output to output
    run                      neighbouring elements of the frame that are summed at each tap
    valid                    channels of the panel that are stored
    together                 (m, channels): the panel is m outputs side by side, see Geometry
    """

    dtype: str
    rows: int
    vectors: int
    diagonal: bool
    epilogue: Epilogue | None
    together: tuple[int, int] | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken = {"frame": array, "weights": array, "out": array}
        numbers = ("count", "taps_y", "taps_x", "run", "position", "tap_y", "tap_x", "out_step", "valid")
        taken |= dict.fromkeys((*numbers, "row", "row_step", "column"), "index")
        return taken | ({} if self.epilogue is None else self.epilogue.parameters(self.dtype))

    def write(
        self,
        code: Code,
        frame: Pointer,
        weights: Pointer,
        out: Pointer,
        count: Bound,
        taps_y: Bound,
        taps_x: Bound,
        run: Bound,
        position: Bound,
        tap_y: Bound,
        tap_x: Bound,
        out_step: Bound,
        valid: Bound,
        row: Bound,
        row_step: Bound,
        column: Bound,
        *more: Any,
    ) -> None:
        lanes = code.lanes(self.dtype)
        width = self.vectors * lanes
        for band in code.range(count):
            here = frame + band * self.rows * position
            there = out + band * self.rows * out_step
            first_row = row + band * self.rows * row_step
            tile = fresh_tile(code, self.dtype, self.rows, self.vectors)
            for j in code.range(taps_y):
                for i in code.range(taps_x):
                    self._tap(
                        code,
                        here + (j * tap_y + i * tap_x),
                        weights + (j * taps_x + i) * run * width,
                        run,
                        position,
                        valid,
                        tile,
                    )
            if self.together is not None and self.epilogue is not None:
                self._store_apart(code, tile, there, out_step, first_row, row_step, more)
                continue
            for _ in code.when(valid >= width):
                self._store(code, tile, there, out_step, None, first_row, row_step, column, more)
            for _ in code.when(valid < width):
                self._store(code, tile, there, out_step, valid, first_row, row_step, column, more)

    def _tap(
        self,
        code: Code,
        frame: Pointer,
        weights: Pointer,
        run: Bound,
        position: Bound,
        valid: Bound,
        tile: Tile,
    ) -> None:
        lanes = code.lanes(self.dtype)
        lines = [frame + i * position for i in range(self.rows)]
        if self.diagonal:
            masks = [code.mask(valid - j * lanes, lanes) for j in range(self.vectors)]
            diagonal_accumulate(
                code,
                self.rows,
                self.vectors,
                lambda i, j: lines[i].vector(j * lanes, mask=masks[j]),
                lambda j: weights.vector(j * lanes),
                tile,
            )
            return
        multiply_accumulate(
            code,
            self.dtype,
            self.rows,
            self.vectors,
            run,
            lambda p, i: lines[i].number(p),
            lambda p, j: (weights + p * (self.vectors * lanes)).vector(j * lanes),
            tile,
        )

    def _store(
        self,
        code: Code,
        tile: Tile,
        out: Pointer,
        out_step: Bound,
        valid: Bound | None,
        row: Bound,
        row_step: Bound,
        column: Bound,
        more: tuple[Any, ...],
    ) -> None:
        lanes = code.lanes(self.dtype)
        masks: list[Mask | None] = [None] * self.vectors
        if valid is not None:
            masks = [code.mask(valid - j * lanes, lanes) for j in range(self.vectors)]
        if self.epilogue is not None and is_long(code, self.epilogue, tile[0][0].value, list(more)):
            held, width = self._held(code, tile), self.vectors * lanes
            for i in code.range(self.rows):
                for j in range(self.vectors):
                    value = self.epilogue.apply(
                        code,
                        held.vector(i * width + j * lanes),
                        row + i * row_step,
                        column + j * lanes,
                        masks[j],
                        list(more),
                    )
                    (out + i * out_step).put(value, j * lanes, mask=masks[j])
            return
        for i in range(self.rows):
            for j in range(self.vectors):
                value = tile[i][j].value
                if self.epilogue is not None:
                    value = self.epilogue.apply(
                        code, value, row + i * row_step, column + j * lanes, masks[j], list(more)
                    )
                (out + i * out_step).put(value, j * lanes, mask=masks[j])

    def _held(self, code: Code, tile: Tile) -> Pointer:
        """The tile in memory, for a loop over its rows."""
        lanes = code.lanes(self.dtype)
        held = code.local(self.dtype, self.rows * self.vectors * lanes)
        for i in range(self.rows):
            for j in range(self.vectors):
                held.put(tile[i][j].value, (i * self.vectors + j) * lanes)
        return held

    def _store_apart(
        self,
        code: Code,
        tile: Tile,
        out: Pointer,
        out_step: Bound,
        row: Bound,
        row_step: Bound,
        more: tuple[Any, ...],
    ) -> None:
        """Stores outputs that were computed as one: the epilogue sees each by itself."""
        assert self.together is not None and self.epilogue is not None
        many, channels = self.together
        lanes = code.lanes(self.dtype)
        mask = code.mask(channels, lanes)
        rows: Any = range(self.rows)
        held: Pointer | None = None
        if is_long(code, self.epilogue, tile[0][0].value, list(more)):
            held, rows = self._held(code, tile), code.range(self.rows)
        for i in rows:
            for part in range(many):
                whole = tile[i][0].value if held is None else held.vector(i * self.vectors * lanes)
                moved = whole.shuffle(whole, [(part * channels + lane) % lanes for lane in range(lanes)])
                value = self.epilogue.apply(code, moved, row + (i * row_step + part), 0, mask, list(more))
                (out + (i * out_step + part * channels)).put(value, mask=mask)


@dataclass(frozen=True)
class WeightTile(Routine):
    """total[i, :] += Σ over `lines` × `length` positions of frame[position, i] · signal[position, :].

    row                  elements of the frame from one row of the tile to the next
    frame_y, frame_x     elements from line to line and from position to position of the frame
    signal_y, signal_x   the same of the signal
    """

    dtype: str
    rows: int
    vectors: int
    diagonal: bool

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        numbers = ("lines", "length", "row", "frame_y", "frame_x", "signal_y", "signal_x", "valid")
        return {"frame": array, "signal": array, "total": array} | dict.fromkeys(numbers, "index")

    def write(
        self,
        code: Code,
        frame: Pointer,
        signal: Pointer,
        total: Pointer,
        lines: Index,
        length: Index,
        row: Index,
        frame_y: Index,
        frame_x: Index,
        signal_y: Index,
        signal_x: Index,
        valid: Index,
    ) -> None:
        lanes = code.lanes(self.dtype)
        width = self.vectors * lanes
        masks = [code.mask(valid - j * lanes, lanes) for j in range(self.vectors)]
        tile = fresh_tile(code, self.dtype, self.rows, self.vectors)
        for line in code.range(lines):
            left, right = frame + line * frame_y, signal + line * signal_y
            if self.diagonal:
                for p in code.range(length):
                    starts = [left + (p * frame_x + i * row) for i in range(self.rows)]
                    here = right + p * signal_x
                    diagonal_accumulate(
                        code,
                        self.rows,
                        self.vectors,
                        lambda i, j, starts=starts: starts[i].vector(j * lanes, mask=masks[j]),
                        lambda j, here=here: here.vector(j * lanes, mask=masks[j]),
                        tile,
                    )
                continue

            def element(p: Bound, i: int, left: Pointer = left) -> Vector:
                return (left + p * frame_x).number(i * row)

            def vector(p: Bound, j: int, right: Pointer = right) -> Vector:
                return (right + p * signal_x).vector(j * lanes, mask=masks[j])

            multiply_accumulate(code, self.dtype, self.rows, self.vectors, length, element, vector, tile)
        for i in range(self.rows):
            for j in range(self.vectors):
                place = total + (i * width + j * lanes)
                place.put(place.vector() + tile[i][j].value)
