"""Largest and mean element of sliding windows over channels-last images, and their gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.layouts import plane
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Mask, Pointer, Vector

Pair = tuple[int, int]
Sizes = tuple[int, ...]

_NUMBERS = ("batch", "channels", "height", "width", "rows", "columns", "before_y", "before_x")


class Windows(NamedTuple):
    """Windows over images, as the routines are told of them.

    kernel, stride, dilation   (vertical, horizontal)
    inside     whether every window lies within the image
    covered    whether they meet every element exactly once
    overlap    whether neighbours may share elements
    numbers    sizes, in the order of the routines' arguments
    work       elements that they read
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    inside: bool
    covered: bool
    overlap: bool
    numbers: tuple[int, ...]
    work: int


def windows_of(
    shape: Sizes, positions: Sizes, kernel: Sizes, stride: Sizes, before: Sizes, dilation: Sizes
) -> Windows:
    """Windows at so many positions over an array (batch, channels, *spatial) with one or two spatial axes."""
    batch, channels, *extents = shape
    walks = list(zip(positions, extents, kernel, stride, before, dilation, strict=True))
    inside = all(
        ahead == 0 and (count - 1) * step + (size - 1) * gap < extent
        for count, extent, size, step, ahead, gap in walks
    )
    covered = inside and all(
        size == step and gap == 1 and count * step == extent for count, extent, size, step, _, gap in walks
    )
    overlap = any(step < (size - 1) * gap + 1 for _, _, size, step, _, gap in walks)
    numbers = (batch, channels, *plane(tuple(extents)), *plane(positions), *plane(before, 0))
    work = batch * channels * prod(positions) * prod(kernel)
    return Windows(plane(kernel), plane(stride), plane(dilation), inside, covered, overlap, numbers, work)


@dataclass(frozen=True)
class Window(Routine):
    """What all four routines share: windows of known shape over images whose sizes are arguments.

    kernel, stride, dilation   (vertical, horizontal)
    inside                     whether every window lies within the image
    sizes                      batch, channels, height, width, rows and columns of windows, elements before
                               the image (vertical, horizontal), where they are known, else None
    """

    dtype: str
    kernel: Pair
    stride: Pair
    dilation: Pair
    inside: bool
    sizes: tuple[int, ...] | None = None

    def _sizes(self, given: tuple[Bound, ...]) -> _Sizes:
        return _Sizes(*(given if self.sizes is None else self.sizes))

    def _elements(self, code: Code, sizes: _Sizes, p: Bound, q: Bound) -> Iterator[Bound]:
        """Offsets in the image of the elements of window (p, q), row by row."""
        top, left = p * self.stride[0] - sizes.before_y, q * self.stride[1] - sizes.before_x
        if self.inside and self.kernel[0] * self.kernel[1] <= 16:
            for j in range(self.kernel[0]):
                for i in range(self.kernel[1]):
                    y, x = top + j * self.dilation[0], left + i * self.dilation[1]
                    yield (y * sizes.width + x) * sizes.channels
            return
        for j in code.range(*self._within(code, top, sizes.height, 0)):
            line = (top + j * self.dilation[0]) * sizes.width
            for i in code.range(*self._within(code, left, sizes.width, 1)):
                yield (line + left + i * self.dilation[1]) * sizes.channels

    def _within(self, code: Code, start: Bound, extent: Bound, axis: int) -> tuple[Bound, Bound]:
        """(first, end) of the kernel's elements that lie in the image, along one axis."""
        size, gap = self.kernel[axis], self.dilation[axis]
        if self.inside:
            return 0, size
        first = (code.most(0 - start, 0) + (gap - 1)) // gap
        end = (code.most(extent - start, 0) + (gap - 1)) // gap
        return code.least(first, size), code.least(end, size)

    def _count(self, code: Code, sizes: _Sizes, p: Bound, q: Bound, include_padding: bool) -> Vector:
        """Elements that the mean of window (p, q) divides by."""
        total: Bound = 1
        for axis, (at, extent, ahead) in enumerate(
            ((p, sizes.height, sizes.before_y), (q, sizes.width, sizes.before_x))
        ):
            start = at * self.stride[axis] - ahead
            end = code.least(start + self.kernel[axis], extent + ahead if include_padding else extent)
            total = total * (end - (start if include_padding else code.most(start, 0)))
        if isinstance(total, int):
            return code.number(total, self.dtype)
        return total.to(self.dtype)


@dataclass(frozen=True)
class _Sizes:
    batch: Bound
    channels: Bound
    height: Bound
    width: Bound
    rows: Bound
    columns: Bound
    before_y: Bound
    before_x: Bound


def _image(sizes: _Sizes, image: Bound) -> Bound:
    return image * (sizes.height * sizes.width * sizes.channels)


def _windows(sizes: _Sizes, image: Bound, p: Bound, q: Bound) -> Bound:
    return ((image * sizes.rows + p) * sizes.columns + q) * sizes.channels


@dataclass(frozen=True)
class _Pool(Window):
    """y of all windows; threads share the rows of windows."""

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {"x": array, "y": array} | dict.fromkeys(_NUMBERS, "index")

    def write(self, code: Code, x: Pointer, y: Pointer, *given: Bound) -> None:
        sizes = self._sizes(given)
        low, high = code.share(sizes.batch * sizes.rows)
        for unit in code.range(low, high):
            image, p = unit // sizes.rows, unit % sizes.rows
            source = x + _image(sizes, image)
            for q in code.range(sizes.columns):
                target = y + _windows(sizes, image, p, q)
                for c, count in code.blocks(sizes.channels, code.lanes(self.dtype)):
                    mask = code.mask(count, code.lanes(self.dtype))
                    target.put(self._value(code, sizes, source + c, p, q, mask), c, mask=mask)

    def _value(
        self, code: Code, sizes: _Sizes, source: Pointer, p: Bound, q: Bound, mask: Mask | None
    ) -> Vector:
        raise NotImplementedError(f"{type(self).__name__}: _value")


