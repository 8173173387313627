"""Reductions, scans, norms, order statistics and sorting."""
