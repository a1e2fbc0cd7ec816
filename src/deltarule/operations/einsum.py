"""einsum: products of arrays, summed over the axes that share a letter; and what it says in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Number,
    Sum,
    array_function,
    equal,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import DTypeError, ShapeError
from deltarule.kernels import einsum as kernels
from deltarule.operations.axes import axis_position, axis_positions
from deltarule.operations.elementwise import promote
from deltarule.operations.subscripts import canonical, extents, gradient_subscripts, split

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _result_shape(*arrays: Shape, subscripts: str) -> Shape:
    inputs, result = subscripts.split("->")
    extents: dict[str, int] = {}
    for letters, shape in zip(inputs.split(","), arrays, strict=True):
        for letter, extent in zip(letters, shape, strict=True):
            extents[letter] = max(extent, extents.get(letter, 0)) if extent != 0 else 0
    return tuple(extents[letter] for letter in result)


def _source(*arrays: Shape, subscripts: str) -> str:
    return f'np.einsum("{subscripts}", {{all}})'


define_array_function(
    "einsum",
    lambda *arrays, subscripts: np.einsum(subscripts, *arrays),
    r"\operatorname{{einsum}}_{{{subscripts}}}\left({all}\right)",
    shape=_result_shape,
    source=_source,
)
define_array_function(
    "ones",
    lambda extent: np.ones(extent),
    r"\mathbf{{1}}_{{{extent}}}",
    shape=lambda extent: (extent,),
    source="np.ones({extent})",
)
define_array_function(
    "identity",
    lambda extent: np.eye(extent),
    r"I_{{{extent}}}",
    shape=lambda extent: (extent, extent),
    source="np.eye({extent})",
)


class _Einsum(Operation):
    name = "einsum"
    inputs = ("x",)
    variadic = True
    reads = ("x",)

    def shape(self, *shapes: Shape, subscripts: str) -> Shape:
        length = extents(subscripts, shapes)
        return tuple([length[letter] for letter in split(subscripts)[1]])

    def forward(self, *arrays: Array, subscripts: str) -> Array:
        return kernels.einsum(*split(subscripts), arrays)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        answers: list[Tensor | None] = []
        for position, x in enumerate(node.inputs):
            if not node.needs(position):
                answers.append(None)
                continue
            rule = self._rule(node, position)
            constants = [Tensor(_constant(shape, x.dtype)) for shape in rule.constants]
            factors = (upstream, *(node.inputs[other] for other in rule.others), *constants)
            answers.append(apply(EINSUM, *factors, subscripts=rule.subscripts))
        return answers

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        answers: list[Array | None] = []
        for position, x in enumerate(node.inputs):
            if not node.needs(position):
                answers.append(None)
                continue
            rule = self._rule(node, position)
            constants = [_constant(shape, x.dtype) for shape in rule.constants]
            factors = (upstream, *(node.inputs[other]._array for other in rule.others), *constants)
            answers.append(kernels.einsum(*split(rule.subscripts), factors))
        return answers

    def _rule(self, node: Node, position: int) -> Any:
        shapes = [tensor.shape for tensor in node.inputs]
        return gradient_subscripts(node.parameters["subscripts"], shapes, position)

    def formula(self, call: Call) -> Formula:
        names = [name for name in call.shapes if name != "y"]
        return contraction_formula(call, call.parameters["subscripts"], names)


def _constant(shape: Shape, dtype: Any) -> Array:
    return np.ones(shape, dtype) if len(shape) == 1 else np.eye(shape[0], dtype=dtype)


EINSUM = register(_Einsum)


def contraction_formula(call: Call, subscripts: str, names: Sequence[str]) -> Formula:
    """Index form straight from the subscripts, and matrix form as einsum, of a sum of products.

    names  the inputs in the order of the subscripts
    """
    shapes = [call.shapes[name] for name in names]
    terms, right = split(subscripts)
    length = extents(subscripts, shapes)
    index = {letter: Index(letter, extent) for letter, extent in length.items()}
    y, grad = call.symbol("y"), call.upstream()

    def element(position: int) -> Expression:
        at = [
            index[letter] if extent == length[letter] else Number(0)
            for letter, extent in zip(terms[position], shapes[position], strict=True)
        ]
        return call.symbol(names[position]).at(at)

    def product(factors: Sequence[Expression]) -> Expression:
        result = factors[0]
        for factor in factors[1:]:
            result = result * factor
        return result

    at_result = [index[letter] for letter in right]
    summed = [index[letter] for letter in length if letter not in right]
    symbols = [call.symbol(name) for name in names]
    value = form(
        Equation(
            y.at(at_result), Sum(product([element(position) for position in range(len(names))]), *summed)
        ),
        Equation(y, array_function("einsum", *symbols, subscripts=subscripts)),
    )
    gradients = {}
    for position, name in enumerate(names):
        rule = gradient_subscripts(subscripts, shapes, position)
        target = call.gradient(name)
        left: list[Index] = []
        brackets: list[Expression] = []
        for letter, extent in zip(terms[position], shapes[position], strict=True):
            if extent != length[letter]:
                left.append(Index(f"{letter}'", 1))
            elif index[letter] in left:
                left.append(Index(f"{letter}'", extent))
                brackets.append(equal(index[letter], left[-1]))
            else:
                left.append(index[letter])
        factors = [grad.at(at_result), *(element(other) for other in rule.others), *brackets]
        rest = [each for each in index.values() if each not in left]
        constants = [
            array_function("ones" if len(shape) == 1 else "identity", extent=shape[0])
            for shape in rule.constants
        ]
        whole = [grad, *(symbols[other] for other in rule.others), *constants]
        gradients[name] = form(
            Equation(target.at(left), Sum(product(factors), *rest)),
            Equation(target, array_function("einsum", *whole, subscripts=rule.subscripts)),
        )
    return Formula(value, gradients)


def einsum(subscripts: str, /, *arrays: Any) -> Tensor:
    """Product of arrays, summed over the letters that are not in the result.

    einsum("ij,jk->ik", a, b):  y[i, k] = Σ_j a[i, j] · b[j, k]

    subscripts  one letter for each axis of each array, arrays separated by commas, then an arrow and
                the letters of the result. Without the arrow the result has the letters that occur
                once, in alphabetical order. A letter that occurs twice in one array takes a
                diagonal; "..." stands for any axes, which broadcast. Axes of one letter have the
                same length, or 1, which broadcasts.
    arrays      tensors or arrays, of one common type after promotion
    returns     a tensor with the axes of the result's letters

    Raises ArgumentError for subscripts that cannot be read, ShapeError where they do not fit.
    The gradient is an einsum as well. Source: Einstein 1916 (the notation); names as in NumPy.

    >>> import deltarule as dr
    >>> dr.einsum("ii", dr.tensor([[1.0, 2.0], [3.0, 4.0]])).item()
    5.0
    """
    if not isinstance(subscripts, str):
        raise DTypeError("einsum", f"subscripts expected a string, got {type(subscripts).__name__}")
    if not arrays:
        raise ShapeError(
            "einsum", "expected at least one array, got none", "Pass the arrays after the subscripts."
        )
    tensors = promote(arrays, False, "einsum")
    return apply(EINSUM, *tensors, subscripts=canonical(subscripts, [tensor.shape for tensor in tensors]))


def tensordot(a: Any, b: Any, /, *, axes: Any = 2) -> Tensor:
    """Product of two arrays, summed over pairs of axes. Recorded as an einsum.

    tensordot(a, b, axes=1):  y[i, k] = Σ_j a[i, j] · b[j, k]

    axes     a number n: the last n axes of a with the first n of b; or two sequences of axes, paired
    returns  the other axes of a, then the other axes of b

    Raises ShapeError where paired axes differ in length or number.

    >>> import deltarule as dr
    >>> dr.tensordot(dr.ones((2, 3, 4)), dr.ones((3, 4, 5))).shape
    (2, 5)
    """
    a, b = promote((a, b), False, "tensordot")
    if isinstance(axes, (tuple, list)):
        if len(axes) != 2:
            raise ShapeError("tensordot", f"axes expected a number or two sequences, got {axes}")
        of_a, of_b = (
            axis_positions("tensordot", axes[0], a.ndim),
            axis_positions("tensordot", axes[1], b.ndim),
        )
    else:
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ShapeError(
                "tensordot",
                f"cannot sum over {axes} axes of a {a.shape} and b {b.shape}",
                "They have too few.",
            )
        of_a, of_b = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    if [a.shape[axis] for axis in of_a] != [b.shape[axis] for axis in of_b]:
        raise ShapeError(
            "tensordot",
            f"axes {of_a} of a {a.shape} and axes {of_b} of b {b.shape} differ in length",
            "Paired axes must have the same length.",
        )
    a_letters = list(_LETTERS[: a.ndim])
    b_letters = list(_LETTERS[a.ndim : a.ndim + b.ndim])
    for first, second in zip(of_a, of_b, strict=True):
        b_letters[second] = a_letters[first]
    left = [letter for axis, letter in enumerate(a_letters) if axis not in of_a]
    right = [letter for axis, letter in enumerate(b_letters) if axis not in of_b]
    return apply(
        EINSUM, a, b, subscripts=f"{''.join(a_letters)},{''.join(b_letters)}->{''.join(left + right)}"
    )


def vecdot(a: Any, b: Any, /, *, axis: int = -1) -> Tensor:
    """Dot products of vectors along an axis; the other axes broadcast. Recorded as an einsum.

    y[n] = Σ_i a[n, i] · b[n, i]

    Raises ShapeError where the axis is missing or differs in length, or the others do not broadcast.

    >>> import deltarule as dr
    >>> dr.vecdot(dr.tensor([[1.0, 2.0], [3.0, 4.0]]), dr.tensor([1.0, 10.0]))
    tensor([21., 43.], dtype=float32)
    """
    a, b = promote((a, b), False, "vecdot")
    of_a, of_b = axis_position("vecdot", axis, a.ndim), axis_position("vecdot", axis, b.ndim)
    if a.shape[of_a] != b.shape[of_b]:
        raise ShapeError(
            "vecdot",
            f"axis {axis} is {a.shape[of_a]} long in a {a.shape} and {b.shape[of_b]} in b {b.shape}",
            "Both vectors must have the same length.",
        )
    others = _LETTERS[: max(a.ndim, b.ndim) - 1]
    letters_a, letters_b = others[len(others) - a.ndim + 1 :], others[len(others) - b.ndim + 1 :]
    summed = _LETTERS[len(others)]
    terms = (letters_a[:of_a] + summed + letters_a[of_a:], letters_b[:of_b] + summed + letters_b[of_b:])
    return apply(EINSUM, a, b, subscripts=f"{terms[0]},{terms[1]}->{others}")


def outer(a: Any, b: Any, /) -> Tensor:
    """All products of an element of a with one of b. Recorded as an einsum.

    y[i, j] = a[i] · b[j]

    a, b     of one axis each; returns (len(a), len(b)). Raises ShapeError otherwise.

    >>> import deltarule as dr
    >>> dr.outer(dr.tensor([1.0, 2.0]), dr.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]], dtype=float32)
    """
    a, b = promote((a, b), False, "outer")
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(
            "outer", f"expected two vectors, got shapes {a.shape} and {b.shape}", "Flatten them first."
        )
    return apply(EINSUM, a, b, subscripts="i,j->ij")


def _matrix_letters(who: str, x: Tensor) -> str:
    if x.ndim < 2:
        raise ShapeError(who, f"expected at least 2 axes, got shape {x.shape}", "A matrix is needed.")
    return _LETTERS[: x.ndim - 2]


def diagonal(x: Any, /) -> Tensor:
    """The main diagonal of each matrix. Recorded as an einsum.

    y[n, i] = x[n, i, i]

    x        (..., i, i), square; returns (..., i). Raises ShapeError otherwise.

    >>> import deltarule as dr
    >>> dr.diagonal(dr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.], dtype=float32)
    """
    (x,) = promote((x,), False, "diagonal")
    batch = _matrix_letters("diagonal", x)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError("diagonal", f"expected square matrices, got shape {x.shape}")
    return apply(EINSUM, x, subscripts=f"{batch}zz->{batch}z")


def trace(x: Any, /, *, offset: int = 0) -> Tensor:
    """Sum of a diagonal of each matrix. Recorded as an einsum.

    y[n] = Σ_i x[n, i, i + offset]

    x        (..., rows, columns)
    offset   the diagonal: above the main one if positive, below if negative
    returns  (...)

    Raises ShapeError for less than two axes.

    >>> import deltarule as dr
    >>> dr.trace(dr.tensor([[1.0, 2.0], [3.0, 4.0]]), offset=1).item()
    2.0
    """
    (x,) = promote((x,), False, "trace")
    batch = _matrix_letters("trace", x)
    chosen = Tensor(np.eye(*x.shape[-2:], k=offset, dtype=x.dtype))
    return apply(EINSUM, x, chosen, subscripts=f"{batch}yz,yz->{batch}")
