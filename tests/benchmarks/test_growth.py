"""Rows of other sizes, and the plots of growth."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks import growth
from benchmarks.libraries import Implementation
from benchmarks.line_plot import Line, Scale, line_plot
from benchmarks.rows import ROWS, row_named

SVG = "{http://www.w3.org/2000/svg}"


def test_a_row_may_have_other_sizes():
    row = row_named("lstm:time=128,batch=1")
    assert (row.time, row.batch, row.hidden) == (128, 1, 256)
    assert row.name == "lstm:time=128,batch=1" and row.title.endswith("but time=128,batch=1")
    assert row_named("mlp:sizes=784x64x10").sizes == (784, 64, 10)
    assert row_named("gpt") is ROWS["gpt"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lsmt", "got 'lsmt'"),
        ("lstm:tine=3", "got 'tine=3'"),
        ("lstm:time=long", "got 'time=long'"),
        ("lstm:kind=3", "got 'kind=3'"),
    ],
)
def test_unknown_rows_and_sizes_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        row_named(text)


def test_every_axis_ends_where_it_says():
    for _, first, last, name in growth.AXES.values():
        assert first in growth.POWERS and last in growth.POWERS
        assert row_named(name(first)).operations() < row_named(name(last)).operations()
    assert len(row_named(growth.AXES["depth"][3](256)).sizes) == 257


def test_a_logarithmic_scale():
    scale = Scale([3.0, 200.0], 0.0, 30.0, 10)
    assert [round(scale.place(value)) for value in (1, 10, 100, 1000)] == [0, 10, 20, 30]
    assert scale.ticks() == [1, 10, 100, 1000]


def test_a_plot_draws_each_line_in_its_colour():
    lines = [Line("ours", [(1, 1.0), (2, 2.0), (4, 4.0)]), Line("a & b", [(1, 4.0), (4, 1.0)])]
    root = ElementTree.fromstring(line_plot("time < memory", [("ms", lines), ("MiB", lines[:1])]))
    drawn = root.findall(f".//{SVG}polyline")
    assert [len(each.get("points").split()) for each in drawn] == [3, 2, 3]
    assert drawn[0].get("stroke") == drawn[2].get("stroke") != drawn[1].get("stroke")
    # On logarithmic scales proportional growth is straight: its middle point is in the middle.
    xs, ys = zip(*[map(float, point.split(",")) for point in drawn[0].get("points").split()], strict=True)
    assert xs[1] == pytest.approx((xs[0] + xs[2]) / 2, abs=0.1)
    assert ys[1] == pytest.approx((ys[0] + ys[2]) / 2, abs=0.1)


def test_growth_is_measured_and_drawn(tmp_path):
    arguments = ["--axes", "batch", "--largest", "2", "--rounds", "1", "--seconds", "0"]
    growth.main(["--folder", str(tmp_path), "--libraries", "deltarule", *arguments])
    figures = json.loads((tmp_path / "growth.json").read_text())
    assert [each["size"] for each in figures["batch"]] == [1, 2]
    assert all(each["milliseconds"] > 0 and each["peak_mib"] > 10 for each in figures["batch"])
    root = ElementTree.parse(tmp_path / "growth-batch.svg").getroot()
    assert len(root.findall(f".//{SVG}circle")) == 4


def test_points_that_would_take_too_long_are_left_out_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(growth, "reckoned", lambda spent: 500.0 if len(spent) == 2 else 0.0)
    arguments = ["--axes", "batch", "--largest", "8", "--rounds", "1", "--seconds", "0", "--limit", "400"]
    growth.main(["--folder", str(tmp_path), "--libraries", "deltarule", *arguments])
    figures = json.loads((tmp_path / "growth.json").read_text())["batch"]
    assert [each["failure"] for each in figures] == ["", "", *["left out: it would take about 500 s"] * 2]
    assert "deltarule eager stops before 4:" in (tmp_path / "growth-batch.svg").read_text()
    assert "batch 8, deltarule eager: left out: it would take about 500 s" in capsys.readouterr().err


def test_a_point_that_fails_is_the_last_of_its_library():
    plan = growth.Plan(rounds=1, seconds=0.0, first_step=False)
    found = growth.grown("batch", [Implementation("broken", "broken", "numpy")], plan, 2)
    assert [each.failure for _, each in found] == [
        "KeyError: 'broken'",
        "left out: 1 failed (KeyError: 'broken')",
    ]


def test_points_say_their_figures_and_labels_keep_apart():
    line = Line("ours", [(2.0**power, 1.5) for power in range(13)])
    root = ElementTree.fromstring(line_plot("batch", [("ms", [line])], ["a note"]))
    assert root.find(f".//{SVG}circle/{SVG}title").text == "ours, 1: 1.5"
    words = [each.text for each in root.findall(f".//{SVG}text")]
    assert "4,096" in words and "2,048" not in words and "a note" in words
