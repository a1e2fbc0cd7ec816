"""Notation: one symbol for every value of a trace, the same in formulas, program, numbers and graph.

A layer is counted where weights enter: W¹, b¹, its pre-activation a¹, what follows from it h¹, and the error term
δ¹ = ∂L/∂a¹, as in the derivations of the lectures. Names that users gave come first; without layers, results take
the letters of a hand-drawn graph.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from deltarule.autodiff.formula.latex import LOSS
from deltarule.autodiff.formula.program import reserved_names
from deltarule.explain.names_inside import names_inside
from deltarule.explain.sign import Sign, raised
from deltarule.explain.trace import CELLS, SEQUENCES, Step, Trace, Value

# Operations whose result is a pre-activation: linear in their input, with weights.
AFFINE = frozenset(
    ("linear", "matmul", "einsum", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "bilinear")
)
# Operations that begin a layer of their own besides: their result is no pre-activation.
_LAYERS = SEQUENCES | CELLS | {"embedding", "self_attention"}

# Name of an operation's input -> (identifier, scalar LaTeX, whole LaTeX).
_INPUTS = {
    "weight": ("W", "w", "W"),
    "bias": ("b", "b", "b"),
    "weight_ih": ("W_ih", "w^{ih}", "W_{ih}"),
    "weight_hh": ("W_hh", "w^{hh}", "W_{hh}"),
    "bias_ih": ("b_ih", "b^{ih}", "b_{ih}"),
    "bias_hh": ("b_hh", "b^{hh}", "b_{hh}"),
    "h0": ("h_start", "h^{0}", "h^{0}"),
    "c0": ("c_start", "c^{0}", "c^{0}"),
    "hidden_state": ("h_start", "h^{0}", "h^{0}"),
    "cell_state": ("c_start", "c^{0}", "c^{0}"),
    "target": ("t", "t", "T"),
    "targets": ("t", "t", "T"),
    "mask": ("m", "m", "M"),
    "indices": ("idx", r"\mathit{idx}", r"\mathit{idx}"),
    "running_mean": ("mu", r"\mu", r"\mu"),
    "running_var": ("var", r"\sigma^{2}", r"\sigma^{2}"),
}
# Operation -> letter of its result; what is not listed is h after a pre-activation, else a letter in turn.
_RESULTS = {
    "reshape": "r",
    "permute_dims": "r",
    "max_pool1d": "m",
    "max_pool2d": "m",
    "avg_pool1d": "m",
    "avg_pool2d": "m",
    "dropout": "d",
    "batch_norm": "n",
    "batch_norm_evaluation": "n",
    "layer_norm": "n",
    "group_norm": "n",
    "rms_norm": "n",
    "softmax": "p",
    "embedding": "e",
}
_FREE_LETTERS = "qsuvgkz"
_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega".split()
)


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
        self.deltas: dict[int, int] = {}
        self._taken: set[str] = reserved_names()
        self._inputs = dict(_INPUTS)
        if any(step.operation in SEQUENCES for step in trace.steps):
            # t is the time.
            self._taken.add("t")
            self._inputs |= {name: ("target", r"y^{*}", r"Y^{*}") for name in ("target", "targets")}
        self._written: set[tuple[str, str]] = set()
        self._letters = iter(_FREE_LETTERS)
        layer_of = self._count_layers()
        self.layers = max(layer_of.values(), default=0)
        self._name_top(layer_of)
        self._name_inner()

    def gradient(self, number: int) -> str:
        """Identifier of a value's gradient: `delta1` for a pre-activation, else `grad_` and its own."""
        if number in self.deltas:
            return f"delta{self._digits(self.deltas[number])}"
        return f"grad_{self.signs[number].identifier}"

    def is_inside(self, identifier: str, step: Step) -> bool:
        """Whether a value directly inside a step has this identifier."""
        return self._inner_of.get(identifier) == step.number

    def latex_names(self) -> dict[str, tuple[str, str]]:
        """identifier -> (scalar LaTeX, whole LaTeX), as the writer of formulas takes them."""
        names = {sign.identifier: (sign.scalar, sign.whole) for sign in self.signs.values()}
        loss = self.signs[self.trace.loss]
        names[LOSS] = (loss.scalar, loss.scalar)
        for layer in self.deltas.values():
            digits = self._digits(layer)
            delta = raised(r"\delta", f"({digits})" if digits else "")
            names[f"delta{self._digits(layer)}"] = (delta, delta)
        return names

    def marks(self) -> dict[str, str]:
        """identifier -> key that the page lights up: v3 for the value of number 3, g3 for its gradient."""
        marks = {sign.identifier: f"v{number}" for number, sign in self.signs.items()}
        marks.update({self.gradient(number): f"g{number}" for number in self.signs})
        return marks

    # ---- layers

    def _count_layers(self) -> dict[int, int]:
        """Step -> number of the layer that it belongs to: that of the last one begun before it."""
        layers: dict[int, int] = {}
        count = 0
        known: dict[str, int] = {}
        for step in self.steps:
            if self._begins_layer(step):
                # Steps of one layer that are recorded apart (a cell in a user's loop) stay one layer.
                key = self._weights_key(step)
                if key not in known:
                    count += 1
                    known[key] = count
                layers[step.number] = known[key]
            else:
                layers[step.number] = max((layers.get(each, 0) for each in self._makers(step)), default=count)
        for step in self.steps:
            if step.operation in AFFINE and self._begins_layer(step):
                target = self._pre_activation(step)
                if layers[step.number] not in self.deltas.values() and target != self.trace.loss:
                    self.deltas[target] = layers[step.number]
        return layers

    def _makers(self, step: Step) -> Iterable[int]:
        for number in step.inputs:
            maker = self.trace.values[number].made_by
            if maker is not None:
                yield maker

    def _weights(self, step: Step) -> list[Value]:
        values = [self.trace.values[number] for number in step.inputs]
        return [
            value
            for value in values
            if value.made_by is None and value.gradient is not None and value.array.ndim > 0
        ]

    def _weights_key(self, step: Step) -> str:
        return ",".join(str(value.number) for value in self._weights(step))

    def _begins_layer(self, step: Step) -> bool:
        if step.operation not in AFFINE and step.operation not in _LAYERS:
            return False
        weights = self._weights(step)
        if not weights:
            return False
        # Of a product of two leaves, both wanted, neither is a layer's weight: x @ y.
        return step.operation != "matmul" or len(weights) == 1 or any(each.kind == "parameter" for each in weights)

    def _pre_activation(self, step: Step) -> int:
        """The sum that the affine step ends in: W x + b, or W x + U h, written out."""
        number = step.outputs[0]
        while True:
            uses = self.trace.uses(self.trace.values[number], self.steps)
            if len(uses) != 1 or uses[0][0].operation not in ("add", "reshape") or number == self.trace.loss:
                return number
            user, position = uses[0]
            if user.operation == "reshape":
                return number
            other = self.trace.values[user.inputs[1 - position]]
            maker = None if other.made_by is None else self.trace.steps[other.made_by]
            if not (other.made_by is None or (maker is not None and maker.operation in AFFINE)):
                return number
            number = user.outputs[0]

    # ---- names

    def _name_top(self, layer_of: dict[int, int]) -> None:
        for step in self.steps:
            names = step.node.operation.input_names(len(step.inputs))
            for number, name in zip(step.inputs, names, strict=True):
                if number not in self.signs:
                    self._name_leaf(self.trace.values[number], name, step, layer_of[step.number])
            for position, number in enumerate(step.outputs):
                if number not in self.signs:
                    self._name_result(self.trace.values[number], step, position, layer_of[step.number])

    def _name_leaf(self, value: Value, input_name: str, step: Step, layer: int) -> None:
        # The name of a parameter in its model is a label of the legend; one that a person would write is a symbol.
        described = value.kind == "parameter" and (input_name in _INPUTS or len(value.label) > 3)
        if not described and self._take_label(value, layer):
            return
        stem = input_name.rstrip("0123456789")
        if value.kind == "constant" and input_name not in self._inputs:
            self._take(value, "k", "k", "k", "constant", 0, numbered=True)
        elif input_name in self._inputs:
            weighty = value.kind == "parameter" or value.gradient is not None
            role = input_name if weighty or input_name in ("target", "mask") else "input"
            self._take(value, *self._inputs[input_name], role, layer if weighty else 0)
        elif stem in ("gamma", "beta"):
            self._take(value, stem, rf"\{stem}", rf"\{stem}", stem, layer)
        else:
            role = "parameter" if value.kind == "parameter" else "input"
            self._take(value, "x", "x", "X" if value.array.ndim > 1 else "x", role, 0)

    def _name_result(self, value: Value, step: Step, position: int, layer: int) -> None:
        if value.number == self.trace.loss:
            if not self._take_label(value, 0):
                self._put(value, Sign("L", "L", "L", "loss"))
            self.signs[value.number] = replace(self.signs[value.number], role="loss")
        elif self._take_label(value, layer):
            return
        elif value.number in self.deltas:
            self._take(value, "a", "a", "A" if value.array.ndim > 1 else "a", "pre_activation", layer)
        elif step.operation in _LAYERS and position:
            letter = "c" if position == 2 or step.operation == "lstm_cell" else "h"
            self._take(value, f"{letter}_last", rf"{letter}^{{\mathrm{{last}}}}", rf"{letter}^{{\mathrm{{last}}}}",
                       "last_state", layer)  # fmt: skip
        else:
            letter = self._result_letter(step, layer)
            role = {"h": "activation", "p": "probabilities"}.get(letter, "result")
            whole = letter.upper() if value.array.ndim > 1 else letter
            self._take(value, letter, letter, whole, role, layer)

    def _result_letter(self, step: Step, layer: int) -> str:
        if step.operation in _RESULTS:
            return _RESULTS[step.operation]
        if not layer:
            return next(self._letters, "v")
        # h is the first result after a pre-activation, or of a layer without one.
        makers = [self.trace.values[number] for number in step.inputs]
        after = any(value.number in self.deltas for value in makers)
        if step.operation in SEQUENCES:
            return "y"
        return "h" if after or step.operation in _LAYERS else "s" if step.operation in ("add", "sum", "mean") else "u"

    def _name_inner(self) -> None:
        """Values inside opened groups: as the group's own formula calls them, else by their number."""
        self._inner_of: dict[str, int | None] = {}
        for inner in names_inside(self.trace, self.signs):
            value = self.trace.values[inner.value]
            if inner.value not in self.signs:
                self._take(value, inner.identifier, inner.scalar, inner.whole, inner.role, 0)
        for value in self.trace.values:
            if value.number not in self.signs and not self._take_label(value, 0):
                letter, role = ("k", "constant") if value.kind == "constant" else ("v", "inner")
                self._take(value, f"{letter}{value.number}", rf"{letter}^{{[{value.number}]}}", "", role, 0)
            if value.parent is not None:
                self._inner_of[self.signs[value.number].identifier] = value.parent

    def _take_label(self, value: Value, layer: int) -> bool:
        """Takes the user's own name as the symbol, where it can be one."""
        label = value.label
        if not label.isidentifier() or label in self._taken or label.startswith(("grad_", "delta")):
            return False
        scalar, whole = _letters(label)
        self._taken.add(label)
        if value.array.ndim > 1 and len(label) == 1:
            scalar, whole = label.lower(), label.upper()
        if self._is_written(scalar, whole):
            scalar = whole = _letters(label)[1]
        role = {"parameter": "parameter", "result": "result"}.get(value.kind, "input")
        self._put(value, Sign(label, scalar, whole, role, layer))
        return True

    def _take(
        self,
        value: Value,
        identifier: str,
        scalar: str,
        whole: str,
        role: str,
        layer: int,
        numbered: bool = False,
    ) -> None:
        """A sign with the layer's number where there are several, and a further one where it is taken."""
        digits = self._digits(layer) if layer else ""
        base = identifier
        identifier, further = f"{base}{digits}", 1
        while identifier in self._taken or (numbered and further == 1):
            further += 1
            identifier = f"{base}{digits}_{further}" if digits or not base[-1].isalpha() else f"{base}{further}"
            numbered = False
        self._taken.add(identifier)
        above = digits if further == 1 else f"{digits},{further}" if digits else str(further)
        above = f"({above})" if above else ""
        scalar, whole = raised(scalar, above), raised(whole or scalar, above)
        while self._is_written(scalar, whole):
            scalar, whole = f"{scalar}{{}}'", f"{whole}{{}}'"
        self._put(value, Sign(identifier, scalar, whole, role, layer))

    def _put(self, value: Value, sign: Sign) -> None:
        self._taken.add(sign.identifier)
        self._written.add((sign.scalar, sign.whole))
        self.signs[value.number] = sign

    def _is_written(self, scalar: str, whole: str) -> bool:
        return (scalar, whole) in self._written

    def _digits(self, layer: int) -> str:
        return str(layer) if self.layers > 1 or layer > 1 else ""


def _letters(label: str) -> tuple[str, str]:
    """LaTeX of a user's name: `W_hx` as W^{hx} (indices stand below), `alpha` in Greek, `x1` as x^{(1)}."""
    stem, _, below = label.partition("_")
    found = re.fullmatch(r"([^\W\d_]+?)(\d*)", stem)
    word, digits = (found.group(1), found.group(2)) if found else (stem, "")
    if word in _GREEK:
        word = rf"\{word}"
    elif len(word) > 1:
        escaped = word.replace("_", r"\_")
        word = rf"\mathit{{{escaped}}}"
    above = ",".join(part for part in (below.replace("_", ","), f"({digits})" if digits else "") if part)
    if not above:
        return word, word
    above = above if len(above) < 2 or above.startswith("(") else rf"\mathit{{{above}}}"
    return f"{word}^{{{above}}}", f"{word}^{{{above}}}"
