"""The graph, as users see and name its parts: nodes, edges, hooks on several tensors at once, what nodes keep."""
from tapegrad.autograd.core.node_api import Node
from tapegrad.autograd.increment import increment_version
from tapegrad.autograd.saved.allow_mutation import allow_mutation_on_saved_tensors
from tapegrad.autograd.saved.hooks import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks
from tapegrad.autograd.tape.gradient_edge import GradientEdge, get_gradient_edge
from tapegrad.autograd.tape.multi_grad_hook import register_multi_grad_hook

__all__ = ["GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version",
           "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks"]
