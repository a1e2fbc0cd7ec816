"""Formulas in LaTeX, Unicode and NumPy notation: right ones pass in all forms, wrong ones are mended."""

import re

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.explain.checking.derivation_check import check_derivation


def numbers(*shape):
    return np.random.default_rng(sum(shape) + 7 * len(shape)).normal(size=shape)


def network():
    """An MLP with softmax and cross-entropy, and names for everything in it."""
    x, y = dr.tensor(numbers(5, 4)), np.eye(3)[[0, 2, 1, 1, 0]]
    w1, b1 = dr.tensor(numbers(6, 4), requires_grad=True), dr.tensor(numbers(6), requires_grad=True)
    w2, b2 = dr.tensor(numbers(3, 6), requires_grad=True), dr.tensor(numbers(3), requires_grad=True)
    h = dr.tanh(dr.linear(x, w1, b1))
    z = dr.linear(h, w2, b2)
    names = {"x": x, "y": y, "W1": w1, "b1": b1, "W2": w2, "b2": b2, "h": h, "z": z}
    return dr.cross_entropy(z, y), names


UNICODE = """p = softmax(z)
δ2 = (p − y) / N
δ1 = (δ2 W2) ⊙ (1 − h²)
dW2 = δ2ᵀ h
db2 = Σ_n δ2[n, :]
dW1 = δ1ᵀ x
db1 = Σ_n δ1[n, :]"""

LATEX = r"""p_{nk} = \frac{e^{z_{nk}}}{\sum_{c} e^{z_{nc}}}
\delta^{(2)}_{nk} = \frac{1}{N} \left( p_{nk} - y_{nk} \right)
\delta^{(1)}_{nj} = \sum_{k} \delta^{(2)}_{nk} \, W^{(2)}_{kj} \left(1 - h_{nj}^2\right)
\frac{\partial L}{\partial W^{(2)}_{kj}} = \sum_{n} \delta^{(2)}_{nk} h_{nj}
\frac{\partial L}{\partial b^{(2)}_{k}} = \sum_n \delta^{(2)}_{nk}
\frac{\partial L}{\partial W^{(1)}_{ji}} = \sum_n \delta^{(1)}_{nj} x_{ni}
\frac{\partial L}{\partial b^{(1)}_{j}} = \sum_n \delta^{(1)}_{nj}"""

NUMPY = {
    "p": "np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)",
    "delta2": "(p - y) / N",
    "delta1": "(delta2 @ W2) * (1 - h ** 2)",
    "W2": "delta2.T @ h",
    "b2": "delta2.sum(axis=0)",
    "W1": "np.dot(delta1.T, x)",
    "b1": "np.sum(delta1, axis=0)",
}

MATRIX_LATEX = {
    "p": r"\operatorname{softmax}(z)",
    r"\delta_2": r"\tfrac{1}{N} (p - y)",
    r"\delta_1": r"\delta_2 W_2 \odot (1 - h \odot h)",
    r"\frac{\partial L}{\partial W_2}": r"\delta_2^{\top} h",
    r"\frac{\partial L}{\partial W_1}": r"\delta_1^T x",
    "dL/db1": r"sum_n \delta_1[n, :]",
}


@pytest.mark.parametrize(
    "formulas", [UNICODE, LATEX, NUMPY, MATRIX_LATEX], ids=["Unicode", "LaTeX", "NumPy", "matrix"]
)
def test_right_formulas_pass_in_every_notation(formulas):
    loss, names = network()
    check = check_derivation(loss, formulas, names=names)
    assert {term.status for term in check.terms} == {"right"} and not check.causes
    assert len(check.terms) >= 3 and check.form == "formula" and check.reference_error < 1e-6
    assert all(term.latex for term in check.terms)


