"""Module: what it registers, finds, saves and loads, and how it answers mistakes."""

import gc
import weakref

import numpy as np
import pytest

from deltarule import nn
from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, DTypeError, ShapeError


class Scaled(nn.Module):
    """A layer of one's own, which does not call super().__init__()."""

    def __init__(self):
        self.linear = nn.Linear(3, 2)
        self.scale = nn.Parameter(np.full(2, 2.0, np.float32))
        self.register_buffer("shift", np.ones(2, np.float32))
        self.register_parameter("absent", None)

    def forward(self, x):
        return self.linear(x) * self.scale + self.shift


def test_what_is_assigned_is_found_by_name():
    module = Scaled()
    assert [name for name, _ in module.named_parameters()] == ["scale", "linear.weight", "linear.bias"]
    assert [name for name, _ in module.named_buffers()] == ["shift"]
    assert [name for name, _ in module.named_modules()] == ["", "linear"]
    assert list(module.children()) == [module.linear]
    assert module.absent is None
    assert {"scale", "shift", "linear"} <= set(dir(module))
    assert module(tensor(np.zeros((1, 3), np.float32))).shape == (1, 2)


def test_a_parameter_copies_arrays_and_shares_tensors():
    array, values = np.ones(2, np.float32), tensor([1.0, 1.0])
    for source in (array, values):
        nn.Parameter(source).detach().assign([5.0, 5.0])
    assert array.tolist() == [1.0, 1.0]
    assert values.tolist() == [5.0, 5.0]
    assert nn.Parameter([1.0, 2.0]).dtype == np.float32
    with pytest.raises(DTypeError, match="Parameter"):
        nn.Parameter(np.array([1, 2]))


def test_an_attribute_of_another_kind_takes_the_place():
    module = Scaled()
    module.scale = 3.0
    module.linear = nn.Linear(3, 2, bias=False)
    assert [name for name, _ in module.named_parameters()] == ["linear.weight"]
    del module.linear
    assert not list(module.parameters())
    with pytest.raises(AttributeError, match="Scaled has no attribute 'linear'"):
        _ = module.linear
    with pytest.raises(AttributeError, match="Scaled has no attribute 'linear'"):
        del module.linear


def test_a_shared_parameter_counts_once_and_is_saved_under_both_names():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert set(model.state_dict()) == {"0.weight", "0.bias", "1.weight", "1.bias"}


def test_state_is_a_copy_and_goes_to_another_module():
    module, other = Scaled(), Scaled()
    state = module.state_dict()
    state["scale"][0] = 9.0
    assert module.scale.tolist() == [2.0, 2.0]
    other.load_state_dict(state)
    assert other.scale.tolist() == [9.0, 2.0]
    np.testing.assert_array_equal(other.linear.weight.numpy(), module.linear.weight.numpy())


def test_loading_takes_all_or_nothing():
    module = Scaled()
    before = module.state_dict()
    wrong = {**before, "scale": np.zeros(2), "shift": np.zeros(3)}
    for state, error, words in (
        (wrong, ShapeError, r"shift has shape \(2,\), the given one \(3,\)"),
        ({**before, "scale": np.ones(2, complex)}, DTypeError, "scale expected real numbers, got complex128"),
        ({**before, "scale": np.array(["a", "b"])}, DTypeError, "scale expected real numbers, got <U1"),
        ({"scale": np.zeros(2), "more": 1.0}, ArgumentError, "missing shift, .*; unknown more"),
    ):
        with pytest.raises(error, match=words):
            module.load_state_dict(state)
        for name, values in module.state_dict().items():
            np.testing.assert_array_equal(values, before[name])
    module.load_state_dict({"scale": Tensor(np.zeros(2)), "more": 1.0}, strict=False)
    assert module.scale.tolist() == [0.0, 0.0]
    assert module.scale.dtype == np.float32


def test_modes_gradients_and_types_reach_every_layer():
    module = Scaled()
    assert module.training
    assert module.linear.training
    module.eval()
    assert not module.linear.training
    module(tensor(np.ones((1, 3), np.float32))).sum().backward()
    assert module.linear.weight.grad is not None
    module.zero_grad()
    assert all(parameter.grad is None for parameter in module.parameters())
    module.requires_grad_(False)
    assert not module.linear.weight.requires_grad
    module.astype("float64")
    assert module.linear.weight.dtype == module.shift.dtype == np.float64


def test_a_module_without_options_takes_none():
    with pytest.raises(TypeError, match="ReLU takes no arguments, got inplace=True"):
        nn.ReLU(inplace=True)
    with pytest.raises(TypeError, match=r"Sigmoid takes no arguments, got 0\.5"):
        nn.Sigmoid(0.5)
    with pytest.raises(TypeError, match="Module defines no forward method"):
        nn.Module()(1.0)


def test_training_steps_leave_no_cycles_behind():
    module = Scaled()
    gc.collect()
    gc.disable()
    try:
        output = module(tensor(np.ones((4, 3), np.float32)))
        watched = weakref.ref(output)
        output.sum().backward()
        del output
        assert watched() is None
    finally:
        gc.enable()
