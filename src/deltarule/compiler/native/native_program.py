"""A lowered program that runs: its memory, table of addresses, native parts with Python's between them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.compiler.native import python_call
from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.plan import Call, Storage, View, plan_memory
from deltarule.compiler.native.rules.all import RULES
from deltarule.compiler.native.step import Step
from deltarule.compiler.program import Instruction, Program, Value
from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.processor import SIZES
from deltarule.kernels.native.team import thread_count, threads
from deltarule.kernels.native.workspace import aligned

Array = NDArray[Any]

# Operations of a whole step below which it is not divided between threads at all: LeCun's network of 1989, a
# quarter of that, takes 19 us alone and 28 on two cores.
WORTH_A_TEAM = 1_500_000


class Unfit(Exception):
    """A program that native code does not take; it runs from its source instead."""


class PythonCall(Call):
    """An instruction that Python does; its arguments are the views that it reads and writes."""

    def __init__(self, instruction: Instruction, arguments: list[Any], writes: tuple[int, ...]):
        super().__init__(None, arguments, writes, 0, f"python {instruction.name}")  # type: ignore[arg-type]
        self.instruction = instruction


class NativeProgram:
    """A program as native code: `run` takes the arrays of the inputs, answers outputs and gradients.

    calls    what is done, in order, for reading and for tests
    """

    def __init__(self, program: Program):
        self.program = program
        values = [value for each in program.instructions for value in (*each.reads(), *each.makes())]
        if any(value.shape is not None and 0 in value.shape for value in values):
            raise Unfit("an array is empty")
        lowering = Lowering(program, RULES)
        self._objects: dict[Value, Any] = {}
        self._lock = threading.Lock()
        lowering.run(self._leave_to_python)
        self.lowering = lowering
        self.calls = lowering.calls
        self.views = lowering.views
        work = sum(call.work for call in self.calls)
        self.threads = thread_count() if work >= WORTH_A_TEAM else 1
        size = plan_memory(self.calls, self.threads)
        self.memory = aligned(max(size, 64), np.uint8)
        self._bind()
        self.parts = self._make_parts()
        self.is_all_native = (
            len(self.parts) == 1 and not isinstance(self.parts[0], PythonCall) and not lowering.before
        )

    # ---- making

    def _leave_to_python(self, lowering: Lowering, instruction: Instruction) -> None:
        if instruction.kind in ("random", "check") and all(
            value.kind in ("input", "constant", "state") and not value.version
            for value in instruction.reads()
        ):
            lowering.before.append(instruction)
            for value in instruction.makes():
                self._define(lowering, value)
                if value in lowering.views:
                    # Written before the first call.
                    lowering.views[value].storage.first = 0
            return
        reads = list(instruction.reads())
        arguments: list[Any] = []
        for value in reads:
            if value in self._objects or value.shape is None or value.dtype is None:
                continue
            if value.dtype.name in SIZES and (value in lowering.views or self._waits(lowering, value)):
                arguments.append(lowering.view(value))
        count = len(arguments)
        for value in instruction.makes():
            if instruction.kind in ("update", "write") and value.place is not None:
                target = lowering.place_view(value)
                lowering.before_write(target.storage)
                lowering.views[value] = target
                arguments.append(target)
            else:
                self._define(lowering, value)
                if value in lowering.views:
                    arguments.append(lowering.views[value])
        for value in instruction.slots.values():
            lowering.before_write(lowering.view(value).storage)
        lowering.calls.append(PythonCall(instruction, arguments, tuple(range(count, len(arguments)))))

    def _waits(self, lowering: Lowering, value: Value) -> bool:
        return any(cluster.produces(value) for cluster in lowering.open)

    def _define(self, lowering: Lowering, value: Value) -> None:
        """Memory for what Python makes; what native code has no type for stays a Python object."""
        if value.shape is not None and value.dtype is not None and value.dtype.name in SIZES:
            lowering.views[value] = lowering.new(value)
        else:
            self._objects[value] = None

    def _bind(self) -> None:
        lowering = self.lowering
        self._inputs: list[Storage] = []
        self._table: dict[Storage, int] = {}
        results = list(lowering.results.items())
        used = {storage for call in self.calls for storage in call.storages()}
        addresses = [self.memory.ctypes.data]
        self._kept: list[Any] = [self.memory]
        # Position among the states -> its memory, and where its address goes.
        self._places: dict[int, tuple[Storage, int]] = {}
        self.numbers: list[tuple[Array, Callable[[], float]]] = []
        by_key = {storage.outer: storage for storage in used if storage.outer is not None}
        for position in range(len(self.program.inputs)):
            storage = by_key.get(("input", position))
            if storage is not None:
                self._inputs.append(storage)
        self.input_positions = [storage.outer[1] for storage in self._inputs]
        self._results = [storage for _, storage in results if storage in used]
        self.result_types = [
            (value.shape or (), value.dtype) for value, storage in results if storage in used
        ]
        wanted = [
            *self.program.outputs,
            *(value for _, value in self.program.gradients if value is not None),
        ]
        # Where each answer is: a number among the results, or the value itself where Python made it.
        self.answers = [
            self._results.index(lowering.results[value]) if value in lowering.results else value
            for value in wanted
        ]
        arrays: dict[Storage, Any] = {}
        for value in self.program.constants:
            storage = by_key.get(("constant", value.number))
            if storage is not None:
                arrays[storage] = np.array(value.array, order="C")
        for i, (dtype, function) in enumerate(lowering.numbers):
            storage = by_key.get(("number", i))
            if storage is not None:
                arrays[storage] = np.zeros((), dtype)
                self.numbers.append((arrays[storage], function))
        # What a step writes where it ends early, and what raises the error then.
        self.stops: list[tuple[Array, Callable[[], None]]] = []
        for storage, fail in lowering.stops:
            arrays[storage] = np.zeros((), np.float64)
            self.stops.append((arrays[storage], fail))
        states = [value.place for value in self.program.states]
        self.bound = [self._first(place) for place in states]
        for place, storage in lowering.places:
            if storage in used:
                position = next(i for i, each in enumerate(states) if each is not None and each.same(place))
                arrays[storage] = self.bound[position]
                self._table[storage] = len(self._table)
                self._places[position] = (storage, len(self._table))
        for storage in arrays:
            if storage not in self._table:
                self._table[storage] = len(self._table)
        ordered = sorted(self._table.items(), key=lambda each: each[1])
        self._arrays = arrays
        for storage, _ in ordered:
            array = arrays[storage]
            addresses.append(0 if array is None else array.ctypes.data)
        self._table = {storage: place + 1 for storage, place in self._table.items()}
        self.addresses = np.array(addresses, np.int64)

    def _first(self, place: Any) -> Array | None:
        """The array of a state at the start; None for one that a call brings, and that is bound then."""
        if place is None or (place.kind == "grad" and isinstance(place.owner, int)):
            return None
        try:
            array = place.read()
        except (AttributeError, KeyError):
            # The recorded call took it away, as zero_grad does with gradients; the next one brings it again.
            return None
        if not array.flags.c_contiguous:
            raise Unfit("a tensor that lives outside is no contiguous array")
        return array

    def _make_parts(self) -> list[Any]:
        parts: list[Any] = []
        run: list[Call] = []
        for call in [*self.calls, None]:
            if call is not None and not isinstance(call, PythonCall):
                run.append(call)
                continue
            if run:
                step = Step(run, [*self._inputs, *self._results], self._table, self.threads > 1)
                parts.append(entry(step, True, thorough=True))
                run = []
            if call is not None:
                parts.append(call)
        return parts

    # ---- running

    def rebind(self, position: int, array: Array) -> bool:
        """Takes another array for a state from now on; False if it is not such as the recording saw."""
        value = self.program.states[position]
        if array.shape != value.shape or array.dtype != value.dtype or not array.flags.c_contiguous:
            return False
        self.bound[position] = array
        placed = self._places.get(position)
        if placed is not None:
            storage, at = placed
            self.addresses[at] = array.ctypes.data
            self._arrays[storage] = array
        return True

    def rebind_all(self, arrays: tuple[Array, ...]) -> bool:
        """The same for all states."""
        return all(
            array is self.bound[position] or self.rebind(position, array)
            for position, array in enumerate(arrays)
        )

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        """Outputs, then gradients, from the arrays of inputs and states, which are written where they are."""
        # The step's memory is that of one call: Python may turn to another thread between two parts.
        with self._lock:
            return self._run(arrays)

    def _run(self, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        for number, function in self.numbers:
            number[()] = function()
        given = [arrays[position] for position in self.input_positions]
        results = [np.empty(shape, dtype) for shape, dtype in self.result_types]
        team = min(self.threads, threads()) if self.threads > 1 else 1
        environment = self._environment(arrays, given, results)
        for instruction in self.lowering.before:
            self._python(instruction, environment)
        for part in self.parts:
            if isinstance(part, PythonCall):
                self._python(part.instruction, environment)
            elif not part(team, self.addresses, *given, *results):
                given = [np.array(each, order="C") for each in given]
                if not part(team, self.addresses, *given, *results):
                    raise AssertionError("arrays that the recording did not see")
            for flag, fail in self.stops:
                if flag[()] != 0.0:
                    flag[()] = 0.0
                    fail()
        for count in self.lowering.after:
            count()
        return tuple([results[each] if isinstance(each, int) else environment[each] for each in self.answers])

    def _environment(
        self, arrays: tuple[Array, ...], given: list[Array], results: list[Array]
    ) -> dict[Any, Any]:
        held: dict[Any, Any] = dict(zip(self._inputs, given, strict=True))
        held |= dict(zip(self._results, results, strict=True))
        held["inputs"] = arrays
        return held

    def _python(self, instruction: Instruction, environment: dict[Any, Any]) -> None:
        def read(value: Value) -> Any:
            if value in environment:
                return environment[value]
            if value in self._objects:
                return self._objects[value]
            if value.kind == "constant":
                return value.array
            if value.kind == "input":
                return environment["inputs"][self.program.inputs.index(value)]
            if value in self.views:
                return self._array(self.views[value], environment)
            if value.place is not None:
                return value.place.read()
            # Only its shape and type count: a gradient that does not read it.
            return np.broadcast_to(np.zeros((), value.dtype), value.shape or ())

        for value, made in python_call.run(instruction, read):
            if self._is_in_memory(value) and isinstance(made, np.ndarray):
                np.copyto(self._array(self.views[value], environment), made)
            else:
                environment[value] = self._apart(made)

    def _is_in_memory(self, value: Value) -> bool:
        """Whether a value has memory; what nothing reads, such as a draw, has none."""
        view = self.views.get(value)
        return view is not None and (view.storage.outer is not None or view.storage.offset >= 0)

    def _apart(self, made: Any) -> Any:
        """What Python made, without views of the step's memory, where something else will be."""
        if isinstance(made, tuple):
            parts = [self._apart(each) for each in made]
            return type(made)(*parts) if hasattr(made, "_fields") else tuple(parts)
        if isinstance(made, np.ndarray) and np.may_share_memory(made, self.memory):
            return made.copy()
        return made

    def _array(self, view: View, environment: dict[Any, Any]) -> Array:
        """A view of memory as an array."""
        storage = view.storage
        size = SIZES[view.dtype]
        strides = [stride * size for stride in view.strides]
        base = environment.get(storage)
        if base is None:
            base = self._arrays.get(storage)
        if base is None:
            return np.ndarray(
                view.shape,
                view.dtype,
                self.memory.data,
                storage.offset + view.offset * size,
                strides,  # type: ignore[arg-type]
            )
        flat = base.reshape(-1)
        return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides)
