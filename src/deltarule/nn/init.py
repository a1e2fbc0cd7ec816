"""Initialisers: fill a parameter in place with its first values.

Each returns the parameter it was given. Random ones draw from deltarule's own generator, which
`dr.manual_seed` sets, or from one that is passed. Names and formulas are PyTorch's.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.autodiff.derived import require_not_recorded
from deltarule.autodiff.dtypes import require_floating
from deltarule.autodiff.recording import no_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DTypeError, ShapeError
from deltarule.nn.module import Module
from deltarule.operations import random

if TYPE_CHECKING:
    from numpy.random import Generator


def constant_(parameter: Tensor, value: float) -> Tensor:
    """Fills the parameter with one value.

    >>> import deltarule as dr
    >>> dr.nn.init.constant_(dr.zeros(2), 0.5).tolist()
    [0.5, 0.5]
    """
    return _fill("constant_", parameter, value)


def zeros_(parameter: Tensor) -> Tensor:
    """Fills the parameter with zeros; for biases. Equal weights would never become different.

    >>> import deltarule as dr
    >>> dr.nn.init.zeros_(dr.ones(2)).tolist()
    [0.0, 0.0]
    """
    return _fill("zeros_", parameter, 0.0)


def ones_(parameter: Tensor) -> Tensor:
    """Fills the parameter with ones.

    >>> import deltarule as dr
    >>> dr.nn.init.ones_(dr.zeros(2)).tolist()
    [1.0, 1.0]
    """
    return _fill("ones_", parameter, 1.0)


def normal_(
    parameter: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fills the parameter from a normal distribution; with std=0.01 it is the small Gaussian noise.

    N(mean, std²)

    std   standard deviation, at least 0

    Raises ArgumentError for a negative std.
    Source: small Gaussian weights, Krizhevsky, Sutskever & Hinton 2012, sec. 5.

    >>> import deltarule as dr
    >>> weight = dr.nn.init.normal_(dr.zeros((200, 200)), mean=1.0, std=0.01)
    >>> round(weight.mean().item(), 2), round(weight.std().item(), 3)
    (1.0, 0.01)
    """
    _require_at_least_0("normal_", "std", std)
    return _normal("normal_", parameter, mean, std, generator)


