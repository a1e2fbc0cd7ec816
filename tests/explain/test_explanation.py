"""The four views joined: graph, formulas, numbers and code speak of the same values."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError, RunError
from tests.explain.networks_explained import MODELS, numbers


def test_explain_is_a_module_that_is_called():
    x = numbers(2)
    explanation = dr.explain((x * x).sum(), names={"x": x}, title="squares")
    assert explanation.title == "squares"
    assert type(explanation) is dr.explain.Explanation
    assert explanation.largest_error == 0


@pytest.mark.parametrize("name", ["LSTM", "classifier"])
def test_every_opened_group_has_statements(name):
    explanation = dr.explain(MODELS[name]())
    groups = [step.number for step in explanation.trace.steps if step.children]
    assert sorted(explanation.inside) == groups
    for number in groups:
        steps = {step for statement in explanation.inside[number] for step in statement.steps}
        assert steps <= set(explanation.trace.steps[number].children)
        assert any(statement.kind != "forward" for statement in explanation.inside[number])


def test_every_symbol_has_letters():
    for name in ("LSTM", "transformer layer", "LeNet"):
        explanation = dr.explain(MODELS[name]())
        for statements in [explanation.derivation.statements, *explanation.inside.values()]:
            for statement in statements:
                for identifier in (*statement.defines, *statement.reads):
                    stem = identifier.removeprefix("grad_")
                    assert identifier in explanation.names or stem in explanation.names, identifier


def test_opened_groups_change_formulas_and_program():
    x = numbers(3)
    explanation = dr.explain(dr.sigmoid(x).sum(), names={"x": x}, open="sigmoid")
    assert len(explanation.derivation.forward) == 5
    assert np.allclose(explanation.program.run()["grad_x"], explanation.trace.named("x").gradient)


def test_files(tmp_path):
    explanation = dr.explain.example("graph")
    text = explanation.html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == text
    with pytest.raises(RunError):
        explanation.latex(tmp_path / "nowhere" / "page.tex")
    with pytest.raises(ArgumentError, match="language expects one of en, zh, got 'de'"):
        explanation.text(language="de")


def test_notebooks():
    explanation = dr.explain.example("graph")
    assert explanation._repr_html_().startswith("<iframe srcdoc=")
    latex = explanation._repr_latex_()
    assert latex is not None and latex.startswith("$$\\begin{aligned}") and "&=" in latex


def test_its_repr_is_short():
    explanation = dr.explain.example("lstm")
    assert repr(explanation.flow).startswith("Flow(loss=6.88")
    for record in (explanation, explanation.derivation, explanation.flow):
        assert len(repr(record)) < 250


def test_pages_hold_no_address():
    page = dr.explain.example("mlp-cross-entropy").html()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:)[^"']+""", page)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert data is not None and json.loads(data.group(1))
