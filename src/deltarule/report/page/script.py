"""The script of an explanation's page: the files of assets/explanation, one after the other."""

from __future__ import annotations

from functools import cache

from deltarule.report.document import asset

# Each builds on those before it.
FILES = (
    "data",
    "icons",
    "numbers",
    "evaluate",
    "written",
    "fold",
    "selection",
    "frontier",
    "placement",
    "faces",
    "viewport",
    "graph",
    "formulas",
    "heat",
    "inspector",
    "arithmetic",
    "program",
    "sweep",
    "page",
)


@cache
def explanation_script() -> str:
    """The whole script.

    >>> "function evaluate(" in explanation_script()
    True
    """
    return "\n".join(asset(f"explanation/{name}.js") for name in FILES)


def explanation_style() -> str:
    """The style sheet of the page, besides that of every page.

    >>> ".views" in explanation_style()
    True
    """
    return asset("explanation.css")
