"""An optimizer's state as a dictionary to save, in torch's format: parameters are numbered, group by group."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, backend_for, is_array


def pack(groups: list[dict[str, Any]], state: dict[Any, Any]) -> dict[str, Any]:
    """``{"state": {number: state}, "param_groups": [{"params": numbers, option: value, ...}]}``, not copied."""
    numbers: dict[int, int] = {}
    start = 0
    packed_groups = []
    for group in groups:
        for i, p in enumerate(group["params"], start):
            numbers.setdefault(id(p), i)
        packed = {key: value for key, value in group.items() if key != "params"}
        packed["params"] = [numbers[id(p)] for p in group["params"]]
        start += len(packed["params"])
        packed_groups.append(packed)
    packed_state = {numbers[id(key)] if isinstance(key, Tensor) else key: value for key, value in state.items()}
    return {"state": packed_state, "param_groups": packed_groups}


def unpack(groups: list[dict[str, Any]], saved: dict[str, Any]) -> dict[str, Any]:
    """A copy of `saved`, in the format of `pack`, with the parameters in `groups` instead of numbers."""
    saved_groups = saved["param_groups"]
    if len(groups) != len(saved_groups):
        raise ValueError("loaded state dict has a different number of parameter groups")
    if any(len(group["params"]) != len(saved_group["params"]) for group, saved_group in zip(groups, saved_groups)):
        raise ValueError(
            "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
        )
    new_groups = []
    parameters = {}
    for group, saved_group in zip(groups, saved_groups):
        options = {key: copy.deepcopy(value) for key, value in saved_group.items() if key != "params"}
        if "param_names" in group:
            options.setdefault("param_names", group["param_names"])
        new_groups.append({**options, "params": group["params"]})
        on_device = bool(options.get("capturable"))
        parameters.update({number: (p, on_device) for number, p in zip(saved_group["params"], group["params"])})
    state: defaultdict[Any, Any] = defaultdict(dict)
    for key, value in saved["state"].items():
        if key in parameters:
            parameter, on_device = parameters[key]
            state[parameter] = _fitted(value, parameter, on_device)
        else:
            state[key] = copy.deepcopy(value)
    return {"state": state, "param_groups": new_groups}


def _fitted(value: Any, parameter: Tensor, on_device: bool, key: Any = None) -> Any:
    """A copy of `value` for `parameter`: its tensors and arrays get the parameter's device and, if floating, dtype.

    The step count stays on the host, unless it is to be `on_device`.
    """
    if isinstance(value, Tensor) or is_array(value):
        array = value._array if isinstance(value, Tensor) else value
        source, target = backend(array), backend(parameter._array)
        if key == "step" and not on_device:
            return from_array(source.to_host(array).copy().reshape(array.shape))
        dtype = array.dtype
        if key == "step":
            dtype = dtypes.float32.numpy
        elif dtypes.of(parameter._array.dtype).is_floating_point:
            dtype = parameter._array.dtype
        array = array.astype(dtype)
        device = target.device_of(parameter._array)
        if source is target:
            return from_array(target.to_device(array, device))
        return from_array(backend_for(device).from_host(source.to_host(array), device))
    if isinstance(value, dict):
        return {k: _fitted(v, parameter, on_device, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)(_fitted(v, parameter, on_device) for v in value)  # type: ignore[call-arg]
    return copy.deepcopy(value)
