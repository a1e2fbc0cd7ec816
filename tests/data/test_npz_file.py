"""npz files: names of arrays, layouts, damage, and no pickles."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

from deltarule.data import Arrays, load, read_npz
from deltarule.errors import DataError

X = np.arange(60, dtype=np.float32).reshape(20, 3)
Y = np.arange(20) % 2


@pytest.mark.parametrize(
    "names",
    [
        ("x", "y"),
        ("X", "Y"),
        ("inputs", "targets"),
        ("images", "labels"),
        ("data", "target"),
        ("data", "labels"),
    ],
)
def test_inputs_and_targets_are_found_by_name(tmp_path, names):
    np.savez(tmp_path / "a.npz", **{names[0]: X, names[1]: Y})
    dataset = load(tmp_path / "a.npz")
    assert (dataset.kind, dataset.outputs) == ("classification", 2)
    np.testing.assert_array_equal(dataset.inputs, X)
    np.testing.assert_array_equal(dataset.targets, Y)


def test_a_test_part_of_its_own(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X[:4] + 1, y_test=Y[:4])
    dataset = load(tmp_path / "a.npz")
    assert [len(part) for part in dataset.parts.values()] == [18, 2, 4]
    np.testing.assert_array_equal(dataset.inputs[dataset.test.rows], X[:4] + 1)


def test_images_with_channels_last_are_turned(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 5, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=images, y=Y)
    dataset = load(tmp_path / "a.npz")
    assert dataset.input_shape == (3, 6, 5)
    np.testing.assert_array_equal(dataset.inputs[:, 2], images[..., 2])
    assert any("channels last" in note for note in dataset.notes)
    np.testing.assert_array_equal(
        dataset.preprocessing.apply(images)[dataset.train.rows], dataset.train.inputs
    )
    assert load(tmp_path / "a.npz", layout="channels_first").input_shape == (6, 5, 3)
    assert load(tmp_path / "a.npz", layout="as_is").input_shape == (6, 5, 3)


def test_names_and_one_hot_targets(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=np.where(Y, "yes", "no"))
    assert load(tmp_path / "a.npz").class_names == ("no", "yes")
    np.savez(tmp_path / "a.npz", x=X, y=np.eye(4)[np.arange(20) % 4])
    dataset = load(tmp_path / "a.npz")
    assert dataset.kind == "classification"
    np.testing.assert_array_equal(dataset.targets, np.arange(20) % 4)


def test_objects_are_refused_and_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    array = np.empty(1, dtype=object)
    array[0] = Bomb()
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue() + pickle.dumps(array))
    with pytest.raises(DataError, match=r"array 'x\.npy': holds Python objects.*can run any code"):
        read_npz(tmp_path / "a.npz")


def test_what_does_not_fit_is_named(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, weights=X)
    with pytest.raises(DataError, match=r"expected arrays named x and y.*got weights"):
        load(path)
    np.savez(path, x=X, y=Y[:5])
    with pytest.raises(DataError, match=r"a target for each row of x, got shapes \(20, 3\) and \(5,\)"):
        load(path)
    np.savez(path, x_train=X, y_train=Y, x_test=X)
    with pytest.raises(DataError, match="the test part has inputs or targets, but not both"):
        load(path)
    np.savez(path, x=X)
    with pytest.raises(DataError, match="only inputs"):
        load(path)
    np.savez(path, x=np.where(X == 4, np.nan, X), y=Y)
    with pytest.raises(DataError, match=r"got nan at index \(1, 1\)"):
        load(path)
    np.savez(path, x=X.astype(complex), y=Y)
    with pytest.raises(DataError, match="real numbers, got complex128"):
        load(path)
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(DataError, match=r"a\.npz: damaged npz archive of 15 bytes"):
        load(path)


def test_a_header_that_lies_about_the_size_reserves_no_memory(tmp_path):
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**6)}
    np.lib.format.write_array_header_1_0(stream, header)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue() + b"12345678")
    with pytest.raises(DataError, match=r"expects 8000000000000000 bytes of data, got 8"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_bytes_give_an_error_or_arrays(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, x=X[:4], y=Y[:4])
    content = path.read_bytes()
    failures = 0
    for length in range(0, len(content), 11):
        path.write_bytes(content[:length])
        with pytest.raises(DataError):
            read_npz(path)
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 0x5A
        path.write_bytes(damaged)
        try:
            assert isinstance(read_npz(path), Arrays)
        except DataError as error:
            failures += 1
            assert "a.npz" in str(error)
    assert failures > len(content) // 6


def test_damaged_headers_give_an_error_or_arrays(tmp_path):
    # The archive's checksum would catch a flipped byte, so the header is damaged before it is packed.
    stream = io.BytesIO()
    np.save(stream, X[:4])
    content = stream.getvalue()
    for position in range(128):
        for byte in (0, ord("("), ord("'"), 0xFF):
            damaged = bytearray(content)
            damaged[position] = byte
            with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
                archive.writestr("x.npy", bytes(damaged))
            try:
                assert isinstance(read_npz(tmp_path / "a.npz"), Arrays)
            except DataError as error:
                assert "array 'x.npy'" in str(error)
