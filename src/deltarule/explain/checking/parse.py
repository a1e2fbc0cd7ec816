"""Formulas as people write them -> trees: LaTeX-like, Unicode and NumPy-like, in one grammar.

    W2ᵀ δ2 ⊙ (1 - h²)          \\delta_{2}^{T} h          np.sum(delta * (1 - h**2), axis=0)
    Σ_n δ[n, o] x[n, i]        \\sum_{n} \\delta_{no} x_{ni}        [z > 0]        σ'(z)

Factors side by side are a product; of which kind, the shapes decide later. `T` and `ᵀ` above are the
transpose. Names are known beforehand: `Wx` is W times x unless something is called Wx.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

from deltarule.explain.checking.functions import FUNCTIONS, made, slope_of
from deltarule.explain.checking.names import Names, listed
from deltarule.explain.checking.sum_bounds import BoundsReader
from deltarule.explain.checking.symbols import split_indices
from deltarule.explain.checking.syntax import Term, call, number, product
from deltarule.explain.checking.tokens import Token, pointing

_STARTS = frozenset(("(", "\\frac", "Σ", "Π", "∂", "∇", "{"))


def parse(text: str, names: Names) -> Term:
    """A formula as a tree. Raises ArgumentError that points at the place which is not understood."""
    parser = _Parser(text, names)
    term = parser.comparison()
    if parser.here.kind != "end":
        raise parser.unexpected("an operator or the end")
    if term.kind == "compare" and term.text == "=" and "==" not in text:
        raise pointing(text, term.parts[0].end, "expected one '=' in a line, got a second one",
                       "Keep the last of the equal formulas.")  # fmt: skip
    return term


class _Parser(BoundsReader):
    """Reads sums, products, functions."""

    def comparison(self) -> Term:
        left = self.sum()
        if self.meets("<", ">", "<=", ">=", "!=", "==", "="):
            sign = self.take()
            right = self.sum()
            return Term("compare", (left, right), "=" if sign.text == "==" else sign.text,
                        start=left.start, end=right.end)  # fmt: skip
        return left

    def sum(self) -> Term:
        start = self.here.start
        negative = False
        while self.meets("+", "-"):
            negative ^= self.take().text == "-"
        result = self.product()
        if negative:
            result = Term("negative", (result,), start=start, end=result.end)
        while self.meets("+", "-"):
            sign = self.take()
            right = self.product()
            kind = "add" if sign.text == "+" else "subtract"
            result = Term(kind, (result, right), start=result.start, end=right.end)
        return result

    def product(self) -> Term:
        result = self.factor()
        while True:
            if self.meets("*", "·", "×", "@"):
                sign = self.take().text
                result = product(result, self.signed_factor(), sign)
            elif self.meets("/"):
                self.take()
                right = self.signed_factor()
                result = Term("divide", (result, right), start=result.start, end=right.end)
            elif self.starts():
                result = product(result, self.factor())
            else:
                return result

    def starts(self) -> bool:
        """Whether a further factor begins here."""
        token = self.here
        if token.kind in ("name", "number", "ones"):
            return True
        return token.kind == "sign" and (token.text in _STARTS or token.text == "[")

    def signed_factor(self) -> Term:
        if self.meets("-"):
            start = self.take().start
            inner = self.factor()
            return Term("negative", (inner,), start=start, end=inner.end)
        return self.factor()

    def factor(self) -> Term:
        """An atom with what stands behind and above it."""
        result = self.atom()
        while True:
            token = self.here
            if token.kind == "super" and re.fullmatch(r"[-+]?\d+", token.text):
                self.take()
                exponent = replace(number(float(token.text)), start=token.start, end=token.end)
                result = Term("power", (result, exponent), start=result.start, end=token.end)
            elif self.meets("ᵀ"):
                result = Term("transpose", (result,), start=result.start, end=self.take().end)
            elif self.meets("^"):
                result = self.raised(result)
            elif self.meets(".") and self.token(1).kind == "name":
                result = self.method(result)
            else:
                return result

    def raised(self, base: Term) -> Term:
        """base^T, base^{\\top} or base^exponent."""
        self.expect("^")
        braced = self.skip("{")
        # The mark of an element-wise power says nothing that `^` does not.
        if self.meets("*") or (self.meets("·") and braced):
            self.take()
        if self.meets("ᵀ") or (self.here.kind == "name" and self.here.text == "T"):
            end = self.take().end
            if braced:
                end = self.expect("}").end
            return Term("transpose", (base,), start=base.start, end=end)
        exponent = self.sum() if braced else self.signed_factor_bare()
        if braced:
            self.expect("}")
        return Term("power", (base, exponent), start=base.start, end=self.tokens[self.place - 1].end)

    def signed_factor_bare(self) -> Term:
        """An exponent without braces: one sign, one atom."""
        negative = self.skip("-")
        inner = self.atom()
        return Term("negative", (inner,), start=inner.start, end=inner.end) if negative else inner

    def method(self, base: Term) -> Term:
        """x.T, x.sum(axis=0), x.dot(y), x.shape[0], (x > 0).astype(float)."""
        self.expect(".")
        token = self.take()
        if token.text in ("T", "mT"):
            return Term("transpose", (base,), start=base.start, end=token.end)
        if token.text == "astype" and self.meets("("):
            self.take()
            while not self.meets(")") and self.here.kind != "end":
                self.take()
            return replace(base, end=self.expect(")").end)
        if token.text in ("shape", "size"):
            axis = None
            if token.text == "shape":
                self.expect("[")
                axis = self.option()
                self.expect("]")
            return replace(
                call("len", base, axis=axis), start=base.start, end=self.tokens[self.place - 1].end
            )
        function = FUNCTIONS.get(token.text)
        if function is None or not self.meets("("):
            raise pointing(
                self.text, token.start, f"expected T, sum(...), mean(...) or dot(...), got {token.text!r}"
            )
        parts, options = self.arguments()
        end = self.tokens[self.place - 1].end
        if function in ("sum", "mean") and parts and parts[0].kind in ("number", "negative"):
            options["axis"] = _whole(parts.pop(0))
        if function == "transpose":
            return Term("transpose", (base,), start=base.start, end=end)
        return made(function, [base, *parts], options, self.text, base.start, end)

    def atom(self) -> Term:
        token = self.here
        if token.kind in ("number", "ones"):
            self.take()
            if token.text == "1" and self.meets("_"):
                # 1_{z > 0}
                self.take()
                return replace(self.atom(), start=token.start)
            text = "ones" if token.kind == "ones" else ""
            return Term("number", text=text, value=float(token.text), start=token.start, end=token.end)
        gradient = self.gradient()
        if gradient is not None:
            return gradient
        if token.kind == "name":
            return self.named()
        if self.meets("("):
            self.take()
            inner = self.comparison()
            end = self.expect(")").end
            return replace(inner, start=token.start, end=end)
        if self.meets("{"):
            self.take()
            inner = self.comparison()
            end = self.expect("}").end
            return replace(inner, start=token.start, end=end)
        if self.meets("["):
            # Iverson's bracket: 1 where it holds, else 0. Brackets around no comparison are parentheses.
            self.take()
            inner = self.comparison()
            end = self.expect("]").end
            return replace(inner, start=token.start, end=end)
        if self.meets("|"):
            self.take()
            inner = self.sum()
            end = self.expect("|").end
            return replace(call("abs", inner), start=token.start, end=end)
        if self.meets("\\frac"):
            self.take()
            parts = (self.operand(), self.operand())
            return Term("divide", parts, start=token.start, end=self.tokens[self.place - 1].end)
        if self.meets("Σ"):
            return self.sigma()
        raise self.unexpected("a number, a name, a function or '('")

    def operand(self) -> Term:
        """One side of a fraction: {...}, or a single sign, as in \\frac12 and \\frac1N."""
        token = self.here
        if token.kind == "number" and len(token.text) > 1:
            # The first digit alone; the others stand behind it.
            self.tokens[self.place] = replace(token, text=token.text[1:], start=token.start + 1)
            return Term("number", value=float(token.text[0]), start=token.start, end=token.start + 1)
        if self.starts() and not self.meets("{"):
            return self.atom()
        self.expect("{")
        inner = self.comparison()
        self.expect("}")
        return inner

    def sigma(self) -> Term:
        """Σ_n body, Σ_{n, t} body, with bounds above and below that span the whole axis."""
        start = self.take()
        if not (self.here.kind == "sub" or self.meets("_", "^")):
            raise self.unexpected("the index of the sum, as in Σ_n")
        return self.summed(start.start, self.bounds())

    def summed(self, start: int, names: tuple[str, ...]) -> Term:
        body = self.product()
        return Term("over", (body,), "sum", names=names, start=start, end=body.end)

    def named(self) -> Term:
        """A function, a sum, or a symbol with its indices."""
        token = self.take()
        word = token.text
        if re.fullmatch(r"[Ss]um_[A-Za-z]+", word) and self.names.find(word) is None:
            names = word.partition("_")[2]
            return self.summed(token.start, tuple(names))
        if word == "sum" and self.meets("_"):
            return self.summed(token.start, self.bounds())
        start = self.place
        best, below = self.longest(word, lambda text: self.names.find(text) is not None)
        found = self.names.find(best)
        read = self.place
        # δ^{(1)T}: the transpose stands in the same braces.
        self.place = start
        script = self.script() or ""
        turned = (
            len(script) > 1
            and script.endswith(("T", "ᵀ"))
            and self.names.find(word + script[:-1]) is not None
        )
        if turned:
            found, below = self.names.find(word + script[:-1]), ""
        else:
            self.place = start if found is None else read
        if found is None:
            return self.unnamed(token)
        end = self.tokens[self.place - 1].end
        term = self.subscripts(Term("name", text=found[0], start=token.start, end=end), found[1], below)
        return Term("transpose", (term,), start=term.start, end=term.end) if turned else term

    def unnamed(self, token: Token) -> Term:
        """A word that is no array: a function, e to a power, or several names run together."""
        word = token.text
        function = FUNCTIONS.get(word)
        if function is not None:
            return self.function(function, token)
        if word == "e" and self.meets("^"):
            self.take()
            braced = self.skip("{")
            inner = self.sum() if braced else self.signed_factor_bare()
            end = self.expect("}").end if braced else inner.end
            return replace(call("exp", inner), start=token.start, end=end)
        if len(word) == 1 and word in self.letters:
            # An index as a number, as in [t = 0].
            return Term("name", text=word, start=token.start, end=token.end)
        if word == "I" and self.meets("("):
            # An indicator: I(z > 0).
            return replace(self.atom(), start=token.start)
        if word in ("pi", "π"):
            return replace(number(3.141592653589793), start=token.start, end=token.end)
        base, _, below = word.partition("_")
        known = self.names.find(base)
        if below and known is not None and known[1]:
            term = Term("name", text=known[0], start=token.start, end=token.end)
            return self.element(term, known[1], split_indices(below, known[1]), token.end)
        pieces = self.split(word)
        if pieces:
            result: Term | None = None
            place = token.start
            for piece in pieces:
                known = self.names.find(piece)
                assert known is not None
                part = Term("name", text=known[0], start=place, end=place + len(piece))
                place += len(piece)
                if place == token.end:
                    part = self.subscripts(part, known[1])
                result = part if result is None else product(result, part)
            assert result is not None
            return result
        if self.meets("(") and self.here.start == token.end:
            near = difflib.get_close_matches(word, FUNCTIONS, 1, 0.7)
            known = ", ".join(sorted({*FUNCTIONS.values()}))
            raise pointing(
                self.text, token.start, f"there is no function {word!r}; there are {known}",
                f"Did you mean {near[0]}?" if near else "Write it out with these.",
            )  # fmt: skip
        titles = self.names.titles()
        near = difflib.get_close_matches(word, titles, 1, 0.5)
        raise pointing(
            self.text, token.start, f"there is no {word!r}; {listed(titles)}",
            f"Did you mean {near[0]}?" if near else "Define it on a line before, or name it through names=.",
        )  # fmt: skip

    def split(self, word: str) -> list[str]:
        """A word as several known names in a row, the longest first; nothing where that fails."""
        if not word:
            return []
        for length in range(len(word) if len(word) > 1 else 1, 0, -1):
            if self.names.find(word[:length]) is not None:
                if length == len(word):
                    return [word]
                rest = self.split(word[length:])
                if rest:
                    return [word[:length], *rest]
        return []

    def function(self, function: str, token: Token) -> Term:
        """A function with its argument, which needs no parentheses; σ' is the slope, tanh² the square."""
        slope = self.prime()
        exponent: Term | None = None
        if self.meets("^"):
            self.take()
            braced = self.skip("{")
            exponent = self.sum() if braced else self.signed_factor_bare()
            if braced:
                self.expect("}")
        elif self.here.kind == "super":
            exponent = number(float(self.take().text))
        if self.meets("("):
            parts, options = self.arguments()
            end = self.tokens[self.place - 1].end
        else:
            inner = self.factor()
            parts, options, end = [inner], {}, inner.end
        if slope:
            result = replace(slope_of(function, parts[0], self.text, token), start=token.start, end=end)
        else:
            result = made(function, parts, options, self.text, token.start, end)
        if exponent is not None:
            result = Term("power", (result, exponent), start=token.start, end=end)
        return result

    def prime(self) -> bool:
        """Takes the mark of a derivative: ', ^' or ^{\\prime}."""
        place = self.place
        raised = self.skip("^")
        braced = raised and self.skip("{")
        if self.skip("'") and (not braced or self.skip("}")):
            return True
        self.place = place
        return False

    def arguments(self) -> tuple[list[Term], dict]:
        """(a, b, axis=0)"""
        self.expect("(")
        parts: list[Term] = []
        options: dict = {}
        while not self.meets(")"):
            if (
                self.here.kind == "name"
                and self.here.text in ("axis", "keepdims", "dim")
                and self.token(1).text == "="
            ):
                key = self.take().text
                self.expect("=")
                options["axis" if key == "dim" else key] = self.option()
            else:
                parts.append(self.comparison())
            if not self.skip(","):
                break
        self.expect(")")
        return parts, options

    def option(self):
        """A number, a tuple of numbers, True, False or None."""
        if self.skip("("):
            found = []
            while not self.meets(")"):
                found.append(self.option())
                if not self.skip(","):
                    break
            self.expect(")")
            return tuple(found)
        negative = self.skip("-")
        token = self.take()
        if token.text in ("True", "False", "None"):
            return {"True": True, "False": False, "None": None}[token.text]
        if token.kind != "number":
            self.place -= 1
            raise self.unexpected("the number of an axis")
        value = int(float(token.text))
        return -value if negative else value


def _whole(term: Term) -> int:
    return -int(term.parts[0].value) if term.kind == "negative" else int(term.value)
