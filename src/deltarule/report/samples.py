"""Shows SampleGradients: who pulls hardest, which way, and how noisy that makes the batch."""

from __future__ import annotations

import math

import numpy as np

from deltarule.explain.per_sample.pulls import Pull, SampleGradients
from deltarule.report.charts.charts import Series, heat_map, line_chart, standalone
from deltarule.report.markup import Markup
from deltarule.report.numbers import figure
from deltarule.report.parts import Part, Table
from deltarule.report.words import Words

# Samples in a table.
ROWS = 10


def title(record: SampleGradients, words: Words) -> str:
    """Of the report."""
    return words("samples.title")


def svg(record: SampleGradients, words: Words) -> str:
    """The norms of the gradients, from the hardest pull to the weakest."""
    return standalone(_norms_chart(record, words))


def formulas(record: SampleGradients) -> list[str]:
    """What the gradients of samples are to that of the batch."""
    factor = r"\frac{1}{N} " if record.reduction == "mean" else ""
    return [
        rf"L &= {factor}\sum_{{n}} \ell_{{n}}",
        r"g_{n} &= \frac{\partial \ell_{n}}{\partial \theta}",
        rf"\frac{{\partial L}}{{\partial \theta}} &= {factor}\sum_{{n}} g_{{n}}",
    ]


def parts(record: SampleGradients, words: Words) -> list[Part]:
    """How the gradients add up, who pulls hardest, who against the others, and layer by layer."""
    against = record.against(ROWS)
    found = [
        Part(sentences=_summary(record, words), formulas=formulas(record)),
        Part(
            words("samples.hardest"),
            table=_pulls(record.hardest(ROWS), words),
            pictures=[_norms_chart(record, words)],
        ),
    ]
    if against:
        found.append(Part(words("samples.against"), table=_pulls(against, words)))
    pictures = [_norms_map(record, words), _cosines_map(record, words)] if len(record.layers) > 1 else []
    found.append(Part(words("samples.layers"), table=_layers(record, words), pictures=pictures))
    return found


def _summary(record: SampleGradients, words: Words) -> list[str]:
    sentences = [words("samples.count", samples=record.samples), words(f"samples.{record.reduction}")]
    if record.mixed_by:
        sentences.append(words("samples.mixed", places=", ".join(record.mixed_by)))
    even = [name for name, ways in record.ways.items() if "even" in ways]
    if even:
        sentences.append(words("samples.even", names=", ".join(even)))
    length = float(np.linalg.norm([np.linalg.norm(each) for each in record.batch.values()]))
    if length == 0 or not math.isfinite(length):
        # Neither a direction nor a noise to speak of.
        return [*sentences, words("samples.zero" if length == 0 else "samples.not_finite")]
    count = int((record.cosines_of() < 0).sum())
    sentences.append(words("samples.against_count", count=count, samples=record.samples))
    scale = record.noise().noise_scale
    if math.isinf(scale):
        sentences.append(words("samples.no_signal"))
    elif not math.isnan(scale):
        sentences.append(words("samples.noise", scale=figure(scale)))
    return sentences


def _pulls(pulls: list[Pull], words: Words) -> Table:
    header = [words(f"samples.{name}") for name in ("sample", "norm", "cosine", "share")]
    rows = [
        [str(pull.sample), figure(pull.norm), figure(pull.cosine), f"{figure(100 * pull.share)} %"]
        for pull in pulls
    ]
    return Table(header, rows)


def _layers(record: SampleGradients, words: Words) -> Table:
    names = ("layer", "median", "largest", "opposed", "noise_scale", "pulled_by")
    header = [words(f"samples.{name}") for name in names]
    layers: list[str | None] = [None, *record.layers] if len(record.layers) > 1 else [*record.layers]
    rows = []
    for layer in layers:
        norms = record.norms_of(layer)
        rows.append(
            [
                words("samples.all") if layer is None else layer,
                figure(float(np.median(norms))),
                figure(float(norms.max())),
                str(int((record.cosines_of(layer) < 0).sum())),
                figure(record.noise(layer).noise_scale),
                ", ".join(str(pull.sample) for pull in record.hardest(3, layer)),
            ]
        )
    return Table(header, rows)


def _norms_chart(record: SampleGradients, words: Words) -> Markup:
    names: list[str | None] = [None, *record.layers] if 1 < len(record.layers) <= 9 else [None]
    ranks = list(range(1, record.samples + 1))
    series = [
        Series(
            words("samples.all") if name is None else name,
            ranks,
            np.sort(record.norms_of(name))[::-1].tolist(),
        )
        for name in names
    ]
    return line_chart(
        series,
        title=words("samples.norms_chart"),
        x_label=words("samples.rank"),
        y_label=words("samples.norm"),
    )


def _norms_map(record: SampleGradients, words: Words) -> Markup:
    rows = []
    for layer in record.layers:
        norms = record.norms_of(layer)
        mean = norms.mean()
        rows.append(norms / mean if mean > 0 else norms)
    return heat_map(
        np.array(rows),
        title=words("samples.norms_map"),
        x_label=words("samples.sample"),
        y_label=words("samples.layer"),
        diverging=False,
        row_names=tuple(record.layers),
    )


def _cosines_map(record: SampleGradients, words: Words) -> Markup:
    return heat_map(
        np.array([record.cosines_of(layer) for layer in record.layers]),
        title=words("samples.cosines_map"),
        x_label=words("samples.sample"),
        y_label=words("samples.layer"),
        row_names=tuple(record.layers),
    )
