"""Next-character models: embedding, recurrent layers, and an output at every time step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.rows.row import Array, Row, Shapes

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@dataclass(frozen=True)
class Recurrent(Row):
    """`kind` is RNN (tanh), GRU or LSTM; targets are given for each position, (batch · time,)."""

    kind: str = "LSTM"
    inputs: int = 128
    hidden: int = 256
    time: int = 64
    layers: int = 1
    both_directions: bool = False
    vocabulary: int = 65

    @property
    def _directions(self) -> int:
        return 2 if self.both_directions else 1

    def _features(self, layer: int) -> int:
        return self.inputs if layer == 0 else self.hidden * self._directions

    def shapes(self) -> Shapes:
        rows = GATES[self.kind] * self.hidden
        shapes: Shapes = {"embedding.weight": (self.vocabulary, self.inputs)}
        for layer in range(self.layers):
            for suffix in ("", "_reverse")[: self._directions]:
                shapes |= {
                    f"recurrent.weight_ih_l{layer}{suffix}": (rows, self._features(layer)),
                    f"recurrent.weight_hh_l{layer}{suffix}": (rows, self.hidden),
                    f"recurrent.bias_ih_l{layer}{suffix}": (rows,),
                    f"recurrent.bias_hh_l{layer}{suffix}": (rows,),
                }
        features = self._features(1)
        return shapes | {"output.weight": (self.vocabulary, features), "output.bias": (self.vocabulary,)}

    def one_batch(self, generator: np.random.Generator) -> tuple[Array, Array]:
        characters = generator.integers(0, self.vocabulary, (self.batch, self.time + 1))
        return characters[:, :-1].copy(), characters[:, 1:].reshape(-1)

    def build(self, nn: Any, functions: Any) -> Any:
        row = self

        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embedding = nn.Embedding(row.vocabulary, row.inputs)
                self.recurrent = getattr(nn, row.kind)(
                    row.inputs, row.hidden, row.layers, batch_first=True, bidirectional=row.both_directions
                )
                self.output = nn.Linear(row._features(1), row.vocabulary)

            def forward(self, x: Any) -> Any:
                hidden_states, _ = self.recurrent(self.embedding(x))
                return self.output(functions.reshape(hidden_states, (-1, hidden_states.shape[-1])))

        return Network()

    def in_jax(self, layers: Any, values: dict[str, Any], x: Any) -> Any:
        x = values["embedding.weight"][x]
        for layer in range(self.layers):
            x = layers.recurrent_layer(self.kind, values, f"l{layer}", x, self.both_directions)
        return layers.linear(values, "output", x.reshape(-1, x.shape[-1]))

    def multiply_adds(self) -> tuple[int, int]:
        rows = GATES[self.kind] * self.hidden * self._directions
        each = sum(rows * (self._features(layer) + self.hidden) for layer in range(self.layers))
        return self.batch * self.time * (each + self._features(1) * self.vocabulary), 0

    def tiny(self) -> Recurrent:
        return replace(self, batch=min(self.batch, 3), inputs=4, hidden=5, time=6, vocabulary=7)


ROWS = [
    Recurrent("rnn", "RNN 128 -> 256, 64 steps, batch 32", 32, kind="RNN"),
    Recurrent("lstm", "LSTM 128 -> 256, 64 steps, batch 32", 32),
    Recurrent("gru", "GRU 128 -> 256, 64 steps, batch 32", 32, kind="GRU"),
]
MORE_ROWS = [
    Recurrent(
        "lstm-2-both",
        "LSTM 128 -> 256, 2 layers, both directions, 64 steps, batch 32",
        32,
        layers=2,
        both_directions=True,
    ),
    Recurrent("lstm-1", "LSTM of 64 units, 25 steps, batch 1", 1, inputs=64, hidden=64, time=25),
    Recurrent("lstm-inference", "LSTM 128 -> 256, 64 steps, forward only, batch 1", 1, training=False),
]
