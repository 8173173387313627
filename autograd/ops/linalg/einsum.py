"""`einsum` as products of matrices: pairs of operands are contracted one after the other, the smallest result first."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.decorator import composite
from tapegrad.autograd.ops.linalg.matmul import check_alike, matrix_product
from tapegrad.autograd.ops.pointwise.arithmetic import mul
from tapegrad.autograd.ops.shape.as_strided import diagonal
from tapegrad.autograd.ops.shape.expand import expand_to
from tapegrad.autograd.ops.shape.reshape import reshape_to, unsafe_view
from tapegrad.autograd.ops.shape.transpose import permute_to

# A label is a letter, or an integer below zero for a dimension that an ellipsis stands for: -1 is the last of them.
Label = Any


@composite()
def einsum(*args: Any) -> Any:
    """Sums of products of the elements of tensors, by a formula of labels for their dimensions.

    Args:
        *args: the formula, such as ``"bij,bjk->bik"``, and the tensors; or each tensor followed by a list of labels
            (integers below 52, or ``...``), and perhaps the list of the result's. A label that the result lacks is
            summed over; without ``->`` the result has, in alphabetical order, those that stand once. ``...`` stands for
            dimensions that broadcast.

    Raises:
        RuntimeError: the formula is wrong, or the shapes do not fit it.

    Example:
        >>> tapegrad.einsum("ij,jk->ik", tapegrad.ones(2, 3), tapegrad.ones(3, 2))
        tensor([[3., 3.],
                [3., 3.]])
    """
    if not args:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    if isinstance(args[0], str):
        equation, operands = args[0], args[1:]
        if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
            operands = tuple(operands[0])
    else:
        equation, operands = _from_lists(args)
    terms, result = _parse(equation, tuple([raw(x).ndim for x in operands]))
    return _contract([_simple(x, labels, i) for i, (x, labels) in enumerate(zip(operands, terms))], result)


def _letter(n: Any) -> str:
    if n is Ellipsis:
        return "..."
    if not isinstance(n, int) or not 0 <= n < 52:
        raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    return chr(65 + n) if n < 26 else chr(71 + n)


def _from_lists(args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The formula of ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""
    operands = args[: len(args) // 2 * 2 : 2]
    equation = ",".join(["".join([_letter(n) for n in labels]) for labels in args[1 : len(args) // 2 * 2 : 2]])
    if len(args) % 2:
        equation += "->" + "".join([_letter(n) for n in args[-1]])
    return equation, operands


# ---- the formula


def _labels(term: str, what: str) -> list[Label]:
    """The labels of a term, with Ellipsis for its dots."""
    found: list[Label] = []
    i = 0
    while i < len(term):
        if term[i] == ".":
            if Ellipsis in found:
                raise RuntimeError(f"einsum(): found '.' for {what} for which an ellipsis was already found")
            if term[i : i + 3] != "...":
                raise RuntimeError(f"einsum(): found '.' for {what} that is not part of any ellipsis")
            found.append(Ellipsis)
            i += 3
            continue
        if not (term[i].isascii() and term[i].isalpha()):
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {i} in the equation string, subscripts must be in [a-zA-Z]"
            )
        found.append(term[i])
        i += 1
    return found


@lru_cache(256)
def _parse(equation: str, ndims: tuple[int, ...]) -> tuple[list[list[Label]], list[Label]]:
    """The labels of each operand's dimensions, and of the result's."""
    if not ndims:
        raise RuntimeError("einsum(): must provide at least one operand")
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = [_labels(term, f"operand {i}") for i, term in enumerate(left.split(","))]
    if len(terms) != len(ndims):
        few = "fewer" if len(terms) > len(ndims) else "more"
        raise RuntimeError(f"einsum(): {few} operands were provided than specified in the equation")
    widest = 0
    for i, (labels, ndim) in enumerate(zip(terms, ndims)):
        named = len(labels) - (Ellipsis in labels)
        if named > ndim or (named < ndim and Ellipsis not in labels):
            more = " and no ellipsis was given" if Ellipsis not in labels else " but fewer dimensions"
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the number of "
                f"dimensions ({ndim}) for operand "
                f"{i}{more}"
            )
        if Ellipsis in labels:
            at = labels.index(Ellipsis)
            labels[at : at + 1] = range(named - ndim, 0)
            widest = max(widest, ndim - named)
    every = [label for labels in terms for label in labels]
    if not arrow:
        return terms, [
            *range(-widest, 0),
            *sorted({label for label in every if isinstance(label, str) and every.count(label) == 1}),
        ]
    result = _labels(right, "the output")
    if Ellipsis in result:
        at = result.index(Ellipsis)
        result[at : at + 1] = range(-widest, 0)
    for label in result:
        if result.count(label) > 1:
            raise RuntimeError(f"einsum(): output subscript {label} appears more than once in the output")
        if label not in every:
            raise RuntimeError(
                f"einsum(): output subscript {label} does not appear in the equation for any input operand"
            )
    return terms, result


# ---- the products


class _Term:
    """A tensor, and a label for each of its dimensions, all different."""

    __slots__ = ("labels", "tensor")

    def __init__(self, tensor: Any, labels: list[Label]) -> None:
        self.tensor = tensor
        self.labels = labels

    def sizes(self) -> dict[Label, int]:
        return dict(zip(self.labels, raw(self.tensor).shape))


def _simple(x: Any, labels: list[Label], which: int) -> _Term:
    """An operand in which no label stands twice: diagonals are taken of those that do."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            shape = raw(x).shape
            if shape[first] != shape[second]:
                raise RuntimeError(
                    f"einsum(): subscript {label} is repeated for operand {which} but the sizes don't match, "
                    f"{shape[second]} != {shape[first]}"
                )
            x = diagonal(x, 0, first, second)
            labels = [l for i, l in enumerate(labels) if i not in (first, second)] + [label]
    return _Term(x, labels)


