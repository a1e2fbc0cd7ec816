"""The machinery of element-wise operations: from one row of formulas come value, gradient and code.

A row is a name, the value as an expression in its inputs, and for each input the gradient as an
expression in the inputs, the output `y` and the upstream gradient `grad_y`. The rows themselves are
in `arithmetic.py`, `functions.py`, `activations.py` and `comparisons.py`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor, common_dtype
from deltarule.autodiff.dtypes import default_float
from deltarule.autodiff.formula.expression import Expression, Function, Number, Symbol, substitute, symbols_in
from deltarule.autodiff.formula.formula import Call, Formula
from deltarule.autodiff.formula.functions import FUNCTIONS
from deltarule.autodiff.formula.source import compile_expressions, source
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import REGISTRY, Group, Shape, record
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DTypeError
from deltarule.kernels.elementwise import array_functions
from deltarule.kernels.native.formulas import LEAST, FormulaKernel
from deltarule.kernels.native.vector_functions import vector_functions
from deltarule.operations.broadcast import broadcast_shape, sum_array_to, sum_to

# Inputs of rows, and what gradients are written in.
x, a, b, y = Symbol("x"), Symbol("a"), Symbol("b"), Symbol("y")
upstream = Symbol("grad_y")


class TensorFunctions:
    """The namespace `f` of compiled formulas on tensors: operations by name, entered as they are made."""


tensor_functions: Any = TensorFunctions()

_REAL_NUMBERS = (float, int, bool)


class Elementwise(Group):
    """An element-wise operation: a primitive if its value is one function, else a group of them."""

    def __init__(
        self,
        name: str,
        inputs: tuple[str, ...],
        value: Expression,
        gradients: Mapping[str, Expression],
        parameters: tuple[str, ...] = (),
        kernel: Callable[..., Any] | None = None,
    ):
        self.name = name  # type: ignore[misc]
        self.inputs = inputs  # type: ignore[misc]
        self.value = value
        self.gradients = dict(gradients)
        self.parameter_names = parameters
        read = set().union(*(symbols_in(gradient) for gradient in self.gradients.values()))
        self.reads = tuple(each for each in (*inputs, "y") if each in read)  # type: ignore[misc]
        self.reads_output = "y" in read
        names = (*inputs, *parameters)
        self._compiled = compile_expressions(names, [value], name)
        self._kernel = kernel
        self._gradients = [
            compile_expressions(("grad_y", "y", *names), [self.gradients[each]], name)
            if each in self.gradients
            else None
            for each in inputs
        ]
        self._native: FormulaKernel | None = None
        # Inputs whose gradient is computed rather than handed on.
        self._computed = [
            position
            for position, each in enumerate(inputs)
            if each in self.gradients and self.gradients[each] is not upstream
        ]
        self._native_gradients: dict[tuple[int, ...], tuple[FormulaKernel, tuple[int, ...]]] = {}

    @property
    def is_primitive(self) -> bool:
        """True where opening it would give the same single function."""
        return isinstance(self.value, Function) and all(
            isinstance(argument, Symbol) for argument in self.value.arguments
        )

    def shape(self, *shapes: Shape, **parameters: Any) -> Shape:
        return broadcast_shape(self.name, *shapes)

    def open(self, *inputs: Tensor, **parameters: Any) -> Tensor:
        return self._compiled(tensor_functions, *inputs, *parameters.values())[0]

    def forward(self, *arrays: Array, **parameters: Any) -> Any:
        size = arrays[0].size
        if len(arrays) > 1:
            size = max(size, arrays[-1].size)
        if size >= LEAST:
            native = self._native or self._native_value()
            if size >= native.least:
                found = native(arrays, tuple([float(number) for number in parameters.values()]))
                if found is not None:
                    return found[0]
        if parameters:
            arrays += tuple(parameters.values())
        if self._kernel is not None:
            return self._kernel(*arrays)
        return self._compiled(array_functions, *arrays)[0]

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        output = node.output() if self.reads_output else None
        arguments = (upstream, output, *node.inputs, *node.parameters.values())
        answers: list[Tensor | None] = []
        for position, compiled in enumerate(self._gradients):
            if compiled is None or not node.needs(position):
                answers.append(None)
                continue
            (gradient,) = compiled(tensor_functions, *arguments)
            target = node.inputs[position]
            answers.append(sum_to(gradient, target.shape))
        return answers

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        inputs = node.inputs
        arrays = [tensor._array for tensor in inputs]
        arguments = (upstream, node.values[0], *arrays, *node.parameters.values())
        native = self._native_answers(node, arguments) if upstream.size >= LEAST else None
        answers: list[Array | None] = []
        for position, compiled in enumerate(self._gradients):
            if compiled is None or not inputs[position]._requires_grad:
                answers.append(None)
                continue
            gradient = None if native is None else native.get(position)
            if gradient is None:
                gradient = compiled(array_functions, *arguments)[0]
                if type(gradient) is not np.ndarray:
                    gradient = np.asarray(gradient)
            shape = arrays[position].shape
            answers.append(gradient if gradient.shape == shape else sum_array_to(gradient, shape))
        return answers

    def _native_value(self) -> FormulaKernel:
        """The value as a native kernel, which is made at the first array that is large enough."""
        if self._kernel is None or not hasattr(vector_functions, self.name):
            formula, text = self._compiled, source(self.value)
        else:

            def formula(f: Any, *arguments: Any) -> tuple[Any]:
                return (getattr(f, self.name)(*arguments),)

            text = "kernel"
        self._native = FormulaKernel(
            f"{self.name}: {text}", formula, _steps([self.value]), *_folded(self.name, self.inputs)
        )
        return self._native

    def _native_answers(self, node: Node, arguments: Sequence[Any]) -> dict[int, Array]:
        """Gradients that native code computes, all in one pass, by position."""
        inputs = node.inputs
        wanted = tuple([position for position in self._computed if inputs[position]._requires_grad])
        if not wanted:
            return {}
        found = self._native_gradients.get(wanted)
        if found is None:
            found = self._native_gradients[wanted] = self._native_gradient(wanted)
        kernel, read = found
        if arguments[0].size < kernel.least:
            return {}
        arrays = [arguments[position] for position in read]
        answers = kernel(arrays, tuple([float(number) for number in node.parameters.values()]))
        return {} if answers is None else dict(zip(wanted, answers, strict=True))

    def _native_gradient(self, wanted: tuple[int, ...]) -> tuple[FormulaKernel, tuple[int, ...]]:
        """The kernel, and which of (upstream, output, *inputs) it takes."""
        rules = [self.gradients[self.inputs[position]] for position in wanted]
        symbols = set().union(*(symbols_in(rule) for rule in rules))
        names = ("grad_y", "y", *self.inputs)
        positions = tuple([position for position, name in enumerate(names) if name in symbols])
        read = [names[position] for position in positions]
        formula = compile_expressions((*read, *self.parameter_names), rules, self.name)
        text = ", ".join(source(rule) for rule in rules)
        kernel = FormulaKernel(f"{self.name}: {text}", formula, _steps(rules), *_folded(self.name, read))
        return kernel, positions

    def formula(self, call: Call) -> Formula:
        def with_numbers(expression: Expression) -> Expression:
            return substitute(
                expression,
                lambda symbol: (
                    Number(call.parameters[symbol.name]) if symbol.name in call.parameters else symbol
                ),
            )

        gradients = {name: with_numbers(gradient) for name, gradient in self.gradients.items()}
        return Formula.elementwise(call, with_numbers(self.value), gradients)


def _steps(expressions: Sequence[Expression]) -> list[str]:
    """The functions and operators of expressions."""
    found: list[str] = []
    waiting = list(expressions)
    while waiting:
        expression = waiting.pop()
        if isinstance(expression, Function):
            found.append(expression.name)
            waiting += expression.arguments
    return found


# Exponents for which a power is a few products or a root.
_SIMPLE_EXPONENTS = frozenset((-1.0, 0.5, 1.0, 2.0, 3.0, 4.0))


def _folded(name: str, inputs: Sequence[str]) -> tuple[tuple[int, ...], frozenset[float]]:
    """Which inputs native code takes as constants, and for which values: the exponents of `pow`."""
    exponents = tuple([position for position, each in enumerate(inputs) if name == "pow" and each == "b"])
    return exponents, _SIMPLE_EXPONENTS


def define(
    name: str,
    inputs: tuple[str, ...],
    value: Expression,
    gradients: Mapping[str, Expression],
    doc: str,
    *,
    floating: bool = False,
    promoted: tuple[str, ...] | None = None,
    parameters: Mapping[str, Any] | None = None,
    kernel: Callable[..., Any] | None = None,
    example: str = "",
) -> Callable[..., Tensor]:
    """Makes and registers an element-wise operation and returns the function that users call.

    doc         first its sentence, which ends with a period; then what the row itself does not say
    floating    integers are converted to the default float first
    promoted    the inputs that share one element type, if not all; the rest keep theirs
    parameters  options with their defaults, written as numbers into the formula
    example     lines of a doctest, in which deltarule is imported as dr; every public operation has one
    """
    options = dict(parameters or {})
    operation = Elementwise(name, inputs, value, gradients, tuple(options), kernel)
    assert name not in REGISTRY, f"operation name {name!r}"
    REGISTRY[name] = operation

    def plain_call(*operands: Any) -> Tensor:
        if len(operands) != len(inputs):
            raise TypeError(f"{name}() takes {len(inputs)} arrays ({', '.join(inputs)}), got {len(operands)}")
        return elementwise(operation, promote(operands, floating, name), {})

    def partly_promoted_call(*operands: Any) -> Tensor:
        assert promoted is not None
        pairs = list(zip(inputs, operands, strict=True))
        common = iter(promote(tuple(operand for each, operand in pairs if each in promoted), floating, name))
        tensors = tuple(next(common) if each in promoted else as_tensor(operand) for each, operand in pairs)
        return elementwise(operation, tensors, {})

    def call_with_options(*operands: Any, **given: Any) -> Tensor:
        # Options may follow the arrays by position, as in PyTorch.
        arrays = operands[: len(inputs)]
        given.update(zip(options, operands[len(inputs) :], strict=False))
        unknown = given.keys() - options.keys()
        if unknown or len(arrays) != len(inputs) or len(operands) > len(inputs) + len(options):
            raise TypeError(
                f"{name}() takes {', '.join((*inputs, *options))}, got {len(operands)} and {sorted(given)}"
            )
        return elementwise(operation, promote(arrays, floating, name), {**options, **given})

    call = call_with_options if options else partly_promoted_call if promoted else plain_call
    call.__name__ = call.__qualname__ = name
    # The module whose row it is, so that it can be found there (by pickle and by help).
    call.__module__ = sys._getframe(1).f_globals["__name__"]
    call.__signature__ = _signature(inputs, options)
    call.__doc__ = _documented(doc, operation, floating, example)
    setattr(tensor_functions, name, call)
    return call


def _signature(inputs: Sequence[str], options: Mapping[str, Any]) -> inspect.Signature:
    kind = inspect.Parameter
    return inspect.Signature(
        [kind(each, kind.POSITIONAL_ONLY) for each in inputs]
        + [kind(each, kind.POSITIONAL_OR_KEYWORD, default=default) for each, default in options.items()]
    )


def _line(rule: Expression) -> str:
    """A rule as a line of Python, without the parentheses that an operator has around it."""
    text = source(rule).replace("f.", "")
    is_operator = isinstance(rule, Function) and FUNCTIONS[rule.name].source
    return text[1:-1] if is_operator else text


def _documented(doc: str, operation: Elementwise, floating: bool, example: str) -> str:
    """The row's sentence with what the row itself says: formulas, inputs and errors; last its example."""
    rules = {"y": operation.value, **{f"grad_{each}": rule for each, rule in operation.gradients.items()}}
    width = max(len(each) for each in rules)
    formulas = [f"    {each:<{width}} = {_line(rule)}" for each, rule in rules.items()]
    inputs = ", ".join(operation.inputs)
    several = " that broadcast together" if len(operation.inputs) > 1 else ""
    number = "tensors, arrays or numbers" if several else "tensor, array or number"
    facts = [f"{inputs:<7}  {number}{several}", "returns  tensor of the inputs' common shape"]
    if floating:
        facts[0] += "; integers become the default float"
    errors = "DTypeError for element types that it is not defined for"
    if several:
        errors = f"ShapeError where the shapes do not fit together, {errors}"
    sentence, *rest = inspect.cleandoc(doc).split("\n\n", 1)
    parts = [sentence, "\n".join(formulas), "\n".join(facts), f"Raises {errors}.", *rest]
    if example:
        parts.append(f">>> import deltarule as dr\n{inspect.cleandoc(example)}")
    return "\n\n".join(parts) + "\n"


