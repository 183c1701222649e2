"""Plain data: objects that are pytrees and that compare, hash and pickle by what they hold."""

import contextlib
import dataclasses
from typing import Any, Self

import jax
import numpy as np


class Plain:
    """The base of objectives, decisions and functions with hyperparameters.

    Two are equal if they have the same structure and their numbers the same types, shapes and
    bits (NaN equals NaN); so they can be static arguments of `jax.jit`. One that holds traced
    numbers can be neither compared nor hashed.

    A subclass is a pytree without further ado: attributes that are strings, bools, None or
    plain functions, and dataclass fields with `metadata={"static": True}`, are static, all
    others hold leaves. A class that is registered with JAX by hand stays as it was registered.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Set here, before the dataclass decorator runs: it leaves alone what a class has, and
        # its own comparison would ask arrays for one truth value.
        for name in ("__eq__", "__hash__"):
            if name not in cls.__dict__:
                setattr(cls, name, getattr(Plain, name))

    def __new__(cls, *_: Any, **__: Any) -> Self:
        # Not when the class is made: it may be registered by hand right after.
        if cls not in _registered:
            _register(cls)
        return super().__new__(cls)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return _content(self) == _content(other)

    def __hash__(self) -> int:
        return hash(_content(self))


def is_choice(value: Any) -> bool:
    """Whether a value is static: a choice, not a number or something that holds numbers."""
    return (
        value is None
        or isinstance(value, str | bool)
        or (callable(value) and is_plain_callable(value))
    )


def is_plain_callable(value: Any) -> bool:
    """A callable that JAX sees as one opaque leaf: it cannot cross a jit boundary as data."""
    return callable(value) and jax.tree.leaves(value) == [value]


def _content(value: Any) -> tuple[Any, ...]:
    leaves, structure = jax.tree.flatten(value)
    arrays = [np.asarray(leaf) for leaf in leaves]
    return structure, tuple((x.dtype, x.shape, x.tobytes()) for x in arrays)


_registered: set[type] = set()
_LEAVES = "_leaves"


def _register(cls: type) -> None:
    _registered.add(cls)

    def split(value: Any) -> tuple[dict[str, Any], tuple[Any, ...]]:
        held = dict(sorted(vars(value).items()))
        names = held.pop(_LEAVES, None)
        if names is None:
            fields = getattr(cls, "__dataclass_fields__", {})
            static = {name for name, field in fields.items() if field.metadata.get("static")}
            names = tuple(k for k, x in held.items() if k not in static and not is_choice(x))
        data = {name: held.pop(name) for name in names}
        return data, (names, tuple(held.items()))

    def flatten_with_keys(value: Any) -> tuple[Any, Any]:
        data, structure = split(value)
        return [(jax.tree_util.GetAttrKey(name), x) for name, x in data.items()], structure

    def flatten(value: Any) -> tuple[Any, Any]:
        data, structure = split(value)
        return list(data.values()), structure

    def unflatten(structure: Any, children: Any) -> Any:
        names, choices = structure
        value: Any = object.__new__(cls)
        # What is a leaf stays one, also where `jax.tree.map` put a bool in its place.
        for name, x in (*zip(names, children, strict=True), *choices, (_LEAVES, names)):
            object.__setattr__(value, name, x)
        return value

    with contextlib.suppress(ValueError):  # registered by hand
        jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)


def number(value: Any) -> Any:
    """Integers and lists of numbers as floats, for `jax.grad` by them; others as they are."""
    if isinstance(value, int | np.generic) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list | tuple | np.ndarray) and not dataclasses.is_dataclass(value):
        array = np.asarray(value)
        return array.astype(float) if array.dtype.kind in "iub" else array
    if isinstance(value, jax.Array) and not jax.numpy.issubdtype(value.dtype, jax.numpy.inexact):
        return value.astype(float)
    return value
