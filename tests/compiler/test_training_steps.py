"""Training steps of every kind, compiled and eager side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import nn
from tests.compiler.harness import compile_exactly, floats, require_equal, run, same, whole
from tests.compiler.test_layers_and_models import squared, training

CALLS = [(floats(4, 5, seed=k), whole(3, 4, seed=k)) for k in range(8)]


def classify(model: Any, x: Any, y: Any) -> Any:
    return dr.cross_entropy(model(x), y)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))


OPTIMIZERS = [
    (dr.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (dr.optim.SGD, {"momentum": 0.9, "dampening": 0.1}),
    (dr.optim.Adagrad, {"lr_decay": 0.1}),
    (dr.optim.RMSprop, {"centered": True, "momentum": 0.5}),
    (dr.optim.Adam, {"amsgrad": True}),
    (dr.optim.AdamW, {"weight_decay": 0.1}),
]


@pytest.mark.parametrize(("optimizer", "options"), OPTIMIZERS)
def test_optimizers(optimizer: Any, options: dict[str, Any]) -> None:
    require_equal(training(mlp, classify, optimizer, **options), CALLS)


def test_an_optimizer_of_the_users() -> None:
    class SignDescent(dr.optim.Optimizer):
        def __init__(self, parameters: Any, lr: float):
            super().__init__(parameters, {"lr": lr})

        def update(self, parameter: Any, gradient: Any, state: Any, group: Any) -> None:
            state["count"] = state.get("count", 0) + 1
            parameter -= group["lr"] / state["count"] * np.sign(gradient)

    require_equal(training(mlp, classify, SignDescent), CALLS)


def test_a_schedule_between_calls_changes_the_rate_without_recording() -> None:
    def make() -> Any:
        step, held = training(mlp, classify, momentum=0.9)()
        return step, [*held, dr.optim.CosineAnnealingLR(held[1], 8)]

    def make_without_schedule() -> Any:
        step, held = make()
        schedules.append(held.pop())
        return step, held

    schedules: list[Any] = []
    require_equal(make_without_schedule, CALLS, lambda number, held: number and schedules[-1].step())


def test_an_option_that_is_out_of_range_is_refused_as_in_eager_mode() -> None:
    step, (_, optimizer) = training(mlp, classify)()
    compiled = compile_exactly(step)
    for call in CALLS[:3]:
        compiled(*call)
    optimizer.param_groups[0]["lr"] = -1.0
    with pytest.raises(dr.errors.ArgumentError, match="lr expected at least 0"):
        compiled(*CALLS[0])


def test_momentum_that_is_switched_on_is_recorded_anew() -> None:
    def between(number: int, held: list[Any]) -> None:
        held[1].param_groups[0]["momentum"] = 0.0 if number < 4 else 0.9

    compiled = require_equal(training(mlp, classify), CALLS, between, replays=4)
    assert compiled.recordings == 4


@pytest.mark.parametrize("limit", [0.01, 1e6])
def test_clipping_inside(limit: float) -> None:
    def make() -> Any:
        model = mlp()
        optimizer = dr.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            loss = dr.cross_entropy(model(x), y)
            loss.backward()
            dr.optim.clip_grad_value_(model.parameters(), 0.5)
            norm = dr.optim.clip_grad_norm_(model.parameters(), limit)
            optimizer.step()
            optimizer.zero_grad()
            return loss, norm

        return step, [model, optimizer]

    require_equal(make, CALLS)


def test_two_heads_with_two_losses() -> None:
    def make() -> Any:
        body, first, second = nn.Linear(5, 6), nn.Linear(6, 3), nn.Linear(6, 1)
        parameters = [*body.parameters(), *first.parameters(), *second.parameters()]
        optimizer = dr.optim.Adam(parameters, lr=0.01)

        def step(x: Any, y: Any) -> Any:
            hidden = dr.relu(body(x))
            classes = dr.cross_entropy(first(hidden), y)
            size = squared(second(hidden))
            optimizer.zero_grad()
            classes.backward(retain_graph=True)
            (0.5 * size).backward()
            optimizer.step()
            return {"classes": classes, "size": (size, classes + size)}["size"]

        return step, [body, first, second, optimizer]

    require_equal(make, CALLS)


def test_gradients_that_are_accumulated_over_two_calls() -> None:
    def make() -> Any:
        model = mlp()
        optimizer = dr.optim.SGD(model.parameters(), lr=0.1)

        def gather(x: Any, y: Any) -> Any:
            loss = dr.cross_entropy(model(x), y) * 0.5
            loss.backward()
            return loss

        held = [model, optimizer]
        return gather, held

    def between(number: int, held: list[Any]) -> None:
        if number and number % 2 == 0:
            held[1].step()
            held[1].zero_grad()

    # One program where there is no gradient yet, one that adds to it.
    require_equal(make, CALLS, between, replays=4)


def test_a_smaller_last_batch_gets_a_program_of_its_own() -> None:
    calls = [*CALLS[:3], (floats(2, 5), whole(3, 2)), *CALLS[3:5], (floats(2, 5), whole(3, 2)), CALLS[5]]
    calls.append((floats(2, 5, seed=5), whole(3, 2)))
    compiled = require_equal(training(mlp, classify), calls, replays=5)
    assert compiled.recordings == 4


def test_mode_of_the_model() -> None:
    def make() -> Any:
        model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))

        def scores(x: Any, y: Any) -> Any:
            return dr.cross_entropy(model(x), y)

        return scores, [model]

    def between(number: int, held: list[Any]) -> None:
        held[0].train(number % 4 < 2)

    require_equal(make, CALLS + CALLS, between, replays=12)


def test_frozen_and_unfrozen_parameters() -> None:
    def between(number: int, held: list[Any]) -> None:
        held[0][0].requires_grad_(number >= 4)

    require_equal(training(mlp, classify, momentum=0.9), CALLS, between, replays=4)


def test_layers_that_are_replaced_and_options_that_change() -> None:
    def make() -> Any:
        model = nn.Sequential(nn.Linear(5, 6), nn.Dropout(0.25), nn.Linear(6, 3))
        return lambda x, y: dr.cross_entropy(model(x), y), [model]

    def between(number: int, held: list[Any]) -> None:
        if number == 3:
            held[0][1].p = 0.75
        if number == 6:
            held[0][2].weight = nn.Parameter(held[0][2].weight * 2.0)

    require_equal(make, CALLS + CALLS, between, replays=10)


def test_weights_that_are_loaded_or_assigned_are_seen() -> None:
    def between(number: int, held: list[Any]) -> None:
        model, optimizer = held
        if number == 3:
            model.load_state_dict({name: values * 0.5 for name, values in model.state_dict().items()})
        if number == 5:
            optimizer.load_state_dict(optimizer.state_dict())
            with dr.no_grad():
                model[0].bias.assign(0.25)

    require_equal(training(mlp, classify, dr.optim.Adam), CALLS, between)


def test_a_type_that_changes() -> None:
    def between(number: int, held: list[Any]) -> None:
        if number == 4:
            held[0].astype(dr.float64)

    require_equal(training(mlp, classify), CALLS, between, replays=4)


def test_gradients_switched_off() -> None:
    def make() -> Any:
        model = mlp()

        def scores(x: Any, y: Any) -> Any:
            return dr.cross_entropy(model(x), y)

        return scores, [model]

    calls = CALLS[:3]
    require_equal(make, calls)
    with dr.no_grad():
        require_equal(make, calls)


def test_recurrent_state_in_and_out() -> None:
    def make() -> Any:
        model = nn.LSTM(3, 4, 2)
        optimizer = dr.optim.SGD(model.parameters(), lr=0.1)
        last: list[Any] = []

        def step(x: Any, state: Any) -> Any:
            optimizer.zero_grad()
            output, state = model(x, state)
            squared(output).backward()
            optimizer.step()
            return output, nn.detach_state(state)

        def outer(x: Any) -> Any:
            state = last.pop() if last else (dr.zeros((2, 5, 4)), dr.zeros((2, 5, 4)))
            output, state = chosen[0](x, state)
            last.append(state)
            return output

        chosen.insert(0, compile_exactly(step) if len(chosen) else step)
        return outer, [model, optimizer]

    # The step inside is compiled in the second making; the function around it is plain Python.
    chosen: list[Any] = []
    calls = [(floats(5, 2, 3, seed=k),) for k in range(6)]
    eager, compiled = run(make, calls, False), run(make, calls, False)
    for one, other in zip(eager.results, compiled.results, strict=True):
        assert all(same(*pair) for pair in zip(one, other, strict=True))
    assert chosen[0].replays == 4


def test_a_checkpoint_with_dropout_draws_the_same_numbers() -> None:
    def make() -> Any:
        first, second = nn.Linear(5, 6), nn.Linear(6, 3)
        optimizer = dr.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
        part = dr.checkpoint(lambda x: dr.dropout(dr.tanh(first(x)), 0.5))

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = dr.cross_entropy(dr.dropout(second(part(x)), 0.25), y)
            loss.backward()
            optimizer.step()
            return loss

        return step, [first, second, optimizer]

    compiled = require_equal(make, CALLS)
    assert "checkpoint: forward again" in compiled.source()


def test_gradient_penalty_and_loops_over_slices() -> None:
    def make() -> Any:
        model = mlp()
        optimizer = dr.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            x = dr.tensor(x, requires_grad=True)
            loss = dr.cross_entropy(model(x), y)
            (slope,) = dr.gradients(loss, [x], create_graph=True)
            total = loss + (slope * slope).sum()
            for k in range(3):
                total = total + dr.sum(model[0].weight[:, k] * model[0].weight[:, k + 1])
            total.backward()
            optimizer.step()
            return total

        return step, [model, optimizer]

    require_equal(make, CALLS)


def test_value_and_grad_of_a_function() -> None:
    def loss(x: Any, weight: Any) -> Any:
        return dr.sum(dr.tanh(x @ weight) ** 2)

    require_equal(
        lambda: (dr.value_and_grad(loss, argnums=(0, 1)), []),
        [(floats(3, 4, seed=k), floats(4, 2)) for k in range(5)],
    )


def test_an_argument_that_needs_a_gradient_collects_it() -> None:
    def loss(x: Any) -> Any:
        value = dr.sum(x * x)
        value.backward()
        return value

    compiled = compile_exactly(loss)
    for k in range(5):
        x = dr.tensor(floats(3, seed=k), requires_grad=True)
        compiled(x)
        np.testing.assert_array_equal(x.grad.numpy(), 2 * x.numpy())
    assert compiled.replays == 3


def test_writes_into_tensors() -> None:
    def make() -> Any:
        layer = nn.Identity()
        layer.register_buffer("total", dr.zeros((3,)))
        layer.register_buffer("count", dr.tensor(0))

        def follow(x: Any) -> Any:
            layer.total.assign(layer.total * 0.5 + x)
            layer.count.assign(layer.count + 1)
            own = dr.zeros((4,))
            own[1:] = x
            own[0] = dr.sum(x)
            return own, layer.total * 2.0

        return follow, [layer]

    require_equal(make, [(floats(3, seed=k),) for k in range(5)])


def test_random_numbers_follow_the_seed() -> None:
    def make() -> Any:
        def noisy(x: Any) -> Any:
            noise = dr.randn(3) + dr.rand(3) + dr.random.normal(1.0, 2.0, 3)
            return x + noise + dr.randint(0, 5, 3) + dr.random.permutation(3)

        return noisy, []

    require_equal(make, [(floats(3, seed=k),) for k in range(5)])
