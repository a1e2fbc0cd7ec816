"""Shown: what every explanation can be written as: a page, LaTeX, Markdown, plain text, a drawing.

The records of this layer hold facts and no sentences. `deltarule.report`, the layer above, has a room
for each kind of record that turns it into words and pictures; it is looked up by name when somebody
asks, so that computing an explanation never loads a page.
"""

from __future__ import annotations

import dataclasses
import html
import importlib
from collections.abc import Sized
from pathlib import Path
from typing import Any

from deltarule.training.atomic_file import write_atomic

REPORT = "deltarule.report"


class Shown:
    """A record that can be shown: a dataclass, whose own repr is left to this one (`repr=False`).

    language   "en" or "zh", for every word of the result
    path       a file to write; its folder must exist. The text is returned in any case

    Raises ArgumentError for a language or a form that there is not, RunError for a file that cannot be
    written.

    >>> import deltarule as dr
    >>> x = dr.tensor(2.0, requires_grad=True)
    >>> x.name = "x"
    >>> "x" in dr.explain.derive(x * x).latex()
    True
    """

    def html(self, path: str | Path | None = None, *, language: str = "en") -> str:
        """One self-contained HTML page, which opens from disk."""
        return self._written("html", path, language)

    def latex(self, path: str | Path | None = None, *, language: str = "en") -> str:
        """A LaTeX document that compiles by itself."""
        return self._written("latex", path, language)

    def markdown(self, path: str | Path | None = None, *, language: str = "en") -> str:
        """Markdown, its formulas between dollar signs."""
        return self._written("markdown", path, language)

    def text(self, path: str | Path | None = None, *, language: str = "en") -> str:
        """Plain text for a terminal."""
        return self._written("text", path, language)

    def svg(self, path: str | Path | None = None, *, language: str = "en") -> str:
        """The picture of it, where it has one."""
        return self._written("svg", path, language)

    def _written(self, form: str, path: str | Path | None, language: str) -> str:
        text: str = importlib.import_module(REPORT).present(self, form, language)
        if path is not None:
            write_atomic(Path(path), text.encode())
        return text

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        # Notebooks keep it beside the page: of what holds much it says only what it is.
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        parts = [f"{each.name}={_brief(getattr(self, each.name))}" for each in fields]
        return f"{type(self).__name__}({', '.join(parts)})"

    def _repr_html_(self) -> str:
        # A frame of its own keeps the page's styles and scripts apart from the notebook's.
        page = html.escape(self.html(), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:40rem;border:0"></iframe>'

    def _repr_latex_(self) -> str | None:
        formulas: Any = importlib.import_module(REPORT).formulas(self)
        if not formulas:
            return None
        return "$$\\begin{aligned}\n" + " \\\\\n".join(formulas) + "\n\\end{aligned}$$"


def _brief(part: Any) -> str:
    """A number or a word as it is; of all else its kind, and how much it holds."""
    if part is None or isinstance(part, (bool, int, float)) or (isinstance(part, str) and len(part) <= 60):
        return repr(part)
    size = getattr(part, "shape", None)
    if size is None and isinstance(part, Sized):
        size = len(part)
    return f"<{type(part).__name__}>" if size is None else f"<{type(part).__name__} {size}>"
