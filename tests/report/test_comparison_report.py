"""Comparisons as pages, LaTeX, Markdown, text and drawings, in both languages."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from deltarule.errors import ArgumentError
from deltarule.explain.comparison.compare import compare, vary
from deltarule.report import present
from deltarule.report.words import catalogue

rng = np.random.default_rng(2)
SEQUENCES = rng.normal(size=(16, 8, 3)).astype(np.float32)
CLASSES = (SEQUENCES[:, 0, 0] > 0).astype(int)
VARIANTS = {"rnn <b>": {"model": "rnn"}, "lstm": {"model": "lstm"}, "wild": {"model": "mlp", "lr": 1e30}}


@pytest.fixture(scope="module")
def comparison():
    data = (SEQUENCES, CLASSES)
    wild = {**VARIANTS, "wild": {"model": "rnn", "activation": "relu", "lr": 1e30, "optimizer": "sgd"}}
    return compare(wild, data, hidden=5, epochs=3, batch_size=4, validation=data)


def test_every_word_is_in_both_languages():
    for english, chinese in catalogue("comparison").values():
        assert english != chinese
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_forms(comparison, language):
    column = ("en", "zh").index(language)
    for form in ("html", "latex", "markdown", "text"):
        written = getattr(comparison, form)(language=language)
        for key in ("title", "runs", "course", "layers", "time"):
            assert catalogue("comparison")[f"comparison.{key}"][column] in written
    page = comparison.html(language=language)
    assert "rnn <b>" not in page
    assert "rnn &lt;b&gt;" in page
    ElementTree.fromstring(comparison.svg(language=language))


def test_what_is_said(comparison):
    text = comparison.text()
    wild = comparison.run("wild")
    assert f"wild diverged at batch {wild.diverged}: the loss is not finite" in text
    best = comparison.best
    assert best is not None
    assert f"{best.name} ends with the lowest validation loss" in text
    assert "lstm began with 12 of its" in text
    assert "Epochs: 3, of 4 batches each." in text
    rows = [line.split() for line in text.splitlines() if line.startswith("lstm ")]
    assert any("recurrent" in row for row in rows)


def test_losses_on_training_data_alone():
    found = compare(
        vary("lr", [0.1, 0.01]), (SEQUENCES, CLASSES), model="mlp", hidden=(4,), epochs=2, looks=2
    )
    text = found.text()
    assert "ends with the lowest training loss" in text
    assert "Gradients through time" not in text
    assert found._repr_latex_() is None


def test_what_is_said_of_the_first_weights():
    def said(variants, **options):
        return compare(variants, (SEQUENCES, CLASSES), epochs=1, looks=2, **options).text()

    alike = said(vary("activation", ["tanh", "relu"]), model="mlp", hidden=(4,))
    assert "All began with the same weights." in alike
    apart = said(vary("initialiser", ["default", "orthogonal"]), model="mlp", hidden=(4,))
    assert "Each began with weights of its own." in apart
    alone = said({"one": {}}, model="mlp", hidden=(4,))
    assert "began" not in alone


def test_a_form_that_there_is_not(comparison):
    with pytest.raises(ArgumentError, match="There is: html, latex, markdown, text, svg"):
        present(comparison, "pdf")


def test_in_a_browser(browser, comparison):
    for language, width in (("en", 1280), ("zh", 390)):
        browser.resize(width, 900)
        browser.open(comparison.html(language=language))
        assert browser.console_errors() == []
        assert browser.requests() == []
        # Two charts of losses, three of layers, three of time and three of lags.
        assert browser.count("svg") == 11
        assert browser.overflow() == 0
