"""`dr.compile`: the function that records its first calls and replays them afterwards."""

from __future__ import annotations

import functools
import inspect
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.autodiff.recording import recording
from deltarule.autodiff.tensor import Tensor
from deltarule.compiler.finishing import Recorded, answered, differences, finish, returned
from deltarule.compiler.guards import Guards, is_input, leaves_of
from deltarule.compiler.native.native_program import NativeProgram, Unfit
from deltarule.compiler.program import Program, Value
from deltarule.compiler.recording import Tracer
from deltarule.compiler.replay import MISS, Replay
from deltarule.compiler.source import Source
from deltarule.compiler.structure import mapped
from deltarule.compiler.surroundings import Surroundings
from deltarule.errors import CompileError, CompileWarning

# Programs of one function, for shapes and modes; beyond these it runs without being compiled.
MOST_PROGRAMS = 8


class Entry:
    """A recording with its text and what runs it."""

    def __init__(self, recorded: Recorded, guards: Guards, source: Source, native: bool):
        self.recorded = recorded
        self.source = source
        self.execute: Any = None
        if native:
            try:
                self.execute = NativeProgram(recorded.program)
            except Unfit:
                native = False
        if not native:
            self.execute = source.function()
        self.replay = Replay(recorded, guards, self.execute)


class Compiled:
    """A function that is recorded and replayed; made by `dr.compile`.

    recordings   calls that were recorded so far
    replays      calls that were replayed so far
    program      the latest program, or None before the first call
    """

    def __init__(self, function: Callable[..., Any], native: bool = True):
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.native = native
        self.recordings = 0
        self.replays = 0
        self._entries: list[Entry] = []
        # Recordings that the next one of the same arguments must agree with.
        self._waiting: list[Recorded] = []
        # Recordings since the last one that agreed with an earlier one.
        self._fruitless = 0
        self._reason = "its arguments have another shape or value in every call"
        self._latest: Source | None = None
        self._warned = False

    @property
    def program(self) -> Program | None:
        return None if self._latest is None else self._latest.program

    def source(self) -> str:
        """The latest program as readable Python. Raises CompileError before the first call."""
        if self._latest is None:
            raise CompileError(
                self._name,
                "nothing has been recorded yet",
                "Call the compiled function once before source().",
            )
        return self._latest.text

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if recording.tracer is not None:
            # Inside of another compiled function: part of its recording.
            return self.function(*arguments, **options)
        for position, each in enumerate(self._entries):
            result = each.replay(arguments, options)
            if result is MISS:
                continue
            if position:
                # One assignment, so that other threads find a whole list.
                self._entries = [each, *(other for other in self._entries if other is not each)]
            self.replays += 1
            self._latest = each.source
            return result
        if len(self._entries) >= MOST_PROGRAMS or self._fruitless >= MOST_PROGRAMS:
            return self._uncompiled(arguments, options)
        return self._record(arguments, options)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<compiled {self._name}: {self.recordings} recordings, {self.replays} replays>"

    @property
    def _name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    def _uncompiled(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._name} was recorded {self.recordings} times and now runs uncompiled: {self._reason}",
                CompileWarning,
                stacklevel=3,
            )
        return self.function(*arguments, **options)

    # ---- recording

    def _record(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        answer, recorded, guards, source = self.recorded(arguments, options)
        self._keep(recorded, guards, source)
        return answer

    def recorded(
        self, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[Any, Recorded, Guards, Source]:
        """Calls the function as it is: its result, and what an Entry is made from."""
        leaves = leaves_of(arguments, options)
        surroundings = Surroundings(self.function, [value for _, _, value in leaves])
        count = len(arguments)
        held = {id(tensor) for tensor in surroundings.tensors}
        tracer = Tracer()
        inputs: list[Value] = []
        tensors: list[Tensor] = []
        stand_ins: dict[int, Tensor] = {}
        for name, (_, _, value) in zip(self._names(arguments, leaves), leaves, strict=True):
            if not is_input(value, held):
                continue
            tensor = value
            if isinstance(value, np.ndarray):
                tensor = stand_ins.setdefault(id(value), Tensor(value))
            self._require_leaf(tensor, name)
            if tracer.known(tensor._array) is None:
                inputs.append(tracer.input(tensor, name))
                tensors.append(tensor)
        arguments = mapped(arguments, lambda part: stand_ins.get(id(part), part))
        options = mapped(options, lambda part: stand_ins.get(id(part), part))
        before = surroundings.options()
        self.recordings += 1
        recording.tracer = tracer
        try:
            result = self.function(*arguments, **options)
            outputs, shape, answer = returned(tracer, result)
        finally:
            recording.tracer = None
        # What the call made must be gone before it is asked who holds what.
        del result, arguments
        recorded = finish(tracer, inputs, tensors, outputs, shape)
        recorded.refusals += [
            f"it changes {each.name!r}, which it reads" for each in surroundings.readings if not each.holds()
        ]
        if any(_differ(old, new) for old, new in zip(before, surroundings.options(), strict=True)):
            recorded.refusals.append("it changes the options of an optimiser")
        source = Source(recorded.program, tracer.names, self._name)
        self._latest = source
        guards = Guards(recorded, leaves, (count, tuple(options)), surroundings)
        return answered(answer), recorded, guards, source

    def _require_leaf(self, tensor: Tensor, name: str) -> None:
        if tensor.node is not None:
            raise CompileError(
                self._name,
                f"argument {name} was computed by {tensor.node.operation.name} and belongs to a recorded "
                "graph, whose gradients end at a compiled function",
                "Pass it detached: x.detach().",
            )

    def _keep(self, recorded: Recorded, guards: Guards, source: Source) -> None:
        """Decides what a recording is good for: it is replayed if an earlier one agrees with it."""
        self._fruitless += 1
        if recorded.refusals:
            self._reason = recorded.refusals[0]
            return
        for earlier in self._waiting:
            found = differences(earlier, recorded)
            if not found:
                self._waiting.remove(earlier)
                self._entries.insert(0, Entry(recorded, guards, source, self.native))
                self._fruitless = 0
                return
            self._reason = found[0]
        self._waiting.append(recorded)

    def _names(self, arguments: tuple[Any, ...], leaves: list[Any]) -> list[str]:
        """Arguments as the function calls them."""
        try:
            parameters = list(inspect.signature(self.function).parameters.values())
        except (TypeError, ValueError):
            parameters = []
        own = [
            each.name
            for each in parameters
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        names = []
        for _, name, _ in leaves:
            for position in range(min(len(arguments), len(own))):
                prefix = f"argument_{position}"
                if name == prefix or name.startswith(f"{prefix}_"):
                    name = own[position] + name.removeprefix(prefix)
                    break
            names.append(name)
        return names


def _differ(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return before.keys() != after.keys() or any(before[name] is not after[name] for name in before)


def compile(function: Callable[..., Any], *, native: bool = True) -> Compiled:
    """A function that does the same in less time: its calls are recorded, then replayed.

    function   any function of tensors: a forward pass, or a whole training step with its loss, backward,
               clipping and `optimizer.step()`; also as a decorator
    native     True turns the recording into machine code, whose results agree with uncompiled ones to the
               accuracy of their type; False runs what `source()` shows, which gives the same to the last bit

    The first calls run as they are and are recorded, as a program without Python in between; two recordings
    that agree are replayed from then on. Other shapes or element types, another mode of the model, other
    numbers among the arguments are recorded anew, up to 8 programs; beyond that, and where no two recordings
    agree, the function runs uncompiled and a CompileWarning says why. Learning rates and other numbers of
    optimisers may change at any time; parameters, running statistics, `.grad` and random numbers are what
    they would be without compiling.

    Tensors that are returned belong to no graph: `backward` is called inside. NumPy arrays among the
    arguments are tensors inside; those that the function finds elsewhere are constants. What the function
    does to Python's own objects (printing, lists, counters) happens only in calls that are recorded.

    Raises CompileError where Python looks at elements that differ from call to call, such as a branch on a
    tensor's value; for arguments that belong to a recorded graph; for results that are neither tensors nor
    numbers.

    >>> import deltarule as dr
    >>> weight = dr.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = dr.optim.SGD([weight], lr=0.25)
    >>> @dr.compile
    ... def step(x):
    ...     optimizer.zero_grad()
    ...     loss = dr.sum((weight * x) ** 2)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> [step(dr.tensor([1.0, 1.0])).item() for _ in range(4)]
    [5.0, 1.25, 0.3125, 0.078125]
    >>> step
    <compiled step: 2 recordings, 2 replays>
    """
    if not callable(function):
        raise CompileError(
            "compile", f"expected a function, got {type(function).__name__}", "Write dr.compile(step)."
        )
    return Compiled(function, native)
