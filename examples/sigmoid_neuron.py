"""A neuron σ(w₀x₀ + w₁x₁ + w₂) with w = (2, -3, -3), x = (-1, -2), as small gates and as one.

Both graphs have the same output and the same gradients: the sigmoid gate is the four small gates
negate, exp, add 1 and invert taken together, with the local gradient y(1 - y).
"""

import deltarule as dr

Row = tuple[str, float, float]


def neuron(one_gate: bool) -> dr.Graph:
    """The recorded graph of the neuron, with the sigmoid as one gate or as four."""
    w0, w1, w2, x0, x1 = (
        dr.tensor(value, dtype=dr.float64, requires_grad=True) for value in (2.0, -3.0, -3.0, -1.0, -2.0)
    )
    for name, each in (("w0", w0), ("w1", w1), ("w2", w2), ("x0", x0), ("x1", x1)):
        each.name = name
    s = w0 * x0 + w1 * x1 + w2
    return dr.Graph(dr.sigmoid(s) if one_gate else 1.0 / (1.0 + dr.exp(-s)))


def rows(graph: dr.Graph) -> list[Row]:
    """(name, value, gradient) of every value, in the order of computation."""
    made_by = {number: step.operation for step in graph.steps for number in step.outputs}
    table = []
    for value, gradient in zip(graph.values, graph.gradients(), strict=True):
        if value.kind != "constant" and gradient is not None:
            table.append((value.name or made_by[value.number], value.array.item(), gradient.item()))
    return table


def main() -> dict[str, list[Row]]:
    return {"four gates": rows(neuron(one_gate=False)), "one gate": rows(neuron(one_gate=True))}


if __name__ == "__main__":
    for title, table in main().items():
        print(f"{title}\n  {'':10}{'value':>8}{'gradient':>10}")
        for name, value, gradient in table:
            print(f"  {name:10}{value:8.2f}{gradient:10.2f}")
