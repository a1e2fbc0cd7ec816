"""Program: the NumPy program of forward and backward that one would write by hand, made from the formulas.

It reads nothing but NumPy and the numbers of the computation, and runs by itself.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.autodiff.formula.depth import deep_formulas
from deltarule.autodiff.formula.program import helper_sources, program_lines
from deltarule.autodiff.tensor import Array
from deltarule.errors import ArgumentError
from deltarule.explain.derivations.derivation import Derivation, environment_of
from deltarule.explain.derivations.layout import with_shapes, wrapped
from deltarule.training.atomic_file import write_atomic

# Elements up to which the program holds its numbers itself; more are read from a file beside it.
_MOST_WRITTEN = 600


@dataclass(frozen=True)
class ProgramLine:
    """One line.

    part    "setup", "forward" or "backward"
    steps   the operations that it computes
    names   identifiers that it reads or defines
    """

    text: str
    part: str
    steps: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(eq=False)
class Program:
    """The program as lines, each with what it computes.

    arrays   the leaves that it starts from, by identifier
    file     name of the file of arrays that it reads; "" where it holds them itself
    """

    lines: list[ProgramLine]
    arrays: dict[str, Array]
    file: str

    @property
    def text(self) -> str:
        """The whole program."""
        return "\n".join(line.text for line in self.lines) + "\n"

    def __str__(self) -> str:
        return self.text

    def save(self, path: str | Path) -> list[Path]:
        """Writes the program, and where it needs one a .npz file of the same name beside it.

        Returns what was written; the program runs from any folder.

        Raises ArgumentError unless the path ends in .py, RunError for a file that cannot be written.
        """
        path = Path(path)
        if path.suffix != ".py":
            raise ArgumentError(
                "Program.save",
                f"path expects a name that ends in .py, got {path.name!r}",
                f"Write {path.stem}.py.",
            )
        contents = {path: self.text.encode()}
        if self.file:
            # Found from any folder, and not mixed up with those of another program.
            text = self.text.replace(_load_line(self.file), 'arrays = np.load(__file__[:-2] + "npz")')
            arrays: dict[str, Any] = dict(self.arrays)
            packed = io.BytesIO()
            np.savez_compressed(packed, **arrays)
            contents = {path: text.encode(), path.with_suffix(".npz"): packed.getvalue()}
        for place, content in contents.items():
            write_atomic(place, content)
        return list(contents)

    def run(self) -> dict[str, Any]:
        """Everything that the program computes, by identifier. It runs in a namespace of its own."""
        namespace: dict[str, Any] = {"__name__": "program", "print": lambda *parts: None}
        text = self.text
        if self.file:
            text = text.replace(_load_line(self.file), "arrays = given")
            namespace["given"] = self.arrays
        exec(compile(text, "<program>", "exec"), namespace)
        kinds = np.ndarray | np.generic | float | int
        return {name: value for name, value in namespace.items() if isinstance(value, kinds)}


@deep_formulas()
def program_of(derivation: Derivation) -> Program:
    """The program of a derivation.

    >>> import deltarule as dr
    >>> x = dr.tensor([1.0, 2.0], requires_grad=True)
    >>> print(program_of(dr.explain.derive((x * x).sum(), names={"x": x})))
    import numpy as np
    <BLANKLINE>
    x = np.array([1.0, 2.0])
    <BLANKLINE>
    # forward
    q = x * x      # (2,)
    L = np.sum(q)
    <BLANKLINE>
    # backward
    grad_x = x + x  # (2,)
    <BLANKLINE>
    print("L =", L)
    """
    environment = environment_of(derivation)
    shapes = {name: np.shape(array) for name, array in environment.items()}
    statements = derivation.statements
    parts = ["forward"] * len(derivation.forward) + ["backward"] * len(derivation.backward)
    written = program_lines([line for each in statements for line in each.matrix], shapes)
    home = {name: place for place, each in enumerate(statements) for name in each.defines}
    body: list[ProgramLine] = []
    place = 0
    # Heads of loops define nothing and belong to the statement of the line below: so this goes from the end.
    places = []
    for line in reversed(written):
        place = next((home[name] for name in line.defines if name in home), place)
        places.append(place)
    places.reverse()
    for part in dict.fromkeys(parts):
        body += [ProgramLine("", part), ProgramLine(f"# {part}", part)]
        own = [(line, place) for line, place in zip(written, places, strict=True) if parts[place] == part]
        texts = with_shapes([wrapped(str(line)) for line, _ in own], [line.shape for line, _ in own])
        for text, (line, place) in zip(texts, own, strict=True):
            names = tuple(dict.fromkeys((*line.defines, *line.reads)))
            body.append(ProgramLine(text, part, statements[place].steps, names))
    read = {name for line in body for name in line.names}
    arrays = _leaves(derivation, environment, read)
    file = "" if sum(array.size for array in arrays.values()) <= _MOST_WRITTEN else "arrays.npz"
    helpers = helper_sources(written)
    modules = ["import math", ""] if any("math." in each for each in helpers) else []
    setup = [ProgramLine(text, "setup") for text in (*modules, "import numpy as np", "")]
    for helper in helpers:
        setup += [ProgramLine("", "setup"), *(ProgramLine(text, "setup") for text in helper.splitlines())]
        setup.append(ProgramLine("", "setup"))
    if helpers:
        setup.append(ProgramLine("", "setup"))
    if file:
        setup.append(ProgramLine(_load_line(file), "setup"))
    # A Python number has neither axes nor methods.
    bare = not helpers and not any(each in line.text for line in body for each in ("[", ".reshape("))
    for name, array in arrays.items():
        text = f'{name} = arrays["{name}"]' if file else _defined(name, array, bare=bare)
        setup.append(ProgramLine(text, "setup", names=(name,)))
    result = derivation.notation.signs[derivation.trace.loss].identifier
    end = [ProgramLine("", "setup"), ProgramLine(f'print("{result} =", {result})', "setup", names=(result,))]
    return Program(setup + body + end, arrays, file)


def _leaves(derivation: Derivation, environment: dict[str, Array], read: set[str]) -> dict[str, Array]:
    """The arrays that the program starts from: leaves, and the gradient of a loss of several elements."""
    trace, notation = derivation.trace, derivation.notation
    arrays = {}
    for value in trace.values:
        name = notation.signs[value.number].identifier
        if value.made_by is None and name in read:
            arrays[name] = environment[name]
    upstream = notation.gradient(trace.loss)
    if upstream in read and not any(upstream in each.defines for each in derivation.backward):
        arrays[upstream] = environment[upstream]
    return arrays


def _load_line(file: str) -> str:
    return f'arrays = np.load("{file}")'


def _defined(name: str, array: Array, *, bare: bool) -> str:
    """An array as Python text, digit for digit, its rows below each other. bare: numbers without np.array."""
    array = np.asarray(array)
    if array.ndim == 0 and bare:
        return f"{name} = {_written(array)}"
    if not array.size:
        return f"{name} = np.zeros({array.shape}, dtype={array.dtype.name!r})"
    kind = "" if array.dtype.kind in "fi" else f", dtype={array.dtype.name!r}"
    head = f"{name} = np.array("
    rows = np.array2string(
        array,
        separator=", ",
        threshold=array.size + 1,
        max_line_width=100,
        prefix=head,
        formatter={"all": _written},
    )
    return head + re.sub(r"\n\s*\n", "\n", rows) + f"{kind})"


def _written(number: Any) -> str:
    value = number.item()
    if isinstance(value, float) and not np.isfinite(value):
        return "np.nan" if np.isnan(value) else "np.inf" if value > 0 else "-np.inf"
    return repr(value)
