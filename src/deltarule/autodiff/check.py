"""check_gradients: analytic gradients against central differences, and the culprit's name.

When the gradient of a function is wrong, the record is walked from its start and every operation's
own gradient is checked on the values it had; the first one that is wrong is named, with the element,
both numbers and the likely cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import gradients, nodes_below
from deltarule.autodiff.check_cause import likely_cause
from deltarule.autodiff.check_comparison import Comparison, Disagreement
from deltarule.autodiff.checkpoint import read_replayed, restore_replayed
from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import record
from deltarule.autodiff.recording import enable_grad, no_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import DTypeError, GradientError, GraphError


@dataclass(frozen=True)
class GradientCheck:
    """What a passed check found.

    max_error    largest relative deviation between analytic and numerical gradient
    checked      number of elements, or of random directions for large inputs
    kinks        (input position, element) where the function has a kink and the gradient lies
                 between its one-sided derivatives

    >>> import deltarule as dr
    >>> dr.check_gradients(dr.relu, dr.tensor([0.0, 1.0], dtype=dr.float64)).kinks
    ((0, (0,)),)
    """

    max_error: float
    checked: int
    kinks: tuple[tuple[int, tuple[int, ...]], ...]


def check_gradients(
    f: Callable[..., Any], *inputs: Any, tolerance: float = 1e-6, seed: int = 0
) -> GradientCheck:
    """Compares the gradient of f at the inputs with central differences in float64.

    Inputs of up to 400 elements are checked element by element, larger ones along random
    directions. Outputs of several elements are weighted by fixed random numbers. Integer and
    boolean inputs are held constant. A tensor that requires a gradient, such as a module's parameter,
    is varied itself, so f may reach it from its surroundings instead of taking it as an argument:

        dr.check_gradients(lambda x, *parameters: model(x), x, *model.parameters())

    Random numbers (dropout) are the same in every evaluation.

    f           function of the inputs, returns a tensor (or a tuple of tensors)
    inputs      float64 tensors or arrays
    tolerance   relative deviation that is allowed
    seed        of the random weights and directions
    returns     GradientCheck

    Raises GradientError naming the first wrong operation, the element, both numbers and the likely
    cause, or saying that f is not finite or not one function; DTypeError for float32, whose rounding
    hides errors; GraphError where f's result depends on no input through recorded operations. A kink
    (ReLU at 0, a tie of max) is accepted where the gradient lies between the one-sided derivatives.

    Source of the differences: Abramowitz & Stegun 1964, 25.3.6 (four points).

    >>> import deltarule as dr
    >>> import numpy as np
    >>> dr.check_gradients(lambda x: dr.tanh(x) * x, np.array([0.3, -1.2])).checked
    2
    """
    tensors: list[Tensor] = []
    for position, value in enumerate(inputs):
        tensors.append(_input(value, position, tensors))
    floating = [position for position, each in enumerate(tensors) if each.requires_grad]
    if not floating:
        raise GradientError("check_gradients", "expected at least one float64 input, got none")
    generator = np.random.default_rng(seed)
    random_state = read_replayed()
    with enable_grad():
        outputs = _outputs(f(*tensors))
        if not any(output.requires_grad for output in outputs):
            raise GraphError(
                "check_gradients",
                "the result does not depend on the inputs through recorded operations",
                "Compute it with deltarule's operations, without .numpy(), .item() or .detach() on the way.",
            )
        live = [position for position, output in enumerate(outputs) if output.requires_grad]
        weights = [generator.uniform(0.5, 1.5, outputs[position].shape) for position in live]
        found = gradients(
            [outputs[position] for position in live],
            [tensors[position] for position in floating],
            [weight.astype(outputs[position].dtype) for position, weight in zip(live, weights, strict=True)],
        )
    varied = [tensors[position] for position in floating]

    def loss(arrays: list[Array]) -> float:
        restore_replayed(random_state)
        with no_grad(), np.errstate(all="ignore"), _holding(varied, arrays):
            values = _outputs(f(*tensors))
            return _weighted([values[position] for position in live], weights)

    arrays = [each._array for each in varied]
    analytic = [
        np.zeros_like(array) if gradient is None else gradient._array
        for gradient, array in zip(found, arrays, strict=True)
    ]
    _require_one_function(_weighted([outputs[position] for position in live], weights), loss(arrays))
    comparison = Comparison(loss, arrays, tolerance)
    comparison.compare(analytic, generator)
    if comparison.wrong is not None:
        _raise_for(comparison.wrong, [outputs[position] for position in live], floating, tolerance, generator)
    kinks = tuple((floating[position], index) for position, index in comparison.kinks)
    return GradientCheck(comparison.max_error, comparison.checked, kinks)


def _input(value: Any, position: int, earlier: list[Tensor]) -> Tensor:
    """The tensor that is varied: a leaf that requires a gradient itself, else a stand-in with a copy."""
    given = as_tensor(value) if hasattr(value, "dtype") else as_tensor(np.asarray(value))
    if given.dtype.kind != "f":
        return given
    if given.dtype != np.float64:
        raise DTypeError(
            "check_gradients",
            f"input {position} is {given.dtype}, expected float64: with {given.dtype} the differences carry "
            "errors of about 1e-3, which would hide a wrong gradient",
            "Convert the inputs (and the model) with .astype(dr.float64).",
        )
    if given.requires_grad and given.is_leaf and not any(given is each for each in earlier):
        return given
    return Tensor(given._array.copy(), requires_grad=True)


@contextmanager
def _holding(tensors: Sequence[Tensor], arrays: Sequence[Array]) -> Iterator[None]:
    """Lets tensors hold other elements for a while, wherever the function takes them from."""
    own = [tensor._array for tensor in tensors]
    for tensor, array in zip(tensors, arrays, strict=True):
        tensor._array = np.asarray(array)
    try:
        yield
    finally:
        for tensor, array in zip(tensors, own, strict=True):
            tensor._array = array


def _weighted(outputs: Sequence[Tensor], weights: Sequence[Array]) -> float:
    return float(sum(np.sum(each._array * weight) for each, weight in zip(outputs, weights, strict=True)))


def _require_one_function(first: float, second: float) -> None:
    """Raises where differences would say nothing: the value is not finite, or changes from call to call."""
    if not np.isfinite(first):
        raise GradientError(
            "check_gradients",
            "the function's value is NaN or infinite at these inputs: there is nothing to compare",
            "Choose inputs inside its domain.",
        )
    if abs(first - second) > 1e-9 * max(abs(first), 1.0):
        raise GradientError(
            "check_gradients",
            f"the function gave {first:.10g}, then {second:.10g} for the same inputs",
            "It must be one function: look for state that changes from call to call, or random numbers that "
            "are not deltarule's.",
        )


def _outputs(value: Any) -> list[Tensor]:
    outputs = list(value) if isinstance(value, (tuple, list)) else [value]
    for output in outputs:
        if not isinstance(output, Tensor):
            raise GraphError(
                "check_gradients", f"the function returned {type(output).__name__}, expected a tensor"
            )
    return outputs


def _raise_for(
    wrong: Disagreement,
    outputs: list[Tensor],
    floating: list[int],
    tolerance: float,
    generator: np.random.Generator,
) -> None:
    place = f"input {floating[wrong.position]}"
    where = (
        f"{place}{list(wrong.element)}" if wrong.element is not None else f"{place} along a random direction"
    )
    numbers = f"analytic {wrong.analytic:.10g}, numerical {wrong.numerical:.10g}"
    for node in nodes_below(outputs):
        culprit = check_node(node, tolerance, generator)
        if culprit is not None:
            raise GradientError(
                "check_gradients",
                f"wrong gradient at {where}: {numbers}. The first wrong operation is {culprit}",
            )
    raise GradientError(
        "check_gradients",
        f"wrong gradient at {where}: {numbers}. Every recorded operation's own gradient is right, so the "
        "value depends on the input along a path that is not recorded",
        "Look for .detach(), .numpy(), .item(), no_grad, or state that changes from call to call.",
    )


def check_node(node: Node, tolerance: float, generator: np.random.Generator) -> str | None:
    """A sentence about what is wrong with this operation's gradient on its own values, or None."""
    operation = node.operation
    names = operation.input_names(len(node.inputs))
    inputs = [
        Tensor(each._array.astype(np.float64) if each.dtype.kind == "f" else each._array, each.requires_grad)
        for each in node.inputs
    ]
    floating = [position for position, each in enumerate(inputs) if each.requires_grad]

    def run(tensors: Sequence[Tensor]) -> list[Tensor]:
        result = record(
            operation,
            tuple(tensors),
            node.parameters,
            operation.forward(*(each._array for each in tensors), **node.parameters),
        )
        return list(result) if isinstance(result, tuple) else [result]

    with enable_grad():
        outputs = [output for output in run(inputs) if output.requires_grad]
        weights = [generator.uniform(0.5, 1.5, output.shape) for output in outputs]
        if not outputs or outputs[0].dtype != np.float64:
            return None
        try:
            found = gradients(outputs, [inputs[position] for position in floating], weights)
        except GradientError as error:
            return error.problem

    varied = [inputs[position] for position in floating]

    def loss(arrays: list[Array]) -> float:
        with no_grad(), np.errstate(all="ignore"), _holding(varied, arrays):
            return _weighted([value for value in run(inputs) if value.dtype.kind == "f"], weights)

    arrays = [each._array for each in varied]
    analytic = [
        np.zeros_like(array) if gradient is None else gradient._array
        for gradient, array in zip(found, arrays, strict=True)
    ]
    comparison = Comparison(loss, arrays, tolerance)
    comparison.compare(analytic, generator)
    wrong = comparison.wrong
    if wrong is None:
        return None
    name = names[floating[wrong.position]]
    numerical = comparison.numerical.get(wrong.position)
    element = "" if wrong.element is None else str(list(wrong.element))
    cause = ""
    if numerical is not None:
        cause = likely_cause(
            analytic[wrong.position], numerical, arrays[wrong.position], outputs[0]._array, weights[0]
        )
    return (
        f"{node.label()}: its gradient for {name}{element} is {wrong.analytic:.10g}, expected "
        f"{wrong.numerical:.10g}{cause}"
    )