def uniform_(
    parameter: Tensor, low: float = 0.0, high: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fills the parameter with values that are equally likely from low to below high.

    Raises ArgumentError if low is above high.

    >>> import deltarule as dr
    >>> weight = dr.nn.init.uniform_(dr.zeros((4, 3)), -0.5, 0.5)
    >>> bool((dr.abs(weight) <= 0.5).all())
    True
    """
    if not low <= high:
        raise ArgumentError("uniform_", f"expected low of at most high, got {low!r} and {high!r}")
    return _uniform("uniform_", parameter, low, high, generator)


def trunc_normal_(
    parameter: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fills the parameter from a normal distribution of which only the part from low to high is kept.

    mean, std   of the distribution before it is cut; std above 0
    low, high   limits of the values themselves, not in multiples of std

    Raises ArgumentError for std not above 0 or low not below high.
    Source: rejection sampling, von Neumann 1951; from a uniform proposal in the tails, Robert 1995.

    >>> import deltarule as dr
    >>> weight = dr.nn.init.trunc_normal_(dr.zeros((4, 3)), std=10.0)
    >>> bool((dr.abs(weight) <= 2.0).all())
    True
    """
    who = "trunc_normal_"
    if not std > 0:
        raise ArgumentError(who, f"std expected a number above 0, got {std!r}")
    if not low < high:
        raise ArgumentError(who, f"expected low below high, got {low!r} and {high!r}")
    array = _require_fillable(who, parameter)
    drawn = _truncated((low - mean) / std, (high - mean) / std, array.size, _generator(generator))
    # Rounding to a narrower type may lead just beyond a limit.
    return _fill(
        who, parameter, np.clip((mean + std * drawn).astype(array.dtype), low, high).reshape(array.shape)
    )


def xavier_uniform_(parameter: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Xavier's (Glorot's) initialisation, uniform: keeps variance both forwards and backwards.

    U(−a, a),  a = gain · √(6 / (fan_in + fan_out))

    gain   factor for the activation, see calculate_gain

    Raises ShapeError for fewer than 2 axes. Source: Glorot & Bengio 2010, eq. 16.

    >>> import deltarule as dr
    >>> weight = dr.nn.init.xavier_uniform_(dr.zeros((2, 4)))
    >>> bool((dr.abs(weight) <= 1.0).all())
    True
    """
    fan_in, fan_out = calculate_fan_in_and_fan_out(parameter, "xavier_uniform_")
    limit = gain * math.sqrt(6 / (fan_in + fan_out))
    return _uniform("xavier_uniform_", parameter, -limit, limit, generator)


def xavier_normal_(parameter: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Xavier's (Glorot's) initialisation, normal: keeps variance both forwards and backwards.

    N(0, σ²),  σ = gain · √(2 / (fan_in + fan_out))

    gain   factor for the activation, see calculate_gain

    Raises ShapeError for fewer than 2 axes. Source: Glorot & Bengio 2010, eq. 12.

    >>> import deltarule as dr
    >>> weight = dr.nn.init.xavier_normal_(dr.zeros((200, 200)))
    >>> round(weight.std().item(), 2)
    0.07
    """
    fan_in, fan_out = calculate_fan_in_and_fan_out(parameter, "xavier_normal_")
    return _normal("xavier_normal_", parameter, 0.0, gain * math.sqrt(2 / (fan_in + fan_out)), generator)


def kaiming_uniform_(
    parameter: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Kaiming's (He's) initialisation, uniform: keeps variance through rectifiers.

    U(−b, b),  b = gain · √(3 / fan)

    a              negative slope of the leaky ReLU; 0 for ReLU itself
    mode           "fan_in" keeps variance forwards, "fan_out" backwards
    nonlinearity   of the layer, see calculate_gain

    Raises ShapeError for fewer than 2 axes, ArgumentError for another mode or nonlinearity.
    Source: He, Zhang, Ren & Sun 2015, eq. 10 and 14.

    >>> import deltarule as dr
    >>> weight = dr.nn.init.kaiming_uniform_(dr.zeros((2, 6)))
    >>> bool((dr.abs(weight) <= 1.0).all())
    True
    """
    limit = math.sqrt(3) * _kaiming_deviation("kaiming_uniform_", parameter, a, mode, nonlinearity)
    return _uniform("kaiming_uniform_", parameter, -limit, limit, generator)


def kaiming_normal_(
    parameter: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Kaiming's (He's) initialisation, normal: keeps variance through rectifiers.

    N(0, σ²),  σ = gain / √fan

    Options and errors as for kaiming_uniform_. Source: He, Zhang, Ren & Sun 2015, eq. 10 and 14.

    >>> import deltarule as dr
    >>> weight = dr.nn.init.kaiming_normal_(dr.zeros((200, 200)))
    >>> round(weight.std().item(), 2)
    0.1
    """
    deviation = _kaiming_deviation("kaiming_normal_", parameter, a, mode, nonlinearity)
    return _normal("kaiming_normal_", parameter, 0.0, deviation, generator)


def lecun_uniform_(parameter: Tensor, generator: Generator | None = None) -> Tensor:
    """LeCun's initialisation, uniform: unit variance of a layer's sums for inputs of unit variance.

    U(−a, a),  a = √(3 / fan_in)

    Raises ShapeError for fewer than 2 axes. Source: LeCun, Bottou, Orr & Müller 1998, sec. 4.6.

    >>> import deltarule as dr
    >>> weight = dr.nn.init.lecun_uniform_(dr.zeros((2, 3)))
    >>> bool((dr.abs(weight) <= 1.0).all())
    True
    """
    fan_in, _ = calculate_fan_in_and_fan_out(parameter, "lecun_uniform_")
    limit = math.sqrt(3 / fan_in)
    return _uniform("lecun_uniform_", parameter, -limit, limit, generator)


def lecun_normal_(parameter: Tensor, generator: Generator | None = None) -> Tensor:
    """LeCun's initialisation, normal: N(0, 1 / fan_in).

    Raises ShapeError for fewer than 2 axes. Source: LeCun, Bottou, Orr & Müller 1998, eq. 16.

    >>> import deltarule as dr
    >>> weight = dr.nn.init.lecun_normal_(dr.zeros((400, 100)))
    >>> round(weight.std().item(), 2)
    0.1
    """
    fan_in, _ = calculate_fan_in_and_fan_out(parameter, "lecun_normal_")
    return _normal("lecun_normal_", parameter, 0.0, 1 / math.sqrt(fan_in), generator)


def orthogonal_(parameter: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills the parameter with orthogonal rows (or columns, if there are more rows than columns).

    W Wᵀ = gain² I,  drawn with equal probability from all such matrices

    Axes after the first count as columns. Raises ShapeError for fewer than 2 axes.
    Source: Saxe, McClelland & Ganguli 2014; uniformly through QR: Mezzadri 2007.

    >>> import deltarule as dr
    >>> weight = dr.nn.init.orthogonal_(dr.zeros((2, 3), dtype="float64"))
    >>> dr.allclose(weight @ weight.T, dr.eye(2))
    True
    """
    array = _require_axes("orthogonal_", parameter)
    rows, columns = array.shape[0], array.size // max(array.shape[0], 1)
    tall = _generator(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    if rows < columns:
        q = q.T
    return _fill("orthogonal_", parameter, (gain * q).reshape(array.shape))


def identity_(parameter: Tensor, gain: float = 1.0) -> Tensor:
    """Fills a matrix with the identity: for the recurrent weights of a ReLU RNN.

    gain   value on the diagonal

    Raises ShapeError unless there are 2 axes. Source: Le, Jaitly & Hinton 2015.

    >>> import deltarule as dr
    >>> dr.nn.init.identity_(dr.zeros((2, 2))).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    array = _require_fillable("identity_", parameter)
    if array.ndim != 2:
        raise ShapeError("identity_", f"expected a matrix, got shape {array.shape}")
    return _fill("identity_", parameter, gain * np.eye(*array.shape))


eye_ = identity_


def forget_gate_bias_(target: Module | Tensor, value: float = 1.0) -> None:
    """Sets the bias of LSTM forget gates, so that a new network remembers rather than forgets.

    target   a module: every LSTM in it, layers and directions; or one bias (4 · hidden,) of an LSTM
             in PyTorch's gate order input, forget, cell, output
    value    bias of the forget gates; the two biases of a layer add up to it

    Raises ArgumentError if the module holds no LSTM with biases, ShapeError for a bias of another
    length. Source: Gers, Schmidhuber & Cummins 2000; Jozefowicz, Zaremba & Sutskever 2015.

    >>> import deltarule as dr
    >>> bias = dr.zeros(8)
    >>> dr.nn.init.forget_gate_bias_(bias)
    >>> bias.tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    who = "forget_gate_bias_"
    if isinstance(target, Tensor):
        _set_forget_gate(who, target, value)
        return
    if not isinstance(target, Module):
        raise DTypeError(who, f"expected a module or a bias, got {type(target).__name__}")
    parameters = dict(target.named_parameters())
    found = False
    for name, bias in parameters.items():
        match = re.search(r"(?:^|\.)bias_(ih|hh)(?=$|_l\d)", name)
        if match is None:
            continue
        recurrent = parameters.get(name[: match.start(1) - len("bias_")] + "weight_hh" + name[match.end() :])
        # A GRU has 3 gates and a plain RNN 1, under the same names.
        if recurrent is not None and recurrent.shape[0] == 4 * recurrent.shape[1]:
            _set_forget_gate(who, bias, value if match.group(1) == "ih" else 0.0)
            found = True
    if not found:
        raise ArgumentError(
            who, f"{type(target).__name__} holds no LSTM with biases", "Was it made with bias=False?"
        )


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Factor for the standard deviation of weights that makes up for what an activation takes away.

    1 for linear, identity, convolutions and sigmoid; 5/3 for tanh; √2 for relu;
    √(2 / (1 + slope²)) for leaky_relu; 3/4 for selu

    param   negative slope of leaky_relu, 0.01 unless given

    Raises ArgumentError for another name. Source: He et al. 2015, eq. 14; values as in PyTorch.

    >>> import deltarule as dr
    >>> round(dr.nn.init.calculate_gain("relu"), 4)
    1.4142
    """
    gains = {
        **dict.fromkeys(("linear", "identity", "conv1d", "conv2d", "conv_transpose2d", "sigmoid"), 1.0),
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2)),
        "selu": 0.75,
    }
    if nonlinearity not in gains:
        raise ArgumentError(
            "calculate_gain", f"unknown nonlinearity {nonlinearity!r}", f"Known are {', '.join(gains)}."
        )
    return gains[nonlinearity]


