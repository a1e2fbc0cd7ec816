"""What `dr.explain.Watch` costs a training: its measurements, and what they make the steps after them lose.

    python benchmarks/watching.py [--seconds 20] [--rounds 3] [--networks mlp,lenet]

One trainer of each network runs, compiled, in turns without the watch and with it, for about that many
seconds a round. Two clocks, one before the watch and one after it, time every step and every measurement of
the same training. A measurement leaves caches cold and threads asleep: what it costs besides is the time by
which each of the next 50 steps was longer than the median of the 40 steps before it, the median over all
measurements, summed. Comparing two trainings as a whole would say less: on the machines this was written on
two equal ones differ by 4 %, and the speed of the machine changes by a quarter from minute to minute.

Printed are milliseconds of an undisturbed step (without the watch, and between its measurements), of a
measurement, of what is lost after it, and the share of both together in the time of the training. Left out
of the share are the first and the last measurement of each round, which are made in any case; the clock
counts them, so that a round must be long before it measures again. --budget sets the share that it keeps
to, --every measures each so many steps instead, which tells the middle columns faster.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import deltarule as dr
from deltarule.explain import Watch

# name -> (words, batch size, shape of a sample, options of the model)
NETWORKS = {
    "mlp": ("MLP 784-512-256-10, batch 128", 128, (784,), {"hidden": (512, 256)}),
    "lenet": ("LeNet, 28x28, batch 64", 64, (1, 28, 28), {}),
    "cnn": ("CNN, 3x32x32, batch 64", 64, (3, 32, 32), {}),
    "lstm": ("LSTM 128, 32 steps of 16, batch 32", 32, (32, 16), {"hidden": 128}),
    "small": ("MLP 2-16-2, batch 16", 16, (2,), {"hidden": (16,)}),
}
BATCHES = 16
# Steps before a measurement that tell how long an undisturbed one takes; steps after it, compared with them.
BEFORE, AFTER = 40, 50


class Clock(dr.training.Callback):
    """The time at which each step came by."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_batch_end(self, event: dr.training.Event) -> None:
        self.times.append(time.perf_counter())


def trainer(name: str) -> dr.Trainer:
    """A trainer of a network, with its data; both are the same each time."""
    _, batch_size, shape, options = NETWORKS[name]
    source = np.random.default_rng(0)
    inputs = source.standard_normal((BATCHES * batch_size, *shape)).astype(np.float32)
    classes = min(10, int(np.prod(shape)))
    targets = inputs.reshape(len(inputs), -1)[:, :classes].argmax(axis=1)
    dr.manual_seed(0)
    kind = "mlp" if name == "small" else name
    model = dr.nn.models.build(kind, input_shape=shape, outputs=classes, task="classification", **options)
    made = dr.Trainer(model, dr.optim.SGD(model.parameters(), lr=0.01), "classification", clip_norm=1.0)
    made.loader = dr.data.DataLoader((inputs, targets), batch_size)
    return made


def train(made: dr.Trainer, epochs: int, callbacks: list[dr.training.Callback]) -> float:
    """Trains for some epochs more and returns the seconds."""
    made.callbacks = callbacks
    begin = time.perf_counter()
    made.fit(made.loader, epochs=made.progress.epoch + epochs)
    return time.perf_counter() - begin


def measure(
    name: str, seconds: float, rounds: int, budget: float, every: int | None
) -> dict[str, float | int]:
    """What the columns of the table say, in seconds."""
    made, watch = trainer(name), Watch(every, budget=budget)
    train(made, 8, [])
    epochs = max(1, round(8 * seconds / train(made, 8, [])))
    train(made, 8, [watch])
    plain, undisturbed, took, after = [], [], [], []
    measuring = whole = 0.0
    count = 0
    for _ in range(rounds):
        clock = Clock()
        train(made, epochs, [clock])
        plain.append(float(np.median(np.diff(clock.times))))
        first, second = Clock(), Clock()
        done, start = len(watch.records), made.progress.step
        whole += train(made, epochs, [first, watch, second])
        # What the watch took at each step, and how long each step was, without it.
        inside = np.subtract(second.times, first.times)
        steps = np.subtract(first.times[1:], second.times[:-1])
        undisturbed.append(float(np.median(steps)))
        new = watch.records[done:]
        made_in = [each for each in new[:-1] if each.step > start]
        whole -= sum(each.seconds for each in new if each not in made_in)
        measuring += sum(each.seconds for each in made_in)
        count += len(made_in)
        for at in np.sort(np.argsort(inside)[len(inside) - len(made_in) :]):
            took.append(inside[at])
            if BEFORE <= at < len(steps) - AFTER:
                after.append(steps[at : at + AFTER] - np.median(steps[at - BEFORE : at]))
    lost = float(np.median(after, axis=0).sum()) if after else float("nan")
    return {
        "plain": float(np.median(plain)),
        "between": float(np.median(undisturbed)),
        "measurement": float(np.median(took)) if took else float("nan"),
        "lost": lost,
        # In a round that is too short for a measurement there is nothing to tell.
        "share": (measuring + count * lost) / whole if count else float("nan"),
        "count": count,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=0.03, help="the watch's share of the time")
    parser.add_argument("--every", type=int, help="steps between measurements, instead of a budget")
    parser.add_argument("--networks", default=",".join(NETWORKS), help=f"of {', '.join(NETWORKS)}")
    chosen = parser.parse_args()
    print(
        f"{'network':<36} {'plain':>9} {'between':>9} {'measurement':>12} {'lost after':>11} {'share':>6}"
        f" {'count':>6}"
    )
    for name in chosen.networks.split(","):
        found = measure(name, chosen.seconds, chosen.rounds, chosen.budget, chosen.every)
        print(
            f"{NETWORKS[name][0]:<36} {1e3 * found['plain']:>6.3f} ms {1e3 * found['between']:>6.3f} ms"
            f" {1e3 * found['measurement']:>9.1f} ms {1e3 * found['lost']:>8.2f} ms {found['share']:>6.1%}"
            f" {found['count']:>6}",
            flush=True,
        )


if __name__ == "__main__":
    main()
