"""Module: named parameters, buffers and sub-modules, in training or evaluation mode.

State and composition only: what a module computes is written in operations, so its gradients come
from the record and are never written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.derived import require_known
from deltarule.autodiff.dtypes import require_floating
from deltarule.autodiff.recording import recording, structure
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DeltaruleError, DTypeError, ShapeError

Self = TypeVar("Self", bound="Module")


class Parameter(Tensor):
    """A tensor that a module trains. Assigning one to an attribute registers it.

    array   a tensor, whose elements are shared; or anything that dr.tensor takes, which is copied

    Raises DTypeError for anything but floating numbers.

    >>> import deltarule as dr
    >>> weight = dr.nn.Parameter([[1.0, 2.0]])
    >>> weight.requires_grad, weight.shape
    (True, (1, 2))
    """

    __slots__ = ()

    def __init__(self, array: Any, requires_grad: bool = True, name: str = ""):
        values = array._array if isinstance(array, Tensor) else tensor(array)._array
        require_floating(values.dtype, "Parameter")
        super().__init__(values, requires_grad=requires_grad, name=name)


class Module:
    """Base class of layers and models.

    Attributes that are Parameters, buffers (`register_buffer`) or Modules are found by name, in the
    order of assignment. Define `forward`; call the module itself, which also names the operations
    recorded inside after the attribute that holds it (`encoder.0`).

    training   True in training mode, which dropout and batch normalisation obey

    >>> import deltarule as dr
    >>> class Perceptron(dr.nn.Module):
    ...     def __init__(self):
    ...         self.hidden = dr.nn.Linear(3, 4)
    ...         self.output = dr.nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.output(dr.tanh(self.hidden(x)))
    >>> model = Perceptron()
    >>> model(dr.zeros((5, 3))).shape
    (5, 2)
    >>> [(name, parameter.shape) for name, parameter in model.named_parameters()]
    [('hidden.weight', (4, 3)), ('hidden.bias', (4,)), ('output.weight', (2, 4)), ('output.bias', (2,))]
    >>> model
    Perceptron(
      (hidden): Linear(in_features=3, out_features=4, bias=True)
      (output): Linear(in_features=4, out_features=2, bias=True)
    )
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor]
    _modules: dict[str, Module]

    def __new__(cls, *arguments: Any, **options: Any):
        self = super().__new__(cls)
        # Here rather than in __init__, so that a subclass may forget super().__init__().
        object.__setattr__(self, "_parameters", {})
        object.__setattr__(self, "_buffers", {})
        object.__setattr__(self, "_modules", {})
        object.__setattr__(self, "_name", "")
        object.__setattr__(self, "training", True)
        # Having a __new__ keeps Python itself from telling this.
        if (arguments or options) and cls.__init__ is object.__init__:
            given = ", ".join(
                [*map(repr, arguments), *(f"{key}={value!r}" for key, value in options.items())]
            )
            raise TypeError(f"{cls.__name__} takes no arguments, got {given}")
        return self

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes, in operations. Subclasses define it."""
        raise TypeError(
            f"{type(self).__name__} defines no forward method: write one that computes its output"
        )

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        # What `with name_scope(self._name):` does, in a fifth of its time.
        outer, name = recording.scope, self._name
        if name:
            recording.scope = f"{outer}.{name}" if outer else name
        if recording.tracer is not None:
            recording.tracer.module(self)
        try:
            return self.forward(*inputs, **options)
        except DeltaruleError as error:
            # The innermost layer is the first to see the error, and knows its whole name.
            if recording.scope and " in layer " not in error.who:
                error.who = f"{error.who} in layer {recording.scope}"
            raise
        finally:
            recording.scope = outer

    # ---- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        self._note_change(name)
        if isinstance(value, Parameter):
            self._forget(name)
            self._parameters[name] = value
        elif isinstance(value, Module):
            self._forget(name)
            self._modules[name] = value
            object.__setattr__(value, "_name", name)
        elif isinstance(value, Tensor) and name in self._buffers:
            self._buffers[name] = value
        elif value is None and name in self._parameters:
            self._parameters[name] = None
        else:
            self._forget(name)
            object.__setattr__(self, name, value)

    def _note_change(self, name: str) -> None:
        """Tells recorded programs that an attribute is about to change."""
        if recording.tracer is not None:
            recording.tracer.attribute(self, name)
        structure.changed()

    def _forget(self, name: str) -> None:
        self.__dict__.pop(name, None)
        for table in (self._parameters, self._buffers, self._modules):
            table.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        for table in ("_parameters", "_buffers", "_modules"):
            held = self.__dict__.get(table, {})
            if name in held:
                return held[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        if name not in self.__dict__ and not any(
            name in table for table in (self._parameters, self._buffers, self._modules)
        ):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        self._note_change(name)
        self._forget(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._parameters, *self._buffers, *self._modules]

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Registers a parameter by name; None marks one that is absent (bias=False)."""
        self._note_change(name)
        self._forget(name)
        self._parameters[name] = parameter

    def register_buffer(self, name: str, values: Any) -> None:
        """Registers state that is saved with the module but not trained, e.g. a running mean.

        >>> import deltarule as dr
        >>> layer = dr.nn.Identity()
        >>> layer.register_buffer("steps", dr.tensor(0))
        >>> list(layer.state_dict()), list(layer.parameters())
        (['steps'], [])
        """
        self._note_change(name)
        self._forget(name)
        self._buffers[name] = values if isinstance(values, Tensor) else tensor(values)

    def add_module(self, name: str, module: Module) -> None:
        """Registers a sub-module by name."""
        setattr(self, name, module)

    # ---- walks

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module ("") and all below it, each once.

        >>> import deltarule as dr
        >>> model = dr.nn.Sequential(dr.nn.Linear(3, 4), dr.nn.Sequential(dr.nn.ReLU()))
        >>> [(name, type(module).__name__) for name, module in model.named_modules()]
        [('', 'Sequential'), ('0', 'Linear'), ('1', 'Sequential'), ('1.0', 'ReLU')]
        """
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            below = [(f"{name}.{key}" if name else key, child) for key, child in module._modules.items()]
            stack.extend(reversed(below))

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def children(self) -> Iterator[Module]:
        """The direct sub-modules."""
        return iter(self._modules.values())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct sub-modules."""
        return iter(self._modules.items())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter), a shared one under its first name only.

        >>> import deltarule as dr
        >>> model = dr.nn.Sequential(dr.nn.Linear(3, 4), dr.nn.ReLU())
        >>> [(name, parameter.shape) for name, parameter in model.named_parameters()]
        [('0.weight', (4, 3)), ('0.bias', (4,))]
        """
        seen: set[int] = set()
        for prefix, module in self.named_modules():
            for name, parameter in module._parameters.items():
                if parameter is not None and id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield f"{prefix}.{name}" if prefix else name, parameter

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer)."""
        for prefix, module in self.named_modules():
            for name, buffer in module._buffers.items():
                yield f"{prefix}.{name}" if prefix else name, buffer

    def buffers(self) -> Iterator[Tensor]:
        """Every buffer."""
        return (buffer for _, buffer in self.named_buffers())

    def apply(self: Self, function: Callable[[Module], Any]) -> Self:
        """Calls the function with every module, sub-modules first, and returns this module.

        >>> import deltarule as dr
        >>> model = dr.nn.Sequential(dr.nn.Linear(2, 2), dr.nn.ReLU())
        >>> seen = []
        >>> _ = model.apply(lambda module: seen.append(type(module).__name__))
        >>> seen
        ['ReLU', 'Linear', 'Sequential']
        """
        for module in reversed(list(self.modules())):
            function(module)
        return self

    # ---- modes and gradients

    def train(self: Self, mode: bool = True) -> Self:
        """Training mode (or evaluation mode with False) for this module and all below it."""
        for module in self.modules():
            if module.training != mode:
                module._note_change("training")
                object.__setattr__(module, "training", mode)
        return self

    def eval(self: Self) -> Self:
        """Evaluation mode: dropout passes everything, batch normalisation uses its running values.

        >>> import deltarule as dr
        >>> model = dr.nn.Sequential(dr.nn.Linear(2, 2), dr.nn.Dropout(0.5))
        >>> model.eval()[1].training, model.train()[1].training
        (False, True)
        """
        return self.train(False)

    def zero_grad(self) -> None:
        """Forgets the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Freezes (False) or unfreezes all parameters.

        >>> import deltarule as dr
        >>> layer = dr.nn.Linear(2, 1).requires_grad_(False)
        >>> layer(dr.zeros((1, 2))).requires_grad
        False
        """
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def astype(self: Self, dtype: Any) -> Self:
        """Converts parameters and floating buffers in place to another floating type.

        >>> import deltarule as dr
        >>> dr.nn.Linear(2, 1).astype(dr.float64).weight.dtype == dr.float64
        True
        """
        wanted = np.dtype(dtype)
        require_floating(wanted, "astype")
        for each in [*self.parameters(), *self.buffers()]:
            if each.dtype.kind == "f":
                if recording.tracer is not None:
                    recording.tracer.attribute(each, "_array")
                each._array = each._array.astype(wanted)
                each.grad = None
        structure.changed()
        return self

    # ---- state

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by dotted name, in PyTorch's names and layouts.

        >>> import deltarule as dr
        >>> {name: values.shape for name, values in dr.nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        state: dict[str, Array] = {}
        for prefix, module in self.named_modules():
            for table in (module._parameters, module._buffers):
                for name, held in table.items():
                    if held is not None:
                        require_known(held, "state_dict")
                        state[f"{prefix}.{name}" if prefix else name] = held._array.copy()
        return state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Writes values into parameters and buffers by name; all of them, or none at all.

        state   name -> array, tensor, or anything array-like (PyTorch tensors too)
        strict  with False, names that are missing or unknown are passed over

        Raises ArgumentError for missing or unknown names, ShapeError for a wrong shape, DTypeError for what
        is no real number.

        >>> import deltarule as dr
        >>> layer = dr.nn.Linear(2, 1)
        >>> layer.load_state_dict({"weight": [[3.0, 4.0]], "bias": [1.0]})
        >>> layer(dr.tensor([1.0, 1.0])).item()
        8.0
        """
        targets: dict[str, Tensor] = {}
        for prefix, module in self.named_modules():
            for table in (module._parameters, module._buffers):
                for name, held in table.items():
                    if held is not None:
                        targets[f"{prefix}.{name}" if prefix else name] = held
        missing = [name for name in targets if name not in state]
        unknown = [name for name in state if name not in targets]
        who = f"{type(self).__name__}.load_state_dict"
        if strict and (missing or unknown):
            raise ArgumentError(
                who,
                "; ".join(
                    part
                    for part in (
                        f"missing {', '.join(missing)}" if missing else "",
                        f"unknown {', '.join(unknown)}" if unknown else "",
                    )
                    if part
                ),
                "The weights belong to another model; strict=False loads what fits.",
            )
        ready = []
        for name, target in targets.items():
            if name not in state:
                continue
            array = _plain_array(state[name], name, who)
            if array.shape != target.shape:
                raise ShapeError(
                    who,
                    f"{name} has shape {target.shape}, the given one {array.shape}",
                    "Check the layer's sizes.",
                )
            ready.append((target, array))
        for target, array in ready:
            if recording.tracer is not None:
                recording.tracer.written(target, ..., array)
            target._array[...] = array
            target._version[0] += 1

    # ---- text

    def extra_repr(self) -> str:
        """The options of the layer as they are shown by repr."""
        return ""

    def __repr__(self) -> str:
        options = self.extra_repr()
        if not self._modules:
            return f"{type(self).__name__}({options})"
        lines = [f"{type(self).__name__}({options}"]
        for name, module in self._modules.items():
            body = repr(module).replace("\n", "\n  ")
            lines.append(f"  ({name}): {body}")
        return "\n".join([*lines, ")"])


def _plain_array(values: Any, name: str, who: str) -> Array:
    """The numbers of a tensor of ours or of PyTorch's, or of anything array-like."""
    if isinstance(values, Tensor):
        return values._array
    # PyTorch parameters refuse NumPy until they are detached, and bfloat16 until it is widened.
    values = values.detach() if hasattr(values, "detach") else values
    if str(getattr(values, "dtype", "")) == "torch.bfloat16":
        values = values.float()
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise DTypeError(who, f"{name} expected real numbers, got {array.dtype}", "Check what was loaded.")
    return array
