"""Layers: names, layouts and defaults of parameters are PyTorch's; shapes, text and errors."""

import math

import numpy as np
import pytest

from deltarule import nn
from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, DTypeError, OutOfBoundsError, ShapeError
from deltarule.nn.activation import ACTIVATIONS, activation

# Written down from PyTorch's documentation: names, in its order, and shapes of everything a layer saves.
PYTORCH_STATE = [
    (lambda: nn.Linear(3, 2), {"weight": (2, 3), "bias": (2,)}),
    (lambda: nn.Linear(3, 2, bias=False), {"weight": (2, 3)}),
    (lambda: nn.Conv1d(4, 6, 3), {"weight": (6, 4, 3), "bias": (6,)}),
    (lambda: nn.Conv2d(4, 6, (3, 5), groups=2), {"weight": (6, 2, 3, 5), "bias": (6,)}),
    (lambda: nn.Conv2d(4, 6, 3, bias=False), {"weight": (6, 4, 3, 3)}),
    (lambda: nn.ConvTranspose1d(4, 6, 3), {"weight": (4, 6, 3), "bias": (6,)}),
    (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), {"weight": (4, 3, 3, 3), "bias": (6,)}),
    (
        lambda: nn.BatchNorm1d(5),
        {"weight": (5,), "bias": (5,), "running_mean": (5,), "running_var": (5,), "num_batches_tracked": ()},
    ),
    (
        lambda: nn.BatchNorm2d(5, affine=False),
        {"running_mean": (5,), "running_var": (5,), "num_batches_tracked": ()},
    ),
    (lambda: nn.BatchNorm2d(5, track_running_stats=False), {"weight": (5,), "bias": (5,)}),
    (lambda: nn.LayerNorm((3, 4)), {"weight": (3, 4), "bias": (3, 4)}),
    (lambda: nn.LayerNorm(4, bias=False), {"weight": (4,)}),
    (lambda: nn.LayerNorm(4, elementwise_affine=False), {}),
    (lambda: nn.GroupNorm(2, 4), {"weight": (4,), "bias": (4,)}),
    (lambda: nn.RMSNorm(4), {"weight": (4,)}),
    (lambda: nn.Embedding(7, 3), {"weight": (7, 3)}),
    (
        lambda: nn.MultiheadAttention(8, 2),
        {
            "in_proj_weight": (24, 8),
            "in_proj_bias": (24,),
            "out_proj.weight": (8, 8),
            "out_proj.bias": (8,),
        },
    ),
    (
        lambda: nn.MultiheadAttention(8, 2, kdim=5, vdim=6),
        {
            "q_proj_weight": (8, 8),
            "k_proj_weight": (8, 5),
            "v_proj_weight": (8, 6),
            "in_proj_bias": (24,),
            "out_proj.weight": (8, 8),
            "out_proj.bias": (8,),
        },
    ),
    (
        lambda: nn.TransformerEncoderLayer(8, 2, 16),
        {
            "self_attn.in_proj_weight": (24, 8),
            "self_attn.in_proj_bias": (24,),
            "self_attn.out_proj.weight": (8, 8),
            "self_attn.out_proj.bias": (8,),
            "linear1.weight": (16, 8),
            "linear1.bias": (16,),
            "linear2.weight": (8, 16),
            "linear2.bias": (8,),
            "norm1.weight": (8,),
            "norm1.bias": (8,),
            "norm2.weight": (8,),
            "norm2.bias": (8,),
        },
    ),
    (
        lambda: nn.TransformerDecoderLayer(8, 2, 16, bias=False),
        {
            "self_attn.in_proj_weight": (24, 8),
            "self_attn.out_proj.weight": (8, 8),
            "multihead_attn.in_proj_weight": (24, 8),
            "multihead_attn.out_proj.weight": (8, 8),
            "linear1.weight": (16, 8),
            "linear2.weight": (8, 16),
            "norm1.weight": (8,),
            "norm2.weight": (8,),
            "norm3.weight": (8,),
        },
    ),
    (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(2, 1, 2, bias=False), 2, norm=nn.LayerNorm(2)
        ),
        {
            **{
                f"layers.{layer}.{name}": shape
                for layer in (0, 1)
                for name, shape in {
                    "self_attn.in_proj_weight": (6, 2),
                    "self_attn.out_proj.weight": (2, 2),
                    "linear1.weight": (2, 2),
                    "linear2.weight": (2, 2),
                    "norm1.weight": (2,),
                    "norm2.weight": (2,),
                }.items()
            },
            "norm.weight": (2,),
            "norm.bias": (2,),
        },
    ),
]


