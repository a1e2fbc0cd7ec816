"""Characters as whole numbers and back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from deltarule.errors import DataError, OutOfBoundsError

REPLACEMENT = "\ufffd"


class Vocabulary:
    """The characters of a training text, numbered in the order of their code points.

    symbols       the characters, without repetition; the index in this order is the token
    replacement   the symbol that stands for a character outside the vocabulary, itself one of the
                  symbols; None to make such a character an error

        >>> vocabulary = Vocabulary.from_text("abba")
        >>> vocabulary.encode("bab")
        array([1, 0, 1])
        >>> vocabulary.decode([1, 0])
        'ba'
    """

    def __init__(self, symbols: Iterable[str], replacement: str | None = None):
        self.symbols = tuple(symbols)
        self.replacement = replacement
        if any(len(symbol) != 1 for symbol in self.symbols):
            wrong = next(symbol for symbol in self.symbols if len(symbol) != 1)
            raise DataError(
                "Vocabulary", f"expected single characters, got {wrong!r}", "Split it into characters."
            )
        if len(set(self.symbols)) != len(self.symbols):
            repeated = next(symbol for symbol in self.symbols if self.symbols.count(symbol) > 1)
            raise DataError("Vocabulary", f"expected each symbol once, got {repeated!r} twice", "Remove one.")
        if replacement is not None and replacement not in self.symbols:
            raise DataError(
                "Vocabulary",
                f"the replacement {replacement!r} is not one of the symbols",
                "Add it to the symbols.",
            )
        self._codes = np.array([ord(symbol) for symbol in self.symbols], dtype=np.uint32)
        self._order = np.argsort(self._codes, kind="stable")

    @classmethod
    def from_text(cls, text: str, replacement: str | None = None) -> Vocabulary:
        """Number the characters of a text; a replacement symbol not in it is numbered last.

        >>> Vocabulary.from_text("hello").symbols
        ('e', 'h', 'l', 'o')
        """
        symbols = sorted(set(text))
        if replacement is not None and replacement not in symbols:
            symbols.append(replacement)
        return cls(symbols, replacement)

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self.symbols

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return (self.symbols, self.replacement) == (other.symbols, other.replacement)

    def __hash__(self) -> int:
        return hash((self.symbols, self.replacement))

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} symbols)"

    def encode(self, text: str, who: str = "Vocabulary.encode") -> np.ndarray:
        """Turn a text into tokens: (characters,) int64, each in [0, len(vocabulary)).

        Raises DataError naming the first character outside the vocabulary, its line and column,
        unless the vocabulary has a replacement symbol.

            >>> Vocabulary("ab").encode("abc")
            Traceback (most recent call last):
            ...
            deltarule.errors.DataError: Vocabulary.encode: line 1, column 3: expected one of the 2 characters
            of the training text, got 'c' (U+0063). Use only characters of the training text, or a vocabulary
            with a replacement symbol.
        """
        # "surrogatepass" lets a lone surrogate through to the check below, which names it.
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        if not len(self):
            known = np.zeros(len(codes), dtype=bool)
            tokens = np.zeros(len(codes), dtype=np.int64)
        else:
            sorted_codes = self._codes[self._order]
            place = np.minimum(np.searchsorted(sorted_codes, codes), len(self) - 1)
            tokens = self._order[place].astype(np.int64)
            known = sorted_codes[place] == codes
        if known.all():
            return tokens
        if self.replacement is not None:
            tokens[~known] = self.symbols.index(self.replacement)
            return tokens
        first = int(np.argmin(known))
        line = text.count("\n", 0, first) + 1
        column = first - text.rfind("\n", 0, first)
        raise DataError(
            who,
            f"line {line}, column {column}: expected one of the {len(self)} characters of the training text, "
            f"got {text[first]!r} (U+{ord(text[first]):04X})",
            "Use only characters of the training text, or a vocabulary with a replacement symbol.",
        )

    def decode(self, tokens) -> str:
        """Turn tokens back into text.

        tokens   (characters,) whole numbers in [0, len(vocabulary))

        Raises OutOfBoundsError for a token outside the vocabulary.
        """
        tokens = np.atleast_1d(np.asarray(tokens)).ravel()
        if tokens.size == 0:
            return ""
        if tokens.dtype.kind not in "iu" or tokens.min() < 0 or tokens.max() >= len(self):
            wrong = tokens[(tokens < 0) | (tokens >= len(self)) | (tokens != np.floor(tokens))]
            got = wrong[0] if wrong.size else tokens.dtype
            raise OutOfBoundsError(
                "Vocabulary.decode",
                f"expected whole numbers in [0, {len(self)}), got {got}",
                "The tokens may come from another vocabulary.",
            )
        return "".join(self.symbols[token] for token in tokens.tolist())

    def to_dict(self) -> dict:
        """The vocabulary as plain values for JSON; from_dict gives it back."""
        return {"symbols": list(self.symbols), "replacement": self.replacement}

    @classmethod
    def from_dict(cls, record: dict) -> Vocabulary:
        """The vocabulary that to_dict wrote."""
        return cls(record["symbols"], record["replacement"])
