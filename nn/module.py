"""`Module`: parameters, buffers and other modules under names, and a `forward`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.interchange.python_protocols import type_name as tensor_type_name
from tapegrad.autograd.types import dtypes
from tapegrad.backends import Device
from tapegrad.nn.module_hooks import Hooks
from tapegrad.nn.module_state import State
from tapegrad.nn.parameter import Buffer, Parameter

M = TypeVar("M", bound="Module")

if TYPE_CHECKING:
    P = ParamSpec("P")
    R = TypeVar("R", covariant=True)

    class HasForward(Protocol[P, R]):
        """A module, seen as the function that it computes."""

        def forward(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


def type_name(value: object) -> str:
    """The name of a value's type as torch's messages give it."""
    if isinstance(value, Tensor):
        return tensor_type_name(value)
    cls = type(value)
    return cls.__qualname__ if cls.__module__ in ("builtins", "") else f"{cls.__module__}.{cls.__qualname__}"


class Module(Hooks, State):
    """The base class of all modules: assign parameters and modules to attributes in ``__init__``, define `forward`.

    Example:
        >>> from tapegrad import nn
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.first = nn.Linear(4, 8)
        ...         self.last = nn.Linear(8, 2)
        ...     def forward(self, x):
        ...         return self.last(self.first(x).relu())
        >>> Net()
        Net(
          (first): Linear(in_features=4, out_features=8, bias=True)
          (last): Linear(in_features=8, out_features=2, bias=True)
        )
        >>> Net()(tapegrad.ones(3, 4)).shape
        torch.Size([3, 2])
    """

    training: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
            )
        if args:
            raise TypeError(
                f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
            )
        own = self.__dict__
        own["training"] = True
        own["_parameters"] = {}
        own["_buffers"] = {}
        own["_modules"] = {}
        own["_non_persistent_buffers_set"] = set()
        self._make_hooks()
        self._make_state_hooks()

    if TYPE_CHECKING:
        forward: Callable[..., Any]

        def __call__(self: HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
    else:

        def forward(self, *input):
            """What a call of the module computes; subclasses define it."""
            raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

        def __call__(self, *args, **kwargs):
            if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks:
                return self._call_hooked(args, kwargs)
            return self.forward(*args, **kwargs)

    # ---- registration

    def _check_name(self, name: Any, what: str, entries: Mapping[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {type_name(name)}")
        is_module = what == "module"
        taken = hasattr(self, name) and name not in entries
        # torch looks for a taken name first for modules, and last for parameters and buffers.
        if taken and is_module:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain "."' + (f", got: {name}" if is_module else ""))
        if not name:
            raise KeyError(f'{what} name can\'t be empty string ""')
        if taken:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make `param` the module's parameter `name`; None only reserves the name.

        Raises:
            KeyError: the name is taken, empty or has a dot.
        """
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_name(name, "parameter", self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type_name(param)}' object to parameter '{name}' (torch.nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                f"explicitly. To express '{name}' as a function of another Tensor, compute the value in "
                "the forward() method."
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make `tensor` the module's buffer `name`: part of its state that moves with it but is not learnt.

        Args:
            tensor: the buffer; None only reserves the name.
            persistent: whether it is part of the state_dict.

        Raises:
            KeyError: the name is taken, empty or has a dot.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_name(name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type_name(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Make `module` the submodule `name`.

        Raises:
            KeyError: the name is taken, empty or has a dot.
        """
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{type_name(module)} is not a Module subclass")
        self._check_name(name, "module", self._modules)
        self._modules[name] = module

    register_module = add_module

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        parameters = own.get("_parameters")
        if isinstance(value, Parameter):
            if parameters is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, own, self._buffers, self._modules, self._non_persistent_buffers_set)
            self.register_parameter(name, value)
            return
        if parameters is not None and name in parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{type_name(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)"
                )
            parameters[name] = None
            return
        modules = own.get("_modules")
        if isinstance(value, Module):
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, own, parameters, self._buffers, self._non_persistent_buffers_set)
            modules[name] = value
            return
        if modules is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{type_name(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                )
            modules[name] = None
            return
        buffers = own.get("_buffers")
        if buffers is not None and isinstance(value, Buffer):
            if name not in buffers:
                self._forget(name, own, parameters, modules)
            self.register_buffer(name, value, value.__dict__["persistent"])
            return
        if buffers is not None and name in buffers:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{type_name(value)}' as buffer '{name}' "
                    "(torch.nn.Buffer, torch.Tensor or None expected)"
                )
            buffers[name] = value
            return
        object.__setattr__(self, name, value)

    @staticmethod
    def _forget(name: str, *places: dict[str, Any] | set[str] | None) -> None:
        for place in places:
            if isinstance(place, set):
                place.discard(name)
            elif place is not None:
                place.pop(name, None)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            own = self.__dict__
            for store in ("_parameters", "_buffers", "_modules"):
                entries = own.get(store)
                if entries is not None and name in entries:
                    return entries[name]
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for store in (self._parameters, self._buffers, self._modules):
            if name in store:
                del store[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers}
        return sorted(name for name in names if not name[0].isdigit())

    def __setstate__(self, state: dict[str, Any]) -> None:
        Module.__init__(self)
        self.__dict__.update(state)

    # ---- submodules, parameters, buffers

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all its submodules, with their names.

        Args:
            memo: modules to leave out.
            prefix: put before each name.
            remove_duplicate: yield a module with several names only once.

        Example:
            >>> from tapegrad import nn
            >>> [name for name, _ in nn.Sequential(nn.Linear(2, 2), nn.ReLU()).named_modules()]
            ['', '0', '1']
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all its submodules, each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules, each once, with their names."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct submodules, each once."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self,
        get_members: Callable[[Module], Iterable[tuple[str, Any]]],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        seen: set[Any] = set()
        modules: Iterable[tuple[str, Module]] = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for module_name, module in modules:
            for name, value in get_members(module):
                if value is None or value in seen:
                    continue
                if remove_duplicate:
                    seen.add(value)
                yield f"{module_name}.{name}" if module_name else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their names.

        Args:
            prefix: put before each name.
            recurse: also those of submodules.
            remove_duplicate: yield a parameter with several names only once.

        Example:
            >>> from tapegrad import nn
            >>> [name for name, _ in nn.Linear(2, 3).named_parameters()]
            ['weight', 'bias']
        """
        yield from self._named_members(lambda module: module._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once; with `recurse` also those of submodules."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their names; arguments as in `named_parameters`."""
        yield from self._named_members(lambda module: module._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once; with `recurse` also those of submodules."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """The module with the dotted name `target` ("" is this one); AttributeError if there is none."""
        module: Any = self
        for part in target.split(".") if target else ():
            if not hasattr(module, part):
                raise AttributeError(f"{module._get_name()} has no attribute `{part}`")
            module = getattr(module, part)
            if not isinstance(module, Module):
                raise AttributeError(f"`{part}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module) -> None:
        """Replace the module with the dotted name `target`, or add one there."""
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        parent_name, _, name = target.rpartition(".")
        parent = self.get_submodule(parent_name)
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with the dotted name `target`; AttributeError if there is none."""
        module, name = self._owner(target)
        parameter = getattr(module, name)
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return parameter

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with the dotted name `target`; AttributeError if there is none."""
        module, name = self._owner(target)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return getattr(module, name)

    def _owner(self, target: str) -> tuple[Module, str]:
        """The module that has the attribute with a dotted name, and the attribute's own name."""
        module_name, _, name = target.rpartition(".")
        module = self.get_submodule(module_name)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return module, name

    # ---- changing everything at once

    def apply(self: M, fn: Callable[[Module], None]) -> M:
        """Call ``fn(module)`` for all submodules and then this one; returns this module.

        Example:
            >>> from tapegrad import nn
            >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).apply(lambda module: print(type(module).__name__))
            Linear
            ReLU
            Sequential
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self: M, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> M:
        """Apply `fn` to all parameters, which stay the same objects, their gradients and all buffers."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            parameter.data = fn(parameter.data)
            grad = parameter.grad
            if grad is not None:
                grad.data = fn(grad.data)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Move the module to a device, or cast its floating point parameters and buffers; in place, returns the module.

        Args:
            device: where to.
            dtype: a floating point or complex dtype.
            tensor: a tensor that has device and dtype.
            non_blocking: as in `tapegrad.Tensor.to`.

        Example:
            >>> tapegrad.nn.Linear(2, 2).to(tapegrad.float64).weight.dtype
            torch.float64
        """
        device, dtype, non_blocking = _parsed_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )

        def convert(t: Tensor) -> Tensor:
            new_dtype = dtype if dtype is not None and dtypes.is_inexact(t._array.dtype) else t.dtype
            return t.to(device=device, dtype=new_dtype, non_blocking=non_blocking)

        return self._apply(convert)

    def cpu(self: M) -> M:
        """Move the module to the CPU."""
        return self.to("cpu")

    def cuda(self: M, device: int | str | Device | None = None) -> M:
        """Move the module to a CUDA device, by default the current one."""
        return self.to("cuda" if device is None else device)

    def type(self: M, dst_type: Any) -> M:
        """Cast all parameters and buffers to a dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self: M) -> M:
        """Cast floating point parameters and buffers to float32."""
        return self._cast(dtypes.float32)

    def double(self: M) -> M:
        """Cast floating point parameters and buffers to float64."""
        return self._cast(dtypes.float64)

    def half(self: M) -> M:
        """Cast floating point parameters and buffers to float16."""
        return self._cast(dtypes.float16)

    def bfloat16(self: M) -> M:
        """Cast floating point parameters and buffers to bfloat16."""
        return self._cast(dtypes.bfloat16)

    def _cast(self: M, dtype: dtypes.dtype) -> M:
        return self._apply(lambda t: t.to(dtype=dtype) if t.is_floating_point() else t)

    def train(self: M, mode: bool = True) -> M:
        """Put this module and its submodules in training mode (or in evaluation mode); returns it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: M) -> M:
        """Put this module and its submodules in evaluation mode; returns it."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Set `requires_grad` of all parameters; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None, or with ``set_to_none=False`` to zero, in place."""
        for parameter in self.parameters():
            grad = parameter.grad
            if grad is None:
                continue
            if set_to_none:
                parameter.grad = None
                continue
            if grad.grad_fn is not None:
                grad.detach_()
            else:
                grad.requires_grad_(False)
            grad.zero_()

    # ---- text

    def _get_name(self) -> str:
        return self.__class__.__name__

    def extra_repr(self) -> str:
        """The text in the parentheses of the module's repr; subclasses define it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {module!r}".replace("\n", "\n  ") for name, module in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        inside = "\n  ".join(lines + children)
        return f"{self._get_name()}(\n  {inside}\n)"


def _parsed_to(*args: Any, **kwargs: Any) -> tuple[Device | None, dtypes.dtype | None, bool]:
    """Device, dtype and `non_blocking` from the arguments of ``to``."""
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    non_blocking = bool(kwargs.pop("non_blocking", False))
    kwargs.pop("memory_format", None)
    like = kwargs.pop("tensor", None)
    if kwargs:
        raise TypeError(f"to() received an invalid keyword argument: {next(iter(kwargs))}")
    for arg in args:
        if isinstance(arg, dtypes.dtype):
            dtype = arg
        elif isinstance(arg, Tensor):
            like = arg
        elif isinstance(arg, bool):
            non_blocking = arg
        elif isinstance(arg, (str, int, Device)):
            device = arg
        elif arg is not None:
            raise TypeError(f"to() received an invalid combination of arguments - got ({type(arg).__name__})")
    if like is not None:
        device, dtype = like.device, like.dtype
    if isinstance(device, int):
        device = Device("cuda", device)
    elif isinstance(device, str):
        device = Device(device)
    return device, dtype, non_blocking


__all__ = ["Module"]
