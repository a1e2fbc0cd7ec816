"""What every operation must satisfy, written once; the rows of `cases/` are its input.

A row is one call of a public function. From it follow: value against a plain NumPy reference,
gradient against central differences, gradient of the gradient, float32, non-contiguous memory, shape
rule, formulas of value and gradients in both forms, LaTeX, and open form against closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.autodiff.backward import gradients, nodes_below
from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.formula.formula import Call
from deltarule.autodiff.operation import REGISTRY
from deltarule.autodiff.tensor import Tensor

Outputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Case:
    """One row.

    function     the public function, called as function(*inputs, **options)
    inputs       arrays; float64 ones are differentiated unless `constant` names their position.
                 A tuple or list of arrays is passed as one argument (for concat and the like)
    reference    the same on NumPy arrays
    operation    name in the registry, where it is not the function's own
    tolerance    of the gradient, relative; anything above 1e-6 needs a `reason`
    twice        whether the gradient can be differentiated again
    """

    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    reference: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict)
    operation: str = ""
    constant: tuple[int, ...] = ()
    tolerance: float = 1e-6
    second_tolerance: float = 1e-5
    reason: str = ""
    twice: bool = True
    float32: bool = True

    @property
    def name(self) -> str:
        return self.operation or self.function.__name__

    def __str__(self) -> str:
        shapes = "-".join("x".join(map(str, np.shape(part))) or "scalar" for part in self.flat_inputs())
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}[{shapes}]{options}"[:90]

    def flat_inputs(self) -> list[Any]:
        flat: list[Any] = []
        for part in self.inputs:
            flat.extend(part) if isinstance(part, (list, tuple)) else flat.append(part)
        return flat

    def differentiable(self) -> list[bool]:
        """Of every array, whether it is differentiated."""
        flags = []
        for position, part in enumerate(self.inputs):
            for array in part if isinstance(part, (list, tuple)) else [part]:
                flags.append(np.asarray(array).dtype == np.float64 and position not in self.constant)
        return flags

    def call(self, flat: Sequence[Any], function: Callable[..., Any] | None = None) -> Any:
        """Calls the function (or the reference) with the flat inputs put back into their places."""
        remaining = iter(flat)
        arguments = [
            [next(remaining) for _ in part] if isinstance(part, (list, tuple)) else next(remaining)
            for part in self.inputs
        ]
        return (function or self.function)(*arguments, **self.options)

    def tensors(self, dtype: Any = np.float64) -> list[Tensor]:
        made = []
        for array, flag in zip(self.flat_inputs(), self.differentiable(), strict=True):
            array = np.asarray(array)
            wanted = dtype if array.dtype == np.float64 else None
            made.append(tensor(array, dtype=wanted, requires_grad=flag))
        return made


@dataclass(frozen=True)
class ErrorCase:
    """A call that must be refused: the error's class and what its message must say."""

    call: Callable[[], Any]
    error: type[Exception]
    says: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.error.__name__}: {self.says[0]}"[:60]


def outputs_of(result: Any) -> Outputs:
    """The result's tensors, nested tuples flattened."""
    if isinstance(result, Tensor):
        return (result,)
    return tuple(part for each in result for part in outputs_of(each))


def arrays_of(result: Any) -> list[np.ndarray]:
    """The same for a reference's result."""
    if isinstance(result, (tuple, list)):
        return [array for each in result for array in arrays_of(each)]
    return [np.asarray(result)]


def weights_for(outputs: Outputs) -> list[np.ndarray]:
    """Fixed upstream gradients, different for every element."""
    generator = np.random.default_rng(7)
    return [generator.uniform(0.5, 1.5, output.shape).astype(output.dtype) for output in outputs]


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest deviation, relative to the largest expected magnitude (at least 1e-3)."""
    assert found.shape == expected.shape, f"shape {found.shape}, expected {expected.shape}"
    if not expected.size:
        return 0.0
    return float(np.max(np.abs(found - expected)) / max(np.max(np.abs(expected)), 1e-3))


def analytic_gradients(case: Case, inputs: list[Tensor], create_graph: bool = False) -> list[Tensor | None]:
    outputs = [output for output in outputs_of(case.call(inputs)) if output.requires_grad]
    wanted = [each for each in inputs if each.requires_grad]
    if not outputs:
        return [None] * len(wanted)
    return gradients(outputs, wanted, weights_for(tuple(outputs)), create_graph=create_graph)


def differences(
    function: Callable[[list[np.ndarray]], float], arrays: list[np.ndarray], position: int
) -> np.ndarray:
    """Central differences of a number for one array, fourth order: (8(f₁−f₋₁) − (f₂−f₋₂)) / 12h."""
    estimate = np.zeros_like(arrays[position])
    for index in np.ndindex(arrays[position].shape):
        step = 1e-3 * max(1.0, abs(arrays[position][index])) * 0.3

        def shifted(factor: float, index: tuple[int, ...] = index, step: float = step) -> float:
            moved = [array.copy() for array in arrays]
            moved[position][index] += factor * step
            return function(moved)

        estimate[index] = (8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12 * step)
    return estimate


def loss_of(case: Case, flat: Sequence[np.ndarray]) -> float:
    """Σ outputs · fixed weights, from the engine's own value."""
    outputs = outputs_of(case.call([tensor(array) for array in flat]))
    outputs = [output for output in outputs if output.dtype.kind == "f"]
    return float(
        sum(
            np.sum(output.numpy() * weight)
            for output, weight in zip(outputs, weights_for(tuple(outputs)), strict=True)
        )
    )


def recorded_nodes(case: Case, inputs: list[Tensor]) -> list[Any]:
    """Every node that the call records, inputs before users."""
    return nodes_below([output for output in outputs_of(case.call(inputs)) if output.requires_grad])


def formula_views(
    case: Case,
) -> Iterator[tuple[Any, Call, dict[str, Any], list[np.ndarray], Any, list[np.ndarray]]]:
    """(operation, call, environment, upstream gradients, node) of all that the row computes."""
    inputs = case.tensors()
    nodes = recorded_nodes(case, inputs) if any(case.differentiable()) else []
    for node in nodes:
        operation = node.operation
        names = operation.input_names(len(node.inputs))
        environment = {name: each.numpy() for name, each in zip(names, node.inputs, strict=True)}
        upstream = [
            np.asarray(w, dtype=np.float64) for w in weights_for(tuple(Tensor(v) for v in node.values))
        ]
        environment.update({f"grad_{name}": w for name, w in zip(operation.outputs, upstream, strict=True)})
        yield operation, operation.call(node), environment, upstream, node, list(node.values)
    if not nodes:
        operation = REGISTRY[case.name]
        outputs = outputs_of(case.call(inputs))
        names = operation.input_names(len(inputs))
        shapes = {name: each.shape for name, each in zip(names, inputs, strict=True)}
        shapes.update({name: each.shape for name, each in zip(operation.outputs, outputs, strict=True)})
        environment = {name: each.numpy() for name, each in zip(names, inputs, strict=True)}
        yield operation, Call(shapes, case.options), environment, [], None, [each.numpy() for each in outputs]
