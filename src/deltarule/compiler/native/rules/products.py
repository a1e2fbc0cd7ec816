"""Linear layers and matrix products."""

from __future__ import annotations

import math

from deltarule.compiler.native.cluster import Item, Result
from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.matrix_call import ProductCall
from deltarule.compiler.native.plan import Scratch, View
from deltarule.compiler.native.rules.elementwise import reduce
from deltarule.compiler.native.rules.registry import labelled, one_type, rule
from deltarule.compiler.program import Instruction, Value
from deltarule.kernels.native.batched_product import BatchedProduct
from deltarule.kernels.native.matrix_product import scratch_elements
from deltarule.kernels.native.processor import processor
from deltarule.kernels.native.products import product_kind


@rule("forward", "linear")
def _linear(lowering: Lowering, instruction: Instruction) -> bool:
    x, weight, *bias = instruction.inputs
    (output,) = instruction.outputs
    if output is None or not one_type(*instruction.inputs):
        return False
    assert x.shape is not None and weight.shape is not None and output.shape is not None
    rows = math.prod(x.shape[:-1])
    product = output
    if bias:
        # The sum is a step of its own, so that it happens in the product's tile.
        product = Value(-1, output.shape, output.dtype, f"{output.name}_product", "computed")
        lowering.consumers[product] = [id(instruction)]
    call = ProductCall(
        product,
        lowering.contiguous(x),
        lowering.contiguous(weight),
        False,
        True,
        rows,
        weight.shape[0],
        weight.shape[1],
        labelled(instruction),
    )
    lowering.product(call, output.shape, instruction)
    if bias:
        lowering.item(
            Item(
                output.shape,
                [product, bias[0]],
                [Result(output)],
                lambda code, vectors: [vectors[0] + vectors[1]],
                "add bias",
                instruction,
            )
        )
    return True


@rule("gradient", "linear")
def _linear_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    x, weight = instruction.inputs[:2]
    (upstream,) = instruction.upstream
    if not one_type(*instruction.inputs, upstream):
        return False
    assert x.shape is not None and weight.shape is not None
    rows = math.prod(x.shape[:-1])
    out_features, in_features = weight.shape
    outputs = [*instruction.outputs, None][:3]
    label = labelled(instruction)
    given = lowering.contiguous(upstream)
    if outputs[2] is not None:
        assert upstream.shape is not None
        reduce(lowering, instruction, upstream, outputs[2], tuple(range(len(upstream.shape) - 1)))
    if outputs[1] is not None:
        call = ProductCall(
            outputs[1], given, lowering.contiguous(x), True, False, out_features, in_features, rows,
            f"{label}, weight"
        )  # fmt: skip
        lowering.product(call, weight.shape, instruction)
    if outputs[0] is not None:
        call = ProductCall(
            outputs[0], given, lowering.contiguous(weight), False, False, rows, in_features, out_features,
            f"{label}, x"
        )  # fmt: skip
        lowering.product(call, x.shape, instruction)
    return True


@rule("forward", "matmul")
def _matmul(lowering: Lowering, instruction: Instruction) -> bool:
    a, b = instruction.inputs
    (output,) = instruction.outputs
    if output is None or not one_type(a, b):
        return False
    if _are_stacks(a, b):
        _stacked(lowering, instruction, a, b, output, False, False)
        return True
    if not _are_matrices(a, b):
        return False
    assert a.shape is not None and b.shape is not None and output.shape is not None
    left, a_turned = _as_it_lies(lowering, a)
    right, b_turned = _as_it_lies(lowering, b)
    rows = math.prod(a.shape[:-1])
    call = ProductCall(
        output, left, right, a_turned, b_turned, rows, b.shape[1], b.shape[0], labelled(instruction)
    )
    lowering.product(call, output.shape, instruction)
    return True


