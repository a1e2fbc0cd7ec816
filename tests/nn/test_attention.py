"""Attention against a plain NumPy reference: masks, heads, weights, layouts, gradients."""

import numpy as np
import pytest

from deltarule import nn
from deltarule.autodiff.check import check_gradients
from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import DTypeError, ShapeError
from deltarule.nn.attention import attention_weights, scaled_dot_product_attention


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def softmax(x):
    exponentials = np.exp(x - x.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def reference(query, key, value, added=0.0, scale=None):
    scores = query @ key.swapaxes(-1, -2) * (scale or query.shape[-1] ** -0.5) + added
    return softmax(scores) @ value


Q, K, V = random(2, 3, 4), random(2, 5, 4, seed=1), random(2, 5, 6, seed=2)
ALLOWED = np.array([[1, 1, 0, 0, 1], [1, 0, 0, 0, 0], [0, 1, 1, 1, 0]], bool)
ADDED = np.where(ALLOWED, random(3, 5, seed=3), -np.inf)
CAUSAL = np.where(np.tri(3, 5, dtype=bool), 0.0, -np.inf)


@pytest.mark.parametrize(
    ("options", "added", "scale"),
    [
        ({}, 0.0, None),
        ({"scale": 0.3}, 0.0, 0.3),
        ({"attn_mask": ALLOWED}, np.where(ALLOWED, 0.0, -np.inf), None),
        ({"attn_mask": ADDED}, ADDED, None),
        ({"attn_mask": ALLOWED[:1]}, np.where(ALLOWED[:1], 0.0, -np.inf), None),
        ({"is_causal": True}, CAUSAL, None),
        ({"is_causal": True, "attn_mask": np.zeros((3, 5))}, CAUSAL, None),
    ],
)
def test_values(options, added, scale):
    result = scaled_dot_product_attention(tensor(Q), tensor(K), tensor(V), **options)
    np.testing.assert_allclose(result.numpy(), reference(Q, K, V, added, scale), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"attn_mask": ALLOWED}, {"attn_mask": ADDED}])
def test_gradients(options):
    check_gradients(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, **options), tensor(Q), tensor(K), tensor(V)
    )


def test_a_learned_mask_gets_its_gradient():
    bias = tensor(np.zeros((3, 5)), requires_grad=True)
    check_gradients(lambda mask: scaled_dot_product_attention(tensor(Q), tensor(K), tensor(V), mask), bias)


@pytest.mark.parametrize("mask", [np.array([[True], [False], [True]]), np.array([[0.0], [-np.inf], [0.0]])])
def test_a_target_that_may_look_at_nothing_gets_zeros(mask):
    query = tensor(Q, requires_grad=True)
    result = scaled_dot_product_attention(query, tensor(K), tensor(V), np.broadcast_to(mask, (3, 5)))
    assert not result.numpy()[:, 1].any()
    np.testing.assert_allclose(result.numpy()[:, [0, 2]], reference(Q, K, V)[:, [0, 2]], rtol=1e-9)
    result.sum().backward()
    assert np.isfinite(query.grad.numpy()).all()
    assert not query.grad.numpy()[:, 1].any()


