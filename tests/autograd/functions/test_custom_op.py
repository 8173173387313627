"""`custom_op`: functions over raw arrays as differentiable operations: what a vjp may ask for and return, on arrays and
on tensors.
"""

from __future__ import annotations

import gc
import importlib.util
import inspect
import sys
import types
import weakref
from typing import Any

import numpy as np
import pytest
from repository import ROOT

import tapegrad
from tapegrad.autograd import grad, gradcheck, gradgradcheck
from tapegrad.backends import backend_for, standing_in
from tapegrad.backends.strict.backend import refusing


def leaf(*values: float, device: str = "cpu") -> Any:
    return tapegrad.tensor(values, dtype=tapegrad.float64, device=device, requires_grad=True)


def host(t: Any) -> np.ndarray:
    return backend_for(t.device).to_host(t.array)


square = tapegrad.custom_op(lambda x: x * x, lambda grad, x: grad * 2 * x, name="square")


def test_on_tensors_and_on_arrays(device):
    x = leaf(2.0, -3.0, device=device)
    with refusing() if device == "strict" else tapegrad.enable_grad():
        y = square(x)
        y.sum().backward()
        raw = square(x.array)
    assert (
        host(x.grad).tolist() == [4, -6]
        and y.grad_fn.name() == "squareBackward"
        and repr(square) == "<custom op square>"
    )
    assert raw.__class__ is x.array.__class__ and host(tapegrad.as_tensor(raw)).tolist() == [4, 9]
    assert square(3.0) == 9.0


def test_without_grad_nothing_is_recorded_or_kept():
    x = leaf(1.0, 2.0)
    held = weakref.ref(x)
    with tapegrad.no_grad():
        y = square(x)
    assert not y.requires_grad and y.grad_fn is None
    z = square(x.detach())
    assert not z.requires_grad
    gc.disable()
    try:
        del x
        assert held() is None
    finally:
        gc.enable()


def test_in_inference_mode():
    x = leaf(1.0, 2.0)
    with tapegrad.inference_mode():
        y = square(x)
        assert y.tolist() == [1, 4] and y.is_inference() and not y.requires_grad
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        y * x


@pytest.mark.parametrize("way", ["one call", "decorator with vjp", "decorator", "plain decorator"])
def test_ways_to_make_one(way):
    def forward(x, k=3.0):
        """x to the k."""
        return x**k

    def vjp(grad, x, k):
        return grad * k * x ** (k - 1)

    if way == "one call":
        power = tapegrad.custom_op(forward, vjp)
    elif way == "decorator with vjp":
        power = tapegrad.custom_op(vjp=vjp)(forward)
    else:
        power = tapegrad.custom_op(forward) if way == "plain decorator" else tapegrad.custom_op()(forward)
        assert power.defvjp(vjp) is vjp
    x = leaf(2.0, 3.0)
    assert power(x).tolist() == [8, 27] and power(x, k=2.0).tolist() == [4, 9] and power(k=2.0, x=x).tolist() == [4, 9]
    assert gradcheck(power, x) and gradcheck(lambda x: power(x, 2.0), x)
    assert (
        power.__doc__ == "x to the k."
        and power.__name__ == power.name == "forward"
        and list(inspect.signature(power).parameters) == ["x", "k"]
    )


