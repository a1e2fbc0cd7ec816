"""Functions in, functions out: gradients, Jacobians and products with them.

Signatures are JAX's. A transform inside a transform records its own backward pass, so they nest to
any order: `dr.grad(dr.grad(f))`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from deltarule.autodiff.backward import gradients
from deltarule.autodiff.conversion import as_tensor, tensor
from deltarule.autodiff.dtypes import require_floating
from deltarule.autodiff.operation import REGISTRY, apply, identity
from deltarule.autodiff.recording import enable_grad, recording
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, GraphError, ShapeError

Function = Callable[..., Any]


@contextmanager
def _transform(inputs: Sequence[Tensor]):
    """Yields whether the backward pass inside must itself be recorded."""
    nested = recording.transforms > 0 or (recording.enabled and any(each.requires_grad for each in inputs))
    recording.transforms += 1
    try:
        with enable_grad():
            yield nested
    finally:
        recording.transforms -= 1


def _as_input(value: Any, who: str) -> Tensor:
    """A tensor to differentiate for; Python integers count as floats, integer tensors are refused."""
    given = (
        tensor(float(value)) if isinstance(value, int) and not isinstance(value, bool) else as_tensor(value)
    )
    require_floating(given.dtype, who)
    return given


def _fresh(inputs: Sequence[Tensor], nested: bool) -> list[Tensor]:
    """Stand-ins for the inputs: new nodes where outer gradients must pass, else new leaves."""
    stand_ins = []
    for each in inputs:
        if nested and each.requires_grad:
            stand_ins.append(identity(each))
        else:
            leaf = Tensor(each._array, requires_grad=True)
            leaf._version = each._version
            stand_ins.append(leaf)
    return stand_ins


def _positions(argnums: int | Sequence[int], count: int, who: str) -> list[int]:
    asked = [argnums] if isinstance(argnums, int) else list(argnums)
    for position in asked:
        if not -count <= position < count:
            raise ArgumentError(who, f"argnums {position} is out of range: the call has {count} arguments")
    return [position % count for position in asked]


def _or_zeros(found: Sequence[Tensor | None], inputs: Sequence[Tensor]) -> list[Tensor]:
    return [
        Tensor(np.zeros_like(each._array)) if gradient is None else gradient
        for gradient, each in zip(found, inputs, strict=True)
    ]


def _single(value: Any, who: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise GraphError(who, f"the function returned {type(value).__name__}, expected a tensor")
    if value.size != 1:
        raise GraphError(
            who,
            f"the function returned shape {value.shape}, expected a single element",
            "Reduce it (e.g. .sum()), or use dr.jacobian or dr.vjp.",
        )
    return value


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns f's value and its gradient.

    f         returns a tensor of one element; with has_aux, a pair of that and anything else
    argnums   which positional argument(s) to differentiate for; a sequence gives a tuple
    returns   function of the same arguments -> (value, gradient), or ((value, aux), gradient)

    Raises GraphError if the value is not a single element, DTypeError for integer tensors.

    >>> import deltarule as dr
    >>> value, gradient = dr.value_and_grad(lambda x: (x * x).sum())(dr.tensor([1.0, 3.0]))
    >>> value.item(), gradient.tolist()
    (10.0, [2.0, 6.0])
    """

    def transformed(*arguments: Any, **options: Any) -> Any:
        positions = _positions(argnums, len(arguments), "grad")
        inputs = [_as_input(arguments[position], "grad") for position in positions]
        with _transform(inputs) as nested:
            stand_ins = _fresh(inputs, nested)
            replaced = list(arguments)
            for position, stand_in in zip(positions, stand_ins, strict=True):
                replaced[position] = stand_in
            result = f(*replaced, **options)
            value, *rest = result if has_aux else (result,)
            value = _single(value, "grad")
            found = _or_zeros(gradients(value, stand_ins, create_graph=nested), inputs)
        gradient = found[0] if isinstance(argnums, int) else tuple(found)
        shown = value if nested else value.detach()
        return ((shown, *rest) if has_aux else shown), gradient

    return transformed


