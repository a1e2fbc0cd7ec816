"""rnn, gru, lstm: recurrent networks that read sequences, images row by row, or characters."""

from __future__ import annotations

from typing import Any, ClassVar

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.nn import init
from deltarule.nn.dropout import Dropout
from deltarule.nn.embedding import Embedding
from deltarule.nn.linear import Linear
from deltarule.nn.models.initialisation import initialise
from deltarule.nn.models.model import TASKS, Model
from deltarule.nn.module import Module
from deltarule.nn.recurrent import GRU, LSTM, RNN
from deltarule.nn.sizes import choice, probability, whole_number
from deltarule.operations.indexing import one_hot
from deltarule.operations.joining import concat
from deltarule.operations.shape import permute_dims, reshape


class _RecurrentModel(Model):
    """What rnn, gru and lstm share: how inputs become sequences, and how the output is read."""

    tasks: ClassVar[tuple[str, ...]] = TASKS

    def _build(
        self,
        input_shape: Any,
        outputs: int,
        task: str,
        hidden: int,
        layers: int,
        bidirectional: bool,
        embedding: int,
        dropout: float,
        initialiser: str,
        **own: Any,
    ) -> None:
        who = self.name
        self._record(
            input_shape,
            outputs,
            task,
            hidden=_one_size(who, hidden),
            layers=whole_number(who, "layers", layers),
            bidirectional=bool(bidirectional),
            embedding=whole_number(who, "embedding", embedding, least=0),
            dropout=probability(who, "dropout", dropout),
            initialiser=initialiser,
            **own,
        )
        self.reads_text = task == "text"
        if self.reads_text and bidirectional:
            raise ArgumentError(
                who,
                "bidirectional expected False for text, got True",
                "Reading backwards would show the network the character that it has to predict.",
            )
        if self.reads_text != (self.input_shape == ()):
            raise ArgumentError(
                who,
                f"input_shape expected {'() for text' if self.reads_text else 'at least one axis'}, "
                f"got {self.input_shape}",
                "A sample of a text is one token; that of a sequence is (time, features).",
            )
        if self.reads_text and embedding:
            self.embedding = Embedding(outputs, embedding)
        self.recurrent = self._recurrent(self._features(), self.options["hidden"])
        self.dropout = Dropout(dropout)
        self.output = Linear(self.options["hidden"] * (2 if bidirectional else 1), outputs)
        initialise(self, initialiser, own.get("activation", "tanh"))

    def _features(self) -> int:
        """Features of one step: the embedding's, all values of an image's row, or one value of a table's."""
        if self.reads_text:
            return self.options["embedding"] or self.outputs
        if len(self.input_shape) == 3:
            return self.input_shape[0] * self.input_shape[2]
        return self.input_shape[1] if len(self.input_shape) == 2 else 1

    def _checked_shape(self, input_shape: Any) -> tuple[int, ...]:
        shape = super()._checked_shape(input_shape)
        if len(shape) > 3:
            raise ArgumentError(
                self.name,
                f"input_shape expected at most three axes, got {shape}",
                "(time, features), (channels, height, width), (features,), or () for text.",
            )
        return shape

    def _recurrent(self, features: int, hidden: int) -> Module:
        """The recurrent layers, for inputs of so many features a step."""
        raise NotImplementedError(self.name)

    def _stacking(self) -> dict[str, Any]:
        """Options of the recurrent layers; dropout stands between layers, so one layer alone has none."""
        layers = self.options["layers"]
        return {
            "num_layers": layers,
            "bidirectional": self.options["bidirectional"],
            "dropout": self.options["dropout"] if layers > 1 else 0.0,
        }

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> Any:
        """Logits or numbers for each sample; for text (logits at each position, state).

        x         (batch, *input_shape); for text tokens (batch, time)
        state     of text, the state that the last call returned, or None to start afresh
        lengths   of sequences, the number of steps that count of each, (batch,)
        """
        if self.reads_text:
            return self._continue(x, state)
        if state is not None:
            raise ArgumentError(
                self.name, f"state expected None for {self.task}, got one", "Only text has one."
            )
        _, last = self.recurrent(self._sequence(self._batch(x)), lengths=lengths)
        hidden = last[0] if isinstance(last, tuple) else last
        if self.options["bidirectional"]:
            read = concat([hidden[-2], hidden[-1]], axis=-1)
        else:
            read = hidden[-1]
        return self.output(self.dropout(read))

    def _continue(self, tokens: Any, state: Any) -> tuple[Tensor, Any]:
        tokens = as_tensor(tokens)
        if tokens.ndim != 2:
            raise ShapeError(
                self.name,
                f"expected tokens of shape (batch, time), got {tokens.shape}",
                "One row for each text.",
            )
        if self.options["embedding"]:
            steps = self.embedding(tokens)
        else:
            steps = one_hot(tokens, self.outputs, dtype=self.output.weight.dtype)
        hidden, state = self.recurrent(steps, state)
        return self.output(self.dropout(hidden)), state

    def _sequence(self, x: Tensor) -> Tensor:
        """(batch, time, features): an image row by row, a table's row value by value."""
        if x.ndim == 4:
            rows = permute_dims(x, (0, 2, 1, 3))
            return reshape(rows, (x.shape[0], x.shape[2], x.shape[1] * x.shape[3]))
        return reshape(x, (*x.shape, 1)) if x.ndim == 2 else x


