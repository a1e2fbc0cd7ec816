"""Formula: what an operation says of its value and gradients, for one call with its shapes.

Built from expressions; read by the tests, the gradient explanations and whoever writes formulas down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Line,
    Sum,
    Symbol,
    array_function,
    broadcast_indices,
    letters,
    lines,
    substitute,
    summed_indices,
    symbols_in,
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """One call as its formula sees it: the shape of every input and output, and the options."""

    shapes: dict[str, Shape]
    parameters: dict[str, Any]

    def symbol(self, name: str) -> Symbol:
        """The symbol of an input or output, aware of its number of axes."""
        return Symbol(name, len(self.shapes[name]))

    def upstream(self, name: str = "y") -> Symbol:
        """∂L/∂output as a symbol, named `grad_y`."""
        return Symbol(f"grad_{name}", len(self.shapes[name]))

    gradient = upstream


@dataclass(frozen=True, eq=False)
class Form:
    """The same statement twice: in index form and in matrix form, each one or more lines.

    Earlier lines may define intermediates that later lines use.
    """

    index: tuple[Line, ...]
    matrix: tuple[Line, ...]


def form(index: Line | Sequence[Line], matrix: Line | Sequence[Line]) -> Form:
    """A statement from its index form and its matrix form, each one line or several."""
    return Form(lines(index), lines(matrix))


@dataclass(frozen=True, eq=False)
class Formula:
    """What an operation says of itself: its value, and the gradient of each input.

    value      defines its outputs from its inputs
    gradients  input name -> defines `grad_<input>` from `grad_<output>`, inputs, outputs and the
               intermediates that `value` defined
    """

    value: Form
    gradients: Mapping[str, Form]

    @staticmethod
    def elementwise(call: Call, value: Expression, gradients: Mapping[str, Expression]) -> Formula:
        """Both forms of an element-wise operation, from expressions in x, y, ... and grad_y.

        Inputs are broadcast to the output's shape; their gradients are summed over those axes.
        """
        output_shape = call.shapes["y"]
        indices = letters(output_shape)

        def element(symbol: Symbol) -> Expression:
            name = symbol.name.removeprefix("grad_")
            shape = call.shapes[name]
            return Symbol(symbol.name, len(shape)).at(broadcast_indices(shape, indices))

        def whole(symbol: Symbol) -> Expression:
            return Symbol(symbol.name, len(call.shapes[symbol.name.removeprefix("grad_")]))

        def gradient(name: str, expression: Expression) -> Form:
            shape = call.shapes[name]
            target = Symbol(f"grad_{name}", len(shape))
            left, summed = summed_indices(shape, indices)
            right = substitute(expression, whole)
            if summed:
                right = array_function("sum_to", right, shape=shape)
            elif not _covers(expression, name, call):
                right = array_function("broadcast_to", right, shape=shape)
            return form(
                Equation(target.at(left), Sum(substitute(expression, element), *summed)),
                Equation(target, right),
            )

        y = Symbol("y", len(output_shape))
        return Formula(
            value=form(
                Equation(y.at(indices), substitute(value, element)), Equation(y, substitute(value, whole))
            ),
            gradients={name: gradient(name, expression) for name, expression in gradients.items()},
        )


def _covers(expression: Expression, name: str, call: Call) -> bool:
    """Whether evaluating the expression on whole arrays already has the shape of the named input."""
    shape = call.shapes[name]
    return any(call.shapes.get(symbol.removeprefix("grad_")) == shape for symbol in symbols_in(expression))
