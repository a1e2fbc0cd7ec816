"""Computations that nobody writes on purpose: odd shapes, zeros where one divides, and random ones.

Of each every formula is compared with the engine, at the top and opened, its program is run, and it is
written in every form.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import nn
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.explain.derivations.derivation import Derivation, derive, known_arrays
from deltarule.explain.derivations.program import program_of
from tests.explain.networks_explained import numbers


def of(*elements: Any, requires_grad: bool = True) -> Tensor:
    return dr.tensor(np.array(elements, np.float64), requires_grad=requires_grad)


def _normalised_single_features() -> Tensor:
    model = nn.Sequential(nn.Linear(3, 1), nn.RMSNorm(1), nn.Linear(1, 2), nn.LayerNorm(2), nn.Linear(2, 1))
    return (model.astype("float64")(numbers(2, 3, requires_grad=False)) ** 2).sum()


def _layer_norm_of_one() -> Tensor:
    model = nn.Sequential(nn.Linear(3, 1), nn.LayerNorm(1), nn.Tanh(), nn.Linear(1, 2)).astype("float64")
    return (model(numbers(2, 3, requires_grad=False)) ** 2).mean()


def _residual() -> Tensor:
    inner, outer = (nn.Conv2d(1, 1, 3, padding=1).astype("float64") for _ in range(2))
    x = numbers(1, 1, 4, 4, requires_grad=False)
    return (dr.relu(x + outer(dr.relu(inner(x)))) ** 2).mean()


def _joined_twice() -> Tensor:
    x = numbers(1, 2)
    return (dr.concat([x * 2.0, dr.concat([x, x + 1.0], axis=1)], axis=1) ** 2).sum()


COMPUTATIONS: dict[str, Callable[[], Tensor]] = {
    "a loss of shape (1, 1)": lambda: (numbers(1, 2) @ numbers(2, 1, seed=1) - 1.0) ** 2,
    "a loss that is another shape": lambda: dr.reshape(numbers(1, 2) @ numbers(2, 1, seed=1), (1,)),
    "a loss that is a sum of broadcast arrays": lambda: of(2.0) - of([[3.0]]),
    "a loss that was stacked": lambda: dr.stack([numbers(2).sum()]),
    "a loss that was picked by a mask": lambda: numbers(2)[dr.tensor([False, True])],
    "a loss that was flipped": lambda: dr.flip(of(3.0)),
    "a product along an axis of one": lambda: dr.prod(numbers(1, 3), axis=1),
    "the variance of one row": lambda: dr.var(numbers(1, 4), axis=1),
    "a recurrence of one number": lambda: nn.LSTM(1, 1).astype("float64")(of([[1.0]]))[0],
    "a deviation that is zero": lambda: dr.std(of([1.0, 1.0], [2.0, 4.0]), axis=1).sum(),
    "the length of a zero vector": lambda: dr.vector_norm(of([0.0, 0.0], [3.0, 4.0]), axis=1).sum(),
    "the 3-norm of a zero vector": lambda: dr.vector_norm(of([0.0, 0.0], [3.0, 4.0]), axis=1, ord=3).sum(),
    "a gradient that cancels": lambda: dr.softmax(numbers(3, 4), axis=1).sum(),
    "features of one number, normalised": _normalised_single_features,
    "a mean and a variance of one number": _layer_norm_of_one,
    "a sum beside a convolution": _residual,
    "a slice of a slice": _joined_twice,
    "a mean that is repeated": lambda: dr.repeat(numbers(4, 1).mean(0, keepdims=True), 2, axis=1).sum(),
    "no elements": lambda: (nn.Linear(3, 2).astype("float64")(numbers(0, 3)) ** 2).sum(),
}


def _missed(derivation: Derivation) -> list[str]:
    """Statements and results of the program that miss the engine's numbers."""
    missed = []
    for statement in derivation.statements:
        for error in (statement.index_error, statement.matrix_error):
            if error is not None and not error < 1e-6:
                missed.append(f"{statement.defines}: {error}")
    known = known_arrays(derivation.trace, derivation.notation)
    with np.errstate(all="ignore"):
        computed = program_of(derivation).run()
    for name, found in computed.items():
        if name in known:
            scale = max(1.0, float(np.max(np.abs(known[name]), initial=0.0)))
            if np.shape(found) != np.shape(known[name]):
                missed.append(f"{name}: shape {np.shape(found)} for {np.shape(known[name])}")
            elif not np.allclose(found, known[name], 0, 1e-10 * scale, equal_nan=True):
                missed.append(f"{name} of the program")
    wanted = {
        derivation.notation.gradient(value.number)
        for value in derivation.trace.values
        if value.made_by is None and value.gradient is not None and value.parent is None
    }
    return [*missed, *(f"{name} is missing" for name in wanted.difference(computed))]


@pytest.mark.parametrize("name", COMPUTATIONS)
def test_odd_computations(name):
    assert _missed(derive(COMPUTATIONS[name]())) == []
    assert _missed(derive(COMPUTATIONS[name](), open=lambda step: True)) == []
    explanation = dr.explain(COMPUTATIONS[name]())
    assert explanation.largest_error < 1e-6
    for form in ("html", "latex", "markdown", "text", "svg"):
        assert getattr(explanation, form)()


