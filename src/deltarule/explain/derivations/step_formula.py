"""The formula of one recorded step."""

from __future__ import annotations

from deltarule.autodiff.formula.formula import Formula
from deltarule.errors import GraphError
from deltarule.explain.record.trace import Step, states_formula


def formula_of(step: Step) -> Formula:
    """What the operation says of itself, for the shapes and options of this step.

    Raises GraphError for an operation without a formula.
    """
    operation = step.node.operation
    if not states_formula(operation):
        raise GraphError(
            "explain",
            f"operation {operation.name} has no formula",
            "Give its class a method `formula`, or make it a Group, whose `open` is explained instead.",
        )
    return operation.formula(operation.call(step.node))
