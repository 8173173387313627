"""vmap and forward mode: a function of one example, of a tangent."""