def _contract(terms: list[_Term], result: list[Label]) -> Any:
    """The result of all terms."""
    given = terms[0].tensor
    sizes: dict[Label, int] = {}
    for i, term in enumerate(terms):
        for label, n in term.sizes().items():
            if sizes.setdefault(label, n) == 1:
                sizes[label] = n
            elif n not in (1, sizes[label]):
                raise RuntimeError(
                    f"einsum(): subscript {label} has size {n} for operand {i} which does not broadcast with "
                    "previously seen size "
                    f"{sizes[label]}"
                )
    while len(terms) > 1:
        i, j = _best_pair(terms, result, sizes)
        rest = [term for k, term in enumerate(terms) if k not in (i, j)]
        keep = {*result, *[label for term in rest for label in term.labels]}
        terms = [
            _pair(_summed(terms[i], {*keep, *terms[j].labels}), _summed(terms[j], {*keep, *terms[i].labels}), keep),
            *rest,
        ]
    last = _summed(terms[0], set(result))
    if last.labels == result and len(sizes) and last.tensor is not given:
        return last.tensor
    return permute_to(last.tensor, tuple([last.labels.index(label) for label in result]))


def _best_pair(terms: list[_Term], result: list[Label], sizes: dict[Label, int]) -> tuple[int, int]:
    """The two terms whose product is smallest beside them, as opt_einsum's greedy path chooses
    (https://dgasmith.github.io/opt_einsum).
    """
    if len(terms) == 2:
        return 0, 1

    def gain(i: int, j: int) -> tuple[int, int]:
        keep = {*result, *[label for k, term in enumerate(terms) if k not in (i, j) for label in term.labels]}
        both = {*terms[i].labels, *terms[j].labels}
        made = math.prod([sizes[label] for label in both & keep])
        return made - sum([math.prod([sizes[label] for label in terms[k].labels]) for k in (i, j)]), math.prod(
            [sizes[label] for label in both]
        )

    return min(((i, j) for i in range(len(terms)) for j in range(i + 1, len(terms))), key=lambda pair: gain(*pair))


def _summed(term: _Term, keep: set[Label]) -> _Term:
    """The term, added up over the labels that nobody needs."""
    over = tuple([i for i, label in enumerate(term.labels) if label not in keep])
    if not over:
        return term
    return _Term(term.tensor.sum(over), [label for label in term.labels if label in keep])


def _pair(a: _Term, b: _Term, keep: set[Label]) -> _Term:
    """The product of two terms, added up over the labels that they share and nobody else needs."""
    a, b = _widened(a, b), _widened(b, a)
    ours, theirs = a.sizes(), b.sizes()
    shared = [label for label in a.labels if label in theirs]
    batch = [label for label in shared if label in keep]
    summed = [label for label in shared if label not in keep]
    left = [label for label in a.labels if label not in theirs]
    right = [label for label in b.labels if label not in ours]
    if not summed or (batch and not left and not right):
        if summed:
            check_alike(raw(a.tensor), raw(b.tensor))
        labels = [*batch, *left, *right, *summed]
        product = _Term(mul(_spread(a, labels), _spread(b, labels)), labels)
        return _summed(product, {*batch, *left, *right})
    n, k = (math.prod([ours[label] for label in group]) for group in (left, summed))
    m = math.prod([theirs[label] for label in right])
    stack = math.prod([ours[label] for label in batch])
    lead = (stack,) if batch else ()
    product = matrix_product(
        _arranged(a, [*batch, *left, *summed], (*lead, n, k)), _arranged(b, [*batch, *summed, *right], (*lead, k, m))
    )
    shape = tuple([ours[label] for label in (*batch, *left)] + [theirs[label] for label in right])
    return _Term(product if raw(product).shape == shape else unsafe_view(product, shape), [*batch, *left, *right])


def _arranged(term: _Term, labels: list[Label], shape: tuple[int, ...]) -> Any:
    """The tensor with its dimensions in the order of `labels`, made those of `shape`."""
    tensor = term.tensor
    if term.labels != labels:
        tensor = permute_to(tensor, tuple([term.labels.index(label) for label in labels]))
    return tensor if raw(tensor).shape == shape else reshape_to(tensor, shape)


def _widened(a: _Term, b: _Term) -> _Term:
    """`a` with its dimensions of size 1 as large as they are in `b`."""
    theirs = b.sizes()
    shape = tuple([theirs.get(label, n) if n == 1 else n for label, n in a.sizes().items()])
    return a if shape == raw(a.tensor).shape else _Term(expand_to(a.tensor, shape), a.labels)


def _spread(term: _Term, labels: list[Label]) -> Any:
    """The tensor with a dimension for each of `labels`, of size 1 where it has none."""
    sizes = term.sizes()
    return _arranged(
        term, [label for label in labels if label in sizes], tuple([sizes.get(label, 1) for label in labels])
    )
