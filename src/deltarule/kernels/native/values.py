"""What a kernel computes with: indices, vectors, masks, pointers, variables. See code.py."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.kernels.native.processor import SIZES

if TYPE_CHECKING:
    from deltarule.kernels.native.code import Code

LLVM_TYPES = {
    "float32": "float",
    "float64": "double",
    "int64": "i64",
    "int32": "i32",
    "bool": "i8",
    "uint8": "i8",
}


def kind_of(dtype: str, lanes: int) -> str:
    """LLVM's name of the type of so many elements."""
    scalar = LLVM_TYPES[dtype]
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def literal(value: float, dtype: str) -> str:
    """One constant as LLVM writes it: floats as the bits of a double."""
    if dtype.startswith("float"):
        exact = float(np.float32(value)) if dtype == "float32" else float(value)
        return f"0x{struct.unpack('<Q', struct.pack('<d', exact))[0]:016X}"
    return str(int(value))


def constant(value: float, dtype: str, lanes: int) -> str:
    """The same constant in every lane."""
    one = literal(value, dtype)
    if lanes == 1:
        return one
    each = f"{LLVM_TYPES[dtype]} {one}"
    return f"<{', '.join([each] * lanes)}>"


class Condition:
    """A truth value that is known only when the code runs."""

    kind = "i1"

    def __init__(self, code: Code, text: str):
        self.code, self.text = code, text

    def __and__(self, other: Any) -> Any:
        if isinstance(other, bool):
            return self if other else False
        return Condition(self.code, self.code.emit(f"and i1 {self.text}, {other.text}"))

    def __or__(self, other: Any) -> Any:
        if isinstance(other, bool):
            return True if other else self
        return Condition(self.code, self.code.emit(f"or i1 {self.text}, {other.text}"))

    __rand__ = __and__
    __ror__ = __or__

    def __bool__(self) -> bool:
        raise TypeError("a condition of the code that is written: use k.when")


class Index:
    """A 64-bit integer that is known only when the code runs; plain ints mix with it."""

    kind = "i64"
    __hash__ = object.__hash__

    def __init__(self, code: Code, text: str):
        self.code, self.text = code, text

    @classmethod
    def of(cls, code: Code, value: int | Index) -> Index:
        return value if isinstance(value, Index) else cls(code, str(int(value)))

    def _with(self, word: str, other: int | Index, swapped: bool = False) -> Index:
        a, b = self.text, Index.of(self.code, other).text
        if swapped:
            a, b = b, a
        return Index(self.code, self.code.emit(f"{word} i64 {a}, {b}"))

    def __add__(self, other: int | Index) -> Index:
        return self if isinstance(other, int) and other == 0 else self._with("add nsw", other)

    __radd__ = __add__

    def __sub__(self, other: int | Index) -> Index:
        return self if isinstance(other, int) and other == 0 else self._with("sub nsw", other)

    def __rsub__(self, other: int | Index) -> Index:
        return self._with("sub nsw", other, swapped=True)

    def __mul__(self, other: int | Index) -> Any:
        if isinstance(other, int) and other in (0, 1):
            return self if other else 0
        return self._with("mul nsw", other)

    __rmul__ = __mul__

    def __floordiv__(self, other: int | Index) -> Index:
        """The quotient; both are taken to be at least 0."""
        return self if isinstance(other, int) and other == 1 else self._with("udiv", other)

    def __rfloordiv__(self, other: int) -> Index:
        return self._with("udiv", other, swapped=True)

    def __mod__(self, other: int | Index) -> Any:
        """The remainder; both are taken to be at least 0."""
        return 0 if isinstance(other, int) and other == 1 else self._with("urem", other)

    def _compare(self, word: str, other: int | Index) -> Condition:
        text = self.code.emit(f"icmp {word} i64 {self.text}, {Index.of(self.code, other).text}")
        return Condition(self.code, text)

    def __lt__(self, other: int | Index) -> Condition:
        return self._compare("slt", other)

    def __le__(self, other: int | Index) -> Condition:
        return self._compare("sle", other)

    def __gt__(self, other: int | Index) -> Condition:
        return self._compare("sgt", other)

    def __ge__(self, other: int | Index) -> Condition:
        return self._compare("sge", other)

    def __eq__(self, other: Any) -> Any:
        return self._compare("eq", other)

    def __ne__(self, other: Any) -> Any:
        return self._compare("ne", other)

    def to(self, dtype: str) -> Vector:
        """The same number as one element of a float type."""
        kind = LLVM_TYPES[dtype]
        if kind == "i64":
            return Vector(self.code, self.text, dtype, 1)
        return Vector(self.code, self.code.emit(f"sitofp i64 {self.text} to {kind}"), dtype, 1)


