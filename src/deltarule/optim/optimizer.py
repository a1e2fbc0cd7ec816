"""Optimizer: what all update rules share. Parameter groups, their state, saving and loading it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from deltarule.autodiff.derived import require_not_recorded
from deltarule.autodiff.dtypes import require_floating
from deltarule.autodiff.recording import recording
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DTypeError, GraphError, ShapeError
from deltarule.kernels.native import updating
from deltarule.kernels.native.update_rules import Rule

Group = dict[str, Any]
State = dict[str, Any]


class Optimizer:
    """Base class of optimisers. A subclass defines `update`, and `check` for its options.

    parameters     tensors, or dictionaries with "params" and options of their own, one a group
    defaults       option -> value where a group does not say otherwise

    param_groups   list of dictionaries: "params" and every option; options may be changed between
                   steps (`optimizer.param_groups[0]["lr"] = 0.01`), as schedules do
    state          parameter -> slot -> array or number, filled at its first step

    A parameter whose `.grad` is None is left alone. Parameters are written in place, and each write
    is counted, so that a backward pass which needs the old values says so.

    Raises ArgumentError for no parameters, the same one twice or an option out of range; DTypeError
    for anything but floating tensors; GraphError for a tensor that an operation made.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> class SignDescent(dr.optim.Optimizer):
    ...     def __init__(self, parameters, lr):
    ...         super().__init__(parameters, {"lr": lr})
    ...     def update(self, parameter, gradient, state, group):
    ...         parameter -= group["lr"] * np.sign(gradient)
    >>> weight = dr.tensor([3.0, -5.0], requires_grad=True)
    >>> optimizer = SignDescent([weight], lr=0.5)
    >>> (weight * weight).sum().backward()
    >>> optimizer.step()
    >>> weight.tolist()
    [2.5, -4.5]
    """

    param_groups: list[Group]
    state: dict[Tensor, State]

    def __init__(self, parameters: Iterable[Any], defaults: Mapping[str, Any]):
        self.defaults = dict(defaults)
        self.param_groups = []
        self.state = {}
        groups = self._as_groups(parameters)
        if not groups:
            raise ArgumentError(
                self._who,
                "expected parameters, got none",
                "A generator such as model.parameters() can be read only once: call it again.",
            )
        for group in groups:
            self.add_param_group(group)

    # ---- what a subclass defines

    def check(self, group: Group) -> None:
        """Raises ArgumentError where an option of the group is out of range."""
        self.require_at_least(group, "lr", 0)

    def update(self, parameter: Array, gradient: Array, state: State, group: Group) -> None:
        """Writes one parameter in place from its gradient; `state` is its own and starts empty."""
        raise NotImplementedError(f"{type(self).__name__}.update")

    def __init_subclass__(cls) -> None:
        # A subclass with an update of its own does not follow the native rule that it would inherit.
        if "update" in cls.__dict__ and "rule" not in cls.__dict__:
            cls.rule = Optimizer.rule

    def rule(self, group: Group) -> Rule | None:
        """What `update` does, as a rule for native code; None where there is none."""
        return None

    def slots(self, parameter: Array, state: State, group: Group) -> list[Array]:
        """The arrays of state that the rule takes, in its order; made where they are not there yet."""
        return []

    def advance(self, state: State, group: Group) -> tuple[float, ...]:
        """Counts a step in the state, and answers the rule's numbers for it.

        A rule without arrays of state counts nothing: it is asked once for all parameters of a group.
        """
        return ()

    # ---- steps

    def step(self) -> None:
        """One update of every parameter that has a gradient."""
        tracer = recording.tracer
        for group in self.param_groups:
            self.check(group)
            moved: list[Tensor] = []
            arrays: list[Array] = []
            gradients: list[Array] = []
            states: list[State] = []
            for parameter in group["params"]:
                collected = parameter._grad if tracer is None else parameter.grad
                if collected is None:
                    continue
                array, gradient = parameter._array, collected._array
                if gradient.shape != array.shape:
                    raise ShapeError(
                        self._who,
                        f"a gradient has shape {gradient.shape}, its parameter {array.shape}",
                        "backward() gives the right one; check what was assigned to .grad.",
                    )
                state = self.state.get(parameter)
                if state is None:
                    state = self.state[parameter] = {}
                if tracer is not None:
                    tracer.update(self, group, parameter)
                moved.append(parameter)
                arrays.append(array)
                gradients.append(gradient)
                states.append(state)
            if moved:
                self.update_arrays(arrays, gradients, states, group)
                for parameter in moved:
                    (parameter._version_box or parameter._version)[0] += 1

    def update_arrays(
        self, arrays: list[Array], gradients: list[Array], states: list[State], group: Group
    ) -> None:
        """`update` of several parameters of a group, in place: in one native call where that is possible."""
        if not self._update_together(arrays, gradients, states, group):
            for array, gradient, state in zip(arrays, gradients, states, strict=True):
                self.update(array, gradient, state, group)

    def _update_together(
        self, arrays: list[Array], gradients: list[Array], states: list[State], group: Group
    ) -> bool:
        rule = self.rule(group)
        if rule is None or not updating.fit(arrays) or not updating.fit(gradients, arrays[0].dtype):
            return False
        if not rule.states:
            updating.update_all(rule, arrays, gradients, (), [self.advance(states[0], group)])
            return True
        slots = [self.slots(array, state, group) for array, state in zip(arrays, states, strict=True)]
        by_slot = list(zip(*slots, strict=True))
        if not all(updating.fit(each, arrays[0].dtype) for each in by_slot):
            return False
        numbers = [self.advance(state, group) for state in states]
        if all(each == numbers[0] for each in numbers):
            del numbers[1:]
        updating.update_all(rule, arrays, gradients, by_slot, numbers)
        return True

    def zero_grad(self) -> None:
        """Forgets the gradients of all parameters: sets each `.grad` to None."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def parameters(self) -> list[Tensor]:
        """All parameters, group by group; positions in this list name them in `state_dict`."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    # ---- groups

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Adds parameters with options of their own, e.g. layers that are unfrozen later.

        group   {"params": tensor or tensors, option: value, ...}

        >>> import deltarule as dr
        >>> body, head = dr.nn.Linear(2, 2), dr.nn.Linear(2, 1)
        >>> optimizer = dr.optim.SGD(head.parameters(), lr=0.1)
        >>> optimizer.add_param_group({"params": body.parameters(), "lr": 0.01})
        >>> [(len(group["params"]), group["lr"]) for group in optimizer.param_groups]
        [(2, 0.1), (2, 0.01)]
        """
        if "params" not in group:
            raise ArgumentError(
                self._who,
                f'a group needs "params", got {sorted(group)}',
                'Write {"params": [...], "lr": 0.1}.',
            )
        unknown = sorted(set(group) - {"params"} - set(self.defaults))
        if unknown:
            raise ArgumentError(
                self._who,
                f"unknown option {', '.join(unknown)} of a group",
                f"Options are {', '.join(self.defaults)}.",
            )
        given = group["params"]
        parameters = [given] if isinstance(given, Tensor) else list(given)
        if not parameters:
            raise ArgumentError(self._who, "a group has no parameters", "Leave the group out.")
        seen = set(self.parameters())
        for position, parameter in enumerate(parameters):
            self._require_trainable(parameter, position)
            if parameter in seen:
                raise ArgumentError(
                    self._who,
                    f"parameter {_called(parameter, position)} is given twice",
                    "It would be updated twice a step; list each once.",
                )
            seen.add(parameter)
        complete = {
            "params": parameters,
            **self.defaults,
            **{k: v for k, v in group.items() if k != "params"},
        }
        self.check(complete)
        self.param_groups.append(complete)

    def _as_groups(self, parameters: Iterable[Any]) -> list[Mapping[str, Any]]:
        if isinstance(parameters, (Tensor, Mapping)):
            raise DTypeError(
                self._who,
                f"expected a list of tensors or groups, got one {type(parameters).__name__}",
                "Put it into a list.",
            )
        given = list(parameters)
        if any(isinstance(each, Mapping) for each in given):
            wrong = next((each for each in given if not isinstance(each, Mapping)), None)
            if wrong is not None:
                raise DTypeError(
                    self._who,
                    f"expected only groups, got a {type(wrong).__name__} among them",
                    'Write it as {"params": [...]}.',
                )
            return given
        return [{"params": given}] if given else []

    def _require_trainable(self, parameter: Any, position: int) -> None:
        if not isinstance(parameter, Tensor):
            raise DTypeError(
                self._who,
                f"expected tensors, got {type(parameter).__name__} at position {position}",
                "Pass model.parameters()." if isinstance(parameter, tuple) else "Make it with dr.tensor.",
            )
        require_floating(parameter.dtype, self._who)
        if not parameter.is_leaf:
            raise GraphError(
                self._who,
                f"parameter {_called(parameter, position)} was made by {parameter.node.operation.name}",  # type: ignore[union-attr]
                "Only leaves can be trained: tensors made with requires_grad=True.",
            )

    @property
    def _who(self) -> str:
        return type(self).__name__

    def require_at_least(self, group: Group, option: str, least: float) -> None:
        """Raises ArgumentError unless the option is a finite number of at least `least`."""
        value = group[option]
        if type(value) is float and least <= value < math.inf:
            return
        if not isinstance(value, (int, float, np.floating, np.integer)) or not least <= value < math.inf:
            raise ArgumentError(self._who, f"{option} expected at least {least:g}, got {value!r}")

    def require_fraction(self, option: str, value: float) -> None:
        """Raises ArgumentError unless 0 ≤ value < 1."""
        if not isinstance(value, (int, float, np.floating, np.integer)) or not 0 <= value < 1:
            raise ArgumentError(self._who, f"{option} expected at least 0 and below 1, got {value!r}")

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, but the parameters: a flat dictionary.

        "optimizer"                    the rule's name
        "groups.<g>.<option>"          every option of every group; numbers, flags and lists of them
        "groups.<g>.parameters"        how many parameters the group has
        "state.<index>.<slot>"         copies of arrays, or numbers; <index> counts parameters
                                       through all groups

        Arrays can go into a safetensors file and the rest into JSON. Loading gives back the same
        bits, so that training continues as if it had never stopped.

        >>> import deltarule as dr
        >>> weight = dr.tensor(1.0, requires_grad=True)
        >>> dr.optim.SGD([weight], lr=0.1).state_dict()["groups.0.lr"]
        0.1
        """
        require_not_recorded(
            self._who, "a compiled function cannot take its state", "Take it outside of the call."
        )
        saved: dict[str, Any] = {"optimizer": self._who}
        for number, group in enumerate(self.param_groups):
            saved[f"groups.{number}.parameters"] = len(group["params"])
            for option, value in group.items():
                if option != "params":
                    saved[f"groups.{number}.{option}"] = list(value) if isinstance(value, tuple) else value
        for index, parameter in enumerate(self.parameters()):
            for slot, value in self.state.get(parameter, {}).items():
                saved[f"state.{index}.{slot}"] = value.copy() if isinstance(value, np.ndarray) else value
        return saved

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave: all of it, or nothing at all.

        Raises ArgumentError if it belongs to another rule or to other groups, ShapeError if an array
        does not have its parameter's shape.
        """
        who = f"{self._who}.load_state_dict"
        require_not_recorded(who, "a compiled function cannot load a state", "Load it before the call.")
        kind = saved.get("optimizer")
        if kind != self._who:
            raise ArgumentError(who, f"expected the state of {self._who}, got that of {kind}")
        parameters = self.parameters()
        options: list[Group] = [{} for _ in self.param_groups]
        states: list[State] = [{} for _ in parameters]
        for key, value in saved.items():
            if key == "optimizer":
                continue
            family, number, name = self._key(key, who)
            if family == "groups":
                if number >= len(options):
                    raise ArgumentError(who, f"{key}: there are only {len(options)} groups")
                options[number][name] = tuple(value) if isinstance(value, list) else _plain(value)
            else:
                if number >= len(states):
                    raise ArgumentError(who, f"{key}: there are only {len(states)} parameters")
                states[number][name] = _slot(value, parameters[number], key, who)
        for number, (group, loaded) in enumerate(zip(self.param_groups, options, strict=True)):
            count = loaded.pop("parameters", None)
            if count != len(group["params"]):
                raise ArgumentError(
                    who,
                    f"group {number} has {len(group['params'])} parameters, the saved one {count}",
                    "The state belongs to another model.",
                )
            missing = sorted(set(self.defaults) - set(loaded))
            if missing:
                raise ArgumentError(who, f"group {number} lacks {', '.join(missing)}")
            self.check({**group, **loaded})
        for group, loaded in zip(self.param_groups, options, strict=True):
            group.update(loaded)
        self.state = {parameter: state for parameter, state in zip(parameters, states, strict=True) if state}

    @staticmethod
    def _key(key: str, who: str) -> tuple[str, int, str]:
        family, _, rest = key.partition(".")
        number, _, name = rest.partition(".")
        if family not in ("groups", "state") or not number.isdigit() or not name:
            raise ArgumentError(
                who, f"unknown entry {key!r}", "Entries are groups.<g>.<option> and state.<i>.<slot>."
            )
        return family, int(number), name

    def __repr__(self) -> str:
        lines = [f"{self._who}("]
        for number, group in enumerate(self.param_groups):
            options = ", ".join(f"{name}={value}" for name, value in group.items() if name != "params")
            lines.append(f"  group {number}: {len(group['params'])} parameters, {options}")
        return "\n".join([*lines, ")"])


def _called(parameter: Tensor, position: int) -> str:
    return f"{parameter.name!r}" if parameter.name else f"{position} of shape {parameter.shape}"


def _plain(value: Any) -> Any:
    """A Python number for what a file may have made a 0-dimensional array."""
    return value.item() if isinstance(value, (np.ndarray, np.generic, Tensor)) else value


def _slot(value: Any, parameter: Tensor, key: str, who: str) -> Any:
    array = value._array if isinstance(value, Tensor) else value
    if not isinstance(array, np.ndarray):
        return _plain(array)
    if array.shape != parameter.shape:
        raise ShapeError(
            who,
            f"{key} has shape {array.shape}, its parameter {parameter.shape}",
            "The state belongs to another model.",
        )
    return array.astype(parameter.dtype)
