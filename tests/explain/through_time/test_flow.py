"""Flow: contributions sum to the gradient, Jacobians are those of the cells, rates are the known ones."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError, GraphError, OutOfBoundsError
from deltarule.explain.through_time import lag_products
from deltarule.explain.through_time.flow import flow
from deltarule.explain.through_time.gradient_rate import fitted_rate, horizon_of

KINDS = [
    (dr.nn.RNN, {"nonlinearity": "tanh"}),
    (dr.nn.RNN, {"nonlinearity": "relu"}),
    (dr.nn.GRU, {}),
    (dr.nn.LSTM, {}),
]
CELLS = {"rnn": dr.nn.RNNCell, "gru": dr.nn.GRUCell, "lstm": dr.nn.LSTMCell}
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def constant(generator, *shape):
    return dr.tensor(generator.normal(size=shape))


def hidden_of(state):
    return state[0] if isinstance(state, tuple) else state


def require_sums(found):
    """The contributions of every layer sum to the engine's gradient; sizes and shares are those of C."""
    for layer in found.layers:
        for weight in WEIGHTS:
            gradient = layer.gradients[weight]
            every = layer.contributions(weight)
            scale = np.max(np.abs(gradient))
            assert np.max(np.abs(every.sum(axis=(0, 1)) - gradient)) <= 1e-10 * max(scale, 1e-3)
            assert layer.deviations[weight] < 1e-10
            norms = np.sqrt(np.square(every).sum(axis=tuple(range(2, every.ndim))))
            assert layer.sizes(weight) == pytest.approx(norms, rel=1e-6, abs=1e-9 * max(1.0, norms.max()))
            if scale > 0:
                projected = np.tensordot(every, gradient, every.ndim - 2) / np.vdot(gradient, gradient)
                assert layer.shares(weight) == pytest.approx(projected, abs=1e-10)
                assert layer.shares(weight).sum() == pytest.approx(1)


@pytest.mark.parametrize("lengths", [None, [5, 3, 0]])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_contributions_sum_to_the_gradient(kind, options, layers, bidirectional, lengths):
    generator = np.random.default_rng(layers)
    dr.manual_seed(layers)
    network = kind(3, 4, num_layers=layers, bidirectional=bidirectional, dtype=dr.float64, **options)
    output, state = network(constant(generator, 3, 5, 3), lengths=lengths)
    loss = (output * constant(generator, *output.shape)).sum() + dr.square(hidden_of(state)).sum()
    found = flow(loss)
    assert len(found.layers) == layers * (1 + bidirectional)
    require_sums(found)


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_loss_at_the_last_step_alone_enters_there(kind, options):
    generator = np.random.default_rng(0)
    network = kind(3, 4, dtype=dr.float64, **options)
    output, state = network(constant(generator, 2, 5, 3))
    by_output = flow(dr.square(output[:, -1]).sum()).layers[0]
    by_state = flow(dr.square(hidden_of(state)).sum()).layers[0]
    assert by_output.sizes("weight_ih")[:-1].max() == 0
    assert by_output.sizes("weight_ih")[-1].min() > 0 or options.get("nonlinearity") == "relu"
    assert by_state.contributions() == pytest.approx(by_output.contributions(), abs=1e-14)


def test_the_last_state_belongs_to_each_sequences_own_last_step():
    generator = np.random.default_rng(0)
    network = dr.nn.GRU(3, 4, dtype=dr.float64)
    _, state = network(constant(generator, 2, 5, 3), lengths=[2, 5])
    layer = flow(dr.square(state).sum()).layers[0]
    assert sorted(np.flatnonzero(layer.sizes().any(axis=1))) == [1, 4]
    require_sums(flow(dr.square(state).sum()))


