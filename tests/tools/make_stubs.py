"""Writes the stubs (`.pyi`) of what type checkers cannot see: the ops, which a decorator makes, and the methods that
they give to Tensor.

    python tests/tools/make_stubs.py

Everything is read from the imported package: the registry of ops, signatures, annotations. What a signature does not
say (overloads, results that are not one tensor) stands in signatures.pyi beside this file.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import tapegrad
from tapegrad import func
from tapegrad.autograd.dispatch.decorator import OPS, each
from tapegrad.nn import functional

ROOT = Path(__file__).parents[2]
SIGNATURES = Path(__file__).with_name("signatures.pyi")
WIDTH = 120

# ---- what an annotation of the source, or the name of a parameter, means to a user

#: names that a stub writes otherwise, since `tapegrad.float` is a dtype and `Tensor.float` a method
RENAMED = {
    "bool": "_bool",
    "int": "_int",
    "float": "_float",
    "complex": "_complex",
    "type": "_type",
    "builtins.bool": "_bool",
    "builtins.int": "_int",
    "builtins.float": "_float",
    "np.ndarray": "np.ndarray[Any, Any]",
    "dtypes.dtype": "DType",
    "dtype": "DType",
    "memory_format": "MemoryFormat",
}
#: annotations that say nothing to a user: the type follows from the parameter's name
VAGUE = {"Any", "Array", "Operand", "Any | None", "Array | None", "Operand | None"}
TYPES = {
    **dict.fromkeys(("axis", "dim", "dims", "shifts", "destination"), "Dims"),
    **dict.fromkeys(("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size"), "Dims"),
    **dict.fromkeys(("size", "sizes", "shape", "normalized_shape", "split_sizes", "repeats"), "Sequence[_int]"),
    **dict.fromkeys(("keepdims", "size_average", "reduce"), "_bool"),
    **dict.fromkeys(("end", "fill_value", "s", "start", "step", "value"), "Number"),
    **dict.fromkeys(("tensors", "matrices"), "Sequence[Tensor]"),
    "device": "DeviceLike",
    "devices": "Sequence[DeviceLike]",
    "dtype": "DTypeLike",
    "layout": "object",
    "memory_format": "MemoryFormat",
    "indices": "Sequence[Tensor | None]",
    "indices_or_sections": "_int | Sequence[_int] | Tensor",
    "q": "_float | Tensor",
    "scale_factor": "_float | Sequence[_float]",
    "storage_offset": "_int",
}
TENSORS = {
    "a",
    "abs",
    "anchor",
    "angle",
    "append",
    "attn_mask",
    "b",
    "batch1",
    "batch2",
    "bias",
    "boundaries",
    "condition",
    "elements",
    "end",
    "imag",
    "index",
    "input",
    "input1",
    "input2",
    "key",
    "logits",
    "mask",
    "mat",
    "mat1",
    "mat2",
    "negative",
    "other",
    "out",
    "pos_weight",
    "positive",
    "prepend",
    "query",
    "real",
    "running_mean",
    "running_var",
    "sorted_sequence",
    "sorter",
    "source",
    "src",
    "target",
    "tensor",
    "tensor1",
    "tensor2",
    "test_elements",
    "values",
    "var",
    "vec",
    "vec1",
    "vec2",
    "weight",
    "weights",
    "x1",
    "x2",
}
#: (function, parameter): where the name alone misleads
EXCEPTIONS = {
    **{(f, p): "Operand" for f in ("div", "divide", "true_divide", "div_", "divide_") for p in ("input", "other")},
    **{(f, p): "Operand" for f in ("pow", "float_power") for p in ("input", "exponent")},
    **{(f, p): "Operand | None" for f in ("clamp", "clip", "clamp_", "clip_") for p in ("min", "max")},
    **{(f, "value"): "Tensor | Number" for f in ("fill", "index_fill", "masked_fill")},
    **{(f, "source"): "Dims" for f in ("movedim", "moveaxis")},
    **{(f"conv{n}d", "padding"): "Dims | str" for n in (1, 2, 3)},
    **{(f"adaptive_avg_pool{n}d", "output_size"): "_int | Sequence[_int | None]" for n in (1, 2, 3)},
    **{("batch_norm", p): "Tensor | None" for p in ("running_mean", "running_var")},
    ("clamp_max", "max"): "Operand",
    ("clamp_min", "min"): "Operand",
    ("lerp", "end"): "Tensor",
    ("lerp", "weight"): "Tensor | _float",
    ("isin", "elements"): "Tensor | Number",
    ("isin", "test_elements"): "Tensor | Number",
    ("searchsorted", "input"): "Tensor | Number",
    ("bucketize", "input"): "Tensor | Number",
    ("tensordot", "dims"): "_int | Sequence[Sequence[_int]]",
    ("unravel_index", "indices"): "Tensor",
    ("unravel_index", "shape"): "Dims",
    ("take_along_dim", "indices"): "Tensor",
    ("rot90", "dims"): "Sequence[_int]",
    ("narrow", "start"): "_int | Tensor",
    ("interpolate", "size"): "Dims",
    ("normalized_shape", "layer_norm"): "Dims",
    ("triplet_margin_with_distance_loss", "distance_function"): "Callable[[Tensor, Tensor], Tensor]",
}
#: `f(*sizes)` takes integers, or one sequence of them
SIZES = {"size", "sizes", "shape", "repeats", "dims"}
#: (function, parameter) whose type is still Any
UNKNOWN: set[tuple[str, str]] = set()


class _Renamed(ast.NodeTransformer):
    """Writes the names of an annotation as a stub has them."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._renamed(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self._renamed(node)

    def _renamed(self, node: ast.expr) -> ast.expr:
        name = RENAMED.get(ast.unparse(node))
        return node if name is None else ast.parse(name, mode="eval").body


