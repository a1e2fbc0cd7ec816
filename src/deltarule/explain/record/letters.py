"""Letters: what values are called by default, as the lectures' derivations call them, and names of users."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deltarule.autodiff.formula.latex import raised

# Name of an operation's input -> (identifier, scalar LaTeX, whole LaTeX).
INPUTS = {
    "weight": ("W", "w", "W"),
    "bias": ("b", "b", "b"),
    "weight_ih": ("W_ih", "w^{ih}", "W_{ih}"),
    "weight_hh": ("W_hh", "w^{hh}", "W_{hh}"),
    "bias_ih": ("b_ih", "b^{ih}", "b_{ih}"),
    "bias_hh": ("b_hh", "b^{hh}", "b_{hh}"),
    "h0": ("h_start", "h^{0}", "h^{0}"),
    "c0": ("c_start", "c^{0}", "c^{0}"),
    "hidden_state": ("h_start", "h^{0}", "h^{0}"),
    "cell_state": ("c_start", "c^{0}", "c^{0}"),
    "target": ("t", "t", "T"),
    "targets": ("t", "t", "T"),
    "mask": ("m", "m", "M"),
    "attn_mask": ("mask", "m", "M"),
    "indices": ("idx", r"\mathit{idx}", r"\mathit{idx}"),
    "running_mean": ("mu", r"\mu", r"\mu"),
    "running_var": ("var", r"\sigma^{2}", r"\sigma^{2}"),
}
# Inputs that are what they are called, whether or not they are learned.
NAMED_DATA = frozenset(
    "h0 c0 hidden_state cell_state target targets mask attn_mask indices running_mean running_var".split()
)
# Where there is a time t, targets have another letter.
TARGETS_IN_TIME = dict.fromkeys(("target", "targets"), ("target", "y^{*}", "Y^{*}"))
# Operation -> letter of its result.
RESULTS = {
    "max_pool1d": "m",
    "max_pool2d": "m",
    "avg_pool1d": "m",
    "avg_pool2d": "m",
    "adaptive_avg_pool1d": "m",
    "adaptive_avg_pool2d": "m",
    "dropout": "d",
    "batch_norm": "n",
    "batch_norm_evaluation": "n",
    "layer_norm": "n",
    "group_norm": "n",
    "rms_norm": "n",
    "softmax": "p",
    "embedding": "e",
    "reshape": "r",
    "permute_dims": "r",
}
# Functions of one array that stand behind a pre-activation: their result is the layer's output h.
ACTIVATIONS = frozenset(
    "celu elu erf exp gelu hardsigmoid hardswish hardtanh leaky_relu log_sigmoid mish prelu relu relu6 selu "
    "sigmoid silu softmax softplus softsign square tanh".split()
)
# For results without a letter of their own, in turn: (identifier, element, array). Neither e, a number, nor
# letters of indices, nor those that layers have.
FREE = tuple((each, each, each.upper()) for each in "quvgzryos") + tuple(
    (each, rf"\{each}", rf"\{each.capitalize()}") for each in ("xi", "phi", "psi", "theta", "omega")
)
# Normalisations call their weight and bias γ and β.
NORMS = frozenset(("batch_norm", "batch_norm_evaluation", "layer_norm", "group_norm", "rms_norm"))
_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi "
    "omega".split()
)
# Longer names stand in the legend only.
_LONGEST = 20


def is_symbol(label: str) -> bool:
    """Whether a user's name can stand in formulas and programs: W, W_hx, x1, alpha, hidden_state.

    >>> [is_symbol(each) for each in ("W_hx", "0.weight", "a" * 300, "grad_x", "x_", "名字")]
    [True, False, False, False, False, False]
    """
    named = re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", label)
    return bool(named) and len(label) <= _LONGEST and not re.match(r"grad_|grad$|delta\d*$", label)


def letters_of(label: str, ndim: int) -> Iterator[tuple[str, str]]:
    """(scalar, whole) LaTeX of a user's name, the best first: elements small, arrays large.

    Indices stand below, so what distinguishes an array's elements stands above: w^{hx}, but W_{hx}.

    >>> next(letters_of("W_hx", 2)), next(letters_of("x1", 2)), next(letters_of("w0", 0))
    (('w^{hx}', 'W_{hx}'), ('x^{(1)}', 'X^{(1)}'), ('w_{0}', 'w_{0}'))
    """
    stem, *below = label.split("_")
    found = re.fullmatch(r"([A-Za-z]+)(\d*)", stem)
    word, digits = (found.group(1), found.group(2)) if found else (stem, "")
    if word in _GREEK:
        small = large = rf"\{word}"
    elif len(word) > 1:
        small = large = rf"\mathit{{{word}}}"
    else:
        small, large = (word.lower(), word.upper()) if ndim > 1 else (word, word)
    beside = ",".join(below)
    beside = rf"\mathit{{{beside}}}" if any(len(part) > 2 and part.isalpha() for part in below) else beside
    own = large if word.isupper() else small
    for scalar, whole in ((small, large), (own, own), (word, word)):
        if ndim == 0:
            subscript = ",".join(part for part in (digits, beside) if part)
            scalar = f"{scalar}_{{{subscript}}}" if subscript else scalar
            yield scalar, scalar
            continue
        above = f"({digits})" if digits else ""
        if beside:
            yield raised(f"{scalar}^{{{beside}}}", above), raised(f"{whole}_{{{beside}}}", above)
        else:
            yield raised(scalar, above), raised(whole, above)
