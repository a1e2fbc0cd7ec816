"""Vector functions against NumPy in wider types: errors in units in the last place, and special values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from deltarule.kernels.native import functions, power, trigonometry
from deltarule.kernels.native.elementwise import Elementwise
from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.processor import processor
from tests.kernels.native.machines import NARROW, entry_on


def _sigmoid(x: Any) -> Any:
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, np.ones_like(decay), decay) / (1 + decay)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _by_library(function: Any) -> Any:
    def each(x: Any) -> Any:
        return np.array([function(float(value)) for value in x], dtype=x.dtype)

    return each


# name: (function, reference, greatest error in float32, in float64)
UNARY = {
    "exp": (functions.exp, np.exp, 1, 1),
    "exp2": (functions.exp2, np.exp2, 1, 2),
    "expm1": (functions.expm1, np.expm1, 2, 2),
    "log": (functions.log, np.log, 1, 1),
    "log1p": (functions.log1p, np.log1p, 2, 2),
    "log2": (functions.log2, np.log2, 2, 2),
    "log10": (power.log10, np.log10, 1, 1),
    "tanh": (functions.tanh, np.tanh, 3, 3),
    "sigmoid": (functions.sigmoid, _sigmoid, 3, 3),
    "softplus": (functions.softplus, _softplus, 2, 2),
    # The references of these two are themselves wrong by up to a unit of float64.
    "erf": (functions.erf, _by_library(math.erf), 2, 2),
    "erfc": (functions.erfc, _by_library(math.erfc), 1, 4),
    "sinh": (functions.sinh, np.sinh, 1, 3),
    "cosh": (functions.cosh, np.cosh, 1, 2),
    "asinh": (functions.asinh, np.arcsinh, 1, 3),
    "acosh": (functions.acosh, np.arccosh, 1, 3),
    "atanh": (functions.atanh, np.arctanh, 1, 3),
    "sin": (trigonometry.sin, np.sin, 1, 2),
    "cos": (trigonometry.cos, np.cos, 1, 2),
    "tan": (trigonometry.tan, np.tan, 1, 4),
    "asin": (trigonometry.asin, np.arcsin, 1, 3),
    "acos": (trigonometry.acos, np.arccos, 1, 3),
    "atan": (trigonometry.atan, np.arctan, 1, 3),
}
BINARY = {
    "atan2": (trigonometry.atan2, np.arctan2, 1, 3),
    "power": (power.power, np.power, 1, 2),
}
# Where the widest type is no wider than float64, references are wrong by a unit as well.
SLACK = 0 if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else 1


def _points(dtype: str) -> Any:
    """Numbers of all sizes, many where functions turn, and the special ones."""
    generator, limits = np.random.default_rng(0), np.finfo(dtype)
    least, most = math.log(float(limits.smallest_subnormal)), math.log(float(limits.max))
    count = 6_000
    special = [
        0.0, -0.0, math.inf, -math.inf, math.nan, 1, -1, 2, -2, 0.5, -0.5, math.pi, -math.pi, 1.57, 1000,
        limits.max, limits.min, limits.smallest_subnormal, -limits.smallest_subnormal, limits.smallest_normal,
        -limits.smallest_normal, 88.72283, 88.7229, 709.78, 709.79, -87.4, -103.9, -104.1, -708.5, -745.2,
    ]  # fmt: skip
    with np.errstate(all="ignore"):
        parts = [
            np.array(special, dtype),
            generator.standard_normal(count),
            generator.uniform(-12, 12, count),
            generator.uniform(-800, 800, count),
            generator.uniform(-1.1, 1.1, count),
            1 + generator.standard_normal(count) * 1e-3,
            np.exp(generator.uniform(least, most, count)) * generator.choice([-1, 1], count),
        ]
        return np.concatenate([part.astype(dtype) for part in parts])


def _errors(found: Any, expected: Any) -> Any:
    """Differences in units in the last place; infinite where one is infinite or NaN and the other is not."""
    with np.errstate(all="ignore"):
        rounded = expected.astype(found.dtype)
        unit = np.spacing(np.abs(rounded)).astype(expected.dtype)
        errors = np.abs(found.astype(expected.dtype) - expected) / unit
    special = ~np.isfinite(rounded) | ~np.isfinite(found)
    same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    return np.where(special, np.where(same, 0, np.inf), errors).astype(float)


def _computed(table: dict[str, Any], arrays: list[Any], machine: Any) -> dict[str, Any]:
    """All functions of a table on these arrays, by one routine."""
    dtype = str(arrays[0].dtype)
    routine = Elementwise(
        " ".join(table),
        ((dtype, "full"),) * len(arrays),
        (dtype,) * len(table),
        lambda code, vectors: [row[0](*vectors) for row in table.values()],
    )
    outputs = [np.empty_like(arrays[0]) for _ in table]
    made = entry(routine) if machine is None else entry_on(machine)(routine)
    made(1, *arrays, *outputs, 1, arrays[0].size)
    return dict(zip(table, outputs, strict=True))


def _wide(array: Any) -> Any:
    return array.astype(np.float64 if array.dtype == np.float32 else np.longdouble)


machines = pytest.mark.parametrize(
    "machine", [None, *NARROW], ids=lambda each: "own" if each is None else each.vector_bytes
)


@machines
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_of_one_number(dtype, machine):
    x = _points(dtype)
    found = _computed(UNARY, [x], machine)
    for name, (_, reference, *limits) in UNARY.items():
        with np.errstate(all="ignore"):
            expected = reference(_finite_for(name, _wide(x)))
        errors = _errors(found[name], expected)
        worst = int(np.argmax(errors))
        limit = limits[dtype == "float64"] + (SLACK if dtype == "float64" else 0)
        assert errors[worst] <= limit, (name, x[worst], found[name][worst], expected[worst])


def _finite_for(name: str, x: Any) -> Any:
    """The library's error functions take no numbers beyond float64, and need none beyond 30."""
    return np.clip(x, -30, 30) if name in ("erf", "erfc") else x


