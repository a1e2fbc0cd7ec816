"""The causes of `training_health.causes`: the right one for broken networks, none for healthy ones."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.explain.training_health.causes import CAUSES, REMEDIES, Finding, Remedy, findings
from deltarule.explain.training_health.causes.best_step import best_factor
from deltarule.explain.training_health.causes.course import Course
from deltarule.explain.training_health.causes.finding import severity
from deltarule.explain.training_health.causes.precedence import without_consequences
from deltarule.explain.training_health.label_information import label_information
from deltarule.explain.training_health.probe import vitals
from deltarule.explain.training_health.vitals import Vitals
from tests.explain.training_health.broken_networks import BROKEN
from tests.explain.training_health.healthy_networks import HEALTHY
from tests.explain.training_health.networks import Network, Setup, digits, history, penalised, scale, stack

BY_NAME = {network.name: network for network in (*BROKEN, *HEALTHY)}


@cache
def seen(name: str, seed: int = 0, dtype: str = "float32") -> tuple[Vitals, ...]:
    return tuple(history(BY_NAME[name], seed, dtype))


def causes(looks) -> list[str]:
    return [each.cause for each in findings(looks)]


def names(networks: list[Network]) -> list[str]:
    return [network.name for network in networks]


def test_there_are_enough_networks():
    assert len({network.cause for network in BROKEN}) >= 30
    assert len(HEALTHY) >= 15
    assert {network.cause for network in BROKEN} == set(CAUSES)


@pytest.mark.parametrize("name", names(BROKEN))
def test_the_cause_of_a_broken_network_is_named_and_nothing_else(name):
    found = findings(seen(name))
    assert [each.cause for each in found] == [BY_NAME[name].cause]
    assert BY_NAME[name].layer in (None, found[0].layer)
    assert 0 < found[0].severity <= 1
    assert found[0].remedy.key in REMEDIES


@pytest.mark.parametrize("name", names(HEALTHY))
def test_nothing_is_invented_for_a_healthy_network(name):
    looks = seen(name)
    assert findings(looks) == []
    # At the initialisation alone, in the middle alone, at the end alone, and at both ends.
    for some in (looks[:1], looks[1:2], looks[-1:], (looks[0], looks[-1])):
        assert findings(some) == []


@pytest.mark.parametrize("name", names(BROKEN))
def test_the_start_alone_names_the_same_cause_or_none(name):
    assert causes(seen(name)[:1]) in ([], [BY_NAME[name].cause])


def test_most_causes_show_at_the_start_alone():
    shown = {BY_NAME[name].cause for name in names(BROKEN) if findings(seen(name)[:1])}
    # These say what a training does: it has to be seen.
    late = {"learning_rate_zero", "learning_rate_too_low", "weight_decay_too_strong", "batch_too_small"}
    assert set(CAUSES) - shown <= late


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_other_seeds_and_types_give_the_same_causes(seed, dtype):
    wrong = {}
    for network in (*BROKEN, *HEALTHY):
        found = causes(history(network, seed, dtype))
        if found != [network.cause] * bool(network.cause):
            wrong[network.name] = found
    assert wrong == {}


def shipped(name: str, **options) -> Network:
    def build(seed: int) -> Setup:
        inputs, classes = digits(1200)
        model = dr.nn.models.build(name, input_shape=(1, 8, 8), outputs=10, **options)
        images = inputs.reshape(-1, 1, 8, 8)
        optimizer = dr.optim.Adam(model.parameters())
        return Setup(model, images, classes, dr.cross_entropy, optimizer, updates=60, looks=(0, 20, 60))

    return Network(name, "", build)


@pytest.mark.parametrize(
    "name",
    [
        "mlp",
        "lenet",
        "gru",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("cnn", "rnn", "lstm")),
    ],
)
def test_the_models_that_come_with_deltarule_are_healthy(name):
    looks = history(shipped(name))
    assert findings(looks) == []
    assert all(findings([look]) == [] for look in looks)


@pytest.mark.slow
@pytest.mark.parametrize("initialiser", ["xavier_uniform", "kaiming_normal", "lecun_normal", "orthogonal"])
@pytest.mark.parametrize("name", ["mlp", "lenet", "cnn", "rnn", "gru", "lstm"])
def test_usual_initialisers_are_healthy(name, initialiser):
    assert findings(history(shipped(name, initialiser=initialiser))) == []


# ---- single rules


def measured(model, inputs, targets, **options) -> Vitals:
    return vitals(model, dr.cross_entropy, inputs, targets, **options)


def test_saturation_names_the_layer_and_how_large_its_weights_are():
    finding = findings(seen("saturated_second_layer"))[0]
    assert finding.layer == "2"
    # Glorot's weights of 32 and 6 units, times 30, against 1/√32: 30 · √(32 · 2 / 38).
    assert finding.evidence["times"] == pytest.approx(30 * np.sqrt(64 / 38), rel=0.15)
    assert finding.evidence["saturated"] > 0.5
    assert finding.remedy == Remedy(
        "initialise",
        {"layer": "2", "initialiser": "xavier_uniform", "factor": 1 / finding.evidence["times"]},
    )


class _SumOfTokens(dr.nn.Module):
    def __init__(self):
        self.embedding = dr.nn.Embedding(30, 8)
        self.output = dr.nn.Linear(8, 2)

    def forward(self, tokens):
        return self.output(dr.tanh(self.embedding(tokens).sum(axis=1)))


def test_saturated_sums_of_embeddings_are_told_by_their_size():
    dr.manual_seed(0)
    tokens = np.random.default_rng(0).integers(0, 30, (200, 16))
    look = measured(_SumOfTokens(), tokens, (tokens < 5).sum(axis=1) > 2)
    (finding,) = findings([look])
    assert (finding.cause, finding.layer) == ("saturated_by_weights", "embedding")
    # Sixteen numbers of size 1, and tokens that are not on average 0.
    assert 4.0 < finding.evidence["times"] < 6.0
    assert finding.evidence["weight_rms"] == pytest.approx(1.0, rel=0.1)


def test_the_memory_of_a_recurrence_is_told_in_steps():
    evidence = findings(seen("forgetful_rnn"))[0].evidence
    assert evidence["radius"] == pytest.approx(0.6, rel=1e-5)
    assert 0.45 < evidence["rate"] <= 0.6
    assert evidence["horizon"] == round(np.log(1e-3) / np.log(evidence["rate"]))


def test_depth_tells_the_rate_per_layer():
    evidence = findings(seen("stacked_sigmoids"))[0].evidence
    assert evidence["layers"] == 9
    # A quarter at most for each of eight sigmoids, and the usual weights.
    assert 0.15 < evidence["rate"] <= 0.3
    assert evidence["left"] == pytest.approx(evidence["rate"] ** 8)
    tiny = findings(seen("tiny_weights"))[0].evidence
    assert tiny["times"] == pytest.approx(0.02 * np.sqrt(24), rel=0.15)


@pytest.mark.parametrize(("name", "best"), [("SGD", 0.5), ("Adam", 0.02)])
@pytest.mark.parametrize("times", [30, 100])
def test_the_learning_rate_is_too_high_by_about(name, best, times):
    def build(seed: int) -> Setup:
        model = stack(64, 32, 10)
        optimizer = getattr(dr.optim, name)(model.parameters(), lr=best * times)
        return Setup(model, *digits(), dr.cross_entropy, optimizer, updates=20, looks=(0, 5, 20))

    (finding,) = findings(history(Network("fast", "", build)))
    assert finding.cause == "learning_rate_too_high"
    assert times / 10 < finding.evidence["factor"] < times * 10
    rate = finding.remedy.arguments["rate"]
    assert rate == pytest.approx(best * times / finding.evidence["factor"], rel=0.5)

    def cured(seed: int) -> Setup:
        setup = build(seed)
        for group in setup.optimizer.param_groups:
            group["lr"] = rate
        return replace(setup, updates=60, looks=(0, 20, 60))

    assert findings(history(Network("cured", "", cured))) == []


@pytest.mark.parametrize(("rate", "known"), [(1e20, True), (1e39, False)])
def test_a_learning_rate_beyond_all_that_can_be_tried_is_said_to_be_so(rate, known):
    def build(seed: int) -> Setup:
        model = stack(64, 32, 10)
        optimizer = dr.optim.SGD(model.parameters(), lr=rate)
        return Setup(model, *digits(), dr.cross_entropy, optimizer, updates=2, looks=(0, 2))

    (finding,) = findings(history(Network("fast", "", build)))
    assert finding.cause == "learning_rate_too_high"
    assert ("factor" in finding.evidence, "least_factor" in finding.evidence) == (known, not known)
    if known:
        assert 0.05 < finding.remedy.arguments["rate"] < 5
    else:
        # In float32 the step itself is infinite, and so is every part of it.
        assert (finding.evidence["least_factor"], finding.remedy) == (3000, Remedy("set_learning_rate"))


# At the last of them it is the penalty that makes the steps too long: each takes away five times the weights.
@pytest.mark.parametrize(("strength", "rate"), [(1.0, 0.5), (10.0, 0.001), (10.0, 0.1), (10.0, 0.5)])
def test_a_penalty_that_is_too_strong_is_named_and_not_the_learning_rate(strength, rate):
    def build(seed: int) -> Setup:
        model = stack(64, 32, 10)
        optimizer = dr.optim.SGD(model.parameters(), lr=rate)
        penalty = penalised(dr.l2_penalty, strength)
        return Setup(model, *digits(), dr.cross_entropy, optimizer, updates=30, penalty=penalty)

    found = findings(history(Network("pulled", "", build)))
    assert [each.cause for each in found] == ["penalty_too_strong"]
    weights = found[0].evidence["pull"] / strength
    assert found[0].evidence["penalty"] == pytest.approx(0.5 * strength * weights**2, rel=1e-5)
    assert found[0].evidence["times"] * found[0].remedy.arguments["factor"] == pytest.approx(0.01, rel=0.5)


def test_a_penalty_that_is_not_a_number_is_told():
    def penalty(model):
        return dr.log(-dr.l2_penalty(model.parameters()))

    look = measured(stack(64, 32, 10), *digits(100), penalty=penalty)
    (finding,) = findings([look])
    assert finding.cause == "loss_not_finite"
    assert np.isnan(finding.evidence["loss"])


def test_a_penalty_does_not_hide_a_layer_that_is_not_connected():
    class Forgetful(dr.nn.Module):
        def __init__(self):
            self.used, self.forgotten = dr.nn.Linear(64, 10), dr.nn.Linear(10, 10)

        def forward(self, x):
            return self.used(x)

    look = measured(Forgetful(), *digits(100), penalty=penalised(dr.l2_penalty, 0.01))
    assert [(each.cause, each.layer) for each in findings([look])] == [("not_connected", "forgotten")]


def with_losses(looks, *losses: float) -> list[Vitals]:
    """The measurements with other losses."""
    return [
        replace(each, loss=loss, quiet_loss=loss, training_loss=None)
        for each, loss in zip(looks, losses, strict=True)
    ]


def test_a_single_look_at_what_has_learned_does_not_ask_for_longer_steps():
    (look,) = with_losses(seen("adam_a_thousand_times_too_slow")[-1:], 2.3)
    assert causes([look]) == ["learning_rate_too_low"]
    # At the end of a training gradients and updates are small.
    step = replace(look.optimizer, losses=tuple(0.04 * each for each in look.optimizer.losses))
    assert causes([replace(look, loss=0.1, quiet_loss=0.1, optimizer=step)]) == []


@pytest.mark.parametrize(("end", "expected"), [(1.7, ["learning_rate_too_high"]), (0.4, [])])
def test_a_loss_that_was_thrown_up_and_stays_high_went_too_fast(end, expected):
    # One that comes down again has found a flatter place.
    assert causes(with_losses(seen("relu_digits"), 2.3, 2.2, 7.0, 4.0, end)) == expected


def test_a_loss_has_fallen_where_that_of_many_batches_has():
    looks = with_losses(seen("relu_digits"), 2.3, 2.2, 2.1, 2.0, 1.7)
    assert Course(looks).falls
    told = replace(looks[-1], training_loss=2.25)
    assert not Course([*looks[:-1], told]).falls
    # Half of it is dropout's, which the loss without it does not have.
    assert Course([*looks[:-1], replace(told, loss=3.4, training_loss=3.4)]).falls


@pytest.mark.parametrize(
    ("grown", "end", "expected"), [(100.0, 0.69, ["recurrence_explodes"]), (100.0, 0.2, []), (9.0, 0.69, [])]
)
def test_a_recurrence_that_explodes_a_little_is_named_where_the_training_fails(grown, end, expected):
    looks = with_losses(seen("mean_over_time"), 0.7, 0.69, 0.69, 0.69, end)
    layers = [replace(each, weight_radius=1.5, remains=grown) for each in looks[0].recurrent]
    assert causes([replace(looks[0], recurrent=tuple(layers)), *looks[1:]]) == expected


def test_a_learning_rate_that_is_too_high_explains_the_units_that_it_kills():
    looks = seen("steps_too_long")
    assert max(unit.dead for unit in looks[-1].units) > 0.8
    assert causes(looks) == ["learning_rate_too_high"]
    # Seen without its past, it is the dead units that can be told.
    assert causes(looks[-1:]) == ["dead_units"]


def test_units_that_die_of_an_overconfident_start_are_no_cause():
    def build(seed: int) -> Setup:
        model = stack(64, 32, 32, 10)
        scale(model[4].weight, 100)
        optimizer = dr.optim.SGD(model.parameters(), lr=0.1)
        return Setup(model, *digits(), dr.cross_entropy, optimizer, updates=40, looks=(0, 10, 40))

    looks = history(Network("sure", "", build))
    assert max(unit.dead for unit in looks[-1].units) > 0.8
    assert causes(looks) == ["overconfident_start"]
    assert causes(looks[-1:])[0] == "dead_units"


def test_units_that_are_dead_from_the_start_are_a_cause():
    finding = findings(seen("dead_by_bias"))[0]
    assert (finding.cause, finding.step, finding.evidence["dead"]) == ("dead_units", 0, 1.0)
    assert finding.remedy.key == "initialise"


def test_shuffled_labels_are_told_from_true_ones_of_the_same_network():
    inputs, classes = digits()
    for seed in range(5):
        dr.manual_seed(seed)
        random = np.random.default_rng(seed)
        rows, model = random.permutation(len(inputs))[:256], stack(64, 32, 10)
        mixed = random.permutation(classes[rows])
        assert causes([measured(model, inputs[rows], classes[rows])]) == []
        assert causes([measured(model, inputs[rows], mixed)]) == ["labels_uninformative"]


def test_few_rows_do_not_accuse_the_labels():
    inputs, classes = digits()
    mixed = np.random.default_rng(0).permutation(classes)
    assert causes([measured(stack(64, 32, 10), inputs[:100], mixed[:100])]) == []


def test_a_frozen_layer_is_no_fault():
    model = stack(64, 32, 10)
    model[0].requires_grad_(False)
    inputs, classes = digits(100)
    optimizer = dr.optim.Adam(model[2].parameters())
    assert causes([measured(model, inputs, classes, optimizer=optimizer)]) == []


def test_a_schedule_that_begins_and_ends_at_zero_is_no_fault():
    first, *_, last = seen("learning_rate_of_zero")
    moved = tuple(replace(each, weight_norm=each.weight_norm * 1.01) for each in last.parameters)
    assert "learning_rate_zero" not in causes([first, replace(last, parameters=moved)])
    assert "learning_rate_zero" not in causes([first])


@pytest.mark.parametrize("kind", ["numbers", "tokens"])
def test_a_network_is_not_healthy_where_everything_is_frozen(kind):
    dr.manual_seed(0)
    random = np.random.default_rng(0)
    if kind == "tokens":
        inputs = random.integers(0, 9, (64, 5))
        model = dr.nn.Sequential(dr.nn.Embedding(9, 4), dr.nn.Flatten(), dr.nn.Linear(20, 3))
    else:
        inputs = random.standard_normal((64, 5)).astype(np.float32)
        model = dr.nn.Sequential(dr.nn.Linear(5, 8), dr.nn.Tanh(), dr.nn.Linear(8, 3))
    classes = random.integers(0, 3, 64)
    optimizer = dr.optim.Adam(model.parameters())
    model.requires_grad_(False)
    look = measured(model, inputs, classes, optimizer=optimizer)
    (finding,) = findings([look])
    assert (finding.cause, finding.layer) == ("all_frozen", "")
    assert finding.evidence == {"parameters": len(list(model.parameters()))}
    # What is frozen has no gradient; the layers' own are measured all the same, and the model stays frozen.
    assert not any(each.has_gradient or each.requires_grad for each in look.parameters)
    assert look.layers[-1].gradient > 0
    assert not any(each.requires_grad or each.grad is not None for each in model.parameters())
    # One layer is enough: the others were frozen on purpose.
    model[2].requires_grad_(True)
    assert "all_frozen" not in causes([measured(model, inputs, classes, optimizer=optimizer)])


def test_a_start_that_is_a_little_too_sure_is_no_fault():
    dr.manual_seed(0)
    inputs, classes = digits(200)
    model = stack(64, 32, 10)
    scale(model[2].weight, 4)
    assert causes([measured(model, inputs, classes)]) == []
    scale(model[2].weight, 20)
    assert causes([measured(model, inputs, classes)]) == ["overconfident_start"]


def test_inputs_of_the_size_of_raw_digits_are_borne():
    # Pixels from 0 to 16, with a root mean square of 8: not standardised, and not in the way.
    inputs, classes = digits(200)
    raw = (8 + 4 * inputs).clip(0, 16)
    assert "inputs_not_standardised" not in causes([measured(stack(64, 32, 10), raw, classes)])


class _OfBytes(dr.nn.Module):
    """Takes raw pixels, and scales them itself."""

    def __init__(self):
        self.layer = dr.nn.Linear(64, 10)

    def forward(self, x):
        return self.layer((x - 127.5) / 64)


def test_inputs_that_the_network_scales_itself_are_no_fault():
    dr.manual_seed(0)
    inputs, classes = digits(200)
    pixels = (127 + 60 * inputs).clip(0, 255).astype(np.uint8)
    assert causes([measured(_OfBytes(), pixels, classes)]) == []
    assert causes([measured(dr.nn.Linear(64, 10), pixels, classes)]) == ["inputs_not_standardised"]


def test_normalisation_first_makes_any_inputs_good():
    dr.manual_seed(0)
    inputs, classes = digits(200)
    model = dr.nn.Sequential(dr.nn.BatchNorm1d(64), dr.nn.Linear(64, 10))
    assert causes([measured(model, 100 * inputs, classes)]) == []


# ---- their order


def finding(cause: str, weight: float = 0.5, step: int = 0) -> Finding:
    return Finding(cause, "", weight, {}, Remedy("check_labels"), step)


def test_the_most_specific_cause_comes_first_whatever_the_order_of_the_rules():
    pair = [finding("class_imbalance", 1.0), finding("overconfident_start", 0.1)]
    assert [each.cause for each in without_consequences(pair, 0)] == [
        "overconfident_start",
        "class_imbalance",
    ]


def test_consequences_are_left_out():
    found = [finding("saturated_by_weights"), finding("learning_rate_too_high"), finding("dead_units")]
    assert [each.cause for each in without_consequences(found, 0)] == ["saturated_by_weights"]


def test_what_explains_is_itself_not_explained():
    # Dead units would explain a learning rate that seems too low; steps that are too long explain them.
    found = [finding("dead_units", step=5), finding("learning_rate_too_high"), finding("class_imbalance")]
    kept = [each.cause for each in without_consequences(found, 0)]
    assert kept == ["learning_rate_too_high", "class_imbalance"]
    at_start = [replace(found[0], step=0), *found[1:]]
    assert [each.cause for each in without_consequences(at_start, 0)] == ["dead_units", "class_imbalance"]


def test_nothing_to_look_at_is_an_error():
    with pytest.raises(ArgumentError, match=r"findings: expected one measurement or more, got none"):
        findings([])
    with pytest.raises(ArgumentError, match=r"findings: expected a list of measurements, got one by itself"):
        findings(seen("tiny_weights")[0])
    with pytest.raises(ArgumentError, match=r"findings: expected .*, got something else among them"):
        findings([1])


# ---- parts


def test_severity_grows_with_what_is_beyond_the_limit():
    assert severity(1.0, 1.0) < severity(5.0, 1.0) < severity(50.0, 1.0) < severity(float("inf"), 1.0) == 1.0


@pytest.mark.parametrize("best", [0.02, 0.2, 0.7, 5.0, 40.0])
def test_the_best_factor_of_a_parabola_is_its_lowest_point(best):
    factors = (0.001, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0)
    losses = tuple(1 + (each / best - 1) ** 2 for each in factors)
    step = SimpleNamespace(factors=factors, losses=losses)
    assert best_factor(step, 2.0) == pytest.approx(best)


def test_the_best_factor_where_every_step_is_too_long_or_not_a_number():
    step = SimpleNamespace(factors=(0.01, 0.1, 1.0), losses=(5.0, 9.0, float("nan")))
    assert best_factor(step, 1.0) == 0.01
    falling = SimpleNamespace(factors=(0.01, 0.1, 1.0), losses=(3.0, 2.0, 1.0))
    assert best_factor(falling, 4.0) == 1.0
    still = SimpleNamespace(factors=(0.01, 0.1, 1.0), losses=(4.0, 4.0, 4.0))
    assert best_factor(still, 4.0) == 1.0


def test_the_time_at_which_a_sequence_tells_its_class():
    random = np.random.default_rng(0)
    sequences = random.standard_normal((300, 12, 2))
    classes = (sequences[:, 4, 1] > 0).astype(np.int64)
    found = label_information(sequences, classes, True)
    assert found.best > found.by_chance + 10 * found.spread
    assert found.told_within == 12 - 4
    mixed = label_information(sequences, random.permutation(classes), True)
    assert mixed.told_within is None
    assert mixed.best < mixed.by_chance + 5 * mixed.spread


def test_tokens_tell_by_their_place_and_by_their_count():
    random = np.random.default_rng(1)
    tokens = random.integers(0, 6, (300, 8))
    placed = label_information(tokens, (tokens[:, 2] == 3).astype(np.int64), True)
    counted = label_information(tokens, (tokens == 1).sum(axis=1).astype(np.float64), False)
    assert placed.told_within == 6
    assert placed.best > 0.99
    assert counted.best > 0.99


def test_squares_tell_what_signs_do_not():
    x = np.random.default_rng(2).standard_normal((200, 3))
    found = label_information(x, (np.abs(x[:, 1]) > 0.7).astype(np.int64), True)
    assert found.best > found.by_chance + 10 * found.spread


def test_next_tokens_are_told_by_the_ones_before():
    walk = np.cumsum(np.random.default_rng(3).choice([-1, 1], (50, 20)), axis=1) % 9
    found = label_information(walk[:, :-1], walk[:, 1:], True)
    assert found.best > found.by_chance + 10 * found.spread
    assert found.told_within is None


def test_no_information_is_told_of_too_little_or_broken_data():
    assert label_information(np.zeros((4, 2)), np.zeros(4), False) is None
    assert label_information(np.full((20, 2), np.nan), np.arange(20.0), False) is None
    assert label_information(np.random.default_rng(0).random((20, 2)), np.ones(20), False) is None
