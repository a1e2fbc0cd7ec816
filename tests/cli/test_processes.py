"""The program as a process: signals, broken pipes, full disks, encodings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import deltarule
from deltarule.training import RunFolder

SOURCE = Path(deltarule.__file__).parents[1]
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and devices of POSIX")

# Long enough to be interrupted, short enough to be finished afterwards.
LONG = ("train", "spirals", "--epochs", "4000", "--hidden", "8", "--batch-size", "40")


def start(folder, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "deltarule", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SOURCE), **options.pop("env", {})},
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        **options,
    )


def finish(process, seconds=60):
    out, errors = process.communicate(timeout=seconds)
    return process.returncode, (out or b"").decode(errors="replace"), errors.decode()


def start_and_wait_for_epochs(folder, count):
    """A long training that has done some epochs."""
    process = start(folder, *LONG, "--run-folder", "run")
    history = folder / "run" / "history.jsonl"
    deadline = time.monotonic() + 60
    while not history.exists() or history.read_bytes().count(b"\n") < count:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    return process


@POSIX
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (getattr(signal, "SIGKILL", None), -9)]
)
def test_a_stopped_run_is_saved_and_goes_on(tmp_path, number, code):
    process = start_and_wait_for_epochs(tmp_path, 20)
    process.send_signal(number)
    returned, _, errors = finish(process)
    assert returned == code
    done = RunFolder(tmp_path / "run").load("last").values["progress"]["epoch"]
    assert 0 < done < 4000
    if code > 0:
        assert errors.count("\n") == 1
        assert "Go on with: deltarule train --resume run" in errors
    wanted = str(done + 3)
    whole = (*LONG[:3], wanted, *LONG[4:])
    resume = start(tmp_path, "train", "--resume", "run", "--epochs", wanted, "--quiet")
    assert finish(resume)[0] == 0
    assert finish(start(tmp_path, *whole, "--run-folder", "whole", "--quiet"))[0] == 0
    first, second = (RunFolder(tmp_path / name).load("last").arrays for name in ("run", "whole"))
    assert all(np.array_equal(first[name], second[name]) for name in second)


@POSIX
def test_a_background_job_that_ignores_interrupts_still_saves_when_terminated(tmp_path):
    # A shell script starts its background jobs with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = start_and_wait_for_epochs(tmp_path, 5)
    finally:
        signal.signal(signal.SIGINT, before)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    code, _, errors = finish(process)
    assert code == 143
    assert "Go on with" in errors
    assert "last" in RunFolder(tmp_path / "run").checkpoints()


@POSIX
def test_two_processes_do_not_train_in_the_same_folder(tmp_path):
    process = start_and_wait_for_epochs(tmp_path, 5)
    code, _, errors = finish(start(tmp_path, "train", "--resume", "run", "--epochs", "5000"))
    process.send_signal(signal.SIGINT)
    finish(process)
    assert code == 4
    assert "is training in this folder" in errors


@POSIX
def test_a_reader_that_leaves_ends_the_program_quietly(tmp_path):
    train = f'"{sys.executable}" -m deltarule train xor --epochs 3000'
    command = f"{train} 2>errors.txt | head -n 3; echo ${{PIPESTATUS[0]}}"
    finished = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.stdout.splitlines()[-1] == "141"
    assert (tmp_path / "errors.txt").read_text() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        code, _, errors = finish(start(tmp_path, "train", "xor", "--epochs", "2", stdout=full))
    assert code == 4
    assert errors == "deltarule: no space left on device. Free some space, or choose another place.\n"


def test_an_output_that_cannot_show_a_character_gets_a_substitute(tmp_path):
    (tmp_path / "text.txt").write_text("a☃b" * 60, encoding="utf-8")
    options = {"env": {"PYTHONIOENCODING": "cp1252"}}
    train = start(tmp_path, "train", "text.txt", "rnn", "--epochs", "1", "--run-folder", "run", **options)
    assert finish(train)[0] == 0
    code, out, errors = finish(start(tmp_path, "generate", "run", "--length", "60", "--seed", "1", **options))
    assert (code, errors) == (0, "")
    assert "\\u2603" in out


@POSIX
def test_a_folder_without_permission(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    code, _, errors = finish(start(locked, "train", "xor", "--epochs", "1"))
    assert code == 4
    assert errors.count("\n") == 1


def test_a_closed_output_is_no_error(tmp_path):
    if os.name == "nt":
        pytest.skip("closing an output is done with a POSIX shell")
    finished = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m deltarule train xor --epochs 1 >&-'],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
