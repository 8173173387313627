"""`backward` and `grad`: what users call to start a pass over the tape."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence, Set
from typing import Any, NoReturn

from tapegrad.autograd.core.gate import GRAD_OFF, gate, set_bits, state
from tapegrad.autograd.core.methods import method_of
from tapegrad.autograd.core.node import Node, Slot
from tapegrad.autograd.core.tensor import Tensor, from_array, requires_grad
from tapegrad.autograd.modes.device_guard import on_device_of
from tapegrad.autograd.modes.levels import recording, transforming
from tapegrad.autograd.tape import engine as tape
from tapegrad.autograd.tape.function_node import BackwardCFunction
from tapegrad.autograd.tape.gradient_edge import GradientEdge, target_of, tensor_at
from tapegrad.autograd.tape.reentrant import nested
from tapegrad.autograd.tape.sums import own_array
from tapegrad.autograd.tape.tensor_hooks import run_tensor_hooks
from tapegrad.backends import xp


def _seed(root: Tensor) -> Any:
    """The gradient of a scalar: one."""
    array = root._array
    if array.size != 1:
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    if array.dtype.kind == "c":
        raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {root.dtype}")
    if gate.always:
        with on_device_of(array):
            return xp(array).ones(array.shape, array.dtype)
    return xp(array).ones(array.shape, array.dtype)


def seeds_of(roots: Sequence[Tensor], grads: Sequence[Tensor | None], graph: bool) -> list[tuple[Any, Any]]:
    pairs = []
    for i, (root, grad) in enumerate(zip(roots, grads)):
        if root.__class__ is not Tensor and not isinstance(root, Tensor):
            root = tensor_at(root, grad)
        # the second: a view without history, of a tensor that requires grad
        if not requires_grad(root) or not root._requires_grad:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        if grad is None:
            seed: Any = _seed(root)
            if graph:
                seed = from_array(seed)
        else:
            seed = _given_seed(root, grad, i, graph)
        pairs.append((root._node or root, seed))
    return pairs


def _given_seed(root: Tensor, grad: Tensor, i: int, graph: bool) -> Any:
    if not isinstance(grad, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(grad).__name__}")
    if grad._array.shape != root._array.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{i}] has a shape of {grad.shape} and output[{i}] has a shape of "
            f"{root.shape}."
        )
    if grad._array.__class__ is not root._array.__class__ and grad.device != root.device:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {grad.device} and "
            f"{root.device}!"
        )
    if (grad._array.dtype.kind == "c") != (root._array.dtype.kind == "c"):
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. "
            f"Mismatch in dtype: grad_output[{i}] has a dtype of {grad.dtype} and output[{i}] has a dtype of "
            f"{root.dtype}."
        )
    if graph:
        seed: Any = grad if grad._array.dtype == root._array.dtype else grad.to(root.dtype)
        return seed.conj() if seed._array.dtype.kind == "c" else seed
    array = grad._array
    if array.dtype is not root._array.dtype or array.dtype.kind == "c":
        with on_device_of(array):
            array = array.astype(root._array.dtype).conj()
    # A view: the array is the caller's, and nobody may take it over.
    return array[...]


def _tuple(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, (Tensor, GradientEdge)) else tuple(value)


def _gradients(given: Any, count: int) -> tuple[Tensor | None, ...]:
    """The gradients that were given for `count` roots."""
    if given is None:
        return (None,) * count
    grads = (given,) if isinstance(given, (int, float, complex)) else _tuple(given)
    for grad in grads:
        if grad is not None and not isinstance(grad, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(grad).__name__}")
    if len(grads) != count:
        raise RuntimeError(f"got {count} tensors and {len(grads)} gradients")
    return grads


def _inputs(given: Any, name: str) -> tuple[Any, ...]:
    """The tensors or edges that the function `name` was given as its `inputs`; of a dict its values."""
    if type(given) is dict:
        targets = tuple(given.values())
    elif isinstance(given, Mapping):
        raise TypeError(
            f"`inputs` argument to `{name}()` must be a dict, not {type(given).__name__}. Other Mapping types are "
            "not supported."
        )
    else:
        targets = _tuple(given)
    if not targets:
        raise RuntimeError(f"`inputs` argument to `{name}()` cannot be empty.")
    return targets


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Accumulate the gradients of `tensors` into the leaves they were computed from.

    Args:
        tensors: what to differentiate.
        grad_tensors: the gradient of each, of its shape; None for those of one element.
        retain_graph: keep what the graph has saved; by default as `create_graph`.
        create_graph: record the pass, so that the gradients can be differentiated.
        inputs: accumulate into these tensors only; a tensor, a sequence, or the values of a dict.

    Raises:
        RuntimeError: a tensor does not require grad, has several elements and no gradient, or the graph has been freed.

    Example:
        >>> x = tapegrad.tensor(3.0, requires_grad=True)
        >>> tapegrad.autograd.backward([x * x, x])
        >>> x.grad
        tensor(7.)
    """
    roots = _tuple(tensors)
    grads = _gradients(grad_tensors, len(roots))
    targets = () if inputs is None else _inputs(inputs, "backward")
    if create_graph:
        warnings.warn(
            "Using backward() with create_graph=True will create a reference cycle between the parameter and its "
            "gradient which can cause a memory "
            "leak. We recommend using autograd.grad when creating the graph to avoid this. If you have to use this "
            "function, make sure to reset "
            "the .grad fields of your parameters to None after use to break the cycle and avoid the leak.",
            stacklevel=3,
        )
    retain = create_graph if retain_graph is None else retain_graph
    pairs = seeds_of(roots, grads, _on_tensors(create_graph))
    if inputs is None:
        _run(pairs, create_graph, retain)
        return
    for t in targets:
        if isinstance(t, Tensor):
            t.retain_grad()
    wanted = {_target(t, pairs) for t in targets}

    def capture(target: Any, grad: Any, graph: bool) -> None:
        # A non-leaf retains its gradient: its hooks have kept it.
        if isinstance(target, Tensor):
            tape.accumulate_grad(target, grad, False, graph)

    _run(pairs, create_graph, retain, wanted, capture, _seen_running(wanted))


