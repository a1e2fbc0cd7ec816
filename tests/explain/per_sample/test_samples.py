"""Gradients per sample: each equal to what the sample gives alone, and together the gradient of the batch."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError, GraphError
from deltarule.explain.per_sample.contributions import Contributions
from deltarule.explain.per_sample.labelling import Labelling, found_batch
from deltarule.explain.per_sample.samples import sample_gradients

SAMPLES = 5
rng = np.random.default_rng(7)


def normal(*shape):
    return rng.normal(size=shape)


def cross_entropy(model):
    return lambda x, t: dr.cross_entropy(model(x), t)


def by_step(model, reduction="mean"):
    """Loss at each step of a sequence: a sample is a whole sequence."""

    def loss(x, t):
        logits = model(x)
        rows = dr.reshape(logits, (-1, logits.shape[-1]))
        return dr.cross_entropy(rows, dr.reshape(t, (-1,)), reduction=reduction)

    return loss


def masked(layer, output):
    def loss(x, t, present):
        hidden = layer(x, mask=present)[0]
        terms = dr.square(output(hidden) - t) * dr.expand_dims(present, 2)
        return dr.sum(terms)

    return loss


def as64(module):
    return module.astype(np.float64)


def with_cells(cell, output):
    def loss(x, t):
        state = None
        for step in range(x.shape[1]):
            state = cell(x[:, step], state)
        hidden = state[0] if isinstance(state, tuple) else state
        return dr.mse_loss(output(hidden), t)

    return loss


class Tied(dr.nn.Module):
    """The table of an embedding is the output layer too, and, turned round, once more."""

    def __init__(self):
        self.embedding = dr.nn.Embedding(9, 4)

    def forward(self, x):
        hidden = dr.tanh(self.embedding(x))
        return dr.linear(hidden, self.embedding.weight) + hidden @ dr.matrix_transpose(self.embedding.weight)


class Transformer(dr.nn.Module):
    """Positions counted inside, a row in front that all samples share, and a padded sequence."""

    def __init__(self):
        self.tokens, self.places = dr.nn.Embedding(9, 8), dr.nn.Embedding(6, 8)
        self.front = dr.nn.Parameter(normal(1, 1, 8))
        self.layer = dr.nn.TransformerEncoderLayer(8, 2, 12)
        self.output = dr.nn.Linear(8, 3)

    def forward(self, x):
        steps = self.tokens(x) + self.places(dr.arange(x.shape[1]))
        front = dr.broadcast_to(self.front, (x.shape[0], 1, 8))
        return self.output(self.layer(dr.concat([front, steps], axis=1))[:, 0])


class Convolutions(dr.nn.Module):
    def __init__(self):
        self.one = dr.nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2)
        self.norm = dr.nn.GroupNorm(2, 4)
        self.two = dr.nn.Conv2d(4, 4, (2, 3), dilation=(1, 2), padding=2)
        self.slope = dr.nn.Parameter(0.1 + rng.random((4, 1, 1)))
        self.three = dr.nn.Conv1d(4, 2, 3)
        self.output = dr.nn.Linear(2, 3)

    def forward(self, x):
        hidden = self.two(self.norm(self.one(x)))
        hidden = dr.maximum(hidden, hidden * self.slope)
        flat = dr.reshape(hidden, (*hidden.shape[:2], -1))
        return self.output(dr.mean(self.three(flat), axis=2))


class ElementWise(dr.nn.Module):
    """Parameters that meet the data element by element, in several shapes, twice."""

    def __init__(self):
        self.scale, self.shift = dr.nn.Parameter(normal(3)), dr.nn.Parameter(normal(1, 3))
        self.number = dr.nn.Parameter(0.7)
        self.norm, self.rms = dr.nn.LayerNorm(3), dr.nn.RMSNorm(3)
        self.start = dr.nn.Parameter(normal(4, 3))

    def forward(self, x):
        hidden = self.norm(x * self.scale + self.shift) * self.number
        return self.rms(hidden + self.scale) / (self.number + 2.0) + dr.softmax(self.start, axis=0)[1]


def module_cases():
    images, flat = normal(SAMPLES, 2, 9, 8), normal(SAMPLES, 4)
    sequences, tokens = normal(SAMPLES, 6, 3), rng.integers(0, 9, (SAMPLES, 5))
    classes, steps = rng.integers(0, 3, SAMPLES), rng.integers(0, 3, (SAMPLES, 6))
    present = (np.arange(6) < rng.integers(1, 7, SAMPLES)[:, None]).astype(float)
    mlp = as64(dr.nn.models.build("mlp", input_shape=(4,), outputs=3, hidden=(6,)))
    yield "mlp", mlp, cross_entropy(mlp), (flat, classes)
    lenet = as64(
        dr.nn.models.build("lenet", input_shape=(1, 16, 16), outputs=3, channels=(2, 3), hidden=(5,))
    )
    yield "lenet", lenet, cross_entropy(lenet), (normal(SAMPLES, 1, 16, 16), classes)
    convolutions = as64(Convolutions())
    yield "convolutions", convolutions, cross_entropy(convolutions), (images, classes)
    for kind, cell in (
        (dr.nn.RNN, dr.nn.RNNCell),
        (dr.nn.GRU, dr.nn.GRUCell),
        (dr.nn.LSTM, dr.nn.LSTMCell),
    ):
        layer, output = as64(kind(3, 4, num_layers=2, bidirectional=True)), as64(dr.nn.Linear(8, 3))
        both = dr.nn.ModuleList([layer, output])
        yield (
            f"{kind.__name__} step by step",
            both,
            by_step(lambda x, layer=layer, output=output: output(layer(x)[0])),
            (sequences, steps),
        )
        yield (
            f"{kind.__name__} masked",
            both,
            masked(layer, output),
            (sequences, normal(SAMPLES, 6, 3), present),
        )
        one, last = as64(cell(3, 4)), as64(dr.nn.Linear(4, 2))
        yield (
            f"{cell.__name__} in a loop",
            dr.nn.ModuleList([one, last]),
            with_cells(one, last),
            (sequences, normal(SAMPLES, 2)),
        )
    embedding = as64(dr.nn.Sequential(dr.nn.Embedding(9, 4, padding_idx=2), dr.nn.Linear(4, 3)))
    yield "embedding", embedding, by_step(embedding, "sum"), (tokens, rng.integers(0, 3, (SAMPLES, 5)))
    tied = as64(Tied())
    yield "tied weights", tied, by_step(tied), (tokens, rng.integers(0, 9, (SAMPLES, 5)))
    # As many steps as samples: positions must not be taken for samples.
    transformer = as64(Transformer())
    yield "transformer", transformer, cross_entropy(transformer), (tokens, classes)
    elementwise = as64(ElementWise())
    yield (
        "element by element",
        elementwise,
        lambda x: dr.mean(dr.square(elementwise(x))),
        (normal(SAMPLES, 3),),
    )


CASES = list(module_cases())


@pytest.mark.parametrize(("name", "module", "loss", "arrays"), CASES, ids=[case[0] for case in CASES])
def test_each_sample_gives_what_it_gives_alone(name, module, loss, arrays):
    module.eval()
    found = sample_gradients(loss(*(dr.tensor(array) for array in arrays)), module)
    assert found.samples == SAMPLES
    assert found.mixed_by == ()
    parameters = dict(module.named_parameters())
    assert found.names == tuple(parameters)
    for number in range(SAMPLES):
        one = loss(*(dr.tensor(array[number : number + 1]) for array in arrays))
        alone = dr.gradients(one, list(parameters.values()))
        for key, gradient in zip(parameters, alone, strict=True):
            expected = np.zeros(parameters[key].shape) if gradient is None else gradient.numpy()
            np.testing.assert_allclose(
                found.gradients[key][number], expected, rtol=1e-9, atol=1e-12, err_msg=key
            )
    check_sums(found)


def check_sums(found, tolerance=1e-10):
    combine = np.mean if found.reduction == "mean" else np.sum
    for key, gradient in found.batch.items():
        together = combine(found.gradients[key], axis=0)
        scale = max(np.abs(found.gradients[key]).max(), 1e-12)
        np.testing.assert_allclose(together, gradient, rtol=0, atol=tolerance * scale, err_msg=key)


@pytest.mark.parametrize(("name", "module", "loss", "arrays"), CASES, ids=[case[0] for case in CASES])
def test_norms_alone_are_those_of_the_gradients(name, module, loss, arrays, monkeypatch):
    module.eval()
    recorded = loss(*(dr.tensor(array) for array in arrays))
    whole = sample_gradients(recorded, module, keep="gradients")
    # Two samples at a time at most.
    monkeypatch.setattr("deltarule.explain.per_sample.norms.CHUNK", 2 * 8 * 10)
    norms = sample_gradients(recorded, module, keep="norms")
    assert norms.kept == "norms"
    assert not norms.gradients
    for key, parts in whole.gradients.items():
        rows = parts.reshape(SAMPLES, -1)
        mean = whole.batch[key].ravel() / (1 if whole.reduction == "mean" else SAMPLES)
        for found in (whole, norms):
            np.testing.assert_allclose(found.norms[key], np.linalg.norm(rows, axis=1), rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(found.products[key], rows @ mean, rtol=1e-8, atol=1e-11)


def test_no_formula_had_to_be_gone_around():
    for name, module, loss, arrays in CASES:
        found = sample_gradients(loss(*(dr.tensor(array) for array in arrays)), module)
        for key, ways in found.ways.items():
            # Weights that are changed before they meet the data go back through their own kernels.
            changed = (name, key) in {
                ("tied weights", "embedding.weight"),
                ("element by element", "start"),
                ("element by element", "number"),
                ("transformer", "places.weight"),
            }
            assert set(ways) <= ({"formula", "kernel"} if changed else {"formula"}), (name, key)


# ---- what a loss adds up


def linear_case(rows=6):
    model = as64(dr.nn.Linear(3, 2))
    x, t = dr.tensor(normal(rows, 3)), dr.tensor(normal(rows, 2))
    return model, x, t


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda y, t: dr.mse_loss(y, t), "mean"),
        (lambda y, t: dr.mse_loss(y, t, reduction="sum"), "sum"),
        (lambda y, t: dr.mean(dr.sum(dr.square(y - t), axis=1)), "mean"),
        (lambda y, t: dr.sum(dr.mean(dr.square(y - t), axis=1)), "sum"),
        (lambda y, t: dr.sum(dr.square(y - t)) / 6.0, "mean"),
        (lambda y, t: dr.sum(dr.square(y - t)) * (1 / 12), "mean"),
        (lambda y, t: dr.sum(dr.square(y - t)) / 5.0, "sum"),
        (lambda y, t: dr.sum(dr.square(y - t)) * 6.0, "sum"),
        (lambda y, t: 3.0 * dr.mean(dr.square(y - t)) + 1.0, "mean"),
        (lambda y, t: dr.mean(dr.sum(dr.square(y - t), axis=0)), "sum"),
        (lambda y, t: dr.mean(y[:, 0] * t[:, 1]) + dr.mean(dr.abs(y)), "mean"),
    ],
)
def test_mean_or_sum_is_found(loss, expected):
    model, x, t = linear_case()
    found = sample_gradients(loss(model(x), t), model)
    assert found.reduction == expected
    assert found.mixed_by == ()
    check_sums(found)


def test_a_mean_and_a_sum_ask_which_is_meant():
    model, x, t = linear_case()
    loss = dr.mse_loss(model(x), t) + dr.sum(dr.abs(model(x)))
    with pytest.raises(ArgumentError, match="one term is a mean over them, another a sum"):
        sample_gradients(loss, model)
    for reduction in ("mean", "sum"):
        found = sample_gradients(loss, model, reduction=reduction)
        assert found.reduction == reduction
        check_sums(found)


def test_weight_decay_belongs_to_every_sample():
    model, x, t = linear_case()
    decay = 0.1 * dr.sum(dr.square(model.weight))
    plain = sample_gradients(dr.mse_loss(model(x), t), model)
    found = sample_gradients(dr.mse_loss(model(x), t) + decay, model)
    assert set(found.ways["weight"]) == {"even", "formula"}
    assert found.ways["bias"] == ("formula",)
    expected = plain.gradients["weight"] + 0.2 * model.weight.numpy()
    np.testing.assert_allclose(found.gradients["weight"], expected, rtol=1e-12)
    check_sums(found)


def test_class_weights_and_ignored_targets_add_up():
    model = as64(dr.nn.Linear(3, 4))
    x, t = dr.tensor(normal(6, 3)), dr.tensor(np.array([0, 3, -100, 2, 1, -100]))
    found = sample_gradients(dr.cross_entropy(model(x), t, weight=dr.tensor([1.0, 2.0, 0.5, 1.0])), model)
    check_sums(found)
    assert found.mixed_by == ()
    np.testing.assert_array_equal(found.norms_of()[[2, 5]], 0)
    assert (found.norms_of()[[0, 1, 3, 4]] > 0).all()


# ---- samples that meet


def test_batch_normalisation_mixes_samples_while_it_trains():
    model = as64(dr.nn.Sequential(dr.nn.Linear(3, 4), dr.nn.BatchNorm1d(4), dr.nn.Tanh(), dr.nn.Linear(4, 2)))
    _, x, t = linear_case()
    found = sample_gradients(dr.mse_loss(model(x), t), model)
    assert found.mixed_by == ("batch_norm in 1",)
    check_sums(found)
    model.eval()
    found = sample_gradients(dr.mse_loss(model(x), t), model)
    assert found.mixed_by == ()
    check_sums(found)


@pytest.mark.parametrize(
    ("loss", "place"),
    [
        (lambda y: dr.mean(dr.square(y - dr.mean(y, axis=0))), "subtract"),
        (lambda y: dr.sqrt(dr.mean(dr.square(y))), "sqrt"),
        (lambda y: dr.mean(dr.square(y @ y.T)), "matmul"),
        (lambda y: dr.sum(dr.square(dr.mean(y, axis=0))), "square"),
        (lambda y: dr.sum(dr.max(y, axis=0)), "max"),
        (lambda y: dr.mean(dr.softmax(y, axis=0)[0]), "softmax"),
        (lambda y: dr.sum(dr.sum(y, axis=0) * dr.sum(y, axis=0)), "multiply"),
    ],
)
def test_what_else_mixes_samples_is_named(loss, place):
    model, x, _ = linear_case()
    found = sample_gradients(loss(model(x)), model)
    assert place in [each.partition(" in ")[0] for each in found.mixed_by]
    check_sums(found)


def test_a_weight_behind_the_mean_of_a_batch_gets_even_shares():
    model, x, _ = linear_case()
    after = as64(dr.nn.Linear(2, 2))
    loss = dr.sum(dr.square(after(dr.mean(model(x), axis=0))))
    found = sample_gradients(loss, {"before": model.weight, "after": after.weight})
    assert found.ways == {"before": ("formula",), "after": ("even",)}
    assert found.mixed_by
    check_sums(found)
    np.testing.assert_allclose(found.gradients["after"], found.gradients["after"][[0] * 6])


# ---- where samples lie


def test_views_of_a_batch_joined_and_turned():
    model = as64(dr.nn.Linear(3, 2))
    array = normal(4, 3)

    def loss(x):
        both = dr.concat([x, x * 2.0], axis=0)
        y = dr.reshape(model(both), (2, -1, 2))
        turned = dr.permute_dims(y, (1, 0, 2))
        return dr.mean(dr.tanh(turned[:, 0]) * turned[:, 1])

    x = dr.tensor(array, requires_grad=True)
    found = sample_gradients(loss(x), model, batch=x)
    for number in range(4):
        one = dr.gradients(loss(dr.tensor(array[number : number + 1])), [model.weight])[0]
        np.testing.assert_allclose(found.gradients["weight"][number], one.numpy(), rtol=1e-12)


@pytest.mark.parametrize("twice", [False, True])
def test_what_all_samples_share_beside_what_is_their_own(twice):
    weight, shared, shift = (dr.tensor(normal(*shape), requires_grad=True) for shape in ((3, 2), (2,), (1,)))
    wanted = {"weight": weight, "shared": shared, "shift": shift}

    def loss(x):
        own = x @ weight
        beside = dr.concat([own, dr.broadcast_to(shared, own.shape), own], axis=1) + shift
        # The shared columns meet the samples in one use of the two alone.
        total = dr.sum(dr.square(beside))
        return total + dr.sum(dr.tanh(beside) * dr.sum(own, axis=1, keepdims=True)) if twice else total

    array = normal(SAMPLES, 3)
    found = sample_gradients(loss(dr.tensor(array)), wanted)
    assert not found.mixed_by
    check_sums(found)
    for number in range(SAMPLES):
        alone = dr.gradients(loss(dr.tensor(array[number : number + 1])), list(wanted.values()))
        for name, expected in zip(wanted, alone, strict=True):
            np.testing.assert_allclose(found.gradients[name][number], expected.numpy(), rtol=1e-9, atol=1e-12)


def test_rows_that_are_picked_and_ragged():
    model = as64(dr.nn.Linear(3, 2))
    array, lengths = normal(4, 5, 3), np.array([3, 1, 5, 2])
    present = np.arange(5) < lengths[:, None]

    def loss(x, kept):
        return dr.sum(dr.square(model(x[dr.tensor(kept)])))

    x = dr.tensor(array, requires_grad=True)
    found = sample_gradients(loss(x, present), model, batch=x)
    for number in range(4):
        alone = dr.tensor(array[number : number + 1], requires_grad=True)
        one = dr.gradients(loss(alone, present[number : number + 1]), [model.weight])[0]
        np.testing.assert_allclose(found.gradients["weight"][number], one.numpy(), rtol=1e-12)
    check_sums(found)


def test_a_checkpoint_is_opened():
    model = as64(dr.nn.Sequential(dr.nn.Linear(3, 4), dr.nn.Tanh(), dr.nn.Linear(4, 2)))
    _, x, t = linear_case()
    plain = sample_gradients(dr.mse_loss(model(x), t), model)
    again = sample_gradients(dr.mse_loss(dr.checkpoint(model)(x), t), model)
    for key, gradient in plain.gradients.items():
        np.testing.assert_allclose(again.gradients[key], gradient, rtol=1e-12)
        assert again.ways[key] == ("formula",)


def test_a_loop_of_checkpoints_is_opened():
    cell = as64(dr.nn.LSTMCell(3, 4))
    x = dr.tensor(normal(4, 9, 3))

    def step(state, features):
        state = cell(features, state)
        return state, state[0]

    def whole(step, state, x):
        outputs = []
        for time in range(x.shape[1]):
            state, output = step(state, x[:, time])
            outputs.append(output)
        return state, dr.stack(outputs, axis=1)

    found = []
    for loop in (whole, dr.checkpoint_sequence):
        start = (dr.zeros((4, 4), dtype=np.float64), dr.zeros((4, 4), dtype=np.float64))
        found.append(sample_gradients(dr.mean(dr.square(loop(step, start, x)[1])), cell))
    for key in found[0].names:
        np.testing.assert_allclose(found[1].gradients[key], found[0].gradients[key], rtol=1e-10, atol=1e-14)


def test_weights_that_are_computed_from_parameters():
    """Weight normalisation: its own kernels are asked once for each sample."""
    direction, size = (dr.tensor(normal(*shape), requires_grad=True) for shape in ((4, 3), (4, 1)))
    array = normal(5, 3)

    def loss(x):
        length = dr.sqrt(dr.sum(dr.square(direction), axis=1, keepdims=True))
        return dr.mean(dr.square(dr.linear(x, size * direction / length)))

    found = sample_gradients(loss(dr.tensor(array)), {"direction": direction, "size": size})
    assert set(found.ways.values()) == {("kernel",)}
    for number in range(5):
        alone = dr.gradients(loss(dr.tensor(array[number : number + 1])), [direction, size])
        for key, expected in zip(found.names, alone, strict=True):
            np.testing.assert_allclose(found.gradients[key][number], expected.numpy(), rtol=1e-10)
    check_sums(found)


def test_samples_along_another_axis():
    model = as64(dr.nn.Linear(3, 2))
    x = dr.tensor(normal(7, 4, 3))
    found = sample_gradients(dr.mean(dr.square(model(x))), model, batch=x, axis=1)
    assert found.samples == 4
    for number in range(4):
        one = dr.gradients(dr.mean(dr.square(model(x[:, number : number + 1]))), [model.weight])[0]
        np.testing.assert_allclose(found.gradients["weight"][number], one.numpy(), rtol=1e-12)


@pytest.mark.parametrize("kind", [dr.nn.RNN, dr.nn.GRU, dr.nn.LSTM])
def test_a_decoder_knows_its_samples_by_its_first_state_alone(kind):
    class Decoder(dr.nn.Module):
        """All samples read the same learned inputs, longer than labels need to settle in other layers."""

        def __init__(self):
            self.start, self.layer = dr.nn.Linear(3, 4), kind(2, 4)
            self.inputs = dr.nn.Parameter(normal(1, 20, 2))

        def forward(self, x):
            state = dr.expand_dims(self.start(x), 0)
            inputs = dr.broadcast_to(self.inputs, (x.shape[0], 20, 2))
            return self.layer(inputs, (state, dr.tanh(state)) if kind is dr.nn.LSTM else state)[0]

    model, x = as64(Decoder()), dr.tensor(normal(SAMPLES, 3))
    found = sample_gradients(dr.sum(dr.square(model(x))), model)
    assert not found.mixed_by and "even" not in {way for ways in found.ways.values() for way in ways}
    for number in range(SAMPLES):
        alone = dr.gradients(dr.sum(dr.square(model(x[number : number + 1]))), list(model.parameters()))
        for name, expected in zip(found.names, alone, strict=True):
            np.testing.assert_allclose(found.gradients[name][number], expected.numpy(), rtol=1e-9, atol=1e-12)


def test_random_losses_without_a_module():
    weight = dr.tensor(normal(3, 2), requires_grad=True)
    shift = dr.tensor(normal(6, 2), requires_grad=True)
    weight.name = "weight"
    x = dr.tensor(normal(6, 3))
    found = sample_gradients(dr.sum(dr.square(dr.einsum("ni,io->no", x, weight) + shift)))
    assert found.names == ("weight", "b")
    # A row of this parameter for each sample: the others' are 0.
    for number in range(6):
        others = np.delete(found.gradients["b"][number], number, axis=0)
        np.testing.assert_array_equal(others, 0)
    check_sums(found)


def test_a_contraction_of_batch_and_weight_at_once():
    weight = dr.tensor(normal(3), requires_grad=True)
    array = normal(6, 3)
    found = sample_gradients(dr.einsum("ni,i->", dr.tensor(array), weight), {"weight": weight})
    np.testing.assert_allclose(found.gradients["weight"], array, rtol=1e-12)
    assert found.reduction == "sum"


def test_the_graph_stays_usable_and_grad_untouched():
    model, x, t = linear_case()
    loss = dr.mse_loss(model(x), t)
    found = sample_gradients(loss, model)
    assert model.weight.grad is None
    loss.backward()
    np.testing.assert_allclose(model.weight.grad.numpy(), found.batch["weight"], rtol=1e-12)


def test_parameters_that_the_loss_does_not_read():
    model, x, t = linear_case()
    other = dr.tensor(normal(2, 2), requires_grad=True)
    found = sample_gradients(dr.mse_loss(model(x), t), {"weight": model.weight, "other": other})
    assert found.gradients["other"].shape == (6, 2, 2)
    assert not found.gradients["other"].any()
    assert found.ways["other"] == ()


# ---- what is made of them


def test_who_pulls_hardest_and_which_way():
    weight = dr.tensor(np.array([[0.0, 0.0]]), requires_grad=True)
    x = np.array([[1.0, 0.0], [0.0, 1.0], [-4.0, 0.0], [9.0, 0.0]])
    loss = dr.mean(dr.matmul(dr.tensor(x), weight.T)[:, 0])
    found = sample_gradients(loss, {"layer.weight": weight})
    np.testing.assert_allclose(found.gradients["layer.weight"][:, 0], x, rtol=1e-12)
    hardest = found.hardest(2)
    assert [pull.sample for pull in hardest] == [3, 2]
    mean = x.mean(axis=0)
    assert hardest[1].norm == pytest.approx(4.0)
    assert hardest[1].cosine == pytest.approx(-4.0 * mean[0] / (4.0 * np.linalg.norm(mean)))
    assert [pull.sample for pull in found.against()] == [2]
    assert found.shares_of().sum() == pytest.approx(1.0)
    assert found.layers == {"layer": ("layer.weight",)}
    assert found.hardest(1, "layer")[0] == found.hardest(1)[0]


def test_noise_against_signal():
    weight = dr.tensor(np.zeros((3, 1)), requires_grad=True)
    x = normal(50, 3) + np.array([2.0, 0.0, 0.0])
    found = sample_gradients(dr.mean(dr.matmul(dr.tensor(x), weight)), [weight])
    noise = found.noise()
    assert noise.variance == pytest.approx(np.trace(np.cov(x.T)))
    mean_square = np.square(x.mean(axis=0)).sum()
    assert noise.signal == pytest.approx(mean_square - noise.variance / 50)
    assert noise.noise_scale == pytest.approx(noise.variance / noise.signal)
    alone = sample_gradients(dr.mean(dr.matmul(dr.tensor(x[:1]), weight)), [weight], batch=1)
    assert np.isnan(alone.noise().variance)
    with np.errstate(invalid="ignore"):
        broken = sample_gradients(dr.mean(dr.matmul(dr.tensor(x * np.nan), weight)), [weight])
    assert np.isnan(broken.noise().noise_scale)


def test_little_memory_keeps_norms_alone():
    model, x, t = linear_case()
    loss = dr.mse_loss(model(x), t)
    assert sample_gradients(loss, model).kept == "gradients"
    assert sample_gradients(loss, model, most_bytes=100).kept == "norms"


def test_float32_keeps_its_type():
    model = dr.nn.Sequential(dr.nn.Linear(3, 4), dr.nn.LayerNorm(4), dr.nn.Linear(4, 2))
    x = dr.tensor(normal(6, 3).astype(np.float32))
    found = sample_gradients(dr.mean(dr.square(model(x))), model)
    assert {each.dtype for each in found.gradients.values()} == {np.dtype(np.float32)}
    check_sums(found, 1e-5)


# ---- errors


def test_errors_say_what_to_do():
    model, x, t = linear_case()
    loss = dr.mse_loss(model(x), t)
    with pytest.raises(ArgumentError, match="no input of the graph has 7 along axis 0"):
        sample_gradients(loss, model, batch=7)
    with pytest.raises(ArgumentError, match="batch expected tensors that the loss was computed from"):
        sample_gradients(loss, model, batch=dr.tensor(normal(6, 3)))
    turned = dr.tensor(normal(3, 6))
    with pytest.raises(ArgumentError, match="requires_grad=True has that recorded"):
        sample_gradients(dr.mean(model(dr.matrix_transpose(turned))), model, batch=turned)
    with pytest.raises(ArgumentError, match="expected samples, got an empty batch"):
        sample_gradients(dr.sum(model(x[:0])), model)
    with pytest.raises(ArgumentError, match="reduction expected one of mean, sum, got 'max'"):
        sample_gradients(loss, model, reduction="max")
    with pytest.raises(ArgumentError, match="found no batch"):
        sample_gradients(dr.sum(dr.square(model.weight)), model)
    with pytest.raises(ArgumentError, match="found no parameters"):
        sample_gradients(loss, {"x": x})
    with pytest.raises(GraphError, match="expected a loss of one element"):
        sample_gradients(model(x), model)
    with pytest.raises(GraphError, match="this tensor needs no gradient"):
        sample_gradients(dr.tensor(1.0), model)
    found = sample_gradients(loss, model)
    with pytest.raises(ArgumentError, match="layer expected one of"):
        found.norms_of("nowhere")


def test_a_wrong_label_would_be_seen():
    """The test of the tester: parts split by wrong labels are not those of the samples."""
    model, x, t = linear_case()
    loss = dr.mse_loss(model(x), t)
    leaves, samples = found_batch(loss, None, 0)
    labelling = Labelling(loss, leaves, 0, samples)
    node = model_node(loss)
    wrong = labelling._labels[(node, 0)]
    labelling._labels[(node, 0)] = type(wrong)(wrong.of[::-1], True)
    parts = Contributions(loss, [model.weight], labelling).of[model.weight][0].parts(0, samples)
    right = sample_gradients(loss, model).gradients["weight"]
    assert np.abs(parts * samples - right).max() > 0.01


def model_node(loss):
    return next(node for node in dr.Graph(loss).nodes if node.operation.name == "linear")
