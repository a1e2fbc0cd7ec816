"""Layers beside PyTorch's, where it is installed: outputs, gradients and weights over 20 SGD updates."""

import numpy as np
import pytest

from deltarule import nn
from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.tensor import Tensor

torch = pytest.importorskip("torch", reason="PyTorch is not installed: its layers are not compared with")

UPDATES = 20
# Small enough that no layer diverges under random gradients, where rounding would be all that is compared.
LEARNING_RATE = 0.01


def _convolutional(kind):
    return kind.Sequential(
        kind.Conv2d(2, 4, 3, padding=1, bias=False),
        kind.BatchNorm2d(4),
        kind.ReLU(),
        kind.MaxPool2d(2),
        kind.Conv2d(4, 6, 3, stride=2, dilation=2, padding=2, groups=2),
        kind.GELU(),
        kind.AvgPool2d(2, padding=1, count_include_pad=False),
        kind.Flatten(),
    )


# Built from torch.nn and from deltarule.nn by the same lines; then the shapes of the inputs.
LAYERS = {
    "perceptron": (
        lambda kind: kind.Sequential(
            kind.Linear(6, 8), kind.Tanh(), kind.BatchNorm1d(8), kind.Linear(8, 5), kind.Sigmoid()
        ),
        [(7, 6)],
    ),
    "activations": (
        lambda kind: kind.Sequential(
            kind.Linear(6, 8),
            kind.LeakyReLU(0.1),
            kind.Linear(8, 8),
            kind.ELU(0.7),
            kind.Linear(8, 8),
            kind.Softplus(),
            kind.SiLU(),
            kind.GELU("tanh"),
            kind.LogSoftmax(dim=-1),
        ),
        [(7, 6)],
    ),
    "convolution": (_convolutional, [(5, 2, 8, 9)]),
    "signal": (
        lambda kind: kind.Sequential(
            kind.Conv1d(3, 4, 3, padding="same"),
            kind.MaxPool1d(3, 2, 1),
            kind.ConvTranspose1d(4, 2, 3, 2, output_padding=1),
            kind.AvgPool1d(2),
        ),
        [(4, 3, 11)],
    ),
    "transposed convolution": (
        lambda kind: kind.Sequential(
            kind.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
            kind.AdaptiveAvgPool2d((3, 2)),
        ),
        [(3, 4, 4, 5)],
    ),
    "normalisation": (
        lambda kind: kind.Sequential(
            kind.GroupNorm(2, 4), kind.LayerNorm((4, 6)), kind.RMSNorm(6), kind.Flatten(), kind.Linear(24, 3)
        ),
        [(5, 4, 6)],
    ),
    "attention": (
        lambda kind: kind.MultiheadAttention(8, 2, batch_first=True),
        [(3, 4, 8), (3, 5, 8), (3, 5, 8)],
    ),
    "encoder": (
        lambda kind: kind.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True),
        [(3, 5, 8)],
    ),
    "encoder, normalised first": (
        lambda kind: kind.TransformerEncoderLayer(
            8, 2, 12, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        ),
        [(3, 5, 8)],
    ),
    "decoder": (
        lambda kind: kind.TransformerDecoderLayer(8, 2, 12, dropout=0.0, batch_first=True),
        [(3, 4, 8), (3, 5, 8)],
    ),
}


def _peers(make):
    """Our module and PyTorch's with the same weights, both in float64."""
    own, peer = make(nn).astype(np.float64), make(torch.nn).double()
    own.load_state_dict(peer.state_dict())
    return own, peer


def _first(output):
    return output[0] if isinstance(output, tuple) else output


def _update(own, peer):
    for parameter in own.parameters():
        parameter.detach().assign(parameter.numpy() - LEARNING_RATE * parameter.grad.numpy())
        parameter.grad = None
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter -= LEARNING_RATE * parameter.grad
            parameter.grad = None


def _compare_state(own, peer):
    state = peer.state_dict()
    for name, values in own.state_dict().items():
        np.testing.assert_allclose(values, state[name].numpy(), rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_train_like_pytorchs(name):
    make, shapes = LAYERS[name]
    own, peer = _peers(make)
    assert list(own.state_dict()) == list(peer.state_dict())
    random = np.random.default_rng(0)
    for _ in range(UPDATES):
        arrays = [random.normal(size=shape) for shape in shapes]
        inputs = [tensor(array, requires_grad=True) for array in arrays]
        peer_inputs = [torch.from_numpy(array).requires_grad_() for array in arrays]
        output, expected = _first(own(*inputs)), _first(peer(*peer_inputs))
        np.testing.assert_allclose(output.numpy(), expected.detach().numpy(), rtol=1e-7, atol=1e-9)
        upstream = random.normal(size=output.shape)
        output.backward(tensor(upstream))
        expected.backward(torch.from_numpy(upstream))
        for mine, theirs in zip(inputs, peer_inputs, strict=True):
            np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=1e-7, atol=1e-9)
        _update(own, peer)
        _compare_state(own, peer)
    own.eval()
    peer.eval()
    arrays = [random.normal(size=shape) for shape in shapes]
    with torch.no_grad():
        expected = _first(peer(*(torch.from_numpy(array) for array in arrays)))
    output = _first(own(*(tensor(array) for array in arrays)))
    np.testing.assert_allclose(output.numpy(), expected.numpy(), rtol=1e-7, atol=1e-9)


