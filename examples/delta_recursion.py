"""The δ recursion of a fully-connected 3-4-2 sigmoid network with squared loss.

    aˡ = W ˡ hˡ⁻¹ + bˡ,   hˡ = σ(aˡ),   L = ½ ‖h² - t‖²
    δ² = (h² - t) ⊙ h² ⊙ (1 - h²)              error term of the output layer
    δ¹ = (W²ᵀ δ²) ⊙ h¹ ⊙ (1 - h¹)              handed back through the weights
    ∂L/∂Wˡ = δˡ hˡ⁻¹ᵀ,   ∂L/∂bˡ = δˡ

δˡ is ∂L/∂aˡ: the gradient at the layer's sum, before its activation.
Source: Rumelhart, Hinton & Williams 1986.
"""

import numpy as np

import deltarule as dr


def network() -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray, np.ndarray]:
    """Weights, biases, input and target, fixed."""
    generator = np.random.default_rng(1986)
    weights = [generator.normal(0, 0.7, (4, 3)), generator.normal(0, 0.7, (2, 4))]
    biases = [generator.normal(0, 0.3, 4), generator.normal(0, 0.3, 2)]
    return weights, biases, np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.0])


def by_record() -> dict[str, np.ndarray]:
    """Every δ and gradient as the engine finds them."""
    weights, biases, x, t = network()
    W = [dr.tensor(each, requires_grad=True) for each in weights]
    b = [dr.tensor(each, requires_grad=True) for each in biases]
    a1 = (W[0] @ dr.tensor(x) + b[0]).retain_grad()
    h1 = dr.sigmoid(a1)
    a2 = (W[1] @ h1 + b[1]).retain_grad()
    h2 = dr.sigmoid(a2)
    loss = 0.5 * ((h2 - dr.tensor(t)) ** 2).sum()
    loss.backward()
    found = {"delta1": a1, "delta2": a2, "W1": W[0], "W2": W[1], "b1": b[0], "b2": b[1]}
    return {"loss": loss.numpy(), **{name: each.grad.numpy() for name, each in found.items()}}


def by_formula() -> dict[str, np.ndarray]:
    """The same from the matrix formulas above, in NumPy."""
    (W1, W2), (b1, b2), x, t = network()
    h1 = 1 / (1 + np.exp(-(W1 @ x + b1)))
    h2 = 1 / (1 + np.exp(-(W2 @ h1 + b2)))
    delta2 = (h2 - t) * h2 * (1 - h2)
    delta1 = (W2.T @ delta2) * h1 * (1 - h1)
    return {
        "loss": 0.5 * np.sum((h2 - t) ** 2),
        "delta1": delta1,
        "delta2": delta2,
        "W1": np.outer(delta1, x),
        "W2": np.outer(delta2, h1),
        "b1": delta1,
        "b2": delta2,
    }


def main() -> dict[str, float]:
    """Largest deviation between both, by name."""
    recorded, derived = by_record(), by_formula()
    return {name: float(np.max(np.abs(recorded[name] - derived[name]))) for name in derived}


if __name__ == "__main__":
    for name, value in by_record().items():
        print(f"{name:7}= {np.round(value, 4).tolist()}")
    print(f"largest deviation from the matrix formulas: {max(main().values()):.1e}")
