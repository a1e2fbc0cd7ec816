"""The subscripts of einsum: read, checked, completed, and turned into those of its gradients."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deltarule.errors import ArgumentError, ShapeError

Shape = tuple[int, ...]


def canonical(subscripts: str, shapes: Sequence[Shape]) -> str:
    """Explicit subscripts, one letter for each axis and no ellipsis: "ij,jk" becomes "ij,jk->ik".

    Raises ArgumentError for subscripts that cannot be read, ShapeError where they do not fit the arrays.
    """
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ArgumentError(
            "einsum",
            f"subscripts {subscripts!r} are for {len(terms)} array(s), got {len(shapes)}",
            "Separate one group of letters for each array by commas.",
        )
    for term in (*terms, right):
        if term.count("...") > 1 or set(term.replace("...", "", 1)) - set(string.ascii_letters):
            raise ArgumentError(
                "einsum", f"subscripts {subscripts!r} expected letters, one '...', ',' and '->', got {term!r}"
            )
    free = [letter for letter in string.ascii_letters if letter not in subscripts]
    spare = [_spare_axes(term, shape, subscripts) for term, shape in zip(terms, shapes, strict=True)]
    widest = max(spare)
    ellipsis = "".join(free[:widest])
    terms = [term.replace("...", ellipsis[widest - axes :]) for term, axes in zip(terms, spare, strict=True)]
    if not arrow:
        every = "".join(terms)
        right = "..." + "".join(
            sorted(letter for letter in set(every) - set(ellipsis) if every.count(letter) == 1)
        )
    elif widest and "..." not in right:
        raise ArgumentError(
            "einsum",
            f"subscripts {subscripts!r} drop the axes of '...' from the result",
            "Write '...' after the arrow, or sum over the result.",
        )
    right = right.replace("...", ellipsis)
    for letter in right:
        if right.count(letter) > 1 or not any(letter in term for term in terms):
            raise ArgumentError(
                "einsum",
                f"result letter {letter!r} of {subscripts!r} must occur in an input, and once in the result",
            )
    complete = f"{','.join(terms)}->{right}"
    extents(complete, shapes)
    return complete


def _spare_axes(term: str, shape: Shape, subscripts: str) -> int:
    """How many axes the ellipsis of a term stands for."""
    named = len(term.replace("...", ""))
    if named > len(shape) or (named < len(shape) and "..." not in term):
        raise ShapeError(
            "einsum",
            f"{term!r} of {subscripts!r} names {named} axes, the array has {len(shape)} (shape {shape})",
            "Write one letter for each axis, or '...' for those in front.",
        )
    return len(shape) - named


def split(subscripts: str) -> tuple[list[str], str]:
    """Letters of each input, and of the result, of explicit subscripts."""
    left, _, right = subscripts.partition("->")
    return left.split(","), right


def extents(subscripts: str, shapes: Sequence[Shape]) -> dict[str, int]:
    """Length of every letter's axis; length 1 broadcasts. Raises ShapeError where lengths differ."""
    found: dict[str, int] = {}
    terms, _ = split(subscripts)
    for position, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        for letter, extent in zip(term, shape, strict=True):
            other = found.setdefault(letter, extent)
            first = shape[term.index(letter)]
            if extent != first or (extent != other and 1 not in (extent, other)):
                known = first if extent != first else other
                raise ShapeError(
                    "einsum",
                    f"axis {letter!r} of {subscripts!r} is {known} long, but {extent} in x{position} {shape}",
                    "Axes of one letter must have the same length, or 1.",
                )
            if other == 1:
                found[letter] = extent
    return found


@dataclass(frozen=True)
class GradientSubscripts:
    """How an input's gradient is itself an einsum.

    subscripts   of the result's gradient, then the other inputs, then the constants
    others       positions of the other inputs
    constants    shapes of the constants: of one axis all ones, of two axes the identity matrix
    """

    subscripts: str
    others: tuple[int, ...]
    constants: tuple[Shape, ...]


def gradient_subscripts(subscripts: str, shapes: Sequence[Shape], position: int) -> GradientSubscripts:
    """The einsum that gives ∂L/∂(input at `position`) from ∂L/∂result and the other inputs.

    An axis that nothing else has is spread by a vector of ones, a letter that occurs twice (a
    diagonal) by an identity matrix, and an axis that was broadcast is summed and becomes a 1 again.
    """
    terms, right = split(subscripts)
    length = extents(subscripts, shapes)
    others = tuple(other for other in range(len(terms)) if other != position)
    reached = set(right)
    for other in others:
        reached |= {
            letter
            for letter, extent in zip(terms[other], shapes[other], strict=True)
            if extent == length[letter]
        }
    free = iter(letter for letter in string.ascii_letters if letter not in subscripts)
    constants: list[tuple[str, Shape]] = []
    target = ""
    for letter, extent in zip(terms[position], shapes[position], strict=True):
        if extent != length[letter]:
            one = _next(free)
            constants.append((one, (1,)))
            target += one
        elif letter in target:
            copy = _next(free)
            constants.append((letter + copy, (extent, extent)))
            target += copy
        else:
            if letter not in reached:
                constants.append((letter, (extent,)))
            target += letter
    parts = [right, *(terms[other] for other in others), *(term for term, _ in constants)]
    return GradientSubscripts(f"{','.join(parts)}->{target}", others, tuple(shape for _, shape in constants))


def _next(free: Iterable[str]) -> str:
    for letter in free:
        return letter
    raise ArgumentError(
        "einsum", "more than 52 different axes are needed for the gradient", "Use fewer letters."
    )
