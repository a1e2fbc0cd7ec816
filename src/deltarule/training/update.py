"""One update of the parameters: forward, backward, look for NaN, clip, step.

Either all of it happens or none: where NaN or infinity appears, parameters, buffers and the random
state are as they were before the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from deltarule.autodiff.derived import checked, number
from deltarule.autodiff.finite import (
    NonFinite,
    NotFinite,
    locate_nonfinite,
    locate_nonfinite_gradient,
    require_finite,
)
from deltarule.autodiff.recording import no_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, NonFiniteError, ShapeError
from deltarule.nn.module import Module
from deltarule.optim.clipping import clip_grad_norm_, clip_grad_value_
from deltarule.optim.optimizer import Optimizer
from deltarule.training.compiled_calls import CompiledCalls
from deltarule.training.evaluation import as_input, forward, model_dtype
from deltarule.training.recurrent_state import detached
from deltarule.training.snapshot import Snapshot

Loss = Callable[[Tensor, Tensor], Tensor]
Penalty = Callable[[Module], Tensor]


class Update:
    """What a training step consists of.

    model, optimizer   whose parameters are updated
    loss               loss(output, targets) -> tensor of one element, the mean over the batch
    penalty            penalty(model) -> tensor of one element that is added to the loss, or None
    clip_value         largest magnitude of a gradient's element, or None
    clip_norm          largest joint norm of all gradients, applied after clip_value, or None
    compile            whether steps are compiled once that pays

    gradient_norm      joint norm of the gradients of the last update, before it was clipped; NaN without
                       clip_norm
    calls              the compiled step, or None
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Loss,
        penalty: Penalty | None = None,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        compile: bool = True,
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
        self.calls: CompiledCalls | None = None
        if compile:
            size = sum(each.size for each in model.parameters())
            self.calls = CompiledCalls(self.step, lambda: Snapshot(model, optimizer), self._snapshot, size)

    def learn(
        self,
        inputs: Any,
        targets: Any,
        state: Any = None,
        share: float = 1.0,
        last: bool = True,
        place: str = "",
    ) -> tuple[Array, Array, float, Any]:
        """Adds a batch's gradients to those of the parameters, and updates these if it is the last one.

        state     recurrent state to begin with, or None
        share     factor on the gradients: 1/n where n batches make one update
        last      whether the parameters are updated, and the gradients forgotten
        place     where we are ("epoch 3, batch 7"), for the error
        returns   output, targets as the loss took them, loss without penalty, detached state

        Raises NonFiniteError naming the first operation that produced NaN or infinity, with everything as
        before the batch and all gradients forgotten.
        """
        dtype = model_dtype(self.model)
        batch, wanted = as_input(inputs, dtype), as_input(targets, dtype)
        # Overflows are looked for, and named better than a warning would.
        with np.errstate(all="ignore"):
            try:
                if self.calls is not None:
                    output, loss, norm, state = self.calls(batch, wanted, state, share, last)
                else:
                    output, loss, norm, state = self._plainly(batch, wanted, state, share, last)
            except NotFinite:
                self._fail(batch, wanted, state, place)
        if last:
            self.gradient_norm = norm
        return output._array, wanted._array, loss, state

    def step(
        self, batch: Tensor, wanted: Tensor, state: Any, share: float, last: bool
    ) -> tuple[Tensor, float, float, Any]:
        """(output, loss, norm of the gradients, state): everything that is compiled.

        Raises NotFinite before anything is clipped or updated.
        """
        # What the step depends on is named here, so that a program notices where it changes.
        output, loss, total, new_state = _forward(self.model, self.loss, self.penalty, batch, wanted, state)
        (total if share == 1.0 else total * share).backward()
        gradients = [each.grad for each in self.optimizer.parameters()]
        checked(require_finite, total, *[each for each in gradients if each is not None])
        norm = _apply(self.optimizer, self.clip_value, self.clip_norm) if last else math.nan
        return output, number(loss), norm, detached(new_state)

    def penalty_value(self) -> float:
        """The penalty of the parameters as they are; 0 without one."""
        if self.penalty is None:
            return 0.0
        with no_grad():
            return float(self.penalty(self.model).item())

    def _plainly(self, batch: Tensor, wanted: Tensor, state: Any, share: float, last: bool) -> Any:
        before = self._snapshot()
        try:
            return self.step(batch, wanted, state, share, last)
        except NotFinite:
            before.restore()
            raise

    # ---- where it goes wrong

    def _snapshot(self) -> Snapshot:
        return Snapshot(self.model)

    def _fail(self, batch: Tensor, wanted: Tensor, state: Any, place: str) -> NoReturn:
        """Computes the batch, which left no trace, once more to find the place, and raises."""
        self.optimizer.zero_grad()
        before = self._snapshot()
        batch.name, wanted.name = "the batch of inputs", "the batch of targets"
        # Recorded, so that data which is not finite is found.
        batch.requires_grad = batch.dtype.kind == "f"
        *_, total, _ = _forward(self.model, self.loss, self.penalty, batch, wanted, state)
        what, found = "loss", locate_nonfinite(total)
        if found is None:
            what, found = "gradient", locate_nonfinite_gradient(total)
        before.restore()
        reason = str(found) if found is not None else "it does not appear when the batch is computed again"
        raise NonFiniteError(
            "Trainer",
            f"the {what} is not finite{f' at {place}' if place else ''}: {reason}. "
            "The parameters are as before this batch",
            _advice(found),
        )


def _forward(
    model: Module, loss: Loss, penalty: Penalty | None, batch: Tensor, wanted: Tensor, state: Any
) -> tuple[Tensor, Tensor, Tensor, Any]:
    """(output, loss, the same with penalty, state)."""
    output, new_state = forward(model, batch, state)
    value = loss(output, wanted)
    if value.size != 1:
        raise ShapeError(
            "Trainer",
            f"expected a loss of one element, got shape {value.shape}",
            "Reduce it over the batch, e.g. with dr.mean.",
        )
    return output, value, value if penalty is None else value + penalty(model), new_state


def _apply(optimizer: Optimizer, clip_value: float | None, clip_norm: float | None) -> float:
    """Clips the gradients, updates the parameters, forgets the gradients; their norm if that is limited."""
    norm = math.nan
    if clip_value is not None:
        clip_grad_value_(optimizer.parameters(), clip_value)
    if clip_norm is not None:
        norm = clip_grad_norm_(optimizer.parameters(), clip_norm)
    optimizer.step()
    optimizer.zero_grad()
    return norm


def _advice(found: NonFinite | None) -> str:
    if found is not None and not found.operation:
        return "Check the data for missing values, and the weights that were loaded."
    return "Lower the learning rate, clip the gradients (clip_norm=1.0) or scale the data."
