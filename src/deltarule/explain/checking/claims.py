"""What the user claims: gradients from a backward function, from an object with a backward, or as numbers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError
from deltarule.explain.checking.function_problem import FunctionProblem
from deltarule.explain.checking.names import canonical, differentiated, listed
from deltarule.explain.checking.problem import WHO, Problem, Trial

_UPSTREAM = re.compile(
    r"^(upstream|d_?out(put)?s?|d_?ys?|grad_?(out(put)?s?|ys?)?|g|delta|dl_?dy|gradient|dh|dz|dloss)\d*$",
    re.I,
)
_OUTPUT = re.compile(r"^(y|out|outputs?|value|result)$", re.I)


class Claim:
    """Gradients that somebody derived, as arrays by name for any numbers.

    fixed   whether they can be had on the given numbers alone
    """

    fixed = False

    def gradients(self, trial: Trial) -> dict[str, Any]:
        """Name -> claimed gradient. Raises what the user's code raises."""
        raise TypeError(f"{type(self).__name__} defines no gradients method")


class NumbersClaim(Claim):
    """Gradients as numbers: they hold for the given numbers alone."""

    fixed = True

    def __init__(self, given: Mapping[str, Any], problem: Problem):
        self.given = {target_of(name, problem.varied): _plain(value) for name, value in given.items()}

    def gradients(self, trial: Trial) -> dict[str, Any]:
        return dict(self.given)


