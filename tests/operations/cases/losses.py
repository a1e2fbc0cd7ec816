"""Rows of the losses and penalties."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import scipy.special

from deltarule.autodiff.conversion import tensor
from deltarule.errors import ArgumentError, DTypeError, OutOfBoundsError, ShapeError
from deltarule.operations.contrastive_loss import contrastive_loss
from deltarule.operations.cross_entropy import cross_entropy
from deltarule.operations.losses import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from deltarule.operations.multi_margin_loss import multi_margin_loss
from deltarule.operations.nll_loss import nll_loss
from deltarule.operations.penalties import elastic_penalty, l1_penalty, l2_penalty
from deltarule.operations.probability_losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    kl_div,
)
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(11)
REDUCTIONS = ("mean", "sum", "none")

# No difference is near 0, near 1 or near 0.7, where the regression losses have their corners.
TARGET = _generator.uniform(-1.0, 1.0, (2, 3))
GAPS = np.array([[0.3, -1.6, 0.5], [-0.4, 2.2, -0.25]])
INPUT = TARGET + GAPS
PROBABILITIES = _generator.uniform(0.15, 0.85, (2, 3))
LOGITS = _generator.normal(0.0, 1.5, (4, 3))
LABELS = np.array([2, 0, 1, 2])
WEIGHT = np.array([0.5, 2.0, 1.25])
SOFT = scipy.special.softmax(_generator.normal(0.0, 1.0, (4, 3)), axis=1)
IMAGE = _generator.normal(0.0, 1.0, (2, 3, 2, 2))
IMAGE_LABELS = np.array([[[0, 1], [2, 1]], [[2, 2], [0, 1]]])
FIRST, SECOND = _generator.normal(0.0, 1.0, (4, 3)), _generator.normal(0.0, 1.0, (4, 3))
# Between 0 and 1, so that differences may move them.
PAIRS = np.array([0.05, 0.9, 0.8, 0.25])


def _reduce(terms: Any, reduction: str, divisor: Any = None) -> Any:
    if reduction == "none":
        return terms
    return (
        np.sum(terms)
        if reduction == "sum"
        else np.sum(terms) / (np.size(terms) if divisor is None else divisor)
    )


def _pointwise(terms: Any) -> Any:
    return lambda input, target, reduction="mean", **options: _reduce(
        terms(input, target, **options), reduction
    )


def _squared(x: Any, t: Any) -> Any:
    return (x - t) ** 2


def _huber(x: Any, t: Any, delta: float = 1.0) -> Any:
    return scipy.special.huber(delta, x - t)


def _smooth(x: Any, t: Any, beta: float = 1.0) -> Any:
    return scipy.special.huber(beta, x - t) / beta if beta else np.abs(x - t)


def _binary(x: Any, t: Any) -> Any:
    return -(t * np.log(x) + (1 - t) * np.log(1 - x))


def _binary_logits(x: Any, t: Any, pos_weight: Any = 1.0) -> Any:
    return -(pos_weight * t * scipy.special.log_expit(x) + (1 - t) * scipy.special.log_expit(-x))


def _divergence(x: Any, t: Any, reduction: str, log_target: bool = False) -> Any:
    terms = np.exp(t) * (t - x) if log_target else scipy.special.xlogy(t, t) - t * x
    if reduction == "batchmean":
        return terms.sum() / len(terms)
    return _reduce(terms, reduction)


def _last(array: Any) -> Any:
    """The class axis moved to the end."""
    return array if np.ndim(array) < 2 else np.moveaxis(array, 1, -1)


def _nll(
    x: Any,
    t: Any,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int = -100,
    smoothing: float = 0.0,
) -> Any:
    x, t = _last(np.asarray(x)), np.asarray(t)
    classes = x.shape[-1]
    weight = np.ones(classes) if weight is None else weight
    terms, weights = np.zeros(t.shape), np.zeros(t.shape)
    for place in np.ndindex(t.shape):
        label = t[place]
        if label == ignore_index:
            continue
        weights[place] = weight[label]
        wanted = np.full(classes, smoothing / classes)
        wanted[label] += 1 - smoothing
        terms[place] = -np.sum(wanted * weight * x[place])
    return _reduce(terms, reduction, weights.sum())


def _cross_entropy(x: Any, t: Any, weight: Any = None, label_smoothing: float = 0.0, **options: Any) -> Any:
    axis = 1 if np.ndim(x) > 1 else 0
    return _nll(scipy.special.log_softmax(x, axis=axis), t, weight, smoothing=label_smoothing, **options)


def _soft(x: Any, t: Any, weight: Any = None, reduction: str = "mean", label_smoothing: float = 0.0) -> Any:
    x, t = _last(x), _last(t)
    wanted = t * (1 - label_smoothing) + label_smoothing / x.shape[-1]
    weight = 1.0 if weight is None else weight
    terms = -np.sum(weight * wanted * scipy.special.log_softmax(x, axis=-1), axis=-1)
    return _reduce(terms, reduction)


def _margin(
    x: Any, t: Any, weight: Any = None, p: int = 1, margin: float = 1.0, reduction: str = "mean"
) -> Any:
    x, t = _last(x), np.asarray(t)
    terms = np.zeros(t.shape)
    for place in np.ndindex(t.shape):
        scores, label = x[place], t[place]
        for wrong in range(len(scores)):
            if wrong != label:
                cost = max(0.0, margin - scores[label] + scores[wrong]) ** p
                terms[place] += (1.0 if weight is None else weight[label]) * cost / len(scores)
    return _reduce(terms, reduction)


def _margin_call(input: Any, target: Any, weight: Any = None, **options: Any) -> Any:
    """multi_margin_loss with the weight third, as a row's inputs come first."""
    return multi_margin_loss(input, target, weight=weight, **options)


