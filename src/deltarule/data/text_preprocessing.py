"""Preprocessing of text: characters to tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deltarule.data.preprocessing import Preprocessing
from deltarule.data.vocabulary import Vocabulary
from deltarule.errors import DTypeError


@dataclass(frozen=True, eq=False)
class TextPreprocessing(Preprocessing):
    """Turns a text into tokens of a training text's vocabulary.

    >>> TextPreprocessing(Vocabulary("abc")).apply("cab")
    array([2, 0, 1])
    """

    characters: Vocabulary

    form = "text"

    @property
    def vocabulary(self) -> Vocabulary:
        return self.characters

    @property
    def outputs(self) -> int:
        return len(self.characters)

    def apply(self, raw: str) -> np.ndarray:
        """The tokens of a text: (characters,) int64.

        Raises DTypeError for anything but text, DataError for a character that training did not know,
        unless the vocabulary has a replacement symbol.
        """
        if not isinstance(raw, str):
            raise DTypeError(
                "Preprocessing.apply",
                f"expected text, got {type(raw).__name__}",
                "Decode bytes to str first.",
            )
        return self.characters.encode(raw, "Preprocessing.apply")

    def to_dict(self) -> dict:
        return {"form": self.form, "vocabulary": self.characters.to_dict()}

    @classmethod
    def _from_dict(cls, record: dict) -> TextPreprocessing:
        return cls(Vocabulary.from_dict(record["vocabulary"]))
