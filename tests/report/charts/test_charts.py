"""Charts: what they show, at which places, and that nothing that users name can break them."""

from __future__ import annotations

import base64
import math
import re
import struct
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest

from deltarule.report.charts.axes import linear_ticks, scale_over
from deltarule.report.charts.charts import Series, bar_chart, heat_map, line_chart, standalone
from deltarule.report.charts.palette import COLOURS
from deltarule.report.charts.picture import shortened, text_width
from deltarule.report.charts.png import data_address
from deltarule.report.document import document, section
from deltarule.report.numbers import figure, shape_text
from deltarule.report.words import Words

NAN, INF = float("nan"), float("inf")


def tree(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def lines(svg: str) -> list[list[tuple[float, float]]]:
    """The points of each polyline."""
    return [
        [tuple(map(float, point.split(","))) for point in each.attrib["points"].split()]  # type: ignore[misc]
        for each in tree(svg).iter("polyline")
    ]


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in tree(svg).iter("text")]


def chart(*series: Series, **options: bool) -> str:
    return line_chart(series, title="Loss", x_label="step", y_label="loss", **options)


def test_a_line_stands_where_its_axes_say() -> None:
    svg = chart(Series("a", [0, 5, 10], [0.0, 1.0, 0.5]))
    (points,) = lines(svg)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.11)
    assert ys[0] > ys[2] > ys[1]
    assert ys[2] - ys[1] == pytest.approx((ys[0] - ys[1]) / 2, abs=0.11)
    ticks = {each.text: float(each.attrib["y"]) for each in tree(svg).iter("text")}
    assert ticks["1.0"] - 4 == pytest.approx(ys[1], abs=0.11)


def test_a_logarithmic_axis_has_powers_of_ten_and_no_place_for_zero() -> None:
    svg = chart(Series("a", [1, 2, 3, 4], [1.0, 1e-3, 0.0, 1e-6]), log_y=True)
    assert {"10⁰", "10⁻³", "10⁻⁶"} & set(texts(svg)) >= {"10⁰", "10⁻⁶"}
    (points,) = lines(svg)
    assert len(points) == 2
    both = chart(Series("a", [1, 10, 100], [1, 10, 100]), log_x=True, log_y=True)
    (points,) = lines(both)
    assert points[1][0] == pytest.approx((points[0][0] + points[2][0]) / 2, abs=0.11)


@pytest.mark.parametrize("missing", [NAN, INF, -INF])
def test_what_is_not_finite_leaves_a_gap(missing: float) -> None:
    svg = chart(Series("a", range(7), [1, 2, missing, 3, 4, missing, 5]))
    assert [len(points) for points in lines(svg)] == [2, 2]
    # The single point behind the last gap is a dot.
    assert "nan" not in svg.lower().replace("a: 6, 5", "") and "inf" not in svg
    assert svg.count("a12.2") == 0 and len(re.findall(r"a2\.2 2\.2", svg)) == 2


def test_long_series_are_thinned_and_keep_their_peaks() -> None:
    y = np.sin(np.arange(100_000) / 500)
    y[54_321] = 9.0
    svg = chart(Series("a", np.arange(100_000), y))
    (points,) = lines(svg)
    assert len(points) <= 400
    assert min(y for _, y in points) < 80 < sorted(y for _, y in points)[1]
    xs = [x for x, _ in points]
    assert xs == sorted(xs)
    gaps = np.where(np.arange(3000) % 3 == 2, NAN, 1.0)
    assert sum(map(len, lines(chart(Series("a", range(3000), gaps))))) <= 1200
    assert len(chart(Series("a", range(3000), gaps))) < 150_000


def test_ten_series_differ_without_colour() -> None:
    series = [Series(f"layer{i}", range(20), np.full(20, float(i))) for i in range(10)]
    drawn = [each for each in tree(chart(*series)).iter("g") if each.attrib.get("class") == "series"]
    signs = set()
    for each in drawn:
        marker = next(iter(each.iter("path")))
        shape = re.sub(r"M[\d.]+ [\d.]+", "", marker.attrib["d"])
        signs.add((shape, "paper" in marker.attrib["fill"]))
    assert len(drawn) == len(signs) == 10
    assert len({each.find("polyline").attrib["stroke"] for each in drawn}) == 10  # type: ignore[union-attr]


def test_dashes_and_names_in_the_legend() -> None:
    svg = chart(Series("train", [0, 1], [1, 2]), Series("validation", [0, 1], [2, 1], dashed=True))
    assert {"train", "validation"} <= set(texts(svg))
    assert svg.count("stroke-dasharray") == 2


