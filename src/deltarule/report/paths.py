"""Shows Paths: how many there are, the largest with their local gradients, and the share of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from deltarule.explain.through_time.paths import Path, Paths
from deltarule.report.charts.charts import Series, bar_chart, line_chart, standalone
from deltarule.report.markup import Markup
from deltarule.report.numbers import figure
from deltarule.report.parts import Part, Table
from deltarule.report.words import Words

# Values that a path is written with; of a longer one the middle is left out.
_VALUES = 12
# Paths that a chart shows, and those written as formulas, which have few edges.
_CHARTED, _WRITTEN, _FACTORS = 8, 6, 9


def title(record: Paths, words: Words) -> str:
    """From where to where."""
    return words("paths.title", loss=record.loss, target=record.target)


def parts(record: Paths, words: Words) -> list[Part]:
    """How many paths there are, and the largest."""
    found = [Part(sentences=_sentences(record, words), formulas=formulas(record))]
    if record.paths:
        pictures = _pictures(record, words)
        found.append(Part(words("paths.largest"), table=_table(record, words), pictures=pictures))
    return found


def svg(record: Paths, words: Words) -> str:
    """The shares of the largest paths, or their sizes where the gradient is 0."""
    return standalone(_bars(record, words))


def formulas(record: Paths) -> list[str]:
    """The gradient as a sum over paths, and the largest of them where all that they pass are numbers."""
    loss, target = record.loss_latex, record.target_latex
    whole = rf"\frac{{\partial {loss}}}{{\partial {target}}}"
    found = [rf"{whole} &= \sum_{{p}} \prod_{{e \in p}} \frac{{\partial v_{{e}}}}{{\partial u_{{e}}}}"]
    for path in record.paths[:_WRITTEN]:
        if 0 < len(path.edges) <= _FACTORS and all(edge.local is not None for edge in path.edges):
            letters = [loss, *(edge.latex for edge in path.edges)]
            factors = [
                rf"\frac{{\partial {before}}}{{\partial {after}}}" for before, after in pairwise(letters)
            ]
            found.append(rf"p_{{{len(found)}}} &= {' '.join(factors)} = {_numbers_latex(path)}")
    return found


def _numbers_latex(path: Path) -> str:
    """1.00 · (−0.5) · 0.2 = −0.1"""
    written = r" \cdot ".join(_in_brackets(edge.local) for edge in path.edges if edge.local is not None)
    return rf"{written} = {_latex_number(float(path.contribution.item()))}"


def _in_brackets(value: float) -> str:
    text = _latex_number(value)
    return rf"\left({text}\right)" if value < 0 else text


def _latex_number(value: float) -> str:
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa


def _sentences(record: Paths, words: Words) -> list[str]:
    found = [words("paths.count", count=count_text(record.count))]
    if record.count_by_use != record.count:
        key = "paths.each_use" if record.each_use else "paths.by_use"
        found.append(words(key, count=count_text(record.count_by_use)))
    if record.deviation is not None:
        found.append(words("paths.complete", deviation=figure(float(f"{record.deviation:.1e}"))))
    else:
        found.append(
            words(
                "paths.dropped",
                followed=count_text(record.followed),
                width=record.width,
                dropped=count_text(record.dropped),
            )
        )
    if record.vanished:
        found.append(words("paths.vanished", count=count_text(record.vanished)))
    if record.closed:
        found.append(words("paths.closed", count=record.closed))
    return found


def count_text(count: int) -> str:
    """A whole number of any size: in full up to nine digits, then as a power of ten.

    >>> count_text(20100), count_text(2**60), count_text(10**400)
    ('20,100', '1.15·10¹⁸', '1·10⁴⁰⁰')
    """
    if count < 10**9:
        return f"{count:,}"
    exponent = len(str(count)) - 1
    mantissa = count // 10 ** (exponent - 2) / 100
    raised = str(exponent).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa:.3g}·10{raised}"


def _table(record: Paths, words: Words) -> Table:
    scalars = all(edge.local is not None for path in record.paths for edge in path.edges)
    number = all(path.contribution.size == 1 for path in record.paths)
    keys = ["rank", "way", "product" if scalars else "operations", "size", "share"]
    header = [words(f"paths.{key}") for key in keys]
    if number:
        header.append(words("paths.value"))
    rows = []
    for rank, path in enumerate(record.paths, 1):
        row = [
            str(rank),
            _chain([record.loss, *(edge.value for edge in path.edges)], " ← "),
            _product(path) if scalars else _operations(path, words),
            figure(path.size),
            "" if path.share is None else figure(path.share),
        ]
        rows.append([*row, figure(path.contribution.item())] if number else row)
    return Table(header, rows)


def _product(path: Path) -> str:
    return _chain([figure(edge.local) for edge in path.edges if edge.local is not None], " · ")


def _operations(path: Path, words: Words) -> str:
    named = []
    for edge in path.edges:
        name = edge.operation
        if edge.position is not None:
            name = words("paths.use", operation=name, position=edge.position + 1)
        named.append(name)
    return _chain(named, ", ")


def _chain(names: Sequence[str], between: str) -> str:
    if len(names) > _VALUES:
        half = _VALUES // 2
        names = [*names[:half], "…", *names[-half:]]
    return between.join(names)


def _pictures(record: Paths, words: Words) -> list[Markup]:
    found = [_bars(record, words), _along(record, words)]
    sizes = record.sizes
    if len(sizes) > _CHARTED:
        found.append(
            line_chart(
                [Series(words("paths.sizes"), range(1, len(sizes) + 1), sizes.tolist())],
                title=words("paths.sizes_chart"),
                x_label=words("paths.order"),
                y_label=words("paths.sizes"),
                log_y=True,
            )
        )
    return found


def _bars(record: Paths, words: Words) -> Markup:
    shown = record.paths[:_CHARTED]
    names = [words("paths.numbered", number=number) for number in range(1, len(shown) + 1)]
    shares = [path.share for path in shown if path.share is not None]
    if len(shares) < len(shown):
        values = [path.size for path in shown]
        return bar_chart(names, values, title=words("paths.sizes_chart"), value_label=words("paths.sizes"))
    return bar_chart(names, shares, title=words("paths.shares_chart"), value_label=words("paths.share"))


def _along(record: Paths, words: Words) -> Markup:
    series = [
        Series(
            words("paths.numbered", number=number),
            range(1, len(path.edges) + 1),
            [edge.size for edge in path.edges],
        )
        for number, path in enumerate(record.paths[:_CHARTED], 1)
    ]
    return line_chart(
        series,
        title=words("paths.along"),
        x_label=words("paths.edge"),
        y_label=words("paths.sizes"),
        log_y=True,
    )
