"""Derivations as textbooks and lecture notes write them are read; what cannot be read is said clearly."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.explain.checking.derivation_check import check_derivation


def numbers(*shape):
    return np.random.default_rng(sum(shape) + 7 * len(shape)).normal(size=shape)


def columns():
    """Two sigmoid layers for one sample, a column."""
    x, target = dr.tensor(numbers(4)), np.array([0.2, 0.9, 0.4])
    w1, b1 = dr.tensor(numbers(5, 4), requires_grad=True), dr.tensor(numbers(5), requires_grad=True)
    w2, b2 = dr.tensor(numbers(3, 5), requires_grad=True), dr.tensor(numbers(3), requires_grad=True)
    z1 = w1 @ x + b1
    a1 = dr.sigmoid(z1)
    z2 = w2 @ a1 + b2
    a2 = dr.sigmoid(z2)
    names = {
        "x": x,
        "y": target,
        "W1": w1,
        "b1": b1,
        "W2": w2,
        "b2": b2,
        "z1": z1,
        "a1": a1,
        "z2": z2,
        "a2": a2,
    }
    return 0.5 * ((a2 - dr.tensor(target)) ** 2).sum(), names


CHAIN = r"""\frac{\partial L}{\partial a_2} = a_2 - y
\frac{\partial L}{\partial z_2} = \frac{\partial L}{\partial a_2} \odot \sigma'(z_2)
\frac{\partial L}{\partial W_2} = \frac{\partial L}{\partial z_2} a_1^T
\frac{\partial L}{\partial a_1} = W_2^T \frac{\partial L}{\partial z_2}
\frac{\partial L}{\partial z_1} = \frac{\partial L}{\partial a_1} \odot \sigma'(z_1)
\frac{\partial L}{\partial W_1} = \frac{\partial L}{\partial z_1} x^T"""

COLUMNS = {
    "bold letters, primes above": r"""
\boldsymbol{\delta}^{(2)} = (\mathbf{a}^{(2)} - \mathbf{y}) \odot \sigma^{\prime}(\mathbf{z}^{(2)})
\boldsymbol{\delta}^{(1)} = \mathbf{W}^{(2)\top} \boldsymbol{\delta}^{(2)} \odot \sigma'(\mathbf{z}^{(1)})
\nabla_{\mathbf{W}^{(1)}} L = \boldsymbol{\delta}^{(1)} \mathbf{x}^{\mathsf{T}}""",
    "a display": r"""\begin{align*}
\delta^{(2)} &= (a^{(2)} - y) \odot a^{(2)} \odot (\mathbf{1} - a^{(2)}), \nonumber \\
\delta^{(1)} &= (W^{(2)})^T \delta^{(2)} \odot a^{(1)} \odot (1 - a^{(1)}), \\
\frac{\partial L}{\partial W^{(1)}} &= \delta^{(1)} x^T.
\end{align*}""",
    "one index below, any bound above": r"""\delta^{(2)}_k = (a^{(2)}_k - y_k) \sigma'(z^{(2)}_k)
\delta^{(1)}_j = \sigma'(z^{(1)}_j) \sum_{k=1}^{n} W^{(2)}_{kj} \delta^{(2)}_k
\frac{\partial L}{\partial W^{(1)}_{ji}} = \delta^{(1)}_j x_i
\frac{\partial L}{\partial b^{(1)}_j} = \delta^{(1)}_j""",
    "indices before the layer": r"""\delta_k^{(2)} = (a_k^{(2)} - y_k) a_k^{(2)} (1 - a_k^{(2)})
\delta_j^{(1)} = \bigl[\sum^{n}_{k=1} W_{kj}^{(2)} \delta_k^{(2)}\bigr] a_j^{(1)} (1 - a_j^{(1)})
\frac{\partial L}{\partial W_{ji}^{(1)}} = \delta_j^{(1)} x_i""",
    "the layer as a bare number above": """δ² = (a₂ − y) ⊙ σ′(z₂); δ¹ = W₂ᵀ δ² ⊙ σ′(z₁)
∂L/∂W₁ = δ¹ xᵀ; ∂L/∂b₂ = δ²""",
    "the chain rule, gradient by gradient": CHAIN,
    "the same, of a calligraphic loss": CHAIN.replace("partial L", r"partial \mathcal{L}"),
    "the same, of a cost, with upright d": CHAIN.replace(r"\partial ", r"\mathrm{d} ").replace("L}", "C}"),
    "short fractions": r"""\delta_2 = \frac12 \cdot \frac42 (a_2 - y) \odot \sigma'(z_2)
