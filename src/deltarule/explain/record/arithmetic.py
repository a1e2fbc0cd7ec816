"""The arithmetic of one step back: upstream times local gradient, and what adds up at a branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.formula.evaluate import evaluate
from deltarule.autodiff.formula.expression import Equation
from deltarule.autodiff.tensor import Array
from deltarule.explain.record.trace import Step, Trace, Value
from deltarule.operations.elementwise import Elementwise


@dataclass(frozen=True, eq=False)
class Share:
    """What one use of a value adds to its gradient.

    step, position   the step that uses it, and as which of its inputs
    contribution     ∂L/∂value by way of this use alone
    share            its part of the sum of all contributions' absolute values, from 0 to 1
    """

    step: int
    position: int
    contribution: Array
    share: float


def local_gradients(trace: Trace, step: Step) -> tuple[Array | None, ...]:
    """∂output/∂input of an element-wise step, element by element: upstream × local = contribution.

    None for inputs without a gradient and for those that are broadcast, whose contributions are sums; all
    None for other steps, whose local gradient would be a matrix for each element.

    >>> import deltarule as dr
    >>> x = dr.tensor([1.0, 2.0], requires_grad=True)
    >>> trace = Trace(dr.square(x).sum())
    >>> local_gradients(trace, trace.steps[0])
    (array([2., 4.]),)
    """
    operation = step.node.operation
    if not isinstance(operation, Elementwise) or not step.contributions:
        return (None,) * len(step.inputs)
    names = operation.input_names(len(step.inputs))
    output = trace.values[step.outputs[0]].array
    formula = operation.formula(operation.call(step.node))
    environment: dict[str, Array] = {
        name: trace.values[number].array.astype(np.float64)
        for name, number in zip(names, step.inputs, strict=True)
    }
    environment["y"] = output.astype(np.float64)
    environment["grad_y"] = np.ones(output.shape)
    found: list[Array | None] = []
    for name, number, contribution in zip(names, step.inputs, step.contributions, strict=True):
        line = formula.gradients[name].matrix[-1] if name in formula.gradients else None
        whole = trace.values[number].array.shape == output.shape
        if contribution is None or not whole or not isinstance(line, Equation):
            found.append(None)
            continue
        with np.errstate(all="ignore"):
            local = np.asarray(evaluate(line.right, environment))
        found.append(np.broadcast_to(local, output.shape))
    return tuple(found)


def shares(trace: Trace, value: Value, steps: Sequence[Step]) -> list[Share]:
    """The contributions of all uses of a value by these steps; their sum is its gradient.

    >>> import deltarule as dr
    >>> x = dr.tensor(3.0, requires_grad=True)
    >>> trace = Trace(x * x + x)
    >>> found = shares(trace, trace.values[0], trace.steps)
    >>> [(each.contribution.item(), round(each.share, 2)) for each in found]
    [(3.0, 0.43), (3.0, 0.43), (1.0, 0.14)]
    """
    parts: list[tuple[int, int, Array]] = []
    for step, position in trace.uses(value, steps):
        contribution = step.contributions[position] if step.contributions else None
        if contribution is not None:
            parts.append((step.number, position, contribution))
    sizes = [float(np.sum(np.abs(contribution), dtype=np.float64)) for _, _, contribution in parts]
    total = sum(sizes)
    return [
        Share(step, position, contribution, size / total if total > 0 else 1 / len(parts))
        for (step, position, contribution), size in zip(parts, sizes, strict=True)
    ]
