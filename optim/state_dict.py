"""An optimizer's state as a dictionary that can be saved, in torch's format: parameters are numbered in the order of their groups."""
from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, backend_for, is_array


def pack(groups: list[dict[str, Any]], state: dict[Any, Any]) -> dict[str, Any]:
    """``{"state": {number: state of that parameter}, "param_groups": [options, with "params" a list of numbers]}``; tensors are not copied."""
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
    return {"state": {numbers[id(key)] if isinstance(key, Tensor) else key: value for key, value in state.items()}, "param_groups": packed_groups}


def unpack(groups: list[dict[str, Any]], saved: dict[str, Any]) -> dict[str, Any]:
    """The groups and the state that `saved`, of the format of `pack`, means for the parameters in `groups`; everything is copied.

    Raises:
        ValueError: the groups differ in number or size.
    """
    saved_groups = saved["param_groups"]
    if len(groups) != len(saved_groups):
        raise ValueError("loaded state dict has a different number of parameter groups")
    if any(len(group["params"]) != len(saved_group["params"]) for group, saved_group in zip(groups, saved_groups)):
        raise ValueError("loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
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
    """A copy of `value` for `parameter`: its tensors and arrays take the parameter's device and, where that is floating point, dtype.

    The step count stays on the host as it is, unless it is to live `on_device`.
    """
    if isinstance(value, Tensor) or is_array(value):
        array = value._array if isinstance(value, Tensor) else value
        if key == "step" and not on_device:
            return from_array(backend(array).to_host(array).copy().reshape(array.shape))
        dtype = dtypes.float32.numpy if key == "step" else parameter._array.dtype if parameter._array.dtype in dtypes.FLOATING else array.dtype
        there, here = backend(parameter._array), backend(array)
        device = there.device_of(parameter._array)
        array = array.astype(dtype)
        return from_array(there.to_device(array, device) if here is there else backend_for(device).from_host(here.to_host(array), device))
    if isinstance(value, dict):
        return {k: _fitted(v, parameter, on_device, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)(_fitted(v, parameter, on_device) for v in value)  # type: ignore[call-arg]
    return copy.deepcopy(value)
