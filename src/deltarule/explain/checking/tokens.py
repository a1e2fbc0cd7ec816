"""Formulas as people write them, cut into tokens: LaTeX, Unicode and NumPy alike.

A token says what it means, not how it was written: `\\delta`, `delta` and `δ` are one name, `\\odot`, `⊙` and
`*` one sign. Each keeps its place in the text, so that a message can point at it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deltarule.errors import ArgumentError

WHO = "check_derivation"

_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi "
    "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega varepsilon varphi vartheta ell"
)
GREEK: dict[str, str] = dict(zip(_NAMES.split(), "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩεφθℓ", strict=True))
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺⁽⁾", "0123456789-+()", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₋₊", "0123456789-+", strict=True))
_SUBSCRIPTS.update(dict(zip("ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "aehijklmnoprstuvx", strict=True)))
_COMMANDS = {
    "cdot": "·", "times": "×", "odot": "*", "circ": "*", "ast": "*", "div": "/", "le": "<=", "leq": "<=",
    "ge": ">=", "geq": ">=", "lt": "<", "gt": ">", "ne": "!=", "neq": "!=", "top": "ᵀ", "intercal": "ᵀ",
    "prime": "'", "partial": "∂", "nabla": "∇", "sum": "Σ", "prod": "Π", "quad": " ", "qquad": " ",
    "mid": "|", "vert": "|", "lbrack": "[", "rbrack": "]", "lbrace": "{", "rbrace": "}", "infty": "∞",
    "max": "max", "min": "min", "in": "∈",
}  # fmt: skip
# Commands that say how something looks: what follows them counts.
_LOOKS = frozenset(
    (
        "left right mathbf boldsymbol mathrm mathit mathsf mathcal mathbb bm vec text operatorname rm bf sf "
        "displaystyle textstyle big Big bigg Bigg bigl Bigl biggl Biggl bigr Bigr biggr Biggr limits nolimits"
    ).split()
)
# Marks above a letter, which make another name of it.
_MARKS = frozenset(("hat", "tilde", "bar"))
_SPACES = frozenset((",", ";", ":", "!", " "))
# The word behind a command: {softmax}, {\delta}, {\mathbf{y}}.
_DRESSED = re.compile(
    r"\s*\{\s*(?:\\(?:mathbf|boldsymbol|mathrm|bm|vec)\s*\{\s*(\\?[A-Za-z]\w*)\s*\}|(\\?[A-Za-z]\w*))\s*\}"
)
_LETTER = re.compile(r"\s*(\\[A-Za-z]+|[A-Za-z])")
# The upright d of dL/dW, and the bold 1.
_UPRIGHT = re.compile(r"\\mathrm\s*(?:\{\s*d\s*\}|d(?![A-Za-z]))")
_ONES = re.compile(r"\\(?:mathbf|mathbb|boldsymbol|bm|mathds)\s*(?:\{\s*1\s*\}|1)")
_SIGNS = {
    "⊙": "*", "∘": "*", "·": "·", "⋅": "·", "×": "×", "−": "-", "–": "-", "÷": "/", "≤": "<=", "≥": ">=",
    "≠": "!=", "⊤": "ᵀ", "∑": "Σ", "∏": "Π", "′": "'", "’": "'",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-zα-ωΑ-Ωℓ][A-Za-z0-9α-ωΑ-Ω]*(?:_[A-Za-z0-9α-ωΑ-Ω]+)*_?")
_NUMBER = re.compile(r"\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+")
_HALVES = {"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3}


@dataclass(frozen=True)
class Token:
    """A piece of a formula.

    kind     "name", "number", "ones" (a bold 1), "sign", "sub", "super" or "end"
    text     what it says
    start    where it stands
    """

    kind: str
    text: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """The tokens of a formula, with an end at the end. Raises ArgumentError, pointing, for a strange sign."""
    found: list[Token] = []
    place = 0
    while place < len(text):
        token, place = _next(text, place)
        if token is not None:
            found.append(token)
    found.append(Token("end", "", len(text), len(text)))
    return found


def _next(text: str, place: int) -> tuple[Token | None, int]:
    sign = text[place]
    if sign in " \t\r\n~$&":
        return None, place + 1
    if sign == "\\":
        return _command(text, place)
    if sign in _HALVES:
        return Token("number", str(_HALVES[sign]), place, place + 1), place + 1
    for table, kind in ((_SUPERSCRIPTS, "super"), (_SUBSCRIPTS, "sub")):
        if sign in table:
            end = place
            while end < len(text) and text[end] in table:
                end += 1
            return Token(kind, "".join(table[each] for each in text[place:end]), place, end), end
    if sign == "ᵀ":
        return Token("sign", "ᵀ", place, place + 1), place + 1
    if sign in "𝟙𝟏":
        return Token("ones", "1", place, place + 1), place + 1
    number = _NUMBER.match(text, place)
    if number:
        return Token("number", number[0], place, number.end()), number.end()
    word = _WORD.match(text, place)
    if word and sign not in _SIGNS and sign != "Σ" and sign != "Π":
        name = word[0]
        end = word.end()
        # `x_{n}`: the underscore opens a subscript and is no part of the word.
        if name.endswith("_"):
            name, end = name[:-1], end - 1
        if name in ("np", "numpy", "dr") and text[end : end + 1] == ".":
            return None, end + 1
        return Token("name", name, place, end), end
    for long in ("**", "<=", ">=", "!=", "=="):
        if text.startswith(long, place):
            return Token("sign", "^" if long == "**" else long, place, place + 2), place + 2
    sign = _SIGNS.get(sign, sign)
    if sign in "+-*/@^_()[]{}=<>,.:;|'·×ΣΠ∂∇∞!∈":
        return Token("sign", sign, place, place + 1), place + 1
    raise pointing(text, place, f"there is no meaning for {text[place]!r} in a formula")


def _command(text: str, place: int) -> tuple[Token | None, int]:
    """A command of LaTeX."""
    match = re.compile(r"\\([A-Za-z]+|.)").match(text, place)
    if match is None:
        raise pointing(text, place, "the formula ends in a backslash")
    name, end = match[1], match.end()
    for pattern, kind, said in ((_UPRIGHT, "sign", "∂"), (_ONES, "ones", "1")):
        found = pattern.match(text, place)
        if found:
            return Token(kind, said, place, found.end()), found.end()
    if name in _MARKS:
        marked = _DRESSED.match(text, end) or _LETTER.match(text, end)
        if marked:
            return Token("name", f"{_word(marked)}_{name}", place, marked.end()), marked.end()
    if name in _LOOKS or name in _SPACES:
        dressed = _DRESSED.match(text, end)
        if dressed and name not in ("left", "right"):
            return Token("name", _word(dressed), place, dressed.end()), dressed.end()
        # The delimiter after \left and \right may be a point, which stands for none.
        if name in ("left", "right") and text[end : end + 1] == ".":
            end += 1
        return None, end
    if name in ("{", "}"):
        return Token("sign", "[" if name == "{" else "]", place, end), end
    if name == "\\":
        return Token("sign", ";", place, end), end
    if name in ("frac", "dfrac", "tfrac"):
        return Token("sign", "\\frac", place, end), end
    if name in GREEK:
        return Token("name", GREEK[name], place, end), end
    if name in _COMMANDS:
        said = _COMMANDS[name]
        kind = "name" if said.isalpha() and said.isascii() else "sign"
        return (None if said == " " else Token(kind, said, place, end)), end
    return Token("name", name, place, end), end


def _word(match: re.Match[str]) -> str:
    """The word that a pattern found, a Greek letter as itself."""
    found = next(group for group in match.groups() if group).removeprefix("\\")
    return GREEK.get(found, found)


def pointing(text: str, place: int, problem: str, fix: str = "") -> ArgumentError:
    """An error that shows the line of the formula and points at the place in it."""
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    line = text[start:] if end < 0 else text[start:end]
    lead = len(line) - len(line.lstrip())
    caret = " " * (place - start - lead) + "^ here."
    return ArgumentError(WHO, f"{problem}\n    {line.strip()}\n    {caret}", fix)
