"""Another Python that runs a short program with this checkout's code."""

from __future__ import annotations

import os
import subprocess
import sys


def started(program: str, **variables: str) -> subprocess.Popen[str]:
    """A process that runs the program; `variables` are added to its environment."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**kept, "PYTHONPATH": path, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    """What it printed. A process that hangs or fails fails the test."""
    try:
        out, problems = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        out, problems = process.communicate()
        raise AssertionError(f"the process hangs; it said: {out}{problems}") from None
    assert process.returncode == 0, problems
    return out.strip()


def printed(program: str, **variables: str) -> str:
    """What a program prints."""
    return ended(started(program, **variables))