def test_contributions_are_those_of_one_loss_at_a_time():
    generator = np.random.default_rng(0)
    network = dr.nn.LSTM(3, 4, num_layers=2, dtype=dr.float64)
    x, targets = constant(generator, 2, 4, 3), constant(generator, 2, 4, 4)
    output, _ = network(x)
    layer = flow(dr.square(output - targets).sum()).layers[0]
    for t in range(4):
        network.zero_grad()
        output, _ = network(x)
        dr.square(output[:, t] - targets[:, t]).sum().backward()
        alone = sum(layer.contribution("weight_hh", t, k) for k in range(4))
        assert alone == pytest.approx(network.weight_hh_l0.grad.numpy(), abs=1e-12)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_cells_in_a_loop_are_steps(kind):
    generator = np.random.default_rng(0)
    cells = [CELLS[kind](3, 4, dtype=dr.float64), CELLS[kind](4, 4, dtype=dr.float64)]
    x, head = constant(generator, 2, 5, 3), dr.tensor(generator.normal(size=(4, 2)), requires_grad=True)
    states, loss = [None, None], dr.tensor(0.0, dtype=dr.float64)
    for t in range(5):
        features = x[:, t]
        for number, cell in enumerate(cells):
            states[number] = cell(features, states[number])
            features = 1.1 * hidden_of(states[number])
        loss = loss + dr.square(features @ head).sum()
    found = flow(loss)
    assert [layer.steps for layer in found.layers] == [5, 5]
    require_sums(found)
    assert len(found.layers[0].jacobians.times) == 5