dW_2 = \delta_2 a_1^{\rm T}""",
    "hyperbolic": r"\delta_2 = \tfrac14 (a_2 - y) \operatorname{sech}^2(z_2 / 2); db_2 = \delta_2",
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_one_sample(name):
    loss, names = columns()
    check = check_derivation(loss, COLUMNS[name], names=names)
    assert check.terms and {term.status for term in check.terms} == {"right"}


def rows():
    """A tanh layer and softmax for a batch of rows."""
    x, target = dr.tensor(numbers(5, 4)), np.eye(2)[[0, 1, 1, 0, 1]]
    w, b = dr.tensor(numbers(3, 4), requires_grad=True), dr.tensor(numbers(3), requires_grad=True)
    v = dr.tensor(numbers(2, 3), requires_grad=True)
    h = dr.tanh(dr.linear(x, w, b))
    z = dr.linear(h, v)
    return dr.cross_entropy(z, target), {"x": x, "W": w, "b": b, "V": v, "h": h, "z": z, "y": target}


ROWS = {
    "a hat": r"\hat{\mathbf{y}} = \mathrm{softmax}(z); dV = \frac{1}{N} (\hat{\mathbf{y}} - y)^\top h",
    "a sum over a set": r"p = softmax(z); \frac{\partial L}{\partial V_{kj}} = "
    r"\frac1N \sum_{n \in \mathcal{B}} (p_{nk} - y_{nk}) h_{nj}",
    "a vector of ones": r"p = softmax(z); δ = (p - y)/N; db = (δ V ⊙ (1 - h²))^T \mathbf{1}",
    "ones before": r"p = softmax(z); δ = (p - y)/N; db = \mathbf{1}^T (δ V ⊙ (1 - h²))",
    "NumPy": """p = softmax(z)  # probabilities
dz = (p - y) / len(x)
dV = dz.T @ h
db = ((dz @ V) * (1 - h**2)).sum(0)""",
    "the shape": "p = softmax(z); dV = (p - y).T @ h / x.shape[0]",
    "a comparison as numbers": "p = softmax(z); dV = ((p - y) * (p > -1).astype(float)).T @ h / N",
    "nabla": r"p = softmax(z); \nabla_z L = (p - y)/N; \nabla_V = (\nabla_z L)^T h",
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_batch(name):
    loss, names = rows()
    check = check_derivation(loss, ROWS[name], names=names)
    assert check.terms and {term.status for term in check.terms} == {"right"}


def test_indicators():
    x = numbers(3, 4)
    for claim in (
        r"dy \mathbf{1}[x > 0]",
        r"dy 𝟙_{x > 0}",
        r"dy \odot \mathbb{1}_{\{x > 0\}}",
        "dy * I(x > 0)",
    ):
        assert check_derivation(dr.relu, {"x": claim}, x).right


def test_samples_as_columns():
    x, target = dr.tensor(numbers(4, 5)), np.array([[0.0, 1, 1, 0, 1], [1, 0, 1, 1, 0]])
    w, b = dr.tensor(numbers(2, 4), requires_grad=True), dr.tensor(numbers(2, 1), requires_grad=True)
    a = dr.sigmoid(w @ x + b)
    loss = -(target * dr.log(a) + (1 - target) * dr.log(1 - a)).sum() / 5
    text = "dZ = A - Y; dW = 1/m * np.dot(dZ, X.T); db = 1/m * np.sum(dZ, axis=1, keepdims=True)"
    names = {"X": x, "Y": target, "W": w, "b": b, "A": a}
    assert check_derivation(loss, text, names=names).right
    check = check_derivation(loss, text.replace(", keepdims=True", ""), names=names)
    assert [(cause.kind, cause.terms) for cause in check.causes] == [("kept_axes", ("b",))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"dW_{ji} = \sum_{k=1}^{t} h_{tk} x_{ki}", "expected a sum over a whole axis"),
        ("dV = einsum(h, z)", "there is no function 'einsum'"),
        ("dV = tanhh(h)", "Did you mean tanh"),
        ("dV = z^T h = zᵀ h", "expected one '=' in a line, got a second one"),
        (
            r"\delta_t = (z_t + V \delta_{t+1}) (1 - h_t^2); dV = \delta^T h",
            r"Write a recurrence with all indices",
        ),
    ],
)
def test_what_is_not_read_is_answered_clearly(text, message):
    loss, names = rows()
    with pytest.raises(ArgumentError, match=message):
        check_derivation(loss, text, names=names)


# What is wrong twice in one derivation -> both kinds.
TWICE = {
    "dW = -((δ @ V) * (1 - h)).T @ x": {"missing_square", "sign"},
    "da = (δ @ V) * (1 - h); dW = x.T @ da": {"missing_square", "transposed"},
    "da = δ @ V; db = da.mean(axis=0)": {"missing_factor", "mean_for_sum"},
    "dV = -(h.T @ δ)": {"transposed", "sign"},
    "dW = ((p - y) @ V).T @ x": {"missing_factor", "factor"},
}


@pytest.mark.parametrize("text", TWICE)
def test_two_mistakes_for_one_gradient(text):
    loss, names = rows()
    check = check_derivation(loss, f"p = softmax(z); δ = (p - y) / N; {text}", names=names)
    assert {cause.kind for cause in check.causes} == TWICE[text]
    assert all(cause.corrected and cause.error < 1e-6 for cause in check.causes)
    # The line that is right is not blamed.
    assert not any(cause.corrected.startswith("δ =") for cause in check.causes)
