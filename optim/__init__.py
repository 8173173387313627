"""Optimizers."""

from tapegrad.optim.adam import Adam, AdamW
from tapegrad.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from tapegrad.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]
