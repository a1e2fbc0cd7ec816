"""Check my derivation: gradients that somebody derived by hand, judged term by term, with the mistake named.

    check = dr.explain.check_derivation(dr.tanh, lambda upstream, x: upstream * (1 - x**2), x)
    check = dr.explain.check_derivation(loss, {"W": "δᵀ x", "b": "Σ_n δ[n, :]"}, names={...})

The mistake is found by trying those that people make, and named only when it gives just the claimed
numbers: on the given ones, on others, and on arrays of other sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.explain.checking.arguments import input_titles, options, require_inputs
from deltarule.explain.checking.arrays import TOLERANCE
from deltarule.explain.checking.findings import Cause, Example, Term
from deltarule.explain.checking.function_problem import FunctionProblem
from deltarule.explain.checking.judging import Judge
from deltarule.explain.checking.problem import WHO, Problem
from deltarule.explain.checking.recorded_problem import RecordedProblem
from deltarule.explain.shown import Shown
from deltarule.nn.module import Module


@dataclass(frozen=True, repr=False)
class DerivationCheck(Shown):
    """What was found about gradients derived by hand.

    terms           every claimed gradient: right, wrong or not shown
    causes          mistakes, each with the gradients that it explains
    examples        for each cause the smallest numbers found that show it, or None
    forward_error   relative error of the user's own forward values; None where there are none
    reference_error relative difference between the engine's gradient and central differences; None where
                    the computation is not defined beside the given numbers
    trials          on how many sets of numbers the gradients were compared
    form            "function", "object", "formula", "sympy" or "numbers"
    names           names of all arrays -> their shapes

    >>> import deltarule as dr
    >>> from deltarule.explain.checking.derivation_check import check_derivation
    >>> check = check_derivation(dr.tanh, lambda upstream, x: upstream * (1 - x**2), [0.5, -1.0])
    >>> check.right, check.causes[0].kind
    (False, 'wrong_point')
    """

    terms: tuple[Term, ...]
    causes: tuple[Cause, ...]
    examples: tuple[Example | None, ...]
    forward_error: float | None
    reference_error: float | None
    trials: int
    form: str
    names: dict[str, tuple[int, ...]]

    @property
    def right(self) -> bool:
        """Whether every claimed gradient is right, so far as the numbers show."""
        return all(term.status != "wrong" for term in self.terms)

    def __getitem__(self, name: str) -> Term:
        """The finding about one gradient. Raises ArgumentError if it was not claimed."""
        for term in self.terms:
            if term.name == name:
                return term
        claimed = ", ".join(term.name for term in self.terms)
        raise ArgumentError(WHO, f"no gradient of {name!r} was claimed", f"Claimed were {claimed}.")

    def causes_of(self, name: str) -> tuple[Cause, ...]:
        """The mistakes that make one gradient wrong."""
        return tuple(cause for cause in self.causes if name in cause.terms)


def check_derivation(
    subject: Any,
    claim: Any,
    *inputs: Any,
    names: Any = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
    patience: float = 30.0,
) -> DerivationCheck:
    """Judges gradients that were derived by hand, and names the mistake in those that are wrong.

    subject     what is differentiated: a function of tensors (an operation, a layer, a model, a network
                with its loss), or a loss that was computed already
    claim       the derivation, in one of these forms:
                a function backward(upstream, *inputs) on NumPy arrays that returns the gradients in the
                order of the inputs, or a dictionary by name; its parameters may also be named after inputs
                and `y`, the output; for a loss, `upstream` is 1 and may be left out;
                a class or object with forward(*inputs) and backward(upstream);
                formulas: a dictionary {"W": "δᵀ x"} or lines of text "δ = (p − y)/N; dW = δᵀ x", in LaTeX,
                Unicode or NumPy notation, in matrix form or with indices; SymPy expressions;
                numbers: a dictionary of arrays
    inputs      of the function: tensors, arrays, or options; not given with a computed loss
    names       for a function, names of its inputs; for a loss {"h": tensor}, or a module, whose
                parameters have names
    tolerance   relative deviation that is still right, between 0 and 1, on float64; 1e-4 for a claim in
                float32
    seed        of the other numbers that are tried: a whole number, 0 or more
    patience    seconds, 0 or more, that the search for mistakes may take; what it has not named by
                then stays unexplained
    returns     DerivationCheck

    Everything is computed in float64, whatever the inputs are. In formulas a vector is a column, `*` and
    ⊙ go element by element, `@` and factors side by side are matrix products where the shapes allow;
    N, T and K (where nothing else has these names) are the sizes of batch, time and classes; "∂y" is the
    upstream gradient; a name on the left of `=` may be used on later lines.

    Where the right gradient on the given numbers is NaN or infinite, other numbers decide; where there are
    none, the gradient is "not shown".

    Raises ArgumentError for a formula that is not understood, pointing at the place, for a claim of no
    known form, for missing inputs and for options outside their ranges; what the user's own
    forward raises on the given inputs passes through.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> from deltarule.explain.checking.derivation_check import check_derivation
    >>> x, w = np.array([[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]]), np.array([[0.5, -1.0]])
    >>> def backward(upstream, x, weight):
    ...     return upstream @ weight, upstream.T @ x / len(x)
    >>> check = check_derivation(dr.linear, backward, x, w)
    >>> [(term.name, term.status) for term in check.terms]
    [('x', 'right'), ('weight', 'wrong')]
    >>> cause = check.causes[0]
    >>> cause.kind, cause.extent, round(cause.factor, 3)
    ('mean_for_sum', 'batch', 0.333)
    """
    tolerance, seed, patience = options(tolerance, seed, patience)
    if isinstance(subject, Tensor):
        if inputs:
            raise ArgumentError(
                WHO, f"a computed loss takes no inputs, got {len(inputs)}", "Hand in the function instead."
            )
        problem: Problem = RecordedProblem(subject, _titles(names))
    elif callable(subject):
        require_inputs(subject, inputs)
        problem = FunctionProblem(subject, inputs, input_titles(names))
    else:
        raise ArgumentError(
            WHO,
            f"expected a function of tensors or a computed loss, got {type(subject).__name__}",
            "Hand in an operation, a module, or the loss.",
        )
    judge = Judge(problem, claim, tolerance, seed, patience)
    terms, causes, examples = judge.judged()
    return DerivationCheck(
        terms=terms,
        causes=causes,
        examples=examples,
        forward_error=judge.forward_error,
        reference_error=judge.reference_error(),
        trials=judge.trials,
        form=judge.form,
        names={name: array.shape for name, array in problem.start.items() if name not in problem.unnamed},
    )


def _titles(names: Any) -> Mapping[str, Any]:
    if names is None:
        return {}
    if isinstance(names, Module):
        return dict(names.named_parameters())
    if isinstance(names, Mapping):
        found: dict[str, Any] = {}
        for name, value in names.items():
            if isinstance(value, Module):
                found.update((f"{name}.{title}", each) for title, each in value.named_parameters())
            else:
                found[str(name)] = value
        return found
    raise ArgumentError(
        WHO, f"names of a loss expected a dictionary or a module, got {type(names).__name__}", 'Use {"W": W}.'
    )
