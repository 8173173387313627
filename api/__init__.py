"""tapegrad: PyTorch's eager autograd on the arrays Python already has, NumPy on the CPU and CuPy on CUDA."""
import typing as _typing
from math import e, inf, nan, pi

from tapegrad import autograd, cuda, nn, optim, random, testing, utils
from tapegrad.autograd import gil as _gil, silence as _silence
from tapegrad.autograd.anomaly import is_anomaly_check_nan_enabled, is_anomaly_enabled, set_anomaly_enabled
from tapegrad.autograd.custom_op import custom_op
from tapegrad.autograd.defaults import get_default_device, set_default_device
from tapegrad.autograd.dtypes import (
    bfloat16, bool, can_cast, cdouble, cfloat, complex64, complex128, double, dtype, finfo, float, float16, float32, float64, get_default_dtype, half, iinfo,
    int, int8, int16, int32, int64, long, promote_types, set_default_dtype, short, uint8, uint16, uint32, uint64,
)
from tapegrad.autograd.generator import Generator, fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from tapegrad.autograd.grad_mode import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from tapegrad.autograd.lazy import on_first_use as _on_first_use
from tapegrad.autograd.inference import is_inference
from tapegrad.autograd.interchange import from_dlpack
from tapegrad.autograd.memory_format import channels_last, channels_last_3d, contiguous_format, memory_format, preserve_format
from tapegrad.autograd.ops import index as _index, metadata as _metadata, new_methods as _new_methods
from tapegrad.autograd.ops.activation import *
from tapegrad.autograd.ops.bounds import *
from tapegrad.autograd.ops.broadcasting import *
from tapegrad.autograd.ops.compare import *
from tapegrad.autograd.ops.complex import *
from tapegrad.autograd.ops.convert import *
from tapegrad.autograd.ops.creation import *
from tapegrad.autograd.ops.einsum import *
from tapegrad.autograd.ops.elementwise import *
from tapegrad.autograd.ops.exponential import *
from tapegrad.autograd.ops.extrema import *
from tapegrad.autograd.ops.facts import *
from tapegrad.autograd.ops.gather import *
from tapegrad.autograd.ops.inplace_functions import *
from tapegrad.autograd.ops.items import *
from tapegrad.autograd.ops.join import *
from tapegrad.autograd.ops.legacy import *
from tapegrad.autograd.ops.linalg import *
from tapegrad.autograd.ops.logic import *
from tapegrad.autograd.ops.masks import *
from tapegrad.autograd.ops.moments import *
from tapegrad.autograd.ops.norms import *
from tapegrad.autograd.ops.operators import *
from tapegrad.autograd.ops.positions import *
from tapegrad.autograd.ops.powers import *
from tapegrad.autograd.ops.products import *
from tapegrad.autograd.ops.quantiles import *
from tapegrad.autograd.ops.random import *
from tapegrad.autograd.ops.rearrange import *
from tapegrad.autograd.ops.reduce import *
from tapegrad.autograd.ops.rounding import *
from tapegrad.autograd.ops.scan import *
from tapegrad.autograd.ops.scatter_reduce import *
from tapegrad.autograd.ops.search import *
from tapegrad.autograd.ops.select import *
from tapegrad.autograd.ops.sequences import *
from tapegrad.autograd.ops.shape import *
from tapegrad.autograd.ops.signs import *
from tapegrad.autograd.ops.slices import *
from tapegrad.autograd.ops.softmax import *
from tapegrad.autograd.ops.sort import *
from tapegrad.autograd.ops.special import *
from tapegrad.autograd.ops.split import *
from tapegrad.autograd.ops.strided import *
from tapegrad.autograd.ops.transposes import *
from tapegrad.autograd.ops.trigonometry import *
from tapegrad.autograd.printing import get_printoptions, printoptions, set_printoptions
from tapegrad.autograd.size import Size
from tapegrad.autograd.tensor import Tensor
from tapegrad.autograd.vmap import vmap
from tapegrad.backends import Device as device
from tapegrad.backends.determinism import are_deterministic_algorithms_enabled, is_deterministic_algorithms_warn_only_enabled, use_deterministic_algorithms
from tapegrad.backends.index_asserts import AcceleratorError
from tapegrad.backends.precision import get_float32_matmul_precision, set_float32_matmul_precision
from tapegrad.backends.out_of_memory import OutOfMemoryError
from tapegrad.nn.functional import (
    adaptive_avg_pool1d, avg_pool1d, bilinear, channel_shuffle, constant_pad_nd, conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d,
    cosine_similarity, group_norm, layer_norm, max_pool1d, max_pool2d, max_pool3d, pairwise_distance, pixel_shuffle, pixel_unshuffle, rms_norm,
)

newaxis = None

if _typing.TYPE_CHECKING:
    from tapegrad import func, profiler

__getattr__ = _on_first_use("tapegrad", "func", "profiler")

__version__ = "0.1.0"