@pytest.mark.parametrize(
    "y", [[], [NAN], [0.0], [3.0, 3.0], [1e308, -1e308], [5e-324, 0.0], [1e-300, 1e-290]]
)
@pytest.mark.parametrize("log", [False, True])
def test_odd_values_give_a_drawing_all_the_same(y: list[float], log: bool) -> None:
    svg = chart(Series("a", range(len(y)), y), log_y=log)
    shapes = re.findall(r' (?:d|points|x|y|width|height)="([^"]*)"', svg)
    assert shapes and not any("nan" in each or "inf" in each for each in shapes)


def number(text: str) -> float:
    """What a figure says."""
    match = re.fullmatch(r"(−?)(?:([\d.]+)·)?10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", text)
    if match is None:
        return float(text.replace("−", "-"))
    exponent = match[3].translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
    return float(f"{'-' if match[1] else ''}{match[2] or 1}e{exponent}")


@pytest.mark.parametrize(
    "y", [[1.0, 2.0], [0, 1e-12], [-3e7, 8e7], [1e-5, 9e-5], [99.9, 100.1], [0.1, 123456.0]]
)
@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_few_round_and_distinct(y: list[float], log: bool) -> None:
    scale = scale_over(y, 0, 100, log=log)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 12
    assert len({text for _, text in ticks}) == len(ticks)
    for value, text in ticks:
        assert -0.01 <= scale(value) <= 100.01
        assert number(text) == pytest.approx(value, rel=1e-9, abs=1e-300)


def test_linear_ticks_are_multiples_of_1_2_or_5() -> None:
    assert [text for _, text in linear_ticks(0, 100_000)] == ["0", "2·10⁴", "4·10⁴", "6·10⁴", "8·10⁴", "10⁵"]
    assert [text for _, text in linear_ticks(-0.02, 0.03)] == ["−0.02", "−0.01", "0", "0.01", "0.02", "0.03"]
    assert [text for _, text in linear_ticks(0, 2.3)] == ["0", "0.5", "1.0", "1.5", "2.0"]


def test_bars_run_from_zero_to_their_value() -> None:
    svg = bar_chart(["a", "b", "c"], [2.0, -1.0, NAN], title="Share", value_label="share")
    first, second, missing = tree(svg).iter("rect")
    zero = float(first.attrib["x"])
    assert float(second.attrib["x"]) + float(second.attrib["width"]) == pytest.approx(zero, abs=0.11)
    assert float(first.attrib["width"]) == pytest.approx(2 * float(second.attrib["width"]), rel=0.01)
    assert float(missing.attrib["width"]) < 1
    assert {"2", "−1", "NaN"} <= set(texts(svg))
    assert bar_chart([], [], title="None", value_label="x").count("<rect") == 0
    assert "inf" not in re.sub("<title>.*?</title>", "", bar_chart(["a"], [INF], title="I", value_label="x"))


def heat(values: object, **options: object) -> str:
    return heat_map(values, title="Weight", x_label="in", y_label="out", **options)  # type: ignore[arg-type]


def cells(svg: str) -> list[ElementTree.Element]:
    return [each for each in tree(svg).iter("rect") if each.find("title") is not None]


def test_a_small_matrix_shows_its_numbers_and_names() -> None:
    svg = heat([[1.0, -0.5], [0.0, NAN]], row_names=["r0", "r1"], column_names=["c0", "c1"])
    found = cells(svg)
    assert [each.findtext("title") for each in found] == [
        "r0, c0: 1",
        "r0, c1: −0.5",
        "r1, c0: 0",
        "r1, c1: NaN",
    ]
    assert "plus" in found[0].attrib["fill"] and "minus" in found[1].attrib["fill"]
    strengths = [float(each.attrib.get("fill-opacity", -1)) for each in found]
    assert strengths[0] > strengths[1] > strengths[2] == 0 and strengths[3] == -1
    assert {"r0", "r1", "c0", "c1", "1", "−0.5", "NaN"} <= set(texts(svg))
    other = heat([[1.0, NAN]], missing="none")
    assert "NaN" not in other and "none" in texts(other)


