"""Steps of optimisers: one pass over a parameter, or over all parameters of a group in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Code
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.update_rules import Rule
from deltarule.kernels.native.values import Pointer


@dataclass(frozen=True)
class Update(Routine):
    """One step of a rule on elements that lie one after another; threads share them.

    numbers   the rule's numbers in float64, in its order
    """

    dtype: str
    rule: Rule

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        states = {f"state{i}": array for i in range(self.rule.states)}
        return {"parameter": array, "gradient": array} | states | {"size": "index", "numbers": "float64*"}

    def write(self, code: Code, parameter: Pointer, gradient: Pointer, *more: Any) -> None:
        *states, size, numbers = more
        lanes = code.lanes(self.dtype)
        given = [numbers.number(i).to(self.dtype).spread(lanes) for i in range(len(self.rule.numbers))]
        start, stop = code.share(size, lanes * 4)
        for position, count in code.blocks(stop, lanes, start):
            mask = code.mask(count, lanes)
            held = [state.vector(position, mask=mask) for state in states]
            old, slope = parameter.vector(position, mask=mask), gradient.vector(position, mask=mask)
            new, after = self.rule.apply(old, slope, held, given)
            parameter.put(new, position, mask)
            for state, value in zip(states, after, strict=True):
                state.put(value, position, mask)


@dataclass(frozen=True)
class UpdateAll(Routine):
    """One step of a rule on several parameters, given as tuples of arrays; threads share all elements evenly.

    sizes     elements of each parameter
    numbers   the rule's numbers in float64, those of parameter i from i · stride on
    """

    dtype: str
    rule: Rule

    def parameters(self) -> dict[str, str]:
        states = {f"states{i}": "objects" for i in range(self.rule.states)}
        taken = {"parameters": "objects", "gradients": "objects"} | states
        return taken | {"sizes": "int64*", "count": "index", "numbers": "float64*", "stride": "index"}

    def write(self, code: Code, *arguments: Any) -> None:
        *objects, sizes, count, numbers, stride = arguments
        total = code.variable(code.index(0))
        for i in code.range(count):
            total.value = total.value + sizes.number(i).index()
        start, stop = code.share(total.value, 64)
        before = code.variable(code.index(0))
        for i in code.range(count):
            size, offset = sizes.number(i).index(), before.value
            first = code.least(code.most(start - offset, 0), size)
            last = code.least(code.most(stop - offset, 0), size)
            for _ in code.when(first < last):
                arrays = [each.array(i, self.dtype) + first for each in objects]
                step = Update(self.dtype, self.rule)
                code.call(step, *arrays, last - first, numbers + i * stride, alone=True)
            before.value = offset + size
