"""Every public operation says what it does, and its example gives what it shows."""

import doctest
import inspect
import pickle

import pytest

import deltarule as dr
from deltarule.operations.exported import __all__ as NAMES


def is_made_by_a_row(function):
    """Whether `define` made it: the search for doctests by module passes over these."""
    return function.__globals__["__name__"] != function.__module__


@pytest.mark.parametrize("name", NAMES)
def test_docstring(name):
    function = getattr(dr, name)
    first_line = inspect.getdoc(function).partition("\n")[0]
    assert first_line.endswith((".", ":")), first_line


@pytest.mark.parametrize("name", [name for name in NAMES if is_made_by_a_row(getattr(dr, name))])
def test_examples_of_element_wise_operations(name):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder().find(getattr(dr, name), name, module=False, globs={}):
        runner.run(example)
    assert not runner.summarize(verbose=False).failed


def test_an_element_wise_operation_is_described_by_its_row():
    assert str(inspect.signature(dr.leaky_relu)) == "(x, /, negative_slope=0.01)"
    text = inspect.getdoc(dr.multiply)
    assert "y      = a * b" in text
    assert "grad_a = grad_y * b" in text
    assert "ShapeError" in text


@pytest.mark.parametrize("name", NAMES)
def test_functions_can_be_pickled(name):
    # It raises unless the name leads back to this very function.
    assert name.encode() in pickle.dumps(getattr(dr, name))
