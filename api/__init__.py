"""tapegrad: PyTorch's eager autograd on the arrays Python already has, NumPy on the CPU and CuPy on CUDA."""
import typing as _typing
from math import e, inf, nan, pi

from tapegrad import autograd, cuda, nn, optim, random, testing, utils
from tapegrad.autograd import silence as _silence
from tapegrad.autograd import startup as _gil
from tapegrad.autograd.anomaly_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled, set_anomaly_enabled
from tapegrad.autograd.functions.custom_op import custom_op
from tapegrad.autograd.modes.default_device import get_default_device, set_default_device
from tapegrad.autograd.types.dtypes import (
    bfloat16, bool, can_cast, cdouble, cfloat, complex64, complex128, double, dtype, finfo, float, float16, float32, float64, get_default_dtype, half,
    iinfo, int, int8, int16, int32, int64, long, promote_types, set_default_dtype, short, uint8, uint16, uint32, uint64,
)
from tapegrad.autograd.ops.random.generator import Generator, fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from tapegrad.autograd.modes.grad_mode import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from tapegrad.autograd.lazy import on_first_use as _on_first_use
from tapegrad.autograd.core.inference import is_inference
from tapegrad.autograd.interchange.array_protocols import from_dlpack
from tapegrad.autograd.types.memory_format import channels_last, channels_last_3d, contiguous_format, memory_format, preserve_format
from tapegrad.autograd.ops.indexing import getitem as _index
from tapegrad.autograd.ops.tensor import set_metadata as _metadata
from tapegrad.autograd.ops.creation import new_methods as _new_methods
from tapegrad.autograd.ops.pointwise.activation import *
from tapegrad.autograd.ops.pointwise.clamp import *
from tapegrad.autograd.ops.shape.expand import *
from tapegrad.autograd.ops.pointwise.comparison import *
from tapegrad.autograd.ops.pointwise.complex import *
from tapegrad.autograd.ops.creation.casts_and_copies import *
from tapegrad.autograd.ops.creation.factories import *
from tapegrad.autograd.ops.linalg.einsum import *
from tapegrad.autograd.ops.pointwise.arithmetic import *
from tapegrad.autograd.ops.pointwise.exponential import *
from tapegrad.autograd.ops.reduction.max_min import *
from tapegrad.autograd.ops.common.metadata_queries import *
from tapegrad.autograd.ops.gather.gather import *
from tapegrad.autograd.ops.tensor.inplace_functions import *
from tapegrad.autograd.ops.gather.index_select import *
from tapegrad.autograd.ops.shape.cat import *
from tapegrad.autograd.ops.creation.legacy import *
from tapegrad.autograd.ops.linalg.matmul import *
from tapegrad.autograd.ops.pointwise.logic import *
from tapegrad.autograd.ops.gather.masks import *
from tapegrad.autograd.ops.reduction.var import *
from tapegrad.autograd.ops.reduction.norm import *
from tapegrad.autograd.ops.tensor.operators import *
from tapegrad.autograd.ops.gather.take import *
from tapegrad.autograd.ops.pointwise.powers import *
from tapegrad.autograd.ops.linalg.addmm_tensordot import *
from tapegrad.autograd.ops.reduction.median_quantile import *
from tapegrad.autograd.ops.random.sampling import *
from tapegrad.autograd.ops.shape.flip_roll_repeat import *
from tapegrad.autograd.ops.reduction.sum import *
from tapegrad.autograd.ops.pointwise.rounding import *
from tapegrad.autograd.ops.reduction.cumulative import *
from tapegrad.autograd.ops.gather.scatter_reduce import *
from tapegrad.autograd.ops.reduction.unique_and_counts import *
from tapegrad.autograd.ops.pointwise.where import *
from tapegrad.autograd.ops.creation.ranges import *
from tapegrad.autograd.ops.shape.reshape import *
from tapegrad.autograd.ops.pointwise.signs import *
from tapegrad.autograd.ops.indexing.narrow import *
from tapegrad.autograd.ops.reduction.softmax import *
from tapegrad.autograd.ops.reduction.sort import *
from tapegrad.autograd.ops.pointwise.special import *
from tapegrad.autograd.ops.shape.split import *
from tapegrad.autograd.ops.shape.as_strided import *
from tapegrad.autograd.ops.shape.transpose import *
from tapegrad.autograd.ops.pointwise.trigonometry import *
from tapegrad.autograd.interchange.printing import get_printoptions, printoptions, set_printoptions
from tapegrad.autograd.types.size import Size
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.transforms.vmap import vmap
from tapegrad.backends import Device as device
from tapegrad.backends.determinism import are_deterministic_algorithms_enabled, is_deterministic_algorithms_warn_only_enabled, use_deterministic_algorithms
from tapegrad.backends.cupy.index_asserts import AcceleratorError
from tapegrad.backends.precision import get_float32_matmul_precision, set_float32_matmul_precision
from tapegrad.backends.out_of_memory import OutOfMemoryError
from tapegrad.nn.functional import (
    adaptive_avg_pool1d, avg_pool1d, bilinear, channel_shuffle, constant_pad_nd, conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d,
    cosine_similarity, group_norm, layer_norm, max_pool1d, max_pool2d, max_pool3d, pairwise_distance, pixel_shuffle, pixel_unshuffle, rms_norm,
)

newaxis = None

if _typing.TYPE_CHECKING:
    from tapegrad import func, profiler

__getattr__, __dir__ = _on_first_use("tapegrad", "func", "profiler")

__version__ = "0.1.0"
