"""Pages of health: every cause, remedy and number has words in both languages, and every form can be read."""

from __future__ import annotations

import re
import shutil
import string
import subprocess

import numpy as np
import pytest

import deltarule as dr
from deltarule.explain.training_health.causes import CAUSES, findings
from deltarule.explain.training_health.causes.finding import Finding, Remedy
from deltarule.explain.training_health.health import Health, health
from deltarule.explain.training_health.probe_batch import probe_batch
from deltarule.explain.training_health.remedy import Trial
from deltarule.explain.training_health.remedy_changes import CHANGES
from deltarule.explain.training_health.setup import Setup, train_for
from deltarule.explain.training_health.watch import Watch
from deltarule.report import present
from deltarule.report.health import findings_text, spoken
from deltarule.report.words import Words, catalogue
from tests.explain.training_health.broken_networks import BROKEN

HTML_LIKE = "<script>alert('x')</script> & | $x_1$ \\end{document} {0}"


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.fixture(scope="module")
def found() -> list[tuple[str, Health]]:
    """The health of every network that is broken on purpose, after a few steps."""
    results = []
    for network in BROKEN:
        dr.manual_seed(0)
        built = network.build(0)
        loader = dr.data.DataLoader((built.inputs, built.targets), built.batch_size)
        probe = probe_batch(loader, 128, "test")
        setup = Setup(
            *(built.model, built.loss, loader, built.optimizer, probe, built.penalty, built.clip_norm)
        )
        history = train_for(setup, 10, every=10).history
        results.append((network.name, Health(network.name, tuple(history), tuple(findings(history)))))
    return results


@pytest.fixture(scope="module")
def tried() -> Health:
    """A network with a cause, whose remedy was tried, and with hostile names."""
    dr.manual_seed(0)
    inputs = np.random.default_rng(0).standard_normal((256, 6)).astype(np.float32)
    model = dr.nn.Sequential(dr.nn.Linear(6, 8), dr.nn.Tanh(), dr.nn.Linear(8, 8), dr.nn.ReLU())
    model.add_module(HTML_LIKE.replace(".", ""), dr.nn.Linear(8, 3))
    optimizer = dr.optim.SGD(model.parameters(), lr=100.0)
    data = (inputs, inputs[:, :3].argmax(axis=1))
    return health(
        *(model, "classification", data, optimizer),
        steps=16,
        try_remedies=True,
        trial_steps=10,
        name=HTML_LIKE,
    )


@pytest.fixture(scope="module")
def watched() -> Health:
    """A longer training of a recurrent network, watched."""
    source = np.random.default_rng(0)
    inputs = source.standard_normal((128, 8, 2)).astype(np.float32)
    watch = Watch(every=8)
    dr.manual_seed(0)
    model = dr.nn.models.build(
        "lstm", input_shape=(8, 2), outputs=2, task="classification", hidden=8, layers=2
    )
    dr.fit(
        model,
        (inputs, (inputs[:, -1, 0] > 0).astype(int)),
        epochs=12,
        batch_size=32,
        clip_norm=1.0,
        callbacks=[watch],
    )
    return health(watch, name="a run")


# ---- words


def test_every_cause_has_a_title_and_a_reason():
    for cause in CAUSES:
        assert f"cause.why.{cause}" in catalogue("cause")
    assert set(Words("en").under("cause.title")) == set(CAUSES)


def test_every_remedy_that_is_tried_has_words():
    assert {f"remedy.{key}" for key in CHANGES} <= set(catalogue("remedy"))


def test_every_finding_of_the_broken_networks_is_spoken(found):
    named = set()
    for name, record in found:
        for language in ("en", "zh"):
            for finding, said in zip(record.findings, spoken(record, Words(language)), strict=True):
                named.add(finding.cause)
                assert said.title and said.why and said.remedy, name
                assert "{" not in said.title + said.why + said.remedy
                # What the sentence says is in the evidence, not made up.
                why = places(Words("en")(f"cause.why.{finding.cause}"))
                assert why <= {*finding.evidence, "layer"}, name
    # A few need a longer training; those are tested where the rules are.
    assert len(named) > 0.8 * len(CAUSES)


def test_a_learning_rate_beyond_all_that_was_tried_is_spoken(watched):
    evidence = {"learning_rate": 1e39, "least_factor": 3000.0, "loss_before": 2.3, "loss_after": np.nan}
    finding = Finding("learning_rate_too_high", "", 1.0, evidence, Remedy("set_learning_rate"))
    for language, told in (("en", "by more than 3000"), ("zh", "超过合适值的 3000 倍")):
        (said,) = spoken(Health("", watched.history, (finding,)), Words(language))
        assert told in said.title
        assert "{" not in said.why


def test_a_penalty_stands_among_the_facts(found, watched):
    (broken,) = [record for name, record in found if name == "penalty_far_above_the_loss"]
    assert "penalty on the weights" in broken.text()
    assert "loss with the penalty" in broken.html()
    assert "penalty" not in watched.html()


