"""tapegrad: PyTorch's eager autograd on the arrays Python already has, NumPy on the CPU and CuPy on CUDA."""
from tapegrad import cuda, func, nn, optim, random, testing
from tapegrad.autograd import silence as _silence  # noqa: F401
from tapegrad.autograd import conversion as _conversion  # noqa: F401
from tapegrad.autograd.defaults import get_default_device, set_default_device
from tapegrad.autograd.dtypes import (
    bfloat16, bool, can_cast, cdouble, cfloat, complex64, complex128, double, dtype, finfo, float, float16, float32, float64, get_default_dtype, half, iinfo,
    int, int8, int16, int32, int64, long, promote_types, set_default_dtype, short, uint8, uint16, uint32, uint64,
)
from tapegrad.autograd.grad_mode import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from tapegrad.autograd.generator import Generator, fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from tapegrad.autograd.ops import index as _index, metadata as _metadata, new_methods as _new_methods  # noqa: F401
from tapegrad.autograd.ops.convert import *  # noqa: F403
from tapegrad.autograd.ops.creation import *  # noqa: F403
from tapegrad.autograd.ops.activation import *  # noqa: F403
from tapegrad.autograd.ops.extrema import *  # noqa: F403
from tapegrad.autograd.ops.moments import *  # noqa: F403
from tapegrad.autograd.ops.norms import *  # noqa: F403
from tapegrad.autograd.ops.quantiles import *  # noqa: F403
from tapegrad.autograd.ops.scan import *  # noqa: F403
from tapegrad.autograd.ops.search import *  # noqa: F403
from tapegrad.autograd.ops.softmax import *  # noqa: F403
from tapegrad.autograd.ops.sort import *  # noqa: F403
from tapegrad.autograd.ops.bounds import *  # noqa: F403
from tapegrad.autograd.ops.compare import *  # noqa: F403
from tapegrad.autograd.ops.complex import *  # noqa: F403
from tapegrad.autograd.ops.elementwise import *  # noqa: F403
from tapegrad.autograd.ops.exponential import *  # noqa: F403
from tapegrad.autograd.ops.logic import *  # noqa: F403
from tapegrad.autograd.ops.operators import *  # noqa: F403
from tapegrad.autograd.ops.powers import *  # noqa: F403
from tapegrad.autograd.ops.rounding import *  # noqa: F403
from tapegrad.autograd.ops.select import *  # noqa: F403
from tapegrad.autograd.ops.signs import *  # noqa: F403
from tapegrad.autograd.ops.special import *  # noqa: F403
from tapegrad.autograd.ops.trigonometry import *  # noqa: F403
from tapegrad.autograd.ops.inplace_functions import *  # noqa: F403
from tapegrad.autograd.ops.random import *  # noqa: F403
from tapegrad.autograd.ops.reduce import *  # noqa: F403
from tapegrad.autograd.ops.shape import *  # noqa: F403
from tapegrad.autograd.ops.transposes import *  # noqa: F403
from tapegrad.autograd.ops.broadcasting import *  # noqa: F403
from tapegrad.autograd.memory_format import *  # noqa: F403
from tapegrad.autograd.ops.facts import *  # noqa: F403
from tapegrad.autograd.ops.gather import *  # noqa: F403
from tapegrad.autograd.ops.scatter_reduce import *  # noqa: F403
from tapegrad.autograd.ops.items import *  # noqa: F403
from tapegrad.autograd.ops.masks import *  # noqa: F403
from tapegrad.autograd.ops.positions import *  # noqa: F403
from tapegrad.autograd.ops.linalg import *  # noqa: F403
from tapegrad.autograd.ops.products import *  # noqa: F403
from tapegrad.autograd.ops.einsum import *  # noqa: F403
from tapegrad.autograd.ops.sequences import *  # noqa: F403
from tapegrad.autograd.ops.legacy import *  # noqa: F403
from tapegrad.autograd.ops.join import *  # noqa: F403
from tapegrad.autograd.ops.split import *  # noqa: F403
from tapegrad.autograd.ops.slices import *  # noqa: F403
from tapegrad.autograd.ops.rearrange import *  # noqa: F403
from tapegrad.autograd.ops.strided import *  # noqa: F403
from tapegrad.autograd.printing import get_printoptions, printoptions, set_printoptions
from tapegrad.autograd.size import Size
from tapegrad.autograd.tensor import Tensor
from tapegrad.backends import Device as device
from tapegrad.nn.functional import (
    adaptive_avg_pool1d, avg_pool1d, bilinear, channel_shuffle, constant_pad_nd, conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d,
    cosine_similarity, group_norm, layer_norm, max_pool1d, max_pool2d, max_pool3d, pairwise_distance, pixel_shuffle, pixel_unshuffle, rms_norm,
)

__version__ = "0.1.0"
