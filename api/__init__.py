"""tapegrad: PyTorch's eager autograd on the arrays Python already has, NumPy on the CPU and CuPy on CUDA."""

import typing as _typing
from math import e, inf, nan, pi

from tapegrad import autograd, cuda, nn, optim, random, testing, utils
from tapegrad.autograd import ops as _ops
from tapegrad.autograd import startup as _startup
from tapegrad.autograd.anomaly_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled, set_anomaly_enabled
from tapegrad.autograd.core.inference import is_inference
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.decorator import NAMES as _NAMES
from tapegrad.autograd.functions.custom_op import custom_op
from tapegrad.autograd.interchange.array_protocols import from_dlpack
from tapegrad.autograd.interchange.printing import get_printoptions, printoptions, set_printoptions
from tapegrad.autograd.lazy import on_first_use as _on_first_use
from tapegrad.autograd.modes.default_device import get_default_device, set_default_device
from tapegrad.autograd.modes.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from tapegrad.autograd.ops.random.generator import (
    Generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from tapegrad.autograd.transforms.vmap import vmap
from tapegrad.autograd.types.dtypes import (
    bfloat16,
    bool,
    can_cast,
    cdouble,
    cfloat,
    complex64,
    complex128,
    double,
    dtype,
    finfo,
    float,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
    int,
    int8,
    int16,
    int32,
    int64,
    long,
    set_default_dtype,
    short,
    uint8,
    uint16,
    uint32,
    uint64,
)
from tapegrad.autograd.types.memory_format import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    memory_format,
    preserve_format,
)
from tapegrad.autograd.types.promotion import promote_types
from tapegrad.autograd.types.size import Size
from tapegrad.backends import Device as device
from tapegrad.backends.cupy.index_asserts import AcceleratorError
from tapegrad.backends.determinism import (
    are_deterministic_algorithms_enabled,
    is_deterministic_algorithms_warn_only_enabled,
    use_deterministic_algorithms,
)
from tapegrad.backends.out_of_memory import OutOfMemoryError
from tapegrad.backends.precision import get_float32_matmul_precision, set_float32_matmul_precision
from tapegrad.nn.functional import (
    adaptive_avg_pool1d,
    avg_pool1d,
    bilinear,
    channel_shuffle,
    constant_pad_nd,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    cosine_similarity,
    group_norm,
    layer_norm,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    pairwise_distance,
    pixel_shuffle,
    pixel_unshuffle,
    rms_norm,
)

newaxis = None

# the ops, and whatever else registers itself as a name of tapegrad
globals().update(_NAMES)

if _typing.TYPE_CHECKING:
    from tapegrad import func, profiler

__getattr__, __dir__ = _on_first_use("tapegrad", "func", "profiler")

__version__ = "0.1.0"
