"""`tapegrad.nn.functional`: what modules compute, as functions."""
from tapegrad.autograd.ops.conv import *  # noqa: F403
from tapegrad.autograd.ops.cross_entropy import *  # noqa: F403
from tapegrad.autograd.ops.embedding import *  # noqa: F403
from tapegrad.autograd.ops.linear import *  # noqa: F403
from tapegrad.autograd.ops.loss import *  # noqa: F403
from tapegrad.autograd.ops.normalize import *  # noqa: F403
from tapegrad.autograd.ops.pad import *  # noqa: F403
from tapegrad.autograd.ops.pool import *  # noqa: F403
from tapegrad.nn.functional.activation import *  # noqa: F403
from tapegrad.nn.functional.attention import *  # noqa: F403
from tapegrad.nn.functional.distance import *  # noqa: F403
from tapegrad.nn.functional.dropout import *  # noqa: F403
from tapegrad.nn.functional.loss import *  # noqa: F403
from tapegrad.nn.functional.vision import *  # noqa: F403
