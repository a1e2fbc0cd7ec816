"""Routine: one native function, described before it is written; Unit: functions compiled together."""

from __future__ import annotations

from typing import Any

from deltarule.kernels.native.code import Code
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.runtime import DECLARATIONS, RUNTIME
from deltarule.kernels.native.values import LLVM_TYPES, Index, Objects, Pointer, Vector


class Routine:
    """A native function. Subclasses are frozen dataclasses: their fields are what the code is written for.

    `parameters` names the arguments: "float32*" for a pointer, "index" for an integer, "float32" for a
    number, "objects" for a tuple of arrays, which are not checked.
    `write` writes the body; every thread of the team runs it, `code.thread` and `code.threads` say which.
    Two routines that are equal are written once.
    """

    def parameters(self) -> dict[str, str]:
        raise NotImplementedError(f"{type(self).__name__}: parameters")

    def write(self, code: Code, *arguments: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__}: body")


class Unit:
    """Functions that are compiled together: routines, and for each entry what Python calls."""

    def __init__(self, processor: Processor):
        self.processor = processor
        self.names: dict[Routine, str] = {}
        self.functions: list[str] = []
        self.declarations: set[str] = set(DECLARATIONS)

    def function(self, routine: Routine) -> str:
        """The name of a routine's function, which is written if it is not there yet."""
        known = self.names.get(routine)
        if known is not None:
            return known
        name = f"{type(routine).__name__}_{len(self.names)}"
        self.names[routine] = name
        code = Code(self.processor, self)
        code.team, code.thread = Pointer(code, "%team", "int32"), Index(code, "%thread")
        code.threads = Index(code, "%threads")
        kinds = routine.parameters()
        arguments = [_argument(code, f"%a_{each}", kind) for each, kind in kinds.items()]
        routine.write(code, *arguments)
        taken = "".join(f", {_llvm(kind)} %a_{each}" for each, kind in kinds.items())
        head = f"define internal void @{name}(ptr %team, i64 %thread, i64 %threads{taken})"
        body = ["entry:", *code.entry, *code.lines, "  ret void"]
        self.functions.append(f"{head} nounwind {{\n" + "\n".join(body) + "\n}\n")
        self.declarations |= code.declarations
        return name

    def call(self, code: Code, routine: Routine, arguments: tuple[Any, ...], alone: bool) -> None:
        """Writes a call of a routine, whose arguments may be plain numbers."""
        name = self.function(routine)
        kinds = list(routine.parameters().values())
        assert len(kinds) == len(arguments), (routine, len(kinds), len(arguments))
        texts = [_passed(code, argument, kind) for argument, kind in zip(arguments, kinds, strict=True)]
        thread, threads = (0, 1) if alone else (code.thread, code.threads)
        first = [
            f"ptr {code.team.text}",
            f"i64 {Index.of(code, thread).text}",
            f"i64 {Index.of(code, threads).text}",
        ]
        code.line(f"call void @{name}({', '.join(first + texts)})")

    def runtime(self, code: Code, name: str, team: Pointer, threads: Any) -> None:
        """Writes a call of a function of the runtime."""
        code.line(f"call void @{name}(ptr {team.text}, i64 {Index.of(code, threads).text})")

    def entry(self, routine: Routine, name: str, checked: bool = False) -> None:
        """Adds what Python calls: (threads, *arguments) with arrays for pointers, ints and floats.

        It follows CPython's fast calling convention and reads an array's address out of the array, so that a
        call costs less than one of NumPy's own functions. With `checked` the call answers True, or False
        without having done anything if an array is not contiguous or not of the type that the routine names.
        """
        function = self.function(routine)
        kinds = list(routine.parameters().values())
        thunk = [f"define internal void @{name}_thread(ptr %team, i64 %thread, i64 %threads, ptr %args) {{"]
        passed = []
        for i, kind in enumerate(kinds):
            thunk.append(f"  %p{i} = getelementptr i64, ptr %args, i64 {i}")
            thunk.append(f"  %x{i} = load {_llvm(kind)}, ptr %p{i}")
            passed.append(f"{_llvm(kind)} %x{i}")
        listed = "".join(f", {each}" for each in passed)
        thunk.append(f"  call void @{function}(ptr %team, i64 %thread, i64 %threads{listed})")
        thunk += ["  ret void", "}\n"]
        lines = [
            f"define ptr @{name}(ptr %self, ptr %args, i64 %count) {{",
            f"  %packed = alloca i64, i64 {max(len(kinds), 1)}",
            "  %first = load ptr, ptr %args",
            "  %threads = call i64 @PyLong_AsLongLong(ptr %first)",
        ]
        for i, kind in enumerate(kinds):
            lines += [
                f"  %q{i} = getelementptr ptr, ptr %args, i64 {i + 1}",
                f"  %o{i} = load ptr, ptr %q{i}",
                f"  %s{i} = getelementptr i64, ptr %packed, i64 {i}",
            ]
            if kind.endswith("*"):
                if checked:
                    lines += _array_check(i, kind[:-1])
                lines += [
                    f"  %n{i} = icmp eq ptr %o{i}, @_Py_NoneStruct",
                    f"  %w{i} = getelementptr i8, ptr %o{i}, i64 {_data_offset()}",
                    f"  %d{i} = load ptr, ptr %w{i}",
                    f"  %v{i} = select i1 %n{i}, ptr null, ptr %d{i}",
                    f"  store ptr %v{i}, ptr %s{i}",
                ]
            elif kind == "objects":
                # The elements of a tuple follow its header.
                lines += [
                    f"  %v{i} = getelementptr i8, ptr %o{i}, i64 {tuple.__basicsize__}",
                    f"  store ptr %v{i}, ptr %s{i}",
                ]
            elif kind == "index":
                lines += [
                    f"  %v{i} = call i64 @PyLong_AsLongLong(ptr %o{i})",
                    f"  store i64 %v{i}, ptr %s{i}",
                ]
            else:
                lines.append(f"  %f{i} = call double @PyFloat_AsDouble(ptr %o{i})")
                value = f"%f{i}"
                if kind == "float32":
                    lines.append(f"  %v{i} = fptrunc double %f{i} to float")
                    value = f"%v{i}"
                lines.append(f"  store {LLVM_TYPES[kind]} {value}, ptr %s{i}")
        lines += [
            f"  call void @launch(ptr @_deltarule_team, i64 %threads, ptr @{name}_thread, ptr %packed)",
            *_answer("@_Py_TrueStruct" if checked else "@_Py_NoneStruct"),
        ]
        if checked:
            lines += ["unfit:", *_answer("@_Py_FalseStruct")]
        lines.append("}\n")
        self.functions += ["\n".join(thunk), "\n".join(lines)]

    def text(self) -> str:
        """The whole unit as LLVM assembly."""
        return "\n".join([RUNTIME, *sorted(self.declarations), "", *self.functions])


