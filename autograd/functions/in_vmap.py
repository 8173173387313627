"""What a `Function` does under vmap for a whole batch: its own static method ``vmap``, or its other methods on batched
tensors (``generate_vmap_rule``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.core.version import counter_of
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.functions.function import Function
from tapegrad.autograd.functions.outputs import fixed_view
from tapegrad.autograd.modes.levels import below
from tapegrad.autograd.tape.function_node import FunctionCtx, expands_to
from tapegrad.autograd.transforms.batched_tensor import Batch
from tapegrad.autograd.types.trees import leaves, mapped, spread, structure
from tapegrad.backends import backend

if TYPE_CHECKING:
    from tapegrad.autograd.functions.function import Function

Flags = list[list[bool]]
_MORE = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


class VmapInfo(NamedTuple):
    """The `info` argument of a Function's static method ``vmap``.

    Attributes:
        batch_size: how many members the batch has.
        randomness: as `vmap` takes it.
    """

    batch_size: int
    randomness: str


def batched(level: Batch, cls: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any], separate: bool) -> Any:
    """What a Function's ``forward`` gives for arguments of which some are tensors of `level`, as the function under
    vmap sees it; not tied to a node.
    """
    if not separate:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must "
            "override the setup_context "
            f"staticmethod. {_MORE}"
        )
    given, given_kwargs = lowered(level, args), lowered(level, kwargs)
    of_inputs = flags_of(level, (*args, *kwargs.values()))
    if not any(any(its) for its in of_inputs):
        with below(level):
            output = cls.apply(*given, **given_kwargs)
        flags = [False for _ in leaves(output)]
    else:
        rule = cls._batched_by or _rule_of(cls)
        with below(level):
            output, flags = rule(
                level,
                cls,
                given,
                given_kwargs,
                mapped(lambda leaf: 0 if level.unwrap(leaf)[1] else None, args),
                of_inputs,
            )
    inputs = [leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    known = {id(level.unwrap(t)[0]): t for t in inputs}
    flag = iter(flags)

    def seen(leaf: Any) -> Any:
        differs = next(flag)
        if not isinstance(leaf, Tensor):
            return leaf
        if id(leaf) in known:  # an input that has been written, or is handed on
            return known[id(leaf)]
        return _as_view_of_input(level.wrap(leaf, differs), inputs)

    return mapped(seen, output)


def lowered(level: Batch, tree: Any) -> Any:
    """`tree` with its batched tensors unwrapped."""
    return mapped(lambda leaf: level.unwrap(leaf)[0], tree)


def flags_of(level: Batch, items: Iterable[Any]) -> Flags:
    """For each item which of its leaves are batched."""
    return [[level.unwrap(leaf)[1] for leaf in leaves(item)] for item in items]


def _rule_of(cls: type[Function]) -> Callable[..., Any]:
    overridden = cls.vmap is not Function.vmap
    if cls.generate_vmap_rule:
        if overridden:
            raise RuntimeError(
                f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overridden "
                "vmap staticmethod. Please "
                f"set generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid ambiguity. {_MORE}"
            )
        return _by_methods
    if not overridden:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and "
            "implement the vmap staticmethod or "
            f"set generate_vmap_rule=True. {_MORE}"
        )
    return _by_rule


def _as_view_of_input(t: Tensor, inputs: list[Tensor]) -> Tensor:
    """The result `t`; where it is in an input's memory, known as a view of it that the Function has made."""
    shares = backend(t._array).shares_memory
    for x in inputs:
        if shares(t._array, x._array):
            t._counter = counter_of(x)
            t._view = fixed_view(x, ((_unrepeatable, (), None),))
            break
    return t


def _unrepeatable(root: Any) -> NoReturn:
    raise RuntimeError("vmap: a view that a custom Function has made cannot be made again, of another tensor")


# ---- the static method


def _by_rule(
    level: Batch, cls: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any], in_dims: Any, flags: Flags
) -> tuple[Any, list[bool]]:
    """By ``vmap(info, in_dims, *args)``."""
    info = VmapInfo(level.size, level.randomness)
    returned = cls.vmap(info, in_dims, *args, **kwargs)
    expected = (
        "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure "
        "compatible with the output. "
    )
    if not isinstance(returned, tuple):
        raise RuntimeError(f"{expected}Got a {type(returned)} instead")
    if len(returned) != 2:
        raise RuntimeError(f"{expected}Got {len(returned)} returns instead")
    output, out_dims = returned
    dims = spread(out_dims, output)
    if dims is None:
        raise RuntimeError(
            "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) tuple. Expected "
            f"out_dims={out_dims} to be compatible with the structure of `output`. out_dims has structure "
            f"{structure(out_dims)} but output has "
            f"structure {structure(output)}. {_MORE}"
        )
    of_leaf = iter(dims)

    def in_front(leaf: Any) -> Any:
        dim = next(of_leaf)
        if not isinstance(leaf, Tensor) or dim is None:
            return leaf
        leaf = leaf if dim == 0 else leaf.movedim(dim, 0)
        if not leaf._array.ndim or leaf._array.shape[0] != level.size:
            raise RuntimeError(
                f"The vmap staticmethod of {cls.__name__} returned a tensor of shape {list(leaf._array.shape)} (the "
                "batch in front), where the "
                f"batch has {level.size} members"
            )
        return leaf

    return mapped(in_front, output), [
        isinstance(leaf, Tensor) and dim is not None for leaf, dim in zip(leaves(output), dims)
    ]


