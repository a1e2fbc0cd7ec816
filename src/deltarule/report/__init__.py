"""Report: the records of `deltarule.explain` as pages, LaTeX, Markdown, drawings and text. Computes nothing.

Each kind of record has a room: a module that says what stands in its report,

    title(record, words), parts(record, words)

from which page, LaTeX, Markdown and text follow (`deltarule.report.parts`); or a function for each of them,

    html(record, words), latex(record, words), markdown(record, words), text(record, words)

In both cases `svg(record, words)` is the drawing, where there is one, and `formulas(record)` the formulas as
lines of LaTeX, aligned at `&=`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from deltarule.autodiff.formula.depth import deep_formulas
from deltarule.errors import ArgumentError
from deltarule.report.words import Words

# Record -> the module that shows it, loaded when the first one is shown.
ROOMS = {
    "Explanation": "explanation",
    "Derivation": "derivation",
    "Paths": "paths",
    "Flow": "flow",
    "Health": "health",
    "Comparison": "comparison",
    "DerivationCheck": "derivation_check",
    "SampleGradients": "samples",
}
_OF_PARTS = ("html", "latex", "markdown", "text")
FORMS = (*_OF_PARTS, "svg")


def present(record: Any, form: str, language: str = "en") -> str:
    """A record in one of FORMS. Raises ArgumentError for a form that it does not have."""
    room = _room_of(record)
    writer = _writer(room, form)
    if writer is None:
        there = ", ".join(each for each in FORMS if _writer(room, each))
        raise ArgumentError(
            f"{type(record).__name__}.{form}", f"there is no {form} of it", f"There is: {there}."
        )
    with deep_formulas():
        return writer(record, Words(language))


def formulas(record: Any) -> list[str]:
    """The formulas of a record as lines of LaTeX; none where it has none."""
    writer = getattr(_room_of(record), "formulas", None)
    return writer(record) if writer else []


def _writer(room: ModuleType, form: str) -> Callable[[Any, Words], str] | None:
    """What writes a record in this form: the room's own function, or one from its parts; None without."""
    if form in FORMS and hasattr(room, form):
        return getattr(room, form)
    if form not in _OF_PARTS or not hasattr(room, "parts"):
        return None
    written = import_module(f"{__name__}.parts").written
    return lambda record, words: written(form, room.title(record, words), room.parts(record, words), words)


def _room_of(record: Any) -> ModuleType:
    for kind in type(record).__mro__:
        if kind.__name__ in ROOMS:
            return import_module(f"{__name__}.{ROOMS[kind.__name__]}")
    raise AssertionError(f"no room shows a {type(record).__name__}")
