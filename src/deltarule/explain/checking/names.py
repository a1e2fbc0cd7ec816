"""Names that formulas may use, however they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from deltarule.explain.checking.tokens import GREEK

# Letters that count something where nothing else has their name, and what they count.
COUNTS = {
    "N": "batch", "B": "batch", "m": "batch", "batch": "batch", "T": "time", "K": "classes", "C": "classes",
}  # fmt: skip


# What a loss is called.
LOSSES = ("L", "E", "J", "C", "ℓ", "loss")
_LOSS = r"(?:L|E|J|C|ℓ|loss|\\ell|\\(?:mathcal|mathrm|text)\s*\{?\s*(?:L|E|J|C|loss)\s*\}?)"
_MARK = r"(?:\\partial|∂|d|\\mathrm\s*\{?\s*d\s*\}?)\s*"
_DERIVATIVES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\\[dt]?frac\s*\{{\s*{_MARK}{_LOSS}\s*\}}\s*\{{\s*{_MARK}(.+)\}}",
        rf"{_MARK}{_LOSS}\s*/\s*{_MARK}(.+)",
        rf"\{{\s*{_MARK}{_LOSS}\s*\\over\s*{_MARK}(.+)\}}",
        rf"(?:\\nabla|∇)\s*_\s*\{{(.+)\}}\s*(?:{_LOSS})?",
        rf"(?:\\nabla|∇)\s*_\s*([^\s{{}}]+)\s*(?:{_LOSS})?",
    )
)


def differentiated(text: str) -> str | None:
    """W of "∂L/∂W", "\\frac{\\partial L}{\\partial W}", "dL/dW" and "∇_W L"; None for others."""
    matches = (pattern.fullmatch(text.strip()) for pattern in _DERIVATIVES)
    return next((match[1].strip() for match in matches if match), None)


class Names:
    """Names that a formula may use.

    known   canonical name -> (name, number of axes)
    """

    def __init__(self, known: Iterable[tuple[str, int]] = ()):
        self.known: dict[str, tuple[str, int]] = {}
        for title, ndim in known:
            self.add(title, ndim)

    def add(self, title: str, ndim: int, *aliases: str) -> None:
        """Enters a name and others for the same array; an earlier one keeps its meaning."""
        for each in (title, *aliases):
            self.known.setdefault(canonical(each), (title, ndim))

    def find(self, text: str) -> tuple[str, int] | None:
        """The array that a text names, with its number of axes."""
        return self.known.get(canonical(text))

    def titles(self) -> list[str]:
        """Names of arrays, for messages: not those that stand for a count or for an unnamed value."""
        found = {title for title, ndim in self.known.values() if title not in COUNTS}
        return sorted(title for title in found if not re.fullmatch(r"value\d+'*", title))


def listed(titles: Sequence[str]) -> str:
    """Names for the end of a message."""
    return f"there are {', '.join(titles)}" if titles else "no array has a name"


def canonical(text: str) -> str:
    """A name without the marks of its notation: W_{hh}, W^{(hh)}, W_hh and Whh are one, delta and δ too."""
    text = text.translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉⁰¹²³⁴⁵⁶⁷⁸⁹", "01234567890123456789"))
    text = re.sub(r"\\(?:math(?:bf|rm|it|sf|cal)|boldsymbol|bm|vec|text|operatorname)(?![A-Za-z])", "", text)
    # A hat stands behind: \hat{y} is y_hat.
    text = re.sub(r"\\(hat|tilde|bar)(?![A-Za-z])[\s{]*(\\?[A-Za-z]+)", r"\2_\1", text)
    text = re.sub(r"[A-Za-z]+", lambda word: GREEK.get(str(word[0]), word[0]), text)
    return re.sub(r"[\\{}()\[\]_^.,\s]", "", text).replace("weight", "W").replace("bias", "b")
