"""Formula trees as plain data, with which a page computes any single element by itself."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Function,
    Index,
    Number,
    Reduction,
    Symbol,
)

# A choice by cases and Iverson brackets are functions too; whatever stands here, the page can compute.
Tree = dict[str, Any]


def formula_tree(equation: Equation, gradients: dict[str, str]) -> Tree | None:
    """{"left": ..., "right": ...} of an index form; None where it speaks of whole arrays.

    gradients   identifier of a gradient -> identifier of its value
    """
    left = equation.left
    if isinstance(left, Element):
        if not all(isinstance(index, Index) for index in left.indices):
            return None
        indices = [index for index in left.indices if isinstance(index, Index)]
    elif isinstance(left, Symbol):
        indices = []
    else:
        return None
    name = left.symbol.name if isinstance(left, Element) else left.name
    right = _node(equation.right, gradients)
    if right is None:
        return None
    written = _named(name, gradients)
    return {
        "left": {
            **written,
            "indices": [index.name for index in indices],
            "extents": [index.extent for index in indices],
        },
        "right": right,
    }


def _named(name: str, gradients: dict[str, str]) -> Tree:
    return {"name": gradients.get(name, name), "grad": name in gradients}


def _node(expression: Expression, gradients: dict[str, str]) -> Tree | None:
    if isinstance(expression, Number):
        return {"n": expression.value}
    if isinstance(expression, Index):
        return {"i": expression.name}
    if isinstance(expression, Symbol):
        written = _named(expression.name, gradients)
        return {"e": written["name"], "grad": written["grad"], "at": [], "outside": None}
    if isinstance(expression, Element):
        places = [_node(index, gradients) for index in expression.indices]
        if None in places:
            return None
        written = _named(expression.symbol.name, gradients)
        return {
            "e": written["name"],
            "grad": written["grad"],
            "at": places,
            "outside": expression.outside,
        }
    if isinstance(expression, Function):
        parts = [_node(part, gradients) for part in expression.arguments]
        return None if None in parts else {"f": expression.name, "a": parts}
    if isinstance(expression, Reduction):
        body = _node(expression.body, gradients)
        over = [[index.name, index.extent] for index in expression.indices]
        return None if body is None else {"r": expression.kind, "over": over, "b": body}
    return None
