"""Faults of a whole backward pass: one equation of one operation, or of all of its kind, is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.expression import Element, Equation, Index, Line, Loop, Symbol
from deltarule.autodiff.formula.formula import Formula
from deltarule.autodiff.formula.latex import escape
from deltarule.autodiff.node import Node
from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.fault import Fault
from deltarule.explain.checking.faults import at_one_step, faults_of
from deltarule.explain.checking.lost_parts import missing_steps, skipped_steps
from deltarule.explain.checking.problem import Trial
from deltarule.explain.checking.replay import Pass, Rule
from deltarule.operations.elementwise import Elementwise

# What evaluating a spoilt formula may raise: indices beyond an axis, shapes that do not fit.
MISFITS = (ValueError, IndexError, AssertionError, TypeError, KeyError, FloatingPointError)


# In the place of an edge: an operation's result is treated as a constant.
CONSTANT = -1


def _nothing(node: Node, arriving: Sequence[Array]) -> Sequence[Array | None]:
    return [None] * len(node.inputs)


@dataclass(frozen=True, eq=False)
class Site:
    """One equation of an operation's gradient: its line, and its place in a loop over time."""

    line: int
    place: int | None
    equation: Equation
    time: Index | None


class LocalFormula:
    """The index form of a node's gradients, ready to be solved with an equation exchanged."""

    def __init__(self, node: Node):
        self.node = node
        operation = node.operation
        self.names = operation.input_names(len(node.inputs))
        formula: Formula = operation.formula(operation.call(node))
        self.environment = {
            name: np.asarray(tensor._array, np.float64) if tensor.dtype.kind == "f" else tensor._array
            for name, tensor in zip(self.names, node.inputs, strict=True)
        }
        solve(formula.value.index, self.environment)
        self.environment.update(zip(operation.outputs, node.values, strict=True))
        # How the arrays of the formulas are written.
        self.symbols = dict(operation.symbols)
        self._enter_unactivated()
        self.wanted = [name for name in self.names if name in formula.gradients]
        self.lines: list[Line] = []
        self._lines_of: dict[str, list[int]] = {}
        for name in self.wanted:
            if not node.needs(self.names.index(name)):
                continue
            self._lines_of[name] = []
            for line in formula.gradients[name].index:
                position = next((i for i, each in enumerate(self.lines) if each is line), len(self.lines))
                if position == len(self.lines):
                    self.lines.append(line)
                self._lines_of[name].append(position)
        self.shapes = {
            name: np.shape(value)
            for name, value in self.environment.items()
            if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind == "f"
        }

    def _enter_unactivated(self) -> None:
        """Enters what an activation made an input from, which is mistaken for it."""
        for name, tensor in zip(self.names, self.node.inputs, strict=True):
            maker = tensor.node
            if maker is not None and isinstance(maker.operation, Elementwise) and len(maker.inputs) == 1:
                title = f"{name} before {maker.operation.name}"
                before = maker.inputs[0]
                if before.shape == tensor.shape and before.dtype.kind == "f":
                    self.environment[title] = np.asarray(before._array, np.float64)
                    own = self.symbols.get(name, (name, name.upper()))
                    mark = rf"^{{\text{{before {escape(maker.operation.name)}}}}}"
                    self.symbols[title] = (own[0] + mark, own[1] + mark)

    def steps(self) -> int:
        """How many time steps there are; 0 without a loop over time."""
        return next((line.index.extent for line in self.lines if isinstance(line, Loop)), 0)

    def sites(self) -> Iterator[Site]:
        """Every equation."""
        for position, line in enumerate(self.lines):
            if isinstance(line, Loop):
                for place, equation in enumerate(line.equations):
                    yield Site(position, place, equation, line.index)
            else:
                yield Site(position, None, line, None)

    def faults(self, site: Site, *, single_steps: bool = False, family: str | None = None) -> Iterator[Fault]:
        """Faults of one equation; or, with single_steps, those that happen at one time step alone.

        family   the only ones that are wanted
        """
        if not single_steps:
            yield from faults_of(site.equation, self.shapes)
        elif site.time is None:
            yield from missing_steps(site.equation)
        else:
            loop = self.lines[site.line]
            assert isinstance(loop, Loop)
            yield from (fault for place, fault in skipped_steps(loop) if place == site.place)
            for fault in faults_of(site.equation, self.shapes):
                if family is not None and fault.key != family:
                    continue
                for step in range(site.time.extent):
                    yield at_one_step(fault, site.equation, site.time, step)

    def solved(self, arriving: Sequence[Array]) -> dict[str, Any]:
        """Every array of the right equations."""
        environment = dict(self.environment)
        for name, gradient in zip(self.node.operation.outputs, arriving, strict=True):
            environment[f"grad_{name}"] = gradient
        return solve(self.lines, environment)

    def rule(self, changes: Sequence[tuple[Site, Fault]]) -> Rule:
        """The node's rule with faulty equations."""
        lines = list(self.lines)
        for site, fault in changes:
            line = lines[site.line]
            if isinstance(line, Loop):
                assert site.place is not None
                equations = [*line.equations]
                for place, right in {site.place: fault.right, **fault.more}.items():
                    equations[place] = Equation(equations[place].left, right)
                lines[site.line] = Loop(line.index, tuple(equations), line.reverse)
            else:
                lines[site.line] = Equation(fault.left or site.equation.left, fault.right)

        def answer(node: Node, arriving: Sequence[Array]) -> Sequence[Array | None]:
            environment = dict(self.environment)
            for name, gradient in zip(node.operation.outputs, arriving, strict=True):
                environment[f"grad_{name}"] = gradient
            with np.errstate(all="ignore"):
                solve(lines, environment)
            answers: list[Array | None] = []
            for position, name in enumerate(self.names):
                found = environment.get(f"grad_{name}") if name in self._lines_of else None
                shape = node.inputs[position].shape
                if found is not None and np.ndim(found) < len(shape):
                    found = np.broadcast_to(found, shape)
                answers.append(found)
            return answers

        return answer


