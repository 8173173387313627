"""The table of ops: each module in the folders beside this one has a list `ROWS`."""

from __future__ import annotations

import importlib
import pkgutil

from op_table.row import AsIs, Row, Sample, sample

__all__ = ["AsIs", "ROWS", "Row", "Sample", "sample"]

ROWS: list[Row] = [
    row
    for module in sorted(
        m.name for m in pkgutil.walk_packages(__path__, "op_table.") if not m.ispkg and m.name != "op_table.row"
    )
    for row in importlib.import_module(module).ROWS
]
