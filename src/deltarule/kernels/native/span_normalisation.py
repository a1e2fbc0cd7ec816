"""Batch norm and group norm of arrays (batch, channels, positions), forward and backward.

A statistic belongs to several spans of `inner` elements: in batch norm those of one channel in every sample,
in group norm those of a group's channels in one sample. Within a statistic
x̂ = (x − μ) / √(σ² + eps),  y = x̂ · weight[c] + bias[c],  c the span's channel
With δ = ∂L/∂y · weight[c] and ⟨·⟩ the mean: ∂L/∂x = (δ − ⟨δ⟩ − x̂ ⟨δ x̂⟩) / √(σ² + eps)

Statistics are shared among the threads whole: nothing depends on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.sums import float_of, sums_along
from deltarule.kernels.native.values import Mask, Pointer, Vector

_SIZES: tuple[str, ...] = ("statistics", "spans", "inner", "channels")


class _Spans(Routine):
    """Where spans lie. `grouped` says which of the two normalisations it is."""

    grouped: bool

    def span(
        self, statistic: Bound, number: Bound, statistics: Bound, spans: Bound, channels: Bound
    ) -> tuple[Any, Any]:
        """(number of a span among all that lie in memory, its channel)."""
        if self.grouped:
            place: Any = statistic * spans + number
            return place, place % channels
        return number * statistics + statistic, statistic


@dataclass(frozen=True)
class SpanNormalise(_Spans):
    """y and the statistics. The variance comes from deviations, so that nothing cancels."""

    dtype: str
    grouped: bool
    weighted: bool = True
    biased: bool = True

    def parameters(self) -> dict[str, str]:
        names = ("x", "weight", "bias", "y", "mean", "variance", "inverse")
        taken = dict.fromkeys(names, self.dtype + "*") | dict.fromkeys(_SIZES, "index")
        return taken | {"eps": self.dtype}

    def write(
        self,
        code: Code,
        x: Pointer,
        weight: Pointer,
        bias: Pointer,
        y: Pointer,
        mean: Pointer,
        variance: Pointer,
        inverse: Pointer,
        statistics: Bound,
        spans: Bound,
        inner: Bound,
        channels: Bound,
        eps: Vector,
    ) -> None:
        dtype, lanes = self.dtype, code.lanes(self.dtype)
        part = 1.0 / float_of(code, spans * inner, dtype)
        low, high = code.share(statistics)
        for statistic in code.range(low, high):
            total = code.variable(code.number(0.0, dtype))
            for number in code.range(spans):
                place, _ = self.span(statistic, number, statistics, spans, channels)
                line = x + place * inner
                (here,) = sums_along(
                    code, dtype, inner, 1, lambda i, mask, line=line: [line.vector(i, mask=mask)]
                )
                total.value = total.value + here
            centre = total.value * part
            wide = centre.spread(lanes)
            square = code.variable(code.number(0.0, dtype))
            for number in code.range(spans):
                place, _ = self.span(statistic, number, statistics, spans, channels)
                line = x + place * inner

                def squared(
                    i: Bound, mask: Mask | None, line: Pointer = line, wide: Vector = wide
                ) -> list[Vector]:
                    deviation = line.vector(i, mask=mask) - wide
                    return [deviation * deviation]

                (here,) = sums_along(code, dtype, inner, 1, squared)
                square.value = square.value + here
            spread = square.value * part
            scale = 1.0 / (spread + eps).function("sqrt")
            mean.put(centre, statistic)
            variance.put(spread, statistic)
            inverse.put(scale, statistic)
            for number in code.range(spans):
                place, channel = self.span(statistic, number, statistics, spans, channels)
                line, result = x + place * inner, y + place * inner
                factor = scale * weight.number(channel) if self.weighted else scale
                factor = factor.spread(lanes)
                for i, count in code.blocks(inner, lanes):
                    mask = code.mask(count, lanes)
                    value = (line.vector(i, mask=mask) - wide) * factor
                    if self.biased:
                        value = value + bias.number(channel)
                    result.put(value, i, mask)


@dataclass(frozen=True)
class SpanNormaliseGradient(_Spans):
    """∂L/∂x, ∂L/∂weight = Σ ∂L/∂y · x̂ and ∂L/∂bias = Σ ∂L/∂y; the two sums are always written.

    scratch   two numbers for each span (statistics · spans · 2)
    """

    dtype: str
    grouped: bool
    weighted: bool = True

    def parameters(self) -> dict[str, str]:
        names = (
            "x",
            "weight",
            "upstream",
            "mean",
            "inverse",
            "grad_x",
            "grad_weight",
            "grad_bias",
            "scratch",
        )
        taken = dict.fromkeys(names, self.dtype + "*")
        return taken | dict.fromkeys(_SIZES, "index")

    def write(
        self,
        code: Code,
        x: Pointer,
        weight: Pointer,
        upstream: Pointer,
        mean: Pointer,
        inverse: Pointer,
        grad_x: Pointer,
        grad_weight: Pointer,
        grad_bias: Pointer,
        scratch: Pointer,
        statistics: Bound,
        spans: Bound,
        inner: Bound,
        channels: Bound,
    ) -> None:
        dtype, lanes = self.dtype, code.lanes(self.dtype)
        part = 1.0 / float_of(code, spans * inner, dtype)
        all_spans = statistics * spans
        low, high = code.share(statistics)
        for statistic in code.range(low, high):
            wide = mean.number(statistic).spread(lanes)
            scale = inverse.number(statistic)
            average = code.variable(code.number(0.0, dtype))
            aligned = code.variable(code.number(0.0, dtype))
            for number in code.range(spans):
                place, channel = self.span(statistic, number, statistics, spans, channels)
                line, above = x + place * inner, upstream + place * inner

                def terms(
                    i: Bound, mask: Mask | None, line: Any = line, above: Any = above, wide: Any = wide,
                    scale: Any = scale,
                ) -> list[Vector]:  # fmt: skip
                    given = above.vector(i, mask=mask)
                    return [given, given * ((line.vector(i, mask=mask) - wide) * scale)]

                plain, turned = sums_along(code, dtype, inner, 2, terms)
                scratch.put(plain, place)
                scratch.put(turned, all_spans + place)
                factor = weight.number(channel) if self.weighted else code.number(1.0, dtype)
                average.value = average.value + plain * factor
                aligned.value = aligned.value + turned * factor
            mean_delta = (average.value * part).spread(lanes)
            slope = (aligned.value * part * scale).spread(lanes)
            for number in code.range(spans):
                place, channel = self.span(statistic, number, statistics, spans, channels)
                line, above, result = (each + place * inner for each in (x, upstream, grad_x))
                factor = weight.number(channel) if self.weighted else code.number(1.0, dtype)
                for i, count in code.blocks(inner, lanes):
                    mask = code.mask(count, lanes)
                    delta = above.vector(i, mask=mask) * factor
                    rest = delta - mean_delta - (line.vector(i, mask=mask) - wide) * slope
                    result.put(rest * scale, i, mask)
        code.barrier()
        # Spans lie sample by sample, a sample's channels one after another.
        batch = all_spans // channels
        first, last = code.share(channels, lanes)
        for channel, count in code.blocks(last, lanes, first):
            mask = code.mask(count, lanes)
            for target, offset in ((grad_bias, 0), (grad_weight, all_spans)):
                total = code.variable(code.zeros(dtype))
                for sample in code.range(batch):
                    total.value = total.value + scratch.vector(
                        offset + sample * channels + channel, mask=mask
                    )
                target.put(total.value, channel, mask)


@dataclass(frozen=True)
class SpanScale(Routine):
    """y[n, c, i] = (x[n, c, i] − mean[c]) · inverse[c] · weight[c] + bias[c]; absent ones are left out."""

    dtype: str
    weighted: bool = True
    biased: bool = True

    def parameters(self) -> dict[str, str]:
        names = ("x", "mean", "inverse", "weight", "bias", "y")
        taken = dict.fromkeys(names, self.dtype + "*")
        return taken | {"spans": "index", "inner": "index", "channels": "index"}

    def write(
        self,
        code: Code,
        x: Pointer,
        mean: Pointer,
        inverse: Pointer,
        weight: Pointer,
        bias: Pointer,
        y: Pointer,
        spans: Bound,
        inner: Bound,
        channels: Bound,
    ) -> None:
        lanes = code.lanes(self.dtype)
        low, high = code.share(spans)
        for span in code.range(low, high):
            channel = span % channels
            factor = inverse.number(channel)
            if self.weighted:
                factor = factor * weight.number(channel)
            for i, count in code.blocks(inner, lanes):
                mask = code.mask(count, lanes)
                value = (x.vector(span * inner + i, mask=mask) - mean.number(channel)) * factor
                if self.biased:
                    value = value + bias.number(channel)
                y.put(value, span * inner + i, mask)