def _contrastive(a: Any, b: Any, t: Any, margin: float = 1.0, reduction: str = "mean") -> Any:
    distance = np.linalg.norm(a - b, axis=-1)
    terms = 0.5 * ((1 - t) * distance**2 + t * np.maximum(0, margin - distance) ** 2)
    return _reduce(terms, reduction)


def _elastic(parameters: Any, strength: float = 1.0, l1_ratio: float = 0.5) -> Any:
    flat = np.concatenate([np.ravel(each) for each in parameters])
    return strength * (l1_ratio * np.abs(flat).sum() + 0.5 * (1 - l1_ratio) * (flat**2).sum())


def _elementwise_cases(function: Any, terms: Any, x: Any, t: Any, **options: Any) -> list[Case]:
    reference = _pointwise(terms)
    rows = [Case(function, (x, t), reference, {"reduction": each, **options}) for each in REDUCTIONS]
    return [
        *rows,
        Case(function, (x, t), reference, dict(options)),
        Case(function, (x[0, 0], t[0, 0]), reference, dict(options)),
        Case(function, (x[:1, :1], t[:1, :1]), reference, dict(options)),
        Case(function, (x[:0], t[:0]), reference, {"reduction": "sum", **options}),
        Case(function, (x[:0], t[:0]), reference, {"reduction": "none", **options}),
        Case(function, (x[0], t[0]), reference, dict(options), constant=(1,)),
    ]


def _class_cases(function: Any, reference: Any, operation: str) -> list[Case]:
    ignored = np.array([2, -100, 1, -100])
    padded = np.array([2, 0, 1, 0])
    rows = [
        *((LOGITS, LABELS, None, {"reduction": each}) for each in REDUCTIONS),
        *((LOGITS, LABELS, WEIGHT, {"reduction": each}) for each in REDUCTIONS),
        *((LOGITS, ignored, weight, {"reduction": each}) for each in REDUCTIONS for weight in (None, WEIGHT)),
        *((LOGITS, padded, None, {"reduction": each, "ignore_index": 0}) for each in REDUCTIONS),
        (LOGITS, LABELS.astype(np.uint8), None, {}),
        (LOGITS[:1], LABELS[:1], None, {}),
        (LOGITS[:1, :1], np.array([0]), None, {}),
        (LOGITS[0], LABELS[0], None, {}),
        (LOGITS[0], LABELS[0], WEIGHT, {"reduction": "none"}),
        (LOGITS[:0], LABELS[:0], None, {"reduction": "sum"}),
        (LOGITS[:0], LABELS[:0], WEIGHT, {"reduction": "none"}),
        *((IMAGE, IMAGE_LABELS, None, {"reduction": each}) for each in REDUCTIONS),
        *((IMAGE, IMAGE_LABELS, WEIGHT, {"reduction": each, "ignore_index": 2}) for each in REDUCTIONS),
        (IMAGE[:, :, 0], IMAGE_LABELS[:, 0], WEIGHT, {}),
    ]
    return [
        Case(
            function,
            (x, t) if weight is None else (x, t, weight),
            reference,
            options,
            operation=operation,
            constant=(2,),
        )
        for x, t, weight, options in rows
    ]