def _target(t: Tensor | GradientEdge, pairs: list[tuple[Any, Any]]) -> Any:
    """What the tape knows the input `t` of a pass by, which starts at `pairs`."""
    if isinstance(t, GradientEdge):
        return target_of(t, [root for root, _ in pairs])
    if not isinstance(t, Tensor):
        raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {type(t).__name__}")
    if not requires_grad(t):
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    # A view without history, of a tensor that requires grad, is reached from nowhere.
    return t._node or (t if t._requires_grad else None)


def _seen_running(wanted: set[Any]) -> set[Any]:
    """Of the nodes whose results `wanted` are, those that run too, as in torch: Functions, and nodes with hooks, could
    tell.
    """
    found = set()
    for target in wanted:
        node = target.edges[0] if isinstance(target, Slot) else target
        hooked = (
            isinstance(node, Node) and node.bare is not None and (node.extra.get("before") or node.extra.get("after"))
        )
        if hooked or isinstance(node, BackwardCFunction):
            found |= {target, node}
    return found


def _on_tensors(graph: bool) -> bool:
    """Whether the rules of a pass must see Tensors: because it is recorded, or because a transform must see what they
    do.
    """
    return graph or transforming()


def _run(
    pairs: list[tuple[Any, Any]],
    record: bool,
    retain: bool,
    inputs: set[Any] | None = None,
    capture: Any = None,
    also: Set[Any] = frozenset(),
    counted: bool = False,
) -> None:
    """One pass, in the grad mode that rules, hooks and Functions are to see."""
    outer = state.running
    if outer is not None and not counted:
        nested(_run, pairs, record, retain, inputs, capture, also, True)
        return
    this = state.running = pairs, inputs, outer
    bits = state.bits
    try:
        if _on_tensors(record):
            with recording(record, own=not record):
                tape.run(pairs, True, retain, tape.accumulate_grad, inputs, capture, also)
        else:
            tape.run(pairs, False, retain, tape.accumulate_grad, inputs, capture, also)
        if state.running is not this:
            state.running.end()
    finally:
        state.running = outer
        if state.bits != bits:
            # A hook or Function has set another grad mode: it does not outlast the pass.
            set_bits(state.bits & ~GRAD_OFF | bits & GRAD_OFF)


