"""Notation: one symbol for every value of a trace, the same in formulas, program, numbers and graph.

A layer is counted where weights enter: W¹, b¹, its pre-activation a¹, what follows from it h¹, and the error
term δ¹ = ∂L/∂a¹, as in the derivations of the lectures. Names that users gave come first; without layers,
results take the letters of a hand-drawn graph.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.autodiff.formula.latex import LOSS, raised
from deltarule.autodiff.formula.program import reserved_names
from deltarule.explain.record.layers import OTHERS, Layers
from deltarule.explain.record.letters import (
    ACTIVATIONS,
    FREE,
    INPUTS,
    NAMED_DATA,
    NORMS,
    RESULTS,
    TARGETS_IN_TIME,
    is_symbol,
    letters_of,
)
from deltarule.explain.record.names_inside import names_inside
from deltarule.explain.record.sign import Sign
from deltarule.explain.record.trace import SEQUENCES, Step, Trace, Value


class Notation:
    """Signs of all values of a trace.

    signs    number of a value -> its Sign
    deltas   number of a pre-activation -> number of its layer
    layers   how many layers there are

    >>> import deltarule as dr
    >>> model = dr.nn.Sequential(dr.nn.Linear(2, 3), dr.nn.Tanh(), dr.nn.Linear(3, 1))
    >>> trace = Trace(dr.mse_loss(model(dr.zeros((1, 2))), dr.ones((1, 1))))
    >>> [Notation(trace).signs[value.number].identifier for value in trace.values if value.parent is None]
    ['x', 'W1', 'b1', 'a1', 'h1', 'W2', 'b2', 'a2', 't', 'L']
    """

    def __init__(self, trace: Trace, steps: Sequence[Step] | None = None):
        self.trace = trace
        self.steps = list(trace.frontier() if steps is None else steps)
        self.signs: dict[int, Sign] = {}
        self._taken: set[str] = reserved_names() | {"print", "arrays"}
        self._inputs = dict(INPUTS)
        if any(step.operation in SEQUENCES for step in trace.steps):
            # t is the time.
            self._taken.add("t")
            self._inputs |= TARGETS_IN_TIME
        self._written: set[str] = set()
        layers = Layers(trace, self.steps)
        self.deltas, self.layers = layers.deltas, layers.count
        self._name_labelled(layers)
        self._name_top(layers)
        # (group, name in its formula) -> number of the value.
        self._inside: dict[tuple[int, str], int] = {}
        self._name_inner()

    def gradient(self, number: int) -> str:
        """Identifier of a value's gradient: `delta1` for a pre-activation, else `grad_` and its own."""
        if number in self.deltas:
            return f"delta{self.digits(self.deltas[number])}"
        return f"grad_{self.signs[number].identifier}"

    def inside(self, step: Step, name: str) -> str:
        """Identifier of the value directly inside a step that its formula calls so; "" if there is none."""
        number = self._inside.get((step.number, name))
        return "" if number is None else self.signs[number].identifier

    @property
    def called_inside(self) -> dict[int, tuple[int, str]]:
        """Number of a value inside an opened group -> (the group, what its formula calls the value)."""
        return {number: key for key, number in self._inside.items()}

    def is_written(self, scalar: str, whole: str) -> bool:
        """Whether a value has one of these letters already."""
        return scalar in self._written or whole in self._written

    def latex_names(self) -> dict[str, tuple[str, str]]:
        """identifier -> (scalar LaTeX, whole LaTeX), as the writer of formulas takes them."""
        names = {sign.identifier: (sign.scalar, sign.whole) for sign in self.signs.values()}
        names[LOSS] = (self.loss, self.loss)
        for layer in self.deltas.values():
            digits = self.digits(layer)
            delta = raised(r"\delta", f"({digits})" if digits else "")
            names[f"delta{digits}"] = (delta, delta)
        return names

    @property
    def loss(self) -> str:
        """LaTeX of what is differentiated: the loss itself, or an L that follows from the output given."""
        value = self.trace.values[self.trace.loss]
        if value.array.size == 1 and np.all(value.gradient == 1):
            return self.signs[value.number].scalar
        return r"\mathcal{L}" if "L" in self._written else "L"

    def marks(self) -> dict[str, str]:
        """identifier -> key that the page lights up: v3 for the value of number 3, g3 for its gradient."""
        marks = {sign.identifier: f"v{number}" for number, sign in self.signs.items()}
        marks.update({self.gradient(number): f"g{number}" for number in self.signs})
        return marks

    def digits(self, layer: int) -> str:
        """The number of a layer in identifiers; nothing where there is one layer only."""
        return str(layer) if layer and (self.layers > 1 or layer > 1) else ""

    # ---- names

    def _name_labelled(self, layers: Layers) -> None:
        """Names that users gave, before all others."""
        for step in self.steps:
            names = step.node.operation.input_names(len(step.inputs))
            named = [*zip(step.inputs, names, strict=True), *((each, "") for each in step.outputs)]
            for number, name in named:
                value = self.trace.values[number]
                # What a parameter is called in its model stands in the legend, unless it is a letter or two.
                described = value.kind == "parameter" and (name in INPUTS or len(value.label) > 3)
                if number not in self.signs and not described:
                    layer = layers.of_step[step.number] if value.kind == "result" else 0
                    self._take_label(value, layer, name if name in NAMED_DATA else "")

    def _name_top(self, layers: Layers) -> None:
        for step in self.steps:
            names = step.node.operation.input_names(len(step.inputs))
            layer = layers.of_step[step.number]
            for number, name in zip(step.inputs, names, strict=True):
                if number not in self.signs:
                    if step.operation in NORMS:
                        name = {"weight": "gamma", "bias": "beta"}.get(name, name)
                    self._name_leaf(self.trace.values[number], name, layer)
            for position, number in enumerate(step.outputs):
                if number not in self.signs:
                    self._name_result(self.trace.values[number], step, position, layer)

    def _name_leaf(self, value: Value, input_name: str, layer: int) -> None:
        stem = input_name.rstrip("0123456789")
        if value.kind == "constant" and input_name not in self._inputs:
            self._take(value, "k", "k", "k", "constant", 0)
        elif input_name in self._inputs:
            weighty = value.kind == "parameter" or value.gradient is not None
            role = input_name if weighty or input_name in NAMED_DATA else "input"
            identifier, scalar, whole = self._inputs[input_name]
            # Capital letters are for matrices.
            whole = scalar if value.array.ndim < 2 and whole == scalar.upper() else whole
            self._take(value, identifier, scalar, whole, role, layer if weighty else 0)
        elif stem in ("gamma", "beta"):
            self._take(value, stem, rf"\{stem}", rf"\{stem}", stem, layer)
        else:
            role = "parameter" if value.kind == "parameter" else "input"
            self._take(value, "x", "x", "X" if value.array.ndim > 1 else "x", role, 0)

    def _name_result(self, value: Value, step: Step, position: int, layer: int) -> None:
        many = value.array.ndim > 1
        if value.number == self.trace.loss:
            letter = "L" if value.array.size == 1 else "y"
            self._take(value, letter, letter, letter.upper() if many else letter, "loss", 0)
        elif value.number in self.deltas:
            self._take(value, "a", "a", "A" if many else "a", "pre_activation", layer)
        elif step.operation in OTHERS and position:
            letter = "c" if position == 2 or step.operation == "lstm_cell" else "h"
            last = rf"{letter}^{{\mathrm{{last}}}}"
            self._take(value, f"{letter}_last", last, last, "last_state", layer)
        else:
            wanted = self._wanted_letter(step, layer)
            role = {"h": "activation", "y": "activation", "p": "probabilities"}.get(wanted, "result")
            own = (wanted, wanted, wanted.upper())
            if not wanted or not self._is_free(own, layer):
                own = next((each for each in FREE if self._is_free(each, layer)), ("v", "v", "V"))
                role = "result"
            self._take(value, own[0], own[1], own[2] if many else own[1], role, layer)

    def _wanted_letter(self, step: Step, layer: int) -> str:
        """Letter of a result: h for what a layer gives, else the operation's own, or "" if it has none."""
        if step.operation in SEQUENCES and layer:
            return "y"
        if layer and (step.operation in OTHERS or (step.operation in ACTIVATIONS and self._is_behind(step))):
            return RESULTS.get(step.operation, "h")
        return RESULTS.get(step.operation, "")

    def _is_behind(self, step: Step) -> bool:
        """Whether a step reads a pre-activation, be it normalised."""
        makers = [self.trace.values[number].made_by for number in step.inputs]
        normalised = any(each is not None and self.trace.steps[each].operation in NORMS for each in makers)
        return normalised or any(number in self.deltas for number in step.inputs)

    def _is_free(self, letter: tuple[str, str, str], layer: int) -> bool:
        """Whether no value has a letter yet, small or large, with the number of this layer."""
        digits = self.digits(layer)
        above = f"({digits})" if digits else ""
        written = self.is_written(raised(letter[1], above), raised(letter[2], above))
        return f"{letter[0]}{digits}" not in self._taken and not written

    def _name_inner(self) -> None:
        """Values inside opened groups: as the group's own formula calls them, else by their number."""
        for inner in names_inside(self.trace, self.signs, self.digits):
            value = self.trace.values[inner.value]
            if inner.value not in self.signs and not self._take_label(value, 0):
                if inner.identifier in self._taken or self.is_written(inner.scalar, inner.whole):
                    self._take_number(value, inner.identifier, inner.scalar, inner.whole, inner.role)
                else:
                    sign = Sign(inner.identifier, inner.scalar, inner.whole, inner.role, inner.layer)
                    self._put(value, sign)
            if inner.name and value.parent is not None:
                self._inside[value.parent, inner.name] = value.number
        for value in self.trace.values:
            if value.number not in self.signs and not self._take_label(value, 0):
                letter, role = ("k", "constant") if value.kind == "constant" else ("v", "inner")
                self._take_number(value, letter, letter, letter, role)

    def _take_number(self, value: Value, identifier: str, scalar: str, whole: str, role: str) -> None:
        """A sign with the value's own number, in brackets."""
        between = "_v" if identifier[-1].isdigit() else ""
        own, above = f"{identifier}{between}{value.number}", f"[{value.number}]"
        self._take(value, own, raised(scalar, above), raised(whole, above), role, 0)

    def _take_label(self, value: Value, layer: int, role: str = "") -> bool:
        """Takes the user's own name as the symbol, where it can be one."""
        label = value.label
        if not is_symbol(label) or label in self._taken:
            return False
        for scalar, whole in letters_of(label, value.array.ndim):
            if not self.is_written(scalar, whole):
                role = role or {"parameter": "parameter", "result": "result"}.get(value.kind, "input")
                role = "loss" if value.number == self.trace.loss else role
                self._put(value, Sign(label, scalar, whole, role, layer))
                return True
        return False

    def _take(self, value: Value, identifier: str, scalar: str, whole: str, role: str, layer: int) -> None:
        """A sign with the layer's number where there are several, and a further one where it is taken."""
        digits = self.digits(layer)
        number = 1
        while True:
            further = "" if number == 1 else str(number)
            own = f"{identifier}{digits}"
            if further:
                own = f"{own}_{further}" if digits or not identifier[-1].isalpha() else f"{own}{further}"
            if value.array.ndim or digits:
                above = ",".join(part for part in (digits, further) if part)
                letters = [raised(each, f"({above})" if above else "") for each in (scalar, whole)]
            else:
                letters = [f"{each}_{{{further}}}" if further else each for each in (scalar, whole)]
            if own not in self._taken and not self.is_written(*letters):
                self._put(value, Sign(own, letters[0], letters[1], role, layer))
                return
            number += 1

    def _put(self, value: Value, sign: Sign) -> None:
        self._taken.add(sign.identifier)
        self._written |= {sign.scalar, sign.whole}
        self.signs[value.number] = sign
