"""Texts: encodings, vocabulary, and the data set of a text."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data import Vocabulary, from_text, load, load_part, read_text
from deltarule.errors import ArgumentError, DataError, DTypeError, OutOfBoundsError

TEXT = "Grüße, Welt – naïve €5\nline two\n" * 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_encoding_is_found(tmp_path, encoding, compressed):
    content = TEXT.encode(encoding)
    path = tmp_path / "a.txt"
    path.write_bytes(gzip.compress(content) if compressed else content)
    read = read_text(path)
    assert read.text == TEXT
    assert read.encoding == encoding
    assert bool(read.note) == (encoding == "cp1252")


def test_latin_1_is_the_last_resort(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 \x81 end")
    read = read_text(tmp_path / "a.txt")
    assert (read.text, read.encoding) == ("café \x81 end", "latin-1")
    assert "not UTF-8 from byte 3" in read.note


def test_given_encodings(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("abc".encode("utf-16-le"))
    assert read_text(path, "utf-16-le").text == "abc"
    with pytest.raises(DataError, match=r"a\.txt: expected text, got a zero byte at byte 1"):
        read_text(path)
    path.write_bytes(b"ab\xff\xfe")
    with pytest.raises(DataError, match=r"a\.txt: byte 2: ff fe is not valid ascii"):
        read_text(path, "ascii")
    for wrong in ("klingon", "base64", "zlib", "a\0b"):
        with pytest.raises(ArgumentError, match="encoding expects a text codec"):
            read_text(path, wrong)


def test_line_ends_become_newlines(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a\r\nb\rc\n")
    assert read_text(tmp_path / "a.txt").text == "a\nb\nc\n"


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xef\xbb\xbf"])
def test_empty_files_are_refused(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.txt: expected text, got an empty file of {len(content)} bytes"):
        load(tmp_path / "a.txt")


def test_files_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(1, 9)) * 5)
    with pytest.raises(DataError, match="control bytes"):
        load(tmp_path / "a")


def test_the_last_tenth_is_the_validation_part(tmp_path):
    text = "abcdefghij" * 10
    (tmp_path / "a.txt").write_text(text)
    dataset = load(tmp_path / "a.txt")
    assert (dataset.kind, dataset.outputs, dataset.name) == ("text", 10, "a.txt")
    assert dataset.vocabulary is not None
    assert dataset.vocabulary.decode(dataset.train.inputs) == text[:89]
    assert dataset.vocabulary.decode(dataset.train.targets) == text[1:90]
    assert dataset.vocabulary.decode(dataset.validation.inputs) == text[90:99]
    assert len(dataset.test) == 0
    np.testing.assert_array_equal(load_part(tmp_path / "a.txt", dataset.preprocessing).inputs, dataset.inputs)


def test_characters_outside_the_training_part():
    dataset = from_text("abab" * 10 + "zz" + "ab", validation=0.1)
    assert dataset.vocabulary is not None
    assert dataset.vocabulary.symbols == ("a", "b", "\ufffd")
    assert "1 characters outside the training part" in dataset.notes[0]
    assert dataset.preprocessing.apply("az").tolist() == [0, 2]
    with pytest.raises(DataError, match=r"line 1, column 41: expected one of the 2 characters .*got 'z'"):
        from_text("abab" * 10 + "zz" + "ab", validation=0.1, unknown="error")
    with pytest.raises(DTypeError, match="expected text, got bytes"):
        dataset.preprocessing.apply(b"a")


def test_the_smallest_texts():
    assert len(from_text("hello!", validation=0).train) == 5
    assert len(from_text("hello!").train) == 4
    with pytest.raises(DataError, match="at least 2 characters to train on, got 1 of 2"):
        from_text("ab")


@given(st.text(min_size=1))
def test_encode_and_decode_are_inverse(text):
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary


def test_vocabulary_errors():
    with pytest.raises(DataError, match=r"line 2, column 3: .*got 'x' \(U\+0078\)"):
        Vocabulary("ab\n").encode("a\nabx".replace("abx", "abx"))
    with pytest.raises(DataError, match="single characters, got 'ab'"):
        Vocabulary(["ab"])
    with pytest.raises(DataError, match="each symbol once, got 'a' twice"):
        Vocabulary("aba")
    with pytest.raises(DataError, match="the replacement '\\?' is not one of the symbols"):
        Vocabulary("ab", "?")
    for tokens in ([2], [-1], [0.5]):
        with pytest.raises(OutOfBoundsError, match=r"whole numbers in \[0, 2\)"):
            Vocabulary("ab").decode(tokens)
    with pytest.raises(DataError, match="0 characters"):
        Vocabulary("").encode("a")