def test_dropout_drops_weights():
    query, key = tensor(np.zeros((50, 4))), tensor(np.zeros((40, 4)))
    result = scaled_dot_product_attention(query, key, tensor(np.ones((40, 1))), dropout_p=0.5).numpy()
    assert result.std() > 0.05
    assert result.mean() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: attention_weights(tensor(Q), tensor(K[..., :3])), ShapeError, "same number of features"),
        (lambda: attention_weights(tensor(Q[0, 0]), tensor(K)), ShapeError, "same number of features"),
        (
            lambda: scaled_dot_product_attention(tensor(Q), tensor(K), tensor(V[:, :4])),
            ShapeError,
            "value expected 5 sources on the axis before the last",
        ),
        (
            lambda: attention_weights(tensor(Q), tensor(K), np.ones((4, 5), bool)),
            ShapeError,
            "attn_mask expected a shape that broadcasts to (2, 3, 5), got (4, 5)",
        ),
        (
            lambda: attention_weights(tensor(Q), tensor(K), np.ones((3, 5), int)),
            DTypeError,
            "attn_mask expected booleans or floats, got int64",
        ),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def multihead_reference(layer, query, key, value, added=0.0):
    """Head by head, with slices of the matrices."""
    state = {name: values.astype(np.float64) for name, values in layer.state_dict().items()}
    size, heads, width = layer.embed_dim, layer.num_heads, layer.head_dim
    matrices = (
        np.split(state["in_proj_weight"], 3)
        if "in_proj_weight" in state
        else [state[f"{name}_proj_weight"] for name in "qkv"]
    )
    biases = np.split(state.get("in_proj_bias", np.zeros(3 * size)), 3)
    projected = [
        x @ matrix.T + bias for x, matrix, bias in zip((query, key, value), matrices, biases, strict=True)
    ]
    outputs, weights = [], []
    for head in range(heads):
        q, k, v = (each[..., head * width : (head + 1) * width] for each in projected)
        weights.append(softmax(q @ k.swapaxes(1, 2) / np.sqrt(width) + added))
        outputs.append(weights[-1] @ v)
    joined = np.concatenate(outputs, axis=-1)
    bias = state.get("out_proj.bias", 0.0)
    return joined @ state["out_proj.weight"].T + bias, np.stack(weights, axis=1)


