"""Checked derivations as a page, LaTeX, Markdown, text and drawing, in both languages."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.explain.checking import corrections, fault
from deltarule.explain.checking.derivation_check import check_derivation
from deltarule.explain.checking.findings import KINDS
from deltarule.report import derivation_check as room
from deltarule.report.words import catalogue

X = np.random.default_rng(0).normal(size=(5, 4))
W = np.random.default_rng(1).normal(size=(3, 4))


def by_function():
    return check_derivation(dr.linear, lambda g, x, w: (-g @ w, g.T @ x / len(x)), X, W, names=["<b>x", "W"])


def by_formula():
    return check_derivation(dr.tanh, {"x": "h = tanh(x); dy ⊙ (1 - h)"}, X)


def unexplained():
    def backward(upstream, x, weight):
        wrong = upstream.T @ x
        wrong[0] += np.cos(np.arange(wrong.shape[1]))
        return upstream @ weight, wrong

    return check_derivation(dr.linear, backward, X, W)


def recurrent():
    weights = [np.random.default_rng(k).normal(size=shape) for k, shape in enumerate([(4, 1), (4, 1)])]
    x = np.random.default_rng(5).normal(size=(1, 2, 1))

    def layer(x, weight_ih, weight_hh):
        return dr.lstm(x, None, None, weight_ih, weight_hh)[0]

    check = check_derivation(layer, {"weight_ih": weights[0]}, x, *weights)
    assert check["weight_ih"].blocks
    return check


def right():
    return check_derivation(dr.relu, lambda g, x: g * (x >= 0), np.array([-1.0, 0.0, 2.0]))


def raising():
    return check_derivation(dr.tanh, lambda g, x: 1 / 0, X)


MAKERS = (by_function, by_formula, unexplained, recurrent, right, raising)


@pytest.fixture(scope="module", params=MAKERS, ids=[maker.__name__ for maker in MAKERS])
def record(request):
    return request.param()


def test_every_kind_of_mistake_has_its_words():
    assert {*fault.RANKS, *corrections.RANKS} <= {*KINDS}
    assert len({*KINDS}) == len(KINDS)
    rows = catalogue("derivation_check")
    for kind in KINDS:
        for part in ("name", "says"):
            assert f"derivation_check.{part}.{kind}" in rows
    named = {
        key.rpartition(".")[2].removesuffix("_part") for key in rows if ".name." in key or ".says." in key
    }
    assert named == {*KINDS}


def test_every_word_is_used_and_in_both_languages():
    rows = catalogue("derivation_check")
    source = Path(room.__file__).read_text(encoding="utf-8")
    for key, (english, chinese) in rows.items():
        assert english and chinese
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese))
        last = key.rpartition(".")[2]
        stem = key.split(".")[1]
        assert (
            last in source
            or f"derivation_check.{stem}.{{" in source
            or last in ("right", "wrong", "not shown")
        ), key


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_forms(record, language):
    column = ("en", "zh").index(language)
    for form in ("html", "latex", "markdown", "text"):
        written = getattr(record, form)(language=language)
        assert catalogue("derivation_check")["derivation_check.title"][column] in written
    ElementTree.fromstring(record.svg(language=language))
    assert "<b>x" not in record.html(language=language)


def test_names_of_users_are_escaped():
    assert "&lt;b&gt;x" in by_function().html()


def test_the_mistake_its_place_and_its_example_are_told():
    text = by_function().text()
    assert "Wrong: 2 of 2 gradients (∂L/∂<b>x, ∂L/∂W)." in text
    assert "Mistake 1: the sign" in text and "The sign is wrong." in text
    assert "a mean in place of a sum" in text and "It is a factor that counts the size of the batch." in text
    assert "Smallest numbers that show it" in text
    text = by_formula().text()
    assert "h has lost its square" not in text and "h^2 has lost its square: h stands there." in text
    assert "Corrected: ∂L/∂x = ∂L/∂y ⊙ (1 - h^2)" in text
    assert "in numbers" in text


def test_what_is_unexplained_is_said_so():
    text = unexplained().text()
    assert "No simple mistake explains ∂L/∂weight" in text and "Only these rows differ: 0." in text
    assert "Correlation with the right gradient: " in text


def test_formulas_for_notebooks():
    assert r"\frac{\partial L}{\partial w_{oi}} &= \sum_{n}" in by_function()._repr_latex_()
    assert right()._repr_latex_() is None


def test_the_page_in_a_browser(browser):
    browser.open(by_formula().html())
    assert not browser.console_errors() and not browser.requests()
    assert browser.count("math") >= 1 and "Mistake 1" in browser.text("main")
    browser.resize(390, 800)
    assert browser.overflow() <= 0
