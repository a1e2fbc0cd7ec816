"""Formulas as one line of text."""

from __future__ import annotations

import pytest

from deltarule.report.typesetting.plain import plain
from tests.report.formulas import written_formulas


def test_every_formula_of_every_operation() -> None:
    lines = [plain(latex) for latex in written_formulas()]
    for latex, line in zip(written_formulas(), lines, strict=True):
        assert " = " in line, latex
        assert line.isprintable() and not set(line) & set("\\$&"), latex
        for pair in ("()", "[]", "⌊⌋"):
            assert line.count(pair[0]) == line.count(pair[1]), latex
    # The lines tell formulas apart as LaTeX does, but for capital letters that only a font distinguishes.
    assert len(set(lines)) > 0.99 * len(lines)


@pytest.mark.parametrize(
    ("latex", "line"),
    [
        (r"\frac{\partial L}{\partial W^{(1)}} = \delta^{(1)\mathsf{T}} \, x", "∂L/∂W⁽¹⁾ = δ⁽¹⁾ᵀ x"),
        (r"y_{ij} \, \left(1 - y_{ij}\right)", "yᵢⱼ (1 − yᵢⱼ)"),
        (r"\frac{\partial L}{\partial y_{nc}} \, x_{nc}^{2}", "(∂L/∂y[n,c]) x[n,c]²"),
        (r"\frac{a + b}{2 \, c}", "(a + b)/(2 c)"),
        (r"\frac{\frac{a}{b}}{c} + d", "(a/b)/c + d"),
        (r"\left(\frac{a}{b}\right)^{2}", "(a/b)²"),
        (r"\frac{\operatorname{sum}_{1}\left(x\right)}{4}", "sum₁(x)/4"),
        (r"\frac{\sum_{i} x_{i}}{4}", "(Σᵢ xᵢ)/4"),
        (r"h^{-}_{t - 1}", "h⁻ₜ₋₁"),
        (r"x_{i, 0} + z_{i'}", "x[i,0] + z[i′]"),
        (r"e^{-x} + e^{x_{ij}}", "e⁻ˣ + exp(xᵢⱼ)"),
        (r"X^{\odot 2}", "X^⊙2"),
        (
            r"\begin{cases} 1 & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}",
            "{1 if x > 0; 0 otherwise}",
        ),
        (r"\hat{x} \tilde{h} \bar{\delta}", "x̂h̃δ̄"),
        (r"\sum_{k} \left[k = j\right] \, \ln p_{k}", "Σₖ [k = j] ln pₖ"),
        (r"\sqrt{2\pi} \, \sqrt{x}", "√(2π) √x"),
        (r"X_{\left[0:3, 1\right]}", "X[0:3,1]"),
        (r"t = 3, \dots, 0", "t = 3, …, 0"),
        (
            r"\left\lVert \frac{\partial h_t}{\partial h_k}\right\rVert \approx 5 \cdot 10^{-5}",
            "‖∂hₜ/∂hₖ‖ ≈ 5 · 10⁻⁵",
        ),
        (r"\ref{d}{\delta^{(1)}} &= \ref{w}{W}^{\mathsf{T}} \, \ref{e}{\delta^{(2)}}", "δ⁽¹⁾ = Wᵀ δ⁽²⁾"),
    ],
)
def test_notation(latex: str, line: str) -> None:
    assert plain(latex) == line
