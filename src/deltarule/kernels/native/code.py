"""A small language for kernels: Python that runs once and writes LLVM code.

A kernel is a Python function that is given a `Code` and its arguments, and computes with them as with
numbers. What is a plain Python number when the code is written (a length, a stride, an option) is folded into
it; what is not (an `Index`, a `Vector`, a `Pointer`) becomes an instruction. So one text serves shapes that
are known and shapes that are not, any vector width and both float types.

    for i in k.range(n):            a loop, or the body itself where n is 1, or nothing where it is 0
    for _ in k.when(i < n):         a branch; nothing or the body where the condition is known
    total = k.variable(x)           a variable that loops and branches may write: total.value = ...
    p[i].vector()                   a vector of elements from a pointer
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from deltarule.kernels.native.processor import SIZES, Processor
from deltarule.kernels.native.values import (
    LLVM_TYPES,
    Condition,
    Index,
    Integer,
    Mask,
    Pointer,
    Variable,
    Vector,
    constant,
)

Bound = int | Index


class Code:
    """The body of one function that is being written.

    thread, threads   which thread of how many runs it
    unit              the compilation unit, for calls of other routines
    """

    thread: Bound
    threads: Bound
    team: Pointer

    def __init__(self, processor: Processor, unit: Any = None):
        self.processor = processor
        self.unit = unit
        self.lines: list[str] = []
        self.entry: list[str] = []
        self.declarations: set[str] = set()
        self.count = 0

    # ---- text

    def name(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def label(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def emit(self, text: str) -> str:
        """Adds an instruction that has a value; returns its name."""
        name = self.name()
        self.lines.append(f"  {name} = {text}")
        return name

    def line(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def place(self, label: str) -> None:
        self.lines.append(f"{label}:")

    def intrinsic(self, returns: str, name: str, *arguments: tuple[str, str]) -> str:
        """Calls an intrinsic or an outer function; arguments are (type, value)."""
        types = ", ".join(kind for kind, _ in arguments)
        self.declarations.add(f"declare {returns} @{name}({types})")
        values = ", ".join(f"{kind} {value}" for kind, value in arguments)
        call = f"call {returns} @{name}({values})"
        if returns == "void":
            self.line(call)
            return ""
        return self.emit(call)

    # ---- control

    def range(self, start: Bound, stop: Bound | None = None, step: int = 1) -> Iterator[Any]:
        """The body once for each value; written as a loop unless at most one turn is known."""
        if stop is None:
            start, stop = 0, start
        if isinstance(start, int) and isinstance(stop, int):
            turns = max(0, -(-(stop - start) // step))
            if turns <= 1:
                yield from range(start, stop, step)
                return
        first, last = Index.of(self, start), Index.of(self, stop)
        counter = self.alloca("i64")
        head, body, end = self.label("loop"), self.label("body"), self.label("done")
        self.line(f"store i64 {first.text}, ptr {counter}")
        self.line(f"br label %{head}")
        self.place(head)
        position = self.emit(f"load i64, ptr {counter}")
        more = self.emit(f"icmp slt i64 {position}, {last.text}")
        self.line(f"br i1 {more}, label %{body}, label %{end}")
        self.place(body)
        yield Index(self, position)
        following = self.emit(f"add nsw i64 {position}, {step}")
        self.line(f"store i64 {following}, ptr {counter}")
        self.line(f"br label %{head}")
        self.place(end)

    def blocks(self, stop: Bound, step: int, start: Bound = 0) -> Iterator[tuple[Any, Bound]]:
        """(first, count) of blocks of `step`, the last one with what is left; each body is written twice.

        `count` is the plain number `step` in the loop over whole blocks, and in the rest a number where
        `stop` is known, else an Index from 1 to step − 1.
        """
        length = stop - start
        if isinstance(length, int):
            whole = start + length // step * step
            for first in self.range(start, whole, step):
                yield first, step
            if length % step:
                yield whole, length % step
            return
        whole = start + length // step * step
        for first in self.range(start, whole, step):
            yield first, step
        rest = stop - whole
        for _ in self.when(rest > 0):
            yield whole, rest

    def when(self, condition: bool | Condition) -> Iterator[None]:
        """The body if the condition holds."""
        if isinstance(condition, bool):
            if condition:
                yield
            return
        inside, end = self.label("then"), self.label("end")
        self.line(f"br i1 {condition.text}, label %{inside}, label %{end}")
        self.place(inside)
        yield
        self.line(f"br label %{end}")
        self.place(end)

    def cases(self, value: Bound, numbers: Sequence[int]) -> Iterator[int]:
        """The body once for each of these numbers that `value` may be; only the one that it is runs."""
        if isinstance(value, int):
            if value in numbers:
                yield value
            return
        labels = [self.label("case") for _ in numbers]
        end = self.label("end")
        table = " ".join(f"i64 {n}, label %{at}" for n, at in zip(numbers, labels, strict=True))
        self.line(f"switch i64 {value.text}, label %{end} [ {table} ]")
        for number, at in zip(numbers, labels, strict=True):
            self.place(at)
            yield number
            self.line(f"br label %{end}")
        self.place(end)

    # ---- threads

    def share(self, length: Bound, grain: int = 1) -> tuple[Bound, Bound]:
        """(start, stop) of this thread's part of `length`; parts begin at multiples of `grain`."""
        if isinstance(self.threads, int) and self.threads == 1:
            return 0, length
        grains = (length + (grain - 1)) // grain
        start = self.thread * grains // self.threads * grain
        stop = (self.thread + 1) * grains // self.threads * grain
        return self.least(start, length), self.least(stop, length)

    def barrier(self) -> None:
        """Waits until every thread has come here; what they wrote before is then seen by all."""
        if isinstance(self.threads, int) and self.threads == 1:
            return
        self.unit.runtime(self, "barrier", self.team, self.threads)

    def first_thread(self) -> Iterator[None]:
        """The body in the first thread alone; a barrier must follow before others read what it wrote."""
        return self.when(True if isinstance(self.thread, int) else self.thread == 0)

    # ---- values

    def alloca(self, kind: str, count: int = 1, align: int = 0) -> str:
        name = self.name()
        many = f", i64 {count}" if count > 1 else ""
        self.entry.append(f"  {name} = alloca {kind}{many}{f', align {align}' if align else ''}")
        return name

    def variable(self, value: Any) -> Variable:
        """A variable with a first value: a vector, a number, a mask, a pointer or an index."""
        if isinstance(value, int):
            value = Index.of(self, value)
        made = Variable(self, self.alloca(value.kind), value)
        made.value = value
        return made

    def local(self, dtype: str, count: int) -> Pointer:
        """Memory of this function on the stack: `count` elements, aligned for vectors."""
        return Pointer(self, self.alloca(LLVM_TYPES[dtype], max(count, 2), 64), dtype)

    def lanes(self, dtype: str) -> int:
        return self.processor.lanes(dtype)

    def number(self, value: float, dtype: str, lanes: int = 1) -> Vector:
        """A constant in every lane."""
        return Vector(self, constant(value, dtype, lanes), dtype, lanes)

    def zeros(self, dtype: str, lanes: int | None = None) -> Vector:
        """A vector of zeros, a whole register of them unless `lanes` says otherwise."""
        return self.number(0.0, dtype, self.lanes(dtype) if lanes is None else lanes)

    def index(self, value: Bound) -> Index:
        return Index.of(self, value)

    def least(self, a: Bound, b: Bound) -> Bound:
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        return Index(self, self._extreme("smin", a, b))

    def most(self, a: Bound, b: Bound) -> Bound:
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        return Index(self, self._extreme("smax", a, b))

    def _extreme(self, which: str, a: Bound, b: Bound) -> str:
        first, second = Index.of(self, a), Index.of(self, b)
        return self.intrinsic("i64", f"llvm.{which}.i64", ("i64", first.text), ("i64", second.text))

    def choose(self, condition: Any, a: Bound, b: Bound) -> Bound:
        """a where the condition holds, else b."""
        if isinstance(condition, bool):
            return a if condition else b
        first, second = Index.of(self, a), Index.of(self, b)
        return Index(self, self.emit(f"select i1 {condition.text}, i64 {first.text}, i64 {second.text}"))

    def mask(self, count: Bound, lanes: int) -> Mask | None:
        """The first `count` of so many lanes; None where that is all of them."""
        if isinstance(count, int):
            if count >= lanes:
                return None
            bits = ", ".join(f"i1 {int(i < count)}" for i in range(lanes))
            return Mask(self, "false" if lanes == 1 else f"<{bits}>", lanes)
        if lanes == 1:
            return Mask(self, (count > 0).text, 1)
        steps = ", ".join(f"i64 {i}" for i in range(lanes))
        limit = Integer.spread(self, count, lanes)
        return Mask(self, self.emit(f"icmp slt <{lanes} x i64> <{steps}>, {limit}"), lanes)

    def bytes(self, dtype: str) -> int:
        return SIZES[dtype]

    def prefetch(self, pointer: Pointer) -> None:
        """Asks for the memory at a pointer, which will be read soon."""
        self.intrinsic(
            "void",
            "llvm.prefetch.p0",
            ("ptr", pointer.text),
            ("i32", "0"),
            ("i32", "3"),
            ("i32", "1"),
        )

    def call(self, routine: Any, *arguments: Any, alone: bool = False) -> None:
        """Calls another routine: by all threads together, or by this thread `alone`."""
        self.unit.call(self, routine, arguments, alone)
