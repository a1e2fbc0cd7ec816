"""Makes the pictures of docs/glass-box.md, in a headless Chromium, from the pages that its own Python writes.

Run it as it is: python docs/pictures/make.py
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import deltarule as dr

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "report"))

from browser import Browser  # noqa: E402

# Picture -> width and height of the window, and which heading it begins with, below the sentences on top.
PAGES = {"flow": (720, 860, 0), "comparison": (1000, 1290, 1), "health": (720, 800, 0)}


def main() -> None:
    """Writes the pictures beside this file."""
    with tempfile.TemporaryDirectory() as folder, Browser(1500, 1000) as browser:
        write_pages(Path(folder))
        browser.open(dr.explain.example("lstm").html())
        browser.wait("#explanation[data-ready]")
        browser.screenshot(HERE / "lstm.png")
        for name, (width, height, heading) in PAGES.items():
            browser.resize(width, height)
            browser.open(Path(folder) / f"{name}.html")
            browser.evaluate(f"document.querySelectorAll('h2')[{heading}].scrollIntoView()")
            browser.screenshot(HERE / f"{name}.png")


def write_pages(folder: Path) -> None:
    """Runs the guide's Python, which leaves its pages in the folder."""
    guide = (HERE.parent / "glass-box.md").read_text(encoding="utf-8")
    namespace: dict[str, Any] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for code in re.findall(r"```python\n(.*?)```", guide, re.DOTALL):
                exec(compile(code, "glass-box.md", "exec"), namespace)
    finally:
        os.chdir(before)


if __name__ == "__main__":
    main()
