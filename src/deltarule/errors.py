"""Every exception of deltarule, and how its message is built. Imports nothing.

An error is raised where the user's input enters (operations, layers, data, command line), never in
kernels. It says who speaks, what was expected and what came, and the likely fix:

    linear: weight expects 64 input features, x has 32 (x (8, 32), weight (10, 64)). \
Did you mean Linear(in_features=32)?

Each class also derives from the built-in exception that a Python programmer would expect, so
`except ValueError` catches a ShapeError.
"""

from __future__ import annotations


class DeltaruleError(Exception):
    """Base class of every error that deltarule raises on purpose.

    who      the function, layer, file or command that speaks
    problem  what was expected and what came
    fix      the likely remedy, a sentence of its own; may be empty
    """

    def __init__(self, who: str, problem: str, fix: str = ""):
        self.who = who
        self.problem = problem
        self.fix = fix
        super().__init__(who, problem, fix)

    def __str__(self) -> str:
        sentence = f"{self.who}: {self.problem}"
        if not self.fix:
            return sentence
        separator = " " if sentence.endswith((".", "?", "!")) else ". "
        return f"{sentence}{separator}{self.fix}"


class ShapeError(DeltaruleError, ValueError):
    """Shapes, axes or sizes that do not fit together."""


class DTypeError(DeltaruleError, TypeError):
    """An element type or an object type that the operation cannot take."""


class ArgumentError(DeltaruleError, ValueError):
    """An option whose value is outside its range, or not one of its choices."""


class OutOfBoundsError(DeltaruleError, IndexError):
    """An index, class or token outside the axis or table that it points into."""


class GraphError(DeltaruleError, RuntimeError):
    """The recorded graph cannot be walked: freed, never recorded, or the loss is no scalar."""


class InPlaceError(GraphError):
    """An array that a later backward pass needs was written into after it was recorded."""


class GradientError(DeltaruleError, ArithmeticError):
    """An analytic gradient disagrees with central differences, or cannot be checked."""


class NonFiniteError(DeltaruleError, ArithmeticError):
    """NaN or infinity appeared in a loss, a value or a gradient."""


class CompileError(DeltaruleError, RuntimeError):
    """A function does what a recorded program cannot repeat, such as a branch on a tensor's value."""


class CompileWarning(UserWarning):
    """A compiled function runs without being compiled, and why."""


class DataError(DeltaruleError, ValueError):
    """A data file or array that is malformed; names the file and the line or byte."""


class RunError(DeltaruleError, RuntimeError):
    """A run folder that is missing, incomplete, damaged or of another kind."""


class MissingExtraError(DeltaruleError, ImportError):
    """An optional package is needed; the fix names the extra to install."""
