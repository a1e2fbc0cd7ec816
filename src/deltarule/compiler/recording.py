"""Recording one call: everything that happens to arrays reports here, and becomes instructions.

Which value an array is, `identities.py` knows; what becomes of the recording, `finishing.py`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import REGISTRY, Operation
from deltarule.autodiff.recording import recording
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.compiler.identities import Identities
from deltarule.compiler.program import Instruction, Place, Rule, Value
from deltarule.compiler.traced_number import TracedNumber
from deltarule.errors import CompileError

MISSING = object()


class Tracer(Identities):
    """What `recording.tracer` is during a recording.

    instructions   so far
    """

    def __init__(self) -> None:
        super().__init__()
        self.instructions: list[Instruction] = []
        self.section = "forward"
        # Names of tensors, by identity, as the modules that hold them call them.
        self.names: dict[int, str] = {}
        self.modules: dict[int, Any] = {}
        self.reads_of_values: list[tuple[Value, weakref.ref[Tensor], int]] = []
        self.snapshots: dict[Value, Array] = {}
        self.attributes: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        # Tensor's identity -> (tensor, what `.grad` was when first read; MISSING if it was set before).
        self.first_gradients: dict[int, tuple[weakref.ref[Tensor], Any]] = {}
        self.set_gradients: dict[int, weakref.ref[Tensor]] = {}
        self._makers: dict[Value, Instruction] = {}
        self._calls: dict[tuple[int, ...], Instruction] = {}
        self._draws: dict[Any, Value] = {}

    # ---- instructions

    def add(self, kind: str, operation: Any, inputs: tuple[Value, ...], **details: Any) -> Instruction:
        made = Instruction(
            kind, operation, inputs, (), scope=recording.scope, section=self.section, **details
        )
        self.instructions.append(made)
        return made

    def make(self, instruction: Instruction, arrays: Sequence[Any], saved: Any = None) -> None:
        """Binds what an instruction made; an array that is a value already stays that."""
        outputs: list[Value | None] = []
        for array in arrays:
            if array is None or (self.known(array) is not None and not self.is_stale(array)):
                outputs.append(None)
                continue
            outputs.append(self.bind(array, self.new_value("computed", array)))
        instruction.outputs = tuple(outputs)
        if saved is not None:
            instruction.saved = self.bind(saved, self.new_value("computed", None))
        for value in instruction.makes():
            self._makers[value] = instruction

    # ---- what operations report

    def operation(
        self,
        operation: Operation,
        inputs: tuple[Tensor, ...],
        parameters: dict[str, Any],
        values: tuple[Array, ...],
        saved: Any,
    ) -> None:
        """A computed operation. Where its values are known it was opened, and has reported as its parts."""
        operands = tuple([self.of(tensor) for tensor in inputs])
        if not operation.saves and all(self.known(value) is not None for value in values):
            return
        if any(isinstance(each, Tensor) for each in parameters.values()):
            self.refuse(
                operation.name, "an option is a tensor", "Give a number, or a tensor among the inputs."
            )
        made = self.add("forward", operation, operands, parameters=dict(parameters))
        self.make(made, values, saved)
        self._calls[tuple([id(value) for value in values])] = made

    def derived(
        self,
        function: Callable[..., Any],
        operands: tuple[Any, ...],
        parameters: dict[str, Any],
        *values: Array,
    ) -> None:
        made = self.add(
            "forward",
            Rule(function),
            tuple([self.of(each) for each in operands]),
            parameters=dict(parameters),
        )
        self.make(made, values)

    def checked(
        self, function: Callable[..., Any], tensors: tuple[Tensor, ...], parameters: dict[str, Any]
    ) -> None:
        operands = tuple([self.of(each) for each in tensors])
        self.add("check", Rule(function), operands, parameters=dict(parameters))

    def random(self, generator: Any, rule: Callable[..., Array], parameters: dict[str, Any]) -> Array:
        state = generator.bit_generator.state
        place = repr((rule, sorted(parameters.items(), key=lambda item: item[0]), state))
        array = np.asarray(rule(generator, **parameters)).view()
        again = self._draws.get(place)
        if again is not None:
            # A checkpoint that is computed again finds the numbers that it drew at first.
            self.bind(array, again)
            return array
        made = self.add("random", Rule(rule), (), parameters=dict(parameters))
        self.make(made, [array])
        drawn = made.outputs[0]
        assert drawn is not None
        self._draws[place] = drawn
        return array

    # ---- what the backward pass reports

    def enter(self, section: str) -> str:
        """Begins a section, and returns the one to go back to."""
        outer, self.section = self.section, section
        return outer

    def gradient(self, node: Node, arrived: Sequence[Any], gradients: Sequence[Any]) -> Sequence[Any]:
        """The gradient of a node; one that is written in operations has reported as these."""
        operation = node.operation
        if type(operation).backward_kernel is Operation.backward_kernel:
            return gradients
        gradients = [None if each is None else np.asarray(each) for each in gradients]
        needs = tuple([tensor._requires_grad for tensor in node.inputs])
        forward = self._calls.get(tuple([id(value) for value in node.values]))
        saved = forward.saved if forward is not None else None
        made = self.add(
            "gradient",
            operation,
            tuple([self.of(tensor) for tensor in node.inputs]),
            parameters=node.parameters,
            values=tuple([self.of(value) for value in node.values]),
            saved=self.of(node.saved) if saved is None and node.saved is not None else saved,
            upstream=tuple([self.of(array) for array in arrived]),
            needs=needs,
            forward=forward,
        )
        made.scope = node.scope
        self.make(made, [each if needed else None for each, needed in zip(gradients, needs, strict=True)])
        return gradients

    def scattered(self, node: Node, upstream: Array, earlier: Array | None) -> Array:
        """The gradient of a slice, added to what has arrived at the array it was taken from."""
        x = node.inputs[0]
        total = np.zeros(x.shape, x.dtype) if earlier is None else np.array(earlier)
        before = self.of(total if earlier is None else earlier)
        made = self.add(
            "scatter",
            node.operation,
            (before,),
            parameters=node.parameters,
            upstream=(self.of(upstream),),
            values=(self.of(x),),
        )
        made.scope = node.scope
        if earlier is None:
            total = total.copy()
        node.operation.scatter(node, upstream, total)
        self.make(made, [total])
        return total

    def added(self, earlier: Array, gradient: Array) -> Array:
        total = np.asarray(earlier + gradient)
        made = self.add("forward", REGISTRY["add"], (self.of(earlier), self.of(gradient)))
        self.make(made, [total])
        return total

    def converted(self, gradient: Array, dtype: np.dtype[Any]) -> Array:
        result = np.asarray(gradient.astype(dtype))
        made = self.add("forward", Rule(as_type), (self.of(gradient),), parameters={"dtype": dtype})
        self.make(made, [result])
        return result

    def collected(self, target: Tensor, gradient: Array) -> Array:
        """What a leaf's `.grad` becomes."""
        before = target.grad
        if before is not None:
            return self.added(before._array, np.asarray(gradient))
        value = self.of(gradient)
        array = np.array(gradient)
        self.bind(array, value)
        return array

    # ---- writes

    def update(self, optimizer: Any, group: dict[str, Any], parameter: Tensor) -> None:
        """An optimiser is about to write a parameter."""
        number = next(i for i, each in enumerate(optimizer.param_groups) if each is group)
        made = self.add(
            "update",
            type(optimizer),
            (self.of(parameter), self.of(parameter.grad)),
            optimizer=optimizer,
            group=number,
            parameter=parameter,
        )
        self._overwrite(made, parameter)

    def written(self, target: Tensor, key: Any, source: Any) -> None:
        """A tensor is about to be written: target[key] = source."""
        before = self.of(target)
        if before.kind == "outside":
            # Should it turn out to be a constant, its elements are those before the first write.
            self.snapshots.setdefault(before, target._array.copy())
        if not isinstance(source, Tensor):
            source = Tensor(np.array(source))
        parts = tuple([_part(self, part) for part in (key if isinstance(key, tuple) else (key,))])
        index = parts if isinstance(key, tuple) else parts[0]
        made = self.add("write", None, (before, self.of(source)), parameters={"key": index})
        if before.kind == "input":
            self.refusals.append("it writes into an argument")
        self._overwrite(made, target)

    def _overwrite(self, instruction: Instruction, target: Tensor) -> None:
        after = self.overwritten(target)
        instruction.outputs = (after,)
        self._makers[after] = instruction

    # ---- reads by Python

    def value_read(self, tensor: Tensor, how: str) -> None:
        """Python looks at elements: an error if another call could have others."""
        value = self.of(tensor)
        roots, maker = self._roots(value)
        if roots is None:
            at = f"{maker.name} in layer {maker.scope}" if maker and maker.scope else maker and maker.name
            origin = f"the result of {at}" if maker else f"the argument {value.name}"
            raise CompileError(
                "compile",
                f"{_described(how)} reads the elements of {origin}, which differ from call to call",
                "Return the tensor and read it outside of the compiled function, or choose with dr.where.",
            )
        for root in roots:
            for holder in self.holders.get(root, ()):
                held = holder()
                if held is not None:
                    self.reads_of_values.append((root, holder, held._version[0]))

    def _roots(self, value: Value) -> tuple[list[Value] | None, Instruction | None]:
        """The values from outside that this one depends on; None if also on what every call brings."""
        roots, stack, seen = [], [value], set()
        while stack:
            each = stack.pop()
            if each in seen:
                continue
            seen.add(each)
            maker = self._makers.get(each)
            if each.kind == "input" or (maker is not None and maker.kind in ("random", "update", "write")):
                return None, self._makers.get(value)
            if maker is None:
                roots.append(each)
            else:
                stack.extend(maker.reads())
        return roots, None

    def number(self, tensor: Tensor) -> TracedNumber:
        value = self.of(tensor)
        maker = self._makers.get(value)
        return TracedNumber(value, tensor._array, maker.name if maker else "a tensor")

    # ---- state of objects

    def module(self, module: Any) -> None:
        """A module is called: its tensors get their names."""
        if id(module) in self.modules:
            return
        self.modules[id(module)] = module
        prefix = f"{recording.scope}." if recording.scope else ""
        for table in (module._parameters, module._buffers):
            for name, tensor in table.items():
                if tensor is not None:
                    self.names.setdefault(id(tensor), prefix + name)

    def attribute(self, owner: Any, name: str) -> None:
        """An attribute is about to be set."""
        earlier = self.attributes.get((id(owner), name))
        if earlier is None or earlier[0]() is not owner:
            # Weak: tensors that the call makes for itself are nobody's business.
            held = weakref.ref(owner)
            self.attributes[id(owner), name] = (held, name, getattr(owner, name, MISSING))

    def gradient_read(self, tensor: Tensor) -> None:
        if self._met(tensor):
            return
        held = tensor._grad
        self.first_gradients[id(tensor)] = (weakref.ref(tensor), held)
        if held is not None and self.known(held._array) is None:
            value = self.of(held)
            value.place = Place("grad", tensor)

    def gradient_set(self, tensor: Tensor) -> None:
        if not self._met(tensor):
            self.first_gradients[id(tensor)] = (weakref.ref(tensor), MISSING)
        self.set_gradients[id(tensor)] = weakref.ref(tensor)

    def _met(self, tensor: Tensor) -> bool:
        """Whether this tensor's `.grad` was read or set before; another one may have had its identity."""
        earlier = self.first_gradients.get(id(tensor))
        return earlier is not None and earlier[0]() is tensor

    def refuse(self, who: str, problem: str, fix: str) -> None:
        raise CompileError(who, problem, fix)


def as_type(array: Array, *, dtype: np.dtype[Any]) -> Array:
    """The elements in another type."""
    return array.astype(dtype)


def _part(tracer: Tracer, part: Any) -> Any:
    return tracer.of(part) if isinstance(part, Tensor) else part


def _described(how: str) -> str:
    return {
        "bool": "a branch (bool)",
        "repr": "printing",
        "item": ".item()",
        "numpy": ".numpy()",
        "tolist": ".tolist()",
    }.get(how, how)
