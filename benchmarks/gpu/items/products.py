"""Facts about products of matrices, convolutions and their precision."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

import numpy as np

import tapegrad
from tapegrad.benchmarks.gpu.items.fact import BFLOAT16, HALVES, Facts, raised, relative_error
from tapegrad.benchmarks.gpu.report.finding import Finding, Skip, noted
from tapegrad.benchmarks.gpu.report.machine import Machine

FACTS = Facts()
items = FACTS.as_items
TF32 = 2e-5  # a relative error above this is TF32's, which keeps 11 of 24 bits; float32's is far below


@functools.cache
def factors(*stack: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two matrices of 512 x 512 float32, or stacks of them, and their exact product."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((*stack, 512, 512)).astype(np.float32) for _ in range(2))
    return a, b, a.astype(np.float64) @ b.astype(np.float64)


def precision(m: Machine, product: Any, *stack: int) -> str:
    """In what a product of float32 matrices was computed, by its error."""
    a, b, exact = factors(*stack)
    error = relative_error(m.get(product(m.put(a), m.put(b))), exact)
    return "float32" if error < TF32 else f"less than float32 (relative error {error:.1e})"


@FACTS("`cupy.matmul` of float32 matrices computes in", "float32")
def cupy_product_of_float32(m: Machine) -> str:
    return precision(m, m.cupy.matmul)


@FACTS("`cupy.matmul` of stacks of float32 matrices computes in", "float32")
def cupy_batched_product_of_float32(m: Machine) -> str:
    return precision(m, m.cupy.matmul, 3)


@FACTS("`cupy.matmul` of stacks of bfloat16 matrices raises (cupy#9630)", "TypeError")
def cupy_batched_bfloat16(m: Machine) -> str:
    return raised(lambda: m.cupy.matmul(*[m.put(np.ones((2, 8, 8)), BFLOAT16)] * 2))


@FACTS("`cupy.matmul` of stacks of float16 matrices gives a result of, and makes", ["float16", "float32 copies"])
def cupy_batched_float16(m: Machine) -> list[str]:
    x = m.put(np.ones((4, 256, 256)), np.float16)
    pool = m.cupy.get_default_memory_pool()
    sizes: list[int] = []

    class Sizes(m.cupy.cuda.MemoryHook):  # type: ignore[name-defined]
        name = "tapegrad.report.sizes"

        def malloc_postprocess(self, **allocation: Any) -> None:
            sizes.append(allocation["size"])

    m.cupy.matmul(x, x)
    pool.free_all_blocks()
    with Sizes():
        y = m.cupy.matmul(x, x)
    return [y.dtype.name, "float32 copies" if max(sizes) >= 2 * x.nbytes else "none"]


@FACTS("`cupy.matmul` of a row and a column of 4096 ones, in float16 and bfloat16", [4096.0, 4096.0])
def cupy_products_of_halves_accumulate(m: Machine) -> list[float]:
    return [
        float(m.get(m.cupy.matmul(m.cupy.ones((8, 4096), dtype), m.cupy.ones((4096, 8), dtype)))[0, 0])
        for dtype in HALVES
    ]


def ours(m: Machine, dtype: str) -> tuple[Any, Any, Any]:
    """tapegrad, and two stacks of matrices of a dtype."""
    rng = np.random.default_rng(0)
    kind = getattr(tapegrad, dtype)
    a, b = (
        tapegrad.tensor(rng.standard_normal(shape), device=m.device).to(kind) for shape in ((3, 65, 130), (3, 130, 33))
    )
    return tapegrad, a, b


@FACTS(
    "Products of stacks by tapegrad, transposed factors included, are right for",
    [
        "bfloat16 to 1/100",
        "float16 to 1/1000",
        "float32 to 1e-05",
        "float64 to 1e-12",
        "complex64 to 1e-05",
        "complex128 to 1e-12",
    ],
)
def our_batched_products(m: Machine) -> list[str]:
    found = []
    for name, limit, words in (
        ("bfloat16", 1e-2, "1/100"),
        ("float16", 1e-3, "1/1000"),
        ("float32", 1e-5, "1e-05"),
        ("float64", 1e-12, "1e-12"),
        ("complex64", 1e-5, "1e-05"),
        ("complex128", 1e-12, "1e-12"),
    ):
        tapegrad, a, b = ours(m, name)
        wide = tapegrad.complex128 if name.startswith("complex") else tapegrad.float64
        exact = np.asarray((a.cpu().to(wide) @ b.cpu().to(wide)).numpy())
        products = a @ b, (b.mT @ a.mT).mT, a.mT.contiguous().mT @ b
        worst = max(relative_error(np.asarray(product.cpu().to(wide).numpy()), exact) for product in products)
        found.append(f"{name} to {words}" if worst < limit else f"{name} only to {worst:.1e}")
    return found


@FACTS("tapegrad's products of float32 matrices compute in", "float32")
def our_default_precision(m: Machine) -> str:
    return precision(m, lambda a, b: (tapegrad.as_tensor(a) @ tapegrad.as_tensor(b)).array)


@FACTS("With backends.cuda.matmul.allow_tf32 they compute in", "TF32")
def our_tf32(m: Machine) -> str:
    if not m.on_cuda:
        raise Skip("needs CuPy on a GPU")
    switches: Any = tapegrad.backends.cuda.matmul
    switches.allow_tf32 = True
    try:
        result = precision(m, lambda a, b: (tapegrad.as_tensor(a) @ tapegrad.as_tensor(b)).array)
    finally:
        switches.allow_tf32 = False
    return "float32" if result == "float32" else "TF32"


@FACTS("tapegrad's convolutions of float32 compute in", "float32")
def our_convolutions(m: Machine) -> str:
    rng = np.random.default_rng(0)
    x, w = (
        tapegrad.tensor(rng.standard_normal(shape).astype(np.float32)) for shape in ((4, 64, 14, 14), (32, 64, 3, 3))
    )
    exact = np.asarray(tapegrad.nn.functional.conv2d(x.double(), w.double(), padding=1).numpy())
    error = relative_error(
        np.asarray(tapegrad.nn.functional.conv2d(x.to(m.device), w.to(m.device), padding=1).cpu().numpy()), exact
    )
    return "float32" if error < TF32 else f"less than float32 (relative error {error:.1e})"


@FACTS("PyTorch's convolutions and products of float32 compute by default in", ["TF32", "float32"])
def torch_default_precision(m: Machine) -> list[str]:
    torch = m.torch
    rng = np.random.default_rng(0)
    x, w = (torch.tensor(rng.standard_normal(shape).astype(np.float32)) for shape in ((4, 64, 14, 14), (32, 64, 3, 3)))
    exact = torch.nn.functional.conv2d(x.double(), w.double(), padding=1).numpy()
    error = relative_error(torch.nn.functional.conv2d(x.to(m.device), w.to(m.device), padding=1).cpu().numpy(), exact)
    a, b, product = factors()
    other = relative_error((torch.tensor(a, device=m.device) @ torch.tensor(b, device=m.device)).cpu().numpy(), product)
    return ["float32" if error < TF32 else "TF32" for error in (error, other)]


@FACTS(
    "Relative error of cuDNN's float32 convolution, as it is and with tensor cores deselected (TF32's is about 1e-4)"
)
def cudnn_convolution(m: Machine) -> Finding:
    cupy = m.cupy
    if importlib.util.find_spec("cudnn") is None:
        raise Skip("needs nvidia-cudnn-frontend")
    import cudnn

    rng = np.random.default_rng(0)
    # NHWC
    x, w = (
        np.ascontiguousarray(rng.standard_normal(shape).astype(np.float32))
        for shape in ((4, 14, 14, 64), (32, 3, 3, 64))
    )
    nchw = [tapegrad.tensor(array.astype(np.float64)).permute(0, 3, 1, 2) for array in (x, w)]
    exact = np.asarray(tapegrad.nn.functional.conv2d(nchw[0], nchw[1], padding=1).permute(0, 2, 3, 1).numpy())
    errors = {}
    handle = cudnn.create_handle()
    cudnn.set_stream(handle=handle, stream=cupy.cuda.get_current_stream().ptr)
    for words, notes in (
        ("as it is", []),
        ("deselected", [cudnn.numerical_note.TENSOR_CORE, cudnn.numerical_note.DOWN_CONVERT_INPUTS]),
    ):
        kind = cudnn.data_type.FLOAT
        graph = cudnn.pygraph(io_data_type=kind, intermediate_data_type=kind, compute_data_type=kind, handle=handle)
        image, weight = (
            graph.tensor(name=name, dim=[n, c, h, v], stride=[h * v * c, 1, v * c, c], data_type=kind)
            for name, (n, h, v, c) in (("x", x.shape), ("w", w.shape))
        )
        result = graph.conv_fprop(image=image, weight=weight, padding=[1, 1], stride=[1, 1], dilation=[1, 1])
        result.set_output(True)
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
        if notes:
            graph.deselect_numeric_notes(notes)
        graph.check_support()
        graph.build_plans()
        there, kernel, out = m.put(x), m.put(w), cupy.empty(exact.shape, np.float32)
        space = cupy.empty(max(graph.get_workspace_size(), 1), np.uint8)
        graph.execute(
            {image: there.data.ptr, weight: kernel.data.ptr, result: out.data.ptr}, space.data.ptr, handle=handle
        )
        errors[words] = relative_error(m.get(out), exact)
    return noted(", ".join(f"{words} {error:.1e}" for words, error in errors.items()), **errors)
