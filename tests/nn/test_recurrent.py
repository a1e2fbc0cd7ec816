"""RNN, GRU, LSTM and their cells: parameters, layers and directions, masks, states carried on, PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deltarule.autodiff.backward import nodes_below
from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.recording import no_grad
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, OutOfBoundsError, ShapeError
from deltarule.nn import init
from deltarule.nn.module import Module
from deltarule.nn.recurrent import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    RNNCell,
    detach_state,
    mask_from_lengths,
)
from deltarule.operations.random import manual_seed
from tests.operations.recurrence_reference import gru_step, lstm_step, rnn_step, sequence


def _relu_rnn(*sizes: int, **options: Any) -> RNN:
    return RNN(*sizes, nonlinearity="relu", **options)


def _step(layer: Module) -> Any:
    if isinstance(layer, RNN):
        return lambda *arguments: rnn_step(*arguments, nonlinearity=layer.nonlinearity)
    return gru_step if isinstance(layer, GRU) else lstm_step


each_kind = pytest.mark.parametrize("kind", [RNN, _relu_rnn, GRU, LSTM], ids=["rnn", "relu", "gru", "lstm"])


@pytest.fixture(autouse=True)
def _seed() -> None:
    manual_seed(3)


def _random(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, shape)


def _parts(state: Any) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def _gradients(layer: Module) -> dict[str, np.ndarray]:
    found = {name: parameter.grad.numpy().copy() for name, parameter in layer.named_parameters()}
    layer.zero_grad()
    return found


def _weighted(*tensors: Tensor) -> Tensor:
    """A loss in which every element counts, and counts differently."""
    total: Any = 0.0
    for position, each in enumerate(tensors):
        total = total + (each * _random(*each.shape, seed=20 + position)).sum()
    return total


def test_parameters_have_pytorchs_names_and_layouts() -> None:
    layer = LSTM(3, 4, num_layers=2, bidirectional=True)
    assert {name: array.shape for name, array in layer.state_dict().items()} == {
        "weight_ih_l0": (16, 3),
        "weight_hh_l0": (16, 4),
        "bias_ih_l0": (16,),
        "bias_hh_l0": (16,),
        "weight_ih_l0_reverse": (16, 3),
        "weight_hh_l0_reverse": (16, 4),
        "bias_ih_l0_reverse": (16,),
        "bias_hh_l0_reverse": (16,),
        "weight_ih_l1": (16, 8),
        "weight_hh_l1": (16, 4),
        "bias_ih_l1": (16,),
        "bias_hh_l1": (16,),
        "weight_ih_l1_reverse": (16, 8),
        "weight_hh_l1_reverse": (16, 4),
        "bias_ih_l1_reverse": (16,),
        "bias_hh_l1_reverse": (16,),
    }
    assert list(GRU(3, 4, bias=False).state_dict()) == ["weight_ih_l0", "weight_hh_l0"]
    assert GRU(3, 4).weight_ih_l0.shape == (12, 3)
    assert RNN(3, 4).weight_hh_l0.shape == (4, 4)
    assert list(GRUCell(3, 4).state_dict()) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    assert list(LSTMCell(3, 4, bias=False).state_dict()) == ["weight_ih", "weight_hh"]


@pytest.mark.parametrize("layer", [LSTM(8, 25, num_layers=2), RNNCell(8, 25)], ids=["layers", "cell"])
def test_parameters_start_uniform_within_one_over_root_hidden(layer: Module) -> None:
    for values in layer.state_dict().values():
        assert values.dtype == np.float32
        assert np.abs(values).max() <= 0.2
        assert np.abs(values).max() > 0.15
        assert values.min() < 0 < values.max()


def test_the_seed_decides_the_parameters() -> None:
    manual_seed(8)
    first = GRU(3, 4).state_dict()
    manual_seed(8)
    second = GRU(3, 4).state_dict()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_forget_gate_bias_finds_layers_and_cells() -> None:
    for layer in (LSTM(3, 4, bidirectional=True), LSTMCell(3, 4)):
        init.forget_gate_bias_(layer, 1.5)
        for name, values in layer.state_dict().items():
            if name.startswith("bias"):
                np.testing.assert_array_equal(values[4:8], 1.5 if "_ih" in name else 0.0)


@each_kind
@pytest.mark.parametrize("bias", [True, False])
def test_layers_and_directions_are_joined_as_defined(kind: Any, bias: bool) -> None:
    layer = kind(3, 4, num_layers=2, bidirectional=True, bias=bias).astype(np.float64)
    count, step, weights = (2 if kind is LSTM else 1), _step(layer), layer.state_dict()
    x, mask = _random(2, 5, 3), mask_from_lengths([5, 3], 2, 5)
    initial = [_random(4, 2, 4, seed=part) for part in range(count)]
    output, state = layer(x, tuple(map(tensor, initial)) if count == 2 else initial[0], lengths=[5, 3])
    flowing, last = x, []
    for number in range(2):
        outputs = []
        for suffix in (f"l{number}", f"l{number}_reverse"):
            own = [weights[f"{name}_{suffix}"] for name in ("weight_ih", "weight_hh")]
            for name in ("bias_ih", "bias_hh"):
                own.append(weights[f"{name}_{suffix}"] if bias else np.zeros(len(own[0])))
            states = [part[len(last)] for part in initial]
            result = sequence(step, count, flowing, *states, *own, mask, reverse=suffix.endswith("reverse"))
            outputs.append(result[0])
            last.append(result[1:])
        flowing = np.concatenate(outputs, axis=-1)
    np.testing.assert_allclose(output.numpy(), flowing, rtol=1e-10, atol=1e-12)
    for part, expected in zip(_parts(state), zip(*last, strict=True), strict=True):
        np.testing.assert_allclose(part.numpy(), np.stack(expected), rtol=1e-10, atol=1e-12)


@each_kind
def test_lengths_equal_running_each_sequence_alone(kind: Any) -> None:
    layer = kind(3, 4, num_layers=2, bidirectional=True).astype(np.float64)
    x, lengths = _random(3, 6, 3), [4, 6, 1]
    output, state = layer(x, lengths=lengths)
    upstream = [_random(*part.shape, seed=9) for part in (output, *_parts(state))]
    loss: Any = 0.0
    for part, weight in zip((output, *_parts(state)), upstream, strict=True):
        loss = loss + (part * weight).sum()
    loss.backward()
    together = _gradients(layer)
    alone = {name: np.zeros_like(values) for name, values in together.items()}
    for n, length in enumerate(lengths):
        own, own_state = layer(x[n : n + 1, :length])
        np.testing.assert_allclose(output.numpy()[n, :length], own.numpy()[0], rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(output.numpy()[n, length:], 0.0)
        loss = (own * upstream[0][n : n + 1, :length]).sum()
        for part, found, weight in zip(_parts(own_state), _parts(state), upstream[1:], strict=True):
            np.testing.assert_allclose(found.numpy()[:, n], part.numpy()[:, 0], rtol=1e-12, atol=1e-14)
            loss = loss + (part * weight[:, n : n + 1]).sum()
        loss.backward()
        for name, values in _gradients(layer).items():
            alone[name] += values
    for name, values in together.items():
        np.testing.assert_allclose(values, alone[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_mask_says_the_same_as_lengths() -> None:
    layer, x = GRU(3, 4, bidirectional=True), _random(2, 4, 3)
    for mask in (np.array([[1, 1, 1, 1], [1, 1, 0, 0]]), np.array([[1.0, 1, 1, 1], [1, 1, 0, 0]]) > 0):
        by_mask, by_lengths = layer(x, mask=mask), layer(x, lengths=np.array([4, 2]))
        for one, other in zip(by_mask, by_lengths, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())
    full = layer(x, lengths=[4, 4])
    for one, other in zip(full, layer(x), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_sequence_of_length_zero_keeps_its_state() -> None:
    layer, start = RNN(3, 4), _random(1, 2, 4).astype(np.float32)
    output, state = layer(_random(2, 4, 3), start, lengths=[0, 4])
    np.testing.assert_array_equal(state.numpy()[0, 0], start[0, 0])
    np.testing.assert_array_equal(output.numpy()[0], 0.0)


@each_kind
def test_time_may_come_first(kind: Any) -> None:
    usual = kind(3, 4, num_layers=2, bidirectional=True)
    other = kind(3, 4, num_layers=2, bidirectional=True, batch_first=False)
    other.load_state_dict(usual.state_dict())
    x, mask = _random(2, 5, 3).astype(np.float32), np.arange(5) < np.array([[5], [2]])
    expected, state = usual(x, mask=mask)
    for found, found_state in (
        other(x.swapaxes(0, 1), mask=mask.swapaxes(0, 1)),
        other(x.swapaxes(0, 1), lengths=[5, 2]),
    ):
        np.testing.assert_array_equal(found.numpy().swapaxes(0, 1), expected.numpy())
        for one, two in zip(_parts(found_state), _parts(state), strict=True):
            np.testing.assert_array_equal(one.numpy(), two.numpy())


@each_kind
def test_carried_state_continues_one_long_run(kind: Any) -> None:
    layer, x = kind(3, 4, num_layers=2).astype(np.float64), _random(2, 7, 3)
    whole, last = layer(x)
    _weighted(whole, *_parts(last)).backward()
    expected = _gradients(layer)
    first, state = layer(x[:, :4])
    second, state = layer(x[:, 4:], state)
    np.testing.assert_allclose(
        np.concatenate([first.numpy(), second.numpy()], axis=1), whole.numpy(), rtol=1e-12, atol=1e-14
    )
    weights = _random(*whole.shape, seed=20)
    loss: Any = (first * weights[:, :4]).sum() + (second * weights[:, 4:]).sum()
    for position, (part, end) in enumerate(zip(_parts(state), _parts(last), strict=True)):
        np.testing.assert_allclose(part.numpy(), end.numpy(), rtol=1e-12, atol=1e-14)
        loss = loss + (part * _random(*part.shape, seed=21 + position)).sum()
    loss.backward()
    for name, values in _gradients(layer).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-10, atol=1e-12, err_msg=name)


@each_kind
def test_detached_state_truncates_the_way_back(kind: Any) -> None:
    layer, x = kind(3, 4).astype(np.float64), _random(2, 7, 3)
    _, state = layer(x[:, :4])
    start = tuple(tensor(part.numpy()) for part in _parts(state))
    output, _ = layer(x[:, 4:], detach_state(state))
    output.sum().backward()
    truncated = _gradients(layer)
    output, _ = layer(x[:, 4:], start if kind is LSTM else start[0])
    output.sum().backward()
    for name, values in _gradients(layer).items():
        np.testing.assert_array_equal(values, truncated[name])
    output, _ = layer(x[:, 4:], state)
    output.sum().backward()
    full = _gradients(layer)
    assert not np.allclose(full["weight_hh_l0"], truncated["weight_hh_l0"])


def test_detach_state_keeps_the_structure() -> None:
    state = LSTM(2, 3)(_random(1, 2, 2))[1]
    detached = detach_state((state, [state[0]], None))
    assert detached[2] is None
    assert isinstance(detached[1], list)
    for found, expected in zip((*detached[0], *detached[1]), (*state, state[0]), strict=True):
        assert not found.requires_grad
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


@each_kind
def test_gradients_agree_with_differences_along_random_directions(kind: Any) -> None:
    layer = kind(3, 4, num_layers=2, bidirectional=True).astype(np.float64)
    x, lengths = tensor(_random(2, 4, 3), requires_grad=True), [4, 2]

    def loss() -> Tensor:
        output, state = layer(x, lengths=lengths)
        return _weighted(output, *_parts(state))

    loss().backward()
    for name, parameter in [*layer.named_parameters(), ("x", x)]:
        direction = _random(*parameter.shape, seed=6)
        analytic = float(np.sum(parameter.grad.numpy() * direction))
        original, found = parameter.numpy().copy(), []
        with no_grad():
            for step in (1e-5, -1e-5):
                parameter.assign(original + step * direction)
                found.append(loss().item())
            parameter.assign(original)
        numeric = (found[0] - found[1]) / 2e-5
        assert abs(analytic - numeric) < 1e-6 * max(1.0, abs(analytic)), name


def test_dropout_acts_between_layers_while_training() -> None:
    x = _random(2, 5, 3)
    layer, plain = LSTM(3, 4, num_layers=2, dropout=0.5), LSTM(3, 4, num_layers=2)
    plain.load_state_dict(layer.state_dict())
    expected = plain(x)[0].numpy()
    assert not np.allclose(layer(x)[0].numpy(), layer(x)[0].numpy())
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].numpy(), expected)
    single = LSTM(3, 4, dropout=0.5)
    np.testing.assert_array_equal(single(x)[0].numpy(), single(x)[0].numpy())


def test_dropout_of_everything_leaves_the_upper_layer_without_input() -> None:
    layer = RNN(3, 4, num_layers=2, dropout=1.0)
    output, _ = layer(_random(2, 5, 3))
    upper = RNN(4, 4)
    upper.load_state_dict(
        {
            name.replace("l1", "l0"): values
            for name, values in layer.state_dict().items()
            if name.endswith("l1")
        }
    )
    np.testing.assert_allclose(output.numpy(), upper(np.zeros((2, 5, 4), np.float32))[0].numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "cell_kind"), [(RNN, RNNCell), (GRU, GRUCell), (LSTM, LSTMCell)], ids=["rnn", "gru", "lstm"]
)
def test_a_loop_over_a_cell_equals_the_layer(kind: Any, cell_kind: Any) -> None:
    layer, cell = kind(3, 4).astype(np.float64), cell_kind(3, 4).astype(np.float64)
    cell.load_state_dict({name.removesuffix("_l0"): values for name, values in layer.state_dict().items()})
    x = _random(2, 5, 3)
    output, state = layer(x)
    _weighted(output).backward()
    expected, weights, carried, loss = _gradients(layer), _random(*output.shape, seed=20), None, 0.0
    for t in range(5):
        carried = cell(x[:, t], carried)
        hidden = _parts(carried)[0]
        np.testing.assert_allclose(hidden.numpy(), output.numpy()[:, t], rtol=1e-12, atol=1e-14)
        loss = loss + (hidden * weights[:, t]).sum()
    loss.backward()
    for one, other in zip(_parts(carried), _parts(state), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy()[0], rtol=1e-12, atol=1e-14)
    for name, values in _gradients(cell).items():
        np.testing.assert_allclose(values, expected[f"{name}_l0"], rtol=1e-10, atol=1e-12, err_msg=name)


def test_relu_cell_is_another_cell() -> None:
    cell = RNNCell(3, 4, nonlinearity="relu")
    weights = cell.state_dict()
    x, hidden = _random(2, 3).astype(np.float32), _random(2, 4).astype(np.float32)
    expected = (
        x @ weights["weight_ih"].T + weights["bias_ih"] + hidden @ weights["weight_hh"].T + weights["bias_hh"]
    )
    np.testing.assert_allclose(cell(x, hidden).numpy(), np.maximum(expected, 0.0), rtol=1e-5, atol=1e-6)


def test_operations_are_named_after_layer_and_direction() -> None:
    class Model(Module):
        def __init__(self) -> None:
            self.memory = GRU(3, 4, num_layers=2, bidirectional=True)
            self.single = LSTM(8, 2)

        def forward(self, x: Any) -> Any:
            return self.single(self.memory(x)[0])

    output, _ = Model()(_random(2, 5, 3))
    nodes = nodes_below([output])
    assert [node.scope for node in nodes if node.operation.name == "gru"] == [
        "memory.l0", "memory.l0_reverse", "memory.l1", "memory.l1_reverse",
    ]  # fmt: skip
    assert [node.scope for node in nodes if node.operation.name == "lstm"] == ["single"]


def test_repr_shows_what_differs_from_the_usual() -> None:
    assert repr(LSTM(3, 4)) == "LSTM(input_size=3, hidden_size=4)"
    assert (
        repr(_relu_rnn(3, 4, num_layers=2, dropout=0.1, bidirectional=True, bias=False, batch_first=False))
        == "RNN(input_size=3, hidden_size=4, num_layers=2, nonlinearity='relu', bias=False, "
        "batch_first=False, dropout=0.1, bidirectional=True)"
    )
    assert repr(RNNCell(3, 4)) == "RNNCell(input_size=3, hidden_size=4, bias=True, nonlinearity='tanh')"


X = np.zeros((2, 5, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: LSTM(0, 4), ArgumentError, "LSTM: input_size expected at least 1, got 0"),
        (lambda: GRU(3, 4, num_layers=0), ArgumentError, "GRU: num_layers expected at least 1, got 0"),
        (lambda: GRU(3, 4, dropout=1.5), ArgumentError, "GRU: dropout expected a probability"),
        (
            lambda: RNN(3, 4, nonlinearity="sine"),
            ArgumentError,
            "RNN: nonlinearity expected one of 'tanh', 'relu'",
        ),
        (lambda: RNNCell(3, 4, nonlinearity="sine"), ArgumentError, "RNNCell: nonlinearity expected one of"),
        (lambda: RNNCell(3, 2.5), ArgumentError, "RNNCell: hidden_size expected a whole number"),
        (
            lambda: RNN(3, 4)(X[0]),
            ShapeError,
            "RNN: x expected shape (batch, time, 3), got (5, 3). "
            "A single sequence needs a batch axis: x[None].",
        ),
        (
            lambda: RNN(3, 4, batch_first=False)(X[0]),
            ShapeError,
            "RNN: x expected shape (time, batch, 3), got (5, 3). "
            "A single sequence needs a batch axis: x[:, None].",
        ),
        (
            lambda: LSTM(7, 4)(X),
            ShapeError,
            "LSTM: x expected shape (batch, time, 7), got (2, 5, 3). Did you mean LSTM(input_size=3)?",
        ),
        (lambda: GRU(3, 4)(X[:, :0]), ShapeError, "gru: expected at least one time step"),
        (
            lambda: GRU(3, 4, num_layers=2)(X, np.zeros((1, 2, 4))),
            ShapeError,
            "GRU: the initial hidden state expected shape (layers · directions, batch, hidden) = (2, 2, 4), "
            "got (1, 2, 4)",
        ),
        (
            lambda: LSTM(3, 4)(X, (np.zeros((1, 2, 4)), np.zeros((1, 3, 4)))),
            ShapeError,
            "LSTM: the initial cell state expected shape",
        ),
        (
            lambda: LSTM(3, 4)(X, tensor(np.zeros((1, 2, 4)))),
            ArgumentError,
            "LSTM: state expected a pair (hidden state, cell state), got Tensor",
        ),
        (lambda: LSTMCell(3, 4)(X[0], (1, 2, 3)), ArgumentError, "LSTMCell: state expected a pair"),
        (
            lambda: GRU(3, 4)(X, lengths=[1, 2], mask=np.ones((2, 5))),
            ArgumentError,
            "GRU: got both lengths and mask",
        ),
        (
            lambda: GRU(3, 4)(X, lengths=[5]),
            ShapeError,
            "GRU: lengths expected shape (batch,) = (2,), got (1,)",
        ),
        (lambda: GRU(3, 4)(X, lengths=[1.0, 2.0]), ArgumentError, "GRU: lengths expected whole numbers"),
        (
            lambda: GRU(3, 4)(X, lengths=[6, 2]),
            OutOfBoundsError,
            "GRU: lengths expected from 0 to 5 steps, got 2 to 6",
        ),
        (
            lambda: GRU(3, 4)(X, mask=np.ones((5, 2))),
            ShapeError,
            "gru: mask expected shape (batch, time) = (2, 5)",
        ),
    ],
)
def test_wrong_use_is_answered_clearly(call: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)


# ---- beside PyTorch, where it is installed


def _torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed: its layers are not compared with")


@each_kind
@pytest.mark.parametrize("packed", [False, True], ids=["whole", "packed"])
def test_layers_equal_pytorchs(kind: Any, packed: bool) -> None:
    torch = _torch()
    layer = kind(3, 4, num_layers=2, bidirectional=True).astype(np.float64)
    options: dict[str, Any] = {"nonlinearity": "relu"} if kind is _relu_rnn else {}
    peer_kind = getattr(torch.nn, type(layer).__name__)
    peer = peer_kind(3, 4, num_layers=2, bidirectional=True, batch_first=True, dtype=torch.float64, **options)
    peer.load_state_dict({name: torch.from_numpy(values) for name, values in layer.state_dict().items()})
    x, lengths = _random(3, 5, 3), [5, 2, 4]
    initial = tuple(_random(4, 3, 4, seed=part) for part in range(2 if kind is LSTM else 1))
    peer_x = torch.from_numpy(x).requires_grad_()
    peer_initial = tuple(torch.from_numpy(part).requires_grad_() for part in initial)
    peer_state = peer_initial if kind is LSTM else peer_initial[0]
    if packed:
        rows = torch.nn.utils.rnn.pack_padded_sequence(
            peer_x, lengths, batch_first=True, enforce_sorted=False
        )
        rows, expected_state = peer(rows, peer_state)
        expected, _ = torch.nn.utils.rnn.pad_packed_sequence(rows, batch_first=True)
    else:
        expected, expected_state = peer(peer_x, peer_state)
    own_x = tensor(x, requires_grad=True)
    own_initial = tuple(tensor(part, requires_grad=True) for part in initial)
    output, state = layer(
        own_x, own_initial if kind is LSTM else own_initial[0], lengths=lengths if packed else None
    )
    found, wanted = (output, *_parts(state)), (expected, *_parts(expected_state))
    loss, peer_loss = _weighted(*found), 0.0
    for position, (one, other) in enumerate(zip(found, wanted, strict=True)):
        np.testing.assert_allclose(one.numpy(), other.detach().numpy(), rtol=1e-10, atol=1e-12)
        peer_loss = peer_loss + (other * torch.from_numpy(_random(*other.shape, seed=20 + position))).sum()
    loss.backward()
    peer_loss.backward()
    pairs = [(parameter, peer.get_parameter(name)) for name, parameter in layer.named_parameters()]
    pairs += [(own_x, peer_x), *zip(own_initial, peer_initial, strict=True)]
    for own, other in pairs:
        np.testing.assert_allclose(own.grad.numpy(), other.grad.numpy(), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("cell_kind", [RNNCell, GRUCell, LSTMCell])
def test_cells_equal_pytorchs(cell_kind: Any) -> None:
    torch = _torch()
    cell = cell_kind(3, 4).astype(np.float64)
    peer = getattr(torch.nn, cell_kind.__name__)(3, 4, dtype=torch.float64)
    peer.load_state_dict({name: torch.from_numpy(values) for name, values in cell.state_dict().items()})
    x, state = (
        _random(2, 3),
        tuple(_random(2, 4, seed=part) for part in range(2 if cell_kind is LSTMCell else 1)),
    )
    own = cell(x, state if len(state) == 2 else state[0])
    peer_state = tuple(torch.from_numpy(part) for part in state)
    other = peer(torch.from_numpy(x), peer_state if len(state) == 2 else peer_state[0])
    for one, two in zip(_parts(own), _parts(other), strict=True):
        np.testing.assert_allclose(one.numpy(), two.detach().numpy(), rtol=1e-10, atol=1e-12)
    sum((part.sum() for part in _parts(own)), start=tensor(0.0)).backward()
    sum(part.sum() for part in _parts(other)).backward()
    for name, parameter in cell.named_parameters():
        np.testing.assert_allclose(
            parameter.grad.numpy(), peer.get_parameter(name).grad.numpy(), rtol=1e-9, atol=1e-12
        )
