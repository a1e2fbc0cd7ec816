"""Trains the networks of docs/results.md with the command line and writes that page.

    python benchmarks/results.py --mnist FOLDER --text FILE

FOLDER holds MNIST's four IDX files, FILE is tiny Shakespeare. Both are given names of their own in a
scratch folder, so that the commands on the page are the ones that ran. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results.md"

# title, arguments, (metric, words, wanted)
RUNS = [
    (
        "The main job: optical digits",
        "train digits",
        [("test_accuracy", "test accuracy", None)],
    ),
    (
        "MNIST, multi-layer perceptron",
        "train mnist mlp",
        [("test_accuracy", "test accuracy", 0.98)],
    ),
    (
        "MNIST, LeNet",
        "train mnist lenet",
        [("test_accuracy", "test accuracy", 0.99)],
    ),
    (
        "Tiny Shakespeare, one-layer LSTM of 256 units",
        "train tinyshakespeare.txt lstm --layers 1 --hidden 256 --dropout 0.2 --batch-size 32 "
        "--sequence-length 64 --epochs 6 --schedule cosine --learning-rate 0.004",
        [("validation_loss", "validation loss, nats per character", 1.65)],
    ),
]


def run(arguments: str, folder: Path) -> tuple[dict[str, object], float]:
    """The last JSON line of a training, and the seconds of the whole process."""
    command = [sys.executable, "-m", "deltarule", *arguments.split(), "--json"]
    started = time.perf_counter()
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if finished.returncode:
        raise SystemExit(f"deltarule {arguments}: exit code {finished.returncode}\n{finished.stderr}")
    return json.loads(finished.stdout.splitlines()[-1]), seconds


def machine() -> str:
    """The processor's name where the system tells it, and the number of cores."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
        return f"{name}, {sum(line.startswith('processor') for line in lines)} cores"
    return name


def figure(metric: str, value: float) -> str:
    return f"{100 * value:.2f} %" if metric.endswith("accuracy") else f"{value:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, required=True, help="folder of MNIST's IDX files")
    parser.add_argument("--text", type=Path, required=True, help="tiny Shakespeare as one text file")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    options = parser.parse_args()

    rows, commands = [], []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "mnist").symlink_to(options.mnist.resolve())
        (folder / "tinyshakespeare.txt").symlink_to(options.text.resolve())
        for title, arguments, metrics in RUNS:
            found, seconds = run(arguments, folder)
            for metric, words, wanted in metrics:
                value = float(found[metric])  # type: ignore[arg-type]
                goal = "" if wanted is None else figure(metric, wanted)
                rows.append(f"| {title} | {words} | {figure(metric, value)} | {goal} | {seconds:.0f} s |")
                print(rows[-1], flush=True)
            commands.append(f"    deltarule {arguments}")
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "llvmlite", "safetensors")
    )
    table = "\n".join(rows)
    options.page.write_text(
        f"""# What the networks reach

Written by `python benchmarks/results.py --mnist FOLDER --text FILE`; change that script, not this page.
Machine: {machine()}; Python {platform.python_version()}, {versions}.
The time is that of the whole command: start, reading the data, training, testing, saving.

| network | figure | reached | wanted | time |
| --- | --- | --- | --- | --- |
{table}

The commands, in the order of the table:

{chr(10).join(commands)}

MNIST's own test part (10,000 images) is used; a tenth of its training part is held out for validation,
and the weights of the best epoch on that part are the ones that are tested. Of the text, the last tenth
is the validation part. The seed is the default, 0, everywhere.
""",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
