"""Rows of the recurrent operations, against references that go through each sequence step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import ArgumentError, DTypeError, ShapeError
from deltarule.operations.recurrence import gru, gru_cell, lstm, lstm_cell, rnn, rnn_cell
from tests.operations.harness import Case, ErrorCase
from tests.operations.recurrence_reference import cell, gru_step, lstm_step, rnn_step, sequence

_generator = np.random.default_rng(11)


def _uniform(*shape: int) -> Any:
    return _generator.uniform(-1.0, 1.0, shape)


def _arrays(
    gates: int, count: int, batch: int, steps: int | None, features: int, hidden: int
) -> tuple[Any, ...]:
    x = _uniform(batch, features) if steps is None else _uniform(batch, steps, features)
    states = (_uniform(batch, hidden) for _ in range(count))
    rows = gates * hidden
    return (x, *states, _uniform(rows, features), _uniform(rows, hidden), _uniform(rows), _uniform(rows))


# Lengths 3, 1 and 0 of 3 steps, and one mask with a gap.
PADDED = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]], dtype=bool)
GAP = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])


def _rows(function: Any, function_cell: Any, step: Any, gates: int, count: int, **options: Any) -> list[Case]:
    def reference(*arrays: Any, **given: Any) -> Any:
        return sequence(step, count, *arrays, **given)

    def reference_cell(*arrays: Any, **given: Any) -> Any:
        return cell(step, count, *arrays, **given)

    masked = 1 + count + 4
    backwards = {**options, "reverse": True}
    return [
        Case(function_cell, _arrays(gates, count, 2, None, 3, 2), reference_cell, options),
        Case(function_cell, _arrays(gates, count, 1, None, 1, 1), reference_cell, options),
        Case(function_cell, _arrays(gates, count, 0, None, 2, 2), reference_cell, options),
        Case(function, _arrays(gates, count, 2, 3, 2, 2), reference, options),
        Case(function, _arrays(gates, count, 2, 3, 2, 2), reference, backwards),
        Case(function, _arrays(gates, count, 1, 1, 1, 1), reference, options),
        Case(function, _arrays(gates, count, 0, 2, 3, 2), reference, options),
        Case(function, _arrays(gates, count, 2, 2, 0, 2), reference, options),
        Case(function, (*_arrays(gates, count, 3, 3, 2, 2), PADDED), reference, options),
        Case(function, (*_arrays(gates, count, 3, 3, 2, 2), PADDED), reference, backwards),
        Case(function, (*_arrays(gates, count, 2, 3, 2, 2), GAP), reference, options, constant=(masked,)),
        Case(function, (*_arrays(gates, count, 2, 1, 2, 2), np.array([[1], [0]])), reference, backwards),
    ]


def _without_extras(function: Any, name: str, step: Any, gates: int, count: int, steps: int | None) -> Case:
    """No initial state and no bias."""
    x, *_, weight_ih, weight_hh, _, _ = _arrays(gates, count, 2, steps, 2, 2)
    run = cell if steps is None else sequence

    def reference(x: Any, weight_ih: Any, weight_hh: Any) -> Any:
        zeros = [np.zeros((2, 2))] * count
        return run(step, count, x, *zeros, weight_ih, weight_hh, np.zeros(2 * gates), np.zeros(2 * gates))

    def call(x: Any, weight_ih: Any, weight_hh: Any) -> Any:
        return function(x, *[None] * count, weight_ih, weight_hh)

    call.__name__ = name
    return Case(call, (x, weight_ih, weight_hh), reference)


def _tanh_step(*arguments: Any) -> Any:
    return rnn_step(*arguments, nonlinearity="tanh")


CASES: list[Case] = [
    *_rows(rnn, rnn_cell, rnn_step, 1, 1, nonlinearity="tanh"),
    *_rows(rnn, rnn_cell, rnn_step, 1, 1, nonlinearity="relu"),
    *_rows(gru, gru_cell, gru_step, 3, 1),
    *_rows(lstm, lstm_cell, lstm_step, 4, 2),
    _without_extras(rnn, "rnn", _tanh_step, 1, 1, 2),
    _without_extras(rnn_cell, "rnn_cell", _tanh_step, 1, 1, None),
    _without_extras(gru, "gru", gru_step, 3, 1, 2),
    _without_extras(gru_cell, "gru_cell", gru_step, 3, 1, None),
    _without_extras(lstm, "lstm", lstm_step, 4, 2, 2),
    _without_extras(lstm_cell, "lstm_cell", lstm_step, 4, 2, None),
]


def _zeros(gates: int, count: int, **changed: tuple[int, ...]) -> list[Any]:
    """Zero inputs of a sequence (2, 5, 3) and 4 hidden units, some with another shape."""
    shapes = {
        "x": (2, 5, 3), "h0": (2, 4), "c0": (2, 4), "weight_ih": (gates * 4, 3), "weight_hh": (gates * 4, 4),
        "bias_ih": (gates * 4,), "bias_hh": (gates * 4,), **changed,
    }  # fmt: skip
    if count == 1:
        del shapes["c0"]
    return [np.zeros(shape) for shape in shapes.values()]


def _refused(function: Any, gates: int, count: int) -> list[ErrorCase]:
    name, layer, rows = function.__name__, function.__name__.upper(), gates * 4

    def case(says: tuple[str, ...], **changed: tuple[int, ...]) -> ErrorCase:
        return ErrorCase(lambda: function(*_zeros(gates, count, **changed)), ShapeError, says)

    return [
        case((f"{name}: x expected shape (batch, time, features), got (5, 3)", "x[None]"), x=(5, 3)),
        case((f"{name}: expected at least one time step, got x (2, 0, 3)",), x=(2, 0, 3)),
        case(
            (
                f"{name}: weight_ih expects 3 input features, x has 7 (x (2, 5, 7), weight_ih ({rows}, 3)).",
                f"Did you mean {layer}(input_size=7)?",
            ),
            x=(2, 5, 7),
        ),
        case((f"{name}: weight_hh expected shape (", f"got ({rows}, 5)"), weight_hh=(rows, 5)),
        case(
            (f"{name}: weight_ih expected shape ({rows}, features) for 4 hidden units, got (8, 3)",),
            weight_ih=(8, 3),
        ),
        case((f"{name}: bias_ih expected shape ({rows},), got (2,)",), bias_ih=(2,)),
        case((f"{name}: bias_hh expected shape ({rows},), got (1, {rows})",), bias_hh=(1, rows)),
        case((f"{name}: h0 expected shape (batch, hidden) = (2, 4), got (3, 4)", "another batch"), h0=(3, 4)),
        case((f"{name}: mask expected shape (batch, time) = (2, 5), got (5, 2)",), mask=(5, 2)),
        ErrorCase(
            lambda: function(*_zeros(gates, count, mask=(2, 5))[:-1], np.full((2, 5), 0.5)),
            DTypeError,
            (f"{name}: mask expected zeros and ones",),
        ),
    ]


ERRORS: list[ErrorCase] = [
    *_refused(rnn, 1, 1),
    *_refused(gru, 3, 1),
    *_refused(lstm, 4, 2),
    ErrorCase(
        lambda: lstm(*_zeros(4, 2, c0=(1, 4))),
        ShapeError,
        ("lstm: c0 expected shape (batch, hidden) = (2, 4)",),
    ),
    ErrorCase(
        lambda: rnn(*_zeros(1, 1), nonlinearity="sine"),
        ArgumentError,
        ("rnn: nonlinearity expected 'tanh' or 'relu', got 'sine'",),
    ),
    ErrorCase(
        lambda: rnn_cell(np.zeros((2, 3)), *_zeros(1, 1)[1:], nonlinearity="sine"),
        ArgumentError,
        ("rnn_cell: nonlinearity expected 'tanh' or 'relu', got 'sine'",),
    ),
    ErrorCase(
        lambda: rnn_cell(*_zeros(1, 1)),
        ShapeError,
        ("rnn_cell: x expected shape (batch, features), got (2, 5, 3)",),
    ),
    ErrorCase(
        lambda: gru_cell(np.zeros((2, 7)), *_zeros(3, 1)[1:]),
        ShapeError,
        ("Did you mean GRUCell(input_size=7)?",),
    ),
    ErrorCase(
        lambda: lstm_cell(np.zeros((2, 3)), *_zeros(4, 2, weight_hh=(12, 4))[1:]),
        ShapeError,
        (
            "lstm_cell: weight_hh expected shape (4 · hidden, hidden), got (12, 4)",
            "input, forget, candidate and output",
        ),
    ),
]
