"""From the instructions of a program to calls of native routines.

Instructions are taken in order. Element-wise ones are collected in clusters, which wait until something needs
what they make; a product waits for the element-wise steps that follow it. What has no native form is left to
Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.compiler.native.cluster import (
    Cluster,
    Item,
    Producer,
    Result,
    Source,
    operand,
    rows_and_columns,
)
from deltarule.compiler.native.epilogue import FusedEpilogue
from deltarule.compiler.native.plan import Call, Shape, Storage, View, contiguous_strides
from deltarule.compiler.program import Instruction, Place, Program, Value
from deltarule.compiler.program import Rule as PlainRule
from deltarule.kernels.native.loop_nest import LoopNest, Operand, simplified
from deltarule.kernels.native.processor import SIZES

# rule(lowering, instruction) -> whether it was lowered
Rule = Callable[["Lowering", Instruction], bool]

# Operands of one loop, so that their addresses fit into registers.
MOST_OPERANDS = 24


class Lowering:
    """The state of lowering one program.

    views       where each value lies
    calls       what was emitted, in order
    numbers     functions that give the numbers a step reads and that change from step to step (learning
                rates)
    before      instructions that Python runs before the native part: random draws, checks of arguments
    after       what Python does after a step that was not stopped: counting the updates
    stops       (memory of a number, what raises the error): where a step ends if the number is not 0
    """

    def __init__(self, program: Program, rules: dict[tuple[str, str], Rule]):
        self.program = program
        self.rules = rules
        self.views: dict[Value, View] = {}
        self.calls: list[Call] = []
        self.open: list[Cluster] = []
        self.numbers: list[tuple[str, Callable[[], float]]] = []
        self._shared_numbers: dict[Any, View] = {}
        self._copies: dict[tuple[Value, tuple[int, ...]], View] = {}
        # Steps are known by their identity, so they must live as long as the lowering.
        self._kept_items: list[Item] = []
        self.before: list[Instruction] = []
        self.after: list[Callable[[], None]] = []
        self.stops: list[tuple[Storage, Callable[[], None]]] = []
        self.lowered: set[int] = set()
        self.notes: dict[int, Any] = {}
        self.places: list[tuple[Place, Storage]] = []
        self.consumers: dict[Value, list[int]] = {}
        self.results: dict[Value, Storage] = {}
        # The value that memory was made for; others may be views of it.
        self.owners: dict[Storage, Value] = {}
        for instruction in program.instructions:
            for value in instruction.elements_read():
                self.consumers.setdefault(value, []).append(id(instruction))
        for value in [*program.outputs, *(value for _, value in program.gradients if value is not None)]:
            self.consumers.setdefault(value, []).append(0)
        for position, value in enumerate(program.inputs):
            self._outer(value, ("input", position))
        for value in program.constants:
            if isinstance(value.array, np.ndarray):
                self._outer(value, ("constant", value.number))
        for value in program.states:
            self.views[value] = self.place_view(value)

    # ---- memory

    def _outer(self, value: Value, key: Any) -> None:
        assert value.shape is not None and value.dtype is not None
        if value.dtype.name in SIZES:
            storage = Storage(math.prod(value.shape), value.dtype.name, key)
            self.views[value] = View(storage, value.shape, contiguous_strides(value.shape))

    def place_view(self, value: Value) -> View:
        """The view of the place outside that a value lives in."""
        place = value.place
        assert place is not None and value.shape is not None and value.dtype is not None
        storage = next((storage for known, storage in self.places if known.same(place)), None)
        if storage is None:
            storage = Storage(math.prod(value.shape), value.dtype.name, ("place", len(self.places)))
            self.places.append((place, storage))
        return View(storage, value.shape, contiguous_strides(value.shape))

    def new(self, value: Value, like: tuple[int, ...] | None = None) -> View:
        """Memory for a value: of the step, or that of a result which the caller gets."""
        assert value.shape is not None and value.dtype is not None
        if value.place is not None:
            return self.place_view(value)
        if 0 in self.consumers.get(value, ()):
            storage = self.results[value] = Storage(
                math.prod(value.shape), value.dtype.name, ("result", value.number)
            )
            return View(storage, value.shape, contiguous_strides(value.shape))
        strides = contiguous_strides(value.shape)
        if like is not None:
            strides = _strides_in_order(value.shape, like)
        storage = Storage(math.prod(value.shape), value.dtype.name)
        self.owners[storage] = value
        return View(storage, value.shape, strides)

    def temporary(self, shape: Shape, dtype: str) -> View:
        """Memory of the step for something between calls."""
        return View(Storage(math.prod(shape), dtype), shape, contiguous_strides(shape))

    def number(self, dtype: str, function: Callable[[], float], key: Any = None) -> View:
        """A number that is asked for before each step; the same key stands for the same number."""
        if key is not None and (dtype, key) in self._shared_numbers:
            return self._shared_numbers[dtype, key]
        self.numbers.append((dtype, function))
        view = View(Storage(1, dtype, ("number", len(self.numbers) - 1)), (), ())
        if key is not None:
            self._shared_numbers[dtype, key] = view
        return view

    def stop(self, fail: Callable[[], None]) -> View:
        """Memory for the number of a Gate; `fail` raises the error that it stands for."""
        storage = Storage(1, "float64", ("stop", len(self.stops)))
        self.stops.append((storage, fail))
        return View(storage, (), ())

    def view(self, value: Value) -> View:
        """Where a value lies; what makes it is emitted first."""
        if value not in self.views:
            for cluster in self.open:
                if cluster.produces(value):
                    self.flush(cluster)
                    break
        return self.views[value]

    def contiguous(self, value: Value, shape: Shape | None = None) -> View:
        """The value in the order of its axes without gaps, as it is or copied; in another shape if wanted."""
        view = self.arranged(value, tuple(range(len(value.shape or ()))))
        if shape is not None and shape != view.shape:
            view = View(view.storage, shape, contiguous_strides(shape), view.offset)
        return view

    def arranged(self, value: Value, order: tuple[int, ...]) -> View:
        """The value with its axes in this order, without gaps: as it lies, or copied once for all who ask."""
        view = self.view(value)
        turned = View(
            view.storage,
            tuple(view.shape[axis] for axis in order),
            tuple(view.strides[axis] for axis in order),
            view.offset,
        )
        if turned.is_contiguous:
            return turned
        known = self._copies.get((value, order))
        if known is None:
            known = self.temporary(turned.shape, turned.dtype)
            self.copy(turned, known, f"copy of {value.name}")
            # What lives outside and is no argument may be written before the next one asks.
            if view.storage.outer is None or view.storage.outer[0] in ("input", "constant"):
                self._copies[value, order] = known
        return known

    def copy(self, source: View, target: View, label: str) -> None:
        """Copies elements, whatever the strides."""
        value = Value(-1, target.shape, np.dtype(target.dtype), label, "computed")
        item = Item(target.shape, [source], [Result(value, target=target)], lambda code, x: x, "copy")
        self.at_once(item)

    def add_to(self, target: View, addend: Value, value: Value) -> None:
        """target ← target + addend, in place; `value` stands for what is there afterwards."""
        item = Item(
            target.shape,
            [target, addend],
            [Result(value, target=target)],
            lambda code, vectors: [vectors[0] + vectors[1]],
            "add to",
        )
        self.at_once(item)

    def at_once(self, item: Item) -> None:
        """Emits one step at once."""
        cluster = Cluster(item.domain)
        cluster.add(item)
        self.emit_loop(cluster, [result.value for result in item.results])

    # ---- emitting

    def call(
        self, routine: Any, arguments: Sequence[Any], writes: Sequence[int], work: int, label: str
    ) -> None:
        """Adds a call; `writes` are positions among the arguments."""
        self.calls.append(Call(routine, list(arguments), tuple(writes), work, label))

    def items(self, items: Sequence[Item]) -> None:
        """Takes several steps of one instruction: what one of them needs is kept until all have had it."""
        self._kept_items.extend(items)
        for item in items:
            for source in item.sources:
                if isinstance(source, Value):
                    self.consumers.setdefault(source, []).append(id(item))
        for item in items:
            self.item(item)

    def item(self, item: Item) -> None:
        """Takes an element-wise step: into a cluster that waits, or a new one."""
        self._apart(item)
        for value in item.sources:
            if isinstance(value, Value) and value not in self.views:
                makers = [cluster for cluster in self.open if cluster.produces(value)]
                if makers and not self._joins(item, makers[0]):
                    self.flush(makers[0])
        for cluster in reversed(self.open):
            if self._joins(item, cluster):
                break
        else:
            cluster = Cluster(item.domain)
            self.open.append(cluster)
        for result in item.results:
            if result.target is not None:
                self._before_write(result.target.storage, cluster)
        if cluster not in self.open:
            cluster = Cluster(item.domain)
            self.open.append(cluster)
        cluster.add(item)

    def product(self, product: Producer, domain: Shape, instruction: Instruction) -> None:
        """Takes a product; element-wise steps over its result may still join it."""
        cluster = Cluster(domain, product)
        cluster.instructions.add(id(instruction))
        self.open.append(cluster)

    def before_write(self, storage: Storage) -> None:
        """Emits what waits and reads or writes memory that is about to be written."""
        self._before_write(storage, None)

    def _before_write(self, storage: Storage, but: Cluster | None) -> None:
        for cluster in list(self.open):
            if cluster is but and self._reads_alike(cluster, storage):
                continue
            if self._touches(cluster, storage):
                self.flush(cluster)

    def _touches(self, cluster: Cluster, storage: Storage) -> bool:
        views = [
            source if isinstance(source, View) else self.views.get(source) for source in cluster.sources()
        ]
        views += [result.target for item in cluster.items for result in item.results]
        if cluster.product is not None:
            views += cluster.product.reads()
        return any(view is not None and view.storage is storage for view in views)

    def _reads_alike(self, cluster: Cluster, storage: Storage) -> bool:
        """Whether the cluster reads this memory only element by element, where it will write it."""
        if cluster.product is not None and any(view.storage is storage for view in cluster.product.reads()):
            return False
        for source in cluster.sources():
            view = source if isinstance(source, View) else self.views.get(source)
            if view is not None and view.storage is storage and not _is_whole(view, cluster.domain):
                return False
        return True

    def _apart(self, item: Item) -> None:
        """Copies what a step reads elsewhere than it writes, of the same memory."""
        written = [result.target.storage for result in item.results if result.target is not None]
        for position, source in enumerate(item.sources):
            view = source if isinstance(source, View) else self.views.get(source)
            if view is not None and view.storage in written and not _is_whole(view, item.domain):
                made = self.temporary(view.shape, view.dtype)
                self.copy(view, made, "copy of what is written")
                item.sources[position] = made

    def _joins(self, item: Item, cluster: Cluster) -> bool:
        if item.domain != cluster.domain:
            return False
        related = [
            source for source in item.sources if isinstance(source, Value) and cluster.produces(source)
        ]
        if any(not cluster.offers(source) for source in related):
            return False
        shared = any(source in cluster.sources() for source in item.sources if isinstance(source, Value))
        if not related and (not shared or cluster.product is not None):
            return False
        axes = item.axes
        if axes and (cluster.product is not None or cluster.axes not in ((), axes)):
            return False
        others = [
            source for source in item.sources if not (isinstance(source, Value) and cluster.produces(source))
        ]
        if len(cluster.sources()) + len(others) + len(cluster.made) > MOST_OPERANDS:
            return False
        for source in others:
            if isinstance(source, Value) and source not in self.views:
                maker = next((each for each in self.open if each.produces(source)), None)
                # What another cluster makes must be there first, and that one must not wait for this one.
                if maker is None or self._needs(maker, cluster):
                    return False
                self.flush(maker)
            if cluster.product is not None:
                view = source if isinstance(source, View) else self.views[source]
                if _as_matrix(view, item.domain, cluster.product.order(len(item.domain))) is None:
                    return False
        return not (
            cluster.product is not None
            and any(result.target is not None and not result.target.is_contiguous for result in item.results)
        )

    def _needs(self, cluster: Cluster, other: Cluster) -> bool:
        """Whether a cluster reads what the other makes, directly or not."""
        for source in cluster.sources():
            if isinstance(source, Value) and source not in self.views:
                maker = next((each for each in self.open if each.produces(source)), None)
                if maker is other or (
                    maker is not None and maker is not cluster and self._needs(maker, other)
                ):
                    return True
        return False

    def flush_all(self) -> None:
        while self.open:
            self.flush(self.open[0])

    def flush(self, cluster: Cluster) -> None:
        """Emits a cluster: a product with its epilogue, or a loop."""
        for source in cluster.sources():
            if isinstance(source, Value) and source not in self.views:
                self.view(source)
        if cluster not in self.open:
            return
        self.open.remove(cluster)
        everything = [] if cluster.product is None else [cluster.product.value]
        everything += list(cluster.made)
        stored = [value for value in everything if self._is_stored(cluster, value)]
        if not stored:
            return
        if cluster.product is not None:
            self.emit_product(cluster, stored)
        else:
            self.emit_loop(cluster, stored)

    def _is_stored(self, cluster: Cluster, value: Value) -> bool:
        if value in cluster.made:
            item, position = cluster.made[value]
            if cluster.items[item].results[position].target is not None:
                return True
        return any(each not in cluster.instructions for each in self.consumers.get(value, ()))

    def emit_loop(self, cluster: Cluster, stored: list[Value]) -> None:
        """One pass over the box."""
        domain = cluster.domain
        sources = cluster.sources()
        lies = [operand(self._source_view(source), domain) for source in sources]
        order = self._axis_order(cluster, lies)
        results: list[tuple[View, Operand]] = []
        for value in stored:
            item, position = cluster.made[value]
            result = cluster.items[item].results[position]
            results.append(self._result(value, result, domain, order))
            self.views[value] = results[-1][0]
        every = [*lies, *(each for _, each in results)]
        strides = [tuple(each.strides[axis] for axis in order) for each in every]
        extents, strides = simplified(tuple(domain[axis] for axis in order), strides)
        operands = [
            Operand(each.dtype, lie, each.reduction) for each, lie in zip(every, strides, strict=True)
        ]
        nest = LoopNest(
            extents,
            tuple(operands[: len(sources)]),
            tuple(operands[len(sources) :]),
            cluster.body(sources, stored),
        )
        arguments = [self._source_view(source) for source in sources] + [view for view, _ in results]
        writes = range(len(sources), len(arguments))
        self.call(nest, arguments, tuple(writes), math.prod(domain) * len(cluster.items), _label(cluster))

    def _source_view(self, source: Source) -> View:
        return source if isinstance(source, View) else self.views[source]

    def _result(self, value: Value, result: Result, domain: Shape, order: list[int]) -> tuple[View, Operand]:
        if result.target is not None:
            lies = operand(result.target, domain)
            reduction = result.reduction if result.axes else None
            return result.target, Operand(lies.dtype, lies.strides, reduction)
        if not result.axes:
            view = self.new(value, tuple(order) if len(domain) == len(value.shape or ()) else None)
            return view, operand(_over(view, domain), domain)
        view = self.new(value)
        kept = tuple(1 if axis in result.axes else extent for axis, extent in enumerate(domain))
        lies = View(view.storage, kept, contiguous_strides(kept), view.offset)
        strides = tuple(
            0 if axis in result.axes else stride for axis, stride in enumerate(lies.broadcast(domain))
        )
        return view, Operand(view.dtype, strides, result.reduction)

    def _axis_order(self, cluster: Cluster, lies: list[Operand]) -> list[int]:
        """Axes from the one with the longest steps to that with the shortest, as most of the memory lies."""
        domain = cluster.domain
        for item in cluster.items:
            for result in item.results:
                if result.target is not None:
                    return list(range(len(domain)))
        for each, source in zip(lies, cluster.sources(), strict=True):
            view = self._source_view(source)
            if view.shape == domain and view.is_dense:
                return sorted(range(len(domain)), key=lambda axis: (-each.strides[axis], axis))
        return list(range(len(domain)))

    def emit_product(self, cluster: Cluster, stored: list[Value]) -> None:
        """A product, and what is done to each of its tiles before it is stored."""
        product = cluster.product
        assert product is not None
        domain, dtype = cluster.domain, product.reads()[0].dtype
        order = product.order(len(domain))
        sources = cluster.sources()
        views = [self._source_view(source) for source in sources]
        results: list[View] = []
        for value in stored:
            place = cluster.made.get(value)
            target = None if place is None else cluster.items[place[0]].results[place[1]].target
            alike = value.shape is not None and len(value.shape) == len(domain)
            results.append(target if target is not None else self.new(value, order if alike else None))
        inputs = [_as_matrix(view, domain, order) for view in views]
        lies = [_as_matrix(_over(view, domain), domain, order) for view in results]
        read = {id(view.storage) for view in views} if product.keeps_sums else set()
        # What the routine itself stores must have its type, lie as it does, and may be read by nobody
        # meanwhile.
        fits = [
            i
            for i, (view, lie) in enumerate(zip(results, lies, strict=True))
            if view.dtype == dtype and id(view.storage) not in read and lie is not None
        ]
        if not fits or None in lies or None in inputs:
            self._emit_apart(cluster, stored)
            return
        first = fits[0]
        stored = [stored[first], *stored[:first], *stored[first + 1 :]]
        results = [results[first], *results[:first], *results[first + 1 :]]
        lies = [lies[first], *lies[:first], *lies[first + 1 :]]
        for value, view in zip(stored, results, strict=True):
            self.views[value] = view
        epilogue = None
        if cluster.items:
            operands = [Operand(v.dtype, lie or ()) for v, lie in zip(views, inputs, strict=True)]
            more = [Operand(v.dtype, lie or ()) for v, lie in zip(results[1:], lies[1:], strict=True)]
            epilogue = FusedEpilogue(cluster.body(sources, stored), tuple(operands), tuple(more))
        extra = [] if epilogue is None else results[1:]
        routine, arguments, writes, work = product.call(results[0], epilogue, views, extra)
        label = product.label
        if cluster.items:
            label += " | " + _label(cluster)
        self.call(routine, arguments, writes, work, label)

    def _emit_apart(self, cluster: Cluster, stored: list[Value]) -> None:
        """The product by itself into memory of its own, then the loop over its result."""
        product = cluster.product
        assert product is not None
        value, domain = product.value, cluster.domain
        order = product.order(len(domain))
        strides = _strides_in_order(domain, order)
        own = View(Storage(math.prod(domain), product.reads()[0].dtype), domain, strides)
        routine, arguments, writes, work = product.call(own, None, [], [])
        self.call(routine, arguments, writes, work, product.label)
        self.views[value] = own
        if value in stored and (0 in self.consumers.get(value, ()) or value.place is not None):
            del self.views[value]
            self.views[value] = self.new(value)
            self.copy(own, self.views[value], product.label)
            self.views[value] = own if value.place is None else self.views[value]
        cluster.product = None
        rest = [each for each in stored if each is not value]
        if rest:
            self.emit_loop(cluster, rest)

    # ---- running through a program

    def run(self, python: Callable[[Lowering, Instruction], None]) -> None:
        """Lowers every instruction; `python` takes those that have no native form."""
        for instruction in self.program.instructions:
            kind = instruction.kind
            if kind == "forward" and isinstance(instruction.operation, PlainRule):
                kind = "plain"
            rule = self.rules.get((kind, instruction.name))
            if rule is not None and rule(self, instruction):
                self.lowered.add(id(instruction))
                continue
            python(self, instruction)
        for value in [
            *self.program.outputs,
            *(value for _, value in self.program.gradients if value is not None),
        ]:
            if value in self.views or any(cluster.produces(value) for cluster in self.open):
                self.as_result(value)
        self.flush_all()

    def as_result(self, value: Value) -> None:
        """Sees to it that a value which the caller gets lies in memory of its own."""
        view = self.view(value)
        if value in self.results:
            return
        assert value.shape is not None
        storage = self.results[value] = Storage(view.size, view.dtype, ("result", value.number))
        self.copy(view, View(storage, value.shape, contiguous_strides(value.shape)), f"result {value.name}")


def _as_matrix(view: View, domain: Shape, order: tuple[int, ...]) -> tuple[int, int] | None:
    """Strides of rows and columns (0 or 1) of a view over a box; None where it does not lie so."""
    lies = rows_and_columns(domain, view.broadcast(domain), order)
    return None if lies is None or lies[1] not in (0, 1) else lies


def _is_whole(view: View, domain: Shape) -> bool:
    """Whether a view has all elements of its memory, in their order, over the box."""
    return view.shape == domain and view.is_contiguous and view.size == view.storage.elements


def _over(view: View, domain: Shape) -> View:
    """A result as an array over the box: its shape may lack axes of length 1, or have more of them."""
    if view.shape == domain:
        return view
    return View(view.storage, domain, contiguous_strides(domain), view.offset)


def _strides_in_order(shape: Shape, order: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a dense array whose axes lie in this order, the last one next to each other."""
    strides = [0] * len(shape)
    step = 1
    for axis in reversed(order):
        strides[axis] = step
        step *= max(shape[axis], 1)
    return tuple(strides)


def _label(cluster: Cluster) -> str:
    return ", ".join(item.text for item in cluster.items)
