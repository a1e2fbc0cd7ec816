"""Gradients per sample as a page, LaTeX, Markdown, text and drawing, in both languages."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import deltarule as dr
from deltarule.explain.per_sample.samples import sample_gradients
from deltarule.report.words import catalogue

rng = np.random.default_rng(3)


@pytest.fixture(scope="module")
def record():
    model = dr.nn.Sequential(dr.nn.Linear(4, 6), dr.nn.Tanh(), dr.nn.BatchNorm1d(6), dr.nn.Linear(6, 3))
    x, t = dr.tensor(rng.normal(size=(12, 4)).astype(np.float32)), dr.tensor(np.arange(12) % 3)
    parameters = {f"<b>{name}": each for name, each in model.named_parameters()}
    return sample_gradients(
        dr.cross_entropy(model(x), t) + 0.1 * dr.sum(dr.square(model[0].weight)), parameters
    )


def test_every_word_is_used_and_in_both_languages():
    rows = catalogue("samples")
    assert all(english and chinese and english != chinese for english, chinese in rows.values())
    for english, chinese in rows.values():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_forms(record, language):
    column = ("en", "zh").index(language)
    for form in ("html", "latex", "markdown", "text"):
        written = getattr(record, form)(language=language)
        assert catalogue("samples")["samples.title"][column] in written
        assert "12" in written
        assert "batch" in written
    assert "<b>" not in record.html(language=language)
    assert "&lt;b&gt;0" in record.html(language=language)
    ElementTree.fromstring(record.svg(language=language))


def test_numbers_are_those_of_the_record(record):
    lines = record.text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("sample"))
    first = record.hardest(1)[0]
    cells = lines[start + 1].split()
    assert int(cells[0]) == first.sample
    assert float(cells[1]) == pytest.approx(first.norm, rel=0.01)
    text = record.text()
    assert "batch_norm in 2" in text
    assert "shared out evenly in: <b>0.weight." in text
    assert str(record) == text
    assert "\\ell_{n}" in record._repr_latex_()


def test_a_file_is_written(record, tmp_path):
    path = tmp_path / "samples.html"
    written = record.html(path)
    assert path.read_text("utf-8") == written


def test_one_layer_and_norms_alone():
    model = dr.nn.Linear(3, 1)
    x = dr.tensor(rng.normal(size=(2, 3)).astype(np.float32))
    found = sample_gradients(dr.sum(dr.square(model(x))), model, keep="norms")
    page = found.html()
    assert "The loss is a sum over samples" in page
    single = sample_gradients(dr.sum(dr.square(model(x[:1]))), model, batch=1)
    assert "noise scale:" not in single.text().lower()


def test_in_a_browser(browser, record):
    for language, width in (("en", 1280), ("zh", 390)):
        browser.resize(width, 900)
        browser.open(record.html(language=language))
        assert browser.console_errors() == []
        assert browser.count("svg") == 3
        assert browser.count("math") == 3
        assert browser.overflow() == 0
