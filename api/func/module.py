"""Modules as functions of their parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.shape.cat import stack
from tapegrad.nn.module import Module


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other tensors in the places of its parameters and buffers.

    Args:
        parameter_and_buffer_dicts: tensors by the names that ``named_parameters`` and ``named_buffers`` give, or
            several such dicts; names that are missing keep their own tensors. Where the module puts another tensor in
            the place of one of them, a single dict then has that one.
        tie_weights: a tensor that the module has under several names is replaced under all of them.
        strict: raise where a name is missing or unknown.

    Returns:
        What the module returns.

    Raises:
        RuntimeError: with `strict`, names that do not fit.
        ValueError: a name in two of the dicts; two tensors for tied names.
        TypeError: a value that is no tensor.

    Example:
        >>> layer = tapegrad.nn.Linear(2, 1, bias=False)
        >>> tapegrad.func.functional_call(layer, {"weight": tapegrad.tensor([[1.0, 2.0]])}, (tapegrad.ones(2),))
        tensor([3.])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        values = dict(parameter_and_buffer_dicts)
    elif isinstance(parameter_and_buffer_dicts, (list, tuple)):
        if not all(isinstance(d, dict) for d in parameter_and_buffer_dicts):
            raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
        repeated = [key for key, n in Counter(key for d in parameter_and_buffer_dicts for key in d).items() if n > 1]
        if repeated:
            raise ValueError(f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous")
        values = {key: value for d in parameter_and_buffer_dicts for key, value in d.items()}
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    for value in values.values():
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"{value} is not an instance of torch.Tensor")
    own = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    if tie_weights:
        values = _tied(own, values)
    if strict:
        _check_names(module, own, values)
    if not isinstance(args, tuple):
        args = () if args is None else (args,)
    places = {name: _place(module, name) for name in values}
    before: dict[str, Any] = {}
    try:
        for name, (owner, last) in places.items():
            before[name] = _swap(owner, last, values[name])
        return module(*args, **(kwargs or {}))
    finally:
        for name, value in reversed(before.items()):
            now = _swap(*places[name], value)
            if isinstance(parameter_and_buffer_dicts, dict) and name in parameter_and_buffer_dicts:
                parameter_and_buffer_dicts[name] = now  # the module may have put another in its place


def _tied(own: dict[str, Tensor], values: dict[str, Tensor]) -> dict[str, Tensor]:
    """`values` with those for other names of the same tensors."""
    names: dict[int, list[str]] = {}
    for name, t in own.items():
        names.setdefault(id(t), []).append(name)
    result = dict(values)
    for group in names.values():
        given = [name for name in group if name in values]
        if len({id(values[name]) for name in given}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(given)}, which are tied. Consider using "
                "tie_weights=False"
            )
        for name in group if given else ():
            result[name] = values[given[0]]
    return result


def _check_names(module: Module, own: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    missing, unexpected = sorted(set(own) - set(values)), sorted(set(values) - set(own))
    parts = []
    if unexpected:
        parts.append(f"Unexpected key(s): {', '.join(map(repr, unexpected))}.")
    if missing:
        parts.append(f"Missing key(s): {', '.join(map(repr, missing))}.")
    if parts:
        raise RuntimeError(f"Error(s) in reparametrizing for {type(module).__name__}:\n\t" + "\n\t".join(parts))


_NOTHING = object()


def _place(module: Module, name: str) -> tuple[Module, str]:
    """The module that a tensor called `name` belongs to, and what it is called there."""
    *path, last = name.split(".")
    for part in path:
        if part not in module._modules:
            raise AttributeError(f"{type(module).__name__} has no attribute `{part}`")
        module = module._modules[part]
    return module, last


def _swap(module: Module, name: str, value: Any) -> Any:
    """Put `value` in the place of a parameter, a buffer, or another attribute, `_NOTHING` for none; returns what was
    there.
    """
    before: Any
    places: tuple[dict[str, Any], ...] = module._parameters, module._buffers
    for place in places:
        if name in place:
            before = place[name]
            place[name] = value
            return before
    before = getattr(module, name, _NOTHING)
    if value is _NOTHING:
        delattr(module, name)
    else:
        setattr(module, name, value)
    return before


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of several modules of one kind, each stacked along a new first dimension: for
    `vmap` over an ensemble.

    Args:
        models: modules of one class, all in training or all in evaluation mode.

    Returns:
        The stacked parameters, as leaves that require grad where the modules' do, and the stacked buffers, by name.

    Raises:
        RuntimeError: there are none, or they differ in mode or class.

    Example:
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
    parameters: list[dict[str, Tensor]] = [{**dict(m.named_parameters())} for m in models]
    buffers: list[dict[str, Tensor]] = [dict(m.named_buffers()) for m in models]
    return {name: _stacked(name, parameters) for name in parameters[0]}, {
        name: _stacked(name, buffers) for name in buffers[0]
    }


def _stacked(name: str, of_models: list[dict[str, Tensor]]) -> Tensor:
    tensors = [named[name] for named in of_models]
    requires = {t.requires_grad for t in tensors}
    if len(requires) > 1:
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    result: Tensor = stack(tensors)
    return result.detach().requires_grad_() if requires == {True} else result
