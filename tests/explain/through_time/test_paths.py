"""Paths: exact counts, and contributions that sum to the gradient."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError, GraphError
from deltarule.explain.through_time.paths import paths

EXAMPLE = Path(__file__).parents[3] / "examples" / "through_time.py"


def through_time():
    specification = importlib.util.spec_from_file_location("through_time", EXAMPLE)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def require_sum(found):
    assert found.complete
    assert found.followed + found.vanished == (found.count_by_use if found.each_use else found.count)
    assert found.deviation < 1e-10
    assert found.total == pytest.approx(found.gradient, abs=1e-12)
    if len(found.paths) == found.followed and np.any(found.gradient):
        assert sum(path.share for path in found.paths) == pytest.approx(1)
        total = np.sum([path.contribution for path in found.paths], axis=0)
        assert total == pytest.approx(found.gradient, abs=1e-12)


@pytest.mark.parametrize(("name", "count"), [("W_hx", 6), ("W_hh", 6), ("W_qh", 3)])
def test_three_steps_have_six_paths_and_three(name, count):
    loss, weights = through_time().recorded()
    found = paths(loss, weights[name], names=weights)
    assert (found.target, found.count, found.count_by_use) == (name, count, 2 * count)
    require_sum(found)
    sizes = [path.size for path in found.paths]
    assert sizes == sorted(sizes, reverse=True) == found.sizes.tolist()
    # error · error: the two uses carry half each.
    by_use = paths(loss, weights[name], each_use=True)
    require_sum(by_use)
    assert by_use.followed == 2 * count
    assert by_use.sizes[::2] == pytest.approx(found.sizes / 2)


def test_each_path_is_one_pair_of_steps():
    example = through_time()
    loss, weights = example.recorded()
    found = paths(loss, weights["W_hh"])
    # Steps passed from the loss to the use: one tanh for each.
    passed = sorted(sum(edge.operation == "tanh" for edge in path.edges) for path in found.paths)
    assert passed == [1, 1, 1, 2, 2, 3]
    total, count = example.sum_over_paths()
    assert count["W_hh"] == found.count
    assert found.total == pytest.approx(total["W_hh"])


def test_the_textbook_graph_by_hand():
    x, y, z = (dr.tensor(value, dtype=dr.float64, requires_grad=True) for value in (-2.0, 5.0, -4.0))
    loss = (x + y) * z
    (path,) = paths(loss, x, names={"x": x, "y": y, "z": z}).paths
    assert [(edge.operation, edge.local, edge.size) for edge in path.edges] == [
        ("multiply", -4.0, 4.0),
        ("add", 1.0, 4.0),
    ]
    assert path.edges[-1].value == "x"
    assert path.contribution.item() == -4 and path.share == 1


def test_uses_of_one_value():
    x = dr.tensor(3.0, dtype=dr.float64, requires_grad=True)
    together = paths(x * x, x)
    assert (together.count, together.count_by_use, together.followed) == (1, 2, 1)
    assert together.paths[0].edges[0].local == 6
    apart = paths(x * x, x, each_use=True)
    assert [(path.edges[0].position, path.edges[0].local) for path in apart.paths] == [(0, 3.0), (1, 3.0)]


def test_counts_are_exact_beyond_all_floats():
    x = dr.tensor(0.5, dtype=dr.float64, requires_grad=True)
    y = x
    for _ in range(200):
        y = y * 0.5 + dr.tanh(y)
    found = paths(y, x, width=10, most=5)
    assert found.count == 2**200
    assert found.dropped == 2**200 - found.followed
    assert not found.complete and found.deviation is None
    assert len(found.paths) == 5


def test_the_widest_search_finds_the_largest():
    generator = np.random.default_rng(0)
    x = dr.tensor(0.3, dtype=dr.float64, requires_grad=True)
    y, expected = x, np.ones(1)
    for factor in generator.uniform(0.2, 1.5, size=(7, 2)):
        y = y * factor[0] + y * factor[1]
        expected = np.concatenate([expected * factor[0], expected * factor[1]])
    found = paths(y, x)
    require_sum(found)
    assert found.sizes == pytest.approx(np.sort(expected)[::-1])
    narrow = paths(y, x, width=4)
    # All paths that arrive at a value go on by the same factors, so the largest stays the largest.
    assert narrow.paths[0].size == pytest.approx(expected.max())


def test_paths_that_carry_nothing_are_counted():
    x = dr.tensor([-1.0, -2.0], dtype=dr.float64, requires_grad=True)
    found = paths((dr.relu(x) + x * 2.0).sum(), x)
    assert (found.count, found.followed, found.vanished) == (2, 1, 1)
    require_sum(found)


@pytest.mark.parametrize("kind", [dr.nn.RNN, dr.nn.GRU, dr.nn.LSTM])
def test_recurrent_layers_open_into_cells_and_further(kind):
    generator = np.random.default_rng(0)
    network = kind(2, 3, dtype=dr.float64)
    output, _ = network(dr.tensor(generator.normal(size=(2, 3, 2))))
    loss, name = (output * output).sum(), kind.__name__.lower()
    counts = {}
    for opened in (False, [name], [name, f"{name}_cell"], True):
        found = paths(loss, network.weight_hh_l0, open=opened, width=5000)
        require_sum(found)
        assert found.closed == 0
        counts[str(opened)] = found.count
    values = list(counts.values())
    assert values[0] == 1 and values == sorted(values)
    # 1 + 2 + 3 in a layer with one state; 1 + (1 + 2) + (1 + 2 (1 + 2)) and the last states in an LSTM.
    if kind is not dr.nn.LSTM:
        assert counts[str([name])] == 6


def test_a_gate_as_one_step_and_as_four():
    x = dr.tensor(0.7, dtype=dr.float64, requires_grad=True)
    loss = dr.sigmoid(x) * 2.0
    assert [edge.operation for edge in paths(loss, x).paths[0].edges] == ["multiply", "sigmoid"]
    (path,) = paths(loss, x, open=["sigmoid"]).paths
    assert [edge.operation for edge in path.edges] == ["multiply", "divide", "add", "exp", "negative"]
    assert path.contribution.item() == pytest.approx(paths(loss, x).paths[0].contribution.item())


def test_a_value_in_between_is_a_target():
    x = dr.tensor([1.0, 2.0], dtype=dr.float64, requires_grad=True)
    hidden = dr.tanh(x)
    found = paths((hidden * hidden + hidden).sum(), hidden)
    require_sum(found)
    assert found.count == 2 and found.shape == (2,)


def test_a_zero_gradient_has_no_shares():
    x = dr.tensor(1.0, dtype=dr.float64, requires_grad=True)
    found = paths(x * 2.0 - x * 2.0, x)
    assert [path.share for path in found.paths] == [None, None]
    require_sum(found)


def test_a_path_that_carries_no_number_is_not_one_that_carries_nothing():
    x = dr.tensor([np.nan, 1.0], requires_grad=True)
    found = dr.explain.paths((x * x).sum() + x.sum(), x)
    assert (found.followed, found.vanished) == (2, 0)
    assert sorted(np.isnan(path.size) for path in found.paths) == [False, True]
    assert np.isnan(found.total[0]) and found.html() and found.svg()


def test_no_path_is_listed_where_none_carries_anything():
    x = dr.tensor([0.0, 0.0], requires_grad=True)
    found = dr.explain.paths((x * x).sum(), x)
    assert found.vanished == 1 and not found.paths
    assert "The largest paths" not in found.text() and found.html() and found.svg()


def test_a_loss_of_several_elements_takes_its_upstream():
    x = dr.tensor([1.0, 2.0], dtype=dr.float64, requires_grad=True)
    found = paths(x * x, x, upstream=np.array([1.0, 10.0]))
    assert found.total == pytest.approx([2, 40])
    require_sum(found)


def test_what_cannot_be_answered_says_so():
    x = dr.tensor(1.0, requires_grad=True)
    loss = x * 2.0
    with pytest.raises(GraphError, match="the loss does not depend on this tensor"):
        paths(loss, dr.tensor(1.0, requires_grad=True))
    constant = dr.tensor([1.0, 2.0])
    with pytest.raises(GraphError, match="no gradient can pass"):
        paths((constant * x).sum(), constant)
    with pytest.raises(ArgumentError, match="most expected a whole number from 0, got -1"):
        paths(loss, x, most=-1)
    with pytest.raises(ArgumentError, match="width expected a whole number from 1, got 0"):
        paths(loss, x, width=0)
    with pytest.raises(ArgumentError, match="expected a tensor of the graph, got str"):
        paths(loss, "x")
    with pytest.raises(ArgumentError, match="open: there is no 'lstm' in the graph"):
        paths(loss, x, open=["lstm"])
