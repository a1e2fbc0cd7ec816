"""The examples in the benchmarks' docstrings, which stand outside the folders that pytest walks."""

import doctest

import pytest

from benchmarks import agreement, growth, rows


@pytest.mark.parametrize("module", [agreement, growth, rows])
def test_examples_in_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed
