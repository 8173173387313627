"""What is checked of every row of the op table, by subject; `tests/test_ops.py` runs it."""