def test_half_precision_weights_of_pytorch_are_widened():
    peer, own = torch.nn.Linear(3, 2).bfloat16(), nn.Linear(3, 2)
    own.load_state_dict(peer.state_dict())
    np.testing.assert_array_equal(own.weight.numpy(), peer.weight.detach().float().numpy())


def test_embedding_trains_like_pytorchs():
    own, peer = _peers(lambda kind: kind.Embedding(6, 3, padding_idx=2))
    random = np.random.default_rng(0)
    for _ in range(UPDATES):
        tokens = random.integers(0, 6, (4, 5))
        output, expected = own(tensor(tokens)), peer(torch.from_numpy(tokens))
        np.testing.assert_array_equal(output.numpy(), expected.detach().numpy())
        upstream = random.normal(size=output.shape)
        output.backward(tensor(upstream))
        expected.backward(torch.from_numpy(upstream))
        _update(own, peer)
        _compare_state(own, peer)


def test_attention_masks_mean_what_pytorchs_mean():
    own, peer = _peers(lambda kind: kind.MultiheadAttention(8, 2, kdim=5, vdim=6, batch_first=True))
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape) for shape in ((3, 4, 8), (3, 5, 5), (3, 5, 6))]
    forbidden = random.random((4, 5)) < 0.4
    forbidden[:, 0] = False
    padding = np.zeros((3, 5), bool)
    padding[1, 3:] = True
    for masks in (
        {"attn_mask": forbidden},
        {"key_padding_mask": padding},
        {"attn_mask": forbidden, "key_padding_mask": padding},
        {"attn_mask": np.where(forbidden, -np.inf, random.normal(size=(4, 5)))},
    ):
        for average in (True, False):
            output, weights = own(*map(tensor, arrays), average_attn_weights=average, **masks)
            with torch.no_grad():
                expected, expected_weights = peer(
                    *map(torch.from_numpy, arrays),
                    average_attn_weights=average,
                    **{name: torch.from_numpy(mask) for name, mask in masks.items()},
                )
            np.testing.assert_allclose(output.numpy(), expected.numpy(), rtol=1e-7, atol=1e-9)
            np.testing.assert_allclose(weights.numpy(), expected_weights.numpy(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("causal", [False, True])
def test_scaled_dot_product_attention_equals_pytorchs(causal):
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape) for shape in ((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 7))]
    own = [tensor(array, requires_grad=True) for array in arrays]
    peers = [torch.from_numpy(array).requires_grad_() for array in arrays]
    output = nn.scaled_dot_product_attention(*own, is_causal=causal)
    expected = torch.nn.functional.scaled_dot_product_attention(*peers, is_causal=causal)
    np.testing.assert_allclose(output.numpy(), expected.detach().numpy(), rtol=1e-7, atol=1e-9)
    output.sum().backward()
    expected.sum().backward()
    for mine, theirs in zip(own, peers, strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=1e-7, atol=1e-9)


LOSSES = {
    "MSELoss": ({}, "numbers"),
    "L1Loss": ({}, "numbers"),
    "HuberLoss": ({"delta": 0.5}, "numbers"),
    "SmoothL1Loss": ({"beta": 0.5}, "numbers"),
    "CrossEntropyLoss": ({"label_smoothing": 0.1, "ignore_index": 1}, "classes"),
    "NLLLoss": ({"ignore_index": 1}, "classes"),
    "MultiMarginLoss": ({"p": 2, "margin": 0.7}, "classes"),
    "BCEWithLogitsLoss": ({}, "answers"),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_equal_pytorchs(name, reduction):
    options, target_kind = LOSSES[name]
    random = np.random.default_rng(0)
    x = random.normal(size=(6, 4))
    target = {
        "numbers": random.normal(size=(6, 4)),
        "classes": np.array([0, 3, 1, 1, 2, 0]),
        "answers": (random.random((6, 4)) < 0.5).astype(np.float64),
    }[target_kind]
    own, peer = Tensor(x, requires_grad=True), torch.from_numpy(x.copy()).requires_grad_()
    value = getattr(nn, name)(reduction=reduction, **options)(own, tensor(target))
    expected = getattr(torch.nn, name)(reduction=reduction, **options)(peer, torch.from_numpy(target))
    np.testing.assert_allclose(value.numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-12)
    value.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(own.grad.numpy(), peer.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, (_, shapes) in LAYERS.items() if len(shapes) == 1])
def test_repr_is_readable_beside_pytorchs(name):
    make, _ = LAYERS[name]
    own, peer = repr(make(nn)).splitlines(), repr(make(torch.nn)).splitlines()
    names = lambda lines: [line.split(":")[0].strip() for line in lines if ":" in line]  # noqa: E731
    assert names(own) == names(peer)
