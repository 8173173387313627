"""`vmap`: a function of one example, run on a whole batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.ops.shape.cat import cat
from tapegrad.autograd.tape.backward import grad
from tapegrad.autograd.transforms.batched_tensor import Batch
from tapegrad.autograd.types import dtypes, trees
from tapegrad.backends import is_array

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that applies `func` to each member of a batch, in one pass over whole arrays.

    Args:
        func: takes and returns tensors, nested or not; it must not ask for single values (`item`, ``if tensor:``).
        in_dims: the dimension of each positional argument that is the batch, None for one that all members share; an
            int for all of them, or nested as the arguments are.
        out_dims: the dimension of each result that is to be the batch.
        randomness: what random functions do inside: "error", "different" numbers for each member, or the "same" for
            all.
        chunk_size: do at most so many members at once, to save memory; None: all.

    Returns:
        A function of the same arguments. Keyword arguments are passed on as they are. Arrays may be given in place of
        tensors; then arrays come back.

    Raises:
        RuntimeError: inside, an operation has no rule for batches, or wants a value.
        ValueError: dimensions that do not fit the arguments or the results.

    Example:
        >>> x = tapegrad.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> tapegrad.vmap(lambda row: row.dot(row))(x)
        tensor([ 5., 25.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def batched(*args: Any, **kwargs: Any) -> Any:
        call = _Call(func, in_dims, out_dims, randomness)
        return call.run(args, kwargs, chunk_size)

    return batched


class _Call:
    def __init__(self, func: Callable[..., Any], in_dims: Any, out_dims: Any, randomness: str) -> None:
        self.func = func
        self.name = getattr(func, "__name__", repr(func))
        self.in_dims = in_dims
        self.out_dims = out_dims
        self.randomness = randomness

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any], chunk_size: int | None) -> Any:
        dims = self._dims_of(args)
        given = list(trees.leaves(args)) + list(trees.leaves(kwargs))
        dims += [None] * (len(given) - len(dims))
        raw = any(_is_array(leaf) for leaf in given)
        given = [_tensor(leaf) for leaf in given]
        dims = [None if dim is None else self._checked(dim, leaf) for dim, leaf in zip(dims, given)]
        size = self._size(given, dims)
        # The batch goes to the front, which is a view.
        given = [leaf if dim in (None, 0) else leaf.movedim(dim, 0) for leaf, dim in zip(given, dims)]
        if chunk_size is None or chunk_size >= size:
            results, tree = self._once(args, kwargs, given, dims, size)
        else:
            results, tree = self._in_chunks(args, kwargs, given, dims, size, chunk_size)
        out_dims = self._out_dims(tree)
        done = iter([self._placed(t, dim, size) for t, dim in zip(results, out_dims)])
        return trees.mapped(lambda _: next(done)._array if raw else next(done), tree)

    # ---- arguments

    def _dims_of(self, args: tuple[Any, ...]) -> list[Any]:
        said, dims = f"vmap({self.name}, in_dims={self.in_dims}, ...)(<inputs>)", self.in_dims
        if (not isinstance(dims, (int, tuple))) or isinstance(dims, bool):
            raise ValueError(
                f"{said}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of "
                f"inputs, got: {type(dims)}."
            )
        if not args:
            raise ValueError(
                f"vmap({self.name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to "
                "vmap over a function with no "
                "inputs. The latter is unsupported."
            )
        found = trees.spread(dims, args)
        if found is None:
            raise ValueError(
                f"{said}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
                f"{trees.spec(dims)} but inputs has "
                f"structure {trees.spec(args)}."
            )
        for dim, leaf in zip(found, trees.leaves(args)):
            if not (dim is None or isinstance(dim, int)):
                raise ValueError(
                    f"{said}: Got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
                )
            if isinstance(dim, int) and not isinstance(leaf, Tensor) and not _is_array(leaf):
                raise ValueError(
                    f"{said}: Got in_dim={dim} for an input but the input is of type {type(leaf)}. We cannot vmap "
                    "over non-Tensor arguments, "
                    "please use None as the respective in_dim"
                )
        return found

    def _checked(self, dim: int, leaf: Tensor) -> int:
        ndim = leaf.ndim
        if not -ndim <= dim < ndim:
            raise ValueError(
                f"vmap({self.name}, in_dims={self.in_dims}, ...)(<inputs>): Got in_dim={dim} for some input, but "
                "that input is a Tensor of "
                f"dimensionality {ndim} so expected in_dim to satisfy -{ndim} <= in_dim < {ndim}."
            )
        return dim % ndim

    def _size(self, given: list[Any], dims: list[Any]) -> int:
        sizes = [leaf._array.shape[dim] for leaf, dim in zip(given, dims) if dim is not None]
        if not sizes:
            raise ValueError("vmap: Expected at least one Tensor to vmap over")
        if len(set(sizes)) > 1:
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for "
                "the mapped dimension"
            )
        return int(sizes[0])

    # ---- the call

    def _once(
        self, args: Any, kwargs: Any, given: list[Any], dims: list[Any], size: int
    ) -> tuple[list[tuple[Tensor, bool]], Any]:
        """The results, each with whether it is batched, and the tree they are the leaves of."""
        level = Batch(size, self.randomness)
        with level:
            leaves = iter([leaf if dim is None else level.wrap(leaf) for leaf, dim in zip(given, dims)])
            tree = self.func(
                *trees.mapped(lambda _: next(leaves), args), **trees.mapped(lambda _: next(leaves), kwargs)
            )
            results = []
            for t in trees.leaves(tree):
                if not isinstance(t, Tensor):
                    raise ValueError(
                        f"vmap({self.name}, ...): `{self.name}` must only return Tensors, got type {type(t)}. Did "
                        "you mean to set out_dims= to "
                        "None for output?"
                    )
                results.append(level.unwrap(t))
        return results, tree

    def _in_chunks(
        self, args: Any, kwargs: Any, given: list[Any], dims: list[Any], size: int, chunk: int
    ) -> tuple[list[tuple[Tensor, bool]], Any]:
        columns: list[list[tuple[Tensor, bool]]] = []
        tree = None
        for start in range(0, size, chunk):
            end = min(start + chunk, size)
            part, tree = self._once(
                args,
                kwargs,
                [leaf if dim is None else leaf[start:end] for leaf, dim in zip(given, dims)],
                dims,
                end - start,
            )
            columns.append(part)
        return [(cat([t for t, _ in column]), True) if column[0][1] else column[0] for column in zip(*columns)], tree

    # ---- results

    def _out_dims(self, tree: Any) -> list[Any]:
        dims = self.out_dims
        if not all(d is None or isinstance(d, int) for d in trees.leaves(dims)):
            raise ValueError(
                f"vmap({self.name}, ..., out_dims={dims}): `out_dims` must be an int, None or a python collection of "
                "ints representing where in "
                "the outputs the vmapped dimension should appear."
            )
        if isinstance(dims, tuple) and len(dims) == 1 and not isinstance(tree, (list, tuple, dict)):
            dims = dims[0]
        found = trees.spread(dims, tree)
        if found is None:
            raise ValueError(
                f"vmap({self.name}, ..., out_dims={dims})(<inputs>): out_dims is not compatible with the structure "
                "of `outputs`. out_dims has "
                f"structure {trees.spec(dims)} but outputs has structure {trees.spec(tree)}."
            )
        return found

    def _placed(self, result: tuple[Tensor, bool], dim: int | None, size: int) -> Tensor:
        t, batched = result
        if dim is None:
            if batched:
                raise ValueError(
                    f"vmap({self.name}, ...): `{self.name}` can not return a BatchedTensor when out_dim is None"
                )
            return t
        whole = t if batched else t.expand(size, *t._array.shape)
        return whole if dim == 0 else whole.movedim(0, dim)


def _is_array(leaf: Any) -> bool:
    return not isinstance(leaf, Tensor) and is_array(leaf)


def _tensor(leaf: Any) -> Any:
    return (
        from_array(dtypes.canonical(np.asarray(leaf) if isinstance(leaf, np.generic) else leaf))
        if _is_array(leaf)
        else leaf
    )


def batched_gradients(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    vectors: Sequence[Tensor | None],
    create_graph: bool,
    retain_graph: bool | None,
    chunk_size: int | None = None,
) -> list[Tensor | None]:
    """The gradients for each of many vectors, along a new first dimension; None for inputs that nothing depends on.

    Args:
        outputs: what to differentiate.
        inputs: with respect to what.
        vectors: for each output its gradients, along a first dimension; None for an output of one element, whose
            gradient is one.
        create_graph: record the passes.
        retain_graph: keep what the graph has saved.
        chunk_size: how many to do at once.
    """
    depends: list[bool] = []

    def vjp(*batch: Tensor) -> tuple[Tensor, ...]:
        rest = iter(batch)
        grads = grad(
            outputs,
            inputs,
            [None if v is None else next(rest) for v in vectors],
            True if chunk_size is not None else retain_graph,
            create_graph,
            allow_unused=True,
        )
        depends[:] = [d is not None for d in grads]
        return tuple([d for d in grads if d is not None])

    results: Any = iter(vmap(vjp, chunk_size=chunk_size)(*[v for v in vectors if v is not None]))
    return [next(results) if used else None for used in depends]
