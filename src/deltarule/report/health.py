"""Shows a Health: the causes on top with their evidence, remedy and trial; below, what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deltarule.explain.training_health.causes.finding import Finding
from deltarule.explain.training_health.health import Health
from deltarule.explain.training_health.remedy import Trial
from deltarule.report.charts.charts import standalone
from deltarule.report.document import document, folded, section, table
from deltarule.report.health_charts import course_charts, depth_chart, trial_chart
from deltarule.report.health_tables import Table, tables
from deltarule.report.markup import Markup, tag
from deltarule.report.numbers import figure
from deltarule.report.typesetting.tex import tex_document, tex_escape
from deltarule.report.words import Words

# Evidence and arguments that are shares, and those of which one digit is enough.
_SHARES = frozenset(("share", "saturated", "dead", "clipped", "noise", "kept", "probability"))
_SHARES_OF = {"class_imbalance": frozenset(("largest", "smallest"))}
# As many charts beside each other as there is room for.
_STYLE = (
    ".charts{display:grid;gap:1.5rem 2rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}"
    ".charts .note{grid-column:1/-1;margin:0}"
)
_ROUGH = frozenset(("factor", "least_factor", "times", "scale", "horizon"))


@dataclass(frozen=True)
class Said:
    """A finding in words."""

    title: str
    why: str
    evidence: tuple[tuple[str, str], ...]
    remedy: str
    trial: str
    step: str


def html(health: Health, words: Words) -> str:
    """The page."""
    said = spoken(health, words)
    blocks = [_finding(each, place, health, words) for place, each in enumerate(said)]
    measured = [
        section(each.heading, table(each.header, each.rows), note=each.note, level=3)
        for each in tables(health, words)
    ]
    return document(
        _title(health, words),
        section(
            words("health.findings"), tag("p", _summary(health, words)), *blocks, note=_looked(health, words)
        ),
        section(words("health.course"), tag("div", *course_charts(health, words), class_="charts")),
        section(words("health.measured"), *measured, note=words("health.measured_note")),
        words=words,
        style=_STYLE,
    )


def svg(health: Health, words: Words) -> str:
    """The gradient over depth, at the first and the last measurement."""
    return standalone(depth_chart(health, words))


def text(health: Health, words: Words) -> str:
    """Plain text: findings, then the tables."""
    lines = [findings_text(health, words)]
    for found in tables(health, words):
        lines += [found.heading, *_columns(found), ""]
    return "\n".join(lines).rstrip() + "\n"


def findings_text(health: Health, words: Words) -> str:
    """Plain text: the findings alone."""
    lines = [_title(health, words), "", _summary(health, words), _looked(health, words), ""]
    for number, each in enumerate(spoken(health, words), 1):
        lines += [
            f"{number}. {each.title} ({each.step})",
            f"   {each.why}",
            f"   {_colon(words, 'remedy')}{each.remedy}",
        ]
        lines += [f"   {each.trial}", ""] if each.trial else [""]
    return "\n".join(lines)


def markdown(health: Health, words: Words) -> str:
    """Markdown with the same tables."""
    lines = [f"# {_cell(_title(health, words))}", "", _summary(health, words), "", _looked(health, words), ""]
    for each in spoken(health, words):
        lines += [f"## {_cell(each.title)}", "", _cell(each.why), ""]
        lines += [f"- {_cell(name)}: {_cell(value)}" for name, value in each.evidence]
        lines += [
            "",
            f"**{words('health.remedy')}** ({each.step}): {_cell(each.remedy)} {_cell(each.trial)}".rstrip(),
            "",
        ]
    for found in tables(health, words):
        lines += [f"## {_cell(found.heading)}", ""]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in (found.header,)]
        lines += [f"|{'---|' * len(found.header)}"]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in found.rows]
        lines += ["", _cell(found.note), ""] if found.note else [""]
    return "\n".join(lines).rstrip() + "\n"


def latex(health: Health, words: Words) -> str:
    """A LaTeX document."""
    parts = [tex_escape(_summary(health, words)), tex_escape(_looked(health, words))]
    for each in spoken(health, words):
        parts.append(rf"\section*{{{tex_escape(each.title)}}}")
        parts.append(tex_escape(each.why))
        evidence = [rf"\item {tex_escape(name)}: {tex_escape(value)}" for name, value in each.evidence]
        if evidence:
            parts.append("\n".join([r"\begin{itemize}", *evidence, r"\end{itemize}"]))
        told = f"{each.remedy} {each.trial}".rstrip()
        parts.append(
            rf"\textbf{{{tex_escape(words('health.remedy'))}}} ({tex_escape(each.step)}): {tex_escape(told)}"
        )
    for found in tables(health, words):
        parts += [rf"\section*{{{tex_escape(found.heading)}}}", _tabular(found)]
        if found.note:
            parts.append(tex_escape(found.note))
    return tex_document(_title(health, words), *parts, words=words)


def spoken(health: Health, words: Words) -> list[Said]:
    """The findings in words, in their order."""
    tried: Sequence[Trial | None] = health.trials or [None] * len(health.findings)
    return [_said(finding, trial, words) for finding, trial in zip(health.findings, tried, strict=True)]


def _said(finding: Finding, trial: Trial | None, words: Words) -> Said:
    def layer(name: str) -> str:
        return words("health.this_layer", layer=name) if name else words("health.whole")

    shares = _SHARES | _SHARES_OF.get(finding.cause, frozenset())
    evidence = {name: _value(name, value, shares) for name, value in finding.evidence.items()}
    told = {**evidence, "layer": layer(finding.layer)}
    arguments = {name: _value(name, value, shares) for name, value in finding.remedy.arguments.items()}
    arguments["layer"] = layer(str(finding.remedy.arguments.get("layer", finding.layer)))
    # A learning rate may be beyond all that was tried: how far is then not known.
    beyond = "_beyond" if "least_factor" in evidence else ""
    title = words(f"cause.title{beyond}.{finding.cause}", **told)
    return Said(
        title[:1].upper() + title[1:],
        words(f"cause.why{beyond}.{finding.cause}", **told),
        tuple((words(f"cause.of.{name}"), value) for name, value in evidence.items()),
        words(f"remedy.{finding.remedy.key}", **arguments),
        "" if trial is None else _tried(trial, words),
        words("health.at_step", step=finding.step),
    )


def _value(name: str, value: Any, shares: frozenset[str]) -> str:
    if isinstance(value, str):
        return value
    if name in shares:
        return f"{figure(100 * value)} %"
    if name in _ROUGH and math.isfinite(value):
        return figure(float(f"{value:.1g}"))
    return figure(value)


def _tried(trial: Trial, words: Words) -> str:
    if trial.outcome in ("advice", "unchanged"):
        return words(f"remedy.trial.{trial.reason or 'advice'}")

    def end(loss: float) -> str:
        return figure(loss) if math.isfinite(loss) else words("remedy.trial.diverged")

    told = words(
        f"remedy.trial.{trial.outcome}",
        steps=trial.steps,
        before=end(trial.unchanged_end),
        after=end(trial.remedied_end),
    )
    before, after = trial.unchanged_accuracy, trial.remedied_accuracy
    if before is None or after is None:
        return told
    shares = {"before": f"{figure(100 * before)} %", "after": f"{figure(100 * after)} %"}
    return words("remedy.trial.accuracy", told=told, **shares)


def _finding(said: Said, place: int, health: Health, words: Words) -> Markup:
    trial = health.trials[place] if health.trials else None
    picture = trial_chart(trial, words) if trial is not None and trial.places else None
    return section(
        f"{place + 1}. {said.title}",
        tag("p", said.why),
        tag("p", tag("strong", _colon(words, "remedy")), said.remedy),
        tag("p", said.trial) if said.trial else None,
        picture,
        folded(
            words("health.evidence"),
            table((words("health.name"), words("health.value")), said.evidence),
        ),
        note=said.step,
        level=3,
        name=f"finding-{place + 1}",
    )


def _title(health: Health, words: Words) -> str:
    return words("health.title", name=health.name or words("health.unnamed"))


def _summary(health: Health, words: Words) -> str:
    if health.healthy:
        return words("health.healthy")
    return words("health.count", count=len(health.findings))


def _looked(health: Health, words: Words) -> str:
    steps = [str(each.step) for each in health.history]
    shown = steps if len(steps) <= 12 else [*steps[:5], "…", *steps[-5:]]
    return words("health.looked", rows=health.last.rows, steps=", ".join(shown))


def _colon(words: Words, key: str) -> str:
    return f"{words(f'health.{key}')}{'：' if words.language == 'zh' else ': '}"


def _cell(cell: str) -> str:
    """Text inside a table or a line of Markdown, where some signs would be markup."""
    for sign in ("\\", "|", "*", "_", "`", "<", "[", "#"):
        cell = cell.replace(sign, f"\\{sign}")
    return " ".join(cell.split())


def _columns(found: Table) -> list[str]:
    rows = [found.header, *found.rows]
    widths = [max(_width(row[place]) for row in rows) for place in range(len(found.header))]
    return [
        "  "
        + "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _width(cell: str) -> int:
    """Columns of a terminal that a text takes: Chinese characters take two."""
    return sum(2 if "\u2e80" <= sign <= "\uffef" else 1 for sign in cell)


def _tabular(found: Table) -> str:
    escape: Callable[[str], str] = tex_escape
    lines = [" & ".join(map(escape, row)) + r" \\" for row in (found.header, *found.rows)]
    # Long names break in their column.
    share = 0.94 / len(found.header)
    columns = rf"p{{{share:.3f}\linewidth}}" * len(found.header)
    return "\n".join(
        [
            r"\begingroup\footnotesize\setlength{\tabcolsep}{2pt}\raggedright",
            *_pages(lines, columns),
            r"\endgroup",
        ]
    )


def _pages(lines: Sequence[str], columns: str, rows: int = 36) -> list[str]:
    """Tables that fit on a page, each under the same head."""
    head, body = lines[0], lines[1:]
    found = []
    for start in range(0, max(len(body), 1), rows):
        part = body[start : start + rows]
        found += [
            rf"\noindent\begin{{tabular}}{{{columns}}}",
            r"\hline",
            head,
            r"\hline",
            *part,
            r"\hline",
            r"\end{tabular}",
            "",
        ]
    return found
