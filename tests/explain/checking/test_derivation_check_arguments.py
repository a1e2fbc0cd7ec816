"""Options outside their ranges, missing inputs, names that are none: errors say who, what and the fix."""

import re

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.explain.checking.derivation_check import check_derivation

X = np.array([0.5, -1.0])
TANH = {"x": "dy ⊙ (1 - y^2)"}


@pytest.mark.parametrize(
    ("options", "problem", "fix"),
    [
        ({"tolerance": -1}, "tolerance expected a number between 0 and 1, got -1", "The default is 1e-6."),
        ({"tolerance": 0}, "tolerance expected a number between 0 and 1, got 0", "The default is 1e-6."),
        ({"tolerance": "small"}, "tolerance expected a number between 0 and 1, got 'small'", "1e-6."),
        ({"tolerance": True}, "tolerance expected a number between 0 and 1, got True", "1e-6."),
        ({"tolerance": float("nan")}, "tolerance expected a number between 0 and 1, got nan", "1e-6."),
        ({"patience": "long"}, "patience expected seconds, 0 or more, got 'long'", "The default is 30.0."),
        ({"patience": -1.0}, "patience expected seconds, 0 or more, got -1.0", "The default is 30.0."),
        ({"patience": None}, "patience expected seconds, 0 or more, got None", "The default is 30.0."),
        ({"seed": "first"}, "seed expected a whole number, got 'first'", "Give an int of at least 0."),
        ({"seed": 1.5}, "seed expected a whole number, got 1.5", "Give an int of at least 0."),
        ({"seed": -1}, "seed expected at least 0, got -1", "Give seed=0 or more."),
        ({"names": 3}, "names of a function's inputs expected a list of strings, got 3", 'names=["x", "W"].'),
    ],
)
def test_options_outside_their_ranges(options, problem, fix):
    with pytest.raises(ArgumentError) as error:
        check_derivation(dr.tanh, TANH, X, **options)
    assert str(error.value).startswith(f"check_derivation: {problem}. ")
    assert str(error.value).endswith(fix)


def test_options_at_the_edges_of_their_ranges():
    assert check_derivation(dr.tanh, TANH, X, tolerance=0.5, patience=0, seed=np.int64(3)).right
    assert check_derivation(dr.tanh, TANH, X, patience=float("inf"), names="x").right


@pytest.mark.parametrize(
    ("function", "inputs", "problem"),
    [
        (dr.tanh, (), "tanh expected inputs (x), got 0"),
        (dr.linear, (X,), "linear expected inputs (x, weight, bias=None), got 1"),
        (dr.nn.Linear(2, 3), (), "Linear expected inputs (x), got 0"),
        (dr.tanh, (X, X), "tanh expected inputs (x), got 2"),
    ],
)
def test_inputs_that_a_function_does_not_take(function, inputs, problem):
    with pytest.raises(ArgumentError, match=re.escape(f"check_derivation: {problem}. Hand in its inputs")):
        check_derivation(function, TANH, *inputs)


def test_a_function_of_its_surroundings_takes_no_inputs():
    weight = dr.tensor(X, requires_grad=True)
    check = check_derivation(lambda: dr.sum(dr.square(weight)), {"weight": "2 weight"})
    assert check.right and check["weight"].status == "right"


def test_without_any_names_the_message_says_so():
    loss = dr.sum(dr.tensor(X, requires_grad=True))
    with pytest.raises(ArgumentError, match=r"there is no 'q'; no array has a name\n") as error:
        check_derivation(loss, "dW = q")
    assert "name it through names=." in str(error.value)