class Integer:
    """Integers in lanes, for masks and gathers."""

    @staticmethod
    def spread(code: Code, value: int | Index, lanes: int) -> str:
        """The text of one integer in every lane."""
        if isinstance(value, int):
            return constant(value, "int64", lanes)
        kind = f"<{lanes} x i64>"
        one = code.emit(f"insertelement {kind} poison, i64 {value.text}, i32 0")
        return code.emit(f"shufflevector {kind} {one}, {kind} poison, <{lanes} x i32> zeroinitializer")


class Mask:
    """A truth value for each lane."""

    def __init__(self, code: Code, text: str, lanes: int):
        self.code, self.text, self.lanes = code, text, lanes
        self.kind = "i1" if lanes == 1 else f"<{lanes} x i1>"

    def _with(self, word: str, other: Mask) -> Mask:
        return Mask(self.code, self.code.emit(f"{word} {self.kind} {self.text}, {other.text}"), self.lanes)

    def __and__(self, other: Mask) -> Mask:
        return self._with("and", other)

    def __or__(self, other: Mask) -> Mask:
        return self._with("or", other)

    def __xor__(self, other: Mask) -> Mask:
        return self._with("xor", other)

    def __invert__(self) -> Mask:
        ones = "true" if self.lanes == 1 else f"<{', '.join(['i1 true'] * self.lanes)}>"
        return Mask(self.code, self.code.emit(f"xor {self.kind} {self.text}, {ones}"), self.lanes)

    def lane(self, position: int) -> Condition:
        """The truth value of one lane."""
        if self.lanes == 1:
            return Condition(self.code, self.text)
        text = self.code.emit(f"extractelement {self.kind} {self.text}, i32 {position}")
        return Condition(self.code, text)

    def select(self, a: Any, b: Any) -> Vector:
        """a in the lanes where it is true, b in the others."""
        model = a if isinstance(a, Vector) else b
        if model.lanes < self.lanes:
            # A single element of each is chosen between in every lane.
            model = b if isinstance(b, Vector) and b.lanes == self.lanes else model.spread(self.lanes)
        a, b = model.like(a), model.like(b)
        return model._made(f"select {self.kind} {self.text}, {a.kind} {a.text}, {b.kind} {b.text}")

    def vector(self, dtype: str) -> Vector:
        """1 in the lanes where it is true, else 0."""
        return self.select(
            *(Vector(self.code, constant(n, dtype, self.lanes), dtype, self.lanes) for n in (1, 0))
        )

    def any(self) -> Condition:
        """Whether it is true in any lane."""
        if self.lanes == 1:
            return Condition(self.code, self.text)
        bits = self.code.emit(f"bitcast {self.kind} {self.text} to i{self.lanes}")
        return Condition(self.code, self.code.emit(f"icmp ne i{self.lanes} {bits}, 0"))


