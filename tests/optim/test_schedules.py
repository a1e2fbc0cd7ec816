"""Schedules against their formulas, and the plateau against a record worked out by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deltarule.autodiff.conversion import tensor
from deltarule.errors import ArgumentError
from deltarule.optim import (
    SGD,
    CosineAnnealingLR,
    CosineWithWarmup,
    ExponentialLR,
    LinearWarmup,
    MultiStepLR,
    ReduceLROnPlateau,
    StepLR,
)


def _optimizer(*rates: float) -> SGD:
    return SGD([{"params": tensor(np.ones(1), requires_grad=True), "lr": rate} for rate in rates or (1.0,)])


def _rates(schedule: Any, steps: int) -> list[float]:
    rates = schedule.get_last_lr()[:1]
    for _ in range(steps):
        schedule.step()
        rates += schedule.get_last_lr()[:1]
    return rates


SCHEDULES: list[tuple[Callable[[SGD], Any], list[float]]] = [
    (lambda o: StepLR(o, step_size=2, gamma=0.5), [1, 1, 0.5, 0.5, 0.25, 0.25]),
    (lambda o: StepLR(o, step_size=1), [1, 0.1, 0.01, 0.001]),
    (lambda o: MultiStepLR(o, [1, 4], gamma=0.5), [1, 0.5, 0.5, 0.5, 0.25, 0.25]),
    (lambda o: MultiStepLR(o, []), [1, 1, 1]),
    (lambda o: ExponentialLR(o, gamma=0.5), [1, 0.5, 0.25, 0.125]),
    (lambda o: CosineAnnealingLR(o, T_max=4), [1, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125), 0]),
    (lambda o: CosineAnnealingLR(o, T_max=2, eta_min=0.2), [1, 0.6, 0.2, 0.6, 1]),
    (lambda o: LinearWarmup(o, warmup_steps=4), [0.25, 0.5, 0.75, 1, 1, 1]),
    (
        lambda o: CosineWithWarmup(o, 2, 6),
        [0.5, 1, 1, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125), 0, 0],
    ),
    (lambda o: CosineWithWarmup(o, 0, 2, eta_min=0.2), [1, 0.6, 0.2, 0.2]),
]
each_schedule = pytest.mark.parametrize(
    ("make", "rates"),
    SCHEDULES,
    ids=[f"{type(make(_optimizer())).__name__}{i}" for i, (make, _) in enumerate(SCHEDULES)],
)


@each_schedule
def test_schedule_follows_its_formula(make, rates) -> None:
    np.testing.assert_allclose(_rates(make(_optimizer()), len(rates) - 1), rates, rtol=1e-12, atol=1e-15)


@each_schedule
def test_every_group_keeps_its_own_rate(make, rates) -> None:
    optimizer = _optimizer(1.0, 4.0)
    schedule = make(optimizer)
    schedule.step()
    first, second = schedule.get_last_lr()
    lowest = getattr(schedule, "eta_min", 0.0)
    assert [group["lr"] for group in optimizer.param_groups] == [first, second]
    assert (first - lowest) / (1 - lowest) == pytest.approx((second - lowest) / (4 - lowest))
    assert schedule.base_lrs == [1.0, 4.0]


@each_schedule
def test_a_saved_schedule_continues(make, rates) -> None:
    schedule = make(_optimizer())
    _rates(schedule, 2)
    saved = json.loads(json.dumps(schedule.state_dict()))
    resumed = make(_optimizer(9.0))
    resumed.load_state_dict(saved)
    assert resumed.get_last_lr() == schedule.get_last_lr()
    assert _rates(resumed, 4) == _rates(schedule, 4)


def test_a_group_that_is_added_later_joins_in() -> None:
    optimizer = _optimizer(1.0)
    schedule = ExponentialLR(optimizer, gamma=0.5)
    optimizer.add_param_group({"params": tensor(np.ones(1), requires_grad=True), "lr": 2.0})
    schedule.step()
    assert schedule.get_last_lr() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("options", "metrics", "rates"),
    [
        ({"patience": 1, "factor": 0.5}, [3, 2, 2, 2, 2, 2], [1, 1, 1, 0.5, 0.5, 0.25]),
        ({"patience": 0, "factor": 0.5}, [3, 3, 1, 2], [1, 0.5, 0.5, 0.25]),
        ({"patience": 0, "factor": 0.5, "mode": "max"}, [1, 2, 2, 3], [1, 1, 0.5, 0.5]),
        ({"patience": 0, "factor": 0.5, "threshold": 0.1}, [10, 9.5, 8, 7.9], [1, 0.5, 0.5, 0.25]),
        (
            {"patience": 0, "factor": 0.5, "threshold": 1, "threshold_mode": "abs"},
            [10, 9.5, 8.9],
            [1, 0.5, 0.5],
        ),
        ({"patience": 0, "factor": 0.5, "threshold": 0.1, "mode": "max"}, [-10, -9.5, -8.9], [1, 0.5, 0.5]),
        ({"patience": 0, "factor": 0.5, "cooldown": 2}, [3, 3, 3, 3, 3], [1, 0.5, 0.5, 0.5, 0.25]),
        ({"patience": 0, "factor": 0.5, "min_lr": 0.4}, [3, 3, 3, 3], [1, 0.5, 0.4, 0.4]),
        ({"patience": 0, "factor": 0.5, "eps": 0.3}, [3, 3, 3], [1, 0.5, 0.5]),
        ({"patience": 0, "factor": 0.5}, [3, math.nan, 2], [1, 0.5, 0.5]),
    ],
)
def test_plateau(options, metrics, rates) -> None:
    schedule = ReduceLROnPlateau(_optimizer(), **options)
    found = []
    for metric in metrics:
        schedule.step(metric)
        found += schedule.get_last_lr()
    assert found == pytest.approx(rates)


def test_a_saved_plateau_continues() -> None:
    first, second = _optimizer(), _optimizer()
    schedule = ReduceLROnPlateau(first, patience=1, cooldown=1, factor=0.5)
    fresh = schedule.state_dict()
    assert json.loads(json.dumps(fresh)) == fresh
    for metric in (3, 2, 2):
        schedule.step(metric)
    resumed = ReduceLROnPlateau(second, patience=1, cooldown=1, factor=0.5)
    resumed.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    for metric in (2, 2, 2, 2):
        schedule.step(metric)
        resumed.step(metric)
        assert resumed.get_last_lr() == schedule.get_last_lr()
    assert resumed.get_last_lr() == [0.25]


ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: StepLR([], 1), "StepLR: expected an optimizer, got list"),
    (lambda: StepLR(_optimizer(), 0), "StepLR: step_size expected an integer of at least 1, got 0"),
    (lambda: StepLR(_optimizer(), 1.5), "StepLR: step_size expected an integer"),
    (lambda: StepLR(_optimizer(), 1, gamma="a"), "StepLR: gamma expected a number above 0, got 'a'"),
    (lambda: StepLR(_optimizer(), 1, gamma=0.0), "StepLR: gamma expected a number above 0"),
    (
        lambda: MultiStepLR(_optimizer(), [3, 2]),
        r"MultiStepLR: milestones expected rising numbers, got \[3, 2\]",
    ),
    (lambda: MultiStepLR(_optimizer(), [3], gamma=-1), "MultiStepLR: gamma expected a number above 0"),
    (lambda: ExponentialLR(_optimizer(), -1), "ExponentialLR: gamma expected a number above 0"),
    (
        lambda: CosineAnnealingLR(_optimizer(), 0),
        "CosineAnnealingLR: T_max expected an integer of at least 1",
    ),
    (lambda: CosineAnnealingLR(_optimizer(), 1, -1), "CosineAnnealingLR: eta_min expected at least 0"),
    (
        lambda: LinearWarmup(_optimizer(), True),
        "LinearWarmup: warmup_steps expected an integer of at least 1",
    ),
    (
        lambda: CosineWithWarmup(_optimizer(), 5, 5),
        r"warmup_steps expected an integer from 0 to below total_steps \(5\)",
    ),
    (lambda: CosineWithWarmup(_optimizer(), -1, 5), "CosineWithWarmup: warmup_steps expected"),
    (lambda: CosineWithWarmup(_optimizer(), 0, 5, -0.1), "CosineWithWarmup: eta_min expected at least 0"),
    (lambda: ReduceLROnPlateau(None), "ReduceLROnPlateau: expected an optimizer, got NoneType"),
    (lambda: ReduceLROnPlateau(_optimizer(), mode="low"), "mode expected 'min' or 'max', got 'low'"),
    (lambda: ReduceLROnPlateau(_optimizer(), threshold_mode="x"), "threshold_mode expected 'rel' or 'abs'"),
    (lambda: ReduceLROnPlateau(_optimizer(), factor=1.0), "factor expected at least 0 and below 1"),
    (lambda: ReduceLROnPlateau(_optimizer(), patience=-1), "patience expected at least 0"),
    (lambda: ReduceLROnPlateau(_optimizer()).step(), "ReduceLROnPlateau.step: expected a metric, got none"),
    (
        lambda: StepLR(_optimizer(), 1).load_state_dict({"schedule": "ExponentialLR"}),
        "StepLR.load_state_dict: expected the state of StepLR, got that of ExponentialLR",
    ),
    (
        lambda: StepLR(_optimizer(), 1).load_state_dict(StepLR(_optimizer(1.0, 2.0), 1).state_dict()),
        "StepLR.load_state_dict: expected 1 parameter groups, got 2",
    ),
    (
        lambda: ReduceLROnPlateau(_optimizer()).load_state_dict({}),
        "expected the state of ReduceLROnPlateau, got that of None",
    ),
]


@pytest.mark.parametrize(("call", "says"), ERRORS, ids=[says[:40] for _, says in ERRORS])
def test_bad_arguments_are_answered_clearly(call, says) -> None:
    with pytest.raises(ArgumentError, match=says):
        call()


@pytest.mark.parametrize(
    ("ours", "name", "options"),
    [
        (StepLR, "StepLR", {"step_size": 3, "gamma": 0.4}),
        (MultiStepLR, "MultiStepLR", {"milestones": [2, 5], "gamma": 0.4}),
        (ExponentialLR, "ExponentialLR", {"gamma": 0.9}),
        (CosineAnnealingLR, "CosineAnnealingLR", {"T_max": 20, "eta_min": 0.1}),
    ],
)
def test_schedule_follows_pytorch(ours, name, options) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    peer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.7)
    theirs = getattr(torch.optim.lr_scheduler, name)(peer, **options)
    schedule = ours(_optimizer(0.7), **options)
    for _ in range(20):
        peer.step()
        theirs.step()
        schedule.step()
        assert schedule.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-9)


def test_plateau_follows_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    options = {"factor": 0.5, "patience": 1, "cooldown": 1, "threshold": 0.05}
    peer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.7)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(peer, **options)
    schedule = ReduceLROnPlateau(_optimizer(0.7), **options)
    generator = np.random.default_rng(3)
    for loss in 2.0 + generator.normal(0.0, 0.3, 40):
        theirs.step(float(loss))
        schedule.step(float(loss))
        assert schedule.get_last_lr() == pytest.approx([group["lr"] for group in peer.param_groups])
