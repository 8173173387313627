"""Tensor, the tape, and the ops with their derivatives."""
