"""Reductions, scans and sorting.

Their common arguments mean the same everywhere, and are not repeated: `dim` is a dimension or, where the first sentence
speaks of dimensions, several; None means all. `keepdim` keeps what is reduced with size 1. `dtype` is cast to first.
"""
