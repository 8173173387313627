"""`tapegrad.nn`: modules and functional forms, made of ops."""

from tapegrad.nn import functional as functional
from tapegrad.nn import init as init
from tapegrad.nn import utils as utils
from tapegrad.nn.activation import *  # noqa: F403
from tapegrad.nn.container import *  # noqa: F403
from tapegrad.nn.conv import *  # noqa: F403
from tapegrad.nn.distance import *  # noqa: F403
from tapegrad.nn.dropout import *  # noqa: F403
from tapegrad.nn.embedding import *  # noqa: F403
from tapegrad.nn.flatten import *  # noqa: F403
from tapegrad.nn.linear import *  # noqa: F403
from tapegrad.nn.loss import *  # noqa: F403
from tapegrad.nn.module import *  # noqa: F403
from tapegrad.nn.norm import *  # noqa: F403
from tapegrad.nn.padding import *  # noqa: F403
from tapegrad.nn.parameter import *  # noqa: F403
from tapegrad.nn.pooling import *  # noqa: F403
from tapegrad.nn.vision import *  # noqa: F403
