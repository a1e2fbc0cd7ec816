"""The text of a derivation, cut into lines, and each line into what it defines and the formula for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deltarule.errors import ArgumentError
from deltarule.explain.checking.names import differentiated
from deltarule.explain.checking.problem import WHO
from deltarule.explain.checking.sympy_reader import is_sympy

_DISPLAY = r"\\(?:begin|end)\s*\{(?:equation|align|aligned|gather|gathered|split|eqnarray)\*?\}|\\[\[\]()]"
_BELOW = r"_\{[^{}]*\}|_[A-Za-z0-9]"
_ABOVE = r"\^\s*\{?\s*[(\[][^()\[\]]*[)\]]\s*\}?|\^\s*\{?\s*\d\s*\}?"


def equations(given: Mapping[Any, Any] | str) -> list[tuple[str, Any]]:
    """(left side, right side) of every line: text with several lines defines what its last one uses.

    Raises ArgumentError for a line without a left side, and for what is neither text nor of SymPy.
    """
    if isinstance(given, str):
        return [_defining(line, f"expected lines such as 'dW = δᵀ x', got {line!r}") for line in _cut(given)]
    found: list[tuple[str, Any]] = []
    for key, value in given.items():
        if isinstance(value, str):
            *before, last = _cut(value) or [""]
            wanted = f"formula for {key}: expected 'name = ...' before its last line, got"
            found.extend(_defining(line, f"{wanted} {line!r}") for line in before)
            left, right = _sides(last)
            indexed = left is not None and left_side(left)[1] and not left_side(str(key))[1]
            found.append(
                (left if left is not None and indexed else str(key), last if left is None else right)
            )
        elif is_sympy(value):
            found.append((str(key), value))
        else:
            raise ArgumentError(
                WHO, f"formula for {key}: expected text or a SymPy expression, got {type(value).__name__}",
                "A NumPy function of the inputs is handed in by itself, as backward.",
            )  # fmt: skip
    return found


def _defining(line: str, problem: str) -> tuple[str, str]:
    left, right = _sides(line)
    if left is None:
        raise ArgumentError(WHO, problem, "Put a left side and '=' before it.")
    return left, right


def _cut(text: str) -> list[str]:
    """Lines, without comments, the marks of a display, and the commas and points that end a sentence."""
    text = re.sub(rf"#[^\n]*|(?<!\\)%[^\n]*|{_DISPLAY}", " ", text.replace(r"\nonumber", " "))
    lines = re.split(r"\n|;(?![^\[]*\])|\\\\(?![A-Za-z])", text)
    lines = [line.strip().strip("$").strip().rstrip(",. \t") for line in lines]
    return [line for line in lines if line]


def _sides(line: str) -> tuple[str | None, str]:
    """Left and right side; None where there is no single '='."""
    match = re.match(r"^([^=<>!\[\]]*(?:\[[^\]=]*\])?[^=<>!\[\]]*?)(?<![<>!=])=(?!=)(.*)$", line, re.S)
    if match is None or re.search(r"[Σ∑]|\\sum|sum_", match[1]):
        return None, line
    # A parenthesis on the left belongs to a name, as in δ^{(1)}, or else to the options of a call.
    if "(" in re.sub(r"\^\s*\{?\([^()]*\)\}?", "", match[1]):
        return None, line
    return match[1].strip().rstrip("&").strip(), match[2].strip().removeprefix("&").strip()


def left_side(text: str) -> tuple[str, tuple[str, ...]]:
    """Name and indices: dW[o, i], \\frac{\\partial L}{\\partial W_{oi}}, δ_{n,j}, h[n,t,j].

    Letters below a name that may be part of it are left to `stem_and_letters`.
    """
    # δ_j^{(1)} is δ^{(1)}_j.
    text = re.sub(rf"({_BELOW})\s*({_ABOVE})", r"\2\1", text.strip().strip("$").strip())
    inner = differentiated(text)
    if inner is not None:
        name, indices = left_side(inner)
        return f"∂L/∂{name}", indices
    bracket = re.fullmatch(r"(.+?)\s*\[([^\]]+)\]", text)
    if bracket and not bracket[1].endswith(("^", "^{")):
        return bracket[1], tuple(each.strip() for each in bracket[2].split(","))
    below = re.fullmatch(r"(.+?)_\{\s*([a-z](?:\s*,\s*[a-z])+)\s*\}", text)
    if below:
        return below[1], tuple(each.strip() for each in below[2].split(","))
    return text, ()


def stem_and_letters(name: str) -> tuple[str, tuple[str, ...]] | None:
    """W and (o, i) of W_{oi}, δ and (k) of δ_k; None where no letters stand below."""
    match = re.fullmatch(r"(.+?)(?:_\{\s*([a-z]{1,4})\s*\}|_([a-z]{1,4}))", name)
    return (match[1], tuple(match[2] or match[3])) if match else None
