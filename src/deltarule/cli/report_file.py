"""Files that reports are written to: which form an ending means, and whether they can be written at all."""

from __future__ import annotations

import os
from pathlib import Path

from deltarule.errors import ArgumentError

ENDINGS = {"html": ".html", "latex": ".tex", "markdown": ".md", "text": ".txt", "svg": ".svg"}


def form_of(output: Path | None) -> str:
    """The form that the ending of a file's name says; html where it has none.

    >>> form_of(Path("net.tex")), form_of(None)
    ('latex', 'html')
    """
    if output is None or not output.suffix:
        return "html"
    found = next((form for form, ending in ENDINGS.items() if output.suffix == ending), None)
    if found is None:
        raise ArgumentError(
            output.name, f"the ending is no form: expected one of {', '.join(ENDINGS.values())}", "Use .html."
        )
    return found


def require_folder(path: Path | None) -> None:
    """Raise ArgumentError where a file could not be written."""
    if path is not None and not path.parent.is_dir():
        raise ArgumentError(path.name, f"there is no folder {path.parent}", "Make it, or choose another.")
    if path is not None and not os.access(path.parent, os.W_OK):
        raise ArgumentError(path.name, f"the folder {path.parent} cannot be written to", "Choose another.")


def size_text(text: str) -> str:
    """The size of a file with this text, for people."""
    size = len(text.encode())
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
