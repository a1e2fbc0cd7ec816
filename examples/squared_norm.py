"""f = ‖Wx‖² with matrices: q = Wx, ∇q = 2q, ∇W = 2q·xᵀ, ∇x = 2Wᵀq.

A gradient always has the shape of its variable, which is how to get the transposes right.
"""

import numpy as np

import deltarule as dr


def main() -> dict[str, np.ndarray]:
    W = dr.tensor(np.array([[0.1, 0.5], [-0.3, 0.8]]), requires_grad=True)
    x = dr.tensor(np.array([0.2, 0.4]), requires_grad=True)
    q = (W @ x).retain_grad()
    f = (q * q).sum()
    f.backward()
    return {
        "q": q.numpy(),
        "f": f.numpy(),
        "grad q": q.grad.numpy(),
        "grad W": W.grad.numpy(),
        "grad x": x.grad.numpy(),
        "2q": 2 * q.numpy(),
        "2q xT": 2 * np.outer(q.numpy(), x.numpy()),
        "2WT q": 2 * W.numpy().T @ q.numpy(),
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name:7}= {np.round(value, 4).tolist()}")
