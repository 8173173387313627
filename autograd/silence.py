"""No floating-point warnings from inside tapegrad, as PyTorch gives none: ``log(0)`` is -inf.

NumPy blames the module whose code called it, so a filter for our modules leaves the warnings of everybody's own NumPy code as they are, and costs nothing
where nothing is warned of. ``numpy.errstate(all="raise")`` still makes an operation raise, to find where a NaN comes from.
"""
import warnings

warnings.filterwarnings("ignore", message="(divide by zero|overflow|underflow|invalid value) encountered", category=RuntimeWarning, module=r"tapegrad\.")
