"""What `dr.explain` says to arguments that are wrong, and that odd but right ones pass."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError, RunError


@pytest.fixture(scope="module")
def model():
    dr.manual_seed(0)
    return dr.nn.Sequential(dr.nn.Linear(3, 4), dr.nn.Tanh(), dr.nn.Linear(4, 2))


@pytest.fixture
def loss(model):
    return dr.cross_entropy(model(dr.ones((2, 3))), dr.tensor([0, 1]))


@pytest.fixture(scope="module")
def recurrent():
    dr.manual_seed(0)
    states, _ = dr.nn.RNN(3, 4)(dr.ones((2, 5, 3)))
    return (states**2).mean()


PAIR = (np.zeros((4, 1), np.float32), np.zeros((4, 1), np.float32))

EXPLAINED = [
    ({"names": ["x"]}, "explain: names expects name -> tensor, got list"),
    ({"names": {1: dr.ones(2)}}, "explain: names expects name -> tensor, got Tensor for 1"),
    ({"names": {"x": 3}}, "explain: names expects name -> tensor, got int for 'x'"),
    ({"model": 3}, "explain: model expects a Module, got int"),
    ({"open": 3}, "explain: open expects names of operations or a function of a step, got int"),
    ({"open": ["crossentropy"]}, "explain: open: there is no 'crossentropy' in the graph. It has add,"),
]


@pytest.mark.parametrize(("options", "says"), EXPLAINED)
@pytest.mark.parametrize("call", ["explain", "derive"])
def test_explain_and_derive(loss, call, options, says):
    with pytest.raises(ArgumentError) as caught:
        getattr(dr.explain, call)(loss, **options)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("most", [-1, "all", True, 1.5])
def test_steps_in_the_record(loss, most):
    with pytest.raises(ArgumentError, match="explain: most_steps expects a whole number"):
        dr.explain(loss, most_steps=most)


@pytest.mark.parametrize("name", ["ltsm", None, []])
def test_examples(name):
    with pytest.raises(ArgumentError, match="explain: there is no example"):
        dr.explain.example(name)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sample": "a"}, "flow: sample expected a whole number, got 'a'"),
        ({"sample": 0.5}, "flow: sample expected a whole number, got 0.5"),
        ({"layers": []}, "flow: layers expected numbers or names, got none"),
        ({"layers": "other"}, "flow: layers expected some of 0: rnn; got 'other'"),
        ({"layers": False}, "flow: layers expected some of 0: rnn; got False"),
        ({"layers": [[0]]}, "flow: layers expected some of 0: rnn; got [0]"),
        ({"layers": 0.5}, "flow: layers expected some of 0: rnn; got 0.5"),
        ({"names": ["W"]}, "flow: names expects name -> tensor, got list"),
    ],
)
def test_flow(recurrent, options, says):
    with pytest.raises(ArgumentError) as caught:
        dr.explain.flow(recurrent, **options)
    assert str(caught.value).startswith(says)


def test_flow_of_one_layer_by_its_name_or_number(recurrent):
    for layers in ("rnn", 0, ["rnn"], [0], np.arange(1)):
        assert len(dr.explain.flow(recurrent, layers=layers).layers) == 1


def test_contributions_of_one_step(recurrent):
    layer = dr.explain.flow(recurrent).layers[0]
    for t, k in ((1.0, 0), (0, "a"), (True, 0)):
        with pytest.raises(ArgumentError, match=r"flow: (entry|step) expected a whole number"):
            layer.contribution("weight_hh", t, k)


def test_flow_of_numbers_that_are_none():
    states, _ = dr.nn.LSTM(3, 4)(dr.tensor(np.full((2, 5, 3), np.nan, np.float32)))
    flow = dr.explain.flow((states**2).mean())
    assert "The rate is unknown" in flow.text()
    assert flow.html()


def test_paths(loss, model):
    for names in (["W"], {"W": 3}):
        with pytest.raises(ArgumentError, match="paths: names expects name -> tensor"):
            dr.explain.paths(loss, model[0].weight, names=names)
    with pytest.raises(ArgumentError, match="paths: open expects True, False or names of operations"):
        dr.explain.paths(loss, model[0].weight, open=3)


def test_the_path_from_a_loss_to_itself(loss):
    found = dr.explain.paths(loss, loss)
    assert found.count == 1
    assert "= =" not in found.text()


def test_gradients_per_sample(loss, model):
    found = dr.explain.sample_gradients(loss, model)
    for ask in (found.hardest, found.against):
        for count in (-1, "a", 1.5):
            with pytest.raises(ArgumentError, match="SampleGradients: count expected a whole number"):
                ask(count)
    for batch in (2.0, {2}):
        with pytest.raises(ArgumentError, match="batch expected tensors or a number of samples"):
            dr.explain.sample_gradients(loss, model, batch=batch)
    assert dr.explain.sample_gradients(loss, model, batch=np.int64(2)).samples == 2
    for axis in ("a", -1):
        with pytest.raises(ArgumentError, match="sample_gradients: axis expected a whole number"):
            dr.explain.sample_gradients(loss, model, axis=axis)


@pytest.mark.parametrize(
    ("factor", "says"),
    [(0.0, "The gradient of the batch is exactly 0."), (np.nan, "The gradient of the batch is not finite")],
)
def test_samples_without_a_direction(model, factor, says):
    loss = (model(dr.ones((3, 3))) * factor).sum()
    text = dr.explain.sample_gradients(loss, model).text()
    assert says in text
    assert "noise" not in text.split("Layer by layer")[0]


@pytest.mark.parametrize("values", ["tanh", 3])
def test_vary(values):
    with pytest.raises(ArgumentError, match="vary: values expected a list"):
        dr.explain.vary("activation", values)


def test_variants_are_named_after_functions():
    assert list(dr.explain.vary("model", [dr.nn.ReLU])) == ["model=ReLU"]


@pytest.mark.parametrize("data", [None, 3, (*PAIR, PAIR[0])])
def test_data_to_compare_on(data):
    with pytest.raises(ArgumentError, match="compare: data expected a data set, its name, a pair"):
        dr.explain.compare({"a": {}}, data, model=lambda: dr.nn.Linear(1, 1), epochs=1)


def test_files_that_cannot_be_written(loss, tmp_path):
    explanation = dr.explain(loss)
    for path in ("", tmp_path, tmp_path / "missing" / "page.html"):
        with pytest.raises(RunError):
            explanation.html(path)
    with pytest.raises(RunError):
        explanation.program.save(tmp_path / "missing" / "program.py")
    assert list(tmp_path.iterdir()) == []


def test_names_of_files_may_hold_anything(loss, tmp_path):
    path = tmp_path / "一 个 页 é.html"
    assert dr.explain(loss).html(path) == path.read_text(encoding="utf-8")
