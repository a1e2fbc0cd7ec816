"""Labels and splits of every operation: no element may depend on another sample, unless that is said, and the
gradient of each other input splits into what each sample alone gives it.
"""

import numpy as np
import pytest

import deltarule as dr
from deltarule.autodiff.backward import gradients
from deltarule.explain.per_sample.contributions import Contributions
from deltarule.explain.per_sample.labelling import Labelling
from deltarule.explain.per_sample.labels import NONE, SEVERAL
from tests.operations.cases import CASES
from tests.operations.harness import outputs_of

rng = np.random.default_rng(5)


def _labelled_cases():
    for case in CASES:
        flags = case.differentiable()
        arrays = case.flat_inputs()
        for position, flag in enumerate(flags):
            array = np.asarray(arrays[position])
            if flag and array.ndim and array.shape[0] > 1:
                yield pytest.param(case, position, id=f"{case}-{position}")


each_input = pytest.mark.parametrize(("case", "position"), list(_labelled_cases()))


@each_input
def test_no_sample_reaches_into_another(case, position):
    inputs = case.tensors()
    x = inputs[position]
    samples = x.shape[0]
    outputs = [each for each in outputs_of(case.call(inputs)) if each.requires_grad]
    if not outputs:
        return
    loss = sum((dr.sum(each) for each in outputs[1:]), dr.sum(outputs[0]))
    labelling = Labelling(loss, [x], 0, samples)
    if labelling.mixed_by:
        return
    for output in outputs:
        labels = np.broadcast_to(labelling.of(output).of, output.shape)
        weights = rng.normal(size=output.shape)
        for sample in range(samples):
            upstream = np.where(labels == sample, weights, 0)
            (found,) = gradients(output, [x], [upstream])
            if found is not None:
                others = np.delete(found.numpy(), sample, axis=0)
                np.testing.assert_array_equal(others, 0, err_msg=f"sample {sample}")
        (none,) = gradients(output, [x], [np.where(labels == NONE, weights, 0)])
        if none is not None:
            np.testing.assert_array_equal(none.numpy(), 0, err_msg="elements of no sample")


@each_input
def test_a_sum_that_is_said_to_be_one_is_one(case, position):
    """Where nothing mixes, what is added up over samples is a sum of terms of one sample each."""
    inputs = case.tensors()
    x = inputs[position]
    outputs = [each for each in outputs_of(case.call(inputs)) if each.requires_grad]
    if not outputs or not np.isfinite(x.numpy()).all():
        return
    loss = sum((dr.sum(each) for each in outputs[1:]), dr.sum(outputs[0]))
    labelling = Labelling(loss, [x], 0, x.shape[0])
    several = [each for each in outputs if (labelling.of(each).of == SEVERAL).any()]
    if labelling.mixed_by or not several:
        return
    # The gradient for one sample does not change with another one's elements.
    changed = case.tensors()
    moved = changed[position].numpy().copy()
    moved[0] *= 1.0 - 1e-3
    changed[position] = dr.tensor(moved, requires_grad=True)
    again = [each for each in outputs_of(case.call(changed)) if each.requires_grad]
    before = gradients(list(outputs), [x], [np.ones(each.shape) for each in outputs])[0]
    after = gradients(list(again), [changed[position]], [np.ones(each.shape) for each in again])[0]
    if before is None or after is None:
        assert before is None and after is None
        return
    np.testing.assert_allclose(before.numpy()[1:], after.numpy()[1:], rtol=1e-9, atol=1e-12)


def test_most_rows_are_told_apart():
    """What the tests above leave out is what mixes rows: less than a third, and no formula is unreadable."""
    apart = 0
    for parameters in _labelled_cases():
        case, position = parameters.values
        inputs = case.tensors()
        outputs = [each for each in outputs_of(case.call(inputs)) if each.requires_grad]
        if outputs:
            loss = sum((dr.sum(each) for each in outputs[1:]), dr.sum(outputs[0]))
            apart += not Labelling(loss, [inputs[position]], 0, inputs[position].shape[0]).mixed_by
    assert apart > 1000


@each_input
def test_gradients_of_other_inputs_split_by_sample(case, position):
    inputs = case.tensors()
    x = inputs[position]
    others = [each for each in inputs if each is not x and each.requires_grad]
    outputs = [each for each in outputs_of(case.call(inputs)) if each.requires_grad]
    if not outputs or not others:
        return
    weights = [rng.normal(size=each.shape) for each in outputs]
    terms = [dr.sum(each * dr.tensor(weight)) for each, weight in zip(outputs, weights, strict=True)]
    loss = sum(terms[1:], terms[0])
    labelling = Labelling(loss, [x], 0, x.shape[0])
    if labelling.mixed_by:
        return
    found = Contributions(loss, others, labelling)
    labels = [np.broadcast_to(labelling.of(each).of, each.shape) for each in outputs]
    if any((each < 0).any() for each in labels):
        return
    for tensor in others:
        parts = sum(each.parts(0, x.shape[0]) for each in found.of[tensor])
        for sample in range(x.shape[0]):
            upstream = [np.where(of == sample, w, 0) for of, w in zip(labels, weights, strict=True)]
            alone = gradients(outputs, [tensor], upstream)[0]
            expected = np.zeros(tensor.shape) if alone is None else alone.numpy()
            own = np.zeros(tensor.shape) if isinstance(parts, int) else parts[sample]
            np.testing.assert_allclose(own, expected, rtol=1e-7, atol=1e-9, err_msg=f"sample {sample}")
