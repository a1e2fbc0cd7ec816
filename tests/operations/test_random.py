"""The generator: seeded, saved, restored; and what is drawn from it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from deltarule.errors import ArgumentError, DTypeError, ShapeError
from deltarule.operations import random

DRAWS: list[Any] = [
    lambda: random.rand(5),
    lambda: random.randn(2, 3, dtype=np.float64),
    lambda: random.normal(1.0, 2.0, 4),
    lambda: random.randint(10, size=(6,)),
    lambda: random.permutation(9),
]


@pytest.mark.parametrize("draw", DRAWS)
def test_a_seed_repeats_and_continues(draw: Any) -> None:
    random.manual_seed(11)
    first, second = draw().tolist(), draw().tolist()
    assert first != second
    random.manual_seed(11)
    assert [draw().tolist(), draw().tolist()] == [first, second]


@pytest.mark.parametrize("draw", DRAWS)
def test_a_state_survives_json(draw: Any) -> None:
    random.manual_seed(12)
    # An odd number of 32-bit draws leaves half a word behind, which belongs to the state.
    random.rand(3)
    state = json.loads(json.dumps(random.get_random_state()))
    expected = [draw().tolist(), random.rand(3).tolist()]
    random.set_random_state(state)
    assert [draw().tolist(), random.rand(3).tolist()] == expected


def test_the_generator_stays_the_same_object() -> None:
    before = random.generator()
    random.manual_seed(1)
    random.set_random_state(random.get_random_state())
    assert random.generator() is before


def test_distributions() -> None:
    random.manual_seed(0)
    uniform, normal = random.rand(50_000).numpy(), random.normal(3.0, 2.0, (50_000,)).numpy()
    assert 0 <= uniform.min() and uniform.max() < 1 and abs(uniform.mean() - 0.5) < 0.01
    assert abs(normal.mean() - 3) < 0.05 and abs(normal.std() - 2) < 0.05
    assert abs(random.randn(50_000).numpy().std() - 1) < 0.02
    assert set(random.randint(-2, 2, (500,)).tolist()) == {-2, -1, 0, 1}
    assert sorted(random.permutation(50).tolist()) == list(range(50))


def test_shapes_and_types() -> None:
    assert random.rand((2, 3)).shape == random.rand(2, 3).shape == (2, 3)
    assert random.rand().shape == random.randint(4).shape == ()
    assert random.rand(2).dtype == random.normal(0, 1, 2).dtype == np.float32
    assert random.randn(2, dtype=np.float16).dtype == np.float16
    assert random.randint(4, size=3, dtype=np.uint8).dtype == np.uint8
    assert random.randn(2, requires_grad=True).requires_grad


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda: random.manual_seed(-1),
            ArgumentError,
            "manual_seed: seed expected a whole number of 0 or more, got -1",
        ),
        (lambda: random.manual_seed(True), ArgumentError, "got True"),
        (lambda: random.manual_seed(1.5), ArgumentError, "got 1.5"),
        (
            lambda: random.set_random_state({}),
            ArgumentError,
            "set_random_state: expected what get_random_state",
        ),
        (lambda: random.set_random_state("x"), ArgumentError, "got str"),
        (
            lambda: random.rand(-1),
            ShapeError,
            "rand: expected a shape of whole numbers of 0 or more, got (-1,)",
        ),
        (lambda: random.randn(2.0), ShapeError, "randn: expected a shape of whole numbers"),
        (lambda: random.rand(2, dtype=np.int64), DTypeError, "rand: only floating tensors"),
        (
            lambda: random.normal(0, -1, 2),
            ArgumentError,
            "normal: std expected a number of 0 or more, got -1",
        ),
        (lambda: random.randint(3, 3), ArgumentError, "randint: expected low < high, got 3 and 3"),
        (lambda: random.randint(3, dtype=np.float32), DTypeError, "randint: dtype expected an integer type"),
        (
            lambda: random.randint(0, 300, dtype=np.uint8),
            ArgumentError,
            "randint: 0 to 300 does not fit uint8",
        ),
        (lambda: random.permutation(-2), ShapeError, "permutation: expected a shape"),
    ],
)
def test_bad_requests_are_answered_clearly(call: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)
