"""Normalisation layers."""
from __future__ import annotations

import warnings
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.creation.factories import empty, tensor, zeros
from tapegrad.autograd.types import dtypes
from tapegrad.nn import functional as F
from tapegrad.nn import init
from tapegrad.nn.module import Module
from tapegrad.nn.parameter import Parameter


class LayerNorm(Module):
    """Standardises over the last dimensions, then scales and shifts.

    Args:
        normalized_shape: the sizes of the last dimensions.
        eps: added to the variance.
        elementwise_affine: whether there are a weight and a bias.
        bias: whether there is a bias.
        device: where the parameters live.
        dtype: of the parameters.

    Source: Ba, Kiros and Hinton, "Layer Normalization" (2016).

    Example:
        >>> tapegrad.nn.LayerNorm(2)(tapegrad.tensor([[1.0, 3.0]]))
        tensor([[-1.0000,  1.0000]], grad_fn=<NativeLayerNormBackward0>)
    """

    def __init__(self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True, device: Any = None,
                 dtype: Any = None) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, wanted in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            self.register_parameter(name, Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if wanted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Make the weight one and the bias zero."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        bias = f", bias={self.bias is not None}" if self.elementwise_affine else ", bias=False"
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}" + bias


class RMSNorm(Module):
    """Divides by the root of the mean square over the last dimensions, then scales.

    Args:
        normalized_shape: the sizes of the last dimensions.
        eps: added to the mean square; None: the dtype's machine epsilon.
        elementwise_affine: whether there is a weight.
        device: where the parameters live.
        dtype: of the parameters.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).

    Example:
        >>> tapegrad.nn.RMSNorm(2, elementwise_affine=False)(tapegrad.tensor([[3.0, 3.0]]))
        tensor([[1., 1.]])
    """

    def __init__(self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.register_parameter("weight", Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Make the weight one."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Standardises each sample over groups of channels, then scales and shifts by channel.

    Args:
        num_groups: how many groups the channels are cut into.
        num_channels: how many channels there are.
        eps: added to the variance.
        affine: whether there are a weight and a bias.
        device: where the parameters live.
        dtype: of the parameters.
        bias: whether there is a bias.

    Raises:
        ValueError: the channels cannot be cut so.

    Source: Wu and He, "Group Normalization" (2018).

    Example:
        >>> tapegrad.nn.GroupNorm(2, 4)(tapegrad.ones(3, 4, 5)).shape
        torch.Size([3, 4, 5])
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: Any = None, dtype: Any = None, *,
                 bias: bool = True) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, Parameter(empty(num_channels, device=device, dtype=dtype)) if wanted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Make the weight one and the bias zero."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        bias = f", bias={self.bias is not None}" if self.affine else ", bias=False"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}" + bias


class _StatisticsNorm(Module):
    """What batch and instance normalisation have in common: running statistics."""

    _version = 2
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool, device: Any, dtype: Any,
                 bias: bool) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, Parameter(empty(num_features, device=device, dtype=dtype)) if wanted else None)
        if track_running_stats:
            self.register_buffer("running_mean", empty(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", empty(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", zeros((), dtype=dtypes.int64, device=device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Make the running mean zero and the running variance one."""
        if self.track_running_stats:
            assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Make the weight one and the bias zero, and forget the statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Any) -> None:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, bias={self.bias is not None}, "
                f"track_running_stats={self.track_running_stats}")

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], strict: bool, missing_keys: list[str],
                              unexpected_keys: list[str], error_msgs: list[str]) -> None:
        version = local_metadata.get("version")
        if (version is None or version < 2) and self.track_running_stats:
            # The first version counted no batches.
            own = self.num_batches_tracked
            state_dict.setdefault(prefix + "num_batches_tracked", tensor(0) if own is None else own)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)


class _BatchNorm(_StatisticsNorm):
    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True, track_running_stats: bool = True,
                 device: Any = None, dtype: Any = None, *, bias: bool = True) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`; when training, the running statistics move."""
        self._check_input_dim(input)
        momentum: Any = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                # The mean of all batches so far; the count stays on its device.
                momentum = 1.0 / self.num_batches_tracked._array
        training = self.training or (self.running_mean is None and self.running_var is None)
        tracked = not self.training or self.track_running_stats
        return F.batch_norm(input, self.running_mean if tracked else None, self.running_var if tracked else None, self.weight, self.bias, training,
                            momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Standardises each channel over the batch, then scales and shifts; when not training, by running statistics.

    Args:
        num_features: the number of channels of the input, which is of shape (N, C) or (N, C, L).
        eps: added to the variance.
        momentum: the fraction by which the running statistics move with each batch; None: they are the mean of all batches.
        affine: whether there are a weight and a bias.
        track_running_stats: whether there are running statistics; without them the batch's are always used.
        device: where parameters and statistics live.
        dtype: of parameters and statistics.
        bias: whether there is a bias.

    Source: Ioffe and Szegedy, "Batch Normalization" (2015).

    Example:
        >>> tapegrad.nn.BatchNorm1d(1, affine=False)(tapegrad.tensor([[1.0], [3.0]]))
        tensor([[-1.0000],
                [ 1.0000]])
    """

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.ndim}D input)")


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` for images: inputs of shape (N, C, H, W).

    Example:
        >>> tapegrad.nn.BatchNorm2d(3)(tapegrad.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
    """

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim != 4:
            raise ValueError(f"expected 4D input (got {input.ndim}D input)")


class BatchNorm3d(_BatchNorm):
    """`BatchNorm1d` for volumes: inputs of shape (N, C, D, H, W).

    Example:
        >>> tapegrad.nn.BatchNorm3d(3)(tapegrad.ones(2, 3, 4, 4, 4)).shape
        torch.Size([2, 3, 4, 4, 4])
    """

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim != 5:
            raise ValueError(f"expected 5D input (got {input.ndim}D input)")


class _InstanceNorm(_StatisticsNorm):
    dims: int

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False, track_running_stats: bool = False,
                 device: Any = None, dtype: Any = None, *, bias: bool = True) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim not in (self.dims + 1, self.dims + 2):
            raise ValueError(f"expected {self.dims + 1}D or {self.dims + 2}D input (got {input.ndim}D input)")

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        self._check_input_dim(input)
        dim = input.ndim - self.dims - 1
        if input.shape[dim] != self.num_features:
            if self.affine:
                raise ValueError(f"expected input's size at dim={dim} to match num_features ({self.num_features}), but got: {input.shape[dim]}.")
            warnings.warn(f"input's size at dim={dim} does not match num_features. You can silence this warning by not passing in num_features, which is not "
                          "used because affine=False", stacklevel=2)
        x = input if dim else input[None]
        y = F.instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training or not self.track_running_stats,
                            0.0 if self.momentum is None else self.momentum, self.eps)
        return y if dim else y[0]


class InstanceNorm1d(_InstanceNorm):
    """Standardises each channel of each sample.

    Args:
        num_features: the number of channels of the input, which is of shape (N, C, L) or (C, L).
        eps: added to the variance.
        momentum: the fraction by which the running statistics move with each batch.
        affine: whether there are a weight and a bias.
        track_running_stats: whether there are running statistics, which are used when not training.
        device: where parameters and statistics live.
        dtype: of parameters and statistics.
        bias: whether there is a bias.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization" (2016).

    Example:
        >>> tapegrad.nn.InstanceNorm1d(1)(tapegrad.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.0000,  1.0000]]])
    """

    dims = 1


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` for images: inputs of shape (N, C, H, W) or (C, H, W).

    Example:
        >>> tapegrad.nn.InstanceNorm2d(3)(tapegrad.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
    """

    dims = 2


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` for volumes: inputs of shape (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> tapegrad.nn.InstanceNorm3d(3)(tapegrad.ones(2, 3, 4, 4, 4)).shape
        torch.Size([2, 3, 4, 4, 4])
    """

    dims = 3


__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LayerNorm", "RMSNorm"]
