"""Handles that remove hooks, and what becomes of a tensor's hooks when it is pickled."""

from tapegrad.autograd.interchange.python_protocols import warn_if_has_hooks
from tapegrad.autograd.tape.handle import RemovableHandle
from tapegrad.autograd.tape.tensor_hooks import unserializable_hook

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]