def test_a_loop_and_a_sequence_agree():
    generator = np.random.default_rng(0)
    cell = dr.nn.LSTMCell(3, 4, dtype=dr.float64)
    x = constant(generator, 2, 6, 3)
    state, loss = None, dr.tensor(0.0, dtype=dr.float64)
    for t in range(6):
        state = cell(x[:, t], state)
        loss = loss + dr.square(state[0]).sum()
    zeros = dr.zeros((2, 4), dtype=dr.float64)
    output, _, _ = dr.lstm(x, zeros, zeros, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    loop, sequence = flow(loss).layers[0], flow(dr.square(output).sum()).layers[0]
    assert loop.contributions() == pytest.approx(sequence.contributions(), abs=1e-13)
    assert loop.jacobians.main.log_norms == pytest.approx(sequence.jacobians.main.log_norms)
    assert loop.paths == sequence.paths


@pytest.mark.parametrize("bidirectional", [False, True])
def test_segments_of_checkpoints_are_one_layer(bidirectional):
    generator = np.random.default_rng(0)
    x = constant(generator, 2, 6, 3)
    found = []
    for segments in (None, 3):
        dr.manual_seed(1)
        network = dr.nn.GRU(3, 4, bidirectional=bidirectional, dtype=dr.float64, checkpoint_segments=segments)
        output, _ = network(x)
        found.append(flow((output * output).sum()))
    require_sums(found[1])
    for whole, parts in zip(found[0].layers, found[1].layers, strict=True):
        assert parts.steps == 6
        assert parts.contributions() == pytest.approx(whole.contributions(), abs=1e-13)
        assert parts.jacobians.main.log_norms == pytest.approx(whole.jacobians.main.log_norms)


def test_a_state_carried_on_continues_the_layer_and_a_detached_one_does_not():
    generator = np.random.default_rng(0)
    network = dr.nn.RNN(3, 4, dtype=dr.float64)
    x = constant(generator, 2, 6, 3)
    first, state = network(x[:, :3])
    second, _ = network(x[:, 3:], state)
    carried = flow((first * first).sum() + (second * second).sum()).layers[0]
    assert carried.steps == 6 and len(carried.jacobians.times) == 6
    assert carried.sizes()[5, 1] > 0
    second, _ = network(x[:, 3:], dr.nn.detach_state(state))
    cut = flow((first * first).sum() + (second * second).sum())
    require_sums(cut)
    assert cut.layers[0].sizes()[5, 2] == 0 < cut.layers[0].sizes()[5, 3]
    jacobians = cut.layers[0].jacobians
    assert len(jacobians.times) == 6 and jacobians.linked == 3
    assert list(jacobians.main.lags) == [1, 2] and np.isfinite(jacobians.norms).all()
    last = [cut.layers[0].jacobian(step).whole for step in (4, 5)]
    assert jacobians.main.norms[1] == pytest.approx(np.linalg.norm(last[1] @ last[0], 2))
    alone = flow((second * second).sum()).layers[0].jacobians
    assert jacobians.main.log_norms == pytest.approx(alone.main.log_norms)


def test_a_state_that_is_changed_between_steps_hands_on_its_gradient_but_no_jacobians():
    generator = np.random.default_rng(0)
    cell, norm = dr.nn.GRUCell(3, 4, dtype=dr.float64), dr.nn.LayerNorm(4, dtype=dr.float64)
    x, state = constant(generator, 2, 5, 3), None
    for t in range(5):
        state = cell(x[:, t], None if state is None else norm(state))
    found = flow(dr.square(state).sum())
    require_sums(found)
    (layer,) = found.layers
    assert layer.steps == 5 and layer.sizes("weight_ih")[4].min() > 0
    assert layer.jacobians.linked == 1 and layer.jacobians.main.rate is None
    assert np.isfinite(layer.jacobians.norms).all() and layer.jacobian(1).whole.shape == (4, 4)
    assert "from the last such place on: 1 of 5 steps" in found.text()
    assert "5 步中的 1 步" in found.text(language="zh")


def test_two_sequences_through_one_layer_are_two_layers():
    generator = np.random.default_rng(0)
    network = dr.nn.LSTM(3, 4, dtype=dr.float64)
    left, right = (network(constant(generator, 2, steps, 3))[1][0] for steps in (6, 4))
    found = flow(dr.square(left - right).sum())
    assert [(layer.name, layer.steps) for layer in found.layers] == [("lstm", 6), ("lstm (2)", 4)]
    require_sums(found)
    larger = network(constant(generator, 5, 3, 3))[1][0]
    found = flow(dr.square(left).sum() + dr.square(larger).sum())
    assert [layer.batch for layer in found.layers] == [2, 5]
    require_sums(found)


@pytest.mark.parametrize("kind", [dr.nn.RNN, dr.nn.GRU, dr.nn.LSTM])
def test_a_layer_on_top_of_itself_is_another(kind):
    generator = np.random.default_rng(0)
    network = kind(4, 4, dtype=dr.float64)
    output, _ = network(network(constant(generator, 2, 5, 4))[0])
    found = flow(dr.square(output).sum())
    assert [layer.steps for layer in found.layers] == [5, 5]
    require_sums(found)
    assert found.layers[0].lag_shares().sum() == pytest.approx(1)
    whole = dr.gradients(dr.square(output).sum(), [network.weight_hh_l0])[0].numpy()
    assert sum(layer.total() for layer in found.layers) == pytest.approx(whole)


def test_one_cell_may_serve_two_layers_of_a_loop():
    generator = np.random.default_rng(0)
    cell, x = dr.nn.GRUCell(4, 4, bias=False, dtype=dr.float64), constant(generator, 2, 5, 4)
    lower = upper = None
    for t in range(5):
        lower = cell(x[:, t], lower)
        upper = cell(lower, 0.9 * upper if upper is not None else None)
    found = flow(dr.square(upper).sum())
    assert [layer.steps for layer in found.layers] == [5, 5]
    for layer in found.layers:
        assert layer.deviations["weight_hh"] < 1e-10


def test_layers_may_share_the_recurrent_weight_alone():
    generator = np.random.default_rng(0)
    lower, upper = dr.nn.RNN(3, 4, dtype=dr.float64), dr.nn.RNN(4, 4, dtype=dr.float64)
    upper.weight_hh_l0 = lower.weight_hh_l0
    output, _ = upper(lower(constant(generator, 2, 5, 3))[0])
    found = flow(dr.square(output).sum())
    assert [layer.weights["weight_ih"] for layer in found.layers] == ["rnn.weight_ih", "rnn (2).weight_ih"]
    require_sums(found)


def test_an_encoder_is_reached_from_the_steps_of_its_decoder():
    generator = np.random.default_rng(0)
    encoder, decoder = dr.nn.GRU(3, 4, dtype=dr.float64), dr.nn.GRU(2, 4, dtype=dr.float64)
    _, state = encoder(constant(generator, 2, 6, 3))
    output, _ = decoder(constant(generator, 2, 3, 2), state)
    found = flow((output * output).sum())
    require_sums(found)
    assert found.layers[0].sizes().shape == (3, 6)
    assert found.layers[0].sizes("weight_ih").min() > 0


def test_a_weight_used_elsewhere_is_compared_in_its_steps_alone():
    generator = np.random.default_rng(0)
    weight = dr.tensor(generator.normal(size=(4, 4)) / 2, requires_grad=True)
    output, _ = dr.rnn(constant(generator, 2, 5, 4), None, weight, weight)
    layer = flow((output * output).sum() + dr.square(weight).sum()).layers[0]
    assert layer.deviations["weight_hh"] < 1e-10
    assert layer.deviations["weight_ih"] < 1e-10


def test_a_weight_that_is_computed_is_compared_too():
    generator = np.random.default_rng(0)
    direction = dr.tensor(generator.normal(size=(4, 4)), requires_grad=True)
    weight = direction / dr.sqrt(dr.square(direction).sum())
    output, _ = dr.rnn(constant(generator, 2, 5, 3), None, generator.normal(size=(4, 3)), weight)
    layer = flow((output * output).sum()).layers[0]
    assert layer.deviations["weight_hh"] < 1e-10
    assert layer.contributions().sum(axis=(0, 1)) == pytest.approx(layer.gradients["weight_hh"])


def test_state_gradients_are_those_of_the_engine():
    generator = np.random.default_rng(0)
    cell = dr.nn.LSTMCell(3, 4, dtype=dr.float64)
    x = constant(generator, 2, 4, 3)
    state, kept, loss = None, [], dr.tensor(0.0, dtype=dr.float64)
    for t in range(4):
        state = cell(x[:, t], state)
        for each in state:
            each.retain_grad()
        kept.append(state)
        loss = loss + dr.square(state[0]).sum()
    layer = flow(loss).layers[0]
    loss.backward()
    for kind, number in (("hidden", 0), ("cell", 1)):
        gradients = [each[number].grad for each in kept]
        expected = [0.0 if each is None else np.linalg.norm(each.numpy()) for each in gradients]
        assert layer.state_gradients[kind] == pytest.approx(expected)
    by_sample = np.square(layer.sample_gradients["hidden"]).sum(axis=1)
    assert np.sqrt(by_sample) == pytest.approx(layer.state_gradients["hidden"])


# ---- Jacobians


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_jacobians_are_those_of_the_cell(kind, options):
    generator = np.random.default_rng(0)
    dr.manual_seed(0)
    network = kind(3, 4, dtype=dr.float64, **options)
    x = constant(generator, 2, 5, 3)
    output, _ = network(x)
    layer = flow((output * output).sum(), sample=1).layers[0]
    weights = [getattr(network, f"{name}_l0") for name in WEIGHTS]
    name = kind.__name__.lower()
    cell = {"rnn": dr.rnn_cell, "gru": dr.gru_cell, "lstm": dr.lstm_cell}[name]
    count = 2 if name == "lstm" else 1
    states = [dr.zeros((1, 4), dtype=dr.float64)] * count
    for t in range(5):

        def step(joined, t=t):
            parts = [joined[:, 4 * part : 4 * part + 4] for part in range(count)]
            after = cell(x[1:, t], *parts, *weights, **options)
            return dr.concat(after, axis=1) if isinstance(after, tuple) else after

        joined = dr.concat(states, axis=1)
        expected = dr.jacobian(step)(joined).numpy()[0, :, 0]
        found = layer.jacobian(t)
        assert found.whole == pytest.approx(expected, abs=1e-13)
        assert found.recurrent + found.carried == pytest.approx(expected, abs=1e-13)
        assert layer.jacobians.norms[t] == pytest.approx(np.linalg.norm(expected, 2))
        assert layer.jacobians.radii[t] == pytest.approx(np.max(np.abs(np.linalg.eigvals(expected))))
        after = step(joined)
        states = [after[:, 4 * part : 4 * part + 4] for part in range(count)]


def test_a_simple_layers_jacobian_is_slope_times_weight():
    generator = np.random.default_rng(0)
    network = dr.nn.RNN(3, 4, dtype=dr.float64)
    output, _ = network(constant(generator, 2, 5, 3))
    layer = flow((output * output).sum()).layers[0]
    weight = network.weight_hh_l0.numpy()
    product = np.eye(4)
    for t in (4, 3, 2, 1):
        slopes = np.diag(1 - output.numpy()[0, t] ** 2)
        found = layer.jacobian(t)
        assert found.slopes == pytest.approx(slopes)
        assert found.whole == pytest.approx(slopes @ weight)
        assert not found.carried.any()
        product = product @ slopes @ weight
        lag = 5 - t
        assert layer.jacobians.main.norms[lag - 1] == pytest.approx(np.linalg.norm(product, 2))
    assert layer.jacobians.weight_norm == pytest.approx(np.linalg.norm(weight, 2))
    assert layer.jacobians.slope_means[2] == pytest.approx(np.mean(1 - output.numpy()[0, 2] ** 2))


def test_the_gates_of_an_lstm_carry_the_cell():
    generator = np.random.default_rng(0)
    cell = dr.nn.LSTMCell(3, 4, dtype=dr.float64)
    x = constant(generator, 1, 6, 3)
    state, forget, loss = None, [], dr.tensor(0.0, dtype=dr.float64)
    for t in range(6):
        hidden = np.zeros((1, 4)) if state is None else state[0].numpy()
        sums = x.numpy()[:, t] @ cell.weight_ih.numpy().T + cell.bias_ih.numpy()
        sums = sums + hidden @ cell.weight_hh.numpy().T + cell.bias_hh.numpy()
        forget.append(1 / (1 + np.exp(-sums[0, 4:8])))
        state = cell(x[:, t], state)
        loss = loss + dr.square(state[0]).sum()
    jacobians = flow(loss).layers[0].jacobians
    assert jacobians.carried_means == pytest.approx([each.mean() for each in forget])
    kept = np.ones(4)
    for lag in range(1, 6):
        kept = kept * forget[6 - lag]
        assert jacobians.way("carried").norms[lag - 1] == pytest.approx(kept.max())


def test_a_larger_forget_bias_lets_more_through_than_a_simple_layer():
    generator = np.random.default_rng(0)
    x = constant(generator, 1, 30, 3)
    rates = {}
    for name, kind, bias in (("rnn", dr.nn.RNN, None), ("lstm", dr.nn.LSTM, 0.0), ("open", dr.nn.LSTM, 4.0)):
        dr.manual_seed(3)
        network = kind(3, 8, dtype=dr.float64)
        if bias is not None:
            dr.nn.init.forget_gate_bias_(network, bias)
        output, _ = network(x)
        rates[name] = flow(output.sum()).layers[0].jacobians.main.rate.per_step
    assert rates["rnn"] < rates["open"] and rates["lstm"] < rates["open"]
    assert rates["open"] > 0.95


def orthogonal(size):
    return np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))[0]


