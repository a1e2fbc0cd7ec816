"""What all recurrent operations check and convert before they compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import derived
from deltarule.autodiff.operation import Shape
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import DTypeError, ShapeError
from deltarule.operations.elementwise import promote


def require_shapes(who: str, gates: int, looped: bool, states: dict[str, Shape], *others: Shape) -> None:
    """Raises ShapeError unless inputs, states, weights, biases and mask fit together.

    gates    how many blocks of rows the weights hold: 1, 3 (GRU) or 4 (LSTM)
    looped   whether x has a time axis
    states   name -> shape of each initial state
    others   shapes of x, weight_ih, weight_hh, bias_ih, bias_hh and, where given, the mask
    """
    x, weight_ih, weight_hh, bias_ih, bias_hh = others[:5]
    layer = who.removesuffix("_cell").upper() + ("" if looped else "Cell")
    if len(x) != (3 if looped else 2):
        expected = "(batch, time, features)" if looped else "(batch, features)"
        raise ShapeError(
            who,
            f"x expected shape {expected}, got {x}",
            "A single sequence needs a batch axis: x[None]." if len(x) < 3 else "",
        )
    if looped and x[1] == 0:
        raise ShapeError(who, f"expected at least one time step, got x {x}", "Leave out empty sequences.")
    if len(weight_hh) != 2 or weight_hh[0] != gates * weight_hh[1]:
        expected = "(hidden, hidden)" if gates == 1 else f"({gates} · hidden, hidden)"
        raise ShapeError(
            who,
            f"weight_hh expected shape {expected}, got {weight_hh}",
            _stacked(gates) or "It is a square matrix.",
        )
    hidden = weight_hh[1]
    if len(weight_ih) != 2 or weight_ih[0] != gates * hidden:
        raise ShapeError(
            who,
            f"weight_ih expected shape ({gates * hidden}, features) for {hidden} hidden units, "
            f"got {weight_ih}",
            _stacked(gates) or "It has one row for each hidden unit.",
        )
    if weight_ih[1] != x[-1]:
        raise ShapeError(
            who,
            f"weight_ih expects {weight_ih[1]} input features, x has {x[-1]} (x {x}, weight_ih {weight_ih})",
            f"Did you mean {layer}(input_size={x[-1]})?",
        )
    for name, bias in (("bias_ih", bias_ih), ("bias_hh", bias_hh)):
        if bias != (gates * hidden,):
            raise ShapeError(
                who,
                f"{name} expected shape {(gates * hidden,)}, got {bias}",
                "It has one number for each row.",
            )
    for name, state in states.items():
        if state != (x[0], hidden):
            raise ShapeError(
                who,
                f"{name} expected shape (batch, hidden) = {(x[0], hidden)}, got {state}",
                "A state carried over from another batch must have the same batch size.",
            )
    if len(others) > 5 and others[5] != x[:2]:
        raise ShapeError(
            who,
            f"mask expected shape (batch, time) = {x[:2]}, got {others[5]}",
            "It holds 1 where a sequence has a step and 0 where it is padding.",
        )


def _stacked(gates: int) -> str:
    names = {3: "reset, update and candidate", 4: "input, forget, candidate and output"}
    return f"The rows of the {names[gates]} gates are stacked, in this order." if gates in names else ""


def prepared(
    who: str,
    x: Any,
    states: Sequence[Any],
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any,
    bias_hh: Any,
    mask: Any = None,
) -> tuple[Tensor, ...]:
    """All inputs as tensors of one floating type; absent states and biases are constant zeros."""
    x, weight_ih, weight_hh = as_tensor(x), as_tensor(weight_ih), as_tensor(weight_hh)
    # Each state is a tensor of its own, so that a hidden state and a cell state keep apart names in a record.
    start = (*x.shape[:1], *weight_hh.shape[1:])
    states = [Tensor(np.zeros(start, weight_hh.dtype)) if state is None else state for state in states]
    if bias_ih is None or bias_hh is None:
        zero_bias = Tensor(np.zeros(weight_hh.shape[:1], weight_hh.dtype))
        bias_ih, bias_hh = (zero_bias if bias is None else bias for bias in (bias_ih, bias_hh))
    tensors = promote((x, *states, weight_ih, weight_hh, bias_ih, bias_hh), True, who)
    return tensors if mask is None else (*tensors, constant_mask(who, mask))


def constant_mask(who: str, mask: Any) -> Tensor:
    """A mask of zeros and ones as a boolean constant. Raises DTypeError for anything else."""
    given = as_tensor(mask)
    return given.detach() if given.dtype.kind == "b" else derived(_chosen, given, who=who)


def _chosen(mask: Array, *, who: str) -> Array:
    """Where a mask of zeros and ones is 1."""
    chosen = mask == 1
    if not np.all(chosen | (mask == 0)):
        raise DTypeError(
            who,
            "mask expected zeros and ones (or booleans), got other numbers",
            "Lengths are another option.",
        )
    return chosen