@pytest.mark.parametrize(("make", "expected"), PYTORCH_STATE)
def test_state_has_pytorchs_names_and_shapes(make, expected):
    module = make()
    found = {name: values.shape for name, values in module.state_dict().items()}
    assert found == expected
    assert list(found) == list(expected)
    other = make()
    other.load_state_dict(module.state_dict())
    for name, values in other.state_dict().items():
        np.testing.assert_array_equal(values, module.state_dict()[name])


@pytest.mark.parametrize(
    ("make", "fan_in"),
    [
        (lambda: nn.Linear(50, 400), 50),
        (lambda: nn.Conv1d(6, 300, 5), 30),
        (lambda: nn.Conv2d(8, 300, 3, groups=2), 36),
        # PyTorch counts the fan-in of a transposed convolution on its second axis.
        (lambda: nn.ConvTranspose2d(200, 4, 3), 36),
    ],
)
def test_default_initialisation_is_uniform_within_one_over_root_fan_in(make, fan_in):
    bound = 1 / math.sqrt(fan_in)
    layer = make()
    weight = layer.weight.numpy()
    assert np.abs(weight).max() <= bound * (1 + 1e-6)
    assert np.abs(weight).max() > 0.95 * bound
    assert weight.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert abs(weight.mean()) < 0.05 * bound
    assert 0 < np.abs(layer.bias.numpy()).max() <= bound


def test_embedding_starts_normal_with_a_zero_padding_row():
    layer = nn.Embedding(500, 20, padding_idx=-1)
    weight = layer.weight.numpy()
    assert weight[:-1].std() == pytest.approx(1.0, rel=0.05)
    assert not weight[499].any()
    assert layer.padding_idx == 499
    layer(tensor([499, 3])).sum().backward()
    assert not layer.weight.grad.numpy()[499].any()
    assert layer.weight.grad.numpy()[3].all()


def test_parameters_follow_dtype():
    for module in (nn.Linear(2, 2, dtype=np.float64), nn.Linear(2, 2).astype(np.float64)):
        assert {each.dtype for each in module.parameters()} == {np.dtype(np.float64)}
    norm = nn.BatchNorm1d(2).astype(np.float64)
    assert norm.running_mean.dtype == np.float64
    assert norm.num_batches_tracked.dtype == np.int64


