"""Native steps of every optimiser against the NumPy steps: options, sizes, threads, vector widths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.kernels.native import updating
from deltarule.optim.optimizer import Optimizer
from tests.kernels.native.machines import each_machine, on_threads, running_on

OPTIMIZERS: dict[str, Any] = {
    "plain": lambda p: dr.optim.SGD(p, lr=0.1),
    "decay": lambda p: dr.optim.SGD(p, lr=0.1, weight_decay=0.01),
    "momentum": lambda p: dr.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01),
    "nesterov": lambda p: dr.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda p: dr.optim.Adagrad(
        p, lr=0.1, lr_decay=0.1, weight_decay=0.01, initial_accumulator_value=0.1
    ),
    "rmsprop": lambda p: dr.optim.RMSprop(p, lr=0.01, weight_decay=0.01),
    "rmsprop momentum": lambda p: dr.optim.RMSprop(p, lr=0.01, momentum=0.9),
    "rmsprop centered": lambda p: dr.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adam": lambda p: dr.optim.Adam(p, lr=0.01),
    "adam decay": lambda p: dr.optim.Adam(p, lr=0.01, weight_decay=0.1, amsgrad=True),
    "adamw": lambda p: dr.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "adamw amsgrad": lambda p: dr.optim.AdamW(p, lr=0.01, amsgrad=True),
}


def _trained(make: Any, shapes: list[tuple[int, ...]], dtype: str, is_native: bool, steps: int = 4) -> Any:
    """Parameters and state after some steps; the second parameter has no gradient in the first one."""
    generator = np.random.default_rng(0)
    parameters = [
        dr.tensor(generator.standard_normal(each).astype(dtype), requires_grad=True) for each in shapes
    ]
    optimizer = make(parameters)
    with pytest.MonkeyPatch.context() as patch:
        if not is_native:
            patch.setattr(type(optimizer), "rule", Optimizer.rule)
        for step in range(steps):
            for position, each in enumerate(parameters):
                gradient = dr.tensor(generator.standard_normal(each.shape).astype(dtype))
                each.grad = None if (step, position) == (0, 1) else gradient
            optimizer.step()
    return [each.numpy() for each in parameters], optimizer.state_dict()


def _compare(name: str, shapes: list[tuple[int, ...]], dtype: str) -> None:
    found, state = _trained(OPTIMIZERS[name], shapes, dtype, True)
    expected, plain_state = _trained(OPTIMIZERS[name], shapes, dtype, False)
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    assert state.keys() == plain_state.keys()
    for key, value in plain_state.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(state[key], value, rtol=tolerance, atol=tolerance, err_msg=key)
        else:
            assert state[key] == value, key


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_is_numpys(name, dtype):
    _compare(name, [(3, 5), (17,), (), (0, 4), (33, 2)], dtype)


@given(
    sizes=st.lists(st.integers(0, 200), min_size=1, max_size=6),
    name=st.sampled_from(["momentum", "adam"]),
    threads=st.integers(1, 3),
)
def test_sizes_and_threads(sizes, name, threads):
    with on_threads(threads), pytest.MonkeyPatch.context() as patch:
        patch.setattr(updating, "_WORTH_A_TEAM", 1)
        _compare(name, [(size,) for size in sizes], "float32")


@each_machine
@pytest.mark.parametrize("name", ["nesterov", "rmsprop centered", "adam decay"])
def test_narrower_vectors(name, machine):
    with running_on(machine, updating):
        for dtype in ("float32", "float64"):
            _compare(name, [(3, 5), (17,), (70,)], dtype)


def test_a_large_parameter_on_several_threads():
    with on_threads(3):
        _compare("adamw", [(70_001,), (5,), (300, 400)], "float32")


def test_gradients_are_only_read():
    parameter, gradient = dr.tensor([1.0, 2.0], requires_grad=True), dr.tensor([0.5, -0.5])
    parameter.grad = gradient
    dr.optim.SGD([parameter], lr=1.0, momentum=0.9, weight_decay=0.5).step()
    assert gradient.tolist() == [0.5, -0.5]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_not_finite_stays_where_it_is(name, value):
    """One bad gradient spoils its own element and no other."""

    def run(gradient: Any) -> Any:
        parameter = dr.tensor(np.ones(40), requires_grad=True)
        optimizer = OPTIMIZERS[name]([parameter])
        for _ in range(2):
            parameter.grad = dr.tensor(gradient)
            with np.errstate(all="ignore"):
                optimizer.step()
        return parameter.numpy()

    good = np.linspace(-1, 1, 40)
    bad = good.copy()
    bad[7] = value
    found, expected = run(bad), run(good)
    assert not np.isfinite(found[7]) or name.startswith(("adagrad", "rmsprop", "adam"))
    np.testing.assert_array_equal(np.delete(found, 7), np.delete(expected, 7))


def test_an_infinite_parameter_without_decay_stays_infinite():
    parameter = dr.tensor([np.inf, 1.0], requires_grad=True)
    parameter.grad = dr.tensor([1.0, 1.0])
    dr.optim.SGD([parameter], lr=0.5).step()
    assert parameter.tolist() == [np.inf, 0.5]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_native_code_does_not_take_goes_to_numpy(dtype):
    """Half precision, and parameters with gaps."""
    values = np.arange(12, dtype=dtype).reshape(3, 4)
    array = values if dtype == "float16" else values[:, ::2]
    assert not updating.fit([array])
    parameter = dr.tensor(values, requires_grad=True)
    parameter._array = array
    parameter.grad = dr.tensor(np.ones_like(array))
    expected = array - np.asarray(0.5, dtype)
    dr.optim.SGD([parameter], lr=0.5).step()
    np.testing.assert_array_equal(parameter.numpy(), expected)


def test_arrays_of_two_types_do_not_fit_together():
    assert updating.fit([np.ones(3), np.ones((2, 2))])
    assert not updating.fit([np.ones(3), np.ones(3, np.float32)])


def test_a_subclass_with_an_update_of_its_own_is_asked():
    class Shrinking(dr.optim.SGD):
        def update(self, parameter, gradient, state, group):
            parameter *= 0.5

    parameter = dr.tensor([2.0], requires_grad=True)
    parameter.grad = dr.tensor([1.0])
    Shrinking([parameter], lr=1.0).step()
    assert parameter.tolist() == [1.0]
