"""How an op is declared, planned, written out and applied."""
