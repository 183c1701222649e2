"""Eager calls as one compiled program: a loss and the checks of its values together.

Operation by operation an eager call of a loss takes some thirty dispatches, and each check one
more transfer to the host. Compiled, the checks come back as one flag. What raises them is
the plain call, which knows the values: it is made again where the flag is down.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import checkify

# Python code that looks at values: it works operation by operation only.
_NEEDS_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def call(method: Callable[..., Any], objective: Any, *arrays: Any, **options: Any) -> Any:
    """`method(objective, *arrays, **options)`, compiled if it is eager and worth it.

    Traced arguments, arrays that span hosts, mapped axes, functions that are made anew for each
    call, and the configurations that look into a program (`jax_disable_jit`, `jax_debug_nans`)
    get the plain call.
    """
    leaves, structure = jax.tree.flatten((objective, arrays, options))
    config: Any = jax.config
    plain = config.jax_disable_jit or config.jax_debug_nans or config.jax_debug_infs
    # JAX would take a list of numbers for many arrays.
    plain = plain or not {list, tuple}.isdisjoint(map(type, (*arrays, *options.values())))
    if plain or not all(map(_is_concrete, leaves)) or not _lasts(structure):
        return method(objective, *arrays, **options)
    try:
        error, result = _program(method, objective, arrays, options)
        failed = error.get() is not None
    except _NEEDS_VALUES:
        return method(objective, *arrays, **options)
    return method(objective, *arrays, **options) if failed else result


def _run(method: Callable[..., Any], objective: Any, arrays: Any, options: Any) -> Any:
    return checkify.checkify(method)(objective, *arrays, **options)


_program = jax.jit(_run, static_argnums=0)


def _is_concrete(x: Any) -> bool:
    """A number or an array whose values this process holds."""
    if isinstance(x, jax.Array):
        return not isinstance(x, jax.core.Tracer) and x.is_fully_addressable
    return isinstance(x, float | int) or (isinstance(x, np.ndarray) and x.dtype.kind in "biuf")


@functools.lru_cache(maxsize=1024)
def _lasts(structure: Any) -> bool:
    """Whether an equal structure can come again: one with a lambda may be new at every call."""
    held = jax.tree.unflatten(structure, range(structure.num_leaves))
    return not any("<" in f.__qualname__ for f in _functions(held))


def _functions(value: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _functions(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for x in value:
            yield from _functions(x)
    elif isinstance(value, dict):
        yield from _functions(list(value.values()))
    elif hasattr(value, "__qualname__"):
        yield value
