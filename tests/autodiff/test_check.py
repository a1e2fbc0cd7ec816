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


def network(generator):
    """A small float64 network with its parameters, reached from the function's surroundings."""
    weight = dr.tensor(generator.standard_normal((3, 4)), requires_grad=True)
    bias = dr.tensor(generator.standard_normal(3), requires_grad=True)
    return weight, bias


def test_parameters_are_varied_where_the_function_finds_them():
    weight, bias = network(np.random.default_rng(1))
    before = weight.numpy().copy()
    x = np.random.default_rng(2).standard_normal((5, 4))

    def model(x, *parameters):
        return dr.tanh(dr.linear(x, weight, bias))

    report = dr.check_gradients(model, x, weight, bias)
    assert report.checked == 20 + 12 + 3
    assert 0 < report.max_error < 1e-8
    np.testing.assert_array_equal(weight.numpy(), before)
    assert weight.grad is None

    half = broken("half_weight", lambda w: w * w, lambda n, g: g * n.inputs[0])
    with pytest.raises(
        GradientError, match=r"wrong gradient at input 1.*half_weight.*times the right gradient"
    ):
        dr.check_gradients(lambda x, w: dr.linear(x, half(weight)), x, weight)


def test_the_same_tensor_twice_is_two_inputs():
    w = dr.tensor(X, requires_grad=True)
    assert dr.check_gradients(lambda a, b: a * b * b, w, w).checked == 2 * X.size


@pytest.mark.parametrize("distance", [3e-4, 1e-5, -1e-5, 3e-6, 1e-6, 1e-8])
def test_a_kink_within_the_step_is_not_blamed(distance):
    assert dr.check_gradients(dr.relu, np.array([distance, 1.0])).checked == 2
    with pytest.raises(GradientError):
        dr.check_gradients(
            broken("steep", lambda x: np.maximum(x, 0), lambda n, g: g * 1.5 * (n.inputs[0] > 0)),
            np.array([distance, 1.0]),
        )


def test_inputs_near_the_edge_of_the_domain_and_of_any_size():
    assert dr.check_gradients(dr.log, np.array([1e-4, 1e8, 1.0])).checked == 3
    assert dr.check_gradients(dr.sqrt, np.array([5e-4, 1e6])).checked == 2
    report = dr.check_gradients(lambda x: dr.log(x).sum(), np.geomspace(1e-3, 1e3, 900))
    assert report.checked == 24


def test_random_numbers_are_the_same_in_every_evaluation():
    dr.manual_seed(3)
    assert dr.check_gradients(lambda x: dr.dropout(x, 0.5) * x, X).max_error < 1e-9


def test_what_is_not_one_function_is_refused():
    calls = []

    def growing(x):
        calls.append(1)
        return x * float(len(calls))

    with pytest.raises(GradientError, match=r"the function gave .* then .* for the same inputs"):
        dr.check_gradients(growing, X)
    with np.errstate(all="ignore"), pytest.raises(GradientError, match="value is NaN or infinite"):
        dr.check_gradients(dr.log, X)


def test_a_gradient_that_is_not_summed_back_is_named():
    class Row(Operation):
        name = "add_row"
        inputs = ("a", "b")

        def shape(self, a, b):
            return a

        def forward(self, a, b):
            return a + b

        def backward(self, node, upstream):
            return upstream, upstream[0]

    operation = Row()
    with pytest.raises(
        GradientError, match=r"gradient for b.*missing accumulation: shape \(3,\) is broadcast"
    ):
        dr.check_gradients(lambda a, b: apply(operation, a, b), X, X[0])
