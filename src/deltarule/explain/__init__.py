"""Explain: the back-propagation of any computation as plain records: formulas, numbers, paths, flow, health.

    import deltarule as dr
    dr.explain(loss).html("page.html")      the four linked views: graph, formulas, numbers, code
    dr.explain.derive(loss)                 the formulas alone

Each record can be shown as a page, LaTeX, Markdown and text (see `Shown`); nothing here writes a sentence
or draws a picture, and nothing is trained but by `deltarule.training`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from deltarule.explain.checking.derivation_check import DerivationCheck, check_derivation
from deltarule.explain.comparison.compare import Comparison, GradientLook, Run, TimeGradients, compare, vary
from deltarule.explain.derivations.derivation import Derivation, Statement, derive
from deltarule.explain.derivations.program import Program
from deltarule.explain.examples import EXAMPLES, example
from deltarule.explain.explanation import Explanation, explain
from deltarule.explain.per_sample.pulls import GradientNoise, Pull, SampleGradients
from deltarule.explain.per_sample.samples import sample_gradients
from deltarule.explain.record.trace import Step, Trace, Value
from deltarule.explain.shown import Shown
from deltarule.explain.through_time.flow import Flow, flow
from deltarule.explain.through_time.layer_flow import LayerFlow
from deltarule.explain.through_time.paths import Path, Paths, paths
from deltarule.explain.training_health.causes import Finding, findings
from deltarule.explain.training_health.causes.finding import Remedy
from deltarule.explain.training_health.health import Health, health
from deltarule.explain.training_health.probe import vitals
from deltarule.explain.training_health.remedy import Trial, try_remedy
from deltarule.explain.training_health.setup import Setup
from deltarule.explain.training_health.vitals import Vitals
from deltarule.explain.training_health.watch import Watch

__all__ = [
    "Comparison",
    "Derivation",
    "DerivationCheck",
    "EXAMPLES",
    "Explanation",
    "Finding",
    "Flow",
    "GradientLook",
    "GradientNoise",
    "Health",
    "LayerFlow",
    "Path",
    "Paths",
    "Program",
    "Pull",
    "Remedy",
    "Run",
    "SampleGradients",
    "Setup",
    "Shown",
    "Statement",
    "Step",
    "TimeGradients",
    "Trace",
    "Trial",
    "Value",
    "Vitals",
    "Watch",
    "check_derivation",
    "compare",
    "derive",
    "example",
    "explain",
    "findings",
    "flow",
    "health",
    "paths",
    "sample_gradients",
    "try_remedy",
    "vary",
    "vitals",
]


class _CallableModule(ModuleType):
    """`dr.explain(loss)` is `dr.explain.explain(loss)`."""

    def __call__(self, *arguments: Any, **options: Any) -> Explanation:
        return explain(*arguments, **options)


sys.modules[__name__].__class__ = _CallableModule
