"""The table of operation cases: one file a family, each with CASES and ERRORS."""

from __future__ import annotations

import importlib
import pkgutil

from tests.operations.harness import Case, ErrorCase

CASES: list[Case] = []
ERRORS: list[ErrorCase] = []
for _family in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    _module = importlib.import_module(f"{__name__}.{_family}")
    CASES += _module.CASES
    ERRORS += _module.ERRORS
