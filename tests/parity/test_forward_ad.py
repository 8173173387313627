"""Dual numbers against PyTorch's: tangents of whatever is done to them, levels, errors, text."""

from __future__ import annotations

import copy
import warnings

import pytest
from same_program import Programs, attempt, check

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what PyTorch itself does at the first use
    with torch.autograd.forward_ad.dual_level():
        torch.autograd.forward_ad.make_dual(torch.zeros(()), torch.zeros(()))

case = Programs()


def fw(lib):
    return lib.autograd.forward_ad


def t(lib, values, requires_grad=False, dtype="float64"):
    return lib.tensor(values, dtype=getattr(lib, dtype), requires_grad=requires_grad)


def dual(lib, values=(1.0, 2.0), tangents=(1.0, 10.0), dtype="float64"):
    return fw(lib).make_dual(t(lib, values, dtype=dtype), t(lib, tangents, dtype=dtype))


def matrix(lib):
    return dual(lib, [[1.0, 2.0], [3.0, 4.0]], [[1.0, 10.0], [100.0, 1000.0]])


def tangent(lib, x):
    found = fw(lib).unpack_dual(x).tangent
    if lib is torch and found is not None and (found._is_zerotensor() or found.is_conj() or found.is_neg()):
        return found.clone() if found._is_zerotensor() else found.resolve_conj().resolve_neg()  # which can be arrays
    return found


