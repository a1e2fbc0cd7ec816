"""The page that every report stands on: one HTML file that needs nothing else, and no network."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from deltarule.report.charts.palette import style_sheet
from deltarule.report.markup import Markup, tag
from deltarule.report.words import Words

_HTML_LANGUAGES = {"en": "en", "zh": "zh-Hans"}


def document(
    title: str,
    *sections: Markup,
    words: Words,
    script: str = "",
    style: str = "",
    data: Any = None,
) -> str:
    """A complete page.

    sections  what `section` makes, in order; they stand below the title as the page's main part
    script    JavaScript that runs as one module, when the page is complete
    style     CSS besides page.css
    data      what the script reads as JSON.parse(document.getElementById("data").textContent). Numbers that
              JSON lacks arrive as the strings "NaN", "Infinity" and "-Infinity"

    The page's own policy forbids all network, and scripts other than its own: what a user's text might
    smuggle past escaping would not run.

    >>> page = document("a < b", section("Loss", tag("p", "0.3")), words=Words("en"), data={"loss": 0.3})
    >>> "<title>a &lt; b</title>" in page, "<h2>Loss</h2>" in page
    (True, True)
    """
    scripts = [asset("page.js")]
    if script:
        scripts.append(_harmless(script))
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        f"script-src {' '.join(_hash(each) for each in scripts)}; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(f"{style_sheet()}{asset('page.css')}{style}".replace("</", "<\\/"))),
        tag("script", Markup(scripts[0])),
    )
    body = tag(
        "body",
        tag("a", words("document.skip"), href="#main", class_="skip"),
        tag(
            "header",
            tag("h1", title),
            tag("button", words("document.theme"), type="button", class_="theme"),
            class_="page",
        ),
        tag("main", *sections, id="main", class_="page", tabindex="-1"),
        tag("footer", tag("p", words("document.made")), class_="page"),
        tag("script", Markup(json_text(data)), type="application/json", id="data")
        if data is not None
        else None,
        tag("script", Markup(scripts[1]), type="module") if script else None,
    )
    page = tag("html", head, body, lang=_HTML_LANGUAGES[words.language])
    return f"<!doctype html>\n{page}\n"


def section(heading: str, *children: Any, note: str = "", level: int = 2, name: str | None = None) -> Markup:
    """A part of a page under its heading.

    note    a sentence under the heading, in quiet ink
    level   of the heading: 2 for the parts of a page, 3 inside these
    name    what links (#name) and scripts call it

    >>> section("Loss", tag("p", "0.3"), note="At step 5.")
    '<section><h2>Loss</h2><p class="note">At step 5.</p><p>0.3</p></section>'
    """
    return tag(
        "section",
        tag(f"h{level}", heading),
        tag("p", note, class_="note") if note else None,
        *children,
        id=name,
    )


def folded(summary: Any, *children: Any, opened: bool = False, name: str | None = None) -> Markup:
    """A part that opens when its summary is clicked, or by the Enter key.

    >>> folded("More", tag("p", "less"))
    '<details><summary>More</summary><p>less</p></details>'
    """
    return tag("details", tag("summary", summary), *children, open=opened, id=name)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Markup:
    """A table; a column of numbers stands to the right. Cells are text, or Markup.

    >>> "<td>weight</td>" in table(["name", "size"], [["weight", "3"]])
    True
    """
    numeric = [
        bool(rows) and all(_is_number(row[column]) for row in rows if row[column] != "")
        for column in range(len(header))
    ]
    classes = ["number" if each else None for each in numeric]
    head = tag(
        "tr", *[tag("th", each, scope="col", class_=kind) for each, kind in zip(header, classes, strict=True)]
    )
    body = [
        tag("tr", *[tag("td", each, class_=kind) for each, kind in zip(row, classes, strict=True)])
        for row in rows
    ]
    # A keyboard scrolls what it can focus.
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", *body)),
        class_="wide",
        tabindex="0",
        role="group",
    )


def _is_number(cell: Any) -> bool:
    if isinstance(cell, (int, float)):
        return True
    return (
        isinstance(cell, str) and not isinstance(cell, Markup) and cell.strip()[:1] in tuple("0123456789−∞")
    )


def json_text(data: Any) -> str:
    """Data as JSON for a <script> element, which no text inside can end.

    >>> json_text({"name": "</script>", "loss": float("nan")})
    '{"name":"\\\\u003c/script\\\\u003e","loss":"NaN"}'
    """
    text = json.dumps(_finite(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in ("<", ">", "&", "\N{LINE SEPARATOR}", "\N{PARAGRAPH SEPARATOR}"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        if math.isfinite(data):
            return data
        return "NaN" if math.isnan(data) else "Infinity" if data > 0 else "-Infinity"
    if isinstance(data, dict):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    if hasattr(data, "tolist"):
        # Arrays and numbers of NumPy.
        return _finite(data.tolist())
    return data


def _harmless(script: str) -> str:
    """A script in which no string ends the element that it stands in."""
    assert "<!--" not in script, "a page's script holds <!--, which starts a comment in HTML"
    return script.replace("</script", "<\\/script")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def asset(name: str) -> str:
    """The text of a file of the folder assets."""
    return resources.files("deltarule.report").joinpath("assets", name).read_text(encoding="utf-8")