def test_what_a_vjp_asks_for():
    seen = {}

    def forward(x, shift, *rest, scale, text="t"):
        return (x + shift) * scale, x * rest[0], "residual", 7

    def vjp(grads, text, rest, x, residual, result, needs_input_grad, scale, kept=None):
        seen.update(locals())
        return grads[0] * scale, None, grads[1] * x, None, None, None

    op = tapegrad.custom_op(forward, vjp, keeps=("residual", "number"), name="asking")
    x, other = leaf(1.0, 2.0), leaf(3.0, 4.0)
    a, b = op(x, np.ones(2), other, 5, scale=2.0)
    (a.sum() + b.sum()).backward()
    assert [g.tolist() for g in seen["grads"]] == [[1, 1], [1, 1]] and all(
        g.__class__ is np.ndarray for g in seen["grads"]
    )
    assert seen["text"] == "t" and seen["residual"] == "residual" and seen["scale"] == 2.0 and seen["kept"] is None
    assert seen["rest"][0].tolist() == [3, 4] and seen["rest"][1] == 5 and seen["x"].tolist() == [1, 2]
    assert [r.tolist() for r in seen["result"]] == [[4, 6], [3, 8]] and seen["result"][0].__class__ is np.ndarray
    assert seen["needs_input_grad"] == (True, False, True, False, False, False)
    assert x.grad.tolist() == [2, 2] and other.grad.tolist() == [1, 2]
    assert [r.tolist() for r in op(x.array, 1.0, other.array, scale=2.0)] == [[4, 6], [3, 8]]


def test_all_arguments_by_star():
    product = tapegrad.custom_op(
        lambda *arrays: np.prod(arrays, axis=0), lambda grad, result, *arrays: tuple(grad * result / a for a in arrays)
    )
    x, y, z = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)
    assert product(x, y).tolist() == [3, 8] and gradcheck(product, (x, y, z))
    named = tapegrad.custom_op(
        lambda *arrays: np.prod(arrays, axis=0), lambda grad, arrays: (grad * arrays[1], grad * arrays[0])
    )
    assert gradcheck(named, (x, y))
    # NumPy's own functions in C tell little of their parameters.
    angle = tapegrad.custom_op(
        np.arctan2, lambda grad, *yx: (grad * yx[1] / np.hypot(*yx) ** 2, -grad * yx[0] / np.hypot(*yx) ** 2)
    )
    assert gradcheck(angle, (x, y))


def test_only_what_is_asked_for_is_kept():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    nothing = tapegrad.custom_op(lambda x, y: x + y, lambda grad: (grad, grad))
    one = tapegrad.custom_op(lambda x, y: x * y, lambda grad, y: (grad * y, None))
    result = tapegrad.custom_op(lambda x: np.exp(x), lambda grad, result: grad * result)
    out = nothing(x, y)
    assert out.grad_fn.saved_tensors == ()
    out.sum().backward()
    out.sum().backward()  # what keeps nothing can be walked twice
    saved = one(x, y).grad_fn.saved_tensors
    assert saved[0] is None and saved[1] is y
    out = result(x)
    assert len([t for t in out.grad_fn.saved_tensors if t is not None]) == 1
    out.sum().backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        out.sum().backward()
    out = result(x)
    out.mul_(2)
    with pytest.raises(
        RuntimeError,
        match=r"modified by an inplace operation: .* which is output 0 of custom_op, is at version 1; expected "
        r"version 0",
    ):
        out.sum().backward()
    h = x * 1
    out = one(y, h)
    h.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_no_cycle():
    x = leaf(1.0, 2.0)
    gc.collect()
    gc.disable()
    try:
        op = tapegrad.custom_op(
            lambda x: (np.exp(x), np.sin(x), {"kept": x}),
            lambda grads, x, result, state: grads[0] * result[0] + grads[1] * np.cos(x),
            keeps="state",
        )
        y, z = op(x)
        node = weakref.ref(y.grad_fn)
        (d,) = grad(y.sum() + z.sum(), x, create_graph=True)
        error = weakref.ref(d.grad_fn)
        del y, z, d
        assert node() is None and error() is None
    finally:
        gc.enable()


# ---- higher order


