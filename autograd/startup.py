"""Says so where Python runs without its global lock, by which tapegrad keeps its threads apart."""
import sys
import warnings

if not getattr(sys, "_is_gil_enabled", lambda: True)():
    warnings.warn("tapegrad relies on Python's global interpreter lock, which is off in this process: gradients, graphs and modes are right only as long as "
                  "one thread at a time uses tapegrad. Start Python with PYTHON_GIL=1 or -X gil=1 to use several threads.", RuntimeWarning, stacklevel=2)
