"""Formulas that are set once and filled in many times are those that are set one by one."""

import numpy as np

import deltarule as dr
from deltarule.autodiff.formula.latex import latex_lines
from deltarule.explain.explanation import explain
from deltarule.report.typesetting.mathml import mathml
from deltarule.report.typesetting.repeated_mathml import repeated_mathml


def test_every_formula_of_a_recurrence_is_the_same_as_set_by_itself():
    lstm = dr.nn.LSTM(2, 3, batch_first=True)
    x = dr.tensor(np.ones((1, 4, 2), np.float32))
    explanation = explain(dr.sum(lstm(x)[0]), model=lstm)
    marks = explanation.notation.marks()
    count = 0
    for statements in explanation.inside.values():
        for statement in statements:
            for latex in latex_lines(statement.index, names=explanation.names, marks=marks):
                assert repeated_mathml(latex, display=True) == mathml(latex, display=True)
                count += 1
    assert count > 100


def test_numbers_that_look_like_places_are_left_alone():
    for latex in (r"x_{990000199} + \ref{v3}{y}", r"990000099 \, \langle 7 \rangle"):
        assert repeated_mathml(latex, display=True) == mathml(latex, display=True)
