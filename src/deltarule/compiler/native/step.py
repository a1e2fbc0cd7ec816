"""The one native function of a step: its calls in order, barriers where one call meets another's memory."""

from __future__ import annotations

import hashlib
from typing import Any

from deltarule.compiler.native.plan import Call, Storage, View
from deltarule.kernels.native.code import Code
from deltarule.kernels.native.finite import Gate
from deltarule.kernels.native.processor import SIZES
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Pointer

# Operations from which a call is divided between threads: one core does so many in about a microsecond.
WORTH_DIVIDING = 20_000


class Step(Routine):
    """Some calls, one after another. Arguments: the table of addresses, inputs, results.

    arguments   storages that are given as arguments, in order
    table       storage -> its place in the table of addresses, whose first entry is the step's own memory
    divided     whether there is more than one thread
    """

    def __init__(self, calls: list[Call], arguments: list[Storage], table: dict[Storage, int], divided: bool):
        self.calls, self.arguments, self.table, self.divided = calls, arguments, table, divided
        text = "\n".join(self._description(call) for call in calls)
        signature = ",".join(storage.dtype for storage in arguments)
        self.digest = hashlib.blake2b(f"{divided}{signature}\n{text}".encode(), digest_size=16).hexdigest()

    def __repr__(self) -> str:
        return f"Step({self.digest})"

    def parameters(self) -> dict[str, str]:
        taken = {"table": "int64*"}
        return taken | {f"s{i}": storage.dtype + "*" for i, storage in enumerate(self.arguments)}

    def _description(self, call: Call) -> str:
        parts = []
        for argument in call.arguments:
            if isinstance(argument, View):
                parts.append(f"{self._where(argument.storage)}+{argument.offset}")
            else:
                parts.append(repr(argument))
        return f"{call.routine!r} {call.work >= WORTH_DIVIDING} {' '.join(parts)}"

    def _where(self, storage: Storage) -> str:
        if storage in self.arguments:
            return f"argument{self.arguments.index(storage)}"
        return f"table{self.table[storage]}" if storage in self.table else f"memory{storage.offset}"

    def write(self, code: Code, table: Pointer, *given: Pointer) -> None:
        if not self.divided:
            code.thread, code.threads = 0, 1
        addresses = dict(zip(self.arguments, given, strict=True))
        memory = self._address(code, table, 0, "uint8")
        self._write_calls(code, table, memory, addresses, self.calls)

    def _write_calls(
        self,
        code: Code,
        table: Pointer,
        memory: Pointer,
        addresses: dict[Storage, Pointer],
        calls: list[Call],
    ) -> None:
        waiting = _Waiting()
        for position, call in enumerate(calls):
            alone = not self.divided or call.work < WORTH_DIVIDING
            if self.divided and waiting.meets(call, alone):
                code.barrier()
                waiting = _Waiting()
            waiting.add(call, alone)
            for _ in code.first_thread() if alone else (None,):
                arguments = [self._argument(code, table, memory, addresses, each) for each in call.arguments]
                code.call(call.routine, *arguments, alone=alone)
            if isinstance(call.routine, Gate):
                if self.divided:
                    code.barrier()
                flag = self._argument(code, table, memory, addresses, call.arguments[-1])
                for _ in code.when(flag.number().equals(0.0).lane(0)):
                    self._write_calls(code, table, memory, addresses, calls[position + 1 :])
                return

    def _argument(
        self, code: Code, table: Pointer, memory: Pointer, addresses: dict[Storage, Pointer], argument: Any
    ) -> Any:
        if not isinstance(argument, View):
            return argument
        storage = argument.storage
        if storage in addresses:
            base = addresses[storage]
        elif storage in self.table:
            base = self._address(code, table, self.table[storage], storage.dtype)
        else:
            base = (memory + storage.offset).cast(storage.dtype)
        return base + argument.offset

    def _address(self, code: Code, table: Pointer, place: int, dtype: str) -> Pointer:
        where = table + place
        return Pointer(code, code.emit(f"load ptr, ptr {where.text}"), dtype)


class _Waiting:
    """Calls since the last barrier, and the memory that they read and write."""

    def __init__(self) -> None:
        self.read: list[tuple[Any, int, int, bool]] = []
        self.written: list[tuple[Any, int, int, bool]] = []

    def add(self, call: Call, alone: bool) -> None:
        for where, writes in _ranges(call):
            (self.written if writes else self.read).append((*where, alone))

    def meets(self, call: Call, alone: bool) -> bool:
        """Whether the call must wait: others write what it reads, or touch what it writes."""
        for where, writes in _ranges(call):
            others = [*self.written, *self.read] if writes else self.written
            for owner, start, end, was_alone in others:
                # The first thread does what it does alone in order.
                if not (alone and was_alone) and owner is where[0] and start < where[2] and where[1] < end:
                    return True
        return False


def _ranges(call: Call) -> list[tuple[tuple[Any, int, int], bool]]:
    """(memory, first byte, end) of each argument, and whether it is written."""
    found = []
    for position, argument in enumerate(call.arguments):
        if isinstance(argument, View):
            storage = argument.storage
            writes = position in call.writes or storage in call.scratch
            if storage.outer is None:
                size = max(storage.elements, 1) * SIZES[storage.dtype]
                found.append(((None, storage.offset, storage.offset + size), writes))
            else:
                found.append(((storage, 0, 1), writes))
    return found
