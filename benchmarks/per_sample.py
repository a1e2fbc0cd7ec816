"""Gradients per sample: `dr.explain.sample_gradients` beside a loop over samples, and PyTorch's vmap of grad.

    python benchmarks/per_sample.py [--repeats 5] [--samples 64]

All compute the same float32 gradients of every sample of a batch, forward pass included; the loop runs one
sample at a time through the same library. Prints milliseconds (the fastest of the repeats, taken in turns)
and ratios; a ratio above 1 says how many times as long the other takes. PyTorch is left out where it is not
installed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import deltarule as dr
from deltarule.explain.per_sample.samples import sample_gradients

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

Work = Callable[[], Any]


def works(name: str, samples: int) -> tuple[Work, Work, Work, Work | None]:
    """(ours, ours with norms alone, the loop, PyTorch's or None) for one network."""
    generator = np.random.default_rng(0)
    model, x, targets = _network(name, samples, generator)
    model.train()

    def ours(keep: str = "gradients") -> Any:
        return sample_gradients(dr.cross_entropy(model(dr.tensor(x)), dr.tensor(targets)), model, keep=keep)

    def loop() -> list[Any]:
        parameters = list(model.parameters())
        return [
            dr.gradients(
                dr.cross_entropy(model(dr.tensor(x[n : n + 1])), dr.tensor(targets[n : n + 1])), parameters
            )
            for n in range(len(x))
        ]

    peer = None if torch is None else _torch_work(name, model, x, targets)
    return ours, lambda: ours("norms"), loop, peer


def _network(name: str, samples: int, generator: np.random.Generator) -> tuple[dr.nn.Module, Any, Any]:
    if name == "mlp":
        model: dr.nn.Module = dr.nn.Sequential(
            dr.nn.Linear(784, 256), dr.nn.ReLU(), dr.nn.Linear(256, 128), dr.nn.ReLU(), dr.nn.Linear(128, 10)
        )
        x = generator.normal(size=(samples, 784))
    elif name == "lenet":
        model = dr.nn.Sequential(
            dr.nn.Conv2d(1, 6, 5),
            dr.nn.ReLU(),
            dr.nn.MaxPool2d(2),
            dr.nn.Conv2d(6, 16, 5),
            dr.nn.ReLU(),
            dr.nn.MaxPool2d(2),
            dr.nn.Flatten(),
            dr.nn.Linear(256, 120),
            dr.nn.ReLU(),
            dr.nn.Linear(120, 10),
        )
        x = generator.normal(size=(samples, 1, 28, 28))
    else:
        model = dr.nn.models.build(name, input_shape=(32, 16), outputs=10, hidden=64)
        x = generator.normal(size=(samples, 32, 16))
    return model, x.astype(np.float32), generator.integers(0, 10, len(x))


def _torch_work(name: str, model: dr.nn.Module, x: Any, targets: Any) -> Work | None:
    """vmap(grad) over functional_call; None for recurrent layers, whose kernels vmap does not batch."""
    if name not in ("mlp", "lenet"):
        return None
    layers = torch.nn
    if name == "mlp":
        twin = layers.Sequential(
            layers.Linear(784, 256),
            layers.ReLU(),
            layers.Linear(256, 128),
            layers.ReLU(),
            layers.Linear(128, 10),
        )
    else:
        twin = layers.Sequential(
            layers.Conv2d(1, 6, 5),
            layers.ReLU(),
            layers.MaxPool2d(2),
            layers.Conv2d(6, 16, 5),
            layers.ReLU(),
            layers.MaxPool2d(2),
            layers.Flatten(),
            layers.Linear(256, 120),
            layers.ReLU(),
            layers.Linear(120, 10),
        )
    weights = {key: torch.tensor(value.numpy()) for key, value in model.named_parameters()}
    inputs, wanted = torch.tensor(x), torch.tensor(targets)

    def loss(given: dict[str, Any], one: Any, target: Any) -> Any:
        output = torch.func.functional_call(twin, given, (one[None],))
        return layers.functional.cross_entropy(output, target[None])

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
    return lambda: each(weights, inputs, wanted)


def fastest(work: list[Work], repeats: int) -> list[float]:
    """Milliseconds of each, in turns, so that what else the machine does hits all alike."""
    best = [float("inf")] * len(work)
    for each in work:
        each()
    for _ in range(repeats):
        for place, each in enumerate(work):
            start = time.perf_counter()
            each()
            best[place] = min(best[place], 1e3 * (time.perf_counter() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--samples", type=int, default=64)
    options = parser.parse_args()
    print(f"{options.samples} samples; milliseconds, and how many times as long as ours the others take")
    print(f"{'network':8} {'ours':>8} {'norms only':>11} {'loop':>8} {'vmap':>8}   loop / ours   vmap / ours")
    for name in ("mlp", "lenet", "rnn", "gru", "lstm"):
        *mine, peer = works(name, options.samples)
        times = fastest([*mine, *([] if peer is None else [peer])], options.repeats)
        vmap = f"{times[3]:8.1f}" if peer is not None else f"{'-':>8}"
        ratio = f"{times[3] / times[0]:11.1f}" if peer is not None else f"{'-':>11}"
        mine_and_loop = f"{times[0]:8.1f} {times[1]:11.1f} {times[2]:8.1f}"
        print(f"{name:8} {mine_and_loop} {vmap}   {times[2] / times[0]:11.1f}   {ratio}")


if __name__ == "__main__":
    main()
