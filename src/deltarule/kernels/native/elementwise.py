"""Functions of each element by itself, in one pass over memory, with simple broadcasting.

Inputs lie relative to the output, a matrix of rows × columns in memory:

    "full"     one element for each of the output's, in the same order
    "scalar"   a single element
    "row"      one element for each column, the same in every row
    "column"   one element for each row
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Mask, Pointer, Vector

Function = Callable[[Code, list[Vector]], Sequence[Any]]

# Elements of a row that one thread takes at a time.
PIECE = 2048


@dataclass(frozen=True)
class Elementwise(Routine):
    """outputs[i] = function(inputs[i], numbers) for each element i.

    key       says what the function computes: routines with equal fields are one routine
    inputs    (element type, layout) of each; layouts as the module says
    outputs   their element types; each output is full
    numbers   element types of further inputs that are passed as numbers
    function  (code, vectors of inputs and numbers) -> vectors or masks, one for each output
    sizes     (rows, columns) where they are known, else None: then the arguments say it

    An output may be the memory of a full input of the same type.
    """

    key: str
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[str, ...]
    function: Function = field(compare=False, repr=False)
    numbers: tuple[str, ...] = ()
    sizes: tuple[int, int] | None = None

    def parameters(self) -> dict[str, str]:
        taken = {f"input{i}": dtype + "*" for i, (dtype, _) in enumerate(self.inputs)}
        taken |= {f"output{i}": dtype + "*" for i, dtype in enumerate(self.outputs)}
        taken |= {f"number{i}": dtype for i, dtype in enumerate(self.numbers)}
        return taken | {"rows": "index", "columns": "index"}

    def write(self, code: Code, *arguments: Any) -> None:
        *given, rows, columns = arguments
        if self.sizes is not None:
            rows, columns = self.sizes
        count = len(self.inputs)
        inputs, outputs = given[:count], given[count : count + len(self.outputs)]
        numbers = given[count + len(self.outputs) :]
        lanes = self._lanes(code)
        single = {i: pointer.number() for i, pointer in enumerate(inputs) if self.inputs[i][1] == "scalar"}
        if all(layout in ("full", "scalar") for _, layout in self.inputs):
            start, stop = code.share(rows * columns, lanes * 4)
            self._line(code, inputs, outputs, single, numbers, start, stop, 0, lanes)
            return
        # Rows are cut into pieces, so that few long ones can be shared as well as many short ones.
        pieces = (columns + (PIECE - 1)) // PIECE
        first, last = code.share(rows * pieces)
        for piece in code.range(first, last):
            row, start = piece // pieces, piece % pieces * PIECE
            stop = code.least(start + PIECE, columns)
            held = single | {
                i: (pointer + row).number()
                for i, pointer in enumerate(inputs)
                if self.inputs[i][1] == "column"
            }
            self._line(code, inputs, outputs, held, numbers, start, stop, row * columns, lanes)

    def _lanes(self, code: Code) -> int:
        """Lanes of the widest float type, else of the widest type."""
        dtypes = [dtype for dtype, _ in self.inputs] + list(self.outputs) + list(self.numbers)
        floats = [dtype for dtype in dtypes if dtype.startswith("float")]
        return min(code.lanes(dtype) for dtype in floats or dtypes)

    def _line(
        self,
        code: Code,
        inputs: list[Pointer],
        outputs: list[Pointer],
        held: dict[int, Vector],
        numbers: list[Vector],
        start: Bound,
        stop: Bound,
        offset: Bound,
        lanes: int,
    ) -> None:
        """Elements start … stop of one row, which begins at `offset`."""
        for position, count in code.blocks(stop, lanes, start):
            mask = code.mask(count, lanes)
            vectors = [
                held[i]
                if i in held
                else pointer.vector(position if layout == "row" else offset + position, lanes, mask)
                for i, (pointer, (_, layout)) in enumerate(zip(inputs, self.inputs, strict=True))
            ]
            results = self.function(code, [*vectors, *numbers])
            for pointer, dtype, result in zip(outputs, self.outputs, results, strict=True):
                pointer.put(_stored(code, result, dtype, lanes), offset + position, mask)


def _stored(code: Code, result: Any, dtype: str, lanes: int) -> Vector:
    """A result as a vector of the output's type and length."""
    if isinstance(result, Mask):
        result = result.vector(dtype)
    elif not isinstance(result, Vector):
        result = code.number(result, dtype)
    elif dtype == "bool" and result.dtype != "bool":
        result = result.differs(0).vector("bool")
    result = result.to(dtype)
    return result.spread(lanes) if result.lanes < lanes else result
