"""A test of the tester: wrong gradients must be caught and named, right ones and kinks must not."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.autodiff.operation import Operation, apply
from deltarule.errors import DTypeError, GradientError, GraphError

X = np.array([[0.3, -1.2, 0.7], [0.5, 0.2, -0.4], [1.1, -0.6, 0.9]])


def broken(name, forward, backward):
    """An operation of one input whose gradient rule is given by hand."""

    class Broken(Operation):
        inputs = ("x",)

        def shape(self, x):
            return x

        def forward(self, x):
            return forward(x)

        def backward(self, node, upstream):
            return (backward(node, upstream),)

    Broken.name = name
    operation = Broken()
    return lambda x: apply(operation, x)


square_transposed = broken("square_t", lambda x: x @ x.T, lambda n, g: (g + g.mT) @ n.inputs[0])

MISTAKES = {
    "missing factor 1 − y²": broken("tanh_without_derivative", np.tanh, lambda n, g: g),
    "the sign is wrong": broken("negated", lambda x: 2 * x, lambda n, g: g * -2.0),
    "times the right gradient": broken("half", lambda x: x * x, lambda n, g: g * n.inputs[0]),
    "it is transposed": broken("turned", lambda x: x.T.copy(), lambda n, g: g),
    "the gradient is missing": broken("silent", np.exp, lambda n, g: g * 0.0),
    "too small by 3": broken(
        "averaged", lambda x: np.broadcast_to(x.sum(0), x.shape).copy(),
        lambda n, g: dr.broadcast_to(g.mean(0), g.shape),
    ),
    "missing accumulation": broken(
        "reused", lambda x: x + np.vstack([x[:1], x[:1], x[:1] * 0]),
        lambda n, g: g + dr.concat([g[:1], g[:1] * 0.0, g[:1] * 0.0], axis=0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("cause", MISTAKES)
def test_a_wrong_gradient_is_named_with_its_cause(cause):
    wrong = MISTAKES[cause]

    def model(x):
        return dr.tanh(wrong(dr.sin(x))) * 2.0

    with pytest.raises(GradientError) as caught:
        dr.check_gradients(model, X)
    message = str(caught.value)
    assert "The first wrong operation is" in message
    assert cause in message
    assert "analytic" in message
    assert "numerical" in message


def test_the_first_wrong_operation_is_named_with_layer_and_element():
    from deltarule.autodiff.recording import name_scope

    wrong = MISTAKES["the sign is wrong"]

    def model(x):
        with name_scope("encoder"), name_scope("0"):
            y = wrong(x)
        return MISTAKES["missing factor 1 − y²"](y)

    with pytest.raises(
        GradientError, match=r"first wrong operation is negated in encoder\.0: its gradient for x\["
    ):
        dr.check_gradients(model, X)


def test_large_inputs_are_checked_along_directions():
    generator = np.random.default_rng(0)
    big = generator.standard_normal((60, 60))
    report = dr.check_gradients(lambda x: dr.tanh(x) * x, big)
    assert report.checked == 24
    assert report.max_error < 1e-7
    with pytest.raises(GradientError, match="tanh_without_derivative"):
        dr.check_gradients(MISTAKES["missing factor 1 − y²"], big)


def test_kinks_are_recognised_not_blamed():
    report = dr.check_gradients(dr.relu, np.array([0.0, 1.0, -1.0]))
    assert report.kinks == ((0, (0,)),)
    tie = np.array([1.0, 2.0])
    # Half of the gradient to each is what central differences give too.
    assert dr.check_gradients(dr.maximum, tie, tie.copy()).max_error < 1e-9
    slanted = dr.check_gradients(lambda x: dr.abs(x) + dr.relu(x) * 3.0, np.array([0.0]))
    assert slanted.kinks == ((0, (0,)),)


def test_a_gradient_outside_the_kinks_slopes_is_still_wrong():
    wrong = broken("relu_plus", lambda x: np.maximum(x, 0), lambda n, g: g * 3.0)
    with pytest.raises(GradientError, match="relu_plus"):
        dr.check_gradients(wrong, np.array([0.0]))


def test_float32_is_refused_with_the_reason():
    with pytest.raises(
        DTypeError, match=r"input 0 is float32, expected float64: .*would hide a wrong gradient"
    ):
        dr.check_gradients(dr.tanh, X.astype(np.float32))


def test_paths_outside_the_record_are_found():
    with pytest.raises(GradientError, match="path that is not recorded"):
        dr.check_gradients(lambda x: x.detach() * x, X)
    with pytest.raises(GraphError, match="does not depend on the inputs"):
        dr.check_gradients(lambda x: dr.tensor(x.numpy() * 2.0), X)


def test_integers_are_held_constant():
    labels = np.array([0, 2, 1])
    report = dr.check_gradients(lambda x, t: dr.take_along_axis(x, t[:, None], axis=1), X, labels)
    assert report.checked == X.size


def test_several_outputs_and_curved_functions():
    report = dr.check_gradients(lambda x: (dr.exp(x), dr.sin(x * 5.0).sum()), X)
    assert report.max_error < 1e-8