@dataclass(frozen=True, eq=False)
class Suspect:
    """A fault at one node of the record, or at all nodes of one operation.

    opened      whether in the record with all groups opened
    nodes       positions of the nodes in the order of the record
    site        the equation, in the first of these nodes
    edge        the input whose contribution is lost, where that is the fault; CONSTANT where all are
    steps       time steps of the trial that it was found on; 0 without time
    from_end    whether its step is counted from the last one, on sequences of another length
    """

    opened: bool
    nodes: tuple[int, ...]
    site: Site | None
    fault: Fault | None
    edge: int | None = None
    steps: int = 0
    from_end: bool = False

    def gradients(self, trial: Trial) -> dict[str, Array] | None:
        """What the backward pass gives with this fault on any numbers; None where it cannot be computed."""
        if self.edge is None:
            return together([self], trial)
        return self.without_edge(trial)

    def without_edge(self, trial: Trial) -> dict[str, Array]:
        """The gradients without the lost contributions."""
        whole = trial.pass_(self.opened)
        if self.edge == CONSTANT:
            return trial.by_name(whole.run({whole.nodes[place]: _nothing for place in self.nodes}))
        assert self.edge is not None
        return trial.by_name(whole.run({}, (whole.nodes[self.nodes[0]], self.edge)))

    def changes(self, trial: Trial) -> dict[Node, tuple[Site, Fault]]:
        """Node -> its faulty equation, on this trial."""
        nodes = trial.pass_(self.opened).nodes
        found: dict[Node, tuple[Site, Fault]] = {}
        assert self.site is not None and self.fault is not None
        for position in self.nodes:
            local = local_formula(trial, nodes[position])
            if local is None:
                continue
            for site in local.sites():
                if (site.line, site.place) == (self.site.line, self.site.place):
                    fault = self._on(local, site)
                    if fault is not None:
                        found[nodes[position]] = (site, fault)
        return found

    def _on(self, local: LocalFormula, site: Site) -> Fault | None:
        assert self.fault is not None
        step = self.fault.step
        if step is None:
            return next((each for each in local.faults(site) if each.key == self.fault.key), None)
        if self.from_end:
            step += local.steps() - self.steps
        return next(
            (
                each
                for each in local.faults(site, single_steps=True, family=self.fault.family)
                if each.family == self.fault.family and each.step == step
            ),
            None,
        )

    @property
    def rank(self) -> float:
        """Small for what is named first where several suspects fit alike."""
        own = (10.7 if self.edge == CONSTANT else 10.5) if self.fault is None else self.fault.rank
        return own + (20 if self.opened else 0)


def together(faulty: Sequence[Suspect], trial: Trial) -> dict[str, Array] | None:
    """The gradients with several faults at once, in different equations; None where they cannot be had."""
    changes: dict[Node, list[tuple[Site, Fault]]] = {}
    for suspect in faulty:
        for node, change in suspect.changes(trial).items():
            places = {(site.line, site.place) for site, _ in changes.get(node, ())}
            if (change[0].line, change[0].place) in places:
                return None
            changes.setdefault(node, []).append(change)
    rules: dict[Node, Rule] = {}
    for node, own in changes.items():
        local = local_formula(trial, node)
        assert local is not None
        rules[node] = local.rule(own)
    try:
        return trial.by_name(trial.pass_(faulty[0].opened).run(rules))
    except MISFITS:
        return None


