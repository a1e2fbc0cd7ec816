"""A run folder: the configuration, the checkpoints and the history of one training run.

    config.json           everything that builds the run again
    last.safetensors      the last complete checkpoint
    best.safetensors      the one with the best monitored value
    history.jsonl         one line per epoch

A process that is killed at any instant leaves the last complete checkpoint behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import ArgumentError, RunError
from deltarule.training.atomic_file import remove_leftovers, write_atomic
from deltarule.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from deltarule.training.history import History
from deltarule.training.run_lock import locked

CONFIG = "config.json"
HISTORY = "history.jsonl"
LOCK = ".lock"
FORMAT = "deltarule run"
FORMAT_VERSION = 1


class RunFolder:
    """An existing run folder. Make a new one with `RunFolder.create` or `RunFolder.new`.

    path     the folder
    config   what was given when it was made, with "format", "format_version", "versions" and "created"

    Raises RunError if there is no such folder, it is no run folder, or it is of another format.

    >>> import deltarule as dr
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     folder = dr.training.RunFolder.new({"model": "mlp"}, "digits", parent)
    ...     folder.save("last", dr.training.Checkpoint({}, {"epoch": 3}))
    ...     folder.path.name, folder.config["model"], folder.checkpoints(), folder.load().values
    ('digits-1', 'mlp', ['last'], {'epoch': 3})
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.config = self._read_config()

    # ---- making one

    @classmethod
    def create(cls, path: Path | str, config: Mapping[str, Any]) -> RunFolder:
        """Makes a run folder at a path that is new or an empty folder.

        config   plain values for JSON: model and its options, task, data and its preprocessing, optimiser,
                 seed, ...

        Raises RunError if something is there already: nothing is ever overwritten.
        """
        path = Path(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            present = [entry.name for entry in path.iterdir() if not entry.name.startswith(".")]
        except OSError as error:
            raise RunError(str(path), f"cannot be made ({error.strerror})", "Use another folder.") from None
        if present:
            kind = "a run" if CONFIG in present else "other files"
            raise RunError(
                str(path),
                f"expected a new or empty folder, it holds {kind}",
                "Resume that run, or use another folder; nothing is overwritten."
                if CONFIG in present
                else "Use another folder; nothing is overwritten.",
            )
        complete = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "versions": {"python": platform.python_version(), "numpy": np.__version__},
            **config,
        }
        write_atomic(path / CONFIG, _json(complete, "RunFolder.create"))
        return cls(path)

    @classmethod
    def new(cls, config: Mapping[str, Any], name: str = "run", parent: Path | str = "runs") -> RunFolder:
        """Makes the next free folder `parent/name-1`, `parent/name-2`, ...

        name   letters, digits, `.`, `_` and `-` are kept, anything else becomes `-`

        Two processes that ask at the same time get two folders.
        """
        parent = Path(parent)
        stem = re.sub(r"[^\w.-]+", "-", name).strip(".-") or "run"
        try:
            parent.mkdir(parents=True, exist_ok=True)
            pattern = re.compile(re.escape(stem) + r"-(\d+)")
            taken = [int(match[1]) for entry in parent.iterdir() if (match := pattern.fullmatch(entry.name))]
            number = max(taken, default=0) + 1
            while True:
                path = parent / f"{stem}-{number}"
                try:
                    path.mkdir()
                    break
                except FileExistsError:
                    number += 1
        except OSError as error:
            raise RunError(
                str(parent), f"cannot be written ({error.strerror})", "Use another folder."
            ) from None
        return cls.create(path, config)

    def _read_config(self) -> dict[str, Any]:
        if not self.path.is_dir():
            raise RunError(str(self.path), "there is no such run folder", "Check the path.")
        path = self.path / CONFIG
        try:
            config = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise RunError(
                str(self.path),
                f"expected a run folder, it has no {CONFIG}",
                "Give the folder that train made.",
            ) from None
        except ValueError as error:
            raise RunError(str(path), f"is damaged ({error})", "Restore it from a copy.") from None
        except OSError as error:
            raise RunError(
                str(path), f"cannot be read ({error.strerror})", "Check the permissions."
            ) from None
        if not isinstance(config, dict) or config.get("format") != FORMAT:
            raise RunError(
                str(path), "expected the configuration of a deltarule run", "Give the folder of a run."
            )
        if config.get("format_version") != FORMAT_VERSION:
            raise RunError(
                str(path),
                f"expected format {FORMAT_VERSION}, got {config.get('format_version')}",
                "The run was made by another version of deltarule; use that version.",
            )
        return config

    # ---- checkpoints

    def checkpoint_path(self, name: str) -> Path:
        """File of a checkpoint: `last` is in `last.safetensors`."""
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ArgumentError(
                "RunFolder",
                f"expected a checkpoint's name such as 'last', got {name!r}",
                "Use 'last' or 'best'.",
            )
        return self.path / f"{name}.safetensors"

    def checkpoints(self) -> list[str]:
        """Names of the checkpoints that are there, damaged or not."""
        return sorted(path.stem for path in self.path.glob("[!.]*.safetensors"))

    def save(self, name: str, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint, whole or not at all. Raises RunError if it cannot be written."""
        write_checkpoint(self.checkpoint_path(name), checkpoint)

    def load(self, name: str = "last") -> Checkpoint:
        """Reads a checkpoint.

        Raises RunError if it is missing, damaged, or of another version, naming the others that are fine.
        """
        path = self.checkpoint_path(name)
        if name not in self.checkpoints():
            others = self._fine_ones(name)
            raise RunError(
                str(self.path),
                f"it has no checkpoint {name!r}",
                f"There is {', '.join(others)}." if others else "It was stopped before its first checkpoint.",
            )
        try:
            return read_checkpoint(path)
        except RunError as error:
            others = self._fine_ones(name)
            fix = (
                f"The checkpoint {', '.join(map(repr, others))} is fine."
                if others
                else "No other one is fine."
            )
            raise RunError(error.who, error.problem, fix) from None

    def _fine_ones(self, besides: str) -> list[str]:
        fine = []
        for name in self.checkpoints():
            if name != besides:
                with contextlib.suppress(RunError):
                    read_checkpoint(self.checkpoint_path(name))
                    fine.append(name)
        return fine

    # ---- the rest

    def history(self) -> History:
        """The history as it is in the folder; it may be ahead of the last checkpoint."""
        return History.read(self.path / HISTORY)

    def write_json(self, name: str, values: Any) -> Path:
        """Writes plain values to `name`.json beside the rest, whole or not at all, and tells the path."""
        path = self.path / f"{name}.json"
        write_atomic(path, _json(values, "RunFolder.write_json"))
        return path

    def read_json(self, name: str) -> Any:
        """What write_json wrote. Raises RunError if it is missing or damaged."""
        path = self.path / f"{name}.json"
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError:
            raise RunError(str(path), "there is no such file", "Check the name.") from None
        except ValueError as error:
            raise RunError(str(path), f"is damaged ({error})", "Write it again.") from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from training in this folder while the code inside runs.

        What killed writers left behind is removed. Raises RunError if another process holds it.
        """
        with locked(self.path / LOCK):
            remove_leftovers(self.path)
            yield

    def __repr__(self) -> str:
        return f"RunFolder({os.fspath(self.path)!r}, checkpoints: {', '.join(self.checkpoints()) or 'none'})"


def _json(values: Any, who: str) -> bytes:
    try:
        return (json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            who,
            f"expected plain values that JSON has, got others ({error})",
            "Convert arrays with .tolist().",
        ) from None
