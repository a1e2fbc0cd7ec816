"""Rows of normalisations; the reference normalises one group of elements at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations import dropout, normalisation
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(17)


def _draw(*shape: int) -> Any:
    return _generator.normal(size=shape)


def _standardised(part: Any, eps: float) -> Any:
    return (part - part.mean()) / np.sqrt(part.var() + eps)


def _channelwise(x: Any, values: Any) -> Any:
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def _batch_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    y = np.zeros_like(x)
    for channel in range(x.shape[1]):
        y[:, channel] = _standardised(x[:, channel], eps)
    y = y if weight is None else y * _channelwise(x, weight)
    return y if bias is None else y + _channelwise(x, bias)


def _train(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    return normalisation.batch_norm(x, None, None, weight, bias, training=True, eps=eps)


def _train_with_bias_alone(x: Any, bias: Any) -> Any:
    return normalisation.batch_norm(x, None, None, None, bias, training=True)


def _evaluate(
    x: Any, mean: Any, variance: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    return normalisation.batch_norm(x, mean, variance, weight, bias, eps=eps)


def _evaluated(
    x: Any, mean: Any, variance: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    y = (x - _channelwise(x, mean)) / np.sqrt(_channelwise(x, variance) + eps)
    y = y if weight is None else y * _channelwise(x, weight)
    return y if bias is None else y + _channelwise(x, bias)


def _sizes(normalized_shape: Any) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


def _layer(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    sizes = _sizes(normalized_shape)
    rows = x.reshape(-1, int(np.prod(sizes)))
    y = np.array([_standardised(row, eps) for row in rows]).reshape(x.shape)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _rms(x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    rows = x.reshape(-1, int(np.prod(_sizes(normalized_shape))))
    eps = np.finfo(x.dtype).eps if eps is None else eps
    y = np.array([row / np.sqrt(np.mean(row**2) + eps) for row in rows]).reshape(x.shape)
    return y if weight is None else y * weight


def _group(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    share = x.shape[1] // num_groups
    y = np.zeros_like(x)
    for sample in range(x.shape[0]):
        for first in range(0, x.shape[1], share):
            y[sample, first : first + share] = _standardised(x[sample, first : first + share], eps)
    y = y if weight is None else y * _channelwise(x, weight)
    return y if bias is None else y + _channelwise(x, bias)


def _layer_norm(normalized_shape: Any) -> Any:
    return lambda x, *affine, **options: normalisation.layer_norm(x, normalized_shape, *affine, **options)


def _layer_reference(normalized_shape: Any) -> Any:
    return lambda x, *affine, **options: _layer(x, normalized_shape, *affine, **options)


def _rms_norm(normalized_shape: Any) -> Any:
    return lambda x, *weight, **options: normalisation.rms_norm(x, normalized_shape, *weight, **options)


def _rms_reference(normalized_shape: Any) -> Any:
    return lambda x, *weight, **options: _rms(x, normalized_shape, *weight, **options)


def _group_norm(num_groups: int) -> Any:
    return lambda x, *affine, **options: normalisation.group_norm(x, num_groups, *affine, **options)


def _group_reference(num_groups: int) -> Any:
    return lambda x, *affine, **options: _group(x, num_groups, *affine, **options)


def _masked(x: Any, mask: Any, p: float) -> Any:
    return x * mask / (1 - p) if p < 1 else x * 0.0


_VARIANCE = _generator.uniform(0.5, 2.0, 2)

CASES: list[Case] = [
    *(
        Case(_train, inputs, _batch_norm, options, operation="batch_norm")
        for inputs, options in (
            ((_draw(4, 2),), {}),
            ((_draw(4, 2), _draw(2)), {"eps": 0.1}),
            ((_draw(3, 2, 4), _draw(2), _draw(2)), {}),
            ((_draw(2, 2, 3, 2), _draw(2), _draw(2)), {"eps": 1e-3}),
            ((_draw(1, 1, 2, 2), _draw(1), _draw(1)), {}),
        )
    ),
    Case(
        _train_with_bias_alone,
        (_draw(3, 2), _draw(2)),
        lambda x, bias: _batch_norm(x, None, bias),
        operation="batch_norm",
    ),
    *(
        Case(_evaluate, inputs, _evaluated, options, operation="batch_norm_evaluation")
        for inputs, options in (
            ((_draw(3, 2), _draw(2), _VARIANCE), {}),
            ((_draw(3, 2, 2), _draw(2), _VARIANCE, _draw(2)), {"eps": 0.2}),
            ((_draw(2, 2, 2, 3), _draw(2), _VARIANCE, _draw(2), _draw(2)), {}),
            ((_draw(1, 2), _draw(2), _VARIANCE, _draw(2), _draw(2)), {}),
            ((_draw(0, 2, 2), _draw(2), _VARIANCE, _draw(2), _draw(2)), {}),
        )
    ),
    Case(
        _evaluate,
        (_draw(3, 2), _draw(2), _VARIANCE, _draw(2), _draw(2)),
        _evaluated,
        operation="batch_norm_evaluation",
        constant=(1, 2),
    ),
    *(
        Case(_layer_norm(shape), inputs, _layer_reference(shape), options, operation="layer_norm")
        for shape, inputs, options in (
            (3, (_draw(2, 3),), {}),
            ((3,), (_draw(2, 2, 3), _draw(3)), {"eps": 0.1}),
            ([2, 3], (_draw(2, 2, 3), _draw(2, 3), _draw(2, 3)), {}),
            (4, (_draw(4), _draw(4), _draw(4)), {}),
            (3, (_draw(0, 3), _draw(3), _draw(3)), {}),
            (1, (_draw(2, 1), _draw(1), _draw(1)), {"eps": 1.0}),
        )
    ),
    *(
        Case(_rms_norm(shape), inputs, _rms_reference(shape), options, operation="rms_norm", float32=exact)
        for shape, inputs, options, exact in (
            (3, (_draw(2, 3),), {}, True),
            ((2, 3), (_draw(2, 2, 3), _draw(2, 3)), {"eps": 0.1}, True),
            (4, (_draw(4), _draw(4)), {"eps": 0.01}, True),
            (3, (_draw(0, 3), _draw(3)), {}, True),
        )
    ),
    *(
        Case(_group_norm(groups), inputs, _group_reference(groups), options, operation="group_norm")
        for groups, inputs, options in (
            (2, (_draw(2, 4),), {}),
            (2, (_draw(2, 4, 3), _draw(4)), {"eps": 0.1}),
            (1, (_draw(2, 2, 2, 2), _draw(2), _draw(2)), {}),
            (2, (_draw(2, 2, 2, 2), _draw(2), _draw(2)), {}),
            (2, (_draw(0, 4, 2), _draw(4), _draw(4)), {}),
        )
    ),
    *(
        Case(dropout.masked_dropout, (_draw(2, 3, 2), mask), _masked, {"p": p}, operation="dropout")
        for mask, p in (
            (_draw(2, 3, 2) > 0, 0.5),
            (_draw(2, 3, 1) > 0, 0.2),
            (_draw(2, 3, 2) > 0, 0.0),
            (np.zeros((2, 3, 2), bool), 1.0),
        )
    ),
    Case(
        dropout.masked_dropout, (_draw(0, 3), np.ones((0, 3), bool)), _masked, {"p": 0.1}, operation="dropout"
    ),
]

_ROWS, _IMAGE = _draw(4, 3), _draw(2, 4, 2, 2)
_MEAN, _SPREAD = np.zeros(3), np.ones(3)

ERRORS: list[ErrorCase] = [
    ErrorCase(
        lambda: normalisation.batch_norm(_ROWS, None, _SPREAD),
        ArgumentError,
        (
            "batch_norm: running_mean and running_var expected arrays outside training, got None",
            "training=True",
        ),
    ),
    ErrorCase(
        lambda: normalisation.batch_norm(_ROWS[0], _MEAN, _SPREAD),
        ShapeError,
        ("batch_norm: x expected at least 2 axes (batch, channels, ...), got shape (3,)",),
    ),
    ErrorCase(
        lambda: normalisation.batch_norm(_ROWS[0], None, None, training=True),
        ShapeError,
        ("batch_norm: x expected at least 2 axes (batch, channels, ...), got shape (3,)",),
    ),
    ErrorCase(
        lambda: normalisation.batch_norm(_ROWS, _MEAN[:2], _SPREAD),
        ShapeError,
        ("batch_norm: running_mean expected shape (3,), got (2,) (x (4, 3))",),
    ),
    ErrorCase(
        lambda: normalisation.batch_norm(_ROWS, _MEAN, _SPREAD[:2], training=True),
        ShapeError,
        ("batch_norm: running_var expected shape (3,), got (2,) (x (4, 3))",),
    ),
    ErrorCase(
        lambda: normalisation.batch_norm(_ROWS, None, None, _MEAN[:1], training=True),
        ShapeError,
        ("batch_norm: weight expected shape (3,), got (1,) (x (4, 3))",),
    ),
    ErrorCase(
        lambda: normalisation.batch_norm(_ROWS, _MEAN, _SPREAD, _MEAN, _MEAN[:1]),
        ShapeError,
        ("batch_norm: bias expected shape (3,), got (1,) (x (4, 3))",),
    ),
    ErrorCase(
        lambda: normalisation.batch_norm(_ROWS[:1], None, None, training=True),
        ShapeError,
        ("batch_norm: expected more than 1 value(s) to normalise over, got x of shape (1, 3)",),
    ),
    ErrorCase(
        lambda: normalisation.batch_norm(_ROWS, None, None, training=True, momentum=1.5),
        ArgumentError,
        ("batch_norm: momentum expected a number from 0 to 1, got 1.5",),
    ),
    ErrorCase(
        lambda: normalisation.batch_norm(_ROWS, _MEAN, _SPREAD, eps=-1.0),
        ArgumentError,
        ("batch_norm: eps expected a number of 0 or more, got -1.0",),
    ),
    ErrorCase(
        lambda: normalisation.layer_norm(_ROWS, (4, 3, 1)),
        ShapeError,
        ("layer_norm: the last axes of x expected normalized_shape (4, 3, 1), got x of shape (4, 3)",),
    ),
    ErrorCase(
        lambda: normalisation.layer_norm(_ROWS, 4),
        ShapeError,
        (
            "layer_norm: the last axes of x expected normalized_shape (4,)",
            "Did you mean normalized_shape=(3,)?",
        ),
    ),
    ErrorCase(
        lambda: normalisation.layer_norm(_ROWS, ()),
        ShapeError,
        (
            "layer_norm: the last axes of x expected normalized_shape ()",
            "Did you mean normalized_shape=(3,)?",
        ),
    ),
    ErrorCase(
        lambda: normalisation.layer_norm(_ROWS, 3, _MEAN[:2]),
        ShapeError,
        ("layer_norm: weight expected shape (3,), got (2,) (x (4, 3))",),
    ),
    ErrorCase(
        lambda: normalisation.layer_norm(_ROWS, 0),
        ArgumentError,
        ("layer_norm: normalized_shape expected an integer of at least 1, got 0",),
    ),
    ErrorCase(
        lambda: normalisation.rms_norm(_ROWS, 2),
        ShapeError,
        ("rms_norm: the last axes of x expected normalized_shape (2,), got x of shape (4, 3)",),
    ),
    ErrorCase(
        lambda: normalisation.rms_norm(_ROWS, 3, eps="small"),
        ArgumentError,
        ("rms_norm: eps expected a number of 0 or more, got 'small'",),
    ),
    ErrorCase(
        lambda: normalisation.group_norm(_IMAGE, 3),
        ShapeError,
        (
            "group_norm: the channels of x (2, 4, 2, 2) expected to be a multiple of num_groups",
            "got num_groups=3",
        ),
    ),
    ErrorCase(
        lambda: normalisation.group_norm(_IMAGE[0, 0, 0], 1),
        ShapeError,
        ("group_norm: x expected at least 2 axes (batch, channels, ...), got shape (2,)",),
    ),
    ErrorCase(
        lambda: normalisation.group_norm(_IMAGE, 0),
        ArgumentError,
        ("group_norm: num_groups expected an integer of at least 1, got 0",),
    ),
    ErrorCase(
        lambda: normalisation.group_norm(_IMAGE[:, :, :0], 2),
        ShapeError,
        ("group_norm: expected more than 0 value(s) to normalise over, got x of shape (2, 4, 0, 2)",),
    ),
    ErrorCase(
        lambda: dropout.masked_dropout(_ROWS, np.ones((4, 2), bool), 0.5),
        ShapeError,
        ("dropout: mask expected shape (4, 3) (or 1 along some axes), got (4, 2)",),
    ),
    ErrorCase(
        lambda: dropout.dropout(_ROWS, 1.5),
        ArgumentError,
        ("dropout: p expected a probability from 0 to 1, got 1.5",),
    ),
    ErrorCase(
        lambda: dropout.dropout2d(_ROWS, -0.1),
        ArgumentError,
        ("dropout2d: p expected a probability from 0 to 1",),
    ),
    ErrorCase(
        lambda: dropout.dropout2d(_ROWS[0]),
        ShapeError,
        ("dropout2d: x expected at least 2 axes", "got shape (3,)"),
    ),
]
