"""Where graphs are drawn: ranks, orders, coordinates, and the drawings themselves."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.explain.explanation import explain
from deltarule.report.graph.drawing import graph_svg
from deltarule.report.graph.layout import layout
from deltarule.report.graph.placement import Scene, place
from deltarule.report.graph.text import graph_text
from deltarule.report.page.data import page_data
from deltarule.report.words import Words

WORDS = Words("en")


def graph(
    steps: list[tuple[list[int], list[int]]], *, parents: dict[int, int] | None = None,
    boxes: dict[int, int] | None = None, loss: int,
) -> dict[str, Any]:  # fmt: skip
    """A graph from (inputs, outputs) of its steps; step -> group that it is inside of, step -> layer."""
    parents, boxes = parents or {}, boxes or {}
    rows = [
        {
            "id": number,
            "parent": parents.get(number),
            "children": [each for each, parent in parents.items() if parent == number],
            "box": boxes.get(number),
            "inputs": inputs,
            "outputs": outputs,
            "order": number,
        }
        for number, (inputs, outputs) in enumerate(steps)
    ]
    made = {value: number for number, (_, outputs) in reversed(list(enumerate(steps))) for value in outputs}
    numbers = sorted({value for inputs, outputs in steps for value in (*inputs, *outputs)})
    values = [
        {"id": number, "parent": parents.get(made.get(number, -1)), "madeBy": made.get(number)}
        for number in numbers
    ]
    layers = [
        {"id": number, "title": str(number), "parent": None, "open": False}
        for number in sorted(set(boxes.values()))
    ]
    return {"values": values, "steps": rows, "boxes": layers, "loss": loss}


def of(places: list[dict[str, Any]], item: str) -> dict[str, Any]:
    return next(each for each in places if each["item"] == item)


def sources(places: list[dict[str, Any]], item: str) -> list[str]:
    return [places[source]["item"] for source, _ in of(places, item)["reads"]]


def scene_of(places: dict[str, Any], **options: Any) -> Scene:
    return place(places, lambda item, lines: (60.0, max(36.0, 15.0 * lines)), **options)


def test_ranks_follow_the_longest_path_and_leaves_stand_beside_their_users():
    # x -> a -> b -> c, and c reads y too.
    places = layout(graph([([0], [1]), ([1], [2]), ([2, 3], [4])], loss=4))[""]
    ranks = {each["item"]: each["rank"] for each in places}
    assert ranks == {
        "value:0": 0, "step:0": 1, "step:1": 2, "value:3": 2, "step:2": 3, "value:4": 4,
    }  # fmt: skip


def test_an_input_that_is_used_twice_comes_in_by_two_lines():
    places = layout(graph([([0, 0], [1])], loss=1))
    assert of(places[""], "step:0")["reads"] == [[0, 0], [0, 0]]
    ends = [curve.y1 for curve in scene_of(places).curves if curve.target == "step:0"]
    assert len(ends) == 2 and ends[0] != ends[1]


def test_a_line_past_other_ranks_goes_over_way_points_and_through_no_node():
    # A skip connection: c reads a's result and x.
    places = layout(graph([([0], [1]), ([1], [2]), ([2, 0], [3])], loss=3))
    assert [name for name in sources(places[""], "step:2") if name.startswith("way:0.")] == ["way:0.2"]
    scene = scene_of(places)
    skip = [curve for curve in scene.curves if curve.value == 0 and "way" in curve.source + curve.target]
    assert len(skip) == 3
    middle = next(node for node in scene.nodes if node.item == "step:1")
    assert all(
        abs(curve.y1 - middle.y) > middle.height / 2 for curve in skip if curve.target.startswith("way")
    )


def test_values_of_a_fan_out_share_their_way_points():
    steps = [([0], [1])] + [([number], [number + 1]) for number in range(1, 9)]
    steps += [([9, 0], [10]), ([10, 0], [11])]
    places = layout(graph(steps, loss=11))[""]
    ways = [each["item"] for each in places if each["item"].startswith("way:0.")]
    assert len(ways) == len(set(ways))
    assert [len(each["reads"]) for each in places if each["item"] in ways] == [1] * len(ways)


def test_orders_uncross_lines():
    # Four chains whose leaves are read in the reverse order of their results.
    steps = [([number], [10 + number]) for number in range(4)] + [([13, 12, 11, 10], [20])]
    places = layout(graph(steps, loss=20))
    scene = scene_of(places)
    lines = [curve for curve in scene.curves if curve.target.startswith("step")]
    crossings = [
        (one, other)
        for one in lines
        for other in lines
        if one.x0 == other.x0 and one.x1 == other.x1 and (one.y0 - other.y0) * (one.y1 - other.y1) < 0
    ]
    assert not crossings


def test_an_opened_group_lets_values_in_and_out_at_its_border():
    # Step 0 holds steps 1 and 2; step 3 follows.
    steps = [([0, 1], [4]), ([0], [2]), ([2, 1], [4]), ([4], [5])]
    places = layout(graph(steps, parents={1: 0, 2: 0}, loss=5))
    inside = places["step:0"]
    assert {each["item"] for each in inside if each["rank"] == 0} == {"in:0", "in:1"}
    assert sources(inside, "out:4") == ["step:2"]
    assert of(inside, "out:4")["rank"] == max(each["rank"] for each in inside)
    scene = scene_of(places, opened={"step:0"})
    frame = next(node for node in scene.nodes if node.item == "step:0")
    assert frame.is_open
    for node in scene.nodes:
        if node.item in ("step:1", "step:2"):
            assert frame.x - frame.width / 2 < node.x - node.width / 2
            assert node.x + node.width / 2 < frame.x + frame.width / 2
            assert frame.y - frame.height / 2 < node.y - node.height / 2
            assert node.y + node.height / 2 < frame.y + frame.height / 2
    # The line of value 4 goes on without a gap, from the inner step to the border and to the next step.
    line = [curve for curve in scene.curves if curve.value == 4]
    ends = {(round(curve.x1, 3), round(curve.y1, 3)) for curve in line}
    starts = {(round(curve.x0, 3), round(curve.y0, 3)) for curve in line}
    assert len(starts & ends) == 2


@pytest.mark.parametrize("across", [True, False])
def test_a_leaf_beside_an_opened_group_stands_at_its_end_near_its_user(across: bool):
    # Step 0 holds steps 1 to 3; step 4 reads its result, and the leaf 9.
    steps = [([0], [4]), ([0], [2]), ([2], [3]), ([3], [4]), ([4, 9], [5])]
    places = layout(graph(steps, parents={1: 0, 2: 0, 3: 0}, loss=5))
    assert of(places[""], "value:9")["rank"] == of(places[""], "step:0")["rank"]
    group, leaf = (
        next(node for node in scene_of(places, opened={"step:0"}, across=across).nodes if node.item == item)
        for item in ("step:0", "value:9")
    )
    ends = [each.x + each.width / 2 if across else each.y + each.height / 2 for each in (group, leaf)]
    assert ends[0] == ends[1]


def test_a_leaf_of_one_layer_stands_inside_that_layer():
    # Layer 0 holds steps 0 and 1 with weight 1; the input 0 comes from outside.
    steps = [([0, 1], [2]), ([2], [3]), ([3, 0], [4])]
    places = layout(graph(steps, boxes={0: 0, 1: 0}, loss=4))
    assert "value:1" in {each["item"] for each in places["box:0"]}
    assert "value:0" in {each["item"] for each in places[""]}
    assert sources(places[""], "box:0") == ["value:0"]


def test_a_layer_that_is_called_twice_leads_back_without_an_end():
    # Box 0 holds steps 0 and 2, box 1 step 1 between them: 0 -> 1 -> 0.
    steps = [([0], [1]), ([1], [2]), ([2], [3]), ([3], [4])]
    places = layout(graph(steps, boxes={0: 0, 2: 0, 1: 1}, loss=4))
    assert of(places[""], "box:1")["rank"] > of(places[""], "box:0")["rank"]
    assert "box:1" in sources(places[""], "box:0")
    assert scene_of(places).width > 0


def test_nodes_of_a_rank_do_not_overlap():
    generator = np.random.default_rng(3)
    steps = [
        (sorted(generator.choice(20 + number, 3, replace=False).tolist()), [20 + number])
        for number in range(60)
    ]
    scene = scene_of(layout(graph(steps, loss=79)))
    for one in scene.nodes:
        for other in scene.nodes:
            if one is not other and abs(one.x - other.x) < 1:
                assert abs(one.y - other.y) >= (one.height + other.height) / 2 - 1e-6


def test_the_same_graph_gives_the_same_layout_and_thousands_of_items_stay_few():
    # 200 time steps that read the same weights, and whose results are stacked at the end.
    steps = [([0, 1, 2, 3 + number], [4 + number]) for number in range(1000)]
    steps.append(([4 + number for number in range(1000)], [2000]))
    first = layout(graph(steps, loss=2000))
    assert first == layout(graph(steps, loss=2000))
    assert len(first[""]) < 7 * len(steps)


@pytest.mark.parametrize("across", [True, False])
def test_turning_a_drawing_swaps_its_axes(across: bool):
    places = layout(graph([([0], [1]), ([1], [2])], loss=2))
    scene = scene_of(places, across=across)
    order = [node.x if across else node.y for node in scene.nodes]
    assert order == sorted(order) and (scene.width > scene.height) is across


# ---- drawings


def small(**options: Any) -> dict[str, Any]:
    x, y, z = (dr.tensor(each, dtype="float64", requires_grad=True) for each in (-2.0, 5.0, -4.0))
    return page_data(explain((x + y) * z, names={"x": x, "y": y, "z": z}, **options), WORDS)


def test_a_small_graph_as_text_is_a_tree_with_values_and_gradients():
    assert graph_text(small(), WORDS).splitlines() == [
        "                    value  gradient",
        "L = multiply(q, z)  −12    1",
        "├─ q = add(x, y)    3      −4",
        "│  ├─ x             −2     −4",
        "│  └─ y             5      −4",
        "└─ z                −4     3",
    ]


def test_a_long_graph_as_text_is_a_list_in_the_order_of_computation():
    x = dr.tensor(0.5, dtype="float64", requires_grad=True)
    y = x
    for _ in range(60):
        y = dr.tanh(y)
    lines = graph_text(page_data(explain(y), WORDS), WORDS).splitlines()
    assert len(lines) == 61 and not any("─" in line for line in lines)


def test_an_opened_group_shows_its_steps_in_the_text():
    x = dr.tensor(1.0, dtype="float64", requires_grad=True)
    data = page_data(explain(dr.sigmoid(x), names={"x": x}), WORDS)
    group = next(step["id"] for step in data["steps"] if step["operation"] == "sigmoid")
    assert "sigmoid(x)" in graph_text(data, WORDS)
    opened = graph_text(data, WORDS, opened=[group])
    assert "exp(" in opened and "sigmoid" not in opened


def test_chinese_columns_line_up_where_characters_are_two_columns_wide():
    head, *rows = graph_text(small(), Words("zh")).splitlines()
    assert head.split() == ["值", "梯度"]
    assert rows[0].index("−12") == head.index("值")


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_drawing_has_the_values_and_the_gradients():
    written = texts(graph_svg(small(), WORDS))
    for expected in ("q 3", "−4", "−2", "5", "L −12", "1", "+", "×"):
        assert expected in written, expected


def test_an_opened_group_is_a_frame_around_its_steps():
    x = dr.tensor(1.0, dtype="float64", requires_grad=True)
    data = page_data(explain(dr.sigmoid(x), names={"x": x}), WORDS)
    assert "sigmoid" in texts(graph_svg(data, WORDS)) and "exp" not in texts(graph_svg(data, WORDS))
    group = next(step["id"] for step in data["steps"] if step["operation"] == "sigmoid")
    assert "exp" in texts(graph_svg(data, WORDS, opened=[f"step:{group}"]))


def test_names_of_users_are_text_in_the_drawing():
    x = dr.tensor(2.0, dtype="float64", requires_grad=True)
    x.name = "<b>&'\"</svg>"
    svg = graph_svg(page_data(explain(x * x, title="</svg><script>"), WORDS), WORDS)
    assert any("<b>&'\"</svg>" in each for each in texts(svg))


def test_a_drawing_of_a_model_opens_its_layers_and_writes_norms():
    model = dr.nn.Sequential(dr.nn.Linear(3, 4), dr.nn.Tanh(), dr.nn.Linear(4, 2))
    loss = dr.mse_loss(model(dr.ones((5, 3))), dr.zeros((5, 2)))
    written = texts(graph_svg(page_data(explain(loss, model=model), WORDS), WORDS))
    assert "linear" in written and "0.weight" in written
    assert any(each.startswith("‖·‖ ") for each in written)
    assert any(each.endswith("5 × 4") for each in written)
