"""Records and JSON: the one place that turns frozen dataclasses and tuples into it and back."""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def to_json(record: object) -> Any:
    """A record as JSON has it.

    Dataclasses become objects by field, without those whose default is None and that are None;
    tuples and arrays become lists, NaN and infinities null. A type that has `to_text` and
    `from_text` is written as text.

    Example:
      >>> to_json({"f1": (0.5, float("nan")), "counts": np.array([1, 2])})
      {'f1': [0.5, None], 'counts': [1, 2]}
    """
    if hasattr(record, "to_text"):
        return record.to_text()
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {
            field.name: to_json(value)
            for field in dataclasses.fields(record)
            if (value := getattr(record, field.name)) is not None or field.default is not None
        }
    if isinstance(record, Mapping):
        return {str(key): to_json(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [to_json(value) for value in record]
    if isinstance(record, np.ndarray | np.generic):
        return to_json(record.tolist())
    if record is None or isinstance(record, bool | int | str):
        return record
    if isinstance(record, float):
        return record if math.isfinite(record) else None
    raise TypeError(f"expected a record, got {type(record).__name__}")


def from_json(kind: type[T], value: object) -> T:
    """The record of a type that `to_json` made such a value of; null where a number is due is NaN.

    Args:
      kind: a dataclass, or a type of tuples, lists, mappings, numbers and texts.
      value: as `json.loads` gives it. What a dataclass has no field for is passed over.

    Raises:
      ValueError: it is something else; names the place.

    Example:
      >>> from_json(dict[str, tuple[float, ...]], {"f1": [0.5, None]})
      {'f1': (0.5, nan)}
    """
    made: T = _read(kind, value, "the value")
    return made


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _read(kind: Any, value: object, place: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object:
        return value
    if origin is typing.Union or origin is types.UnionType:
        if value is None and type(None) in arguments:
            return None
        # Of several types only one is a record's own: the other is None.
        (kind,) = (argument for argument in arguments if argument is not type(None))
        return _read(kind, value, place)
    if hasattr(kind, "from_text"):
        return kind.from_text(_checked(value, str, place))
    if dataclasses.is_dataclass(kind):
        return _read_fields(kind, _checked(value, Mapping, place), place)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        found = _checked(value, Mapping, place)
        return {key: _read(arguments[1], x, f"{place}.{key}") for key, x in found.items()}
    if np.ndarray in (origin, kind):
        return _array(value, place)
    parts = _parts(kind)
    if parts is not None:
        found = _checked(value, list, place)
        if len(found) != len(parts):
            raise ValueError(f"{place} has {len(found)} parts; expected {len(parts)}")
        read = [
            _read(k, x, f"{place}[{i}]") for i, (k, x) in enumerate(zip(parts, found, strict=True))
        ]
        return (origin or kind)._make(read) if hasattr(origin or kind, "_make") else tuple(read)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        found = _checked(value, list, place)
        return tuple(_read(arguments[0], x, f"{place}[{i}]") for i, x in enumerate(found))
    if kind is float and not isinstance(value, bool):
        return math.nan if value is None else _checked(value, int | float, place)
    return _checked(value, kind, place)


def _parts(kind: Any) -> list[Any] | None:
    """The types of a tuple's parts, named or not; None where it is no tuple of a fixed length."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return None if arguments[1:] == (...,) else list(arguments)
    if not hasattr(origin or kind, "_fields"):
        return None
    chosen = dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=True))
    return [chosen.get(hint, hint) for hint in _hints(origin or kind).values()]


def _array(value: object, place: str) -> np.ndarray[Any, Any]:
    try:
        return np.array(_checked(value, list | float | int, place), np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place} is no array of numbers: {error}") from error


def _read_fields(kind: Any, value: Mapping[str, object], place: str) -> Any:
    known = {}
    for field in dataclasses.fields(kind):
        if field.name in value:
            known[field.name] = _read(
                _hints(kind)[field.name], value[field.name], f"{place}.{field.name}"
            )
        elif field.default is dataclasses.MISSING:
            raise ValueError(f"{place} lacks {field.name}")
    return kind(**known)


def _checked(value: Any, kind: Any, place: str) -> Any:
    if not isinstance(value, kind):
        found = "null" if value is None else type(value).__name__
        raise ValueError(f"{place} is {found}; expected {getattr(kind, '__name__', kind)}")
    return value
