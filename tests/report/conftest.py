"""The browser that the tests of a file share."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.report.browser import Browser


def missing() -> str:
    """Why there can be no browser here; "" if there can be one."""
    lacking = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    if lacking:
        return f"not installed: {', '.join(lacking)} (Debian: chromium, chromium-driver)"
    return (
        "" if importlib.util.find_spec("selenium") else "selenium is not installed (pip install -e .[test])"
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium. Tests that want it are skipped where there is none; in CI they fail instead."""
    reason = missing()
    if reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    # Only here: without selenium all other tests of this folder run.
    from tests.report.browser import Browser

    with Browser() as started:
        yield started


@pytest.fixture(autouse=True)
def _bright_desktop(request: pytest.FixtureRequest) -> None:
    """Each test begins at desktop width, on light paper."""
    if "browser" in request.fixturenames:
        shared = request.getfixturevalue("browser")
        shared.resize(1280, 900)
        shared.print_media(False)
        shared.prefer("light")
