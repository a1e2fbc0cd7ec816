"""A worker seen from outside: started with caches of its own, asked, and ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
# A worker that says nothing for so long is ended, unless told otherwise.
PATIENCE_SECONDS = 900.0


class WorkerError(RuntimeError):
    """A worker ended without an answer; the message is the last line that it wrote."""


def environment(caches: Path) -> dict[str, str]:
    """This process's variables, with every library's compiled code kept in one folder."""
    paths = [str(CHECKOUT / "src"), str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "DELTARULE_CACHE": str(caches / "deltarule"),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "torch"),
        "JAX_COMPILATION_CACHE_DIR": str(caches / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


class Worker:
    """One row in one implementation, in a process of its own.

    first_step   seconds from the start of the process to the end of its first step
    losses       of the steps that are compared

    One that says nothing for `patience` seconds is ended.
    """

    def __init__(
        self,
        row: str,
        implementation: str,
        caches: Path,
        command: list[str] | None = None,
        patience: float = PATIENCE_SECONDS,
    ):
        self._patience = patience
        self._messages = tempfile.TemporaryFile("w+")
        started = time.perf_counter()
        self._process = subprocess.Popen(
            command or [sys.executable, "-m", "benchmarks.worker", row, implementation],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
            env=environment(caches),
            cwd=CHECKOUT,
        )
        try:
            self._hear("first_step")
            self.first_step = time.perf_counter() - started
            self.losses: list[float] = self._hear("losses")
        except WorkerError:
            self.close()
            raise

    def milliseconds(self, seconds: float) -> float:
        """Median time of a step, measured over that time."""
        return self._ask({"measure": seconds}, "milliseconds")

    def run(self, steps: int) -> float:
        """Seconds that so many steps take."""
        return self._ask({"run": steps}, "seconds")

    def peak_mib(self) -> float:
        """Most memory that the process ever held."""
        return self._ask({"peak": True}, "peak_mib")

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._messages.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, order: dict[str, Any], wanted: str) -> Any:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(self._last_message()) from None
        return self._hear(wanted)

    def _hear(self, wanted: str) -> Any:
        assert self._process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(self._patience, end)
        watch.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watch.cancel()
        if not line and late.is_set():
            raise WorkerError(f"ended: it said nothing for {self._patience:.0f} s")
        if not line:
            raise WorkerError(self._last_message())
        return json.loads(line)[wanted]

    def _last_message(self) -> str:
        # Its pipes are closed, so it is ending or has ended.
        self._process.wait()
        self._messages.seek(0)
        lines = [line.strip() for line in self._messages.read().splitlines() if line.strip()]
        return lines[-1] if lines else f"ended with exit code {self._process.returncode}"