def test_the_rate_of_a_linear_layer_is_that_of_its_weight():
    weight = dr.tensor(0.5 * orthogonal(6), requires_grad=True)
    output, _ = dr.rnn(
        dr.zeros((1, 40, 2), dtype=dr.float64), None, dr.ones((6, 2), dtype=dr.float64), weight
    )
    jacobians = flow(output.sum()).layers[0].jacobians
    assert jacobians.main.rate.per_step == pytest.approx(0.5)
    assert jacobians.main.rate.left_after(20) == pytest.approx(0.5**20)
    assert jacobians.radii == pytest.approx(np.full(40, 0.5))
    # 0.5 to the power of 52 is the resolution of float64.
    assert jacobians.main.horizon.kind == "vanishes" and jacobians.main.horizon.lag in (52, 53)
    assert not jacobians.main.horizon.measured


def test_an_exploding_layer_grows_and_overflows():
    weight = dr.tensor(1.2 * np.abs(orthogonal(6)), requires_grad=True)
    h0 = dr.ones((1, 6), dtype=dr.float64)
    output, _ = dr.rnn(
        dr.ones((1, 30, 2), dtype=dr.float64), h0, np.ones((6, 2)), weight, nonlinearity="relu"
    )
    jacobians = flow(output.sum()).layers[0].jacobians
    radius = np.max(np.abs(np.linalg.eigvals(weight.numpy())))
    assert jacobians.main.rate.per_step == pytest.approx(radius, rel=0.02)
    assert jacobians.main.rate.per_step > 1.2
    assert jacobians.main.horizon.kind == "explodes"