@method_of(Tensor, "backward")
def _backward_from(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | list[Tensor] | None = None,
) -> None:
    """Accumulate the gradient of this tensor into the leaves it was computed from.

    Args:
        gradient: the gradient of this tensor, of its shape; may be left out for a tensor of one element.
        retain_graph: keep what the graph has saved, so that it can be walked again; by default as `create_graph`.
        create_graph: record the pass itself, so that the gradients can be differentiated.
        inputs: accumulate into these only.

    Raises:
        RuntimeError: the tensor does not require grad, has several elements and no `gradient`, or its graph has been
            freed.

    Example:
        >>> x = tapegrad.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
    """
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """The gradients of the sum of `outputs` with respect to `inputs`; ``.grad`` is left alone.

    Args:
        outputs: what to differentiate.
        inputs: with respect to what; leaves or not. A dict of tensors gives a dict of gradients.
        grad_outputs: the gradient of each output, of its shape; None for those of one element.
        retain_graph: keep what the graph has saved; by default as `create_graph`.
        create_graph: record the pass, so that the gradients can be differentiated.
        only_inputs: deprecated; False is the same, and warns.
        allow_unused: give None for an input that the outputs do not depend on, instead of raising.
        is_grads_batched: each of `grad_outputs` holds many gradients along a first dimension, and so do the results;
            one pass serves all (by `vmap`).
        materialize_grads: give zeros instead of None there.

    Returns:
        A gradient for each input: a tuple, or a dict where `inputs` is one.

    Raises:
        RuntimeError: an input does not require grad or was not used, or the graph has been freed.
        ValueError: `materialize_grads` with ``allow_unused=False``.

    Example:
        >>> x = tapegrad.tensor(2.0, requires_grad=True)
        >>> dx, = tapegrad.autograd.grad(x ** 3, x, create_graph=True)
        >>> tapegrad.autograd.grad(dx, x)
        (tensor(12.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    roots, targets = _tuple(outputs), _inputs(inputs, "grad")
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for "
            "other parts of the graph, please "
            "use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    grads = _gradients(grad_outputs, len(roots))
    if is_grads_batched:
        batched = _batched(
            roots,
            targets,
            grads,
            create_graph,
            retain_graph,
            bool(allow_unused) or materialize_grads,
            materialize_grads,
        )
        return dict(zip(inputs, batched)) if type(inputs) is dict else batched
    pairs = seeds_of(roots, grads, _on_tensors(create_graph))
    keys = [_target(t, pairs) for t in targets]
    retain = create_graph if retain_graph is None else retain_graph
    found: dict[Any, Any] = {}

    def capture(target: Any, d: Any, graph: bool) -> None:
        if isinstance(target, Tensor):
            more = getattr(target, "_extras", None)
            if more is not None:
                d = run_tensor_hooks(more, d, graph)
        found[target] = d

    _run(pairs, create_graph, retain, set(keys), capture)
    taken: set[int] = set()
    results = tuple(
        _result(i, t, found.get(key), create_graph, bool(allow_unused), materialize_grads, taken)
        for i, (t, key) in enumerate(zip(targets, keys))
    )
    return dict(zip(inputs, results)) if type(inputs) is dict else results


def _batched(
    roots: Sequence[Any],
    targets: Sequence[Any],
    grads: Sequence[Tensor | None],
    create_graph: bool,
    retain_graph: bool | None,
    allow_unused: bool,
    materialize: bool,
) -> tuple[Any, ...]:
    from tapegrad.autograd.transforms.vmap import batched_gradients

    for i, (root, d) in enumerate(zip(roots, grads)):
        if d is not None and isinstance(root, Tensor) and d._array.shape[1:] != root._array.shape:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch "
                "dimension. The sizes of the "
                "remaining dimensions are expected to match the shape of corresponding output, but a mismatch was "
                f"detected: grad_output[{i}] "
                f"has a shape of {d[0].shape} and output[{i}] has a shape of {root.shape}. If you only want some "
                "tensors in `grad_output` to be "
                "considered batched, consider using vmap."
            )
    # Seeds for all are not seeds for each: `vmap` says what is wrong with them.
    seeds = [from_array(_seed(root)) if d is None else d for root, d in zip(roots, grads)]
    with recording(create_graph):
        found = batched_gradients(roots, targets, seeds, create_graph, retain_graph)
    size = seeds[0]._array.shape[0]
    results: list[Any] = []
    for i, (t, g) in enumerate(zip(targets, found)):
        if g is None and materialize:
            g = from_array(xp(t._array).zeros((size, *t._array.shape), t._array.dtype))
        if g is None and not allow_unused:
            _refuse_unused(i)
        results.append(g)
    return tuple(results)


def _refuse_unused(i: int) -> NoReturn:
    raise RuntimeError(
        f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set allow_unused=True "
        "if this is the desired "
        "behavior."
    )


def _result(
    i: int, t: Tensor | GradientEdge, d: Any, record: bool, allow_unused: bool, materialize: bool, taken: set[int]
) -> Any:
    if d is None:
        if materialize:
            if not isinstance(t, Tensor):
                raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
            with on_device_of(t):
                zeros = from_array(xp(t._array).zeros(t._array.shape, t._array.dtype))
            zeros._requires_grad = record
            return zeros
        if not allow_unused:
            _refuse_unused(i)
        return None
    graph = _on_tensors(record)
    like = t._array if isinstance(t, Tensor) else d._array if graph else d
    if graph:
        return d.conj() if like.dtype.kind == "c" else d
    # A gradient may be a view of another, or the caller's own; what is handed out is nobody else's.
    owned = d.base is None and id(d) not in taken
    taken.add(id(d))
    if like.dtype.kind == "c" or gate.always:
        with on_device_of(d):
            return from_array(own_array(d.conj(), False, like) if like.dtype.kind == "c" else own_array(d, owned, like))
    return from_array(own_array(d, owned, like))
