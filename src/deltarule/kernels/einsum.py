"""einsum of plain arrays, pair by pair: each pair is one (batched) matrix product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np


def einsum(terms: Sequence[str], result: str, arrays: Sequence[Any]) -> Any:
    """The sum over all letters that are not in the result; axes of length 1 broadcast."""
    length: dict[str, int] = {}
    for term, array in zip(terms, arrays, strict=True):
        for letter, extent in zip(term, array.shape, strict=True):
            length[letter] = extent if length.get(letter, 1) == 1 else length[letter]
    operands = [_simplified(term, array, length) for term, array in zip(terms, arrays, strict=True)]
    while len(operands) > 1:
        pair = (0, 1) if len(operands) == 2 else _cheapest_pair(operands, result, length)
        (left_letters, left), (right_letters, right) = (operands[position] for position in pair)
        rest = [operand for position, operand in enumerate(operands) if position not in pair]
        needed = set(result).union(*(letters for letters, _ in rest))
        operands = [*rest, _contract(left_letters, left, right_letters, right, needed)]
    letters, array = operands[0]
    letters, array = _summed(letters, array, set(result))
    return array.transpose([letters.index(letter) for letter in result])


def _simplified(letters: str, array: Any, length: dict[str, int]) -> tuple[str, Any]:
    """Without axes that are broadcast, and with diagonals taken where a letter occurs twice."""
    broadcast = [array.shape[axis] != length[letter] for axis, letter in enumerate(letters)]
    if any(broadcast):
        array = array[tuple(0 if dropped else slice(None) for dropped in broadcast)]
        letters = "".join(letter for letter, dropped in zip(letters, broadcast, strict=True) if not dropped)
    different = "".join(dict.fromkeys(letters))
    return (
        (letters, array) if different == letters else (different, np.einsum(f"{letters}->{different}", array))
    )


def _summed(letters: str, array: Any, needed: set[str]) -> tuple[str, Any]:
    """Summed over the letters that nothing else needs."""
    axes = tuple(axis for axis, letter in enumerate(letters) if letter not in needed)
    if not axes:
        return letters, array
    total = np.add.reduce(array, axis=axes, dtype=array.dtype)
    return "".join(letter for letter in letters if letter in needed), np.asarray(total)


def _contract(
    left_letters: str, left: Any, right_letters: str, right: Any, needed: set[str]
) -> tuple[str, Any]:
    """Product of two arrays, summed over the letters that they share and nothing else needs."""
    left_letters, left = _summed(left_letters, left, needed | set(right_letters))
    right_letters, right = _summed(right_letters, right, needed | set(left_letters))
    shared = [letter for letter in left_letters if letter in right_letters]
    inner = [letter for letter in shared if letter not in needed]
    batch = [letter for letter in shared if letter in needed]
    rows = [letter for letter in left_letters if letter not in shared]
    columns = [letter for letter in right_letters if letter not in shared]
    a = left.transpose([left_letters.index(letter) for letter in (*batch, *rows, *inner)])
    b = right.transpose([right_letters.index(letter) for letter in (*batch, *inner, *columns)])
    letters = "".join((*batch, *rows, *columns))
    depth, height, width = len(batch), len(rows), len(columns)
    if not inner:
        a = a.reshape((*a.shape, *[1] * width))
        return letters, a * b.reshape((*b.shape[:depth], *[1] * height, *b.shape[depth:]))
    shape = (*a.shape[: depth + height], *b.shape[depth + len(inner) :])
    extent = math.prod(a.shape[depth + height :])
    a = a.reshape(*a.shape[:depth], math.prod(a.shape[depth : depth + height]), extent)
    b = b.reshape(*b.shape[:depth], extent, math.prod(b.shape[depth + len(inner) :]))
    return letters, np.matmul(a, b).reshape(shape)


def _cheapest_pair(
    operands: Sequence[tuple[str, Any]], result: str, length: dict[str, int]
) -> tuple[int, int]:
    """The pair whose product has the fewest elements beyond those of its two factors."""

    def growth(pair: tuple[int, int]) -> int:
        joined = set().union(*(operands[position][0] for position in pair))
        rest = (letters for position, (letters, _) in enumerate(operands) if position not in pair)
        kept = joined & set(result).union(*rest)
        return math.prod(length[letter] for letter in kept) - sum(
            operands[position][1].size for position in pair
        )

    return min(combinations(range(len(operands)), 2), key=growth)
