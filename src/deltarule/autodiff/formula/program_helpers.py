"""The text of helper functions that emitted programs carry: the functions themselves, without annotations.

A row of FUNCTIONS or ARRAY_FUNCTIONS whose meaning is a function of ours is called by that function's name
in a program. So the program runs the very function that evaluates formulas.
"""

from __future__ import annotations

import ast
import inspect
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
    """Every helper that a program can call directly."""
    rows = [row.helper for row in ARRAY_FUNCTIONS.values() if row.helper is not None]
    own = [row.value for row in FUNCTIONS.values() if is_helper(row.value)]
    return {helper_name(helper): helper for helper in [*own, *rows]}


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


def _called(helper: Helper) -> list[Helper]:
    """Functions of ours that a helper calls."""
    space = helper.__globals__  # type: ignore[attr-defined]
    own = {helper.__name__, *helper.__code__.co_varnames, *helper.__code__.co_cellvars}  # type: ignore[attr-defined]
    names = [part.id for part in ast.walk(_tree(helper)) if isinstance(part, ast.Name)]
    return [space[name] for name in dict.fromkeys(names) if name not in own and inspect.isfunction(space.get(name))]


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
    # All lists that helpers walk together have the same length.
    body = body.replace(", strict=True)", ")")
    return f"def {helper_name(helper)}({ast.unparse(tree.args)}):\n{body}"
