"""Ranks: the items of one container in ranks along the drawing, each rank in an order with few crossings.

Source: Sugiyama, Tagawa & Toda 1981 (longest paths, way points, orders by barycentres).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

# Sweeps over the ranks; more change next to nothing. Large containers get fewer.
_SWEEPS = 8
_MANY = 4000
# Way points in a container, as a multiple of its items. Beyond it the lines that need most of them for one
# user (a hidden state of each of 200 time steps that is stacked at the end) go straight to their ends.
_WAYS_PER_ITEM = 4


@dataclass(eq=False)
class Item:
    """A place of a drawing, and what it reads: (item, value) pairs in the order of its inputs."""

    name: str
    order: float
    reads: list[tuple[Item, int]] = field(default_factory=list)
    users: list[Item] = field(default_factory=list)
    rank: int = 0
    place: int = 0


def placed(items: list[Item]) -> list[dict[str, Any]]:
    """The items of a container with their ranks and places, way points among them; see `layout`.

    >>> leaf, step = Item("value:0", 0.0), Item("step:0", 1.0)
    >>> leaf.users, step.reads = [step], [(leaf, 0)]
    >>> [(each["item"], each["rank"], each["reads"]) for each in placed([leaf, step])]
    [('value:0', 0, []), ('step:0', 1, [[0, 0]])]
    """
    items.sort(key=lambda item: item.order)
    for position, item in enumerate(items):
        item.place = position
    _rank(items)
    items += _ways(items)
    ranks = _ordered(items)
    listed = [item for rank in ranks for item in rank]
    number = {id(item): position for position, item in enumerate(listed)}
    return [
        {
            "item": item.name,
            "rank": item.rank,
            "place": item.place,
            "reads": [[number[id(source)], value] for source, value in item.reads],
        }
        for item in listed
    ]


def _rank(items: Sequence[Item]) -> None:
    """Longest path from the start; then what waits for a later user moves up to it.

    A layer that is called again leads back to an earlier item: such a line has no say here.
    """
    before = {id(item): position for position, item in enumerate(items)}
    first = 1 if any(item.name.startswith("in:") for item in items) else 0
    for position, item in enumerate(items):
        earlier = [source.rank + 1 for source, _ in item.reads if before[id(source)] < position]
        item.rank = 0 if item.name.startswith("in:") else max(earlier, default=first)
    for position in range(len(items) - 1, -1, -1):
        item = items[position]
        later = [user.rank for user in item.users if before[id(user)] > position]
        kept = {source for source, _ in item.reads if len(source.users) == 1 and source.reads}
        if later and (not kept or len(later) > len(kept)) and not item.name.startswith("in:"):
            # Costs no longer lines: leaves follow, and those of values with other users are there anyway.
            item.rank = max(item.rank, min(later) - 1)
    last = max((item.rank for item in items if not item.name.startswith("out:")), default=0)
    for item in items:
        if item.name.startswith("out:"):
            item.rank = last + 1


def _ways(items: Sequence[Item]) -> list[Item]:
    """Way points for lines over more than one rank, one for each value and rank."""
    ways: dict[tuple[int, int, int], Item] = {}
    guided = _guided(items)

    def reached(source: Item, value: int, rank: int) -> Item:
        previous = source
        for passed in range(source.rank + 1, rank):
            key = (id(source), value, passed)
            if key not in ways:
                # One source may have two names for a value only at the border: there it has one.
                way = Item(f"way:{value}.{passed}", source.order, rank=passed, place=source.place)
                way.reads.append((previous, value))
                previous.users.append(way)
                ways[key] = way
            previous = ways[key]
        return previous

    for item in items:
        for position, (source, value) in enumerate(item.reads):
            if item.rank - source.rank > 1 and (id(source), value) in guided:
                last = reached(source, value, item.rank)
                item.reads[position] = (last, value)
                if item in source.users:
                    source.users.remove(item)
                if item not in last.users:
                    last.users.append(item)
    return list(ways.values())


def _guided(items: Sequence[Item]) -> set[tuple[int, int]]:
    """The lines, by source and value, that get way points: first those that many users share."""
    spans: dict[tuple[int, int], list[int]] = defaultdict(list)
    for item in items:
        for source, value in item.reads:
            spans[id(source), value].append(item.rank - source.rank)
    left = _WAYS_PER_ITEM * len(items) + 200
    guided = set()
    for key in sorted(spans, key=lambda key: max(spans[key]) / len(spans[key])):
        left -= max(max(spans[key]) - 1, 0)
        if left >= 0:
            guided.add(key)
    return guided


def _ordered(items: Sequence[Item]) -> list[list[Item]]:
    """The ranks, each in the order with the fewest crossings that the sweeps came upon."""
    count = max((item.rank for item in items), default=-1) + 1
    ranks: list[list[Item]] = [[] for _ in range(count)]
    for item in items:
        ranks[item.rank].append(item)
    for rank in ranks:
        rank.sort(key=lambda item: item.place)
    _number(ranks)
    best, fewest = [list(rank) for rank in ranks], _crossings(ranks)
    for sweep in range(_SWEEPS if len(items) < _MANY else 2):
        if fewest == 0:
            break
        if sweep % 2 == 0:
            for rank in ranks[1:]:
                _sort(
                    rank,
                    [[source.place for source, _ in item.reads if source.rank < item.rank] for item in rank],
                )
        else:
            for rank in reversed(ranks[:-1]):
                _sort(rank, [[user.place for user in item.users if user.rank > item.rank] for item in rank])
        crossings = _crossings(ranks)
        if crossings < fewest:
            best, fewest = [list(rank) for rank in ranks], crossings
    _number(best)
    return best


def _sort(rank: list[Item], neighbours: Sequence[Sequence[int]]) -> None:
    """By the mean of neighbours' places. Items without neighbours keep theirs, and ties their order."""
    centres = {
        id(item): sum(places) / len(places) if places else float(item.place)
        for item, places in zip(rank, neighbours, strict=True)
    }
    rank.sort(key=lambda item: (centres[id(item)], item.place))
    for place, item in enumerate(rank):
        item.place = place


def _number(ranks: Iterable[list[Item]]) -> None:
    for rank in ranks:
        for place, item in enumerate(rank):
            item.place = place


def _crossings(ranks: Sequence[Sequence[Item]]) -> int:
    """Pairs of lines between neighbouring ranks that cross: inversions, by a binary indexed tree."""
    total = 0
    for above, below in pairwise(ranks):
        tree = [0] * (len(above) + 1)
        seen = 0
        for item in below:
            ends = sorted(source.place for source, _ in item.reads if source.rank == item.rank - 1)
            for end in ends:
                position, not_crossing = end + 1, 0
                while position > 0:
                    not_crossing += tree[position]
                    position -= position & -position
                total += seen - not_crossing
            for end in ends:
                seen += 1
                position = end + 1
                while position <= len(above):
                    tree[position] += 1
                    position += position & -position
    return total