def test_a_diverging_map_is_even_about_zero_and_another_runs_from_least_to_most() -> None:
    found = cells(heat([[2.0, -2.0, 1.0]]))
    assert (
        found[0].attrib["fill-opacity"] == found[1].attrib["fill-opacity"] > found[2].attrib["fill-opacity"]
    )
    found = cells(heat([[1.0, 2.0, 3.0]], diverging=False))
    assert [float(each.attrib["fill-opacity"]) for each in found] == sorted(
        float(each.attrib["fill-opacity"]) for each in found
    )
    assert float(found[0].attrib["fill-opacity"]) == 0


def decoded(svg: str) -> np.ndarray:
    """The pixels of the picture inside a large heat map."""
    image = next(tree(svg).iter("image"))
    raw = base64.b64decode(image.attrib["href"].removeprefix("data:image/png;base64,"))
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", raw[16:24])
    place, body = 8, b""
    while place < len(raw):
        (length,) = struct.unpack(">I", raw[place : place + 4])
        kind, part = raw[place + 4 : place + 8], raw[place + 8 : place + 8 + length]
        assert (
            zlib.crc32(kind + part) == struct.unpack(">I", raw[place + 8 + length : place + 12 + length])[0]
        )
        body += part if kind == b"IDAT" else b""
        place += 12 + length
    lines = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + 4 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 4)


