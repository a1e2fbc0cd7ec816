"""Every rule: importing this file enters them all."""

from deltarule.compiler.native.rules import (
    attention,
    checks,
    clipping,
    convolution,
    elementwise,
    gathering,
    losses,
    pooling,
    products,
    recurrence,
    rows,
    shapes,
    updates,
)
from deltarule.compiler.native.rules.registry import RULES

__all__ = [
    "RULES",
    "attention",
    "checks",
    "clipping",
    "convolution",
    "elementwise",
    "gathering",
    "losses",
    "pooling",
    "products",
    "recurrence",
    "rows",
    "shapes",
    "updates",
]
