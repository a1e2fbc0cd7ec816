"""All words stand in both languages, with the same places."""

from __future__ import annotations

import pkgutil
import re
import string

import pytest

from deltarule.errors import ArgumentError
from deltarule.report import words
from deltarule.report.words import LANGUAGES, Words, catalogue

MODULES = sorted(module.name for module in pkgutil.iter_modules(words.__path__))


def places(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("module", MODULES)
def test_rows(module):
    rows = catalogue(module)
    assert rows
    for key, row in rows.items():
        assert re.fullmatch(rf"{module}(\.[\w -]+)+", key), key
        assert len(row) == len(LANGUAGES)
        assert all(isinstance(text, str) and text.strip() == text and text for text in row), key
        assert places(row[0]) == places(row[1]), key


@pytest.mark.parametrize("module", MODULES)
def test_chinese_is_chinese(module):
    """A text with a word of English in its Chinese column has Chinese around it, or is a name or formula."""
    for key, (english, chinese) in catalogue(module).items():
        if english == chinese:
            bare = re.sub(r"\{\w+(:[^}]*)?\}|\$[^$]*\$", "", english)
            assert not re.search(r"[a-z]{4,}", bare), f"{key} is not translated: {english}"
        assert not re.search(r"[\u4e00-\u9fff]", english), key


def test_words_of_a_language():
    assert Words("zh")("derivation.forward") == "前向传播"
    assert Words("en").under("derivation.role")["loss"] == "loss"
    with pytest.raises(ArgumentError, match="language expects one of en, zh, got 'fr'"):
        Words("fr")
    with pytest.raises(KeyError):
        Words("en")("derivation.no_such_word")
