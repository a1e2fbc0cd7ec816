"""Drawing: a graph with its values and gradients, as SVG.

It reads the data of a page ("values", "steps", "boxes", "layout", "loss"), in which every array comes with
its statistics and small ones with their elements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from deltarule.report.charts.charts import standalone
from deltarule.report.charts.palette import colour
from deltarule.report.charts.picture import FONT, text_width
from deltarule.report.graph.placement import BEND, Curve, Node, Scene, place
from deltarule.report.markup import Markup, tag
from deltarule.report.numbers import figure, shape_text
from deltarule.report.words import Words

# Signs of operations that are drawn as one, as in a drawing by hand.
SIGNS = {
    "add": "+",
    "subtract": "−",
    "multiply": "×",
    "divide": "÷",
    "negative": "−( )",
    "matmul": "@",
    "sum": "Σ",
    "square": "( )²",
    "sqrt": "√",
    "exp": "exp",
    "log": "ln",
}
_MARGIN = 18.0
_SMALL = 11.0
# Nodes are no wider; longer names are cut.
_WIDEST = 250.0
# More ranks than this are drawn from top to bottom.
_MOST_ACROSS = 14

Graph = Mapping[str, Any]


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
    sizes = partial(_size, _faces(graph), is_across)
    room, reach = partial(_room, by_id, is_across), partial(_reach, by_id, is_across)
    scene = place(layout, sizes, shown, across=is_across, room=room, reach=reach)
    return standalone(_picture(scene, graph, by_id, is_across, words))


def _is_short(graph: Graph) -> bool:
    return max((entry["rank"] for entry in graph["layout"][""]), default=0) < _MOST_ACROSS


def size_of(array: Mapping[str, Any]) -> int:
    """Number of elements of an array of a page's data.

    >>> size_of({"shape": [4, 3]})
    12
    """
    count = 1
    for extent in array["shape"]:
        count *= extent
    return count


def _faces(graph: Graph) -> dict[str, tuple[str, str]]:
    """Item -> (what is written on its node, in small letters below that)."""
    faces: dict[str, tuple[str, str]] = {}
    for step in graph["steps"]:
        sign = SIGNS.get(step["operation"]) if not step.get("children") else None
        faces[f"step:{step['id']}"] = (sign or step["title"], "" if sign else step.get("layer") or "")
    for box in graph["boxes"]:
        faces[f"box:{box['id']}"] = (box["title"], "")
    for value in graph["values"]:
        name, label = value["plain"], value.get("label") or ""
        if is_constant(value):
            name = amount(value["array"])
        faces[f"value:{value['id']}"] = (name, "" if label in (name, value["name"]) else label)
    return {name: (title, "" if below == title else below) for name, (title, below) in faces.items()}


def is_constant(value: Mapping[str, Any]) -> bool:
    """Whether a value is drawn as its number alone.

    >>> is_constant({"kind": "constant", "array": {"shape": []}})
    True
    """
    return value["kind"] == "constant" and size_of(value["array"]) == 1


def _size(faces: Mapping[str, tuple[str, str]], across: bool, item: str, lines: int) -> tuple[float, float]:
    title, below = faces[item]
    width = max(text_width(title) + 26, text_width(below, _SMALL) + 20, 38.0)
    height = 44.0 if below else 36.0
    room = 15.0 * lines + 6
    width = min(width, _WIDEST)
    return (width, max(height, room)) if across else (max(width, room), height)


def _picture(
    scene: Scene, graph: Graph, values: Mapping[int, Mapping[str, Any]], across: bool, words: Words
) -> Markup:
    faces = _faces(graph)
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
        if fresh and _rows(values[curve.value], curve.source):
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
        font_size=_SMALL,
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


def _room(values: Mapping[int, Mapping[str, Any]], across: bool, item: str, leaving: Sequence[int]) -> float:
    """The length of line that what is written beside it needs."""
    written = [_texts(values[each], item) for each in leaving]
    if across:
        return max((text_width(text, _SMALL) for texts in written for text in texts), default=0.0) + 9 + BEND
    return 13.0 * max((len(texts) for texts in written), default=0) + 5 + BEND


def _reach(values: Mapping[int, Mapping[str, Any]], across: bool, item: str, leaving: Sequence[int]) -> float:
    """How far to the side of the last line what is written there goes; above and below there is room."""
    widths = [text_width(text, _SMALL) for text in _texts(values[leaving[-1]], item)]
    return max(widths) + 15 if widths and not across else 0.0


def _texts(value: Mapping[str, Any], item: str) -> list[str]:
    """What is written at the line of a value, row by row."""
    rows = ["".join(part for part, _ in row) for row in _rows(value, item)]
    gradient = value.get("gradient")
    return [*rows, amount(gradient)] if rows and gradient is not None else rows


def _rows(value: Mapping[str, Any], item: str) -> list[list[tuple[str, str]]]:
    """What is written above the line of a value: (text, colour) pairs, row by row."""
    array = value["array"]
    if item.startswith("value:") and is_constant(value):
        return []
    # A leaf has its name on its node.
    name = "" if item.startswith("value:") else f"{value['plain']} "
    if size_of(array) == 1:
        return [[(name, "quiet"), (amount(array), "good")]]
    return [[(f"{name}{shape_text(array['shape'])}", "quiet")], [(amount(array), "good")]]


def _label(value: Mapping[str, Any], curve: Curve, across: bool) -> Markup:
    gradient = value.get("gradient")
    rows = _rows(value, curve.source)
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
        "text", *spans, x=f"{x:.1f}", y=f"{y:.1f}", font_size=_SMALL, stroke=colour("paper"), stroke_width=3,
        paint_order="stroke", stroke_linejoin="round",
    )  # fmt: skip


def amount(array: Mapping[str, Any]) -> str:
    """A single element itself, of others the norm; of whole numbers, such as labels, from where to where.

    >>> amount({"shape": [2], "stats": {"norm": 5.0}}), amount({"shape": [1], "values": [-2.5]})
    ('‖·‖ 5', '−2.5')
    >>> amount({"shape": [2], "dtype": "int64", "stats": {"min": 0.0, "max": 9.0}})
    '0 … 9'
    """
    if size_of(array) == 1:
        element = array["values"]
        while isinstance(element, list):
            element = element[0]
        return figure(element)
    if size_of(array) == 0:
        return "∅"
    stats = array["stats"]
    if not array.get("dtype", "float").startswith("float"):
        return f"{figure(stats['min'])} … {figure(stats['max'])}"
    return f"‖·‖ {figure(stats['norm'])}"


def _node(node: Node, faces: Mapping[str, tuple[str, str]]) -> list[Markup | None]:
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
        _centred(_cut(below, node.width - 10, _SMALL), node.x, node.y + 13, _SMALL, "quiet")
        if below
        else None,
    ]


def _container(node: Node, faces: Mapping[str, tuple[str, str]]) -> list[Markup | None]:
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
