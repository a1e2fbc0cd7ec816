"""Tensor, the recorded graph and its readers. Knows no particular operation."""

from deltarule.autodiff.backward import gradients
from deltarule.autodiff.check import GradientCheck, check_gradients
from deltarule.autodiff.checkpoint import checkpoint
from deltarule.autodiff.conversion import as_tensor, tensor
from deltarule.autodiff.dtypes import default_float, set_default_dtype
from deltarule.autodiff.graph import Graph
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Operation
from deltarule.autodiff.recording import enable_grad, is_grad_enabled, name_scope, no_grad
from deltarule.autodiff.tensor import Tensor
from deltarule.autodiff.threads import get_num_threads, set_num_threads
from deltarule.autodiff.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__all__ = [
    "GradientCheck",
    "Graph",
    "Group",
    "Node",
    "Operation",
    "Tensor",
    "as_tensor",
    "check_gradients",
    "checkpoint",
    "default_float",
    "enable_grad",
    "get_num_threads",
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "name_scope",
    "no_grad",
    "set_default_dtype",
    "set_num_threads",
    "tensor",
    "value_and_grad",
    "vjp",
]
