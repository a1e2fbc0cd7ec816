"""Models by name: each in each task forward and backward, rebuilt from JSON, and what they refuse."""

import json

import numpy as np
import pytest

from deltarule import nn
from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.nn import models
from deltarule.operations.random import manual_seed


def samples(shape, batch=4, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, *shape)).astype(np.float32)


IMAGE, TABLE, SEQUENCE = (2, 8, 8), (5,), (6, 3)
CASES = [
    ("mlp", IMAGE, {"hidden": (6, 4), "activation": "tanh"}),
    ("mlp", TABLE, {"hidden": (), "initialiser": "xavier_uniform"}),
    ("mlp", TABLE, {"hidden": 6, "dropout": 0.5, "batch_norm": True}),
    ("mlp", SEQUENCE, {}),
    ("lenet", IMAGE, {}),
    ("lenet", (1, 28, 28), {"activation": "tanh", "pool": "avg"}),
    ("lenet", (1, 4, 5), {"kernel_size": 3, "channels": (2, 3), "hidden": (), "dropout": 0.2}),
    ("cnn", IMAGE, {"channels": (4, 6, 8), "convolutions": 2, "dropout": 0.2}),
    ("cnn", (1, 1, 3), {"channels": 4, "batch_norm": False, "activation": "gelu"}),
    ("rnn", IMAGE, {"hidden": 5, "layers": 2, "dropout": 0.1}),
    ("rnn", SEQUENCE, {"hidden": 5, "activation": "relu", "initialiser": "identity"}),
    ("gru", TABLE, {"hidden": 5}),
    ("gru", SEQUENCE, {"hidden": 5, "bidirectional": True, "initialiser": "orthogonal"}),
    ("lstm", SEQUENCE, {"hidden": [5, 5], "layers": 2, "bidirectional": True}),
    ("lstm", IMAGE, {"hidden": 5, "forget_bias": None}),
]


@pytest.mark.parametrize(("task", "outputs"), [("classification", 3), ("regression", 1)])
@pytest.mark.parametrize(("name", "shape", "options"), CASES)
def test_forward_and_backward(name, shape, options, task, outputs):
    model = models.build(name, input_shape=shape, outputs=outputs, task=task, **options)
    y = model(Tensor(samples(shape)))
    assert y.shape == (4, outputs)
    assert y.dtype == np.float32
    if task == "classification":
        loss = nn.CrossEntropyLoss()(y, tensor([0, 1, 2, 0]))
    else:
        loss = nn.MSELoss()(y, tensor(np.ones((4, 1), np.float32)))
    loss.backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert np.isfinite(parameter.grad.numpy()).all(), parameter_name


@pytest.mark.parametrize("embedding", [0, 4])
@pytest.mark.parametrize("name", models.names("text"))
def test_text_forward_and_backward(name, embedding):
    model = models.build(
        name, input_shape=(), outputs=7, task="text", hidden=5, layers=2, embedding=embedding, dropout=0.1
    )
    tokens = tensor(np.array([[0, 1, 2, 3], [6, 5, 4, 3]]))
    logits, state = model(tokens)
    assert logits.shape == (2, 4, 7)
    nn.CrossEntropyLoss()(logits.reshape((-1, 7)), tokens.reshape((-1,))).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    hidden = state[0] if name == "lstm" else state
    assert hidden.shape == (2, 2, 5)


