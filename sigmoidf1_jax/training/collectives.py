"""The collectives that the gradient of a global loss needs: one place for pmap and shard_map.

A loss of psummed statistics has the same value on all devices. What is left to do for its
gradient depends on how JAX transposes that psum:

- under `shard_map` that checks varying axes (its default), the gradient with respect to
  parameters that are equal on all devices arrives summed: nothing is left to do;
- under `pmap`, `vmap(axis_name=)` and `shard_map(check_vma=False)` each device holds its own
  examples' part times the number of devices: `pmean` gives the sum of the parts.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from sigmoidf1_jax import _checks
from sigmoidf1_jax.objective import AnyObjective, AxisName

T = TypeVar("T")


def complete_gradient(gradient: T, axis_name: AxisName | None) -> T:
    """The gradient of a loss of the global batch, from each device's `jax.grad` of it.

    The loss must be a function of statistics summed over `axis_name`, as every objective called
    with `axis_name` is. Right under pmap, shard_map (with and without checks) and
    vmap(axis_name=); without `axis_name` it does nothing.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> objective = sf.objectives.soft_f1()
      >>> logits, labels = jnp.array([[1.0], [-2.0]]), jnp.array([[1], [1]])
      >>> def loss(scale, z, y, axis_name=None):
      ...     return objective(scale * z, y, axis_name=axis_name)
      >>> def shard(scale, z, y):
      ...     return complete_gradient(jax.grad(loss)(scale, z, y, "batch"), "batch")
      >>> over_shards = jax.vmap(shard, (None, 0, 0), axis_name="batch")
      >>> [round(float(x), 4) for x in over_shards(1.0, logits[:, None], labels[:, None])]
      [0.0066, 0.0066]
      >>> round(float(jax.grad(loss)(1.0, logits, labels)), 4)
      0.0066
    """
    if axis_name is None:
        return gradient
    axes = names(axis_name)
    if not _checked(axis_name):
        return jax.lax.pmean(gradient, axis_name)

    def complete(x: jax.Array) -> jax.Array:
        # A part that still differs from device to device belongs to parameters that were marked
        # as varying: their gradients are local.
        local = tuple(name for name in axes if name in _varies(x))
        return jax.lax.psum(x, local) if local else x

    return jax.tree.map(complete, gradient)


def value_and_global_gradient(
    loss: Callable[..., Any],
    params: Any,
    *args: Any,
    axis_name: AxisName | None = None,
    has_aux: bool = False,
    **options: Any,
) -> tuple[Any, Any]:
    """Value and gradient of the loss of the global batch, under any mapping.

    The same call is right under pmap, shard_map (with and without checks), vmap(axis_name=) and,
    without `axis_name`, on one device or in a jit over divided arrays: what is left to do for the
    gradient differs between them, and this does it. Give the result to the optimizer as it is.

    Args:
      loss: `loss(params, *args, axis_name=axis_name, **options) -> value`, which passes
        `axis_name` on to an objective (or to its statistics' psum).
      params: what the gradient is with respect to, a pytree equal on all devices.
      args: each device's own examples, and whatever else the loss takes.
      axis_name: mapped axis (or axes) over which the batch is divided.
      has_aux: the loss returns `(value, aux)`, such as the next state of a stateful objective.
      options: further keyword arguments of the loss.

    Returns:
      `(value, gradient)`, or `((value, aux), gradient)`; value and gradient are equal on all
      devices, aux is each device's own.

    Raises:
      TypeError: an objective instead of a function of parameters, or a loss without an argument
        `axis_name`.
      ValueError: under a shard_map that checks, a value that differs from device to device.

    Source: complete_gradient, and the transposition of psum in JAX that its module describes.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> objective = sf.objectives.soft_f1()
      >>> def loss(scale, inputs, labels, *, axis_name=None):
      ...     return objective(scale * inputs, labels, axis_name=axis_name)
      >>> def step(scale, inputs, labels):
      ...     return value_and_global_gradient(loss, scale, inputs, labels, axis_name="batch")
      >>> inputs, labels = jnp.array([[1.0], [-2.0]]), jnp.array([[1], [1]])
      >>> over_shards = jax.vmap(step, (None, 0, 0), axis_name="batch")
      >>> values, gradients = over_shards(1.0, inputs[:, None], labels[:, None])
      >>> value, gradient = value_and_global_gradient(loss, 1.0, inputs, labels)
      >>> bool(jnp.allclose(values, value)), bool(jnp.allclose(gradients, gradient))
      (True, True)
    """
    if isinstance(loss, AnyObjective):
        raise TypeError(
            "loss must be a function of the parameters that calls the objective, "
            f"`loss(params, ..., axis_name=)`, got the objective {loss!r}"
        )
    result, gradient = jax.value_and_grad(loss, has_aux=has_aux)(
        params, *args, axis_name=axis_name, **options
    )
    if axis_name is not None:
        varies = _varies(result[0] if has_aux else result)
        local = [name for name in names(axis_name) if name in varies]
        if local and _checked(axis_name):
            raise ValueError(
                f"the loss differs from device to device along {', '.join(local)}: give axis_name "
                "to the objective that it calls"
            )
    return result, complete_gradient(gradient, axis_name)


def shared_state(state: T, axis_name: AxisName | None) -> T:
    """One state of a network for all devices, from each device's own after a step.

    Floating leaves (running statistics) are averaged. Integers, booleans and PRNG keys (counters,
    streams of random numbers) keep their types: no average of them has a meaning, so they must be
    equal on all devices, which `jax.experimental.checkify` checks; the greatest is taken.
    """
    if axis_name is None:
        return state

    def share(x: Any) -> Any:
        x = jnp.asarray(x)
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            data = share(jax.random.key_data(x))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(x))
        if jnp.issubdtype(x.dtype, jnp.inexact):
            return jax.lax.pmean(x, axis_name)
        numbers = x.astype(jnp.uint8) if x.dtype == bool else x
        most, least = jax.lax.pmax(numbers, axis_name), jax.lax.pmin(numbers, axis_name)
        _checks.check_value(
            lambda: jnp.all(most == least),
            most,
            message="integers and keys in a network's state must be equal on all devices",
        )
        return most.astype(x.dtype)

    return jax.tree.map(share, state)


def varying(tree: T, axis_name: AxisName | None) -> T:
    """The same values, marked as free to differ from device to device.

    Gradients with respect to the result are each device's own, in every mode, and scans may
    carry it together with values that do differ.
    """
    if axis_name is None or not _checked(axis_name):
        return tree
    return _mark(tree, frozenset(names(axis_name)))


def equally_varying(tree: T, others: Any) -> T:
    """The same values, marked as `varying` over each axis that a leaf of either tree varies over.

    With a replicated kernel and divided features the kernel's gradient varies too, which a custom
    derivative may return only for a kernel that varies; JAX then sums over the devices.
    """
    leaves = jax.tree.leaves((tree, others))
    return _mark(tree, frozenset[str]().union(*map(_varies, leaves)))


def _mark(tree: T, axes: frozenset[str]) -> T:
    def mark(x: Any) -> Any:
        missing = tuple(sorted(axes - _varies(x)))
        return jax.lax.pcast(x, missing, to="varying") if missing else x

    return jax.tree.map(mark, tree)


def names(axis_name: AxisName) -> tuple[str, ...]:
    """The names of the axes, of which there may be one."""
    return (axis_name,) if isinstance(axis_name, str) else tuple(axis_name)


def _checked(axis_name: AxisName) -> bool:
    """Whether the surrounding shard_map tracks which values vary over the axis."""
    # A device's own number varies by definition, and only checked code knows that it does.
    name = names(axis_name)[0]
    return name in _varies(jax.lax.axis_index(name))


def _varies(x: Any) -> frozenset[str]:
    """The axes over which x is known to differ from device to device."""
    axes: frozenset[str] = jax.typeof(x).manual_axis_type.varying
    return axes
