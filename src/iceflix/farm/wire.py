"""Between the farm's values (``farm.model``) and what Ice makes of farm.ice.

Every value has a structure of the same name with the same fields, in Slice's spelling; so one pair
of functions serves all.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

from iceflix.contract import IceFlix
from iceflix.farm import model

T = TypeVar("T")
_VALUES = (
    model.Step,
    model.NodeLoad,
    model.Task,
    model.Completion,
    model.FilterCode,
    model.Token,
    model.RingReport,
    model.Job,
    model.JobResult,
)


def _slice_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


_FIELDS: dict[type, tuple[tuple[str, str], ...]] = {
    value: tuple((field.name, _slice_name(field.name)) for field in dataclasses.fields(value))
    for value in _VALUES
}
_STRUCTS = {value: getattr(IceFlix, value.__name__) for value in _VALUES}
_OF_STRUCT: dict[type, Any] = {struct: value for value, struct in _STRUCTS.items()}


def to_slice(value: Any) -> Any:
    """A value of ``farm.model`` as the Slice structure of the same name."""
    kind = type(value)
    if kind is tuple:
        return [to_slice(item) for item in value]
    fields = _FIELDS.get(kind)
    if fields is None:
        return value
    return _STRUCTS[kind](*[to_slice(getattr(value, name)) for name, _ in fields])


def from_slice(kind: type[T], struct: Any) -> T:
    """A Slice structure as the value of this kind; sequences become tuples."""
    value = _value(struct)
    if not isinstance(value, kind):
        raise TypeError(f"{type(struct).__name__} is no {kind.__name__}")
    return value


def many_from_slice(kind: type[T], structs: Sequence[Any]) -> tuple[T, ...]:
    """A sequence of Slice structures as values."""
    return tuple(from_slice(kind, struct) for struct in structs)


def _value(struct: Any) -> Any:
    if isinstance(struct, (list, tuple)):
        return tuple(_value(item) for item in struct)
    kind = _OF_STRUCT.get(type(struct))
    if kind is None:
        return struct
    return kind(*[_value(getattr(struct, name)) for _, name in _FIELDS[kind]])
