"""One update of the parameters: forward, backward, look for NaN, clip, step.

Either all of it happens or none: where NaN or infinity appears, parameters, buffers and the random
state are as they were before the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from deltarule.autodiff.finite import NonFinite, is_finite, locate_nonfinite, locate_nonfinite_gradient
from deltarule.autodiff.recording import no_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, NonFiniteError, ShapeError
from deltarule.nn.module import Module
from deltarule.operations.random import get_random_state, set_random_state
from deltarule.optim.clipping import clip_grad_norm_, clip_grad_value_
from deltarule.optim.optimizer import Optimizer
from deltarule.training.evaluation import as_input, forward, model_dtype
from deltarule.training.recurrent_state import detached

Loss = Callable[[Tensor, Tensor], Tensor]
Penalty = Callable[[Module], Tensor]


class Update:
    """What a training step consists of.

    model, optimizer   whose parameters are updated
    loss               loss(output, targets) -> tensor of one element, the mean over the batch
    penalty            penalty(model) -> tensor of one element that is added to the loss, or None
    clip_value         largest magnitude of a gradient's element, or None
    clip_norm          largest joint norm of all gradients, applied after clip_value, or None

    gradient_norm      joint norm of the gradients of the last update, before it was clipped; NaN without
                       clip_norm
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Loss,
        penalty: Penalty | None = None,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ):
        for name, value in (("clip_value", clip_value), ("clip_norm", clip_norm)):
            if value is not None and not value > 0:
                raise ArgumentError(
                    "Trainer",
                    f"{name} expects a number above 0, got {value!r}",
                    "Leave it out for no clipping.",
                )
        self.model, self.optimizer, self.loss, self.penalty = model, optimizer, loss, penalty
        self.clip_value, self.clip_norm = clip_value, clip_norm
        self.gradient_norm = math.nan
        self._buffers = [module._buffers for module in model.modules() if module._buffers]

    def accumulate(
        self, inputs: Any, targets: Any, state: Any = None, share: float = 1.0, place: str = ""
    ) -> tuple[Array, Array, float, Any]:
        """Adds a batch's gradients to those of the parameters.

        state     recurrent state to begin with, or None
        share     factor on the gradients: 1/n where n batches make one update
        place     where we are ("epoch 3, batch 7"), for the error
        returns   output, targets as the loss took them, loss without penalty, detached state

        Raises NonFiniteError naming the first operation that produced NaN or infinity, with everything as
        before the batch and all gradients forgotten.
        """
        before = self._snapshot()
        # Overflows are looked for below, and named better than a warning would.
        with np.errstate(all="ignore"):
            output, wanted, loss, total, new_state = self._forward(inputs, targets, state)
            if not is_finite(total._array):
                self._fail(before, inputs, targets, state, place, "loss")
            (total if share == 1.0 else total * share).backward()
            if not all(is_finite(each.grad._array) for each in self._parameters() if each.grad is not None):
                self._fail(before, inputs, targets, state, place, "gradient")
        return output._array, wanted._array, float(loss.item()), detached(new_state)

    def apply(self) -> None:
        """Clips the gradients, updates the parameters, and forgets the gradients."""
        if self.clip_value is not None:
            clip_grad_value_(self._parameters(), self.clip_value)
        if self.clip_norm is not None:
            self.gradient_norm = clip_grad_norm_(self._parameters(), self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def penalty_value(self) -> float:
        """The penalty of the parameters as they are; 0 without one."""
        if self.penalty is None:
            return 0.0
        with no_grad():
            return float(self.penalty(self.model).item())

    def _parameters(self) -> list[Tensor]:
        return self.optimizer.parameters()

    def _forward(
        self, inputs: Any, targets: Any, state: Any, traced: bool = False
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Any]:
        """(output, targets, loss, the same with penalty, state); traced records what data goes through."""
        dtype = model_dtype(self.model)
        batch, wanted = as_input(inputs, dtype), as_input(targets, dtype)
        if traced:
            batch.name, wanted.name = "the batch of inputs", "the batch of targets"
            batch.requires_grad = batch.dtype.kind == "f"
        output, new_state = forward(self.model, batch, state)
        loss = self.loss(output, wanted)
        if loss.size != 1:
            raise ShapeError(
                "Trainer",
                f"expected a loss of one element, got shape {loss.shape}",
                "Reduce it over the batch, e.g. with dr.mean.",
            )
        total = loss if self.penalty is None else loss + self.penalty(self.model)
        return output, wanted, loss, total, new_state

    # ---- where it goes wrong

    def _snapshot(self) -> tuple[dict[str, Any], list[dict[str, tuple[Tensor, Array]]]]:
        buffers = [
            {name: (held, held._array.copy()) for name, held in table.items()} for table in self._buffers
        ]
        return get_random_state(), buffers

    def _restore(self, before: tuple[dict[str, Any], list[dict[str, tuple[Tensor, Array]]]]) -> None:
        random_state, buffers = before
        set_random_state(random_state)
        for table, saved in zip(self._buffers, buffers, strict=True):
            for name, (held, array) in saved.items():
                held._array = array.copy()
                held._version[0] += 1
                table[name] = held

    def _fail(
        self,
        before: Any,
        inputs: Any,
        targets: Any,
        state: Any,
        place: str,
        what: str,
    ) -> NoReturn:
        """Puts everything back, computes the batch once more to find the place, and raises."""
        self.optimizer.zero_grad()
        self._restore(before)
        *_, total, _ = self._forward(inputs, targets, state, traced=True)
        found = locate_nonfinite(total) if what == "loss" else locate_nonfinite_gradient(total)
        self._restore(before)
        reason = str(found) if found is not None else "it does not appear when the batch is computed again"
        raise NonFiniteError(
            "Trainer",
            f"the {what} is not finite{f' at {place}' if place else ''}: {reason}. "
            "The parameters are as before this batch",
            _advice(found),
        )


def _advice(found: NonFinite | None) -> str:
    if found is not None and not found.operation:
        return "Check the data for missing values, and the weights that were loaded."
    return "Lower the learning rate, clip the gradients (clip_norm=1.0) or scale the data."
