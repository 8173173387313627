"""Rows of the ops below ``autograd/ops/shape``."""
