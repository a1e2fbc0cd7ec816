"""CSV files: how they are written in the wild, what their cells mean, and messages that name the line."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from deltarule.data import Preprocessing, load, load_part, read_csv
from deltarule.errors import ArgumentError, DataError

HOUSES = """size,town,price
100,Ulm,1.5
120,Bonn,2.5
,Ulm,1.0
90,?,1.25
""" + "".join(f"{80 + i},{'Ulm' if i % 2 else 'Bonn'},{i / 7}\n" for i in range(16))


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.csv", encoding="utf-8"):
        path = tmp_path / name
        content = text.encode(encoding)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_delimiters_line_ends_and_quotes(write, delimiter, line_end):
    rows = [["name", "number"], ['"a, b; c|d"', "1"], ['"say ""hi"""', " 2 "], ["", ""], ["x", "3"]]
    table = read_csv(write(line_end.join(delimiter.join(row) for row in rows)))
    assert table.names == ("name", "number")
    assert table["name"] == ["a, b; c|d", 'say "hi"', "", "x"]
    assert table["number"] == ["1", "2", "", "3"]


def test_decimal_commas_between_semicolons(write):
    table = read_csv(write("größe;preis;liste;n\n1;-2,5;1,2;3\n?;1,25e3;a;4\n"))
    assert table.header
    assert table.columns == [["1", "?"], ["-2.5", "1.25e3"], ["1,2", "a"], ["3", "4"]]
    assert table.notes == ("commas within numbers are read as decimal points",)
    rows = "".join(f"{i};{i},5;{i},25\n" for i in range(20))
    data = load(write(f"a;b;c\n{rows}"))
    assert data.kind == "regression"
    part = load_part(write("a;b;c\n3;3,5;3,25\n", "new.csv"), data.preprocessing)
    assert part.targets.tolist() == [[3.25]]


def test_quoted_line_ends_count_as_lines(write):
    table = read_csv(write('text,n\n"one\ntwo",1\n\nplain,2\n'))
    assert table["text"] == ["one\ntwo", "plain"]
    assert table.lines == [2, 5]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv"])
def test_encodings_and_compression(write, encoding, name):
    table = read_csv(write("größe\tfarbe\n1\trosé\n2\tblau\n", name, encoding))
    assert table.names == ("größe", "farbe")
    assert table["farbe"] == ["rosé", "blau"]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a,b\n1,2\n3,4\n", True),
        ("1,2\n3,4\n", False),
        ("5.1,setosa\n4.9,setosa\n", False),
        ("colour,shape\nred,round\nblue,round\n", True),
        ("red,round\nblue,round\nred,square\n", False),
        (",a\n0,1\n1,2\n", True),
        ("?,a\n0,1\n1,2\n", False),
    ],
)
def test_header_detection(write, text, header):
    assert read_csv(write(text)).header is header


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.csv: expected text, got an empty file of 0 bytes"),
        ("\n\n  \n", "a.csv: expected text, got an empty file"),
        ("a,b\n", "only a header line"),
        ("a,b\n1,2\n3\n", "a.csv: line 3: expected 2 fields as on line 1, got 1"),
        ('a,b\n"x\ny",2\n1,2,3\n', "a.csv: line 4: expected 2 fields as on line 1, got 3"),
        ('a,b\n1,"2\n3,4\n', "a.csv: line 2: unexpected end of data"),
        ('a,b\n1,"2"3\n', "a.csv: line 2:"),
        ("a,b,a\n1,2,3\n", "line 1: columns 1 and 3 have the same name 'a'"),
        ("a,b\n1,\0\n", "got a zero byte at byte 6"),
    ],
)
def test_malformed_files_are_named_with_their_line(write, text, said):
    path = write(text)
    with pytest.raises(DataError) as caught:
        read_csv(path, header=True if text == "a,b\n" else None)
    assert said in str(caught.value)


def test_a_given_encoding_that_does_not_fit_names_the_byte(write):
    path = write("a,b\nä,1\n", encoding="cp1252")
    with pytest.raises(DataError, match=r"byte 4: e4 2c 31 0a is not valid utf-8"):
        load(path, encoding="utf-8", target="b")


def test_numbers_categories_and_missing_cells(write):
    dataset = load(write(HOUSES), missing_indicator=True, validation=0, test=0.25, seed=1)
    assert dataset.kind == "regression"
    assert dataset.feature_names == ("size", "size is missing", "town=(missing)", "town=Bonn", "town=Ulm")
    assert dataset.targets.shape == (20, 1)
    assert dataset.targets.dtype == np.float32
    train = dataset.train.rows
    sizes = np.array([100, 120, np.nan, 90, *range(80, 96)])
    mean = np.nanmean(sizes[train])
    filled = np.where(np.isnan(sizes), mean, sizes)
    np.testing.assert_allclose(dataset.inputs[:, 0], filled, rtol=1e-6)
    expected = (filled - filled[train].mean()) / filled[train].std()
    np.testing.assert_allclose(dataset.train.inputs[:, 0], expected[train], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dataset.test.inputs[:, 0], expected[dataset.test.rows], rtol=1e-5, atol=1e-6)
    assert dataset.inputs[2, 1] == 1
    assert dataset.inputs[:, 1].sum() == 1
    np.testing.assert_array_equal(dataset.inputs[3, 2:], [1, 0, 0])
    np.testing.assert_array_equal(dataset.inputs[0, 2:], [0, 0, 1])


