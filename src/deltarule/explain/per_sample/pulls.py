"""Which samples pull hardest, which way, and how noisy that makes a batch: what `sample_gradients` gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.errors import ArgumentError
from deltarule.explain.shown import Shown


@dataclass(frozen=True)
class Pull:
    """How hard one sample pulls, and which way.

    sample   its place in the batch
    norm     ‖g_n‖, the length of its gradient
    cosine   of the angle between its gradient and that of the batch: 1 with it, 0 across, −1 against it
    share    of the batch gradient that is its own: (g_n · ḡ) / (N ‖ḡ‖²). Shares add up to 1
    """

    sample: int
    norm: float
    cosine: float
    share: float


@dataclass(frozen=True)
class GradientNoise:
    """How much the gradients of samples differ, against what they agree on.

    variance      trace of the covariance of the gradients: Σ_n ‖g_n − ḡ‖² / (N − 1)
    signal        estimate of ‖E g‖², what is left of ‖ḡ‖² without the noise in it: ‖ḡ‖² − variance / N
    noise_scale   variance / signal: the batch size at which noise and signal are equal; inf without a signal

    Numbers are NaN for a single sample, and where gradients are.
    Source: McCandlish et al. 2018, "An empirical model of large-batch training", eq. 2.9 and appendix A.1.
    """

    variance: float
    signal: float
    noise_scale: float


@dataclass(eq=False, repr=False)
class SampleGradients(Shown):
    """Gradients of each sample of a batch.

    samples      N, how many there are
    reduction    "mean" or "sum": how the loss adds up its terms. g_n is the gradient of sample n's own loss,
                 so that the mean, or the sum, of all g_n is the gradient of the batch
    gradients    name of a parameter -> (N, *its shape); empty where norms alone were kept
    batch        name -> gradient of the batch, from the same pass
    norms        name -> (N,) lengths ‖g_n‖
    products     name -> (N,) products g_n · ḡ with the mean ḡ of all g_n
    mixed_by     operations in which samples meet otherwise than as terms of the loss (a batch normalisation
                 while training): g_n is then what goes through the rows of sample n, and still adds up
    ways         name -> how its gradient was split: "formula", "kernel" (asked once for each sample) and
                 "even" (a term of no sample, such as weight decay, given to all in equal shares)
    kept         "gradients" or "norms"
    """

    samples: int
    reduction: str
    gradients: dict[str, Array]
    batch: dict[str, Array]
    norms: dict[str, Array]
    products: dict[str, Array]
    mixed_by: tuple[str, ...]
    ways: dict[str, tuple[str, ...]]
    kept: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(self.batch)

    @property
    def layers(self) -> dict[str, tuple[str, ...]]:
        """Layer -> names of its parameters: what stands before the last dot."""
        found: dict[str, tuple[str, ...]] = {}
        for name in self.names:
            layer = name.rpartition(".")[0] or name
            found[layer] = (*found.get(layer, ()), name)
        return found

    def norms_of(self, layer: str | None = None) -> Array:
        """(N,) ‖g_n‖ over all parameters, or over those of a layer or one parameter by name."""
        return np.sqrt(np.sum([np.square(self.norms[name]) for name in self._chosen(layer)], axis=0))

    def cosines_of(self, layer: str | None = None) -> Array:
        """(N,) cosines between g_n and the gradient of the batch; 0 where one of them is 0."""
        lengths = self.norms_of(layer) * self._mean_norm(layer)
        products = np.sum([self.products[name] for name in self._chosen(layer)], axis=0)
        return np.divide(products, lengths, out=np.zeros(self.samples), where=lengths > 0)

    def shares_of(self, layer: str | None = None) -> Array:
        """(N,) shares of the batch gradient, which add up to 1; 0 where the batch has no gradient."""
        square = self._mean_norm(layer) ** 2 * self.samples
        products = np.sum([self.products[name] for name in self._chosen(layer)], axis=0)
        return products / square if square > 0 else np.zeros(self.samples)

    def hardest(self, count: int = 5, layer: str | None = None) -> list[Pull]:
        """The samples with the longest gradients, and which way they pull.

        Raises ArgumentError for a count below 0.
        """
        _require_count(count)
        return self._pulls(np.argsort(-self.norms_of(layer), kind="stable")[:count], layer)

    def against(self, count: int = 5, layer: str | None = None) -> list[Pull]:
        """The samples that pull hardest against the batch: those of the lowest negative shares.

        Raises ArgumentError for a count below 0.
        """
        _require_count(count)
        shares = self.shares_of(layer)
        order = [number for number in np.argsort(shares, kind="stable")[:count] if shares[number] < 0]
        return self._pulls(np.array(order, int), layer)

    def noise(self, layer: str | None = None) -> GradientNoise:
        """Noise against signal of the gradients, over all parameters or those of a layer."""
        count = self.samples
        if count < 2:
            return GradientNoise(np.nan, np.nan, np.nan)
        squares = float(np.square(self.norms_of(layer)).sum())
        mean_square = self._mean_norm(layer) ** 2
        variance = max(squares - count * mean_square, 0.0) / (count - 1)
        signal = mean_square - variance / count
        return GradientNoise(variance, signal, np.inf if signal <= 0 else variance / signal)

    def _pulls(self, order: Array, layer: str | None) -> list[Pull]:
        norms, cosines, shares = self.norms_of(layer), self.cosines_of(layer), self.shares_of(layer)
        return [Pull(int(n), float(norms[n]), float(cosines[n]), float(shares[n])) for n in order]

    def _mean_norm(self, layer: str | None) -> float:
        squares = sum(
            float(np.sum(np.square(self.batch[name], dtype=np.float64))) for name in self._chosen(layer)
        )
        return float(np.sqrt(squares)) / (1 if self.reduction == "mean" else self.samples)

    def _chosen(self, layer: str | None) -> tuple[str, ...]:
        if layer is None:
            return self.names
        if layer in self.batch:
            return (layer,)
        if layer not in self.layers:
            raise ArgumentError(
                "SampleGradients",
                f"layer expected one of {', '.join((*self.layers, *self.names))}, got {layer!r}",
                "Leave it out for all parameters.",
            )
        return self.layers[layer]


def _require_count(count: Any) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ArgumentError(
            "SampleGradients", f"count expected a whole number of 0 or more, got {count!r}", "Use 5."
        )
