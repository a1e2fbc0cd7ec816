"""The namespace of compiled formulas on vectors, with the names of `array_functions` of
kernels/elementwise.py.

A formula that is given this namespace and vectors writes native code, as it computes when it is given the
other one and arrays. Comparisons give masks, which count as 1 and 0 in arithmetic. Where no argument is a
vector, the function is computed at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any

from deltarule.kernels.elementwise import array_functions
from deltarule.kernels.native import functions, power, trigonometry
from deltarule.kernels.native.values import Mask, Vector


def matched(*values: Any) -> list[Vector]:
    """Vectors, masks and numbers as vectors of one type and length."""
    vectors = [value for value in values if isinstance(value, Vector)]
    lanes = max(value.lanes for value in values if isinstance(value, (Vector, Mask)))
    if vectors:
        model = vectors[0] if vectors[0].lanes == lanes else vectors[0].spread(lanes)
    else:
        model = next(value for value in values if isinstance(value, Mask)).vector("bool")
    return [model.like(value) for value in values]


def truth(value: Any) -> Mask:
    """Whether each element is other than 0."""
    return value if isinstance(value, Mask) else value.differs(0)


def _of_vectors(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for vectors that match each other; plain numbers go to the function on arrays."""
    name = function.__name__.strip("_")

    @wraps(function)
    def called(*values: Any) -> Any:
        if not any(isinstance(value, (Vector, Mask)) for value in values):
            return getattr(array_functions, name)(*values)
        return function(*matched(*values))

    return called


def _of_truths(function: Callable[..., Mask]) -> Callable[..., Mask]:
    """The same for masks: vectors are true where they are not 0."""

    @wraps(function)
    def called(*values: Any) -> Mask:
        lanes = max(value.lanes for value in values if isinstance(value, (Vector, Mask)))
        code = next(value.code for value in values if isinstance(value, (Vector, Mask)))
        masks = []
        for value in values:
            if isinstance(value, Vector) and value.lanes < lanes:
                value = value.spread(lanes)
            known = isinstance(value, (Vector, Mask))
            masks.append(truth(value if known else code.number(float(value != 0), "float32", lanes)))
        return function(*masks)

    return called


def _whole(function: Callable[[Vector], Vector]) -> Callable[[Vector], Vector]:
    """A rounding, which leaves integers as they are."""

    @wraps(function)
    def rounded(x: Vector) -> Vector:
        return function(x) if x.is_float else x

    return rounded


def _rounding(name: str, intrinsic: str) -> Callable[..., Any]:
    def rounded(x: Vector) -> Vector:
        return x.function(intrinsic)

    rounded.__name__ = name
    return _of_vectors(_whole(rounded))