class BackwardClaim(Claim):
    """A backward function in NumPy, or a class or object with the methods forward and backward.

    The function's parameters are the upstream gradients and the inputs; which is which is read from
    their names where those fit, else from their number.
    """

    def __init__(self, backward: Any, problem: Problem):
        self.backward, self.problem = backward, problem
        self.order = (
            problem.expected_order() if isinstance(problem, FunctionProblem) else list(problem.varied)
        )
        self._object = hasattr(backward, "backward")
        if not self._object and not callable(backward):
            raise ArgumentError(
                WHO,
                f"expected a backward function, an object with a method backward, formulas or numbers, "
                f"got {type(backward).__name__}",
                "Hand in a function backward(upstream, *inputs) or a dictionary of formulas.",
            )
        self.forward_error: float | None = None
        if not self._object:
            names = _parameters(backward)
            # Nothing but the upstream gradient: the function holds its numbers itself.
            self.fixed = names is not None and len(names) <= 1 and not self._accepted(names)

    def _accepted(self, names: Sequence[str]) -> bool:
        """Whether a sole parameter is an input and no upstream gradient."""
        return len(names) == 1 and self.problem.is_loss and not _UPSTREAM.match(names[0])

    def gradients(self, trial: Trial) -> dict[str, Any]:
        holder: Any = None
        inputs = self._inputs(trial)
        if self._object:
            holder = self._holder(inputs)
            if hasattr(holder, "forward"):
                value = holder.forward(*self._taken(holder.forward, inputs))
                self._compare_forward(value, trial)
            function = holder.backward
            answer = function(*self._arguments(function, {}, trial))
        else:
            function = self.backward
            answer = function(*self._arguments(function, inputs, trial))
        return self._named(answer, holder, trial)

    def _holder(self, inputs: dict[str, Any]) -> Any:
        """The user's object, with a trial's arrays in its attributes where its forward does not take them.

        An object that keeps weights under other names than the inputs' has the given numbers alone.
        """
        made = isinstance(self.backward, type)
        given = {name: value for name, value in inputs.items() if value is not None}
        forward = getattr(self.backward, "forward", None)
        names = None if forward is None else _parameters(forward)
        if names is not None and made:
            # Of a class, forward is a function that takes the object too.
            names = names[1:]
        if names is None or len(names) >= len(given):
            return self.backward() if made else self.backward
        kept = [name for name in given if name not in self._names_taken(names, list(given))]
        if made:
            return self.backward(*(given[name] for name in kept))
        for name in kept:
            own = [each for each in vars(self.backward) if canonical(each) == canonical(name)]
            if own:
                setattr(self.backward, own[0], given[name])
            else:
                self.fixed = True
        return self.backward

    @staticmethod
    def _names_taken(names: Sequence[str], given: Sequence[str]) -> list[str]:
        """Which inputs a forward with these parameters takes: those of its names, else the first ones."""
        return list(names) if all(name in given for name in names) else list(given[: len(names)])

    def _taken(self, forward: Callable[..., Any], inputs: dict[str, Any]) -> list[Any]:
        given = {name: value for name, value in inputs.items() if value is not None}
        names = _parameters(forward)
        if names is None or len(names) >= len(given):
            return list(given.values())
        return [given[name] for name in self._names_taken(names, list(given))]

    def _inputs(self, trial: Trial) -> dict[str, Any]:
        """Copies of the inputs in their order: the user's code may write into its arguments."""
        problem = self.problem
        if not isinstance(problem, FunctionProblem):
            return {name: np.array(array) for name, array in trial.numbers.items()}
        found: dict[str, Any] = {}
        for name, value in zip(problem.names, problem.inputs, strict=True):
            found[name] = np.array(trial.numbers[name]) if name in trial.numbers else value
        return found

    def _arguments(self, function: Callable[..., Any], inputs: dict[str, Any], trial: Trial) -> list[Any]:
        upstream = [np.array(each) for each in trial.upstream]
        flat: list[Any] = upstream if len(upstream) > 1 else upstream[:1]
        if self.problem.is_loss:
            flat = [float(flat[0].reshape(()))]
        whole = flat if len(flat) == 1 else [tuple(flat)]
        names = _parameters(function)
        given = list(inputs.values())
        if names is None:
            return [*whole, *given]
        known = {**trial.numbers, **inputs}
        outputs = [np.array(each._array) for each in trial.all_outputs]
        rest = names[1:]
        if rest and all(name in known or _OUTPUT.match(name) for name in rest) and names[0] not in known:
            answer = outputs[0] if len(outputs) == 1 else tuple(outputs)
            return [*whole, *(np.array(known[name]) if name in known else answer for name in rest)]
        if names and all(name in known for name in names):
            return [np.array(known[name]) for name in names]
        wanted = {
            len(given) + 1: [*whole, *given],
            len(given) + len(flat): [*flat, *given],
        }
        if self.problem.is_loss:
            wanted.setdefault(len(given), given)
        if not inputs or len(names) <= 1:
            wanted.update({1: whole, len(flat): flat, 0: []})
        if len(names) not in wanted:
            raise ArgumentError(
                WHO,
                f"backward takes {len(names)} arguments ({', '.join(names)}), expected the upstream gradient "
                f"and the {len(given)} inputs ({', '.join(inputs)})",
                "Name its parameters after the inputs, or take them all in their order.",
            )
        return wanted[len(names)]

    def _compare_forward(self, value: Any, trial: Trial) -> None:
        parts = value if isinstance(value, (tuple, list)) else [value]
        for own, right in zip(parts, trial.all_outputs, strict=False):
            try:
                own = np.asarray(own, np.float64)
            except (TypeError, ValueError):
                return
            # NaN and infinities cannot be compared.
            if own.shape == right.shape and np.all(np.isfinite(right._array)):
                self.forward_error = max(self.forward_error or 0.0, deviation(own, right._array))

    def _named(self, answer: Any, holder: Any, trial: Trial) -> dict[str, Any]:
        varied = self.problem.varied
        if isinstance(answer, Mapping):
            return {target_of(str(name), varied): _plain(value) for name, value in answer.items()}
        found: dict[str, Any] = {}
        if holder is not None:
            found = _attributes(holder, varied)
        if answer is None and not found:
            raise ArgumentError(
                WHO,
                "backward returned None, and the object has no gradients such as .dW or .grads",
                "Return the gradients in the order of the inputs, or a dictionary by name.",
            )
        if answer is None:
            return found
        order = self.order
        several = list(answer) if isinstance(answer, (tuple, list)) else [answer]
        if isinstance(answer, list) and len(order) == 1 and not isinstance(answer[0], (np.ndarray, Tensor)):
            # Lists of numbers are one array.
            several = [answer]
        if len(several) > len(order) and len(several) == len(varied):
            order = varied
        positional = [name for name in varied if name in order]
        if isinstance(self.problem, FunctionProblem) and len(several) == len(self.problem.names):
            # One answer for each input, None where there is no gradient.
            positional = self.problem.names
        if len(several) > len(positional):
            raise ArgumentError(
                WHO,
                f"backward returned {len(several)} gradients, expected at most {len(positional)} "
                f"({', '.join(positional)})",
                "Return them in the order of the inputs, or a dictionary by name.",
            )
        for name, value in zip(positional, several, strict=False):
            if value is not None and name in varied:
                found[name] = _plain(value)
        return found


