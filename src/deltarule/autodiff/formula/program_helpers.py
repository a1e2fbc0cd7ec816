"""The text of helper functions that emitted programs carry: the functions themselves, without annotations.

A row of FUNCTIONS or ARRAY_FUNCTIONS whose meaning is a function of ours is called by that function's name
in a program. So the program runs the very function that evaluates formulas.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import re
import textwrap
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from deltarule.autodiff.formula.functions import ARRAY_FUNCTIONS, FUNCTIONS, FunctionRow

Helper = Callable[..., Any]
_HOME = FunctionRow.__module__


def helper_name(helper: Helper) -> str:
    """The name of a helper in a program."""
    return helper.__name__.lstrip("_")


def helpers_by_name() -> dict[str, Helper]:
    """Every helper that programs can carry."""
    waiting = [row.value for row in FUNCTIONS.values() if is_helper(row.value)]
    waiting += [row.helper for row in ARRAY_FUNCTIONS.values() if row.helper is not None]
    found: dict[str, Helper] = {}
    while waiting:
        helper = waiting.pop(0)
        if helper_name(helper) not in found:
            found[helper_name(helper)] = helper
            waiting += _called(helper)
    return found


def is_helper(value: Helper) -> bool:
    """Whether an element-wise function is ours and has a name: then programs carry its text."""
    return inspect.isfunction(value) and value.__module__ == _HOME and value.__name__ != "<lambda>"


def helper_texts(names: Iterable[str]) -> list[str]:
    """The text of these helpers and of those that they call, each before the ones that call it."""
    known = helpers_by_name()
    found: dict[str, str] = {}

    def collect(helper: Helper) -> None:
        if helper_name(helper) in found:
            return
        for inner in _called(helper):
            collect(inner)
        found[helper_name(helper)] = helper_text(helper)

    for name in names:
        collect(known[name])
    return list(found.values())


@cache
def _called(helper: Helper) -> list[Helper]:
    """Functions of ours that a helper calls."""
    space = helper.__globals__  # type: ignore[attr-defined]
    code = helper.__code__  # type: ignore[attr-defined]
    own = {helper.__name__, *code.co_varnames, *code.co_cellvars}
    names = [part.id for part in ast.walk(_tree(helper)) if isinstance(part, ast.Name)]
    called = [space.get(name) for name in dict.fromkeys(names) if name not in own]
    return [each for each in called if inspect.isfunction(each)]


@cache
def _text(helper: Helper) -> str:
    return textwrap.dedent(inspect.getsource(helper))


def _tree(helper: Helper) -> ast.FunctionDef:
    tree = ast.parse(_text(helper)).body[0]
    assert isinstance(tree, ast.FunctionDef)
    for argument in ast.walk(tree.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    tree.returns = None
    return tree


@cache
def helper_text(helper: Helper) -> str:
    """The function as a student would write it: its own text, without annotations and leading underscores.

    >>> from deltarule.autodiff.formula.functions import FUNCTIONS
    >>> print(helper_text(FUNCTIONS["erf"].value))
    def erf(x):
        \"""The error function of each element, from Python's math.\"""
        return np.vectorize(math.erf, otypes=[float])(x)
    """
    tree = _tree(helper)
    body = "\n".join(_text(helper).splitlines()[tree.body[0].lineno - 1 :])
    for inner in _called(helper):
        body = re.sub(rf"\b{inner.__name__}\b", helper_name(inner), body)
    body = re.sub(r", strict=(True|False)\)", ")", body)
    return f"def {helper_name(helper)}({ast.unparse(tree.args)}):\n{body}"


def reserved_names() -> set[str]:
    """Names that no symbol of a program may have: its modules, its helpers and Python's own words."""
    return {"np", "math", "range", "reversed", "float", *keyword.kwlist, *helpers_by_name()}
