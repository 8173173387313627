"""The table of ops: each module beside this one has a list `ROWS`."""
from __future__ import annotations

import importlib
import pkgutil

from op_table.row import AsIs, Row, Sample, sample

__all__ = ["AsIs", "ROWS", "Row", "Sample", "sample"]

ROWS: list[Row] = [
    row for module in sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "row") for row in importlib.import_module(f"op_table.{module}").ROWS
]
