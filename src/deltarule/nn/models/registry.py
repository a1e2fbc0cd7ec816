"""Models by name: building them, and what they take."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from deltarule.errors import ArgumentError
from deltarule.nn.models.cnn import CNN
from deltarule.nn.models.lenet import LeNet
from deltarule.nn.models.mlp import MLP
from deltarule.nn.models.model import Model
from deltarule.nn.models.recurrent import RecurrentGRU, RecurrentLSTM, RecurrentRNN

MODELS: dict[str, type[Model]] = {
    model.name: model for model in (MLP, LeNet, CNN, RecurrentRNN, RecurrentGRU, RecurrentLSTM)
}


def names(task: str | None = None) -> tuple[str, ...]:
    """Names of the models, or of those that can do a task.

    >>> import deltarule as dr
    >>> dr.nn.models.names("text")
    ('rnn', 'gru', 'lstm')
    """
    return tuple(name for name, model in MODELS.items() if task is None or task in model.tasks)


def model_class(name: str) -> type[Model]:
    """The class of a model. Raises ArgumentError that lists the names for an unknown one.

    >>> import deltarule as dr
    >>> dr.nn.models.model_class("mlp").tasks
    ('classification', 'regression')
    """
    if name not in MODELS:
        close = difflib.get_close_matches(str(name), MODELS, 1)
        fix = f"Did you mean {close[0]!r}?" if close else "Check the spelling."
        raise ArgumentError("models", f"expected one of {', '.join(MODELS)}; got {name!r}", fix)
    return MODELS[name]


def options_of(name: str) -> dict[str, Any]:
    """The options of a model with their defaults; those that must be given are inspect.Parameter.empty.

    >>> import deltarule as dr
    >>> dr.nn.models.options_of("mlp")["hidden"]
    (128, 64)
    """
    parameters = list(inspect.signature(model_class(name).__init__).parameters.values())[1:]
    return {parameter.name: parameter.default for parameter in parameters}


def build(name: str, **options: Any) -> Model:
    """A model by name: mlp, lenet, cnn, rnn, gru or lstm.

    options   those of its class; `input_shape` and `outputs` always. `build(model.name, **model.options)`
              makes the same architecture again, also after the options were written to JSON.

    Raises ArgumentError for an unknown name or option, and for what the model cannot do.

    >>> import deltarule as dr
    >>> model = dr.nn.models.build("mlp", input_shape=(4,), outputs=3, hidden=(8,))
    >>> model(dr.zeros((2, 4))).shape
    (2, 3)
    """
    model = model_class(name)
    known = options_of(name)
    for option in options:
        if option not in known:
            close = difflib.get_close_matches(option, known, 1)
            fix = f"Did you mean {close[0]!r}?" if close else "Leave it out."
            raise ArgumentError(name, f"expected options among {', '.join(known)}; got {option!r}", fix)
    missing = [
        option
        for option, default in known.items()
        if default is inspect.Parameter.empty and option not in options
    ]
    if missing:
        raise ArgumentError(name, f"expected {' and '.join(missing)}, got none", "defaults_for() finds them.")
    return model(**options)
