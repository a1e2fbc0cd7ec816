"""What formulas may call a function, and what each call is as a tree."""

from __future__ import annotations

from typing import Any

from deltarule.explain.checking.syntax import Term, call, number, product
from deltarule.explain.checking.tokens import Token, pointing

# What a formula may call a function -> its name here.
FUNCTIONS = {
    "tanh": "tanh", "σ": "sigmoid", "sigmoid": "sigmoid", "sigma": "sigmoid", "logistic": "sigmoid",
    "exp": "exp", "ln": "log", "log": "log", "sqrt": "sqrt", "abs": "abs", "sin": "sin", "cos": "cos",
    "relu": "relu", "ReLU": "relu", "softmax": "softmax", "maximum": "maximum", "minimum": "minimum",
    "max": "maximum", "min": "minimum", "sum": "sum", "mean": "mean", "outer": "outer", "dot": "matmul",
    "matmul": "matmul", "where": "where", "square": "square", "sign": "sign", "one_hot": "one_hot",
    "onehot": "one_hot", "erf": "erf", "transpose": "transpose", "multiply": "multiply", "diag": "diag",
    "ones_like": "ones_like", "zeros_like": "zeros_like", "power": "power", "len": "len", "tan": "tan",
    "sinh": "sinh", "cosh": "cosh", "sech": "sech", "expm1": "expm1", "log1p": "log1p",
}  # fmt: skip


def made(function: str, parts: list[Term], options: dict[str, Any], text: str, start: int, end: int) -> Term:
    """A function of its arguments as a tree. Raises ArgumentError, pointing into the text, for wrong ones."""
    wanted = {"matmul": 2, "outer": 2, "multiply": 2, "where": 3, "maximum": 2, "minimum": 2, "power": 2}
    count = wanted.get(function, 1)
    if len(parts) != count:
        raise pointing(text, start, f"{function} expects {count} argument(s), got {len(parts)}")
    if function in ("matmul", "multiply"):
        return Term("product", tuple(parts), "@" if function == "matmul" else "*", start=start, end=end)
    if function == "transpose":
        return Term("transpose", tuple(parts), start=start, end=end)
    if function == "power":
        return Term("power", tuple(parts), start=start, end=end)
    if function == "sech":
        return Term("divide", (number(1), call("cosh", *parts)), start=start, end=end)
    if options and function not in ("sum", "mean", "softmax", "len"):
        raise pointing(text, start, f"{function} takes no {', '.join(options)}")
    return Term("call", tuple(parts), function, options=options, start=start, end=end)


def slope_of(function: str, argument: Term, text: str, token: Token) -> Term:
    """The derivative of a function of one argument, written out."""
    value = call(function, argument)
    one = number(1)
    if function == "tanh":
        return Term("subtract", (one, Term("power", (value, number(2)))))
    if function == "sigmoid":
        return product(value, Term("subtract", (one, value)), "*")
    if function == "relu":
        return Term("compare", (argument, number(0)), ">")
    if function == "exp":
        return value
    if function == "log":
        return Term("divide", (one, argument))
    raise pointing(text, token.start, f"the derivative of {function} has to be written out")
