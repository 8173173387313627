"""Losses as layers."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapegrad.autograd.ops.nn.loss import legacy_reduction
from tapegrad.nn import functional as F
from tapegrad.nn.module import Module


class _Loss(Module):
    reduction: str

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = legacy_reduction(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    def __init__(self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class L1Loss(_Loss):
    """The absolute difference.

    Args:
        reduction: "mean", "sum" or "none".

    Example:
        >>> tapegrad.nn.L1Loss()(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 2.0]))
        tensor(1.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of `input` of the shape of `target`."""
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """The squared difference.

    Args:
        reduction: "mean", "sum" or "none".

    Example:
        >>> tapegrad.nn.MSELoss()(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 2.0]))
        tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of `input` of the shape of `target`."""
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """The absolute difference with a round tip.

    Args:
        reduction: "mean", "sum" or "none".
        beta: how wide the tip is.

    Example:
        >>> tapegrad.nn.SmoothL1Loss(reduction="none")(tapegrad.tensor([0.5, 3.0]), tapegrad.zeros(2))
        tensor([0.1250, 2.5000])
    """

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of `input` of the shape of `target`."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Half the square of a small difference, `delta` times a large one (less a constant).

    Args:
        reduction: "mean", "sum" or "none".
        delta: where the one turns into the other.

    Example:
        >>> tapegrad.nn.HuberLoss(reduction="none")(tapegrad.tensor([0.5, 3.0]), tapegrad.zeros(2))
        tensor([0.1250, 2.5000])
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        if not isinstance(delta, (float, int)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of `input` of the shape of `target`."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class NLLLoss(_WeightedLoss):
    """The negative log-likelihood of classes, given the logarithms of their probabilities.

    Args:
        weight: how much each class counts.
        ignore_index: targets that do not count.
        reduction: "mean" (weighted), "sum" or "none".

    Example:
        >>> tapegrad.nn.NLLLoss()(tapegrad.tensor([[-1.0, -2.0]]), tapegrad.tensor([1]))
        tensor(2.)
    """

    def __init__(self, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of `input` of shape (N, C, ...), with class numbers of shape (N, ...)."""
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class CrossEntropyLoss(_WeightedLoss):
    """The cross entropy of classes, given unnormalised logarithms of probabilities.

    Args:
        weight: how much each class counts.
        ignore_index: targets that do not count.
        reduction: "mean" (weighted), "sum" or "none".
        label_smoothing: how much of the target's probability is spread over all classes.

    Example:
        >>> tapegrad.nn.CrossEntropyLoss()(tapegrad.tensor([[0.0, 0.0]]), tapegrad.tensor([1]))
        tensor(0.6931)
    """

    def __init__(self, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None, reduction: str = "mean",
                 label_smoothing: float = 0.0) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of `input` of shape (N, C, ...), with class numbers of shape (N, ...) or probabilities of the shape of `input`."""
        return F.cross_entropy(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
                               label_smoothing=self.label_smoothing)


class BCELoss(_WeightedLoss):
    """The cross entropy of yes-or-no targets, given probabilities.

    Args:
        weight: how much each element counts.
        reduction: "mean", "sum" or "none".

    Example:
        >>> tapegrad.nn.BCELoss()(tapegrad.tensor([0.5]), tapegrad.tensor([1.0]))
        tensor(0.6931)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of `input` of the shape of `target`."""
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """The cross entropy of yes-or-no targets, given the logarithms of odds.

    Args:
        weight: how much each element counts.
        reduction: "mean", "sum" or "none".
        pos_weight: how much yes counts against no.

    Example:
        >>> tapegrad.nn.BCEWithLogitsLoss()(tapegrad.tensor([0.0]), tapegrad.tensor([1.0]))
        tensor(0.6931)
    """

    def __init__(self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of `input` of the shape of `target`."""
        return F.binary_cross_entropy_with_logits(input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction)


class KLDivLoss(_Loss):
    """The Kullback-Leibler divergence of the target from the distribution whose logarithm the input is.

    Args:
        reduction: "batchmean" (which is the divergence), "mean", "sum" or "none".
        log_target: whether the target is logarithms too.

    Example:
        >>> p = tapegrad.tensor([[0.5, 0.5]])
        >>> tapegrad.nn.KLDivLoss(reduction="batchmean")(p.log(), p)
        tensor(0.)
    """

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of `input` of the shape of `target`."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(_Loss):
    """The negative log-likelihood of counts that follow a Poisson distribution.

    Args:
        log_input: whether the input is logarithms of expected counts.
        full: add Stirling's approximation of the logarithm of the counts' factorials.
        eps: added to the input before its logarithm is taken.
        reduction: "mean", "sum" or "none".

    Example:
        >>> tapegrad.nn.PoissonNLLLoss()(tapegrad.zeros(2), tapegrad.tensor([1.0, 2.0]))
        tensor(1.)
    """

    def __init__(self, log_input: bool = True, full: bool = False, size_average: Any = None, eps: float = 1e-8, reduce: Any = None,
                 reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Any, target: Any) -> Any:
        """The loss of the input of the shape of `target`."""
        return F.poisson_nll_loss(log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction)


