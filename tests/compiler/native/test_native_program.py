"""Running a native program: memory, results that stay, arrays that change places, types, threads."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import nn
from deltarule.compiler.native.native_program import NativeProgram
from tests.compiler.harness import floats, whole
from tests.compiler.native.native import compiled
from tests.kernels.native.machines import on_threads

SIZES = [16, 400]  # hidden units: results below and above the size from which their memory is taken again


def _model(hidden: int = 16) -> nn.Module:
    dr.manual_seed(5)
    return nn.Sequential(nn.Linear(5, hidden), nn.Tanh(), nn.Linear(hidden, 3))


def _step(model: nn.Module, optimizer: Any, drop: bool = True) -> Any:
    def step(x, y):
        optimizer.zero_grad()
        scores = model(x)
        loss = dr.cross_entropy(scores, y)
        loss.backward()
        optimizer.step()
        return loss, scores

    return step


def _batch(number: int, rows: int = 30) -> tuple[Any, Any]:
    return floats(rows, 5, seed=number), whole(3, rows, seed=number)


@pytest.mark.parametrize("hidden", SIZES)
def test_training_agrees_with_eager_and_gradients_are_there(hidden):
    models = [_model(hidden), _model(hidden)]
    steps = [_step(model, dr.optim.Adam(model.parameters(), lr=0.01)) for model in models]
    steps[1] = dr.compile(steps[1])
    for number in range(8):
        (eager, eager_scores), (native, native_scores) = (step(*_batch(number, 300)) for step in steps)
        np.testing.assert_allclose(native.item(), eager.item(), rtol=1e-4)
        np.testing.assert_allclose(native_scores.numpy(), eager_scores.numpy(), rtol=1e-3, atol=1e-4)
        for one, other in zip(*(list(model.parameters()) for model in models), strict=True):
            np.testing.assert_allclose(other.numpy(), one.numpy(), rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(other.grad.numpy(), one.grad.numpy(), rtol=1e-3, atol=1e-5)
    assert steps[1].replays == 6


def test_a_step_keeps_its_memory():
    model = _model()
    made, program = compiled(_step(model, dr.optim.SGD(model.parameters(), lr=0.1)), *_batch(0))
    memory, addresses = program.memory, program.addresses.copy()
    for number in range(5):
        made(*_batch(number))
    assert made._entries[0].execute is program
    assert program.memory is memory
    np.testing.assert_array_equal(program.addresses, addresses)


@pytest.mark.parametrize("hidden", SIZES)
def test_results_and_gradients_that_are_held_stay_as_they_are(hidden):
    model = _model(hidden)
    made, _ = compiled(_step(model, dr.optim.SGD(model.parameters(), lr=0.1)), *_batch(0, 3000))
    held: list[Any] = []
    for number in range(6):
        loss, scores = made(*_batch(number, 3000))
        arrays = [loss.numpy(), scores.numpy(), scores.numpy()[::2].T]
        arrays += [parameter.grad.numpy() for parameter in model.parameters()]
        held.append((arrays, [each.copy() for each in arrays]))
        # What only a view holds is held, too.
        del loss, scores
    for arrays, copies in held:
        for array, copy in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(array, copy)
    owners = [
        id(array.base if array.base is not None else array) for arrays, _ in held for array in arrays[1:2]
    ]
    assert len(set(owners)) == 6


def test_writing_into_a_result_changes_nothing_else():
    layer = nn.Linear(5, 6)

    def forward(x):
        with dr.no_grad():
            return layer(x)

    made, _ = compiled(forward, floats(4, 5))
    first = made(floats(4, 5))
    expected = first.numpy().copy()
    first[:] = np.nan
    np.testing.assert_array_equal(made(floats(4, 5)).numpy(), expected)


def test_an_input_that_is_returned_or_unchanged_is_not_the_memory_of_the_step():
    made, _ = compiled(lambda x: (x, x * 1.0, x.T), floats(4, 5))
    x = floats(4, 5, seed=3)
    same, copied, turned = made(x)
    x[:] = 0
    np.testing.assert_array_equal(copied.numpy(), floats(4, 5, seed=3))
    assert same.shape == (4, 5)
    np.testing.assert_array_equal(turned.numpy(), floats(4, 5, seed=3).T)


@pytest.mark.parametrize(
    "lay",
    [
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape),
        lambda x: x[::-1].copy()[::-1],
    ],
    ids=["turned", "stepped", "not aligned", "backwards"],
)
@pytest.mark.parametrize("wrap", [np.asarray, dr.Tensor])
def test_inputs_that_lie_in_other_ways(lay, wrap):
    model = _model()

    def forward(x):
        with dr.no_grad():
            return model(x)

    made, _ = compiled(forward, wrap(floats(30, 5)))
    expected = made(wrap(floats(30, 5, seed=7))).numpy()
    replays = made.replays
    x = lay(floats(30, 5, seed=7))
    np.testing.assert_array_equal(made(wrap(x)).numpy(), expected)
    assert made.replays == replays + 1


def test_parameters_that_are_replaced_by_other_arrays():
    models = [_model(), _model()]
    steps = [_step(model, dr.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)) for model in models]
    steps[1] = dr.compile(steps[1])
    for number in range(10):
        if number in (4, 7):
            for model in models:
                state = {name: values * 0.5 for name, values in model.state_dict().items()}
                model.load_state_dict(state)
        if number == 6:
            for model in models:
                model[0].weight._array = model[0].weight._array + 1
        if number == 8:
            for model in models:
                model[2].weight._array = np.asfortranarray(model[2].weight._array)
        losses = [step(*_batch(number))[0].item() for step in steps]
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    for one, other in zip(*(list(model.parameters()) for model in models), strict=True):
        np.testing.assert_allclose(other.numpy(), one.numpy(), rtol=1e-3, atol=1e-5)


def test_a_model_of_double_precision():
    models = [_model().astype(dr.float64), _model().astype(dr.float64)]
    steps = [_step(model, dr.optim.Adam(model.parameters(), lr=0.01)) for model in models]
    steps[1] = dr.compile(steps[1])
    for number in range(6):
        x, y = _batch(number)
        eager, native = (step(x.astype(np.float64), y) for step in steps)
        assert native[1].dtype == np.float64
        np.testing.assert_allclose(native[1].numpy(), eager[1].numpy(), rtol=1e-10, atol=1e-12)
    for one, other in zip(*(list(model.parameters()) for model in models), strict=True):
        np.testing.assert_allclose(other.numpy(), one.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("before", [1, 3])
def test_the_number_of_threads_may_change_after_the_recording(before):
    model = _model(400)

    def forward(x):
        with dr.no_grad():
            return model(x)

    x = floats(300, 5)
    with on_threads(before):
        made, program = compiled(forward, x)
        expected = made(x).numpy().copy()
    assert program.threads == before
    for count in (1, 2, 4):
        with on_threads(count):
            np.testing.assert_allclose(made(x).numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("hidden", SIZES)
def test_python_threads_that_call_one_compiled_function(hidden):
    model = _model(hidden)

    def forward(x):
        with dr.no_grad():
            return model(x)

    made, _ = compiled(forward, floats(300, 5))
    batches = [floats(300, 5, seed=number) for number in range(6)]
    expected = [made(x).numpy().copy() for x in batches]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(40):
            if not np.array_equal(made(batches[number]).numpy(), expected[number]):
                wrong.append(number)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert wrong == []


def test_work_that_python_does_between_native_parts():
    """An operation without a rule runs from its own kernel; what it reads and makes passes through memory."""
    generator = np.random.default_rng(0)

    def function(x):
        values = dr.sort(dr.tanh(x) * 2, axis=1)
        return dr.exp(values) + values[:, :1], dr.cumulative_sum(values, axis=0)

    x = generator.standard_normal((4, 6)).astype(np.float32)
    made, program = compiled(function, x)
    assert isinstance(program, NativeProgram)
    assert not program.is_all_native
    assert len(program.parts) > 1
    y = generator.standard_normal((4, 6)).astype(np.float32)
    sums, totals = made(y)
    values = np.sort(np.tanh(y) * 2, axis=1)
    np.testing.assert_allclose(sums.numpy(), np.exp(values) + values[:, :1], rtol=1e-5)
    np.testing.assert_allclose(totals.numpy(), np.cumsum(values, axis=0), rtol=1e-5, atol=1e-5)


def test_batches_of_one_and_of_none():
    for rows in (0, 1, 2):
        models = [_model(), _model()]
        steps = [_step(model, dr.optim.SGD(model.parameters(), lr=0.1)) for model in models]
        if rows == 0:
            steps = [lambda x, y, model=model: (dr.sum(model(x)), model(x)) for model in models]
        steps[1] = dr.compile(steps[1])
        for number in range(4):
            eager, native = (step(*_batch(number, rows)) for step in steps)
            np.testing.assert_allclose(native[0].item(), eager[0].item(), rtol=1e-5)
            np.testing.assert_allclose(native[1].numpy(), eager[1].numpy(), rtol=1e-4, atol=1e-5)
        assert steps[1].replays == 2
