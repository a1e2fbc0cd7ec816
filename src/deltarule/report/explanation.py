"""Shows an Explanation: the page of four linked views, and its graph and derivation in the other forms."""

from __future__ import annotations

from importlib import resources
from typing import Any

from deltarule.explain.explanation import Explanation
from deltarule.report import derivation
from deltarule.report.document import asset, document
from deltarule.report.drawing import graph_svg, graph_text
from deltarule.report.markup import tag
from deltarule.report.page_data import page_data
from deltarule.report.tex import tex_document
from deltarule.report.words import Words

# Steps up to which a terminal shows the graph.
_MOST_DRAWN = 60


def html(explanation: Explanation, words: Words) -> str:
    """The page: graph, formulas, numbers and code, linked; it opens from disk."""
    return document(
        _title(explanation, words),
        tag("div", tag("noscript", words("explanation.noscript")), id="explanation"),
        words=words,
        script=_script(),
        style=asset("explanation.css"),
        data=page_data(explanation, words),
    )


def _title(explanation: Explanation, words: Words) -> str:
    if explanation.example:
        return words(f"examples.{explanation.example}")
    return explanation.title or words("explanation.title")


def _script() -> str:
    """The page's scripts, one idea a file, in the order of their names."""
    folder = resources.files("deltarule.report").joinpath("assets").joinpath("explanation")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".js"))
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def _graph(explanation: Explanation, words: Words) -> dict[str, Any]:
    return page_data(explanation, words)


def svg(explanation: Explanation, words: Words) -> str:
    """The graph, with values and gradients where they are few."""
    return graph_svg(_graph(explanation, words), words)


def text(explanation: Explanation, words: Words) -> str:
    """The graph where it is small, then the derivation."""
    pieces = [_title(explanation, words)]
    if len(explanation.derivation.notation.steps) <= _MOST_DRAWN:
        pieces.append(graph_text(_graph(explanation, words), words))
    pieces.append(derivation.text(explanation.derivation, words))
    return "\n".join(pieces)


def latex(explanation: Explanation, words: Words) -> str:
    """The derivation as a document."""
    parts = derivation.tex_parts(explanation.derivation, words)
    return tex_document(_title(explanation, words), *parts, words=words)


def markdown(explanation: Explanation, words: Words) -> str:
    """The derivation, its formulas between dollar signs."""
    body = derivation.markdown(explanation.derivation, words, level=2)
    return f"# {_title(explanation, words).replace('<', '&lt;')}\n\n{body}"


def formulas(explanation: Explanation) -> list[str]:
    """Errors and gradients in matrix form."""
    return derivation.formulas(explanation.derivation)
