"""A mistake in one equation as a record: what it does to the right side, and which kind is named first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deltarule.autodiff.formula.expression import Expression, symbols_in

# Kinds of faults, those that say most of a mistake first: of several that fit alike the first is named.
RANKS = {
    kind: rank
    for rank, kind in enumerate(
        (
            "sign",
            "transposed",
            "wrong_point",
            "missing_square",
            "elementwise",
            "operand_order",
            "hadamard_for_product",
            "wrong_slope",
            "wrong_step",
            "swapped_gates",
            "skipped_step",
            "missing_recurrent",
            "missing_factor",
            "missing_summand",
            "zero",
            "summand_sign",
            "mean_for_sum",
            "wrong_axis",
            "last_only",
            "first_only",
            "flipped",
            "missing_step",
            "missing_function",
            "shifted",
            "wrong_operand",
            "extra_factor",
        )
    )
}


@dataclass(frozen=True, eq=False)
class Fault:
    """A faulty right side of an equation.

    kind      one of RANKS
    key       what it does and where, the same for the same equation over other extents
    right     the faulty right side
    subject   the part that is missing or mistaken, as it should be
    used      what stands in its place, where something does
    step      the only time step at which it happens, or None for all
    left      the left side, where it has other indices too
    more      other equations of the same loop that change with it: place -> right side
    """

    kind: str
    key: str
    right: Expression
    subject: Expression | None = None
    used: Expression | None = None
    step: int | None = None
    left: Expression | None = None
    more: Mapping[int, Expression] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The key without the step."""
        return self.key.partition("@")[0]

    @property
    def weak(self) -> bool:
        """Whether it is named only where nothing else fits: it imitates other mistakes on some gradients."""
        return RANKS[self.kind] >= RANKS["missing_function"]

    @property
    def rank(self) -> float:
        """Small for what explains most."""
        late = 0 if self.step is None or self.kind == "skipped_step" else 30
        # A gradient is seldom lost: rather a summand that has it, or a constant beside it.
        upstream = (
            self.kind == "missing_factor"
            and self.subject is not None
            and any(name.startswith(("grad_", "delta")) for name in symbols_in(self.subject))
        )
        return RANKS[self.kind] + late + (1.5 if upstream else 0)
