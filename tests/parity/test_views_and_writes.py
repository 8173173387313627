"""What PyTorch says of views, writes and inference tensors, fact by fact: each program prints the same here as there,
error texts included.
"""

from __future__ import annotations

import re
import textwrap
import warnings
from typing import Any

import numpy as np
import pytest

import tapegrad

torch = pytest.importorskip("torch")


def _unnumbered(text: str) -> str:
    """Nodes' names without PyTorch's number of the overload; it finds a strided view's history again by strides, which
    here what made the view gives.
    """
    return re.sub(r"Backward\d", "Backward", text).replace("AsStridedBackward", "SliceBackward")


def printed(m: Any, program: str) -> list[Any]:
    """What `program` shows, run with the library `m`."""
    shown: list[Any] = []

    def show(*values: Any) -> None:
        for v in values:
            shown.append(v.detach().tolist() if isinstance(v, (torch.Tensor, tapegrad.Tensor)) else _unnumbered(str(v)))

    def err(f: Any) -> None:
        try:
            f()
        except Exception as error:  # whatever it is, the other library is to raise it too
            shown.append(
                (type(error).__name__, re.sub("output 0 of (AsStrided|Slice),", "output 0 of a view,", str(error)))
            )
        else:
            shown.append("no error")

    def leaf(*shape: int) -> Any:
        return (
            m.arange(1.0, float(np.prod(shape, dtype=int)) + 1, dtype=m.float64).reshape(shape).clone().requires_grad_()
        )

    class Tripled(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(3)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

    class Flat(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.view(-1)

        @staticmethod
        def backward(ctx, grad):
            return grad.view(2, 3)

    def fn(t: Any) -> str | None:
        return None if t.grad_fn is None else t.grad_fn.name()

    space = {"m": m, "show": show, "err": err, "leaf": leaf, "fn": fn, "tripled": Tripled.apply, "flat": Flat.apply}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(textwrap.dedent(program), space)
    return shown


PROGRAMS = {
    "base": """
        x = leaf(2, 3)
        v = x[0]; w = v[1:]; d = v.detach()
        show(v._base is x, w._base is x, x._base is None, d._is_view(), d._base, v._is_view(), (x * 1)._is_view(), d[0]._base is d)
        y = x * 1
        with m.no_grad(): z = y[0]
        show(y.view(6)._base is y, y.data._is_view(), z._is_view(), z._base is y, y.unbind(0)[0]._base is y, m.arange(6)[:2]._is_view())
        """,
    "a view made under no_grad": """
        x = leaf(3); y = x * 1
        with m.no_grad(): u, v = x[:2], y[:2]
        for t in (u, v):
            show(t.requires_grad, t.is_leaf, fn(t), repr(t), (t * 2).requires_grad)
            err(lambda: t.mul_(2)); err(lambda: t[:1].mul_(2)); err(lambda: t.numpy()); err(lambda: (t * 2).sum().backward()); show(t.grad, x.grad)
            err(lambda: t.backward(m.ones(2, dtype=m.float64))); err(lambda: m.autograd.grad((t * 2).sum(), t))
        y.mul_(2)
        show(v.requires_grad, repr(v))
        err(lambda: v.is_leaf); err(lambda: v.grad_fn); err(lambda: v * 2); err(lambda: v.mul_(2))
        v.requires_grad_(False)
        show(v.requires_grad)
        b = m.zeros(3, dtype=m.float64)
        with m.no_grad(): w = b[:2]
        err(lambda: w.add_(1)); err(lambda: w.add_(leaf(2)))
        b.mul_(leaf(3))
        show(w.requires_grad); err(lambda: w.grad_fn); err(lambda: w.add_(1))
        """,
    "views of leaves": """
        x = leaf(2, 3)
        for write in ("x.add_(1)", "x.t_()", "x.detach_()", "x.resize_(2)", "x.view(6).mul_(2)", "x[0].unsqueeze_(0)", "x.expand(2, 2, 3).mul_(2)",
                      "x.unbind()[0].mul_(2)", "x.as_strided_((2,), (1,))", "x.normal_()", "x.index_fill_(0, m.tensor([0]), 1.)", "x.eq_(1)", "x.copy_(x)",
                      "x[0].view(3)[1:].mul_(2)", "x.clamp_(0)"):
            x = leaf(2, 3)
            err(lambda: eval(write)); show(x._version)
        for index in (0, slice(None), slice(0, 2), slice(0, 1), Ellipsis, (), None, True, [0], (0, [1]), (slice(None), [1]), (0, 1), 5, x > 1, m.tensor(0)):
            x = leaf(2, 3)
            err(lambda: x.__setitem__(index, 1.)); show(x._version)
        with m.no_grad():
            x[0] = 1.; x[1, [0]] = 7.
        show(x, x._version, x.grad_fn, x.requires_grad)
        z = m.zeros(3, dtype=m.float64); v = z[:2]; v.requires_grad_()
        show(v.requires_grad, v.is_leaf, fn(v), z.requires_grad); err(lambda: v.mul_(2)); err(lambda: z.mul_(2)); show(z._version)
        z = m.zeros(3, dtype=m.float64); v = z[:2]; z.requires_grad_()
        show(v.requires_grad, v.is_leaf, fn(v)); err(lambda: v.mul_(2)); err(lambda: (v * 2).sum().backward()); show(z.grad, v.grad)
        x = leaf(3); v = x[:2]; err(lambda: v.requires_grad_(False)); x.requires_grad_(False); show(v.requires_grad, fn(v)); err(lambda: v.mul_(2))
        """,
    "several views": """
        for split in ("y.unbind()", "y.split(1)", "y.chunk(2)", "y.split([1, 1])", "y.tensor_split(2)", "y.hsplit(3)", "tuple(y)"):
            x = leaf(2, 3); y = x * 1; u = eval(split)
            show(split, u[0]._is_view(), u[0]._base is y, fn(u[0]), u[1].output_nr)
            err(lambda: u[0].mul_(2)); err(lambda: u[0][0].mul_(2))
            with m.no_grad(): u[1].mul_(2)
            show(y._version, u[0]._version, repr(u[0])); err(lambda: u[0].grad_fn.name()); err(lambda: u[0] * 2)
        for split in ("y.unsafe_split(1)", "y.unsafe_chunk(2)", "m.unsafe_split(y, 1)", "m.unsafe_chunk(y, 2)"):
            x = leaf(2, 3); y = x * 1; u = eval(split)
            show(split, u[0]._is_view(), fn(u[0]), u[1].output_nr)
            u[0].mul_(3); u[0][0].mul_(2); (u[0] + u[1]).sum().backward(); show(x.grad, y._version)
        y = m.zeros(2, 3); u = y.unbind(); u[0].add_(1); show(y); err(lambda: u[0].add_(leaf(3).float())); show(y.requires_grad)
        """,
    "names": """
        edges = lambda t: [n and n.name() for n, _ in t.grad_fn.next_functions]
        for index, value in ((0, 5.), (slice(0, 2), leaf(2)), (slice(None), leaf(3)), (Ellipsis, leaf(3)), (slice(0, 3), leaf(3)), ((), leaf(3)), ([0, 1], 5.)):
            y = leaf(3) * 1
            y[index] = value
            show(fn(y), edges(y), y._version, repr(y))
        y = leaf(3) * 1; y[0:2].mul_(2); show(fn(y), type(y.grad_fn).__name__, repr(y))
        y = leaf(3) * 1; y.copy_(leaf(3)); show(fn(y), repr(y))
        for op in ("mul_(2)", "add_(1)", "exp_()", "fill_(3)", "t_()", "squeeze_()", "unsqueeze_(0)", "as_strided_((2,), (1,))", "relu_()"):
            y = leaf(2, 2) * 1
            show(eval("y." + op) is y, fn(y), tuple(y.shape), y._version)
        """,
    "flags": """
        for d in (m.int64, m.bool):
            t = m.zeros(2).to(d)
            err(lambda: t.requires_grad_()); err(lambda: setattr(t, "requires_grad", True)); err(lambda: t.requires_grad_(False))
            err(lambda: m.zeros(2, dtype=d, requires_grad=True)); err(lambda: m.tensor([1, 0], dtype=d, requires_grad=True))
        t = leaf(2)
        for value in (None, 1, "a"):
            err(lambda: setattr(t, "requires_grad", value)); err(lambda: t.requires_grad_(value))
        for name in ("data", "requires_grad", "_backward_hooks", "grad"):
            err(lambda: delattr(t, name))
        y = t * 1
        show(t._backward_hooks, y._backward_hooks)
        y.register_hook(lambda g: g); y.register_hook(lambda g: g)
        show(len(y._backward_hooks)); err(lambda: y.requires_grad_(False)); show(y.requires_grad_() is y, t.argmax().requires_grad, (t > 1).requires_grad)
        """,
    "data": """
        x = leaf(3); before = id(x); y = x * x
        x.data = m.zeros(3, dtype=m.float64)
        show(id(x) == before, x._version, x.requires_grad, x); y.sum().backward(); show(x.grad)
        x = leaf(3); d = x.data; d.add_(1); show(d._version, x._version, x.data._version, x)
        for value in (m.zeros(3, dtype=m.int64), None, 3.):
            err(lambda: setattr(x, "data", value))
        x.data = m.zeros(2, 2); show(tuple(x.shape), x.dtype, x.requires_grad)
        y = leaf(3) * 1; v = y[:2]; v.data = m.ones(2, dtype=m.float64); show(v._is_view(), fn(v), v.requires_grad, v._version)
        a = leaf(3); d = a.detach(); a.data = m.zeros(3, dtype=m.float64); d.add_(1); show(a._version, d._version, a)
        """,
    "detach": """
        x = leaf(2, 3); y = x * 1; v = y[0]; d = v.detach()
        d.zero_(); show(y._version, v._version, d._version, y); d[0] = 1.; show(y._version, d.is_leaf, d.requires_grad, (v is d))
        x = leaf(2, 3); y = x.exp(); z = y * y; y.detach().mul_(2); err(lambda: z.sum().backward())
        y = x * 1; v = y[0]
        err(lambda: v.detach_()); err(lambda: y.unbind()[0].detach_()); err(lambda: m.zeros(3)[:2].detach_()); err(lambda: y.detach().detach_())
        y.detach_(); show(y.requires_grad, fn(v), v.requires_grad, v._base is y); v.sum().backward(); show(x.grad); err(lambda: v.mul_(2))
        """,
    "hooks of what a view was": """
        log = []
        note = lambda name: lambda g: log.append((name, g.tolist()))
        x = leaf(3); y = x * 1; v = y[:2]; z = v * 5
        v.register_hook(note("old")); v.mul_(3); v.register_hook(note("new")); (y.sum() + v.sum() + z.sum()).backward(); show(list(log), x.grad); log.clear()
        x = leaf(3); y = x * 1; v = y[:2]; w = v[:1]
        v.register_hook(lambda g: g * 10); w.mul_(2); (y.sum() + v.sum() + w.sum()).backward(); show(x.grad)
        x = leaf(3); y = x * 1; v = y[:2]; v.register_hook(lambda g: g * 10); v[0] = 3.; (y.sum() + v.sum()).backward(); show(x.grad)
        x = leaf(3); y = x * 1; v = y[:2]; v.register_hook(lambda g: g * 10); v.unsqueeze_(0); (y.sum() + v.sum()).backward(); show(x.grad)
        x = leaf(3); y = x * 1; v, w = y[:2], y[:2]
        v.register_hook(note("v")); w.register_hook(note("w")); y.register_hook(note("y")); y.mul_(2); y.register_hook(note("y2"))
        w.grad_fn; w.register_hook(note("w2")); (v + w).sum().backward(); show(list(log), x.grad)
        """,
    "retained gradients": """
        x = leaf(3); y = x * 1; y.retain_grad(); y.mul_(2); y.mul_(3); y.sum().backward(); show(y.grad, x.grad)
        x = leaf(3); y = x * 1; y.retain_grad(); z = y * 2; y.mul_(3); (z.sum() + y.sum()).backward(); show(y.grad)
        x = leaf(3); y = x * 1; y.retain_grad(); v = y[:2]; v.mul_(2); (y * 5).sum().backward(); show(y.grad, x.grad)
        for through in "vy":
            for written in "vy":
                x = leaf(3); y = x * 1; v = y[:2]; v.retain_grad(); eval(written).mul_(2); (eval(through) * 5).sum().backward()
                show(v.grad, x.grad, v.retains_grad)
        """,
    "what the target of a write shares": """
        places = {"same": lambda y: (y, y), "alias": lambda y: (y, y[:]), "t": lambda y: (y, y.t()), "rows": lambda y: (y[1:], y[:-1]),
                  "detached": lambda y: (y, y.detach().t()), "apart": lambda y: (y[:1], y[1:2]),
                  "row": lambda y: (y, y[0])}
        for op in ("add_(b)", "mul_(b)", "copy_(b)", "pow_(b)", "lerp_(b, 0.5)", "addcmul_(b, b)", "masked_fill_(b > 1, 0.)", "atan2_(b)", "eq_(b)",
                   "clamp_(min=b)", "__setitem__(slice(None), b)", "index_put_((m.tensor([0]),), b[0])", "__setitem__([0], b[:1])", "fill_(b.flatten()[0])"):
            for place, pair in places.items():
                for flows in (False, True):
                    a, b = pair(m.arange(1., 10., dtype=m.float64).reshape(3, 3).requires_grad_(flows) * 1)
                    show(op, place, flows); err(lambda: eval("a." + op))
        """,
    "repeated elements": """
        for write in ("add_(1)", "mul_(v)", "exp_()", "copy_(m.zeros(2, 3))", "clamp_(0)", "normal_()", "__setitem__(slice(None), 1.)", "cumsum_(0)",
                      "__setitem__(0, 1.)", "__setitem__((0, 0), 5.)", "t_()", "__setitem__((slice(None), 0), 1.)", "unbind()[0].add_(1)", "detach().add_(1)"):
            for flows in (False, True):
                x = m.arange(3.).requires_grad_(flows) * 1; v = x.expand(2, 3)
                show(write, flows); err(lambda: eval("v." + write)); show(x._version)
        x = m.arange(3.) * 1; v = x.expand(2, 3); v.fill_(2.); show(x); v.zero_(); show(x)
        x = leaf(3); y = x * 1; v = y.expand(2, 3); v[0, 0] = 5.; (v * 2).sum().backward(); show(x.grad, y)
        """,
    "shapes changed in place": """
        for change in ("t_()", "transpose_(0, 1)", "squeeze_()", "unsqueeze_(0)", "as_strided_((3, 2), (1, 3))"):
            x = leaf(2, 3); y = x * 1; row = y[0]
            show(eval("y." + change) is y, tuple(y.shape), y._is_view(), y._base, row._base is y, y._version, row._version)
            y.mul_(2); (y.sum() + row.sum()).backward(); show(x.grad, row)
            x = leaf(2, 3); y = x * 1; v = y[:, 1:]; eval("v." + (change if "as" not in change else "t_()"))
            v.mul_(2); show(v._is_view(), v._base is y, fn(y), y); y.sum().backward(); show(x.grad)
        u = leaf(2, 3).unbind()[0]; err(lambda: u.unsqueeze_(0))
        with m.no_grad(): v = leaf(2, 3)[:]
        err(lambda: v.t_())
        x = leaf(2, 3)
        with m.no_grad(): x.t_()
        show(x.requires_grad, x.is_leaf, tuple(x.shape)); (x * x).sum().backward(); show(x.grad)
        z = m.zeros(2, 3); v = z[0]; z.t_(); z.add_(leaf(2).float()); show(v.requires_grad, z.requires_grad, v._base is z)
        err(lambda: m.zeros(2, 3, 4).t_()); err(lambda: m.zeros(2, 3).transpose_(0, 5)); err(lambda: m.zeros(2, 3).unsqueeze_(5))
        """,
    "custom Functions": """
        x = leaf(2, 3); y = x * 1; v = flat(y)
        show(v._is_view(), v._base is y, fn(v)); err(lambda: v.mul_(2)); err(lambda: v[0:2].mul_(2)); y.mul_(2); err(lambda: v.grad_fn); show(repr(v))
        x = leaf(3); y = x * 1; v = y[:2]; show(tripled(v) is v, v._is_view(), fn(y), y._version); y.sum().backward(); show(x.grad)
        x = leaf(3); y = x * 1; v = y[:2]; tripled(y); (v * 3).sum().backward(); show(x.grad)
        for t in (leaf(3), leaf(3)[:2], (leaf(2, 3) * 1).unbind()[0]):
            err(lambda: tripled(t))
        """,
    "overwritten": """
        x = leaf(3)
        for op in ("exp", "tanh", "sigmoid", "sqrt", "sin", "square"):
            y = x * 1; z = getattr(y, op)(); y.mul_(2); err(lambda: z.sum().backward())
            y = x * 1; z = getattr(y, op)(); z.mul_(2); err(lambda: z.sum().backward())
        y = x * 1; v = y[0:2]; v.mul_(2); z = v * v; y.mul_(2); err(lambda: z.sum().backward())
        for op in ("pow_(2)", "mul_(y)", "mul_(w)", "div_(w)", "pow_(w)", "addcmul_(w, w)", "lerp_(w, 0.5)", "atan2_(w)", "exp_()", "clamp_(1.5)"):
            x = leaf(3); w = leaf(3); y = x * 1; eval("y." + op); err(lambda: y.sum().backward()); show(x.grad, w.grad)
            x = leaf(3); w = leaf(3)[:2]; y = x * 1; eval("y[:2]." + op.replace("(y)", "(y[:2])")); err(lambda: y.sum().backward()); show(x.grad)
        """,
    "inference mode": """
        with m.inference_mode():
            a = m.ones(3, dtype=m.float64); b = a[:2]
            made = (a, b, a * 2, a.detach(), m.tensor([1.]), m.zeros_like(a), m.randn(2))
            show([t.is_inference() for t in made], a.requires_grad, b._is_view(), m.is_grad_enabled())
            a.add_(1); b.mul_(2); err(lambda: a._version)
            h = m.ones(2, requires_grad=True); show(h.requires_grad, (h * 2).requires_grad)
            a.requires_grad_(); show(a.requires_grad); a.requires_grad_(False)
            with m.inference_mode(False):
                show(m.is_inference_mode_enabled(), m.is_grad_enabled(), m.ones(2).is_inference(), (m.ones(2, requires_grad=True) * 2).requires_grad)
                err(lambda: a.add_(1))
            with m.no_grad(): show(m.is_inference_mode_enabled(), m.ones(2).is_inference())
            with m.enable_grad(): show(m.is_grad_enabled(), (h * 2).requires_grad)
        for write in ("add_(1)", "zero_()", "copy_(a)", "normal_()", "__setitem__(0, 1.)", "view(3)[0:1].add_(1)"):
            err(lambda: eval("a." + write))
            with m.no_grad(): err(lambda: eval("a." + write))
        err(lambda: a._version); err(lambda: a.requires_grad_()); err(lambda: a.requires_grad_(False)); err(lambda: setattr(a, "requires_grad", True))
        show([t.is_inference() for t in (a[:1], a * 2, a.detach(), a.view(3), a.clone(), a.data, a.contiguous(), a.unbind()[0])], a.unbind()[0]._is_view())
        """,
    "inference tensors in what is recorded": """
        with m.inference_mode(): a = m.ones(3, dtype=m.float64) + 1
        w = leaf(3)
        for use in ("w * a", "a * w", "w + a", "w.pow(a)", "w / a", "a / w", "a.exp() * w", "a @ w", "m.where(a > 0, w, a)", "m.cat([w, a])", "w * a.clone()",
                    "w * a[0]", "w * a.detach()", "w - a", "m.addcmul(w, a, a)", "m.lerp(w, a, 0.5)", "w.expand(3) * a.view(3)", "m.stack([w, a])"):
            show(use); err(lambda: eval(use)); err(lambda: eval(use).sum().backward()); show(w.grad)
        q = w * 1
        err(lambda: q.add_(a)); err(lambda: q.copy_(a)); err(lambda: q.__setitem__(0, a[0])); q.sum().backward()
        with m.no_grad(): show((w * a).is_inference())
        with m.inference_mode(): i = m.ones(3, dtype=m.float64, requires_grad=True)
        show(i.requires_grad); (i * 2).sum().backward(); show(i.grad)
        """,
    "views made in inference mode": """
        q = leaf(3) * 1
        with m.inference_mode(): v = q[:2]; w = v[:1]; u = q.unbind()
        show(v.is_inference(), v.requires_grad, fn(v), v._is_view(), v._base is q, v._version, u[0]._is_view(), u[0].is_inference())
        err(lambda: v.add_(1)); err(lambda: w.add_(1)); err(lambda: u[0].add_(1)); err(lambda: v[:1].add_(1))
        with m.inference_mode(): v.add_(1); q.add_(1); show(q._version)
        show(v._version, q._version, repr(v)); err(lambda: v.grad_fn); err(lambda: v * 2); err(lambda: v.is_leaf)
        p = m.zeros(3, dtype=m.float64)
        with m.inference_mode(): v = p[:2]; p.add_(1)
        err(lambda: v.add_(1)); show(v._version, p.is_inference()); err(lambda: v.add_(leaf(2)))
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    theirs, ours = printed(torch, PROGRAMS[name]), printed(tapegrad, PROGRAMS[name])
    for i, (t, o) in enumerate(zip(theirs, ours)):
        assert o == t, f"{name}, number {i}, after {ours[max(i - 3, 0) : i]}"
    assert len(ours) == len(theirs)
