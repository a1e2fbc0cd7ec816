"""What a check finds, as plain records: causes, terms, blocks of gates, patterns, examples."""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.autodiff.tensor import Array


@dataclass(frozen=True)
class Place:
    """Where in the computation.

    operation    its name; "" where the place is the gradient as a whole
    layer        dotted name of the layer that called it
    number       it is the number-th of `of` operations of that name, from 0; None for all of them
    gate         name of a gate of a recurrent layer (i, f, g, o or r, z, n), or ""
    step         time step, or None for all
    steps        how many time steps there are; 0 where there is no time
    value        the value that an edge of the graph leads to, by name or shape
    """

    operation: str = ""
    layer: str = ""
    number: int | None = None
    of: int = 1
    gate: str = ""
    step: int | None = None
    steps: int = 0
    value: str = ""


@dataclass(frozen=True)
class Cause:
    """One mistake, which explains one or several wrong gradients.

    kind        what kind of mistake, one of KINDS
    terms       the gradients that it explains
    place       where
    subject     LaTeX of the part that is missing or mistaken, as it should be
    used        LaTeX of what stands in its place
    right       LaTeX of the right equation, where one equation is concerned
    faulty      LaTeX of the same equation with the mistake
    factor      the given gradient is so many times the right one
    extent      what that factor counts: "batch", "time", "classes", "elements", or ""
    axes        the axes concerned
    part        the part of the user's formula where the mistake is
    position    where that part begins and ends in the user's formula
    corrected   the user's formula as it should be
    error       relative error that is left once it is corrected, over all trials
    trials      on how many sets of numbers the correction was proved
    """

    kind: str
    terms: tuple[str, ...]
    place: Place = Place()
    subject: str = ""
    used: str = ""
    right: str = ""
    faulty: str = ""
    factor: float | None = None
    extent: str = ""
    axes: tuple[int, ...] = ()
    part: str = ""
    position: tuple[int, int] | None = None
    corrected: str = ""
    error: float = 0.0
    trials: int = 0


# Every kind of cause: of an equation (faults.py), of a formula (corrections.py), of arrays (arrays.py).
KINDS = (
    "sign",
    "summand_sign",
    "transposed",
    "operand_order",
    "zero",
    "factor",
    "missing_factor",
    "extra_factor",
    "missing_square",
    "missing_function",
    "wrong_slope",
    "wrong_point",
    "wrong_operand",
    "wrong_symbol",
    "wrong_index",
    "wrong_axis",
    "missing_summand",
    "extra_summand",
    "missing_contribution",
    "constant",
    "missing_recurrent",
    "missing_step",
    "skipped_step",
    "wrong_step",
    "shifted",
    "swapped_gates",
    "wrong_gate",
    "flipped",
    "elementwise",
    "product_for_hadamard",
    "hadamard_for_product",
    "missing_sum",
    "extra_sum",
    "extra_sum_index",
    "mean_for_sum",
    "sum_for_mean",
    "last_only",
    "first_only",
    "kept_axes",
    "raises",
)


@dataclass(frozen=True)
class Block:
    """The rows of one gate: their relative error."""

    gate: str
    start: int
    stop: int
    error: float
    right: bool


@dataclass(frozen=True)
class Step:
    """One time step of a gradient that has a time axis, or of the loss: its relative error."""

    step: int
    error: float
    right: bool


@dataclass(frozen=True)
class Part:
    """A piece of the user's formula: a summand or factor, or an earlier line that it uses.

    text      as the user wrote it
    right     whether it is right; None where it has no meaning by itself
    meaning   what it was found to be, in the record: "∂L/∂z" and the like; "" where unknown
    error     relative error, where a meaning is claimed
    """

    text: str
    right: bool | None
    meaning: str = ""
    error: float | None = None


@dataclass(frozen=True)
class Pattern:
    """How a wrong gradient differs where no simple mistake explains it.

    wrong         how many elements differ
    size          of how many
    rows          rows (indices along the first axis) that differ, if others are right
    columns       columns (along the last axis) that differ, if others are right
    correlation   between given and right gradient, −1 to 1; None for constant ones
    scale         the multiple of the right gradient that fits best
    lengths       for recurrent layers: length of sequence -> relative error
    losses        for recurrent layers: the only step at which the loss looks -> relative error
    """

    wrong: int
    size: int
    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()
    correlation: float | None = None
    scale: float | None = None
    lengths: tuple[tuple[int, float], ...] = ()
    losses: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Line:
    """One number worked out by hand: `formula` in symbols, `arithmetic` in numbers, and the value.

    right   whether it is the right line or the one with the mistake
    """

    formula: str
    arithmetic: str
    value: float
    right: bool


@dataclass(frozen=True)
class Example:
    """The smallest numbers found that show the mistake.

    term       the gradient that is looked at
    numbers    every array by name
    upstream   the upstream gradients
    expected   the right gradient
    given      the claimed one
    element    where they differ most
    lines      that element worked out, right and as claimed, where one formula gives it
    """

    term: str
    numbers: dict[str, Array]
    upstream: tuple[Array, ...]
    expected: Array
    given: Array
    element: tuple[int, ...]
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Term:
    """One claimed gradient.

    name        the array whose gradient it is
    status      "right", "wrong", or "not shown": zero, NaN or infinite on all numbers that were tried
    error       relative error on the numbers of the check; NaN where the right gradient is not finite there
    shown_by    "given" numbers, or "other" ones, where the given ones cannot tell right from wrong
    expected    the right gradient on the given numbers
    given       the claimed one; None where it could not be computed
    formula     the user's formula for it, as text
    latex       the same, as it was understood
    parts       pieces of it
    blocks      gates, for parameters whose rows are stacked gates
    steps       time steps, where the gradient has a time axis
    pattern     how it differs, where no cause was found
    kinks       elements that lie on a kink, where several answers are right
    problem     why it could not be computed
    finite      whether the right gradient on the given numbers has neither NaN nor infinities
    """

    name: str
    status: str
    error: float
    shown_by: str
    expected: Array
    given: Array | None
    formula: str = ""
    latex: str = ""
    parts: tuple[Part, ...] = ()
    blocks: tuple[Block, ...] = ()
    steps: tuple[Step, ...] = ()
    pattern: Pattern | None = None
    kinks: tuple[tuple[int, ...], ...] = ()
    problem: str = ""
    finite: bool = True

    @property
    def right(self) -> bool:
        """Whether the claimed gradient is right."""
        return self.status == "right"
