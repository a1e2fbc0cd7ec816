"""Native convolution against its twin by columns: shapes, layouts, threads, vector widths, fused work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.kernels import convolution
from deltarule.kernels import convolution_by_columns as plain
from deltarule.kernels.native import convolutions, team
from deltarule.kernels.native.code import Code
from deltarule.kernels.native.compilation import load
from deltarule.kernels.native.convolution import Convolution, scratch_elements
from deltarule.kernels.native.convolution_geometry import forward_geometry, transposed_geometry
from deltarule.kernels.native.convolution_gradient import WeightGradient, gradient_scratch_elements
from deltarule.kernels.native.entry import built_in
from deltarule.kernels.native.epilogue import Epilogue
from deltarule.kernels.native.layouts import channels_first_view, channels_last, contiguous
from deltarule.kernels.native.processor import Processor, processor
from deltarule.kernels.native.routine import Routine, Unit
from deltarule.kernels.native.values import Vector

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    before = team.thread_count()
    yield
    team.set_threads(before)


def _close(found: Any, expected: Any, terms: float) -> None:
    """Sums of so many terms of order 1 agree."""
    assert found.shape == expected.shape and found.dtype == expected.dtype
    tolerance = TOLERANCE[str(expected.dtype)] * max(1.0, terms) ** 0.5
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@dataclass(frozen=True)
class Case:
    batch: int
    groups: int
    channels: int
    outputs: int
    positions: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    dilation: tuple[int, ...]
    extra: tuple[int, ...]
    dtype: str = "float32"

    @property
    def extents(self) -> tuple[int, ...]:
        """Input sizes for which the windows fit, or reach `extra` elements less or more."""
        walks = zip(
            self.positions, self.kernel, self.stride, self.before, self.dilation, self.extra, strict=True
        )
        return tuple(
            max(1, (count - 1) * step + (size - 1) * gap + 1 - ahead + more)
            for count, size, step, ahead, gap, more in walks
        )

    def arrays(self) -> tuple[Any, Any, Any, Any]:
        generator = np.random.default_rng(7)
        shapes = (
            (self.batch, self.groups * self.channels, *self.extents),
            (self.groups * self.outputs, self.channels, *self.kernel),
            (self.groups * self.outputs,),
            (self.batch, self.groups * self.outputs, *self.positions),
        )
        x, weight, bias, signal = (generator.normal(size=shape).astype(self.dtype) for shape in shapes)
        return x, weight, bias, signal

    @property
    def window(self) -> Any:
        return self.stride, self.before, self.dilation, self.groups


@st.composite
def _cases(draw: Any) -> Case:
    rank = draw(st.integers(1, 2))

    def sizes(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    return Case(
        draw(st.integers(0, 3)),
        groups,
        draw(st.sampled_from([3, 17])),
        draw(st.sampled_from([6, 16, 33])),
        sizes(1, 19),
        sizes(1, 4),
        sizes(1, 3),
        sizes(0, 2),
        sizes(1, 2),
        sizes(-2, 2),
    )


def _compare(case: Case, last: bool = False) -> None:
    """The three kernels; with a bias where images lie channels-first, else without."""
    x, weight, bias, signal = case.arrays()
    back_bias = np.arange(x.shape[1], dtype=case.dtype)
    if last:
        x, signal = (channels_first_view(channels_last(each).copy()) for each in (x, signal))
        bias = back_bias = None
    window, kernel = case.window, case.kernel
    terms = case.channels * prod(kernel)
    expected = plain.convolve(x, weight, bias, case.positions, *window)
    _close(convolution.convolve(x, weight, bias, case.positions, *window), expected, terms)
    terms = case.outputs * prod(kernel)
    expected = plain.convolve_transposed(signal, weight, back_bias, case.extents, *window)
    found = convolution.convolve_transposed(signal, weight, back_bias, case.extents, *window)
    _close(found, expected, terms)
    terms = case.batch * prod(case.positions)
    expected = plain.convolve_weight(x, signal, kernel, *window)
    if last:
        _close(convolution.convolve_weight(x, signal, kernel, *window), expected, terms)
        return
    grad_weight, grad_bias = convolution.convolve_weight_and_bias(x, signal, kernel, *window)
    _close(grad_weight, expected, terms)
    _close(grad_bias, signal.sum(axis=(0, *range(2, signal.ndim)), dtype=case.dtype), terms)


@settings(max_examples=60)
@given(_cases(), st.booleans(), st.sampled_from([1, 2, 3]))
def test_every_kernel_agrees_with_its_twin(case: Case, last: bool, threads: int) -> None:
    team.set_threads(threads)
    _compare(case, last)


_DEPTHWISE = Case(2, 37, 1, 1, (9, 15), (3, 3), (1, 1), (1, 1), (1, 1), (-1, -1))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    "case",
    [
        _DEPTHWISE,
        replace(_DEPTHWISE, stride=(2, 3), kernel=(5, 2), dilation=(1, 2), dtype="float64"),
        replace(_DEPTHWISE, groups=7, before=(0, 0), extra=(0, 0)),
        # Depthwise with two outputs for each channel.
        replace(_DEPTHWISE, outputs=2),
        Case(2, 3, 5, 20, (7, 17), (3, 2), (2, 1), (1, 0), (2, 1), (0, 1), "float64"),
        # More than 65,536 elements, and work enough for all threads.
        Case(5, 1, 24, 40, (30, 31), (3, 3), (1, 1), (1, 1), (1, 1), (-1, -1)),
        # One long line: strips along it.
        Case(1, 1, 8, 16, (20_011,), (5,), (1,), (2,), (1,), (-2,)),
        Case(1, 1, 8, 16, (9_001,), (3,), (2,), (0,), (4,), (0,)),
        # Few output channels, both ways: neighbouring outputs are computed as one.
        Case(4, 1, 5, 6, (28, 28), (5, 5), (1, 1), (2, 2), (1, 1), (-2, -2)),
        Case(4, 1, 3, 1, (9, 16), (3, 4), (2, 2), (0, 1), (2, 1), (1, 0), "float64"),
        # A kernel smaller than the stride: outputs of the transpose that no window meets.
        Case(2, 1, 5, 7, (6, 7), (2, 1), (4, 3), (0, 1), (1, 1), (3, 2)),
    ],
    ids=[
        "depthwise", "depthwise-strided", "depthwise-few", "two-each", "grouped", "large", "line",
        "dilated-line", "together", "together-strided", "stride-above-kernel",
    ],
)  # fmt: skip
def test_special_shapes(case: Case, threads: int) -> None:
    team.set_threads(threads)
    _compare(case)
    _compare(case, last=True)


def test_native_code_computes_floats_and_the_twin_the_rest() -> None:
    x, weight, bias, _ = replace(_DEPTHWISE, groups=1).arrays()
    arguments = ((9, 15), (1, 1), (1, 1), (1, 1), 1)
    assert convolutions.convolution(x, weight, bias, *arguments) is not None
    for other in (x.astype(np.complex64), x.astype(np.float16), x.astype(x.dtype.newbyteorder())):
        assert convolutions.convolution(other, weight.astype(other.dtype), None, *arguments) is None
        y = convolution.convolve(other, weight.astype(other.dtype), None, *arguments)
        np.testing.assert_allclose(y, plain.convolve(x, weight, None, *arguments), atol=2e-2)


def test_infinities_and_nan_come_through_as_in_the_twin() -> None:
    case = Case(2, 1, 3, 20, (6, 7), (3, 3), (1, 1), (1, 1), (1, 1), (-1, -1))
    x, weight, bias, signal = case.arrays()
    x[0, 1, 2, 3], x[1, 0, 0, 0], x[1, 2, 5, 6] = np.nan, np.inf, -np.inf
    signal[1, 4, 2, 2] = np.nan
    y = plain.convolve(x, weight, bias, case.positions, *case.window)
    _close(convolution.convolve(x, weight, bias, case.positions, *case.window), y, 27)
    back = plain.convolve_transposed(signal, weight, None, case.extents, *case.window)
    _close(convolution.convolve_transposed(signal, weight, None, case.extents, *case.window), back, 180)
    with np.errstate(invalid="ignore"):
        grad = plain.convolve_weight(x, signal, case.kernel, *case.window)
    np.testing.assert_array_equal(
        np.isnan(convolution.convolve_weight(x, signal, case.kernel, *case.window)), np.isnan(grad)
    )


def test_a_chain_copies_no_image() -> None:
    x, weight, _, _ = Case(2, 1, 16, 16, (12, 12), (3, 3), (1, 1), (1, 1), (1, 1), (-1, -1)).arrays()
    y = convolution.convolve(x, weight, None, (12, 12), (1, 1), (1, 1), (1, 1), 1)
    assert y.shape == (2, 16, 12, 12)
    assert np.shares_memory(channels_last(np.maximum(y, 0, out=y)), y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 1, 7, 9), (3, 17, 33, 4), (2, 64, 40, 31), (4, 5, 0, 3)])
def test_layouts_change_elements_places_alone(shape: tuple[int, ...], dtype: str) -> None:
    x = np.random.default_rng(1).normal(size=shape).astype(dtype)
    last = channels_last(x)
    assert last.flags.c_contiguous
    np.testing.assert_array_equal(last, np.moveaxis(x, 1, -1))
    view = channels_first_view(last)
    assert (
        view.shape == shape
        and channels_last(view) is not last
        and np.shares_memory(view, last) == (x.size > 0)
    )
    again = contiguous(view)
    assert again.flags.c_contiguous
    np.testing.assert_array_equal(again, x)
    np.testing.assert_array_equal(channels_last(x[:, ::2]), np.moveaxis(x[:, ::2], 1, -1))


@dataclass(frozen=True)
class _Residual(Epilogue):
    """max(value, 0) + residual[row, column], where rows are `columns` elements long."""

    columns: int

    def parameters(self, dtype: str) -> dict[str, str]:
        return {"residual": dtype + "*"}

    def apply(
        self, code: Code, value: Vector, row: Any, column: Any, mask: Any, arguments: list[Any]
    ) -> Vector:
        residual = arguments[0] + (row * self.columns + column)
        return value.larger(0.0) + residual.vector(mask=mask)


def _entry_on(machine: Processor, routine: Routine) -> Callable[..., Any]:
    unit = Unit(machine)
    unit.entry(routine, "python_entry")
    addresses = load(f"{routine!r} on {machine.vector_bytes} bytes", unit.text, ["python_entry"])
    return built_in("routine", addresses["python_entry"])


_NARROW = [
    replace(processor(), vector_bytes=width, registers=16)
    for width in (16, 32)
    if width < processor().vector_bytes
]


_STRIDED = Case(3, 1, 6, 13, (7, 9), (3, 2), (2, 1), (1, 0), (1, 1), (-1, 0))
_FEW = Case(3, 1, 2, 2, (7, 16), (3, 3), (1, 1), (1, 1), (1, 1), (-1, -1))


@pytest.mark.parametrize("machine", [*_NARROW, processor()], ids=lambda each: f"{each.vector_bytes} bytes")
@pytest.mark.parametrize("known", [True, False], ids=["known", "arguments"])
@pytest.mark.parametrize(
    ("case", "transposed"), [(_STRIDED, False), (_STRIDED, True), (_FEW, False), (_FEW, True)],
    ids=["strided", "strided-transposed", "few", "few-transposed"],
)  # fmt: skip
def test_any_vector_width_with_fused_work(
    machine: Processor, known: bool, case: Case, transposed: bool
) -> None:
    x, weight, _, signal = case.arrays()
    threads = 2
    if transposed:
        source, result = signal, x
        geometry = transposed_geometry(
            machine, case.dtype, source.shape, weight.shape, case.extents, *case.window, threads
        )
        expected = plain.convolve_transposed(source, weight, None, case.extents, *case.window)
    else:
        source, result = x, signal
        geometry = forward_geometry(
            machine, case.dtype, source.shape, weight.shape, case.positions, *case.window, threads
        )
        expected = plain.convolve(source, weight, None, case.positions, *case.window)
    team.set_threads(threads)
    routine = Convolution(
        case.dtype,
        geometry.vectors,
        geometry.copied,
        geometry.diagonal,
        geometry.together,
        _Residual(result.shape[1]),
        geometry if known else None,
    )
    residual = channels_last(result).copy()
    out = np.full_like(residual, np.nan)
    scratch = np.empty(scratch_elements(geometry, threads), case.dtype)
    table = np.array(geometry.numbers(), np.int64)
    _entry_on(machine, routine)(
        team.threads(),
        channels_last(source),
        weight,
        out,
        scratch,
        table,
        geometry.frame_elements(),
        residual,
    )
    _close(channels_first_view(out), np.maximum(expected, 0) + result, 100)


@pytest.mark.parametrize("machine", [*_NARROW, processor()], ids=lambda each: f"{each.vector_bytes} bytes")
@pytest.mark.parametrize("known", [True, False], ids=["known", "arguments"])
@pytest.mark.parametrize("case", [_STRIDED, _FEW], ids=["strided", "few"])
def test_weight_gradient_with_any_vector_width(machine: Processor, known: bool, case: Case) -> None:
    x, weight, bias, signal = case.arrays()
    threads = 2
    geometry = forward_geometry(
        machine, case.dtype, x.shape, weight.shape, case.positions, *case.window, threads
    )
    routine = WeightGradient(
        case.dtype,
        geometry.vectors,
        geometry.copied,
        geometry.diagonal,
        geometry.together,
        True,
        geometry if known else None,
    )
    team.set_threads(threads)
    grad_weight, grad_bias = np.full_like(weight, np.nan), np.full_like(bias, np.nan)
    scratch = np.empty(gradient_scratch_elements(machine, case.dtype, geometry, threads), case.dtype)
    table = np.array(geometry.numbers(), np.int64)
    _entry_on(machine, routine)(
        team.threads(), channels_last(x), channels_last(signal), grad_weight, grad_bias, scratch, table,
        geometry.frame_elements(),
    )  # fmt: skip
    _close(grad_weight, plain.convolve_weight(x, signal, case.kernel, *case.window), 300)
    _close(grad_bias, signal.sum((0, 2, 3)), 300)


def test_results_do_not_depend_on_the_run() -> None:
    team.set_threads(2)
    case = Case(9, 1, 24, 40, (30, 31), (3, 3), (1, 1), (1, 1), (1, 1), (-1, -1))
    x, _, _, signal = case.arrays()
    first = convolution.convolve_weight(x, signal, case.kernel, *case.window)
    for _ in range(3):
        again = convolution.convolve_weight(x, signal, case.kernel, *case.window)
        np.testing.assert_array_equal(again, first)


def test_a_thread_more_changes_no_value_of_the_convolution() -> None:
    case = Case(1, 1, 24, 40, (30, 31), (3, 3), (1, 1), (1, 1), (1, 1), (-1, -1))
    x, weight, bias, _ = case.arrays()
    found = []
    for threads in (1, 2, 3):
        team.set_threads(threads)
        found.append(convolution.convolve(x, weight, bias, case.positions, *case.window))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
