"""`x[...]` and its kin."""
