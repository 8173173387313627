"""How an op is declared, written out and applied: decorator, generated wrapper, slow paths, in-place form, batch rules."""