SHAPES = [
    (lambda: nn.Conv1d(2, 4, 3, stride=2, padding=1), (5, 2, 9), (5, 4, 5)),
    (lambda: nn.Conv2d(2, 4, 3, dilation=2), (5, 2, 9, 8), (5, 4, 5, 4)),
    (lambda: nn.Conv2d(2, 4, (5, 3), padding="same"), (5, 2, 9, 8), (5, 4, 9, 8)),
    (lambda: nn.Conv2d(2, 4, 3, padding="valid"), (5, 2, 9, 8), (5, 4, 7, 6)),
    (lambda: nn.ConvTranspose1d(2, 4, 3, stride=2, output_padding=1), (5, 2, 4), (5, 4, 10)),
    (lambda: nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1), (5, 2, 4, 6), (5, 4, 7, 11)),
    (lambda: nn.MaxPool1d(3, 2), (5, 2, 9), (5, 2, 4)),
    (lambda: nn.MaxPool2d(3, 2, 1), (5, 2, 9, 8), (5, 2, 5, 4)),
    (lambda: nn.MaxPool2d(2, ceil_mode=True), (5, 2, 9, 8), (5, 2, 5, 4)),
    (lambda: nn.MaxPool2d((1, 2), dilation=(1, 2)), (5, 2, 9, 8), (5, 2, 9, 3)),
    (lambda: nn.AvgPool1d(3), (5, 2, 9), (5, 2, 3)),
    (lambda: nn.AvgPool2d(2, stride=1), (5, 2, 9, 8), (5, 2, 8, 7)),
    (lambda: nn.AvgPool2d((3, 2), padding=(1, 0), count_include_pad=False), (5, 2, 9, 8), (5, 2, 3, 4)),
    (lambda: nn.AdaptiveAvgPool2d((3, None)), (5, 2, 9, 8), (5, 2, 3, 8)),
    (lambda: nn.AdaptiveAvgPool2d(1), (5, 2, 9, 8), (5, 2, 1, 1)),
    (lambda: nn.Flatten(), (5, 2, 9, 8), (5, 144)),
    (lambda: nn.Flatten(0, 1), (5, 2, 9, 8), (10, 9, 8)),
    (lambda: nn.Unflatten(1, (2, -1)), (5, 6), (5, 2, 3)),
    (lambda: nn.Unflatten(-1, (2, -1)), (0, 6), (0, 2, 3)),
    (lambda: nn.Identity("anything", goes=True), (5, 6), (5, 6)),
    (lambda: nn.Linear(6, 3), (2, 5, 6), (2, 5, 3)),
    (lambda: nn.LayerNorm((5, 6)), (2, 5, 6), (2, 5, 6)),
    (lambda: nn.RMSNorm(6), (2, 5, 6), (2, 5, 6)),
    (lambda: nn.GroupNorm(2, 6), (2, 6, 3), (2, 6, 3)),
    (lambda: nn.BatchNorm1d(6), (4, 6, 3), (4, 6, 3)),
    (lambda: nn.BatchNorm2d(6), (4, 6, 3, 2), (4, 6, 3, 2)),
]


@pytest.mark.parametrize(("make", "shape", "expected"), SHAPES)
def test_output_shape_and_gradients(make, shape, expected):
    module = make()
    x = Tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32), requires_grad=True)
    y = module(x)
    assert y.shape == expected
    assert y.dtype == np.float32
    (y * y).sum().backward()
    assert x.grad.shape == shape
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.shape == parameter.shape


@pytest.mark.parametrize(
    ("make", "reference"),
    [
        (nn.ReLU, lambda x: np.maximum(x, 0)),
        (lambda: nn.LeakyReLU(0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
        (lambda: nn.ELU(0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
        (nn.Sigmoid, lambda x: 1 / (1 + np.exp(-x))),
        (nn.Tanh, np.tanh),
        (lambda: nn.Softplus(2.0), lambda x: np.log1p(np.exp(2 * x)) / 2),
        (nn.SiLU, lambda x: x / (1 + np.exp(-x))),
        (nn.GELU, lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))),
        (
            lambda: nn.GELU("tanh"),
            lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        ),
        (lambda: nn.Softmax(0), lambda x: np.exp(x) / np.exp(x).sum(0)),
        (nn.LogSoftmax, lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))),
    ],
)
def test_activations(make, reference):
    x = np.random.default_rng(1).normal(size=(3, 4))
    np.testing.assert_allclose(make()(tensor(x)).numpy(), reference(x), rtol=1e-9, atol=1e-12)


def test_activation_by_name():
    for name, kind in ACTIVATIONS.items():
        assert type(activation(name)) is kind
    with pytest.raises(ArgumentError, match=r"expected one of 'relu'.*got 'rellu'"):
        activation("rellu")


