"""Object code that is kept: written, read, damaged, switched off, written by two, for whom it holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deltarule.kernels.native import compilation
from deltarule.kernels.native.entry import built_in
from deltarule.kernels.native.processor import processor
from deltarule.kernels.native.routine import Unit
from tests.kernels.native.python_process import ended, printed, started
from tests.kernels.native.written import Written


class Compiler:
    """Compiles one small kernel through the cache; `written` counts how often its text was asked for."""

    def __init__(self) -> None:
        self.written = 0

    def text(self) -> str:
        self.written += 1
        unit = Unit(processor())
        body = lambda code, x: x.put(x.number() + 1)  # noqa: E731
        unit.entry(Written(("float64*",), body), "python_entry")
        return unit.text()

    def check(self) -> None:
        function = built_in("kept", compilation.load("kept", self.text, ["python_entry"])["python_entry"])
        x = np.ones(1)
        function(1, x)
        assert x[0] == 2


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for object code, which does not exist yet."""
    folder = tmp_path / "outer" / "kept"
    monkeypatch.setenv("DELTARULE_CACHE", str(folder))
    return folder


def test_it_is_written_once_and_read_again(folder):
    compiler = Compiler()
    compiler.check()
    (file,) = folder.iterdir()
    assert file.suffix == ".o"
    compiler.check()
    assert compiler.written == 1


PROGRAM = """
from deltarule.kernels.native import compilation
counted, plain = [], compilation.compiled
compilation.compiled = lambda *given: counted.append(1) or plain(*given)
import numpy as np
from deltarule.kernels.native.products import product
a = np.arange(600.0).reshape(20, 30) % 5
assert np.array_equal(product(a, a, transposed_b=True), a @ a.T)
print(len(counted))
"""


def test_a_second_process_reads_it(folder):
    assert printed(PROGRAM, DELTARULE_CACHE=str(folder), DELTARULE_NUM_THREADS="1") == "1"
    assert printed(PROGRAM, DELTARULE_CACHE=str(folder), DELTARULE_NUM_THREADS="1") == "0"


def test_two_processes_that_compile_at_the_same_time(folder):
    processes = [started(PROGRAM, DELTARULE_CACHE=str(folder), DELTARULE_NUM_THREADS="1") for _ in range(2)]
    assert all(ended(each) in ("0", "1") for each in processes)
    assert [each.suffix for each in folder.iterdir()] == [".o"]
    assert printed(PROGRAM, DELTARULE_CACHE=str(folder), DELTARULE_NUM_THREADS="1") == "0"


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content[:30],
        lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        lambda content: b"something else" + content,
    ],
    ids=["empty", "half", "one byte short", "head alone", "one bit", "another file"],
)
def test_a_damaged_file_is_compiled_anew_and_mended(folder, damage):
    compiler = Compiler()
    compiler.check()
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    compiler.check()
    assert compiler.written == 2
    assert file.read_bytes() == whole
    compiler.check()
    assert compiler.written == 2


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DELTARULE_CACHE", str(tmp_path / "file" / "kept"))
    compiler = Compiler()
    compiler.check()
    compiler.check()
    assert compiler.written == 2


def test_what_cannot_be_put_in_place_leaves_nothing_behind(folder):
    compiler = Compiler()
    compiler.check()
    (file,) = folder.iterdir()
    file.unlink()
    (file / "inside").mkdir(parents=True)
    compiler.check()
    assert list(folder.iterdir()) == [file]


def test_an_empty_name_switches_it_off(tmp_path, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DELTARULE_CACHE", "")
    compiler = Compiler()
    compiler.check()
    compiler.check()
    assert compiler.written == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "deltarule"),
        ("linux", "HOME", ".cache/deltarule"),
        ("darwin", "HOME", "Library/Caches/deltarule"),
        ("win32", "LOCALAPPDATA", "deltarule/cache"),
    ],
)
def test_the_users_folder(tmp_path, monkeypatch, platform, variable, expected):
    for name in ("DELTARULE_CACHE", "HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(compilation.sys, "platform", platform)
    assert compilation.cache_folder() == tmp_path / expected


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_user_without_a_folder(monkeypatch, platform):
    def nowhere() -> Any:
        raise RuntimeError("no home")

    for name in ("DELTARULE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(compilation.Path, "home", nowhere)
    monkeypatch.setattr(compilation.sys, "platform", platform)
    assert compilation.cache_folder() is None


def test_code_of_another_processor_or_version_is_not_taken(folder, monkeypatch):
    compiler = Compiler()
    compiler.check()
    with monkeypatch.context() as patch:
        patch.setattr(compilation, "version", lambda: "another")
        compiler.check()
    assert compiler.written == 2
    assert len(list(folder.iterdir())) == 2
    version = compilation.version.__wrapped__
    before = version()
    assert version() == before
    for changed in ({"name": "another"}, {"features": "+another"}):
        other = dataclasses.replace(processor(), **changed)
        monkeypatch.setattr(compilation, "processor", lambda other=other: other)
        assert version() != before
    monkeypatch.undo()
    import llvmlite

    monkeypatch.setattr(llvmlite, "__version__", "another")
    assert version() != before


def test_the_text_of_the_package_is_part_of_the_version(tmp_path, monkeypatch):
    package = tmp_path / "deltarule"
    here = package / "kernels" / "native"
    here.mkdir(parents=True)
    (package / "compiler").mkdir()
    (here / "code.py").write_text("one")
    monkeypatch.setattr(compilation, "__file__", str(here / "compilation.py"))
    version = compilation.version.__wrapped__
    before = version()
    (here / "code.py").write_text("two")
    changed = version()
    (package / "compiler" / "new.py").write_text("")
    (package / "compiler" / "new.py").write_text("more")
    assert len({before, changed, version()}) == 3


def test_both_lists_of_passes_give_code_that_agrees(monkeypatch):
    text = Compiler().text()
    for lines in (0, 10**9):
        monkeypatch.setattr(compilation, "_LONG", lines)
        code = compilation.compiled(text)
        function = built_in("kept", compilation._addresses(code, ["python_entry"])["python_entry"])
        x = np.ones(1)
        function(1, x)
        assert x[0] == 2
    assert "ret" in compilation.assembly(text)
