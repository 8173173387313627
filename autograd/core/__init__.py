"""Tensor, Node, View, the version counter, the gate: what everything above is made of."""
