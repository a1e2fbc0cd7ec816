"""Shows an Explanation: the page of four linked views, and its graph and derivation in the other forms."""

from __future__ import annotations

import base64
import zlib
from typing import Any

from deltarule.explain.explanation import Explanation
from deltarule.report import derivation, flow
from deltarule.report.document import document, json_text, section
from deltarule.report.graph.drawing import graph_svg
from deltarule.report.graph.text import graph_text
from deltarule.report.markup import Markup, tag
from deltarule.report.page.data import page_data
from deltarule.report.page.script import explanation_script, explanation_style
from deltarule.report.parts import sections_of
from deltarule.report.typesetting.tex import tex_document
from deltarule.report.words import Words

# Steps up to which a terminal shows the graph.
_MOST_DRAWN = 60
# Characters of JSON from which on a page's data are deflated.
_LONG = 400_000


def html(explanation: Explanation, words: Words) -> str:
    """The page: graph, formulas, numbers and code, linked; it opens from disk."""
    return document(
        _title(explanation, words),
        tag("div", tag("noscript", words("explanation.noscript")), id="explanation"),
        *_through_time(explanation, words),
        words=words,
        script=explanation_script(),
        style=explanation_style(),
        data=_packed(page_data(explanation, words)),
    )


def _through_time(explanation: Explanation, words: Words) -> list[Markup]:
    """What happens to the gradient in recurrent layers, below the four views."""
    if explanation.flow is None:
        return []
    return [
        section(
            flow.title(explanation.flow, words), *sections_of(flow.parts(explanation.flow, words), level=3)
        )
    ]


def _packed(data: dict[str, Any]) -> dict[str, Any]:
    """Long data deflated: formulas repeat, so they shrink to a twentieth, and browsers inflate them."""
    text = json_text(data).encode()
    if len(text) < _LONG:
        return data
    return {"packed": base64.b64encode(zlib.compress(text)).decode()}


def _title(explanation: Explanation, words: Words) -> str:
    if explanation.example:
        return words(f"examples.{explanation.example}")
    return explanation.title or words("explanation.title")


def svg(explanation: Explanation, words: Words) -> str:
    """The graph, with values and gradients where they are few."""
    return graph_svg(page_data(explanation, words), words)


def text(explanation: Explanation, words: Words) -> str:
    """The graph where it is small, then the derivation."""
    pieces = [_title(explanation, words)]
    if len(explanation.derivation.notation.steps) <= _MOST_DRAWN:
        pieces.append(graph_text(page_data(explanation, words), words))
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
