"""The ops, each with its derivative beside it, by kind."""
import warnings

# PyTorch and CuPy compute infinities and NaN without a word. NumPy warns of them; in frames of ours, and only there, it does not.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tapegrad\.")
