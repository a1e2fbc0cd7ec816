"""paths: every way that a gradient takes from a loss to one value, and what arrives along each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import seed_for
from deltarule.autodiff.operation import Group
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, GraphError
from deltarule.explain.derivations.derivation import known_names, require_operations
from deltarule.explain.record.notation import Notation
from deltarule.explain.record.trace import MOST_STEPS, Step, Trace
from deltarule.explain.shown import Shown
from deltarule.explain.through_time.contributions import relative_deviation
from deltarule.explain.through_time.path_search import Partial, count_paths, local_gradients, search
from deltarule.kernels.threads import limited_threads

_WHO = "paths"
# Partial paths that go on from each value: fewer where gradients are large, so that a search stays within
# so many elements in all.
WIDTH = 400
LEAST_WIDTH = 8
MOST_ELEMENTS = 200_000_000


@dataclass(frozen=True, eq=False)
class Edge:
    """One step of a path, from a value to one that it was computed from.

    operation, scope   what computed it
    value, latex       how the value that the edge leads to is written, as a name and in LaTeX
    position           which of the step's inputs, where each use counts; else None
    local              the local gradient, where both values are single elements; else None
    size               norm of the gradient that arrives at the value along the path
    """

    operation: str
    scope: str
    value: str
    latex: str
    position: int | None
    local: float | None
    size: float


@dataclass(frozen=True, eq=False)
class Path:
    """One way from the loss to the target.

    edges          from the loss on
    contribution   what arrives along it: the product of the local gradients, of the target's shape
    size           its norm
    share          ⟨contribution, gradient⟩ / ‖gradient‖²; the shares of all paths sum to 1. None where the
                   gradient is 0
    """

    edges: tuple[Edge, ...]
    contribution: Array
    size: float
    share: float | None


@dataclass(eq=False, repr=False)
class Paths(Shown):
    """All paths from a loss to one value.

    loss, target     how the two are written, as names; loss_latex, target_latex: in LaTeX
    count            number of paths; a step that uses a value several times is one edge
    count_by_use     the same where each use is an edge of its own: 2 for x · x
    each_use         whether the paths below are told apart by use
    followed         how many were followed to the end; vanished: how many carry exactly nothing
    dropped          how many were left where more than `width` met, the smaller ones there
    paths            the largest, by falling size
    sizes            of all that were followed, falling
    gradient         ∂L/∂target; total: the sum over the paths that were followed
    deviation        largest difference of the two over the largest element; None where some were dropped
    closed           groups that were to be opened but stayed closed, since the graph became too large
    """

    loss: str
    target: str
    loss_latex: str
    target_latex: str
    shape: tuple[int, ...]
    count: int
    count_by_use: int
    each_use: bool
    width: int
    followed: int
    vanished: int
    dropped: int
    paths: list[Path]
    sizes: Array
    gradient: Array
    total: Array
    deviation: float | None
    closed: int

    @property
    def complete(self) -> bool:
        """Whether every path was followed, so that the largest are the largest of all."""
        return self.dropped == 0


def paths(
    loss: Tensor,
    tensor: Tensor,
    *,
    most: int = 20,
    open: bool | Collection[str] = False,
    each_use: bool = False,
    width: int | None = None,
    upstream: Any = None,
    names: Mapping[str, Tensor] | None = None,
) -> Paths:
    """The paths from a loss to a tensor: how many, and the largest with what arrives along each.

    ∂L/∂x = Σ over all paths of the product of the local gradients on them

    loss       a recorded tensor of one element, or any with its `upstream` gradient
    tensor     a parameter, an input, or a value in between
    most       how many paths to list
    open       False takes operations as they were recorded; True opens groups into their primitives; names of
               operations open these alone: ["lstm"] into its cells, ["sigmoid"] into exp and division
    each_use   tells uses of one value by one operation apart: x · x is then two edges
    width      partial paths that go on from each value; where more arrive the largest do. 400 if left out,
               fewer in graphs with large arrays
    names      name -> tensor, such as `dict(model.named_parameters())`

    Counts are exact whatever the size of the graph.
    Raises GraphError for a tensor that the loss does not depend on, ArgumentError for numbers out of range or
    names of operations that are not in the graph.

    >>> import deltarule as dr
    >>> x = dr.tensor(3.0, requires_grad=True)
    >>> found = dr.explain.paths(x * x + dr.exp(x), x)
    >>> found.count, found.count_by_use, [path.contribution.item() for path in found.paths]
    (2, 3, [20.08553695678711, 6.0])
    """
    asked = (("most", most, 0, 20), ("width", WIDTH if width is None else width, 1, WIDTH))
    for name, value, least, usual in asked:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ArgumentError(
                _WHO, f"{name} expected a whole number from {least}, got {value!r}", f"Use {usual}."
            )
    if not isinstance(tensor, Tensor):
        raise ArgumentError(
            _WHO, f"expected a tensor of the graph, got {type(tensor).__name__}", "Give it the tensor itself."
        )
    opened = _names(open)
    trace = Trace(
        loss, upstream=upstream, names=known_names(names, None, _WHO), most_steps=MOST_STEPS if open else 0
    )
    try:
        target = trace.number_of(tensor)
    except KeyError:
        raise GraphError(
            _WHO, "the loss does not depend on this tensor: there is no path to it", "Is it the right one?"
        ) from None
    require_operations(opened, trace, _WHO)
    steps = trace.frontier(lambda step: open is True or step.operation in opened)
    count = count_paths(steps, trace.loss, target, each_use=False)
    by_use = count_paths(steps, trace.loss, target, each_use=True)
    if trace.loss not in count:
        raise GraphError(
            _WHO,
            "no gradient can pass from the loss to this tensor",
            "Make it with requires_grad=True, and compute the loss from it.",
        )
    width = _usual_width(trace, steps) if width is None else width
    with limited_threads(1):
        found = search(
            trace,
            steps,
            by_use if each_use else count,
            seed_for(loss, upstream, _WHO)._array,
            target,
            most=most,
            width=width,
            each_use=each_use,
        )
    value = trace.values[target]
    gradient = np.zeros_like(value.array) if value.gradient is None else value.gradient
    square = float(np.vdot(gradient, gradient))
    notation = Notation(trace, steps)
    signs = notation.signs
    return Paths(
        loss=signs[trace.loss].identifier,
        target=value.label or signs[target].identifier,
        loss_latex=signs[trace.loss].scalar,
        target_latex=signs[target].whole,
        shape=value.array.shape,
        count=count[trace.loss],
        count_by_use=by_use[trace.loss],
        each_use=each_use,
        width=width,
        followed=len(found.sizes),
        vanished=found.vanished,
        dropped=found.dropped,
        paths=[_path(partial, notation, gradient, square) for partial in found.largest],
        sizes=np.sort(found.sizes)[::-1],
        gradient=gradient,
        total=found.total,
        deviation=None if found.dropped else relative_deviation(found.total, gradient),
        closed=_still_closed(steps, open, opened),
    )


def _usual_width(trace: Trace, steps: Sequence[Step]) -> int:
    elements = sum(trace.values[number].array.size for step in steps for number in step.inputs)
    return max(LEAST_WIDTH, min(WIDTH, MOST_ELEMENTS // max(elements, 1)))


def _names(open: bool | Collection[str]) -> tuple[str, ...]:
    """The names of operations to open, none of which stands for all or for none."""
    if isinstance(open, bool):
        return ()
    if not isinstance(open, Collection):
        raise ArgumentError(
            _WHO,
            f"open expects True, False or names of operations, got {type(open).__name__}",
            'For example ["lstm"].',
        )
    return (open,) if isinstance(open, str) else tuple(open)


def _still_closed(steps: list[Step], open: bool | Collection[str], opened: tuple[str, ...]) -> int:
    """Groups among the steps that were asked to be opened."""
    return sum(_is_group(step) and (open is True or step.operation in opened) for step in steps)


def _is_group(step: Step) -> bool:
    operation = step.node.operation
    return isinstance(operation, Group) and not getattr(operation, "is_primitive", False)


def _path(partial: Partial, notation: Notation, gradient: Array, square: float) -> Path:
    edges = []
    for edge in partial.edges()[1:]:
        assert edge.step is not None and edge.before is not None
        sign = notation.signs[edge.value]
        label = notation.trace.values[edge.value].label
        edges.append(
            Edge(
                edge.step.operation,
                edge.step.scope,
                label or sign.identifier,
                sign.whole,
                edge.position,
                _local(edge),
                edge.size,
            )
        )
    contribution = np.asarray(partial.gradient)
    share = float(np.vdot(contribution, gradient)) / square if square > 0 else None
    return Path(tuple(edges), contribution, partial.size, share)


def _local(edge: Partial) -> float | None:
    """The derivative along an edge between two numbers."""
    step, before = edge.step, edge.before
    assert step is not None and before is not None
    if edge.gradient.size != 1 or before.gradient.size != 1:
        return None
    gradients = local_gradients(step, step.outputs.index(before.value), np.ones_like(before.gradient))
    uses = range(len(step.inputs)) if edge.position is None else (edge.position,)
    parts = [gradients[use] for use in uses if step.inputs[use] == edge.value]
    return float(sum(part.item() for part in parts if part is not None))
