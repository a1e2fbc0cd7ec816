"""Explanation: the four views of one computation, joined: graph, formulas, numbers and code.

explanation = dr.explain(loss)
explanation.trace         the graph with every value and gradient, groups opened
explanation.derivation    the formulas of the whole, and `inside` those of each opened group
explanation.program       the NumPy program that computes the same
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.explain.derivations.derivation import (
    Derivation,
    Statement,
    as_opened,
    derivation_of,
    known_arrays,
    known_names,
    require_operations,
    statements_inside,
)
from deltarule.explain.derivations.program import Program, program_of
from deltarule.explain.record.notation import Notation
from deltarule.explain.record.trace import CELLS, MOST_STEPS, SEQUENCES, Step, Trace
from deltarule.explain.shown import Shown
from deltarule.explain.through_time.flow import Flow, flow

# Elements of all hidden states, over batch and time, up to which their flow is part of an explanation.
_MOST_STATES = 100_000


@dataclass(eq=False, repr=False)
class Explanation(Shown):
    """The back-propagation of one computation.

    title        what is explained, in the user's words
    example      name of the lectures' example that it is, or ""
    trace        every step and value, at every granularity
    derivation   the formulas of the steps at the top
    inside       number of an opened group -> the statements of the steps inside it
    names        identifier -> (scalar LaTeX, whole LaTeX), of everything
    flow         what happens to the gradient through time; None without recurrent layers, or with larger ones
                 than a page waits for: `dr.explain.flow(loss)` takes them all
    """

    title: str
    trace: Trace
    derivation: Derivation
    inside: dict[int, list[Statement]] = field(default_factory=dict)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    example: str = ""
    flow: Flow | None = None

    @property
    def notation(self) -> Notation:
        return self.derivation.notation

    @cached_property
    def program(self) -> Program:
        """The NumPy program of forward and backward, as one would write it by hand."""
        return program_of(self.derivation)

    @property
    def largest_error(self) -> float:
        """Of every formula, against the engine: relative to the largest element."""
        found = [self.derivation.largest_error]
        for statements in self.inside.values():
            for each in statements:
                found += [error for error in (each.index_error, each.matrix_error) if error is not None]
        return max(found)


def explain(
    loss: Tensor,
    *,
    upstream: Any = None,
    names: dict[str, Tensor] | None = None,
    model: Any = None,
    open: Collection[str] | Callable[[Step], bool] = (),
    title: str = "",
    most_steps: int = MOST_STEPS,
) -> Explanation:
    """The back-propagation of a loss in four linked views: graph, formulas, numbers and code.

    loss         a recorded tensor; its graph must not have been freed by backward()
    upstream     ∂L/∂loss where it has several elements
    names        name -> tensor, for the symbols of formulas: {"x": x, "W": W}
    model        Module whose parameter names label the legend
    open         names of groups whose inside the formulas and the program show ("sigmoid"), or a function of
                 a Step; in the page every group opens and closes
    title        heading of the page
    most_steps   steps in the record in all, opened groups included

    Raises GraphError for a tensor without a graph, ArgumentError for names that are no tensors, and for
    groups to open that are not there.

    >>> import deltarule as dr
    >>> x, y, z = (dr.tensor(each, requires_grad=True) for each in (-2.0, 5.0, -4.0))
    >>> explanation = explain((x + y) * z, names={"x": x, "y": y, "z": z})
    >>> explanation.largest_error
    0.0
    >>> print(explanation.program.run()["grad_z"])
    3.0
    """
    is_open = as_opened(open)
    if isinstance(most_steps, bool) or not isinstance(most_steps, int) or most_steps < 0:
        raise ArgumentError(
            "explain", f"most_steps expects a whole number of 0 or more, got {most_steps!r}", "Leave it out."
        )
    trace = Trace(loss, upstream=upstream, names=known_names(names, model), most_steps=most_steps)
    require_operations(open, trace)
    derivation = derivation_of(trace, is_open)
    explanation = Explanation(title, trace, derivation, names=dict(derivation.names))
    arrays = known_arrays(trace, derivation.notation)
    # The derivation has the formulas of the groups that it looks into.
    opened: set[int | None] = set()
    for step in derivation.notation.steps:
        while step.parent is not None:
            opened.add(step.parent)
            step = trace.steps[step.parent]
    for group in [step for step in trace.steps if step.children and step.number not in opened]:
        statements, letters = statements_inside(trace, derivation.notation, group, arrays)
        explanation.inside[group.number] = statements
        explanation.names.update(letters)
    if _is_recurrent(trace):
        explanation.flow = flow(loss, upstream=upstream, names=names)
    return explanation


def _is_recurrent(trace: Trace) -> bool:
    """Whether there are recurrent layers, none of them too large for a page to wait for."""
    sizes = []
    for step in trace.steps:
        if step.parent is None and step.operation in SEQUENCES | CELLS:
            # (batch, time, hidden), or (batch, hidden) of a cell.
            sizes.append(trace.values[step.outputs[0]].array.size)
    return bool(sizes) and 0 not in sizes and sum(sizes) <= _MOST_STATES
