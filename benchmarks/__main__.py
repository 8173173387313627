"""``python -m tapegrad.benchmarks``: the same as ``tapegrad-bench``."""

import sys

from tapegrad.benchmarks.cli import main

sys.exit(main())