@pytest.mark.parametrize("embedding", [0, 4])
@pytest.mark.parametrize("name", models.names("text"))
def test_text_in_pieces_is_text_in_one(name, embedding):
    model = models.build(name, input_shape=(), outputs=7, task="text", hidden=5, embedding=embedding).eval()
    tokens = np.random.default_rng(0).integers(0, 7, (2, 9))
    whole, _ = model(tensor(tokens))
    state, pieces = None, []
    for start in (0, 3, 6):
        logits, state = model(tensor(tokens[:, start : start + 3]), state)
        pieces.append(logits.numpy())
    np.testing.assert_allclose(np.concatenate(pieces, 1), whole.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "shape", "task", "options"),
    [
        *((name, shape, "classification", options) for name, shape, options in CASES),
        ("lstm", (), "text", {"hidden": 5, "embedding": 0}),
    ],
)
def test_rebuilt_from_json_it_computes_the_same(name, shape, task, options):
    model = models.build(name, input_shape=shape, outputs=3, task=task, **options).eval()
    kept = json.loads(json.dumps({"model": model.name, "options": model.options}))
    again = models.build(kept["model"], **kept["options"]).eval()
    assert again.options == model.options
    again.load_state_dict(model.state_dict())
    x = tensor([[0, 1, 2]]) if task == "text" else Tensor(samples(shape))
    first, second = (each(x)[0] if task == "text" else each(x) for each in (model, again))
    np.testing.assert_array_equal(first.numpy(), second.numpy())


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize(
    ("shape", "outputs", "task"),
    [
        ((1, 8, 8), 10, "classification"),
        ((1, 28, 28), 10, "classification"),
        ((3, 32, 32), 10, "classification"),
        ((4,), 3, "classification"),
        ((100,), 1, "regression"),
        ((20, 3), 2, "regression"),
        ((), 65, "text"),
    ],
)
def test_defaults_build_wherever_the_model_can(name, shape, outputs, task):
    options = models.defaults_for(name, shape, outputs, task)
    assert json.loads(json.dumps(options)) == options
    assert options.keys() <= models.options_of(name).keys()
    if task not in models.MODELS[name].tasks or (name in ("lenet", "cnn") and len(shape) != 3):
        with pytest.raises(ArgumentError):
            models.build(name, **options)
        return
    model = models.build(name, **options).eval()
    if task == "text":
        assert model(tensor([[1, 2]]))[0].shape == (1, 2, outputs)
    else:
        assert model(Tensor(samples(shape, batch=2))).shape == (2, outputs)


def test_default_names():
    assert models.default_name((1, 28, 28), "classification") == "lenet"
    assert models.default_name((3, 2, 2), "classification") == "mlp"
    assert models.default_name((4,), "regression") == "mlp"
    assert models.default_name((20, 3), "classification") == "gru"
    assert models.default_name((), "text") == "lstm"


def test_lenet_has_the_sizes_of_1998():
    model = models.build("lenet", input_shape=(1, 28, 28), outputs=10)
    found = nn.summary(model, (1, 1, 28, 28))
    shapes = {row.name: row.output_shape for row in found.rows}
    assert shapes["features.conv1"] == (1, 6, 28, 28)
    assert shapes["features.pool1"] == (1, 6, 14, 14)
    assert shapes["features.conv2"] == (1, 16, 10, 10)
    assert shapes["features.pool2"] == (1, 16, 5, 5)
    assert [shapes[name] for name in ("hidden.linear1", "hidden.linear2", "output")] == [
        (1, 120),
        (1, 84),
        (1, 10),
    ]
    assert found.parameters == 156 + 2416 + 48120 + 10164 + 850


def test_names_of_parameters_tell_where_they_are():
    model = models.build("mlp", input_shape=(4,), outputs=2, hidden=(8, 6))
    assert [name for name, _ in model.named_parameters()] == [
        "hidden.linear1.weight",
        "hidden.linear1.bias",
        "hidden.linear2.weight",
        "hidden.linear2.bias",
        "output.weight",
        "output.bias",
    ]
    assert model(Tensor(samples((4,)))).node.scope == "output"
    assert repr(model).startswith("MLP(classification, (4,) -> 2\n  (hidden): Sequential(")


def test_lengths_leave_the_padding_out():
    model = models.build("lstm", input_shape=(6, 3), outputs=2, hidden=5, bidirectional=True).eval()
    x = samples((6, 3))
    together = model(Tensor(x), lengths=[6, 3, 6, 6]).numpy()
    x[1, 3:] = 99.0
    np.testing.assert_allclose(model(Tensor(x), lengths=[6, 3, 6, 6]).numpy(), together, rtol=1e-5, atol=1e-6)


def test_an_image_is_read_row_by_row():
    model = models.build("rnn", input_shape=(2, 4, 3), outputs=2, hidden=5).eval()
    x = samples((2, 4, 3))
    rows = x.transpose(0, 2, 1, 3).reshape(4, 4, 6)
    _, last = model.recurrent(Tensor(rows))
    np.testing.assert_allclose(model(Tensor(x)).numpy(), model.output(last[0]).numpy(), rtol=1e-5)


