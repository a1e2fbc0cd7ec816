"""Summary: what the layers of a module give out, hold and cost, as a record and as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.dtypes import default_float
from deltarule.autodiff.recording import no_grad
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.nn.cost import multiply_adds
from deltarule.nn.embedding import Embedding
from deltarule.nn.module import Module

Shape = tuple[int, ...]


@dataclass(frozen=True)
class SummaryRow:
    """One layer: a module that holds parameters or buffers of its own, or has no modules below it.

    name           dotted name in the module that is summarised
    type           name of its class
    output_shape   shape of its (first) output, or None if it was not called
    parameters     numbers that it holds to be trained or frozen; shared ones count at their first layer
    multiply_adds  multiplications with addition of one forward pass, over all its calls

    >>> import deltarule as dr
    >>> dr.nn.summary(dr.nn.Linear(3, 4), (5, 3)).rows[0]
    SummaryRow(name='Linear', type='Linear', output_shape=(5, 4), parameters=16, multiply_adds=60)
    """

    name: str
    type: str
    output_shape: Shape | None
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Summary:
    """The layers of a module, in the order of their first call, and their totals. `str` gives a table.

    parameters      numbers that the module holds to be trained or frozen
    trainable       those of them that require a gradient
    multiply_adds   multiplications with addition of one forward pass

    >>> import deltarule as dr
    >>> model = dr.nn.Sequential(dr.nn.Linear(3, 4), dr.nn.ReLU(), dr.nn.Linear(4, 2))
    >>> found = dr.nn.summary(model, (5, 3))
    >>> found.parameters, found.multiply_adds, [row.output_shape for row in found.rows]
    (26, 100, [(5, 4), (5, 4), (5, 2)])
    """

    type: str
    input_shapes: tuple[Shape, ...]
    rows: tuple[SummaryRow, ...]
    parameters: int
    trainable: int
    multiply_adds: int

    def __str__(self) -> str:
        cells = [("layer", "type", "output shape", "parameters", "multiply-adds")]
        for row in self.rows:
            shape = "not called" if row.output_shape is None else str(row.output_shape)
            cells.append((row.name, row.type, shape, f"{row.parameters:,}", f"{row.multiply_adds:,}"))
        cells.append(("total", self.type, "", f"{self.parameters:,}", f"{self.multiply_adds:,}"))
        widths = [max(len(line[column]) for line in cells) for column in range(5)]
        lines = []
        for line in cells:
            texts = [text.ljust(width) for text, width in zip(line[:3], widths[:3], strict=True)]
            numbers = [text.rjust(width) for text, width in zip(line[3:], widths[3:], strict=True)]
            lines.append("  ".join([*texts, *numbers]))
        rule = "-" * len(lines[0])
        frozen = self.parameters - self.trainable
        inputs = ", ".join(str(shape) for shape in self.input_shapes)
        notes = [f"input {inputs}"] + ([f"{frozen:,} parameters are frozen"] if frozen else [])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], "; ".join(notes)])


def summary(module: Module, *inputs: Any, dtype: Any = None) -> Summary:
    """Layers, output shapes, parameters and cost of a module, found by one forward pass of zeros.

    inputs   for each argument of forward its shape, the batch included, or an array or tensor itself
    dtype    type of the zeros; unless given that of the module's parameters, or int64 if the module's
             first layer is an Embedding

    The pass runs in evaluation mode and is not recorded; modes and buffers are as before afterwards.

    Raises ArgumentError without inputs; the layers' own errors if the shapes do not fit.

    >>> import deltarule as dr
    >>> model = dr.nn.Sequential(dr.nn.Linear(3, 4), dr.nn.ReLU(), dr.nn.Linear(4, 2))
    >>> print(dr.nn.summary(model, (5, 3)))
    layer  type        output shape  parameters  multiply-adds
    ----------------------------------------------------------
    0      Linear      (5, 4)                16             60
    1      ReLU        (5, 4)                 0              0
    2      Linear      (5, 2)                10             40
    ----------------------------------------------------------
    total  Sequential                        26            100
    input (5, 3)
    """
    if not inputs:
        raise ArgumentError(
            "summary", "expected the shape of each input, got none", "For example (1, 28, 28)."
        )
    tensors = [_zeros(each, dtype or _input_dtype(module)) for each in inputs]
    calls = _observed_calls(module, tensors)
    counted: set[int] = set()
    rows = []
    for name, layer in _in_calling_order(module, calls):
        own = {id(each): each for each in layer._parameters.values() if each is not None}
        if layer._modules and not own and not layer._buffers:
            continue
        held = sum(parameter.size for key, parameter in own.items() if key not in counted)
        counted.update(own)
        made = calls.get(id(layer), [])
        cost = sum(multiply_adds(layer, shapes, output) for shapes, output in made)
        shape = made[-1][1] if made else None
        rows.append(SummaryRow(name or type(layer).__name__, type(layer).__name__, shape, held, cost))
    parameters = list(module.parameters())
    return Summary(
        type=type(module).__name__,
        input_shapes=tuple(tensor.shape for tensor in tensors),
        rows=tuple(rows),
        parameters=sum(parameter.size for parameter in parameters),
        trainable=sum(parameter.size for parameter in parameters if parameter.requires_grad),
        multiply_adds=sum(row.multiply_adds for row in rows),
    )


def _zeros(given: Any, dtype: Any) -> Tensor:
    is_shape = isinstance(given, (tuple, list)) and all(isinstance(each, (int, np.integer)) for each in given)
    return Tensor(np.zeros(tuple(given), dtype)) if is_shape else as_tensor(given)


def _input_dtype(module: Module) -> Any:
    first = next((each for each in module.modules() if each._parameters), None)
    if isinstance(first, Embedding):
        return np.int64
    return next((parameter.dtype for parameter in module.parameters()), default_float())


Calls = dict[int, list[tuple[list[Shape], Shape]]]


def _observed_calls(module: Module, tensors: list[Tensor]) -> Calls:
    """Input and output shapes of every call of every module below, keyed by the module's id."""
    calls: Calls = {}
    modules = list(module.modules())
    modes = [each.training for each in modules]
    buffers = [(buffer, buffer.numpy().copy()) for buffer in module.buffers()]
    try:
        for each in modules:
            # An attribute of the instance stands before the method of its class.
            each.__dict__["forward"] = _observer(each, each.forward, calls)
        with no_grad():
            module.eval()
            module(*tensors)
    finally:
        for each, mode in zip(modules, modes, strict=True):
            each.__dict__.pop("forward", None)
            each.training = mode
        for buffer, values in buffers:
            buffer.detach().assign(values)
    return calls


def _observer(module: Module, forward: Any, calls: Calls) -> Any:
    def observed(*inputs: Any, **options: Any) -> Any:
        own = calls.setdefault(id(module), [])
        output = forward(*inputs, **options)
        given = [*inputs, *options.values()]
        own.append(([each.shape for each in given if isinstance(each, Tensor)], _first_shape(output)))
        return output

    return observed


def _first_shape(output: Any) -> Shape:
    while isinstance(output, (tuple, list)) and output:
        output = output[0]
    return output.shape if isinstance(output, Tensor) else ()


def _in_calling_order(module: Module, calls: Calls) -> list[tuple[str, Module]]:
    """(name, module), the called ones in the order of their first call, then the others."""
    order = {key: place for place, key in enumerate(calls)}
    return sorted(module.named_modules(), key=lambda pair: order.get(id(pair[1]), len(order)))