# ---- the rule that follows from forward, backward and jvp


class _Batches:
    """What of a call is batched: the first argument of a Function made by `vmapped`, and its last result.

    Attributes:
        flags: for each argument or result whether its leaves are batched.
        keywords: the names of those of the arguments that go by name, which come last.
        several: ``forward`` has returned a tuple.
    """

    __slots__ = ("flags", "keywords", "randomness", "several", "size")

    def __init__(
        self, size: int, randomness: str, flags: Flags, keywords: tuple[str, ...] = (), several: bool = False
    ) -> None:
        self.size = size
        self.randomness = randomness
        self.flags = flags
        self.keywords = keywords
        self.several = several

    def level(self) -> Batch:
        """A level for this batch."""
        return Batch(self.size, self.randomness)

    def named(self, inputs: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments by position, and those by name."""
        count = len(inputs) - len(self.keywords)
        return inputs[:count], dict(zip(self.keywords, inputs[count:]))


def _by_methods(
    level: Batch, cls: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any], in_dims: Any, flags: Flags
) -> tuple[Any, list[bool]]:
    how = _Batches(level.size, level.randomness, flags, tuple(kwargs))
    *results, made = vmapped(cls).apply(how, *args, *kwargs.values())
    return (tuple(results) if made.several else results[0]), [flag for item in made.flags for flag in item]


def _wrapped(level: Batch, items: Iterable[Any], flags: Flags, known: dict[int, Tensor] | None = None) -> list[Any]:
    """`items` with their batched tensors as tensors of `level`; one tensor stays one."""
    known = {} if known is None else known

    def one(leaf: Any, is_batched: bool) -> Any:
        if not is_batched or not isinstance(leaf, Tensor):
            return leaf
        if id(leaf) not in known:
            known[id(leaf)] = level.wrap(leaf)
        return known[id(leaf)]

    found = []
    for item, its in zip(items, flags):
        flag = iter(its)
        found.append(mapped(lambda leaf, flag=flag: one(leaf, next(flag)), item) if any(its) else item)  # type: ignore[misc]
    return found


def _alone(flags: Flags) -> Flags:
    """The flags of what stands beside each of some arguments or results: their gradients, or their tangents."""
    return [[its == [True]] for its in flags]


def _unwrapped(level: Batch, items: Iterable[Any]) -> tuple[list[Any], Flags]:
    """`items` with what the tensors of `level` stand for, and whether their leaves are batched."""
    items = list(items)
    flags = flags_of(level, items)
    return [lowered(level, item) if any(its) else item for item, its in zip(items, flags)], flags


def vmapped(cls: type[Function]) -> type[Function]:
    """The Function that runs `cls` on a batch."""
    made: type[Function] | None = cls.__dict__.get("_vmapped")
    if made is None:
        made = _vmapped(cls)
        cls._vmapped = made
    return made


def _vmapped(cls: type[Function]) -> type[Function]:
    """A Function whose methods are those of `cls`, called with batched tensors."""

    def forward(how: _Batches, *inputs: Any) -> Any:
        level = how.level()
        with level:
            args, kwargs = how.named(_wrapped(level, inputs, how.flags))
            output = cls.forward(*args, **kwargs)
        several = isinstance(output, tuple)
        results, flags = _unwrapped(level, output if several else (output,))
        return (*results, _Batches(how.size, how.randomness, flags, (), several))

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        (how, *given), (*results, made) = inputs, output
        level = how.level()
        known: dict[int, Tensor] = {}
        inner = cls._backward_cls()
        inner.needs_input_grad = ctx.needs_input_grad[1:]
        with level:
            args, _ = how.named(_wrapped(level, given, how.flags, known))
            outputs = _wrapped(level, results, made.flags, known)
            cls.setup_context(FunctionCtx(inner), tuple(args), tuple(outputs) if made.several else outputs[0])
        kept, ctx.for_backward = _unwrapped(level, inner.to_save or ())
        ctx.save_for_backward(*kept)
        kept, ctx.for_jvp = _unwrapped(level, inner.saved_for_forward or ())
        ctx.save_for_forward(*kept)
        values, flags = _unwrapped(level, inner.attributes.values())
        ctx.noted = list(inner.attributes), values, flags
        if inner.dirty_tensors is not None:
            ctx.mark_dirty(*_unwrapped(level, inner.dirty_tensors)[0])
        if inner.non_differentiable is not None:
            ctx.mark_non_differentiable(*_unwrapped(level, inner.non_differentiable)[0])
        ctx.set_materialize_grads(inner.materialize_grads)
        ctx.how, ctx.made = how, made
        ctx.shapes = [t._array.shape[its[0] :] if isinstance(t, Tensor) else None for t, its in zip(given, how.flags)]

    def context(ctx: Any, level: Batch, saved: tuple[Any, ...], flags: Flags) -> FunctionCtx:
        """What a method of `cls` knows of the application."""
        inner = cls._backward_cls()
        inner.needs_input_grad = ctx.needs_input_grad[1:]
        names, values, of_values = ctx.noted
        inner.attributes = dict(zip(names, _wrapped(level, values, of_values)))
        inner.saved_for_forward = tuple(_wrapped(level, saved, flags))
        return FunctionCtx(inner)

    def backward(ctx: Any, *grads: Any) -> Any:
        level, saved, count = ctx.how.level(), ctx.saved_tensors, len(ctx.shapes)
        with level:
            given = _wrapped(level, grads[:-1], _alone(ctx.made.flags))
            of = context(ctx, level, saved, ctx.for_backward)
            derivative = cls._derivative()
            returned = derivative(of, given) if cls.boxed_grads_call else derivative(of, *given)
            found = returned if isinstance(returned, tuple) else (returned,)
            if len(found) < count or any(d is not None for d in found[count:]):
                raise RuntimeError(
                    f"function {cls.__name__}Backward returned an incorrect number of gradients (expected {count}, "
                    f"got {len(found)})"
                )
            found = tuple([_summed(cls, i, d, shape) for i, (d, shape) in enumerate(zip(found, ctx.shapes))])
        return (None, *[_of_input(level, d, its == [True]) for d, its in zip(found, ctx.how.flags)])

    def jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
        level, saved = ctx.how.level(), ctx.saved_tensors
        with level:
            given = _wrapped(level, tangents, _alone(ctx.how.flags))
            returned = cls.jvp(context(ctx, level, saved, ctx.for_jvp), *given)
        found = returned if isinstance(returned, tuple) else (returned,)
        if len(found) != len(ctx.made.flags):
            raise RuntimeError(
                f"Function's jvp returned an invalid number of forward gradients (expected {len(ctx.made.flags)} but "
                f"got {len(found)})"
            )
        return (*[_of_result(level, d, its == [True]) for d, its in zip(found, ctx.made.flags)], None)

    methods = {method.__name__: staticmethod(method) for method in (forward, setup_context, backward, jvp)}
    return type(f"Vmapped{cls.__name__}", (Function,), {**methods, "generate_vmap_rule": True})


def _summed(cls: type[Function], position: int, d: Any, shape: tuple[int, ...] | None) -> Any:
    """The gradient of an input of `shape`, as a member of the batch sees it, where broadcasting has made it larger."""
    if not isinstance(d, Tensor) or shape is None or d._array.shape == shape:
        return d
    if not expands_to(shape, d._array.shape):
        raise RuntimeError(
            f"Function {cls.__name__}Backward returned an invalid gradient at index {position} - got "
            f"{list(d._array.shape)} but expected shape "
            f"compatible with {list(shape)}"
        )
    return sum_to(d, shape)


def _of_input(level: Batch, d: Any, is_batched: bool) -> Any:
    """A gradient as that of what the input stands for, which is or is not batched."""
    if not isinstance(d, Tensor):
        return d
    d, has_batch = level.unwrap(d)
    if is_batched and not has_batch:
        return d.expand(level.size, *d._array.shape)
    return d.sum(0) if has_batch and not is_batched else d


def _of_result(level: Batch, d: Any, is_batched: bool) -> Any:
    """A tangent as that of what the result stands for."""
    if not isinstance(d, Tensor):
        return d
    d, has_batch = level.unwrap(d)
    if has_batch and not is_batched:
        raise RuntimeError(
            "vmap: the jvp of a custom Function returned a tangent that differs within the batch, for a result that "
            "is the same for all of it"
        )
    return d.expand(level.size, *d._array.shape) if is_batched and not has_batch else d
