"""The networks of a comparison, made from what users say of them: the same in all but what they change."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.data import Dataset, Part, load
from deltarule.errors import ArgumentError
from deltarule.nn.models import build, defaults_for, initialise, options_of
from deltarule.nn.module import Module
from deltarule.operations.random import manual_seed
from deltarule.optim.adagrad import Adagrad
from deltarule.optim.adam import Adam
from deltarule.optim.adamw import AdamW
from deltarule.optim.optimizer import Optimizer
from deltarule.optim.rmsprop import RMSprop
from deltarule.optim.sgd import SGD
from deltarule.training.trainer import Trainer

WHO = "compare"
OPTIMISERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}
# Options of the Trainer that a comparison sets itself, or that cannot be shared by several trainings.
_OWN = frozenset(
    ("self", "model", "optimizer", "task", "loss", "metrics", "callbacks", "run_folder", "save_steps")
    + ("save_minutes", "restore_best")
)
_TRAINER = frozenset(inspect.signature(Trainer.__init__).parameters) - _OWN
_COMMON = ("model", "optimizer", "lr", "initialise")


@dataclass(frozen=True)
class Setup:
    """One network that is about to train.

    name       what the user calls it
    model      with its first weights
    optimizer  of its parameters
    trainer    options of the Trainer
    changed    option -> its value in words: what is its own
    shared     how many of its weights began as those of the first network
    """

    name: str
    model: Module
    optimizer: Optimizer
    trainer: dict[str, Any]
    changed: dict[str, str]
    shared: int


@dataclass(frozen=True)
class Material:
    """The data of all networks.

    train, validation   as loaders are made from them
    task                "classification", "regression" or "text", or None where a loss is given
    sizes               input_shape and outputs for models by name, where they are known
    """

    train: Any
    validation: Any
    task: str | None
    sizes: dict[str, Any]


def setups(
    variants: Mapping[str, Any], base: Mapping[str, Any], material: Material, seed: int, same_weights: bool
) -> list[Setup]:
    """The networks, in the order of the variants.

    Raises ArgumentError for options that nothing takes.
    """
    if not isinstance(variants, Mapping) or not variants:
        raise ArgumentError(
            WHO,
            f"variants expected names with what each changes, got {variants!r}",
            'compare({"tanh": {"activation": "tanh"}, "relu": {"activation": "relu"}}, data, model="mlp").',
        )
    own = {str(name): _options(str(name), each) for name, each in variants.items()}
    redrawn = any(key in options for options in own.values() for key in ("initialiser", "initialise"))
    found: list[Setup] = []
    first: dict[str, np.ndarray] = {}
    for name, options in own.items():
        whole = {**base, **options}
        manual_seed(seed)
        model = _model(name, whole, material)
        state = {key: each.numpy() for key, each in model.named_parameters()}
        shared = 0
        if not found:
            first = {key: array.copy() for key, array in state.items()}
        elif same_weights and not redrawn:
            shared = _take_over(model, first)
        _initialise(model, whole.get("initialise"))
        found.append(_setup(name, model, whole, options, shared))
    return found


def _setup(name: str, model: Module, whole: dict[str, Any], options: Mapping[str, Any], shared: int) -> Setup:
    optimizer = _optimizer(model, whole)
    trainer = {key: value for key, value in whole.items() if key in _TRAINER}
    if callable(trainer.get("schedule")):
        trainer["schedule"] = trainer["schedule"](optimizer)
    made = {"model": model, "optimizer": optimizer}
    changed = {
        key: in_words(made.get(key, value) if _is_nameless(value) else value)
        for key, value in options.items()
    }
    return Setup(name, model, optimizer, trainer, changed, shared)


def _options(name: str, given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, (Module, str)) or callable(given):
        return {"model": given}
    raise ArgumentError(
        WHO,
        f"variant {name!r} expected options, a function that builds a model, or a model; "
        f"got {type(given).__name__}",
        'Write {"activation": "tanh"}, say.',
    )


def _model(name: str, options: dict[str, Any], material: Material) -> Module:
    given = options.get("model")
    more = {key: value for key, value in options.items() if key not in _TRAINER and key not in _COMMON}
    if isinstance(given, str):
        sizes = dict(material.sizes)
        if "input_shape" in sizes and material.task is not None:
            sizes = defaults_for(given, sizes["input_shape"], sizes["outputs"], material.task)
        known = options_of(given)
        return build(given, **{**{key: value for key, value in sizes.items() if key in known}, **more})
    if more:
        raise ArgumentError(
            WHO,
            f"variant {name!r} has options that nothing takes: {', '.join(more)}",
            f"Options are {', '.join(sorted((*_COMMON, *_TRAINER)))}, and those of a model given by name.",
        )
    if isinstance(given, Module):
        return copy.deepcopy(given)
    if callable(given):
        built = given()
        if isinstance(built, Module):
            # The function may give the same one each time.
            return copy.deepcopy(built)
        raise ArgumentError(WHO, f"the model of {name!r} expected a Module, got {type(built).__name__}")
    raise ArgumentError(
        WHO,
        f"variant {name!r} has no model",
        'Give all the same one, compare(..., model="mlp"), or each its own.',
    )


def _take_over(model: Module, first: dict[str, np.ndarray]) -> int:
    """Weights of the first network wherever name and shape agree; how many they are."""
    count = 0
    for name, parameter in model.named_parameters():
        known = first.get(name)
        if known is not None and known.shape == parameter.shape:
            parameter._array[...] = known
            count += parameter.size
    return count


def _initialise(model: Module, how: Any) -> None:
    if isinstance(how, str):
        initialise(model, how)
    elif how is not None:
        how(model)


def _optimizer(model: Module, options: dict[str, Any]) -> Optimizer:
    given, rate = options.get("optimizer", "adam"), options.get("lr", 1e-3)
    if isinstance(given, str):
        if given.lower() not in OPTIMISERS:
            raise ArgumentError(
                WHO,
                f"optimizer expected one of {', '.join(OPTIMISERS)}, got {given!r}",
                "Or pass a function.",
            )
        return OPTIMISERS[given.lower()](model.parameters(), lr=rate)
    if isinstance(given, type) and issubclass(given, Optimizer):
        return given(model.parameters(), lr=rate)  # type: ignore[call-arg]
    made = given(model.parameters()) if callable(given) else given
    if not isinstance(made, Optimizer) or made is given:
        raise ArgumentError(
            WHO,
            f"optimizer expected a name, a class, or a function of parameters, got {type(given).__name__}",
            "Each network needs its own: lambda parameters: dr.optim.SGD(parameters, lr=0.1).",
        )
    return made


def in_words(value: Any) -> str:
    """How an option is written in a table.

    >>> in_words(0.1), in_words(SGD), in_words(lambda parameters: SGD(parameters, lr=0.1))
    ('0.1', 'SGD', 'function')
    """
    if isinstance(value, (Module, Optimizer)):
        return type(value).__name__
    if _is_nameless(value):
        return "function"
    return getattr(value, "__name__", None) or str(value)


def _is_nameless(value: Any) -> bool:
    """Whether it is a function without a name that says something."""
    return (
        callable(value)
        and not isinstance(value, Module)
        and getattr(value, "__name__", "<lambda>") == "<lambda>"
    )


# ---- data


def material_of(data: Any, validation: Any, task: str | None, has_loss: bool) -> Material:
    """What all networks learn from; the kinds of data are those of `dr.fit`."""
    if isinstance(data, str):
        data = load(data)
    sizes: dict[str, Any] = {}
    if isinstance(data, Dataset):
        task = task or data.kind
        if validation is None and len(data.validation):
            validation = data.validation
        sizes = {"input_shape": data.input_shape, "outputs": data.outputs}
        return Material(data.train, validation, task, sizes)
    arrays = (data.inputs, data.targets) if isinstance(data, Part) else data
    if isinstance(arrays, Sequence) and len(arrays) == 2:
        inputs, targets = np.asarray(arrays[0]), np.asarray(arrays[1])
        whole = targets.dtype.kind in "iub"
        if task is None and not has_loss:
            task = "classification" if whole else "regression"
        outputs = int(targets.max(initial=0)) + 1 if whole else int(np.prod(targets.shape[1:]))
        sizes = {"input_shape": inputs.shape[1:], "outputs": outputs}
    elif task is None and not has_loss:
        if not hasattr(data, "batches"):
            kinds = "a data set, its name, a pair (inputs, targets) or a loader"
            raise ArgumentError(
                WHO, f"data expected {kinds}, got {type(data).__name__}", "A text of tokens needs its task."
            )
        raise ArgumentError(
            WHO,
            "the task cannot be found from a loader",
            'Pass task="classification", "regression" or "text".',
        )
    return Material(data, validation, task, sizes)