def test_a_relu_that_is_off_everywhere_leaves_nothing():
    weight = dr.tensor(np.eye(3), requires_grad=True)
    bias = dr.tensor([-9.0, -9.0, -9.0], dtype=dr.float64, requires_grad=True)
    x = dr.zeros((1, 5, 2), dtype=dr.float64)
    output, _ = dr.rnn(x, None, np.ones((3, 2)), weight, bias, nonlinearity="relu")
    jacobians = flow(output.sum()).layers[0].jacobians
    assert jacobians.main.rate.per_step == 0
    assert jacobians.main.rate.left_after(20) == 0
    assert (jacobians.main.horizon.kind, jacobians.main.horizon.lag) == ("vanishes", 1)


def test_masked_steps_are_no_steps_of_the_sample():
    generator = np.random.default_rng(0)
    network = dr.nn.RNN(3, 4, bidirectional=True, dtype=dr.float64)
    output, _ = network(constant(generator, 2, 5, 3), lengths=[3, 5])
    forwards, backwards = flow(output.sum(), sample=0).layers
    assert list(forwards.jacobians.times) == [0, 1, 2]
    assert list(backwards.jacobians.times) == [2, 1, 0]
    with pytest.raises(OutOfBoundsError, match="sample 0 has no step 4"):
        forwards.jacobian(4)