def in_stub_names(annotation: object) -> str:
    """The text of an annotation, in a stub's names."""
    return _text(_Renamed().visit(ast.parse(str(annotation), mode="eval")))


def _text(node: ast.AST) -> str:
    return ast.unparse(node).replace("'", '"')


def type_of(function: str, parameter: inspect.Parameter, operand: str | None) -> str:
    """The type of a parameter of the function called `function`; `operand` is the type of an op's operand."""
    name, annotation = parameter.name, str(parameter.annotation)
    if (function, name) in EXCEPTIONS:
        found = EXCEPTIONS[function, name]
    elif parameter.annotation is not inspect.Parameter.empty and annotation not in VAGUE:
        found = in_stub_names(annotation)
    else:
        found = operand or TYPES.get(name) or ("Tensor" if name in TENSORS else "Any")
    if found == "Any":
        UNKNOWN.add((function, name))
    optional = parameter.default is None and found not in ("Any", "object") and not found.endswith("None")
    return f"{found} | None" if optional else found


# ---- signatures


@dataclass(frozen=True)
class Signature:
    """A function, or one of its overloads: the parameters as text, `*` and `/` among them, and the result."""

    parameters: tuple[str, ...]
    result: str

    def as_method(self, result: str | None = None) -> Signature:
        """The same with the tensor itself as the first parameter."""
        rest = self.parameters[1:]
        return Signature(("self", *(rest[1:] if rest[:1] == ("/",) else rest)), result or self.result)

    def in_place(self) -> Signature:
        """The same without what an in-place form does not take."""
        kept = [p for p in self.parameters if p.partition(":")[0] not in ("out", "axis", "keepdims")]
        return Signature(tuple(kept[:-1] if kept[-1] == "*" else kept), self.result)


