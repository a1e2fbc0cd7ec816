"""A number that a call computes and hands to Python: it can be returned, and nothing else."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.tensor import Array
from deltarule.compiler.program import Value
from deltarule.errors import CompileError


class TracedNumber:
    """Stands for a number that every call computes anew: it can be returned, and nothing else."""

    def __init__(self, value: Value, array: Array, maker: str):
        self.value = value
        self.array = array
        self.maker = maker

    def _refuse(self, *operands: Any) -> Any:
        raise CompileError(
            "compile",
            f"the number that {self.maker} gave is used in Python, where it would be that of the recorded "
            "call",
            "Return it from the compiled function and use it outside.",
        )

    __float__ = __int__ = __bool__ = __index__ = __round__ = __neg__ = __abs__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __format__ = __repr__ = _refuse
    __hash__ = None  # type: ignore[assignment]
