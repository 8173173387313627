"""Signatures that cannot be read from a function: overloads, and results that are not one tensor. Read by make_stubs.py.

A class below stands for a namespace. The methods of Tensor follow from the functions: their first parameter is left out.
"""
# ruff: noqa

class functions:
    """Of `tapegrad` and `tapegrad.nn.functional`."""

    # ---- reductions

    @overload
    def max(input: Tensor, *, out: Tensor | None = None) -> Tensor: ...
    @overload
    def max(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor: ...
    @overload
    def max(
        input: Tensor, dim: int, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
    ) -> ValuesIndices: ...
    @overload
    def max(
        input: Tensor, *, axis: int, keepdims: bool = False, out: tuple[Tensor, Tensor] | None = None
    ) -> ValuesIndices: ...
    min = max

    @overload
    def median(input: Tensor, *, out: Tensor | None = None) -> Tensor: ...
    @overload
    def median(
        input: Tensor, dim: int, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
    ) -> ValuesIndices: ...
    nanmedian = median

    def mode(
        input: Tensor, dim: int = -1, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
    ) -> ValuesIndices: ...
    def kthvalue(
        input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
    ) -> ValuesIndices: ...
    def cummax(input: Tensor, dim: int, *, out: tuple[Tensor, Tensor] | None = None) -> ValuesIndices: ...
    cummin = cummax
    def sort(
        input: Tensor,
        dim: int = -1,
        descending: bool = False,
        stable: bool | None = None,
        *,
        out: tuple[Tensor, Tensor] | None = None,
    ) -> ValuesIndices: ...
    def topk(
        input: Tensor,
        k: int,
        dim: int = -1,
        largest: bool = True,
        sorted: bool = True,
        *,
        out: tuple[Tensor, Tensor] | None = None,
    ) -> ValuesIndices: ...
    def aminmax(
        input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: tuple[Tensor, Tensor] | None = None
    ) -> MinMax: ...
    @overload
    def std(
        input: Tensor,
        dim: Dims | None = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: float | None = None,
        axis: Dims | None = None,
        keepdims: bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor: ...
    @overload
    def std(input: Tensor, unbiased: bool) -> Tensor: ...
    var = std

    @overload
    def std_mean(
        input: Tensor,
        dim: Dims | None = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: float | None = None,
        axis: Dims | None = None,
        keepdims: bool | None = None,
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def std_mean(input: Tensor, unbiased: bool) -> tuple[Tensor, Tensor]: ...
    var_mean = std_mean

    def norm(
        input: Tensor,
        p: float | str | None = "fro",
        dim: Dims | None = None,
        keepdim: bool = False,
        out: Tensor | None = None,
        dtype: DTypeLike | None = None,
    ) -> Tensor: ...

    # ---- results that depend on a flag

    @overload
    def unique(
        input: Tensor,
        sorted: bool = True,
        return_inverse: Literal[False] = False,
        return_counts: Literal[False] = False,
        dim: int | None = None,
    ) -> Tensor: ...
    @overload
    def unique(
        input: Tensor,
        sorted: bool = True,
        *,
        return_inverse: Literal[True],
        return_counts: Literal[True],
        dim: int | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]: ...
    @overload
    def unique(
        input: Tensor,
        sorted: bool = True,
        *,
        return_inverse: Literal[True],
        return_counts: Literal[False] = False,
        dim: int | None = None,
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique(
        input: Tensor,
        sorted: bool = True,
        return_inverse: Literal[False] = False,
        *,
        return_counts: Literal[True],
        dim: int | None = None,
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique(
        input: Tensor, sorted: bool, return_inverse: Literal[True], return_counts: Literal[True], dim: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]: ...
    @overload
    def unique(
        input: Tensor,
        sorted: bool,
        return_inverse: Literal[True],
        return_counts: Literal[False] = False,
        dim: int | None = None,
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique(
        input: Tensor,
        sorted: bool,
        return_inverse: Literal[False],
        return_counts: Literal[True],
        dim: int | None = None,
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique(
        input: Tensor,
        sorted: bool = True,
        return_inverse: bool = False,
        return_counts: bool = False,
        dim: int | None = None,
    ) -> Tensor | tuple[Tensor, ...]: ...
    @overload
    def unique_consecutive(
        input: Tensor,
        return_inverse: Literal[False] = False,
        return_counts: Literal[False] = False,
        dim: int | None = None,
    ) -> Tensor: ...
    @overload
    def unique_consecutive(
        input: Tensor, return_inverse: Literal[True], return_counts: Literal[True], dim: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]: ...
    @overload
    def unique_consecutive(
        input: Tensor, return_inverse: Literal[True], return_counts: Literal[False] = False, dim: int | None = None
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique_consecutive(
        input: Tensor, return_inverse: Literal[False] = False, *, return_counts: Literal[True], dim: int | None = None
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique_consecutive(
        input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
    ) -> Tensor | tuple[Tensor, ...]: ...
    @overload
    def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: Literal[False] = False) -> Tensor: ...
    @overload
    def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: Literal[True]) -> tuple[Tensor, ...]: ...
    @overload
    def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool) -> Tensor | tuple[Tensor, ...]: ...
    @overload
    def where(condition: Tensor) -> tuple[Tensor, ...]: ...
    @overload
    def where(condition: Tensor, input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor: ...
    @overload
    def max_pool1d(
        input: Tensor,
        kernel_size: Dims,
        stride: Dims | None = None,
        padding: Dims = 0,
        dilation: Dims = 1,
        ceil_mode: bool = False,
        return_indices: Literal[False] = False,
    ) -> Tensor: ...
    @overload
    def max_pool1d(
        input: Tensor,
        kernel_size: Dims,
        stride: Dims | None = None,
        padding: Dims = 0,
        dilation: Dims = 1,
        ceil_mode: bool = False,
        *,
        return_indices: Literal[True],
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def max_pool1d(
        input: Tensor,
        kernel_size: Dims,
        stride: Dims | None = None,
        padding: Dims = 0,
        dilation: Dims = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]: ...
    max_pool2d = max_pool1d
    max_pool3d = max_pool1d

    # ---- several tensors

    def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]: ...
    def unbind(input: Tensor, dim: int = 0, *, axis: int | None = None) -> tuple[Tensor, ...]: ...
    def frexp(input: Tensor, *, out: tuple[Tensor, Tensor] | None = None) -> MantissaExponent: ...
    @overload
    def atleast_1d(input: Tensor, /) -> Tensor: ...
    @overload
    def atleast_1d(tensors: Sequence[Tensor], /) -> tuple[Tensor, ...]: ...
    @overload
    def atleast_1d(input: Tensor, other: Tensor, /, *tensors: Tensor) -> tuple[Tensor, ...]: ...
    atleast_2d = atleast_1d
    atleast_3d = atleast_1d

    @overload
    def meshgrid(*tensors: Tensor, indexing: str | None = None) -> tuple[Tensor, ...]: ...
    @overload
    def meshgrid(tensors: Sequence[Tensor], /, *, indexing: str | None = None) -> tuple[Tensor, ...]: ...
    @overload
    def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]: ...
    @overload
    def broadcast_tensors(tensors: Sequence[Tensor], /) -> tuple[Tensor, ...]: ...
    @overload
    def einsum(equation: str, /, *operands: Tensor) -> Tensor: ...
    @overload
    def einsum(equation: str, operands: Sequence[Tensor], /) -> Tensor: ...
    @overload
    def einsum(operand: Tensor, labels: Sequence[Any], /, *operands_and_labels: Tensor | Sequence[Any]) -> Tensor: ...
    def broadcast_shapes(*shapes: int | Sequence[int]) -> Size: ...

    # ---- arguments of several forms

    @overload
    def arange(
        end: Number,
        *,
        out: Tensor | None = None,
        dtype: DTypeLike | None = None,
        layout: object = None,
        device: DeviceLike | None = None,
        pin_memory: bool = False,
        requires_grad: bool = False,
    ) -> Tensor: ...
    @overload
    def arange(
        start: Number,
        end: Number,
        step: Number = 1,
        *,
        out: Tensor | None = None,
        dtype: DTypeLike | None = None,
        layout: object = None,
        device: DeviceLike | None = None,
        pin_memory: bool = False,
        requires_grad: bool = False,
    ) -> Tensor: ...
    @overload
    def randint(
        high: int,
        size: Sequence[int],
        /,
        *,
        generator: Generator | None = None,
        out: Tensor | None = None,
        dtype: DTypeLike | None = None,
        layout: object = None,
        device: DeviceLike | None = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
    ) -> Tensor: ...
    @overload
    def randint(
        low: int,
        high: int,
        size: Sequence[int],
        *,
        generator: Generator | None = None,
        out: Tensor | None = None,
        dtype: DTypeLike | None = None,
        layout: object = None,
        device: DeviceLike | None = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
    ) -> Tensor: ...
    @overload
    def randint(
        high: int,
        /,
        *,
        size: Sequence[int],
        generator: Generator | None = None,
        out: Tensor | None = None,
        dtype: DTypeLike | None = None,
        layout: object = None,
        device: DeviceLike | None = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
    ) -> Tensor: ...
    @overload
    def scatter(
        input: Tensor, dim: int, index: Tensor, src: Tensor | Number, *, reduce: str | None = None
    ) -> Tensor: ...
    @overload
    def scatter(input: Tensor, dim: int, index: Tensor, *, value: Number, reduce: str | None = None) -> Tensor: ...
    @overload
    def repeat_interleave(repeats: Tensor, /, *, output_size: int | None = None) -> Tensor: ...
    @overload
    def repeat_interleave(
        input: Tensor, repeats: int | Tensor, dim: int | None = None, *, output_size: int | None = None
    ) -> Tensor: ...
    @overload
    def view(input: Tensor, *shape: int) -> Tensor: ...
    @overload
    def view(input: Tensor, size: Sequence[int]) -> Tensor: ...
    @overload
    def view(input: Tensor, dtype: DTypeLike) -> Tensor: ...
    def normal(
        mean: float | Tensor,
        std: float | Tensor = 1.0,
        size: Sequence[int] | None = None,
        *,
        generator: Generator | None = None,
        out: Tensor | None = None,
        dtype: DTypeLike | None = None,
        layout: object = None,
        device: DeviceLike | None = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
    ) -> Tensor: ...

    # ---- dtypes, and what is no op

    def can_cast(from_: DTypeLike, to: DTypeLike) -> bool: ...
    def promote_types(type1: DTypeLike, type2: DTypeLike) -> dtype: ...
    def set_default_dtype(d: DTypeLike, /) -> None: ...
    def set_default_device(device: DeviceLike | None) -> None: ...
    def is_tensor(obj: object) -> TypeIs[Tensor]: ...
    @overload
    def custom_op(
        forward: Callable[..., Any],
        vjp: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        keeps: tuple[str, ...] | str = (),
        higher_order: bool = False,
        jvp: Callable[..., Any] | None = None,
        batch: str | None = None,
    ) -> CustomOp: ...
    @overload
    def custom_op(
        forward: None = None,
        vjp: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        keeps: tuple[str, ...] | str = (),
        higher_order: bool = False,
        jvp: Callable[..., Any] | None = None,
        batch: str | None = None,
    ) -> Callable[[Callable[..., Any]], CustomOp]: ...

class methods:
    """Of Tensor, where there is no function of the name, or another one."""

    def __getitem__(self, index: Index) -> Tensor: ...
    def __setitem__(self, index: Index, value: Operand) -> None: ...
    def __iter__(self) -> Iterator[Tensor]: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray: ...
    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]: ...
    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any: ...
    def numpy(self, *, force: bool = False) -> np.ndarray: ...
    def item(self) -> bool | int | float: ...
    def tolist(self) -> Any: ...
    @overload
    def size(self, dim: None = None) -> Size: ...
    @overload
    def size(self, dim: int) -> int: ...
    @overload
    def stride(self, dim: None = None) -> tuple[int, ...]: ...
    @overload
    def stride(self, dim: int) -> int: ...
    @overload
    def to(
        self,
        dtype: DTypeLike,
        non_blocking: bool = False,
        copy: bool = False,
        *,
        memory_format: memory_format | None = None,
    ) -> Tensor: ...
    @overload
    def to(
        self,
        device: DeviceLike | None = None,
        dtype: DTypeLike | None = None,
        non_blocking: bool = False,
        copy: bool = False,
        *,
        memory_format: memory_format | None = None,
    ) -> Tensor: ...
    @overload
    def to(
        self,
        other: Tensor,
        non_blocking: bool = False,
        copy: bool = False,
        *,
        memory_format: memory_format | None = None,
    ) -> Tensor: ...
    @overload
    def type(self, dtype: None = None, non_blocking: bool = False) -> str: ...
    @overload
    def type(self, dtype: DTypeLike | type[Tensor], non_blocking: bool = False) -> Tensor: ...
    def atleast_1d(self) -> Tensor: ...
    atleast_2d = atleast_1d
    atleast_3d = atleast_1d
    def repeat_interleave(
        self, repeats: int | Tensor, dim: int | None = None, *, output_size: int | None = None
    ) -> Tensor: ...
    def where(self, condition: Tensor, other: Operand) -> Tensor: ...
    def polygamma(self, n: int) -> Tensor: ...
    def new(self, *args: Any) -> Tensor: ...
    def copy_(self, src: Operand, non_blocking: bool = False) -> Self: ...
    def bernoulli_(self, p: float | Tensor = 0.5, *, generator: Generator | None = None) -> Self: ...
    def uniform_(self, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Self: ...
    @overload
    def random_(self, *, generator: Generator | None = None) -> Self: ...
    @overload
    def random_(self, to: int, *, generator: Generator | None = None) -> Self: ...
    @overload
    def random_(self, from_: int, to: int | None, *, generator: Generator | None = None) -> Self: ...
    def new_empty_strided(
        self,
        size: Sequence[int],
        stride: Sequence[int],
        dtype: DTypeLike | None = None,
        device: DeviceLike | None = None,
        requires_grad: bool = False,
    ) -> Tensor: ...

class func:
    """Of `tapegrad.func`. An argument may be a tensor, or tensors in lists, tuples and dicts: a gradient has the type of its argument."""

    @overload
    def grad(func: Callable[[Tensor], Any], argnums: Literal[0] = 0, has_aux: Literal[False] = False) -> OfTensor: ...
    @overload
    def grad(
        func: Callable[Concatenate[Tensor, Tensor, P], Any], argnums: Literal[0] = 0, has_aux: Literal[False] = False
    ) -> Callable[Concatenate[Tensor, Tensor, P], Tensor]: ...
    @overload
    def grad(
        func: Callable[Concatenate[A, P], Any], argnums: Literal[0] = 0, has_aux: Literal[False] = False
    ) -> Callable[Concatenate[A, P], A]: ...
    @overload
    def grad(
        func: Callable[Concatenate[A, P], tuple[Any, X]], argnums: Literal[0] = 0, *, has_aux: Literal[True]
    ) -> Callable[Concatenate[A, P], tuple[A, X]]: ...
    @overload
    def grad(
        func: Callable[P, Any], argnums: tuple[int, ...], has_aux: Literal[False] = False
    ) -> Callable[P, tuple[Any, ...]]: ...
    @overload
    def grad(func: Callable[P, Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[P, Any]: ...
    @overload
    def grad_and_value(
        func: Callable[Concatenate[Tensor, P], R], argnums: Literal[0] = 0, has_aux: bool = False
    ) -> Callable[Concatenate[Tensor, P], tuple[Tensor, R]]: ...
    @overload
    def grad_and_value(
        func: Callable[Concatenate[A, P], R], argnums: Literal[0] = 0, has_aux: bool = False
    ) -> Callable[Concatenate[A, P], tuple[A, R]]: ...
    @overload
    def grad_and_value(
        func: Callable[P, R], argnums: tuple[int, ...], has_aux: bool = False
    ) -> Callable[P, tuple[tuple[Any, ...], R]]: ...
    @overload
    def grad_and_value(
        func: Callable[P, R], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
    ) -> Callable[P, tuple[Any, R]]: ...
    @overload
    def value_and_grad(
        func: Callable[Concatenate[Tensor, P], R], argnums: Literal[0] = 0, has_aux: bool = False
    ) -> Callable[Concatenate[Tensor, P], tuple[R, Tensor]]: ...
    @overload
    def value_and_grad(
        func: Callable[Concatenate[A, P], R], argnums: Literal[0] = 0, has_aux: bool = False
    ) -> Callable[Concatenate[A, P], tuple[R, A]]: ...
    @overload
    def value_and_grad(
        func: Callable[P, R], argnums: tuple[int, ...], has_aux: bool = False
    ) -> Callable[P, tuple[R, tuple[Any, ...]]]: ...
    @overload
    def value_and_grad(
        func: Callable[P, R], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
    ) -> Callable[P, tuple[R, Any]]: ...
    @overload
    def jacrev(
        func: Callable[[Tensor], Tensor],
        argnums: Literal[0] = 0,
        *,
        has_aux: Literal[False] = False,
        chunk_size: int | None = None,
    ) -> OfTensor: ...
    @overload
    def jacrev(
        func: Callable[Concatenate[A, P], Tensor],
        argnums: Literal[0] = 0,
        *,
        has_aux: Literal[False] = False,
        chunk_size: int | None = None,
    ) -> Callable[Concatenate[A, P], A]: ...
    @overload
    def jacrev(
        func: Callable[P, Any],
        argnums: int | tuple[int, ...] = 0,
        *,
        has_aux: bool = False,
        chunk_size: int | None = None,
    ) -> Callable[P, Any]: ...
    @overload
    def jacfwd(
        func: Callable[[Tensor], Tensor],
        argnums: Literal[0] = 0,
        has_aux: Literal[False] = False,
        *,
        chunk_size: int | None = None,
        randomness: str = "error",
    ) -> OfTensor: ...
    @overload
    def jacfwd(
        func: Callable[Concatenate[A, P], Tensor],
        argnums: Literal[0] = 0,
        has_aux: Literal[False] = False,
        *,
        chunk_size: int | None = None,
        randomness: str = "error",
    ) -> Callable[Concatenate[A, P], A]: ...
    @overload
    def jacfwd(
        func: Callable[P, Any],
        argnums: int | tuple[int, ...] = 0,
        has_aux: bool = False,
        *,
        chunk_size: int | None = None,
        randomness: str = "error",
    ) -> Callable[P, Any]: ...
    @overload
    def hessian(func: Callable[[Tensor], Tensor], argnums: Literal[0] = 0) -> OfTensor: ...
    @overload
    def hessian(
        func: Callable[Concatenate[Tensor, Tensor, P], Tensor], argnums: Literal[0] = 0
    ) -> Callable[Concatenate[Tensor, Tensor, P], Tensor]: ...
    @overload
    def hessian(func: Callable[P, Any], argnums: int | tuple[int, ...] = 0) -> Callable[P, Any]: ...
    @overload
    def vjp(
        func: Callable[..., tuple[R, X]], *primals: Any, has_aux: Literal[True]
    ) -> tuple[R, Callable[..., tuple[Any, ...]], X]: ...
    @overload
    def vjp(
        func: Callable[..., R], *primals: Any, has_aux: Literal[False] = False
    ) -> tuple[R, Callable[..., tuple[Any, ...]]]: ...
    @overload
    def jvp(
        func: Callable[..., tuple[R, X]],
        primals: tuple[Any, ...],
        tangents: tuple[Any, ...],
        *,
        strict: bool = False,
        has_aux: Literal[True],
    ) -> tuple[R, R, X]: ...
    @overload
    def jvp(
        func: Callable[..., R],
        primals: tuple[Any, ...],
        tangents: tuple[Any, ...],
        *,
        strict: bool = False,
        has_aux: Literal[False] = False,
    ) -> tuple[R, R]: ...
    def linearize(func: Callable[..., R], *primals: Any) -> tuple[R, Callable[..., R]]: ...
    def vmap(
        func: Callable[P, R],
        in_dims: Any = 0,
        out_dims: Any = 0,
        randomness: str = "error",
        *,
        chunk_size: int | None = None,
    ) -> Callable[P, R]: ...
    def functional_call(
        module: HasForward[..., R],
        parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
        args: Any = None,
        kwargs: dict[str, Any] | None = None,
        *,
        tie_weights: bool = True,
        strict: bool = False,
    ) -> R: ...

class autograd:
    """Of `tapegrad.autograd`."""

    @overload
    def grad(
        outputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
        inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
        grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        only_inputs: bool = True,
        allow_unused: Literal[False] | None = None,
        is_grads_batched: bool = False,
        materialize_grads: bool = False,
    ) -> tuple[Tensor, ...]: ...
    @overload
    def grad(
        outputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
        inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
        grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        only_inputs: bool = True,
        allow_unused: bool | None = None,
        is_grads_batched: bool = False,
        materialize_grads: bool = False,
    ) -> tuple[Tensor | None, ...]: ...
    @overload
    def grad(
        outputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
        inputs: dict[K, Tensor],
        grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        only_inputs: bool = True,
        allow_unused: bool | None = None,
        is_grads_batched: bool = False,
        materialize_grads: bool = False,
    ) -> dict[K, Tensor]: ...
    def backward(
        tensors: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
        grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge] | None = None,
    ) -> None: ...