def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of f, which returns a tensor of one element.

    grad(f)(x)[i] = ∂f/∂x[i]

    Arguments and errors are those of `value_and_grad`; with has_aux the result is (gradient, aux).

    >>> import deltarule as dr
    >>> dr.grad(dr.grad(lambda x: x**3))(dr.tensor(2.0)).item()
    12.0
    """
    both = value_and_grad(f, argnums, has_aux)

    def transformed(*arguments: Any, **options: Any) -> Any:
        value, gradient = both(*arguments, **options)
        return (gradient, value[1]) if has_aux else gradient

    return transformed


def vjp(f: Function, *primals: Any) -> tuple[Any, Function]:
    """f's value, and the function that takes an upstream gradient back to the inputs.

    vjp_fn(u)[i] = Σ_k u[k] · ∂f[k]/∂x[i]

    returns  (value, vjp_fn); vjp_fn(upstream) is a tuple with one gradient for each primal. If f
             returns a tuple, upstream is a tuple too.

    >>> import deltarule as dr
    >>> value, pull = dr.vjp(lambda x: x * x, dr.tensor([1.0, 3.0]))
    >>> pull(dr.tensor([1.0, 10.0]))[0].tolist()
    [2.0, 60.0]
    """
    inputs = [_as_input(primal, "vjp") for primal in primals]
    with _transform(inputs) as nested:
        stand_ins = _fresh(inputs, nested)
        value = f(*stand_ins)
    outputs = list(value) if isinstance(value, (tuple, list)) else [value]

    def pull(upstream: Any) -> tuple[Tensor, ...]:
        seeds = list(upstream) if isinstance(value, (tuple, list)) else [upstream]
        record = nested or recording.transforms > 0
        found = gradients(outputs, stand_ins, seeds, create_graph=record)
        return tuple(_or_zeros(found, inputs))

    return value, pull


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """f's value, and how it changes when the inputs move along the tangents.

    tangent_out[k] = Σ_i ∂f[k]/∂x[i] · tangent[i]

    primals, tangents   sequences of the same length and shapes
    returns             (value, tangent_out)

    It is computed by two backward passes: the gradient u ↦ Jᵀu is linear in u, and its own gradient
    along the tangents is J·tangent. Source: J. Townsend, "A new trick for calculating Jacobian
    vector products", 2017.

    >>> import deltarule as dr
    >>> dr.jvp(lambda x: x * x, (dr.tensor([1.0, 3.0]),), (dr.tensor([1.0, 1.0]),))[1].tolist()
    [2.0, 6.0]
    """
    inputs = [_as_input(primal, "jvp") for primal in primals]
    moves = [as_tensor(tangent, dtype=each.dtype) for tangent, each in zip(tangents, inputs, strict=True)]
    for move, each in zip(moves, inputs, strict=True):
        if move.shape != each.shape:
            raise ShapeError("jvp", f"a tangent has shape {move.shape}, its primal {each.shape}")
    with _transform([*inputs, *moves]) as nested:
        stand_ins = _fresh(inputs, nested)
        value = f(*stand_ins)
        outputs = list(value) if isinstance(value, (tuple, list)) else [value]
        seeds = [Tensor(np.zeros_like(output._array), requires_grad=True) for output in outputs]
        pulled = gradients(outputs, stand_ins, seeds, create_graph=True)
        live = [(p, m) for p, m in zip(pulled, moves, strict=True) if p is not None and p.requires_grad]
        found = gradients([p for p, _ in live], seeds, [m for _, m in live], create_graph=nested)
        tangent_out = _or_zeros(found, seeds)
    if isinstance(value, (tuple, list)):
        return value, tuple(tangent_out)
    return value, tangent_out[0]


def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns all partial derivatives of f, one backward pass for each output element.

    J[k..., i...] = ∂f[k...]/∂x[i...], of shape f's shape + x's shape

    f         returns a tensor, or a tuple of tensors, which gives a tuple of Jacobians
    argnums   which positional argument(s) to differentiate for; a sequence gives a tuple for each output

    Raises GraphError where f returns something else, DTypeError for integer tensors.

    >>> import deltarule as dr
    >>> dr.jacobian(lambda x: x * x)(dr.tensor([1.0, 3.0])).tolist()
    [[2.0, 0.0], [0.0, 6.0]]
    """

    def transformed(*arguments: Any, **options: Any) -> Any:
        positions = _positions(argnums, len(arguments), "jacobian")
        inputs = [_as_input(arguments[position], "jacobian") for position in positions]
        with _transform(inputs) as nested:
            stand_ins = _fresh(inputs, nested)
            replaced = list(arguments)
            for position, stand_in in zip(positions, stand_ins, strict=True):
                replaced[position] = stand_in
            result = f(*replaced, **options)
            several = isinstance(result, (tuple, list))
            found = []
            for value in result if several else (result,):
                if not isinstance(value, Tensor):
                    raise GraphError(
                        "jacobian", f"the function returned {type(value).__name__}, expected a tensor"
                    )
                blocks = _jacobians(value, stand_ins, nested)
                found.append(blocks[0] if isinstance(argnums, int) else tuple(blocks))
        return tuple(found) if several else found[0]

    return transformed


