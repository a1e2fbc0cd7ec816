"""Layout: in which rank of a drawing each operation stands, and in which order, for nested graphs.

A graph is drawn container by container: the whole, each layer ("box:2"), each opened group ("step:5").
Inside of a container data flows along the ranks. Values that pass ranks get a way point in each, so that
no line crosses a node; what enters and leaves a container does so at points of its first and last rank.

Items of a container: `step:5`, `box:2`, `value:3` (a leaf, or the loss), `way:3.4` (value 3 passing
rank 4), `in:3` and `out:3` (value 3 at the border).

This file says what is in which container and reads what; ranks.py puts it in ranks and orders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.report.graph.ranks import Item, placed

Graph = Mapping[str, Any]


def layout(graph: Graph) -> dict[str, list[dict[str, Any]]]:
    """Rank and place of every item, by container; "" is the whole.

    graph     "values", "steps", "boxes" and "loss" of a page's data
    returns   container -> [{"item", "rank", "place", "reads": [[position in this list, value], ...]}]

    A container is there whether or not it is drawn open. The same graph gives the same layout.

    >>> values = [{"id": 0, "parent": None, "madeBy": None}, {"id": 1, "parent": None, "madeBy": 0}]
    >>> step = {"id": 0, "parent": None, "box": None, "inputs": [0, 0], "outputs": [1], "order": 0}
    >>> places = layout({"values": values, "steps": [step], "boxes": [], "loss": 1})
    >>> [(each["item"], each["rank"], each["reads"]) for each in places[""]]
    [('value:0', 0, []), ('step:0', 1, [[0, 0], [0, 0]]), ('value:1', 2, [[1, 1]])]
    """
    drawing = _Drawing(graph)
    return {name: placed(list(items.values())) for name, items in drawing.containers.items()}


class _Drawing:
    """The items of every container and what leads from one to the next."""

    def __init__(self, graph: Graph):
        self.steps = {step["id"]: step for step in graph["steps"]}
        self.boxes = {box["id"]: box for box in graph["boxes"]}
        self.values = {value["id"]: value for value in graph["values"]}
        self.loss = graph["loss"]
        self.containers: dict[str, dict[str, Item]] = {"": {}}
        self._step_paths: dict[int, tuple[str, ...]] = {}
        self._group_of_box = self._groups_of_boxes()
        self._order: dict[str, float] = {}
        for step in graph["steps"]:
            path = self._path_of_step(step["id"])
            for position, name in enumerate(path):
                self._order[name] = min(self._order.get(name, step["order"]), step["order"])
                self._item(path[:position], name)
            if step.get("children"):
                self.containers.setdefault(path[-1], {})
        readers: dict[int, list[int]] = defaultdict(list)
        makers: dict[int, list[int]] = defaultdict(list)
        for step in graph["steps"]:
            for value in dict.fromkeys(step["inputs"]):
                readers[value].append(step["id"])
            for value in step["outputs"]:
                makers[value].append(step["id"])
        for value in graph["values"]:
            self._connect(value["id"], makers[value["id"]], readers[value["id"]])

    # ---- where things are

    def _groups_of_boxes(self) -> dict[int, int | None]:
        """Box -> the opened group that it is inside of: that of its first step."""
        groups: dict[int, int | None] = {}
        for step in self.steps.values():
            box = step.get("box")
            while box is not None and box not in groups:
                groups[box] = step["parent"]
                box = self.boxes[box]["parent"]
        return groups

    def _path_of_step(self, number: int) -> tuple[str, ...]:
        """The items that one has to open one after the other to see a step, itself the last."""
        if number not in self._step_paths:
            step = self.steps[number]
            self._step_paths[number] = (*self._path_of_container(step), f"step:{number}")
        return self._step_paths[number]

    def _path_of_container(self, step: Mapping[str, Any]) -> tuple[str, ...]:
        box, parent = step.get("box"), step["parent"]
        outer = () if parent is None else self._path_of_step(parent)
        names: list[str] = []
        # The layer of an opened group holds its steps too, but the group is the nearer container.
        while box is not None and f"box:{box}" not in outer and self._group_of_box.get(box) == parent:
            names.append(f"box:{box}")
            box = self.boxes[box]["parent"]
        return (*outer, *reversed(names))

    def _item(self, path: tuple[str, ...], name: str) -> Item:
        items = self.containers.setdefault(path[-1] if path else "", {})
        if name not in items:
            items[name] = Item(name, self._order.get(name, 0.0))
        item = items[name]
        item.order = self._order.get(name, item.order)
        return item

    # ---- what leads where

    def _connect(self, value: int, makers: Sequence[int], readers: Sequence[int]) -> None:
        uses = [(self._path_of_step(number), self._count(number, value)) for number in readers]
        if value == self.loss:
            uses.append(((f"value:{value}",), 1))
            self._order[f"value:{value}"] = float("inf")
            self._item((), f"value:{value}")
        if makers:
            # A group and the step inside it that gives the same value: the inner one is the source.
            source = max((self._path_of_step(number) for number in makers), key=len)
        elif uses:
            source = self._path_of_leaf(value, readers, uses)
        else:
            return
        linked: set[tuple[Item, Item]] = set()
        for path, count in uses:
            self._lead(value, source, path, count, linked)

    def _count(self, step: int, value: int) -> int:
        return self.steps[step]["inputs"].count(value)

    def _path_of_leaf(
        self, value: int, readers: Sequence[int], uses: Sequence[tuple[tuple[str, ...], int]]
    ) -> tuple[str, ...]:
        """Beside its users: in the innermost container that holds all of them."""
        parent = self.values[value]["parent"]
        own = [
            path
            for number, (path, _) in zip(readers, uses, strict=True)
            if self.steps[number]["parent"] == parent
        ]
        paths = [path[:-1] for path in own or [path for path, _ in uses]]
        shared = paths[0]
        for path in paths[1:]:
            shared = shared[: _alike(shared, path)]
        name = f"value:{value}"
        first = min(self._order[path[len(shared)]] for path in (own or [path for path, _ in uses]))
        self._order[name] = first - 0.5
        self._item(shared, name)
        return (*shared, name)

    def _lead(
        self,
        value: int,
        source: tuple[str, ...],
        target: tuple[str, ...],
        count: int,
        linked: set[tuple[Item, Item]],
    ) -> None:
        """Draws a value from its source to one user: out of containers, across, and into containers."""
        level = min(_alike(source, target), len(source) - 1, len(target) - 1)
        if source[level] == target[level]:
            # A group that hands on its own input: nothing to draw at this level.
            return
        start = self._item(source[:level], source[level])
        for depth in range(len(source) - 1, level, -1):
            border = self._border(source[:depth], f"out:{value}", float("inf"))
            self._link(self._item(source[:depth], source[depth]), border, value, 1, linked)
        for depth in range(level, len(target)):
            path, name = target[:depth], target[depth]
            begin = start if depth == level else self._border(path, f"in:{value}", -1.0)
            end = self._item(path, name)
            # A step that reads a value twice shows two lines; a container lets it in once.
            lines = count if depth == len(target) - 1 and name.startswith("step:") else 1
            self._link(begin, end, value, lines, linked)

    def _border(self, path: tuple[str, ...], name: str, order: float) -> Item:
        self._order[name] = order
        return self._item(path, name)

    def _link(self, begin: Item, end: Item, value: int, count: int, linked: set[tuple[Item, Item]]) -> None:
        if (begin, end) not in linked:
            linked.add((begin, end))
            end.reads += [(begin, value)] * count
            begin.users.append(end)
            return
        there = sum(1 for read in end.reads if read == (begin, value))
        end.reads += [(begin, value)] * (count - there)


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many items two paths share at their beginning."""
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count
