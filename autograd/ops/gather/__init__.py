"""Reads and writes by index tensors and masks."""
