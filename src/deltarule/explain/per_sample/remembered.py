"""What was found out about formulas and labels, kept for the next call: trainings ask the same again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Found = TypeVar("Found")


class Remembered(Generic[Found]):
    """Answers by their questions, so many of them at most.

    >>> squares = Remembered[int](2)
    >>> [squares.get(number, lambda: number * number) for number in (3, 4)]
    [9, 16]
    """

    def __init__(self, most: int):
        self._most = most
        self._found: dict[Hashable, Found] = {}

    def get(self, question: Hashable, answer: Callable[[], Found]) -> Found:
        """The answer, worked out where it is new. The question None is always new."""
        if question is None:
            return answer()
        if question not in self._found:
            if len(self._found) >= self._most:
                self._found.clear()
            self._found[question] = answer()
        return self._found[question]
