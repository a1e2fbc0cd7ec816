"""Recurrent layers over whole sequences: one product for all inputs, recurrence, the weights' products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.compiler.native.cluster import Item, Result
from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.matrix_call import ProductCall
from deltarule.compiler.native.plan import Scratch, View
from deltarule.compiler.native.rules.registry import FLOATS, all_of, labelled, remember, remembered, rule
from deltarule.compiler.program import Instruction, Value
from deltarule.kernels.native.processor import processor
from deltarule.kernels.native.recurrence import sharing, tile_vectors
from deltarule.kernels.native.recurrence_backward import RecurrenceBackward, backward_scratch_elements
from deltarule.kernels.native.recurrence_cells import Cell, Elman, GatedUnit, LongShortTerm
from deltarule.kernels.native.recurrence_forward import RecurrenceForward, forward_scratch_elements
from deltarule.kernels.native.team import thread_count


@dataclass(frozen=True)
class _Note:
    """What the way back needs of the way forward."""

    cell: Cell
    inputs: View
    gates: View | None
    output: View | None
    previous: View
    kept: View | None


def _cell(instruction: Instruction) -> Cell:
    if instruction.name == "rnn":
        return Elman(instruction.parameters["nonlinearity"])
    return LongShortTerm() if instruction.name == "lstm" else GatedUnit()


def _work(batch: int, steps: int, hidden: int, cell: Cell) -> int:
    return 2 * batch * steps * cell.gates * hidden * hidden


@rule("forward", "rnn", "gru", "lstm")
def _sequence(lowering: Lowering, instruction: Instruction) -> bool:
    cell = _cell(instruction)
    states = 2 if cell.remembers else 1
    if len(instruction.inputs) != 5 + states or not all_of(instruction.inputs, *FLOATS):
        return False
    if len({value.dtype for value in instruction.inputs}) != 1:
        return False
    x, *initial = instruction.inputs[: 1 + states]
    weight_ih, weight_hh, bias_ih, bias_hh = instruction.inputs[1 + states :]
    assert x.shape is not None and x.dtype is not None and weight_hh.shape is not None
    batch, steps, features = x.shape
    hidden, dtype = weight_hh.shape[1], x.dtype.name
    if not batch * steps * hidden * features:
        return False
    rows, width = batch * steps, cell.gates * hidden
    inputs = lowering.contiguous(x, (rows, features))
    driven = _driven(lowering, instruction, cell, inputs, rows, width, weight_ih, bias_ih, bias_hh)
    gates = lowering.view(driven)
    outputs: list[Any] = list(instruction.outputs)
    if cell.keeps_gates:
        output = (
            lowering.temporary((batch, steps, hidden), dtype)
            if outputs[0] is None
            else lowering.new(outputs[0])
        )
    else:
        reshaped = gates.reshaped((batch, steps, hidden))
        assert reshaped is not None
        output = reshaped
    previous = lowering.temporary((rows, hidden), dtype)
    kept = lowering.temporary((rows, hidden), dtype) if cell.keeps else None
    last = [
        lowering.temporary((batch, hidden), dtype) if value is None else lowering.new(value)
        for value in outputs[1:]
    ]
    _, split = sharing(cell, batch, steps, hidden, thread_count())
    blocks = max(1, tile_vectors(dtype, hidden) // cell.gates)
    routine = RecurrenceForward(cell, dtype, blocks, False, split, (batch, steps, hidden))
    elements = forward_scratch_elements(routine, processor(), thread_count(), hidden)
    first = [lowering.contiguous(value) for value in initial]
    arguments = [
        gates,
        lowering.contiguous(weight_hh),
        lowering.contiguous(bias_hh) if cell.separate else None,
        first[0],
        first[1] if cell.remembers else None,
        None,
        output,
        previous,
        kept,
        last[0],
        last[1] if cell.remembers else None,
        Scratch(elements, dtype, per_thread=False),
        batch,
        steps,
        hidden,
        int(instruction.parameters["reverse"]),
    ]
    lowering.call(
        routine, arguments, (0, 6, 7, 8, 9, 10), _work(batch, steps, hidden, cell), labelled(instruction)
    )
    for value, view in zip(outputs, [output, *last], strict=True):
        if value is not None:
            lowering.views[value] = view
    note = _Note(
        cell,
        inputs,
        gates if cell.keeps_gates else None,
        None if cell.keeps_gates else output,
        previous,
        kept,
    )
    remember(lowering, instruction, note)
    return True


def _driven(
    lowering: Lowering,
    instruction: Instruction,
    cell: Cell,
    inputs: View,
    rows: int,
    width: int,
    weight_ih: Value,
    bias_ih: Value,
    bias_hh: Value,
) -> Value:
    """The inputs' share of all pre-activations."""
    shape, dtype = (rows, width), weight_ih.dtype
    product = Value(-1, shape, dtype, "inputs_product", "computed")
    driven = Value(-1, shape, dtype, "driven", "computed")
    lowering.consumers[product] = [id(instruction)]
    lowering.consumers[driven] = [-1]
    call = ProductCall(
        product,
        inputs,
        lowering.contiguous(weight_ih),
        False,
        True,
        rows,
        width,
        inputs.shape[1],
        f"{labelled(instruction)}, inputs",
    )
    lowering.product(call, shape, instruction)
    if cell.separate:
        item = Item(
            shape,
            [product, bias_ih],
            [Result(driven)],
            lambda code, vectors: [vectors[0] + vectors[1]],
            "add bias",
            instruction,
        )
    else:
        item = Item(
            shape,
            [product, bias_ih, bias_hh],
            [Result(driven)],
            lambda code, vectors: [vectors[0] + (vectors[1] + vectors[2])],
            "add biases",
            instruction,
        )
    lowering.item(item)
    return driven


