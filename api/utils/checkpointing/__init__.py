"""How `checkpoint` works: the second run, the log that compares it with the first, the reentrant form."""
