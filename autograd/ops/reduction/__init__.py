"""Ops that bring a dimension together: sums, extrema, scans, sorting, softmax."""
