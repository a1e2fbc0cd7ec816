"""Clipping gradients by their joint norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.compiler.native.cluster import Item, Result
from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.plan import View
from deltarule.compiler.native.rules.registry import FLOATS, all_of, rule
from deltarule.compiler.program import Instruction, Value
from deltarule.kernels.native.values import Vector


@rule("plain", "clipped_by_norm")
def _clipped_by_norm(lowering: Lowering, instruction: Instruction) -> bool:
    """The squares are added up in float64, where those of float32 neither overflow nor vanish."""
    options, gradients = instruction.parameters, instruction.inputs
    total, *scaled = instruction.outputs
    if options["norm_type"] != 2 or options.get("called") or not all_of(gradients, *FLOATS):
        return False
    if any(0 in (value.shape or ()) for value in gradients) or not gradients:
        return False
    squares = lowering.temporary((len(gradients),), "float64")
    for place, value in enumerate(gradients):
        _sum_of_squares(lowering, value, View(squares.storage, (), (), place))
    norm = lowering.temporary((), "float64")
    _run(lowering, (len(gradients),), squares, norm, lambda x: x, "sum of squares", reduced=True)
    root = lowering.temporary((), "float64") if total is None else lowering.new(total)
    _run(lowering, (), norm, root, lambda x: x.function("sqrt"), "norm of all gradients")
    limit = float(options["max_norm"])

    def share(norm: Any) -> Vector:
        coefficient = limit / (norm + 1e-6)
        # Where the norm is no number nothing is scaled: a comparison with it is false.
        return ((coefficient < 1.0) & (norm < float("inf"))).select(coefficient, 1.0)

    factor = lowering.temporary((), "float64")
    _run(lowering, (), root, factor, share, f"share({limit!r})")
    if total is not None:
        lowering.views[total] = root
    for value, output in zip(gradients, scaled, strict=True):
        if output is not None:
            _scale(lowering, instruction, value, output, factor)
    return True


def _sum_of_squares(lowering: Lowering, value: Value, target: View) -> None:
    view = lowering.contiguous(value)

    def square(x: Any) -> Vector:
        wide = x.to("float64")
        return wide * wide

    _run(lowering, view.shape, view, target, square, f"squares of {value.name}", reduced=True)


def _run(
    lowering: Lowering,
    domain: tuple[int, ...],
    source: View,
    target: View,
    function: Any,
    text: str,
    reduced: bool = False,
) -> None:
    """target = function of the source's elements, or their sum, at once."""
    made = Value(-1, target.shape, np.dtype(target.dtype), text, "computed")
    axes = tuple(axis for axis, extent in enumerate(domain) if extent != 1) if reduced else ()
    result = Result(made, axes, target)
    lowering.at_once(Item(domain, [source], [result], lambda code, x: [function(x[0])], text))


def _scale(lowering: Lowering, instruction: Instruction, value: Value, output: Value, factor: View) -> None:
    def function(code: Any, vectors: list[Any]) -> list[Any]:
        gradient, share = vectors
        return [gradient * share.to(gradient.dtype)]

    assert value.shape is not None
    item = Item(value.shape, [value, factor], [Result(output)], function, "clip", instruction)
    lowering.item(item)
