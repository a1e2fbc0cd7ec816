"""Shows a DerivationCheck: each gradient's verdict, each mistake with its proof and its smallest example."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.derivation_check import DerivationCheck
from deltarule.explain.checking.findings import Cause, Example, Pattern, Term
from deltarule.report.charts.charts import bar_chart, heat_map, standalone
from deltarule.report.markup import Markup
from deltarule.report.numbers import figure, shape_text
from deltarule.report.parts import Part, Table
from deltarule.report.typesetting.plain import plain
from deltarule.report.words import Words

# Arrays of up to so many elements are written out.
_WRITTEN = 24
_CELLS = 2000


def title(record: DerivationCheck, words: Words) -> str:
    """What the report is called."""
    return words("derivation_check.title")


def svg(record: DerivationCheck, words: Words) -> str:
    """Where the first wrong gradient differs; the relative errors where none does."""
    for term in record.terms:
        picture = _difference(term, words)
        if picture is not None:
            return standalone(picture)
    # What could not be compared has no error.
    compared = [term for term in record.terms if not np.isnan(term.error)]
    names = [f"∂L/∂{term.name}" for term in compared]
    errors = [term.error if np.isfinite(term.error) else 1.0 for term in compared]
    chart = bar_chart(
        names, errors, title=words("derivation_check.errors"), value_label=words("derivation_check.error")
    )
    return standalone(chart)


def formulas(record: DerivationCheck) -> list[str]:
    """The right equation of each mistake, or what was claimed where nothing is wrong."""
    found = [cause.right for cause in record.causes if cause.right]
    found = found or [term.latex for term in record.terms if term.latex]
    return [line.replace(" = ", " &= ", 1) for line in found]


def parts(record: DerivationCheck, words: Words) -> list[Part]:
    """Each gradient judged, then the mistakes with their smallest examples, then the details."""
    found = [Part(sentences=_summary(record, words))]
    found.append(Part(words("derivation_check.terms"), table=_terms(record, words)))
    for number, (cause, example) in enumerate(zip(record.causes, record.examples, strict=True), 1):
        found.extend(_mistake(number, cause, example, words))
    for term in record.terms:
        found.extend(_details(term, words))
    return found


def _summary(record: DerivationCheck, words: Words) -> list[str]:
    wrong = [f"∂L/∂{term.name}" for term in record.terms if term.status == "wrong"]
    unknown = [term for term in record.terms if term.status == "not shown"]
    count = len(record.terms)
    sentences = []
    if wrong:
        sentences.append(
            words("derivation_check.some_wrong", wrong=len(wrong), count=count, names=", ".join(wrong))
        )
    elif not unknown:
        sentences.append(words("derivation_check.all_right", count=count))
    for key, finite in (("not_shown_summary", True), ("not_finite_summary", False)):
        names = ", ".join(f"∂L/∂{term.name}" for term in unknown if term.finite == finite)
        if names:
            sentences.append(words(f"derivation_check.{key}", names=names))
    if record.forward_error is not None and record.forward_error > 1e-6:
        sentences.append(words("derivation_check.forward", error=figure(record.forward_error)))
    sentences.append(words("derivation_check.method", trials=record.trials))
    if record.reference_error is not None:
        sentences.append(words("derivation_check.reference", error=figure(record.reference_error)))
    return sentences


def _terms(record: DerivationCheck, words: Words) -> Table:
    header = [words(f"derivation_check.{name}") for name in ("gradient", "verdict", "error", "note")]
    rows = []
    for term in record.terms:
        notes = []
        if term.problem:
            notes.append(words("derivation_check.problem", problem=term.problem))
        elif not term.finite:
            notes.append(words("derivation_check.not_finite"))
        if term.shown_by == "other" and term.status != "not shown" and not term.problem:
            notes.append(words("derivation_check.other_numbers"))
        misshapen = term.given is not None and term.given.shape != term.expected.shape
        if term.given is not None and misshapen:
            notes.append(
                words(
                    "derivation_check.shape",
                    given=_shape(term.given),
                    expected=_shape(term.expected),
                )
            )
        if term.kinks:
            notes.append(words("derivation_check.kinks", count=len(term.kinks)))
        causes = record.causes_of(term.name)
        notes.extend(words(f"derivation_check.name.{cause.kind}") for cause in causes)
        error = "" if term.problem or misshapen or not term.finite else figure(term.error)
        rows.append([f"∂L/∂{term.name}", words(f"derivation_check.{term.status}"), error, "; ".join(notes)])
    return Table(header, rows)


# ---- a mistake


def _mistake(number: int, cause: Cause, example: Example | None, words: Words) -> list[Part]:
    name = words(f"derivation_check.name.{cause.kind}")
    sentences = [_says(cause, words), *_where(cause, words)]
    if cause.extent and cause.factor is not None:
        extent = words(f"derivation_check.extent.{cause.extent}")
        sentences.append(words("derivation_check.counts", extent=extent))
    elif cause.factor is not None and cause.kind not in ("factor", "sign", "mean_for_sum"):
        sentences.append(words("derivation_check.besides", factor=figure(cause.factor)))
    names = ", ".join(f"∂L/∂{term}" for term in cause.terms)
    sentences.append(words("derivation_check.concerns", names=names))
    if cause.part:
        sentences.append(words("derivation_check.your_part", part=cause.part))
    if cause.corrected:
        sentences.append(words("derivation_check.corrected", formula=cause.corrected))
    if cause.trials:
        key = "proof_formula" if cause.corrected else "proof"
        sentences.append(words(f"derivation_check.{key}", trials=cause.trials, error=figure(cause.error)))
    found = [Part(words("derivation_check.mistake", number=number, name=name), sentences)]
    if cause.right:
        found.append(Part(sentences=[words("derivation_check.equation_right")], formulas=[cause.right]))
        found.append(Part(sentences=[words("derivation_check.equation_faulty")], formulas=[cause.faulty]))
    if example is not None:
        found.extend(_example(example, words))
    return found


def _says(cause: Cause, words: Words) -> str:
    subject, used = _shown(cause, cause.subject), _shown(cause, cause.used)
    key = f"derivation_check.says.{cause.kind}"
    if cause.kind in ("transposed", "missing_sum") and subject:
        key += "_part"
    if cause.extent in ("batch", "time"):
        axis = words(f"derivation_check.axis.{cause.extent}")
    else:
        axis = words("derivation_check.axis.number", axes=", ".join(str(each) for each in cause.axes))
    gates = cause.place.gate or f"{cause.used}"
    return words(
        key,
        subject=subject,
        used=used,
        value=cause.place.value,
        factor="" if cause.factor is None else figure(cause.factor),
        gates=gates,
        axis=axis,
    )


def _shown(cause: Cause, formula: str) -> str:
    """A part as text: LaTeX where it comes from an operation's formula, the user's notation elsewhere."""
    return formula if cause.corrected or not cause.place.operation else plain(formula)


def _where(cause: Cause, words: Words) -> list[str]:
    place = cause.place
    found = []
    if place.operation:
        if place.of == 1:
            found.append(words("derivation_check.where.one", operation=place.operation))
        elif place.number is None:
            found.append(words("derivation_check.where.all", operation=place.operation, of=place.of))
        else:
            found.append(
                words(
                    "derivation_check.where.number",
                    operation=place.operation,
                    number=place.number + 1,
                    of=place.of,
                )
            )
        if place.layer:
            found.append(words("derivation_check.where.layer", layer=place.layer))
        if place.value in ("hidden", "cell") and cause.kind == "missing_recurrent":
            found.append(words(f"derivation_check.where.{place.value}"))
    elif cause.corrected:
        line = cause.corrected.partition(" = ")[0]
        found.append(words("derivation_check.where.line", line=line))
    if place.gate and cause.kind != "swapped_gates":
        found.append(words("derivation_check.where.gate", gate=place.gate))
    if place.step is not None:
        found.append(words("derivation_check.where.step", step=place.step))
    elif place.steps > 1:
        found.append(words("derivation_check.where.steps"))
    separator = "；" if words.language == "zh" else ", "
    return [words("derivation_check.where", places=separator.join(found))] if found else []


def _example(example: Example, words: Words) -> list[Part]:
    rows = [[name, _array(array)] for name, array in example.numbers.items()]
    upstream = [each for each in example.upstream if each.size > 1 or example.lines == ()]
    rows.extend([words("derivation_check.upstream"), _array(each)] for each in upstream)
    rows.append([words("derivation_check.expected", name=example.term), _array(example.expected)])
    rows.append([words("derivation_check.given", name=example.term), _array(example.given)])
    header = [words("derivation_check.array"), words("derivation_check.value")]
    found = [Part(words("derivation_check.example"), table=Table(header, rows))]
    if example.lines:
        header = [words(f"derivation_check.{name}") for name in ("whose", "formula", "arithmetic", "value")]
        lines = [
            [
                words("derivation_check.line_right" if line.right else "derivation_check.line_wrong"),
                plain(line.formula),
                line.arithmetic,
                figure(line.value),
            ]
            for line in example.lines
        ]
        found.append(Part(table=Table(header, lines)))
    return found


def _shape(array: Array) -> str:
    return f"({shape_text(array.shape)})" if array.ndim else "()"


def _array(array: Array) -> str:
    """A small array written out, the shape of a larger one."""
    if array.size > _WRITTEN:
        return shape_text(array.shape)
    if array.ndim == 0:
        return figure(float(array))
    return f"[{', '.join(_array(part) for part in array)}]"


# ---- a term


def _details(term: Term, words: Words) -> list[Part]:
    found = []
    if term.formula:
        formulas = [term.latex] if term.latex else []
        sentences = [f"∂L/∂{term.name} = {term.formula}"]
        if formulas:
            sentences.append(words("derivation_check.understood"))
        found.append(
            Part(
                words("derivation_check.parts", name=term.name),
                sentences,
                formulas,
                table=_pieces(term, words),
            )
        )
    if term.status != "wrong":
        return found
    if term.pattern is not None:
        heading = words("derivation_check.unexplained", name=term.name)
        found.append(Part(heading, _pattern(term.pattern, words)))
    heading = f"∂L/∂{term.name}: "
    if term.blocks:
        header = [words(f"derivation_check.{name}") for name in ("gate", "rows", "error", "verdict")]
        rows = [
            [block.gate, f"{block.start}–{block.stop - 1}", figure(block.error), _mark(block.right, words)]
            for block in term.blocks
        ]
        found.append(Part(heading + words("derivation_check.blocks"), table=Table(header, rows)))
    if term.steps:
        header = [words(f"derivation_check.{name}") for name in ("step", "error", "verdict")]
        rows = [[str(step.step), figure(step.error), _mark(step.right, words)] for step in term.steps]
        found.append(Part(heading + words("derivation_check.steps"), table=Table(header, rows)))
    picture = _difference(term, words)
    if picture is not None:
        found.append(Part(pictures=[picture]))
    return found


def _mark(right: bool, words: Words) -> str:
    return words("derivation_check.right" if right else "derivation_check.wrong")


def _pieces(term: Term, words: Words) -> Table | None:
    if not term.parts:
        return None
    header = [words(f"derivation_check.{name}") for name in ("part", "verdict", "meaning")]
    rows = []
    for part in term.parts:
        verdict = words("derivation_check.unknown") if part.right is None else _mark(part.right, words)
        rows.append([part.text, verdict, part.meaning])
    return Table(header, rows)


def _pattern(pattern: Pattern, words: Words) -> list[str]:
    sentences = [words("derivation_check.pattern", wrong=pattern.wrong, size=pattern.size)]
    if pattern.rows:
        sentences.append(words("derivation_check.pattern_rows", rows=_listed(pattern.rows)))
    if pattern.columns:
        sentences.append(words("derivation_check.pattern_columns", columns=_listed(pattern.columns)))
    if pattern.correlation is not None and pattern.scale is not None:
        sentences.append(
            words(
                "derivation_check.correlation",
                correlation=figure(pattern.correlation),
                scale=figure(pattern.scale),
            )
        )
    for name, pairs in (("lengths", pattern.lengths), ("losses", pattern.losses)):
        if pairs:
            values = ", ".join(f"{place}: {figure(error)}" for place, error in pairs)
            sentences.append(words(f"derivation_check.{name}", values=values))
    return sentences


def _listed(places: Sequence[int]) -> str:
    shown = [str(place) for place in places[:10]]
    return ", ".join([*shown, "…"] if len(places) > 10 else shown)


def _difference(term: Term, words: Words) -> Markup | None:
    """Where a wrong matrix differs; None for what is no matrix."""
    if term.status != "wrong" or term.given is None or term.given.shape != term.expected.shape:
        return None
    if term.expected.ndim != 2 or not 1 < term.expected.size <= _CELLS:
        return None
    if not np.all(np.isfinite(term.given)):
        return None
    return heat_map(
        term.given - term.expected,
        title=words("derivation_check.difference", name=term.name),
        x_label=words("derivation_check.column"),
        y_label=words("derivation_check.row"),
    )
