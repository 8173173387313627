"""Python's operators and what else Tensor has of its own."""
