"""IDX files: every element type, names as they occur in the wild, and every kind of damage."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.data import Dataset, load, read_idx, read_idx_folder
from deltarule.data.idx_file import parse_idx, read_idx_pair
from deltarule.errors import ArgumentError, DataError
from tests.data.files import IDX_CODES, idx_bytes, write_idx, write_mnist_like


@pytest.mark.parametrize("element", sorted(IDX_CODES))
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_every_element_type_comes_back(tmp_path, element, suffix):
    array = np.arange(-6, 6).reshape(2, 3, 2).astype(element)
    read = read_idx(write_idx(tmp_path / f"a{suffix}", array))
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    read[0] = 0  # a copy of its own, not a view of the file's bytes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "byte 0: expected 4 bytes of magic number, the file ends"),
        (b"\0\0\x08", "byte 3: expected 4 bytes of magic number"),
        (b"\1\0\x08\1", "byte 0: expected two zero bytes, got 01 00"),
        (b"\0\0\x07\1", "byte 2: expected an element type among 08, 09, 0b, 0c, 0d, 0e, got 07"),
        (b"\0\0\x08\0", "byte 3: expected 1 to 32 axes, got 0"),
        (b"\0\0\x08\2\0\0\0\1", "byte 8: expected the sizes of 2 axes up to byte 12, the file ends"),
        (
            b"\0\0\x08\1\0\0\0\3ab",
            "byte 10: shape (3,) of uint8 expects 11 bytes, got 10: the file ends there",
        ),
        (
            b"\0\0\x08\1\0\0\0\3abcd",
            "byte 11: shape (3,) of uint8 expects 11 bytes, got 12: further bytes follow",
        ),
        (b"\0\0\x0e\4" + b"\xff" * 16, "byte 20: shape (4294967295, 4294967295, 4294967295, 4294967295)"),
        (b"\0\0\x0e\4" + b"\0" * 4 + b"\xff" * 12, "is not possible"),
    ],
)
def test_damage_is_named_with_its_byte(content, said):
    with pytest.raises(DataError) as caught:
        parse_idx(content, "file.idx")
    assert "file.idx" in str(caught.value)
    assert said in str(caught.value)


def test_every_truncation_and_every_flipped_byte_is_an_error_or_an_array():
    content = idx_bytes(np.arange(12, dtype=np.int16).reshape(3, 4))
    for length in range(len(content)):
        with pytest.raises(DataError, match=r"byte \d+"):
            parse_idx(content[:length], "file")
    survivors = 0
    for position in range(len(content)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(content)
            damaged[position] ^= flip
            try:
                survivors += parse_idx(bytes(damaged), "file").shape == (3, 4)
            except DataError:
                assert position < 12  # header bytes only: the elements may be anything
    assert survivors >= 3 * (len(content) - 12)


def test_damaged_gzip_is_named(tmp_path):
    path = write_idx(tmp_path / "a.gz", np.arange(5000, dtype=np.int32))
    content = path.read_bytes()
    for length in range(2, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"a\.gz: damaged gzip data after byte \d+"):
            read_idx(path)
    for position in range(0, len(content), 61):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(read_idx(path), np.arange(5000))
        except DataError as error:
            assert "a.gz" in str(error)


@pytest.mark.parametrize(
    "suffix", ["-idx{axes}-ubyte", ".idx{axes}-ubyte", "-idx{axes}-ubyte.gz", ".idx{axes}-ubyte.gz", ".idx"]
)
def test_a_folder_is_a_dataset_with_its_own_test_part(tmp_path, suffix):
    folder = write_mnist_like(tmp_path / "data", suffix)
    (folder / "README.txt").write_text("hello")
    dataset = load(folder, seed=3)
    assert isinstance(dataset, Dataset)
    assert (dataset.kind, dataset.outputs, dataset.input_shape) == ("classification", 4, (1, 5, 4))
    assert [len(part) for part in dataset.parts.values()] == [36, 4, 10]
    assert dataset.inputs.dtype == np.uint8
    assert dataset.inputs.shape == (50, 1, 5, 4)
    np.testing.assert_array_equal(dataset.inputs[:, 0, 0, 0], 10 * dataset.targets)
    np.testing.assert_array_equal(dataset.test.rows, np.arange(40, 50))
    np.testing.assert_array_equal(dataset.test.targets, np.arange(10) % 4)
    assert sorted([*dataset.train.rows, *dataset.validation.rows]) == list(range(40))


def test_statistics_come_from_the_training_part_alone(tmp_path):
    dataset = load(write_mnist_like(tmp_path / "data"))
    training = dataset.inputs[dataset.train.rows] / 255
    expected = (dataset.inputs[dataset.test.rows] / 255 - training.mean()) / training.std()
    np.testing.assert_allclose(dataset.test.inputs, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dataset.train.inputs.mean(), 0, atol=1e-6)
    np.testing.assert_allclose(dataset.train.inputs.std(), 1, rtol=1e-5)


def test_an_uncompressed_file_goes_before_its_gzipped_copy(tmp_path):
    folder = write_mnist_like(tmp_path / "data")
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8bdamaged")
    assert len(load(folder).train) == 36


def test_a_test_fraction_beside_a_test_part_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="the data brings its own"):
        load(write_mnist_like(tmp_path / "data"), test=0.3)


def test_a_folder_that_lacks_something_says_what(tmp_path):
    with pytest.raises(DataError, match=r"a file of training images such as .*, got an empty folder"):
        read_idx_folder(tmp_path)
    folder = write_mnist_like(tmp_path / "data")
    (folder / "t10k-labels-idx1-ubyte").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="expected test labels beside the other test file"):
        read_idx_folder(folder)
    write_idx(folder / "t10k-labels-idx1-ubyte", np.zeros(9, np.uint8))
    with pytest.raises(
        DataError, match=r"byte 4: expected 10 labels for the images of t10k-images-idx3-ubyte"
    ):
        read_idx_folder(folder)
    write_idx(folder / "t10k-labels-idx1-ubyte", np.zeros(10, np.uint8))
    write_idx(folder / "t10k-images-idx3-ubyte", np.zeros((10, 6, 4), np.uint8))
    with pytest.raises(DataError, match=r"expected images of shape \(5, 4\) as in training, got \(6, 4\)"):
        read_idx_folder(folder)
    write_idx(folder / "letters-train-labels-idx1-ubyte", np.zeros(40, np.uint8))
    with pytest.raises(
        DataError, match=r"expected one file of train labels, got letters-train.*, train-labels"
    ):
        read_idx_folder(folder)


@pytest.mark.parametrize("suffix", ["-idx{axes}-ubyte", ".idx{axes}-ubyte.gz"])
def test_a_single_file_finds_its_labels(tmp_path, suffix):
    folder = write_mnist_like(tmp_path / "data", suffix)
    dataset = load(folder / f"t10k-images{suffix.format(axes=3)}")
    assert [len(part) for part in dataset.parts.values()] == [7, 1, 2]
    (folder / f"t10k-labels{suffix.format(axes=1)}").unlink()
    assert read_idx_pair(folder / f"t10k-images{suffix.format(axes=3)}").targets is None
    with pytest.raises(DataError, match="only inputs"):
        load(folder / f"t10k-images{suffix.format(axes=3)}")
