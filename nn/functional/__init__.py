"""`tapegrad.nn.functional`: what modules compute, as functions."""

from tapegrad.autograd.ops.nn.conv import *  # noqa: F403
from tapegrad.autograd.ops.nn.cross_entropy import *  # noqa: F403
from tapegrad.autograd.ops.nn.embedding import *  # noqa: F403
from tapegrad.autograd.ops.nn.linear import *  # noqa: F403
from tapegrad.autograd.ops.nn.loss import *  # noqa: F403
from tapegrad.autograd.ops.nn.norms import *  # noqa: F403
from tapegrad.autograd.ops.nn.pool import *  # noqa: F403
from tapegrad.autograd.ops.shape.pad import *  # noqa: F403
from tapegrad.nn.functional.activation import *  # noqa: F403
from tapegrad.nn.functional.attention import *  # noqa: F403
from tapegrad.nn.functional.distance import *  # noqa: F403
from tapegrad.nn.functional.dropout import *  # noqa: F403
from tapegrad.nn.functional.loss import *  # noqa: F403
from tapegrad.nn.functional.vision import *  # noqa: F403
