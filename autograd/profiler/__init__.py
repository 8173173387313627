"""What a step costs: recorder, events, table, Chrome trace."""
from tapegrad.autograd.profiler.recorder import EventList, FunctionEvent, FunctionEventAvg, profile, record_function

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "profile", "record_function"]