def steps(lib, x):
    return tuple(s // x.array.itemsize for s in x.array.strides) if hasattr(x, "array") else x.stride()


def each(table, do):
    """A program that does each entry of a table inside a level of its own."""

    def program(lib):
        found = {}
        for name, function in table.items():
            with fw(lib).dual_level():
                found[name] = attempt(lambda function=function: do(lib, function))
        return found

    return program


# ---- levels


@case
def nesting(lib):
    with fw(lib).dual_level() as level:
        again = attempt(lambda: fw(lib).enter_dual_level())
        x = dual(lib)
        found = level, again, tangent(lib, x * x)
    with fw(lib).dual_level() as level:
        return found, level


@case
def leaving(lib):
    leave = fw(lib).exit_dual_level
    found = [attempt(leave)] + [attempt(lambda n=n: leave(level=n)) for n in (0, -1, 3)]
    with fw(lib).dual_level():
        return found, [attempt(lambda n=n: leave(level=n)) for n in (1, -1)]


@case
def level_arguments(lib):
    found = []
    a, b = t(lib, [1.0]), t(lib, [2.0])
    make, unpack = fw(lib).make_dual, fw(lib).unpack_dual
    with fw(lib).dual_level():
        for level in (None, 0, 1, -1, 2):
            found.append(attempt(lambda level=level: tangent(lib, make(a, b, level=level))))
            found.append(attempt(lambda level=level: unpack(make(a, b), level=level).tangent))
    found += [attempt(lambda level=level: make(a, b, level=level)) for level in (None, 0, -1)]
    return found, [tuple(unpack(a, level=level)) for level in (None, 0)], unpack(a).primal is a


@case
def a_decorator(lib):
    @fw(lib).dual_level()
    def f(x):
        """Text."""
        return tangent(lib, fw(lib).make_dual(x, x) * 2)

    return f(t(lib, [1.0])), f.__name__, f.__doc__, attempt(lambda: fw(lib).dual_level(f))[0]


@case
def tangents_end_with_the_level(lib):
    with fw(lib).dual_level():
        d = dual(lib)
        y = d * d
    found = tangent(lib, y), tangent(lib, d)
    with fw(lib).dual_level():
        return found, tangent(lib, y), tangent(lib, d), tangent(lib, y * d)


@case
def an_exception_ends_the_level(lib):
    def fail():
        with fw(lib).dual_level():
            dual(lib)
            raise KeyError("k")

    return attempt(fail), attempt(lambda: dual(lib)), attempt(lambda: fw(lib).exit_dual_level())


# ---- making and unpacking


@case
def the_same_tangent(lib):
    v = t(lib, [3.0, 4.0])
    x = t(lib, [1.0, 2.0])
    with fw(lib).dual_level():
        d = fw(lib).make_dual(x, v)
        found = [tangent(lib, d) is v, tangent(lib, x), d is x, d._is_view(), d._base is x, d.requires_grad, d.is_leaf]
        e = fw(lib).make_dual(x, t(lib, [5.0, 6.0]))
        primal = fw(lib).unpack_dual(d).primal
        return found, tangent(lib, d), tangent(lib, e), primal is d, primal, tangent(lib, primal)


@case
def a_tangent_laid_out_otherwise(lib):
    found = []
    a, b = t(lib, [[1.0, 2.0], [3.0, 4.0]]), t(lib, [[5.0, 6.0], [7.0, 8.0]])
    with fw(lib).dual_level():
        for x, v in (
            (a, b),
            (a, b.t()),
            (a.t(), b),
            (a.t(), b.t()),
            (a, t(lib, [1.0]).expand(2, 2)),
            (a[:, :1], b[:, :1]),
        ):
            got = tangent(lib, fw(lib).make_dual(x, v))
            found.append((got is v, steps(lib, got), got))
    return found


@case
def primal_that_requires_grad(lib):
    x = t(lib, [1.0], True)
    with fw(lib).dual_level():
        d = fw(lib).make_dual(x, t(lib, [1.0]))
        primal = fw(lib).unpack_dual(d).primal
        other = fw(lib).unpack_dual(x).primal
        return [(p.requires_grad, p.is_leaf, p._is_view(), p is x) for p in (d, primal, other)]


@case
def sizes_that_differ(lib):
    with fw(lib).dual_level():
        return [
            attempt(lambda a=a, b=b: fw(lib).make_dual(t(lib, a), t(lib, b)))
            for a, b in (([1.0], [1.0, 2.0]), (1.0, [1.0]), ([[1.0, 2.0]], [1.0, 2.0]))
        ]


@case
def dtypes(lib):
    names = "float16", "float32", "float64", "complex64", "complex128", "int64", "bool"
    with fw(lib).dual_level():
        return [
            attempt(lambda a=a, b=b: tangent(lib, fw(lib).make_dual(t(lib, [1], dtype=a), t(lib, [2], dtype=b))))
            for a in names
            for b in names
        ]


@case
def duals_of_duals(lib):
    with fw(lib).dual_level():
        d = dual(lib)
        return attempt(lambda: fw(lib).make_dual(t(lib, [1.0, 2.0]), d)), attempt(
            lambda: fw(lib).make_dual(d, t(lib, [1.0, 2.0]))
        )


@case
def no_tensors(lib):
    with fw(lib).dual_level():
        one = t(lib, [1.0])
        return [
            attempt(lambda: fw(lib).make_dual(1.0, one))[0],
            attempt(lambda: fw(lib).make_dual(one, None))[0],
            attempt(lambda: fw(lib).unpack_dual(3.0)),
            attempt(lambda: fw(lib).unpack_dual(None)),
        ]


@case
def text(lib):
    x = t(lib, [1.0, 2.0])
    with fw(lib).dual_level():
        d = fw(lib).make_dual(x, t(lib, [3.0, 4.0]))
        single = dual(lib, dtype="float32")
        recorded = fw(lib).make_dual(t(lib, [1.0, 2.0], True), t(lib, [3.0, 4.0]))
        asked = fw(lib).make_dual(x, t(lib, [3.0, 4.0], True))
        large = fw(lib).make_dual(lib.eye(2), lib.ones(2, 2))
        return [repr(v) for v in (x, d, single, recorded, asked, large, d.sum(), single[0], d.detach())] + [
            str(d.tolist()),
            f"{single[0]:.2f}",
        ]


# ---- writes

# d.mul_(d) is not here: PyTorch overwrites the tangent before it has read it for the last time.
INPLACE = {
    "mul": lambda d, c: d.mul_(2),
    "add": lambda d, c: d.add_(1),
    "exp": lambda d, c: d.exp_(),
    "zero": lambda d, c: d.zero_(),
    "fill": lambda d, c: d.fill_(3.0),
    "copy": lambda d, c: d.copy_(c),
    "mul tensor": lambda d, c: d.mul_(c),
    "clamp": lambda d, c: d.clamp_(0, 1.5),
    "pow": lambda d, c: d.pow_(2),
    "div": lambda d, c: d.div_(c),
    "relu": lambda d, c: d.relu_(),
    "sub": lambda d, c: d.sub_(c, alpha=2),
    "addcmul": lambda d, c: d.addcmul_(c, c, value=3),
    "lerp": lambda d, c: d.lerp_(c, 0.5),
    "sqrt": lambda d, c: d.sqrt_(),
    "neg": lambda d, c: d.neg_(),
    "masked_fill": lambda d, c: d.masked_fill_(c > 1.5, 7.0),
    "index_fill": lambda d, c: d.index_fill_(0, c.argmax().reshape(1), 7.0),
    "floor": lambda d, c: d.floor_(),
    "round": lambda d, c: d.round_(),
    "sign": lambda d, c: d.sign_(),
    "cumsum": lambda d, c: d.cumsum_(0),
    "setitem": lambda d, c: d.__setitem__(0, 5.0),
    "setitem tensor": lambda d, c: d.__setitem__(0, c[1]),
}


def overwritten(lib, function):
    d = dual(lib)
    given = tangent(lib, d)
    function(d, t(lib, [1.0, 3.0]))
    return d, tangent(lib, d), tangent(lib, d) is given, given


case["in place"] = each(INPLACE, overwritten)


@case
def shapes_and_memory_that_fit_all_the_same(lib):
    with fw(lib).dual_level():
        d, x = matrix(lib), t(lib, [[1.0, 2.0], [3.0, 4.0]])
        x[...] = d.unsqueeze(0)
        d[0] = x[1:] * 2
        wide = dual(lib).expand(2, 2)
        wide.fill_(2.0)
        return [(v, tangent(lib, v)) for v in (x, d, wide)]


@case
def random_numbers_in_place(lib):
    with fw(lib).dual_level():
        found = []
        for name in ("normal_", "uniform_", "bernoulli_", "exponential_", "random_"):
            d = dual(lib)
            getattr(d, name)()
            found.append(tangent(lib, d))
        return found


WRITES = {
    "mul": lambda x, d, lib: x.mul_(d),
    "copy": lambda x, d, lib: x.copy_(d),
    "addcmul": lambda x, d, lib: x.addcmul_(d, d),
    "sub": lambda x, d, lib: x.sub_(d),
    "item": lambda x, d, lib: x.__setitem__(0, d[0]),
    "all": lambda x, d, lib: x.__setitem__(slice(None), d),
    "view": lambda x, d, lib: x[0:1].mul_(d[1:]),
    "element": lambda x, d, lib: x[0].copy_(d[1]),
    "reshaped": lambda x, d, lib: x.view(2, 1).mul_(d.view(2, 1)),
    "index_add": lambda x, d, lib: x.index_add_(0, lib.tensor([1, 0]), d),
    "index_copy": lambda x, d, lib: x.index_copy_(0, lib.tensor([1, 0]), d),
    "scatter": lambda x, d, lib: x.scatter_(0, lib.tensor([1, 0]), d),
    "scatter_add": lambda x, d, lib: x.scatter_add_(0, lib.tensor([1, 1]), d),
    "masked_scatter": lambda x, d, lib: x.masked_scatter_(lib.tensor([True, False]), d),
    "fill": lambda x, d, lib: x.fill_(d[0]),
    "index_put": lambda x, d, lib: x.index_put_((lib.tensor([1, 1]),), d, accumulate=True),
    "put": lambda x, d, lib: x.put_(lib.tensor([1]), d[:1]),
    "masked_fill": lambda x, d, lib: x.masked_fill_(lib.tensor([True, False]), d[1]),
    "pow": lambda x, d, lib: x.pow_(d),
    "mask": lambda x, d, lib: x.__setitem__(lib.tensor([True, False]), d[1]),
    "indices": lambda x, d, lib: x.__setitem__(lib.tensor([1, 0]), d),
    "lerp": lambda x, d, lib: x.lerp_(d, 0.5),
    "atan2": lambda x, d, lib: x.atan2_(d),
    "detached": lambda x, d, lib: x.detach().add_(d),
}


def written(lib, function):
    x, d = t(lib, [4.0, 5.0]), dual(lib)
    before = x[1:]
    function(x, d, lib)
    return x, tangent(lib, x), tangent(lib, before), tangent(lib, x[:1])


case["into tensors without tangent"] = each(WRITES, written)


@case
def views_made_before(lib):
    with fw(lib).dual_level():
        d = matrix(lib)
        views = d[0], d.t(), d.view(4), d

        def now():
            return [tangent(lib, v).clone() for v in views]

        found = []
        d.mul_(2)
        found += now()
        views[0].mul_(3)
        found += now()
        views[1][1].zero_()
        found += now()
        views[2][3] = d[0, 0]
        return found + now(), d


@case
def a_base_that_had_none(lib):
    found = []
    for whole in (False, True):
        x = t(lib, [[1.0, 2.0], [3.0, 4.0]])
        views = x[0], x.view(4)
        with fw(lib).dual_level():
            (x if whole else views[0]).mul_(matrix(lib) if whole else dual(lib))
            found += [tangent(lib, v) for v in (*views, x, x[1])]
    return found


@case
def a_base_in_columns(lib):
    with fw(lib).dual_level():
        x = t(lib, [[1.0, 2.0], [3.0, 4.0]]).t().contiguous().t()
        x[0].mul_(matrix(lib)[0])
        d = fw(lib).make_dual(t(lib, [[1.0, 2.0], [3.0, 4.0]]).t(), t(lib, [[1.0, 10.0], [100.0, 1000.0]]))
        flat = d.t().view(4)
        flat[0] = 7.0
        flat[1:3].mul_(2)
        e = fw(lib).make_dual(t(lib, [[1.0, 2.0], [3.0, 4.0]]), t(lib, 1.0).expand(2, 2))
        e[0].mul_(3)
        return [(tangent(lib, v), steps(lib, tangent(lib, v))) for v in (x, x.t().view(4), d, flat, e, e.view(4))], d


@case
def the_primal_stays_without(lib):
    x = t(lib, [1.0, 2.0, 3.0])
    tail = x[1:]
    with fw(lib).dual_level():
        found = []
        for source, v in ((x, [1.0, 10.0, 100.0]), (tail, [10.0, 100.0])):
            d = fw(lib).make_dual(source, t(lib, v))
            found += [tangent(lib, tail), tangent(lib, x), tangent(lib, d).clone()]
            d.mul_(2)
            found += [tangent(lib, tail), tangent(lib, x), tangent(lib, d), x.clone()]
        return found


@case
def leaves_and_versions(lib):
    with fw(lib).dual_level():
        x = t(lib, [1.0, 2.0], True)
        d = fw(lib).make_dual(x, t(lib, [1.0, 10.0]))
        found = [attempt(lambda: d.mul_(2))]
        with lib.no_grad():
            found.append(tangent(lib, d.mul_(2)))
        v = t(lib, [1.0, 10.0], True)
        d = fw(lib).make_dual(t(lib, [1.0, 2.0]), v)
        found += [d.requires_grad, (d * 2).requires_grad, tangent(lib, d * 2).requires_grad, attempt(lambda: d.mul_(2))]
        y = t(lib, [1.0, 2.0])
        d = fw(lib).make_dual(y, t(lib, [1.0, 10.0]))
        versions = [s._version for s in (y, d, tangent(lib, d))]
        d.mul_(2)
        return found, versions, [s._version for s in (y, d, tangent(lib, d))]


@case
def data(lib):
    with fw(lib).dual_level():
        x = t(lib, [1.0, 2.0])
        x.data = dual(lib)
        return tangent(lib, x), tangent(lib, dual(lib).data)


# addcmul is not here: PyTorch lets the result share its operand's tangent where the factors are numbers.
FRESH = {
    "add": lambda d, lib: d + 1,
    "sub": lambda d, lib: d - 1,
    "mul": lambda d, lib: d * 1,
    "clone": lambda d, lib: d.clone(),
    "relu": lambda d, lib: lib.relu(d),
    "cat": lambda d, lib: lib.cat([d]),
    "stack": lambda d, lib: lib.stack([d]),
    "where": lambda d, lib: lib.where(d > -1, d, d),
    "pos": lambda d, lib: (d * 1) + 0,
    "sum": lambda d, lib: d.unsqueeze(0).sum(0),
    "broadcast": lambda d, lib: d[0, 0] + lib.zeros(3, dtype=lib.float64),
    "abs": lambda d, lib: d.abs(),
    "clamp": lambda d, lib: d.clamp(-100, 100),
    "contiguous": lambda d, lib: d.t().contiguous(),
    "flatten": lambda d, lib: d.t().flatten(),
    "repeat": lambda d, lib: d.repeat(1, 1),
    "roll": lambda d, lib: d.roll(0),
    "tril": lambda d, lib: d.tril(5),
    "maximum": lambda d, lib: lib.maximum(d, d - 100),
    "rows": lambda d, lib: d[[0, 1]],
    "mask": lambda d, lib: d[d > -100],
    "sort": lambda d, lib: d.sort(0).values,
    "index_select": lambda d, lib: d.index_select(0, lib.tensor([0, 1])),
    "pad": lambda d, lib: lib.nn.functional.pad(d, (0, 0)),
    "masked_fill": lambda d, lib: d.masked_fill(d < -100, 0.0),
    "mean": lambda d, lib: d.unsqueeze(0).mean(0),
    "amax": lambda d, lib: d.unsqueeze(0).amax(0),
    "prod": lambda d, lib: d.unsqueeze(0).prod(0),
    "outer sum": lambda d, lib: d[:, 0:1] + d[0:1],
    "transposed": lambda d, lib: d.t() * 1,
}


def fresh(lib, function):
    """A write to a result reaches neither its operand nor that one's tangent."""
    d = matrix(lib)
    y = function(d, lib)
    y.mul_(2)
    return y, tangent(lib, y), d, tangent(lib, d)


case["results of their own"] = each(FRESH, fresh)

VIEWS = {
    "element": lambda d, lib: d[0],
    "slice": lambda d, lib: d[:, 1:],
    "t": lambda d, lib: d.t(),
    "view": lambda d, lib: d.view(4),
    "expand": lambda d, lib: d[:1].expand(2, 2),
    "unsqueeze": lambda d, lib: d.unsqueeze(0),
    "squeeze": lambda d, lib: d[:1].squeeze(0),
    "diagonal": lambda d, lib: d.diagonal(),
    "unfold": lambda d, lib: d.view(4).unfold(0, 2, 1),
    "narrow": lambda d, lib: d.narrow(0, 1, 1),
    "permute": lambda d, lib: d.permute(1, 0),
    "as_strided": lambda d, lib: d.as_strided((3,), (1,)),
    "unbind": lambda d, lib: d.unbind()[1],
    "split": lambda d, lib: d.split(1)[1],
    "flatten": lambda d, lib: d.flatten(),
    "unflatten": lambda d, lib: d.unflatten(0, (1, 2)),
    "reshape": lambda d, lib: d.reshape(4),
    "as complex": lambda d, lib: lib.view_as_complex(d),
    "chunk": lambda d, lib: d.chunk(2)[0],
    "mT": lambda d, lib: d.mT,
    "newaxis": lambda d, lib: d[None],
    "ellipsis": lambda d, lib: d[..., 0],
}


def seen(lib, function):
    d = matrix(lib)
    y = function(d, lib)
    before = tangent(lib, y).clone()
    d.mul_(2)
    return before, tangent(lib, y), y._is_view()


case["views"] = each(VIEWS, seen)


# ---- what has a tangent, and what has none


@case
def modes(lib):
    found = []
    with fw(lib).dual_level():
        d = dual(lib)
        with lib.no_grad():
            found += [tangent(lib, d * d), tangent(lib, dual(lib).mul_(3))]
        with lib.inference_mode():
            found += [tangent(lib, d), tangent(lib, d * d), tangent(lib, dual(lib) * 2)]
        found += [
            tangent(lib, d * d),
            tangent(lib, d.detach()),
            tangent(lib, d.data),
            tangent(lib, d.detach().clone()),
            tangent(lib, d.clone()),
        ]
        found += [
            tangent(lib, d.view_as(d)),
            tangent(lib, d.float()),
            tangent(lib, d.float().double()),
            tangent(lib, d.cpu()),
        ]
        return found, attempt(lambda: dual(lib).detach_())


CREATED = {
    "zeros_like": lambda d, lib: lib.zeros_like(d),
    "ones_like": lambda d, lib: lib.ones_like(d),
    "full_like": lambda d, lib: lib.full_like(d, 2.0),
    "new_zeros": lambda d, lib: d.new_zeros(2),
    "new_tensor": lambda d, lib: d.new_tensor([1.0, 2.0]),
    "rand_like": lambda d, lib: lib.rand_like(d),
    "tensor": lambda d, lib: lib.tensor(d),
    "as_tensor": lambda d, lib: lib.as_tensor(d),
    "empty_like": lambda d, lib: lib.empty_like(d),
    "multinomial": lambda d, lib: lib.multinomial(d, 1),
    "dropout of none": lambda d, lib: lib.nn.functional.dropout(d, 0.0),
    "dropout of all": lambda d, lib: lib.nn.functional.dropout(d, 1.0),
    "diag": lambda d, lib: lib.diag(d),
    "cat": lambda d, lib: lib.cat([d, d.detach()]),
    "argmax": lambda d, lib: lib.argmax(d),
    "comparison": lambda d, lib: d > 1,
    "int": lambda d, lib: d.int(),
    "and back": lambda d, lib: d.int().double(),
    "isnan": lambda d, lib: lib.isnan(d),
    "indices": lambda d, lib: d.sort().indices,
    "values": lambda d, lib: d.sort().values,
    "floor": lambda d, lib: lib.floor(d),
    "remainder": lambda d, lib: d % 2,
    "nonzero": lambda d, lib: d.nonzero(),
    "not": lambda d, lib: lib.logical_not(d),
    "zero times": lambda d, lib: d * 0,
    "where": lambda d, lib: lib.where(d > 1, d, 0.0),
    "minus itself": lambda d, lib: d - d,
    "something else": lambda d, lib: d.detach() * 2,
    "floor_divide": lambda d, lib: d // 2,
    "heaviside": lambda d, lib: lib.heaviside(d, d),
    "half": lambda d, lib: d.half() * d.half(),
    "wider": lambda d, lib: d.float() * d.detach(),
    "complex number": lambda d, lib: d + 1j,
    "integers": lambda d, lib: d * lib.tensor([1, 2]),
    "deepcopy": lambda d, lib: copy.deepcopy(d),
}
case["created"] = each(CREATED, lambda lib, function: tangent(lib, function(dual(lib), lib)))

SEVERAL = {
    "unbind": lambda d, lib: d.unbind(),
    "split": lambda d, lib: d.split(1),
    "chunk": lambda d, lib: d.chunk(2, 1),
    "var_mean": lambda d, lib: lib.var_mean(d),
    "std_mean": lambda d, lib: lib.std_mean(d),
    "aminmax": lambda d, lib: lib.aminmax(d),
    "cummax": lambda d, lib: d.cummax(0),
    "median": lambda d, lib: d.median(0),
    "kthvalue": lambda d, lib: d.kthvalue(1),
    "mode": lambda d, lib: d.mode(0),
    "topk": lambda d, lib: d.topk(1),
    "max": lambda d, lib: d.max(0),
    "meshgrid": lambda d, lib: lib.meshgrid(d[0], d[1], indexing="ij"),
}
case["several results"] = each(SEVERAL, lambda lib, function: [tangent(lib, r) for r in function(matrix(lib), lib)])

COMPLEX = {
    "abs": lambda z, lib: lib.abs(z),
    "real": lambda z, lib: z.real,
    "imag": lambda z, lib: z.imag,
    "conj": lambda z, lib: lib.conj(z),
    "angle": lambda z, lib: lib.angle(z),
    "mul": lambda z, lib: z * z,
    "square": lambda z, lib: z * z.conj(),
    "exp": lambda z, lib: lib.exp(z),
    "sqrt": lambda z, lib: lib.sqrt(z),
    "inverse": lambda z, lib: 1 / z,
    "view_as_real": lambda z, lib: lib.view_as_real(z),
    "sgn": lambda z, lib: lib.sgn(z),
    "log": lambda z, lib: lib.log(z),
    "sum": lambda z, lib: lib.sum(z),
    "prod": lambda z, lib: lib.prod(z),
    "norm": lambda z, lib: z.norm(),
    "mm": lambda z, lib: z.reshape(2, 1) @ z.reshape(1, 2),
    "mH": lambda z, lib: z.reshape(1, 2).mH,
    "vdot": lambda z, lib: lib.vdot(z, z),
    "dot": lambda z, lib: lib.dot(z, z),
    "pow": lambda z, lib: z**2.5,
    "power of two": lambda z, lib: 2**z,
    "tanh": lambda z, lib: lib.tanh(z),
    "polar": lambda z, lib: lib.polar(z.abs(), z.angle()),
    "complex": lambda z, lib: lib.complex(z.real, z.imag),
    "cumsum": lambda z, lib: z.cumsum(0),
    "cumprod": lambda z, lib: z.cumprod(0),
    "reciprocal": lambda z, lib: lib.reciprocal(z),
    "times real": lambda z, lib: z * z.real,
    "std": lambda z, lib: lib.std(z),
    "var": lambda z, lib: lib.var(z),
    "where": lambda z, lib: lib.where(z.real > 0, z, z.conj()),
    "narrower": lambda z, lib: z.to(lib.complex64),
    "real to complex": lambda z, lib: z.abs().to(lib.complex128),
    "sigmoid": lambda z, lib: lib.sigmoid(z),
    "number": lambda z, lib: z * (1 + 2j),
    "resolve_conj": lambda z, lib: z.conj().resolve_conj(),
    "view_as_complex": lambda z, lib: lib.view_as_complex(lib.view_as_real(z) * 2),
}
case["complex"] = each(
    COMPLEX,
    lambda lib, function: tangent(lib, function(dual(lib, [1 + 2j, 3 - 1j], [1 - 1j, 2 + 5j], "complex128"), lib)),
)


@case
def complex_parts_in_place(lib):
    with fw(lib).dual_level():
        z = dual(lib, [1 + 2j, 3 - 1j], [1 - 1j, 2 + 5j], "complex128")
        real, imag = z.real, z.imag
        real.mul_(2)
        imag.zero_()
        return z, tangent(lib, z), tangent(lib, real)


OUT = {
    "mul": lambda d, o, lib: lib.mul(d, 2, out=o),
    "into a dual": lambda d, o, lib: lib.mul(o, 2, out=d),
    "exp": lambda d, o, lib: lib.exp(d, out=o),
    "sum": lambda d, o, lib: lib.sum(d, 0, out=lib.tensor(0.0, dtype=lib.float64)),
    "neither": lambda d, o, lib: lib.mul(o, o, out=o),
    "sort": lambda d, o, lib: lib.sort(d, out=(o, lib.tensor([0, 0]))),
    "no_grad": lambda d, o, lib: lib.no_grad()(lambda: lib.add(d, 2, out=o))(),
}
case["out"] = each(OUT, lambda lib, function: function(dual(lib), t(lib, [1.0, 1.0]), lib))


# ---- with reverse mode


@case
def forward_over_reverse(lib):
    x = t(lib, [1.0, 2.0], True)
    found = []
    with fw(lib).dual_level():
        d = fw(lib).make_dual(x, t(lib, [1.0, 10.0]))
        for target, graph in ((d, False), (x, False), (x, True)):
            (gradient,) = lib.autograd.grad((d**3).sum(), target, create_graph=graph)
            found.append(gradient)
            found.append(tangent(lib, gradient))
        d.register_hook(lambda g: found.append(tangent(lib, g)))
        (d * d).sum().backward()
        # Of the first gradient PyTorch keeps no tangent; the second one's is there.
        (d * d).sum().backward()
    return found, x.grad


@case
def gradients_that_are_dual(lib):
    x = t(lib, [1.0, 2.0], True)
    with fw(lib).dual_level():
        (gradient,) = lib.autograd.grad(x * x, x, dual(lib, [1.0, 1.0], [3.0, 4.0]))
        return gradient, tangent(lib, gradient)


@case
def reverse_over_forward(lib):
    x, v = t(lib, [1.0, 2.0], True), t(lib, [1.0, 10.0], True)
    with fw(lib).dual_level():
        y, along = fw(lib).unpack_dual(fw(lib).make_dual(x, v) ** 3)
        found = lib.autograd.grad(along.sum(), [x, v], retain_graph=True), lib.autograd.grad(y.sum(), [x]), along
        later = fw(lib).unpack_dual(fw(lib).make_dual(x, v).exp()).tangent
    later.sum().backward()
    return found, x.grad, v.grad


@case
def modules(lib):
    layer = lib.nn.Linear(2, 1, bias=False).double()
    with lib.no_grad():
        layer.weight.copy_(t(lib, [[1.0, 2.0]]))
    with fw(lib).dual_level():
        found = [tangent(lib, layer(dual(lib)))]
        weight = fw(lib).make_dual(layer.weight, t(lib, [[3.0, 4.0]]))
        found.append(attempt(lambda: setattr(layer, "weight", weight))[0])
        del layer.weight
        layer.weight = weight
        return [*found, tangent(lib, layer(dual(lib)))]


@pytest.mark.parametrize("name", case)
def test_as_torch(name):
    check(case[name], within=1e-12, warned=False)
