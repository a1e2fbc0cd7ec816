"""Native recurrent layers against their NumPy twins: sizes, masks, directions, threads, vector widths."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deltarule.kernels.native import recurrence as native
from deltarule.kernels.native import team
from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.recurrence_backward import RecurrenceBackward
from deltarule.kernels.native.recurrence_cells import LongShortTerm
from deltarule.kernels.native.recurrence_forward import RecurrenceForward
from deltarule.kernels.native.workspace import aligned
from deltarule.kernels.recurrence import gru, lstm, rnn
from tests.kernels.native.machines import each_machine, running_on

KINDS = ["tanh", "relu", "gru", "lstm"]
TOLERANCE = {"float32": 3e-5, "float64": 1e-12}
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    before = team.thread_count()
    yield
    team.set_threads(before)


@pytest.fixture
def split_units(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads share the units whatever the sizes are."""
    monkeypatch.setattr(native, "sharing", lambda cell, batch, steps, hidden, count: (count, True))
    _forget_plans()
    yield
    _forget_plans()


@pytest.fixture
def split_batch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads share the batch, however little work there is."""
    monkeypatch.setattr(native, "sharing", lambda cell, batch, steps, hidden, count: (count, False))
    _forget_plans()
    yield
    _forget_plans()


def _forget_plans() -> None:
    native._forward_plan.cache_clear()
    native._backward_plan.cache_clear()


class Case(NamedTuple):
    """A layer with its inputs and the gradients of its outputs."""

    kernel: Any
    options: dict[str, Any]
    x: Any
    states: list[Any]
    weights: list[Any]
    mask: Any
    upstream: list[Any]


def case(
    kind: str,
    batch: int,
    steps: int,
    features: int,
    hidden: int,
    dtype: str = "float64",
    masked: bool = False,
    reverse: bool = False,
) -> Case:
    generator = np.random.default_rng(batch + 10 * steps + 100 * hidden)
    gates, count = {"gru": (3, 1), "lstm": (4, 2)}.get(kind, (1, 1))

    def some(*shape: int) -> Any:
        return generator.uniform(-0.4, 0.4, shape).astype(dtype)

    options: dict[str, Any] = {"reverse": reverse}
    if kind in ("tanh", "relu"):
        options["nonlinearity"] = kind
    rows = gates * hidden
    # Larger layers have smaller weights, so that rounding does not grow from step to step.
    scale = np.asarray(2 / max(hidden, 4) ** 0.5, dtype)
    return Case(
        {"gru": gru, "lstm": lstm}.get(kind, rnn),
        options,
        some(batch, steps, features),
        [some(batch, hidden) for _ in range(count)],
        [some(rows, features) * scale, some(rows, hidden) * scale, some(rows), some(rows)],
        generator.random((batch, steps)) < 0.6 if masked else None,
        [some(batch, steps, hidden), *(some(batch, hidden) for _ in range(count))],
    )


def results(given: Case, plain: bool = False) -> tuple[list[Any], list[Any]]:
    """(output and last states, gradients of everything)."""
    forward = given.kernel.plain_forward if plain else given.kernel.forward
    backward = given.kernel.plain_backward if plain else given.kernel.backward
    outputs, saved = forward(given.x, *given.states, *given.weights, given.mask, **given.options)
    assert plain != isinstance(saved, native.Saved)
    needs = (True,) * (5 + len(given.states))
    found = backward(saved, *given.weights[:2], *given.upstream, needs, **given.options)
    return list(outputs), list(found)


def assert_like_the_twin(given: Case) -> None:
    tolerance = TOLERANCE[given.x.dtype.name]
    for found, expected in zip(results(given), results(given, plain=True), strict=True):
        for one, other in zip(found, expected, strict=True):
            assert one.shape == other.shape and one.dtype == other.dtype
            scale = float(np.abs(other).max()) if other.size else 0.0
            np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * max(scale, 1e-30))


SIZES = {
    "batch": st.integers(0, 37),
    "steps": st.integers(1, 5),
    "features": st.integers(0, 9),
    "hidden": st.sampled_from([1, 23, 70]),
    "masked": st.booleans(),
    "reverse": st.booleans(),
    "threads": st.integers(1, 3),
}


@pytest.mark.parametrize(("kind", "dtype"), [*itertools.product(KINDS, ["float32"]), ("lstm", "float64")])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**SIZES)
def test_as_the_twin_with_threads_over_the_batch(
    split_batch: None, kind: str, dtype: str, threads: int, **sizes: Any
) -> None:
    team.set_threads(threads)
    assert_like_the_twin(case(kind, dtype=dtype, **sizes))


@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**SIZES)
def test_as_the_twin_with_threads_over_the_units(
    split_units: None, kind: str, threads: int, **sizes: Any
) -> None:
    team.set_threads(threads)
    assert_like_the_twin(case(kind, **sizes))


@each_kind
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_more_than_65536_elements(kind: str, threads: int) -> None:
    team.set_threads(threads)
    assert_like_the_twin(case(kind, 75, 23, 6, 40, "float32"))


@each_kind
def test_hidden_layer_of_no_units(kind: str) -> None:
    assert_like_the_twin(case(kind, 3, 2, 4, 0))


@each_kind
def test_the_number_of_threads_changes_the_sums_of_biases_alone(split_batch: None, kind: str) -> None:
    given = case(kind, 41, 6, 5, 23, "float32")
    answers = []
    for threads in (1, 2, 3, 2):
        team.set_threads(threads)
        outputs, gradients = results(given)
        answers.append((outputs + gradients[:-2], gradients[-2:]))
    for exact, biases in answers[1:]:
        for one, other in zip(exact, answers[0][0], strict=True):
            np.testing.assert_array_equal(one, other)
        for one, other in zip(biases, answers[0][1], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    for one, other in zip(answers[3][1], answers[1][1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_large_layers_share_the_units_of_a_small_batch() -> None:
    cell = LongShortTerm()
    assert native.sharing(cell, 1, 64, 256, 2) == (2, True)
    assert native.sharing(cell, 32, 64, 256, 2) == (2, False)
    assert native.sharing(cell, 1, 25, 64, 2) == (1, False)
    assert native.sharing(cell, 32, 64, 256, 1) == (1, False)


@each_kind
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_comes_through(kind: str, value: float) -> None:
    given = case(kind, 4, 5, 3, 19, "float32")
    given.x[1, 2, 0] = value
    given.x[3, 0, 1] = -value
    with np.errstate(invalid="ignore"):
        expected, expected_gradients = results(given, plain=True)
    found, gradients = results(given)
    for one, other in zip(found + gradients, expected + expected_gradients, strict=True):
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
        finite = np.isfinite(other)
        np.testing.assert_allclose(one[finite], other[finite], rtol=1e-4, atol=1e-5)


@each_kind
def test_arrays_that_are_not_contiguous(kind: str) -> None:
    given = case(kind, 5, 4, 3, 9)
    turned = given._replace(
        x=np.asfortranarray(given.x),
        weights=[np.repeat(each, 2, axis=0)[::2] for each in given.weights],
        upstream=[np.asfortranarray(each) for each in given.upstream],
    )
    assert not turned.x.flags.c_contiguous and not turned.weights[0].flags.c_contiguous
    for found, expected in zip(results(turned), results(given), strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@each_kind
def test_other_types_are_left_to_numpy(kind: str) -> None:
    given = case(kind, 2, 3, 2, 4, "longdouble")
    forward, backward = given.kernel.forward, given.kernel.backward
    (output, *_), saved = forward(given.x, *given.states, *given.weights, given.mask, **given.options)
    assert output.dtype == np.longdouble and not isinstance(saved, native.Saved)
    found = backward(saved, *given.weights[:2], *given.upstream, (True,) * 7, **given.options)
    assert found[0].dtype == np.longdouble


def test_gradients_that_are_not_needed_are_left_out() -> None:
    given = case("lstm", 2, 3, 2, 4)
    _, saved = given.kernel.forward(given.x, *given.states, *given.weights, None)
    needs = (False, False, False, False, False, True, True)
    found = given.kernel.backward(saved, *given.weights[:2], *given.upstream, needs)
    assert found[0] is None and found[3] is None and found[4] is None
    assert found[5] is not None


@each_kind
@each_machine
def test_narrower_vectors(kind: str, machine: Processor) -> None:
    team.set_threads(2)
    with running_on(machine, native):
        assert_like_the_twin(case(kind, 19, 4, 5, 13, masked=kind != "gru", reverse=True))
        assert_like_the_twin(case(kind, 1, 3, 2, 40, "float32"))


def test_known_sizes_and_errors_in_the_memory_of_the_gates() -> None:
    """What compiled programs ask for: sizes written into the code, and one memory for two values."""
    batch, steps, hidden = 9, 4, 21
    given = case("lstm", batch, steps, 5, hidden)
    _, saved = given.kernel.forward(given.x, *given.states, *given.weights, None)
    assert isinstance(saved, native.Saved) and saved.gates is not None
    expected = given.kernel.backward(saved, *given.weights[:2], *given.upstream, (True,) * 7)
    sizes = (batch, steps, hidden)
    team.set_threads(2)
    team.threads()
    scratch = aligned(200_000, "float64")
    forward = entry(RecurrenceForward(LongShortTerm(), "float64", 1, sizes=sizes))
    gates = (given.x.reshape(-1, 5) @ given.weights[0].T + given.weights[2] + given.weights[3]).copy()
    output, previous, kept = (np.empty((batch, steps, hidden)) for _ in range(3))
    h_n, c_n = np.empty((batch, hidden)), np.empty((batch, hidden))
    # fmt: off
    forward(2, gates, given.weights[1], None, *given.states, None, output, previous, kept, h_n, c_n, scratch,
            0, 0, 0, 0)
    np.testing.assert_allclose(gates, saved.gates, rtol=1e-11)
    np.testing.assert_allclose(previous.reshape(-1, hidden), saved.previous, rtol=1e-11)
    backward = entry(RecurrenceBackward(LongShortTerm(), "float64", 2, sizes=sizes))
    grad_h0, grad_c0, grad_bias = np.empty_like(h_n), np.empty_like(c_n), np.empty(4 * hidden)
    backward(2, gates, None, None, kept, given.weights[1], None, *given.upstream, gates, None,
             grad_h0, grad_c0, grad_bias, None, scratch, 0, 0, 0, 0)
    # fmt: on
    x = (gates @ given.weights[0]).reshape(given.x.shape)
    for one, other in zip((x, grad_h0, grad_c0, grad_bias), (*expected[:3], expected[5]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
