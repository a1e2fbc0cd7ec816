"""Where reports go: which form an ending means, whether a file can be written at all, and writing it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from deltarule.errors import ArgumentError
from deltarule.training.atomic_file import write_atomic

ENDINGS = {"html": ".html", "latex": ".tex", "markdown": ".md", "text": ".txt", "svg": ".svg"}
STANDARD_OUTPUT = Path("-")


def form_of(output: Path | None) -> str:
    """The form that the ending of a file's name says; html where it has none.

    >>> form_of(Path("net.tex")), form_of(Path("NET.SVG")), form_of(None)
    ('latex', 'svg', 'html')
    """
    if output is None or not output.suffix:
        return "html"
    found = next((form for form, ending in ENDINGS.items() if output.suffix.lower() == ending), None)
    if found is None:
        raise ArgumentError(
            output.name, f"the ending is no form: expected one of {', '.join(ENDINGS.values())}", "Use .html."
        )
    return found


def require_folder(path: Path | None) -> None:
    """Raise ArgumentError where a file could not be written."""
    if path is None or path == STANDARD_OUTPUT:
        return
    if not path.parent.is_dir():
        raise ArgumentError(path.name, f"there is no folder {path.parent}", "Make it, or choose another.")
    if not os.access(path.parent, os.W_OK):
        raise ArgumentError(path.name, f"the folder {path.parent} cannot be written to", "Choose another.")


def write_report(text: str, form: str, output: Path) -> str:
    """Write a report, and say in a line what was written; nothing is said of standard output.

    Raises RunError if it cannot be written.
    """
    if output == STANDARD_OUTPUT:
        click.echo(text, nl=False)
        return ""
    content = text.encode()
    write_atomic(output, content)
    size = len(content)
    return f"{output}  {form}, {f'{size / 1e6:.1f} MB' if size >= 1e5 else f'{size / 1e3:.0f} kB'}"