def _jacobians(value: Tensor, inputs: Sequence[Tensor], nested: bool) -> list[Tensor]:
    """∂value/∂input for each input."""
    rows: list[list[Tensor]] = [[] for _ in inputs]
    for index in np.ndindex(value.shape):
        seed = np.zeros_like(value._array)
        seed[index] = 1
        found = gradients(value, inputs, [Tensor(seed)], create_graph=nested)
        for row, gradient in zip(rows, _or_zeros(found, inputs), strict=True):
            row.append(gradient)
    blocks = []
    for row, each in zip(rows, inputs, strict=True):
        shape = value.shape + each.shape
        if row:
            blocks.append(apply(REGISTRY["stack"], *row, axis=0).reshape(shape))
        else:
            blocks.append(Tensor(np.zeros(shape, dtype=each.dtype)))
    return blocks


def hessian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns the second derivatives of f, which returns a single element.

    H[i..., j...] = ∂²f / ∂x[i...] ∂x[j...]

    argnums   a sequence gives a tuple of tuples, H[a][b] for the arguments a and b

    >>> import deltarule as dr
    >>> dr.hessian(lambda x: (x**3).sum())(dr.tensor([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Function, primals: Any, vectors: Any) -> Any:
    """Hessian of f times a vector, without forming the Hessian: the gradient of (∇f · v).

    primals, vectors   a tensor each, or sequences of the same length
    returns            tensor, or a tuple for sequences

    Source: B. A. Pearlmutter, "Fast exact multiplication by the Hessian", 1994.

    >>> import deltarule as dr
    >>> dr.hvp(lambda x: (x**3).sum(), dr.tensor([1.0, 2.0]), dr.tensor([1.0, 0.5])).tolist()
    [6.0, 6.0]
    """
    several = isinstance(primals, (tuple, list))
    inputs = [_as_input(primal, "hvp") for primal in (primals if several else [primals])]
    moves = [
        as_tensor(v, dtype=each.dtype)
        for v, each in zip(vectors if several else [vectors], inputs, strict=True)
    ]
    for move, each in zip(moves, inputs, strict=True):
        if move.shape != each.shape:
            raise ShapeError("hvp", f"a vector has shape {move.shape}, its primal {each.shape}")
    with _transform([*inputs, *moves]) as nested:
        stand_ins = _fresh(inputs, nested)
        first = gradients(_single(f(*stand_ins), "hvp"), stand_ins, create_graph=True)
        live = [(g, m) for g, m in zip(first, moves, strict=True) if g is not None and g.requires_grad]
        found = gradients([g for g, _ in live], stand_ins, [m for _, m in live], create_graph=nested)
        products = _or_zeros(found, inputs)
    return tuple(products) if several else products[0]
