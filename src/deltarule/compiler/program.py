"""A recorded program: values, and the instructions that compute them in order. Plain data.

Every value is computed once. A tensor that is written in place has one value after another, all of the
same place: whoever reads the old one comes before the instruction that makes the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array, Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """Where an array lives outside of the program.

    kind     "tensor": owner._array; "grad": owner.grad._array; "slot": owner.state[parameter][slot] of an
             optimiser; "array": owner itself, an array that something outside of the function holds
    owner    the tensor, optimiser or array; for "grad" of an argument its position among the inputs
    """

    kind: str
    owner: Any
    parameter: Tensor | None = None
    slot: str = ""

    def read(self) -> Array:
        """The array that is there now."""
        if self.kind == "tensor":
            return self.owner._array
        if self.kind == "grad":
            return self.owner._grad._array
        return self.owner if self.kind == "array" else self.owner.state[self.parameter][self.slot]

    def same(self, other: Place) -> bool:
        return (
            self.kind == other.kind
            and self.owner is other.owner
            and self.parameter is other.parameter
            and self.slot == other.slot
        )


@dataclass(eq=False, slots=True)
class Value:
    """One array of a program.

    kind      "input": an argument; "state": lives outside, see `place`; "constant": see `array`; "computed"
    shape     None for what an operation saves for its gradient, which only that operation understands
    name      what it is called in the source; unique
    place     of a state, and of what is written into one
    array     elements of a constant; or a plain Python object that a rule takes as an operand
    version   how many writes of this program came before, for values of a place
    """

    number: int
    shape: Shape | None
    dtype: np.dtype[Any] | None
    name: str
    kind: str
    place: Place | None = None
    array: Any = None
    version: int = 0

    def __repr__(self) -> str:
        return f"<{self.kind} {self.number} {self.name} {self.dtype} {self.shape}>"


@dataclass(frozen=True)
class Rule:
    """A plain function of arrays in the role of an operation: it has a name and a `forward`, no gradient."""

    function: Callable[..., Any]

    @property
    def name(self) -> str:
        return self.function.__name__.lstrip("_")

    @property
    def forward(self) -> Callable[..., Any]:
        return self.function


@dataclass(eq=False, slots=True)
class Instruction:
    """One step of a program.

    kind         "forward": outputs = operation.forward(*inputs, **parameters); `saved` too if it saves
                 "gradient": the operation's backward kernel. inputs: those of its forward; values: the
                 outputs of its forward; saved; upstream: a gradient for each output; outputs: a gradient for
                 each input, None where `needs` says that it is not needed
                 "scatter": outputs[0] = inputs[0] plus the gradient, at its place, of an operation that
                 reads a part of an array (a slice); values: the array it read, whose shape counts
                 "random": outputs[0] = operation.function(generator, **parameters)
                 "write": the place of inputs[0] receives inputs[1]: place[key] = inputs[1]. Where inputs[0]
                 has no place, a copy does
                 "update": optimizer.update(parameter, gradient, slots, group), in place, inputs[0] and
                 inputs[1]; outputs[0] is the parameter afterwards
                 "check": operation.function(*inputs, **parameters), which may raise an error
    operation    an Operation or a Rule; of an update, the optimiser's class
    parameters   options, as the operation gets them; of a write: key, in which a Value stands for an index
    scope        dotted name of the layer
    section      "forward", "backward", or "recompute" inside of a checkpoint that is computed again
    forward      of a gradient: the instruction whose gradient it is, where there is one
    optimizer, group, parameter, slots   of an update: the objects, and a Value for each slot that is an array
    """

    kind: str
    operation: Any
    inputs: tuple[Value, ...]
    outputs: tuple[Value | None, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    scope: str = ""
    section: str = "forward"
    saved: Value | None = None
    values: tuple[Value, ...] = ()
    upstream: tuple[Value, ...] = ()
    needs: tuple[bool, ...] = ()
    forward: Instruction | None = None
    optimizer: Any = None
    group: int = 0
    parameter: Tensor | None = None
    slots: dict[str, Value] = field(default_factory=dict)

    @property
    def name(self) -> str:
        if self.kind == "update":
            return self.operation.__name__
        return "write" if self.kind == "write" else self.operation.name

    def reads(self) -> Iterator[Value]:
        """Every value that must be there before."""
        yield from self.inputs
        yield from self.values
        yield from self.upstream
        if self.kind == "gradient" and self.saved is not None:
            yield self.saved
        if self.kind == "write":
            yield from indices_of(self.parameters["key"])
        yield from self.slots.values()

    def makes(self) -> Iterator[Value]:
        """Every value that is there afterwards."""
        yield from (output for output in self.outputs if output is not None)
        if self.kind == "forward" and self.saved is not None:
            yield self.saved

    def elements_read(self) -> Iterator[Value]:
        """Those of `reads` whose elements count; of the rest of a gradient's, only shape and type do."""
        if self.kind != "gradient":
            yield from self.reads()
            return
        positions, reads_output = self.operation.read_positions(len(self.inputs))
        yield from (self.inputs[position] for position in positions)
        yield from self.values if reads_output else ()
        yield from self.upstream
        if self.saved is not None:
            yield self.saved


def indices_of(key: Any) -> Iterator[Value]:
    """The values among the parts of a key."""
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, Value):
            yield part


@dataclass(eq=False, slots=True)
class Program:
    """A recorded call.

    inputs         the arguments that are arrays, in order
    states         what lives outside as it is before the call, read or written
    constants      the rest that was not computed
    instructions   in order
    outputs        what the function returns, the arrays among it
    gradients      (owner, value or None): what `.grad` is afterwards, of tensors or of inputs by position
    written        tensors that are written in place, each once
    """

    inputs: list[Value]
    states: list[Value]
    constants: list[Value]
    instructions: list[Instruction]
    outputs: list[Value]
    gradients: list[tuple[Any, Value | None]]
    written: list[Tensor]

    def __repr__(self) -> str:
        lines = []
        for each in self.instructions:
            made = ", ".join("_" if output is None else output.name for output in each.outputs)
            read = ", ".join(value.name for value in each.reads())
            lines.append(f"{each.kind:8} {made} = {each.name}({read})  # {each.scope}")
        return "\n".join(lines)
