"""Modules as functions of their parameters."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tapegrad.autograd.ops.join import stack
from tapegrad.autograd.tensor import Tensor
from tapegrad.nn.module import Module


def functional_call(module: Module, parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]], args: Any = None,
                    kwargs: dict[str, Any] | None = None, *, tie_weights: bool = True, strict: bool = False) -> Any:
    """Call a module with other tensors in the places of its parameters and buffers.

    Args:
        module: the module, which is left as it was.
        parameter_and_buffer_dicts: tensors by the names that ``named_parameters`` and ``named_buffers`` give, or several such dicts; names that are missing
            keep their own tensors.
        args: the positional arguments, a tuple or a single one.
        kwargs: the keyword arguments.
        tie_weights: a tensor that the module has under several names is replaced under all of them.
        strict: raise where a name is missing or unknown.

    Returns:
        What the module returns.

    Raises:
        RuntimeError: with `strict`, names that do not fit; two tensors for tied names.
        ValueError: a name in two of the dicts.

    Example:
        >>> import tapegrad
        >>> layer = tapegrad.nn.Linear(2, 1, bias=False)
        >>> tapegrad.func.functional_call(layer, {"weight": tapegrad.tensor([[1.0, 2.0]])}, (tapegrad.ones(2),))
        tensor([3.])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        values = dict(parameter_and_buffer_dicts)
    elif isinstance(parameter_and_buffer_dicts, (list, tuple)):
        if not all(isinstance(d, dict) for d in parameter_and_buffer_dicts):
            raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
        keys = [key for d in parameter_and_buffer_dicts for key in d]
        repeated = sorted({key for key in keys if keys.count(key) > 1})
        if repeated:
            raise ValueError(f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous")
        values = {key: value for d in parameter_and_buffer_dicts for key, value in d.items()}
    else:
        raise ValueError("Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
                         f"{type(parameter_and_buffer_dicts)}")
    own = {**dict(module.named_parameters(remove_duplicate=False)), **dict(module.named_buffers(remove_duplicate=False))}
    if tie_weights:
        values = _tied(own, values)
    if strict:
        _check_names(own, values)
    unknown = sorted(set(values) - set(own))
    if unknown:
        raise AttributeError(f"'{type(module).__name__}' object has no attribute '{unknown[0]}'")
    given = () if args is None else args if isinstance(args, tuple) else (args,)
    before = {name: _swap(module, name, value) for name, value in values.items()}
    try:
        return module(*given, **(kwargs or {}))
    finally:
        for name, value in before.items():
            _swap(module, name, value)


def _tied(own: dict[str, Tensor], values: dict[str, Tensor]) -> dict[str, Tensor]:
    """`values` with those for other names of the same tensors."""
    names: dict[int, list[str]] = {}
    for name, t in own.items():
        names.setdefault(id(t), []).append(name)
    result = dict(values)
    for group in names.values():
        given = [name for name in group if name in values]
        if len({id(values[name]) for name in given}) > 1:
            raise ValueError(f"functional_call got multiple values for keys {sorted(given)}, which are tied. Consider using tie_weights=False")
        for name in group if given else ():
            result[name] = values[given[0]]
    return result


def _check_names(own: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    missing, unexpected = sorted(set(own) - set(values)), sorted(set(values) - set(own))
    parts = []
    if unexpected:
        parts.append(f"Unexpected key(s): {', '.join(map(repr, unexpected))}.")
    if missing:
        parts.append(f"Missing key(s): {', '.join(map(repr, missing))}.")
    if parts:
        raise RuntimeError("Error(s) in reparametrizing:\n\t" + "\n\t".join(parts))


def _swap(module: Module, name: str, value: Tensor) -> Tensor:
    """Put `value` in the place of a parameter or buffer; returns what was there."""
    *path, last = name.split(".")
    for part in path:
        module = module._modules[part]  # type: ignore[assignment]
    place: dict[str, Any] = module._parameters if last in module._parameters else module._buffers
    before: Tensor = place[last]
    place[last] = value
    return before


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of several modules of one kind, each stacked along a new first dimension: for `vmap` over an ensemble.

    Args:
        models: modules of one class, all in training or all in evaluation mode.

    Returns:
        The stacked parameters, as leaves that require grad where the modules' do, and the stacked buffers, by name.

    Raises:
        RuntimeError: there are none, or they differ in mode or class.

    Example:
        >>> import tapegrad
        >>> params, buffers = tapegrad.func.stack_module_state([tapegrad.nn.Linear(2, 3) for _ in range(4)])
        >>> params["weight"].shape
        torch.Size([4, 3, 2])
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any(m.training != models[0].training for m in models):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = {name: _stacked([dict(m.named_parameters())[name] for m in models]) for name, _ in models[0].named_parameters()}
    buffers = {name: _stacked([dict(m.named_buffers())[name] for m in models]) for name, _ in models[0].named_buffers()}
    return params, buffers


def _stacked(tensors: list[Tensor]) -> Tensor:
    requires = {t.requires_grad for t in tensors}
    if len(requires) > 1:
        raise RuntimeError("Expected tensors from each model to have the same .requires_grad")
    result: Tensor = stack(tensors)
    return result.detach().requires_grad_() if requires == {True} else result
