"""Checkpoint files: they come back bit for bit, and a damaged one is told from a good one."""

import errno
import os
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from deltarule.errors import RunError
from deltarule.training import atomic_file
from deltarule.training.atomic_file import remove_leftovers, write_atomic
from deltarule.training.checkpoint import Checkpoint, read_checkpoint, to_bytes, with_prefix, write_checkpoint

CHECKPOINT = Checkpoint(
    {
        "model.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "model.scale": np.array(0.1),
        "model.count": np.array([3], np.int64),
        "model.empty": np.zeros((0, 4), np.float32),
        "optimizer.state.0.step": np.array([np.nan, np.inf, -0.0]),
    },
    {"epoch": 3, "loss": 0.1 + 0.2, "name": "größer", "best": None},
)


def assert_same(found: Checkpoint, expected: Checkpoint) -> None:
    assert found.values == expected.values
    assert set(found.arrays) == set(expected.arrays)
    for name, array in expected.arrays.items():
        assert found.arrays[name].dtype == array.dtype, name
        assert found.arrays[name].shape == array.shape, name
        assert found.arrays[name].tobytes() == array.tobytes(), name


def test_it_comes_back_bit_for_bit(tmp_path):
    path = tmp_path / "last.safetensors"
    write_checkpoint(path, CHECKPOINT)
    found = read_checkpoint(path)
    assert_same(found, CHECKPOINT)
    found.arrays["model.weight"][0] = 1.0
    assert list(tmp_path.iterdir()) == [path]


def test_other_programs_can_read_the_arrays(tmp_path):
    path = tmp_path / "last.safetensors"
    write_checkpoint(path, CHECKPOINT)
    np.testing.assert_array_equal(load_file(path)["model.weight"], CHECKPOINT.arrays["model.weight"])


def test_parts_have_prefixes():
    assert set(CHECKPOINT.part("model")) == {"weight", "scale", "count", "empty"}
    assert set(with_prefix("a", {"b": np.zeros(1)})) == {"a.b"}


def test_every_truncation_is_noticed(tmp_path):
    path = tmp_path / "last.safetensors"
    content = to_bytes(CHECKPOINT)
    for length in [*range(0, len(content), 37), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(RunError, match=r"last\.safetensors: the checkpoint is damaged or truncated"):
            read_checkpoint(path)


def test_every_flipped_bit_is_noticed_or_harmless(tmp_path):
    path = tmp_path / "last.safetensors"
    content = to_bytes(CHECKPOINT)
    noticed = 0
    for position in range(0, len(content), 5):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        try:
            found = read_checkpoint(path)
        except RunError:
            noticed += 1
        else:
            assert_same(found, CHECKPOINT)
    assert noticed > 0.9 * len(content) / 5


def test_a_foreign_or_newer_file_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"weight": np.zeros(2)}, path)
    with pytest.raises(RunError, match="expected a checkpoint, got a safetensors file of another kind"):
        read_checkpoint(path)
    save_file({"weight": np.zeros(2)}, path, {"deltarule_checkpoint": "99"})
    with pytest.raises(RunError, match="expected a checkpoint of format 1, got format 99"):
        read_checkpoint(path)
    with pytest.raises(RunError, match="there is no such checkpoint"):
        read_checkpoint(tmp_path / "none.safetensors")
    path.write_bytes(struct.pack("<Q", 2**40) + b"x")
    with pytest.raises(RunError, match="damaged"):
        read_checkpoint(path)


# ---- writing whole or not at all


def test_writing_replaces_a_file(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_place_where_no_file_can_be(tmp_path):
    with pytest.raises(RunError, match="is a folder, a file was expected"):
        write_atomic(tmp_path, b"new")
    with pytest.raises(RunError, match=r"there is no folder .*nowhere\. Make it, or choose another"):
        write_atomic(tmp_path / "nowhere" / "file", b"new")
    assert not list(tmp_path.iterdir())


def test_a_link_stays_a_link(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"old")
    link.symlink_to(file)
    write_atomic(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomic(pipe, b"new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
    assert list(tmp_path.iterdir()) == [pipe] and pipe.is_fifo()


@pytest.mark.parametrize("failing", ["fsync", "replace", "write"])
def test_a_failure_in_the_middle_leaves_the_old_file(tmp_path, monkeypatch, failing):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    if failing == "write":

        class Full:
            def __init__(self, *arguments):
                self.file = open(*arguments)

            def __enter__(self):
                return self

            def __exit__(self, *exception):
                self.file.close()

            def write(self, content):
                self.file.write(content[: len(content) // 2])
                self.file.flush()
                fail()

        monkeypatch.setattr(atomic_file, "open", Full, raising=False)
    else:
        monkeypatch.setattr(os, failing, fail)
    with pytest.raises(RunError, match=r"cannot be written \(No space left on device\)\. Free some space"):
        write_atomic(path, b"much newer")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".last.safetensors.123.tmp").write_bytes(b"half")
    (tmp_path / "last.safetensors").write_bytes(b"whole")
    (tmp_path / "mine.tmp").write_bytes(b"mine")
    assert [path.name for path in remove_leftovers(tmp_path)] == [".last.safetensors.123.tmp"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.safetensors", "mine.tmp"]