def test_a_wide_layer_of_orthogonal_weights_has_their_rate():
    size = lag_products.LARGEST_FORMED + 1
    weight = 0.61 * np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))[0]
    x = dr.zeros((1, 25, 2), dtype=dr.float64)
    output, _ = dr.rnn(x, None, np.ones((size, 2)), dr.tensor(weight, requires_grad=True))
    jacobians = flow(output.sum()).layers[0].jacobians
    assert not jacobians.exact and jacobians.carried_means is None
    assert jacobians.main.rate.per_step == pytest.approx(0.61)
    assert jacobians.main.rate.left_after(20) == pytest.approx(5.1e-5, rel=0.01)
    assert jacobians.weight_norm == pytest.approx(0.61)
    assert jacobians.weight_radius == pytest.approx(0.61)
    assert jacobians.radii[[0, -1]] == pytest.approx(0.61)


@pytest.mark.parametrize("kind", [dr.nn.RNN, dr.nn.GRU, dr.nn.LSTM])
def test_wide_layers_without_numbers_or_steps_have_answers(kind, monkeypatch):
    monkeypatch.setattr(lag_products, "LARGEST_FORMED", 2)
    network = kind(3, 4, dtype=dr.float64)
    output, _ = network(dr.ones((2, 5, 3), dtype=dr.float64), lengths=[0, 1])
    nothing, one = (flow(output.sum(), sample=sample).layers[0].jacobians for sample in (0, 1))
    assert not nothing.exact and len(nothing.times) == 0 and nothing.main.rate is None
    assert np.isfinite(one.norms).all() and one.main.rate is None
    with dr.no_grad():
        network.weight_hh_l0.assign(np.full(network.weight_hh_l0.shape, np.nan))
    with np.errstate(invalid="ignore"):
        output, _ = network(dr.ones((2, 5, 3), dtype=dr.float64))
    broken = flow(output.sum()).layers[0].jacobians
    assert np.isnan(broken.norms).all() and np.isnan(broken.weight_norm)
    assert np.isnan(broken.main.rate.per_step) and broken.main.horizon.kind == "unknown"


