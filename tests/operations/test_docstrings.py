"""Every public operation says what it does and has an example, which gives what it shows."""

import doctest
import inspect
import pickle
import re

import pytest

import deltarule as dr
from deltarule.operations.exported import __all__ as NAMES


def has_example(text, name):
    """Whether a doctest in this docstring uses the operation."""
    statements = [example.source for example in doctest.DocTestParser().get_examples(text)]
    return any(re.search(rf"\bdr\.{name}\b", statement) for statement in statements)


def failed_examples(text, name):
    """How many statements do not give what the docstring shows, in a session that has imported nothing."""
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(doctest.DocTestParser().get_doctest(text, {}, name, None, None))
    return runner.failures


@pytest.mark.parametrize("name", NAMES)
def test_docstring(name):
    text = inspect.getdoc(getattr(dr, name))
    first_line = text.partition("\n")[0]
    assert first_line.endswith((".", ":")), first_line
    assert has_example(text, name), f"dr.{name} lacks a doctest; a row of `define` takes it as example="


# Doctests of modules see the module's own names; a reader has only what the example imports.
@pytest.mark.parametrize("name", NAMES)
def test_example_stands_alone(name):
    assert not failed_examples(inspect.getdoc(getattr(dr, name)), name)


def test_missing_and_wrong_examples_are_found(capsys):
    assert not has_example("Adds.\n\ny = dr.add(a, b)\n\n>>> dr.add_all(1, 1)\n2\n", "add")
    assert failed_examples(">>> import deltarule as dr\n>>> dr.add(1, 1).item()\n3\n", "add") == 1
    assert "Got:\n    2" in capsys.readouterr().out


def test_an_element_wise_operation_is_described_by_its_row():
    assert str(inspect.signature(dr.leaky_relu)) == "(x, /, negative_slope=0.01)"
    text = inspect.getdoc(dr.multiply)
    assert "y      = a * b" in text
    assert "grad_a = grad_y * b" in text
    assert "ShapeError" in text
    assert text.endswith("(tensor(-4., dtype=float32), tensor(3., dtype=float32))")


@pytest.mark.parametrize("name", NAMES)
def test_functions_can_be_pickled(name):
    # It raises unless the name leads back to this very function.
    assert name.encode() in pickle.dumps(getattr(dr, name))
