"""Cross-entropy against class numbers."""

from __future__ import annotations

from typing import Any

from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.plan import View
from deltarule.compiler.native.rules.registry import FLOATS, all_of, remember, remembered, rule
from deltarule.compiler.program import Instruction
from deltarule.kernels.native.cross_entropy import CrossEntropy, CrossEntropyGradient

# About so many operations does an exponential take.
EXPONENTIAL = 12


@rule("forward", "cross_entropy")
def _cross_entropy(lowering: Lowering, instruction: Instruction) -> bool:
    options = instruction.parameters
    if len(instruction.inputs) != 2 or options["label_smoothing"]:
        return False
    logits, target = instruction.inputs
    (output,) = instruction.outputs
    if output is None or not all_of((logits,), *FLOATS) or not all_of((target,), "int64"):
        return False
    if logits.shape is None or len(logits.shape) != 2 or 0 in logits.shape:
        return False
    rows, columns = logits.shape
    dtype, ignored = logits.dtype.name, options["ignore_index"]  # type: ignore[union-attr]
    terms = [lowering.temporary((rows,), dtype) for _ in range(3)]
    divisor, y = lowering.temporary((), dtype), lowering.new(output)
    if options["reduction"] == "none":
        terms[0] = y
        y = lowering.temporary((), dtype)
    key: Any = (dtype, options["reduction"], ignored is not None, columns)
    more = () if ignored is None else (ignored,)
    arguments = [lowering.contiguous(logits), lowering.contiguous(target), *terms, divisor, y]
    lowering.call(
        CrossEntropy(*key),
        [*arguments, rows, columns, *more],
        (2, 3, 4, 5, 6),
        rows * columns * EXPONENTIAL,
        "cross_entropy",
    )
    lowering.views[output] = terms[0] if options["reduction"] == "none" else y
    remember(lowering, instruction, (key, more, terms[1], terms[2], divisor))
    return True


@rule("gradient", "cross_entropy")
def _cross_entropy_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    note = remembered(lowering, instruction)
    output = instruction.outputs[0]
    if note is None or output is None:
        return False
    key, more, largest, log_sums, divisor = note
    logits, target = instruction.inputs
    (upstream,) = instruction.upstream
    assert logits.shape is not None
    rows, columns = logits.shape
    gradient: View = lowering.new(output)
    arguments = [lowering.contiguous(logits), lowering.contiguous(target), largest, log_sums, divisor]
    arguments += [lowering.contiguous(upstream), gradient]
    lowering.call(
        CrossEntropyGradient(*key),
        [*arguments, rows, columns, *more],
        (6,),
        rows * columns * EXPONENTIAL,
        "cross_entropy gradient",
    )
    lowering.views[output] = gradient
    return True