REPRS = [
    (nn.Linear(3, 2, bias=False), "Linear(in_features=3, out_features=2, bias=False)"),
    (nn.Conv1d(1, 6, 5), "Conv1d(1, 6, kernel_size=(5,), stride=(1,))"),
    (
        nn.Conv2d(4, 6, 5, 2, padding=2, dilation=3, groups=2, bias=False),
        "Conv2d(4, 6, kernel_size=(5, 5), stride=(2, 2), padding=(2, 2), dilation=(3, 3), groups=2, "
        "bias=False)",
    ),
    (
        nn.Conv2d(1, 6, 5, padding="same"),
        "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), padding='same')",
    ),
    (
        nn.ConvTranspose2d(1, 6, 2, 2, output_padding=1),
        "ConvTranspose2d(1, 6, kernel_size=(2, 2), stride=(2, 2), output_padding=(1, 1))",
    ),
    (nn.MaxPool2d(2), "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
    (nn.AvgPool2d((2, 3)), "AvgPool2d(kernel_size=(2, 3), stride=(2, 3), padding=0)"),
    (nn.AdaptiveAvgPool2d((1, None)), "AdaptiveAvgPool2d(output_size=(1, None))"),
    (nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
    (nn.Unflatten(1, (2, 3)), "Unflatten(dim=1, unflattened_size=(2, 3))"),
    (nn.Identity(), "Identity()"),
    (nn.Dropout(0.2), "Dropout(p=0.2)"),
    (nn.Dropout2d(0.2), "Dropout2d(p=0.2)"),
    (
        nn.BatchNorm1d(3),
        "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
    ),
    (nn.LayerNorm(3), "LayerNorm((3,), eps=1e-05, elementwise_affine=True)"),
    (nn.GroupNorm(1, 3), "GroupNorm(1, 3, eps=1e-05, affine=True)"),
    (nn.RMSNorm(3), "RMSNorm((3,), eps=None, elementwise_affine=True)"),
    (nn.Embedding(3, 2), "Embedding(3, 2)"),
    (nn.Embedding(3, 2, 0), "Embedding(3, 2, padding_idx=0)"),
    (nn.LeakyReLU(), "LeakyReLU(negative_slope=0.01)"),
    (nn.ELU(), "ELU(alpha=1.0)"),
    (nn.GELU("tanh"), "GELU(approximate='tanh')"),
    (nn.Softplus(), "Softplus(beta=1.0)"),
    (nn.Softmax(1), "Softmax(dim=1)"),
    (nn.LogSoftmax(), "LogSoftmax(dim=-1)"),
    (nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
    (nn.MSELoss("sum"), "MSELoss(reduction='sum')"),
]


@pytest.mark.parametrize(("module", "text"), REPRS)
def test_repr(module, text):
    assert repr(module) == text


CONSTRUCTION_ERRORS = [
    (lambda: nn.Linear(0, 2), ArgumentError, "Linear: in_features expected at least 1, got 0"),
    (lambda: nn.Linear(2, 2.5), ArgumentError, "Linear: out_features expected a whole number, got 2.5"),
    (lambda: nn.Linear(True, 2), ArgumentError, "Linear: in_features expected a whole number, got True"),
    (
        lambda: nn.Conv2d(3, 4, 3, groups=2),
        ArgumentError,
        "in_channels expected a multiple of groups=2, got 3",
    ),
    (
        lambda: nn.Conv2d(2, 3, 3, groups=2),
        ArgumentError,
        "out_channels expected a multiple of groups=2, got 3",
    ),
    (lambda: nn.Conv2d(2, 3, (3, 3, 3)), ArgumentError, "kernel_size expected a whole number or 2 of them"),
    (lambda: nn.Conv1d(2, 3, "3"), ArgumentError, "kernel_size expected a whole number, got '3'"),
    (lambda: nn.Conv2d(2, 3, 3, padding=-1), ArgumentError, "padding expected at least 0, got -1"),
    (lambda: nn.Conv2d(2, 3, 3, padding="full"), ArgumentError, "padding expected one of 'valid', 'same'"),
    (lambda: nn.Conv2d(2, 3, 3, 2, "same"), ArgumentError, "padding='same' expected stride 1, got (2, 2)"),
    (
        lambda: nn.ConvTranspose2d(2, 3, 3, padding="same"),
        ArgumentError,
        "ConvTranspose2d: padding expected whole numbers",
    ),
    (
        lambda: nn.ConvTranspose2d(2, 3, 3, output_padding=1),
        ArgumentError,
        "output_padding expected less than stride 1 or dilation 1, got 1",
    ),
    (lambda: nn.MaxPool2d(2, padding=2), ArgumentError, "padding expected at most half of kernel_size 2"),
    (lambda: nn.MaxPool2d(0), ArgumentError, "MaxPool2d: kernel_size expected at least 1, got 0"),
    (lambda: nn.AvgPool1d(2, stride=0), ArgumentError, "AvgPool1d: stride expected at least 1, got 0"),
    (lambda: nn.AdaptiveAvgPool2d(0), ArgumentError, "output_size expected at least 1, got 0"),
    (lambda: nn.AdaptiveAvgPool2d((2, 0)), ArgumentError, "output_size expected at least 1, got 0"),
    (lambda: nn.Unflatten(1, (-1, -1)), ArgumentError, "one of them perhaps -1, got (-1, -1)"),
    (lambda: nn.Unflatten(1, ()), ArgumentError, "sizes of at least 1"),
    (lambda: nn.Dropout(1.5), ArgumentError, "p expected a probability from 0 to 1, got 1.5"),
    (lambda: nn.BatchNorm1d(3, momentum=2), ArgumentError, "momentum expected a number from 0 to 1, got 2"),
    (lambda: nn.BatchNorm1d(3, eps=-1), ArgumentError, "eps expected a number not below 0, got -1"),
    (lambda: nn.LayerNorm("3"), ArgumentError, "normalized_shape expected whole numbers, got '3'"),
    (lambda: nn.GroupNorm(2, 3), ArgumentError, "num_channels expected a multiple of num_groups=2, got 3"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), OutOfBoundsError, "padding_idx expected to be within 3 rows"),
    (lambda: nn.GELU("fast"), ArgumentError, "approximate expected one of 'none', 'tanh'; got 'fast'"),
    (lambda: nn.Softplus(0), ArgumentError, "beta expected a positive number, got 0"),
    (
        lambda: nn.MSELoss("average"),
        ArgumentError,
        "MSELoss: reduction expected one of 'mean', 'sum', 'none'",
    ),
    (lambda: nn.MSELoss("batchmean"), ArgumentError, "reduction expected one of"),
    (
        lambda: nn.MultiheadAttention(9, 2),
        ArgumentError,
        "embed_dim expected a multiple of num_heads=2, got 9",
    ),
    (lambda: nn.MultiheadAttention(8, 2, dropout=-1), ArgumentError, "dropout expected a probability"),
    (
        lambda: nn.TransformerEncoderLayer(8, 2, activation=3),
        DTypeError,
        "activation expected a name or a function, got 3",
    ),
    (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 4), 0),
        ArgumentError,
        "num_layers expected at least 1, got 0",
    ),
]