def _data_offset() -> int:
    """Where an array object holds the address of its elements: right behind CPython's object header."""
    return object.__basicsize__


def _answer(value: str) -> list[str]:
    return [f"  call void @Py_IncRef(ptr {value})", f"  ret ptr {value}"]


def _array_check(position: int, dtype: str) -> list[str]:
    """Goes to `unfit` unless the object is None or an aligned, contiguous array of this type.

    Behind the header an array has: address, number of axes, lengths, strides, base, type, flags; this order
    is part of NumPy's binary interface. The flags are C-contiguous (1) and aligned (256).
    """
    i, head = position, object.__basicsize__
    return [
        f"  %absent{i} = icmp eq ptr %o{i}, @_Py_NoneStruct",
        f"  br i1 %absent{i}, label %good{i}, label %look{i}",
        f"look{i}:",
        f"  %at_class{i} = getelementptr i8, ptr %o{i}, i64 {head - 8}",
        f"  %class{i} = load ptr, ptr %at_class{i}",
        f"  %array{i} = icmp eq ptr %class{i}, @_deltarule_ndarray",
        f"  br i1 %array{i}, label %type{i}, label %unfit",
        f"type{i}:",
        f"  %at_type{i} = getelementptr i8, ptr %o{i}, i64 {head + 40}",
        f"  %type_is{i} = load ptr, ptr %at_type{i}",
        f"  %typed{i} = icmp eq ptr %type_is{i}, @_deltarule_{dtype}",
        f"  br i1 %typed{i}, label %flags{i}, label %unfit",
        f"flags{i}:",
        f"  %at_flags{i} = getelementptr i8, ptr %o{i}, i64 {head + 48}",
        f"  %flag{i} = load i32, ptr %at_flags{i}",
        f"  %both{i} = and i32 %flag{i}, 257",
        f"  %laid{i} = icmp eq i32 %both{i}, 257",
        f"  br i1 %laid{i}, label %good{i}, label %unfit",
        f"good{i}:",
    ]


def _llvm(kind: str) -> str:
    if kind.endswith("*") or kind == "objects":
        return "ptr"
    return "i64" if kind == "index" else LLVM_TYPES[kind]


def _argument(code: Code, text: str, kind: str) -> Any:
    if kind.endswith("*"):
        return Pointer(code, text, kind[:-1])
    if kind == "objects":
        return Objects(code, text)
    return Index(code, text) if kind == "index" else Vector(code, text, kind, 1)


def _passed(code: Code, argument: Any, kind: str) -> str:
    if argument is None:
        return "ptr null"
    if kind == "index":
        return f"i64 {Index.of(code, argument).text}"
    if isinstance(argument, (int, float)):
        argument = code.number(argument, kind)
    return f"{argument.kind} {argument.text}"
