"""The page of an explanation in a real browser: four linked views, stepping, groups, keys, phone, print."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.explain.explanation import Explanation, explain
from deltarule.report.document import asset, document
from deltarule.report.graph.layout import layout
from deltarule.report.graph.placement import place
from deltarule.report.markup import tag
from deltarule.report.page.data import page_data
from deltarule.report.page.script import FILES, explanation_script
from deltarule.report.words import Words
from tests.report.test_graph import graph

if TYPE_CHECKING:
    from tests.report.browser import Browser

VIEWS = ("graph", "formulas", "numbers", "code")
HOSTILE = '<img src=x onerror="window.hacked = 1">\'</script><script>window.hacked = 1</script>'


def scalar(value: float, name: str = "") -> dr.Tensor:
    tensor = dr.tensor(value, dtype="float64", requires_grad=True)
    tensor.name = name
    return tensor


def product_of_sum() -> Explanation:
    """(x + y) z with the numbers of the lectures."""
    x, y, z = scalar(-2.0, "x"), scalar(5.0, "y"), scalar(-4.0, "z")
    return explain((x + y) * z, title="(x + y) z")


def neuron(**options: Any) -> Explanation:
    """A sigmoid neuron with two inputs."""
    names = ("w0", "x0", "w1", "x1", "w2")
    w0, x0, w1, x1, w2 = map(scalar, (2.0, -1.0, -3.0, -2.0, -3.0), names)
    return explain(dr.sigmoid(w0 * x0 + w1 * x1 + w2), **options)


def network(*sizes: int, batch: int = 5) -> Explanation:
    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        layers += [dr.nn.Linear(inputs, outputs), dr.nn.Tanh()]
    model = dr.nn.Sequential(*layers[:-1])
    generator = np.random.default_rng(0)
    x = dr.tensor(generator.normal(size=(batch, sizes[0])).astype(np.float32))
    target = dr.tensor(generator.integers(0, sizes[-1], batch))
    return explain(dr.cross_entropy(model(x), target), model=model, names={"x": x})


def shown(browser: Browser, explanation: Explanation, language: str = "en") -> None:
    browser.open(explanation.html(language=language))
    browser.wait("#explanation[data-ready]")


def heard(browser: Browser) -> str:
    """What the page says of the present step to those who listen."""
    return browser.evaluate("document.querySelector('.sweep .heard').textContent")


def lit(browser: Browser) -> dict[str, int]:
    """How many things are lit up in each view."""
    return {view: browser.count(f".view.of-{view} .lit") for view in VIEWS}


# ---- one after the other


def test_stepping_writes_the_arithmetic_of_every_step(browser: Browser):
    shown(browser, product_of_sum())
    said = []
    for _ in range(6):
        browser.press("ArrowRight")
        said.append(heard(browser))
    assert said == [
        "start. . ",
        "forward 1 of 2. add. q = x + y = −2.00 + 5.00 = 3.00",
        "forward 2 of 2. multiply. L = q × z = 3.00 × (−4.00) = −12.00",
        "at the loss. . ∂L/∂L = 1.00",
        "backward 1 of 2. multiply. ∂L/∂q = upstream 1.00 × local −4.00 = −4.00; "
        "∂L/∂z = upstream 1.00 × local 3.00 = 3.00",
        "backward 2 of 2. add. ∂L/∂x = upstream −4.00 × local 1.00 = −4.00; "
        "∂L/∂y = upstream −4.00 × local 1.00 = −4.00",
    ]
    browser.press("ArrowLeft", "ArrowLeft")
    assert heard(browser) == said[3]
    assert browser.console_errors() == []


def test_what_is_heard_is_seen(browser: Browser):
    shown(browser, product_of_sum())
    browser.press("ArrowRight", "ArrowRight")
    seen = browser.evaluate("document.querySelector('.now-arithmetic').textContent").replace(" ", "")
    assert "add" in seen and "=−2.00+5.00=3.00" in seen


def test_numbers_appear_in_the_graph_when_the_sweep_comes_by(browser: Browser):
    shown(browser, product_of_sum())
    hidden = "document.querySelectorAll('.written .no-{}').length"
    assert browser.evaluate(hidden.format("value")) == 0
    browser.press("Home")
    # Of x, y, z the values are there; those of q and L are not, and no gradient is.
    assert (browser.evaluate(hidden.format("value")), browser.evaluate(hidden.format("gradient"))) == (2, 5)
    browser.press("ArrowRight")
    assert (browser.evaluate(hidden.format("value")), browser.evaluate(hidden.format("gradient"))) == (1, 5)
    browser.press("End", "ArrowLeft")
    assert (browser.evaluate(hidden.format("value")), browser.evaluate(hidden.format("gradient"))) == (0, 2)
    browser.press("End")
    assert browser.evaluate(hidden.format("gradient")) == 0


def test_whole_numbers_have_a_range_and_no_norm(browser: Browser):
    browser.resize(1500, 900)
    labels = dr.tensor(np.array([3, 0, 7]))
    logits = dr.tensor(np.eye(3, 8, dtype=np.float32), requires_grad=True)
    explanation = explain(dr.cross_entropy(logits, labels))
    shown(browser, explanation)
    written = browser.evaluate("[...document.querySelectorAll('.written .of-value')].map(e => e.textContent)")
    assert "0 … 7" in written
    assert "0 … 7" in explanation.svg() and "0 … 7" in explanation.text()


def test_every_view_marks_the_present_step(browser: Browser):
    browser.resize(1500, 900)
    shown(browser, product_of_sum())
    browser.press("Home", "ArrowRight", "ArrowRight")
    assert (
        browser.evaluate("document.querySelector('.node.now').getAttribute('aria-label')")
        == "Operation multiply"
    )
    assert "L" in browser.text(".equation.now")
    assert browser.text(".line.now").strip().startswith("L =")
    assert browser.text(".detail h3") == "multiply"


def test_contributions_add_up_at_a_branch_with_their_shares(browser: Browser):
    browser.resize(1500, 900)
    x = scalar(3.0, "x")
    shown(browser, explain(x * x + x))
    browser.press("End")
    assert heard(browser).endswith("; ∂L/∂x = 3.00 (43 %) + 3.00 (43 %) + 1.00 (14 %) = 7.00")
    browser.click(".node.leaf.input")
    assert [row.replace("\n", " ") for row in browser.text(".detail table").splitlines()][-1] == "sum 7"


def test_the_shares_beside_an_element_are_those_of_this_element(browser: Browser):
    x = dr.tensor([1.0, 1.0], dtype="float64", requires_grad=True)
    x.name = "x"
    first, second = dr.tensor([2.0, 0.0], dtype="float64"), dr.tensor([1.0, 3.0], dtype="float64")
    shown(browser, explain(dr.sum(x * first + x * second)))
    browser.press("End")
    assert heard(browser).endswith("; ∂L/∂x[0] = 2.00 (67 %) + 1.00 (33 %) = 3.00")


def test_play_runs_to_the_end_by_itself(browser: Browser):
    shown(browser, product_of_sum())
    browser.evaluate("document.querySelector('.controls select').value = 5")
    browser.click(".controls .play")
    browser.wait_until("document.querySelector('.place').textContent === 'backward 2 of 2'", 8)
    browser.wait_until("document.querySelector('.play').getAttribute('aria-label') === 'Play'")


def test_a_slider_moves_to_any_step(browser: Browser):
    shown(browser, product_of_sum())
    slider = "document.querySelector('.controls input[type=range]')"
    browser.evaluate(f"({slider}.value = 2, {slider}.dispatchEvent(new Event('input')))")
    assert heard(browser).startswith("forward 2 of 2")


# ---- linked views


def point_at(browser: Browser, css: str) -> None:
    browser.evaluate("document.activeElement.blur()")
    browser.hover("header h1")
    assert sum(lit(browser).values()) == 0
    browser.hover(css)


@pytest.mark.parametrize(
    "css",
    [
        ".node.leaf[data-ref=v0] rect",
        ".view.of-formulas math [data-ref=v0]",
        ".view.of-numbers td[data-ref=v0]",
        ".view.of-code .name[data-ref=v0]",
    ],
)
def test_pointing_at_a_value_in_one_view_lights_it_up_in_all(browser: Browser, css: str):
    browser.resize(1500, 900)
    shown(browser, product_of_sum())
    point_at(browser, css)
    assert all(lit(browser).values()), lit(browser)
    assert browser.evaluate("document.querySelector('.node.lit').dataset.ref") == "v0"
    assert browser.text(".program .name.lit") == "x"


@pytest.mark.parametrize("css", [".node.step rect", ".equation .kind", ".line.forward[data-ref=s0]"])
def test_pointing_at_an_operation_lights_it_up_in_all(browser: Browser, css: str):
    browser.resize(1500, 900)
    shown(browser, product_of_sum())
    point_at(browser, css)
    assert all(lit(browser).values()), lit(browser)
    assert browser.evaluate("document.querySelector('.node.lit').dataset.ref") == "s0"


def test_pointing_at_a_gradient_lights_up_its_number_and_its_line(browser: Browser):
    browser.resize(1500, 900)
    shown(browser, product_of_sum())
    point_at(browser, ".view.of-numbers td[data-ref=g3]")
    assert browser.text(".of-code .name.lit") == "grad_z"
    assert browser.text(".written text.lit") == "3"
    assert lit(browser)["formulas"]


def test_a_click_keeps_the_selection_scrolls_the_others_to_it_and_escape_clears_it(browser: Browser):
    browser.resize(1500, 700)
    shown(browser, network(3, 4, 4, 4, 2))
    last = max(
        browser.evaluate("[...document.querySelectorAll('.program .name')].map(each => each.dataset.ref)"),
        key=lambda ref: int(ref[1:]),
    )
    browser.evaluate("document.querySelector('.of-formulas .scrolls').scrollTop = 0")
    browser.click(f".program .name[data-ref={last}]")
    browser.hover("header h1")
    assert all(count for view, count in lit(browser).items() if view != "graph"), lit(browser)
    browser.wait_until(
        """(() => {
            const pane = document.querySelector('.of-formulas .scrolls').getBoundingClientRect();
            const lit = [...document.querySelectorAll('.of-formulas .lit')];
            const places = lit.map((each) => each.getBoundingClientRect());
            return places.some((place) => place.top >= pane.top && place.bottom <= pane.bottom);
        })()"""
    )
    browser.press("Escape")
    assert sum(lit(browser).values()) == 0 and browser.console_errors() == []


# ---- the graph


def test_a_group_opens_and_closes_in_all_views(browser: Browser):
    browser.resize(1500, 900)
    shown(browser, neuron())
    nodes, formulas = browser.count(".node"), browser.count(".equation")
    toggle = browser.evaluate("document.querySelector('[data-toggle]').dataset.toggle")
    browser.click(f"[data-toggle='{toggle}']")
    assert browser.count(".container") == 1
    assert browser.count(".node") > nodes and browser.count(".equation") > formulas
    assert browser.evaluate("document.querySelector('.place').textContent") == "all steps"
    browser.press("End")
    assert heard(browser).startswith("backward 8 of 8")
    browser.click(f"[data-toggle='{toggle}']")
    assert (browser.count(".node"), browser.count(".equation")) == (nodes, formulas)
    assert browser.console_errors() == []


def test_a_group_that_the_formulas_look_into_is_open_from_the_start(browser: Browser):
    shown(browser, neuron(open="sigmoid"))
    assert browser.count(".container") == 1
    defined = browser.evaluate(
        "[...document.querySelectorAll('.equation.forward .math')].map(e => e.textContent)"
    )
    assert len(defined) == len(set(defined)) == 8


def test_the_graph_zooms_turns_and_fits(browser: Browser):
    shown(browser, neuron())
    box = "document.querySelector('.canvas').getAttribute('viewBox').split(' ').map(Number)"
    width = browser.evaluate(box)[2]
    browser.click(".tools button:nth-child(1)")
    assert browser.evaluate(box)[2] < width
    browser.click(".tools button:nth-child(3)")
    assert browser.evaluate(box)[2] == pytest.approx(width, rel=0.3)
    first = "document.querySelector('.node.leaf rect').getBoundingClientRect().x"
    before = browser.evaluate(first)
    browser.click(".tools button:nth-child(4)")
    assert browser.evaluate(first) != before and browser.console_errors() == []


# What is written, nodes and lines of the graph, by their places in the drawing: pairs that overlap, and
# what is written over a line.
OVERLAPS = """(() => {
    const boxed = (css) => [...document.querySelectorAll(css)]
        .map((each) => [each.getBBox(), each.textContent]);
    const written = boxed(".written text").filter(([, text]) => text.trim()), nodes = boxed(".node > rect");
    const meet = (a, b) => Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x) > 1
        && Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y) > 2.5;
    const pairs = written.flatMap(([box, text], position) => [...written.slice(position + 1), ...nodes]
        .filter(([other]) => meet(box, other)).map(([, other]) => `${text} on ${other}`));
    const points = [...document.querySelectorAll(".canvas path.line:not(.far)")].flatMap((path) => {
        const length = path.getTotalLength();
        return Array.from({ length: Math.ceil(length / 4) }, (_, count) => path.getPointAtLength(4 * count));
    });
    const struck = written.filter(([box]) => points.some(({ x, y }) =>
        x > box.x + 2 && x < box.x + box.width - 2 && y > box.y + 3 && y < box.y + box.height - 3));
    return [written.length, [...pairs, ...struck.map(([, text]) => `a line through ${text}`)]];
})()"""


def recurrent() -> Explanation:
    """An LSTM with named states: many leaves beside each other, with long labels."""
    model = dr.nn.LSTM(2, 3)
    x = dr.tensor(np.linspace(-1, 1, 16).reshape(2, 4, 2).astype(np.float32))
    result, _ = model(x)
    return explain(dr.mean(result * result), model=model, names={"x": x})


@pytest.mark.parametrize("size", [(1500, 1000), (390, 844)])
@pytest.mark.parametrize("make", [neuron, recurrent, lambda: network(3, 4, 4, 2)])
def test_what_is_written_in_the_graph_stands_free(browser: Browser, make: Any, size: tuple[int, int]):
    browser.resize(*size)
    shown(browser, make())
    count, overlaps = browser.evaluate(OVERLAPS)
    assert count > 5 and overlaps == []


def test_a_wide_graph_has_the_width_of_the_page_and_is_seen_whole(browser: Browser):
    browser.resize(1500, 1000)
    shown(browser, network(3, 4, 4, 2))
    graph_pane, formulas, canvas, *nodes = browser.evaluate(
        "['.of-graph', '.of-formulas', '.canvas', '.node'].flatMap(css => [...document.querySelectorAll("
        "css.startsWith('.of') ? '.view' + css : css)]).map(e => e.getBoundingClientRect().toJSON())"
    )
    assert graph_pane["bottom"] <= formulas["top"] and graph_pane["right"] > 2 * formulas["right"]
    for node in nodes:
        assert canvas["left"] <= node["left"] and node["right"] <= canvas["right"]
        assert canvas["top"] <= node["top"] and node["bottom"] <= canvas["bottom"]


def test_a_graph_that_is_too_large_ends_at_the_loss_and_stays_readable(browser: Browser):
    browser.resize(390, 844)
    shown(browser, network(3, *[4] * 12, 2))
    canvas, loss = browser.evaluate(
        "['.canvas', '.node.leaf:last-of-type'].map(css => [...document.querySelectorAll(css)].at(-1)"
        ".getBoundingClientRect().toJSON())"
    )
    assert canvas["top"] < loss["top"] and loss["bottom"] < canvas["bottom"]
    letters = "document.querySelector('.written text').getScreenCTM().a * 11"
    assert browser.evaluate(letters) > 7.5


def test_the_page_places_nodes_as_the_drawing_does(browser: Browser):
    steps = [([0, 1], [4]), ([0], [2]), ([2, 1], [4]), ([4, 0], [5]), ([5, 4, 4], [6])]
    places = layout(graph(steps, parents={1: 0, 2: 0}, loss=6))
    page = document(
        "",
        tag("p", "x"),
        words=Words("en"),
        script=f"{asset('explanation/placement.js')}\nwindow.place = place;",
    )
    browser.open(page)
    for across in (True, False):
        for opened in ([], ["step:0"]):
            ours = place(
                places,
                lambda item, lines: (64.0, 12.0 * lines + 20),
                opened,
                across=across,
                room=lambda item, values: 30.0 + len(item) + 8 * len(values),
                reach=lambda item, values: 60.0 + len(item) + 8 * len(values),
            )
            theirs = browser.evaluate(
                "place(arguments[0], (item, lines) => [64, 12 * lines + 20], new Set(arguments[1]),"
                "{across: arguments[2], room: (item, values) => 30 + item.length + 8 * values.length,"
                "reach: (item, values) => 60 + item.length + 8 * values.length})",
                places,
                opened,
                across,
            )
            assert [node["item"] for node in theirs["nodes"]] == [node.item for node in ours.nodes]
            assert np.allclose(
                [[node[key] for key in ("x", "y", "width", "height")] for node in theirs["nodes"]],
                [[node.x, node.y, node.width, node.height] for node in ours.nodes],
            )
            assert np.allclose(
                [[curve[key] for key in ("x0", "y0", "x1", "y1", "bend")] for curve in theirs["curves"]],
                [[curve.x0, curve.y0, curve.x1, curve.y1, curve.bend] for curve in ours.curves],
            )


def test_code_that_loads_its_arrays_says_how_to_get_both_files(browser: Browser):
    shown(browser, network(3, 4, 2))
    assert browser.count(".of-code .pane > p.note") == 0
    shown(browser, network(300, 40, 2))
    note = browser.evaluate("document.querySelector('.of-code .pane > p.note').textContent")
    assert "arrays.npz" in note and "explanation.program.save(" in note and "--program" in note


# ---- numbers


def test_a_cell_shows_its_own_formula_and_the_engines_number(browser: Browser):
    explanation = network(3, 4, 2)
    browser.resize(1500, 900)
    shown(browser, explanation)
    browser.click(".node.leaf.parameter")
    browser.click("[data-cell='2,1']")
    weight = explanation.trace.named("0.weight")
    assert weight.gradient is not None
    assert browser.text(".element h4") == "Element [2, 1] written out"
    line = browser.evaluate("document.querySelector('.element .arithmetic').textContent").replace(" ", "")
    assert line.endswith(f"={weight.gradient[2, 1]:.4f}".replace("-", "−"))
    assert browser.text(".compared .note").startswith("✓ the engine has ")
    assert browser.count(".cell.chosen") == 2


def test_a_long_sum_shows_its_first_terms_and_counts_the_others(browser: Browser):
    shown(browser, network(30, 6, 2, batch=2))
    browser.press("Home", "ArrowRight")
    assert "… (26 more)" in heard(browser)


def test_a_gradient_that_many_time_steps_add_to_shows_its_first_parts_and_counts_the_others(browser: Browser):
    lstm = dr.nn.LSTM(2, 2, batch_first=True)
    x = dr.tensor(np.random.default_rng(0).normal(size=(1, 30, 2)).astype(np.float32))
    shown(browser, explain(dr.sum(lstm(x)[0]), model=lstm))
    browser.click(".node.group .opener")
    browser.press("End")
    said = heard(browser)
    assert "lstm_cell" in said and "… (26 more)" in said and len(said) < 3000


def test_a_large_array_is_a_heat_map_whose_cells_can_be_chosen(browser: Browser):
    browser.resize(1500, 900)
    shown(browser, network(40, 30, 2))
    browser.click(".node.leaf.parameter")
    assert browser.count("canvas.heat") == 2
    painted = """(() => {
        const heat = document.querySelector('canvas.heat');
        const pixels = heat.getContext('2d').getImageData(0, 0, heat.width, heat.height).data;
        return [heat.width, heat.height, new Set(pixels).size];
    })()"""
    width, height, colours = browser.evaluate(painted)
    assert (width, height) == (40, 30) and colours > 20
    browser.evaluate("document.querySelector('canvas.heat').scrollIntoView({block: 'center'})")
    browser.click("canvas.heat")
    assert browser.count(".heat-mark") == 2
    assert browser.text(".element h4") in ("Element [14, 19] written out", "Element [15, 20] written out")
    assert browser.count(".compared .bad") == 0 and browser.count(".compared .good") > 0


def test_images_stand_side_by_side_in_a_heat_map(browser: Browser):
    """A row of tiles for each sample, a tile for each channel, and each cell is the element that it shows."""
    browser.resize(1500, 900)
    x = dr.tensor(np.arange(2 * 3 * 5 * 7, dtype=np.float32).reshape(2, 3, 5, 7), requires_grad=True)
    x.name = "x"
    shown(browser, explain(dr.sum(x * x)))
    browser.click(".node.leaf.input")
    assert browser.evaluate("(heat => [heat.width, heat.height])(document.querySelector('canvas.heat'))") == [
        3 * 8 - 1,
        2 * 6 - 1,
    ]
    browser.evaluate("document.querySelector('canvas.heat').focus()")
    # From [0, 0, 0, 0] over the line into the second channel, and down into the second sample.
    browser.press(*["ArrowRight"] * 7, *["ArrowDown"] * 5, "ArrowUp")
    assert browser.text(".heat-note") == "[0, 1, 4, 0] = 63"
    browser.press("ArrowDown", "Enter")
    assert browser.text(".element h4") == "Element [1, 1, 0, 0] written out"
    assert browser.evaluate("document.querySelector('.heat-mark').style.top") == "54.5455%"


def recomputed(browser: Browser, explanation: Explanation) -> tuple[int, float]:
    """(elements that the page computes itself from its formulas, largest difference from the engine's)."""
    check = """
    const found = [];
    for (const equation of equations.values()) {
      if (!equation.tree || equation.defines === null) continue;
      const { value, array } = namedArray({ e: equation.tree.left.name, grad: equation.tree.left.grad });
      if (!value || value.shares?.length > 1 && stepsOfEquation.get(equation.id).size === 1) continue;
      const flat = elements(array);
      const size = Math.max(...flat.map(Math.abs), 1e-6);
      for (let i = 0; i < Math.min(flat.length, 40); i++) {
        const made = evaluate(equation.tree.right, indicesOf(equation.tree.left, indexOf(array.shape, i)));
        found.push(Math.abs(made - flat[i]) / size);
      }
    }
    window.recomputed = [found.length, Math.max(...found)];
    """
    words = Words("en")
    # The page's views are not needed here.
    script = explanation_script().rpartition("// The page: its four views")[0] + check
    assert FILES[-1] == "page"
    page = document(
        "", tag("div", id="explanation"), words=words, script=script, data=page_data(explanation, words)
    )
    browser.open(page)
    assert browser.console_errors() == []
    browser.wait_until("window.recomputed !== undefined")
    count, largest = browser.evaluate("window.recomputed")
    return count, largest


def convolution() -> Explanation:
    model = dr.nn.Sequential(
        dr.nn.Conv2d(1, 2, 3, padding=1),
        dr.nn.ReLU(),
        dr.nn.MaxPool2d(2),
        dr.nn.Flatten(),
        dr.nn.Linear(8, 2),
    )
    x = dr.tensor(np.random.default_rng(1).normal(size=(2, 1, 4, 4)).astype(np.float32))
    return explain(dr.cross_entropy(model(x), dr.tensor(np.array([0, 1]))), model=model)


def special_functions() -> Explanation:
    x = dr.tensor([0.3, -1.2, 2.5, -3.5], dtype="float64", requires_grad=True)
    return explain(dr.sum(dr.erf(x) * dr.sigmoid(x) + dr.where(x > 0, dr.sqrt(dr.abs(x)), dr.exp(x))))


@pytest.mark.parametrize("make", [neuron, lambda: network(3, 4, 2), convolution, special_functions])
def test_the_page_computes_every_formula_as_the_engine_does(browser: Browser, make: Any):
    count, largest = recomputed(browser, make())
    assert count > 8 and largest < 2e-6


# ---- keys, sizes, languages, print


def test_keys_open_groups_and_show_their_list(browser: Browser):
    shown(browser, neuron())
    browser.evaluate("document.querySelector('.node.group').focus()")
    browser.press("Enter")
    assert browser.count(".container") == 1
    # The focus stays with the group, which the same key closes.
    browser.press("Space")
    assert browser.count(".container") == 0
    browser.press("?")
    assert browser.visible("dialog[open]") and "Home" in browser.text("dialog")
    browser.press("Escape")
    assert not browser.visible("dialog")


def test_the_space_bar_chooses_a_group_and_what_has_none(browser: Browser):
    browser.resize(1500, 900)
    shown(browser, neuron())
    browser.evaluate("document.querySelector('.node.group').focus()")
    browser.press("Space")
    assert browser.count(".container") == 0 and browser.count(".node.pinned") == 1
    assert browser.text(".detail h3") == "sigmoid"
    browser.press("Space")
    assert browser.count(".node.pinned") == 0


@pytest.mark.parametrize(
    ("view", "css"),
    [
        ("formulas", ".equation, .legend tr[data-ref]"),
        ("numbers", ".values td[data-ref]"),
        ("code", ".line[data-ref]"),
    ],
)
def test_arrows_lead_through_a_view_and_the_space_bar_chooses(browser: Browser, view: str, css: str):
    browser.resize(1500, 900)
    shown(browser, product_of_sum())
    stops = f"[...document.querySelectorAll('.of-{view} :is({css})')]"
    # Tab stops at one of them.
    assert browser.evaluate(f"{stops}.filter(each => each.tabIndex === 0).length") == 1
    browser.evaluate(f"{stops}[0].focus()")
    browser.press("ArrowDown", "ArrowDown")
    assert browser.evaluate(f"{stops}.indexOf(document.activeElement)") == (4 if view == "numbers" else 2)
    assert all(lit(browser).values()), lit(browser)
    browser.press("Space")
    chosen = browser.evaluate("document.activeElement.dataset.ref")
    browser.evaluate("document.activeElement.blur()")
    assert browser.count(f".view [data-ref={chosen}].pinned") > 0 and all(lit(browser).values())
    # Arrows up and down do not step; those to the sides do.
    assert heard(browser).startswith("all steps")


def test_the_focus_brings_a_node_into_the_picture(browser: Browser):
    browser.resize(390, 844)
    shown(browser, network(3, *[4] * 12, 2))
    browser.evaluate("document.querySelector('.tools button').focus()")
    browser.press("Shift+Tab", "Tab")
    browser.evaluate("document.querySelector('.node').focus()")
    canvas, node = browser.evaluate(
        "['.canvas', '.node'].map(css => document.querySelector(css).getBoundingClientRect().toJSON())"
    )
    assert canvas["top"] <= node["top"] and node["bottom"] <= canvas["bottom"]


def test_tab_reaches_the_controls_the_nodes_and_the_formulas(browser: Browser):
    shown(browser, product_of_sum())
    reached = set()
    for _ in range(40):
        browser.press("Tab")
        reached.add(
            browser.evaluate(
                "document.activeElement.closest('.sweep, .of-graph, .of-formulas, .tabs')?.className ?? ''"
            )
        )
    assert {"sweep", "view of-graph", "view of-formulas", "tabs"} <= reached


def test_focus_lights_up_like_a_pointer(browser: Browser):
    browser.resize(1500, 900)
    shown(browser, product_of_sum())
    browser.hover("header h1")
    for _ in range(30):
        browser.press("Tab")
        if browser.evaluate("document.activeElement.matches('.node')"):
            break
    assert all(lit(browser).values()), lit(browser)


@pytest.mark.parametrize(("width", "height"), [(360, 740), (768, 1024), (1280, 800), (1600, 900)])
def test_every_width_shows_the_views_without_sideways_scrolling(
    browser: Browser, tmp_path: Path, width: int, height: int
):
    browser.resize(width, height)
    shown(browser, network(3, 4, 2))
    browser.press("Home", "ArrowRight", "ArrowRight")
    assert browser.overflow() <= 0
    assert browser.visible(".view.of-graph") and browser.visible(".view.of-formulas")
    seen = [view for view in VIEWS if browser.visible(f".view.of-{view}")]
    assert len(seen) == (2 if 900 < width < 1400 else 4)
    bar = browser.evaluate("document.querySelector('.sweep').getBoundingClientRect().toJSON()")
    assert bar["top"] >= 0 and bar["bottom"] <= height + 1
    picture = tmp_path / "page.png"
    browser.screenshot(picture)
    # An empty page packs far smaller.
    assert picture.stat().st_size > 15_000
    assert browser.console_errors() == []


def test_tabs_change_the_view_beside_the_graph(browser: Browser):
    shown(browser, product_of_sum())
    browser.click(".tabs [data-view=code]")
    assert browser.visible(".view.of-code") and not browser.visible(".view.of-formulas")
    assert browser.visible(".view.of-graph")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_paper(browser: Browser, scheme: str):
    browser.prefer(scheme)
    shown(browser, product_of_sum())
    brightness = browser.evaluate(
        """['.of-graph .node .title', 'body'].map((css) => {
            const style = getComputedStyle(document.querySelector(css));
            const text = css === 'body' ? style.backgroundColor : style.fill;
            return text.match(/[0-9.]+/g).slice(0, 3).reduce((sum, each) => sum + Number(each), 0);
        })"""
    )
    assert abs(brightness[0] - brightness[1]) > 400


def test_every_formula_is_set_when_it_comes_into_view_or_print(browser: Browser):
    shown(browser, network(3, 4, 4, 4, 4, 2))
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    sizes = browser.evaluate(
        """[...document.querySelectorAll('.equation math')].map((each) => {
            const place = each.getBoundingClientRect();
            return place.width * place.height;
        })"""
    )
    assert len(sizes) >= browser.count(".equation") > 20 and min(sizes) > 0


WIDER = """[...document.querySelectorAll('.equation .math')].filter((holder) => {
    const ends = [...holder.querySelectorAll('mi, mn, mo')].map((each) => each.getBoundingClientRect().right);
    return Math.max(...ends) > holder.getBoundingClientRect().right + 1;
}).length"""


@pytest.mark.parametrize("width", [390, 1280])
def test_long_formulas_are_broken_to_the_width_of_their_view(browser: Browser, width: int):
    browser.resize(width, 900)
    shown(browser, dr.explain.example("lstm"))
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert browser.evaluate(WIDER) == 0
    # A sum in brackets has several lines, and its brackets are as high.
    high = """[...document.querySelectorAll('.equation mtable')].some((table) => {
        const bracket = table.parentElement.nextElementSibling;
        return bracket?.textContent === ')' &&
            bracket.getBoundingClientRect().height > 0.9 * table.getBoundingClientRect().height;
    })"""
    assert browser.evaluate(high)
    # In another width they are broken anew.
    browser.resize(1700, 900)
    browser.wait_until("document.querySelectorAll('.equation .math math').length > 4")
    assert browser.evaluate(WIDER) == 0


def test_long_arithmetic_is_broken_too(browser: Browser):
    browser.resize(390, 844)
    shown(browser, network(30, 6, 2, batch=2))
    browser.press("Home", "ArrowRight")
    line = "document.querySelector('.now-arithmetic .arithmetic')"
    assert browser.evaluate(f"{line}.querySelectorAll('mtr').length") > 1
    assert browser.evaluate(f"{line}.scrollWidth - {line}.clientWidth") <= 0


def test_print_shows_all_views_and_no_buttons(browser: Browser):
    shown(browser, network(3, 4, 2))
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    browser.print_media()
    for view in VIEWS:
        assert browser.visible(f".view.of-{view}")
    assert not browser.visible(".sweep") and not browser.visible(".tools")
    clipped = """[...document.querySelectorAll('.scrolls')].filter(
        (each) => getComputedStyle(each).overflowY !== 'visible').length"""
    assert browser.evaluate(clipped) == 0


def test_paper_shows_the_whole_graph_and_the_screen_its_part_again(browser: Browser):
    shown(browser, network(3, *[4] * 12, 2))
    box = "document.querySelector('.canvas').getAttribute('viewBox').split(' ').map(Number)"
    before = browser.evaluate(box)
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    size = browser.evaluate("document.querySelector('.canvas').getBBox()")
    _, top, _, height = browser.evaluate(box)
    assert top <= size["y"] and top + height >= size["y"] + size["height"]
    browser.evaluate("dispatchEvent(new Event('afterprint'))")
    assert browser.evaluate(box) == before


def test_paper_keeps_no_empty_place_about_a_flat_graph(browser: Browser):
    shown(browser, product_of_sum())
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    browser.print_media()
    place, drawing = browser.evaluate(
        "(canvas => [canvas.getBoundingClientRect(), canvas.getBBox()].map(b => b.height / b.width))"
        "(document.querySelector('.canvas'))"
    )
    assert place == pytest.approx(drawing, rel=0.5)


def test_chinese_pages_have_no_english_words_of_ours(browser: Browser):
    shown(browser, neuron(), "zh")
    browser.press("ArrowRight", "ArrowRight")
    assert heard(browser).startswith("前向 1/")
    assert browser.text(".view.of-formulas h2, .tabs button") in ("公式",)
    keys = browser.evaluate(
        "[...document.querySelectorAll('#explanation *')].flatMap(e => [...e.childNodes])"
        ".filter(n => n.nodeType === 3)"
        ".map(n => n.textContent.trim())"
    )
    english = set(Words("en").under("explanation").values()) - set(Words("zh").under("explanation").values())
    assert not english & set(keys)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_word_that_the_page_asks_for_is_there(language: str):
    words = Words(language).under("explanation")
    asked = set(re.findall(r'word\("(\w+)"', explanation_script()))
    asked |= {f"at_{kind}" for kind in ("all", "start", "forward", "seed", "backward")}
    asked |= {f"kind_{kind}" for kind in ("delta", "gradient", "intermediate")}
    asked |= {f"stat_{kind}" for kind in ("min", "max", "mean", "std", "norm", "zeros")}
    assert asked <= set(words)


# ---- what users might do to it


def test_hostile_names_are_text(browser: Browser):
    x = scalar(2.0, HOSTILE)
    y = dr.tensor([[1.0, 2.0]], requires_grad=True)
    y.name = "</script>"
    explanation = explain(dr.sum(x * y), title=HOSTILE)
    shown(browser, explanation)
    browser.click(".node.leaf.input")
    for _ in range(6):
        browser.press("ArrowRight")
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert browser.evaluate("window.hacked === undefined") and browser.count("img") == 0
    assert browser.text("h1") == HOSTILE
    assert HOSTILE in browser.evaluate("document.querySelector('.values').textContent")
    assert browser.console_errors() == [] and browser.requests() == []


def test_values_that_are_not_finite_and_arrays_without_elements_are_shown(browser: Browser):
    x = dr.tensor([float("inf"), 1.0, float("nan")], requires_grad=True)
    empty = dr.tensor(np.zeros((0, 3), np.float32), requires_grad=True)
    shown(browser, explain(dr.sum(x * 2.0) + dr.sum(empty * 2.0)))
    for _ in range(12):
        browser.press("ArrowRight")
    for position in range(browser.count(".node.leaf")):
        browser.evaluate(f"document.querySelectorAll('.node.leaf')[{position}].dispatchEvent("
                         "new MouseEvent('click', {bubbles: true}))")  # fmt: skip
    assert "NaN" in browser.evaluate("document.querySelector('.values').textContent")
    assert browser.console_errors() == []


def test_pages_in_a_notebook_are_apart_and_need_no_rights(browser: Browser, tmp_path: Path):
    cells = [explanation._repr_html_() for explanation in (product_of_sum(), neuron())]
    # The second one as in a notebook that others see: without rights of its own.
    cells[1] = cells[1].replace("<iframe ", '<iframe sandbox="allow-scripts" ')
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!doctype html><meta charset=utf-8><body>{''.join(cells)}</body>", encoding="utf-8")
    browser.open(notebook)
    said = []
    for position in (1, 2):
        with browser.frame(f"iframe:nth-of-type({position})"):
            browser.wait("#explanation[data-ready]")
            browser.evaluate("document.querySelector('.controls [aria-label=\"To the start\"]').click()")
            browser.evaluate("document.querySelector('.controls [aria-label=\"One step on\"]').click()")
            said.append(heard(browser))
            # A link inside of the page leads to its place, and not to the notebook in the frame.
            browser.evaluate("document.querySelector('a.skip').click()")
            assert browser.evaluate("document.activeElement.id") == "main" and browser.count(".node") > 0
    assert [each.split(". ")[0] for each in said] == ["forward 1 of 2", "forward 1 of 5"]
    assert browser.console_errors() == [] and browser.requests() == []


# ---- large


def test_a_network_of_50_layers_is_small_quick_and_can_be_opened(browser: Browser):
    page = network(16, *[32] * 50, 4).html()
    assert len(page.encode()) < 10e6
    browser.open(page)
    browser.wait("#explanation[data-ready]")
    assert browser.first_paint_ms() < 3000
    assert int(browser.evaluate("document.getElementById('explanation').dataset.ready")) < 3000
    browser.press("Home", "ArrowRight", "End")
    browser.click(".tools button:nth-child(5)")
    assert browser.count(".container") > 40
    browser.click(".tools button:nth-child(6)")
    assert browser.count(".container") == 0 and browser.console_errors() == []


def test_200_time_steps_of_an_lstm_are_small_quick_and_can_be_opened(browser: Browser):
    lstm = dr.nn.LSTM(3, 4, batch_first=True)
    x = dr.tensor(np.random.default_rng(0).normal(size=(2, 200, 3)).astype(np.float32))
    page = explain(dr.sum(lstm(x)[0][:, -1]), model=lstm, most_steps=260).html()
    assert len(page.encode()) < 10e6
    browser.open(page)
    browser.wait("#explanation[data-ready]")
    assert browser.first_paint_ms() < 3000
    assert int(browser.evaluate("document.getElementById('explanation').dataset.ready")) < 3000
    browser.click(".node.group .opener")
    assert browser.count(".node.step") >= 200
    browser.press("Home", "ArrowRight", "ArrowRight")
    assert "lstm_cell" in heard(browser) and browser.console_errors() == []