def calculate_fan_in_and_fan_out(
    parameter: Tensor, who: str = "calculate_fan_in_and_fan_out"
) -> tuple[int, int]:
    """How many inputs each output is made of, and how many outputs each input goes to.

    parameter   weights (out, in) of a linear layer, or (out, in, *kernel) of a convolution, where both
                are multiplied by the kernel's size

    Raises ShapeError for fewer than 2 axes or an empty one.

    >>> import deltarule as dr
    >>> dr.nn.init.calculate_fan_in_and_fan_out(dr.zeros((16, 3, 5, 5)))
    (75, 400)
    """
    array = _require_axes(who, parameter)
    if not array.size:
        raise ShapeError(who, f"weights of shape {array.shape} connect nothing", "Check the layer's sizes.")
    kernel = math.prod(array.shape[2:])
    return array.shape[1] * kernel, array.shape[0] * kernel


def _kaiming_deviation(who: str, parameter: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(who, f"mode expected 'fan_in' or 'fan_out', got {mode!r}")
    fan_in, fan_out = calculate_fan_in_and_fan_out(parameter, who)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode == "fan_in" else fan_out)


def _truncated(low: float, high: float, count: int, generator: Generator) -> Array:
    """`count` draws of a standard normal variable that lie from low to high."""
    nearest = min(max(0.0, low), high)
    # Farther than this from the nearest point the density is below 1e-21 of what it is there.
    low, high = max(low, nearest - 10.0), min(high, nearest + 10.0)
    share = 0.5 * (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2)))
    drawn = np.empty(count)
    filled = 0
    while filled < count:
        wanted = count - filled
        if share > 0.25:
            proposed = generator.standard_normal(2 * wanted + 8)
            accepted = proposed[(proposed >= low) & (proposed <= high)][:wanted]
        else:
            proposed = generator.uniform(low, high, 2 * wanted + 8)
            odds = np.exp(0.5 * (nearest * nearest - proposed * proposed))
            accepted = proposed[generator.random(proposed.size) < odds][:wanted]
        drawn[filled : filled + len(accepted)] = accepted
        filled += len(accepted)
    return drawn


