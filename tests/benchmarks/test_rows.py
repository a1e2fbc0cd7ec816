"""Every row computes the same in every library, and says truly how much work it is."""

import importlib.util
from dataclasses import replace

import pytest

from benchmarks.agreement import STEPS, difference
from benchmarks.libraries import IMPLEMENTATIONS
from benchmarks.rows import ROWS


def distinct():
    """Names of rows whose tiny forms differ: some differ in their batch alone."""
    found = {}
    for name, row in ROWS.items():
        found.setdefault(replace(row.tiny(), name="", title="", learning_rate=0), name)
    return list(found.values())


NAMES = distinct()


def needs(package):
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed: deltarule[peers]")


def numbers_of(row, library):
    session = IMPLEMENTATIONS[library].prepare(row)
    return [number for count in range(STEPS) for number in session.numbers(session.step(count))]


@needs("torch")
@pytest.mark.parametrize("name", NAMES)
def test_losses_of_ten_steps_are_those_of_pytorch(name):
    row = ROWS[name].tiny()
    reference = numbers_of(row, "pytorch")
    assert difference(numbers_of(row, "deltarule"), reference) < 2e-6


@needs("torch")
@needs("jax")
@pytest.mark.parametrize("name", NAMES)
def test_jax_computes_the_same_as_pytorch(name):
    row = ROWS[name].tiny()
    reference = numbers_of(row, "pytorch")
    assert difference(numbers_of(row, "jax"), reference) < 2e-6


@pytest.mark.parametrize("name", NAMES)
def test_deltarule_runs_every_row_with_finite_losses(name):
    row = ROWS[name].tiny()
    found = numbers_of(row, "deltarule")
    # A number a step where it trains, every output where it does not.
    assert len(found) == STEPS if row.training else len(found) % STEPS == 0
    assert difference(found, found) == 0


@pytest.mark.parametrize("name", [name for name in NAMES if ROWS[name].training])
def test_steps_train_every_parameter(name):
    """A row that left a parameter without a gradient would compare less than it says."""
    from benchmarks.libraries.deltarule import Training

    row = ROWS[name].tiny()
    training = Training(row)
    for count in range(4):
        training.step(count)
    for parameter_name, parameter in training.model.named_parameters():
        moved = abs(parameter.numpy() - row.weights()[parameter_name]).max()
        assert moved > 0, parameter_name


@needs("torch")
@pytest.mark.parametrize("name", NAMES)
def test_operations_are_those_that_pytorch_counts(name):
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.libraries import pytorch

    row = ROWS[name].tiny()
    if hasattr(row, "kind"):
        pytest.skip("PyTorch does not count what happens inside its recurrent layers")
    if name.startswith("gpt"):
        pytest.skip("PyTorch does not count its fused attention for the CPU")
    session = pytorch.prepare(row)
    with FlopCounterMode(display=False) as counter:
        session.step(0)
    assert row.operations() == counter.get_total_flops()


def test_operations_of_a_recurrent_row_by_hand():
    row = ROWS["lstm"]
    gates = 32 * 64 * (128 + 256) * 4 * 256
    assert row.operations() == 2 * 3 * (gates + 32 * 64 * 256 * 65)


def test_operations_of_gpt_by_hand():
    products = 4 * 128 * 128 + 2 * 128 * 512 + 2 * 128 * 128
    assert ROWS["gpt"].operations() == 2 * 3 * 16 * 128 * (4 * products + 128 * 65)


def test_lecun_has_the_parameters_of_the_paper():
    arrays = ROWS["lecun-1989"].weights().values()
    assert sum(array.size for array in arrays) == 9760


def test_weights_do_not_depend_on_their_order_or_the_run():
    row = ROWS["mlp"].tiny()
    first, second = row.weights(), row.weights()
    assert all((first[name] == second[name]).all() for name in first)
    assert (first["0.weight"][:2, :2] != first["2.weight"][:2, :2]).all()
