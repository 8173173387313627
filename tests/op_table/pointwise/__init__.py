"""Rows of the ops below ``autograd/ops/pointwise``."""
