"""The page: complete in itself, closed to the network and to smuggled scripts, for keyboards and phones."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from deltarule.errors import ArgumentError
from deltarule.report.document import asset, document, folded, json_text, section, table
from deltarule.report.markup import tag
from deltarule.report.words import LANGUAGES, Words

EVIL = "</script><script>document.title='no'</script><img src=x onerror=\"document.title='no'\">\u2028'\"&"


def page(*parts, title: str = "A page", language: str = "en", **options) -> str:
    return document(title, *parts, words=Words(language), **options)


class Outline(HTMLParser):
    """The elements of a page in order, with their attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs) -> None:
        self.elements.append((tag, dict(attrs)))


def test_the_frame_of_a_page() -> None:
    text = page(section("Loss", tag("p", "0.3")), language="zh")
    assert text.startswith("<!doctype html>\n")
    elements = Outline(text).elements
    names = [name for name, _ in elements]
    assert ("html", {"lang": "zh-Hans"}) in elements
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in elements
    assert [names.count(each) for each in ("title", "header", "main", "footer", "h1", "h2")] == [1] * 6
    assert names.index("meta") < names.index("title") < names.index("style") < names.index("body")


def test_nothing_outside_is_asked_for() -> None:
    text = page(section("Loss"), script="document.title;", data={"a": 1})
    elements = Outline(text).elements
    addresses = [
        value for _, attributes in elements for key, value in attributes.items() if key in ("src", "href")
    ]
    assert addresses == ["#main"]
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
    (policy,) = [a["content"] for name, a in elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and "default-src 'none'" in policy and "script-src 'sha256-" in policy
    assert not any(key.startswith("on") for _, attributes in elements for key in attributes)


def test_data_cannot_end_its_element() -> None:
    data = {EVIL: [EVIL, 1.5, float("nan"), float("inf"), -float("inf"), None, True], "array": np.arange(3.0)}
    text = json_text(data)
    assert "<" not in text and ">" not in text and "&" not in text and "\u2028" not in text
    assert json.loads(text) == {
        EVIL: [EVIL, 1.5, "NaN", "Infinity", "-Infinity", None, True],
        "array": [0.0, 1.0, 2.0],
    }
    assert json.loads(json_text({"n": np.float32(0.5), "i": np.int64(3)})) == {"n": 0.5, "i": 3}


def test_a_script_cannot_end_its_element_either() -> None:
    text = page(script="const end = '</script>';")
    assert "'<\\/script>'" in text
    with pytest.raises(AssertionError, match="starts a comment"):
        page(script="<!-- x")


def test_headings_keep_their_order() -> None:
    text = section("Flow", section("Rate", level=3, name="rate"), note="At step 5.", name="flow")
    assert text == (
        '<section id="flow"><h2>Flow</h2><p class="note">At step 5.</p>'
        '<section id="rate"><h3>Rate</h3></section></section>'
    )


def test_tables_and_folded_parts() -> None:
    text = table(["name", "size"], [["<weight>", "−3.5"], ["bias", ""]])
    assert "<td>&lt;weight&gt;</td>" in text and '<td class="number">−3.5</td>' in text
    assert '<th scope="col" class="number">size</th>' in text
    assert "<tbody></tbody>" in table(["name"], [])
    assert (
        folded("<x>", tag("p", "y"), opened=True)
        == "<details open><summary>&lt;x&gt;</summary><p>y</p></details>"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_the_shell(language: str) -> None:
    text = page(language=language)
    assert ("跳到正文" in text) == (language == "zh")
    assert ("Skip to the content" in text) == (language == "en")


def test_a_language_that_there_is_not() -> None:
    with pytest.raises(ArgumentError, match="language expects one of en, zh, got 'fr'"):
        Words("fr")


def test_the_files_of_a_page_are_packed() -> None:
    """The wheel takes all of src/deltarule, so what stands beside the code arrives with it."""
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'packages = ["src/deltarule"]' in project
    assert "prefers-color-scheme" in asset("page.js") and "@media print" in asset("page.css")


def test_the_browser_opens_it_without_the_network(browser) -> None:
    browser.open(
        page(
            section("Loss", tag("p", EVIL, id="text"), folded(EVIL, EVIL)),
            title=EVIL,
            script="document.getElementById('text').dataset.read ="
            " JSON.parse(document.getElementById('data').textContent).text;",
            data={"text": EVIL},
        )
    )
    assert browser.console_errors() == []
    assert browser.requests() == []
    assert browser.evaluate("document.title") == EVIL
    assert browser.evaluate("document.getElementById('text').dataset.read") == EVIL
    assert browser.evaluate("document.getElementById('text').textContent") == EVIL
    assert browser.count("img") == 0
    assert browser.first_paint_ms() < 3000


def test_the_policy_stops_what_escaping_might_miss(browser) -> None:
    """A page whose text was put in unescaped, on purpose: neither its script nor its address is used."""
    smuggled = "<script>window.smuggled = 1</script><img src='https://deltarule.invalid/x.png'>"
    browser.open(page(section("Loss")).replace("<main", f"{smuggled}<main"))
    assert browser.evaluate("window.smuggled") is None
    assert browser.requests() == []
    errors = browser.console_errors()
    assert len(errors) == 2 and all("Content Security Policy" in each for each in errors)


def test_light_and_dark_by_system_and_by_button(browser) -> None:
    browser.open(page(section("Loss")))
    paper = "getComputedStyle(document.body).backgroundColor"
    light = browser.evaluate(paper)
    assert light == "rgb(255, 255, 255)"
    browser.prefer("dark")
    dark = browser.evaluate(paper)
    assert dark != light
    browser.wait_until("document.querySelector('button.theme').getAttribute('aria-pressed') === 'true'")
    # By keyboard alone: first the link that skips, then the button.
    browser.press("Tab", "Tab", "Enter")
    assert browser.evaluate("document.activeElement.className") == "theme"
    assert browser.evaluate(paper) == light
    browser.press("Space")
    assert browser.evaluate(paper) == dark
    browser.print_media()
    assert browser.evaluate(paper) == light
    browser.print_media(False)
    browser.evaluate("localStorage.clear()")


def test_by_keyboard(browser) -> None:
    browser.open(page(section("Loss", folded("More", tag("p", "hidden", id="inside")))))
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.className") == "skip"
    assert browser.evaluate("document.activeElement.getBoundingClientRect().left") == 0
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press("Enter")
    assert browser.evaluate("document.activeElement.id") == "main"
    assert not browser.visible("#inside")
    browser.press("Tab", "Enter")
    assert browser.visible("#inside")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_never_scrolls_sideways(browser, width: int) -> None:
    long = "encoder.layers.0." * 12
    browser.resize(width, 844)
    browser.open(
        page(
            section(
                long,
                tag("p", long),
                tag("pre", long),
                table([long, "size"], [[long, "3"]]),
                folded(long, long),
            ),
            title=long,
        )
    )
    assert browser.overflow() == 0


def test_what_is_wide_scrolls_by_keyboard(browser) -> None:
    browser.resize(390, 844)
    browser.open(page(section("T", table(["name " * 30, "size"], [["weight_" * 20, "3"]]))))
    browser.press("Tab", "Tab", "Tab", "ArrowRight")
    browser.wait_until("document.querySelector('.wide').scrollLeft > 0")
