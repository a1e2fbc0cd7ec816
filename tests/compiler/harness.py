"""What compiled functions are compared with: the same function in eager mode, from the same start."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import deltarule as dr
from deltarule.autodiff.tensor import Tensor

# By default tests run the source that is shown, whose results are those of eager mode to the last bit. With
# DELTARULE_TEST_NATIVE=1 the same tests run native code, whose results agree to the accuracy of their type.
NATIVE = os.environ.get("DELTARULE_TEST_NATIVE") == "1"
compile_exactly = functools.partial(dr.compile, native=NATIVE)
TOLERANCE = {"float32": 2e-4, "float64": 1e-6, "float16": 1e-2}

Make = Callable[[], tuple[Callable[..., Any], list[Any]]]


@dataclass
class Run:
    """What a function did: what it returned in each call, and what its models hold after each."""

    results: list[Any] = field(default_factory=list)
    states: list[dict[str, np.ndarray]] = field(default_factory=list)
    compiled: Any = None


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    before = dr.random.get_random_state()
    dr.manual_seed(seed)
    try:
        yield
    finally:
        dr.random.set_random_state(before)


def state_of(held: Any) -> dict[str, Any]:
    """Parameters, buffers, gradients and slots of models and optimisers, as copies."""
    if isinstance(held, dr.optim.Optimizer):
        return held.state_dict()
    found = dict(held.state_dict())
    for name, parameter in held.named_parameters():
        gradient = parameter.grad
        found[f"{name}.grad"] = None if gradient is None else gradient.numpy().copy()
    return found


def run(
    make: Make,
    calls: list[tuple[Any, ...]],
    compiled: bool,
    between: Callable[[int, list[Any]], Any] | None = None,
) -> Run:
    """Makes a function and what it holds, and calls it.

    make      returns (function, models and optimisers that it holds)
    between   called before each call with its number and what `make` returned beside the function
    """
    record = Run()
    with seeded(3):
        function, held = make()
        if compiled:
            function = record.compiled = compile_exactly(function)
        for number, arguments in enumerate(calls):
            if between is not None:
                between(number, held)
            result = function(*arguments)
            record.results.append(flattened(result))
            record.states.append(
                {
                    f"{k}.{name}": value
                    for k, each in enumerate(held)
                    for name, value in state_of(each).items()
                }
            )
        record.states.append({"random": str(dr.random.get_random_state())})
    return record


def flattened(result: Any) -> list[Any]:
    if isinstance(result, (tuple, list)):
        return [each for part in result for each in flattened(part)]
    return [result.numpy().copy() if isinstance(result, Tensor) else result]


def require_equal(
    make: Make, calls: list[tuple[Any, ...]], between: Any = None, replays: int | None = None
) -> Any:
    """Compiled and eager agree to the last bit in all calls; returns the compiled function."""
    eager, compiled = run(make, calls, False, between), run(make, calls, True, between)
    for number in range(len(calls)):
        for one, other in zip(eager.results[number], compiled.results[number], strict=True):
            assert same(one, other), f"call {number} returns {other}, expected {one}"
    for number, (before, after) in enumerate(zip(eager.states, compiled.states, strict=True)):
        assert before.keys() == after.keys(), f"call {number}: {before.keys() ^ after.keys()}"
        for name in before:
            assert same(before[name], after[name]), f"{name} differs after call {number}"
    expected = len(calls) - 2 if replays is None else replays
    assert compiled.compiled.replays == expected, f"{compiled.compiled!r}: {compiled.compiled._reason}"
    return compiled.compiled


def same_elements(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal to the last bit, or to the accuracy of the type where native code is tested."""
    if not NATIVE or one.dtype.name not in TOLERANCE:
        return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    if one.shape != other.shape:
        return False
    finite = np.abs(one[np.isfinite(one)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    limit = TOLERANCE[one.dtype.name]
    return np.allclose(one, other, rtol=limit, atol=limit * scale, equal_nan=True)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and same_elements(one, other)
    if NATIVE and type(one) is type(other) is float:
        return abs(one - other) <= 1e-4 * max(1.0, abs(one))
    return type(one) is type(other) and one == other


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def whole(high: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, high, shape)
