"""Checks of values: eager ones raise, traced ones wait for `checkify`, in both cases for free."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import checkify
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir
from jaxtyping import Array

# `checkify.debug_check` would do, but for its effect: nothing that holds one can be exported.
# This primitive has neither effect nor result, so that compiled code does not know of it, and
# checkify treats it as its own check.
_check_p = Primitive("value_check")
_check_p.multiple_results = True
_check_p.def_impl(lambda ok, message: [])
_check_p.def_abstract_eval(lambda ok, message: [])
mlir.register_lowering(_check_p, lambda context, ok, message: [])


def _batched(arguments: Any, dimensions: Any, *, message: str) -> tuple[list[Any], list[Any]]:
    return _check_p.bind(jnp.all(arguments[0]), message=message), []


batching.primitive_batchers[_check_p] = _batched

try:  # JAX offers no public way to give checkify a rule; without one it passes over our checks.
    from jax._src.checkify import check_p, error_checks
except ImportError:  # pragma: no cover
    pass
else:

    def _checked(*arguments: Any, message: str) -> Any:
        # What comes before the predicate differs between versions, and goes to JAX's own rule.
        *context, ok = arguments
        error, _ = checkify.checkify(lambda ok: checkify.check(ok, message))(ok)
        leaves, tree = jax.tree.flatten(error)
        return error_checks[check_p](*context, *leaves, err_tree=tree, debug=True)

    error_checks[_check_p] = _checked


def check_value(predicate: Callable[[], Array], *arrays: Any, message: str) -> None:
    """Raises ValueError on concrete arrays; inside jit, `checkify` can turn the check on.

    `arrays` are the caller's that the predicate looks at; None is passed over.
    """
    # No process holds all values of an array that spans hosts: there only checkify can look.
    for x in arrays:
        if not isinstance(x, jax.core.Tracer) and not getattr(x, "is_fully_addressable", True):
            return
    # Inside jit an operation on concrete arrays is traced too, unless told to run now.
    with jax.ensure_compile_time_eval():
        fine = predicate()
    # The result says whether anything the predicate looked at is traced, closures included.
    if isinstance(fine, jax.core.Tracer):
        _check_p.bind(fine, message=message)
    elif not fine:
        raise ValueError(message)
