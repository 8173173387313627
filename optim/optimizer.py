"""`Optimizer`: groups of parameters, their options and their state."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from tapegrad.autograd.core.gate import gate, state
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.interchange.python_protocols import type_name
from tapegrad.autograd.modes.device_guard import on, on_device_of, several
from tapegrad.autograd.modes.grad_mode import enable_grad
from tapegrad.autograd.tape.handle import RemovableHandle, add_hook
from tapegrad.optim import state_dict as saved
from tapegrad.optim.passes import Passes

Params = Iterable[Any]
R = TypeVar("R")

_global_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_global_post_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()


class _Required:
    """The default of an option that each group must set."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before each step of every optimizer; returns a handle to remove it."""
    return add_hook(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after each step of every optimizer; returns a handle to remove it."""
    return add_hook(_global_post_hooks, hook)


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` between its hooks; a step inside another, as a subclass's calls it, runs none."""

    @functools.wraps(step)
    def hooked(*args: Any, **kwargs: Any) -> Any:
        self: Optimizer = args[0]
        before, after = self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks
        hooks = before or after or _global_pre_hooks or _global_post_hooks or (gate.on and state.watchers)
        if self._stepping or not hooks:
            return step(*args, **kwargs)
        from tapegrad.autograd.profiler.recorder import record_function

        self._stepping = True
        try:
            with record_function(f"Optimizer.step#{type(self).__name__}.step"):
                for hook in [*_global_pre_hooks.values(), *before.values()]:
                    result = hook(self, args, kwargs)
                    if result is not None:
                        if not (isinstance(result, tuple) and len(result) == 2):
                            raise RuntimeError(
                                f"{step} must return None or a tuple of (new_args, new_kwargs), but got {result}."
                            )
                        args, kwargs = result
                loss = step(*args, **kwargs)
                for hook in [*after.values(), *_global_post_hooks.values()]:
                    hook(self, args, kwargs)
        finally:
            self._stepping = False
        return loss

    return hooked


def _type_name(value: Any) -> str:
    if isinstance(value, Tensor):
        return type_name(value)
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


class Optimizer:
    """The base of all optimizers. A subclass passes the defaults of its options to ``__init__`` and defines ``step``.

    Args:
        params: tensors, ``(name, tensor)`` pairs, or dicts, one for each group, as for `add_param_group`.
        defaults: the values of options that a group does not set.

    Attributes:
        param_groups: a dict for each group, with its parameters under ``"params"`` and a value for each option.
        state: what the optimizer keeps for each parameter.

    Raises:
        TypeError: `params` is a tensor, or a parameter is not a tensor.
        ValueError: there are no parameters, or one is not a leaf or in two groups.
    """

    _stepping = False  # while a step with hooks runs

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_unsaved()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {_type_name(params)}"
            )
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_unsaved(self) -> None:
        """Make hooks and working memory, which are neither saved nor copied."""
        self._optimizer_step_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._optimizer_step_post_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._optimizer_state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._optimizer_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._passes = Passes()

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_passes" not in self.__dict__:
            self._make_unsaved()
        # Groups saved by an older version, or by torch, may lack options.
        for group in self.param_groups:
            for name, default in self.defaults.items():
                if default is not required:
                    group.setdefault(name, default)

    def __repr__(self) -> str:
        lines = [f"{self.__class__.__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])

    # ---- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group ``{"params": tensors, option: value, ...}``; options that it does not set are filled in.

        Raises:
            TypeError: it is not a dict, or a parameter is not a tensor.
            ValueError: a parameter is not a leaf or in another group, or only some parameters have names.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [p[0] for p in params if isinstance(p, tuple)]
        params = param_group["params"] = [p[1] if isinstance(p, tuple) else p for p in params]
        if names:
            if len(names) != len(params):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = names
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError("optimizer can only optimize Tensors, but one of the params is " + _type_name(p))
            if not (self.defaults.get("differentiable") or p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause "
                "an error; see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        known: set[Tensor] = set()
        for group in self.param_groups:
            known.update(group["params"])
            if ("param_names" in param_group) != ("param_names" in group):
                with_or_without = "with" if "param_names" in param_group else "without"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {with_or_without} names to the optimizer"
                )
        if not known.isdisjoint(params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None, or with ``set_to_none=False`` to zero, in place."""
        for group in self.param_groups:
            for p in group["params"]:
                grad = getattr(p, "_grad", None)
                if grad is None:
                    continue
                if set_to_none:
                    p._grad = None
                    continue
                if grad._node is not None:
                    grad.detach_()
                else:
                    grad.requires_grad_(False)
                with on_device_of(grad):
                    grad._array[...] = 0
                bump(grad)

    # ---- steps

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], R]) -> R: ...
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters by their gradients.

        Args:
            closure: computes the gradients first, and returns the loss, which is returned.
        """
        raise NotImplementedError

    def _on_devices(self, step: Callable[[dict[str, Any]], None]) -> None:
        """Call ``step(group)`` for each group; with several devices, on each for its own parameters."""
        for group in self.param_groups:
            if not several():
                step(group)
                continue
            for device in dict.fromkeys([p.device for p in group["params"]]):
                with on(device):
                    step({**group, "params": [p for p in group["params"] if p.device == device]})

    def _loss(self, closure: Callable[[], Any] | None) -> Any:
        """The loss that the closure, called with gradients enabled, returns."""
        if closure is None:
            return None
        with enable_grad():
            return closure()

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return new ``(args, kwargs)``."""
        return add_hook(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return add_hook(self._optimizer_step_post_hooks, hook)

    # ---- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """The state and the options, with numbers instead of parameters; its tensors are the optimizer's own.

        Example:
            >>> w = tapegrad.ones(2, requires_grad=True)
            >>> tapegrad.optim.SGD([w], lr=0.1).state_dict()["param_groups"][0]["params"]
            [0]
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        result = saved.pack(self.param_groups, self.state)
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state and options of another optimizer of the same kind; parameters are matched by their order.

        Args:
            state_dict: what `state_dict` returned, here or in torch (with arrays or tensors of ours for its tensors).
                It is copied; tensors get the dtype and device of their parameter.

        Raises:
            ValueError: the groups differ in number or size.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        self.__setstate__(saved.unpack(self.param_groups, state_dict))
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def register_state_dict_pre_hook(self, hook: Callable[[Optimizer], None], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before each `state_dict`."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` on each result of `state_dict`; it may return another."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before each `load_state_dict`; it may return another."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[[Optimizer], None], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` after each `load_state_dict`."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _register(hooks: OrderedDict[int, Any], hook: Any, prepend: bool) -> RemovableHandle:
    handle = add_hook(hooks, hook)
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def check_implementation(optimizer: str, foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """`foreach` and `fused` choose an implementation in torch, and change nothing here."""
    if differentiable:
        raise NotImplementedError(
            f"{optimizer}: differentiable=True is not supported; "
            "write the update with tensors to differentiate through it"
        )
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def check_one_element(name: str, value: float | Tensor) -> None:
    if isinstance(value, Tensor) and value._array.size != 1:
        raise ValueError(f"Tensor {name} must be 1-element")


def value_of(hyperparameter: float | Tensor) -> Any:
    """The value of a number or one-element tensor, for checks."""
    return hyperparameter.item() if isinstance(hyperparameter, Tensor) else hyperparameter