@pytest.mark.parametrize(("make", "error", "words"), CONSTRUCTION_ERRORS)
def test_construction_errors(make, error, words):
    with pytest.raises(error) as caught:
        make()
    assert words in str(caught.value)


CALL_ERRORS = [
    (lambda: nn.Linear(4, 2), (5, 3), "weight expects 4 input features, x has 3"),
    (lambda: nn.BatchNorm1d(3), (5, 4), "expected 2 or 3 axes with 3 channels on axis 1, got shape (5, 4)"),
    (lambda: nn.BatchNorm1d(3), (5, 4), "Did you mean BatchNorm1d(4)?"),
    (lambda: nn.BatchNorm2d(3), (5, 3), "expected 4 axes with 3 channels on axis 1, got shape (5, 3)"),
    (lambda: nn.GroupNorm(1, 3), (5, 4), "expected 3 channels on axis 1, got shape (5, 4)"),
    (lambda: nn.Unflatten(1, (2, 3)), (5, 7), "expected a size that splits into (2, 3), got 7 (x (5, 7))"),
    (lambda: nn.Unflatten(2, (2, 3)), (5, 6), "dim 2 expected to be an axis of x (5, 6)"),
    (lambda: nn.MultiheadAttention(4, 1), (5, 4), "query expected shape (batch, time, 4), got (5, 4)"),
]


@pytest.mark.parametrize(("make", "shape", "words"), CALL_ERRORS)
def test_call_errors(make, shape, words):
    module = make()
    x = tensor(np.zeros(shape, np.float32))
    arguments = (x, x, x) if isinstance(module, nn.MultiheadAttention) else (x,)
    with pytest.raises(ShapeError) as caught:
        module(*arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 4, 3), nn.LayerNorm(3), nn.MaxPool2d(2)])
def test_wrong_shapes_name_the_layer_in_a_model(layer):
    model = nn.Sequential({"front": nn.Sequential(layer)})
    with pytest.raises(ShapeError, match=r"in layer front\.0"):
        model(tensor(np.zeros((2, 5), np.float32)))