@rule("gradient", "matmul")
def _matmul_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    a, b = instruction.inputs
    (upstream,) = instruction.upstream
    if not one_type(a, b, upstream):
        return False
    if _are_stacks(a, b):
        if instruction.outputs[0] is not None:
            _stacked(lowering, instruction, upstream, b, instruction.outputs[0], False, True)
        if instruction.outputs[1] is not None:
            _stacked(lowering, instruction, a, upstream, instruction.outputs[1], True, False)
        return True
    if not _are_matrices(a, b):
        return False
    assert a.shape is not None and b.shape is not None
    rows, depth, columns = math.prod(a.shape[:-1]), b.shape[0], b.shape[1]
    given = lowering.contiguous(upstream)
    grad_a, grad_b = instruction.outputs
    label = labelled(instruction)
    if grad_a is not None:
        right, turned = _as_it_lies(lowering, b)
        call = ProductCall(grad_a, given, right, False, not turned, rows, depth, columns, f"{label}, a")
        lowering.product(call, a.shape, instruction)
    if grad_b is not None:
        left, turned = _as_it_lies(lowering, a)
        call = ProductCall(grad_b, left, given, not turned, False, depth, columns, rows, f"{label}, b")
        lowering.product(call, b.shape, instruction)
    return True


def _are_stacks(a: Value, b: Value) -> bool:
    """Whether both are stacks of equally many matrices."""
    return a.shape is not None and b.shape is not None and len(a.shape) > 2 and a.shape[:-2] == b.shape[:-2]


def _stacked(
    lowering: Lowering,
    instruction: Instruction,
    a: Value,
    b: Value,
    output: Value,
    turned_a: bool,
    turned_b: bool,
) -> None:
    """output[i] = (aᵀ or a)[i] · (bᵀ or b)[i]."""
    left, a_lies = _stack_as_it_lies(lowering, a)
    right, b_lies = _stack_as_it_lies(lowering, b)
    turned_a, turned_b = turned_a != a_lies, turned_b != b_lies
    assert output.shape is not None and output.dtype is not None
    count, (rows, columns) = math.prod(output.shape[:-2]), output.shape[-2:]
    depth = left.shape[-2] if turned_a else left.shape[-1]
    dtype = output.dtype.name
    made = lowering.new(output)
    packed = turned_b or product_kind(rows, depth, False) == "packed"
    sizes, strides = (rows, columns, depth), (left.shape[-1], right.shape[-1], columns)
    routine = BatchedProduct(dtype, turned_a, turned_b, sizes, strides, packed)
    arguments = [left, right, made, Scratch(scratch_elements(processor(), dtype), dtype), *sizes, *strides]
    steps = (count, rows * depth, depth * columns, rows * columns)
    work = 2 * count * math.prod(sizes)
    lowering.call(routine, [*arguments, *steps], (2,), work, labelled(instruction))
    lowering.views[output] = made


def _stack_as_it_lies(lowering: Lowering, value: Value) -> tuple[View, bool]:
    """(a contiguous view of a stack of matrices, whether each of them is its transpose)."""
    view = lowering.view(value)
    if not view.is_contiguous:
        turned = View(
            view.storage,
            (*view.shape[:-2], view.shape[-1], view.shape[-2]),
            (*view.strides[:-2], view.strides[-1], view.strides[-2]),
            view.offset,
        )
        if turned.is_contiguous:
            return turned, True
    return lowering.contiguous(value), False


def _are_matrices(a: Value, b: Value) -> bool:
    """Whether it is one product of two matrices (a may be a stack of them, b not)."""
    return a.shape is not None and b.shape is not None and len(b.shape) == 2 and len(a.shape) >= 2


def _as_it_lies(lowering: Lowering, value: Value) -> tuple[View, bool]:
    """(a contiguous view, whether it is the transpose)."""
    view = lowering.view(value)
    if len(view.shape) == 2 and not view.is_contiguous:
        turned = View(view.storage, view.shape[::-1], view.strides[::-1], view.offset)
        if turned.is_contiguous:
            return turned, True
    return lowering.contiguous(value), False
