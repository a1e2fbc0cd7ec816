"""Activation functions. Rows of `elementwise.define`; groups open into their arithmetic."""

from __future__ import annotations

import math
from typing import Any

from deltarule.autodiff.formula.expression import Expression, Number, Symbol, function, greater, where
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.kernels import elementwise as kernels
from deltarule.operations.elementwise import define, upstream, x, y

_SQRT_HALF = Number(math.sqrt(0.5), r"\tfrac{1}{\sqrt{2}}")
_DENSITY_SCALE = Number(1 / math.sqrt(2 * math.pi), r"\tfrac{1}{\sqrt{2\pi}}")
_SQRT_TWO_OVER_PI = Number(math.sqrt(2 / math.pi), r"\sqrt{\tfrac{2}{\pi}}")

sigmoid = define(
    "sigmoid", ("x",), 1.0 / (1.0 + function("exp", -x)), {"x": upstream * (y * (1.0 - y))},
    """Logistic function 1 / (1 + e^−x), a probability between 0 and 1.

    y[i] = 1 / (1 + e^−x[i]);  local gradient y (1 − y), at most 1/4

    It opens into four gates: negative, exp, add, divide.
    """,
    floating=True,
    kernel=kernels.sigmoid,
    example="""
    >>> dr.sigmoid(dr.tensor([-1000.0, 1000.0]))
    tensor([0., 1.], dtype=float32)
    >>> dr.value_and_grad(dr.sigmoid)(0.0)
    (tensor(0.5, dtype=float32), tensor(0.25, dtype=float32))
    """,
)  # fmt: skip
relu = define(
    "relu", ("x",), function("maximum", x, Number(0)), {"x": upstream * greater(x, 0.0)},
    """Rectified linear unit max(x, 0). The gradient at 0 is 0.

    Source: Nair & Hinton 2010; Glorot, Bordes & Bengio 2011.
    """,
    example="""
    >>> x = dr.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> dr.relu(x).sum().backward()
    >>> dr.relu(x).tolist(), x.grad.tolist()
    ([0.0, 0.0, 2.0], [0.0, 0.0, 1.0])
    """,
)  # fmt: skip
_slope, _alpha, _beta = Symbol("negative_slope", 0), Symbol("alpha", 0), Symbol("beta", 0)
leaky_relu = define(
    "leaky_relu", ("x",), where(greater(x, 0.0), x, x * _slope),
    {"x": where(greater(x, 0.0), upstream, upstream * _slope)},
    """x where positive, else negative_slope · x (0.01 unless given).

    Source: Maas, Hannun & Ng 2013.
    """,
    floating=True,
    parameters={"negative_slope": 0.01},
    example="""
    >>> dr.leaky_relu(dr.tensor([-4.0, 2.0]), negative_slope=0.25)
    tensor([-1.,  2.], dtype=float32)
    >>> dr.grad(dr.leaky_relu)(-4.0, 0.25)
    tensor(0.25, dtype=float32)
    """,
)  # fmt: skip
# Both branches are computed: the exponent is kept from overflowing where x is positive.
_not_positive = function("minimum", x, 0.0)
elu = define(
    "elu", ("x",), where(greater(x, 0.0), x, _alpha * function("expm1", _not_positive)),
    {"x": where(greater(x, 0.0), upstream, upstream * (_alpha * function("exp", _not_positive)))},
    """x where positive, else alpha · (e^x − 1) (alpha 1 unless given).

    Source: Clevert, Unterthiner & Hochreiter 2016.
    """,
    floating=True,
    parameters={"alpha": 1.0},
    example="""
    >>> dr.elu(dr.tensor([-dr.inf, 0.0, 2.0]))
    tensor([-1.,  0.,  2.], dtype=float32)
    >>> dr.elu(dr.tensor([-dr.inf, 0.0, 2.0]), alpha=0.5)
    tensor([-0.5,  0. ,  2. ], dtype=float32)
    """,
)  # fmt: skip
softplus = define(
    "softplus", ("x",), function("log", 1.0 + function("exp", _beta * x)) / _beta,
    {"x": upstream * function("sigmoid", _beta * x)},
    """ln(1 + e^(βx)) / β: a smooth max(x, 0) (beta 1 unless given), computed without overflow.

    Source: Dugas et al. 2001.
    """,
    floating=True,
    parameters={"beta": 1.0},
    kernel=kernels.softplus,
    example="""
    >>> round(dr.softplus(0.0).item(), 4), dr.softplus(1000.0).item()
    (0.6931, 1000.0)
    >>> dr.grad(dr.softplus)(0.0)
    tensor(0.5, dtype=float32)
    """,
)  # fmt: skip
_gate = function("sigmoid", x)
silu = define(
    "silu", ("x",), x * _gate, {"x": upstream * (_gate * (1.0 + x * (1.0 - _gate)))},
    """x · σ(x), also called swish. Source: Elfwing, Uchibe & Doya 2018.""",
    floating=True,
    example="""
    >>> [round(value, 4) for value in dr.silu([-1.0, 0.0, 1.0]).tolist()]
    [-0.2689, 0.0, 0.7311]
    >>> dr.grad(dr.silu)(0.0)
    tensor(0.5, dtype=float32)
    """,
)  # fmt: skip


def _normal_cdf(argument: Expression) -> Expression:
    return 0.5 * (1.0 + function("erf", argument * _SQRT_HALF))


_NORMAL_DENSITY = _DENSITY_SCALE * function("exp", -(function("square", x) / 2.0))
_gelu = define(
    "gelu", ("x",), x * _normal_cdf(x),
    {"x": upstream * (_normal_cdf(x) + x * _NORMAL_DENSITY)},
    "x · Φ(x) with the normal distribution Φ.",
    floating=True,
)  # fmt: skip
_cubic = _SQRT_TWO_OVER_PI * (x + Number(0.044715) * (x * x * x))
_cubic_slope = _SQRT_TWO_OVER_PI * (1.0 + Number(3 * 0.044715) * function("square", x))
_tanh = function("tanh", _cubic)
_gelu_tanh = define(
    "gelu_tanh", ("x",), 0.5 * x * (1.0 + _tanh),
    {"x": upstream * (0.5 * (1.0 + _tanh) + 0.5 * x * ((1.0 - function("square", _tanh)) * _cubic_slope))},
    "x · Φ(x) with Φ approximated through tanh.",
    floating=True,
)  # fmt: skip


def gelu(x: Any, /, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit x · Φ(x).

    y[i] = x[i] · ½ (1 + erf(x[i] / √2))

    approximate  "none", or "tanh" for ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), as GPT-2 uses it

    Raises ArgumentError for another word. Source: Hendrycks & Gimpel 2016.

    >>> import deltarule as dr
    >>> [round(value, 3) for value in dr.gelu([-1.0, 0.0, 2.0]).tolist()]
    [-0.159, 0.0, 1.954]
    >>> [round(value, 3) for value in dr.gelu([-1.0, 0.0, 2.0], approximate="tanh").tolist()]
    [-0.159, 0.0, 1.955]
    >>> dr.grad(dr.gelu)(0.0)
    tensor(0.5, dtype=float32)
    """
    if approximate == "none":
        return _gelu(x)
    if approximate == "tanh":
        return _gelu_tanh(x)
    raise ArgumentError("gelu", f"approximate expected 'none' or 'tanh', got {approximate!r}")
