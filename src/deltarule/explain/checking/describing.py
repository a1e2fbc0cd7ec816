"""A suspect that was proved, as a record: what kind of mistake, where, the equations without and with it."""

from __future__ import annotations

from deltarule.autodiff.formula.expression import Element, Expression, Index, Loop
from deltarule.autodiff.formula.latex import latex
from deltarule.autodiff.formula.rewriting import reindexed
from deltarule.autodiff.node import Node
from deltarule.explain.checking.fault import Fault
from deltarule.explain.checking.findings import Cause, Place
from deltarule.explain.checking.problem import GATES, Trial
from deltarule.explain.checking.suspects import CONSTANT, Site, Suspect, left_name, local_formula
from deltarule.explain.checking.trees import walk
from deltarule.operations.recurrence.groups import RecurrentGroup

# Left sides of a recurrent layer's equations that belong to one gate.
_GATE_OF = {
    "delta_input": 0,
    "delta_forget": 1,
    "delta_candidate": -1,
    "delta_output": 3,
    "delta_reset": 0,
    "delta_update": 1,
    "delta_recalled": 2,
}


def described(
    searched: Trial,
    shown: Trial | None,
    suspect: Suspect,
    terms: tuple[str, ...],
    error: float,
    trials: int,
) -> Cause:
    """A suspect as a record: kind, place and formulas.

    searched, shown   the trial that it was found on, and that whose sizes the formulas are written with
    """
    trial = shown or searched
    if suspect.edge is None and not suspect.changes(trial):
        trial = searched
    whole = trial.pass_(suspect.opened)
    node = whole.nodes[suspect.nodes[0]]
    same = [each for each in whole.nodes if each.operation is node.operation and each in whole.arriving]
    every = len(suspect.nodes) > 1
    if suspect.edge is not None:
        place = Place(
            operation=node.operation.name,
            layer=node.scope,
            number=None if every else same.index(node),
            of=len(same),
            value="" if suspect.edge == CONSTANT else _value_name(trial, node, suspect.edge),
        )
        kind = "constant" if suspect.edge == CONSTANT else "missing_contribution"
        return Cause(kind, terms, place, error=error, trials=trials)
    site, fault = next(iter(suspect.changes(trial).values()))
    local = local_formula(trial, node)
    assert local is not None
    symbols = local.symbols
    subject = fault.subject
    value = ""
    if fault.kind == "missing_recurrent" and site.time is not None:
        value, subject = _handed_back(trial, node, site, fault)
    gate = _gate(node, left_name(site), fault)
    place = Place(
        operation=node.operation.name,
        layer=node.scope,
        number=None if every else same.index(node),
        of=len(same),
        gate=gate,
        step=fault.step,
        steps=_steps(trial, node),
        value=value,
    )

    def written(expression: Expression | None) -> str:
        return "" if expression is None else latex(expression, names=symbols)

    def equation(left: Expression, right: Expression) -> str:
        return f"{written(left)} = {written(right)}"

    extent = fault.used.extent if isinstance(fault.used, Index) and fault.kind == "mean_for_sum" else 1
    return Cause(
        kind=fault.kind,
        terms=terms,
        place=place,
        subject=written(subject),
        used=written(fault.used),
        extent={"n": "batch", "t": "time"}.get(getattr(fault.used, "name", ""), ""),
        right=equation(site.equation.left, site.equation.right),
        faulty=equation(fault.left or site.equation.left, fault.right),
        factor=1 / extent if extent > 1 else None,
        error=error,
        trials=trials,
    )


def _handed_back(trial: Trial, node: Node, site: Site, fault: Fault) -> tuple[str, Expression | None]:
    """What the step after this one hands back to a state: the state's name, and the expression of it."""
    local = local_formula(trial, node)
    loop = None if local is None else local.lines[site.line]
    assert isinstance(loop, Loop) and fault.subject is not None
    for _, part in walk(fault.subject):
        if isinstance(part, Element) and part.symbol.name.startswith("grad_previous"):
            name = part.symbol.name
            for equation in loop.equations:
                left = equation.left
                if isinstance(left, Element) and left.symbol.name == name:
                    later = loop.index + (1 if loop.reverse else -1)
                    return name.removeprefix("grad_previous_"), reindexed(equation.right, {loop.index: later})
    return "", fault.subject


def _gate(node: Node, name: str, fault: Fault) -> str:
    operation = node.operation
    if not isinstance(operation, RecurrentGroup) or operation.gates == 1:
        return ""
    gates = GATES[operation.gates]
    if fault.kind == "swapped_gates":
        both = [getattr(each, "name", "") for each in (fault.subject, fault.used)]
        return ", ".join(gates[_position(each, gates)] for each in both if each in _GATE_OF)
    return gates[_position(name, gates)] if name in _GATE_OF else ""


def _position(name: str, gates: tuple[str, ...]) -> int:
    place = _GATE_OF[name]
    return 2 if place < 0 else place


def _steps(trial: Trial, node: Node) -> int:
    local = local_formula(trial, node)
    loops = [] if local is None else [line for line in local.lines if isinstance(line, Loop)]
    return loops[0].index.extent if loops else 0


def _value_name(trial: Trial, node: Node, position: int) -> str:
    tensor = node.inputs[position]
    for name, leaf in trial.leaves.items():
        if leaf is tensor:
            return name
    for name, (maker, index) in trial.named.items():
        if tensor.node is maker and tensor.output_index == index:
            return name
    return tensor.node.operation.name if tensor.node is not None else tensor.name
