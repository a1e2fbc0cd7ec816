"""Optimisers: one loop for each parameter; gradient and slots are read once, all written where they are.

Options that a user may change between steps (the learning rate above all) are read before each step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from deltarule.compiler.native.cluster import Item, Result
from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.plan import View
from deltarule.compiler.native.rules.registry import FLOATS, rule
from deltarule.compiler.program import Instruction, Value

# formula(parameter, gradient, slots by name, numbers by name) -> (parameter, slots by name)
Formula = Callable[[Any, Any, dict[str, Any], dict[str, Any]], tuple[Any, dict[str, Any]]]


def _lower(
    lowering: Lowering,
    instruction: Instruction,
    slots: Sequence[str],
    numbers: dict[str, Callable[[], float]],
    formula: Formula,
    text: str,
    own: Sequence[str] = (),
) -> bool:
    """Enters an update as one element-wise step that writes the parameter and its slots.

    numbers   that the formula reads, by name; those in `own` are the parameter's, the others the group's
    """
    parameter, gradient = instruction.inputs
    (output,) = instruction.outputs
    held = [instruction.slots.get(slot) for slot in slots]
    if output is None or parameter.dtype is None or parameter.dtype.name not in FLOATS:
        return False
    if parameter.dtype != gradient.dtype or parameter.shape != gradient.shape or None in held:
        return False
    dtype = parameter.dtype.name
    known: list[Value] = [value for value in held if value is not None]
    # What changes from parameter to parameter depends on how often each was updated.
    given = {
        name: lowering.number(
            dtype,
            function,
            None if name in own else (id(instruction.optimizer), instruction.group, name),
        )
        for name, function in numbers.items()
    }
    results = [Result(output, target=lowering.place_view(output))]
    for value in known:
        made = Value(-1, value.shape, value.dtype, f"{value.name}_after", "computed", value.place)
        target: View = lowering.place_view(value)
        results.append(Result(made, target=target))

    def function(code: Any, vectors: list[Any]) -> list[Any]:
        weight, slope, *rest = vectors
        old = dict(zip(slots, rest, strict=False))
        options = dict(zip(given, rest[len(slots) :], strict=True))
        new, moved = formula(weight, slope, old, options)
        return [new, *(moved[slot] for slot in slots)]

    assert parameter.shape is not None
    sources: list[Any] = [parameter, gradient, *known, *given.values()]
    lowering.item(Item(parameter.shape, sources, results, function, text, instruction))
    return True


class _Options:
    """The options of the group and the slots of the parameter, as they are when they are asked for."""

    def __init__(self, lowering: Lowering, instruction: Instruction):
        self.optimizer, self.number = instruction.optimizer, instruction.group
        self.parameter = instruction.parameter
        # Numbers are asked for before the step, whose earlier updates of the parameter count too.
        self._earlier = 0
        for each in lowering.program.instructions:
            if each is instruction:
                break
            if each.optimizer is self.optimizer and each.parameter is self.parameter:
                self._earlier += 1

    def __getitem__(self, name: str) -> Any:
        return self.optimizer.param_groups[self.number][name]

    def reader(self, name: str) -> Callable[[], float]:
        return lambda: float(self[name])

    def state(self) -> dict[str, Any]:
        return self.optimizer.state[self.parameter]

    def steps(self) -> int:
        """Updates of the parameter before this one."""
        return self.state()["step"] + self._earlier

    def count(self) -> None:
        """Counts an update, after a step that was not stopped."""
        self.state()["step"] += 1


def _decayed(group: _Options, weight: Any, slope: Any, numbers: dict[str, Any]) -> Any:
    return slope + numbers["weight_decay"] * weight if group["weight_decay"] else slope


def _with_decay(group: _Options, numbers: dict[str, Callable[[], float]]) -> dict[str, Callable[[], float]]:
    return numbers | ({"weight_decay": group.reader("weight_decay")} if group["weight_decay"] else {})


@rule("update", "SGD")
def _sgd(lowering: Lowering, instruction: Instruction) -> bool:
    group = _Options(lowering, instruction)
    momentum, nesterov, dampening = bool(group["momentum"]), group["nesterov"], float(group["dampening"])
    numbers = _with_decay(group, {"lr": group.reader("lr")})
    if momentum:
        numbers["momentum"] = group.reader("momentum")

    def formula(weight: Any, slope: Any, slots: Any, numbers: Any) -> Any:
        slope = _decayed(group, weight, slope, numbers)
        if not momentum:
            return weight - numbers["lr"] * slope, {}
        velocity = numbers["momentum"] * slots["momentum_buffer"] + (1 - dampening) * slope
        direction = slope + numbers["momentum"] * velocity if nesterov else velocity
        return weight - numbers["lr"] * direction, {"momentum_buffer": velocity}

    slots = ["momentum_buffer"] if momentum else []
    text = f"SGD{(momentum, bool(nesterov), dampening, bool(group['weight_decay']))}"
    return _lower(lowering, instruction, slots, numbers, formula, text)


@rule("update", "Adagrad")
def _adagrad(lowering: Lowering, instruction: Instruction) -> bool:
    group = _Options(lowering, instruction)

    def rate() -> float:
        return float(group["lr"]) / (1 + group.steps() * float(group["lr_decay"]))

    def formula(weight: Any, slope: Any, slots: Any, numbers: Any) -> Any:
        slope = _decayed(group, weight, slope, numbers)
        total = slots["sum"] + slope * slope
        return weight - numbers["lr"] * slope / (total.function("sqrt") + numbers["eps"]), {"sum": total}

    numbers = _with_decay(group, {"lr": rate, "eps": group.reader("eps")})
    text = f"Adagrad({bool(group['weight_decay'])})"
    if not _lower(lowering, instruction, ["sum"], numbers, formula, text, own=["lr"]):
        return False
    lowering.after.append(group.count)
    return True


@rule("update", "RMSprop")
def _rmsprop(lowering: Lowering, instruction: Instruction) -> bool:
    group = _Options(lowering, instruction)
    centered, momentum = bool(group["centered"]), bool(group["momentum"])
    slots = ["square_avg"] + ["grad_avg"] * centered + ["momentum_buffer"] * momentum

    def formula(weight: Any, slope: Any, slots: Any, numbers: Any) -> Any:
        slope = _decayed(group, weight, slope, numbers)
        kept, rest = numbers["alpha"], 1.0 - numbers["alpha"]
        moved = {"square_avg": kept * slots["square_avg"] + rest * (slope * slope)}
        variance = moved["square_avg"]
        if centered:
            moved["grad_avg"] = kept * slots["grad_avg"] + rest * slope
            variance = (variance - moved["grad_avg"] * moved["grad_avg"]).larger(0.0)
        direction = slope / (variance.function("sqrt") + numbers["eps"])
        if momentum:
            direction = numbers["momentum"] * slots["momentum_buffer"] + direction
            moved["momentum_buffer"] = direction
        return weight - numbers["lr"] * direction, moved

    names = ["lr", "alpha", "eps"] + ["momentum"] * momentum
    numbers = _with_decay(group, {name: group.reader(name) for name in names})
    text = f"RMSprop{(centered, momentum, bool(group['weight_decay']))}"
    return _lower(lowering, instruction, slots, numbers, formula, text)


@rule("update", "Adam", "AdamW")
def _adam(lowering: Lowering, instruction: Instruction) -> bool:
    group = _Options(lowering, instruction)
    decoupled, amsgrad = instruction.name == "AdamW", bool(group["amsgrad"])
    decays = bool(group["weight_decay"])
    slots = ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * amsgrad

    def rate() -> float:
        return float(group["lr"]) / (1 - float(group["betas"][0]) ** (group.steps() + 1))

    def formula(weight: Any, slope: Any, slots: Any, numbers: Any) -> Any:
        if decays and decoupled:
            weight = weight * numbers["kept"]
        elif decays:
            slope = slope + numbers["weight_decay"] * weight
        first = numbers["beta1"] * slots["exp_avg"] + numbers["rest1"] * slope
        second = numbers["beta2"] * slots["exp_avg_sq"] + numbers["rest2"] * (slope * slope)
        moved = {"exp_avg": first, "exp_avg_sq": second}
        if amsgrad:
            second = moved["max_exp_avg_sq"] = second.larger(slots["max_exp_avg_sq"])
        denominator = second.function("sqrt") * numbers["inverse_correction"] + numbers["eps"]
        return weight - first / denominator * numbers["rate"], moved

    numbers: dict[str, Callable[[], float]] = {
        "rate": rate,
        "inverse_correction": lambda: (1 - float(group["betas"][1]) ** (group.steps() + 1)) ** -0.5,
        "beta1": lambda: float(group["betas"][0]),
        "rest1": lambda: 1 - float(group["betas"][0]),
        "beta2": lambda: float(group["betas"][1]),
        "rest2": lambda: 1 - float(group["betas"][1]),
        "eps": group.reader("eps"),
    }
    if decays and decoupled:
        numbers["kept"] = lambda: 1 - float(group["lr"]) * float(group["weight_decay"])
    elif decays:
        numbers["weight_decay"] = group.reader("weight_decay")
    text = f"{instruction.name}{(amsgrad, decays)}"
    own = ["rate", "inverse_correction"]
    if not _lower(lowering, instruction, slots, numbers, formula, text, own):
        return False
    lowering.after.append(group.count)
    return True
