"""Loops over time whose memory grows with the square root of their length: segments are checkpointed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from deltarule.autodiff.checkpoint import checkpoint
from deltarule.autodiff.nesting import put_back, taken_out
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations.joining import concat, stack, unstack
from deltarule.operations.slicing import slice_axis

_WHO = "checkpoint_sequence"


def checkpoint_sequence(
    step: Callable[[Any, Any], tuple[Any, Any]],
    state: Any,
    inputs: Any = None,
    *,
    steps: int | None = None,
    segments: int | None = None,
    axis: int = 1,
) -> tuple[Any, Any]:
    """A loop over time that keeps its state only now and then; backward runs it again, part by part.

    state, y[t] = step(state, inputs[:, t])   for t = 0, …, T − 1

    step      function of (state, input of one step) that returns (next state, output of the step)
    state     first state: a tensor, or tuples, lists and dictionaries of tensors (an LSTM's pair)
    inputs    a tensor (batch, time, ...), a list with what each step is given, or None
    steps     T, needed where inputs is None; each step is then given None
    segments  number of equal parts, from 1 to T; ⌈√T⌉ unless given
    axis      the axis of time in inputs and outputs: 1, or 0 for (time, batch, ...)
    returns   (last state, outputs): outputs nested as step nests them, each stacked along the axis
              (along its last one where a step's output has fewer axes: numbers give (T,))

    Memory: the states between segments, and while going back the record of one segment; about 2√T steps
    in place of T. Inputs and outputs stay besides. Time: one more forward. Values and gradients are those
    of the plain loop to the last bit, random numbers (dropout) included, and gradients of gradients work,
    but they keep the whole loop. The step may take tensors from its surroundings, as a module does.

    Most memory of a step, tanh network of 256 units, batch 8, float32, the last state alone in the loss
    (tests/autodiff/test_checkpoint_sequence.py holds the growth):

        steps               64     256    1024    4096
        plain loop, MiB    2.4     7.2    26.5   104.1
        so, MiB            1.0     1.3     1.9     3.0

    Raises ArgumentError for options out of range or a step that returns no pair, ShapeError if inputs is
    a tensor without that axis, or outputs differ in shape from step to step.
    Source: T. Chen et al., "Training deep nets with sublinear memory cost", 2016; A. Gruslys et al.,
    "Memory-efficient backpropagation through time", 2016. The order of arguments is that of jax.lax.scan.

    >>> import deltarule as dr
    >>> cell = dr.nn.LSTMCell(3, 4)
    >>> def step(state, x):
    ...     hidden, cell_state = cell(x, state)
    ...     return (hidden, cell_state), hidden
    >>> first = (dr.zeros((2, 4)), dr.zeros((2, 4)))
    >>> last, outputs = dr.checkpoint_sequence(step, first, dr.ones((2, 9, 3)))
    >>> last[0].shape, outputs.shape
    ((2, 4), (2, 9, 4))
    >>> outputs.sum().backward()
    >>> cell.weight_hh.grad.shape
    (16, 4)
    """
    if axis not in (0, 1):
        raise ArgumentError(_WHO, f"axis expected 0 or 1, got {axis!r}", "Time is the first or second axis.")
    count = _count(inputs, steps, axis)

    def run(state: Any, given: Sequence[Any] | Tensor) -> tuple[Any, Any]:
        outputs = []
        for each in unstack(given, axis=axis) if isinstance(given, Tensor) else given:
            state, output = _pair(step(state, each))
            outputs.append(output)
        return state, _joined(outputs, axis, stack)

    run_and_forget = checkpoint(run)
    outputs = []
    for start, stop in segment_bounds(_WHO, count, segments):
        if isinstance(inputs, Tensor):
            given: Any = slice_axis(inputs, axis, start, stop)
        else:
            given = [None] * (stop - start) if inputs is None else inputs[start:stop]
        state, output = run_and_forget(state, given)
        outputs.append(output)
    return state, _joined(outputs, axis, concat)


def _count(inputs: Any, steps: int | None, axis: int) -> int:
    """How many steps there are."""
    if isinstance(inputs, Tensor):
        if inputs.ndim <= axis:
            raise ShapeError(_WHO, f"inputs expected an axis {axis} for time, got shape {inputs.shape}")
        found: Any = inputs.shape[axis]
    elif isinstance(inputs, (list, tuple)):
        found = len(inputs)
    elif inputs is None:
        found = steps
    else:
        raise ArgumentError(
            _WHO,
            f"inputs expected a tensor, a list with what each step is given, or None, "
            f"got {type(inputs).__name__}",
            "Convert arrays with dr.tensor.",
        )
    if steps is not None and steps != found:
        raise ArgumentError(_WHO, f"steps expected {found}, which inputs has, got {steps}", "Leave it out.")
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise ArgumentError(
            _WHO, f"expected at least one time step, got {found!r}", "Pass steps= where inputs is None."
        )
    return found


def segment_bounds(who: str, steps: int, segments: int | None) -> list[tuple[int, int]]:
    """Start and end of every segment; ⌈√steps⌉ of them unless given, as equal as can be.

    >>> segment_bounds("example", 10, None)
    [(0, 2), (2, 5), (5, 7), (7, 10)]
    """
    wanted = math.isqrt(steps - 1) + 1 if segments is None else segments
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted <= steps:
        raise ArgumentError(
            who,
            f"segments expected a whole number from 1 to the {steps} steps, got {wanted!r}",
            "None takes the square root of the number of steps.",
        )
    return list(pairwise(steps * place // wanted for place in range(wanted + 1)))


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        got = f"{len(result)} parts" if isinstance(result, (tuple, list)) else type(result).__name__
        raise ArgumentError(
            _WHO,
            f"step expected to return a pair (next state, output), got {got}",
            "Return (state, None) where only the last state is wanted.",
        )
    return result[0], result[1]


def _joined(outputs: Sequence[Any], axis: int, join: Callable[..., Tensor]) -> Any:
    """Outputs of one nesting as one such output, its tensors joined along the axis of time."""
    found = [taken_out(each) for each in outputs]
    counts = {len(tensors) for tensors, _ in found}
    if len(counts) > 1:
        raise ShapeError(
            _WHO, f"outputs expected as many tensors in all steps, got {sorted(counts)}", "Leave none out."
        )
    joined = []
    for tensors in zip(*(tensors for tensors, _ in found), strict=True):
        axes = tensors[0].ndim + (join is stack)
        joined.append(join(tensors, axis=min(axis, axes - 1)))
    return put_back(found[0][1], joined)