@machines
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_of_two_numbers(dtype, machine):
    generator, x = np.random.default_rng(1), _points(dtype)
    special = x[:30]
    left, right = (each.ravel() for each in np.meshgrid(special, special))
    count = 6_000
    with np.errstate(all="ignore"):
        bases = np.exp(generator.uniform(-20, 20, count)) * generator.choice([1, 1, -1], count)
        a = np.concatenate([left, x, bases, bases]).astype(dtype)
        exponents = [generator.integers(-5, 6, count), generator.uniform(-30, 30, count)]
        b = np.concatenate([right, generator.permutation(x), *exponents]).astype(dtype)
    found = _computed(BINARY, [a, b], machine)
    for name, (_, reference, *limits) in BINARY.items():
        with np.errstate(all="ignore"):
            expected = reference(_wide(a), _wide(b))
        errors = _errors(found[name], expected)
        worst = int(np.argmax(errors))
        limit = limits[dtype == "float64"] + (SLACK if dtype == "float64" else 0)
        assert errors[worst] <= limit, (name, a[worst], b[worst], found[name][worst], expected[worst])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_odd_functions_keep_the_sign_of_zero(dtype):
    odd = {
        name: UNARY[name]
        for name in ("expm1", "log1p", "tanh", "erf", "sinh", "asinh", "atanh", "sin", "tan", "asin", "atan")
    }
    zeros = np.array([0.0, -0.0], dtype)
    for name, values in _computed(odd, [zeros], None).items():
        assert (values == 0).all(), name
        assert list(np.signbit(values)) == [False, True], name


def test_the_errors_that_the_module_states_are_those_that_are_tested():
    for title, column in (("float32", 2), ("float64", 3)):
        line = next(each for each in functions.__doc__.splitlines() if each.strip().startswith(title))
        words = line.split()[1:]
        stated = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        assert stated == {name: UNARY[name][column] for name in stated}


def test_large_angles_take_the_way_through_the_library():
    # Beyond 2²⁰ the short reduction would have lost all digits.
    x = np.array([1e6, 1e8, 1e15, 1e22, 1e300, 3.0])
    for name, values in _computed({"sin": UNARY["sin"], "cos": UNARY["cos"]}, [x], None).items():
        np.testing.assert_allclose(values, [getattr(math, name)(each) for each in x], rtol=1e-15)


def test_the_processor_has_lanes_for_both_types():
    assert processor().lanes("float32") == 2 * processor().lanes("float64") >= 4