def _set_forget_gate(who: str, bias: Tensor, value: float) -> None:
    array = _require_fillable(who, bias)
    if array.ndim != 1 or array.size % 4:
        raise ShapeError(who, f"expected a bias (4 · hidden,), got shape {array.shape}", "Is it of an LSTM?")
    hidden = array.size // 4
    with no_grad():
        bias[hidden : 2 * hidden] = value


def _require_at_least_0(who: str, option: str, value: float) -> None:
    if not value >= 0:
        raise ArgumentError(who, f"{option} expected at least 0, got {value!r}")


def _require_fillable(who: str, parameter: Tensor) -> Array:
    if not isinstance(parameter, Tensor):
        raise DTypeError(who, f"expected a tensor, got {type(parameter).__name__}", "Pass layer.weight.")
    require_floating(parameter.dtype, who)
    require_not_recorded(
        "init", "a compiled function cannot initialise parameters", "Initialise them before the call."
    )
    return parameter._array


def _require_axes(who: str, parameter: Tensor) -> Array:
    array = _require_fillable(who, parameter)
    if array.ndim < 2:
        raise ShapeError(
            who,
            f"expected weights with at least 2 axes (out, in, ...), got {array.shape}",
            "Biases have no fan.",
        )
    return array


def _generator(given: Generator | None) -> Generator:
    return random.generator() if given is None else given


def _uniform(who: str, parameter: Tensor, low: float, high: float, generator: Generator | None) -> Tensor:
    array = _require_fillable(who, parameter)
    return _fill(who, parameter, _generator(generator).uniform(low, high, array.shape))


def _normal(who: str, parameter: Tensor, mean: float, std: float, generator: Generator | None) -> Tensor:
    array = _require_fillable(who, parameter)
    return _fill(who, parameter, _generator(generator).normal(mean, std, array.shape))


def _fill(who: str, parameter: Tensor, values: Any) -> Tensor:
    _require_fillable(who, parameter)
    with no_grad():
        parameter.assign(values)
    return parameter
