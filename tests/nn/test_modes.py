"""Layers that behave differently in training and evaluation mode: dropout and batch normalisation."""

import numpy as np
import pytest

from deltarule import nn
from deltarule.autodiff.conversion import tensor
from deltarule.operations.random import manual_seed


def test_dropout_scales_what_it_keeps_and_passes_all_in_evaluation():
    manual_seed(3)
    layer = nn.Dropout(0.25)
    x = tensor(np.ones(20_000, np.float32))
    y = layer(x).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert (layer(x).numpy() != y).any()
    np.testing.assert_array_equal(layer.eval()(x).numpy(), x.numpy())


def test_dropout_gradient_is_its_mask():
    layer = nn.Dropout(0.5)
    x = tensor(np.ones(100, np.float32), requires_grad=True)
    y = layer(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())


def test_dropout_certain_and_impossible():
    x = tensor([1.0, 2.0])
    assert nn.Dropout(0.0)(x).tolist() == [1.0, 2.0]
    assert nn.Dropout(1.0)(x).tolist() == [0.0, 0.0]


def test_dropout2d_drops_whole_channels():
    manual_seed(3)
    layer = nn.Dropout2d(0.25)
    x = tensor(np.ones((100, 50, 2, 3), np.float32))
    sums = layer(x).numpy().sum(axis=(2, 3))
    np.testing.assert_allclose(np.unique(sums), [0.0, 8.0])
    assert (sums == 0).mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_array_equal(layer.eval()(x).numpy(), x.numpy())


@pytest.mark.parametrize(
    ("kind", "shape", "axes"), [(nn.BatchNorm1d, (6, 3), (0,)), (nn.BatchNorm2d, (6, 3, 4, 5), (0, 2, 3))]
)
def test_batch_norm_uses_the_batch_and_then_what_it_saw(kind, shape, axes):
    random = np.random.default_rng(0)
    layer = kind(3, dtype=np.float64)
    layer.weight.detach().assign([1.0, 2.0, 3.0])
    layer.bias.detach().assign([0.5, 0.0, -0.5])
    spread = (3,) + (1,) * (len(shape) - 2)
    weight, bias = layer.weight.numpy().reshape(spread), layer.bias.numpy().reshape(spread)
    running_mean, running_var = np.zeros(3), np.ones(3)
    for step in range(1, 4):
        x = random.normal(2.0, 3.0, shape)
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        expected = (x - mean) / np.sqrt(var + 1e-5) * weight + bias
        np.testing.assert_allclose(layer(tensor(x)).numpy(), expected, rtol=1e-9, atol=1e-9)
        running_mean = 0.9 * running_mean + 0.1 * mean.ravel()
        running_var = 0.9 * running_var + 0.1 * x.var(axes, ddof=1)
        np.testing.assert_allclose(layer.running_mean.numpy(), running_mean, rtol=1e-9)
        np.testing.assert_allclose(layer.running_var.numpy(), running_var, rtol=1e-9)
        assert layer.num_batches_tracked.item() == step
    layer.eval()
    x = random.normal(size=shape)
    expected = (x - running_mean.reshape(spread)) / np.sqrt(
        running_var.reshape(spread) + 1e-5
    ) * weight + bias
    np.testing.assert_allclose(layer(tensor(x)).numpy(), expected, rtol=1e-9, atol=1e-9)
    assert layer.num_batches_tracked.item() == 3
    layer.reset_running_stats()
    assert layer.running_var.tolist() == [1.0, 1.0, 1.0]
    assert layer.num_batches_tracked.item() == 0


def test_batch_norm_without_momentum_averages_all_batches():
    random = np.random.default_rng(1)
    layer = nn.BatchNorm1d(2, momentum=None, dtype=np.float64)
    batches = random.normal(size=(4, 8, 2))
    for batch in batches:
        layer(tensor(batch))
    np.testing.assert_allclose(layer.running_mean.numpy(), batches.mean((0, 1)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(layer.running_var.numpy(), batches.var(1, ddof=1).mean(0), rtol=1e-9)


def test_batch_norm_without_running_values_uses_the_batch_in_evaluation_too():
    layer = nn.BatchNorm1d(2, track_running_stats=False, affine=False, dtype=np.float64).eval()
    x = np.random.default_rng(2).normal(size=(8, 2))
    expected = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    np.testing.assert_allclose(layer(tensor(x)).numpy(), expected, rtol=1e-9, atol=1e-12)


def test_modes_reach_every_module():
    model = nn.Sequential(nn.Sequential(nn.Dropout()), nn.BatchNorm1d(2))
    model.eval()
    assert [module.training for module in model.modules()] == [False] * 4
    model[0].train()
    assert [module.training for module in model.modules()] == [False, True, True, False]


def test_layer_group_and_rms_norm_values():
    x = np.random.default_rng(3).normal(2.0, 3.0, (4, 6, 5))
    layer = nn.LayerNorm((6, 5), dtype=np.float64)
    expected = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(layer(tensor(x)).numpy(), expected, rtol=1e-9, atol=1e-12)
    groups = x.reshape(4, 2, 3, 5)
    expected = (groups - groups.mean((2, 3), keepdims=True)) / np.sqrt(
        groups.var((2, 3), keepdims=True) + 1e-5
    )
    result = nn.GroupNorm(2, 6, dtype=np.float64)(tensor(x)).numpy()
    np.testing.assert_allclose(result, expected.reshape(x.shape), rtol=1e-9, atol=1e-12)
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + np.finfo(np.float64).eps)
    np.testing.assert_allclose(nn.RMSNorm(5, dtype=np.float64)(tensor(x)).numpy(), expected, rtol=1e-9)
