"""Derivations on paper: every form, the legend, and both languages."""

from __future__ import annotations

import re

import pytest

import deltarule as dr
from deltarule.explain.derivations.derivation import derive
from deltarule.report.derivation import formulas, lines_of
from deltarule.report.legend import legend
from deltarule.report.typesetting.mathml import mathml
from deltarule.report.typesetting.plain import plain
from deltarule.report.words import Words
from tests.explain.networks_explained import MODELS, numbers


@pytest.fixture(scope="module")
def derivations():
    return {name: derive(build()) for name, build in MODELS.items()}


def letters_in(latex: str) -> set[str]:
    """Symbols of a formula without indices: what stands before _ in its plain text is not needed here."""
    return set(re.findall(r"\\mathit\{[^}]*\}|\\[a-zA-Z]+|[A-Za-z]", latex))


@pytest.mark.parametrize("name", MODELS)
def test_every_symbol_has_its_row_in_the_legend(name, derivations):
    derivation = derivations[name]
    rows = {row.latex for row in legend(derivation, Words())}
    notation = derivation.notation
    constants = {
        notation.signs[value.number].identifier
        for value in derivation.trace.values
        if value.kind == "constant" and value.array.ndim == 0
    }
    for statement in derivation.statements:
        for identifier in (*statement.defines, *statement.reads):
            stem = identifier if identifier in derivation.names else identifier.removeprefix("grad_")
            if stem not in constants:
                assert set(derivation.names[stem]) & rows, identifier


@pytest.mark.parametrize("language", ["en", "zh"])
def test_rows_of_the_legend_say_something(language, derivations):
    for derivation in derivations.values():
        for row in legend(derivation, Words(language)):
            assert row.meaning and "{" not in row.meaning
            assert "<math" in mathml(row.latex)


def test_the_legend_has_the_user_s_names():
    model = dr.nn.Sequential(dr.nn.Linear(2, 3), dr.nn.Tanh(), dr.nn.Linear(3, 1))
    derivation = derive(model(dr.ones((1, 2))).sum(), model=model)
    rows = {row.latex: row for row in legend(derivation, Words())}
    assert rows["W^{(1)}"].name == "0.weight"
    assert rows["W^{(1)}"].meaning == "weights of layer 1" and rows["W^{(1)}"].shape == "3 × 2"
    assert rows[r"\delta^{(1)}"].meaning.startswith("error term of layer 1")


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_gates_are_called_gates(name, derivations):
    meanings = " ".join(row.meaning for row in legend(derivations[name], Words()))
    for gate in {"LSTM": ("input", "forget", "output"), "GRU": ("reset", "update")}[name]:
        assert f"{gate} gate of layer 1" in meanings
        assert f"error term of the {gate} gate" in meanings


@pytest.mark.parametrize("name", MODELS)
def test_matrix_form_is_without_noise(name, derivations):
    """Axes in another order, and sums to a shape, are the program's business."""
    for statement in derivations[name].statements:
        for line in lines_of(derivations[name], statement, Words(), matrix=True):
            for noise in ("sum\\_to", "time\\_first", "batch\\_first", "{}'", "None"):
                assert noise not in line, line
            assert plain(line)


def test_sums_over_time(derivations):
    text = derivations["RNN"].text()
    assert "∂L/∂W⁽¹⁾ᵢₕ = Σₜ δ⁽¹⁾ₜᵀ Xₜ" in text
    assert "∂L/∂W⁽¹⁾ₕₕ = Σₜ δ⁽¹⁾ₜᵀ h⁻⁽¹⁾ₜ" in text
    assert "∂L/∂W⁽²⁾ = Σₙ δ⁽²⁾ₙᵀ Y⁽¹⁾ₙ" in text


def test_chinese_throughout(derivations):
    derivation = derivations["RNN"]
    for form in ("html", "latex", "markdown", "text"):
        shown = getattr(derivation, form)(language="zh")
        assert "前向传播" in shown and "反向传播" in shown
        assert "otherwise" not in shown and "其他情况" in shown
        assert not re.search(r"\b(weights of|hidden state|error term)\b", shown)


def test_text(derivations):
    assert (
        derivations["multi-layer perceptron"].text().splitlines()[0].startswith("Every formula was evaluated")
    )
    lines = derivations["multi-layer perceptron"].text().splitlines()
    for part in ("Forward", "Backward: the error terms", "Gradients"):
        assert part in lines
    assert any(re.match(r"  δ⁽¹⁾ = \(δ⁽²⁾ W⁽²⁾\) ⊙ \(1 − \(H⁽¹⁾\)\^⊙2\)", line) for line in lines)


def test_markdown_has_both_forms(derivations):
    shown = derivations["classifier"].markdown()
    assert shown.count("$$") % 2 == 0 and r"\sum_" in shown and "\\odot" in shown
    assert "```python" in shown


def test_formulas_of_a_notebook(derivations):
    lines = formulas(derivations["multi-layer perceptron"])
    assert len(lines) == 9 and all(" &= " in line for line in lines)


def test_an_empty_part_has_no_heading():
    x = numbers()
    assert "error terms" not in derive(dr.sigmoid(x), names={"x": x}).text()


def test_long_lines_of_the_program_are_in_small_letters(derivations):
    small = derive(numbers() * 2.0).latex()
    assert "{\\normalsize\n\\begin{verbatim}" in small
    longest = max(map(len, derivations["LSTM"].latex().splitlines()))
    assert longest > 97 and "{\\normalsize\n\\begin{verbatim}" not in derivations["LSTM"].latex()


def test_formulas_of_single_numbers_stand_there_once():
    y = dr.tensor(3.0, requires_grad=True)
    derivation = derive(y * y + dr.exp(y), names={"y": y})
    shown = derivation.markdown()
    blocks = re.findall(r"\$\$\n(.+?)\n\$\$", shown, re.S)
    assert len(blocks) == len(set(blocks)) == len(derivation.statements)
    assert "Matrix form" not in derivation.html() and "subsection" not in derivation.latex()
    for form in ("html", "latex"):
        assert "Matrix form" in getattr(derive(dr.exp(numbers(2)).sum()), form)()
