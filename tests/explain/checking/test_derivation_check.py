"""Backward functions with one mistake each: the mistake is named; right ones are not blamed."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.explain.checking.derivation_check import check_derivation
from tests.operations.cases import CASES


def numbers(*shape):
    return np.random.default_rng(sum(shape) + len(shape)).normal(size=shape)


def softmax(x):
    grown = np.exp(x - x.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


X, W, B = numbers(5, 4), numbers(3, 4), numbers(3)
LABELS = np.array([0, 2, 1, 1, 0])


def mlp(x, w1, b1, w2, b2):
    hidden = dr.tanh(dr.linear(x, w1, b1))
    return dr.cross_entropy(dr.linear(hidden, w2, b2), LABELS[: len(x)])


MLP = (numbers(5, 4), numbers(6, 4), numbers(6), numbers(3, 6), numbers(3))


def mlp_backward(mistake=""):
    def backward(x, w1, b1, w2, b2):
        hidden = np.tanh(x @ w1.T + b1)
        p = softmax(hidden @ w2.T + b2)
        target = np.eye(len(w2))[LABELS[: len(x)]]
        delta2 = (p - target) / (1 if mistake == "mean" else len(x))
        if mistake == "target":
            delta2 = p / len(x)
        slope = {"slope": 1.0, "sigmoid": hidden * (1 - hidden)}.get(mistake, 1 - hidden**2)
        delta1 = (delta2 @ w2) * slope
        if mistake == "accumulate":
            delta1 = -delta1
        grad_w1 = delta1.T @ x
        if mistake == "last":
            grad_w1 = np.outer(delta1[-1], x[-1])
        if mistake == "unactivated":
            hidden = x @ w1.T + b1
        return (
            delta1 @ w1, grad_w1, delta1.sum(0), delta2.T @ hidden,
            delta2.mean(0) if mistake == "bias" else delta2.sum(0),
        )  # fmt: skip

    return backward


def shared(x, w):
    """w is used twice."""
    return dr.matmul(dr.tanh(dr.matmul(x, w)), w)


def shared_backward(upstream, x, w):
    hidden = np.tanh(x @ w)
    return (upstream @ w.T * (1 - hidden**2)) @ w.T, hidden.T @ upstream


def convolved(x, weight):
    return dr.conv2d(x, weight)


def convolution_backward(mistake=""):
    def backward(upstream, x, weight):
        grad_x, grad_weight = np.zeros_like(x), np.zeros_like(weight)
        rows, columns = weight.shape[2:]
        own = weight.swapaxes(-1, -2) if mistake == "transposed" else weight
        own = weight[:, :, ::-1, ::-1] if mistake == "rotated" else own
        for i in range(upstream.shape[2]):
            for j in range(upstream.shape[3]):
                patch = x[:, :, i : i + rows, j : j + columns]
                part = np.einsum("no,ncuv->ocuv", upstream[:, :, i, j], patch)
                grad_weight = part + (0 if mistake == "overwritten" else grad_weight)
                grad_x[:, :, i : i + rows, j : j + columns] += np.einsum(
                    "no,ocuv->ncuv", upstream[:, :, i, j], own
                )
        if mistake == "rotated result":
            grad_weight = grad_weight[:, :, ::-1, ::-1]
        return grad_x, grad_weight / (len(x) if mistake == "mean" else 1)

    return backward


def attention(q, k, v):
    return dr.matmul(dr.softmax(dr.matmul(q, dr.matrix_transpose(k)) / 2.0), v)


def attention_backward(mistake):
    def backward(upstream, q, k, v):
        p = softmax(q @ k.T / 2)
        grad_p = upstream @ v.T
        delta = (
            grad_p * p * (1 - p)
            if mistake == "jacobian"
            else p * (grad_p - (grad_p * p).sum(-1, keepdims=True))
        )
        delta = delta if mistake == "scale" else delta / 2
        return delta @ k, delta.T @ q, (p if mistake == "value" else p.T) @ upstream

    return backward


def residual(x, w):
    return x + dr.tanh(dr.matmul(x, w))


def normalised(x):
    centred = x - dr.mean(x, axis=0)
    return centred / dr.sqrt(dr.mean(dr.square(centred), axis=0) + 1e-5)


def normalised_as_if_constant(upstream, x):
    return upstream / np.sqrt(x.var(0) + 1e-5)


def layer_norm_backward(upstream, x):
    deviation = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    hat = (x - x.mean(-1, keepdims=True)) / deviation
    return (upstream - hat * (upstream * hat).mean(-1, keepdims=True)) / deviation


def lstm(x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh):
    return dr.lstm(x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh)[0]


LSTM = (numbers(1, 3, 2), numbers(1, 2), numbers(1, 2), numbers(8, 2), numbers(8, 2), numbers(8), numbers(8))


def lstm_backward(mistake="", at=None):
    """A backward pass as one writes it by hand; `at` restricts the mistake to a time step."""

    def backward(upstream, x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh):
        hidden, steps = h0.shape[1], x.shape[1]
        states, cells, gates = [h0], [c0], []
        for t in range(steps):
            a = x[:, t] @ weight_ih.T + bias_ih + states[-1] @ weight_hh.T + bias_hh
            i, f, g, o = (a[:, k * hidden : (k + 1) * hidden] for k in range(4))
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            cells.append(f * cells[-1] + i * g)
            states.append(o * np.tanh(cells[-1]))
            gates.append((i, f, g, o))
        grad_h, grad_c = np.zeros_like(h0), np.zeros_like(c0)
        grads = [np.zeros_like(each) for each in (x, weight_ih, weight_hh, bias_ih)]
        for t in reversed(range(1 if mistake == "stops" else 0, steps)):

            def wrong(kind, t=t):
                return mistake == kind and (at is None or at == t)

            i, f, g, o = gates[t]
            squashed = np.tanh(cells[t + 1])
            dh = upstream[:, t] + (0 if wrong("recurrent") else grad_h)
            dc = dh * o * (1 if wrong("cell slope") else 1 - squashed**2)
            dc = dc + (0 if wrong("cell path") else grad_c)
            di = dc * g * (i if wrong("input slope") else i * (1 - i))
            df = dc * (cells[t + 1] if wrong("cell step") else cells[t]) * f * (1 - f)
            df = dc * cells[t] if wrong("forget slope") else df
            dg = dc * i * (g * (1 - g) if wrong("candidate slope") else 1 - g**2)
            do = dh * (1 if wrong("output tanh") else squashed) * o * (1 - o)
            do = -do if wrong("output sign") else do
            do = 0 * do if wrong("output lost") else do
            do = do * np.cos(o) if wrong("output odd") else do
            dg = dc * f * (1 - g**2) if wrong("candidate gate") else dg
            order = [df, di, dg, do] if wrong("swapped") else [di, df, dg, do]
            delta = np.concatenate(order, axis=1)
            grads[0][:, t] = delta @ weight_ih
            grads[1] += delta.T @ x[:, t]
            grads[2] += delta.T @ (states[t + 1] if wrong("state step") else states[t])
            grads[3] += delta.sum(0)
            grad_h = delta @ weight_hh
            grad_c = dc * (i if wrong("cell gate") else f)
        return grads[0], grad_h, grad_c, grads[1], grads[2], grads[3], grads[3]

    return backward


def gru(x, h0, weight_ih, weight_hh, bias_ih, bias_hh):
    return dr.gru(x, h0, weight_ih, weight_hh, bias_ih, bias_hh)[0]


GRU = (numbers(2, 3, 2), numbers(2, 2), numbers(6, 2), numbers(6, 2), numbers(6), numbers(6))


def gru_backward(mistake=""):
    def backward(upstream, x, h0, weight_ih, weight_hh, bias_ih, bias_hh):
        hidden, steps = h0.shape[1], x.shape[1]
        states, saved = [h0], []
        for t in range(steps):
            a, s = x[:, t] @ weight_ih.T + bias_ih, states[-1] @ weight_hh.T + bias_hh
            r = sigmoid(a[:, :hidden] + s[:, :hidden])
            z = sigmoid(a[:, hidden : 2 * hidden] + s[:, hidden : 2 * hidden])
            n = np.tanh(a[:, 2 * hidden :] + r * s[:, 2 * hidden :])
            states.append((1 - z) * n + z * states[-1])
            saved.append((r, z, n, s[:, 2 * hidden :]))
        grad_h = np.zeros_like(h0)
        grads = [np.zeros_like(each) for each in (x, weight_ih, weight_hh, bias_ih, bias_hh)]
        for t in reversed(range(steps)):
            r, z, n, recalled = saved[t]
            dh = upstream[:, t] + grad_h
            dn = dh * (1 - z) * (1 - n**2)
            if mistake == "candidate slope":
                dn = dh * (1 - z)
            if mistake == "update gate itself":
                dn = dh * z * (1 - n**2)
            dz = dh * (n - states[t] if mistake == "update sign" else states[t] - n) * z * (1 - z)
            dr_ = dn * recalled * r * (1 - r)
            delta_i = np.concatenate([dr_, dz, dn], axis=1)
            delta_h = np.concatenate([dr_, dz, dn if mistake == "reset" else dn * r], axis=1)
            grads[0][:, t] = delta_i @ weight_ih
            grads[1] += delta_i.T @ x[:, t]
            grads[2] += delta_h.T @ states[t]
            grads[3] += delta_i.sum(0)
            grads[4] += delta_h.sum(0)
            grad_h = delta_h @ weight_hh + (0 if mistake == "direct" else dh * z)
        return grads[0], grad_h, *grads[1:]

    return backward


def rnn(x, h0, weight_ih, weight_hh, bias_ih, bias_hh):
    return dr.rnn(x, h0, weight_ih, weight_hh, bias_ih, bias_hh)[0]


RNN = (numbers(2, 3, 2), numbers(2, 3), numbers(3, 2), numbers(3, 3), numbers(3), numbers(3))


def rnn_backward(mistake=""):
    def backward(upstream, x, h0, weight_ih, weight_hh, bias_ih, bias_hh):
        states = [h0]
        for t in range(x.shape[1]):
            states.append(np.tanh(x[:, t] @ weight_ih.T + bias_ih + states[-1] @ weight_hh.T + bias_hh))
        grad_h = np.zeros_like(h0)
        grads = [np.zeros_like(each) for each in (x, weight_ih, weight_hh, bias_ih)]
        for t in reversed(range(x.shape[1])):
            dh = upstream[:, t] + (0 if mistake == "recurrent" else grad_h)
            delta = dh * (1 if mistake == "slope" else 1 - states[t + 1] ** 2)
            grads[0][:, t] = delta @ weight_ih
            if mistake == "accumulate":
                grads[1] = delta.T @ x[:, t]
            else:
                grads[1] += delta.T @ x[:, t]
            grads[2] += delta.T @ (states[t + 1] if mistake == "state" else states[t])
            grads[3] += delta.sum(0)
            grad_h = delta @ (weight_hh.T if mistake == "transposed" else weight_hh)
        return grads[0], grad_h, grads[1], grads[2], grads[3], grads[3]

    return backward


# Name: function, backward, inputs, kind that must be named, then what its place or text must say.
WRONG = {
    "tanh: slope lost": (dr.tanh, lambda g, x: g, (X,), "missing_factor", {"operation": "tanh"}),
    "tanh: square lost": (dr.tanh, lambda g, x: g * (1 - np.tanh(x)), (X,), "missing_square", {}),
    "tanh: slope at the input": (dr.tanh, lambda g, x: g * (1 - x**2), (X,), "wrong_point", {}),
    "tanh: slope of the sigmoid": (dr.tanh, lambda g, y: g * y * (1 - y), (X,), "wrong_slope", {}),
    "tanh: plus for minus": (dr.tanh, lambda g, y: g * (1 + y**2), (X,), "summand_sign", {}),
    "tanh: upstream lost": (dr.tanh, lambda g, y: 1 - y**2, (X,), "missing_factor", {}),
    "sigmoid: slope at the input": (dr.sigmoid, lambda g, x: g * x * (1 - x), (X,), "wrong_point", {}),
    "sigmoid: one factor lost": (dr.sigmoid, lambda g, y: g * (1 - y), (X,), "missing_factor", {}),
    "sigmoid: slope of tanh": (dr.sigmoid, lambda g, y: g * (1 - y**2), (X,), "wrong_slope", {}),
    "sigmoid: sign": (dr.sigmoid, lambda g, y: -g * y * (1 - y), (X,), "sign", {}),
    "relu: mask lost": (dr.relu, lambda g, x: g, (X,), "missing_factor", {"operation": "relu"}),
    "exp: factor 2": (dr.exp, lambda g, y: 2 * g * y, (X,), "factor", {}),
    "softmax: element by element": (
        dr.softmax, lambda g, y: g * y * (1 - y), (X,), "elementwise", {"operation": "softmax"},
    ),
    "softmax: coupling lost": (dr.softmax, lambda g, y: g * y, (X,), "missing_summand", {}),
    "linear: weight transposed": (
        dr.linear, lambda g, x, w, b: (g @ w, x.T @ g, g.sum(0)), (X, W, B), "transposed",
        {"terms": ("weight",)},
    ),
    "linear: bias not summed": (
        dr.linear, lambda g, x, w, b: (g @ w, g.T @ x, g), (X, W, B), "missing_sum",
        {"terms": ("bias",), "extent": "batch"},
    ),
    "linear: mean for sum": (
        dr.linear, lambda g, x, w, b: (g @ w, g.T @ x, g.mean(0)), (X, W, B), "mean_for_sum",
        {"extent": "batch"},
    ),
    "linear: last sample alone": (
        dr.linear, lambda g, x, w, b: (g @ w, np.outer(g[-1], x[-1]), g.sum(0)), (X, W, B), "last_only", {},
    ),
    "linear: square weight transposed": (
        dr.linear, lambda g, x, w: (g @ w.T, g.T @ x), (X, numbers(4, 4)), "transposed", {"terms": ("x",)},
    ),
    "linear: shapes do not fit": (
        dr.linear, lambda g, x, w: (g @ w.T, g.T @ x), (X, W), "transposed", {"terms": ("x",), "trials": 2},
    ),
    "linear: gradient missing": (
        dr.linear, lambda g, x, w: (g @ w, np.zeros_like(w)), (X, W), "zero", {"terms": ("weight",)},
    ),
    "multiply: operands": (
        dr.multiply, lambda g, a, b: (g * a, g * b), (X, numbers(5, 4) + 3), "wrong_operand", {},
    ),
    "add: broadcast not summed": (
        dr.add, lambda g, a, b: (g, g), (X, numbers(4)), "missing_sum", {"axes": (0,)},
    ),
    "squared error: factor 2": (
        dr.mse_loss, lambda p, t: ((p - t) / p.size, -(p - t) / p.size), (X, numbers(5, 4) + 1),
        "missing_factor", {"operation": "mse_loss"},
    ),
    "mean: 1/N lost": (dr.mean, lambda g, x: np.ones_like(x), (X,), "missing_factor", {"operation": "mean"}),
    "MLP: 1/N lost": (mlp, mlp_backward("mean"), MLP, "missing_factor", {"operation": "cross_entropy"}),
    "MLP: target lost": (mlp, mlp_backward("target"), MLP, "missing_summand", {"operation": "cross_entropy"}),
    "MLP: slope lost": (mlp, mlp_backward("slope"), MLP, "missing_factor", {"operation": "tanh"}),
    "MLP: slope of the sigmoid": (mlp, mlp_backward("sigmoid"), MLP, "wrong_slope", {"operation": "tanh"}),
    "MLP: sign below": (mlp, mlp_backward("accumulate"), MLP, "sign", {"terms": ("x", "w1", "b1")}),
    "MLP: last sample alone": (mlp, mlp_backward("last"), MLP, "last_only", {"terms": ("w1",)}),
    "MLP: bias averaged": (mlp, mlp_backward("bias"), MLP, "mean_for_sum", {"terms": ("b2",)}),
    "shared weight: one use lost": (
        shared, shared_backward, (numbers(2, 3), numbers(3, 3)), "missing_contribution", {"terms": ("w",)},
    ),
    "convolution: kernel transposed": (
        convolved, convolution_backward("transposed"), (numbers(2, 2, 4, 5), numbers(3, 2, 2, 2)),
        "transposed", {"terms": ("x",)},
    ),
    "convolution: mean over the batch": (
        convolved, convolution_backward("mean"), (numbers(2, 2, 4, 5), numbers(3, 2, 2, 2)),
        "mean_for_sum", {"terms": ("weight",)},
    ),
    "product: operands in the wrong order": (
        dr.matmul, lambda g, a, b: (b.T @ g, a.T @ g), (numbers(3, 3), numbers(3, 3) + 1),
        "operand_order", {},
    ),
    "product: Hadamard for the product": (
        dr.matmul, lambda g, a, b: (g * b.T, a.T @ g), (numbers(3, 3), numbers(3, 3) + 1),
        "hadamard_for_product", {"operation": "matmul"},
    ),
    "sequence: not summed over the batch": (
        dr.matmul, lambda g, x, w: (g @ w.T, x.swapaxes(1, 2) @ g), (numbers(2, 3, 4), numbers(4, 2)),
        "missing_sum", {"axes": (0,)},
    ),
    "attention: softmax element by element": (
        attention, attention_backward("jacobian"), (numbers(4, 4),) * 3,
        "elementwise", {"operation": "softmax"},
    ),
    "attention: scale lost": (
        attention, attention_backward("scale"), (numbers(4, 4),) * 3,
        "missing_factor", {"operation": "divide"},
    ),
    "attention: weights transposed": (
        attention, attention_backward("value"), (numbers(4, 4),) * 3, "transposed", {"terms": ("v",)},
    ),
    "residual: skip connection lost": (
        residual, lambda g, x, w: ((d := g * (1 - np.tanh(x @ w) ** 2)) @ w.T, x.T @ d),
        (numbers(3, 2), numbers(2, 2)), "missing_contribution", {"operation": "add", "terms": ("x",)},
    ),
    "normalisation: statistics as constants": (
        normalised, normalised_as_if_constant, (numbers(5, 3),), "constant", {"operation": "mean"},
    ),
    "softmax: sum over the rows": (
        dr.softmax, lambda g, y: y * (g - (g * y).sum(0, keepdims=True)), (numbers(4, 4),), "wrong_axis", {},
    ),
    "linear: bias summed over its own axis": (
        dr.linear, lambda g, x, w, b: (g @ w, g.T @ x, g.sum(1)), (X, W, B), "wrong_axis",
        {"terms": ("bias",)},
    ),
    "cross-entropy: slope of the output besides": (
        lambda z: dr.cross_entropy(z, LABELS),
        lambda z: (p := softmax(z)) * (1 - p) * (p - np.eye(3)[LABELS]) / 5, (numbers(5, 3),),
        "extra_factor", {},
    ),
    "MLP: input of the activation for its output": (
        mlp, mlp_backward("unactivated"), MLP, "wrong_operand", {"operation": "linear", "terms": ("w2",)},
    ),
    "layer norm: mean lost": (
        lambda x: dr.layer_norm(x, (4,)), layer_norm_backward, (X,), "missing_summand", {"terms": ("x",)},
    ),
    "logarithm: times for over": (dr.log, lambda g, x: g * x, (np.abs(X) + 0.1,), "wrong_operand", {}),
    "power: exponent lost": (lambda x: x**3, lambda g, x: 3 * g * x, (X,), "missing_function", {}),
    "root: factor 2, on numbers that are positive": (
        dr.sqrt, lambda g, x: g / np.sqrt(x), (np.abs(X) + 0.1,), "factor", {"extent": ""},
    ),
    "convolution: kernel rotated": (
        convolved, convolution_backward("rotated"), (numbers(2, 2, 4, 5), numbers(3, 2, 2, 2)),
        "flipped", {"terms": ("x",)},
    ),
    "convolution: result rotated": (
        convolved, convolution_backward("rotated result"), (numbers(2, 2, 4, 5), numbers(3, 2, 2, 2)),
        "flipped", {"terms": ("weight",)},
    ),
    "convolution: overwritten in the loop": (
        convolved, convolution_backward("overwritten"), (numbers(2, 2, 4, 5), numbers(3, 2, 2, 2)),
        "last_only", {"terms": ("weight",)},
    ),
    "RNN: mean over time": (
        rnn, lambda g, x, *rest: [
            part / x.shape[1] if place == 2 else part
            for place, part in enumerate(rnn_backward()(g, x, *rest))
        ],
        RNN, "mean_for_sum", {"extent": "time", "terms": ("weight_ih",)},
    ),
    "GRU: rows of the gates swapped": (
        gru, lambda *given: [
            np.concatenate([part[2:4], part[:2], part[4:]]) if part.shape[0] == 6 else part
            for part in gru_backward()(*given)
        ],
        GRU, "swapped_gates", {"gate": "r, z"},
    ),
    "RNN: recurrent term lost": (
        rnn, rnn_backward("recurrent"), RNN, "missing_recurrent", {"operation": "rnn"},
    ),
    "RNN: slope lost": (rnn, rnn_backward("slope"), RNN, "missing_factor", {"operation": "rnn"}),
    "RNN: state one step late": (rnn, rnn_backward("state"), RNN, "wrong_step", {"terms": ("weight_hh",)}),
    "RNN: overwritten in the loop": (
        rnn, rnn_backward("accumulate"), RNN, "first_only", {"terms": ("weight_ih",)},
    ),
    "RNN: recurrent weight transposed": (
        rnn, rnn_backward("transposed"), RNN, "transposed", {"operation": "rnn"},
    ),
    "GRU: candidate's slope lost": (
        gru, gru_backward("candidate slope"), GRU, "missing_factor", {"gate": "n"},
    ),
    "GRU: z for 1 − z": (gru, gru_backward("update gate itself"), GRU, "wrong_operand", {"gate": "n"}),
    "GRU: update gate's sign": (gru, gru_backward("update sign"), GRU, "sign", {"gate": "z"}),
    "GRU: reset gate lost": (gru, gru_backward("reset"), GRU, "missing_factor", {"gate": "n"}),
    "GRU: direct path lost": (gru, gru_backward("direct"), GRU, "missing_summand", {"operation": "gru"}),
    "LSTM: recurrent term lost": (
        lstm, lstm_backward("recurrent"), LSTM, "missing_recurrent", {"value": "hidden"},
    ),
    "LSTM: cell path lost": (lstm, lstm_backward("cell path"), LSTM, "missing_recurrent", {"value": "cell"}),
    "LSTM: tanh of the cell": (
        lstm, lstm_backward("cell slope"), LSTM, "missing_factor", {"operation": "lstm"},
    ),
    "LSTM: input gate's slope": (lstm, lstm_backward("input slope"), LSTM, "missing_factor", {"gate": "i"}),
    "LSTM: forget gate's slope": (lstm, lstm_backward("forget slope"), LSTM, "missing_factor", {"gate": "f"}),
    "LSTM: candidate's slope": (lstm, lstm_backward("candidate slope"), LSTM, "wrong_slope", {"gate": "g"}),
    "LSTM: output gate without tanh": (
        lstm, lstm_backward("output tanh"), LSTM, "missing_factor", {"gate": "o"},
    ),
    "LSTM: output gate's sign": (lstm, lstm_backward("output sign"), LSTM, "sign", {"gate": "o"}),
    "LSTM: cell one step late": (lstm, lstm_backward("cell step"), LSTM, "wrong_step", {"gate": "f"}),
    "LSTM: state one step late": (
        lstm, lstm_backward("state step"), LSTM, "wrong_step", {"terms": ("weight_hh",)},
    ),
    "LSTM: gates swapped": (lstm, lstm_backward("swapped"), LSTM, "swapped_gates", {"gate": "i, f"}),
    "LSTM: wrong gate on the cell path": (
        lstm, lstm_backward("cell gate"), LSTM, "wrong_operand", {"operation": "lstm"},
    ),
    "LSTM: forget gate at step 1": (
        lstm, lstm_backward("forget slope", 1), LSTM, "missing_factor", {"gate": "f", "step": 1},
    ),
    "LSTM: candidate at the last step": (
        lstm, lstm_backward("candidate slope", 2), LSTM, "wrong_slope", {"gate": "g", "step": 2},
    ),
    "LSTM: another gate's factor at step 1": (
        lstm, lstm_backward("candidate gate", 1), LSTM, "wrong_operand", {"gate": "g", "step": 1},
    ),
    "LSTM: output gate without an error": (lstm, lstm_backward("output lost"), LSTM, "zero", {"gate": "o"}),
    "LSTM: output gate without an error at step 2": (
        lstm, lstm_backward("output lost", 2), LSTM, "zero", {"gate": "o", "step": 2},
    ),
    "LSTM: loop stops early": (lstm, lstm_backward("stops"), LSTM, "skipped_step", {"step": 0}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_the_mistake_is_named(name):
    function, backward, inputs, kind, says = WRONG[name]
    check = check_derivation(function, backward, *inputs)
    assert not check.right
    assert check.causes, "no cause was found"
    cause = check.causes[0]
    assert cause.kind == kind
    for key, value in says.items():
        found = getattr(cause, key) if hasattr(cause, key) else getattr(cause.place, key)
        assert found == value, f"{key} of {cause}"
    wrong = {term.name for term in check.terms if term.status == "wrong"}
    assert {term for each in check.causes for term in each.terms} == wrong
    assert all(each.error < 1e-6 and each.trials >= 2 for each in check.causes)
    shown_with_small_numbers(check.examples[0], inputs)


def shown_with_small_numbers(example, inputs):
    assert example is not None
    size = sum(array.size for array in example.numbers.values())
    assert size <= sum(np.size(each) for each in inputs)
    assert example.given.shape != example.expected.shape or not np.allclose(example.given, example.expected)
    right = [line for line in example.lines if line.right]
    wrong = [line for line in example.lines if not line.right]
    for line in (*right, *wrong):
        assert line.arithmetic
    if wrong:
        assert abs(right[0].value - wrong[0].value) > 1e-6


class Tanh:
    """As in a lecture's homework."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, upstream):
        return upstream * (1 - self.y**2)