def _smoothed_cases() -> list[Case]:
    rows = itertools.product(REDUCTIONS, (None, WEIGHT), (-100, 2))
    options = [
        (
            (LOGITS, LABELS) if weight is None else (LOGITS, LABELS, weight),
            {"reduction": each, "ignore_index": ignore},
        )
        for each, weight, ignore in rows
    ]
    options += [((LOGITS[0], LABELS[0]), {}), ((IMAGE, IMAGE_LABELS, WEIGHT), {"ignore_index": 1})]
    return [
        Case(cross_entropy, inputs, _cross_entropy, {**each, "label_smoothing": 0.2}, constant=(2,))
        for inputs, each in options
    ]


def _soft_cases() -> list[Case]:
    rows: list[tuple[Any, dict[str, Any]]] = [((LOGITS, SOFT), {"reduction": each}) for each in REDUCTIONS]
    rows += [((LOGITS, SOFT, WEIGHT), {"reduction": each, "label_smoothing": 0.3}) for each in REDUCTIONS]
    rows += [
        ((LOGITS[0], SOFT[0]), {}),
        ((LOGITS[:0], SOFT[:0]), {"reduction": "sum"}),
        ((LOGITS[:1, :1], SOFT[:1, :1]), {"label_smoothing": 0.1}),
        ((IMAGE, scipy.special.softmax(IMAGE[::-1], axis=1), WEIGHT), {"reduction": "none"}),
        ((IMAGE, scipy.special.softmax(IMAGE[::-1], axis=1)), {"label_smoothing": 1.0}),
    ]
    return [
        Case(cross_entropy, inputs, _soft, options, operation="soft_cross_entropy", constant=(2,))
        for inputs, options in rows
    ]


def _margin_cases() -> list[Case]:
    rows: list[tuple[Any, dict[str, Any]]] = [
        ((LOGITS, LABELS), {"reduction": each, "p": p}) for each in REDUCTIONS for p in (1, 2)
    ]
    rows += [((LOGITS, LABELS, WEIGHT), {"reduction": each, "p": 2, "margin": 0.4}) for each in REDUCTIONS]
    rows += [
        ((LOGITS, LABELS, WEIGHT), {"margin": 2.5}),
        ((LOGITS, LABELS), {"margin": 0.0}),
        ((LOGITS[0], LABELS[0]), {}),
        ((LOGITS[:1, :1], np.array([0])), {}),
        ((LOGITS[:0], LABELS[:0]), {"reduction": "sum"}),
        ((IMAGE, IMAGE_LABELS, WEIGHT), {"reduction": "none"}),
    ]
    return [
        Case(_margin_call, inputs, _margin, options, operation="multi_margin_loss", constant=(2,))
        for inputs, options in rows
    ]