ERRORS = [
    ("mpl", {}, "expected one of mlp, lenet, cnn, rnn, gru, lstm; got 'mpl'. Did you mean 'mlp'?"),
    ("mlp", {"hiden": 3}, "got 'hiden'. Did you mean 'hidden'?"),
    ("mlp", {"hidden": (0,)}, "mlp: hidden expected at least 1, got 0"),
    ("mlp", {"hidden": "big"}, "mlp: hidden expected whole numbers, got 'big'"),
    ("mlp", {"activation": "relo"}, "expected one of 'relu'"),
    ("mlp", {"dropout": 2}, "mlp: dropout expected a probability from 0 to 1, got 2"),
    ("mlp", {"task": "text"}, "mlp: task expected one of classification, regression; got 'text'"),
    ("mlp", {"outputs": 0}, "mlp: outputs expected at least 1, got 0"),
    ("mlp", {"input_shape": "28x28"}, "mlp: input_shape expected the sizes of one sample, got '28x28'"),
    ("mlp", {"input_shape": (0,)}, "mlp: input_shape expected at least 1, got 0"),
    ("mlp", {"initialiser": "he"}, "initialiser expected one of 'default', 'xavier_uniform'"),
    (
        "mlp",
        {"initialiser": "identity"},
        'identity expected a model of simple recurrent units ("rnn"), got none',
    ),
    ("lenet", {"input_shape": (5,)}, "lenet: input_shape expected (channels, height, width)"),
    ("lenet", {"input_shape": (1, 3, 9)}, "at least 4 pixels a side, got (1, 3, 9)"),
    ("lenet", {"input_shape": (1, 8, 8), "kernel_size": 4}, "kernel_size expected an odd number, got 4"),
    ("lenet", {"input_shape": (1, 8, 8), "channels": (1, 2, 3)}, "channels expected two numbers, got 3"),
    ("lenet", {"input_shape": (1, 8, 8), "pool": "min"}, "pool expected one of 'max', 'avg'; got 'min'"),
    ("cnn", {"input_shape": (5,)}, "cnn: input_shape expected (channels, height, width)"),
    ("cnn", {"input_shape": (1, 8, 8), "convolutions": 0}, "cnn: convolutions expected at least 1"),
    ("rnn", {"activation": "gelu"}, "activation expected one of 'tanh', 'relu'; got 'gelu'"),
    ("rnn", {"hidden": (3, 4)}, "hidden expected one size for all layers, got (3, 4)"),
    ("rnn", {"input_shape": (1, 2, 3, 4)}, "input_shape expected at most three axes"),
    ("gru", {"input_shape": ()}, "input_shape expected at least one axis, got ()"),
    ("gru", {"task": "text"}, "input_shape expected () for text, got (5,)"),
    (
        "lstm",
        {"task": "text", "input_shape": (), "bidirectional": True},
        "bidirectional expected False for text, got True",
    ),
    ("lstm", {"activation": "relu"}, "expected options among input_shape, outputs"),
]


@pytest.mark.parametrize(("name", "options", "words"), ERRORS)
def test_errors(name, options, words):
    with pytest.raises(ArgumentError) as caught:
        models.build(name, **{"input_shape": (5,), "outputs": 2, **options})
    assert words in str(caught.value)


def test_missing_options():
    with pytest.raises(ArgumentError, match="mlp: expected input_shape and outputs, got none"):
        models.build("mlp")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((4, 6), "expected inputs of shape (batch, 1, 2, 2), got (4, 6). It was built for other data"),
        ((4, 4), "The sizes agree: reshape it"),
        ((1, 2, 2), "A single sample needs an axis of length 1 before it"),
    ],
)
def test_input_shape_errors(shape, words):
    model = models.build("mlp", input_shape=(1, 2, 2), outputs=2)
    with pytest.raises(ShapeError) as caught:
        model(Tensor(np.zeros(shape, np.float32)))
    assert words in str(caught.value)


