"""Drawing: a graph with its values and gradients, as SVG.

It reads the data of a page ("values", "steps", "boxes", "layout", "loss"), in which every array comes with
its statistics and small ones with their elements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from deltarule.report.charts.charts import standalone
from deltarule.report.charts.palette import colour
from deltarule.report.charts.picture import FONT, text_width
from deltarule.report.graph.faces import (
    SMALL,
    Faces,
    Graph,
    Values,
    amount,
    faces_of,
    node_size,
    reach_of,
    room_for,
    rows_of,
)
from deltarule.report.graph.placement import Curve, Node, Scene, place
from deltarule.report.markup import Markup, tag
from deltarule.report.words import Words

_MARGIN = 18.0
# More ranks than this are drawn from top to bottom.
_MOST_ACROSS = 14


def graph_svg(graph: Graph, words: Words, *, opened: Collection[str] = (), across: bool | None = None) -> str:
    """A drawing of a graph, complete with the colours of light paper.

    graph    the data of a page
    opened   containers that are drawn open ("step:4", "box:0"), besides the boxes that say so
    across   from left to right, else from top to bottom; None: what suits its length

    Values stand above the lines and gradients below; of arrays with several elements, their norms.

    >>> import deltarule as dr
    >>> from deltarule.report.page.data import page_data
    >>> x = dr.tensor(3.0, requires_grad=True)
    >>> graph_svg(page_data(dr.explain(x * 2.0), Words()), Words()).count("<rect ")
    5
    """
    shown = set(opened) | {f"box:{box['id']}" for box in graph["boxes"] if box.get("open")}
    shown |= {f"step:{step['id']}" for step in graph["steps"] if step.get("open")}
    layout = graph["layout"]
    is_across = _is_short(graph) if across is None else across
    by_id = {value["id"]: value for value in graph["values"]}
    sizes = partial(node_size, faces_of(graph), is_across)
    room, reach = partial(room_for, by_id, is_across), partial(reach_of, by_id, is_across)
    scene = place(layout, sizes, shown, across=is_across, room=room, reach=reach)
    return standalone(_picture(scene, graph, by_id, is_across, words))


def _is_short(graph: Graph) -> bool:
    return max((entry["rank"] for entry in graph["layout"][""]), default=0) < _MOST_ACROSS


def _picture(scene: Scene, graph: Graph, values: Values, across: bool, words: Words) -> Markup:
    faces = faces_of(graph)
    labelled: set[tuple[int, str]] = set()
    lines, written = [], []
    for curve in scene.curves:
        lines.append(
            tag(
                "path",
                d=_path(curve, across),
                fill="none",
                stroke=colour("quiet"),
                stroke_width=1.3,
                opacity=0.3 if curve.far else None,
            )
        )
        if curve.ends:
            lines.append(tag("path", d=_arrow(curve, across), fill=colour("quiet")))
        fresh = curve.starts and (curve.value, curve.source) not in labelled
        if fresh and rows_of(values[curve.value], curve.source):
            labelled.add((curve.value, curve.source))
            written.append(_label(values[curve.value], curve, across))
    opened = [tag("g", *_container(node, faces)) for node in scene.nodes if node.is_open]
    closed = [tag("g", *_node(node, faces)) for node in scene.nodes if not node.is_open]
    # What is written above the first line, and below the last.
    width, height = scene.width + 2 * _MARGIN, scene.height + 2 * _MARGIN + 24
    return tag(
        "svg",
        tag("desc", words("explanation.drawing_described")),
        tag("g", *opened, *lines, *closed, *written, transform=f"translate({_MARGIN:g} {_MARGIN + 10:g})"),
        _legend(height, words),
        viewBox=f"0 0 {max(width, 320):.0f} {height + 26:.0f}",
        width=f"{max(width, 320):.0f}",
        height=f"{height + 26:.0f}",
        role="img",
        aria_label=graph.get("title", ""),
        font_family=FONT,
        font_size=13,
    )


def _legend(y: float, words: Words) -> Markup:
    return tag(
        "text",
        tag("tspan", f"● {words('explanation.value')}", fill=colour("good")),
        tag("tspan", f"● {words('explanation.gradient')}", fill=colour("bad"), dx=14),
        x=_MARGIN,
        y=f"{y + 14:.0f}",
        font_size=SMALL,
    )


def _path(curve: Curve, across: bool) -> str:
    """A line that leaves and arrives in the direction of the ranks, straight where something is written."""
    x0, y0, x1, y1 = curve.x0, curve.y0, curve.x1, curve.y1
    if across:
        begin = curve.bend if x1 > x0 else x0
        middle = (begin + x1) / 2 if x1 > x0 else max(x0, x1) + 40
        return f"M{x0:.1f},{y0:.1f}H{begin:.1f}C{middle:.1f},{y0:.1f} {middle:.1f},{y1:.1f} {x1:.1f},{y1:.1f}"
    begin = curve.bend if y1 > y0 else y0
    middle = (begin + y1) / 2 if y1 > y0 else max(y0, y1) + 40
    return f"M{x0:.1f},{y0:.1f}V{begin:.1f}C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}"


def _arrow(curve: Curve, across: bool) -> str:
    x, y = curve.x1, curve.y1
    if across:
        return f"M{x:.1f},{y:.1f}l-7,-3.5v7z"
    return f"M{x:.1f},{y:.1f}l-3.5,-7h7z"


def _label(value: Mapping[str, Any], curve: Curve, across: bool) -> Markup:
    gradient = value.get("gradient")
    rows = rows_of(value, curve.source)
    x = curve.x0 + 7
    pieces = []
    for number, row in enumerate(rows):
        y = curve.y0 - 6 - 13 * (len(rows) - 1 - number) if across else curve.y0 + 13 * (number + 1)
        pieces.append(_written(row, x, y))
    if gradient is not None:
        y = curve.y0 + 14 if across else curve.y0 + 13 * (len(rows) + 1)
        pieces.append(_written([(amount(gradient), "bad")], x, y))
    return tag("g", *pieces)


def _written(parts: list[tuple[str, str]], x: float, y: float) -> Markup:
    spans = [tag("tspan", text, fill=colour(ink)) for text, ink in parts]
    return tag(
        "text", *spans, x=f"{x:.1f}", y=f"{y:.1f}", font_size=SMALL, stroke=colour("paper"), stroke_width=3,
        paint_order="stroke", stroke_linejoin="round",
    )  # fmt: skip


def _node(node: Node, faces: Faces) -> list[Markup | None]:
    title, below = faces[node.item]
    leaf = node.item.startswith("value:")
    frame = tag(
        "rect",
        x=f"{node.x - node.width / 2:.1f}",
        y=f"{node.y - node.height / 2:.1f}",
        width=f"{node.width:.1f}",
        height=f"{node.height:.1f}",
        rx=node.height / 2 if leaf or len(title) < 4 else 7,
        fill=colour("panel" if leaf else "paper"),
        stroke=colour("line" if leaf else "ink"),
        stroke_width=1.4,
    )
    return [
        tag("title", title),
        frame,
        _centred(_cut(title, node.width - 12), node.x, node.y + (-2 if below else 4.5), 13, "ink"),
        _centred(_cut(below, node.width - 10, SMALL), node.x, node.y + 13, SMALL, "quiet") if below else None,
    ]


def _container(node: Node, faces: Faces) -> list[Markup | None]:
    left, top = node.x - node.width / 2, node.y - node.height / 2
    return [
        tag(
            "rect",
            x=f"{left:.1f}",
            y=f"{top:.1f}",
            width=f"{node.width:.1f}",
            height=f"{node.height:.1f}",
            rx=10,
            fill=colour("panel"),
            stroke=colour("line"),
        ),
        tag(
            "text",
            faces[node.item][0],
            x=f"{left + 12:.1f}",
            y=f"{top + 18:.1f}",
            fill=colour("quiet"),
            font_size=12,
        ),
    ]


def _centred(text: str, x: float, y: float, size: float, ink: str) -> Markup:
    return tag(
        "text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor="middle", font_size=size, fill=colour(ink)
    )


def _cut(text: str, width: float, size: float = 13) -> str:
    while len(text) > 2 and text_width(text, size) > width:
        text = text[:-2] + "…"
    return text
