"""torch's small values: dtype, Size, memory_format, promotion; they know nothing of tensors."""
