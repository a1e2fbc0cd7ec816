"""Symbols of formulas: names with their scripts, indices below or in brackets, gradients as symbols."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deltarule.explain.checking.cursor import Cursor
from deltarule.explain.checking.names import LOSSES, Names
from deltarule.explain.checking.syntax import Term
from deltarule.explain.checking.tokens import pointing


class SymbolReader(Cursor):
    """Reads symbols; what stands below and above them belongs to the name where that is known."""

    def group(self) -> str:
        """The text of {...}, or of one token."""
        if not self.meets("{"):
            token = self.take()
            if token.kind == "end":
                raise self.unexpected("a script")
            return token.text
        opening = self.take()
        depth, words = 1, []
        while depth:
            token = self.take()
            if token.kind == "end":
                raise pointing(self.text, opening.start, "expected '}' for this '{', got the end")
            if token.kind == "sign" and token.text in "{}":
                depth += 1 if token.text == "{" else -1
                continue
            words.append(token.text)
        return "".join(words)

    def gradient(self) -> Term | None:
        """∂L/∂x, dL/dx, \\frac{\\partial L}{\\partial x} or ∇_x L, where that gradient has been defined."""
        start = self.here
        named = self.gradient_name()
        if named is None and self.meets("∂") and self.token(1).kind == "name":
            self.take()
            named = self.longest(self.take().text, self.is_gradient)
        if named is None:
            return None
        base, below = named
        for title in (f"grad_{base}", f"∂{base}", f"d{base}"):
            found = self.names.find(title)
            if found is not None:
                end = self.tokens[self.place - 1].end
                term = Term("name", text=found[0], start=start.start, end=end)
                return self.subscripts(term, found[1], below)
        raise pointing(self.text, start.start, f"the gradient of {base} is used before it is defined")

    def gradient_name(self) -> tuple[str, str] | None:
        """The name below a derivative of the loss, with the indices at it, or None where none stands here."""
        place = self.place
        if self.meets("∇") and self.token(1).text == "_":
            self.take()
            self.expect("_")
            base = self.group()
            if (
                self.here.kind == "name"
                and self.here.text in LOSSES
                and self.names.find(self.here.text) is None
            ):
                self.take()
            return base, ""
        fraction = self.skip("\\frac")
        if (not fraction or self.skip("{")) and self.differential() in LOSSES:
            if (self.skip("}") and self.skip("{")) if fraction else self.skip("/"):
                word = self.differential()
                if word:
                    named = self.longest(word, self.is_gradient)
                    if fraction:
                        self.expect("}")
                    return named
        self.place = place
        return None

    def differential(self) -> str:
        """x of ∂x or dx; "" where neither stands here."""
        if self.skip("∂"):
            return self.take().text if self.here.kind == "name" else ""
        if self.here.kind == "name" and self.here.text.startswith("d"):
            return self.take().text[1:]
        return ""

    def is_gradient(self, text: str) -> bool:
        """Whether the gradient of what a text names is defined."""
        return any(self.names.find(f"{mark}{text}") is not None for mark in ("∂", "d", "grad_"))

    def longest(self, word: str, known: Callable[[str], bool]) -> tuple[str, str]:
        """A word with as many of the scripts behind it as make a known name, and the indices among them.

        Indices may stand before a superscript that belongs to the name: W_{kj}^{(2)}. A number above a word
        that is unknown by itself is no power: a^2 is a2.
        """
        best, below, place = word, "", self.place
        alone = known(word)
        stem, _, indices = (word, "", "") if alone else word.partition("_")
        text = word
        while True:
            under = self.here.kind == "sub" or self.meets("_")
            script = self.script(exponents=not alone)
            if script is None:
                break
            if not under and known(stem + script) and not known(text + script):
                best, below, place = stem + script, indices, self.place
            text += script
            indices = script if under else indices
            if known(text):
                best, below, place = text, "", self.place
        self.place = place
        return best, below

    def script(self, *, exponents: bool = False) -> str | None:
        """A subscript or superscript that may belong to a name; None, and nothing taken, for others."""
        place = self.place
        token = self.here
        if token.kind == "sub" or (token.kind == "super" and ("(" in token.text or exponents)):
            return self.take().text
        if self.meets("_"):
            self.take()
            return self.group()
        if self.meets("^"):
            self.take()
            braced = self.meets("{")
            opening = self.token(1) if braced else self.here
            if opening.kind == "sign" and opening.text in "([":
                return self.group() if braced else self.bracketed()
            if (braced or exponents) and opening.kind == "name" and opening.text not in ("T",):
                return self.group()
            if exponents and opening.kind == "number":
                return self.group()
        self.place = place
        return None

    def bracketed(self) -> str:
        """The text of (...) or [...]."""
        closing = {"(": ")", "[": "]"}[self.take().text]
        words = []
        while not self.meets(closing):
            token = self.take()
            if token.kind == "end":
                raise self.unexpected(repr(closing))
            words.append(token.text)
        self.take()
        return "".join(words)

    def subscripts(self, term: Term, ndim: int, below: str = "") -> Term:
        """A symbol with the indices that stand below it or in brackets behind it.

        below    those that were read with its name
        """
        if ndim and below:
            return self.element(term, ndim, split_indices(below, ndim), term.end)
        if ndim and (self.here.kind == "sub" or self.meets("_")):
            token = self.here
            if token.kind == "sub":
                below = self.take().text
            else:
                self.take()
                below = self.group()
            return self.element(term, ndim, split_indices(below, ndim), self.tokens[self.place - 1].end)
        if ndim and self.meets("[") and self.here.start == self.tokens[self.place - 1].end:
            self.take()
            parts = [self.index()]
            while self.skip(","):
                parts.append(self.index())
            end = self.expect("]").end
            if len(parts) > ndim:
                raise pointing(
                    self.text, term.start, f"{term.text} has {ndim} axes, got {len(parts)} indices"
                )
            return Term("element", tuple(parts), term.text, start=term.start, end=end)
        return term

    def element(self, term: Term, ndim: int, below: Sequence[str], end: int) -> Term:
        if len(below) > ndim:
            raise pointing(self.text, term.start, f"{term.text} has {ndim} axes, got {len(below)} indices")
        parts = []
        for text in below:
            inner = SymbolReader(text, Names())
            parts.append(inner.index())
        return Term("element", tuple(parts), term.text, start=term.start, end=end)

    def index(self) -> Term:
        """An index: a name, a number, a slice, a sum of those."""
        if self.meets(":"):
            token = self.take()
            return Term("slice", start=token.start, end=token.end)
        result = self.index_atom()
        while self.meets("+", "-"):
            kind = "add" if self.take().text == "+" else "subtract"
            right = self.index_atom()
            result = Term(kind, (result, right), start=result.start, end=right.end)
        return result

    def index_atom(self) -> Term:
        token = self.here
        if token.kind == "number":
            self.take()
            return Term("number", value=float(token.text), start=token.start, end=token.end)
        if token.kind == "name":
            self.take()
            return Term("name", text=token.text, start=token.start, end=token.end)
        if self.meets("-"):
            self.take()
            inner = self.index_atom()
            return Term("negative", (inner,), start=token.start, end=inner.end)
        raise self.unexpected("an index")


def split_indices(below: str, ndim: int) -> list[str]:
    """Indices of a subscript: with commas, or one letter each."""
    below = below.strip()
    if "," in below:
        return [each.strip() for each in below.split(",")]
    if below.isalnum() and len(below) == ndim > 1:
        return list(below)
    if ndim > 1 and below.isalpha() and len(below) > 1:
        return list(below)
    return [below]
