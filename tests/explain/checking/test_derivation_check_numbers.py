"""Numbers that cannot show anything: where the right gradient is NaN or infinite."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.explain.checking.derivation_check import check_derivation

UNDEFINED = np.array([[np.nan, 1.0]])


class Forward:
    """A layer of a user's own."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, upstream):
        return upstream * (1 - self.y**2)


@pytest.mark.parametrize(
    "claim",
    [
        lambda upstream, x: upstream * (1 - np.tanh(x) ** 2),
        lambda upstream, x: -upstream,
        Forward(),
        {"x": "dy ⊙ (1 - y^2)"},
        {"x": UNDEFINED},
    ],
)
def test_nothing_is_shown_on_nan(claim):
    check = check_derivation(dr.tanh, claim, UNDEFINED)
    (term,) = check.terms
    assert term.status == "not shown" and not term.finite and np.isnan(term.error)
    assert not check.causes and check.reference_error is None and check.forward_error is None
    for language, advice in (("en", "Hand in other numbers"), ("zh", "请换用")):
        text = check.text(language=language)
        assert advice in text and "∞" not in text
        assert advice in check.html(language=language)
    assert "Wrong" not in check.text() and check.svg()


def test_a_wrong_shape_is_wrong_on_nan_too():
    check = check_derivation(dr.tanh, lambda upstream, x: upstream.T, UNDEFINED)
    assert check["x"].status == "wrong"


@pytest.mark.parametrize(("factor", "status"), [(1, "right"), (-1, "wrong")])
def test_other_numbers_decide_where_the_given_ones_give_infinities(factor, status):
    def backward(upstream, x):
        with np.errstate(divide="ignore"):
            return factor * upstream / (2 * np.sqrt(x))

    check = check_derivation(dr.sqrt, backward, np.array([0.0, 1.0, 2.0]))
    (term,) = check.terms
    assert (term.status, term.shown_by, term.finite) == (status, "other", False)
    assert [cause.kind for cause in check.causes] == (["sign"] if status == "wrong" else [])
    assert "others were drawn" in check.text() and "∞" not in check.text()


def test_a_claim_of_nan_is_wrong_where_the_right_gradient_is_a_number():
    check = check_derivation(dr.tanh, {"x": np.array([np.nan, 1.0])}, np.array([1.0, 2.0]))
    assert check["x"].status == "wrong" and check["x"].finite
