"""Every construct of the language of kernels, for known and unknown numbers, at every width."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from deltarule.kernels.native.code import Code
from deltarule.kernels.native.matrix_product import transposed
from deltarule.kernels.native.processor import processor
from deltarule.kernels.native.routine import Unit
from tests.kernels.native.machines import NARROW, on_threads
from tests.kernels.native.written import Written, written

each_width = pytest.mark.parametrize(
    "machine", [processor(), *NARROW], ids=lambda machine: f"{machine.vector_bytes} bytes"
)
each_float = pytest.mark.parametrize("dtype", ["float32", "float64"])


def _numbers(code: Any, out: Any, values: list[Any]) -> None:
    """Writes integers, known or not, one after another."""
    for i, value in enumerate(values):
        out.put(code.index(value).to("int64"), i)


# ---- control


@pytest.mark.parametrize(("start", "stop", "step"), [(0, 0, 1), (0, 1, 1), (3, 4, 1), (2, 11, 3), (5, 2, 1)])
def test_range_of_known_and_unknown_bounds(start, stop, step):
    def body(code, out, first, last):
        place = code.variable(0)
        for bounds in ((start, stop), (first, last), (start, last), (first, stop)):
            for i in code.range(*bounds, step):
                out.put(code.index(i).to("int64"), place.value)
                place.value = place.value + 1
            out.put(code.index(-1).to("int64"), place.value)
            place.value = place.value + 1

    out = np.zeros(40, np.int64)
    written(["int64*", "index", "index"], body)(1, out, start, stop)
    expected = [*range(start, stop, step), -1] * 4
    assert out.tolist() == expected + [0] * (40 - len(expected))


def test_loops_inside_of_loops_and_branches():
    def body(code, out, n):
        for i in code.range(n):
            for j in code.range(3):
                for _ in code.when(i > j):
                    for k in code.range(i):
                        place = out + (i * 3 + j)
                        place.put(place.number() + (k + 1).to("int64"))

    out = np.zeros(15, np.int64)
    written(["int64*", "index"], body)(1, out, 5)
    assert out.tolist() == [i * (i + 1) // 2 if i > j else 0 for i in range(5) for j in range(3)]


@each_width
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("start", "stop"), [(0, 0), (0, 1), (0, 33), (5, 64), (3, 4), (7, 7)])
def test_blocks_and_masks_touch_each_element_once(machine, known, start, stop):
    def body(code, x, y, first, last):
        lanes = code.lanes("float32")
        bounds = (stop, lanes, start) if known else (last, lanes, first)
        for i, count in code.blocks(*bounds):
            mask = code.mask(count, lanes)
            y.put(x.vector(i, mask=mask) * 2.0 + y.vector(i, mask=mask), i, mask)

    x, y = np.arange(80, dtype=np.float32), np.ones(80, np.float32)
    written(["float32*", "float32*", "index", "index"], body, machine)(1, x, y, start, stop)
    expected = np.ones(80, np.float32)
    expected[start:stop] += 2 * x[start:stop]
    np.testing.assert_array_equal(y, expected)


def test_when_of_what_is_known_writes_no_branch():
    code = Code(processor())
    assert list(code.when(False)) == []
    assert list(code.when(True)) == [None]
    assert code.lines == []


@pytest.mark.parametrize("value", [0, 2, 7, 9])
def test_cases(value):
    def body(code, out, given):
        for number in code.cases(given, [2, 7]):
            out.put(code.index(number * 10).to("int64"))
        for number in code.cases(value, [2, 7]):
            out.put(code.index(number * 10).to("int64"), 1)

    out = np.full(2, -1)
    written(["int64*", "index"], body)(1, out, value)
    assert out.tolist() == [value * 10 if value in (2, 7) else -1] * 2


def test_a_condition_is_no_truth_value_of_python():
    code = Code(processor())
    with pytest.raises(TypeError, match=r"k\.when"):
        bool(code.index(3) > 2)


def test_conditions_with_each_other_and_with_known_ones():
    def body(code, out, a, b):
        conditions = [
            (a > 1) & (b > 1),
            (a > 1) | (b > 1),
            (a > 1) & True,
            True & (a > 1),
            (a > 1) & False,
            (a > 1) | False,
            (a > 1) | True,
        ]
        _numbers(code, out, [code.choose(each, 1, 0) for each in conditions])

    function = written(["int64*", "index", "index"], body)
    for a, b in ((0, 0), (0, 5), (5, 0), (5, 5)):
        out = np.full(7, -1)
        function(1, out, a, b)
        assert out.tolist() == [a > 1 and b > 1, a > 1 or b > 1, a > 1, a > 1, False, a > 1, True]


# ---- whole numbers


@pytest.mark.parametrize(("a", "b"), [(0, 1), (17, 5), (3, 3), (123456789012, 7)])
def test_whole_numbers(a, b):
    def body(code, out, first, second):
        values = []
        for x, y in ((first, second), (first, b), (a, second)):
            values += [x + y, x - y, x * y, x // y, x + 0, x - 0, x * 1]
            values += [code.least(x, y), code.most(x, y)]
            comparisons = [x < y, x <= y, x > y, x >= y, x == y, x != y]
            values += [code.choose(each, 5, 6) for each in comparisons]
        values += [first % second, first % b, first % 1, first * 0, code.least(a, b), code.most(a, b)]
        _numbers(code, out, values)

    one = [a + b, a - b, a * b, a // b, a, a, a, min(a, b), max(a, b)]
    one += [5 if each else 6 for each in (a < b, a <= b, a > b, a >= b, a == b, a != b)]
    expected = one * 3 + [a % b, a % b, 0, 0, min(a, b), max(a, b)]
    out = np.zeros(len(expected), np.int64)
    written(["int64*", "index", "index"], body)(1, out, a, b)
    assert out.tolist() == expected


def test_variables_of_every_kind():
    def body(code, x, out, n):
        lanes = code.lanes("float32")
        index, vector = code.variable(0), code.variable(code.zeros("float32"))
        pointer, mask = code.variable(x), code.variable(code.mask(code.index(0), lanes))
        for i in code.range(n):
            index.value = index.value + i
            vector.value = vector.value + pointer.value.vector()
            pointer.value = pointer.value + lanes
            mask.value = code.mask(i, lanes)
        out.put(mask.value.select(vector.value, vector.value * 10))
        for _ in code.when(n > 100):
            vector.value = 0.0
        out.put(index.value.to("float32"), lanes)

    lanes = processor().lanes("float32")
    x, out = np.arange(4 * lanes, dtype=np.float32), np.zeros(lanes + 1, np.float32)
    written(["float32*", "float32*", "index"], body)(1, x, out, 4)
    sums = x.reshape(4, lanes).sum(0)
    sums[3:] *= 10
    assert out.tolist() == [*sums, 6]


# ---- vectors

UNARY = {
    "neg": (lambda x: -x, np.negative),
    "abs": (abs, np.abs),
    "sqrt": (lambda x: abs(x).function("sqrt"), lambda x: np.sqrt(np.abs(x))),
    "floor": (lambda x: x.function("floor"), np.floor),
    "ceil": (lambda x: x.function("ceil"), np.ceil),
    "rint": (lambda x: x.function("rint"), np.rint),
    "trunc": (lambda x: x.function("trunc"), np.trunc),
    "number on the right": (lambda x: (x + 3) * 0.5, lambda x: (x + 3) * 0.5),
    "number on the left": (lambda x: 3 - 2 / x, lambda x: 3 - 2 / x),
}
BINARY = {
    "add": (lambda x, y: x + y, np.add),
    "sub": (lambda x, y: x - y, np.subtract),
    "mul": (lambda x, y: x * y, np.multiply),
    "times": (lambda x, y: x.times(y), np.multiply),
    "div": (lambda x, y: x / y, np.divide),
    "remainder": (lambda x, y: x.remainder(y), np.fmod),
    "copysign": (lambda x, y: x.function("copysign", y), np.copysign),
    "fma": (lambda x, y: x.fma(y, 1.0), None),
    "larger": (lambda x, y: x.larger(y), lambda x, y: np.where(x > y, x, y)),
    "smaller": (lambda x, y: x.smaller(y), lambda x, y: np.where(x < y, x, y)),
    "less": (lambda x, y: (x < y).select(x, 7), lambda x, y: np.where(x < y, x, 7)),
    "at most": (lambda x, y: (x <= y).select(x, 7), lambda x, y: np.where(x <= y, x, 7)),
    "more": (lambda x, y: (x > y).select(7, y), lambda x, y: np.where(x > y, 7, y)),
    "at least": (lambda x, y: (x >= y).select(7, y), lambda x, y: np.where(x >= y, 7, y)),
    "equals": (lambda x, y: x.equals(y).select(x, -x), lambda x, y: np.where(x == y, x, -x)),
    "differs": (lambda x, y: x.differs(y).select(x, 0), lambda x, y: np.where(x != y, x, 0)),
    "and": (lambda x, y: ((x > 0) & (y > 0)).select(x, y), lambda x, y: np.where((x > 0) & (y > 0), x, y)),
    "or": (lambda x, y: ((x > 0) | (y > 0)).select(x, y), lambda x, y: np.where((x > 0) | (y > 0), x, y)),
    "xor": (lambda x, y: ((x > 0) ^ (y > 0)).select(x, y), lambda x, y: np.where((x > 0) ^ (y > 0), x, y)),
    "not": (lambda x, y: (~(x > 0)).select(x, y), lambda x, y: np.where(~(x > 0), x, y)),
    "mask as a number": (lambda x, y: y + (x > 0), lambda x, y: y + (x > 0)),
}


@each_width
@each_float
@pytest.mark.parametrize("single", [False, True], ids=["vectors", "single numbers"])
def test_arithmetic(machine, dtype, single):
    """Every operation in one kernel; the special values among the elements come through as in NumPy."""
    lanes = 1 if single else machine.lanes(dtype)
    values = np.array([0.5, -0.5, 1.5, -2.5, 0.0, -0.0, 7.0, np.nan, np.inf, -np.inf, 1e30, -1e-30], dtype)
    x, y = (each.ravel() for each in np.meshgrid(values, values))

    def body(code, x, y, out):
        for i in code.range(0, 144, lanes):
            a, b = x.vector(i, lanes), y.vector(i, lanes)
            made = [function(a) for function, _ in UNARY.values()]
            made += [function(a, b) for function, _ in BINARY.values()]
            for row, value in enumerate(made):
                out.put(value, i + row * 144)

    out = np.empty((len(UNARY) + len(BINARY), 144), dtype)
    written([dtype + "*"] * 3, body, machine)(1, x, y, out)
    with np.errstate(all="ignore"):
        expected = [reference(x) for _, reference in UNARY.values()]
        for name, (_, reference) in BINARY.items():
            expected.append(_fused(x, y, dtype) if name == "fma" else reference(x, y))
    for name, found, wanted in zip([*UNARY, *BINARY], out, expected, strict=True):
        np.testing.assert_array_equal(found, np.asarray(wanted, dtype), err_msg=name)


def _fused(x: Any, y: Any, dtype: str) -> Any:
    """x · y + 1 rounded once."""
    plain = x.astype(np.float64) * y.astype(np.float64) + 1
    return [
        np.dtype(dtype).type(float(Fraction(float(a)) * Fraction(float(b)) + 1)) if np.isfinite(c) else c
        for a, b, c in zip(x, y, plain, strict=True)
    ]


@each_width
@each_float
def test_lanes(machine, dtype):
    lanes = machine.lanes(dtype)

    def body(code, x, out):
        a, b = x.vector(), x.vector(lanes)
        out.put(a.total(), 0)
        out.put(a.largest(), 1)
        out.put(b.lane(lanes - 1), 2)
        out.put(a.with_lane(1, b.lane(0)), 3)
        out.put(a.lane(1).spread(lanes), 3 + lanes)
        out.put(a.shuffle(b, [lanes, *range(lanes - 1)]), 3 + 2 * lanes)
        out.put((a.lane(0) + b), 3 + 3 * lanes)

    x, out = np.random.default_rng(0).permutation(2 * lanes).astype(dtype), np.zeros(3 + 4 * lanes, dtype)
    written([dtype + "*"] * 2, body, machine)(1, x, out)
    a, b = x[:lanes], x[lanes:]
    changed = a.copy()
    changed[1] = b[0]
    expected = [a.sum(), a.max(), b[-1], *changed, *[a[1]] * lanes, b[0], *a[:-1], *(a[0] + b)]
    assert out.tolist() == expected


@each_width
@each_float
def test_transposed_vectors(machine, dtype):
    lanes = machine.lanes(dtype)

    def body(code, x, out):
        for i, line in enumerate(transposed([x.vector(i * lanes) for i in range(lanes)])):
            out.put(line, i * lanes)

    x = np.arange(lanes * lanes, dtype=dtype).reshape(lanes, lanes)
    out = np.zeros_like(x)
    written([dtype + "*"] * 2, body, machine)(1, x, out)
    np.testing.assert_array_equal(out, x.T)


@each_width
def test_types(machine):
    lanes = machine.lanes("float64")

    def body(code, x, whole, small, flags, out):
        a = x.vector(lanes=lanes)
        made = [
            a.to("float64"),
            a.to("int64").to("float64"),
            a.to("int32").to("float64"),
            whole.vector(lanes=lanes).to("float64"),
            small.vector(lanes=lanes).to("int32").to("float64"),
            flags.vector(lanes=lanes).differs(0).vector("float64"),
            a.to("float64").to("float32").to("float64"),
            (a.bits("int32") & 0x7FFFFFFF).bits("float32").to("float64"),
            (whole.vector(lanes=lanes) << 3).to("float64"),
            (whole.vector(lanes=lanes) >> 1).to("float64"),
            whole.vector(lanes=lanes).shift_logical(1).to("float64"),
            (-whole.vector(lanes=lanes) | 1).to("float64"),
        ]
        for i, value in enumerate(made):
            out.put(value, i * lanes)

    generator = np.random.default_rng(0)
    x = (generator.normal(size=lanes) * 100).astype(np.float32)
    whole = generator.integers(-1000, 1000, lanes)
    small, flags = generator.integers(0, 256, lanes).astype(np.uint8), generator.random(lanes) > 0.5
    out = np.zeros((12, lanes))
    written(["float32*", "int64*", "uint8*", "bool*", "float64*"], body, machine)(
        1, x, whole, small, flags, out
    )
    logical = (whole.view(np.uint64) >> np.uint64(1)).view(np.int64)
    expected = [x, np.trunc(x), np.trunc(x), whole, small, flags, x, np.abs(x)]
    expected += [whole << 3, whole >> 1, logical, -whole | 1]
    np.testing.assert_array_equal(out, np.array(expected, np.float64))


# ---- memory


@each_width
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8"])
def test_gathers(machine, dtype):
    lanes = machine.lanes("float64")

    def body(code, x, out, step, count):
        mask = code.mask(count, lanes)
        made = [x.gather(0, lanes), x.gather(1, lanes), x.gather(3, lanes), x.gather(step, lanes)]
        made += [x.gather(3, lanes, mask), x.gather(step, lanes, mask), x.gather(1, lanes, mask)]
        made += [x.vector(0, lanes, mask, fill=9)]
        for i, value in enumerate(made):
            out.put(value, i * lanes)

    x, out = np.arange(1, 100).astype(dtype), np.zeros((8, lanes), dtype)
    written([dtype + "*"] * 2 + ["index"] * 2, body, machine)(1, x, out, 5, 1)
    places = np.arange(lanes)
    first = places < 1
    expected = [x[places * 0], x[places], x[places * 3], x[places * 5]]
    expected += [
        x[places * 3] * first,
        x[places * 5] * first,
        x[places] * first,
        np.where(first, x[places], 9),
    ]
    np.testing.assert_array_equal(out, np.array(expected, dtype))


def test_memory_of_the_function_and_single_elements_with_masks():
    def body(code, out, count):
        held = code.local("float64", 3)
        for i in range(3):
            held.put(code.number(i + 1.0, "float64"), i)
        mask = code.mask(count, 1)
        out.put(held.number(2), 0, mask)
        out.put(held.number(1), 0, code.mask(0, 1))
        out.put(held.vector(1, 1, mask, fill=-5.0), 1)
        code.prefetch(out)
        out.cast("int64").put(code.index(7).to("int64"), 2)

    function = written(["float64*", "index"], body)
    for count, expected in ((0, [0.0, -5.0]), (1, [3.0, 2.0])):
        out = np.zeros(3)
        function(1, out, count)
        assert out[:2].tolist() == expected
        assert out.view(np.int64)[2] == 7


def test_numbers_objects_and_what_is_absent():
    def body(code, objects, absent, single, double, out):
        first, second = objects.array(0, "float64"), objects.array(1, "float32")
        out.put(first.number() + second.number().to("float64") + single.to("float64") + double)
        address = code.emit(f"ptrtoint ptr {absent.text} to i64")
        out.put(type(code.index(0))(code, address).to("float64"), 1)

    out = np.ones(2)
    function = written(["objects", "float32*", "float32", "float64", "float64*"], body)
    function(1, (np.array([1.0]), np.array([2.0], np.float32)), None, 0.25, 0.125, out)
    assert out.tolist() == [3.375, 0.0]


# ---- routines


def test_equal_routines_are_written_once_and_called_by_all_or_alone():
    def add(code, out, value):
        out.put(out.number() + value)

    inner = Written(("int64*", "int64"), add, "add")

    def body(code, out):
        code.call(inner, out + code.thread, 1)
        code.barrier()
        for _ in code.first_thread():
            code.call(inner, out, code.index(10).to("int64"), alone=True)

    unit = Unit(processor())
    unit.function(Written(("int64*",), body))
    assert len(unit.names) == 2
    with on_threads(2):
        out = np.zeros(1, np.int64)
        written(["int64*"], body)(1, out)
        assert out.tolist() == [11]


# ---- entries that look at their arrays


class _Array(np.ndarray):
    pass


def test_checked_entries_refuse_what_does_not_fit_and_do_nothing():
    def body(code, x, out, count):
        for i in code.range(count):
            out.put(x[i].number().to("float64"), i)

    function = written(["float32*", "float64*", "index"], body, checked=True)
    fit, out = np.ones(3, np.float32), np.zeros(3)
    assert function(1, fit, out, 3) is True
    assert out.tolist() == [1, 1, 1]
    unaligned = np.zeros(13, np.uint8)[1:].view(np.float32)
    swapped = fit.astype(fit.dtype.newbyteorder())
    other = [np.ones(3), np.ones(3, np.int32), np.ones(6, np.float32)[::2], unaligned, swapped, 5, "x", [1.0]]
    other.append(fit.view(_Array))
    for each in other:
        out[:] = 0
        assert function(1, each, out, 3) is False, each
        assert out.tolist() == [0, 0, 0]
    assert function(1, fit, np.zeros(6)[::2], 3) is False
    assert function(1, None, None, 0) is True
    assert function(1, np.ones((2, 2), np.float32, order="F"), out, 3) is False


def test_entries_that_do_not_check_answer_none():
    assert (
        written(["float32*"], lambda code, x: x.put(code.number(2, "float32")))(1, np.ones(1, np.float32))
        is None
    )
