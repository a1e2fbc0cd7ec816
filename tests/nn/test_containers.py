"""Containers: order, names, positions, replacement, and the names that layers get in the record."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from deltarule import nn
from deltarule.autodiff.conversion import tensor
from deltarule.errors import ArgumentError, DTypeError, OutOfBoundsError, ShapeError
from deltarule.nn.containers import ModuleDict, ModuleList, Sequential


def stack() -> Sequential:
    return Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def test_sequential_applies_modules_in_order():
    model = stack()
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    first, _, last = model
    hidden = np.maximum(x @ first.weight.numpy().T + first.bias.numpy(), 0)
    expected = hidden @ last.weight.numpy().T + last.bias.numpy()
    np.testing.assert_allclose(model(tensor(x)).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_sequential_of_names():
    model = Sequential(OrderedDict(hidden=nn.Linear(3, 4), output=nn.Linear(4, 2)))
    assert list(model.state_dict()) == ["hidden.weight", "hidden.bias", "output.weight", "output.bias"]
    assert model.hidden is model[0]
    assert [name for name, _ in Sequential({"only": nn.ReLU()}).named_children()] == ["only"]


def test_sequential_positions_and_slices():
    model = stack()
    assert len(model) == 3
    assert model[-1] is model[2]
    part = model[1:]
    assert list(part.state_dict()) == ["2.weight", "2.bias"]
    assert part[1] is model[2]
    model[1] = nn.Tanh()
    assert [type(each).__name__ for each in model] == ["Linear", "Tanh", "Linear"]
    assert model.append(nn.ReLU())[3] in model


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Sequential(nn.ReLU), DTypeError, "Give an instance, not the class"),
        (lambda: Sequential(nn.ReLU(), np.tanh), DTypeError, "expected a Module at '1'"),
        (lambda: Sequential({"a.b": nn.ReLU()}), ArgumentError, "a word without dots, got 'a.b'"),
        (lambda: stack()[3], OutOfBoundsError, "position 3 expected to be within 3 modules"),
        (lambda: Sequential()[0], OutOfBoundsError, "It is empty"),
        (lambda: ModuleList([1]), DTypeError, "ModuleList: expected a Module at '0', got 1"),
        (lambda: ModuleList([nn.ReLU()])[-2], OutOfBoundsError, "Positions go from 0 to 0"),
        (lambda: ModuleDict({"": nn.ReLU()}), ArgumentError, "a word without dots"),
        (lambda: ModuleDict({"a": None}), DTypeError, "expected a Module at 'a', got None"),
    ],
)
def test_errors(make, error, words):
    with pytest.raises(error, match=words.replace("(", r"\(")):
        make()


def test_module_list():
    layers = ModuleList(nn.Linear(2, 2) for _ in range(3))
    layers.append(nn.ReLU())
    assert len(layers) == 4
    assert layers[-1] is layers[3]
    assert layers[1:3] == [layers[1], layers[2]]
    replacement = nn.Linear(2, 5)
    layers[0] = replacement
    assert layers[0] is replacement
    assert list(layers.state_dict())[:2] == ["0.weight", "0.bias"]


def test_module_dict():
    heads = ModuleDict({"b": nn.Linear(2, 1)})
    heads["a"] = nn.Linear(2, 3)
    assert list(heads) == ["b", "a"]
    assert list(heads.items()) == [("b", heads["b"]), ("a", heads["a"])]
    assert "a" in heads
    del heads["b"]
    assert len(heads) == 1
    assert list(heads.state_dict()) == ["a.weight", "a.bias"]
    assert list(heads.values()) == [heads["a"]]


class Nested(nn.Module):
    def __init__(self):
        self.blocks = ModuleList([ModuleList([nn.Linear(2, 2)]), Sequential(nn.Linear(2, 2))])
        self.heads = ModuleDict({"main": nn.Linear(2, 2)})

    def forward(self, x):
        return self.heads["main"](self.blocks[1](self.blocks[0][0](x)))


def test_recorded_names_are_the_names_of_the_parameters():
    model = Nested()
    names = []
    node = model(tensor(np.ones((1, 2), np.float32))).node
    while node is not None:
        names.append(node.scope)
        node = node.inputs[0].node
    assert names == ["heads.main", "blocks.1.0", "blocks.0.0"]


def test_an_error_inside_names_the_layer_once():
    model = Nested()
    model.heads["main"] = nn.Linear(7, 2)
    with pytest.raises(ShapeError, match=r"^linear in layer heads\.main: weight expects 7") as caught:
        model(tensor(np.ones((1, 2), np.float32)))
    assert str(caught.value).count("layer") == 1


def test_copies_and_pickles_are_independent():
    model = stack()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
        np.testing.assert_array_equal(other[0].weight.numpy(), model[0].weight.numpy())
        other[0].weight.detach().assign(0.0)
        assert model[0].weight.numpy().any()
        assert other[0]._name == "0"


def test_repr_shows_the_tree():
    assert repr(stack()) == (
        "Sequential(\n"
        "  (0): Linear(in_features=3, out_features=4, bias=True)\n"
        "  (1): ReLU()\n"
        "  (2): Linear(in_features=4, out_features=2, bias=True)\n"
        ")"
    )
