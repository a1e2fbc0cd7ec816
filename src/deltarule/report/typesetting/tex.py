"""LaTeX documents that compile by themselves: article with amsmath, and ctex where there is Chinese."""

from __future__ import annotations

import re
import unicodedata

from deltarule.report.typesetting.notation import unmarked
from deltarule.report.typesetting.signs import BINARY, LARGE, LETTERS, RELATIONS
from deltarule.report.words import Words

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "$": r"\$", "&": r"\&",
    "#": r"\#", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}",
    "-": "-{}", "\n": " ", "\t": " ",
}  # fmt: skip

# Characters that pdflatex does not know, as math.
_SIGNS = {
    sign: rf"\{name}"
    for names in (RELATIONS, BINARY, LARGE, LETTERS)
    for name, sign in names.items()
    if name != "bmod"
}
_SIGNS |= {
    "−": "-", "‖": r"\|", "Σ": r"\Sigma", "Π": r"\Pi", "∏": r"\prod", "√": r"\surd", "→": r"\to",
    "…": r"\dots", "ε": r"\varepsilon", "φ": r"\varphi", "⊙": r"\odot", "′": "'", "≤": r"\le", "≥": r"\ge",
    "≠": r"\ne", "ᵀ": r"^{\mathsf{T}}", "⌊": r"\lfloor", "⌋": r"\rfloor", "⌈": r"\lceil",
    "⌉": r"\rceil", "ʰ": "^{h}", "✓": r"\checkmark", "✗": r"\times", "◐": r"\circ",
}  # fmt: skip
_SIGNS |= {chr(ord("₀") + digit): f"_{{{digit}}}" for digit in range(10)}
_SIGNS |= dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺⁽⁾", (f"^{{{sign}}}" for sign in "0123456789-+()"), strict=True))
# What pdflatex has without help: Latin letters and the usual signs of text.
_KNOWN = re.compile("[\u00a0-\u017f‐-‟†‡•…‰‹›€™]")


def tex_document(title: str, *parts: str, words: Words) -> str:
    """A complete document.

    title   text; it is escaped here
    parts   LaTeX: paragraphs, \\section{...}, what `tex_equations` gives; marks in formulas are taken out

    English compiles with pdflatex and with xelatex. Chinese, or Chinese characters in names, take ctex, which
    wants xelatex.

    >>> print(tex_document("A & B", "Text.", words=Words("en")).splitlines()[0])
    \\documentclass[11pt]{article}
    """
    body = "\n\n".join(unmarked(part).strip() for part in parts)
    heading = tex_escape(title)
    chinese = words.language == "zh" or any(_is_wide(character) for character in body + heading)
    packages = [
        r"\usepackage[a4paper,margin=22mm]{geometry}",
        r"\usepackage{amsmath,amssymb}",
        r"\usepackage{iftex}",
        r"\ifPDFTeX\usepackage[utf8]{inputenc}\usepackage[T1]{fontenc}\fi",
        # The standard fonts in T1 are pictures of dots where this one is missing.
        r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}",
    ]
    if chinese:
        plain = "" if words.language == "zh" else ",scheme=plain"
        packages.append(rf"\usepackage[UTF8{plain}]{{ctex}}")
    lines = [
        r"\documentclass[11pt]{article}",
        *packages,
        *_declared(body + heading),
        # A derivation may take pages, and its lines be long.
        r"\allowdisplaybreaks",
        r"\emergencystretch=3em",
        rf"\title{{{heading}}}",
        r"\date{}",
        r"\begin{document}",
        r"\maketitle",
        body,
        r"\end{document}",
    ]
    return "\n".join(lines) + "\n"


def tex_equations(formulas: list[str]) -> str:
    """Formulas on lines of their own; those with & stand aligned there.

    >>> tex_equations(["y &= x", "z &= y"])
    '\\\\begin{align*}\\ny &= x \\\\\\\\\\nz &= y\\n\\\\end{align*}'
    """
    lines = " \\\\\n".join(unmarked(formula) for formula in formulas)
    environment = "align*" if any("&" in formula for formula in formulas) else "gather*"
    return f"\\begin{{{environment}}}\n{lines}\n\\end{{{environment}}}" if formulas else ""


def tex_escape(text: str) -> str:
    """Text with LaTeX's special characters made harmless; spaces and line ends become one space.

    >>> tex_escape("50 % of layer_1")
    '50 \\\\% of layer\\\\_1'
    """
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    return "".join(character for character in escaped if character.isprintable())


def _declared(text: str) -> list[str]:
    """What is said of characters that pdflatex does not know, or that fonts for text lack."""
    lines = []
    for character in sorted({each for each in text if ord(each) > 127 and not _is_wide(each)}):
        if character in _SIGNS:
            meaning = rf"\ensuremath{{{_SIGNS[character]}}}"
            # Fonts for text lack most of these signs in xelatex as well.
            lines.append(
                rf"\ifPDFTeX\DeclareUnicodeCharacter{{{ord(character):04X}}}{{{meaning}}}\else"
                rf"\catcode`{character}=\active\protected\def{character}{{{meaning}}}\fi"
            )
        elif not _KNOWN.match(character):
            code = f"{ord(character):04X}"
            lines.append(rf"\ifPDFTeX\DeclareUnicodeCharacter{{{code}}}{{\texttt{{U+{code}}}}}\fi")
    return lines


def _is_wide(character: str) -> bool:
    return ord(character) > 0x2E7F and unicodedata.east_asian_width(character) in "WF"