def elementwise(operation: Elementwise, tensors: tuple[Tensor, ...], parameters: dict[str, Any]) -> Tensor:
    """Computes and records; the shape rule speaks only where NumPy could not broadcast."""
    try:
        if len(tensors) == 1 and not parameters:
            # Most activations: in two thirds of the time of the general call.
            value = operation.forward(tensors[0]._array)
        else:
            value = operation.forward(*[tensor._array for tensor in tensors], **parameters)
    except ValueError as error:
        operation.shape(*(tensor.shape for tensor in tensors))
        raise ArgumentError(
            operation.name, f"{error}", "Convert to a floating type: x.astype(dr.float32)."
        ) from None
    except TypeError as error:
        raise DTypeError(operation.name, f"not defined for {tensors[0].dtype}: {error}") from None
    return record(operation, tensors, parameters, value)


def promote(operands: tuple[Any, ...], floating: bool, who: str) -> tuple[Tensor, ...]:
    """Operands as tensors of one common type; conversions are recorded, so gradients come back."""
    first = operands[0]
    if isinstance(first, Tensor) and (not floating or first._array.dtype.kind in "fc"):
        wanted = first._array.dtype
        for operand in operands[1:]:
            if not (isinstance(operand, Tensor) and operand._array.dtype == wanted):
                break
        else:
            return operands
    if len(operands) == 2:
        # A floating tensor beside a Python number keeps its type: what follows, in a fifth of the time.
        a, b = operands
        if type(b) in _REAL_NUMBERS and isinstance(a, Tensor) and a._array.dtype.kind == "f":
            return a, Tensor(np.array(b, a._array.dtype))
        if type(a) in _REAL_NUMBERS and isinstance(b, Tensor) and b._array.dtype.kind == "f":
            return Tensor(np.array(a, b._array.dtype)), b
    dtype = common_dtype(operands)
    if dtype.kind not in "biufc":
        raise DTypeError(who, f"expected numbers, got {dtype}")
    if floating and dtype.kind in "biu":
        dtype = default_float()
    return tuple(converted(operand, dtype) for operand in operands)


def converted(value: Any, dtype: Any) -> Tensor:
    """The value as a tensor of this type, through a recorded conversion if it is a tensor."""
    if isinstance(value, Tensor):
        return value if value._array.dtype == dtype else tensor_functions.astype(value, dtype)
    if isinstance(value, (bool, int, float, complex)):
        return Tensor(np.array(value, dtype))
    return as_tensor(value, dtype)
