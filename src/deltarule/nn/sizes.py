"""How layers check the sizes they are built from, and make parameters that an initialiser then fills.

Layers name themselves in the error, since a wrong size is found where the layer is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.dtypes import default_float
from deltarule.errors import ArgumentError
from deltarule.nn.module import Parameter


def whole_number(who: str, name: str, value: Any, least: int = 1) -> int:
    """The value as an int of at least `least`, or an ArgumentError that names the option."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ArgumentError(
            who, f"{name} expected a whole number, got {value!r}", f"Give an int of at least {least}."
        )
    if value < least:
        raise ArgumentError(
            who, f"{name} expected at least {least}, got {value}", f"Give {name}={least} or more."
        )
    return int(value)


def extents(who: str, name: str, value: Any, axes: int, least: int = 1) -> tuple[int, ...]:
    """One whole number for each of `axes` axes, from one number for all or a sequence of them."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return (whole_number(who, name, value, least),) * axes
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != axes:
        listed = "a whole number" if axes == 1 else f"a whole number or {axes} of them"
        raise ArgumentError(who, f"{name} expected {listed}, got {value!r}", "Give one for each axis.")
    return tuple(whole_number(who, name, each, least) for each in value)


def sizes(who: str, name: str, value: Any) -> tuple[int, ...]:
    """Any number of whole numbers of at least 1, from one number or a sequence of them."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return (whole_number(who, name, value),)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ArgumentError(
            who, f"{name} expected whole numbers, got {value!r}", f"For example {name}=(128, 64)."
        )
    return tuple(whole_number(who, name, each) for each in value)


def probability(who: str, name: str, value: Any) -> float:
    """The value as a float from 0 to 1, or an ArgumentError that names the option."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0.0 <= value <= 1.0:
        raise ArgumentError(
            who, f"{name} expected a probability from 0 to 1, got {value!r}", f"For example {name}=0.5."
        )
    return float(value)


def choice(who: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """The value if it is one of the choices, or an ArgumentError that lists them."""
    if value not in choices:
        listed = ", ".join(repr(each) for each in choices)
        raise ArgumentError(who, f"{name} expected one of {listed}; got {value!r}", "Check the spelling.")
    return value


def new_parameter(*shape: int, dtype: Any = None) -> Parameter:
    """A parameter of zeros, for an initialiser to fill; of the default float unless a dtype is given."""
    return Parameter(np.zeros(shape, dtype=dtype or default_float()))