def test_categories_are_learned_on_the_training_part_only(write):
    text = "".join(f"{row},{'ab'[row % 2]},{row % 2}\n" for row in range(30))
    path = write("n,letter,y\n" + text)
    rare = load(path).test.rows[0]
    lines = path.read_text().splitlines()
    lines[rare + 1] = f"{rare},rare,{rare % 2}"
    path.write_text("\n".join(lines))
    dataset = load(path)
    assert rare in dataset.test.rows
    assert dataset.feature_names == ("n", "letter=a", "letter=b")
    np.testing.assert_array_equal(dataset.inputs[rare, 1:], [0, 0])
    with pytest.raises(DataError, match=rf"line {rare + 2}: column 'letter' expects one of .*got 'rare'"):
        load(path, unknown="error")


def test_the_target_column(write):
    rows = "".join(f"{i % 3},{i},{i * 0.5},{i % 2}\n" for i in range(20))
    named = write("a,b,Class,d\n" + rows)
    assert load(named).preprocessing.target == "Class"
    assert load(named, target="b").preprocessing.target == "b"
    assert load(named, target=0).preprocessing.target == "a"
    assert load(named, target="-1").class_names == ("0", "1")
    assert load(write("a,b,c,d\n" + rows, "b.csv")).preprocessing.target == "d"
    assert load(write(rows, "c.csv")).preprocessing.target == "column 4"
    with pytest.raises(
        ArgumentError, match=r"target expects one of the 4 columns .*got 'Clas'. Did you mean 'Class'\?"
    ):
        load(named, target="Clas")
    with pytest.raises(ArgumentError, match="got 9"):
        load(named, target=9)
    assert load(named, target="d", ignore="a").feature_names == ("b", "Class")
    with pytest.raises(ArgumentError, match="ignore holds the target"):
        load(named, target="d", ignore=["d"])
    assert load(named, target="d", categorical=["a"]).feature_names == ("a=0", "a=1", "a=2", "b", "Class")


def test_kind_is_found_or_forced(write):
    whole = write("x,y\n" + "".join(f"{i},{i % 5 + 3}\n" for i in range(40)))
    assert load(whole).class_names == ("3", "4", "5", "6", "7")
    assert load(whole, kind="regression").targets[:2].tolist() == [[3.0], [4.0]]
    many = write("x,y\n" + "".join(f"{i},{i}\n" for i in range(40)))
    assert load(many).kind == "regression"
    assert load(many, kind="classification", validation=0, test=0).outputs == 40
    names = write("x,y\n1,no\n2,yes\n3,no\n4,yes\n")
    assert load(names).class_names == ("no", "yes")
    with pytest.raises(DataError, match=r"line 2: the target 'y' expects numbers for a regression, got 'no'"):
        load(names, kind="regression")
    with pytest.raises(DataError, match=r"at least 2 classes in 'y', got 1 \('a'\)"):
        load(write("x,y\n1,a\n2,a\n"))
    with pytest.raises(ArgumentError, match="kind expects"):
        load(names, kind="clustering")


def test_numbers_written_differently_are_one_class(write):
    dataset = load(write("x,y\n" + "5,1\n6,1.0\n7,0\n8,0\n" * 5))
    assert dataset.class_names == ("0", "1")
    assert dataset.targets[:4].tolist() == [1, 1, 0, 0]


def test_rows_without_a_target_are_left_out_with_a_note(write):
    dataset = load(write("x,y\n1,a\n2,\n3,b\n4,NA\n5,a\n6,b\n"))
    assert len(dataset.targets) == 4
    assert "2 rows without a target are left out, the first on line 3" in dataset.notes
    with pytest.raises(DataError, match="missing in every row"):
        load(write("x,y\n1,\n2,\n"), target="y")


def test_one_odd_cell_among_numbers_is_a_mistake(write):
    text = "x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(20)) + "abc,1\n"
    with pytest.raises(DataError, match=r"line 22: column 'x' expects numbers, got 'abc'"):
        load(write(text))
    assert load(write(text), missing=["ABC"]).feature_names == ("x",)
    with pytest.raises(DataError, match="got 'inf'"):
        load(write(text.replace("abc", "inf")))


