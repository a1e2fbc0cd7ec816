"""Matrix form as one writes it: what only arranges axes is gone, and nothing else is."""

from __future__ import annotations

import pytest

from deltarule.autodiff.formula.expression import Equation, Index, Loop, Symbol, array_function
from deltarule.autodiff.formula.latex import latex_lines
from deltarule.explain.derivations.handwriting import handwritten
from deltarule.operations.slicing import KeyText

delta, x = Symbol("d", 3), Symbol("x", 3)
SHAPES = {"d": (4, 2, 5), "x": (2, 4, 3), "r": (6, 3), "v": (3,)}


def shown(right, shapes=None):
    line = handwritten(Equation(Symbol("y"), right), SHAPES if shapes is None else shapes)
    return latex_lines([line], matrix=True)[0].removeprefix("Y = ")


def _slice(*key):
    return array_function("slice", delta, key=KeyText(key))


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        (array_function("reshape", Symbol("v", 1), shape=(1, 3)), "V"),
        (
            array_function("reshape", Symbol("r", 2), shape=(3, 6)),
            r"\operatorname{reshape}_{3 \times 6}\left(R\right)",
        ),
        (array_function("batch_first", delta), "D"),
        (array_function("time_first", x), "X"),
        (array_function("sum_to", Symbol("r", 2), shape=(3,)), r"\operatorname{sum}_{0}\left(R\right)"),
        (array_function("sum_to", Symbol("r", 2), shape=(6, 1)), r"\operatorname{sum}_{1}\left(R\right)"),
        (array_function("sum", Symbol("r", 2), axis=(0, 1)), r"\operatorname{sum}\left(R\right)"),
        (
            array_function("sum", Symbol("r", 2), axis=-1, keepdims=True),
            r"\operatorname{sum}_{1}\left(R\right)",
        ),
        (array_function("max", Symbol("r", 2), axis=-1), r"\operatorname{max}_{1}\left(R\right)"),
        (array_function("broadcast_to", 1.0, shape=(2, 3)), "1"),
        (_slice(slice(0, 4), slice(1, 2), slice(0, 5)), r"{D}_{\left[:, 1:2\right]}"),
        (_slice(slice(0, 4), None, 1, slice(4, None, -1)), r"{D}_{\left[:, None, 1, 4::-1\right]}"),
        (_slice(slice(0, 4), slice(0, 2), slice(0, 5)), "D"),
        (
            array_function("sum", delta.T @ array_function("time_first", x), axis=0),
            r"\sum_{t} {D}_{t}^{\mathsf{T}} \, {X}_{t}",
        ),
    ],
)
def test_what_is_written(right, expected):
    assert shown(right) == expected


def test_rows_of_all_sequences_are_summed_over_the_batch():
    right = array_function("reshape", Symbol("e", 3), shape=(8, 5)).T @ array_function(
        "reshape", x, shape=(8, 3)
    )
    assert shown(right, {**SHAPES, "e": (2, 4, 5)}) == r"\sum_{n} {E}_{n}^{\mathsf{T}} \, {X}_{n}"


def test_what_is_not_known_stays():
    right = array_function("reshape", Symbol("u", 1), shape=(1, 3))
    assert "reshape" in shown(right)


def test_loops_stay():
    loop = Loop(Index("t", 3), (Equation(x[Index("t", 3)], delta[Index("t", 3)]),))
    assert handwritten(loop, SHAPES) is loop