def _parameters(function: Callable[..., Any]) -> list[str] | None:
    """Names of the positional parameters without a default; None where it takes any number."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return None
    return [
        each.name
        for each in parameters
        if each.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        and each.default is inspect.Parameter.empty
    ]


def _plain(value: Any) -> Any:
    return value._array if isinstance(value, Tensor) else np.asarray(value)


def _attributes(holder: Any, varied: Sequence[str]) -> dict[str, Any]:
    """Gradients that an object keeps: .grads[name], .dW, .grad_W, .W_grad."""
    found: dict[str, Any] = {}
    for table in ("grads", "gradients", "grad"):
        stored = getattr(holder, table, None)
        if isinstance(stored, Mapping):
            for name, value in stored.items():
                target = alias(str(name), varied)
                if target is not None and value is not None:
                    found[target] = _plain(value)
    for name, value in vars(holder).items():
        target = alias(name, varied) if name not in varied else None
        if target is not None and target not in found and isinstance(value, (np.ndarray, float, Tensor)):
            found[target] = _plain(value)
    return found


def alias(text: str, varied: Sequence[str]) -> str | None:
    """The array that a name speaks of: W for "W", "dW", "grad_W", "dL/dW", "∂L/∂W", "W_grad"."""
    text = (differentiated(text) or text).strip().replace(" ", "")
    candidates = [text]
    for pattern in (
        r"d(?:L|E|J|loss)_?d_?(.+)",
        r"(?:d|∂|\\partial|grad_?|D|∇_?)_?(.+)",
        r"(.+?)[._]?grad(?:ient)?",
    ):
        match = re.fullmatch(pattern, text)
        if match:
            candidates.append(match[1])
    for candidate in candidates:
        bare = re.sub(r"\[.*\]$", "", candidate)
        for name in (candidate, bare):
            if name in varied:
                return name
        for name in varied:
            if canonical(name) == canonical(bare):
                return name
    return None


def target_of(text: str, varied: Sequence[str]) -> str:
    """The array whose gradient a name claims. Raises ArgumentError for one that there is not."""
    found = alias(text, varied)
    if found is None:
        raise ArgumentError(
            WHO,
            f"there is no input named {text!r} to have a gradient; {listed(varied)}",
            "Name tensors through names=, or by tensor.name.",
        )
    return found


def deviation(given: Array, expected: Array) -> float:
    """Largest difference relative to the largest number that is expected."""
    with np.errstate(invalid="ignore"):
        difference = float(np.max(np.abs(np.asarray(given, np.float64) - expected), initial=0.0))
    scale = float(np.max(np.abs(expected), initial=0.0))
    if not np.isfinite(difference):
        return float("inf")
    if difference == 0:
        return 0.0
    return difference / scale if scale > 0 else float("inf")
