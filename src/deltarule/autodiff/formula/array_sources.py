"""NumPy source of the basic whole-array functions, which depends on shapes: what changes nothing is left out.

Each answers, for the shapes of the arguments and the options, with a template that the arguments fill.
"""

from __future__ import annotations

from collections.abc import Callable

from deltarule.autodiff.formula.shape_rules import Shape, reduced_axes, stated


def transpose_source(x: Shape) -> str:
    """`.T` of a matrix, `.mT` of a stack of them, nothing of a vector."""
    return ("{0}", "{0}", "{0}.T")[len(x)] if len(x) <= 2 else "{0}.mT"


def reducing_source(name: str) -> Callable[..., str]:
    """Source of a NumPy function that takes `axis` and `keepdims`, without options that change nothing."""

    def source(x: Shape, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> str:
        options = ""
        axes = reduced_axes(x, axis)
        if len(axes) < len(x) or keepdims:
            options = f", axis={axes[0] if len(axes) == 1 else axes}"
            if axis == -1 or axis == (-1,):
                options = ", axis=-1"
        if keepdims:
            options += ", keepdims=True"
        return f"np.{name}({{0}}{options})"

    return source


def sum_to_source(x: Shape, shape: Shape) -> str:
    """A sum over the axes that the shape does not have, or has with length 1."""
    if x == shape:
        return "{0}"
    skipped = len(x) - len(shape)
    leading = tuple(range(skipped))
    inner = tuple(axis for axis in range(skipped, len(x)) if shape[axis - skipped] == 1 != x[axis])
    summed = reducing_source("sum")
    if not inner:
        return summed(x, leading)
    if not leading:
        return summed(x, inner, True)
    return f"{summed(x, leading + inner)}.reshape({', '.join(map(str, shape))})"


def broadcast_source(x: Shape, shape: Shape) -> str:
    """Spread to a shape, unless it is that already."""
    return "{0}" if x == tuple(shape) else f"np.broadcast_to({{0}}, {tuple(shape)})"


def reshape_source(x: Shape, shape: Shape) -> str:
    """Axes of length 1 that come in are written as None in an index, as one does by hand."""
    shape = stated(x, shape=shape)
    if x == shape:
        return "{0}"
    if x and [extent for extent in shape if extent != 1] == list(x):
        parts = [":" if extent != 1 else "None" for extent in shape]
        last = len(parts) - parts[::-1].index("None")
        leading = parts.index("None")
        parts = ["...", *parts[leading:]] if leading == len(x) > 1 else parts[:last]
        return f"{{0}}[{', '.join(parts)}]"
    return f"{{0}}.reshape({', '.join(map(str, shape)) or '()'})"