def test_a_large_matrix_is_a_small_picture_that_keeps_outliers() -> None:
    generator = np.random.default_rng(0)
    values = generator.standard_normal((1000, 450))
    values[123, 45] = -50.0
    svg = heat(values)
    assert len(svg) < 150_000
    pixels = decoded(svg)
    assert pixels.shape == (200, 200, 4)
    strongest = np.unravel_index(pixels[..., 3].argmax(), pixels.shape[:2])
    assert strongest == (123 * 200 // 1000, 45 * 200 // 450)
    assert pixels[strongest][2] > pixels[strongest][0]
    assert "1000 × 450" in svg


def test_missing_and_infinite_values_of_a_large_matrix() -> None:
    values = np.ones((40, 40))
    values[0, 0], values[0, 1], values[0, 2] = NAN, INF, -INF
    pixels = decoded(heat(values))
    assert tuple(pixels[0, 1]) == tuple(pixels[5, 5])
    assert pixels[0, 2, 2] > pixels[0, 2, 0]
    red, green, blue, _ = map(int, pixels[0, 0])
    assert max(red, green, blue) - min(red, green, blue) < 40


@pytest.mark.parametrize(
    "values",
    [[[]], np.zeros((0, 4)), [[NAN]], [[0.0]], 3.0, [1.0, 2.0], [[1e308, -1e308]], np.zeros((3, 1000))],
)
@pytest.mark.parametrize("diverging", [True, False])
def test_odd_matrices_give_a_drawing_all_the_same(values: object, diverging: bool) -> None:
    svg = heat(values, diverging=diverging)
    shapes = re.findall(r' (?:d|x|y|width|height|fill-opacity)="([^"]*)"', svg)
    assert shapes and not any("nan" in each or "inf" in each for each in shapes)


def test_names_of_users_are_escaped_everywhere() -> None:
    name = "<script>alert(1)</script>\"'&"
    for svg in (
        line_chart([Series(name, [0, 1], [0, 1])], title=name, x_label=name, y_label=name),
        bar_chart([name], [1.0], title=name, value_label=name),
        heat_map([[1.0]], title=name, x_label=name, y_label=name, row_names=[name], column_names=[name]),
    ):
        assert tree(svg).attrib["aria-label"].startswith(name)
        assert "<script" not in svg


def test_a_chart_is_named_and_described() -> None:
    svg = tree(chart(Series("train", [0, 1], [2.0, 0.5])))
    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-label"] == "Loss. train: 2 → 0.5"
    assert svg.findtext("desc") == "train: 2 → 0.5"


def test_a_file_of_its_own_has_its_colours_and_paper() -> None:
    file = standalone(chart(Series("train", [0, 1], [2.0, 0.5])))
    assert "var(" not in file
    assert file.startswith('<?xml version="1.0"')
    root = ElementTree.fromstring(file)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root[0].attrib["fill"] == COLOURS["paper"][0]
    assert float(root.attrib["width"]) > 100


def contrast(first: str, second: str) -> float:
    """Source: WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [value / 255 for value in bytes.fromhex(colour[1:])]
        red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("column", [0, 1])
def test_text_and_lines_stand_out_from_the_paper(column: int) -> None:
    for paper in ("paper", "panel"):
        for name in ("ink", "quiet", "accent", "good", "bad", "warn", "forward", "backward"):
            assert contrast(COLOURS[name][column], COLOURS[paper][column]) >= 4.5, (name, paper)
    # What is lit up is read too.
    for name in ("ink", "quiet", "accent", "good", "bad", "warn"):
        assert contrast(COLOURS[name][column], COLOURS["mark"][column]) >= 4.5, name
    for number in range(10):
        assert contrast(COLOURS[f"series-{number}"][column], COLOURS["paper"][column]) >= 4.5, number


def test_png_of_one_pixel() -> None:
    address = data_address(np.array([[[1, 2, 3, 4]]], np.uint8))
    assert address.startswith("data:image/png;base64,") and len(address) < 140


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (-0.0, "0"), (7, "7"), (-3, "−3"), (999_999, "999999"), (1e6, "1.0·10⁶"), (0.61, "0.61"),
        (0.5, "0.5"), (-0.12345, "−0.123"), (12.345, "12.3"), (1234.5, "1234"), (99_999.4, "99999"),
        (99_999.5, "1.0·10⁵"), (100_000.5, "1.0·10⁵"), (0.001, "0.001"), (0.00099949, "9.99·10⁻⁴"),
        (0.9996, "1"), (5e-5, "5.0·10⁻⁵"), (1.234e-7, "1.23·10⁻⁷"), (-2.5e12, "−2.5·10¹²"), (INF, "∞"),
        (-INF, "−∞"), (NAN, "NaN"),
        (np.float32(0.1), "0.1"), (5e-324, "4.94·10⁻³²⁴"),
    ],
)  # fmt: skip
def test_figures(value: float, text: str) -> None:
    assert figure(value) == text


def test_figures_are_within_half_a_percent() -> None:
    for exponent in np.linspace(-12, 12, 400):
        value = 10**exponent
        assert math.isclose(number(figure(value)), value, rel_tol=5.1e-3)


def test_shapes_and_shortened_names() -> None:
    assert [shape_text(each) for each in ((), (3,), (2, 3, 4))] == ["()", "3", "2 × 3 × 4"]
    assert shortened("short", 100) == "short"
    long = shortened("encoder.layers.0.attention.in_proj_weight", 150)
    assert text_width(long) <= 150 and "…" in long and long.endswith("weight")
    assert text_width("更新门") > text_width("abc")


def test_the_browser_draws_them_in_light_and_dark(browser) -> None:
    series = [Series(f"layer{i}", range(30), np.exp(-np.arange(30) * 0.1 * (i + 1))) for i in range(10)]
    page = document(
        "Charts",
        section("Lines", line_chart(series, title="Flow", x_label="lag", y_label="‖∂L/∂h‖", log_y=True)),
        section("Bars", bar_chart(["weight", "bias"], [0.4, -0.1], title="Share", value_label="share")),
        section("Heat", heat([[0.4, -0.1]]), heat(np.random.default_rng(0).standard_normal((90, 90)))),
        words=Words("en"),
    )
    browser.open(page)
    assert browser.console_errors() == []
    ink = "getComputedStyle(document.querySelector('svg text')).fill"
    light = browser.evaluate(ink)
    browser.prefer("dark")
    assert browser.evaluate(ink) != light
    # The picture inside the large map decodes.
    assert browser.evaluate("document.querySelector('svg image').href.baseVal.startsWith('data:image/png')")
    browser.resize(390, 844)
    assert browser.overflow() == 0
    assert browser.evaluate(
        "[...document.querySelectorAll('svg')].every(each => each.getBoundingClientRect().width > 300)"
    )
    # No text leaves its drawing.
    assert browser.evaluate(
        "[...document.querySelectorAll('svg text')].every(each => {"
        " const inner = each.getBoundingClientRect(), outer = each.closest('svg').getBoundingClientRect();"
        " return inner.left >= outer.left - 1 && inner.right <= outer.right + 1"
        "  && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1; })"
    )


def test_no_tick_stands_between_whole_numbers():
    def ticks(values, log=False):
        return [text for _, text in scale_over(values, 0, 1, log=log, whole=True).ticks()]

    assert ticks([1, 2, 3]) == ["1", "2", "3"]
    assert ticks([0, 1]) == ["0", "1"]
    assert ticks([40]) == ["40"]
    assert ticks([0, 200]) == ["0", "50", "100", "150", "200"]
    assert len(ticks([0, 0.5, 1])) > 2
    assert ticks([1, 1000], log=True) == ["10⁰", "10¹", "10²", "10³"]
