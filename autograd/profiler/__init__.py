"""What a step costs: recorder, events, table, Chrome trace."""

from tapegrad.autograd.profiler import chrome_trace as _chrome_trace  # noqa: F401  EventList.export_chrome_trace
from tapegrad.autograd.profiler import table as _table  # noqa: F401  EventList.table
from tapegrad.autograd.profiler.recorder import EventList, FunctionEvent, FunctionEventAvg, profile, record_function

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "profile", "record_function"]