def test_chinese_is_chinese(found, watched):
    for _, record in found:
        told = findings_text(record, Words("zh"))
        for line in told.splitlines():
            if line.strip():
                assert re.search("[\u4e00-\u9fff]", line), line


# ---- forms


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("form", ["html", "latex", "markdown", "text", "svg"])
def test_every_form_holds_findings_and_measurements(tried, watched, form, language):
    for record in (tried, watched):
        text = present(record, form, language)
        if form != "svg":
            assert Words(language)("health.parameters") in text
    if form != "svg":
        assert "tanh" in text
        told = present(tried, form, language)
        assert {"en": "too high", "zh": "学习率过高"}[language] in told


def test_names_of_users_are_escaped(tried):
    page = tried.html()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    latex = tried.latex()
    assert latex.count("\\end{document}") == 1
    assert "$x_1$" not in latex
    assert all(
        line.replace("\\|", "").count("|") == 7
        for line in tried.markdown().splitlines()
        if "alert" in line and line.startswith("|") and "weight" in line
    )


def test_a_healthy_network_is_said_to_be(watched):
    assert watched.healthy
    assert "Nothing was found" in watched.text()
    assert "未发现问题" in watched.text(language="zh")


def test_the_trial_is_told_with_both_curves(tried):
    (trial, *_) = tried.trials
    page = tried.html()
    assert trial.places
    assert "as it is" in page and "with the remedy" in page
    assert "Tried for 10 steps" in tried.text()


def test_a_trial_that_could_not_be_made_says_why():
    dr.manual_seed(0)
    inputs = np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32)
    base = health(dr.nn.Linear(2, 2), "classification", (inputs, (inputs[:, 0] > 0).astype(int)))
    finding = Finding(
        "not_connected", "0", 1.0, {"parameters": 1, "names": "0.weight"}, Remedy("connect", {"layer": "0"})
    )
    for outcome, reason, said in (
        ("advice", "", "This has to be done by hand."),
        ("unchanged", "not_a_module", "Not tried: the activation is called inside forward"),
        ("unchanged", "other_loader", "Not tried: the data comes from a loader of its own kind."),
    ):
        record = Health("x", base.history, (finding,), (Trial(finding.remedy, outcome, reason),))
        assert said in record.text()
        assert said in record.html()
        assert "No gradient reaches layer 0" in record.text()


def test_charts_over_steps_are_there_for_what_was_measured(watched):
    page = watched.html()
    for title in (
        "Update-to-weight ratio",
        "Share of saturated units",
        "Noise in the gradient",
        "Gradient per time step",
    ):
        assert title in page
    assert "10⁻³, the rule of thumb" in page
    assert "Share of dead units" not in page
    assert "Share of clipped gradients" in page
    single = Health("one", watched.history[:1], ())
    assert "Update-to-weight ratio" not in single.html()
    assert "Gradient over depth" in single.html()


def test_numbers_that_are_not_finite_are_shown():
    model = dr.nn.Linear(2, 2)
    with dr.no_grad():
        model.weight.assign(np.full((2, 2), np.nan, np.float32))
    inputs = np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32)
    optimizer = dr.optim.SGD(model.parameters(), lr=0.1)
    record = health(model, "classification", (inputs, (inputs[:, 0] > 0).astype(int)), optimizer)
    for form in ("html", "latex", "markdown", "text", "svg"):
        assert present(record, form)
    assert "NaN" in record.text()


def test_columns_of_text_stand_below_each_other(watched):
    lines = watched.text(language="zh").splitlines()
    start = lines.index("参数")
    rows = lines[start + 1 : start + 5]

    def width(text: str) -> int:
        return sum(2 if "\u2e80" <= sign <= "\uffef" else 1 for sign in text)

    starts = {width(row[: re.search(r"\S\s{2,}\S", row).end() - 1]) for row in rows}
    assert len(starts) == 1


def test_latex_compiles(tried, tmp_path):
    engine = shutil.which("pdflatex")
    if engine is None:
        pytest.skip("no TeX is installed")
    (tmp_path / "page.tex").write_text(tried.latex(), encoding="utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    log = (tmp_path / "page.log").read_text(encoding="utf-8", errors="replace")
    missing = re.search(r"File `(.+)' not found", log)
    if missing:
        pytest.skip(f"this TeX has no {missing[1]}")
    assert done.returncode == 0, log[-2000:]
    assert (tmp_path / "page.pdf").stat().st_size > 10_000


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_opens_without_errors_and_fits_a_phone(tried, watched, language, browser, tmp_path):
    for place, record in enumerate((tried, watched)):
        page = tmp_path / f"{place}.html"
        record.html(page, language=language)
        assert page.stat().st_size < 1_000_000
        browser.open(page)
        assert browser.console_errors() == []
        assert browser.count("main svg") >= 3
        browser.resize(390, 800)
        assert browser.overflow() == 0
