"""Back-propagation through three time steps, path by path.

    h_t = tanh(W_hx x_t + W_hh h_{t-1}),   o_t = W_qh h_t,   L = Σ_t ½ ‖o_t - y_t‖²,   t = 1, 2, 3

A weight is used once a step, and the loss of step t reaches its use at step k ≤ t along one path
through h_t, ..., h_k. So W_qh has 3 paths, and W_hx and W_hh have 1 + 2 + 3 = 6 each. The gradient is
the sum over these paths of the products of what lies on them:

    ∂L/∂W_hh = Σ_t Σ_{k≤t} [∏ diag(1 - h_j²) W_hh over j = t ... k+1]ᵀ W_qhᵀ (o_t - y_t) ... h_{k-1}ᵀ
"""

import numpy as np

import deltarule as dr

STEPS, INPUTS, HIDDEN, OUTPUTS = 3, 2, 3, 2
WEIGHTS = {"W_hx": (HIDDEN, INPUTS), "W_hh": (HIDDEN, HIDDEN), "W_qh": (OUTPUTS, HIDDEN)}


def numbers() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Weights, inputs, targets and initial state, fixed."""
    generator = np.random.default_rng(3)
    weights = {name: generator.normal(0, 0.6, shape) for name, shape in WEIGHTS.items()}
    x, y = generator.normal(0, 1, (STEPS, INPUTS)), generator.normal(0, 1, (STEPS, OUTPUTS))
    return weights, x, y, generator.normal(0, 0.5, HIDDEN)


def recorded() -> tuple[dr.Tensor, dict[str, dr.Tensor]]:
    """The loss with its graph, and the weights."""
    values, x, y, start = numbers()
    W = {name: dr.tensor(value, requires_grad=True) for name, value in values.items()}
    h, loss = dr.tensor(start), dr.tensor(0.0, dtype=dr.float64)
    for t in range(STEPS):
        h = dr.tanh(W["W_hx"] @ dr.tensor(x[t]) + W["W_hh"] @ h)
        error = W["W_qh"] @ h - dr.tensor(y[t])
        loss = loss + 0.5 * (error * error).sum()
    return loss, W


def count_paths(loss: dr.Tensor, weight: dr.Tensor) -> int:
    """Number of paths from the loss back to a weight in the recorded graph.

    A path counts once however often an operation uses the same value (error · error).
    """
    graph = dr.Graph(loss)
    paths = [0] * len(graph.values)
    paths[graph.number_of(loss)] = 1
    for step in reversed(graph.steps):
        for number in set(step.inputs):
            paths[number] += sum(paths[output] for output in step.outputs)
    return paths[graph.number_of(weight)]


def sum_over_paths() -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Gradients as sums over all paths (t, k), written out in NumPy; and the number of paths."""
    W, x, y, start = numbers()
    h = [start]
    for t in range(STEPS):
        h.append(np.tanh(W["W_hx"] @ x[t] + W["W_hh"] @ h[-1]))
    total = {name: np.zeros(shape) for name, shape in WEIGHTS.items()}
    count = dict.fromkeys(WEIGHTS, 0)
    for t in range(1, STEPS + 1):
        error = W["W_qh"] @ h[t] - y[t - 1]
        total["W_qh"] += np.outer(error, h[t])
        count["W_qh"] += 1
        for k in range(1, t + 1):
            arriving = W["W_qh"].T @ error
            for j in range(t, k, -1):
                arriving = W["W_hh"].T @ ((1 - h[j] ** 2) * arriving)
            delta = (1 - h[k] ** 2) * arriving
            total["W_hx"] += np.outer(delta, x[k - 1])
            total["W_hh"] += np.outer(delta, h[k - 1])
            count["W_hx"] += 1
            count["W_hh"] += 1
    return total, count


def main() -> dict[str, tuple[int, int, float]]:
    """For each weight: paths counted in the graph, paths summed, deviation of sum and gradient."""
    loss, W = recorded()
    paths = {name: count_paths(loss, weight) for name, weight in W.items()}
    loss.backward()
    total, count = sum_over_paths()
    return {
        name: (paths[name], count[name], float(np.max(np.abs(W[name].grad.numpy() - total[name]))))
        for name in WEIGHTS
    }


if __name__ == "__main__":
    for name, (paths, summed, deviation) in main().items():
        print(f"{name}: {paths} paths in the graph, {summed} summed, largest deviation {deviation:.1e}")
