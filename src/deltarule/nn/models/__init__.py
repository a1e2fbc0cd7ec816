"""Whole models by name: mlp, lenet, cnn, rnn, gru, lstm."""

from deltarule.nn.models.cnn import CNN
from deltarule.nn.models.defaults import default_name, defaults_for
from deltarule.nn.models.initialisation import INITIALISERS, initialise
from deltarule.nn.models.lenet import LeNet
from deltarule.nn.models.mlp import MLP
from deltarule.nn.models.model import TASKS, Model
from deltarule.nn.models.recurrent import RecurrentGRU, RecurrentLSTM, RecurrentRNN
from deltarule.nn.models.registry import MODELS, build, model_class, names, options_of

__all__ = [
    "CNN",
    "INITIALISERS",
    "MLP",
    "MODELS",
    "TASKS",
    "LeNet",
    "Model",
    "RecurrentGRU",
    "RecurrentLSTM",
    "RecurrentRNN",
    "build",
    "default_name",
    "defaults_for",
    "initialise",
    "model_class",
    "names",
    "options_of",
]
