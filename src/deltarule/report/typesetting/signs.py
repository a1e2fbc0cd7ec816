"""Signs: the commands of LaTeX that stand for one character or one name in our formulas."""

from __future__ import annotations

# Command -> character. `\infty` and `\dots` stand for what a letter stands for.
LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ",
    "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "ϕ", "varphi": "φ", "chi": "χ",
    "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π",
    "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω", "partial": "∂", "nabla": "∇", "ell": "ℓ",
    "infty": "∞", "dots": "…", "ldots": "…", "cdots": "⋯", "vdots": "⋮", "ddots": "⋱", "top": "⊤",
    "emptyset": "∅", "hbar": "ℏ", "prime": "′",
}  # fmt: skip
BINARY = {
    "cdot": "·", "times": "×", "odot": "⊙", "oslash": "⊘", "oplus": "⊕", "otimes": "⊗", "pm": "±", "mp": "∓",
    "circ": "∘", "ast": "∗", "star": "⋆", "wedge": "∧", "vee": "∨", "setminus": "∖", "cup": "∪", "cap": "∩",
    "div": "÷", "bmod": "mod",
}  # fmt: skip
RELATIONS = {
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈", "equiv": "≡",
    "sim": "∼", "propto": "∝", "in": "∈", "notin": "∉", "subset": "⊂", "to": "→", "rightarrow": "→",
    "leftarrow": "←", "gets": "←", "Rightarrow": "⇒", "Leftarrow": "⇐", "Leftrightarrow": "⇔",
    "mapsto": "↦", "ll": "≪", "gg": "≫", "mid": "∣", "colon": ":", "longrightarrow": "⟶",
}  # fmt: skip
PREFIXES = {"neg": "¬", "forall": "∀", "exists": "∃"}
LARGE = {"sum": "∑", "prod": "∏", "int": "∫", "bigcup": "⋃", "bigcap": "⋂"}
LIMITED = ("max", "min", "lim", "sup", "inf", "argmax", "argmin")
NAMED = (
    "ln", "log", "exp", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "coth",
    "det", "dim", "gcd", "Pr",
)  # fmt: skip
# In em, as TeX has them.
SPACES = {",": 1 / 6, ":": 2 / 9, ">": 2 / 9, ";": 5 / 18, " ": 1 / 4, "quad": 1.0, "qquad": 2.0, "!": 0.0}
ACCENTS = {"hat": "^", "tilde": "~", "bar": "¯", "overline": "¯", "dot": "˙", "ddot": "¨", "vec": "→"}
STYLES = {
    "mathit": "italic", "mathrm": "upright", "mathsf": "sans", "mathbf": "bold", "mathtt": "code",
    "boldsymbol": "bold", "mathbb": "double", "mathcal": "script",
}  # fmt: skip
DELIMITERS = {
    "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "langle": "⟨", "rangle": "⟩", "|": "‖",
    "lVert": "‖", "rVert": "‖", "lvert": "|", "rvert": "|", "{": "{", "}": "}", "lbrace": "{", "rbrace": "}",
}  # fmt: skip
OPENING = "([{⌊⌈⟨"
CLOSING = ")]}⌋⌉⟩"
ENVIRONMENTS = ("cases", "aligned", "matrix", "pmatrix", "bmatrix", "vmatrix")
