"""Every public operation under one roof, for `deltarule`'s own namespace.

A module of its own, since several families are named as their main function (`linear`, `softmax`).
"""

from deltarule.operations.activations import elu, gelu, leaky_relu, relu, sigmoid, silu, softplus
from deltarule.operations.arithmetic import abs, add, ceil, clip, divide, floor, floor_divide, maximum, minimum, multiply, negative, positive, pow, reciprocal, remainder, round, sign, square, subtract, trunc, where
from deltarule.operations.arrangement import flip, repeat, roll, tile, tril, triu
from deltarule.operations.broadcast import broadcast_arrays, broadcast_to, sum_to
from deltarule.operations.comparisons import all, allclose, any, equal, greater, greater_equal, isclose, isfinite, isinf, isnan, less, less_equal, logical_and, logical_not, logical_or, not_equal
from deltarule.operations.contrastive_loss import contrastive_loss
from deltarule.operations.convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from deltarule.operations.creation import arange, asarray, astype, empty, empty_like, eye, from_dlpack, full, full_like, linspace, ones, ones_like, zeros, zeros_like
from deltarule.operations.cross_entropy import cross_entropy
from deltarule.operations.cumulative import cumulative_prod, cumulative_sum
from deltarule.operations.dropout import dropout
from deltarule.operations.einsum import diagonal, einsum, outer, tensordot, trace, vecdot
from deltarule.operations.embedding import embedding
from deltarule.operations.extremes import argmax, argmin, max, min
from deltarule.operations.functions import acos, acosh, asin, asinh, atan, atan2, atanh, cos, cosh, erf, exp, expm1, log, log10, log1p, log2, rsqrt, sin, sinh, sqrt, tan, tanh
from deltarule.operations.gathering import index_add, scatter_add, take, take_along_axis
from deltarule.operations.indexing import nonzero, one_hot
from deltarule.operations.joining import concat, split, stack, unstack
from deltarule.operations.linear import linear
from deltarule.operations.linear_algebra import matmul, matrix_transpose
from deltarule.operations.losses import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from deltarule.operations.multi_margin_loss import multi_margin_loss
from deltarule.operations.nll_loss import nll_loss
from deltarule.operations.normalisation import batch_norm, group_norm, layer_norm, rms_norm
from deltarule.operations.norms import vector_norm
from deltarule.operations.padding import pad
from deltarule.operations.penalties import elastic_penalty, l1_penalty, l2_penalty
from deltarule.operations.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from deltarule.operations.probability_losses import binary_cross_entropy, binary_cross_entropy_with_logits, kl_div
from deltarule.operations.products import prod
from deltarule.operations.random import manual_seed
from deltarule.operations.recurrence import gru, gru_cell, lstm, lstm_cell, rnn, rnn_cell
from deltarule.operations.reductions import count_nonzero, mean, std, sum, var
from deltarule.operations.shape import expand, expand_dims, flatten, moveaxis, permute, permute_dims, reshape, squeeze, swapaxes, unsqueeze
from deltarule.operations.softmax import log_softmax, logsumexp, softmax
from deltarule.operations.sorting import argsort, sort

__all__ = [
    "abs",
    "acos",
    "acosh",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "add",
    "all",
    "allclose",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "asarray",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "broadcast_arrays",
    "broadcast_to",
    "ceil",
    "clip",
    "concat",
    "contrastive_loss",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cos",
    "cosh",
    "count_nonzero",
    "cross_entropy",
    "cumulative_prod",
    "cumulative_sum",
    "diagonal",
    "divide",
    "dropout",
    "einsum",
    "elastic_penalty",
    "elu",
    "embedding",
    "empty",
    "empty_like",
    "equal",
    "erf",
    "exp",
    "expand",
    "expand_dims",
    "expm1",
    "eye",
    "flatten",
    "flip",
    "floor",
    "floor_divide",
    "from_dlpack",
    "full",
    "full_like",
    "gelu",
    "greater",
    "greater_equal",
    "group_norm",
    "gru",
    "gru_cell",
    "huber_loss",
    "index_add",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "kl_div",
    "l1_loss",
    "l1_penalty",
    "l2_penalty",
    "layer_norm",
    "leaky_relu",
    "less",
    "less_equal",
    "linear",
    "linspace",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logsumexp",
    "lstm",
    "lstm_cell",
    "manual_seed",
    "matmul",
    "matrix_transpose",
    "max",
    "max_pool1d",
    "max_pool2d",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "mse_loss",
    "multi_margin_loss",
    "multiply",
    "negative",
    "nll_loss",
    "nonzero",
    "not_equal",
    "one_hot",
    "ones",
    "ones_like",
    "outer",
    "pad",
    "permute",
    "permute_dims",
    "positive",
    "pow",
    "prod",
    "reciprocal",
    "relu",
    "remainder",
    "repeat",
    "reshape",
    "rms_norm",
    "rnn",
    "rnn_cell",
    "roll",
    "round",
    "rsqrt",
    "scatter_add",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "subtract",
    "sum",
    "sum_to",
    "swapaxes",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensordot",
    "tile",
    "trace",
    "tril",
    "triu",
    "trunc",
    "unsqueeze",
    "unstack",
    "var",
    "vecdot",
    "vector_norm",
    "where",
    "zeros",
    "zeros_like",
]