def _one_size(who: str, hidden: Any) -> int:
    """The size of every layer, also given as a list of equal sizes."""
    if isinstance(hidden, (list, tuple)) and len(set(hidden)) == 1:
        hidden = hidden[0]
    if isinstance(hidden, (list, tuple)):
        raise ArgumentError(
            who, f"hidden expected one size for all layers, got {tuple(hidden)}", "Give layers= for several."
        )
    return whole_number(who, "hidden", hidden)


class RecurrentRNN(_RecurrentModel):
    """Recurrent network of simple units: h_t = f(W_ih x_t + W_hh h_(t−1) + b), y = W h + b.

    input_shape    (time, features) of sequences; (channels, height, width) of images, read row by row;
                   (features,) of a table's row, read value by value; () for text
    outputs        classes (logits), numbers, or characters of the vocabulary
    task           classification and regression read the last hidden state; text predicts at each position
    hidden, layers   size of the hidden state, and how many layers stand above each other
    activation     "tanh" or "relu"
    bidirectional  a second pass from the end; not for text
    embedding      features of a character's vector; 0 feeds characters in as one-hot vectors
    dropout        probability of dropping between layers and before the output
    initialiser    how the weights start; "identity" with relu is the network of Le, Jaitly & Hinton 2015

    Raises ArgumentError for options out of range, ShapeError for inputs of another shape.
    Source: Elman 1990.

    >>> import deltarule as dr
    >>> model = dr.nn.models.build("rnn", input_shape=(), outputs=30, task="text", hidden=16, embedding=8)
    >>> logits, state = model(dr.tensor([[1, 2, 3]]))
    >>> logits.shape, state.shape
    ((1, 3, 30), (1, 1, 16))
    """

    name = "rnn"

    def __init__(
        self,
        input_shape: Any,
        outputs: int,
        task: str = "classification",
        hidden: int = 128,
        layers: int = 1,
        activation: str = "tanh",
        bidirectional: bool = False,
        embedding: int = 64,
        dropout: float = 0.0,
        initialiser: str = "default",
    ):
        choice("rnn", "activation", activation, ("tanh", "relu"))
        self._build(
            input_shape,
            outputs,
            task,
            hidden,
            layers,
            bidirectional,
            embedding,
            dropout,
            initialiser,
            activation=activation,
        )

    def _recurrent(self, features: int, hidden: int) -> Module:
        return RNN(features, hidden, nonlinearity=self.options["activation"], **self._stacking())


class RecurrentGRU(_RecurrentModel):
    """Recurrent network of gated units (GRU). See nn.GRU for the equations and `rnn` for the options.

    Source: Cho et al. 2014.

    >>> import deltarule as dr
    >>> model = dr.nn.models.build("gru", input_shape=(12, 3), outputs=1, task="regression", hidden=16)
    >>> model(dr.zeros((5, 12, 3))).shape
    (5, 1)
    """

    name = "gru"

    def __init__(
        self,
        input_shape: Any,
        outputs: int,
        task: str = "classification",
        hidden: int = 128,
        layers: int = 1,
        bidirectional: bool = False,
        embedding: int = 64,
        dropout: float = 0.0,
        initialiser: str = "default",
    ):
        self._build(
            input_shape, outputs, task, hidden, layers, bidirectional, embedding, dropout, initialiser
        )

    def _recurrent(self, features: int, hidden: int) -> Module:
        return GRU(features, hidden, **self._stacking())


class RecurrentLSTM(_RecurrentModel):
    """Recurrent network of long short-term memory. See nn.LSTM for the equations and `rnn` for the options.

    forget_bias   the forget gates' bias at the start; 1 lets the memory last from the first step. None
                  leaves it to the initialiser.

    Source: Hochreiter & Schmidhuber 1997; forget_bias: Gers, Schmidhuber & Cummins 2000.

    >>> import deltarule as dr
    >>> model = dr.nn.models.build("lstm", input_shape=(1, 8, 8), outputs=10, hidden=16)
    >>> model(dr.zeros((5, 1, 8, 8))).shape
    (5, 10)
    """

    name = "lstm"

    def __init__(
        self,
        input_shape: Any,
        outputs: int,
        task: str = "classification",
        hidden: int = 128,
        layers: int = 1,
        bidirectional: bool = False,
        embedding: int = 64,
        dropout: float = 0.0,
        initialiser: str = "default",
        forget_bias: float | None = 1.0,
    ):
        self._build(
            input_shape,
            outputs,
            task,
            hidden,
            layers,
            bidirectional,
            embedding,
            dropout,
            initialiser,
            forget_bias=None if forget_bias is None else float(forget_bias),
        )
        if forget_bias is not None:
            init.forget_gate_bias_(self.recurrent, float(forget_bias))

    def _recurrent(self, features: int, hidden: int) -> Module:
        return LSTM(features, hidden, **self._stacking())
