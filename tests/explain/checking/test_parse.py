"""Formulas as text: what each notation means, and that a formula written down is read again as the same."""

import pytest

from deltarule.errors import ArgumentError
from deltarule.explain.checking.names import Names, canonical
from deltarule.explain.checking.parse import parse
from deltarule.explain.checking.syntax import written

KNOWN = (
    ("x", 2), ("y", 2), ("W1", 2), ("W_hh", 2), ("δ1", 2), ("δ", 2), ("b", 1), ("h", 3), ("z", 2), ("N", 0),
    ("weight_ih", 2), ("grad_y", 2), ("y_hat", 2),
)  # fmt: skip

# As it may be written -> as we write it.
NOTATIONS = {
    "x @ y": "x @ y",
    "x y": "x y",
    "xy": "x y",
    "x * y": "x ⊙ y",
    r"x \odot y": "x ⊙ y",
    "x ∘ y": "x ⊙ y",
    r"x \cdot y": "x · y",
    "x.T @ y": "xᵀ @ y",
    "xᵀ y": "xᵀ y",
    "x^T y": "xᵀ y",
    r"x^{\top} y": "xᵀ y",
    r"x^\intercal y": "xᵀ y",
    r"\delta^{(1)T} x": "δ1ᵀ x",
    r"\delta_1^T x": "δ1ᵀ x",
    "δ₁ᵀ x": "δ1ᵀ x",
    "delta1.T @ x": "δ1ᵀ @ x",
    r"W_{hh}": "W_hh",
    "Whh": "W_hh",
    r"\mathbf{W}^{(1)}": "W1",
    "W_ih": "weight_ih",
    r"\hat{y}": "y_hat",
    "x**2": "x^2",
    "x²": "x^2",
    "x^{2}": "x^2",
    r"\frac{x}{2}": "x / 2",
    "½ x": "0.5 x",
    "1/N x": "1 / N x",
    "-x + y": "-x + y",
    "x − (y - z)": "x - (y - z)",
    "x[n, i]": "x[n, i]",
    "x_{ni}": "x[n, i]",
    "x_{n,i}": "x[n, i]",
    "x_ni": "x[n, i]",
    r"h_{n, t-1, j}": "h[n, t - 1, j]",
    "h[:, t+1]": "h[:, t + 1]",
    "Σ_n x[n, :]": "Σ_{n} x[n, :]",
    r"\sum_{n} x_{ni} y_{nj}": "Σ_{n} x[n, i] y[n, j]",
    r"\sum_{n=1}^{N} x_{ni}": "Σ_{n} x[n, i]",
    "sum_n x[n, i]": "Σ_{n} x[n, i]",
    r"\sum_{n,t} h_{ntj}": "Σ_{n, t} h[n, t, j]",
    "np.sum(x * y, axis=0)": "sum(x ⊙ y, axis=0)",
    "x.sum(axis=(0, 1), keepdims=True)": "sum(x, axis=(0, 1), keepdims=True)",
    "x.mean(0)": "mean(x, axis=0)",
    "np.outer(b, b)": "outer(b, b)",
    "np.dot(x, y)": "x @ y",
    r"\tanh z": "tanh(z)",
    r"\tanh^2(z)": "tanh(z)^2",
    "σ(z)": "sigmoid(z)",
    r"\sigma'(z)": "sigmoid(z) ⊙ (1 - sigmoid(z))",
    "tanh'(z)": "1 - tanh(z)^2",
    "ReLU'(z)": "[z > 0]",
    "e^{-z}": "exp(-z)",
    r"\ln x": "log(x)",
    "[z > 0]": "[z > 0]",
    "1[z >= 0] x": "1 [z >= 0] x",
    "|x|": "abs(x)",
    r"\frac{\partial L}{\partial y}": "∂L/∂y",
    "∂L/∂y": "∂L/∂y",
    "dL/dy": "∂L/∂y",
    "∂y": "∂L/∂y",
    r"\left( x + y \right)": "x + y",
    r"\operatorname{softmax}(z)": "softmax(z)",
}


@pytest.mark.parametrize("text", NOTATIONS)
def test_notations(text):
    term = parse(text, Names(KNOWN))
    assert written(term) == NOTATIONS[text]
    # What we write is read again as the same.
    assert written(parse(written(term), Names(KNOWN))) == written(term)


def test_every_part_knows_its_place_in_the_text():
    text = "x + (y - z) ⊙ x"
    term = parse(text, Names(KNOWN))
    right = term.parts[1]
    assert text[right.start : right.end] == "(y - z) ⊙ x"
    assert text[right.parts[0].start : right.parts[0].end] == "(y - z)"


@pytest.mark.parametrize(
    "names", [("W_{hh}", "Whh", "W_hh", "W^{(hh)}"), ("delta", "δ", r"\delta"), ("W₁", "W_1", "W1")]
)
def test_names_are_one_however_they_are_written(names):
    assert len({canonical(name) for name in names}) == 1


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("x + q", "there is no 'q'; there are", 4),
        ("x + wheight_ih", "Did you mean weight_ih", 4),
        ("(x + y", r"expected '\)', got the end", 6),
        ("x y)", r"expected an operator or the end, got '\)'", 3),
        (r"\frac{x}", "expected '{', got the end", 8),
        ("x[n", "expected ']', got the end", 3),
        ("x.sum(axis=k)", "expected the number of an axis, got 'k'", 11),
        ("x.flat", r"expected T, sum\(...\), mean\(...\) or dot\(...\), got 'flat'", 2),
        ("sin'(x)", "the derivative of sin has to be written out", 0),
        ("∂L/∂z", "the gradient of z is used before it is defined", 0),
        ("x +\n y § z", "there is no meaning for '§'", 7),
    ],
)
def test_errors_point_at_the_place(text, message, place):
    with pytest.raises(ArgumentError, match=message) as error:
        parse(text, Names(KNOWN))
    *_, line, caret = str(error.value).split(" here.")[0].split("\n")
    start = text.rfind("\n", 0, place) + 1
    shown = text[start:].split("\n")[0]
    assert line.strip() == shown.strip()
    assert caret.index("^") - 4 == place - start - (len(shown) - len(shown.lstrip()))
