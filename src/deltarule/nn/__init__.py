"""Networks: modules, layers, losses, initialisers and whole models. State and composition only.

Names, parameters, layouts and defaults are PyTorch's, so that weights interchange; sequences are
(batch, time, features) unless batch_first=False is said.
"""

from deltarule.nn import init, models
from deltarule.nn.activation import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from deltarule.nn.attention import scaled_dot_product_attention
from deltarule.nn.containers import ModuleDict, ModuleList, Sequential
from deltarule.nn.convolution import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from deltarule.nn.dropout import Dropout, Dropout2d
from deltarule.nn.embedding import Embedding
from deltarule.nn.linear import Linear
from deltarule.nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    ContrastiveLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    MultiMarginLoss,
    NLLLoss,
    SmoothL1Loss,
)
from deltarule.nn.module import Module, Parameter
from deltarule.nn.multihead_attention import MultiheadAttention
from deltarule.nn.normalisation import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, RMSNorm
from deltarule.nn.pooling import AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from deltarule.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell, detach_state, mask_from_lengths
from deltarule.nn.shape import Flatten, Identity, Unflatten
from deltarule.nn.summary import Summary, SummaryRow, summary
from deltarule.nn.transformer import (
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "ContrastiveLoss",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GroupNorm",
    "HuberLoss",
    "Identity",
    "KLDivLoss",
    "L1Loss",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiMarginLoss",
    "MultiheadAttention",
    "NLLLoss",
    "Parameter",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Summary",
    "SummaryRow",
    "Tanh",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "Unflatten",
    "detach_state",
    "init",
    "mask_from_lengths",
    "models",
    "scaled_dot_product_attention",
    "summary",
]
