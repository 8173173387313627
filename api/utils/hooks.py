"""Handles that remove hooks, and what becomes of a tensor's hooks when it is pickled."""
from tapegrad.autograd.tape.tensor_hooks import RemovableHandle, unserializable_hook, warn_if_has_hooks

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]
