"""Benchmarks: workloads written against torch's names, run on tapegrad's devices and on PyTorch in turns.
`tapegrad-bench --help` says how.
"""
