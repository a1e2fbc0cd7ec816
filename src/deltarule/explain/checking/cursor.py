"""A place in the tokens of a formula: what stands there, and what was expected."""

from __future__ import annotations

import re

from deltarule.errors import ArgumentError
from deltarule.explain.checking.names import Names
from deltarule.explain.checking.tokens import Token, pointing, tokens


class Cursor:
    """A place in a formula's tokens."""

    def __init__(self, text: str, names: Names):
        self.text, self.names = text, names
        self.tokens: list[Token] = tokens(text)
        self.place = 0
        # Single letters that stand as indices somewhere in the text: x[n, i], x_{n,i}, x_{ni}, x_i.
        scripts = re.findall(r"\[([\w\s,:+-]*)\]|_\{([^}]*)\}|_(\w)", text)
        self.letters = {
            letter for found in scripts for each in found for letter in re.findall(r"\b[a-z]\b", each)
        }
        for below in re.findall(r"_\{([a-z]{2,3})\}", text):
            self.letters.update(below)

    @property
    def here(self) -> Token:
        return self.tokens[self.place]

    def token(self, ahead: int) -> Token:
        return self.tokens[min(self.place + ahead, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.here
        self.place = min(self.place + 1, len(self.tokens) - 1)
        return token

    def meets(self, *texts: str) -> bool:
        return self.here.kind == "sign" and self.here.text in texts

    def skip(self, text: str) -> bool:
        if self.meets(text):
            self.take()
            return True
        return False

    def expect(self, text: str) -> Token:
        if not self.meets(text):
            raise self.unexpected(repr(text))
        return self.take()

    def unexpected(self, expected: str) -> ArgumentError:
        token = self.here
        got = "the end" if token.kind == "end" else repr(self.text[token.start : token.end])
        return pointing(self.text, token.start, f"expected {expected}, got {got}")
