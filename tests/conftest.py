"""What every test shares: how hypothesis draws its examples, and where compiled code is kept."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from deltarule.operations.random import manual_seed

# A gate in the background of a shell inherits that Ctrl-C is ignored, and tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Compiled once for all tests, those in processes of their own included, and for the next time.
os.environ.setdefault("DELTARULE_CACHE", str(Path(__file__).parent.parent / ".pytest_cache" / "deltarule"))

# The same examples each time, so that the gate never fails by chance, and no time limit for one example, as
# the first call of a compiled kernel compiles it. To search further: pytest --hypothesis-profile=default.
settings.register_profile(
    "deltarule",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("deltarule")


@pytest.fixture(autouse=True)
def _seeded():
    """Weights and dropout are drawn alike in every run, so that no test fails by chance."""
    manual_seed(0)
