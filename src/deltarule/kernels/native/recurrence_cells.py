"""What each kind of recurrent layer does to a unit in one step, forward and backward, on vectors of units.

The products with the weights are formed elsewhere; a cell is given their sums, gate by gate, and answers what
follows from them element by element.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from deltarule.kernels.native.functions import sigmoid, tanh
from deltarule.kernels.native.values import Vector


class Before(NamedTuple):
    """What a step starts from: the hidden state, and the cell state of a cell that has one."""

    state: Vector
    memory: Vector | None


class Stepped(NamedTuple):
    """What a step gives.

    gates    what stands in place of the gates' pre-activations afterwards, or nothing
    kept     what the way back needs in addition, if anything
    """

    state: Vector
    memory: Vector | None
    gates: list[Vector]
    kept: Vector | None


class Record(NamedTuple):
    """What the way back reads of one step, as the way forward has left it."""

    gates: list[Vector]
    output: Vector | None
    previous: Vector | None
    kept: Vector | None


class Errors(NamedTuple):
    """Errors of a step.

    delta         of the pre-activations that the inputs' weights feed, gate by gate
    delta_hidden  of those that the hidden weights feed, where they differ
    state         what comes to the previous hidden state beside the product, if anything
    memory        the gradient of the previous cell state, of a cell that has one
    """

    delta: list[Vector]
    delta_hidden: list[Vector] | None
    state: Vector | None
    memory: Vector | None


class Cell:
    """One kind of layer. Subclasses are frozen dataclasses.

    gates         blocks of rows in the weights
    remembers     whether there is a cell state
    keeps         whether a step keeps a vector in addition to its gates
    separate      whether the product with the hidden state is needed apart from the inputs' share: then it
                  has a bias and errors of its own
    keeps_gates   whether gates are stored; without, the output takes their place
    """

    gates: int
    remembers = False
    keeps = False
    separate = False
    keeps_gates = True

    def forward(self, driven: list[Vector], product: list[Vector], before: Before) -> Stepped:
        """driven: the inputs' share of each gate, with its bias; product: the hidden state's share."""
        raise NotImplementedError(f"{type(self).__name__}: forward")

    def backward(self, grad_state: Vector, grad_memory: Vector | None, record: Record) -> Errors:
        """grad_state: of the new hidden state, all of it; grad_memory: of the new cell state, from later."""
        raise NotImplementedError(f"{type(self).__name__}: backward")


@dataclass(frozen=True)
class Elman(Cell):
    """h = φ(a), φ tanh or ReLU."""

    nonlinearity: str
    gates = 1
    keeps_gates = False

    def forward(self, driven: list[Vector], product: list[Vector], before: Before) -> Stepped:
        a = driven[0] + product[0]
        # NaN is not at most 0 and stays.
        state = tanh(a) if self.nonlinearity == "tanh" else (a <= 0.0).select(0.0, a)
        return Stepped(state, None, [], None)

    def backward(self, grad_state: Vector, grad_memory: Vector | None, record: Record) -> Errors:
        state = record.output
        assert state is not None
        slope = (state > 0.0).select(state.like(1.0), 0.0)
        if self.nonlinearity == "tanh":
            slope = 1.0 - state * state
        return Errors([grad_state * slope], None, None, None)


@dataclass(frozen=True)
class GatedUnit(Cell):
    """r, z = σ(a_r + s_r), σ(a_z + s_z);  n = tanh(a_n + r s_n);  h = n + z (h⁻ − n); kept: s_n."""

    gates = 3
    keeps = True
    separate = True

    def forward(self, driven: list[Vector], product: list[Vector], before: Before) -> Stepped:
        reset = sigmoid(driven[0] + product[0])
        update = sigmoid(driven[1] + product[1])
        candidate = tanh(reset.fma(product[2], driven[2]))
        state = update.fma(before.state - candidate, candidate)
        return Stepped(state, None, [reset, update, candidate], product[2])

    def backward(self, grad_state: Vector, grad_memory: Vector | None, record: Record) -> Errors:
        reset, update, candidate = record.gates
        previous, recalled = record.previous, record.kept
        assert previous is not None and recalled is not None
        delta_candidate = grad_state * (1.0 - update) * (1.0 - candidate * candidate)
        delta_update = grad_state * (previous - candidate) * (update * (1.0 - update))
        delta_reset = delta_candidate * recalled * (reset * (1.0 - reset))
        return Errors(
            [delta_reset, delta_update, delta_candidate],
            [delta_reset, delta_update, delta_candidate * reset],
            grad_state * update,
            None,
        )


@dataclass(frozen=True)
class LongShortTerm(Cell):
    """i, f, g, o = σ(a_i), σ(a_f), tanh(a_g), σ(a_o);  c = f c⁻ + i g;  h = o tanh(c); kept: c⁻."""

    gates = 4
    remembers = True
    keeps = True

    def forward(self, driven: list[Vector], product: list[Vector], before: Before) -> Stepped:
        assert before.memory is not None
        a_i, a_f, a_g, a_o = (mine + other for mine, other in zip(driven, product, strict=True))
        i, f, g, o = sigmoid(a_i), sigmoid(a_f), tanh(a_g), sigmoid(a_o)
        memory = f.fma(before.memory, i * g)
        return Stepped(o * tanh(memory), memory, [i, f, g, o], before.memory)

    def backward(self, grad_state: Vector, grad_memory: Vector | None, record: Record) -> Errors:
        i, f, g, o = record.gates
        previous = record.kept
        assert previous is not None and grad_memory is not None
        # The new cell state is computed again, as it was: cheaper than to keep it.
        squashed = tanh(f.fma(previous, i * g))
        grad_memory = grad_memory + grad_state * o * (1.0 - squashed * squashed)
        delta = [
            grad_memory * g * (i * (1.0 - i)),
            grad_memory * previous * (f * (1.0 - f)),
            grad_memory * i * (1.0 - g * g),
            grad_state * squashed * (o * (1.0 - o)),
        ]
        return Errors(delta, None, None, grad_memory * f)
