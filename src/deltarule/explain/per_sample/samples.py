"""Gradients per sample: what each sample of a batch says about each parameter, from one backward pass.

The formula of a parameter's gradient is a sum over samples; leaving the sample out of the sum gives the
gradient of each. Here is what is asked for; `contributions.py` reads it from the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.backward import nodes_below, require_graph
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, GraphError
from deltarule.explain.per_sample.contributions import Contribution, Contributions
from deltarule.explain.per_sample.labelling import Labelling, found_batch, names_of
from deltarule.explain.per_sample.norms import squared_norms_and_products, total_parts
from deltarule.explain.per_sample.pulls import SampleGradients
from deltarule.nn.module import Module

_WHO = "sample_gradients"


def sample_gradients(
    loss: Tensor,
    parameters: Module | Mapping[str, Tensor] | Sequence[Tensor] | Tensor | None = None,
    *,
    batch: int | Tensor | Sequence[Tensor] | None = None,
    axis: int = 0,
    reduction: str | None = None,
    keep: str | None = None,
    most_bytes: int = 2**30,
) -> SampleGradients:
    """The gradient of every sample of a batch, from one recorded loss and one backward pass.

    L = (1/N) Σ_n ℓ_n + R:   g_n = ∂ℓ_n/∂θ + ∂R/∂θ,   (1/N) Σ_n g_n = ∂L/∂θ
    L = Σ_n ℓ_n + R:         g_n = ∂ℓ_n/∂θ + (1/N) ∂R/∂θ,   Σ_n g_n = ∂L/∂θ

    loss         a recorded tensor of one element; its graph stays as it is
    parameters   whose gradients: a Module, name -> tensor, tensors, or None for all leaves that need a
                 gradient
    batch        the inputs that hold the samples, or how many samples there are; found if left out: all
                 constant inputs that are as long as the one that is read first
    axis         which of their axes counts the samples; a sequence of the batch is one sample
    reduction    "mean" or "sum" over samples; found from the loss if left out
    keep         "gradients"; "norms" for norms, cosines and noise alone, in little memory; None for gradients
                 if they fit into `most_bytes`
    returns      SampleGradients

    A mean that weighs samples (class weights, ignored targets, masked steps) stays as it is: g_n is N times
    the part of sample n, so that the mean of all g_n is the gradient of the batch. Where samples meet
    otherwise than as terms of the loss, `mixed_by` says where. Layers of all kinds follow from their
    formulas: linear maps, convolutions, recurrences, embeddings, normalisations, attention.

    Raises GraphError for a loss without a graph or of several elements; ArgumentError where the batch, or how
    its loss is reduced, is not to be found.
    Source: Goodfellow 2015, "Efficient per-example gradient computations", for linear layers.

    >>> import deltarule as dr
    >>> from deltarule.explain.per_sample.samples import sample_gradients
    >>> model = dr.nn.Linear(1, 1, bias=False)
    >>> model.weight = dr.nn.Parameter([[0.0]])
    >>> x, t = dr.tensor([[1.0], [2.0], [-1.0]]), dr.tensor([[1.0], [1.0], [1.0]])
    >>> found = sample_gradients(dr.mse_loss(model(x), t), model)
    >>> found.gradients["weight"].ravel().tolist()
    [-2.0, -4.0, 2.0]
    >>> round(found.batch["weight"].item(), 4), round(found.gradients["weight"].mean().item(), 4)
    (-1.3333, -1.3333)
    >>> [(pull.sample, pull.cosine) for pull in found.hardest(3)]
    [(1, 1.0), (0, 1.0), (2, -1.0)]
    """
    if not isinstance(loss, Tensor):
        raise GraphError(_WHO, f"expected a loss, got {type(loss).__name__}", "Give it the recorded loss.")
    require_graph(loss, _WHO)
    for name, value, choices in (
        ("reduction", reduction, ("mean", "sum")),
        ("keep", keep, ("gradients", "norms")),
    ):
        if value is not None and value not in choices:
            raise ArgumentError(_WHO, f"{name} expected one of {', '.join(choices)}, got {value!r}")
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer) or axis < 0:
        raise ArgumentError(_WHO, f"axis expected a whole number from 0, got {axis!r}", "Use 0.")
    leaves, samples = found_batch(loss, batch, axis)
    if not samples:
        raise ArgumentError(_WHO, "expected samples, got an empty batch", "Give it at least one.")
    named = _named_parameters(loss, parameters, leaves)
    labelling = Labelling(loss, leaves, axis, samples)
    kind = _reduction_of(labelling, reduction)
    scale = float(samples) if kind == "mean" else 1.0
    size = samples * sum(each.size * each.dtype.itemsize for each in named.values())
    kept = keep or ("gradients" if size <= most_bytes else "norms")
    # Formulas compute both sides of a choice: the logarithm of a negative number among them.
    with np.errstate(all="ignore"):
        contributions = Contributions(loss, list(named.values()), labelling, scale)
        return _gathered(named, contributions, samples, kind, kept)


def _gathered(
    named: dict[str, Tensor], contributions: Contributions, samples: int, reduction: str, kept: str
) -> SampleGradients:
    record = SampleGradients(
        samples,
        reduction,
        gradients={},
        batch={},
        norms={},
        products={},
        mixed_by=tuple(contributions.labelling.mixed_by),
        ways={},
        kept=kept,
    )
    for name, tensor in named.items():
        uses: list[Contribution] = contributions.of[tensor]
        found = contributions.gradients.get(tensor)
        gradient = np.zeros(tensor.shape, tensor.dtype) if found is None else np.asarray(found)
        mean = gradient if reduction == "mean" else gradient / samples
        record.batch[name] = gradient
        record.ways[name] = tuple(dict.fromkeys(each.way for each in uses))
        whole = None
        if kept == "gradients":
            whole = (
                total_parts(uses, 0, samples) if uses else np.zeros((samples, *tensor.shape), tensor.dtype)
            )
            record.gradients[name] = whole
        squares, along = (
            squared_norms_and_products(uses, mean, samples, whole) if uses else (np.zeros(samples),) * 2
        )
        record.norms[name], record.products[name] = np.sqrt(squares), along
    return record


def _reduction_of(labelling: Labelling, given: str | None) -> str:
    if given is not None:
        return given
    found = labelling.reductions
    if len(found) > 1:
        raise ArgumentError(
            _WHO,
            "the loss adds up samples in two ways: one term is a mean over them, another a sum",
            'Say which one a sample\'s gradient belongs to: reduction="mean", say.',
        )
    return next(iter(found), "sum")


def _named_parameters(loss: Tensor, given: Any, batch: Sequence[Tensor]) -> dict[str, Tensor]:
    if isinstance(given, Module):
        found: dict[str, Tensor] = dict(given.named_parameters())
    elif isinstance(given, Mapping):
        found = dict(given)
    elif given is None or isinstance(given, (Tensor, Sequence)):
        found = _labelled(loss, [given] if isinstance(given, Tensor) else given, batch)
    else:
        raise ArgumentError(
            _WHO, f"parameters expected a Module, tensors or names with tensors, got {type(given).__name__}"
        )
    for name, tensor in found.items():
        if not isinstance(tensor, Tensor):
            raise ArgumentError(
                _WHO, f"parameters expected tensors, got {type(tensor).__name__} for {name!r}"
            )
    found = {name: tensor for name, tensor in found.items() if tensor.requires_grad}
    if not found:
        raise ArgumentError(_WHO, "found no parameters that need a gradient", "Pass parameters=model.")
    return found


def _labelled(loss: Tensor, given: Sequence[Tensor] | None, batch: Sequence[Tensor]) -> dict[str, Tensor]:
    """Tensors by their own names, or by the layer and the name of the input that first reads them."""
    known: dict[int, str] = {}
    leaves: list[Tensor] = []
    samples = {id(each) for each in batch}
    for node in nodes_below([loss]):
        for name, tensor in zip(names_of(node), node.inputs, strict=True):
            if tensor.node is None and tensor.requires_grad and id(tensor) not in known:
                known[id(tensor)] = f"{node.scope}.{name}" if node.scope else name
                if id(tensor) not in samples:
                    leaves.append(tensor)
    found: dict[str, Tensor] = {}
    for number, tensor in enumerate(leaves if given is None else given):
        if not isinstance(tensor, Tensor):
            raise ArgumentError(_WHO, f"parameters expected tensors, got {type(tensor).__name__}")
        stem = tensor.name or known.get(id(tensor), f"parameter {number}")
        name, again = stem, 2
        while name in found:
            name, again = f"{stem} ({again})", again + 1
        found[name] = tensor
    return found
