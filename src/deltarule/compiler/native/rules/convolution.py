"""Convolutions on channels-last memory; bias, activation and what else follows happens in the tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.compiler.native.cluster import Item, Producer, Result
from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.plan import Scratch, View
from deltarule.compiler.native.rules.registry import labelled, rule, with_elements
from deltarule.compiler.native.rules.rows import as_rows
from deltarule.compiler.program import Instruction, Value
from deltarule.kernels.native.convolution import Convolution, scratch_elements
from deltarule.kernels.native.convolution_geometry import Geometry, forward_geometry, transposed_geometry
from deltarule.kernels.native.convolution_gradient import WeightGradient, gradient_scratch_elements
from deltarule.kernels.native.convolutions import image
from deltarule.kernels.native.epilogue import Epilogue
from deltarule.kernels.native.layouts import plane
from deltarule.kernels.native.processor import processor
from deltarule.kernels.native.team import thread_count

Sizes = tuple[int, ...]


@dataclass(eq=False)
class ConvolutionCall(Producer):
    """A convolution or its transpose; x lies channels-last."""

    value: Value
    x: View
    weight: View
    geometry: Geometry
    label: str

    def reads(self) -> list[View]:
        return [self.x, self.weight]

    def order(self, rank: int) -> tuple[int, ...]:
        return (0, *range(2, rank), 1)

    def call(
        self, out: View, epilogue: Epilogue | None, views: list[View], results: list[View]
    ) -> tuple[Any, list[Any], list[int], int]:
        geometry, dtype = self.geometry, self.x.dtype
        routine = Convolution(dtype, *_facts(geometry), epilogue=epilogue, geometry=geometry)
        scratch = Scratch(scratch_elements(geometry, thread_count()), dtype, per_thread=False)
        arguments = [self.x, self.weight, out, scratch, None, geometry.frame_elements(), *views, *results]
        writes = [2, *range(len(arguments) - len(results), len(arguments))]
        return routine, arguments, writes, 2 * geometry.multiply_adds()


def _facts(geometry: Geometry) -> tuple[Any, ...]:
    """What the routines are written for, in their order."""
    return geometry.vectors, geometry.copied, geometry.diagonal, geometry.together


def _geometry(instruction: Instruction, x: Sizes, weight: Sizes, y: Sizes, transposed: bool) -> Geometry:
    """The geometry of the convolution x -> y, or of its transpose y -> x."""
    options = instruction.parameters
    before = tuple(each[0] if isinstance(each, tuple) else each for each in options["padding"])
    make = transposed_geometry if transposed else forward_geometry
    given, wanted = (y, x) if transposed else (x, y)
    dtype = instruction.inputs[0].dtype
    assert dtype is not None
    return make(
        processor(),
        dtype.name,
        image(given),
        image(weight),
        plane(wanted[2:]),
        plane(options["stride"]),
        plane(before, 0),
        plane(options["dilation"]),
        options["groups"],
        thread_count(),
    )


@rule("forward", "conv1d", "conv2d")
def _convolution(lowering: Lowering, instruction: Instruction) -> bool:
    x, weight, *bias = instruction.inputs
    (output,) = instruction.outputs
    if output is None or not with_elements(*instruction.inputs, output):
        return False
    assert x.shape is not None and weight.shape is not None and output.shape is not None
    geometry = _geometry(instruction, x.shape, weight.shape, output.shape, False)
    product = output
    if bias:
        product = Value(-1, output.shape, output.dtype, f"{output.name}_product", "computed")
        lowering.consumers[product] = [id(instruction)]
    call = ConvolutionCall(
        product, as_rows(lowering, x), lowering.contiguous(weight), geometry, labelled(instruction)
    )
    lowering.product(call, output.shape, instruction)
    if bias:
        channels = lowering.contiguous(bias[0], (output.shape[1], *[1] * (len(output.shape) - 2)))
        lowering.item(
            Item(
                output.shape,
                [product, channels],
                [Result(output)],
                lambda code, vectors: [vectors[0] + vectors[1]],
                "add bias",
                instruction,
            )
        )
    return True


@rule("gradient", "conv1d", "conv2d")
def _convolution_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    x, weight = instruction.inputs[:2]
    (upstream,) = instruction.upstream
    if not with_elements(x, weight, upstream):
        return False
    assert x.shape is not None and weight.shape is not None and upstream.shape is not None
    assert x.dtype is not None
    dtype = x.dtype.name
    outputs: list[Any] = [*instruction.outputs, None][:3]
    given = as_rows(lowering, upstream)
    if outputs[1] is not None or outputs[2] is not None:
        geometry = _geometry(instruction, x.shape, weight.shape, upstream.shape, False)
        biased = outputs[2] is not None
        routine = WeightGradient(dtype, *_facts(geometry), bias=biased, geometry=geometry)
        if outputs[1] is not None:
            grad_weight = lowering.new(outputs[1])
        else:
            grad_weight = lowering.temporary(weight.shape, dtype)
        grad_bias = lowering.new(outputs[2]) if biased else None
        elements = gradient_scratch_elements(processor(), dtype, geometry, thread_count())
        scratch = Scratch(elements, dtype, per_thread=False)
        arguments = [as_rows(lowering, x), given, grad_weight, grad_bias, scratch, None]
        arguments.append(geometry.frame_elements())
        writes = (2, 3) if biased else (2,)
        label = f"{labelled(instruction)}, weight"
        lowering.call(routine, arguments, writes, 2 * geometry.multiply_adds(), label)
        if outputs[1] is not None:
            lowering.views[outputs[1]] = grad_weight
        if grad_bias is not None:
            lowering.views[outputs[2]] = grad_bias
    if outputs[0] is not None:
        geometry = _geometry(instruction, x.shape, weight.shape, upstream.shape, True)
        call = ConvolutionCall(
            outputs[0], given, lowering.contiguous(weight), geometry, f"{labelled(instruction)}, x"
        )
        lowering.product(call, x.shape, instruction)
    return True
