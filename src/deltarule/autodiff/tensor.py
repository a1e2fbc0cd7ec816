"""Tensor: an array, the gradient it collects, and the recorded operation that made it.

Operators and the functions as methods (`x.sum()`) are installed by `operations/operators.py`: this
file knows no operation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltarule.autodiff.dtypes import require_floating
from deltarule.autodiff.recording import recording, structure
from deltarule.errors import DTypeError, GraphError, InPlaceError, OutOfBoundsError, ShapeError

if TYPE_CHECKING:
    from deltarule.autodiff.node import Node

Array = NDArray[Any]


class Tensor:
    """An n-dimensional array that can be differentiated.

    Make one with `dr.tensor`. Its shape and element type never change; its elements change only
    through `x[key] = value` and `assign`, which count a version, so that a backward pass that needs
    the old elements says so instead of computing a wrong gradient.

    shape, dtype, ndim, size   as in NumPy
    grad                       the collected gradient, a Tensor of the same shape and dtype, or None
    requires_grad              whether gradients flow to this tensor
    node                       the recorded operation that made it, or None for a leaf

    >>> import deltarule as dr
    >>> x = dr.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> x.shape, x.ndim, x.size, x.dtype == dr.float32
    ((2, 2), 2, 4, True)
    >>> y = (x * x).sum()
    >>> y.node.operation.name, x.node is None
    ('sum', True)
    >>> y.backward()
    >>> x.grad
    tensor([[2., 4.],
            [6., 8.]], dtype=float32)
    """

    __slots__ = (
        "__weakref__",
        "_array",
        "_grad",
        "_requires_grad",
        "_retains_grad",
        "_version_box",
        "name",
        "node",
        "output_index",
    )

    # NumPy's own operators step back, so that `array * tensor` is recorded.
    __array_ufunc__ = None

    def __init__(self, array: Array, requires_grad: bool = False, name: str = ""):
        self._array = array
        self._version_box: list[int] | None = None
        self._requires_grad = requires_grad
        self._retains_grad = False
        self._grad: Tensor | None = None
        self.node: Node | None = None
        self.output_index = 0
        self.name = name

    @property
    def _version(self) -> list[int]:
        """How often the memory was written into; shared with all views of it."""
        box = self._version_box
        if box is None:
            # Made when first asked for: most tensors are never written into.
            box = [0]
            self._version = box
        return box

    @_version.setter
    def _version(self, box: list[int]) -> None:
        self._version_box = box
        if self.node is not None:
            # The record must see writes into this output through any view of it.
            self.node.output_versions += ((self.output_index, box, box[0]),)

    # ---- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._array.dtype

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def size(self) -> int:
        return self._array.size

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def is_leaf(self) -> bool:
        """True where no recorded operation made this tensor.

        >>> import deltarule as dr
        >>> x = dr.tensor(2.0, requires_grad=True)
        >>> x.is_leaf, (x * x).is_leaf
        (True, False)
        """
        return self.node is None

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value:
            require_floating(self._array.dtype, "requires_grad")
        elif self.node is not None:
            raise GraphError(
                "requires_grad",
                f"this tensor was made by {self.node.operation.name} and belongs to a recorded graph",
                "Use x.detach() for a copy outside the graph.",
            )
        if recording.tracer is not None:
            recording.tracer.attribute(self, "_requires_grad")
        self._requires_grad = bool(value)
        structure.changed()

    @property
    def grad(self) -> Tensor | None:
        """The collected gradient, of this tensor's shape and dtype; None before the first backward pass."""
        if recording.tracer is not None:
            recording.tracer.gradient_read(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if recording.tracer is not None:
            recording.tracer.gradient_set(self)
        self._grad = value

    # ---- its elements

    @property
    def data(self) -> Array:
        """The elements as a read-only array that shares this tensor's memory.

        >>> import deltarule as dr
        >>> dr.tensor([1.0, 2.0]).data.flags.writeable
        False
        """
        if recording.tracer is not None:
            recording.tracer.value_read(self, "numpy")
        view = self._array.view()
        view.flags.writeable = False
        return view

    def numpy(self) -> Array:
        """The elements as a NumPy array that shares this tensor's memory and is read-only.

        Write through `x[key] = value`, or into `x.numpy().copy()`: an array that a recorded graph
        needs must not change behind its back. (PyTorch's `numpy()` hands out a writable one.)

        >>> import deltarule as dr
        >>> dr.tensor([1.0, 2.0], dtype=dr.float64).numpy()
        array([1., 2.])
        """
        return self.data

    def item(self) -> Any:
        """The only element, as a Python number. Raises ShapeError if there are more.

        >>> import deltarule as dr
        >>> dr.tensor([[2.5]]).item()
        2.5
        """
        if recording.tracer is not None:
            recording.tracer.value_read(self, "item")
        if self._array.size != 1:
            raise ShapeError(
                "item",
                f"expected a tensor of one element, got shape {self.shape}",
                "Index one element, or use .numpy().",
            )
        return self._array.item()

    def tolist(self) -> Any:
        """The elements as nested Python lists.

        >>> import deltarule as dr
        >>> dr.tensor([[1, 2], [3, 4]]).tolist()
        [[1, 2], [3, 4]]
        """
        if recording.tracer is not None:
            recording.tracer.value_read(self, "tolist")
        return self._array.tolist()

    def detach(self) -> Tensor:
        """The same elements (shared memory) outside the graph: no gradient flows through it.

        >>> import deltarule as dr
        >>> x = dr.tensor(3.0, requires_grad=True)
        >>> y = x * x.detach()
        >>> y.backward()
        >>> x.grad
        tensor(3., dtype=float32)
        """
        detached = Tensor(self._array)
        detached._version = self._version
        return detached

    def assign(self, values: Any) -> None:
        """Writes all elements in place and counts a version; never recorded.

        values   anything that broadcasts to this tensor's shape

        >>> import deltarule as dr
        >>> x = dr.zeros((2, 2))
        >>> x.assign([1.0, 2.0])
        >>> x.tolist()
        [[1.0, 2.0], [1.0, 2.0]]
        """
        self[...] = values

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.node is not None and self._requires_grad:
            raise InPlaceError(
                "setitem",
                f"this tensor is the result of {self.node.operation.name} in a recorded graph; its "
                "elements cannot be written",
                "Build the new array with dr.where or dr.concat, or write into x.detach() copies.",
            )
        if self._requires_grad and recording.enabled:
            raise InPlaceError(
                "setitem",
                "this tensor requires a gradient and writing is not recorded",
                "Write inside `with dr.no_grad():`.",
            )
        if recording.tracer is not None:
            recording.tracer.written(self, key, value)
        source = value._array if isinstance(value, Tensor) else value
        index = key._array if isinstance(key, Tensor) else key
        if isinstance(index, tuple):
            index = tuple(part._array if isinstance(part, Tensor) else part for part in index)
        if not self._array.flags.writeable:
            raise InPlaceError(
                "setitem",
                f"this tensor {self.shape} is spread over repeated elements and cannot be written",
                "Write into a copy: dr.tensor(x).",
            )
        try:
            self._array[index] = source
        except ValueError as error:
            raise ShapeError("setitem", f"{error}", f"The tensor has shape {self.shape}.") from None
        except IndexError as error:
            raise OutOfBoundsError("setitem", f"{error}", f"The tensor has shape {self.shape}.") from None
        self._version[0] += 1

    # ---- gradients

    def backward(
        self, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Back-propagates from this tensor: adds ∂self/∂leaf to `.grad` of every leaf that needs it.

        gradient       upstream gradient ∂L/∂self, of this tensor's shape; may be left out for a
                       single element, where it is 1
        retain_graph   keep the graph, so that backward can be called again
        create_graph   record the backward pass itself, for gradients of gradients

        Raises GraphError if no gradient is needed, the graph was freed, or the tensor has several
        elements and no gradient is given; InPlaceError if a needed array has been written into.
        Source: Rumelhart, Hinton & Williams 1986; reverse accumulation after Linnainmaa 1970.

        >>> import deltarule as dr
        >>> x = dr.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.], dtype=float32)
        """
        _backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    def retain_grad(self) -> Tensor:
        """Asks the backward pass to keep this intermediate tensor's gradient in `.grad` too.

        >>> import deltarule as dr
        >>> x = dr.tensor(3.0, requires_grad=True)
        >>> y = (x * x).retain_grad()
        >>> (2.0 * y).backward()
        >>> y.grad
        tensor(2., dtype=float32)
        """
        if not self._requires_grad:
            raise GraphError(
                "retain_grad",
                "this tensor needs no gradient",
                "Make its inputs with requires_grad=True.",
            )
        self._retains_grad = True
        return self

    def zero_grad(self) -> None:
        """Forgets the collected gradient.

        >>> import deltarule as dr
        >>> x = dr.tensor(3.0, requires_grad=True)
        >>> (2 * x).backward()
        >>> (2 * x).backward()
        >>> x.grad
        tensor(4., dtype=float32)
        >>> x.zero_grad()
        >>> x.grad is None
        True
        """
        self.grad = None

    if TYPE_CHECKING:
        # Installed by operations/operators.py.
        @property
        def T(self) -> Tensor: ...
        @property
        def mT(self) -> Tensor: ...

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __lshift__(self, other: Any) -> Tensor: ...
        def __rshift__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __rxor__(self, other: Any) -> Tensor: ...
        def __rlshift__(self, other: Any) -> Tensor: ...
        def __rrshift__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: Any) -> Tensor: ...
        def __ne__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def abs(self) -> Tensor: ...
        def exp(self) -> Tensor: ...
        def log(self) -> Tensor: ...
        def sqrt(self) -> Tensor: ...
        def square(self) -> Tensor: ...
        def tanh(self) -> Tensor: ...
        def sigmoid(self) -> Tensor: ...
        def relu(self) -> Tensor: ...
        def astype(self, dtype: Any, *, copy: bool = True) -> Tensor: ...
        def clip(self, min: Any = None, max: Any = None) -> Tensor: ...
        def all(self, *, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def any(self, *, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def sum(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def mean(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def var(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def std(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def max(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def min(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def prod(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def logsumexp(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def argmax(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def argmin(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def softmax(self, axis: int = -1) -> Tensor: ...
        def log_softmax(self, axis: int = -1) -> Tensor: ...
        def matmul(self, other: Any) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def permute(self, *axes: Any) -> Tensor: ...
        def swapaxes(self, first: int, second: int) -> Tensor: ...
        def squeeze(self, axis: Any = None) -> Tensor: ...
        def unsqueeze(self, axis: int) -> Tensor: ...
        def expand(self, *shape: Any) -> Tensor: ...
        def flatten(self, start: int = 0, end: int = -1) -> Tensor: ...

    # ---- Python's and NumPy's protocols

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if recording.tracer is not None:
            recording.tracer.value_read(self, "numpy")
        if copy or (dtype is not None and np.dtype(dtype) != self.dtype):
            if copy is False:
                raise ValueError(f"__array__: {self.dtype} to {np.dtype(dtype)} needs a copy; copy=False")
            return np.array(self._array, dtype=dtype)
        return self.data

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return sys.modules["deltarule"]

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:
        if recording.tracer is not None:
            recording.tracer.value_read(self, "__dlpack__")
        # DLPack before 1.0 cannot say "read-only", so such a consumer gets a copy of its own.
        speaks_read_only = max_version is not None and max_version >= (1, 0)
        if copy or not speaks_read_only:
            if copy is False:
                raise BufferError("__dlpack__: the consumer cannot mark memory read-only; copy=False")
            source = self._array.copy()
        else:
            source = self.data
        if speaks_read_only:
            return source.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device)
        return source.__dlpack__(stream=stream)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    def to_device(self, device: str, /, *, stream: Any = None) -> Tensor:
        """This tensor, for the only device there is: "cpu".

        >>> import deltarule as dr
        >>> dr.tensor(1.0).to_device("cpu").device
        'cpu'
        """
        if device != "cpu":
            raise DTypeError("to_device", f"expected 'cpu', got {device!r}", "deltarule computes on CPUs.")
        return self

    def __len__(self) -> int:
        if not self._array.ndim:
            raise TypeError("len() of a 0-dimensional tensor")
        return len(self._array)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._array.ndim:
            raise TypeError("iteration over a 0-dimensional tensor")
        return (self[position] for position in range(len(self._array)))

    def __bool__(self) -> bool:
        if recording.tracer is not None:
            recording.tracer.value_read(self, "bool")
        self._require_single("bool")
        return bool(self._array)

    def __float__(self) -> float:
        if recording.tracer is not None:
            recording.tracer.value_read(self, "float")
        self._require_single("float")
        return float(self._array.item())

    def __int__(self) -> int:
        if recording.tracer is not None:
            recording.tracer.value_read(self, "int")
        self._require_single("int")
        return int(self._array.item())

    def __complex__(self) -> complex:
        if recording.tracer is not None:
            recording.tracer.value_read(self, "complex")
        self._require_single("complex")
        return complex(self._array.item())

    def __index__(self) -> int:
        if recording.tracer is not None:
            recording.tracer.value_read(self, "index")
        if self._array.ndim or self._array.dtype.kind not in "iu":
            raise TypeError(f"only integer 0-dimensional tensors are indices, got {self.dtype} {self.shape}")
        return int(self._array)

    def _require_single(self, who: str) -> None:
        if self._array.size != 1:
            raise ShapeError(
                who,
                f"expected a tensor of one element, got shape {self.shape}",
                "Reduce it first, e.g. with dr.any, dr.all or dr.sum.",
            )

    # By identity, as `==` compares elements. Python's own is found without a call.
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        if recording.tracer is not None:
            recording.tracer.value_read(self, "repr")
        body = np.array2string(self._array, separator=", ", prefix="tensor(", threshold=200)
        parts = [body]
        if self.dtype not in (np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_)) or not self.size:
            parts.append(f"dtype={self.dtype}")
        elif self.dtype == np.float64:
            parts.append("dtype=float64")
        if self.node is not None:
            parts.append(f"from {self.node.operation.name}")
        elif self._requires_grad:
            parts.append("requires_grad=True")
        return f"tensor({', '.join(parts)})"

    def __format__(self, specification: str) -> str:
        """A single element as a number, `f"{loss:.3f}"`; without a specification as `str` shows it."""
        if not specification:
            return str(self)
        self._require_single("format")
        return format(self.item(), specification)

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.node is not None:
            raise GraphError(
                "copy",
                "only leaves can be copied, this tensor belongs to a recorded graph",
                "Detach it first.",
            )
        if recording.tracer is not None:
            recording.tracer.value_read(self, "copy")
        copied = type(self)(self._array.copy(), requires_grad=self._requires_grad, name=self.name)
        memo[id(self)] = copied
        if self.grad is not None:
            copied.grad = Tensor(self.grad._array.copy())
        return copied

    def __reduce__(self) -> Any:
        if recording.tracer is not None:
            recording.tracer.value_read(self, "pickle")
        if self.node is not None:
            raise GraphError(
                "pickle",
                "only leaves can be pickled, this tensor belongs to a recorded graph",
                "Detach it first.",
            )
        return type(self), (self._array, self._requires_grad, self.name)


def _backward(tensor: Tensor, gradient: Any, *, retain_graph: bool, create_graph: bool) -> None:
    """Bound to the engine by backward.py, which imports this file."""
    raise AssertionError("deltarule.autodiff.backward was not imported")
