"""Formulas become MathML: all that the operations write, marks, and nothing else."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from deltarule.report.document import document
from deltarule.report.markup import joined
from deltarule.report.typesetting.mathml import mathml
from deltarule.report.typesetting.notation import in_language, unmarked
from deltarule.report.words import Words
from tests.report.formulas import written_formulas

# https://www.w3.org/TR/mathml-core/: what browsers set.
CORE = {
    "math", "merror", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom", "mroot",
    "mrow", "ms", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr",
    "munder", "munderover",
}  # fmt: skip
CHILDREN = {
    "mfrac": 2,
    "msub": 2,
    "msup": 2,
    "msubsup": 3,
    "munder": 2,
    "mover": 2,
    "munderover": 3,
    "mroot": 2,
}


def test_every_formula_of_every_operation() -> None:
    formulas = written_formulas()
    assert len(formulas) > 3000
    for latex in formulas:
        tree = ElementTree.fromstring(mathml(latex, display=True))
        for element in tree.iter():
            assert element.tag in CORE, latex
            assert not set(element.text or "") & set("\\$"), latex
            if element.tag in CHILDREN:
                assert len(element) == CHILDREN[element.tag], latex
        assert tree.attrib == {"display": "block"}


def test_a_name_may_hold_an_underscore_and_signs_of_users() -> None:
    tree = ElementTree.fromstring(mathml(r"\mathit{my\_input<b>}_{i} = \operatorname{sum\_to}\left(x\right)"))
    assert [each.text for each in tree.iter("mi")] == ["my_input<b>", "i", "sum_to", "x"]


def texts(latex: str) -> str:
    return "".join(ElementTree.fromstring(mathml(latex)).itertext())


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"\frac{\partial L}{\partial x}", "∂L∂x"),
        (r"a \odot b \oslash c \cdot d \times e", "a⊙b⊘c·d×e"),
        (r"\left\lfloor \tfrac{i}{2} \right\rfloor", "⌊i2⌋"),
        (r"\left\lVert h \right\rVert \le \|x\|", "‖h‖≤‖x‖"),
        (r"\left. x \right|", "x|"),
        (r"\sqrt[3]{x} + \sqrt{y}", "x3+y"),
        (r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}", "[1234]"),
        (r"x \in \mathbb{R}^{n}, f \to \infty", "x∈ℝn,f→∞"),
        (r"\underbrace{a + b}_{\text{two parts}}", "a+b⏟two\u00a0parts"),
        (r"i' = -1, \dots, 0", "i′=−1,…,0"),
        (r"a &= b", "a=b"),
        (r"ab->c", "ab→c"),
        (r"3.5 \,\; x", "3.5x"),
    ],
)
def test_notation(latex: str, text: str) -> None:
    assert texts(latex) == text


def test_limits_stand_below_sums_and_maxima_only() -> None:
    assert "<munder><mo" in mathml(r"\sum_{i} x")
    assert "<munder><mo" in mathml(r"\max_{i} x")
    assert "<munderover>" in mathml(r"\prod_{i}^{n} x")
    assert "<munder><mrow data-ref" in mathml(r"\ref{s}{\sum}_{i} x")
    assert "<msub><mi>log</mi>" in mathml(r"\log_{2} x")


def test_brackets_grow_only_about_what_is_tall() -> None:
    assert 'stretchy="false"' in mathml(r"\left(x_{i}\right)")
    assert 'stretchy="true"' in mathml(r"\left(\frac{a}{b}\right)")
    assert 'stretchy="true"' in mathml(r"\left(\ref{a}{\sum_{i} x}\right)")


def test_a_minus_before_an_operand_takes_no_room() -> None:
    assert '<mo form="prefix" lspace="0" rspace="0">−</mo>' in mathml("a = -b")
    assert 'form="infix"' in mathml("a - b")


def test_aligned_lines() -> None:
    tree = ElementTree.fromstring(mathml(r"a &= b \\ c &= d"))
    rows = list(tree.iter("mtr"))
    assert [["".join(cell.itertext()) for cell in row] for row in rows] == [["a", "=b"], ["c", "=d"]]
    assert "text-align:right" in rows[0][0].attrib["style"]


def test_marks() -> None:
    written = mathml(r"\ref{layer-1.weight}{W}^{\mathsf{T}} \, \ref{d_2}{\delta_{\ref{i}{i}}}")
    tree = ElementTree.fromstring(written)
    marked = {
        each.attrib["data-ref"]: "".join(each.itertext()) for each in tree.iter() if "data-ref" in each.attrib
    }
    assert marked == {"layer-1.weight": "W", "d_2": "δi", "i": "i"}


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        (r"\ref{a}{x} + \ref{b}{y}", "x + y"),
        (r"\ref{a}{x}_{i}", "{x}_{i}"),
        (r"x_\ref{a}{i + 1}", "x_{i + 1}"),
        (r"\ref{a}{\alpha}x", r"\alpha x"),
        (r"\ref{a}{\sum}_{k} x", r"\sum_{k} x"),
        (r"\ref{a}{b \ref{c}{\frac{1}{2}}}", r"b \frac{1}{2}"),
        (r"\frac{\ref{a}{x}}{y}", r"\frac{x}{y}"),
    ],
)
def test_marks_are_taken_out(marked: str, plain: str) -> None:
    assert unmarked(marked) == plain
    assert "data-ref" not in mathml(plain)
    assert texts(plain) == texts(marked)


@pytest.mark.parametrize(
    "latex",
    [
        r"\unknown{x}",
        r"\frac{a",
        "a}",
        r"\left( a",
        r"x_i_j",
        "$x$",
        r"\begin{tabular} a \end{tabular}",
        r"\ref{a b}{x}",
    ],
)
def test_what_we_do_not_write_is_refused(latex: str) -> None:
    with pytest.raises(AssertionError):
        mathml(latex)


def test_words_of_formulas_in_chinese() -> None:
    latex = r"\begin{cases} x & \text{if } y \\ 0 & \text{otherwise} \end{cases}"
    assert in_language(latex, Words("en")) == latex
    assert texts(in_language(latex, Words("zh"))) == "{x若\u00a0y0其他情况"
    words = {
        each for latex in written_formulas() for each in in_language(latex, Words("zh")).split(r"\text{")[1:]
    }
    assert words and all(ord(each[0]) > 0x4E00 for each in words)


def test_the_browser_sets_every_formula(browser) -> None:
    """Each has a size, and none is shown as the error that unknown elements would be."""
    formulas = written_formulas()[::9]
    page = document("Formulas", joined(*[mathml(each, display=True) for each in formulas]), words=Words("en"))
    browser.open(page)
    assert browser.console_errors() == []
    assert browser.count("math") == len(formulas)
    assert browser.evaluate(
        "[...document.querySelectorAll('math, mfrac, munder, msqrt, mtable')].every("
        "each => each.getBoundingClientRect().width > 3 && each.getBoundingClientRect().height > 3)"
    )
    # A fraction is set as one: its numerator is above its denominator.
    assert browser.evaluate(
        "[...document.querySelectorAll('mfrac')].every(each => {"
        " const [top, bottom] = [...each.children].map(part => part.getBoundingClientRect());"
        " return top.bottom <= bottom.top + 1; })"
    )
    browser.resize(390, 844)
    assert browser.overflow() == 0
