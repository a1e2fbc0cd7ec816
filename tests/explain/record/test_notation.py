"""One symbol for every value: letters of the lectures, names of users, and names meant to do harm."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr
from deltarule.explain.derivations.derivation import derive
from deltarule.explain.derivations.program import program_of
from deltarule.explain.record.letters import is_symbol, letters_of
from deltarule.explain.record.notation import Notation
from deltarule.explain.record.trace import Trace
from deltarule.report import FORMS
from deltarule.report.typesetting.mathml import mathml
from tests.explain.networks_explained import MODELS, numbers

HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    r"\input{/etc/passwd}",
    r"\write18{rm -rf /}",
    "$x$",
    "a|b",
    "```",
    "[click](javascript:alert(1))",
    "{{}}",
    "%s",
    "lambda",
    "class",
    "None",
    "np",
    "print",
    "arrays",
    "math",
    "range",
    "grad_x",
    "grad_W1",
    "grad",
    "delta",
    "delta1",
    "x",
    "X",
    "L",
    "t",
    "W1",
    "h1",
    "a" * 300,
    "名字",
    "é",
    "α",
    "alpha",
    "x y",
    "_",
    "__import__",
    "x_",
    "_x",
    "1x",
    "x'",
    "W_{1}",
    "W_1_2",
    "sigmoid",
    "v3",
    "k",
    "\n",
    "\\",
    "{",
    "}",
    "#",
    "^",
    "~",
    "&",
    "\u202e",
    "",
]


@pytest.fixture(scope="module")
def hostile():
    """A computation whose leaves have these names."""
    leaves = {name: numbers(2, 2, seed=number) for number, name in enumerate(HOSTILE)}
    total = sum((dr.tanh(leaf @ leaf) for leaf in leaves.values()), dr.zeros((2, 2), dtype="float64"))
    return leaves, dr.explain(total.sum(), names=leaves, title=HOSTILE[0])


def test_hostile_names_break_no_formula_and_no_program(hostile):
    leaves, explanation = hostile
    assert explanation.largest_error < 1e-12
    found = explanation.program.run()
    compared = 0
    for value in explanation.trace.values:
        identifier = explanation.notation.gradient(value.number)
        if value.gradient is not None and identifier in found:
            assert np.allclose(found[identifier], value.gradient, 1e-10, 1e-12)
            compared += value.kind == "input"
    assert compared == len(leaves)


def test_hostile_names_are_harmless_on_paper(hostile):
    _, explanation = hostile
    shown = {form: getattr(explanation, form)() for form in FORMS}
    for form in ("html", "svg", "markdown"):
        assert "<script>alert" not in shown[form] and "<img" not in shown[form], form
    assert r"\input{" not in shown["latex"] and r"\write18{" not in shown["latex"]
    assert "[click](" not in shown["markdown"].replace(r"\[click](", "")
    assert len(shown["html"]) < 3_000_000


def test_identifiers_and_letters_are_each_value_s_own(hostile):
    for explanation in (hostile[1], dr.explain(MODELS["transformer layer"]())):
        signs = list(explanation.notation.signs.values())
        assert len({sign.identifier for sign in signs}) == len(signs)
        owners: dict[str, str] = {}
        for sign in signs:
            for letter in {sign.scalar, sign.whole}:
                assert owners.setdefault(letter, sign.identifier) == sign.identifier, letter
            assert sign.identifier.isascii() and sign.identifier.isidentifier()


@pytest.mark.parametrize("name", MODELS)
def test_every_sign_can_be_typeset(name):
    for sign in Notation(Trace(MODELS[name]())).signs.values():
        for latex in (sign.scalar, sign.whole):
            assert "<math" in mathml(latex)
            assert "'" not in latex


def test_letters_of_a_network():
    notation = Notation(Trace(MODELS["multi-layer perceptron"]()))
    top = [notation.signs[value.number] for value in notation.trace.values if value.parent is None]
    assert [sign.identifier for sign in top][:11] == [
        "x",
        "W1",
        "b1",
        "a1",
        "h1",
        "W2",
        "b2",
        "a2",
        "h2",
        "W3",
        "b3",
    ]
    assert [sign.whole for sign in top][:5] == ["X", "W^{(1)}", "b^{(1)}", "A^{(1)}", "H^{(1)}"]
    assert notation.layers == 3 and sorted(notation.deltas.values()) == [1, 2, 3]
    assert notation.gradient(next(iter(notation.deltas))) == "delta1"


def test_what_follows_a_normalised_layer_is_its_output():
    model = dr.nn.Sequential(dr.nn.Linear(2, 3), dr.nn.LayerNorm(3), dr.nn.ReLU())
    notation = Notation(Trace(model(dr.ones((1, 2))).sum()))
    assert {"a", "n", "h"} <= {sign.identifier for sign in notation.signs.values()}


def test_an_input_of_one_element_is_an_input():
    notation = Notation(Trace(dr.tanh(dr.nn.Linear(1, 3)(dr.ones((1, 1))) * 2.0).sum()))
    roles = {sign.identifier: sign.role for sign in notation.signs.values()}
    assert roles["x"] == "input" and roles["k"] == "constant"


def test_one_layer_has_no_number():
    notation = Notation(Trace(dr.tanh(dr.nn.Linear(2, 3)(dr.ones((1, 2)))).sum()))
    assert {"W", "b", "a", "h"} <= {sign.identifier for sign in notation.signs.values()}


def test_names_of_users_come_before_letters():
    """q would be the letter of the first result, were it not taken."""
    x, q = numbers(), numbers(seed=1)
    notation = Notation(Trace((x * 2.0) * q, names={"x": x, "q": q}))
    assert [
        notation.signs[value.number].identifier for value in notation.trace.values if value.kind == "result"
    ] == [
        "u",
        "L",
    ]


def test_the_letter_of_the_loss():
    x = numbers(3)
    whole = derive((x * x).sum(), names={"x": x})
    assert whole.notation.loss == "L"
    given = derive(x * x, upstream=np.ones(3), names={"x": x})
    assert given.notation.loss == "L" and "\\partial L" in given.latex()
    taken = derive(x * x, upstream=np.ones(3), names={"L": x})
    assert taken.notation.loss == r"\mathcal{L}"


def test_a_hidden_and_a_cell_state_start_apart():
    notation = Notation(Trace(MODELS["LSTM"]()))
    assert {"h_start", "c_start"} <= {sign.identifier for sign in notation.signs.values()}


def test_normalisations_have_gamma_and_beta():
    notation = Notation(Trace(MODELS["normalised"]()))
    assert {r"\gamma^{(1)}", r"\beta^{(1)}"} <= {sign.whole for sign in notation.signs.values()}


def test_values_inside_a_group_are_what_its_formula_calls_them():
    explanation = dr.explain(MODELS["LSTM"]())
    names = {sign.identifier for sign in explanation.notation.signs.values()}
    assert {"input_gate1_t0", "forget_gate1_t2", "h1_t1", "c1_t1"} <= names


@pytest.mark.parametrize(
    ("label", "ndim", "expected"),
    [
        ("W", 2, ("w", "W")),
        ("x", 1, ("x", "x")),
        ("w0", 0, ("w_{0}", "w_{0}")),
        ("x1", 2, ("x^{(1)}", "X^{(1)}")),
        ("W_hx", 2, ("w^{hx}", "W_{hx}")),
        ("W1_ih", 2, ("w^{ih(1)}", "W^{(1)}_{ih}")),
        ("alpha", 0, (r"\alpha", r"\alpha")),
        ("hidden", 2, (r"\mathit{hidden}", r"\mathit{hidden}")),
    ],
)
def test_letters_of_names(label, ndim, expected):
    assert is_symbol(label)
    assert next(letters_of(label, ndim)) == expected


def test_programs_print_and_load_under_any_names():
    leaves = {
        name: numbers(30, 30, seed=number) for number, name in enumerate(("print", "arrays", "np", "L"))
    }
    program = program_of(derive(sum(leaf.sum() for leaf in leaves.values()), names=leaves))
    assert program.file
    assert program.run()