class Affine:
    def forward(self, x, weight, bias):
        self.x, self.weight = x, weight
        return x @ weight.T + bias

    def backward(self, dout):
        self.dweight = dout.T @ self.x
        self.dbias = dout.sum(axis=0)
        self.dx = dout @ self.weight


class Graded(Affine):
    def backward(self, dout):
        super().backward(dout)
        self.grads = {"dweight": self.dweight, "dbias": self.dbias}
        return self.dx


class Layer:
    """A layer that keeps its weights."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dout):
        self.dW, self.db = dout.T @ self.x, dout.sum(0)
        return dout @ self.W


class OddLayer(Layer):
    """Its weights have names that say nothing."""

    def __init__(self, W, b):
        self.first, self.second = W, b

    def forward(self, x):
        self.W, self.b = self.first, self.second
        return super().forward(x)


def affine(x, W, b):
    return dr.linear(x, W, b)


RIGHT = {
    "layer with its weights": (affine, Layer(W, B), (X, W, B)),
    "class of layers": (affine, Layer, (X, W, B)),
    "layer with weights under other names": (affine, OddLayer(W, B), (X, W, B)),
    "tanh": (dr.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), (X,)),
    "tanh from its output": (dr.tanh, lambda g, y: g * (1 - y**2), (X,)),
    "softmax": (dr.softmax, lambda g, y: y * (g - (g * y).sum(-1, keepdims=True)), (X,)),
    "linear": (dr.linear, lambda g, x, w, b: (g @ w, g.T @ x, g.sum(0)), (X, W, B)),
    "by name": (
        dr.linear, lambda upstream, x, weight: {"dW": upstream.T @ x, "x": upstream @ weight}, (X, W),
    ),
    "one gradient alone": (dr.linear, lambda upstream, x: {"dL/dweight": upstream.T @ x}, (X, W)),
    "loss without upstream": (
        dr.mse_loss, lambda input, target: (2 * (input - target) / input.size, None), (X, numbers(5, 4)),
    ),
    "loss with upstream": (
        dr.mse_loss, lambda upstream, input, target: upstream * 2 * (input - target) / input.size,
        (X, numbers(5, 4)),
    ),
    "network": (mlp, mlp_backward(), MLP),
    "convolution": (convolved, convolution_backward(), (numbers(2, 2, 4, 5), numbers(3, 2, 2, 2))),
    "RNN": (rnn, rnn_backward(), RNN),
    "GRU": (gru, gru_backward(), GRU),
    "LSTM": (lstm, lstm_backward(), LSTM),
    "object": (dr.tanh, Tanh(), (X,)),
    "class": (dr.tanh, Tanh, (X,)),
    "gradients kept as attributes": (dr.linear, Affine(), (X, W, B)),
    "gradients in a dictionary": (dr.linear, Graded, (X, W, B)),
    "numbers": (dr.tanh, {"x": 1 - np.tanh(np.array([0.5])) ** 2}, (np.array([0.5]),)),
    "numbers held by the function": (
        lambda x: dr.sum(dr.tanh(x)), lambda upstream: upstream * (1 - np.tanh(X) ** 2), (X,),
    ),
    "tensors in the answer": (dr.exp, lambda g, y: dr.tensor(g * y), (X,)),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_are_not_blamed(name):
    function, backward, inputs = RIGHT[name]
    check = check_derivation(function, backward, *inputs)
    assert [term.status for term in check.terms] == ["right"] * len(check.terms)
    assert check.terms and check.right and not check.causes
    assert check.reference_error < 1e-6


def test_right_gradients_of_every_operation_are_never_blamed():
    blamed, seen = [], set()
    for row in CASES:
        live = [
            place
            for place, each in enumerate(row.inputs)
            if isinstance(each, np.ndarray) and each.dtype == np.float64 and place not in row.constant
        ]
        nested = any(isinstance(each, (tuple, list)) for each in row.inputs)
        if nested or not live or not all(np.size(each) for each in row.inputs):
            continue
        # A wrong sign is found in each operation, once.
        for sign in (1.0,) if row.name in seen else (1.0, -1.0):
            check = check_derivation(*_by_the_engine(row, live, sign), *row.inputs, names=_letters(row))
            wrong = {term.name for term in check.terms if term.status == "wrong"}
            if sign > 0 and (wrong or check.causes):
                blamed.append((str(row), wrong))
            if sign < 0 and {cause.kind for cause in check.causes} != ({"sign"} if wrong else set()):
                blamed.append((str(row), check.causes))
        seen.add(row.name)
    assert not blamed and len(seen) > 100


def _letters(row):
    return [f"a{place}" for place in range(len(row.inputs))]


def _by_the_engine(row, live, sign):
    """A row's function, and a backward that hands the engine's own gradient back, with a sign."""

    def function(*inputs):
        return row.function(*inputs, **row.options)

    def backward(upstream, *inputs):
        tensors = [
            dr.tensor(each, requires_grad=True) if place in live else each
            for place, each in enumerate(inputs)
        ]
        found = function(*tensors)
        outputs = [
            each for each in (found if isinstance(found, (tuple, list)) else (found,)) if each.requires_grad
        ]
        given = list(upstream) if isinstance(upstream, tuple) else [upstream]
        given = [np.reshape(each, output.shape) for each, output in zip(given, outputs, strict=True)]
        answers = [None] * len(inputs)
        for place, gradient in zip(
            live, dr.gradients(outputs, [tensors[place] for place in live], given), strict=True
        ):
            answers[place] = None if gradient is None else sign * gradient.numpy()
        return tuple(answers)

    return function, backward


def test_scalars():
    def f(x, y, z):
        return (x + y) * z

    check = check_derivation(f, lambda x, y, z: (z, z, x + y), -2.0, 5.0, -4.0)
    assert check.right and check.reference_error < 1e-6
    check = check_derivation(f, lambda x, y, z: (z, -z, x + y), -2.0, 5.0, -4.0)
    assert [(cause.kind, cause.terms) for cause in check.causes] == [("sign", ("y",))]
    check = check_derivation(dr.tanh, lambda g, y: g * (1 - y), 0.5)
    assert check.causes[0].kind == "missing_square" and check.examples[0].lines
    check = check_derivation(f, {"x": "z", "y": "z", "z": "x - y"}, -2.0, 5.0, -4.0)
    assert check.causes[0].kind == "summand_sign" and check.causes[0].corrected == "∂L/∂z = x + y"
    assert "Mistake 1" in check.text() and check.svg()


def test_arrays_without_elements():
    with pytest.raises(ArgumentError, match=r"x has shape \(0, 3\): there are no elements to compare"):
        check_derivation(dr.tanh, lambda g, x: g, np.zeros((0, 3)))


def test_every_claimed_gradient_is_a_term():
    check = check_derivation(dr.linear, Affine, X, W, B)
    assert [term.name for term in check.terms] == ["x", "weight", "bias"]
    assert check.form == "object" and check.forward_error < 1e-12
    check = check_derivation(dr.linear, lambda upstream, x: {"dL/dweight": upstream.T @ x}, X, W)
    assert [term.name for term in check.terms] == ["weight"]


def test_two_mistakes_in_different_gradients_are_both_named():
    check = check_derivation(dr.linear, lambda g, x, w, b: (-g @ w, g.T @ x, g), X, W, B)
    assert {(cause.kind, cause.terms) for cause in check.causes} == {
        ("sign", ("x",)),
        ("missing_sum", ("bias",)),
    }
    assert check["weight"].right


def test_two_mistakes_in_one_recurrent_layer_are_both_named():
    def backward(upstream, x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh):
        return _two_mistakes(upstream, x, h0, c0, weight_ih, weight_hh, bias_ih + bias_hh)

    check = check_derivation(lstm, backward, *LSTM)
    assert {(cause.kind, cause.place.gate) for cause in check.causes} == {
        ("missing_factor", "f"),
        ("wrong_slope", "g"),
    }


def _two_mistakes(upstream, x, h0, c0, weight_ih, weight_hh, bias):
    """An LSTM without the forget gate's slope, and with the sigmoid's slope for the candidate."""
    hidden = h0.shape[1]
    states, cells, gates = [h0], [c0], []
    for t in range(x.shape[1]):
        a = x[:, t] @ weight_ih.T + bias + states[-1] @ weight_hh.T
        i, f, g, o = (a[:, k * hidden : (k + 1) * hidden] for k in range(4))
        gates.append((sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)))
        i, f, g, o = gates[-1]
        cells.append(f * cells[-1] + i * g)
        states.append(o * np.tanh(cells[-1]))
    dh, dc = np.zeros_like(h0), np.zeros_like(c0)
    grads = [np.zeros_like(each) for each in (x, weight_ih, weight_hh, bias)]
    for t in reversed(range(x.shape[1])):
        i, f, g, o = gates[t]
        dh, squashed = dh + upstream[:, t], np.tanh(cells[t + 1])
        dc = dc + dh * o * (1 - squashed**2)
        parts = [dc * g * i * (1 - i), dc * cells[t], dc * i * g * (1 - g), dh * squashed * o * (1 - o)]
        delta = np.concatenate(parts, axis=1)
        grads[0][:, t] = delta @ weight_ih
        grads[1] += delta.T @ x[:, t]
        grads[2] += delta.T @ states[t]
        grads[3] += delta.sum(0)
        dh, dc = delta @ weight_hh, dc * f
    return grads[0], dh, dc, grads[1], grads[2], grads[3], grads[3]


def test_mistakes_are_named_together_and_once_each():
    def backward(x, w1, b1, w2, b2):
        """1/N and the slope are lost, and a gradient is transposed."""
        hidden = np.tanh(x @ w1.T + b1)
        delta2 = softmax(hidden @ w2.T + b2) - np.eye(len(w2))[LABELS[: len(x)]]
        delta1 = delta2 @ w2
        return delta1 @ w1, x.T @ delta1, delta1.sum(0), delta2.T @ hidden, delta2.sum(0)

    check = check_derivation(mlp, backward, *MLP)
    found = {(cause.kind, cause.place.operation): cause.terms for cause in check.causes}
    assert found == {
        ("missing_factor", "cross_entropy"): ("x", "w1", "b1", "w2", "b2"),
        ("missing_factor", "tanh"): ("x", "w1", "b1"),
        ("transposed", ""): ("w1",),
    }


def test_a_mistake_in_the_pass_and_one_besides():
    def backward(x, w1, b1, w2, b2):
        return [-each for each in mlp_backward("slope")(x, w1, b1, w2, b2)]

    check = check_derivation(mlp, backward, *MLP)
    assert {(cause.kind, len(cause.terms)) for cause in check.causes} == {("sign", 5), ("missing_factor", 3)}


@pytest.mark.parametrize("at", [None, 1])
def test_the_gate_at_fault_is_named_where_no_simple_mistake_explains_it(at):
    check = check_derivation(lstm, lstm_backward("output odd", at), *LSTM, patience=0.5)
    (cause,) = check.causes
    assert (cause.kind, cause.place.gate, cause.place.step) == ("wrong_gate", "o", at)
    assert check["weight_hh"].pattern is not None
    assert "gate o" in check.text() and "门 o" in check.text(language="zh")


def test_a_number_that_stands_for_a_size():
    # The 5 of the loss does not change with the number of samples: smaller arrays prove nothing then.
    def loss(x, w, b):
        return dr.sum(dr.square(dr.linear(x, w, b))) / 5.0

    def backward(x, w, b):
        delta = 2 * (x @ w.T + b) / len(x)
        return delta @ w, delta.T @ x, delta

    check = check_derivation(loss, backward, X, W, B)
    assert [(cause.kind, cause.terms) for cause in check.causes] == [("missing_sum", ("b",))]


def test_lists_of_numbers_are_arrays():
    assert check_derivation(dr.tanh, lambda g, y: (g * (1 - y**2)).tolist(), X).right


def test_a_claim_without_a_gradient():
    with pytest.raises(ArgumentError, match="the claim has no gradient"):
        check_derivation(dr.tanh, {}, X)


def test_infinite_claims_are_wrong_without_a_warning():
    check = check_derivation(dr.tanh, lambda g, x: np.full(x.shape, np.inf), X)
    assert check["x"].status == "wrong" and check["x"].pattern.correlation is None


def test_blocks_and_steps_say_which_gates_and_times_are_wrong():
    check = check_derivation(
        lstm, lstm_backward("output tanh"), *[each[:, :2] if each.ndim == 3 else each for each in LSTM]
    )
    blocks = {block.gate: block.right for block in check["weight_hh"].blocks}
    assert list(blocks) == ["i", "f", "g", "o"] and not blocks["o"]
    steps = check_derivation(rnn, rnn_backward("recurrent"), *RNN)["x"].steps
    # The last step's gradient does not come from later.
    assert [step.right for step in steps] == [False, False, True]


def test_one_step_tells_the_gates_apart():
    short = [each[:, :1] if each.ndim == 3 else each for each in LSTM]
    check = check_derivation(lstm, lstm_backward("forget slope"), *short)
    blocks = {block.gate: block.right for block in check["bias_ih"].blocks}
    assert blocks == {"i": True, "f": False, "g": True, "o": True}


def test_a_gradient_of_zeros_proves_nothing_and_other_numbers_are_drawn():
    # At x = 0 the output is 0, and the weight's gradient with it: any factor would do.
    zeros = np.zeros((3, 4))
    check = check_derivation(dr.linear, lambda g, x, w: (g @ w, g.T @ np.abs(x)), zeros, W)
    assert check["weight"].status == "wrong" and check["weight"].shown_by == "other"
    check = check_derivation(dr.linear, lambda g, x, w: (g @ w, g.T @ x), zeros, W)
    assert check["weight"].status == "right" and check["weight"].shown_by == "other"
    # Where it is zero on all numbers, no numbers can tell.
    check = check_derivation(lambda x: dr.sum(dr.sign(x) * 2.0) + dr.sum(x) * 0.0, lambda g, x: 0 * x, X)
    assert check["x"].status == "not shown" and check.right


def test_a_wrong_branch_shows_on_other_numbers():
    positive = np.abs(X) + 0.1
    check = check_derivation(dr.relu, lambda g, x: g, positive)
    assert check["x"].status == "wrong" and check["x"].shown_by == "other"
    assert check.causes[0].kind == "missing_factor"


def test_at_a_kink_several_answers_are_right():
    x = np.array([-1.0, 0.0, 2.0])
    check = check_derivation(dr.relu, lambda g, x: g * (x >= 0), x)
    assert check["x"].right and check["x"].kinks == ((1,),)
    assert not check_derivation(dr.relu, lambda g, x: g * (x > 0), x)["x"].kinks


def test_float32_inputs_and_answers():
    x, w = X.astype(np.float32), W.astype(np.float32)
    assert check_derivation(dr.linear, lambda g, x, w: (g @ w, g.T @ x), x, w).right

    def single(g, x, w):
        g, x, w = (each.astype(np.float32) for each in (g, x, w))
        return g @ w, g.T @ x

    assert check_derivation(dr.linear, single, x, w).right
    check = check_derivation(dr.linear, lambda g, x, w: (g @ w, -(g.T @ x).astype(np.float32)), x, w)
    assert check.causes[0].kind == "sign"


def test_parameters_that_a_function_reaches_are_terms():
    model = dr.nn.Sequential(dr.nn.Linear(4, 3), dr.nn.Tanh(), dr.nn.Linear(3, 2))

    def backward(upstream, x):
        w1, b1, *_ = (parameter.numpy().astype(np.float64) for parameter in model.parameters())
        hidden = np.tanh(x @ w1.T + b1)
        return {"2.weight": upstream.T @ hidden, "2.bias": upstream.sum(0)}

    check = check_derivation(model, backward, X)
    assert [(term.name, term.status) for term in check.terms] == [("2.weight", "right"), ("2.bias", "right")]
    # On other numbers the module itself had them for a while; now it has its own again.
    assert check.trials == 3 and model[0].weight.dtype == dr.float32


def test_no_simple_mistake_is_said_honestly():
    generator = np.random.default_rng(3)
    noise = generator.normal(size=(3, 4))

    def backward(upstream, x, weight):
        right = upstream.T @ x
        wrong = right * (1 + noise[: len(right), : right.shape[1]])
        wrong[1:] = right[1:]
        return upstream @ weight, wrong

    check = check_derivation(dr.linear, backward, X, W)
    term = check["weight"]
    assert term.status == "wrong" and not check.causes_of("weight")
    assert term.pattern.rows == (0,) and term.pattern.wrong == 4
    assert 0 < term.pattern.correlation < 1


def test_lengths_of_sequences_at_which_a_recurrent_gradient_is_wrong():
    def backward(upstream, x, h0, weight_ih, weight_hh, bias_ih, bias_hh):
        answers = list(rnn_backward()(upstream, x, h0, weight_ih, weight_hh, bias_ih, bias_hh))
        if x.shape[1] > 1:
            answers[3] = answers[3] + 0.3 * np.cos(np.arange(answers[3].size)).reshape(answers[3].shape)
        return tuple(answers)

    pattern = check_derivation(rnn, backward, *RNN)["weight_hh"].pattern
    assert [length for length, error in pattern.lengths if error > 1e-6] == [2]
    assert pattern.losses and pattern.scale is not None


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (lambda a, b, c, d, e: a, "backward takes 5 arguments"),
        (lambda g, x: None, "backward returned None"),
        (lambda g, x: (g, g, g), "backward returned 3 gradients, expected at most 1"),
        (lambda g, x: {"q": g}, "there is no input named 'q'"),
        (7, "expected a backward function"),
        (lambda g, x: np.array("text"), "has elements of type"),
    ],
)
def test_claims_that_cannot_be_read_say_why(backward, message):
    with pytest.raises(ArgumentError, match=message):
        check_derivation(dr.tanh, backward, X)


def test_subjects_that_cannot_be_checked_say_why():
    with pytest.raises(ArgumentError, match="expected a function of tensors or a computed loss, got int"):
        check_derivation(3, lambda g, x: g)
    loss = dr.sum(dr.tanh(dr.tensor(X, requires_grad=True)))
    with pytest.raises(ArgumentError, match="a computed loss takes no inputs, got 1"):
        check_derivation(loss, lambda x: x, X)


def test_code_that_raises_is_a_cause_with_its_own_words():
    def backward(upstream, x):
        raise KeyError("grad")

    check = check_derivation(dr.tanh, backward, X)
    assert check.causes[0].kind == "raises" and "KeyError: 'grad'" in check.causes[0].used
    assert check["x"].status == "wrong" and check["x"].given is None


def test_the_users_arrays_are_not_shared():
    def backward(upstream, x):
        upstream *= 1 - np.tanh(x) ** 2
        x[...] = 0
        return upstream

    assert check_derivation(dr.tanh, backward, X).right
