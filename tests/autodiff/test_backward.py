"""The backward pass: accumulation, shapes and types, freeing, guards, depth."""

import gc
import threading
import weakref

import numpy as np
import pytest

import deltarule as dr
from deltarule.autodiff.operation import Operation, apply
from deltarule.errors import DTypeError, GradientError, GraphError, InPlaceError, ShapeError


def leaf(values, dtype=np.float64):
    return dr.tensor(values, dtype=dtype, requires_grad=True)


def test_gradients_add_up_at_branches():
    x = leaf([2.0, 3.0])
    y = x * x + x * 3.0 + x
    y.backward(dr.tensor([1.0, 1.0], dtype=dr.float64))
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.array([2.0, 3.0]) + 4)


def test_gradients_add_up_over_repeated_backward():
    x = leaf(3.0)
    for _ in range(2):
        (x * x).backward()
    assert x.grad.item() == 12.0


def test_gradient_has_shape_and_type_of_its_tensor():
    x = leaf([[1.0, 2.0, 3.0]], np.float32)
    y = leaf([[1.0], [2.0]], np.float64)
    z = leaf(2.0, np.float16)
    (x * y * z).sum().backward()
    assert (x.grad.shape, x.grad.dtype) == ((1, 3), np.float32)
    assert (y.grad.shape, y.grad.dtype) == ((2, 1), np.float64)
    assert (z.grad.shape, z.grad.dtype) == ((), np.float16)
    np.testing.assert_allclose(x.grad.numpy(), [[6.0, 6.0, 6.0]])


def test_every_grad_owns_its_memory():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (x + y).sum().backward()
    x.grad[0] = 100.0
    assert y.grad.tolist() == [1.0, 1.0]


def test_given_upstream_gradient_is_not_shared():
    x = leaf([1.0, 2.0])
    upstream = dr.tensor([1.0, 1.0], dtype=dr.float64)
    (x + 0.0).backward(upstream)
    x.grad[0] = 7.0
    assert upstream.tolist() == [1.0, 1.0]


def test_second_backward_through_a_freed_graph():
    x = leaf(3.0)
    y = x * x
    y.backward()
    with pytest.raises(GraphError, match=r"freed by an earlier backward.*retain_graph=True"):
        y.backward()


def test_retain_graph_allows_a_second_backward():
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0


def test_failed_backward_leaves_gradients_alone():
    x = leaf(3.0)
    y = x * x
    shared = dr.exp(y)
    shared.backward(retain_graph=True)
    before = x.grad.item()
    y.backward()
    with pytest.raises(GraphError):
        (shared * 2.0).backward()
    assert x.grad.item() == before + 6.0


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: dr.tensor([1.0, 2.0]).sum(), GraphError, "needs no gradient"),
        (lambda: leaf([1.0, 2.0]) * 2.0, GraphError, r"loss of one element, got shape \(2,\)"),
        (lambda: dr.tensor(3), DTypeError, "only floating tensors have gradients, this one is int64"),
    ],
)
def test_backward_refuses_clearly(make, error, says):
    with pytest.raises(error, match=says):
        make().backward()


def test_upstream_of_wrong_shape_is_refused():
    with pytest.raises(ShapeError, match=r"the given gradient has shape \(3,\), the tensor \(2,\)"):
        (leaf([1.0, 2.0]) * 2.0).backward(dr.tensor([1.0, 1.0, 1.0]))


def test_integer_tensor_asked_for_gradients():
    with pytest.raises(DTypeError, match="only floating tensors"):
        dr.tensor([1, 2], requires_grad=True)
    whole = dr.tensor([1, 2])
    with pytest.raises(DTypeError, match="only floating tensors"):
        whole.requires_grad = True
    with pytest.raises(DTypeError, match="only floating tensors"):
        dr.grad(lambda x: x.sum())(whole)


def test_writing_into_a_needed_input_is_named():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = (x * w).sum()
    with dr.no_grad():
        w[0] = 5.0
    with pytest.raises(InPlaceError, match=r"input b of multiply was written into 1 time"):
        y.backward()


def test_writing_into_a_needed_output_through_a_detached_view_is_named():
    x = leaf([1.0, 2.0])
    y = dr.exp(x)
    y.detach()[0] = 5.0
    with pytest.raises(InPlaceError, match="the output of exp was written into"):
        y.sum().backward()


def test_writing_through_a_view_counts_for_its_base():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    y = (x * x).sum()
    with dr.no_grad():
        x[0][1] = 9.0
    with pytest.raises(InPlaceError, match="multiply"):
        y.backward()


def test_writing_where_the_gradient_does_not_look_is_allowed():
    x, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = (x + b).sum()
    with dr.no_grad():
        b[0] = 5.0
    y.backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_writing_into_recorded_results_and_recorded_leaves_is_refused():
    x = leaf([1.0, 2.0])
    with pytest.raises(InPlaceError, match="result of multiply"):
        (x * 2.0)[0] = 1.0
    with pytest.raises(InPlaceError, match="no_grad"):
        x[0] = 1.0


def test_arrays_handed_out_are_read_only():
    x = leaf([1.0, 2.0])
    for array in (x.numpy(), np.asarray(x), x.data):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_tensor_copies_what_it_is_given():
    source = np.ones(2)
    x = dr.tensor(source)
    source[0] = 5.0
    assert x.tolist() == [1.0, 1.0]
    y = leaf([1.0, 1.0]) * source
    source[1] = 9.0
    assert y.tolist() == [5.0, 1.0]


