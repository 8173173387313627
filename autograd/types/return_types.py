"""Named tuples of results, such as the (values, indices) of `max`."""

from __future__ import annotations

from functools import cache
from operator import itemgetter
from typing import Any


class ReturnType(tuple[Any, ...]):
    """A tuple whose items have names; prints as torch's do."""

    _name = ""
    _fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        inner = ",\n".join(f"{field}={value!r}" for field, value in zip(self._fields, self))
        return f"torch.return_types.{self._name}(\n{inner})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._name, self._fields, tuple(self))


def _rebuild(name: str, fields: tuple[str, ...], values: tuple[Any, ...]) -> ReturnType:
    return return_type(name, fields)(values)


@cache
def return_type(name: str, fields: tuple[str, ...]) -> type[ReturnType]:
    """The class of tuples that the function `name` returns."""
    names: dict[str, Any] = {field: property(itemgetter(i)) for i, field in enumerate(fields)}
    return type(name, (ReturnType,), {"_name": name, "_fields": fields, "__module__": __name__, **names})
