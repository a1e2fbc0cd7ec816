"""The pages of flow and paths: every form, both languages, and the sentences that they are about."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.explain.through_time.flow import flow
from deltarule.explain.through_time.gradient_rate import Horizon, Rate
from deltarule.explain.through_time.paths import paths
from deltarule.report.flow import horizon_sentence, rate_sentence
from deltarule.report.paths import count_text
from deltarule.report.words import Words

FORMS = ("html", "latex", "markdown", "text", "svg")
EVIL = "<script>alert(1)</script>"


def flow_of(kind, **options):
    generator = np.random.default_rng(0)
    dr.manual_seed(0)
    network = kind(3, 4, dtype=dr.float64, **options)
    output, _ = network(dr.tensor(generator.normal(size=(2, 6, 3))))
    return flow((output * output).sum(), names=dict(network.named_parameters()))


def paths_of(open=False, **options):
    x = dr.tensor(0.5, dtype=dr.float64, requires_grad=True)
    w = dr.tensor(-1.5, dtype=dr.float64, requires_grad=True)
    return paths(dr.sigmoid(w * x) + x * x, x, open=open, names={"x": x, "w": w}, **options)


RECORDS = {
    "rnn": lambda: flow_of(dr.nn.RNN),
    "gru": lambda: flow_of(dr.nn.GRU, bidirectional=True),
    "lstm": lambda: flow_of(dr.nn.LSTM, num_layers=2),
    "paths": paths_of,
    "paths opened": lambda: paths_of(open=True, each_use=True),
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", RECORDS)
def test_every_form_in_every_language(name, language, tmp_path):
    record = RECORDS[name]()
    for form in FORMS:
        path = tmp_path / f"page.{form}"
        text = getattr(record, form)(path, language=language)
        assert path.read_text(encoding="utf-8") == text
        if form == "text":
            # A place in a sentence that was not filled, or a number that is none.
            assert not re.search(r"\{[a-z_]+\}", text)
            assert "NaN" not in text and "∞" not in text
    assert text.startswith("<?xml")
    ElementTree.fromstring(text)


@pytest.mark.parametrize("name", RECORDS)
def test_words_differ_between_languages(name):
    record = RECORDS[name]()
    english, chinese = record.text(language="en"), record.text(language="zh")
    assert not re.search(r"[\u4e00-\u9fff]", english)
    assert len(re.findall(r"[\u4e00-\u9fff]", chinese)) > 100


def test_the_sentence_of_a_rate():
    rate = Rate(0.61, 0.0, 0.0, 10)
    assert rate_sentence(rate, Words("en")) == "0.61 per step: after 20 steps 5.1·10⁻⁵ is left."
    assert rate_sentence(rate, Words("zh")) == "每步 0.61：20 步之后只剩 5.1·10⁻⁵。"
    growing = rate_sentence(Rate(1.2, 0.0, 0.0, 10), Words("en"))
    assert growing == "1.2 per step: after 20 steps the gradient is 38 times as large."
    assert "Exactly nothing" in rate_sentence(Rate(0.0, 0.0, 0.0, 0), Words("en"))
    assert "unknown" in rate_sentence(Rate(np.nan, 0.0, 0.0, 0), Words("en"))
    assert "A single step" in rate_sentence(None, Words("en"))


@pytest.mark.parametrize("kind", ["vanishes", "explodes"])
@pytest.mark.parametrize("measured", [False, True])
def test_the_sentence_of_a_horizon(kind, measured):
    told = horizon_sentence(Horizon(kind, 33, measured, 1.19e-7, "float32"), Words("en"))
    assert "33 steps" in told and "float32 (1.2·10⁻⁷)" in told
    assert ("more than the sequence has" in told) is not measured
    assert "33" in horizon_sentence(Horizon(kind, 33, measured, 1.19e-7, "float32"), Words("zh"))
    kept = horizon_sentence(Horizon("keeps", None, False, None, "float32"), Words("en"))
    assert kept.startswith("It neither vanishes nor explodes")


def test_a_page_of_a_flow_has_its_figures_and_pictures():
    record = flow_of(dr.nn.LSTM)
    page = record.html()
    layer = record.layers[0]
    assert page.count("<svg") == 7
    assert "weight_hh_l0" in page and "64 steps" not in page
    rate = layer.jacobians.main.rate
    assert rate_sentence(rate, Words("en")) in page
    assert "through the cell and the forget gate alone" in page
    assert "vanishes at" in page
    assert f"{layer.paths['weight_hh']:,}" in page
    gru = flow_of(dr.nn.GRU).html()
    assert "through the update gate alone" in gru and "forget gate" not in gru
    simple = flow_of(dr.nn.RNN).html()
    assert "activation&#x27;s derivative times" in simple or "activation's derivative times" in simple


def test_only_steps_that_the_loss_enters_have_a_row():
    generator = np.random.default_rng(0)
    network = dr.nn.RNN(3, 4, dtype=dr.float64)
    output, _ = network(dr.tensor(generator.normal(size=(1, 6, 3))))
    page = flow(output[:, -1].sum()).html()
    assert "The loss enters here at 1 of 6 steps." in page
    assert "<desc>1 × 6;" in page


def test_a_page_of_paths_writes_the_product_out():
    x, y, z = (dr.tensor(value, dtype=dr.float64, requires_grad=True) for value in (-2.0, 5.0, -4.0))
    record = paths((x + y) * z, x, names={"x": x, "y": y, "z": z})
    told = record.text()
    assert "−4 · 1" in told
    assert "Number of paths: 1." in told
    latex = record.latex()
    assert r"\left(-4\right) \cdot 1 = -4" in latex
    hidden = dr.tanh(x)
    cut = paths(hidden * hidden + dr.exp(hidden), x, width=1)
    assert "were followed to the end" in cut.text()
    assert "the 1 largest went on" in cut.text()


def test_counts_of_any_size():
    assert count_text(999_999_999) == "999,999,999"
    assert count_text(2**200) == "1.6·10⁶⁰"
    assert count_text(10**1000) == "1·10¹⁰⁰⁰"


def test_names_of_users_are_escaped():
    x = dr.tensor(2.0, requires_grad=True)
    record = paths(x * x, x, names={EVIL: x})
    for text in (record.html(), record.svg()):
        assert EVIL not in text
    weight = dr.tensor(np.eye(2), requires_grad=True)
    output, _ = dr.rnn(dr.ones((1, 3, 2), dtype=dr.float64), None, np.eye(2), weight)
    record = flow(output.sum(), names={f"{EVIL}.weight_hh": weight})
    assert EVIL in record.layers[0].name
    for text in (record.html(), record.svg()):
        assert EVIL not in text


def test_a_notebook_shows_formulas():
    for record in (flow_of(dr.nn.GRU), paths_of()):
        assert r"\frac{\partial" in record._repr_latex_()
        assert "<iframe" in record._repr_html_()


def test_other_languages_are_refused():
    with pytest.raises(ArgumentError, match="language expects one of en, zh, got 'fr'"):
        paths_of().text(language="fr")


def test_two_hundred_steps_stay_small():
    output, _ = dr.nn.RNN(2, 3)(dr.ones((1, 200, 2)))
    page = flow((output * output).sum()).html()
    assert len(page) < 400_000