@functools.cache
def hand_written(namespace: str) -> dict[str, list[Signature]]:
    """The signatures of a class in signatures.pyi."""
    module = _Renamed().visit(ast.parse(SIGNATURES.read_text(encoding="utf-8")))
    (body,) = [node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name == namespace]
    found: dict[str, list[Signature]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(
                Signature(_parameters(node.args), _text(node.returns or ast.Name("Any")))
            )
        elif isinstance(node, ast.Assign):  # min = max
            found[_text(node.targets[0])] = found[_text(node.value)]
    return found


def _parameters(args: ast.arguments) -> tuple[str, ...]:
    positional = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + list(args.defaults)
    parts = [_parameter(arg, default) for arg, default in zip(positional, defaults)]
    if args.posonlyargs:
        parts.insert(len(args.posonlyargs), "/")
    if args.vararg:
        parts.append("*" + _parameter(args.vararg, None))
    elif args.kwonlyargs:
        parts.append("*")
    parts += [_parameter(arg, default) for arg, default in zip(args.kwonlyargs, args.kw_defaults)]
    return tuple(parts)


def _parameter(arg: ast.arg, default: ast.expr | None) -> str:
    text = arg.arg if arg.annotation is None else f"{arg.arg}: {_text(arg.annotation)}"
    return text if default is None else f"{text} = {_text(default)}"


def signatures_of(name: str, function: Callable[..., Any]) -> list[Signature]:
    """What a function takes and returns, from its own signature."""
    parameters, operands, result = parameters_of(function), operands_of(function), result_of(function)
    sizes = next((p for p in parameters if p.kind is p.VAR_POSITIONAL and p.name in SIZES), None)
    if sizes is None:
        return [Signature(_texts(name, parameters, operands), result)]
    several = [p for p in parameters if p.name != "size" or p is sizes]
    one = sizes.replace(kind=sizes.POSITIONAL_OR_KEYWORD, name="size" if len(several) < len(parameters) else sizes.name)
    return [
        Signature(_texts(name, form, operands), result)
        for form in (several, [one if p is sizes else p for p in several])
    ]


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that users may give: of an op also ``out=`` and NumPy's spellings, which its wrapper adds."""
    op = getattr(function, "op", None)
    if op is None:
        return list(inspect.signature(function).parameters.values())
    op.build()
    own = inspect.signature(op.fn).parameters
    return [own.get(p.name, p) for p in inspect.signature(function, follow_wrapped=False).parameters.values()]


def operands_of(function: Callable[..., Any]) -> dict[str, str]:
    """The types of an op's operands; where several are promoted to a common type, each may be a number."""
    op = getattr(function, "op", None)
    if op is None:
        return {}
    plain = "Operand" if op.operands in ("promote", "float") and len(op.rules) > 1 else "Tensor"
    return {name: "Sequence[Tensor]" if isinstance(rule, each) else plain for name, rule in op.rules.items()}


def result_of(function: Callable[..., Any]) -> str:
    """The type of the result: what is an array inside is a tensor to a user."""
    said = inspect.signature(function).return_annotation
    return re.sub(
        r"\b(Any|Array|Operand)\b", "Tensor", "Tensor" if said is inspect.Signature.empty else in_stub_names(said)
    )


def _texts(function: str, parameters: list[inspect.Parameter], operands: dict[str, str]) -> tuple[str, ...]:
    texts = []
    for p in parameters:
        kind = type_of(function, p, operands.get(p.name))
        if p.kind is p.VAR_POSITIONAL:
            texts.append(f"*{p.name}: {_EACH.get(kind, kind)}")
            continue
        if p.kind is p.KEYWORD_ONLY and not any(text.startswith("*") for text in texts):
            texts.append("*")
        texts.append(f"{p.name}: {kind}" if p.default is p.empty else f"{p.name}: {kind} = {_default(p.default)}")
    return tuple(texts)


_EACH = {"Sequence[_int]": "_int", "Dims": "_int", "Sequence[Tensor]": "Tensor"}


def _default(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "..."
    if (
        value is None
        or isinstance(value, (bool, int, float))
        or (isinstance(value, tuple) and all(isinstance(v, int) for v in value))
    ):
        return repr(value)
    return f'"{value}"' if isinstance(value, str) else "..."


def function_signatures(name: str, function: Callable[..., Any]) -> list[Signature]:
    """The signatures of a function of `tapegrad` or `tapegrad.nn.functional`."""
    if name in hand_written("functions"):
        return hand_written("functions")[name]
    base = in_place_of(name, function)
    if base is None:
        return signatures_of(name, function)
    return [
        Signature(("input: Tensor", *s.in_place().parameters[1:]), "Tensor")
        for s in function_signatures(name[:-1], base)
    ]


def in_place_of(name: str, function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function of which this is the in-place form, where the form only passes its arguments on."""
    kinds = [p.kind for p in inspect.signature(function).parameters.values()]
    if not name.endswith("_") or kinds[1:] != [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]:
        return None
    return OPS.get(name[:-1]) or vars(tapegrad.Tensor).get(name[:-1])


_BINARY = re.compile(
    r"__(r|i|)(add|sub|mul|truediv|floordiv|mod|pow|matmul|and|or|xor|lshift|rshift|eq|ne|lt|le|gt|ge)__"
)
_UNARY = ("__neg__", "__pos__", "__abs__", "__invert__")


def method_signatures(name: str, function: Callable[..., Any]) -> list[Signature]:
    """The signatures of a method of Tensor."""
    binary = _BINARY.fullmatch(name)
    if name in hand_written("methods"):
        return hand_written("methods")[name]
    if binary or name in _UNARY:
        return [
            Signature(
                ("self", "other: Operand") if binary else ("self",), "Self" if binary and binary[1] == "i" else "Tensor"
            )
        ]
    if name in hand_written("functions"):
        return [s.as_method() for s in hand_written("functions")[name]]
    base = in_place_of(name, function)
    if base is not None:
        return [s.in_place().as_method("Self") for s in function_signatures(name[:-1], base)]
    protocol = in_stub_names(inspect.signature(function).return_annotation) if name.startswith("__") else None
    return [s.as_method("Self" if re.search(r"[^_]_$", name) else protocol) for s in signatures_of(name, function)]


# ---- text


def written(name: str, signatures: Iterable[Signature], documented: Any, indent: str = "") -> list[str]:
    """The lines that declare a function, the first of its overloads with the first line of its docstring."""
    signatures = list(dict.fromkeys(signatures))
    doc = summary(documented)
    lines = []
    for s in signatures:
        end = f") -> {s.result}:" + ("" if doc else " ...")
        inside = ", ".join(s.parameters)
        lines += [f"{indent}@overload"] * (len(signatures) > 1)
        if len(f"{indent}def {name}({inside}{end}") <= WIDTH:
            lines.append(f"{indent}def {name}({inside}{end}")
        elif len(f"{indent}    {inside}") <= WIDTH:
            lines += [f"{indent}def {name}(", f"{indent}    {inside}", f"{indent}{end}"]
        else:
            lines += [f"{indent}def {name}(", *(f"{indent}    {p}," for p in s.parameters), f"{indent}{end}"]
        if doc:
            lines += [f'{indent}    """{doc}"""', ""]
        doc = ""
    return lines


def summary(documented: Any) -> str:
    """The first line of a docstring, where it fits."""
    doc = (inspect.getdoc(documented) or "").partition("\n")[0].replace("\\", "") if documented is not None else ""
    return doc if len(doc) < WIDTH - 14 and not doc.endswith('"') else ""


#: what the declarations of any stub may use
_COMMON = """\
from builtins import bool as _bool, complex as _complex, float as _float, int as _int, type as _type
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, Self, SupportsIndex, TypeAlias, TypeVar, overload

import numpy as np
from typing_extensions import TypeIs

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.random.generator import Generator
from tapegrad.autograd.tape.handle import RemovableHandle
from tapegrad.autograd.types.dtypes import dtype as DType
from tapegrad.autograd.types.memory_format import memory_format as MemoryFormat
from tapegrad.autograd.types.size import Size
from tapegrad.backends.device import Device, DeviceLike
"""
_ALIASES = """\
Number: TypeAlias = _bool | _int | _float | _complex
#: what may stand beside a tensor
Operand: TypeAlias = Tensor | np.ndarray[Any, Any] | np.generic | Number
Dims: TypeAlias = _int | Sequence[_int]
DTypeLike: TypeAlias = DType | np.dtype[Any] | _type[Any] | str
Index: TypeAlias = (
    SupportsIndex | slice | EllipsisType | Tensor | np.ndarray[Any, Any] | list[Any] | tuple[Any, ...] | range | None
)

class ValuesIndices(tuple[Tensor, Tensor]):
    @property
    def values(self) -> Tensor: ...
    @property
    def indices(self) -> Tensor: ...

class MinMax(tuple[Tensor, Tensor]):
    @property
    def min(self) -> Tensor: ...
    @property
    def max(self) -> Tensor: ...

class MantissaExponent(tuple[Tensor, Tensor]):
    @property
    def mantissa(self) -> Tensor: ...
    @property
    def exponent(self) -> Tensor: ...
"""
_FROM_METHODS = {
    "tapegrad.autograd.core.tensor_methods": [
        "DTypeLike",
        "Dims",
        "MantissaExponent",
        "MinMax",
        "Number",
        "Operand",
        "ValuesIndices",
    ]
}


def layout(module: str, imports: Mapping[str, list[str]], *blocks: str) -> str:
    """The text of a module's stub."""
    exported = {name.partition(" as ")[0] for names in imports.values() for name in names if " as " in name}
    common = [line for line in _COMMON.splitlines() if line.rpartition(" import ")[2] not in exported]
    lines = []
    for home, names in sorted(imports.items()):
        line = f"from {home} import {', '.join(sorted(names))}"
        lines += (
            [line]
            if len(line) <= WIDTH
            else [f"from {home} import (", *(f"    {name}," for name in sorted(names)), ")"]
        )
    doc = f'"""`{module}`, as type checkers see it. Written by tests/tools/make_stubs.py."""\n\n# ruff: noqa\n'
    return (
        doc + "\n\n".join(block.strip("\n") for block in ("\n".join(common), "\n".join(lines), *blocks) if block) + "\n"
    )


# ---- the stubs


def tensor_methods() -> str:
    """A base class that only type checkers know: what Tensor has and its own module does not define."""
    lines = [
        "class TensorMethods:",
        '    """The methods, properties and operators that Tensor gets from the ops."""',
        "",
    ]
    for name, value in sorted(vars(tapegrad.Tensor).items()):
        function = value.fget if isinstance(value, property) else value
        if (
            not isinstance(function, FunctionType)
            or function.__module__ == tapegrad.Tensor.__module__
            or name in tapegrad.Tensor.__annotations__
        ):
            continue
        if isinstance(value, property):
            said = inspect.signature(function).return_annotation
            result = "Tensor" if said in ("Any", inspect.Signature.empty) else in_stub_names(said)
            lines += [
                "    @property",
                *written(name, [Signature(("self",), result)], None if name.startswith("_") else value, "    "),
            ]
            if value.fset is not None:
                lines += [
                    f"    @{name}.setter",
                    *written(name, [Signature(("self", f"value: {result}"), "None")], None, "    "),
                ]
        else:
            own = written(name, method_signatures(name, value), None if name.startswith("__") else value, "    ")
            lines += [line + "  # type: ignore[override]" if name in ("__eq__", "__ne__") else line for line in own]
    return layout("tapegrad.autograd.core.tensor_methods", {}, _ALIASES, "\n".join(lines))


#: modules that are public below `tapegrad`, those that load on first use among them
MODULES = ("autograd", "backends", "cuda", "func", "nn", "optim", "profiler", "random", "testing", "utils")


def namespace() -> str:
    """The stub of `tapegrad` itself."""
    imports, lines = taken_over(tapegrad, [name for name in vars(tapegrad) if not name.startswith("_")], "functions")
    imports |= {
        "math": [f"{name} as {name}" for name in ("e", "inf", "nan", "pi")],
        "tapegrad": [f"{name} as {name}" for name in MODULES],
    }
    imports |= {"tapegrad.autograd.functions.custom_op": ["CustomOp"]}
    return layout("tapegrad", imports | _FROM_METHODS, "newaxis: None\n__version__: str", lines)


def nn_functional() -> str:
    """The stub of `tapegrad.nn.functional`."""
    imports, lines = taken_over(
        functional, [name for name in vars(functional) if not name.startswith("_")], "functions"
    )
    return layout(functional.__name__, imports | _FROM_METHODS, lines)


_VARIABLES = 'A = TypeVar("A")\nR = TypeVar("R")\nX = TypeVar("X")\nP = ParamSpec("P")'
_OF_TENSOR = """\
class OfTensor(Protocol):
    @overload
    def __call__(self, x: Tensor, /, *args: Any, **kwargs: Any) -> Tensor: ...
    @overload
    def __call__(self, x: np.ndarray[Any, Any], /, *args: Any, **kwargs: Any) -> np.ndarray[Any, Any]: ...
"""


def func_namespace() -> str:
    """The stub of `tapegrad.func`."""
    imports, lines = taken_over(func, func.__all__, "func")
    return layout(func.__name__, imports | {"tapegrad.nn.module": ["HasForward"]}, _VARIABLES, _OF_TENSOR, lines)


def autograd_namespace() -> str:
    """The stub of `tapegrad.autograd`."""
    autograd = tapegrad.autograd
    imports, lines = taken_over(autograd, [name for name in autograd.__all__ if name != "Variable"], "autograd")
    imports["tapegrad.autograd.graph"] = ["GradientEdge"]
    return layout(autograd.__name__, imports, 'K = TypeVar("K")\nVariable = Tensor', lines)


def taken_over(module: ModuleType, names: Iterable[str], namespace: str) -> tuple[dict[str, list[str]], str]:
    """The imports that take over a module's public names, and declarations of what its own annotations do not say.

    Args:
        module: the module.
        names: its public names.
        namespace: the class in signatures.pyi.
    """
    imports: dict[str, list[str]] = {}
    renamed, classes, functions = [], [], []
    for name in sorted(names):
        value = getattr(module, name)
        known, home = name, _shared(module, name, value)
        vague = namespace == "functions" and isinstance(value, FunctionType) and not is_typed(name, value)
        if home is None and (vague or name in hand_written(namespace)):
            functions += written(name, hand_written(namespace).get(name) or function_signatures(name, value), value)
            continue
        # FloatTensor and its like are made by a loop
        if isinstance(value, type) and type(value).__module__.endswith(".legacy"):
            classes.append(f"class {name}(Tensor): ...")
            continue
        if home is None:
            home, known = home_of(name, value)
        if home is not None:
            imports.setdefault(home, []).append(f"{known} as {known}" if known == name else known)
            renamed += [f"{name} = {known}"] * (known != name)
    return imports, "\n\n".join("\n".join(block).strip("\n") for block in (renamed, classes, functions) if block)


def _shared(module: ModuleType, name: str, value: Any) -> str | None:
    """The other public module from which `tapegrad` has a function."""
    shared = [
        other.__name__
        for other in (functional, func)
        if module is tapegrad and callable(value) and vars(other).get(name) is value
    ]
    return shared[0] if shared else None


def is_typed(name: str, function: FunctionType) -> bool:
    """Whether the function's own annotations say all, so that a stub may import it."""
    if hasattr(function, "op") or in_place_of(name, function) is not None:
        return False
    signature = inspect.signature(function)
    said = {str(p.annotation) for p in signature.parameters.values()} | {str(signature.return_annotation)}
    return inspect.isgeneratorfunction(inspect.unwrap(function)) or not said & VAGUE


def home_of(name: str, value: Any) -> tuple[str | None, str]:
    """The module that defines a value, and its name there; None for what a stub does not import."""
    if isinstance(value, ModuleType):
        package = value.__name__.rpartition(".")[0]
        return package if package == "tapegrad.autograd" else None, name
    home = value.__module__ if isinstance(value, (type, FunctionType)) else type(value).__module__
    if not home.startswith("tapegrad"):
        return None, name
    known = value.__name__ if isinstance(value, (type, FunctionType)) else name
    # AcceleratorError says that it is of `tapegrad`
    if vars(sys.modules[home]).get(known) is not value or home == "tapegrad":
        home = next(
            m
            for m, module in sorted(sys.modules.items())
            if m.startswith("tapegrad.") and vars(module).get(known) is value
        )
    return home, known


#: file -> what writes it
STUBS: dict[str, Callable[[], str]] = {
    "api/__init__.pyi": namespace,
    "api/func/__init__.pyi": func_namespace,
    "autograd/__init__.pyi": autograd_namespace,
    "autograd/core/tensor_methods.pyi": tensor_methods,
    "nn/functional/__init__.pyi": nn_functional,
}

if __name__ == "__main__":
    for path, text in STUBS.items():
        (ROOT / path).write_text(text(), encoding="utf-8")
    print(f"{len(STUBS)} stubs written; parameters that are still Any: {sorted(UNKNOWN)}")
