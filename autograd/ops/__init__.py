"""The ops, each with its derivative beside it, by kind. Importing this package declares them all.

Arguments that mean the same in every op are not explained again in its docstring:

- ``input``: a tensor (or a raw array, for which a raw array is returned); ``other``: a tensor that broadcasts with it,
  or a number.
- ``dim``: a dimension, negative ones from the end; where several are taken, None means all. ``keepdim``: keep reduced
  dimensions with size 1. ``axis`` and ``keepdims`` are NumPy's names for them.
- ``out``: a tensor to write the result to. ``dtype``, ``device``: of the result. ``requires_grad``: whether gradients
  flow into it.
- ``generator``: the stream of random numbers; the device's default one if not given.
"""

from tapegrad.autograd.ops.common import cache_blocks, dims, half_precision, metadata_queries, shared_rules, tangents
from tapegrad.autograd.ops.creation import (
    casts_and_copies,
    factories,
    host_data,
    host_operands,
    legacy,
    new_methods,
    pin_memory,
    ranges,
)
from tapegrad.autograd.ops.gather import along_dim, gather, index_select, masks, scatter_reduce, take
from tapegrad.autograd.ops.indexing import batch_rules, getitem, narrow
from tapegrad.autograd.ops.linalg import addmm_tensordot, einsum, matmul
from tapegrad.autograd.ops.nn import (
    conv,
    conv_batch,
    cross_entropy,
    cross_entropy_composed,
    embedding,
    glu,
    linear,
    loss,
    norms,
    norms_composed,
    pool,
)
from tapegrad.autograd.ops.pointwise import (
    activation,
    arithmetic,
    clamp,
    comparison,
    complex,
    exponential,
    logic,
    powers,
    rounding,
    signs,
    special,
    trigonometry,
    where,
)
from tapegrad.autograd.ops.random import generator, in_vmap, sampling
from tapegrad.autograd.ops.reduction import (
    cumulative,
    max_min,
    median_quantile,
    norm,
    softmax,
    sort,
    sum,
    unique_and_counts,
    var,
)
from tapegrad.autograd.ops.shape import as_strided, cat, expand, flip_roll_repeat, pad, reshape, split, transpose
from tapegrad.autograd.ops.tensor import inplace_functions, operators, set_metadata
