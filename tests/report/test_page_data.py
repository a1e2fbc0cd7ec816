"""What the page of an explanation reads: whole, consistent, and as large as promised."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest

import deltarule as dr
from deltarule.report.document import json_text
from deltarule.report.page.arrays import FEW, PageArrays
from deltarule.report.page.data import page_data
from deltarule.report.words import Words
from tests.explain.networks_explained import MODELS, numbers

CHOSEN = ["classifier", "LeNet", "LSTM", "tied weights", "transformer layer", "masked LSTM"]


@pytest.fixture(scope="module")
def pages():
    return {name: json.loads(json_text(page_data(dr.explain(MODELS[name]()), Words()))) for name in CHOSEN}


@pytest.mark.parametrize("name", CHOSEN)
def test_everything_that_is_named_is_there(name, pages):
    data = pages[name]
    values, steps = {each["id"] for each in data["values"]}, {each["id"] for each in data["steps"]}
    equations = {each["id"] for each in data["equations"]}
    boxes = {each["id"] for each in data["boxes"]}
    assert data["loss"] in values
    for step in data["steps"]:
        assert {*step["inputs"], *step["outputs"]} <= values
        assert set(step["children"]) <= steps and (step["parent"] is None or step["parent"] in steps)
        assert {*step["forward"], *step["backward"]} <= equations
        assert step["box"] is None or step["box"] in boxes
    for equation in data["equations"]:
        assert set(equation["reads"]) <= values and set(equation["steps"]) <= steps
        assert "<m" in equation["index"] and "<m" in equation["matrix"]
    keys = {f"{kind}{number}" for number in values for kind in "vg"}
    for line in data["code"]:
        assert set(line["refs"]) <= keys and set(line["steps"]) <= steps
    assert {row["ref"] for row in data["legend"]} <= keys | {""}


@pytest.mark.parametrize("name", CHOSEN)
def test_errors_stand_beside_formulas(name, pages):
    found = [each["error"] for each in pages[name]["equations"] if each["error"] is not None]
    assert found and max(found) < 1e-6
    assert (
        pages[name]["largestError"] == pytest.approx(max(found), rel=0.5)
        or max(found) <= pages[name]["largestError"]
    )


@pytest.mark.parametrize("name", CHOSEN)
def test_every_operation_has_its_formulas(name, pages):
    data = pages[name]
    top = [step for step in data["steps"] if step["parent"] is None]
    assert all(step["forward"] for step in top)
    assert all(
        step["backward"] for step in top if any(each is not None for each in step["contributions"] or [1])
    )


@pytest.mark.parametrize("name", CHOSEN)
def test_the_order_is_that_of_computation(name, pages):
    orders = [step["order"] for step in pages[name]["steps"]]
    assert sorted(orders) == list(range(len(orders)))


def test_shares_of_a_branch():
    x = dr.tensor(3.0, requires_grad=True)
    data = page_data(dr.explain(x * x + x, names={"x": x}), Words())
    (value,) = (each for each in data["values"] if each["name"] == "x")
    assert [round(each["share"], 2) for each in value["shares"]] == [0.43, 0.43, 0.14]
    assert [each["array"]["values"] for each in value["shares"]] == [3.0, 3.0, 1.0]


def test_upstream_times_local():
    data = page_data(dr.explain.example("sigmoid-gates"), Words())
    for step in data["steps"]:
        if step["elementwise"] and step["local"]:
            for local, contribution in zip(step["local"], step["contributions"], strict=True):
                if local is not None:
                    assert math.isclose(
                        step["upstream"][0]["values"] * local["values"], contribution["values"]
                    )


def test_small_arrays_are_exact():
    array = numbers(4, 4, requires_grad=False).numpy()
    record = PageArrays([16]).written(array)
    assert record is not None
    assert record["values"] == array.tolist()
    assert record["stats"]["norm"] == pytest.approx(np.linalg.norm(array))


def test_large_arrays_are_whole_where_there_is_room():
    array = np.arange(FEW + 1, dtype=np.float64)
    record = PageArrays([array.size]).written(array)
    assert record is not None
    assert np.array_equal(np.frombuffer(base64.b64decode(record["data"]), "<f4"), array)
    assert record["stats"]["zeros"] == 1


def test_huge_arrays_are_small_pictures():
    array = numbers(3000, 700, requires_grad=False).numpy()
    record = PageArrays([array.size]).written(array)
    assert record is not None and "data" not in record
    assert record["thumb"]["rows"] <= 32 and record["thumb"]["cols"] <= 32
    place, largest = record["some"][0]
    assert abs(largest) == np.abs(array).max() and array[tuple(place)] == largest
    assert len(json.dumps(record)) < 20_000


def test_many_huge_arrays_have_smaller_pictures():
    array = numbers(200, 100, requires_grad=False).numpy()
    sizes = [1_000_000, *[array.size] * 1999]
    record = PageArrays(sizes).written(array)
    assert record is not None and "data" in record  # the first ones still find room
    crowded = PageArrays([1_000_000] * 2000).written(np.resize(array, 1_000_000))
    assert crowded is not None
    assert (crowded["thumb"]["rows"], crowded["thumb"]["cols"]) == (1, 12)
    assert 2000 * len(json.dumps(crowded)) < 2_000_000


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3)),
        np.array([np.nan, np.inf, -np.inf]),
        np.array(np.nan),
        np.array([True, False]),
        np.arange(3),
    ],
)
def test_odd_arrays_are_json(array):
    record = PageArrays([array.size]).written(array)
    text = json.dumps(record, allow_nan=False)
    assert json.loads(text)["shape"] == list(array.shape)


def test_none_is_none():
    assert PageArrays([]).written(None) is None