def _operator(name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
    def operation(*vectors: Vector) -> Any:
        return apply(*vectors)

    operation.__name__ = name
    return _of_vectors(operation)


def absolute(x: Vector) -> Vector:
    """|x|."""
    return abs(x) if x.is_float else x.larger(-x)


def sign(x: Vector) -> Vector:
    """−1, 0 or 1; NaN where x is."""
    return (x > 0).select(1, (x < 0).select(-1, x.equals(0).select(0, x)))


def maximum(a: Vector, b: Vector) -> Vector:
    """The larger of both; NaN where one is."""
    # The larger of two is b where either is NaN, which is wrong where only a is.
    return a.differs(a).select(a, a.larger(b)) if a.is_float else a.larger(b)


def minimum(a: Vector, b: Vector) -> Vector:
    """The smaller of both; NaN where one is."""
    return a.differs(a).select(a, a.smaller(b)) if a.is_float else a.smaller(b)


def _limit(name: str, word: str, general: Callable[..., Any]) -> Callable[..., Any]:
    """maximum or minimum: one instruction where one side is a plain number."""
    usual = _of_vectors(general)

    @wraps(general)
    def limit(a: Any, b: Any) -> Any:
        if isinstance(a, Vector) and isinstance(b, (int, float)) and not math.isnan(b):
            return getattr(a.like(b), word)(a)
        if isinstance(b, Vector) and isinstance(a, (int, float)) and not math.isnan(a):
            return getattr(b.like(a), word)(b)
        return usual(a, b)

    return limit


def where(condition: Any, a: Any, b: Any) -> Any:
    """a where the condition is not 0, else b."""
    if not isinstance(condition, (Vector, Mask)):
        return a if condition else b
    if not any(isinstance(value, (Vector, Mask)) for value in (a, b)):
        raise TypeError(
            "where: expected a vector among the two choices, whose element type is not known else"
        )
    mask = truth(condition)
    a, b = matched(a, b)
    if mask.lanes == 1 and a.lanes > 1:
        mask = mask.vector("bool").spread(a.lanes).differs(0)
    return mask.select(a, b)


def _other_side(rest: Vector, b: Vector) -> Mask:
    """Where a remainder is not 0 and has not the sign of b."""
    return (rest * b.like(1.0).function("copysign", b)) < 0.0


def _require_float(name: str, x: Vector) -> None:
    if not x.is_float:
        raise TypeError(f"{name} of {x.dtype}: native code has it for floats alone")


def floor_divide(a: Vector, b: Vector) -> Vector:
    """⌊a / b⌋ of floats, by way of the exact remainder."""
    _require_float("floor_divide", a)
    rest = a.remainder(b)
    quotient = ((a - rest) / b).function("rint")
    quotient = _other_side(rest, b).select(quotient - 1.0, quotient)
    signed = quotient.equals(0.0).select(quotient.function("copysign", a / b), quotient)
    return b.equals(0.0).select(a / b, signed)


def remainder(a: Vector, b: Vector) -> Vector:
    """a − b ⌊a / b⌋ of floats, with the sign of b."""
    _require_float("remainder", a)
    rest = a.remainder(b)
    return rest.equals(0.0).select(rest.function("copysign", b), _other_side(rest, b).select(rest + b, rest))


def pow(a: Any, b: Any) -> Any:
    """a to the power b, by products where b is a small whole number."""
    if isinstance(a, Vector) and isinstance(b, (int, float)):
        if b in (1, 2, 3, 4):
            square = a * a
            return {1: a, 2: square, 3: square * a, 4: square * square}[int(b)]
        if b == 0.5:
            return a.function("sqrt")
        if b == -1:
            return a.like(1.0) / a
    return _power(a, b)


def _pow(a: Vector, b: Vector) -> Vector:
    return power.power(a, b)


def softplus(x: Any, beta: Any) -> Any:
    """ln(1 + e^βx) / β."""
    if not isinstance(beta, Vector) and beta == 1:
        return functions.softplus(x)
    return functions.softplus(x * beta) / beta


_power = _of_vectors(_pow)


def _bits(name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the bits of integers."""

    def operation(*vectors: Vector) -> Vector:
        if vectors[0].is_float:
            raise TypeError(f"{name} of {vectors[0].dtype}: it has no bits")
        return apply(*vectors)

    operation.__name__ = name
    return _of_vectors(operation)


_UNARY = {
    name: getattr(module, name)
    for module, names in (
        (functions, "exp expm1 log log1p log2 sinh cosh tanh asinh acosh atanh erf sigmoid"),
        (trigonometry, "sin cos tan asin acos atan atan2"),
        (power, "log10"),
    )
    for name in names.split()
}

vector_functions: Any = SimpleNamespace(
    **{name: _of_vectors(function) for name, function in _UNARY.items()},
    add=_operator("add", lambda a, b: a + b),
    subtract=_operator("subtract", lambda a, b: a - b),
    multiply=_operator("multiply", lambda a, b: a * b),
    divide=_operator("divide", lambda a, b: a / b),
    floor_divide=_of_vectors(floor_divide),
    remainder=_of_vectors(remainder),
    positive=_operator("positive", lambda x: x),
    negative=_operator("negative", lambda x: -x),
    abs=_operator("abs", absolute),
    sign=_of_vectors(sign),
    square=_operator("square", lambda x: x * x),
    sqrt=_operator("sqrt", lambda x: x.function("sqrt")),
    maximum=_limit("maximum", "larger", maximum),
    minimum=_limit("minimum", "smaller", minimum),
    floor=_rounding("floor", "floor"),
    ceil=_rounding("ceil", "ceil"),
    round=_rounding("round", "rint"),
    trunc=_rounding("trunc", "trunc"),
    where=where,
    equal=_operator("equal", lambda a, b: a.equals(b)),
    not_equal=_operator("not_equal", lambda a, b: a.differs(b)),
    less=_operator("less", lambda a, b: a < b),
    less_equal=_operator("less_equal", lambda a, b: a <= b),
    greater=_operator("greater", lambda a, b: a > b),
    greater_equal=_operator("greater_equal", lambda a, b: a >= b),
    logical_and=_of_truths(lambda a, b: a & b),
    logical_or=_of_truths(lambda a, b: a | b),
    logical_xor=_of_truths(lambda a, b: a ^ b),
    logical_not=_of_truths(lambda x: ~x),
    bitwise_and=_bits("bitwise_and", lambda a, b: a & b),
    bitwise_or=_bits("bitwise_or", lambda a, b: a | b),
    bitwise_xor=_bits("bitwise_xor", lambda a, b: a ^ b),
    bitwise_invert=_bits("bitwise_invert", lambda x: x ^ (1 if x.dtype == "bool" else -1)),
    bitwise_left_shift=_bits("bitwise_left_shift", lambda a, b: a << b),
    bitwise_right_shift=_bits("bitwise_right_shift", lambda a, b: a >> b),
    isnan=_operator("isnan", lambda x: x.differs(x)),
    isinf=_operator("isinf", lambda x: abs(x).equals(math.inf)),
    isfinite=_operator("isfinite", lambda x: abs(x) < math.inf),
    inf=math.inf,
    pow=pow,
    softplus=softplus,
)
