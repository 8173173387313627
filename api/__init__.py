"""tapegrad: PyTorch's eager autograd on the arrays Python already has, NumPy on the CPU and CuPy on CUDA."""
from tapegrad import cuda, optim, random, testing
from tapegrad.autograd import conversion as _conversion  # noqa: F401
from tapegrad.autograd.defaults import get_default_device, set_default_device
from tapegrad.autograd.dtypes import (
    bfloat16, bool, can_cast, cdouble, cfloat, complex64, complex128, double, dtype, finfo, float, float16, float32, float64, get_default_dtype, half, iinfo,
    int, int8, int16, int32, int64, long, promote_types, set_default_dtype, short, uint8, uint16, uint32, uint64,
)
from tapegrad.autograd.grad_mode import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from tapegrad.autograd.generator import Generator, fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from tapegrad.autograd.ops import index as _index  # noqa: F401
from tapegrad.autograd.ops.convert import *  # noqa: F403
from tapegrad.autograd.ops.creation import *  # noqa: F403
from tapegrad.autograd.ops.elementwise import *  # noqa: F403
from tapegrad.autograd.ops.random import *  # noqa: F403
from tapegrad.autograd.ops.reduce import *  # noqa: F403
from tapegrad.autograd.ops.shape import *  # noqa: F403
from tapegrad.autograd.printing import get_printoptions, printoptions, set_printoptions
from tapegrad.autograd.size import Size
from tapegrad.autograd.tensor import Tensor
from tapegrad.backends import Device as device
