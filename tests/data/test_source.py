"""load, load_again and load_part: named sets, descriptions, options, and how light the import is."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from deltarule.data import (
    NAMED_SETS,
    Preprocessing,
    from_arrays,
    load,
    load_again,
    load_part,
    names,
    read_idx_folder,
)
from deltarule.errors import ArgumentError, DataError, DTypeError, ShapeError
from tests.data.files import write_mnist_like


def test_digits():
    digits = load("digits")
    assert digits.inputs.shape == (1797, 1, 8, 8)
    assert digits.inputs.dtype == np.uint8
    assert digits.inputs.max() == 16
    assert np.bincount(digits.targets).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert digits.inputs[0, 0, 1].tolist() == [0, 0, 13, 15, 10, 15, 5, 0]
    assert digits.targets[:3].tolist() == [0, 1, 2]
    assert digits.class_names == tuple("0123456789")
    assert digits.train.inputs.dtype == np.float32
    assert digits.train.targets.dtype == np.int64
    shares = [np.bincount(part.targets) / len(part) for part in digits.parts.values()]
    np.testing.assert_allclose(shares[0], shares[2], atol=0.01)
    plain = load("digits", standardise=False)
    assert (plain.train.inputs.min(), plain.train.inputs.max()) == (0, 1)


def test_the_help_topics():
    text = load("python-help")
    assert text.kind == "text"
    assert 300_000 < len(text.inputs) < 900_000
    assert text.vocabulary is not None
    assert "assert" in text.vocabulary.decode(text.train.inputs)
    assert abs(len(text.validation) / len(text.inputs) - 0.1) < 0.001
    assert load("topics").sha256 == text.sha256


def test_synthetic_sets():
    xor = load("xor")
    assert sorted(map(tuple, xor.inputs.tolist())) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(target == (a != b) for (a, b), target in zip(xor.inputs, xor.targets, strict=True))
    assert [len(part) for part in xor.parts.values()] == [4, 0, 0]
    assert len(load("xor", samples=100, noise=0.1).test) == 20
    spirals = load("spirals", seed=3)
    assert (len(spirals.inputs), spirals.outputs, spirals.feature_names) == (400, 2, ("x", "y"))
    assert spirals.sha256 != load("spirals", seed=4).sha256
    sine = load("sine", noise=0.0)
    assert sine.kind == "regression"
    np.testing.assert_allclose(sine.targets, np.sin(sine.inputs), atol=1e-5)
    for wrong in ({"samples": 1}, {"samples": 2.5}, {"noise": -1}, {"noise": float("nan")}):
        with pytest.raises(ArgumentError, match=f"{next(iter(wrong))} expects"):
            load("xor", **wrong)


@pytest.mark.parametrize("name", names())
def test_every_named_set_is_described_reloaded_and_the_same_each_time(name):
    first, second = load(name, seed=5), load(name, seed=5)
    for part in first.parts:
        np.testing.assert_array_equal(first.parts[part].inputs, second.parts[part].inputs)
        np.testing.assert_array_equal(first.parts[part].targets, second.parts[part].targets)
    description = json.loads(json.dumps(first.description(), allow_nan=False))
    assert first.matches(description) == []
    assert len(load_again(description).train) == len(first.train)
    assert description["sizes"]["train"] == len(first.train)
    drawn = {"seed": 5} if name in ("xor", "spirals", "sine") else {}
    part = load_part(name, Preprocessing.from_dict(description["preprocessing"]), **drawn)
    assert len(part) == len(first.inputs)
    np.testing.assert_array_equal(part.inputs[first.train.rows], first.train.inputs)
    np.testing.assert_array_equal(part.targets[first.train.rows], first.train.targets)
    assert next(named for named in NAMED_SETS if named.name == name).kind == first.kind


def test_matches_tells_what_differs():
    digits = load("digits")
    other = load("digits", seed=1, validation=0.2)
    differences = other.matches(digits.description())
    assert "seed of the split: recorded 0, found 1" in differences
    assert any(said.startswith("sizes of the parts: recorded {'train': 1258") for said in differences)
    assert not any("content" in said for said in differences)
    assert any("content (sha256)" in said for said in load("spirals").matches(load("xor").description()))


def test_a_changed_file_is_noticed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    description = load(path, seed=2, categorical=()).description()
    assert description["path"] == str(path.resolve())
    load_again(description)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    load_again(description)  # the same cells, written differently
    path.write_text(path.read_text().replace("7,1", "8,1"))
    with pytest.raises(
        DataError, match=r"a\.csv: expected the data of the description, but: content \(sha256\)"
    ):
        load_again(description)


def test_unknown_sources():
    with pytest.raises(DataError) as caught:
        load("digit")
    assert "digits, python-help, xor, spirals, sine" in str(caught.value)
    assert str(caught.value).endswith("Did you mean 'digits'?")
    with pytest.raises(DataError, match=r"no/such/file.csv', which does not exist"):
        load("no/such/file.csv")


@pytest.mark.parametrize("source", ["x" * 5000, "a\0b", "~nobody-of-that-name/a.csv"])
def test_impossible_paths(source):
    with pytest.raises(DataError, match="which does not exist"):
        load(source)


def test_options_that_would_do_nothing_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("hello hello hello")
    for source, options in (
        ("digits", {"target": "y"}),
        ("digits", {"samples": 3}),
        ("python-help", {"standardise": True}),
        (tmp_path / "a.txt", {"delimiter": ","}),
        (write_mnist_like(tmp_path / "data"), {"encoding": "utf-8"}),
    ):
        with pytest.raises(ArgumentError, match=f"takes no option '{next(iter(options))}'"):
            load(source, **options)
    with pytest.raises(ArgumentError, match="'digits' is for classification, got kind='text'"):
        load("digits", kind="text")
    with pytest.raises(ArgumentError, match=r"kind='regression' does not fit|expects"):
        load(tmp_path / "a.txt", kind="nonsense")


def test_the_form_of_a_file_is_found(tmp_path):
    (tmp_path / "iris.data").write_text("5.1,a\n4.9,b\n5.0,a\n4.8,b\n")
    assert load(tmp_path / "iris.data").kind == "text"
    assert load(tmp_path / "iris.data", target=-1).kind == "classification"
    assert load(tmp_path / "iris.data", kind="classification").outputs == 2
    (tmp_path / "a.csv").write_text("5.1,a\n4.9,b\n5.0,a\n4.8,b\n")
    assert load(tmp_path / "a.csv", kind="text").kind == "text"
    np.savez(tmp_path / "a.npz", x=np.arange(4.0), y=np.arange(4.0) / 3)
    (tmp_path / "a.npz").rename(tmp_path / "no_suffix")
    assert load(tmp_path / "no_suffix").kind == "regression"
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(DataError, match="damaged gzip data"):
        load(tmp_path / "cut.gz")


def test_new_data_without_targets_and_of_other_forms(tmp_path):
    digits = load("digits")
    np.savez(tmp_path / "new.npz", x=digits.inputs[:5, 0])
    part = load_part(tmp_path / "new.npz", digits.preprocessing)
    assert part.targets is None
    np.testing.assert_array_equal(part.inputs, digits.preprocessing.apply(digits.inputs[:5]))
    rows = [",".join(map(str, row.ravel())) for row in digits.inputs[:5]]
    (tmp_path / "new.csv").write_text("\n".join(rows))
    np.testing.assert_array_equal(load_part(tmp_path / "new.csv", digits.preprocessing).inputs, part.inputs)
    (tmp_path / "new.csv").write_text(
        "\n".join(f"{row},{label}" for row, label in zip(rows, "01234", strict=True))
    )
    with_targets = load_part(tmp_path / "new.csv", digits.preprocessing)
    assert with_targets.targets.tolist() == [0, 1, 2, 3, 4]
    (tmp_path / "new.csv").write_text("1,2,3\n4,5,6\n")
    with pytest.raises(DataError, match="expected 64 columns of numbers, or 65 with a target, got 3"):
        load_part(tmp_path / "new.csv", digits.preprocessing)
    with pytest.raises(
        ShapeError, match=r"expected samples of shape \(1, 8, 8\), got an array \(8, 8\).*raw\[None\]"
    ):
        digits.preprocessing.apply(digits.inputs[0, 0])
    folder = write_mnist_like(tmp_path / "data")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx_folder(folder / "t10k-images-idx3-ubyte")
    mnist = load(folder)
    np.testing.assert_array_equal(load_part(folder, mnist.preprocessing).inputs, mnist.test.inputs)
    with pytest.raises(DataError, match="expected text like the training data"):
        load_part("digits", load("python-help").preprocessing)
    with pytest.raises(DataError, match="this data has no targets"):
        load("python-help").preprocessing.apply_targets([1])


def test_arrays_in_memory():
    random = np.random.default_rng(0)
    dataset = from_arrays(
        random.normal(size=(40, 3)),
        random.integers(0, 2, 40),
        class_names=["no", "yes"],
        feature_names=["a", "b", "c"],
    )
    assert dataset.class_names == ("no", "yes")
    assert dataset.feature_names == ("a", "b", "c")
    several = from_arrays(random.normal(size=(40, 3)), random.normal(size=(40, 2)), standardise_targets=True)
    assert (several.kind, several.outputs) == ("regression", 2)
    np.testing.assert_allclose(several.train.targets.mean(0), 0, atol=1e-6)
    sequences = from_arrays(random.normal(size=(40, 7, 3)), random.integers(0, 2, 40), layout="as_is")
    assert sequences.input_shape == (7, 3)
    rows, labels = np.zeros((4, 2)), [0, 1, 1, 0]
    for inputs, targets, options, error in (
        (rows[:3], [0, 1], {}, ShapeError),
        (rows[:0], [], {}, ShapeError),
        (np.array(["a", "b"]), [0, 1], {}, DTypeError),
        (rows, [None, 1, 2, 3], {}, DTypeError),
        (rows, [0.0, np.nan, 1.0, 2.0], {}, DataError),
        (np.zeros((4, 2, 2, 2, 2)), labels, {}, ShapeError),
        (rows, labels, {"test_inputs": rows}, ArgumentError),
        (rows, labels, {"test_inputs": np.zeros((1, 3)), "test_targets": [0]}, ShapeError),
        (rows, labels, {"test_inputs": rows, "test_targets": list("abab")}, DTypeError),
        (rows, labels, {"layout": "sideways"}, ArgumentError),
        (rows, labels, {"scale": 0}, ArgumentError),
        (rows, labels, {"feature_names": ["a"]}, ArgumentError),
        (rows, [0.1, 1, 1, 0], {"class_names": ["a", "b"]}, ArgumentError),
        (rows, [0, 1, 2, 0], {"class_names": ["a", "b"], "kind": "classification"}, DataError),
    ):
        with pytest.raises(error, match=r"^arrays"):
            from_arrays(inputs, targets, **options)


@pytest.mark.parametrize(
    "record", [None, {}, {"form": "zebra"}, {"form": "array"}, {"form": "table", "encodings": 3}]
)
def test_damaged_preprocessing_records(record):
    with pytest.raises(DataError, match=r"Preprocessing.from_dict"):
        Preprocessing.from_dict(record)


def test_the_import_needs_neither_llvmlite_nor_the_rest_of_deltarule():
    code = (
        "import sys, deltarule.data; "
        "heavy = {'llvmlite', 'scipy', 'pydoc_data.topics', 'rich', 'click', 'safetensors'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(filter(None, sys.path))}
    )
