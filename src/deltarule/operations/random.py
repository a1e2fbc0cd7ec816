"""Random tensors, from one generator that `manual_seed` sets.

The stream is NumPy's PCG64 (O'Neill 2014). Unless it is seeded it starts from the system's entropy, as
in PyTorch. A checkpointed function that is computed again finds the generator as the first run found it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.checkpoint import replay_with
from deltarule.autodiff.derived import require_not_recorded
from deltarule.autodiff.dtypes import default_float, require_floating
from deltarule.autodiff.recording import recording
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DTypeError, ShapeError

_generators: list[np.random.Generator] = []


def generator() -> np.random.Generator:
    """The library's NumPy generator: initialisers, dropout and the functions of this file draw from it.

    It is always the same object; `manual_seed` and `set_random_state` change its state.

    >>> import deltarule as dr
    >>> dr.random.generator() is dr.random.generator()
    True
    """
    if not _generators:
        # numpy.random takes a while to import: it is loaded when a first number is drawn.
        _generators.append(np.random.Generator(np.random.PCG64()))
    return _generators[0]


def drawn(rule: Callable[..., Array], **parameters: Any) -> Array:
    """rule(generator, **parameters): an array of random numbers, which a recorded program draws anew.

    rule   of module level; draws from the generator that it is given, and returns an array of its own

    >>> import deltarule as dr
    >>> from deltarule.operations.random import drawn, uniform
    >>> drawn(uniform, shape=(2, 3), dtype=dr.float32).shape
    (2, 3)
    """
    if recording.tracer is not None:
        return recording.tracer.random(generator(), rule, parameters)
    return rule(generator(), **parameters)


def uniform(source: np.random.Generator, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Numbers from 0 (included) to 1 (excluded)."""
    exact = np.float64 if dtype == np.float64 else np.float32
    return np.asarray(source.random(shape, dtype=exact)).astype(dtype, copy=False)