RIGHT = {
    "one sample": (lambda x: dr.tanh(x), {"x": "∂y (1 - tanh(x)^2)"}, (numbers(4),)),
    "prime": (lambda x: dr.tanh(x), {"x": r"\partial L/\partial y \cdot \tanh'(x)"}, (numbers(4),)),
    "sigmoid": (lambda z: dr.sigmoid(z), {"z": "dy * σ(z) * (1 - σ(z))"}, (numbers(2, 3),)),
    "relu": (lambda x: dr.relu(x), {"x": "dy [x > 0]"}, (numbers(2, 3),)),
    "softmax by index": (
        lambda x: dr.softmax(x), {"dx[i,j]": "y[i,j] (dy[i,j] - Σ_k dy[i,k] y[i,k])"}, (numbers(2, 3),),
    ),
    "outer product": (
        lambda W, x: dr.matmul(W, x), {"W": "dy xᵀ", "x": "Wᵀ dy"}, (numbers(3, 2), numbers(2)),
    ),
    "norm": (lambda W, x: dr.sum(dr.square(dr.matmul(W, x))), {"W": "2 (W x) xᵀ", "x": "2 Wᵀ (W x)"},
             (numbers(3, 2), numbers(2))),
    "diagonal": (
        lambda x: dr.tanh(x), {"x": "diag(1 - y^2) dy"}, (numbers(3),),
    ),
    "mean squared error": (
        lambda p, t: dr.mse_loss(p, t), {"p": "2/(N K) (p - t)", "t": "-2 (p - t)/(N*K)"},
        (numbers(4, 3), numbers(4, 3) + 1),
    ),
    "recurrence by hand": (
        lambda x, h0, Wx, Wh: dr.rnn(x, h0, Wx, Wh)[0],
        """h[n,t,j] = y[n,t,j]
        δ[n,t,j] = (dy[n,t,j] + Σ_k δ[n,t+1,k] Wh[k,j]) (1 - h[n,t,j]^2)
        dWx[j,u] = Σ_{n,t} δ[n,t,j] x[n,t,u]
        dWh[j,k] = Σ_{n,t} δ[n,t,j] (h[n,t-1,k] + [t = 0] h0[n,k])
        dx[n,t,u] = Σ_j δ[n,t,j] Wx[j,u]
        dh0[n,k] = Σ_j δ[n,0,j] Wh[j,k]""",
        (numbers(2, 3, 2), numbers(2, 4), numbers(4, 2), numbers(4, 4)),
    ),
    "forward defined in the text": (
        lambda x, W: dr.sum(dr.tanh(dr.matmul(x, dr.matrix_transpose(W)))),
        {"W": "h = tanh(x Wᵀ); (1 - h²)ᵀ x"}, (numbers(4, 3), numbers(2, 3)),
    ),
    "class numbers": (
        lambda z, t: dr.cross_entropy(z, t), {"z": "(softmax(z) - one_hot(t)) / N"},
        (numbers(4, 3), np.array([0, 2, 1, 2])),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_formulas_of_functions(name):
    function, formulas, inputs = RIGHT[name]
    check = check_derivation(function, formulas, *inputs)
    assert {term.status for term in check.terms} == {"right"}, check.causes


# What is changed in UNICODE -> kind, gradients that it spoils, part that is named, line that is right.
WRONG = {
    "1/N lost": ("(p − y) / N", "(p − y)", "factor", {"W1", "b1", "W2", "b2"}, "δ2 = (p - y) / N"),
    "slope lost": (" ⊙ (1 − h²)", "", "missing_factor", {"W1", "b1"}, "δ1 = δ2 W2 ⊙ (1 - h^2)"),
    "square lost": ("(1 − h²)", "(1 − h)", "missing_square", {"W1", "b1"}, "δ1 = δ2 W2 ⊙ (1 - h^2)"),
    "slope of the sigmoid": (
        "(1 − h²)", "(h (1 − h))", "wrong_slope", {"W1", "b1"}, "δ1 = δ2 W2 ⊙ (1 - h^2)",
    ),
    "plus for minus": ("(1 − h²)", "(1 + h²)", "summand_sign", {"W1", "b1"}, "δ1 = δ2 W2 ⊙ (1 - h^2)"),
    "order": ("δ1ᵀ x", "x δ1", "operand_order", {"W1"}, "∂L/∂W1 = δ1ᵀ x"),
    "transpose lost": ("δ1ᵀ x", "δ1 x", "transposed", {"W1"}, "∂L/∂W1 = δ1ᵀ x"),
    "result transposed": ("δ1ᵀ x", "xᵀ δ1", "transposed", {"W1"}, None),
    "sign": ("δ1ᵀ x", "-δ1ᵀ x", "sign", {"W1"}, "∂L/∂W1 = δ1ᵀ x"),
    "not summed": ("Σ_n δ1[n, :]", "δ1", "missing_sum", {"b1"}, "∂L/∂b1 = sum(δ1, axis=0)"),
    "wrong axis": ("Σ_n δ1[n, :]", "sum(δ1, axis=1)", "wrong_axis", {"b1"}, "∂L/∂b1 = sum(δ1, axis=0)"),
    "mean": ("Σ_n δ1[n, :]", "mean(δ1, axis=0)", "mean_for_sum", {"b1"}, "∂L/∂b1 = sum(δ1, axis=0)"),
    "input for hidden": ("δ2ᵀ h", "δ2ᵀ x", "wrong_symbol", {"W2"}, "∂L/∂W2 = δ2ᵀ h"),
    "logits for probabilities": (
        "(p − y)", "(z − y)", "wrong_symbol", {"W1", "b1", "W2", "b2"}, "δ2 = (p - y) / N",
    ),
    "Hadamard for product": ("δ2ᵀ h", "δ2 ⊙ h", "hadamard_for_product", {"W2"}, None),
    "product for Hadamard": ("⊙", "@", "product_for_hadamard", {"W1", "b1"}, "δ1 = δ2 W2 ⊙ (1 - h^2)"),
    "index": ("dW2 = δ2ᵀ h", "dW2[o,i] = Σ_n δ2[n,o] h[n,o]", "wrong_index", {"W2"},
              "∂L/∂W2[o, i] = Σ_{n} δ2[n, o] h[n, i]"),
    "indices turned": ("dW2 = δ2ᵀ h", "dW2[o,i] = Σ_n δ2[o,n] h[n,i]", "transposed", {"W2"},
                       "∂L/∂W2[o, i] = Σ_{n} δ2[n, o] h[n, i]"),
    "1/N twice": ("dW2 = δ2ᵀ h", "dW2 = δ2ᵀ h / N", "extra_factor", {"W2"}, "∂L/∂W2 = δ2ᵀ h"),
    "weight decay too much": ("dW2 = δ2ᵀ h", "dW2 = δ2ᵀ h + W2", "extra_summand", {"W2"}, "∂L/∂W2 = δ2ᵀ h"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_formula_is_mended_at_its_place(name):
    before, after, kind, terms, corrected = WRONG[name]
    assert before in UNICODE
    loss, names = network()
    check = check_derivation(loss, UNICODE.replace(before, after), names=names)
    assert {term.name for term in check.terms if term.status == "wrong"} == terms
    (cause,) = check.causes
    assert (cause.kind, {*cause.terms}) == (kind, terms)
    assert corrected is None or cause.corrected == corrected
    assert cause.position is not None and cause.part and cause.error < 1e-6
    (example,) = check.examples
    if example is not None:
        right, wrong = (
            next((line for line in example.lines if line.right is flag), None) for flag in (True, False)
        )
        assert right is not None and right.arithmetic
        assert wrong is None or wrong.formula != right.formula


def test_a_mistake_in_the_recurrence_is_found_in_its_line():
    function, formulas, inputs = RIGHT["recurrence by hand"]
    for right, wrong, kind in (
        ("(1 - h[n,t,j]^2)", "", "missing_factor"),
        ("h[n,t-1,k]", "h[n,t,k]", "shifted"),
        ("δ[n,t+1,k] Wh[k,j]", "δ[n,t+1,k] Wh[j,k]", "transposed"),
    ):
        check = check_derivation(function, formulas.replace(right, wrong), *inputs)
        assert check.causes[0].kind == kind


def test_a_summand_that_no_line_has_is_found_in_the_pass():
    function, formulas, inputs = RIGHT["recurrence by hand"]
    lost = formulas.replace("(dy[n,t,j] + Σ_k δ[n,t+1,k] Wh[k,j])", "dy[n,t,j]")
    check = check_derivation(function, lost, *inputs)
    assert check.causes[0].kind == "missing_recurrent" and check.causes[0].place.operation == "rnn"


def test_two_mistakes_in_two_lines_are_both_mended():
    loss, names = network()
    text = UNICODE.replace("(1 − h²)", "(1 − h)").replace("δ1ᵀ x", "x δ1")
    check = check_derivation(loss, text, names=names)
    assert [(cause.kind, cause.terms) for cause in check.causes] == [
        ("missing_square", ("W1", "b1")),
        ("operand_order", ("W1",)),
    ]
    # The example of each shows that mistake alone.
    for example in check.examples:
        right = next(line.value for line in example.lines if line.right)
        assert any(np.isclose(right, each) for each in example.expected.reshape(-1))


def test_parts_say_what_each_line_is():
    loss, names = network()
    check = check_derivation(loss, UNICODE.replace("(1 − h²)", "(1 − h)"), names=names)
    parts = {part.text.partition(" =")[0]: part for part in check["W1"].parts}
    assert parts["δ2"].right and parts["δ2"].meaning == "∂L/∂z"
    assert parts["δ1"].right is False


def test_a_product_side_by_side_may_mean_hadamard():
    check = check_derivation(dr.tanh, {"x": "dy (1 - y²)"}, numbers(3, 3))
    assert check.right and not check.causes


@pytest.mark.parametrize(
    ("formula", "message", "caret"),
    [
        ("δ^T x", "there is no 'δ'", "δ^T x\n    ^"),
        ("(x - y", r"expected '\)', got the end", "(x - y\n          ^"),
        ("x +", "expected a number, a name, a function", "x +\n       ^"),
        ("x @@ y", "expected a number, a name, a function or '\\(', got '@'", "x @@ y\n       ^"),
        ("Σ (x)", "expected the index of the sum", "Σ (x)\n      ^"),
        ("x[n, i, k]", "x has 2 axes, got 3 indices", "x[n, i, k]\n    ^"),
        ("Σ_{n=2}^{N} x[n, :]", "expected a sum over a whole axis", "^"),
        ("x ? y", "there is no meaning for '\\?'", "x ? y\n      ^"),
        ("tanh(x, y)", "tanh expects 1 argument", "tanh(x, y)\n    ^"),
        ("\\frac{x}{y", "expected '}', got the end", "^"),
    ],
)
def test_what_is_not_understood_is_pointed_at(formula, message, caret):
    with pytest.raises(ArgumentError, match=message) as error:
        check_derivation(dr.tanh, {"x": formula}, numbers(2, 3))
    assert caret in str(error.value) and "formula for x" in str(error.value)


def test_shapes_that_do_not_fit_are_a_wrong_derivation_and_no_error():
    check = check_derivation(
        dr.linear, {"x": "dy weight", "weight": "weight weight dy"}, numbers(4, 3), numbers(2, 3)
    )
    assert check["x"].right
    assert check["weight"].status == "wrong" and "matrix product" in check["weight"].problem
    assert check.causes[0].kind == "raises"


def test_definitions_and_names_that_are_missing():
    loss, names = network()
    with pytest.raises(ArgumentError, match="the formulas define no gradient"):
        check_derivation(loss, "p = softmax(z)", names=names)
    with pytest.raises(ArgumentError, match="the loss does not depend on the tensor named 'q'"):
        check_derivation(loss, UNICODE, names={**names, "q": dr.tensor(1.0, requires_grad=True)})
    with pytest.raises(ArgumentError, match="expected text or a SymPy expression, got int"):
        check_derivation(loss, {"W1": "x", "W2": 3}, names=names)


def squared_error():
    generator = np.random.default_rng(3)
    weight = dr.tensor(generator.normal(size=(3, 4)), requires_grad=True)
    x, target = dr.tensor(generator.normal(size=4)), generator.normal(size=3)
    z = dr.matmul(weight, x)
    y = dr.tanh(z)
    loss = 0.5 * dr.sum(dr.square(y - target))
    return loss, {"W": weight, "x": x, "y": y, "t": target, "z": z}


def test_corrected_formulas_keep_their_brackets():
    loss, names = squared_error()
    check = check_derivation(loss, "dW = ((y - t) ⊙ (1 - z^2)) xᵀ", names=names)
    assert check.causes[0].corrected == "∂L/∂W = ((y - t) ⊙ (1 - y^2)) xᵀ"
    # Outer products are shown in index form.
    assert "reshape" not in check["W"].latex and "_{" in check["W"].latex
    generator = np.random.default_rng(4)
    x, weight = (dr.tensor(generator.normal(size=(3, 3)), requires_grad=True) for _ in range(2))
    s = dr.tanh(dr.matmul(x, weight))
    loss = 0.5 * dr.sum(dr.square(s))
    check = check_derivation(loss, "dx = (s ⊙ (1 - s²)) W", names={"x": x, "W": weight, "s": s})
    assert check.causes[0].corrected == "∂L/∂x = (s ⊙ (1 - s^2)) Wᵀ"
    assert r"\left(s \odot \left(1 - s^{\odot 2}\right)\right) \, W" in check["x"].latex


def test_the_transpose_of_a_product_is_written_out():
    loss, names = squared_error()
    check = check_derivation(loss, "δ = (y - t) ⊙ (1 - y^2); dW = x δᵀ", names=names)
    (cause,) = check.causes
    assert (cause.kind, cause.subject, cause.used) == ("transposed", "δ xᵀ", "x δᵀ")
    assert cause.corrected == "∂L/∂W = δ xᵀ"
    u, v = (dr.tensor(np.random.default_rng(k).normal(size=(3, 3)), requires_grad=True) for k in (5, 6))
    loss = dr.sum(dr.square(dr.matmul(u, v)))
    check = check_derivation(loss, "du = 2 v (u v)ᵀ", names={"u": u, "v": v})
    assert check.causes[0].corrected == "∂L/∂u = 2 (u v) vᵀ"
    x, weight = np.random.default_rng(7).normal(size=(4, 3)), np.random.default_rng(8).normal(size=(2, 3))
    check = check_derivation(dr.linear, {"weight": "xᵀ dy"}, x, weight)
    assert check.causes[0].corrected == "∂L/∂weight = (∂L/∂y)ᵀ x"


def test_constants_without_a_name_are_no_arrays():
    loss, names = squared_error()
    check = check_derivation(loss, "dW = 2 ((y - t) ⊙ (1 - y^2)) xᵀ", names=names)
    assert {*check.names} == {"W", "x", "t"}
    assert check.examples[0] is not None and {*check.examples[0].numbers} == {"W", "x", "t", "y", "z"}


def test_the_element_that_is_worked_out_stands_behind_a_comma():
    loss, names = squared_error()
    check = check_derivation(loss, "dW = ((y - t) ⊙ (1 - z^2)) xᵀ", names=names)
    assert ",    a = 0" in check.text() and re.search(r", +a = 0", check.html())
