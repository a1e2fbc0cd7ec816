"""Placement: the coordinates of a graph's drawing, from its layout and the sizes of its nodes.

Ranks follow each other along the drawing; across it, every item is drawn towards the middle of what it is
linked to, as far as the order and the widths of its rank allow. assets/explanation/placement.js does the
same in the page, where groups open and close.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Room between ranks: where nothing is said of what is written there, and where nothing is written.
ROOM, NARROW = 60.0, 24.0
# Room between the items of a rank, and what a line takes.
BETWEEN, LINE = 16.0, 10.0
# Inside of an opened container.
BORDER, HEADER = 14.0, 26.0
# The last part of the way to a rank, in which lines bend; before it they are straight, beside the writing.
BEND = 26.0
# Between the ends of lines at a node, and between its results: one below the other, or side by side.
_ENDS, _RESULTS_BELOW, _RESULTS_BESIDE = 16.0, 48.0, 94.0
_SWEEPS = ("reads", "users", "reads", "users", "both", "both")
# How much a line that passes ranks wants to be straight.
_STRAIGHT = 6.0
# How much a leaf and what reads it pull at each other: little, so that the line of layers stays straight.
_LEAF = 0.01

Size = Callable[[str, int], tuple[float, float]]
Room = Callable[[str, Sequence[int]], float]


@dataclass(eq=False)
class Node:
    """A node where it is drawn: its middle, its size, how deep inside containers it is, and if it is open."""

    item: str
    x: float
    y: float
    width: float
    height: float
    depth: int
    is_open: bool


@dataclass(eq=False)
class Curve:
    """A line of a value from one item to the next.

    bend           how far along the drawing it is straight before it turns towards its end
    starts, ends   at a node, and not at a way point or border
    far            past ranks without way points
    """

    value: int
    source: str
    target: str
    x0: float
    y0: float
    x1: float
    y1: float
    bend: float
    starts: bool
    ends: bool
    far: bool = False


@dataclass(eq=False)
class Scene:
    """A drawing: its size, its nodes (outer ones first) and its lines."""

    width: float
    height: float
    nodes: list[Node] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)


@dataclass(eq=False)
class _Placed:
    """An item in its container: along and across are its start and its middle there.

    ahead   where its rank starts
    first   the first of the lines that leave it, from its middle
    reach   the end of what is written beside the last of them, from its middle
    """

    item: str
    rank: int
    reads: Sequence[tuple[int, int]]
    length: float
    breadth: float
    inner: _Block | None
    along: float = 0.0
    across: float = 0.0
    ahead: float = 0.0
    first: float = 0.0
    reach: float = 0.0
    links: list[tuple[int, int]] = field(default_factory=list)


@dataclass(eq=False)
class _Block:
    """The inside of a container. enters, leaves: where values cross its border, from its start."""

    items: list[_Placed]
    length: float = 0.0
    breadth: float = 0.0
    enters: dict[int, float] = field(default_factory=dict)
    leaves: dict[int, float] = field(default_factory=dict)


def place(
    layout: Mapping[str, Sequence[Mapping[str, Any]]],
    size: Size,
    opened: Collection[str] = (),
    *,
    across: bool = True,
    room: Room = lambda item, values: ROOM,
    reach: Room = lambda item, values: 0.0,
) -> Scene:
    """The drawing of a layout.

    size     (item, lines on one side of it) -> (width, height) of a closed node
    opened   containers that are drawn open
    across   from left to right; else from top to bottom
    room     (item, values that leave it) -> length of line that is needed to write beside it
    reach    (item, values that leave it) -> how far from its line that goes to the side

    >>> leaf, step = {"item": "value:0", "rank": 0}, {"item": "step:0", "rank": 1}
    >>> layout = {"": [{**leaf, "reads": []}, {**step, "reads": [[0, 0]]}]}
    >>> scene = place(layout, lambda item, lines: (40, 30), room=lambda *_: 60)
    >>> [(node.x, node.y) for node in scene.nodes], scene.width
    ([(20.0, 15.0), (120.0, 15.0)], 140.0)
    """
    drawing = _Placement(layout, size, opened, across, room, reach)
    block = drawing.block("")
    scene = Scene(*((block.length, block.breadth) if across else (block.breadth, block.length)))
    drawing.draw(block, 0.0, 0.0, 0, scene)
    return scene


def is_point(item: str) -> bool:
    """Whether an item is only passed by a line."""
    return item.startswith(("way:", "in:", "out:"))


class _Placement:
    def __init__(
        self,
        layout: Mapping[str, Sequence[Mapping[str, Any]]],
        size: Size,
        opened: Collection[str],
        across: bool,
        room: Room,
        reach: Room,
    ):
        self.layout, self.size, self.opened = layout, size, opened
        self.is_across, self.room, self.reach = across, room, reach

    def block(self, container: str) -> _Block:
        entries = self.layout[container]
        links: list[list[tuple[int, int]]] = [[] for _ in entries]
        for position, entry in enumerate(entries):
            for source, value in entry["reads"]:
                links[source].append((position, value))
        block = _Block([self._item(entry, leaving) for entry, leaving in zip(entries, links, strict=True)])
        items = block.items
        ranks: list[list[_Placed]] = [[] for _ in range(max((item.rank for item in items), default=-1) + 1)]
        for item in items:
            ranks[item.rank].append(item)
        self._go_along(block, ranks)
        _go_across(block, ranks)
        for item in items:
            kind, _, rest = item.item.partition(":")
            if kind == "in":
                block.enters[int(rest)] = item.across
            elif kind == "out":
                block.leaves[int(rest)] = item.across
        return block

    def _item(self, entry: Mapping[str, Any], links: list[tuple[int, int]]) -> _Placed:
        name, reads = entry["item"], entry["reads"]
        # Of several results each is written beside its own line.
        results = len({value for _, value in links})
        lines = max(len(reads), (3 if self.is_across else 6) * results if results > 1 else 0)
        inner = self.block(name) if name in self.opened and self.layout.get(name) else None
        if inner is not None:
            length, breadth = inner.length + 2 * BORDER, inner.breadth + 2 * BORDER
            if self.is_across:
                breadth += HEADER
            else:
                length += HEADER
            least = self.size(name, lines)[0]
            length, breadth = (
                (max(length, least), breadth) if self.is_across else (length, max(breadth, least))
            )
        elif is_point(name):
            length, breadth = 0.0, LINE
        else:
            width, height = self.size(name, lines)
            length, breadth = (width, height) if self.is_across else (height, width)
        item = _Placed(name, entry["rank"], reads, length, breadth, inner, links=links)
        values = _values(item)
        if values and inner is None and not is_point(name):
            item.first = self._leaving(item, values[0])
            item.reach = self._leaving(item, values[-1]) + self.reach(name, values)
        return item

    def _go_along(self, block: _Block, ranks: Sequence[Sequence[_Placed]]) -> None:
        along = 0.0
        for number, rank in enumerate(ranks):
            length = max(item.length for item in rank)
            is_opened = any(item.inner is not None for item in rank)
            for item in rank:
                # A leaf beside an opened container stands near its user, at the container's end.
                at_end = item.item.startswith("in:") or (is_opened and item.item.startswith("value:"))
                item.along = along + (length - item.length) * (1.0 if at_end else 0.5)
                item.ahead = along
            along += length
            if number < len(ranks) - 1:
                # Of an opened container each value is written inside.
                closed = [item for item in rank if not is_point(item.item) and item.inner is None]
                needed = [self.room(item.item, _values(item)) for item in closed]
                along += max([NARROW, *needed])
        block.length = along

    def draw(self, block: _Block, along: float, across: float, depth: int, scene: Scene) -> None:
        """Adds a block to the scene with its corner at (along, across)."""
        for item in block.items:
            if is_point(item.item):
                continue
            x, y = along + item.along + item.length / 2, across + item.across
            width, height = item.length, item.breadth
            if not self.is_across:
                x, y, width, height = y, x, height, width
            scene.nodes.append(Node(item.item, x, y, width, height, depth, item.inner is not None))
            if item.inner is not None:
                start, side = self._inside(item)
                self.draw(item.inner, along + start, across + side, depth + 1, scene)
        for item in block.items:
            for (source, value), port in zip(item.reads, self._ports(block, item), strict=True):
                begin = block.items[source]
                a0 = along + begin.along + begin.length
                c0 = across + begin.across + self._leaving(begin, value)
                a1, c1 = along + item.along, across + item.across + port
                far = item.rank - begin.rank > 1
                bend = (a0 + a1) / 2 if far else max(a0, along + item.ahead - BEND)
                if not self.is_across:
                    a0, c0, a1, c1 = c0, a0, c1, a1
                starts = not is_point(begin.item) and begin.inner is None
                ends = not is_point(item.item) and item.inner is None
                scene.curves.append(
                    Curve(value, begin.item, item.item, a0, c0, a1, c1, bend, starts, ends, far)
                )
                if item.inner is not None:
                    self._cross_border(item, value, (a1, c1), along, across, scene, entering=True)
        for item in block.items:
            if item.inner is not None:
                for value in item.inner.leaves:
                    end = (
                        along + item.along + item.length,
                        across + item.across + self._leaving(item, value),
                    )
                    self._cross_border(item, value, end, along, across, scene, entering=False)

    def _cross_border(
        self,
        item: _Placed,
        value: int,
        border: tuple[float, float],
        along: float,
        across: float,
        scene: Scene,
        *,
        entering: bool,
    ) -> None:
        """The short straight line between the border of an opened container and its inside."""
        assert item.inner is not None
        start, side = self._inside(item)
        points = item.inner.enters if entering else item.inner.leaves
        if value not in points:
            return
        inside = (along + start + (0.0 if entering else item.inner.length), across + side + points[value])
        if not self.is_across:
            inside = (inside[1], inside[0])
            border = border if entering else (border[1], border[0])
        begin, end = (border, inside) if entering else (inside, border)
        bend = begin[0] if self.is_across else begin[1]
        scene.curves.append(Curve(value, item.item, item.item, *begin, *end, bend, False, False))

    def _inside(self, item: _Placed) -> tuple[float, float]:
        """Where the inside of an opened container starts: (along, across)."""
        assert item.inner is not None
        start, side = item.along + BORDER, item.across - item.inner.breadth / 2
        if self.is_across:
            start += (item.length - 2 * BORDER - item.inner.length) / 2
            side += HEADER / 2
        else:
            start += HEADER
        return start, side

    def _leaving(self, item: _Placed, value: int) -> float:
        """Where a value leaves an item, from its middle."""
        if item.inner is not None:
            return self._inside(item)[1] + item.inner.leaves.get(value, item.inner.breadth / 2) - item.across
        values = _values(item)
        return _spread(
            values.index(value),
            len(values),
            item.breadth,
            _RESULTS_BELOW if self.is_across else _RESULTS_BESIDE,
        )

    def _ports(self, block: _Block, item: _Placed) -> list[float]:
        """Where each line ends at an item, from its middle: in the order that they come in."""
        if is_point(item.item):
            return [0.0] * len(item.reads)
        if item.inner is not None:
            side = self._inside(item)[1] - item.across
            return [side + item.inner.enters.get(value, item.inner.breadth / 2) for _, value in item.reads]
        came = sorted(
            range(len(item.reads)),
            key=lambda i: (block.items[item.reads[i][0]].across, item.reads[i][1]),
        )
        ports = [0.0] * len(item.reads)
        for position, read in enumerate(came):
            ports[read] = _spread(position, len(came), item.breadth)
        return ports


def _values(item: _Placed) -> list[int]:
    """The values that leave an item."""
    return sorted({value for _, value in item.links})


def _spread(position: int, count: int, breadth: float, most: float = _ENDS) -> float:
    return (position - (count - 1) / 2) * min(most, breadth / max(count, 1))


def _go_across(block: _Block, ranks: Sequence[Sequence[_Placed]]) -> None:
    """Moves every item towards the middle of what it is linked to, rank by rank."""
    for rank in ranks:
        for position, item in enumerate(rank):
            before = rank[position - 1] if position else None
            item.across = before.across + _distance(before, item) if before else item.breadth / 2
        middle = (rank[-1].across + rank[-1].breadth / 2) / 2
        for item in rank:
            item.across -= middle
    for sweep in _SWEEPS:
        for rank in reversed(ranks) if sweep == "users" else ranks:
            _settle(block, rank, sweep)
    least = min((item.across - item.breadth / 2 for item in block.items), default=0.0)
    for item in block.items:
        item.across -= least
    block.breadth = max(
        (item.across + max(item.breadth / 2, item.reach) for item in block.items), default=0.0
    )


def _distance(one: _Placed, other: _Placed) -> float:
    """The least between the middles of neighbours: that of their nodes, and of what is written and a line."""
    written = one.reach + (other.breadth / 2 if other.inner is not None else -other.first)
    return max((one.breadth + other.breadth) / 2 + BETWEEN, written)


def _settle(block: _Block, rank: Sequence[_Placed], sweep: str) -> None:
    """The places nearest to those wanted that keep order and distance: pool adjacent violators.

    Source: Ayer, Brunk, Ewing, Reid & Silverman 1955.
    """
    wanted, weights, offsets = [], [], []
    offset = 0.0
    for position, item in enumerate(rank):
        if position:
            offset += _distance(rank[position - 1], item)
        offsets.append(offset)
        total = weight = 0.0
        neighbours = [] if sweep == "users" else [block.items[source] for source, _ in item.reads]
        neighbours += [] if sweep == "reads" else [block.items[user] for user, _ in item.links]
        for other in neighbours:
            strength = _LEAF if "value:" in (item.item[:6], other.item[:6]) else 1.0
            if is_point(item.item) and is_point(other.item):
                strength = _STRAIGHT
            total += strength * other.across
            weight += strength
        wanted.append((total / weight if weight else item.across) - offset)
        # What is linked to nothing on this side stays where it is, but gives way.
        weights.append(weight or 0.01)
    pools: list[tuple[float, float, int]] = []
    for want, weight in zip(wanted, weights, strict=True):
        mean, heavy, count = want, weight, 1
        while pools and pools[-1][0] > mean:
            other, other_weight, other_count = pools.pop()
            mean = (mean * heavy + other * other_weight) / (heavy + other_weight)
            heavy, count = heavy + other_weight, count + other_count
        pools.append((mean, heavy, count))
    position = 0
    for mean, _, count in pools:
        for _ in range(count):
            rank[position].across = mean + offsets[position]
            position += 1