def test_columns_that_teach_nothing_are_left_out_with_a_note(write):
    rows = "".join(f"{i},name{i},same,,{i % 2}\n" for i in range(40))
    dataset = load(write("x,name,constant,empty,y\n" + rows))
    assert dataset.feature_names == ("x",)
    assert sum("left out" in note for note in dataset.notes) == 3
    assert len(
        load(write("x,name,constant,empty,y\n" + rows), categorical=["name"]).feature_names
    ) == 1 + len(dataset.train)
    with pytest.raises(DataError, match="no column is left"):
        load(write("name,y\n" + "".join(f"n{i},{i % 2}\n" for i in range(40))))


def test_large_numbers_keep_their_differences(write):
    dataset = load(
        write("time,y\n" + "".join(f"{1.7e9 + i},{i % 2}\n" for i in range(40))), validation=0, test=0
    )
    steps = np.diff(np.sort(dataset.train.inputs[:, 0]))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-3)


def test_standardised_targets_and_back(write):
    text = "x,y\n" + "".join(f"{i},{1000 * i + 0.5}\n" for i in range(40))
    dataset = load(write(text), standardise_targets=True)
    np.testing.assert_allclose(dataset.train.targets.mean(), 0, atol=1e-6)
    restored = dataset.preprocessing.restore_targets(dataset.train.targets)
    np.testing.assert_allclose(restored, dataset.targets[dataset.train.rows], rtol=1e-4, atol=0.1)
    np.testing.assert_allclose(dataset.targets[:, 0], 1000 * np.arange(40) + 0.5)
    with pytest.raises(ArgumentError, match="standardise_targets expects a regression"):
        load(write("x,y\n1,a\n2,b\n"), standardise_targets=True)


def test_new_files_go_through_the_same_preprocessing(write):
    dataset = load(write(HOUSES), missing_indicator=True, test=0)
    preprocessing = Preprocessing.from_dict(dataset.preprocessing.to_dict())
    new = write("town;extra;size\nBonn;7;100\nParis;8;\n", "new.csv")
    part = load_part(new, preprocessing)
    assert part.targets is None
    np.testing.assert_allclose(
        part.inputs[0], dataset.preprocessing.apply([{"size": 100, "town": "Bonn"}])[0]
    )
    np.testing.assert_array_equal(part.inputs[1, 1:], [1, 0, 0, 0])
    np.testing.assert_array_equal(preprocessing.apply([[None, "Paris"]]), part.inputs[1:])
    with_targets = load_part(write(HOUSES), preprocessing)
    np.testing.assert_array_equal(with_targets.targets, dataset.targets)
    np.testing.assert_array_equal(with_targets.inputs[dataset.train.rows], dataset.train.inputs)
    with pytest.raises(DataError, match="expected a column 'size', got 'town', 'n'"):
        load_part(write("town,n\nUlm,1\n", "new.csv"), preprocessing)
    with pytest.raises(DataError, match="row 1: expected 2 cells"):
        preprocessing.apply([[1, 2, 3]])


def test_new_files_without_a_header(write):
    dataset = load(write("".join(f"{i % 2},{i},{i * i}\n" for i in range(20))), target=0)
    preprocessing = dataset.preprocessing
    without_target = load_part(write("3,9\n4,16\n", "new.csv"), preprocessing)
    assert without_target.targets is None
    with_target = load_part(write("1,3,9\n0,4,16\n", "new.csv"), preprocessing)
    np.testing.assert_array_equal(with_target.inputs, without_target.inputs)
    assert with_target.targets.tolist() == [1, 0]
    with pytest.raises(DataError, match="expected 3 columns, or 2 without the target, got 4"):
        load_part(write("1,2,3,4\n", "new.csv"), preprocessing)
    with pytest.raises(DataError, match=r"line 1: expected one of the 2 classes .* got '7'"):
        load_part(write("7,3,9\n", "new.csv"), preprocessing)


def test_damaged_bytes_give_an_error_or_a_dataset(write, tmp_path):
    content = write('size,town,y\n1,"a b",0\n2,c,1\n3,"a b",0\n4,c,1\n5,c,1\n6,"x",0\n').read_bytes()
    path = tmp_path / "b.csv"
    outcomes = {"dataset": 0, "error": 0}
    damaged = [content[:length] for length in range(len(content))]
    damaged += [
        content[:i] + bytes([content[i] ^ flip]) + content[i + 1 :]
        for i in range(len(content))
        for flip in (1, 6, 128)
    ]
    for candidate in damaged:
        path.write_bytes(candidate)
        try:
            dataset = load(path)
            assert np.isfinite(dataset.train.inputs).all()
            outcomes["dataset"] += 1
        except DataError as error:
            assert str(path) in str(error)
            outcomes["error"] += 1
    assert min(outcomes.values()) > 10
