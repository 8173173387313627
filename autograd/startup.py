"""What importing tapegrad does to its process: a filter on NumPy's warnings, and a warning where Python runs without
its global lock.
"""

import sys
import warnings

# No floating-point warnings from inside tapegrad, as PyTorch gives none: log(0) is -inf. NumPy blames the module whose
# code called it, so a filter for our modules leaves the warnings of other NumPy code as they are.
# `numpy.errstate(all="raise")` still makes an operation raise, to find where a NaN comes from.
warnings.filterwarnings(
    "ignore",
    message="(divide by zero|overflow|underflow|invalid value) encountered",
    category=RuntimeWarning,
    module=r"tapegrad\.",
)

# Python's global lock is what keeps tapegrad's threads apart.
if not getattr(sys, "_is_gil_enabled", lambda: True)():
    warnings.warn(
        "tapegrad relies on Python's global interpreter lock, which is off in this process: gradients, graphs and "
        "modes are right only as long as "
        "one thread at a time uses tapegrad. Start Python with PYTHON_GIL=1 or -X gil=1 to use several threads.",
        RuntimeWarning,
        stacklevel=2,
    )
