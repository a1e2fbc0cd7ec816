"""check_gradients: analytic gradients against central differences, and the culprit's name.

When the gradient of a function is wrong, the record is walked from its start and every operation's
own gradient is checked on the values it had; the first one that is wrong is named, with the element,
both numbers and the likely cause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import gradients, nodes_below
from deltarule.autodiff.check_cause import likely_cause
from deltarule.autodiff.differences import Slope, is_kink, slope, unit
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import record
from deltarule.autodiff.recording import enable_grad, no_grad
from deltarule.autodiff.tensor import Array, Tensor, as_tensor
from deltarule.errors import DTypeError, GradientError, GraphError

_ELEMENT_LIMIT = 400
_DIRECTIONS = 24


@dataclass(frozen=True)
class GradientCheck:
    """What a passed check found.

    max_error    largest relative deviation between analytic and numerical gradient
    checked      number of elements, or of random directions for large inputs
    kinks        (input position, element) where the function has a kink and the gradient lies
                 between its one-sided derivatives
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
    boolean inputs are held constant.

    f           function of the inputs, returns a tensor (or a tuple of tensors)
    inputs      float64 tensors or arrays
    tolerance   relative deviation that is allowed
    seed        of the random weights and directions
    returns     GradientCheck

    Raises GradientError naming the first wrong operation, the element, both numbers and the likely
    cause; DTypeError for float32, whose rounding hides errors. A kink (ReLU at 0, a tie of max) is
    accepted where the gradient lies between the one-sided derivatives.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> dr.check_gradients(lambda x: dr.tanh(x) * x, np.array([0.3, -1.2])).checked
    2
    """
    tensors = [_input(value, position) for position, value in enumerate(inputs)]
    floating = [position for position, each in enumerate(tensors) if each.requires_grad]
    if not floating:
        raise GradientError("check_gradients", "expected at least one float64 input, got none")
    generator = np.random.default_rng(seed)
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
    constants = list(tensors)

    def loss(arrays: list[Array]) -> float:
        arguments = list(constants)
        for position, array in zip(floating, arrays, strict=True):
            arguments[position] = Tensor(np.asarray(array))
        with no_grad():
            values = _outputs(f(*arguments))
        return float(
            sum(
                np.sum(values[position]._array * weight)
                for position, weight in zip(live, weights, strict=True)
            )
        )

    arrays = [tensors[position]._array for position in floating]
    analytic = [
        np.zeros_like(array) if gradient is None else gradient._array
        for gradient, array in zip(found, arrays, strict=True)
    ]
    comparison = _Comparison(loss, arrays, tolerance)
    comparison.compare(analytic, generator)
    if comparison.wrong is not None:
        _raise_for(comparison.wrong, [outputs[position] for position in live], floating, tolerance, generator)
    kinks = tuple((floating[position], index) for position, index in comparison.kinks)
    return GradientCheck(comparison.max_error, comparison.checked, kinks)


def _input(value: Any, position: int) -> Tensor:
    given = as_tensor(value) if hasattr(value, "dtype") else as_tensor(np.asarray(value))
    if given.dtype.kind == "f":
        if given.dtype != np.float64:
            raise DTypeError(
                "check_gradients",
                f"input {position} is {given.dtype}, expected float64: with {given.dtype} the differences "
                "carry errors of about 1e-3, which would hide a wrong gradient",
                "Convert the inputs (and the model) with .astype(dr.float64).",
            )
        return Tensor(given._array.copy(), requires_grad=True)
    return given


def _outputs(value: Any) -> list[Tensor]:
    outputs = list(value) if isinstance(value, (tuple, list)) else [value]
    for output in outputs:
        if not isinstance(output, Tensor):
            raise GraphError(
                "check_gradients", f"the function returned {type(output).__name__}, expected a tensor"
            )
    return outputs


@dataclass(frozen=True)
class _Wrong:
    """A disagreement: which input, which element (None for a random direction), both numbers."""

    position: int
    element: tuple[int, ...] | None
    analytic: float
    numerical: float


class _Comparison:
    """Analytic gradients of a number against its differences, for several arrays."""

    def __init__(self, loss: Callable[[list[Array]], float], arrays: list[Array], tolerance: float):
        self.loss = loss
        self.arrays = arrays
        self.tolerance = tolerance
        self.max_error = 0.0
        self.checked = 0
        self.kinks: list[tuple[int, tuple[int, ...]]] = []
        self.wrong: _Wrong | None = None
        self.numerical: dict[int, Array] = {}

    def compare(self, analytic: list[Array], generator: np.random.Generator) -> None:
        """Checks every array; stops at the array of the first disagreement."""
        for position, array in enumerate(self.arrays):
            if array.size <= _ELEMENT_LIMIT:
                self._elements(position, analytic[position])
            else:
                self._directions(position, analytic[position], generator)
            if self.wrong is not None:
                return

    def _along(self, position: int, direction: Array) -> list[Array | None]:
        return [direction if each == position else None for each in range(len(self.arrays))]

    def _elements(self, position: int, analytic: Array) -> None:
        shape = self.arrays[position].shape
        slopes = {
            index: slope(self.loss, self.arrays, self._along(position, unit(shape, index)))
            for index in np.ndindex(shape)
        }
        numerical = np.zeros(shape)
        for index, each in slopes.items():
            numerical[index] = each.central
        self.numerical[position] = numerical
        scale = max(
            float(np.max(np.abs(numerical), initial=0.0)), float(np.max(np.abs(analytic), initial=0.0))
        )
        worst = 0.0
        for index, each in slopes.items():
            error = self._error(
                float(analytic[index]), each, scale, self._along(position, unit(shape, index))
            )
            if error is None:
                self.kinks.append((position, index))
                continue
            self.max_error = max(self.max_error, error)
            if not error <= self.tolerance and (self.wrong is None or error > worst):
                worst = error
                self.wrong = _Wrong(position, index, float(analytic[index]), each.central)
        self.checked += len(slopes)

    def _directions(self, position: int, analytic: Array, generator: np.random.Generator) -> None:
        for _ in range(_DIRECTIONS):
            direction = generator.standard_normal(self.arrays[position].shape)
            direction /= np.sqrt(direction.size)
            along = self._along(position, direction)
            each = slope(self.loss, self.arrays, along)
            expected = float(np.sum(analytic * direction))
            scale = max(abs(expected), each.scale, float(np.sqrt(np.mean(analytic**2))))
            error = self._error(expected, each, scale, along)
            self.checked += 1
            if error is None:
                self.kinks.append((position, ()))
                continue
            self.max_error = max(self.max_error, error)
            if not error <= self.tolerance:
                self.wrong = _Wrong(position, None, expected, each.central)
                return

    def _error(self, analytic: float, each: Slope, scale: float, along: list[Array | None]) -> float | None:
        """Relative deviation, or None at a kink whose one-sided derivatives enclose the gradient."""
        error = abs(analytic - each.central) / max(scale, 1e-3)
        if error <= self.tolerance:
            return error
        closer = slope(self.loss, self.arrays, along, step=1e-5)
        error = min(error, abs(analytic - closer.central) / max(scale, 1e-3))
        if error <= max(self.tolerance, 1e-9 / max(scale, 1e-3)):
            return min(error, self.tolerance)
        kink = is_kink(self.loss, self.arrays, along, self.tolerance)
        if kink is None:
            return error
        slack = 1e-3 * max(kink.scale, 1e-3)
        if min(kink.left, kink.right) - slack <= analytic <= max(kink.left, kink.right) + slack:
            return None
        return error


def _raise_for(
    wrong: _Wrong,
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

    def loss(arrays: list[Array]) -> float:
        moved = list(inputs)
        for position, array in zip(floating, arrays, strict=True):
            moved[position] = Tensor(np.asarray(array))
        with no_grad():
            values = [value for value in run(moved) if value.dtype.kind == "f"]
        return float(sum(np.sum(value._array * w) for value, w in zip(values, weights, strict=True)))

    arrays = [inputs[position]._array for position in floating]
    analytic = [
        np.zeros_like(array) if gradient is None else gradient._array
        for gradient, array in zip(found, arrays, strict=True)
    ]
    comparison = _Comparison(loss, arrays, tolerance)
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