class Vector:
    """Elements in the lanes of a register; with one lane a plain number. Python numbers mix with it."""

    def __init__(self, code: Code, text: str, dtype: str, lanes: int):
        self.code, self.text, self.dtype, self.lanes = code, text, dtype, lanes
        self.kind = kind_of(dtype, lanes)

    @property
    def is_float(self) -> bool:
        return self.dtype.startswith("float")

    def _made(self, text: str) -> Vector:
        return Vector(self.code, self.code.emit(text), self.dtype, self.lanes)

    def like(self, value: Any) -> Vector:
        """A number, a single element or a mask (1 and 0) as a vector such as this one."""
        if isinstance(value, Mask):
            value = value.vector(self.dtype)
        if isinstance(value, Vector):
            assert value.dtype == self.dtype, (value.dtype, self.dtype)
            return value if value.lanes == self.lanes else value.spread(self.lanes)
        return Vector(self.code, constant(value, self.dtype, self.lanes), self.dtype, self.lanes)

    def _with(self, word: str, other: Any, swapped: bool = False) -> Vector:
        if isinstance(other, Mask):
            other = other.vector(self.dtype)
        if isinstance(other, Vector) and other.lanes > self.lanes:
            return other._with(word, self, not swapped)
        a, b = self, self.like(other)
        if swapped:
            a, b = b, a
        flags = "f{} contract" if self.is_float else "{}"
        return self._made(f"{flags.format(word)} {self.kind} {a.text}, {b.text}")

    def __add__(self, other: Any) -> Vector:
        return self._with("add", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Vector:
        return self._with("sub", other)

    def __rsub__(self, other: Any) -> Vector:
        return self._with("sub", other, swapped=True)

    def __mul__(self, other: Any) -> Vector:
        return self._with("mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Vector:
        return self._with("div", other)

    def __rtruediv__(self, other: Any) -> Vector:
        return self._with("div", other, swapped=True)

    def remainder(self, other: Any) -> Vector:
        """What dividing floats leaves, with the sign of self. Exact, and slow: the C library computes it."""
        return self._with("rem", other)

    def __neg__(self) -> Vector:
        if self.is_float:
            return self._made(f"fneg {self.kind} {self.text}")
        return self.like(0) - self

    def __abs__(self) -> Vector:
        return self.function("fabs")

    def _bits(self, word: str, other: Any) -> Vector:
        return self._made(f"{word} {self.kind} {self.text}, {self.like(other).text}")

    def __and__(self, other: Any) -> Vector:
        return self._bits("and", other)

    def __or__(self, other: Any) -> Vector:
        return self._bits("or", other)

    def __xor__(self, other: Any) -> Vector:
        return self._bits("xor", other)

    def __lshift__(self, other: int) -> Vector:
        return self._bits("shl", other)

    def __rshift__(self, other: int) -> Vector:
        """Shifts right; the sign is kept."""
        return self._bits("ashr", other)

    def shift_logical(self, other: int) -> Vector:
        """Shifts right; zeros come in."""
        return self._bits("lshr", other)

    def function(self, name: str, *others: Any) -> Vector:
        """One of LLVM's functions: sqrt, fabs, floor, ceil, rint, trunc, maxnum, maximum, fma, copysign, …"""
        suffix = {"float32": "f32", "float64": "f64", "int32": "i32", "int64": "i64"}[self.dtype]
        suffix = suffix if self.lanes == 1 else f"v{self.lanes}{suffix}"
        arguments = [(self.kind, self.text)] + [(self.kind, self.like(other).text) for other in others]
        text = self.code.intrinsic(self.kind, f"llvm.{name}.{suffix}", *arguments)
        return Vector(self.code, text, self.dtype, self.lanes)

    def fma(self, factor: Any, addend: Any) -> Vector:
        """self · factor + addend, rounded once."""
        return self.function("fma", factor, addend)

    def times(self, other: Any) -> Vector:
        """self · other, rounded by itself: never fused with an addition that follows."""
        return self._made(f"fmul {self.kind} {self.text}, {self.like(other).text}")

    def larger(self, other: Any) -> Vector:
        """The larger of two; `other` where either is NaN. One instruction."""
        other = self.like(other)
        above = self._compare("ogt", other)
        return above.select(self, other)

    def smaller(self, other: Any) -> Vector:
        """The smaller of two; `other` where either is NaN. One instruction."""
        other = self.like(other)
        below = self._compare("olt", other)
        return below.select(self, other)

    def _compare(self, word: str, other: Any) -> Mask:
        other = self.like(other)
        how = f"fcmp {word}" if self.is_float else f"icmp {word}"
        return Mask(self.code, self.code.emit(f"{how} {self.kind} {self.text}, {other.text}"), self.lanes)

    def _ordered(self, word: str, other: Any) -> Mask:
        return self._compare(("o" if self.is_float else "s") + word, other)

    def __lt__(self, other: Any) -> Mask:
        return self._ordered("lt", other)

    def __le__(self, other: Any) -> Mask:
        return self._ordered("le", other)

    def __gt__(self, other: Any) -> Mask:
        return self._ordered("gt", other)

    def __ge__(self, other: Any) -> Mask:
        return self._ordered("ge", other)

    def equals(self, other: Any) -> Mask:
        return self._compare("oeq" if self.is_float else "eq", other)

    def differs(self, other: Any) -> Mask:
        """True also where either is NaN."""
        return self._compare("une" if self.is_float else "ne", other)

    # ---- lanes

    def spread(self, lanes: int) -> Vector:
        """A single element in every lane."""
        assert self.lanes == 1
        if lanes == 1:
            return self
        kind = kind_of(self.dtype, lanes)
        one = self.code.emit(f"insertelement {kind} poison, {self.kind} {self.text}, i32 0")
        text = self.code.emit(f"shufflevector {kind} {one}, {kind} poison, <{lanes} x i32> zeroinitializer")
        return Vector(self.code, text, self.dtype, lanes)

    def lane(self, position: int) -> Vector:
        """One element."""
        if self.lanes == 1:
            return self
        text = self.code.emit(f"extractelement {self.kind} {self.text}, i32 {position}")
        return Vector(self.code, text, self.dtype, 1)

    def with_lane(self, position: int, value: Vector) -> Vector:
        """The same but for one element."""
        if self.lanes == 1:
            return value
        return self._made(f"insertelement {self.kind} {self.text}, {value.kind} {value.text}, i32 {position}")

    def shuffle(self, other: Vector, positions: list[int]) -> Vector:
        """Elements of the two by position: 0 … n−1 of this one, n … of the other."""
        steps = ", ".join(f"i32 {position}" for position in positions)
        text = self.code.emit(
            f"shufflevector {self.kind} {self.text}, {other.kind} {other.text}, "
            f"<{len(positions)} x i32> <{steps}>"
        )
        return Vector(self.code, text, self.dtype, len(positions))

    def _halves(self) -> tuple[Vector, Vector]:
        half = self.lanes // 2
        low, high = list(range(half)), list(range(half, self.lanes))
        if half == 1:
            return self.lane(0), self.lane(1)
        return self.shuffle(self, low), self.shuffle(self, high)

    def total(self) -> Vector:
        """The sum of all lanes (their number is a power of two)."""
        vector = self
        while vector.lanes > 1:
            low, high = vector._halves()
            vector = low + high
        return vector

    def largest(self) -> Vector:
        """The largest of all lanes."""
        vector = self
        while vector.lanes > 1:
            low, high = vector._halves()
            vector = low.larger(high)
        return vector

    # ---- types

    def bits(self, dtype: str) -> Vector:
        """The same bits as another type of the same size."""
        text = self.code.emit(f"bitcast {self.kind} {self.text} to {kind_of(dtype, self.lanes)}")
        return Vector(self.code, text, dtype, self.lanes)

    def to(self, dtype: str) -> Vector:
        """The same values as another type; floats are cut off towards zero where integers are wanted."""
        if dtype == self.dtype:
            return self
        target = kind_of(dtype, self.lanes)
        if self.is_float and dtype.startswith("float"):
            word = "fpext" if SIZES[dtype] > SIZES[self.dtype] else "fptrunc"
        elif self.is_float:
            word = "fptosi"
        elif dtype.startswith("float"):
            word = "uitofp" if self.dtype in ("bool", "uint8") else "sitofp"
        elif SIZES[dtype] > SIZES[self.dtype]:
            word = "zext" if self.dtype in ("bool", "uint8") else "sext"
        else:
            word = "trunc"
        text = self.code.emit(f"{word} {self.kind} {self.text} to {target}")
        return Vector(self.code, text, dtype, self.lanes)

    def index(self) -> Index:
        """A single integer as an index."""
        return Index(self.code, self.to("int64").text)


class Pointer:
    """The address of elements in memory: p + i, p[i] (the same), p.vector(), p.number(), p.put(x)."""

    kind = "ptr"

    def __init__(self, code: Code, text: str, dtype: str):
        self.code, self.text, self.dtype = code, text, dtype

    def __add__(self, offset: int | Index) -> Pointer:
        if isinstance(offset, int) and offset == 0:
            return self
        where = Index.of(self.code, offset).text
        text = self.code.emit(f"getelementptr {LLVM_TYPES[self.dtype]}, ptr {self.text}, i64 {where}")
        return Pointer(self.code, text, self.dtype)

    __getitem__ = __add__

    def cast(self, dtype: str) -> Pointer:
        """The same address, read as another type."""
        return Pointer(self.code, self.text, dtype)

    def number(self, offset: int | Index = 0) -> Vector:
        """One element."""
        where = self + offset
        text = self.code.emit(f"load {LLVM_TYPES[self.dtype]}, ptr {where.text}")
        return Vector(self.code, text, self.dtype, 1)

    def vector(
        self, offset: int | Index = 0, lanes: int | None = None, mask: Mask | None = None, fill: float = 0.0
    ) -> Vector:
        """Elements from here on, a register full unless `lanes` says otherwise; `fill` where masked out."""
        lanes = self.code.lanes(self.dtype) if lanes is None else lanes
        where, kind = self + offset, kind_of(self.dtype, lanes)
        if mask is None:
            text = self.code.emit(f"load {kind}, ptr {where.text}, align {SIZES[self.dtype]}")
        elif lanes == 1:
            return self._masked_number(where, mask, fill)
        else:
            name = f"llvm.masked.load.v{lanes}{_suffix(self.dtype)}.p0"
            text = self.code.intrinsic(
                kind,
                name,
                ("ptr", where.text),
                ("i32", str(SIZES[self.dtype])),
                (mask.kind, mask.text),
                (kind, constant(fill, self.dtype, lanes)),
            )
        return Vector(self.code, text, self.dtype, lanes)

    def _masked_number(self, where: Pointer, mask: Mask, fill: float) -> Vector:
        held = self.code.variable(self.code.number(fill, self.dtype))
        for _ in self.code.when(Condition(self.code, mask.text)):
            held.value = where.number()
        return held.value

    def put(self, value: Vector, offset: int | Index = 0, mask: Mask | None = None) -> None:
        """Writes elements from here on, the masked ones alone if there is a mask."""
        assert value.dtype == self.dtype, (value.dtype, self.dtype)
        where = self + offset
        if mask is None:
            self.code.line(f"store {value.kind} {value.text}, ptr {where.text}, align {SIZES[self.dtype]}")
            return
        if value.lanes == 1:
            for _ in self.code.when(Condition(self.code, mask.text)):
                where.put(value)
            return
        self.code.intrinsic(
            "void",
            f"llvm.masked.store.v{value.lanes}{_suffix(self.dtype)}.p0",
            (value.kind, value.text),
            ("ptr", where.text),
            ("i32", str(SIZES[self.dtype])),
            (mask.kind, mask.text),
        )

    def gather(self, step: int | Index, lanes: int | None = None, mask: Mask | None = None) -> Vector:
        """Elements that lie `step` apart."""
        lanes = self.code.lanes(self.dtype) if lanes is None else lanes
        if isinstance(step, int) and step == 1:
            return self.vector(0, lanes, mask)
        if isinstance(step, int) and step == 0:
            return self.number().spread(lanes)
        result = self.code.zeros(self.dtype, lanes)
        if mask is None:
            text = result.text
            for i in range(lanes):
                element = (self + i * step).number()
                text = self.code.emit(
                    f"insertelement {result.kind} {text}, {element.kind} {element.text}, i32 {i}"
                )
            return Vector(self.code, text, self.dtype, lanes)
        offsets = ", ".join(f"i64 {i}" for i in range(lanes))
        steps = self.code.emit(f"mul <{lanes} x i64> <{offsets}>, {Integer.spread(self.code, step, lanes)}")
        where = self.code.emit(
            f"getelementptr {LLVM_TYPES[self.dtype]}, ptr {self.text}, <{lanes} x i64> {steps}"
        )
        text = self.code.intrinsic(
            result.kind,
            f"llvm.masked.gather.v{lanes}{_suffix(self.dtype)}.v{lanes}p0",
            (f"<{lanes} x ptr>", where),
            ("i32", str(SIZES[self.dtype])),
            (mask.kind, mask.text),
            (result.kind, result.text),
        )
        return Vector(self.code, text, self.dtype, lanes)


class Objects:
    """The elements of a tuple of arrays."""

    kind = "ptr"

    def __init__(self, code: Code, text: str):
        self.code, self.text = code, text

    def array(self, position: int | Index, dtype: str) -> Pointer:
        """The address of the elements of one array."""
        where = Index.of(self.code, position).text
        place = self.code.emit(f"getelementptr ptr, ptr {self.text}, i64 {where}")
        array = self.code.emit(f"load ptr, ptr {place}")
        # It stands right behind CPython's object header.
        held = self.code.emit(f"getelementptr i8, ptr {array}, i64 {object.__basicsize__}")
        return Pointer(self.code, self.code.emit(f"load ptr, ptr {held}"), dtype)


def _suffix(dtype: str) -> str:
    return {
        "float32": "f32",
        "float64": "f64",
        "int64": "i64",
        "int32": "i32",
        "bool": "i8",
        "uint8": "i8",
    }[dtype]


class Variable:
    """A value that loops and branches may replace. LLVM keeps it in a register."""

    def __init__(self, code: Code, address: str, model: Any):
        self.code, self.address, self.model = code, address, model

    @property
    def value(self) -> Any:
        text = self.code.emit(f"load {self.model.kind}, ptr {self.address}")
        return _such_as(self.model, self.code, text)

    @value.setter
    def value(self, value: Any) -> None:
        if isinstance(value, (int, float)):
            value = (
                Index.of(self.code, int(value)) if isinstance(self.model, Index) else self.model.like(value)
            )
        assert value.kind == self.model.kind, (value.kind, self.model.kind)
        self.code.line(f"store {value.kind} {value.text}, ptr {self.address}")


def _such_as(model: Any, code: Code, text: str) -> Any:
    if isinstance(model, Vector):
        return Vector(code, text, model.dtype, model.lanes)
    if isinstance(model, Pointer):
        return Pointer(code, text, model.dtype)
    if isinstance(model, Mask):
        return Mask(code, text, model.lanes)
    return type(model)(code, text)
