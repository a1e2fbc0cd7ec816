"""The summary's counts against numbers worked out by hand, and what it leaves as it was."""

import numpy as np
import pytest

from deltarule import nn
from deltarule.autodiff.conversion import tensor
from deltarule.errors import ArgumentError, ShapeError


def row(summary, name):
    return next(each for each in summary.rows if each.name == name)


def test_counts_of_a_convolutional_network():
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(6 * 14 * 14, 10),
    )
    found = nn.summary(model, (3, 1, 28, 28))
    assert [(each.name, each.type) for each in found.rows] == [
        ("0", "Conv2d"),
        ("1", "BatchNorm2d"),
        ("2", "ReLU"),
        ("3", "MaxPool2d"),
        ("4", "Flatten"),
        ("5", "Linear"),
    ]
    convolution, linear = row(found, "0"), row(found, "5")
    assert convolution.output_shape == (3, 6, 28, 28)
    assert convolution.parameters == 6 * 25 + 6
    assert convolution.multiply_adds == 3 * 28 * 28 * 6 * 25
    assert linear.output_shape == (3, 10)
    assert linear.multiply_adds == 3 * 1176 * 10
    assert row(found, "1").parameters == 12
    assert row(found, "1").multiply_adds == 0
    assert found.parameters == found.trainable == 156 + 12 + 11770
    assert found.multiply_adds == convolution.multiply_adds + linear.multiply_adds
    assert found.input_shapes == ((3, 1, 28, 28),)


@pytest.mark.parametrize(
    ("module", "shapes", "cost"),
    [
        (nn.Conv1d(4, 6, 3, groups=2, stride=2), [(2, 4, 9)], 2 * 4 * 6 * 2 * 3),
        (nn.ConvTranspose2d(4, 6, 3, stride=2), [(2, 4, 5, 7)], 2 * 5 * 7 * 4 * 6 * 9),
        (nn.ConvTranspose1d(4, 6, 3), [(2, 4, 5)], 2 * 5 * 4 * 6 * 3),
        (nn.Linear(3, 2), [(4, 5, 3)], 4 * 5 * 6),
        (nn.RNN(3, 4), [(2, 5, 3)], 2 * 5 * (4 * 3 + 4 * 4)),
        (nn.GRU(3, 4, num_layers=2), [(2, 5, 3)], 2 * 5 * 3 * (4 * 3 + 3 * 16)),
        (nn.LSTM(3, 4, bidirectional=True), [(2, 5, 3)], 2 * 5 * 2 * 4 * (12 + 16)),
        (nn.LSTMCell(3, 4), [(2, 3)], 2 * 4 * (12 + 16)),
        # Four projections, scores and weighted means.
        (nn.MultiheadAttention(8, 2), [(3, 5, 8)] * 3, 3 * (4 * 5 * 64 + 2 * 5 * 5 * 8)),
        (nn.MultiheadAttention(8, 2, batch_first=False), [(5, 3, 8)] * 3, 3 * (4 * 5 * 64 + 2 * 5 * 5 * 8)),
        (nn.TransformerEncoderLayer(8, 2, 16), [(3, 5, 8)], 3 * (4 * 5 * 64 + 2 * 5 * 5 * 8 + 2 * 5 * 128)),
        (nn.ReLU(), [(3, 5)], 0),
    ],
)
def test_costs(module, shapes, cost):
    assert nn.summary(module, *shapes).multiply_adds == cost


def test_table():
    model = nn.Sequential({"embedding": nn.Embedding(1000, 4), "output": nn.Linear(4, 2)})
    model.output.requires_grad_(False)
    assert str(nn.summary(model, (5, 3))) == (
        "layer      type        output shape  parameters  multiply-adds\n"
        "--------------------------------------------------------------\n"
        "embedding  Embedding   (5, 3, 4)          4,000              0\n"
        "output     Linear      (5, 3, 2)             10            120\n"
        "--------------------------------------------------------------\n"
        "total      Sequential                     4,010            120\n"
        "input (5, 3); 10 parameters are frozen"
    )


def test_a_single_layer_is_named_by_its_type():
    assert nn.summary(nn.Linear(3, 2), (4, 3)).rows[0].name == "Linear"


def test_inputs_given_as_arrays_and_types():
    assert nn.summary(nn.Embedding(5, 2), np.array([[1, 2]])).rows[0].output_shape == (1, 2, 2)
    assert nn.summary(nn.Identity(), (2,), dtype=np.int64).rows[0].output_shape == (2,)
    double = nn.Linear(3, 2, dtype=np.float64)
    assert nn.summary(double, tensor(np.zeros((4, 3)))).rows[0].output_shape == (4, 2)


class Odd(nn.Module):
    """Calls one layer twice and another never, and shares a parameter."""

    def __init__(self):
        self.unused = nn.Linear(9, 9)
        self.twice = nn.Linear(3, 3, bias=False)
        self.tied = nn.Linear(3, 3, bias=False)
        self.tied.weight = self.twice.weight

    def forward(self, x):
        return self.tied(self.twice(self.twice(x)))


def test_shared_repeated_and_unused_layers():
    found = nn.summary(Odd(), (2, 3))
    assert [each.name for each in found.rows] == ["twice", "tied", "unused"]
    assert row(found, "twice").multiply_adds == 2 * 2 * 9
    assert row(found, "tied").parameters == 0
    assert row(found, "unused").output_shape is None
    assert row(found, "unused").parameters == 90
    assert found.parameters == 99
    assert "not called" in str(found)


def test_nothing_is_changed():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 2))
    model[1].eval()
    before = model.state_dict()
    nn.summary(model, (4, 3))
    assert [module.training for module in model.modules()] == [True, True, False, True]
    for name, values in model.state_dict().items():
        np.testing.assert_array_equal(values, before[name])
    assert all("forward" not in module.__dict__ for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_errors_leave_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(ShapeError, match="linear in layer 0: weight expects 3"):
        nn.summary(model, (4, 5))
    assert "forward" not in model[0].__dict__
    assert model.training
    with pytest.raises(ArgumentError, match="expected the shape of each input, got none"):
        nn.summary(model)