# ---- random computations: (how many axes it needs, what it makes of x)

Make = Callable[[Tensor, Sequence[Tensor], random.Random], Tensor]


def _like(x: Tensor, others: Sequence[Tensor], choose: random.Random) -> Tensor:
    """Another tensor that x can be joined with element by element; x itself, too."""
    fitting = [each for each in others if each.shape in (x.shape, x.shape[1:], ())]
    return choose.choice(fitting)


def _axis(x: Tensor, choose: random.Random) -> int:
    return choose.randrange(-x.ndim, x.ndim)


STEPS: list[tuple[int, Make]] = [
    (0, lambda x, others, choose: x + _like(x, others, choose)),
    (0, lambda x, others, choose: _like(x, others, choose) - x),
    (0, lambda x, others, choose: x * _like(x, others, choose)),
    (0, lambda x, others, choose: x / (dr.square(_like(x, others, choose)) + 1.0)),
    (0, lambda x, others, choose: dr.maximum(x, _like(x, others, choose))),
    (0, lambda x, others, choose: dr.where(x > 0.0, x, _like(x, others, choose))),
    (0, lambda x, others, choose: choose.choice([dr.tanh, dr.sigmoid, dr.relu, dr.abs, dr.gelu])(x)),
    (0, lambda x, others, choose: dr.sqrt(dr.square(x) + 1.0)),
    (0, lambda x, others, choose: x.detach() * x),
    (0, lambda x, others, choose: dr.reshape(x, choose.choice([(-1,), (1, -1), (*x.shape, 1)]))),
    (0, lambda x, others, choose: dr.broadcast_to(x, (2, *x.shape))),
    (0, lambda x, others, choose: dr.stack([x, _like(x, [x], choose), x * 2.0])),
    (0, lambda x, others, choose: dr.vector_norm(x, ord=choose.choice([1, 2, 3]))),
    (1, lambda x, others, choose: choose.choice([dr.sum, dr.mean, dr.max])(x, axis=_axis(x, choose))),
    (1, lambda x, others, choose: dr.prod(x, axis=_axis(x, choose))),
    (1, lambda x, others, choose: dr.var(x, axis=_axis(x, choose), keepdims=choose.random() < 0.5)),
    (1, lambda x, others, choose: dr.std(x, axis=_axis(x, choose), keepdims=choose.random() < 0.5)),
    (1, lambda x, others, choose: choose.choice([dr.softmax, dr.logsumexp])(x, axis=_axis(x, choose))),
    (1, lambda x, others, choose: dr.cumulative_sum(x, axis=_axis(x, choose))),
    (1, lambda x, others, choose: dr.flip(x, axis=_axis(x, choose))),
    (1, lambda x, others, choose: dr.concat([x, -x], axis=_axis(x, choose))),
    (1, lambda x, others, choose: x[choose.choice([0, -1, slice(1, None), slice(None, None, -1)])]),
    (1, lambda x, others, choose: dr.take(x, dr.tensor([0, 0]), axis=_axis(x, choose))),
    (1, lambda x, others, choose: dr.sort(x, axis=_axis(x, choose))),
    (1, lambda x, others, choose: dr.pad(x, ((1, 0),) * x.ndim)),
    (2, lambda x, others, choose: x @ x.mT),
    (2, lambda x, others, choose: dr.permute_dims(x, (*range(1, x.ndim), 0))),
    (2, lambda x, others, choose: dr.linear(x, numbers(2, x.shape[-1], seed=3), numbers(2, seed=4))),
]


def _random(seed: int) -> Tensor:
    """A loss of a few steps, each from one of the values before."""
    choose = random.Random(seed)
    shapes = [choose.choice([(), (1,), (3,), (1, 1), (2, 3), (1, 3), (2, 1, 3)]) for _ in range(2)]
    values = [numbers(*shape, seed=seed + place) for place, shape in enumerate(shapes)]
    while sum(value.node is not None for value in values) < 4:
        x = choose.choice(values)
        made = choose.choice([make for axes, make in STEPS if x.ndim >= axes])
        try:
            y = made(x, values, choose)
        except (ArgumentError, ShapeError):
            # Axes of no elements, or too many of them.
            continue
        if 0 < y.size < 200 and float(dr.abs(y).max().item()) < 1e3:
            values.append(y)
    loss = values[-1]
    if loss.size > 1 or choose.random() < 0.3:
        loss = (loss * loss).sum() + 0.5 * values[-2].mean()
    return loss


@pytest.mark.parametrize("first", range(0, 150, 25))
def test_random_computations(first):
    for seed in range(first, first + 25):
        assert _missed(derive(_random(seed))) == [], seed
        if seed % 5 == 0:
            assert _missed(derive(_random(seed), open=lambda step: True)) == [], seed
            assert dr.explain(_random(seed)).html(), seed
