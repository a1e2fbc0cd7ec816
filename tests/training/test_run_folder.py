"""Run folders: made once, never overwritten, held by one process, and clear about what is wrong."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import deltarule
from deltarule.errors import ArgumentError, RunError
from deltarule.training.checkpoint import Checkpoint
from deltarule.training.run_folder import RunFolder

SOURCE = str(Path(deltarule.__file__).parents[1])


def checkpoint(number: int) -> Checkpoint:
    return Checkpoint({"model.weight": np.full(50_000, number, np.float32)}, {"number": number})


def test_making_and_opening(tmp_path):
    made = RunFolder.create(tmp_path / "runs" / "a", {"model": "mlp", "seed": 1})
    opened = RunFolder(tmp_path / "runs" / "a")
    assert opened.config == made.config
    assert opened.config["model"] == "mlp"
    assert opened.config["versions"]["numpy"] == np.__version__
    assert "created" in opened.config
    assert opened.checkpoints() == []
    assert len(opened.history()) == 0


def test_new_folders_are_numbered(tmp_path):
    paths = [RunFolder.new({}, "digits mlp", tmp_path).path.name for _ in range(3)]
    assert paths == ["digits-mlp-1", "digits-mlp-2", "digits-mlp-3"]
    (tmp_path / "digits-mlp-12").mkdir()
    assert RunFolder.new({}, "digits mlp", tmp_path).path.name == "digits-mlp-13"
    assert RunFolder.new({}, "../..", tmp_path).path.parent == tmp_path


def test_folders_asked_for_at_the_same_time_differ(tmp_path):
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(RunFolder.new({}, "a", tmp_path).path)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8


def test_nothing_is_overwritten(tmp_path):
    RunFolder.create(tmp_path / "run", {})
    with pytest.raises(RunError, match=r"expected a new or empty folder, it holds a run\. Resume that run"):
        RunFolder.create(tmp_path / "run", {})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("...")
    with pytest.raises(RunError, match="it holds other files"):
        RunFolder.create(tmp_path / "other", {})
    (tmp_path / "file").write_text("...")
    with pytest.raises(RunError, match="cannot be made"):
        RunFolder.create(tmp_path / "file", {})


def test_a_configuration_has_to_be_plain(tmp_path):
    with pytest.raises(ArgumentError, match=r"expected plain values that JSON has"):
        RunFolder.create(tmp_path / "run", {"weights": np.zeros(2)})
    assert not (tmp_path / "run" / "config.json").exists()


def test_what_is_no_run_folder(tmp_path):
    with pytest.raises(RunError, match="there is no such run folder"):
        RunFolder(tmp_path / "none")
    with pytest.raises(RunError, match=r"expected a run folder, it has no config\.json"):
        RunFolder(tmp_path)
    config = tmp_path / "config.json"
    config.write_text("{half")
    with pytest.raises(RunError, match=r"config\.json: is damaged"):
        RunFolder(tmp_path)
    config.write_text('{"model": "of another program"}')
    with pytest.raises(RunError, match="expected the configuration of a deltarule run"):
        RunFolder(tmp_path)
    config.write_text(json.dumps({"format": "deltarule run", "format_version": 9}))
    with pytest.raises(RunError, match="expected format 1, got 9"):
        RunFolder(tmp_path)


def test_checkpoints_by_name(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    with pytest.raises(RunError, match=r"it has no checkpoint 'last'\. It was stopped before its first"):
        run.load()
    run.save("best", checkpoint(1))
    with pytest.raises(RunError, match=r"it has no checkpoint 'last'\. There is best\."):
        run.load()
    run.save("last", checkpoint(2))
    assert run.checkpoints() == ["best", "last"]
    assert run.load("best").values == {"number": 1}
    with pytest.raises(ArgumentError, match=r"expected a checkpoint's name such as 'last', got '\.\./x'"):
        run.save("../x", checkpoint(1))


def test_a_damaged_checkpoint_names_the_one_that_is_fine(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    run.save("best", checkpoint(1))
    run.save("last", checkpoint(2))
    path = run.checkpoint_path("last")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        RunError, match=r"last\.safetensors: the checkpoint is damaged.*The checkpoint 'best' is fine"
    ):
        run.load()
    run.checkpoint_path("best").write_bytes(b"")
    with pytest.raises(RunError, match="No other one is fine"):
        run.load()


def test_other_results_beside_it(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    run.write_json("results", {"test_accuracy": 0.98})
    assert run.read_json("results") == {"test_accuracy": 0.98}
    with pytest.raises(RunError, match="there is no such file"):
        run.read_json("none")


def test_one_holder_at_a_time(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    leftover = run.path / ".last.safetensors.1.tmp"
    leftover.write_bytes(b"half")
    with run.locked():
        assert not leftover.exists()
        with pytest.raises(RunError, match=rf"process {os.getpid()} is training in this folder"):
            with RunFolder(run.path).locked():
                pass
    with run.locked():
        pass


def started(program: str, *arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )


WRITER = """
import sys
import numpy as np
from deltarule.training.checkpoint import Checkpoint
from deltarule.training.run_folder import RunFolder
run = RunFolder(sys.argv[1])
with run.locked():
    for number in range(1_000_000):
        weight = np.full(50_000, number, np.float32)
        run.save("last", Checkpoint({"model.weight": weight}, {"number": number}))
        if number == 0:
            print("begun", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_at_any_instant_the_last_complete_checkpoint_is_there(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    random = np.random.default_rng(3)
    reached = []
    for _ in range(5):
        process = started(WRITER, str(run.path))
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        with pytest.raises(RunError, match=f"process {process.pid} is training"), run.locked():
            pass
        time.sleep(random.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        found = run.load()
        assert (found.arrays["model.weight"] == found.values["number"]).all()
        reached.append(found.values["number"])
        # The lock is open again, and what was half written is gone.
        with run.locked():
            assert not list(run.path.glob(".*.tmp"))
    assert max(reached) > 0
