"""Watch: a training is the same with it, it measures when it should, and keeps to its budget."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError, NonFiniteError
from deltarule.explain.training_health.causes import findings
from deltarule.explain.training_health.probe_batch import fact_batch
from deltarule.explain.training_health.watch import Watch


def data(rows: int = 256):
    source = np.random.default_rng(0)
    inputs = source.standard_normal((rows, 6)).astype(np.float32)
    return inputs, inputs[:, :3].argmax(axis=1)


def network(hidden: int = 16):
    dr.manual_seed(3)
    return dr.nn.Sequential(
        *(dr.nn.Linear(6, hidden), dr.nn.BatchNorm1d(hidden), dr.nn.ReLU()),
        *(dr.nn.Dropout(0.3), dr.nn.Linear(hidden, 3)),
    )


def trained(callbacks, epochs: int = 8, **options):
    model = network()
    dr.manual_seed(5)
    options = {"lr": 0.01, "batch_size": 16, "clip_norm": 1.0, **options}
    return dr.fit(model, data(), epochs=epochs, callbacks=callbacks, **options)


class Weights(dr.training.Callback):
    """Keeps the first weights after every step."""

    def __init__(self):
        self.kept = {}

    def on_fit_begin(self, event):
        self.kept[event.step] = event.trainer.model[0].weight.numpy().copy()

    on_batch_end = on_fit_begin


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "eager"])
def test_a_watched_training_is_the_same_to_the_last_bit(compiled):
    plain = trained([], compile=compiled)
    watch = Watch(every=7)
    watched = trained([watch], compile=compiled)
    assert len(watch.records) == 2 + 128 // 7
    assert plain.notes == watched.notes
    for name, array in plain.model.state_dict().items():
        assert array.tobytes() == watched.model.state_dict()[name].tobytes(), name
    assert str(plain.checkpoint().values["optimizer"]) == str(watched.checkpoint().values["optimizer"])
    for name, array in plain.checkpoint().arrays.items():
        assert array.tobytes() == watched.checkpoint().arrays[name].tobytes(), name
    for one, other in zip(plain.history, watched.history, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_it_measures_the_first_step_every_nth_and_the_last():
    watch = Watch(every=50)
    trained([watch])
    assert [each.step for each in watch.records] == [0, 50, 100, 128]
    assert all((each.rows, each.outputs.shape) == (32, (32, 3)) for each in watch.records)
    assert watch.records[0].training_loss is None
    assert watch.records[0].noise.batch_size == 16


def test_update_ratios_are_those_of_the_real_steps():
    watch, weights = Watch(every=10), Weights()
    trained([watch, weights])
    for record in watch.records[1:-1]:
        before, after = weights.kept[record.step - 1], weights.kept[record.step]
        moved = np.linalg.norm(after - before)
        assert record.parameters[0].update_norm == pytest.approx(moved, rel=1e-4)


def test_every_step_can_be_measured():
    watch, weights = Watch(every=1, noise=False, line=False), Weights()
    trained([watch, weights], epochs=1)
    assert [each.step for each in watch.records] == list(range(17))
    for record in watch.records[1:]:
        moved = np.linalg.norm(weights.kept[record.step] - weights.kept[record.step - 1])
        assert record.parameters[0].update_norm == pytest.approx(moved, rel=1e-4)
    assert all(each.noise is None and each.optimizer is None for each in watch.records)


def test_losses_and_clipping_are_those_of_the_steps_before():
    class Count(dr.training.Callback):
        def __init__(self):
            self.losses, self.norms = {}, {}

        def on_batch_end(self, event):
            self.losses[event.step], self.norms[event.step] = event.loss, event.trainer.gradient_norm

    watch, count = Watch(every=40), Count()
    trained([watch, count])
    for record in watch.records[1:3]:
        steps = range(record.step - 16, record.step + 1)
        assert record.training_loss == pytest.approx(np.mean([count.losses[step] for step in steps]))
        share = np.mean([count.norms[step] > 1.0 for step in steps])
        assert record.optimizer.clipped == pytest.approx(share)


def test_batches_whose_gradients_are_collected_make_one_step():
    watch, weights = Watch(every=5), Weights()
    trained([watch, weights], epochs=4, accumulate=4)
    assert [each.step for each in watch.records] == [0, 5, 10, 15, 16]
    for record in watch.records[1:4]:
        moved = np.linalg.norm(weights.kept[record.step] - weights.kept[record.step - 1])
        assert record.parameters[0].update_norm == pytest.approx(moved, rel=1e-4)


def test_by_the_clock_it_keeps_to_its_budget():
    class Clock(dr.training.Callback):
        seconds = 0.0

        def on_fit_end(self, event):
            self.seconds = event.seconds

    # The clock is asked first, before the last measurement.
    trained([Watch()], epochs=1)
    watch, clock = Watch(budget=0.2), Clock()
    trained([clock, watch], epochs=400, compile=False)
    assert len(watch.records) > 3
    # One measurement that came late, because its own time was foretold too low, is forgiven.
    ends = watch.records[0].seconds + watch.records[-1].seconds
    assert watch.seconds < 0.2 * clock.seconds + ends + max(each.seconds for each in watch.records) + 0.05


def test_facts_of_the_data_are_measured_once():
    watch = Watch(every=50)
    trained([watch])
    assert all(each.inputs is watch.records[0].inputs for each in watch.records)
    assert all(each.targets is watch.records[0].targets for each in watch.records)


def test_the_default_probe_tells_shuffled_labels_from_true_ones():
    dr.manual_seed(0)
    inputs, classes = data(rows=1000)
    mixed = np.random.default_rng(1).permutation(classes)
    for labels, expected in ((classes, []), (mixed, ["labels_uninformative"])):
        watch = Watch()
        model = dr.nn.Sequential(dr.nn.Linear(6, 16), dr.nn.ReLU(), dr.nn.Linear(16, 3))
        dr.fit(model, (inputs, labels), epochs=4, batch_size=32, lr=0.01, callbacks=[watch])
        assert watch.records[0].inputs.shape[0] == 1000
        assert [each.cause for each in findings(watch.records)] == expected


def test_the_default_probe_sees_a_rare_class():
    inputs, _ = data(rows=3000)
    rare = (inputs[:, 0] > 2).astype(np.int64)
    watch = Watch()
    dr.manual_seed(0)
    dr.fit(dr.nn.Linear(6, 2), (inputs, rare), epochs=1, batch_size=32, lr=0.01, callbacks=[watch])
    assert [each.cause for each in findings(watch.records)] == ["class_imbalance"]


def test_facts_of_large_rows_are_told_from_fewer():
    images, classes = np.zeros((300, 3, 128, 128), np.uint8), np.zeros(300, int)
    for rows, told in ((32, 2**21 // images[0].size), (100, 100)):
        found = fact_batch((images, classes), (images[:rows], classes[:rows]), "Watch")
        assert [len(each) for each in found] == [told, told]


def test_without_time_only_the_first_and_the_last_step_are_measured():
    watch = Watch(budget=1e-9)
    trained([watch])
    assert [each.step for each in watch.records] == [0, 128]


def test_a_training_that_goes_on_is_watched_on():
    watch = Watch(every=50)
    trainer = trained([watch], epochs=4)
    trainer.fit(trainer.loader, epochs=8)
    assert [each.step for each in watch.records] == [0, 50, 64, 100, 128]
    assert watch.records[-1].inputs is watch.records[0].inputs


def test_facts_of_other_data_are_measured_anew():
    watch = Watch(every=50)
    trainer = trained([watch], epochs=4)
    inputs, targets = data()
    trainer.fit(dr.data.DataLoader((inputs + 100, targets), 16), epochs=8)
    assert watch.records[-1].inputs.mean > 99 > watch.records[0].inputs.mean


def test_a_training_that_breaks_off_is_measured_where_it_broke():
    watch = Watch(every=1000)
    model = dr.nn.Sequential(dr.nn.Linear(6, 8), dr.nn.Linear(8, 3))
    optimizer = dr.optim.SGD(model.parameters(), lr=1e6)
    inputs, _ = data()
    trainer = dr.Trainer(model, optimizer, "regression", callbacks=[watch])
    with pytest.raises(NonFiniteError):
        trainer.fit(dr.data.DataLoader((inputs, inputs[:, :3]), 16), epochs=4)
    assert [each.step for each in watch.records] == [0, trainer.progress.step]


def test_rows_of_its_own_can_be_measured():
    inputs, targets = data(rows=10)
    watch = Watch(every=1000, data=(inputs, targets))
    trained([watch])
    assert watch.records[0].inputs.shape == (10, 6)


def test_a_run_with_a_watch_is_saved_and_resumed(tmp_path):
    folder = dr.training.RunFolder.create(tmp_path / "run", {})
    trained([Watch(every=20)], run_folder=folder)
    assert json.loads((tmp_path / "run" / "config.json").read_text()) is not None
    whole = folder.load("last").part("model")
    half = dr.training.RunFolder.create(tmp_path / "half", {})
    trained([Watch(every=20)], epochs=4, run_folder=half)
    model = network()
    trainer = dr.Trainer(
        *(model, dr.optim.Adam(model.parameters(), lr=0.01), "classification"),
        clip_norm=1.0, callbacks=[Watch(every=20)], run_folder=half,
    )  # fmt: skip
    trainer.resume()
    trainer.fit(dr.data.DataLoader(data(), 16), epochs=8)
    for name, array in half.load("last").part("model").items():
        assert array.tobytes() == whole[name].tobytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"every": 0}, "every expects a whole number of 1 or more, got 0"),
        ({"every": 2.5}, "every expects a whole number of 1 or more, got 2.5"),
        ({"probe": 1}, "probe expects a whole number of 2 or more, got 1"),
        ({"budget": 0.0}, "budget expects a share above 0 and up to 1, got 0.0"),
        *(({"budget": each}, "budget expects a share above 0 and up to 1") for each in ("a", -1, 2, None)),
        *(({"probe": each}, "probe expects a whole number of 2 or more") for each in (0, "a", None)),
        ({"data": 3}, r"data expects \(inputs, targets\) or a loader, got int"),
        ({"data": (1,)}, r"data expects \(inputs, targets\), got a tuple of 1"),
        ({"budget": math.nan}, "budget expects a share above 0 and up to 1, got nan"),
    ],
)
def test_options_out_of_range_are_told(options, said):
    with pytest.raises(ArgumentError, match=f"Watch: {said}"):
        Watch(**options)
