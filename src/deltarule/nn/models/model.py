"""Model: a whole network that knows the options it was built from.

`options` holds plain values only, so that a run folder can keep them as JSON and `build` makes the
same architecture again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.nn.module import Module
from deltarule.nn.sizes import choice, whole_number

# The last one is next-character language modelling; the words are those of Dataset.kind.
TASKS = ("classification", "regression", "text")


class Model(Module):
    """Base class of the models that are built by name.

    name          the name that `build` knows
    tasks         what it can be built for: classification and regression give (batch, outputs), as logits or
                  numbers; text gives logits of the next character at each position
    options       the options that rebuild it: `build(model.name, **model.options)`
    input_shape   shape of one sample, without the batch
    outputs       classes, numbers, or characters of the vocabulary

    >>> import deltarule as dr
    >>> model = dr.nn.models.build("mlp", input_shape=(4,), outputs=3, hidden=[8])
    >>> model(dr.zeros((5, 4))).shape
    (5, 3)
    >>> again = dr.nn.models.build(model.name, **model.options)
    >>> again.input_shape, again.outputs
    ((4,), 3)
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    options: dict[str, Any]

    def _record(self, input_shape: Sequence[int], outputs: int, task: str, **options: Any) -> None:
        """Checks what all models share and keeps all options, with lists for tuples as JSON has them."""
        if task == "text" and task not in self.tasks:
            raise ArgumentError(
                self.name,
                f"task expected one of {', '.join(self.tasks)}; got {task!r}",
                'Texts need "lstm", "gru" or "rnn".',
            )
        self.task = choice(self.name, "task", task, self.tasks)
        self.input_shape = self._checked_shape(input_shape)
        self.outputs = whole_number(self.name, "outputs", outputs)
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
        self.options = {
            "input_shape": list(self.input_shape),
            "outputs": self.outputs,
            "task": task,
            **plain,
        }

    def _checked_shape(self, input_shape: Any) -> tuple[int, ...]:
        if isinstance(input_shape, int):
            input_shape = (input_shape,)
        if not isinstance(input_shape, Sequence) or isinstance(input_shape, str):
            raise ArgumentError(
                self.name,
                f"input_shape expected the sizes of one sample, got {input_shape!r}",
                "(1, 28, 28), say.",
            )
        return tuple(whole_number(self.name, "input_shape", extent) for extent in input_shape)

    def _require_image(self, least: int) -> tuple[int, int, int]:
        """(channels, height, width) of the input, or an ArgumentError if it is no image or too small."""
        if len(self.input_shape) != 3 or min(self.input_shape[1:]) < least:
            raise ArgumentError(
                self.name,
                f"input_shape expected (channels, height, width) with at least {least} pixels a side, "
                f"got {self.input_shape}",
                'The model "mlp" takes any shape.',
            )
        channels, height, width = self.input_shape
        return channels, height, width

    def _batch(self, x: Any) -> Tensor:
        """x as a tensor, if it is a batch of samples of this model's shape."""
        x = as_tensor(x)
        if x.shape[1:] != self.input_shape or x.ndim == 0:
            wanted = ", ".join(["batch", *(str(extent) for extent in self.input_shape)])
            raise ShapeError(self.name, f"expected inputs of shape ({wanted}), got {x.shape}", _fix(x, self))
        return x

    def extra_repr(self) -> str:
        return f"{self.task}, {self.input_shape} -> {self.outputs}"


def _fix(x: Tensor, model: Model) -> str:
    if x.shape == model.input_shape:
        return "A single sample needs an axis of length 1 before it: x[None]."
    if x.ndim and math.prod(x.shape[1:]) == math.prod(model.input_shape):
        return "The sizes agree: reshape it."
    return "It was built for other data."
