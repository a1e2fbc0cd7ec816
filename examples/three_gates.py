"""The smallest graph: f = (x + y) · z at (-2, 5, -4), every value and gradient by the chain rule.

An add gate hands its gradient to both inputs; a multiply gate gives each input the gradient times
the other input.
"""

import deltarule as dr


def main() -> dict[str, float]:
    x, y, z = (dr.tensor(value, dtype=dr.float64, requires_grad=True) for value in (-2.0, 5.0, -4.0))
    q = (x + y).retain_grad()
    f = q * z
    f.backward()
    numbers = {"q": q.item(), "f": f.item()}
    numbers |= {f"df/d{name}": each.grad.item() for name, each in (("x", x), ("y", y), ("z", z), ("q", q))}
    return numbers


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name:6} = {value:g}")