def test_arrays_can_be_differentiated_once():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    for create_graph in (False, True):
        (d,) = grad((square(x) * w).sum(), x, create_graph=create_graph)
        assert d.tolist() == [6, 16] and d.requires_grad is create_graph
    for t in (x, w):
        with pytest.raises(
            RuntimeError,
            match=r"custom op square can be differentiated only once, because its vjp works on arrays\. .* "
            r"higher_order=True",
        ):
            grad(d.sum(), t, retain_graph=True)
    with pytest.raises(RuntimeError, match="custom op square can be differentiated only once"):
        d.sum().backward()
    # An upstream gradient that is constant changes nothing: the vjp still depends on x.
    (d,) = grad(square(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="custom op square can be differentiated only once"):
        gradgradcheck(square, x)
    (other,) = grad((d.detach() * x).sum(), x)
    assert other.tolist() == [2, 4]


def test_a_vjp_of_ops_can_be_differentiated():
    seen = []

    def vjp(grad, x, k, result, needs_input_grad):
        seen.append((x.__class__, grad.__class__, result.__class__, needs_input_grad))
        return tapegrad.sin(x).mul(grad) * -k, None

    op = tapegrad.custom_op(lambda x, k: np.cos(x) * k, vjp, name="cosine", higher_order=True)
    x = leaf(0.5, 1.5)
    assert gradcheck(lambda x: op(x, 3.0), x) and gradgradcheck(lambda x: op(x, 3.0), x)
    assert set(seen) == {(tapegrad.Tensor, tapegrad.Tensor, tapegrad.Tensor, (True, False))}
    y = op(x, 3.0)
    y.sum().backward()
    assert not x.grad.requires_grad


def test_ops_in_the_vjp_of_ops():
    """A kernel and its derivative, each with a derivative of its own: differentiable as often as there are rules."""
    slope = tapegrad.custom_op(
        lambda x: 1 - np.tanh(x) ** 2, lambda grad, x: grad * -2 * np.tanh(x) * (1 - np.tanh(x) ** 2), name="slope"
    )
    tanh = tapegrad.custom_op(np.tanh, lambda grad, *inputs: grad * slope(inputs[0]), higher_order=True)
    x = leaf(0.3, -0.7)
    assert gradcheck(tanh, x) and gradgradcheck(tanh, x)
    (d,) = grad(tanh(x).sum(), x, create_graph=True)
    (d,) = grad(d.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="custom op slope can be differentiated only once"):
        grad(d.sum(), x)


def test_constants_of_a_vjp_of_ops_are_tensors():
    op = tapegrad.custom_op(lambda x, y: x * y, lambda grad, x, y: (grad.mul(y), grad.mul(x)), higher_order=True)
    x = leaf(1.0, 2.0)
    op(x, np.array([3.0, 4.0])).sum().backward()
    assert x.grad.tolist() == [3, 4]


# ---- results and gradients of any kind


def test_results_of_any_kind():
    x = leaf(1.0, 2.0)
    norm = tapegrad.custom_op(lambda x: np.sqrt((x * x).sum()), lambda grad, x, result: grad * x / result)
    assert norm(x).shape == () and gradcheck(norm, x)
    mean = tapegrad.custom_op(lambda x: float(x.mean()), lambda grad, x: grad * np.ones_like(x) / x.size)
    assert mean(x).dtype == tapegrad.float64 and gradcheck(mean, x)

    class Row(np.ndarray):
        pass

    def forward(x):
        return [x * 2, x.argmax(), None, "text", 5, np.ones((1, 1)).view(Row)]

    def vjp(grads, result):
        assert [g if g is None else g.tolist() for g in grads] == [[1, 1], 0, None, None, 0, [[0]]] and result[
            3
        ] == "text"
        return grads[0] * 2

    double, index, none, text, number, row = tapegrad.custom_op(forward, vjp)(x)
    assert (
        double.requires_grad
        and not index.requires_grad
        and index.item() == 1
        and none is None
        and text == "text"
        and number.item() == 5
    )
    assert row.array.__class__ is np.ndarray
    double.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_a_result_has_memory_of_its_own():
    x = leaf(1.0, 2.0)
    grid = np.arange(6.0).reshape(2, 3)

    def twice(x):
        y = x * 2
        return y, y[::-1], y

    first, second, third = tapegrad.custom_op(twice, lambda grads: grads[0] * 2 + grads[1][::-1] * 2 + grads[2] * 2)(x)
    cases = [
        (f(x), x.array)
        for f in (
            tapegrad.custom_op(lambda x: x, lambda grad: grad),
            tapegrad.custom_op(lambda x: x[:, None], lambda grad: grad[:, 0]),
            tapegrad.custom_op(lambda x: x[::-1], lambda grad: grad[::-1]),
        )
    ]
    cases += [
        (second, first.array),
        (third, first.array),
        (tapegrad.custom_op(lambda x, g: g.T, lambda grad: (None, None))(x, grid), grid),
        (tapegrad.custom_op(lambda x: np.broadcast_to(np.float64(3), 4), lambda grad: None)(x), x.array),
    ]
    for y, array in cases:
        before = array.copy()
        assert not np.shares_memory(y.array, array)
        y.mul_(7)
        assert (array == before).all()
    first.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_gradients_of_any_kind():
    x = leaf(1.0, 2.0)

    def answering(answer: Any) -> list[float]:
        (d,) = grad(
            tapegrad.custom_op(lambda x, *rest: x * 1, lambda grad, *rest: answer(grad))(x, 3).sum(),
            x,
            allow_unused=True,
        )
        return d if d is None else d.tolist()

    assert (
        answering(lambda g: (g * 2, None))
        == answering(lambda g: [g * 2])
        == answering(lambda g: tapegrad.tensor([2.0, 2.0]))
        == [2, 2]
    )
    assert answering(lambda g: g.astype(np.float32)) == answering(lambda g: np.ones(2, int)) == [1, 1]
    assert answering(lambda g: np.ones((5, 2))) == [5, 5]
    assert answering(lambda g: None) is None
    scalar = tapegrad.tensor(1.0, requires_grad=True)
    tapegrad.custom_op(lambda x: x.sum(), lambda grad: 3.0)(scalar).backward()
    assert scalar.grad.item() == 3


def test_what_vjps_are_refused():
    x = leaf(1.0, 2.0)

    def run(vjp: Any, forward: Any = lambda x, y: x * y, *more: Any, **options: Any) -> None:
        tapegrad.custom_op(forward, vjp, name="mine", **options)(x, *(more or (x,)))[...].sum().backward()

    bad = [
        (
            RuntimeError,
            "Function mineBackward returned an invalid gradient at index 0 - got [7] but expected shape compatible "
            "with [2]",
            lambda g: (np.ones(7), g),
            {},
        ),
        (
            RuntimeError,
            "custom op mine: its vjp returned an incorrect number of gradients (expected 2, got 1)",
            lambda g: g,
            {},
        ),
        (
            RuntimeError,
            "custom op mine: its vjp returned an incorrect number of gradients (expected 2, got 3)",
            lambda g: (g, g, g),
            {},
        ),
        (
            TypeError,
            "custom op mine: its vjp returned a str at position 1, where a gradient is an array or None",
            lambda g: (g, "g"),
            {},
        ),
        (
            TypeError,
            "custom op mine: its vjp returned a ndarray at position 0, where a gradient is a tensor or None, since "
            "it has higher_order=True",
            lambda g: (np.ones(2), g),
            {"higher_order": True},
        ),
        (NotImplementedError, "the derivative for 'mine' is not implemented.", None, {}),
        (
            TypeError,
            "custom op mine: its vjp asks for 'z', which is none of x, y, result, needs_input_grad",
            lambda g, z: g,
            {},
        ),
        (
            TypeError,
            "custom op mine: its vjp takes no argument, where the first is the gradient of the result",
            lambda: 0,
            {},
        ),
        (
            ValueError,
            "custom op mine: a vjp with higher_order=True cannot have keeps=",
            lambda g, lu: g,
            {"keeps": "lu", "higher_order": True},
        ),
        (
            TypeError,
            "custom op mine: forward must return, in one tuple, its results and then lu",
            lambda g, lu: g,
            {"keeps": "lu"},
        ),
    ]
    for kind, text, vjp, options in bad:
        with pytest.raises(kind) as caught:
            run(vjp, **options)
        assert text in str(caught.value)


def test_what_forwards_are_refused():
    x = leaf(1.0, 2.0)
    with pytest.raises(
        TypeError,
        match=r"custom op stack: no gradient flows to tensors in a list; let each be an argument of its own, as in "
        r"forward\(\*arr",
    ):
        tapegrad.custom_op(lambda arrays: np.stack(arrays), name="stack")([x, x])
    with pytest.raises(
        TypeError, match="custom op mine: forward returned a str, where a result is an array or a number"
    ):
        tapegrad.custom_op(lambda x: "text", name="mine")(x)
    with pytest.raises(TypeError, match=r"can't convert np.ndarray of type numpy.object_"):
        tapegrad.custom_op(lambda x: x.astype(object))(x)
    with pytest.raises(TypeError, match=r"custom op mine: forward must name its arguments, and take no \*\*options"):
        tapegrad.custom_op(lambda x, **options: x, name="mine")
    with pytest.raises(TypeError, match="missing a required argument: 'y'"):
        tapegrad.custom_op(lambda x, y: x)(x)


def test_errors_come_through_as_they_are():
    class Mine(Exception):
        pass

    def fail(*args):
        raise Mine("here")

    x = leaf(1.0)
    with pytest.raises(Mine, match="here"):
        tapegrad.custom_op(fail)(x)
    y = tapegrad.custom_op(lambda x: x * 1, fail)(x)
    with pytest.raises(Mine, match="here"):
        y.backward()
    assert tapegrad.is_grad_enabled()


def test_complex_gradients_follow_torch():
    z = tapegrad.tensor([1 + 2j, 3 - 1j], dtype=tapegrad.complex128, requires_grad=True)
    op = tapegrad.custom_op(lambda z: z * z, lambda grad, z: grad * np.conj(2 * z))
    assert gradcheck(op, z)
    with pytest.raises(
        RuntimeError, match=r"got torch.complex128 for an input of torch.float64: the gradient of a real tensor is real"
    ):
        tapegrad.custom_op(lambda x: x * 1j, lambda grad: grad * -1j)(leaf(1.0)).real.sum().backward()


def test_hooks_and_graphs_see_an_op():
    x, seen = leaf(1.0, 2.0), []
    y = square(x)
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.retain_grad()
    y.sum().backward()
    assert seen == [[1, 1]] and y.grad.tolist() == [1, 1] and y.grad_fn.next_functions[0][0].variable is x


# ---- a kernel


@pytest.fixture
def swish(tmp_path, monkeypatch):
    """The kernels of the example, as a function that runs one on strict arrays: the CUDA source, compiled for the
    CPU.
    """
    from tapegrad.backends.kernels import launch

    try:
        launch.cpu_compiler()
    except launch.Unavailable as why:
        pytest.skip(str(why))
    path = ROOT / "examples" / "cupy_kernel.py"
    spec = importlib.util.spec_from_file_location("example_cupy_kernel", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    (tmp_path / "swish.cu").write_text(example.SOURCE)
    monkeypatch.setattr(launch, "FOLDER", tmp_path)
    monkeypatch.setenv("TAPEGRAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(launch, "_for_cpu", {})
    caches = [function for function in vars(launch).values() if hasattr(function, "cache_clear")]
    for function in caches:
        function.cache_clear()

    def run(name: str, *arrays: Any) -> Any:
        xp = backend_for(tapegrad.device("strict")).xp
        arrays = tuple(xp.ascontiguousarray(a) for a in arrays)
        result = xp.empty_like(arrays[0])
        instance = f"swish.{name}<{'double' if result.dtype == np.float64 else 'float'}>"
        launch.launch(
            instance, -(-result.size // example.BLOCK), example.BLOCK, (*arrays, result, result.size), like=result
        )
        return result

    yield example, run
    for function in caches:
        function.cache_clear()


def test_a_cuda_kernel_as_an_op(swish):
    example, run = swish
    op = tapegrad.custom_op(lambda x: run("swish", x), lambda grad, x: run("swish_vjp", grad, x), name="swish")
    x = tapegrad.randn(7, 50, dtype=tapegrad.float64, device="strict", requires_grad=True)
    with refusing():
        y = op(x.transpose(0, 1))
        y.sum().backward()
    np.testing.assert_allclose(host(y.detach()), example.numpy_swish(host(x.detach()).T), rtol=1e-14)
    np.testing.assert_allclose(host(x.grad), example.numpy_swish_vjp(np.ones((7, 50)), host(x.detach())), rtol=1e-14)
    few = tapegrad.randn(5, dtype=tapegrad.float64, device="strict", requires_grad=True)
    assert gradcheck(op, few)
    half = tapegrad.ones(3, device="strict", requires_grad=True)
    assert op(half).dtype == tapegrad.float32


def test_the_example_on_cuda(swish, monkeypatch):
    """The example's own launches, where the strict device stands in for CUDA and a double of CuPy hands the kernels
    over to be run on the CPU.
    """
    from tapegrad.backends.kernels import launch
    from tapegrad.backends.strict.backend import StrictBackend

    example, _ = swish

    class RawModule:
        def __init__(self, *, code, options, name_expressions):
            assert code == example.SOURCE

        def get_function(self, name):
            return lambda grid, block, args: launch.launch(f"swish.{name}", grid[0], block[0], args, like=args[0])

    with standing_in("cuda", StrictBackend("cuda", devices=2)) as cuda:
        names = {
            "RawModule": RawModule,
            "ascontiguousarray": cuda.xp.ascontiguousarray,
            "empty_like": cuda.xp.empty_like,
        }
        monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(**names))
        x = tapegrad.randn(4, 3, dtype=tapegrad.float64, device="cuda", requires_grad=True)
        assert gradcheck(example.on_cuda, x) and gradgradcheck(example.on_cuda, x)
        x = x.detach().to("cuda:1").requires_grad_()
        with refusing():
            y = example.on_cuda(x)
            (first,) = tapegrad.autograd.grad(y.sum(), x, create_graph=True)
            first.sum().backward()
        for t in (y, first, x.grad):
            assert t.device == tapegrad.device("cuda:1")
        assert example.on_cuda(x.detach().float().T[:, :0]).shape == (3, 0)
        for wrong in (tapegrad.float16, tapegrad.int64):
            with pytest.raises(
                TypeError,
                match=f"swish: there is no kernel for {str(wrong).partition('.')[2]}, only for float32 and float64",
            ):
                example.on_cuda(x.detach().to(wrong))


def test_the_example_s_kernels_compile_for_cuda(swish, monkeypatch):
    example, _ = swish
    pytest.importorskip("cupy", exc_type=ImportError)
    from cupy.cuda import compiler
    from cupy_backends.cuda.libs import nvrtc

    try:
        nvrtc.getVersion()
    except (ImportError, RuntimeError) as why:
        pytest.skip(f"no NVRTC: {why}")
    monkeypatch.setattr(compiler, "_get_arch_for_options_for_nvrtc", lambda arch=None: ("-arch=sm_90", "cubin"))
    names = tuple(f"{name}<{kind}>" for name in ("swish", "swish_vjp") for kind in ("float", "double"))
    made = compiler.compile_using_nvrtc(
        example.SOURCE, ("-std=c++17",), arch="90", filename="swish.cu", name_expressions=names
    )[0]
    assert made[:4] == b"\x7fELF"
