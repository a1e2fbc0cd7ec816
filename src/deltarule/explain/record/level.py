"""Level: what a gradient is called, and what adds up to it, among the steps that stand side by side.

What a group reads may be used outside of it too, and what it gives may be used inside of it. So the gradient
that the steps inside of a group speak of can be a part of the whole gradient, or one part more than what
arrives.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.autodiff.formula.latex import raised
from deltarule.autodiff.tensor import Array
from deltarule.explain.record.notation import Notation
from deltarule.explain.record.trace import Step, Trace


class Level:
    """Steps that stand side by side: those inside `group`, or those at the top."""

    def __init__(self, trace: Trace, notation: Notation, steps: Sequence[Step], group: Step | None):
        self.trace, self.notation, self.steps, self.group = trace, notation, list(steps), group
        self._members = {step.number for step in steps}

    def names(self) -> dict[str, tuple[str, str]]:
        """Identifiers of partial gradients -> their notation."""
        names: dict[str, tuple[str, str]] = {}
        if self.group is None:
            return names
        above = f"[{self.group.number}]"
        for number in {*self.group.inputs, *self.group.outputs}:
            name = self.gradient(number)
            if name == self.notation.gradient(number):
                continue
            sign = self.notation.signs[number]
            if name.startswith("grad_"):
                # The writer of formulas makes ∂L/∂… of the prefix by itself.
                names[name.removeprefix("grad_")] = (raised(sign.scalar, above), raised(sign.whole, above))
            else:
                delta = raised(r"\delta", above)
                names[name] = (delta, delta)
        return names

    def contributions(self, number: int) -> list[tuple[Step, int]]:
        """(step, position) of each use at this level that hands a gradient back."""
        return [
            (self.trace.steps[step], position)
            for step, position in self.trace.values[number].used_by
            if step in self._members
            and self.trace.steps[step].contributions
            and self.trace.steps[step].contributions[position] is not None
        ]

    def comes_in(self, number: int) -> bool:
        """Whether a gradient arrives from outside besides what this level contributes."""
        if self.group is None:
            return number == self.trace.loss
        arrived = self.arrived(number) if number in self.group.outputs else None
        return arrived is not None and bool(np.any(arrived))

    def arrived(self, number: int) -> Array | None:
        """The gradient that arrives at a value from outside of this level, or its whole one."""
        if self.group is not None and number in self.group.outputs:
            return self.group.upstream[self.group.outputs.index(number)]
        return self.trace.values[number].gradient

    def parts(self, number: int) -> int:
        """How many contributions add up to the gradient at this level."""
        return len(self.contributions(number)) + self.comes_in(number)

    def maker(self, number: int) -> Step:
        """The step of this level that a result is from."""
        return next(step for step in self.steps if number in step.outputs)

    def gradient(self, number: int) -> str:
        """Identifier of the gradient that the steps of this level speak of."""
        whole = self.notation.gradient(number)
        group = self.group
        if group is None:
            return whole
        if number in group.outputs and self.contributions(number):
            return f"{whole}_in{group.number}"
        if number in group.inputs and not self._is_whole(number):
            return f"{whole}_s{group.number}"
        return self.outside_gradient(number) if number in (*group.inputs, *group.outputs) else whole

    def outside_gradient(self, number: int) -> str:
        """Identifier of the gradient of a group's input or result one level up."""
        return self._above().gradient(number) if self.group is not None else self.notation.gradient(number)

    def _above(self) -> Level:
        assert self.group is not None
        parent = None if self.group.parent is None else self.trace.steps[self.group.parent]
        if parent is None:
            return Level(self.trace, self.notation, self.notation.steps, None)
        return Level(self.trace, self.notation, [self.trace.steps[each] for each in parent.children], parent)

    def _is_whole(self, number: int) -> bool:
        """Whether the group is the only one that contributes to the gradient of what it reads."""
        above = self._above()
        users = {step.number for step, _ in above.contributions(number)}
        return len(users) == 1 and not above.comes_in(number)

    def arrays(self) -> dict[str, Array]:
        """The partial gradients as the engine computed them, by identifier."""
        if self.group is None:
            return {}
        above = self._above().arrays()
        own: dict[str, Array] = {}
        for number, contribution in zip(self.group.inputs, self.group.contributions, strict=False):
            name = self.gradient(number)
            if contribution is not None and name != self.notation.gradient(number):
                array = np.asarray(contribution, np.float64)
                own[name] = own[name] + array if name in own else array
        for number in self.group.outputs:
            name = self.gradient(number)
            if name != self.notation.gradient(number) and self.contributions(number):
                step = self.maker(number)
                upstream = step.upstream[step.outputs.index(number)] if step.upstream else None
                if upstream is not None:
                    own[name] = np.asarray(upstream, np.float64)
        # What is called the same one level up is the same.
        return {**own, **above}
