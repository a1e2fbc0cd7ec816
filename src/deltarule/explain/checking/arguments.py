"""What check_derivation is given besides the claim: options in their ranges, inputs that a function takes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import ArgumentError
from deltarule.explain.checking.problem import WHO
from deltarule.nn.module import Module
from deltarule.nn.sizes import whole_number


def options(tolerance: Any, seed: Any, patience: Any) -> tuple[float, int, float]:
    """Tolerance, seed and patience. Raises ArgumentError for one outside its range."""
    if not _is_number(tolerance) or not 0 < tolerance < 1:
        raise ArgumentError(
            WHO, f"tolerance expected a number between 0 and 1, got {tolerance!r}", "The default is 1e-6."
        )
    if not _is_number(patience) or not patience >= 0:
        raise ArgumentError(
            WHO, f"patience expected seconds, 0 or more, got {patience!r}", "The default is 30.0."
        )
    return float(tolerance), whole_number(WHO, "seed", seed, 0), float(patience)


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return number and not math.isnan(value)


def input_titles(names: Any) -> list[str]:
    """Names of a function's inputs. Raises ArgumentError for what is no list of names."""
    titles = [names] if isinstance(names, str) else names
    if titles is None:
        return []
    if not isinstance(titles, Sequence) or not all(isinstance(each, str) for each in titles):
        raise ArgumentError(
            WHO,
            f"names of a function's inputs expected a list of strings, got {names!r}",
            'Use names=["x", "W"].',
        )
    return list(titles)


def require_inputs(function: Callable[..., Any], inputs: Sequence[Any]) -> None:
    """Raises ArgumentError where a function does not take so many inputs."""
    called = function.forward if isinstance(function, Module) else function
    try:
        signature = inspect.signature(called)
    except (TypeError, ValueError):
        # Some callables have no signature: what they raise themselves passes through.
        return
    try:
        signature.bind(*inputs)
    except TypeError:
        expected = ", ".join(
            str(each.replace(annotation=each.empty)) for each in signature.parameters.values()
        )
        title = getattr(function, "__name__", type(function).__name__)
        raise ArgumentError(
            WHO,
            f"{title} expected inputs ({expected}), got {len(inputs)}",
            "Hand in its inputs behind the claim: check_derivation(function, claim, x, ...).",
        ) from None
