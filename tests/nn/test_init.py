"""Initialisers: their moments and limits, exact structures, and errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats

from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, DTypeError, InPlaceError, ShapeError
from deltarule.nn import init
from deltarule.nn.module import Module, Parameter
from deltarule.operations.random import manual_seed

OUT, IN, KERNEL = 40, 60, (3, 2)
LINEAR_FANS = (IN, OUT)
CONVOLUTION_FANS = (IN * 6, OUT * 6)


def _zeros(*shape: int, dtype: Any = np.float64) -> Parameter:
    return Parameter(np.zeros(shape, dtype=dtype))


def _generator() -> np.random.Generator:
    return np.random.default_rng(123)


# name, options, standard deviation from (fan_in, fan_out), whether uniform
DEVIATIONS: list[tuple[Callable[..., Tensor], dict[str, Any], Callable[[int, int], float], bool]] = [
    (init.xavier_uniform_, {}, lambda i, o: math.sqrt(2 / (i + o)), True),
    (init.xavier_uniform_, {"gain": 5 / 3}, lambda i, o: 5 / 3 * math.sqrt(2 / (i + o)), True),
    (init.xavier_normal_, {}, lambda i, o: math.sqrt(2 / (i + o)), False),
    (init.xavier_normal_, {"gain": 0.5}, lambda i, o: 0.5 * math.sqrt(2 / (i + o)), False),
    (init.kaiming_uniform_, {}, lambda i, o: math.sqrt(2 / i), True),
    (init.kaiming_uniform_, {"a": math.sqrt(5)}, lambda i, o: math.sqrt(1 / (3 * i)), True),
    (init.kaiming_uniform_, {"mode": "fan_out", "nonlinearity": "relu"}, lambda i, o: math.sqrt(2 / o), True),
    (init.kaiming_normal_, {}, lambda i, o: math.sqrt(2 / i), False),
    (init.kaiming_normal_, {"nonlinearity": "tanh"}, lambda i, o: 5 / 3 * math.sqrt(1 / i), False),
    (init.kaiming_normal_, {"mode": "fan_out", "a": 1.0}, lambda i, o: math.sqrt(1 / o), False),
    (init.lecun_uniform_, {}, lambda i, o: math.sqrt(1 / i), True),
    (init.lecun_normal_, {}, lambda i, o: math.sqrt(1 / i), False),
    (init.normal_, {}, lambda i, o: 1.0, False),
    (init.normal_, {"std": 0.01}, lambda i, o: 0.01, False),
    (init.uniform_, {"low": -3.0, "high": 3.0}, lambda i, o: math.sqrt(3), True),
]


@pytest.mark.parametrize(
    ("shape", "fans"), [((OUT, IN), LINEAR_FANS), ((OUT, IN, *KERNEL), CONVOLUTION_FANS)]
)
@pytest.mark.parametrize(
    ("fill", "options", "deviation", "uniform"),
    DEVIATIONS,
    ids=[f"{f.__name__}-{o}" for f, o, *_ in DEVIATIONS],
)
def test_distribution(fill, options, deviation, uniform, shape, fans) -> None:
    parameter = _zeros(*shape)
    assert fill(parameter, **options, generator=_generator()) is parameter
    values = parameter.numpy().ravel()
    expected = deviation(*fans)
    limit = math.sqrt(3) * expected
    law = scipy.stats.uniform(-limit, 2 * limit) if uniform else scipy.stats.norm(0.0, expected)
    # One part in a thousand of right answers would fail; the seed is fixed, so this one never does.
    assert scipy.stats.kstest(values, law.cdf).pvalue > 1e-3
    assert values.std() == pytest.approx(expected, rel=0.05)
    if uniform:
        assert np.abs(values).max() <= limit


@pytest.mark.parametrize(
    ("mean", "std", "low", "high"),
    [
        (0, 1, -2, 2),
        (0.5, 0.1, 0.4, 0.9),
        (0, 1, 2, 3),
        (0, 1, 6, 60),
        (0, 1, -1e6, -5),
        (0, 1, 0.0, 0.01),
        (1, 2, -1e9, 1e9),
    ],
)
def test_truncated_normal(mean, std, low, high) -> None:
    parameter = init.trunc_normal_(_zeros(5000), mean, std, low, high, generator=_generator())
    values = parameter.numpy()
    assert values.min() >= low
    assert values.max() <= high
    law = scipy.stats.truncnorm((low - mean) / std, (high - mean) / std, loc=mean, scale=std)
    assert scipy.stats.kstest(values, law.cdf).pvalue > 1e-3


def test_truncated_normal_of_nothing() -> None:
    assert init.trunc_normal_(_zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (4, 3, 2, 2), (1, 1)])
def test_orthogonal(shape) -> None:
    parameter = init.orthogonal_(_zeros(*shape), gain=1.5, generator=_generator())
    flat = parameter.numpy().reshape(shape[0], -1)
    small = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    np.testing.assert_allclose(small, 2.25 * np.eye(len(small)), atol=1e-12)


def test_orthogonal_is_uniform_in_sign() -> None:
    generator = _generator()
    signs = [np.sign(init.orthogonal_(_zeros(2, 2), generator=generator).numpy()[0, 0]) for _ in range(200)]
    assert 60 < signs.count(1.0) < 140


def test_exact_fillings() -> None:
    assert init.constant_(_zeros(2), 0.25).tolist() == [0.25, 0.25]
    assert init.ones_(_zeros(2)).tolist() == [1.0, 1.0]
    assert init.zeros_(init.ones_(_zeros(2))).tolist() == [0.0, 0.0]
    assert init.identity_(_zeros(2, 3), gain=0.5).tolist() == [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]
    assert init.eye_ is init.identity_


def test_filling_is_in_place_counted_and_keeps_the_type() -> None:
    parameter = _zeros(2, 2, dtype=np.float32)
    array = parameter.numpy()
    squared = parameter * parameter
    init.normal_(parameter)
    assert parameter.dtype == np.float32
    assert parameter.requires_grad
    assert np.shares_memory(array, parameter.numpy())
    with pytest.raises(InPlaceError, match="was written into 1 time"):
        squared.backward(np.ones((2, 2), dtype=np.float32))


def test_the_librarys_seed_decides() -> None:
    manual_seed(4)
    first = init.xavier_uniform_(_zeros(3, 3)).numpy().copy()
    second = init.xavier_uniform_(_zeros(3, 3)).numpy().copy()
    manual_seed(4)
    assert (init.xavier_uniform_(_zeros(3, 3)).numpy() == first).all()
    assert (first != second).all()


class _Recurrent(Module):
    """Names and shapes of the parameters of a recurrent layer with that many gates."""

    def __init__(self, gates: int, bias: bool = True):
        for suffix in ("_l0", "_l0_reverse", "_l1"):
            setattr(self, f"weight_ih{suffix}", _zeros(gates * 2, 3))
            setattr(self, f"weight_hh{suffix}", _zeros(gates * 2, 2))
            if bias:
                setattr(self, f"bias_ih{suffix}", init.constant_(_zeros(gates * 2), 0.5))
                setattr(self, f"bias_hh{suffix}", init.constant_(_zeros(gates * 2), 0.5))


class _Cell(Module):
    def __init__(self, gates: int):
        self.weight_ih, self.weight_hh = _zeros(gates * 2, 3), _zeros(gates * 2, 2)
        self.bias_ih, self.bias_hh = _zeros(gates * 2), _zeros(gates * 2)


class _Model(Module):
    def __init__(self):
        self.encoder, self.gru, self.cell = _Recurrent(4), _Recurrent(3), _Cell(4)


def test_forget_gate_bias_of_a_module() -> None:
    model = _Model()
    init.forget_gate_bias_(model, 2.0)
    for suffix in ("_l0", "_l0_reverse", "_l1"):
        together = getattr(model.encoder, f"bias_ih{suffix}") + getattr(model.encoder, f"bias_hh{suffix}")
        assert together.tolist() == [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
        assert getattr(model.gru, f"bias_ih{suffix}").tolist() == [0.5] * 6
    assert (model.cell.bias_ih + model.cell.bias_hh).tolist() == [0, 0, 2, 2, 0, 0, 0, 0]


def test_forget_gate_bias_of_one_bias() -> None:
    bias = _zeros(4)
    init.forget_gate_bias_(bias)
    assert bias.tolist() == [0.0, 1.0, 0.0, 0.0]


def test_gains() -> None:
    assert (
        init.calculate_gain("sigmoid")
        == init.calculate_gain("linear")
        == init.calculate_gain("conv2d")
        == 1.0
    )
    assert init.calculate_gain("tanh") == pytest.approx(5 / 3)
    assert init.calculate_gain("relu") == pytest.approx(math.sqrt(2))
    assert init.calculate_gain("leaky_relu") == pytest.approx(math.sqrt(2 / 1.0001))
    assert init.calculate_gain("leaky_relu", 0.2) == pytest.approx(math.sqrt(2 / 1.04))
    assert init.calculate_gain("selu") == 0.75


ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: init.normal_(_zeros(2), std=-1), ArgumentError, "normal_: std expected at least 0, got -1"),
    (
        lambda: init.uniform_(_zeros(2), 2.0, 1.0),
        ArgumentError,
        "uniform_: expected low of at most high, got 2.0 and 1.0",
    ),
    (
        lambda: init.trunc_normal_(_zeros(2), std=0.0),
        ArgumentError,
        "trunc_normal_: std expected a number above 0",
    ),
    (
        lambda: init.trunc_normal_(_zeros(2), low=2, high=2),
        ArgumentError,
        "trunc_normal_: expected low below high",
    ),
    (
        lambda: init.xavier_uniform_(_zeros(2)),
        ShapeError,
        r"xavier_uniform_: expected weights with at least 2 axes .* \(2,\)",
    ),
    (
        lambda: init.xavier_normal_(_zeros(2)),
        ShapeError,
        "xavier_normal_: expected weights with at least 2 axes",
    ),
    (
        lambda: init.lecun_normal_(_zeros(3, 0)),
        ShapeError,
        r"lecun_normal_: weights of shape \(3, 0\) connect nothing",
    ),
    (lambda: init.lecun_uniform_(_zeros(3)), ShapeError, "lecun_uniform_: expected weights"),
    (
        lambda: init.kaiming_normal_(_zeros(2, 2), mode="in"),
        ArgumentError,
        "kaiming_normal_: mode expected 'fan_in'",
    ),
    (
        lambda: init.kaiming_uniform_(_zeros(2, 2), nonlinearity="swoosh"),
        ArgumentError,
        "calculate_gain: unknown nonlinearity 'swoosh'. Known are linear",
    ),
    (lambda: init.orthogonal_(_zeros(3)), ShapeError, "orthogonal_: expected weights with at least 2 axes"),
    (lambda: init.identity_(_zeros(3)), ShapeError, r"identity_: expected a matrix, got shape \(3,\)"),
    (lambda: init.zeros_(tensor([1, 2])), DTypeError, "zeros_: only floating tensors have gradients"),
    (lambda: init.ones_(np.ones(2)), DTypeError, "ones_: expected a tensor, got ndarray. Pass layer.weight"),
    (
        lambda: init.forget_gate_bias_(_zeros(6)),
        ShapeError,
        r"expected a bias \(4 · hidden,\), got shape \(6,\)",
    ),
    (lambda: init.forget_gate_bias_(_Recurrent(3)), ArgumentError, "_Recurrent holds no LSTM with biases"),
    (lambda: init.forget_gate_bias_(_Recurrent(4, bias=False)), ArgumentError, "Was it made with bias=False"),
    (
        lambda: init.forget_gate_bias_("lstm"),
        DTypeError,
        "forget_gate_bias_: expected a module or a bias, got str",
    ),
]


@pytest.mark.parametrize(("call", "error", "says"), ERRORS, ids=[says[:40] for *_, says in ERRORS])
def test_bad_arguments_are_answered_clearly(call, error, says) -> None:
    with pytest.raises(error, match=says):
        call()