@rule("gradient", "rnn", "gru", "lstm")
def _sequence_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    note: _Note | None = remembered(lowering, instruction)
    if note is None or not all_of(instruction.upstream, *FLOATS):
        return False
    cell = note.cell
    states = 2 if cell.remembers else 1
    x = instruction.inputs[0]
    weight_ih, weight_hh = instruction.inputs[1 + states : 3 + states]
    assert x.shape is not None and x.dtype is not None and weight_hh.shape is not None
    batch, steps, features = x.shape
    hidden, dtype = weight_hh.shape[1], x.dtype.name
    rows, width = batch * steps, cell.gates * hidden
    above = [lowering.contiguous(value) for value in instruction.upstream]
    outputs: list[Any] = list(instruction.outputs)
    delta = lowering.temporary((rows, width), dtype)
    delta_hidden = lowering.temporary((rows, width), dtype) if cell.separate else None
    grad_first = [
        lowering.temporary((batch, hidden), dtype) if value is None else lowering.new(value)
        for value in outputs[1 : 1 + states]
    ]
    grad_bias = lowering.temporary((width,), dtype)
    grad_bias_hidden = lowering.temporary((width,), dtype) if cell.separate else None
    _, split = sharing(cell, batch, steps, hidden, thread_count())
    sizes = (batch, steps, hidden)
    routine = RecurrenceBackward(cell, dtype, tile_vectors(dtype, hidden), False, split, sizes)
    elements = backward_scratch_elements(routine, processor(), thread_count(), hidden)
    arguments = [
        note.gates,
        note.output,
        note.previous,
        note.kept,
        lowering.contiguous(weight_hh),
        None,
        above[0],
        above[1],
        above[2] if cell.remembers else None,
        delta,
        delta_hidden,
        grad_first[0],
        grad_first[1] if cell.remembers else None,
        grad_bias,
        grad_bias_hidden,
        Scratch(elements, dtype, per_thread=False),
        *sizes,
        int(instruction.parameters["reverse"]),
    ]
    lowering.call(
        routine,
        arguments,
        (9, 10, 11, 12, 13, 14),
        _work(batch, steps, hidden, cell),
        f"{labelled(instruction)}",
    )
    for value, view in zip(outputs[1 : 1 + states], grad_first, strict=True):
        if value is not None:
            lowering.views[value] = view
    grad_ih, grad_hh, bias_ih, bias_hh = outputs[1 + states : 5 + states]
    hidden_errors = delta if delta_hidden is None else delta_hidden
    label = labelled(instruction)
    if grad_ih is not None:
        call = ProductCall(
            grad_ih, delta, note.inputs, True, False, width, features, rows, f"{label}, weight_ih"
        )
        lowering.product(call, (width, features), instruction)
    if grad_hh is not None:
        call = ProductCall(
            grad_hh, hidden_errors, note.previous, True, False, width, hidden, rows, f"{label}, weight_hh"
        )
        lowering.product(call, (width, hidden), instruction)
    if outputs[0] is not None:
        flat = Value(-1, (rows, features), x.dtype, f"{outputs[0].name}_rows", "computed")
        lowering.consumers[flat] = [-1]
        call = ProductCall(
            flat, delta, lowering.contiguous(weight_ih), False, False, rows, features, width, f"{label}, x"
        )
        lowering.product(call, (rows, features), instruction)
        view = lowering.view(flat).reshaped(x.shape)
        assert view is not None
        lowering.views[outputs[0]] = view
    if bias_ih is not None:
        lowering.views[bias_ih] = grad_bias
    if bias_hh is not None:
        lowering.views[bias_hh] = grad_bias if grad_bias_hidden is None else grad_bias_hidden
    return True
