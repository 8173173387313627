"""Running without the garbage collector: what is freed is freed because nothing refers to it."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Collect once, and then not until the end."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
