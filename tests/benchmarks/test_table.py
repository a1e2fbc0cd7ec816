"""Ratios, marks and cells of the table."""

import math

import pytest

from benchmarks import table
from benchmarks.agreement import difference
from benchmarks.libraries import IMPLEMENTATIONS
from benchmarks.machine import Machine, product_speed
from benchmarks.measuring import Measurement
from benchmarks.rows import ROWS

MACHINE = Machine("a processor", 2, "3.11", {"numpy": "2.4"}, {"numpy": 100.0, "jax": 200.0})


def measured(library, rounds, row="mlp", **known):
    return Measurement(ROWS[row], IMPLEMENTATIONS[library], rounds, **known)


def some():
    return [
        measured("deltarule", [2.0, 1.0, 9.0], difference=1e-7, peak_mib=50.4, first_warm=0.256),
        measured("pytorch", [3.0], difference=0.0),
        measured("jax", [4.0], difference=1e-7),
    ]


def test_median_ratio_and_speed():
    found = some()
    assert found[0].milliseconds == 2.0
    assert table.ratio(found[0], found) == 1.5
    assert table.ratio(found[2], found) == 0.75
    assert found[0].gigaflops == pytest.approx(ROWS["mlp"].operations() / 2e-3 / 1e9)


def test_a_peer_that_computes_something_else_is_not_the_best_one():
    found = some()
    found[1].difference = 0.1
    assert table.best_peer(found, "mlp") == 4.0
    assert "1e-01 WRONG" in table.as_text(found, MACHINE)


def test_without_peers_there_is_no_ratio():
    found = some()[:1]
    assert table.ratio(found[0], found) is None


def test_text_and_markdown_have_the_same_cells():
    found = some()
    text, page = table.as_text(found, MACHINE), table.as_markdown(found, MACHINE)
    for cell in ("deltarule eager", "2.00", "1.50", "154", "77 %", "50", "0.26", "1e-07"):
        assert cell in text.splitlines()[1]
        assert cell in page.splitlines()[2]
    assert MACHINE.text() in text and MACHINE.text() in page
    assert text.count(ROWS["mlp"].title) == 1


def test_a_failure_says_why():
    found = [*some()[:2], Measurement(ROWS["mlp"], IMPLEMENTATIONS["jax"], failure="no compiler")]
    assert "failed" in table.as_text(found, MACHINE).splitlines()[3]
    assert f"{ROWS['mlp'].title}, JAX jit: no compiler" in table.as_text(found, MACHINE)
    assert table.record(found[2], found, MACHINE)["milliseconds"] is None


def test_a_whole_run_is_reckoned_or_measured():
    row = ROWS["lecun-1989"]
    reckoned = measured("deltarule", [1.0], row=row.name)
    ran = measured("pytorch", [1.0], row=row.name, whole_run=150.0)
    notes = table.notes([reckoned, ran], MACHINE)
    assert notes[1].endswith("167,693 steps at this pace take 167.7 s")
    assert notes[2].endswith("the whole run of 167,693 steps took 150.0 s")


@pytest.mark.parametrize(
    ("found", "reference", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.0], [1.0, 4.0], 0.5),
        ([0.0], [0.0], 0.0),
        ([1.0], [1.0, 2.0], math.inf),
        ([], [], math.inf),
        ([math.nan], [1.0], math.inf),
        ([1.0], [math.inf], math.inf),
    ],
)
def test_difference(found, reference, expected):
    assert difference(found, reference) == expected


def test_the_limit_is_the_fastest_product():
    assert MACHINE.product_limit == 200.0
    assert product_speed("numpy", seconds=0.0, side=16) > 0
