"""What RNN, GRU and LSTM share: parameters by layer and direction, masks, and how layers are joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from deltarule.autodiff.checkpoint import checkpoint
from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import derived
from deltarule.autodiff.recording import name_scope, recording
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, OutOfBoundsError, ShapeError
from deltarule.nn import init
from deltarule.nn.module import Module
from deltarule.nn.sizes import choice, new_parameter, probability, whole_number
from deltarule.operations.checkpoint_sequence import segment_bounds
from deltarule.operations.dropout import dropout
from deltarule.operations.indexing import getitem
from deltarule.operations.joining import concat, stack
from deltarule.operations.shape import swapaxes
from deltarule.operations.slicing import slice_axis


class Recurrent(Module):
    """What the three layers share: parameters under PyTorch's names, layers, directions and masks.

    gates   blocks of rows in the weights
    """

    gates: ClassVar[int]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = None,
        *,
        checkpoint_segments: int | str | None = None,
    ):
        who = type(self).__name__
        self.input_size = whole_number(who, "input_size", input_size)
        self.hidden_size = whole_number(who, "hidden_size", hidden_size)
        self.num_layers = whole_number(who, "num_layers", num_layers)
        self.bias = bool(bias)
        self.batch_first = bool(batch_first)
        self.dropout = probability(who, "dropout", dropout)
        self.bidirectional = bool(bidirectional)
        self.checkpoint_segments = checkpoint_segments
        if isinstance(checkpoint_segments, str):
            choice(who, "checkpoint_segments", checkpoint_segments, ("sqrt",))
        elif checkpoint_segments is not None:
            self.checkpoint_segments = whole_number(who, "checkpoint_segments", checkpoint_segments)
        rows = self.gates * self.hidden_size
        for layer in range(self.num_layers):
            features = self.input_size if layer == 0 else self.hidden_size * self._directions
            for direction in range(self._directions):
                suffix = _suffix(layer, direction)
                setattr(self, f"weight_ih_{suffix}", new_parameter(rows, features, dtype=dtype))
                setattr(self, f"weight_hh_{suffix}", new_parameter(rows, self.hidden_size, dtype=dtype))
                for name in ("bias_ih", "bias_hh"):
                    parameter = new_parameter(rows, dtype=dtype) if self.bias else None
                    self.register_parameter(f"{name}_{suffix}", parameter)
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def reset_parameters(self) -> None:
        """Draws new weights and biases from U(−1/√hidden_size, 1/√hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def run_direction(
        self, x: Tensor, states: Sequence[Any], weights: Sequence[Any], mask: Any, *, reverse: bool
    ) -> tuple[Tensor, ...]:
        """One layer in one direction: (output, last states...)."""
        raise TypeError(f"{type(self).__name__} defines no run_direction method")

    def run_layers(
        self, x: Any, initial: Sequence[Any], lengths: Any, mask: Any
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Output of the last layer, and each state stacked over layers and directions."""
        x = self._sequence(x)
        mask = self._mask(x, lengths, mask)
        initial = [self._initial(state, position, x.shape[0]) for position, state in enumerate(initial)]
        last: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = dropout(x, self.dropout, self.training)
            outputs = []
            for direction in range(self._directions):
                suffix = _suffix(layer, direction)
                weights = [
                    getattr(self, f"{name}_{suffix}")
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                ]
                states = [None if state is None else getitem(state, len(last)) for state in initial]
                with name_scope(suffix if self.num_layers * self._directions > 1 else ""):
                    in_segments = self.checkpoint_segments is not None and x.shape[1] > 0
                    run = self._in_segments if in_segments else self.run_direction
                    output, *states = run(x, states, weights, mask, reverse=direction == 1)
                outputs.append(output)
                last.append(tuple(states))
            x = outputs[0] if len(outputs) == 1 else concat(outputs, axis=-1)
        output = x if self.batch_first else swapaxes(x, 0, 1)
        return output, tuple(stack(parts, axis=0) for parts in zip(*last, strict=True))

    def _in_segments(
        self, x: Tensor, states: Sequence[Any], weights: Sequence[Any], mask: Any, *, reverse: bool
    ) -> tuple[Tensor, ...]:
        """`run_direction` in parts of the sequence, each of which backward runs again."""
        wanted, steps = self.checkpoint_segments, x.shape[1]
        wanted = min(wanted, steps) if isinstance(wanted, int) else None
        bounds = segment_bounds(type(self).__name__, steps, wanted)
        mask = None if mask is None else as_tensor(mask)
        run = checkpoint(self.run_direction)
        outputs = []
        for start, stop in reversed(bounds) if reverse else bounds:
            part = slice_axis(x, 1, start, stop)
            part_mask = None if mask is None else slice_axis(mask, 1, start, stop)
            output, *states = run(part, states, weights, part_mask, reverse=reverse)
            outputs.append(output)
        return concat(outputs[::-1] if reverse else outputs, axis=1), *states

    def _sequence(self, x: Any) -> Tensor:
        """x as (batch, time, features)."""
        x = as_tensor(x)
        if x.ndim != 3 or x.shape[2] != self.input_size:
            order = "batch, time" if self.batch_first else "time, batch"
            fix = ""
            if x.ndim == 2:
                fix = f"A single sequence needs a batch axis: x[{'None' if self.batch_first else ':, None'}]."
            elif x.ndim == 3:
                fix = f"Did you mean {type(self).__name__}(input_size={x.shape[2]})?"
            raise ShapeError(
                type(self).__name__, f"x expected shape ({order}, {self.input_size}), got {x.shape}", fix
            )
        return x if self.batch_first else swapaxes(x, 0, 1)

    def _mask(self, x: Tensor, lengths: Any, mask: Any) -> Any:
        if lengths is not None and mask is not None:
            raise ArgumentError(
                type(self).__name__, "got both lengths and mask", "Pass one: lengths say the same as a mask."
            )
        if lengths is not None:
            return mask_from_lengths(lengths, x.shape[0], x.shape[1], who=type(self).__name__)
        return mask if mask is None or self.batch_first else swapaxes(mask, 0, 1)

    def _initial(self, state: Any, position: int, batch: int) -> Any:
        if state is None:
            return None
        state = as_tensor(state)
        expected = (self.num_layers * self._directions, batch, self.hidden_size)
        if state.shape != expected:
            name = ("hidden", "cell")[position]
            raise ShapeError(
                type(self).__name__,
                f"the initial {name} state expected shape (layers · directions, batch, hidden) = {expected}, "
                f"got {state.shape}",
                "A state carried over from another batch must have the same batch size.",
            )
        return state

    def extra_repr(self) -> str:
        shown = f"input_size={self.input_size}, hidden_size={self.hidden_size}"
        standard = {
            "num_layers": 1,
            "nonlinearity": "tanh",
            "bias": True,
            "batch_first": True,
            "dropout": 0.0,
            "bidirectional": False,
            "checkpoint_segments": None,
        }
        for name, usual in standard.items():
            value = getattr(self, name, usual)
            if value != usual:
                shown += f", {name}={value!r}"
        return shown


def _suffix(layer: int, direction: int) -> str:
    return f"l{layer}_reverse" if direction else f"l{layer}"


def mask_from_lengths(lengths: Any, batch: int, time: int, *, who: str = "mask_from_lengths") -> Any:
    """(batch, time) booleans, true for the first `lengths[n]` steps; None if all sequences are full.

    lengths  (batch,) whole numbers from 0 to time

    Raises ShapeError for another number of lengths, ArgumentError for numbers that are not whole,
    OutOfBoundsError for lengths beyond the sequence.

    >>> import deltarule as dr
    >>> dr.nn.mask_from_lengths([2, 0], 2, 3).tolist()
    [[True, True, False], [False, False, False]]
    """
    given = as_tensor(lengths)
    if given.shape != (batch,):
        raise ShapeError(
            who, f"lengths expected shape (batch,) = {(batch,)}, got {given.shape}", "One for each sequence."
        )
    if given.dtype.kind not in "iu":
        raise ArgumentError(who, f"lengths expected whole numbers, got {given.dtype}", "Steps are counted.")
    mask = derived(_before_the_end, given, time=time, who=who)
    # A program that is being recorded must hold for other lengths too.
    return None if recording.tracer is None and mask._array.all() else mask


def _before_the_end(lengths: Array, *, time: int, who: str) -> Array:
    if lengths.size and not (0 <= lengths.min() and lengths.max() <= time):
        raise OutOfBoundsError(
            who,
            f"lengths expected from 0 to {time} steps, got {lengths.min()} to {lengths.max()}",
            "Pad x to the longest sequence.",
        )
    return np.arange(time) < lengths[:, None]
