"""What `dr.explain.Watch` costs a training: the same training with it and without it, in turns.

    python benchmarks/watching.py [--seconds 10] [--rounds 3] [--networks mlp,lenet]

Each network is trained for about that long a round, compiled, after a start in which its steps are compiled.
Printed are milliseconds of a step without a watch and with one (the fastest round of each, the measurements
included), the share by which the training becomes longer, the share of the time that the watch itself says
its measurements took, and the time of one. Left out of both shares is the last measurement of each round,
which is made in any case and which a longer training has only once. --budget sets the share that the clock
keeps to. On a busy machine only the watch's own share means something.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import deltarule as dr
from deltarule.explain.health.watch import Watch

# name -> (words, batch size, shape of a sample, options of the model)
NETWORKS = {
    "mlp": ("MLP 784-512-256-10, batch 128", 128, (784,), {"hidden": (512, 256)}),
    "lenet": ("LeNet, 28x28, batch 64", 64, (1, 28, 28), {}),
    "cnn": ("CNN, 3x32x32, batch 64", 64, (3, 32, 32), {}),
    "lstm": ("LSTM 128, 32 steps of 16, batch 32", 32, (32, 16), {"hidden": 128}),
    "small": ("MLP 2-16-2, batch 16", 16, (2,), {"hidden": (16,)}),
}
BATCHES = 16


def trainer(name: str, callbacks: list[dr.training.Callback]) -> dr.Trainer:
    """A trainer of a network, with its data; both are the same each time."""
    _, batch_size, shape, options = NETWORKS[name]
    source = np.random.default_rng(0)
    inputs = source.standard_normal((BATCHES * batch_size, *shape)).astype(np.float32)
    classes = min(10, int(np.prod(shape)))
    targets = inputs.reshape(len(inputs), -1)[:, :classes].argmax(axis=1)
    dr.manual_seed(0)
    kind = "mlp" if name == "small" else name
    model = dr.nn.models.build(kind, input_shape=shape, outputs=classes, task="classification", **options)
    made = dr.Trainer(
        model, dr.optim.SGD(model.parameters(), lr=0.01), "classification", clip_norm=1.0, callbacks=callbacks
    )
    made.loader = dr.data.DataLoader((inputs, targets), batch_size)
    return made


def train(made: dr.Trainer, epochs: int) -> float:
    """Trains for some epochs more and returns the seconds."""
    begin = time.perf_counter()
    made.fit(made.loader, epochs=made.progress.epoch + epochs)
    return time.perf_counter() - begin


def measure(name: str, seconds: float, rounds: int, budget: float) -> tuple[float, ...]:
    """(ms of a plain step, of a watched one, longer by, share of the watch, ms of one measurement)."""
    watch = Watch(budget=budget)
    plain, watched = trainer(name, []), trainer(name, [watch])
    for each in (plain, watched):
        train(each, 8)
    epochs = max(1, round(seconds / (train(plain, 8) / 8)))
    watched.fit(watched.loader, epochs=watched.progress.epoch + 8)
    before = watch.seconds
    times: dict[bool, list[float]] = {False: [], True: []}
    shares, costs = [], []
    for _ in range(rounds):
        times[False].append(train(plain, epochs) / (epochs * BATCHES))
        count = len(watch.records)
        took = train(watched, epochs)
        last = watch.records[-1].seconds
        times[True].append((took - last) / (epochs * BATCHES))
        shares.append((watch.seconds - before - last) / took)
        costs += [each.seconds for each in watch.records[count:]]
        before = watch.seconds
    one, other = min(times[False]), min(times[True])
    return 1e3 * one, 1e3 * other, other / one - 1, float(np.median(shares)), 1e3 * float(np.median(costs))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=0.03, help="the watch's share of the time")
    parser.add_argument("--networks", default=",".join(NETWORKS), help=f"of {', '.join(NETWORKS)}")
    chosen = parser.parse_args()
    print(f"{'network':<36} {'plain':>9} {'watched':>9} {'longer':>8} {'watch':>7} {'measurement':>12}")
    for name in chosen.networks.split(","):
        found = measure(name, chosen.seconds, chosen.rounds, chosen.budget)
        plain, watched, longer, share, cost = found
        words = NETWORKS[name][0]
        print(
            f"{words:<36} {plain:>6.3f} ms {watched:>6.3f} ms {longer:>8.1%} {share:>7.1%} {cost:>9.1f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