CASES: list[Case] = [
    *_elementwise_cases(mse_loss, _squared, INPUT, TARGET),
    *_elementwise_cases(l1_loss, lambda x, t: np.abs(x - t), INPUT, TARGET),
    *_elementwise_cases(huber_loss, _huber, INPUT, TARGET),
    *_elementwise_cases(huber_loss, _huber, INPUT, TARGET, delta=0.7),
    *_elementwise_cases(smooth_l1_loss, _smooth, INPUT, TARGET),
    *_elementwise_cases(smooth_l1_loss, _smooth, INPUT, TARGET, beta=0.7),
    Case(smooth_l1_loss, (INPUT, TARGET), _pointwise(_smooth), {"beta": 0.0}),
    Case(mse_loss, (INPUT, np.asarray(0.5)), _pointwise(_squared)),
    *_elementwise_cases(binary_cross_entropy, _binary, PROBABILITIES, PROBABILITIES[::-1]),
    Case(
        binary_cross_entropy,
        (PROBABILITIES, PROBABILITIES[::-1], GAPS[:, :1] ** 2),
        lambda x, t, w: np.mean(w * _binary(x, t)),
    ),
    Case(
        binary_cross_entropy,
        (PROBABILITIES, np.array([[0, 1, 1], [1, 0, 0]])),
        _pointwise(_binary),
        {"reduction": "sum"},
    ),
    *_elementwise_cases(binary_cross_entropy_with_logits, _binary_logits, INPUT, PROBABILITIES),
    *(
        Case(
            lambda x, t, p, **options: binary_cross_entropy_with_logits(x, t, pos_weight=p, **options),
            (INPUT, PROBABILITIES, WEIGHT),
            lambda x, t, p, reduction: _reduce(_binary_logits(x, t, p), reduction),
            {"reduction": each},
            operation="weighted_binary_log_loss_with_logits",
        )
        for each in REDUCTIONS
    ),
    Case(
        lambda x, t, w: binary_cross_entropy_with_logits(x, t, w, reduction="sum"),
        (INPUT, PROBABILITIES, WEIGHT),
        lambda x, t, w: np.sum(w * _binary_logits(x, t)),
        operation="binary_log_loss_with_logits",
    ),
    Case(
        lambda x, t, w, p: binary_cross_entropy_with_logits(x, t, w, pos_weight=p),
        (INPUT, PROBABILITIES, WEIGHT[:1], WEIGHT),
        lambda x, t, w, p: np.mean(w * _binary_logits(x, t, p)),
        operation="weighted_binary_log_loss_with_logits",
    ),
    *(
        Case(kl_div, (np.log(SOFT[::-1]), SOFT), _divergence, {"reduction": each})
        for each in (*REDUCTIONS, "batchmean")
    ),
    *(
        Case(
            kl_div,
            (np.log(SOFT[::-1]), np.log(SOFT)),
            _divergence,
            {"reduction": each, "log_target": True},
            operation="kl_div_of_logs",
        )
        for each in (*REDUCTIONS, "batchmean")
    ),
    Case(
        kl_div,
        (np.log(SOFT[:2]), np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])),
        _divergence,
        {"reduction": "sum"},
        constant=(1,),
    ),
    *_class_cases(nll_loss, _nll, "nll_loss"),
    *_class_cases(cross_entropy, _cross_entropy, "cross_entropy"),
    *_smoothed_cases(),
    *_soft_cases(),
    *_margin_cases(),
    *(
        Case(contrastive_loss, (FIRST, SECOND, PAIRS), _contrastive, {"reduction": each})
        for each in REDUCTIONS
    ),
    *(
        Case(contrastive_loss, (FIRST, SECOND, PAIRS), _contrastive, {"reduction": each, "margin": 4.0})
        for each in REDUCTIONS
    ),
    Case(contrastive_loss, (FIRST[0], SECOND[0], np.asarray(0.5)), _contrastive, {"margin": 5.0}),
    Case(contrastive_loss, (FIRST, SECOND, np.array([0, 1, 1, 0])), _contrastive, {"margin": 3.0}),
    Case(contrastive_loss, (FIRST[:0], SECOND[:0], PAIRS[:0]), _contrastive, {"reduction": "sum"}),
    Case(
        contrastive_loss,
        (IMAGE[0], IMAGE[1], PROBABILITIES[0][:, None] * np.ones(2)),
        _contrastive,
        {"margin": 4.0},
    ),
    Case(l1_penalty, ([GAPS, GAPS[0]],), lambda p, strength: _elastic(p, strength, 1.0), {"strength": 0.3}),
    Case(
        l2_penalty, ([GAPS, GAPS[0, 0]],), lambda p, strength: _elastic(p, strength, 0.0), {"strength": 0.3}
    ),
    Case(l2_penalty, (GAPS,), lambda p: _elastic([p], 1.0, 0.0)),
    Case(elastic_penalty, ([GAPS, GAPS[:0], GAPS[:1]],), _elastic, {"strength": 0.4, "l1_ratio": 0.25}),
    Case(elastic_penalty, ([GAPS],), _elastic, {"strength": 0.4, "l1_ratio": 1.0}),
    Case(elastic_penalty, ([GAPS],), _elastic, {"l1_ratio": 0.0}),
    Case(elastic_penalty, ([GAPS],), _elastic, {"strength": 0.0}),
]

_ONE_HOT = np.eye(3)[LABELS]
_TRAINED_WEIGHT = tensor(WEIGHT, requires_grad=True)
_ALL_FUNCTIONS = (
    (mse_loss, (INPUT, TARGET)),
    (l1_loss, (INPUT, TARGET)),
    (huber_loss, (INPUT, TARGET)),
    (smooth_l1_loss, (INPUT, TARGET)),
    (binary_cross_entropy, (PROBABILITIES, PROBABILITIES)),
    (binary_cross_entropy_with_logits, (INPUT, PROBABILITIES)),
    (kl_div, (np.log(SOFT), SOFT)),
    (nll_loss, (LOGITS, LABELS)),
    (cross_entropy, (LOGITS, LABELS)),
    (multi_margin_loss, (LOGITS, LABELS)),
    (contrastive_loss, (FIRST, SECOND, PAIRS)),
)