def local_formula(trial: Trial, node: Node) -> LocalFormula | None:
    """The node's formula with its numbers, made once; None for an operation that states none."""
    if node not in trial.formulas:
        try:
            with np.errstate(all="ignore"):
                trial.formulas[node] = LocalFormula(node)
        except (NotImplementedError, *MISFITS):
            trial.formulas[node] = None
    return trial.formulas[node]


def suspects(
    trial: Trial,
    opened: bool,
    *,
    single_steps: bool = False,
    weak: bool = False,
    steps: tuple[int, ...] | None = None,
) -> Iterator[tuple[Suspect, dict[str, Array]]]:
    """Every suspect with the gradients that it gives on this trial, the ones named first coming first.

    weak    those whose faults are named only where no other fits, instead of the others
    steps   of faults at one time step, those alone that happen at these
    """
    whole: Pass = trial.pass_(opened)
    kinds: dict[str, list[int]] = {}
    for position, node in enumerate(whole.nodes):
        if node in whole.arriving:
            kinds.setdefault(node.operation.name, []).append(position)
    found: list[tuple[Suspect, dict[Node, Rule]]] = []
    for positions in kinds.values():
        groups: list[tuple[int, ...]] = [(position,) for position in positions]
        if len(positions) > 1:
            groups.insert(0, tuple(positions))
        for group in groups:
            made = {output.node for output in whole.outputs}
            if not single_steps and not weak and not made & {whole.nodes[place] for place in group}:
                found.append((Suspect(opened, group, None, None, CONSTANT), {}))
            found.extend(
                (suspect, rules)
                for suspect, rules in _of_nodes(trial, whole, opened, group, single_steps)
                if suspect.fault is not None
                and suspect.fault.weak == weak
                and (steps is None or suspect.fault.step is None or suspect.fault.step in steps)
            )
    if not single_steps and not weak:
        found.extend((suspect, {}) for suspect in _edges(whole, opened))
    found.sort(key=lambda each: (each[0].rank, -len(each[0].nodes)))
    for suspect, rules in found:
        try:
            if suspect.edge is not None:
                gradients = suspect.without_edge(trial)
            else:
                gradients = trial.by_name(whole.run(rules))
        except MISFITS:
            continue
        yield suspect, gradients


def _of_nodes(
    trial: Trial, whole: Pass, opened: bool, group: tuple[int, ...], single_steps: bool
) -> Iterator[tuple[Suspect, dict[Node, Rule]]]:
    """Suspects that follow the same fault in all nodes of a group, with the rules that say so."""
    first, *rest = (local_formula(trial, whole.nodes[position]) for position in group)
    if first is None:
        return
    others = [
        (local, {(site.line, site.place): site for site in local.sites()})
        for local in rest
        if local is not None
    ]
    for site in first.sites():
        tables: list[dict[str, tuple[LocalFormula, Site, Fault]]] = []
        for local, sites in others:
            own = sites.get((site.line, site.place))
            if own is not None:
                faults = local.faults(own, single_steps=single_steps)
                tables.append({fault.key: (local, own, fault) for fault in faults})
        for fault in first.faults(site, single_steps=single_steps):
            rules = {first.node: first.rule([(site, fault)])}
            for table in tables:
                if fault.key in table:
                    local, own, other = table[fault.key]
                    rules[local.node] = local.rule([(own, other)])
            yield Suspect(opened, group, site, fault, steps=first.steps()), rules


def _edges(whole: Pass, opened: bool) -> Iterator[Suspect]:
    """Contributions lost where a value is used several times."""
    uses: dict[object, list[tuple[int, int]]] = {}
    for position, node in enumerate(whole.nodes):
        if node not in whole.arriving:
            continue
        for index, tensor in enumerate(node.inputs):
            if node.needs(index):
                key = tensor if tensor.node is None else (tensor.node, tensor.output_index)
                uses.setdefault(key, []).append((position, index))
    for places in uses.values():
        if len(places) > 1:
            for position, index in places:
                yield Suspect(opened, (position,), None, None, index)


def left_name(site: Site) -> str:
    """The symbol that an equation defines."""
    left = site.equation.left
    symbol = left.symbol if isinstance(left, Element) else left
    return symbol.name if isinstance(symbol, Symbol) else ""