@pytest.mark.parametrize("kind", [dr.nn.RNN, dr.nn.GRU, dr.nn.LSTM])
def test_wide_layers_are_estimated_without_their_jacobians(kind, monkeypatch):
    generator = np.random.default_rng(0)
    dr.manual_seed(0)
    network = kind(3, 24, dtype=dr.float64)
    output, _ = network(constant(generator, 1, 20, 3))
    loss = (output * output).sum()
    exact = flow(loss).layers[0].jacobians
    monkeypatch.setattr(lag_products, "LARGEST_FORMED", 8)
    estimated = flow(loss).layers[0].jacobians
    assert exact.exact and not estimated.exact
    seen = np.isfinite(estimated.norms)
    assert seen.sum() == lag_products.FEW_STEPS
    assert estimated.norms[seen] == pytest.approx(exact.norms[seen], rel=0.05)
    assert estimated.radii[seen] == pytest.approx(exact.radii[seen], rel=0.05)
    assert estimated.slope_norms == pytest.approx(exact.slope_norms)
    assert estimated.slope_means == pytest.approx(exact.slope_means)
    for way in estimated.ways:
        same = exact.way(way.way)
        assert way.log_norms == pytest.approx(same.log_norms[np.isin(same.lags, way.lags)], abs=0.06)
    if exact.carried_means is not None:
        assert estimated.carried_means == pytest.approx(exact.carried_means)
        assert estimated.carried_largest == pytest.approx(exact.carried_largest)


# ---- rates and horizons


def test_rates_of_nothing_and_of_zeros():
    assert fitted_rate([], []) is None
    assert fitted_rate([1, 2], [-np.inf, -np.inf]).per_step == 0
    assert fitted_rate([1, 2], [np.log(0.3), -np.inf]).per_step == pytest.approx(0.3)


def test_a_horizon_between_lags_is_found_by_their_line():
    lags = np.array([1, 10, 60])
    logs = lags * np.log(0.5)
    horizon = horizon_of(lags, logs, fitted_rate(lags, logs), np.float32)
    assert (horizon.kind, horizon.lag, horizon.measured) == ("vanishes", 23, True)
    kept = horizon_of(lags, 0 * logs, fitted_rate(lags, 0 * logs), np.float32)
    assert (kept.kind, kept.lag) == ("keeps", None)


def test_one_step_has_no_lag():
    output, _ = dr.nn.RNN(2, 3)(dr.ones((1, 1, 2)))
    main = flow(output.sum()).layers[0].jacobians.main
    assert main.rate is None and main.horizon.kind == "keeps" and len(main.lags) == 0


# ---- paths, float32, errors


def test_paths_are_counted_by_step():
    output, _ = dr.nn.RNN(2, 3)(dr.ones((1, 7, 2)))
    assert flow(output.sum()).layers[0].paths["weight_hh"] == 7 * 8 // 2
    output, _ = dr.nn.LSTM(2, 3)(dr.ones((1, 3, 2)))
    # Arriving at steps 3, 2, 1: 1, then 1 + 2, then 1 + 6.
    assert flow(output.sum()).layers[0].paths["weight_hh"] == 1 + 3 + 7


def test_float32_networks_are_taken_apart_in_float64():
    network = dr.nn.LSTM(3, 4, num_layers=2)
    output, _ = network(dr.ones((2, 6, 3)))
    for layer in flow(output.sum()).layers:
        assert layer.deviations["weight_hh"] < 1e-5
        assert layer.contributions().dtype == np.float64
        assert layer.jacobians.main.horizon.dtype == "float32"


def test_frozen_weights_have_contributions_but_nothing_to_compare():
    network = dr.nn.GRU(3, 4, dtype=dr.float64)
    network.weight_hh_l0.requires_grad = False
    output, _ = network(dr.ones((2, 3, 3)))
    layer = flow((output * output).sum()).layers[0]
    assert layer.gradients["weight_hh"] is None and layer.deviations["weight_hh"] is None
    assert layer.sizes("weight_hh")[2, 2] > 0 and layer.shares("weight_hh") is None
    assert layer.deviations["weight_ih"] < 1e-10
    assert layer.paths["weight_hh"] == 0


