"""Checks of what a step computed: what follows in it is left out where one fails."""

from __future__ import annotations

import math

import numpy as np

from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.plan import Scratch
from deltarule.compiler.native.rules.registry import FLOATS, all_of, rule
from deltarule.compiler.program import Instruction
from deltarule.kernels.native.finite import Gate, TimesZero


@rule("check", "require_finite")
def _require_finite(lowering: Lowering, instruction: Instruction) -> bool:
    if not all_of(instruction.inputs, *FLOATS):
        return False
    numbers = []
    for value in instruction.inputs:
        assert value.shape is not None and value.dtype is not None
        view, dtype = lowering.contiguous(value), value.dtype.name
        size = math.prod(value.shape)
        if size != 1:
            total = lowering.temporary((), dtype)
            arguments = [view, total, Scratch(1, dtype), size]
            lowering.call(TimesZero(dtype), arguments, (1,), size, f"is {value.name} finite")
            view = total
        numbers.append(view)

    def fail() -> None:
        instruction.operation.function(np.array(np.nan))

    gate = Gate(tuple([view.dtype for view in numbers]))
    arguments = [*numbers, lowering.stop(fail)]
    lowering.call(gate, arguments, (len(numbers),), 0, "stop unless finite")
    return True