def standard_normal(source: np.random.Generator, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Normal numbers of mean 0 and variance 1."""
    exact = np.float64 if dtype == np.float64 else np.float32
    return np.asarray(source.standard_normal(shape, dtype=exact)).astype(dtype, copy=False)


def scaled_normal(
    source: np.random.Generator, *, mean: float, std: float, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """Normal numbers of a given mean and standard deviation."""
    return np.asarray(source.normal(mean, std, shape)).astype(dtype, copy=False)


def integers(
    source: np.random.Generator, *, low: int, high: int, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """Integers from low (included) to high (excluded)."""
    return np.asarray(source.integers(low, high, shape, dtype=dtype))


def permuted(source: np.random.Generator, *, count: int) -> Array:
    """The integers below count in random order."""
    return source.permutation(count)


def manual_seed(seed: int) -> None:
    """Starts the generator again from a seed: what follows is then the same in every run.

    seed   whole number of 0 or more

    Raises ArgumentError for anything else.

    >>> import deltarule as dr
    >>> dr.manual_seed(7); first = dr.rand(3)
    >>> dr.manual_seed(7); bool((dr.rand(3) == first).all())
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ArgumentError(
            "manual_seed", f"seed expected a whole number of 0 or more, got {seed!r}", "For example 0."
        )
    require_not_recorded(
        "manual_seed", "a compiled function cannot seed the generator", "Seed it before the call."
    )
    generator().bit_generator.state = np.random.PCG64(int(seed)).state


def get_random_state() -> dict[str, Any]:
    """The generator's state as plain names and integers, which JSON can hold.

    >>> import deltarule as dr
    >>> state = dr.random.get_random_state()
    >>> first = dr.rand(2)
    >>> dr.random.set_random_state(state)
    >>> bool((dr.rand(2) == first).all())
    True
    """
    state = generator().bit_generator.state
    return {
        "bit_generator": state["bit_generator"],
        "state": {name: int(value) for name, value in state["state"].items()},
        "has_uint32": int(state["has_uint32"]),
        "uinteger": int(state["uinteger"]),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Puts the generator back to a state that `get_random_state` gave.

    Raises ArgumentError for anything else.

    >>> import deltarule as dr
    >>> state = dr.random.get_random_state()
    >>> dr.random.set_random_state(state)
    >>> dr.random.get_random_state() == state
    True
    """
    require_not_recorded(
        "set_random_state", "a compiled function cannot set the generator", "Set it before the call."
    )
    _restore(state)


def _restore(state: dict[str, Any]) -> None:
    try:
        generator().bit_generator.state = state
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(
            "set_random_state",
            f"expected what get_random_state returned, got {type(state).__name__} ({error})",
            "A state of another generator cannot be used.",
        ) from None


replay_with(get_random_state, _restore)


def _sizes(who: str, sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """rand(2, 3) and rand((2, 3)) both mean the shape (2, 3)."""
    if len(sizes) == 1 and isinstance(sizes[0], Sequence):
        sizes = tuple(sizes[0])
    for extent in sizes:
        if isinstance(extent, bool) or not isinstance(extent, (int, np.integer)) or extent < 0:
            raise ShapeError(who, f"expected a shape of whole numbers of 0 or more, got {sizes}")
    return tuple(int(extent) for extent in sizes)


def _floating(who: str, dtype: Any) -> np.dtype[Any]:
    wanted = np.dtype(dtype or default_float())
    require_floating(wanted, who)
    return wanted


def rand(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers drawn evenly from 0 (included) to 1 (excluded).

    size    the shape, as integers or as one tuple
    dtype   floating type; the default float unless given

    Raises ShapeError for negative sizes, DTypeError for other types.

    >>> import deltarule as dr
    >>> x = dr.rand(2, 3)
    >>> x.shape, bool(((x >= 0) & (x < 1)).all())
    ((2, 3), True)
    """
    array = drawn(uniform, shape=_sizes("rand", size), dtype=_floating("rand", dtype))
    return Tensor(array, requires_grad=bool(requires_grad))


def randn(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers drawn from the normal distribution of mean 0 and variance 1.

    size    the shape, as integers or as one tuple
    dtype   floating type; the default float unless given

    Raises ShapeError for negative sizes, DTypeError for other types.

    >>> import deltarule as dr
    >>> dr.randn(2, 3).shape
    (2, 3)
    """
    array = drawn(standard_normal, shape=_sizes("randn", size), dtype=_floating("randn", dtype))
    return Tensor(array, requires_grad=bool(requires_grad))


def normal(mean: float, std: float, size: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers drawn from the normal distribution of a given mean and standard deviation.

    density (1 / (std √(2π))) e^(−(x − mean)² / (2 std²))

    Raises ArgumentError for a negative std, ShapeError for negative sizes, DTypeError for other types.

    >>> import deltarule as dr
    >>> dr.random.normal(5.0, 0.0, (2,))
    tensor([5., 5.], dtype=float32)
    """
    if not std >= 0:
        raise ArgumentError("normal", f"std expected a number of 0 or more, got {std!r}")
    shape = _sizes("normal", size if isinstance(size, tuple) else (size,))
    array = drawn(
        scaled_normal, mean=float(mean), std=float(std), shape=shape, dtype=_floating("normal", dtype)
    )
    return Tensor(array, requires_grad=bool(requires_grad))


def randint(low: int, high: int | None = None, size: Any = (), *, dtype: Any = np.int64) -> Tensor:
    """Integers drawn evenly from low (included) to high (excluded); from 0 to low if high is None.

    size    the shape; an integer or a tuple
    dtype   integer type

    Raises ArgumentError where there is no such integer, ShapeError for negative sizes.

    >>> import deltarule as dr
    >>> x = dr.randint(1, 7, (2, 3))
    >>> x.shape, bool(((x >= 1) & (x < 7)).all())
    ((2, 3), True)
    """
    first, last = (0, low) if high is None else (low, high)
    if first >= last:
        raise ArgumentError("randint", f"expected low < high, got {first} and {last}", "high is excluded.")
    wanted = np.dtype(dtype)
    if wanted.kind not in "iu":
        raise DTypeError("randint", f"dtype expected an integer type, got {wanted}", "Use rand or randn.")
    shape = _sizes("randint", size if isinstance(size, tuple) else (size,))
    try:
        return Tensor(drawn(integers, low=first, high=last, shape=shape, dtype=wanted))
    except ValueError as error:
        raise ArgumentError("randint", f"{first} to {last} does not fit {wanted}: {error}") from None


def permutation(count: int) -> Tensor:
    """The integers from 0 to count − 1 in random order; each order is equally likely.

    Raises ShapeError for a negative count. PyTorch calls it randperm.

    >>> import deltarule as dr
    >>> sorted(dr.random.permutation(4).tolist())
    [0, 1, 2, 3]
    """
    (extent,) = _sizes("permutation", (count,))
    return Tensor(drawn(permuted, count=extent))