class GaussianNLLLoss(_Loss):
    """The negative log-likelihood of numbers that follow normal distributions.

    Args:
        full: add the constant term.
        eps: the least variance.
        reduction: "mean", "sum" or "none".

    Example:
        >>> tapegrad.nn.GaussianNLLLoss()(tapegrad.zeros(2), tapegrad.ones(2), tapegrad.ones(2))
        tensor(0.5000)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(None, None, reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        """The loss of expected numbers `input` with variances `var`."""
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """By how much one input fails to be larger than the other where the target is 1, or smaller where it is -1.

    Args:
        margin: by how much it should be.
        reduction: "mean", "sum" or "none".

    Example:
        >>> tapegrad.nn.MarginRankingLoss()(tapegrad.tensor([1.0]), tapegrad.tensor([3.0]), tapegrad.tensor([1.0]))
        tensor(2.)
    """

    def __init__(self, margin: float = 0.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        """The loss of two inputs of one shape."""
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """A distance where the target is 1; by how much it falls short of a margin where it is -1.

    Args:
        margin: the distance that unlike things should have.
        reduction: "mean", "sum" or "none".

    Example:
        >>> tapegrad.nn.HingeEmbeddingLoss(reduction="none")(tapegrad.tensor([0.2, 0.2]), tapegrad.tensor([1, -1]))
        tensor([0.2000, 0.8000])
    """

    def __init__(self, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of distances."""
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """One minus the cosine of two vectors where the target is 1; by how much it exceeds a margin where it is -1.

    Args:
        margin: the cosine that unlike things may have.
        reduction: "mean", "sum" or "none".

    Example:
        >>> tapegrad.nn.CosineEmbeddingLoss()(tapegrad.ones(1, 2), -tapegrad.ones(1, 2), tapegrad.tensor([-1]))
        tensor(0.)
    """

    def __init__(self, margin: float = 0.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        """The loss of pairs of vectors."""
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """``log(1 + exp(-target * input))``, for targets 1 and -1.

    Args:
        reduction: "mean", "sum" or "none".

    Example:
        >>> tapegrad.nn.SoftMarginLoss()(tapegrad.zeros(2), tapegrad.tensor([1.0, -1.0]))
        tensor(0.6931)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of `input` of the shape of `target`."""
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """By how much an anchor's distance to a like thing, and a margin, exceed its distance to an unlike one.

    Args:
        margin: how much nearer the like thing should be.
        p: of the norm.
        eps: added to the differences.
        swap: use the like thing's distance to the unlike one where it is smaller.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: `margin` is not positive.

    Example:
        >>> a, b, c = tapegrad.zeros(1, 2), tapegrad.ones(1, 2), tapegrad.full((1, 2), 5.0)
        >>> tapegrad.nn.TripletMarginLoss()(a, b, c)
        tensor(0.)
    """

    def __init__(self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, size_average: Any = None, reduce: Any = None,
                 reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        """The loss of triples of vectors."""
        return F.triplet_margin_loss(anchor, positive, negative, margin=self.margin, p=self.p, eps=self.eps, swap=self.swap, reduction=self.reduction)


class TripletMarginWithDistanceLoss(_Loss):
    """`TripletMarginLoss` with another distance.

    Args:
        distance_function: of two tensors; None: `PairwiseDistance`.
        margin: how much nearer the like thing should be.
        swap: use the like thing's distance to the unlike one where it is smaller.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: `margin` is not positive.

    Example:
        >>> loss = tapegrad.nn.TripletMarginWithDistanceLoss(distance_function=lambda a, b: (a - b).abs().sum(-1))
        >>> loss(tapegrad.zeros(1, 2), tapegrad.ones(1, 2), tapegrad.full((1, 2), 5.0))
        tensor(0.)
    """

    def __init__(self, *, distance_function: Callable[[Any, Any], Any] | None = None, margin: float = 1.0, swap: bool = False,
                 reduction: str = "mean") -> None:
        super().__init__(None, None, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin} instead")
        self.distance_function = F.pairwise_distance if distance_function is None else distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        """The loss of triples."""
        return F.triplet_margin_with_distance_loss(anchor, positive, negative, distance_function=self.distance_function, margin=self.margin, swap=self.swap,
                                                   reduction=self.reduction)


__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss",
    "MSELoss", "MarginRankingLoss", "NLLLoss", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss",
]
