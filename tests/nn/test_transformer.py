"""Transformer layers against their equations, written with the parts; and their stacks."""

import numpy as np
import pytest

from deltarule import nn
from deltarule.autodiff.check import check_gradients
from deltarule.autodiff.conversion import tensor
from deltarule.operations.activations import gelu


def sequence(*shape, seed=0):
    return tensor(np.random.default_rng(seed).normal(size=shape))


def close(first, second):
    np.testing.assert_allclose(first.numpy(), second.numpy(), rtol=1e-9, atol=1e-12)


OPTIONS = {"dim_feedforward": 12, "dropout": 0.0, "dtype": np.float64}


@pytest.mark.parametrize("activation", ["relu", "gelu", gelu])
def test_encoder_layer_equations(activation):
    x = sequence(2, 5, 8)
    layer = nn.TransformerEncoderLayer(8, 2, activation=activation, **OPTIONS)
    chosen = nn.ReLU() if activation == "relu" else nn.GELU()
    a = layer.norm1(x + layer.self_attn(x, x, x)[0])
    close(layer(x), layer.norm2(a + layer.linear2(chosen(layer.linear1(a)))))
    layer.norm_first = True
    n = layer.norm1(x)
    a = x + layer.self_attn(n, n, n)[0]
    close(layer(x), a + layer.linear2(chosen(layer.linear1(layer.norm2(a)))))


@pytest.mark.parametrize("norm_first", [False, True])
def test_decoder_layer_equations(norm_first):
    x, memory = sequence(2, 3, 8), sequence(2, 5, 8, seed=1)
    layer = nn.TransformerDecoderLayer(8, 2, norm_first=norm_first, **OPTIONS)
    feed_forward = lambda a: layer.linear2(nn.ReLU()(layer.linear1(a)))  # noqa: E731
    if norm_first:
        n = layer.norm1(x)
        a = x + layer.self_attn(n, n, n, is_causal=True)[0]
        b = a + layer.multihead_attn(layer.norm2(a), memory, memory)[0]
        expected = b + feed_forward(layer.norm3(b))
    else:
        a = layer.norm1(x + layer.self_attn(x, x, x, is_causal=True)[0])
        b = layer.norm2(a + layer.multihead_attn(a, memory, memory)[0])
        expected = layer.norm3(b + feed_forward(b))
    close(layer(x, memory, tgt_is_causal=True), expected)


def test_causal_layers_do_not_see_the_future():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, **OPTIONS), 2)
    x = np.random.default_rng(0).normal(size=(1, 6, 8))
    changed = x.copy()
    changed[:, 4:] += 1.0
    before, after = (encoder(tensor(each), is_causal=True).numpy() for each in (x, changed))
    np.testing.assert_allclose(before[:, :4], after[:, :4], rtol=1e-9)
    assert np.abs(before[:, 4:] - after[:, 4:]).min() > 1e-6


def test_padding_does_not_matter():
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, **OPTIONS), 2, nn.LayerNorm(8, dtype=np.float64)
    )
    x = np.random.default_rng(0).normal(size=(2, 6, 8))
    padding = np.zeros((2, 6), bool)
    padding[1, 4:] = True
    together = encoder(tensor(x), src_key_padding_mask=padding).numpy()
    alone = encoder(tensor(x[1:, :4])).numpy()
    np.testing.assert_allclose(together[1:, :4], alone, rtol=1e-9, atol=1e-12)


def test_decoder_masks_reach_every_layer():
    decoder = nn.TransformerDecoder(
        nn.TransformerDecoderLayer(8, 2, **OPTIONS), 2, nn.LayerNorm(8, dtype=np.float64)
    )
    x, memory = sequence(2, 3, 8), sequence(2, 5, 8, seed=1)
    forbidden = ~np.tri(3, dtype=bool)
    close(decoder(x, memory, tgt_mask=forbidden), decoder(x, memory, tgt_is_causal=True))
    padding = np.zeros((2, 5), bool)
    padding[:, 3:] = True
    close(decoder(x, memory, memory_key_padding_mask=padding), decoder(x, memory[:, :3]))
    close(decoder(x, memory, memory_mask=np.broadcast_to(padding[0], (3, 5))), decoder(x, memory[:, :3]))
    visible = np.zeros((2, 3), bool)
    close(decoder(x, memory, tgt_key_padding_mask=visible), decoder(x, memory))


def test_layers_of_a_stack_are_copies():
    layer = nn.TransformerEncoderLayer(8, 2, 12)
    encoder = nn.TransformerEncoder(layer, 3)
    first, second = encoder.layers[0].linear1.weight, encoder.layers[1].linear1.weight
    np.testing.assert_array_equal(first.numpy(), second.numpy())
    assert first is not second
    assert layer.linear1.weight is not first
    x = tensor(np.random.default_rng(0).normal(size=(1, 2, 8)).astype(np.float32))
    (encoder(x) * encoder(x)).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())
    assert (first.grad.numpy() != second.grad.numpy()).any()
    assert encoder(x).node.scope == "layers.2.norm2"


def test_time_first():
    layer = nn.TransformerEncoderLayer(8, 2, batch_first=False, **OPTIONS)
    swapped = nn.TransformerEncoderLayer(8, 2, **OPTIONS)
    swapped.load_state_dict(layer.state_dict())
    x = np.random.default_rng(0).normal(size=(2, 5, 8))
    result = layer(tensor(x.swapaxes(0, 1))).numpy().swapaxes(0, 1)
    np.testing.assert_allclose(result, swapped(tensor(x)).numpy(), rtol=1e-9, atol=1e-12)


def test_dropout_follows_the_mode():
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.5)
    x = tensor(np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32))
    assert (layer(x).numpy() != layer(x).numpy()).any()
    layer.eval()
    np.testing.assert_array_equal(layer(x).numpy(), layer(x).numpy())


def test_gradients():
    layer = nn.TransformerDecoderLayer(4, 2, 6, dropout=0.0, activation="gelu", dtype=np.float64)
    check_gradients(
        lambda x, memory: layer(x, memory, tgt_is_causal=True), sequence(1, 3, 4), sequence(1, 2, 4, seed=1)
    )
