"""Attention whose scores are never stored as a whole."""

from __future__ import annotations

from typing import Any

from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.plan import Scratch, View
from deltarule.compiler.native.rules.registry import labelled, remember, remembered, rule, with_elements
from deltarule.compiler.program import Instruction, Value
from deltarule.kernels.native.attention import Attention, scratch_elements
from deltarule.kernels.native.attention_blocks import feature_vectors
from deltarule.kernels.native.attention_gradient import AttentionGradient, gradient_scratch_elements
from deltarule.kernels.native.processor import processor


def _steps(*views: View) -> list[int]:
    """Of each view the strides of batch, heads and time."""
    return [stride for view in views for stride in view.strides[:3]]


def _thirds(view: View, heads: int) -> list[View]:
    """(batch, heads, time, features of a head) of queries, keys and values that lie side by side."""
    batch, time, width = view.shape
    size = width // (3 * heads)
    shape, strides = (batch, heads, time, size), (time * width, size, width, 1)
    return [View(view.storage, shape, strides, view.offset + part * heads * size) for part in range(3)]


def _heads(view: View, heads: int) -> View:
    batch, time, width = view.shape
    size = width // heads
    return View(view.storage, (batch, heads, time, size), (time * width, size, width, 1), view.offset)


def _forward(lowering: Lowering, instruction: Instruction, parts: list[View], y: View, logs: View) -> None:
    query, key, value = parts
    sizes: Any = (*query.shape[:3], key.shape[2], query.shape[3], value.shape[3])
    dtype, machine = query.dtype, processor()
    vectors = feature_vectors(machine, dtype, sizes[5])
    routine = Attention(dtype, instruction.parameters["is_causal"], False, vectors, sizes)
    scratch = Scratch(scratch_elements(machine, dtype, vectors, *sizes[3:]), dtype)
    arguments = [query, key, value, None, y, logs, scratch, *sizes, *_steps(query, key, value, y), 0, 0, 0]
    arguments.append(float(instruction.parameters["scale"]))
    lowering.call(routine, arguments, (4, 5), _work(sizes), labelled(instruction))


def _backward(
    lowering: Lowering,
    instruction: Instruction,
    parts: list[View],
    y: View,
    logs: View,
    upstream: View,
    gradients: list[View],
) -> None:
    query, key, value = parts
    sizes: Any = (*query.shape[:3], key.shape[2], query.shape[3], value.shape[3])
    dtype, machine = query.dtype, processor()
    vectors: Any = [feature_vectors(machine, dtype, each) for each in sizes[4:]]
    routine = AttentionGradient(
        dtype, instruction.parameters["is_causal"], False, vectors[0], vectors[1], sizes
    )
    scratch = Scratch(gradient_scratch_elements(machine, dtype, *vectors, *sizes[3:]), dtype)
    arguments = [query, key, value, None, y, logs, upstream, *gradients, scratch, *sizes]
    arguments += [*_steps(query, key, value, y, upstream, *gradients), 0, 0, 0]
    arguments.append(float(instruction.parameters["scale"]))
    lowering.call(routine, arguments, (7, 8, 9), 3 * _work(sizes), labelled(instruction))


def _work(sizes: tuple[int, ...]) -> int:
    batch, heads, targets, sources, width, value_width = sizes
    return 2 * batch * heads * targets * sources * (width + value_width)


@rule("forward", "self_attention")
def _self_attention(lowering: Lowering, instruction: Instruction) -> bool:
    (output,) = instruction.outputs
    if len(instruction.inputs) != 1 or output is None or not with_elements(*instruction.inputs):
        return False
    (x,) = instruction.inputs
    heads = instruction.parameters["num_heads"]
    given, made = lowering.contiguous(x), lowering.new(output)
    logs = lowering.temporary((given.shape[0], heads, given.shape[1]), given.dtype)
    _forward(lowering, instruction, _thirds(given, heads), _heads(made, heads), logs)
    lowering.views[output] = made
    remember(lowering, instruction, logs)
    return True


@rule("gradient", "self_attention")
def _self_attention_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    logs = remembered(lowering, instruction)
    (upstream,), (y,) = instruction.upstream, instruction.values
    output = instruction.outputs[0]
    if logs is None or output is None or not with_elements(upstream):
        return False
    heads = instruction.parameters["num_heads"]
    given, made = lowering.contiguous(instruction.inputs[0]), lowering.new(output)
    result, above = lowering.contiguous(y), lowering.contiguous(upstream)
    _backward(
        lowering,
        instruction,
        _thirds(given, heads),
        _heads(result, heads),
        logs,
        _heads(above, heads),
        _thirds(made, heads),
    )
    lowering.views[output] = made
    return True


def _four_axes(lowering: Lowering, value: Value) -> View:
    view = lowering.view(value)
    if view.strides[-1] != 1 and view.shape[-1] != 1:
        view = lowering.contiguous(value)
    if len(view.shape) == 4:
        return view
    missing = 4 - len(view.shape)
    return View(view.storage, (1,) * missing + view.shape, (0,) * missing + view.strides, view.offset)


@rule("forward", "scaled_dot_product_attention")
def _attention(lowering: Lowering, instruction: Instruction) -> bool:
    (output,) = instruction.outputs
    inputs = instruction.inputs
    if len(inputs) != 3 or output is None or not with_elements(*inputs):
        return False
    if len({len(each.shape or ()) for each in inputs}) != 1 or len(inputs[0].shape or ()) > 4:
        return False
    if len({(each.shape or ())[:-2] for each in inputs}) != 1:
        return False
    parts = [_four_axes(lowering, each) for each in inputs]
    made = lowering.new(output)
    logs = lowering.temporary(parts[0].shape[:3], parts[0].dtype)
    lowering.views[output] = made
    _forward(lowering, instruction, parts, _four_axes(lowering, output), logs)
    remember(lowering, instruction, logs)
    return True


@rule("gradient", "scaled_dot_product_attention")
def _attention_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    logs = remembered(lowering, instruction)
    (upstream,), (y,) = instruction.upstream, instruction.values
    if logs is None or not with_elements(upstream):
        return False
    parts = [_four_axes(lowering, each) for each in instruction.inputs]
    result, above = _four_axes(lowering, y), _four_axes(lowering, upstream)
    gradients = []
    for value, output in zip(instruction.inputs, instruction.outputs, strict=True):
        assert value.shape is not None
        made = lowering.temporary(value.shape, result.dtype) if output is None else lowering.new(output)
        if output is not None:
            lowering.views[output] = made
        missing = 4 - len(made.shape)
        shape, strides = (1,) * missing + made.shape, (0,) * missing + made.strides
        gradients.append(View(made.storage, shape, strides, made.offset))
    _backward(lowering, instruction, parts, result, logs, above, gradients)
    return True
