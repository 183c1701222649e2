"""A function with its hyperparameters: numbers are pytree leaves, choices are static."""

import dataclasses
import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import jax

from sigmoidf1_jax._plain import Plain, is_choice, is_plain_callable, number


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["parameters"],
    meta_fields=["function", "choices"],
)
@dataclasses.dataclass(frozen=True, repr=False)
class Partial(Plain):
    """`function(*args, **parameters, **choices)`, as a pytree.

    Two values made from the same function and the same choices have the same tree structure,
    so they can be stacked and mapped over with `jax.vmap`, and a jitted function that takes one
    is traced once for all of them. `functools.partial` compares by identity and
    `jax.tree_util.Partial` has no static keywords; this type exists for those two reasons.
    """

    function: Callable[..., Any]
    parameters: Mapping[str, Any]
    choices: tuple[tuple[str, Hashable], ...] = ()

    def __call__(self, *args: Any) -> Any:
        return self.function(*args, **self.parameters, **dict(self.choices))

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function)).lstrip("_")
        hyper = {**self.parameters, **dict(self.choices)}
        return f"{name}({', '.join(f'{k}={v!r}' for k, v in hyper.items())})"


def bind(function: Callable[..., Any], **hyper: Any) -> Partial:
    """Binds keyword hyperparameters: strings, bools, None and functions become static."""
    parameters, choices = {}, []
    for name, value in hyper.items():
        if is_choice(value):
            choices.append((name, value))
        else:
            parameters[name] = number(value)
    return Partial(function, parameters, tuple(choices))


def as_partial(function: Callable[..., Any]) -> Callable[..., Any]:
    """A user's callable as a pytree; callables that are pytrees already pass through."""
    if isinstance(function, Partial):
        return function
    if isinstance(function, functools.partial):
        if function.args:
            raise TypeError(
                "a functools.partial must bind its hyperparameters by keyword, "
                f"got positional arguments {function.args!r}"
            )
        return bind(function.func, **function.keywords)
    return Partial(function, {}) if is_plain_callable(function) else function