ERRORS = [
    *(
        ErrorCase(
            lambda function=function, inputs=inputs: function(*inputs, reduction="average"),
            ArgumentError,
            (f"{function.__name__}: reduction expected 'mean',", "got 'average'"),
        )
        for function, inputs in _ALL_FUNCTIONS
    ),
    *(
        ErrorCase(
            lambda function=function, inputs=inputs: function(*(each[:0] for each in inputs)),
            ShapeError,
            ("there is nothing to average in shape (0", "reduction='sum'"),
        )
        for function, inputs in _ALL_FUNCTIONS
    ),
    *(
        ErrorCase(
            lambda function=function, inputs=inputs: function(inputs[0], inputs[1][:, :2]),
            ShapeError,
            (f"{function.__name__}: input has shape (", ", target (", "Each input needs one target."),
        )
        for function, inputs in _ALL_FUNCTIONS[:7]
    ),
    ErrorCase(
        lambda: mse_loss(INPUT[:, :1], TARGET[:, 0]),
        ShapeError,
        ("mse_loss: input has shape (2, 1), target (2,)", "Use target.reshape((2, 1))."),
    ),
    ErrorCase(
        lambda: huber_loss(INPUT, TARGET, delta=0.0), ArgumentError, ("huber_loss: delta expected", "got 0.0")
    ),
    ErrorCase(
        lambda: smooth_l1_loss(INPUT, TARGET, beta=-1.0), ArgumentError, ("smooth_l1_loss: beta expected",)
    ),
    ErrorCase(
        lambda: binary_cross_entropy(INPUT, PROBABILITIES),
        ArgumentError,
        ("binary_cross_entropy: input expected numbers from 0 to 1, got", "binary_cross_entropy_with_logits"),
    ),
    ErrorCase(
        lambda: binary_cross_entropy(PROBABILITIES, PROBABILITIES * 9),
        ArgumentError,
        ("binary_cross_entropy: target expected numbers from 0 to 1", "use cross_entropy"),
    ),
    ErrorCase(
        lambda: binary_cross_entropy_with_logits(INPUT, PROBABILITIES - 1),
        ArgumentError,
        ("binary_cross_entropy_with_logits: target expected numbers from 0 to 1, got -0.",),
    ),
    ErrorCase(
        lambda: binary_cross_entropy(PROBABILITIES, PROBABILITIES, np.ones((2, 2))),
        ShapeError,
        ("binary_cross_entropy: weight of shape (2, 2) does not spread to input's (2, 3)",),
    ),
    ErrorCase(
        lambda: binary_cross_entropy_with_logits(INPUT, PROBABILITIES, pos_weight=np.ones((4, 2, 3))),
        ShapeError,
        ("pos_weight of shape (4, 2, 3) does not spread to input's (2, 3)",),
    ),
    ErrorCase(
        lambda: kl_div(LOGITS, LOGITS),
        ArgumentError,
        ("kl_div: target expected probabilities", "log_target=True"),
    ),
    ErrorCase(
        lambda: kl_div(0.0, 1.0, reduction="batchmean"),
        ShapeError,
        ("kl_div: batchmean needs a batch, input has shape ()",),
    ),
    *(
        ErrorCase(
            lambda function=function: function(LOGITS, LABELS + 1),
            OutOfBoundsError,
            (
                f"{function.__name__}: target[0] is class 3, input has 3 classes (0 to 2)",
                "Count classes from 0",
            ),
        )
        for function in (nll_loss, cross_entropy, multi_margin_loss)
    ),
    ErrorCase(
        lambda: cross_entropy(IMAGE, IMAGE_LABELS - 1),
        OutOfBoundsError,
        ("cross_entropy: target[0, 0, 0] is class -1",),
    ),
    ErrorCase(
        lambda: cross_entropy(LOGITS[0], 7),
        OutOfBoundsError,
        ("cross_entropy: target is class 7, input has 3",),
    ),
    ErrorCase(
        lambda: multi_margin_loss(LOGITS, np.array([0, 1, -100, 2])),
        OutOfBoundsError,
        ("multi_margin_loss: target[2] is class -100",),
    ),
    *(
        ErrorCase(
            lambda function=function: function(LOGITS, LABELS.astype(float)),
            DTypeError,
            (
                f"{function.__name__}: target expected integer class numbers, got float64 of shape (4,)",
                "target.astype('int64')",
            ),
        )
        for function in (nll_loss, cross_entropy, multi_margin_loss)
    ),
    ErrorCase(
        lambda: cross_entropy(LOGITS, _ONE_HOT.astype(int)),
        ShapeError,
        ("cross_entropy: target has shape (4, 3), input (4, 3): expected target (4,)", "labels.argmax(1)"),
    ),
    ErrorCase(
        lambda: nll_loss(LOGITS, LABELS[:, None]),
        ShapeError,
        ("nll_loss: target has shape (4, 1), input (4, 3): expected target (4,)", "target.reshape((4,))"),
    ),
    ErrorCase(
        lambda: cross_entropy(LOGITS, LABELS[:3]),
        ShapeError,
        ("expected target (4,)", "The class axis comes second"),
    ),
    ErrorCase(
        lambda: cross_entropy(1.0, 0),
        ShapeError,
        ("cross_entropy: input expected logits of several classes",),
    ),
    ErrorCase(
        lambda: cross_entropy(LOGITS[:, :0], LABELS),
        ShapeError,
        ("cross_entropy: input of shape (4, 0) has no classes",),
    ),
    ErrorCase(
        lambda: cross_entropy(LOGITS, LABELS, WEIGHT[:2]),
        ShapeError,
        ("cross_entropy: weight has shape (2,), expected (3,)", "one factor for each class"),
    ),
    ErrorCase(
        lambda: cross_entropy(LOGITS, LABELS, _TRAINED_WEIGHT),
        ArgumentError,
        ("cross_entropy: weight requires a gradient", "weight.detach()"),
    ),
    ErrorCase(
        lambda: nll_loss(LOGITS, LABELS, -WEIGHT),
        ArgumentError,
        ("nll_loss: weight expected factors of at least 0, got -2",),
    ),
    ErrorCase(
        lambda: cross_entropy(LOGITS, LABELS, label_smoothing=1.5),
        ArgumentError,
        ("cross_entropy: label_smoothing expected 0 to 1, got 1.5",),
    ),
    ErrorCase(
        lambda: cross_entropy(LOGITS, np.full(4, -100)),
        ArgumentError,
        ("cross_entropy: all targets are -100 and ignored: there is nothing to average",),
    ),
    ErrorCase(
        lambda: cross_entropy(LOGITS[:2], np.array([0, 0]), np.array([0.0, 1.0, 1.0])),
        ArgumentError,
        ("cross_entropy: the classes of all targets weigh 0",),
    ),
    ErrorCase(
        lambda: multi_margin_loss(LOGITS, LABELS, p=3),
        ArgumentError,
        ("multi_margin_loss: p expected 1 or 2",),
    ),
    ErrorCase(
        lambda: multi_margin_loss(LOGITS, LABELS, margin=-1.0),
        ArgumentError,
        ("multi_margin_loss: margin expected",),
    ),
    ErrorCase(
        lambda: contrastive_loss(FIRST, SECOND[:3], PAIRS),
        ShapeError,
        ("contrastive_loss: input1 has shape (4, 3), input2 (3, 3)",),
    ),
    ErrorCase(
        lambda: contrastive_loss(FIRST, SECOND, PAIRS[:3]),
        ShapeError,
        ("contrastive_loss: target has shape (3,), expected (4,)", "0 for similar, 1 for dissimilar"),
    ),
    ErrorCase(
        lambda: contrastive_loss(FIRST, SECOND, PAIRS * 2 - 1),
        ArgumentError,
        ("contrastive_loss: target expected numbers from 0 to 1, got -0.9",),
    ),
    ErrorCase(
        lambda: contrastive_loss(FIRST, SECOND, PAIRS, margin=0.0),
        ArgumentError,
        ("contrastive_loss: margin expected",),
    ),
    ErrorCase(lambda: l1_penalty([]), ArgumentError, ("l1_penalty: expected parameters, got none",)),
    ErrorCase(
        lambda: l2_penalty(GAPS, strength=-1.0), ArgumentError, ("l2_penalty: strength expected at least 0",)
    ),
    ErrorCase(lambda: l2_penalty(3.0), DTypeError, ("l2_penalty: expected tensors, got float",)),
    ErrorCase(
        lambda: elastic_penalty(GAPS, l1_ratio=2.0),
        ArgumentError,
        ("elastic_penalty: l1_ratio expected 0 to 1, got 2.0",),
    ),
]