@pytest.mark.parametrize("factor", [np.nan, 1e70])
def test_a_network_that_has_broken_down_is_still_taken_apart(factor):
    weight = dr.tensor(factor * np.eye(3), requires_grad=True)
    x = dr.ones((1, 6, 2), dtype=dr.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        output, _ = dr.rnn(x, None, np.ones((3, 2)), weight, nonlinearity="relu")
        layer = flow(output.sum()).layers[0]
    assert [way.way for way in layer.jacobians.ways] == ["hidden"]
    if np.isnan(factor):
        assert np.isnan(layer.jacobians.main.rate.per_step)
        assert np.isnan(layer.jacobians.main.rate.left_after(20))
        assert layer.jacobians.main.horizon.kind == "unknown"
    else:
        assert layer.jacobians.main.rate.per_step == pytest.approx(factor)
        assert (layer.jacobians.main.horizon.kind, layer.jacobians.main.horizon.lag) == ("explodes", 5)
    assert layer.contribution("weight_hh", 5, 5).shape == (3, 3)


def test_lag_shares_sum_to_one_in_both_directions():
    generator = np.random.default_rng(0)
    network = dr.nn.RNN(3, 4, bidirectional=True, dtype=dr.float64)
    output, _ = network(constant(generator, 2, 5, 3))
    for layer in flow((output * output).sum()).layers:
        shares, every = layer.lag_shares(), layer.shares()
        assert shares.sum() == pytest.approx(1)
        assert shares[0] == pytest.approx(np.trace(every))
        corner = every[0, 4] if layer.reverse else every[4, 0]
        assert shares[4] == pytest.approx(corner)


def test_lags_are_told_only_where_losses_come_after_uses():
    generator = np.random.default_rng(0)
    lower, upper = dr.nn.RNN(3, 4, dtype=dr.float64), dr.nn.GRU(4, 4, dtype=dr.float64)
    output, _ = upper(dr.flip(lower(constant(generator, 2, 5, 3))[0], axis=1))
    found = flow((output * output).sum())
    require_sums(found)
    assert found.layers[0].lag_shares() is None
    assert found.layers[1].lag_shares().sum() == pytest.approx(1)


def test_layers_are_chosen_by_number_or_name():
    network = dr.nn.RNN(3, 4, num_layers=2, dtype=dr.float64)
    output, _ = network(dr.ones((1, 3, 3)))
    assert [layer.name for layer in flow(output.sum(), layers=["l1"]).layers] == ["l1"]
    found = flow(output.sum(), layers=[0], names=dict(network.named_parameters()))
    assert found.layer("l0").weights["weight_hh"] == "weight_hh_l0"
    with pytest.raises(ArgumentError, match="layers expected some of 0: l0, 1: l1; got 'l7'"):
        flow(output.sum(), layers=["l7"])
    with pytest.raises(ArgumentError, match="there is no layer 'l1'"):
        found.layer("l1")


def test_a_loss_of_several_elements_needs_its_upstream():
    output, _ = dr.nn.RNN(3, 4, dtype=dr.float64)(dr.ones((1, 3, 3)))
    with pytest.raises(GraphError, match="flow: expected a loss of one element"):
        flow(output)
    found = flow(output, upstream=np.ones(output.shape))
    assert found.loss is None
    require_sums(found)


def test_what_cannot_be_answered_says_so():
    x = dr.tensor(2.0, requires_grad=True)
    with pytest.raises(GraphError, match="nothing recurrent leads to this tensor"):
        flow(x * x)
    with pytest.raises(GraphError, match="expected a tensor, got float"):
        flow(1.0)
    output, _ = dr.nn.RNN(3, 4)(dr.ones((2, 3, 3)))
    with pytest.raises(OutOfBoundsError, match="sample 2 is outside of a batch of 2"):
        flow(output.sum(), sample=2)
    with pytest.raises(ArgumentError, match="expected samples, got an empty batch"):
        flow(dr.nn.RNN(3, 4)(dr.ones((0, 3, 3)))[0].sum())
    layer = flow(output.sum()).layers[0]
    with pytest.raises(ArgumentError, match="weight expected one of weight_ih, weight_hh"):
        layer.sizes("weight")
    with pytest.raises(OutOfBoundsError, match="step 3 is outside of 0 to 2"):
        layer.contribution("weight_hh", 0, 3)


def test_the_pass_frees_and_changes_nothing():
    network = dr.nn.RNN(3, 4)
    output, _ = network(dr.ones((2, 3, 3)))
    loss = output.sum()
    flow(loss)
    assert network.weight_hh_l0.grad is None
    loss.backward()
    assert network.weight_hh_l0.grad is not None
