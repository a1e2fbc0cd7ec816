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
    """A headless Chromium. Tests that want it are skipped where there is none.

    Where the environment variable CI is set they fail instead, unless DELTARULE_WITHOUT_BROWSER says that it
    could not be installed.
    """
    reason = missing()
    if reason:
        required = os.environ.get("CI") and not os.environ.get("DELTARULE_WITHOUT_BROWSER")
        (pytest.fail if required else pytest.skip)(reason)
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
