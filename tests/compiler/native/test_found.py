"""Faults that random networks and unkind callers found in native steps, each with the smallest case of it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import nn
from tests.compiler.harness import floats, whole


def agree(make: Any, calls: list[Any], replays: int | None = None) -> Any:
    """Results of all calls and parameters afterwards are those of eager mode; answers the function."""
    found = []
    for compiled in (False, True):
        dr.manual_seed(4)
        step, parameters = make()
        function = dr.compile(step) if compiled else step
        results = [np.concatenate([np.ravel(each) for each in function(*call)]) for call in calls]
        found.append([*results, *(parameter.numpy().copy() for parameter in parameters)])
    for expected, result in zip(*found, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    assert function.replays == (len(calls) - 2 if replays is None else replays), function._reason
    return function


def trained(model: nn.Module, optimizer: Any, loss: Any, times: int = 1) -> Any:
    def step(*arguments: Any) -> Any:
        losses = []
        for _ in range(times):
            optimizer.zero_grad()
            losses.append(loss(model, *arguments))
            losses[-1].backward()
            optimizer.step()
        return losses

    return step, list(model.parameters())


def test_the_gradient_of_an_operand_with_fewer_axes_than_the_product() -> None:
    def make() -> Any:
        weight = nn.Parameter(dr.tensor(floats(5, 1)))

        def step(x: Any) -> Any:
            weight.grad = None
            dr.sum(dr.matmul(dr.tanh(weight + x), dr.tensor(floats(1, 4, seed=2)))).backward()
            return [dr.positive(weight.grad)]

        return step, [weight]

    agree(make, [(dr.tensor(floats(1, 5, 1, seed=k)),) for k in range(4)])


@pytest.mark.parametrize(
    ("kind", "options"), [("Adam", {"eps": 1e-2}), ("AdamW", {"eps": 1e-2}), ("Adagrad", {"lr_decay": 0.5})]
)
def test_a_parameter_that_is_updated_several_times_in_a_step(kind: str, options: dict[str, float]) -> None:
    def make() -> Any:
        model = nn.Linear(5, 3)
        optimizer = getattr(dr.optim, kind)(model.parameters(), lr=0.05, **options)
        return trained(model, optimizer, lambda model, x: dr.mean(model(x) ** 2), times=3)

    agree(make, [(dr.tensor(floats(4, 5, seed=k)),) for k in range(5)])


def test_a_tensor_that_receives_itself_in_another_order() -> None:
    def make() -> Any:
        held = dr.tensor(floats(6, 6))

        def step(x: Any) -> Any:
            with dr.no_grad():
                held.assign(dr.permute_dims(held, (1, 0)) + x)
                first = held * 1.0
                held.assign(held[::-1])
                held.assign(held * 0.5 + dr.permute_dims(held, (1, 0)))
            return [first, held * 2.0]

        return step, [held]

    agree(make, [(dr.tensor(floats(6, 6, seed=k)),) for k in range(5)])


def test_arrays_that_lie_anywhere_in_memory() -> None:
    model = nn.Linear(5, 3)
    compiled = dr.compile(lambda x: model(x).detach())
    elements = floats(20, 10)
    bytes_ = np.frombuffer(b"\0" + floats(4, 5).tobytes(), np.uint8)[1:]
    given = [
        elements[:4, :5].copy(),
        elements[:4, :5].copy(),
        elements[::5, ::2],
        elements[3::-1, 4::-1],
        np.asfortranarray(elements[:4, :5]),
        np.broadcast_to(elements[0, :5], (4, 5)),
        bytes_.view(np.float32).reshape(4, 5),
    ]
    for array in given:
        for x in (array, dr.tensor(array)):
            expected = array @ model.weight.numpy().T + model.bias.numpy()  # type: ignore[union-attr]
            np.testing.assert_allclose(compiled(x).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert not bytes_.view(np.float32).flags.aligned


@pytest.mark.parametrize("native", [False, True])
def test_an_argument_in_the_memory_of_a_parameter(native: bool) -> None:
    def losses(compiled: bool) -> list[float]:
        weight = nn.Parameter(dr.tensor(floats(6)))
        optimizer = dr.optim.SGD([weight], lr=0.05)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = dr.sum((weight * x) ** 2)
            loss.backward()
            optimizer.step()
            return loss, x * 1.0

        function = dr.compile(step, native=native) if compiled else step
        other = dr.tensor(floats(6, seed=1))
        arguments = [lambda: other] * 3 + [weight.detach, weight.numpy, lambda: weight.numpy()[::-1]] * 2
        arguments += [lambda: other] * 2
        found = []
        for argument in arguments:
            loss, same = function(argument())
            found += [loss.item(), *np.asarray(same)]
        return found

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-5)


def test_a_recording_in_which_the_argument_is_the_parameter_is_not_replayed_with_another() -> None:
    weight = nn.Parameter(dr.tensor(np.full(4, 2.0, np.float32)))
    optimizer = dr.optim.SGD([weight], lr=0.25)

    @dr.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = dr.sum(weight * x)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(3):
        step(weight.detach())
    before = weight.numpy().copy()
    other = dr.tensor(np.ones(4, np.float32))
    step(other)
    np.testing.assert_array_equal(other.numpy(), np.ones(4))
    np.testing.assert_allclose(weight.numpy(), before - 0.25)


@pytest.mark.parametrize("sliced_first", [False, True])
def test_a_gradient_that_is_a_part_of_another_array_is_not_added_to(sliced_first: bool) -> None:
    def make() -> Any:
        weight = nn.Parameter(dr.tensor(floats(4, 3)))

        def step(c: Any) -> Any:
            weight.grad = None
            hidden = dr.tanh(weight)
            part = hidden[1:]
            parts = [dr.reshape(hidden, (12,)), dr.reshape(part, (9,))]
            upstream = dr.cumulative_sum(dr.tanh(c))
            dr.concat(parts[::-1] if sliced_first else parts).backward(upstream)
            return [upstream * 2.0, dr.positive(weight.grad)]

        return step, [weight]

    agree(make, [(dr.tensor(floats(21, seed=k)),) for k in range(4)])


def test_batches_of_no_rows() -> None:
    def make() -> Any:
        model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
        optimizer = dr.optim.SGD(model.parameters(), lr=0.1)
        return trained(model, optimizer, lambda model, x: dr.sum(model(x) ** 2))

    agree(make, [(dr.tensor(floats(0, 5)),)] * 4)


def test_a_draw_that_nothing_reads() -> None:
    def make() -> Any:
        weight = nn.Parameter(dr.tensor(floats(7)))

        def step(x: Any) -> Any:
            dr.dropout(weight, 0.5)
            weight.grad = None
            loss = dr.sum(dr.dropout(weight * x, 0.5))
            loss.backward()
            return [loss, dr.positive(weight.grad)]

        return step, [weight]

    agree(make, [(dr.tensor(floats(7, seed=k)),) for k in range(5)])


def test_python_threads_that_call_one_function_at_once() -> None:
    model = nn.Linear(64, 64)
    compiled = dr.compile(lambda x: dr.cumulative_sum(dr.sort(model(x), axis=-1), axis=-1).detach() * 2.0)
    arguments = [dr.tensor(floats(64, 64, seed=k)) for k in range(4)]
    expected = [compiled.function(x).numpy() for x in arguments]
    for x in arguments:
        compiled(x)
    assert compiled.replays == 2
    wrong: list[int] = []

    def work(first: int) -> None:
        for number in range(150):
            which = (number + first) % 4
            if not np.allclose(compiled(arguments[which]).numpy(), expected[which], rtol=1e-3, atol=1e-3):
                wrong.append(which)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong


def test_results_that_are_kept_never_change() -> None:
    model = nn.Linear(64, 200)
    compiled = dr.compile(lambda x: model(x).detach())
    keep = [
        lambda result: result,
        lambda result: result.numpy(),
        lambda result: result.numpy()[3:],
        lambda result: memoryview(result.numpy()),
    ]
    kept, expected = [], []
    for number in range(16):
        x = dr.tensor(floats(80, 64, seed=number))
        expected.append(keep[number % 4](model(x).detach()))
        kept.append(keep[number % 4](compiled(x)))
    for one, other in zip(expected, kept, strict=True):
        np.testing.assert_allclose(np.asarray(other), np.asarray(one), rtol=1e-4, atol=1e-4)


def test_an_error_in_a_step_leaves_the_next_ones_right() -> None:
    def run(compiled: bool) -> list[Any]:
        dr.manual_seed(2)
        model = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, 3))
        optimizer = dr.optim.Adam(model.parameters(), lr=0.01, eps=1e-2)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = dr.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        function = dr.compile(step) if compiled else step
        found: list[Any] = []
        for number in range(8):
            x, y = whole(7, 4, 3, seed=number), whole(3, 4, seed=number)
            if number in (4, 6):
                (y if number == 4 else x).flat[2] = 7
                with pytest.raises(dr.errors.DeltaruleError) as caught:
                    function(dr.tensor(x), dr.tensor(y))
                found.append(str(caught.value))
                continue
            found.append(function(dr.tensor(x), dr.tensor(y)).item())
        return [*found, *(each["step"] for each in optimizer.state.values())]

    for one, other in zip(run(False), run(True), strict=True):
        assert one == other if isinstance(one, (str, int)) else abs(one - other) < 1e-4
