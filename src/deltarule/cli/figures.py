"""Names and numbers of metrics as text: for lines, tables and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

# In the order in which they are shown; what is not named here follows.
_ORDER = ("loss", "accuracy", "f1", "perplexity", "bits_per_token", "r2", "mae", "rmse")
_SAID = {
    "f1": "F1",
    "r2": "R²",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "bits_per_token": "bits per character",
}
_SHARES = ("accuracy",)
PARTS = ("train", "validation", "test")


def split_name(name: str) -> tuple[str, str]:
    """The part of the data and the bare name of a metric.

    >>> split_name("validation_top_5_accuracy"), split_name("learning_rate")
    (('validation', 'top_5_accuracy'), ('', 'learning_rate'))
    """
    part, _, bare = name.partition("_")
    return (part, bare) if part in PARTS and bare else ("", name)


def said(name: str) -> str:
    """A metric's name in words.

    >>> said("validation_loss"), said("r2")
    ('validation loss', 'R²')
    """
    part, bare = split_name(name)
    words = _SAID.get(bare, bare.replace("_", " "))
    return f"{part} {words}" if part else words


def shown(name: str, value: Any) -> str:
    """A metric's value in four digits, shares as percent.

    >>> shown("accuracy", 0.98765), shown("loss", 0.0123456), shown("loss", float("nan"))
    ('98.77 %', '0.01235', 'NaN')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "NaN"
    if isinstance(value, float) and math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    if split_name(name)[1].endswith(_SHARES):
        return f"{100 * value:.2f} %"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def ordered(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The same metrics, the usual ones first."""

    def place(name: str) -> int:
        bare = split_name(name)[1]
        return _ORDER.index(bare) if bare in _ORDER else len(_ORDER)

    return {name: metrics[name] for name in sorted(metrics, key=place)}


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(0.031), duration(1.31), duration(75.2), duration(3725)
    ('31 ms', '1.3 s', '1 min 15 s', '1 h 2 min')
    """
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def json_line(record: Mapping[str, Any]) -> str:
    """A record as one line of strict JSON: NaN and infinity, which JSON lacks, become null.

    >>> json_line({"epoch": 1, "train_loss": float("nan")})
    '{"epoch": 1, "train_loss": null}'
    """
    return json.dumps(_plain(record), allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
