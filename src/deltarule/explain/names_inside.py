"""Names of values inside opened groups, found by comparing them with what the group's own formula defines.

The formula of an LSTM cell speaks of an input gate i; the value inside the opened cell that has just these
elements is i. In an opened sequence every step's values carry its time: h of step 3 is h^⟨3⟩.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.latex import SYMBOLS
from deltarule.autodiff.tensor import Array
from deltarule.explain.sign import Sign
from deltarule.explain.trace import SEQUENCES, Step, Trace

# Groups whose formula is evaluated for names; of more, the inside keeps its numbers.
_MOST_GROUPS = 600


@dataclass(frozen=True)
class Inner:
    """A name for a value inside a group."""

    value: int
    identifier: str
    scalar: str
    whole: str
    role: str = "inner"


def names_inside(trace: Trace, signs: dict[int, Sign]) -> Iterator[Inner]:
    """Names for values inside groups, outer groups first; `signs` holds those that are given already."""
    times = trace.times
    groups = [step for step in trace.steps if step.children]
    for step in groups[:_MOST_GROUPS]:
        yield from _of_sequence(trace, step, times, signs)
        if step.operation not in SEQUENCES:
            yield from _of_formula(trace, step, times.get(step.number))


def _of_sequence(
    trace: Trace, step: Step, times: dict[int, int], signs: dict[int, Sign]
) -> Iterator[Inner]:
    """Inputs and states of each step of an opened sequence."""
    layer = signs[step.outputs[0]].layer if step.outputs[0] in signs else 0
    digits = f"({layer})" if layer else ""
    for number in step.children:
        if number not in times:
            continue
        cell, time = trace.steps[number], times[number]
        above = rf"{digits}\langle {time} \rangle"
        for letter, value in [("x", cell.inputs[0]), *zip("hc", cell.outputs, strict=False)]:
            yield Inner(value, f"{letter}{layer or ''}_t{time}", f"{letter}^{{{above}}}", "", "step")


def _of_formula(trace: Trace, step: Step, time: int | None) -> Iterator[Inner]:
    operation = step.node.operation
    formula = operation.formula(operation.call(step.node))
    if len(formula.value.matrix) < 2:
        return
    names = operation.input_names(len(step.inputs))
    arrays = [trace.values[number].array for number in step.inputs]
    environment = {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array
        for name, array in zip(names, arrays, strict=True)
    }
    known = {*environment, *operation.outputs}
    solve(formula.value.matrix, environment)
    above = "" if time is None else rf"\langle {time} \rangle"
    inside = [trace.values[output] for child in step.children for output in trace.steps[child].outputs]
    for name, array in environment.items():
        if name in known:
            continue
        for value in inside:
            if value.parent == step.number and _equal(value.array, array):
                default = (name, name) if len(name) == 1 else (rf"\mathit{{{name.replace('_', ' ')}}}",) * 2
                scalar, whole = operation.symbols.get(name) or SYMBOLS.get(name) or default
                end = f"_t{time}" if time is not None else f"_{step.number}"
                with_time = [f"{each}^{{{above}}}" if above and "^" not in each else each for each in (scalar, whole)]
                yield Inner(value.number, f"{name}{end}", with_time[0], with_time[1])
                break


def _equal(found: Array, expected: Array) -> bool:
    if found.shape != np.shape(expected) or found.size == 0 or found.dtype.kind != "f":
        return False
    tolerance = 1e-5 if found.dtype.itemsize < 8 else 1e-10
    return bool(np.allclose(found, expected, tolerance, tolerance * float(np.max(np.abs(expected)) or 1)))
