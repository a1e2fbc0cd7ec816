"""run.py: when it builds, what it says when it cannot, that it is quick afterwards."""

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = CHECKOUT / "run.py"
POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="uses shell scripts as stand-ins for programs")


@pytest.fixture
def run(monkeypatch):
    """run.py as a fresh module, called with plain arguments, on a machine without uv."""
    monkeypatch.delenv("DELTARULE_ENV", raising=False)
    monkeypatch.setattr(sys, "argv", ["run.py", "train", "digits"])
    specification = importlib.util.spec_from_file_location("run_script", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    found = shutil.which
    module.shutil = type("Shutil", (), {"which": lambda name: None if name == "uv" else found(name)})
    module.shutil.rmtree = shutil.rmtree
    return module


@pytest.fixture
def checkout(tmp_path):
    """A folder with the two files that an environment is built from; its name has a space, as some have."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    shutil.copy(CHECKOUT / "constraints.txt", folder)
    return folder


@pytest.fixture
def tools(run, monkeypatch):
    """Stand-ins for venv and pip: the list of commands that they were called with."""
    called = []

    def pretend(command, folder, lock):
        called.append(command)
        if "venv" in command:
            programs = Path(command[-1], "Scripts" if os.name == "nt" else "bin")
            programs.mkdir(parents=True)
            for name in ("python", "deltarule"):
                (programs / (name + (".exe" if os.name == "nt" else ""))).touch()

    monkeypatch.setattr(run, "run_quietly", pretend)
    # Whether the environment has pip is asked of its Python, which is a stand-in here.
    monkeypatch.setattr(run.subprocess, "call", lambda *_, **__: 0)
    return called


def failing(run, monkeypatch, output):
    """Let the first tool that run.py calls fail with this output."""

    def fail(command, folder, lock):
        raise run.ToolError(command, output)

    monkeypatch.setattr(run, "run_quietly", fail)


def environment_as_script(folder: Path) -> dict:
    return dict(os.environ, DELTARULE_ENV=str(folder))


def test_an_old_python_can_read_it():
    ast.parse(SCRIPT.read_text("utf-8"), feature_version=(3, 8))


def test_it_uses_the_standard_library_alone():
    tree = ast.parse(SCRIPT.read_text("utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("present", "advice"),
    [
        ({"python3.12", "python3.11"}, "type: python3.12 run.py train digits"),
        ({"uv"}, "type: uv run --no-project --python 3.13 run.py train digits"),
        (set(), "install one, then type: python3.13 run.py train digits"),
    ],
)
def test_an_old_python_is_told_what_to_type(run, monkeypatch, present, advice):
    monkeypatch.setattr(run.shutil, "which", lambda name: name if name in present else None)
    monkeypatch.setattr(run, "answers", lambda python: python in present)
    with pytest.raises(run.SetupError) as caught:
        run.require_python((3, 9, 2, "final", 0))
    assert str(caught.value) == f"needs Python 3.11 or newer, this is 3.9.2; {advice}"


def test_first_use_builds_and_the_second_does_not(run, checkout, tools, capsys):
    run.Environment(checkout).ensure(set())
    assert [command[1:3] for command in tools] == [["-m", "venv"], ["-m", "pip"]]
    assert tools[1][-4:] == ["-c", "constraints.txt", "-e", "."]
    assert "Setting up deltarule (first use, about 10 s) ..." in capsys.readouterr().err
    run.Environment(checkout).ensure(set())
    assert len(tools) == 2
    assert capsys.readouterr().err == ""


def test_with_uv_on_the_path_uv_is_used(run, checkout, tools, monkeypatch):
    monkeypatch.setattr(run.shutil, "which", lambda name: "/programs/uv" if name == "uv" else None)
    environment = run.Environment(checkout)
    environment.ensure(set())
    assert tools[0] == ["/programs/uv", "venv", "--python", sys.executable, environment.root]
    assert tools[1][:5] == ["/programs/uv", "pip", "install", "--python", environment.python]


def test_where_uv_fails_pip_is_tried(run, checkout, tools, monkeypatch):
    monkeypatch.setattr(run.shutil, "which", lambda name: "/programs/uv" if name == "uv" else None)
    pretend = run.run_quietly

    def uv_fails(command, folder, lock):
        if command[0] == "/programs/uv":
            raise run.ToolError(command, "error: dns error")
        pretend(command, folder, lock)

    monkeypatch.setattr(run, "run_quietly", uv_fails)
    run.Environment(checkout).ensure(set())
    assert [command[1:3] for command in tools] == [["-m", "venv"], ["-m", "pip"]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda run, checkout, _: append(checkout / "pyproject.toml"),
            "pyproject.toml or constraints.txt changed",
        ),
        (
            lambda run, checkout, _: append(checkout / "constraints.txt"),
            "pyproject.toml or constraints.txt changed",
        ),
        (lambda run, *_: setattr(run, "sys", other_interpreter()), "the Python interpreter changed"),
        (lambda run, _, environment: os.remove(environment.program), "the environment was damaged"),
        (lambda run, _, environment: os.remove(environment.stamp), "an earlier set-up was not finished"),
        (
            lambda run, _, environment: Path(environment.stamp).write_text("{"),
            "an earlier set-up was not finished",
        ),
        (
            lambda run, _, environment: Path(environment.stamp).write_text("[1]"),
            "an earlier set-up was not finished",
        ),
    ],
)
def test_a_change_rebuilds(run, checkout, tools, capsys, change, reason):
    environment = run.Environment(checkout)
    environment.ensure(set())
    stale = Path(environment.root, "left-over")
    stale.touch()
    change(run, checkout, environment)
    environment.ensure(set())
    assert len(tools) == 4
    assert f"({reason}, about" in capsys.readouterr().err
    assert not stale.exists()


def append(path: Path) -> None:
    path.write_text(path.read_text("utf-8") + "\n# changed\n", "utf-8")


def other_interpreter():
    """`sys` as another Python would show it."""
    names = {name: getattr(sys, name) for name in ("platform", "executable", "argv", "stderr", "base_prefix")}
    return type("Interpreter", (), dict(names, version="3.99.0 (another)"))


def test_a_moved_checkout_rebuilds(run, checkout, tools, tmp_path, capsys):
    run.Environment(checkout).ensure(set())
    moved = tmp_path / "elsewhere"
    checkout.rename(moved)
    run.Environment(moved).ensure(set())
    assert len(tools) == 4
    assert "(the checkout was moved, about" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError("odd"), SystemExit])
def test_an_interrupted_build_is_not_taken_for_a_complete_one(run, checkout, tools, monkeypatch, stop):
    pretend = run.run_quietly

    def interrupted(command, folder, lock):
        if "pip" in command:
            raise stop
        pretend(command, folder, lock)

    environment = run.Environment(checkout)
    environment.ensure(set())
    append(checkout / "pyproject.toml")
    monkeypatch.setattr(run, "run_quietly", interrupted)
    with pytest.raises((KeyboardInterrupt, run.SetupError, SystemExit)):
        environment.ensure(set())
    assert environment.reason_to_build()
    # Not even if what had changed is changed back.
    assert not Path(environment.stamp).exists()
    monkeypatch.setattr(run, "run_quietly", pretend)
    environment.ensure(set())
    assert not environment.reason_to_build()


def test_an_extra_is_added_without_touching_what_is_there(run, checkout, tools):
    environment = run.Environment(checkout)
    environment.ensure(set())
    kept = Path(environment.root, "kept")
    kept.touch()
    environment.ensure({"test"})
    assert kept.exists()
    assert any(part.startswith("pytest") for part in tools[2])
    assert not any(part in ("-e", ".") for part in tools[2])
    environment.ensure({"test"})
    environment.ensure(set())
    assert len(tools) == 3
    append(checkout / "constraints.txt")
    environment.ensure(set())
    assert tools[-1][-1] == ".[test]"


def test_a_folder_that_it_did_not_make_is_never_removed(run, checkout, tools, tmp_path):
    treasure = tmp_path / "mine" / "venv" / "treasure"
    treasure.parent.mkdir(parents=True)
    treasure.touch()
    with pytest.raises(run.SetupError, match=r"was not made by run\.py; type: "):
        run.Environment(checkout, tmp_path / "mine").ensure(set())
    assert treasure.exists()
    assert not tools


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            "WARNING: Retrying: Failed to establish a new connection: Temporary failure in name resolution\n"
            "ERROR: Could not find a version that satisfies the requirement hatchling (from versions: none)",
            "no network, or the package index does not answer; "
            "once connected, type: PYTHON run.py train digits",
        ),
        (
            "error: Failed to fetch\n  Caused by: dns error",
            "no network, or the package index does not answer; ",
        ),
        ("Connection to proxy timed out", "no network, or the package index does not answer; "),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "no space left for FOLDER; free 1 GB, or type: "
            "DELTARULE_ENV=~/deltarule-environment PYTHON run.py train digits",
        ),
        ("error: failed to write: Disk quota exceeded (os error 122)", "no space left for FOLDER; "),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'",
            "no permission to write in FOLDER; type: "
            "DELTARULE_ENV=~/deltarule-environment PYTHON run.py train digits",
        ),
        ("SSLError: CERTIFICATE_VERIFY_FAILED", "the certificate of the package index is not trusted here; "),
        (
            "The virtual environment was not created: ensurepip is not available.",
            "this Python lacks venv, which ",
        ),
    ],
)
@POSIX_ONLY
def test_known_failures_get_one_line(run, checkout, monkeypatch, capsys, output, line):
    monkeypatch.setattr(run, "CHECKOUT", str(checkout))
    failing(run, monkeypatch, output)
    assert run.main(["train", "digits"]) == 125
    told = capsys.readouterr().err.splitlines()
    expected = line.replace("PYTHON", Path(sys.executable).name).replace(
        "FOLDER", str(checkout / ".environment")
    )
    assert told[0].startswith("Setting up deltarule")
    assert told[1].startswith(f"run.py: {expected}")
    assert len(told) == 2


def test_an_unknown_failure_shows_the_last_lines(run, checkout, monkeypatch, capsys):
    monkeypatch.setattr(run, "CHECKOUT", str(checkout))
    failing(run, monkeypatch, "\n".join(f"line {number}" for number in range(50)))
    assert run.main(["train", "digits"]) == 125
    told = capsys.readouterr().err
    assert "line 49\n" in told
    assert "line 29\n" not in told
    assert "failed, as shown above; once that is mended, type: " in told.splitlines()[-1]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied"), "no permission to write in "),
        (OSError(30, "Read-only file system"), "no permission to write in "),
        (OSError(28, "No space left on device"), "no space left for "),
        (OSError(20, "Not a directory"), "cannot set up in "),
    ],
)
def test_a_folder_that_cannot_be_made_gets_one_line(run, checkout, monkeypatch, capsys, error, line):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(run, "CHECKOUT", str(checkout))
    monkeypatch.setattr(run.os, "makedirs", refuse)
    assert run.main(["train"]) == 125
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith(f"run.py: {line}")
    assert "DELTARULE_ENV=" in told[0]


def test_an_interrupt_while_setting_up_has_its_own_code(run, checkout, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "CHECKOUT", str(checkout))
    monkeypatch.setattr(run, "run_quietly", interrupt)
    assert run.main(["train"]) == 130
    assert "stopped while setting up" in capsys.readouterr().err
    assert not (checkout / ".environment" / "venv").exists()


@POSIX_ONLY
def test_a_minimal_debian_is_told_the_package(checkout, tmp_path):
    """A Python without ensurepip, as python3 without python3-venv is, beside a stand-in for apt."""
    shutil.copy(SCRIPT, checkout)
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['ensurepip'] = None\n")
    apt = tmp_path / "bin" / "apt"
    apt.parent.mkdir()
    apt.write_text("#!/bin/sh\n")
    apt.chmod(0o755)
    finished = subprocess.run(
        [sys.executable, checkout / "run.py", "train", "digits"],
        env={"PYTHONPATH": str(tmp_path), "PATH": str(apt.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 125
    last = finished.stderr.splitlines()[-1]
    assert last.startswith("run.py: this Python lacks venv, which makes environments; type: ")
    assert last.endswith(("apt install python3-venv", f"apt install python3.{sys.version_info[1]}-venv"))
    assert "Traceback" not in finished.stderr


@pytest.fixture
def ready(run, tmp_path):
    """A complete environment for this very checkout, whose deltarule is a shell script."""
    environment = run.Environment(CHECKOUT, tmp_path / "ready")
    program = Path(environment.program)
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nfor word in "$@"; do echo "[$word]"; done\npwd\nexit 7\n')
    program.chmod(0o755)
    Path(environment.python).touch()
    environment.write_stamp(set())
    return environment


@POSIX_ONLY
def test_arguments_folder_and_exit_code_are_passed_on(ready, tmp_path):
    finished = subprocess.run(
        [sys.executable, SCRIPT, "train", "a b", "--epochs=3"],
        cwd=tmp_path,
        env=environment_as_script(ready.folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stdout.splitlines() == ["[train]", "[a b]", "[--epochs=3]", str(tmp_path)]
    assert finished.stderr == ""
    assert finished.returncode == 7


@POSIX_ONLY
def test_a_later_use_starts_at_once(ready, record_testsuite_property):
    def seconds():
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, SCRIPT],
            env=environment_as_script(ready.folder),
            check=False,
            capture_output=True,
        )
        return time.perf_counter() - start

    best = min(seconds() for _ in range(5))
    record_testsuite_property("seconds_to_start", best)
    # Measured 0.05 s; the bound is generous, since a machine that runs tests is busy.
    assert best < 1.0


# What each of the processes below runs: run.py with tools that take half a second and note their calls.
SLOW_TOOLS = """
import importlib.util, pathlib, sys, time
specification = importlib.util.spec_from_file_location("run_script", {script!r})
run = importlib.util.module_from_spec(specification)
specification.loader.exec_module(run)
run.shutil.which = lambda name: None

def pretend(command, folder, lock):
    with open({notes!r}, "a") as file:
        print("venv" if "venv" in command else "pip", file=file)
    time.sleep(0.25)
    if "venv" in command:
        programs = pathlib.Path(environment.program).parent
        programs.mkdir(parents=True)
        for program in (environment.program, environment.python):
            pathlib.Path(program).touch()

run.run_quietly = pretend
environment = run.Environment({checkout!r})
environment.ensure(set())
assert not environment.reason_to_build()
"""


def test_two_at_once_build_once(checkout, tmp_path):
    notes = tmp_path / "notes"
    program = SLOW_TOOLS.format(script=str(SCRIPT), notes=str(notes), checkout=str(checkout))
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    told = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], told
    assert notes.read_text().split() == ["venv", "pip"]
    assert sum("Setting up deltarule" in said for said in told) == 1


def test_a_lock_left_by_a_dead_process_is_no_hindrance(run, checkout, tools):
    environment = run.Environment(checkout)
    Path(environment.folder).mkdir()
    Path(environment.lock).write_text("left behind")
    environment.ensure(set())
    assert not environment.reason_to_build()


def test_a_tool_keeps_the_lock_of_a_killed_script(run, tmp_path):
    """The tool inherits the lock: it still holds it when run.py is gone."""
    if os.name == "nt":
        pytest.skip("Windows does not pass file locks to child processes")
    lock = tmp_path / "lock"
    with run.locked(lock) as held:
        process = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(held.fileno(),)
        )
    with lock.open("a+") as file, pytest.raises(BlockingIOError):
        run.lock_file(file, wait=False)
    process.communicate(b"\n")
    with lock.open("a+") as file:
        run.lock_file(file, wait=False)


def test_tools_are_quiet_and_their_words_are_kept(run, tmp_path, capfd):
    program = "import sys; print('out'); print('wrong', file=sys.stderr); sys.exit({})"
    with (tmp_path / "lock").open("w") as lock:
        run.run_quietly([sys.executable, "-c", program.format(0)], tmp_path, lock)
        with pytest.raises(run.ToolError) as caught:
            run.run_quietly([sys.executable, "-c", program.format(3)], tmp_path, lock)
    assert sorted(caught.value.output.split()) == ["out", "wrong"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("through", ["uv", "pip"])
def test_a_fresh_copy_sets_itself_up(tmp_path, through):
    """Needs a package index: really builds an environment and runs a command in it."""
    if through == "uv" and not shutil.which("uv"):
        pytest.skip("uv is not installed")
    copy = tmp_path / "a copy"
    copy.mkdir()
    shutil.copytree(CHECKOUT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run.py", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, copy)
    folders = os.environ["PATH"].split(os.pathsep)
    if through == "pip":
        folders = [folder for folder in folders if not shutil.which("uv", path=folder)]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DELTARULE_ENV", "PYTHONPATH")
    }
    environment["PATH"] = os.pathsep.join(folders)
    for _ in range(2):
        finished = subprocess.run(
            [sys.executable, copy / "run.py", "--help"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        assert "train" in finished.stdout
    assert "Setting up" not in finished.stderr
    stamp = json.loads((copy / ".environment" / "complete.json").read_text())
    assert stamp["checkout"] == str(copy)