def test_no_grad_and_detach():
    x = leaf(2.0)
    with dr.no_grad():
        assert not (x * x).requires_grad
    assert (x * x).requires_grad
    y = x.detach() * x
    y.backward()
    assert x.grad.item() == 2.0

    @dr.no_grad()
    def silent(value):
        return value * value

    assert not silent(x).requires_grad


def test_no_grad_is_restored_after_an_error_and_is_per_thread():
    with pytest.raises(RuntimeError, match="inside"), dr.no_grad():
        raise RuntimeError("inside")
    assert dr.is_grad_enabled()
    seen = []
    with dr.no_grad():
        thread = threading.Thread(target=lambda: seen.append(dr.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_retain_grad_keeps_intermediate_gradients():
    x = leaf([1.0, 2.0])
    y = (x * 3.0).retain_grad()
    (y * y).sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), [6.0, 12.0])


def test_graph_is_freed_without_the_cycle_collector():
    # Kernels are compiled at their first call, which leaves cycles behind.
    (leaf(np.ones(1000)) * leaf(np.ones(1000))).sum().backward()
    warm = leaf(np.ones(1000))
    (dr.exp(dr.tanh(warm) * warm) + warm * warm).sum().backward()
    gc.collect()
    gc.disable()
    try:
        x = leaf(np.ones(1000))
        y = dr.exp(dr.tanh(x) * x)
        node = weakref.ref(y.node)
        inner = weakref.ref(y.node.inputs[0])
        loss = y.sum()
        del y
        assert node() is not None
        del loss
        assert node() is None
        assert inner() is None
        z = (x * x).sum()
        z.backward()
        del z
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_backward_frees_what_it_has_used():
    x = leaf(np.ones(1000))
    y = dr.tanh(x)
    inner = weakref.ref(y)
    loss = (y * y).sum()
    del y
    loss.backward()
    assert inner() is None


def test_a_chain_of_a_million_operations():
    """No recursion in forward, backward or freeing; memory linear: under 2 kB an operation."""
    resource = pytest.importorskip(
        "resource", reason="peak memory is read through resource, absent on Windows"
    )
    x = leaf(1.0)
    y = x
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1_000_000):
        y = y + x
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    y.backward()
    assert x.grad.item() == 1_000_001.0
    assert used < 2_000_000  # kilobytes

    unused = x
    for _ in range(1_000_000):
        unused = unused + x
    del unused


def test_wrong_shape_from_a_gradient_rule_is_named():
    class Wrong(dr.Operation):
        name = "wrong_shape"
        inputs = ("x",)

        def shape(self, x):
            return (x[1], x[0])

        def forward(self, x):
            return x.T

        def backward(self, node, upstream):
            return (upstream,)

    y = dr.autodiff.operation.apply(Wrong(), leaf([[1.0, 2.0, 3.0]]))
    with pytest.raises(GradientError, match=r"wrong_shape gave a gradient of shape \(3, 1\) for x"):
        y.backward(np.ones((3, 1)))


def test_backward_with_create_graph():
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.backward()
    assert x.grad.item() == pytest.approx(18.0)


def test_graph_as_data():
    x, y = leaf(2.0), leaf(5.0)
    x.name, y.name = "x", "y"
    graph = dr.Graph((x + y) * x)
    assert [step.operation for step in graph.steps] == ["add", "multiply"]
    assert [value.array.item() for value in graph.values] == [2.0, 5.0, 7.0, 14.0]
    assert [gradient.item() for gradient in graph.gradients()] == [9.0, 2.0, 2.0, 1.0]
    assert str(graph) == "v2 () = add(x, y)\nv3 () = multiply(v2, x)"


def test_a_rule_with_the_wrong_number_or_kind_of_gradients_is_named():
    class Rule(Operation):
        name = "rule"
        inputs = ("a", "b")

        def shape(self, a, b):
            return a

        def forward(self, a, b):
            return a * b

    class Short(Rule):
        def backward(self, node, upstream):
            return (upstream,)

    class Arrays(Rule):
        def backward(self, node, upstream):
            return upstream.numpy(), None

    for create_graph in (False, True):
        y = apply(Short(), leaf([1.0]), leaf([2.0]))
        with pytest.raises(
            GradientError, match="rule gave 1 gradients, expected one for each of its 2 inputs"
        ):
            y.backward(create_graph=create_graph)
        y = apply(Arrays(), leaf([1.0]), leaf([2.0]))
        with pytest.raises(GradientError, match="rule gave a ndarray as gradient, expected a Tensor or None"):
            y.backward(create_graph=create_graph)


def test_writing_into_any_output_that_the_gradient_reads_is_named():
    class Exponentials(dr.Operation):
        name = "exponentials"
        inputs = ("x",)
        outputs = ("grown", "shrunk")
        reads = ("shrunk",)

        def shape(self, x):
            return x, x

        def forward(self, x):
            return np.exp(x), np.exp(-x)

        def backward_kernel(self, node, grown, shrunk):
            return (grown / node.values[1] - shrunk * node.values[1],)

    x = dr.tensor([0.0, 1.0], requires_grad=True)
    for written, allowed in ((0, True), (1, False)):
        outputs = apply(Exponentials(), x)
        outputs[written].detach()[0] = 5.0
        loss = (outputs[0] + outputs[1]).sum()
        if allowed:
            loss.backward()
        else:
            with pytest.raises(InPlaceError, match="the output of exponentials was written into 1 time"):
                loss.backward()
