"""What one step of each optimiser does to an element: the rules, for vectors.

A rule has `states` arrays beside parameter and gradient, and `numbers` that may differ from parameter to
parameter. Twins: kernels/updates.py and the `update` methods of optim/, where the formulas stand.
"""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.kernels.native.values import Vector

Stepped = tuple[Vector, list[Vector]]


@dataclass(frozen=True)
class Rule:
    """A rule of updating. `numbers` names what `apply` finds in its list of numbers, in this order."""

    numbers = ()

    @property
    def states(self) -> int:
        """Arrays of state for each parameter."""
        return 0

    def apply(
        self, parameter: Vector, gradient: Vector, states: list[Vector], numbers: list[Vector]
    ) -> Stepped:
        """(parameter, states) after the step."""
        raise NotImplementedError(f"{type(self).__name__}: apply")


def _decayed(parameter: Vector, gradient: Vector, weight_decay: Vector) -> Vector:
    # Without decay an infinite parameter must not make the gradient NaN.
    return weight_decay.equals(0.0).select(gradient, parameter.fma(weight_decay, gradient))


@dataclass(frozen=True)
class SGDRule(Rule):
    """θ − lr · v, with v = keep · v + share · g; a first step keeps nothing."""

    momentum: bool = False
    nesterov: bool = False

    numbers = ("learning_rate", "weight_decay", "momentum", "keep", "share")

    @property
    def states(self) -> int:
        return int(self.momentum)

    def apply(
        self, parameter: Vector, gradient: Vector, states: list[Vector], numbers: list[Vector]
    ) -> Stepped:
        rate, weight_decay, momentum, keep, share = numbers
        gradient = _decayed(parameter, gradient, weight_decay)
        direction = gradient
        if self.momentum:
            velocity = states[0].fma(keep, gradient * share)
            states = [velocity]
            direction = velocity.fma(momentum, gradient) if self.nesterov else velocity
        return parameter - direction * rate, states


@dataclass(frozen=True)
class AdagradRule(Rule):
    """s + g², then θ − lr · g / (√s + eps)."""

    numbers = ("learning_rate", "weight_decay", "epsilon")

    @property
    def states(self) -> int:
        return 1

    def apply(
        self, parameter: Vector, gradient: Vector, states: list[Vector], numbers: list[Vector]
    ) -> Stepped:
        rate, weight_decay, epsilon = numbers
        gradient = _decayed(parameter, gradient, weight_decay)
        total = gradient.fma(gradient, states[0])
        return parameter - gradient * rate / (total.function("sqrt") + epsilon), [total]


@dataclass(frozen=True)
class RMSpropRule(Rule):
    """States: the mean square, then the mean gradient if centered, then the velocity if there is momentum."""

    centered: bool = False
    momentum: bool = False

    numbers = ("learning_rate", "weight_decay", "epsilon", "alpha", "rest", "momentum")

    @property
    def states(self) -> int:
        return 1 + self.centered + self.momentum

    def apply(
        self, parameter: Vector, gradient: Vector, states: list[Vector], numbers: list[Vector]
    ) -> Stepped:
        rate, weight_decay, epsilon, alpha, rest, momentum = numbers
        gradient = _decayed(parameter, gradient, weight_decay)
        square = states[0].fma(alpha, gradient * gradient * rest)
        new, root = [square], square
        if self.centered:
            mean = states[1].fma(alpha, gradient * rest)
            new.append(mean)
            # Rounding may bring a variance below 0, whose root would be NaN; NaN itself stays.
            variance = square - mean * mean
            root = variance.like(0.0).larger(variance)
        direction = gradient / (root.function("sqrt") + epsilon)
        if self.momentum:
            direction = states[-1].fma(momentum, direction)
            new.append(direction)
        return parameter - direction * rate, new


@dataclass(frozen=True)
class AdamRule(Rule):
    """States: both moments, with amsgrad the largest second one. `kept` is what AdamW leaves of θ."""

    amsgrad: bool = False

    numbers = (
        "rate", "weight_decay", "kept", "epsilon", "beta1", "rest1", "beta2", "rest2", "root_correction",
    )  # fmt: skip

    @property
    def states(self) -> int:
        return 2 + self.amsgrad

    def apply(
        self, parameter: Vector, gradient: Vector, states: list[Vector], numbers: list[Vector]
    ) -> Stepped:
        rate, weight_decay, kept, epsilon, beta1, rest1, beta2, rest2, correction = numbers
        gradient = _decayed(parameter, gradient, weight_decay)
        first = states[0].fma(beta1, gradient * rest1)
        second = states[1].fma(beta2, gradient * gradient * rest2)
        new, divisor = [first, second], second
        if self.amsgrad:
            largest = states[2]
            divisor = second.differs(second).select(second, second.larger(largest))
            new.append(divisor)
        root = divisor.function("sqrt") / correction + epsilon
        return parameter * kept - first / root * rate, new