@dataclass(frozen=True)
class MaxPool(_Pool):
    """y[p, q] = the largest element of the window; −∞ if it has none, NaN if one is NaN."""

    def _value(
        self, code: Code, sizes: _Sizes, source: Pointer, p: Bound, q: Bound, mask: Mask | None
    ) -> Vector:
        lowest = code.number(float("-inf"), self.dtype, code.lanes(self.dtype))
        largest = code.variable(lowest)
        for offset in self._elements(code, sizes, p, q):
            element = (source + offset).vector(mask=mask)
            is_larger = (element > largest.value) | element.differs(element)
            largest.value = is_larger.select(element, largest.value)
        return largest.value


@dataclass(frozen=True)
class AveragePool(_Pool):
    """y[p, q] = the sum of the window's elements / their number, with those of the padding or without."""

    include_padding: bool = True

    def _value(
        self, code: Code, sizes: _Sizes, source: Pointer, p: Bound, q: Bound, mask: Mask | None
    ) -> Vector:
        total = code.variable(code.zeros(self.dtype))
        for offset in self._elements(code, sizes, p, q):
            total.value = total.value + (source + offset).vector(mask=mask)
        return total.value / self._count(code, sizes, p, q, self.include_padding)


@dataclass(frozen=True)
class _PoolGradient(Window):
    """grad_x from upstream; threads share the images and blocks of `block` channels.

    covered    whether windows tile the image: each element is in exactly one, and written once
    overlap    whether windows may share elements
    """

    covered: bool = False
    overlap: bool = True

    def _spread(self, code: Code, grad_x: Pointer, block: Bound, sizes: _Sizes, visit: Any) -> None:
        """Calls visit(image, p, q, channel, mask) for all windows of this thread's part, set to 0 before."""
        lanes = code.lanes(self.dtype)
        blocks = (sizes.channels + (block - 1)) // block
        low, high = code.share(sizes.batch * blocks)
        for unit in code.range(low, high):
            image, first = unit // blocks, unit % blocks * block
            last = code.least(first + block, sizes.channels)
            if not self.covered:
                for pixel in code.range(sizes.height * sizes.width):
                    line = grad_x + (_image(sizes, image) + pixel * sizes.channels)
                    for c, count in code.blocks(last, lanes, first):
                        line.put(code.zeros(self.dtype), c, mask=code.mask(count, lanes))
            for p in code.range(sizes.rows):
                for q in code.range(sizes.columns):
                    for c, count in code.blocks(last, lanes, first):
                        visit(image, p, q, c, code.mask(count, lanes))

    def _add(self, place: Pointer, value: Vector, mask: Mask | None) -> None:
        place.put(place.vector(mask=mask) + value if self.overlap else value, mask=mask)


@dataclass(frozen=True)
class MaxPoolGradient(_PoolGradient):
    """Adds each upstream element to the place of its window's first element that equals y."""

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken = {"x": array, "y": array, "upstream": array, "grad_x": array, "block": "index"}
        return taken | dict.fromkeys(_NUMBERS, "index")

    def write(
        self,
        code: Code,
        x: Pointer,
        y: Pointer,
        upstream: Pointer,
        grad_x: Pointer,
        block: Bound,
        *given: Bound,
    ) -> None:
        sizes = self._sizes(given)
        lanes = code.lanes(self.dtype)

        def visit(image: Bound, p: Bound, q: Bound, c: Bound, mask: Mask | None) -> None:
            window, start = _windows(sizes, image, p, q) + c, _image(sizes, image) + c
            largest, gradient = (y + window).vector(mask=mask), (upstream + window).vector(mask=mask)
            # What is left to give: it becomes 0 in the lanes that have found their element.
            waiting = code.variable(largest.equals(largest))
            for offset in self._elements(code, sizes, p, q):
                here = (x + (start + offset)).vector(mask=mask)
                hit = here.equals(largest) & waiting.value
                waiting.value = waiting.value ^ hit
                self._add(
                    grad_x + (start + offset), hit.select(gradient, code.zeros(self.dtype, lanes)), mask
                )

        self._spread(code, grad_x, block, sizes, visit)


@dataclass(frozen=True)
class AveragePoolGradient(_PoolGradient):
    """Adds upstream / number of elements to every element of the window."""

    include_padding: bool = True

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {"upstream": array, "grad_x": array, "block": "index"} | dict.fromkeys(_NUMBERS, "index")

    def write(self, code: Code, upstream: Pointer, grad_x: Pointer, block: Bound, *given: Bound) -> None:
        sizes = self._sizes(given)

        def visit(image: Bound, p: Bound, q: Bound, c: Bound, mask: Mask | None) -> None:
            gradient = (upstream + (_windows(sizes, image, p, q) + c)).vector(mask=mask)
            each = gradient / self._count(code, sizes, p, q, self.include_padding)
            start = _image(sizes, image) + c
            for offset in self._elements(code, sizes, p, q):
                self._add(grad_x + (start + offset), each, mask)

        self._spread(code, grad_x, block, sizes, visit)