def shaken(layer, seed=7):
    """Biases start at zero, where a forgotten one would not show."""
    generator = np.random.default_rng(seed)
    for parameter in layer.parameters():
        parameter.detach().assign(generator.normal(size=parameter.shape) * 0.5)
    return layer


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"kdim": 5, "vdim": 3}])
def test_multihead_values_and_weights(options):
    layer = shaken(nn.MultiheadAttention(8, 2, dtype=np.float64, **options))
    query, key, value = random(2, 3, 8), random(2, 5, layer.kdim, seed=1), random(2, 5, layer.vdim, seed=2)
    output, weights = layer(tensor(query), tensor(key), tensor(value), average_attn_weights=False)
    expected, expected_weights = multihead_reference(layer, query, key, value)
    np.testing.assert_allclose(output.numpy(), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(weights.numpy(), expected_weights, rtol=1e-9, atol=1e-12)
    _, mean = layer(tensor(query), tensor(key), tensor(value))
    np.testing.assert_allclose(mean.numpy(), expected_weights.mean(1), rtol=1e-9, atol=1e-12)
    assert layer(tensor(query), tensor(key), tensor(value), need_weights=False)[1] is None


def test_self_attention_is_attention_with_three_equal_inputs():
    layer = shaken(nn.MultiheadAttention(8, 4, dtype=np.float64))
    x = random(2, 5, 8)
    together = tensor(x)
    output, _ = layer(together, together, together)
    apart, _ = layer(tensor(x), tensor(x), tensor(x))
    np.testing.assert_allclose(output.numpy(), apart.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(output.numpy(), multihead_reference(layer, x, x, x)[0], rtol=1e-9, atol=1e-12)


def test_time_first_is_batch_first_swapped():
    layer = shaken(nn.MultiheadAttention(8, 2, batch_first=False, dtype=np.float64))
    query, key = random(2, 3, 8), random(2, 5, 8, seed=1)
    output, weights = layer(*(tensor(each.swapaxes(0, 1)) for each in (query, key, key)))
    expected, expected_weights = multihead_reference(layer, query, key, key)
    np.testing.assert_allclose(output.numpy().swapaxes(0, 1), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(weights.numpy(), expected_weights.mean(1), rtol=1e-9, atol=1e-12)
    x = tensor(query.swapaxes(0, 1))
    np.testing.assert_allclose(
        layer(x, x, x)[0].numpy().swapaxes(0, 1),
        multihead_reference(layer, query, query, query)[0],
        rtol=1e-9,
        atol=1e-12,
    )


FORBIDDEN = ~ALLOWED
PADDING = np.array([[0, 0, 0, 0, 1], [0, 0, 1, 0, 1]], bool)


def infinite(forbidden):
    return np.where(forbidden, -np.inf, 0.0)


@pytest.mark.parametrize(
    ("masks", "added"),
    [
        ({"attn_mask": FORBIDDEN}, infinite(FORBIDDEN)),
        ({"attn_mask": ADDED}, ADDED),
        ({"key_padding_mask": PADDING}, infinite(PADDING)[:, None]),
        ({"key_padding_mask": infinite(PADDING)}, infinite(PADDING)[:, None]),
        (
            {"attn_mask": FORBIDDEN, "key_padding_mask": PADDING},
            infinite(FORBIDDEN) + infinite(PADDING)[:, None],
        ),
        ({"attn_mask": ADDED, "key_padding_mask": PADDING}, ADDED + infinite(PADDING)[:, None]),
        ({"is_causal": True}, CAUSAL),
        ({"is_causal": True, "key_padding_mask": PADDING}, CAUSAL + infinite(PADDING)[:, None]),
    ],
)
def test_multihead_masks(masks, added):
    layer = shaken(nn.MultiheadAttention(4, 2, dtype=np.float64))
    query, key = random(2, 3, 4), random(2, 5, 4, seed=1)
    output, _ = layer(tensor(query), tensor(key), tensor(key), **masks)
    expected, _ = multihead_reference(layer, query, key, key, added)
    np.testing.assert_allclose(output.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_a_mask_for_each_sequence_and_head():
    layer = shaken(nn.MultiheadAttention(4, 2, dtype=np.float64))
    x = random(3, 4, 4)
    mask = np.random.default_rng(5).random((6, 4, 4)) < 0.4
    mask[:, :, 0] = False
    output, weights = layer(tensor(x), tensor(x), tensor(x), attn_mask=mask, average_attn_weights=False)
    assert not weights.numpy().reshape(6, 4, 4)[mask].any()
    assert np.isfinite(output.numpy()).all()


def test_multihead_dropout_only_in_training():
    layer = nn.MultiheadAttention(4, 2, dropout=0.5)
    x = tensor(random(2, 6, 4).astype(np.float32))
    assert (layer(x, x, x)[0].numpy() != layer(x, x, x)[0].numpy()).any()
    layer.eval()
    np.testing.assert_array_equal(layer(x, x, x)[0].numpy(), layer(x, x, x)[0].numpy())


def test_multihead_starts_with_xavier_and_zero_biases():
    layer = nn.MultiheadAttention(64, 4)
    bound = np.sqrt(6 / (64 + 3 * 64))
    assert 0.95 * bound < np.abs(layer.in_proj_weight.numpy()).max() <= bound * (1 + 1e-6)
    assert not layer.in_proj_bias.numpy().any()
    assert not layer.out_proj.bias.numpy().any()


@pytest.mark.parametrize(
    ("inputs", "masks", "words"),
    [
        (((2, 3, 5), (2, 5, 4), (2, 5, 4)), {}, "query expected shape (batch, time, 4), got (2, 3, 5)"),
        (((2, 3, 4), (2, 5, 4), (2, 6, 4)), {}, "a value for each key"),
        (((2, 3, 4), (1, 5, 4), (1, 5, 4)), {}, "expected one batch"),
        (
            ((2, 3, 4), (2, 5, 4), (2, 5, 4)),
            {"attn_mask": np.zeros((5, 3), bool)},
            "attn_mask expected shape (3, 5) or (4, 3, 5), got (5, 3)",
        ),
        (
            ((2, 3, 4), (2, 5, 4), (2, 5, 4)),
            {"key_padding_mask": np.zeros((2, 3), bool)},
            "key_padding_mask expected shape (2, 5), got (2, 3)",
        ),
    ],
)
def test_multihead_errors(inputs, masks, words):
    layer = nn.MultiheadAttention(4, 2)
    with pytest.raises(ShapeError) as caught:
        layer(*(Tensor(np.zeros(shape, np.float32)) for shape in inputs), **masks)
    assert words in str(caught.value)


def test_integer_masks_are_refused():
    x = Tensor(np.zeros((2, 3, 4), np.float32))
    with pytest.raises(DTypeError, match="key_padding_mask expected booleans or floats, got int64"):
        nn.MultiheadAttention(4, 2)(x, x, x, key_padding_mask=np.zeros((2, 3), int))
