"""deltarule: a deep-learning library whose back-propagation is a glass box.

Networks are graphs of recorded operations; gradients flow back through the record; every operation
carries the formula of its value and of its gradient.

    import deltarule as dr
    x = dr.tensor([0.2, 0.4], requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    x.grad
"""

__version__ = "0.1.0"

from deltarule.autodiff import backward as _backward
from deltarule.operations import operators as _operators