def test_text_input_errors():
    model = models.build("rnn", input_shape=(), outputs=5, task="text", hidden=3)
    with pytest.raises(ShapeError, match=r"rnn: expected tokens of shape \(batch, time\), got \(3,\)"):
        model(tensor([1, 2, 3]))
    sequences = models.build("rnn", input_shape=(6, 3), outputs=5, hidden=3)
    with pytest.raises(ArgumentError, match="state expected None for classification"):
        sequences(Tensor(samples((6, 3))), state=tensor(np.zeros((1, 4, 3), np.float32)))


SPREADS = {
    "xavier_uniform": lambda fan_in, fan_out: np.sqrt(2 / (fan_in + fan_out)),
    "xavier_normal": lambda fan_in, fan_out: np.sqrt(2 / (fan_in + fan_out)),
    "kaiming_uniform": lambda fan_in, fan_out: np.sqrt(2 / fan_in),
    "kaiming_normal": lambda fan_in, fan_out: np.sqrt(2 / fan_in),
    "lecun_uniform": lambda fan_in, fan_out: np.sqrt(1 / fan_in),
    "lecun_normal": lambda fan_in, fan_out: np.sqrt(1 / fan_in),
    "orthogonal": lambda fan_in, fan_out: np.sqrt(1 / max(fan_in, fan_out)),
    "normal": lambda fan_in, fan_out: 0.01,
    "uniform": lambda fan_in, fan_out: 0.01 / np.sqrt(3),
    "constant": lambda fan_in, fan_out: 0.0,
}


def test_every_initialiser_is_covered():
    assert {*SPREADS, "default", "identity"} == set(models.INITIALISERS)


@pytest.mark.parametrize("initialiser", SPREADS)
def test_initialisers_spread_weights_as_they_say(initialiser):
    model = models.build("mlp", input_shape=(200,), outputs=3, hidden=(150,), initialiser=initialiser)
    weight = model.hidden.linear1.weight.numpy()
    assert weight.std() == pytest.approx(SPREADS[initialiser](200, 150), rel=0.1, abs=1e-6)
    assert not model.hidden.linear1.bias.numpy().any()
    if initialiser == "constant":
        assert (weight == np.float32(0.01)).all()


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_gates_are_initialised_one_by_one(name, gates):
    model = models.build(name, input_shape=(6, 3), outputs=2, hidden=8, initialiser="orthogonal")
    for gate in np.split(model.recurrent.weight_hh_l0.numpy(), gates):
        np.testing.assert_allclose(gate @ gate.T, np.eye(8), atol=1e-5)


def test_identity_initialiser():
    model = models.build(
        "rnn", input_shape=(6, 3), outputs=2, hidden=4, activation="relu", initialiser="identity"
    )
    np.testing.assert_array_equal(model.recurrent.weight_hh_l0.numpy(), np.eye(4, dtype=np.float32))
    assert not model.recurrent.bias_hh_l0.numpy().any()
    assert model.recurrent.weight_ih_l0.numpy().any()


def test_forget_gates_start_open():
    model = models.build("lstm", input_shape=(6, 3), outputs=2, hidden=4, initialiser="xavier_uniform")
    total = model.recurrent.bias_ih_l0.numpy() + model.recurrent.bias_hh_l0.numpy()
    np.testing.assert_array_equal(total, np.repeat([0, 1, 0, 0], 4).astype(np.float32))


def test_embeddings_and_normalisation_keep_their_start():
    text = models.build(
        "rnn", input_shape=(), outputs=50, task="text", hidden=4, embedding=20, initialiser="normal"
    )
    assert text.embedding.weight.numpy().std() == pytest.approx(1.0, rel=0.1)
    images = models.build("cnn", input_shape=IMAGE, outputs=2, initialiser="kaiming_normal")
    assert (images.features.block1.norm1.weight.numpy() == 1).all()


def test_the_seed_decides_the_start():
    starts = []
    for seed in (1, 1, 2):
        manual_seed(seed)
        starts.append(models.build("mlp", input_shape=(4,), outputs=2).output.weight.numpy())
    np.testing.assert_array_equal(starts[0], starts[1])
    assert (starts[0] != starts[2]).any()
