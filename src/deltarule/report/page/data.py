"""The data of an explanation's page: everything that its four views show, as plain values.

Symbols in formulas are marked with keys that the views share: v3 is the value of number 3, g3 its gradient.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from deltarule.autodiff.formula.expression import Equation
from deltarule.autodiff.formula.latex import latex_lines
from deltarule.explain.derivations.derivation import Statement
from deltarule.explain.explanation import Explanation
from deltarule.explain.record.arithmetic import local_gradients, shares
from deltarule.explain.record.trace import Step, Value
from deltarule.operations.elementwise import Elementwise
from deltarule.report.graph.layout import layout
from deltarule.report.legend import legend
from deltarule.report.meaning import meaning
from deltarule.report.page.arrays import FEW, PageArrays
from deltarule.report.page.formula import formula_tree
from deltarule.report.typesetting.notation import in_language
from deltarule.report.typesetting.plain import plain
from deltarule.report.typesetting.repeated_mathml import repeated_mathml
from deltarule.report.words import Words

# Steps at the top from which on layers are folded when the page opens.
_MANY_STEPS = 40


def page_data(explanation: Explanation, words: Words) -> dict[str, Any]:
    """What the page reads; see the module's text."""
    return _PageData(explanation, words).all()


class _PageData:
    def __init__(self, explanation: Explanation, words: Words):
        self.explanation, self.words = explanation, words
        self.trace, self.notation = explanation.trace, explanation.notation
        self.marks = self.notation.marks()
        self.identifiers = {sign.identifier: number for number, sign in self.notation.signs.items()}
        self.gradients = {
            self.notation.gradient(number): sign.identifier for number, sign in self.notation.signs.items()
        }
        for name in explanation.names:
            # A part of a gradient, that which comes by way of one group, lights up with the whole.
            part = re.fullmatch(r"(.+)_(?:s|in)\d+", f"grad_{name}")
            for whole in (part.group(1), part.group(1).removeprefix("grad_")) if part else ():
                if whole in self.gradients:
                    self.marks[f"grad_{name}" if whole.startswith("grad_") else name] = self.marks[whole]
        self.top = explanation.derivation.notation.steps
        self.orders: dict[int, int] = {}
        self._count([step.number for step in self.top])
        self.arrays = PageArrays(list(self._sizes()))
        self.math: dict[str, str] = {}

    def all(self) -> dict[str, Any]:
        boxes, box_of = self._boxes()
        equations = self._equations()
        self.equations_of: dict[int, list[dict[str, Any]]] = {}
        for equation in equations:
            for number in equation["steps"]:
                self.equations_of.setdefault(number, []).append(equation)
        data: dict[str, Any] = {
            "title": self.explanation.title,
            "words": self.words.under("explanation"),
            "loss": self.trace.loss,
            "largestError": self.explanation.largest_error,
            "values": [self._value(value) for value in self.trace.values],
            "steps": [self._step(step, box_of.get(step.number)) for step in self.trace.steps],
            "boxes": boxes,
            "equations": equations,
            "code": self._code(),
            "legend": self._legend(),
        }
        data["layout"] = layout(data)
        return data

    def _count(self, numbers: Iterable[int]) -> None:
        """The place of every step in the order of computation, what is inside a group right after it."""
        for number in numbers:
            self.orders[number] = len(self.orders)
            self._count(self.trace.steps[number].children)

    def _sizes(self) -> Iterable[int]:
        for value in self.trace.values:
            yield value.array.size
            if value.gradient is not None:
                yield value.gradient.size
        for step in self.trace.steps:
            yield from (each.size for each in step.contributions if each is not None)

    # ---- parts

    def _formula(self, latex: str) -> str:
        if latex not in self.math:
            self.math[latex] = repeated_mathml(latex)
        return self.math[latex]

    def _symbol(self, number: int) -> str:
        sign = self.notation.signs[number]
        return sign.whole if self.trace.values[number].array.ndim else sign.scalar

    def _value(self, value: Value) -> dict[str, Any]:
        sign = self.notation.signs[value.number]
        uses = [self.trace.steps[number] for number, _ in value.used_by]
        visible = [step for step in uses if step.parent == value.parent or step in self.top]
        parts = shares(self.trace, value, visible)
        several = len(parts) > 1
        return {
            "id": value.number,
            "name": sign.identifier,
            "gradientName": self.notation.gradient(value.number),
            "math": self._formula(self._symbol(value.number)),
            "plain": plain(self._symbol(value.number)),
            **self._letters(value),
            "kind": value.kind,
            "label": value.label,
            "layer": value.scope,
            "shape": list(value.array.shape),
            "meaning": meaning(self.notation, value.number, self.words),
            "madeBy": value.made_by,
            "usedBy": [number for number, _ in value.used_by],
            "parent": value.parent,
            "array": self.arrays.written(value.array),
            "gradient": self.arrays.written(value.gradient),
            "shares": [
                {
                    "step": each.step,
                    "input": each.position,
                    "share": each.share,
                    "array": self.arrays.written(each.contribution) if several else None,
                }
                for each in parts
            ],
        }

    def _letters(self, value: Value) -> dict[str, str]:
        """Letters of single elements, and of the gradient where it is not ∂L/∂value."""
        sign = self.notation.signs[value.number]
        letters = (
            {} if sign.scalar == self._symbol(value.number) else {"elementMath": self._formula(sign.scalar)}
        )
        if value.number in self.notation.deltas:
            scalar, whole = self.explanation.names[self.notation.gradient(value.number)]
            letters["elementGradientMath"] = self._formula(scalar)
            letters["gradientMath"] = self._formula(whole if value.array.ndim else scalar)
            letters["gradientPlain"] = plain(whole if value.array.ndim else scalar)
        return letters

    def _step(self, step: Step, box: int | None) -> dict[str, Any]:
        number = step.number
        own = self.equations_of.get(number, [])
        # Only what a page writes out with numbers: of larger arrays it shows the values' own pictures.
        small = all(self.trace.values[each].array.size <= FEW for each in (*step.inputs, *step.outputs))
        contributions = step.contributions or (None,) * len(step.inputs)
        return {
            "id": number,
            "operation": step.operation,
            "title": step.operation,
            "layer": step.scope,
            "inputs": list(step.inputs),
            "outputs": list(step.outputs),
            "parent": step.parent,
            "children": list(step.children),
            "box": box,
            "order": self._order(step),
            # A group whose inside the formulas show opens with the page.
            "open": bool(step.children) and number not in self.orders,
            "forward": [each["id"] for each in own if each["kind"] == "forward"],
            "backward": [each["id"] for each in own if each["kind"] != "forward"],
            "elementwise": isinstance(step.node.operation, Elementwise),
            "local": [self.arrays.written(each) for each in local_gradients(self.trace, step)]
            if small
            else None,
            "upstream": [self.arrays.written(each) if small else None for each in step.upstream],
            "contributions": [self.arrays.written(each) if small else None for each in contributions],
        }

    def _order(self, step: Step) -> int:
        """Its place; of a group that the derivation looks into, that of its first step."""
        if step.number in self.orders or not step.children:
            return self.orders.get(step.number, step.number)
        return min(self._order(self.trace.steps[child]) for child in step.children)

    def _boxes(self) -> tuple[list[dict[str, Any]], dict[int, int]]:
        """Layers that hold several steps, nested as their names are; and the innermost one of each step."""
        scopes: dict[str, list[int]] = {}
        for step in self.top:
            parts = step.scope.split(".") if step.scope else []
            for length in range(1, len(parts) + 1):
                scopes.setdefault(".".join(parts[:length]), []).append(step.number)
        whole = len(self.top)
        kept = {scope: steps for scope, steps in scopes.items() if 1 < len(steps) < whole}
        # A layer that holds exactly what an inner layer holds says nothing new.
        kept = {
            scope: steps
            for scope, steps in kept.items()
            if not any(other.startswith(f"{scope}.") and len(kept[other]) == len(steps) for other in kept)
        }
        numbers = {scope: number for number, scope in enumerate(kept)}
        boxes = []
        for scope, number in numbers.items():
            outer = [other for other in kept if scope.startswith(f"{other}.")]
            parent = numbers[max(outer, key=len)] if outer else None
            boxes.append(
                {
                    "id": number,
                    "title": scope,
                    "kind": "layer",
                    "parent": parent,
                    "open": whole <= _MANY_STEPS,
                }
            )
        box_of = {}
        for scope in sorted(kept, key=len):
            box_of.update(dict.fromkeys(kept[scope], numbers[scope]))
        return boxes, box_of

    def _equations(self) -> list[dict[str, Any]]:
        written: list[dict[str, Any]] = []
        for statement in self.explanation.derivation.statements:
            written.append(self._equation(len(written), statement))
        for statements in self.explanation.inside.values():
            for statement in statements:
                written.append(self._equation(len(written), statement))
        return written

    def _equation(self, number: int, statement: Statement) -> dict[str, Any]:
        names = self.explanation.names
        forms = {}
        for form, lines, matrix in (("index", statement.index, False), ("matrix", statement.written, True)):
            latex = latex_lines(lines, matrix=matrix, names=names, marks=self.marks)
            forms[form] = "".join(
                repeated_mathml(in_language(line, self.words), display=True) for line in latex
            )
        trees = [formula_tree(line, self.gradients) for line in statement.index if isinstance(line, Equation)]
        defined = None if statement.value is None else self.notation.signs[statement.value].identifier
        own = next(
            (each for each in trees if each and (defined is None or each["left"]["name"] == defined)), None
        )
        reads = {self.identifiers[name] for name in statement.reads if name in self.identifiers}
        reads |= {
            self.identifiers[self.gradients[name]] for name in statement.reads if name in self.gradients
        }
        errors = [each for each in (statement.index_error, statement.matrix_error) if each is not None]
        return {
            "id": number,
            "kind": statement.kind,
            "step": statement.steps[0],
            "steps": list(statement.steps),
            "defines": statement.value,
            "reads": sorted(reads),
            **forms,
            "error": max(errors, default=None) if statement.value is not None else None,
            "tree": own,
            # What other lines of the statement define on the way.
            "helpers": [each for each in trees if each and each is not own],
        }

    def _code(self) -> list[dict[str, Any]]:
        lines = []
        for line in self.explanation.program.lines:
            refs = [self.marks[name] for name in line.names if name in self.marks]
            lines.append({"text": line.text, "steps": list(line.steps), "refs": refs, "part": line.part})
        return lines

    def _legend(self) -> list[dict[str, Any]]:
        return [
            {
                "ref": row.key,
                "math": self._formula(row.latex),
                "meaning": row.meaning,
                "shape": row.shape,
                "label": row.name,
            }
            for row in legend(self.explanation.derivation, self.words)
        ]
