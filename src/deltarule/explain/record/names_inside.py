"""Names of values inside opened groups, found by comparing them with what the group's own formula defines.

The formula of an LSTM cell speaks of an input gate i; the value inside the opened cell that has just these
elements is i. In an opened sequence every step's values carry its time: h of step 3 is h^⟨3⟩.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.expression import Element, Equation, Index
from deltarule.autodiff.formula.latex import SYMBOLS, raised
from deltarule.autodiff.tensor import Array
from deltarule.explain.derivations.step_formula import formula_of
from deltarule.explain.record.sign import Sign
from deltarule.explain.record.trace import SEQUENCES, Step, Trace, states_formula

# Groups whose formula is evaluated for names; of more, the inside keeps its numbers.
_MOST_GROUPS = 600


@dataclass(frozen=True)
class Inner:
    """A name for a value inside a group; `name` is what the group's own formula calls it, if anything."""

    value: int
    identifier: str
    scalar: str
    whole: str
    role: str = "inner"
    name: str = ""
    layer: int = 0


def names_inside(trace: Trace, signs: Mapping[int, Sign], digits: Callable[[int], str]) -> Iterator[Inner]:
    """Names for values inside groups, outer groups first.

    signs   those that are given already
    digits  the number of a layer as text
    """
    groups = [step for step in trace.steps if step.children]
    for step in groups[:_MOST_GROUPS]:
        yield from _of_sequence(trace, step, signs, digits)
        if step.operation not in SEQUENCES:
            sign = signs.get(step.outputs[0])
            yield from _of_formula(trace, step, digits(sign.layer) if sign else "")


def _of_sequence(
    trace: Trace, step: Step, signs: Mapping[int, Sign], digits: Callable[[int], str]
) -> Iterator[Inner]:
    """Inputs and states of each step of an opened sequence."""
    sign = signs.get(step.outputs[0])
    layer = sign.layer if sign else 0
    digit = digits(layer)
    for number in step.children:
        if number not in trace.times:
            continue
        cell, time = trace.steps[number], trace.times[number]
        above = rf"({digit})\langle {time} \rangle" if digit else rf"\langle {time} \rangle"
        for letter, value in [("x", cell.inputs[0]), *zip("hc", cell.outputs, strict=False)]:
            name = f"{letter}^{{{above}}}"
            yield Inner(value, f"{letter}{digit}_t{time}", name, name, "step", layer=layer)


def _of_formula(trace: Trace, step: Step, layer: str) -> Iterator[Inner]:
    operation = step.node.operation
    if not states_formula(operation):
        return
    formula = formula_of(step)
    if len(formula.value.matrix) < 2:
        return
    names = operation.input_names(len(step.inputs))
    arrays = [trace.values[number].array for number in step.inputs]
    environment = {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array
        for name, array in zip(names, arrays, strict=True)
    }
    known = {*environment, *operation.outputs}
    with np.errstate(all="ignore"):
        solve(formula.value.matrix, environment)
    time = trace.times.get(step.number)
    end, above = layer, f"({layer})" if layer else ""
    if time is not None:
        end, above = f"{layer}_t{time}", rf"{above}\langle {time} \rangle"
    extents = {
        line.left.symbol.name: tuple(index.extent for index in line.left.indices if isinstance(index, Index))
        for line in formula.value.index
        if isinstance(line, Equation) and isinstance(line.left, Element)
    }
    inside = [trace.values[output] for child in step.children for output in trace.steps[child].outputs]
    for name, array in environment.items():
        if name in known:
            continue
        for value in inside:
            if value.parent == step.number and _equal(value.array, array):
                default = (name, name) if len(name) == 1 else (rf"\mathit{{{name.replace('_', ' ')}}}",) * 2
                scalar, whole = operation.symbols.get(name) or SYMBOLS.get(name) or default
                if extents.get(name, ()) == value.array.shape:
                    letters = raised(scalar, above), raised(whole, above)
                    yield Inner(value.number, f"{name}{end}", *letters, name=name)
                else:
                    # It keeps axes of length 1, which the elements of the formula do not have.
                    own = f"{above}[{value.number}]"
                    letters = raised(scalar, own), raised(whole, own)
                    yield Inner(value.number, f"{name}{end}_v{value.number}", *letters)
                break


def _equal(found: Array, expected: Array) -> bool:
    if found.shape != np.shape(expected) or found.size == 0 or found.dtype.kind != "f":
        return False
    tolerance = 1e-5 if found.dtype.itemsize < 8 else 1e-10
    scale = float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0))
    return bool(np.allclose(found, expected, tolerance, tolerance * (scale or 1), equal_nan=True))
