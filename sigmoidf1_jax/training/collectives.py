"""The collectives that the gradient of a global loss needs: one place for pmap and shard_map.

A loss of psummed statistics has the same value on all devices. What is left to do for its
gradient depends on how JAX transposes that psum:

- under `shard_map` that checks varying axes (its default), the gradient with respect to
  parameters that are equal on all devices arrives summed: nothing is left to do;
- under `pmap`, `vmap(axis_name=)` and `shard_map(check_vma=False)` each device holds its own
  examples' part times the number of devices: `pmean` gives the sum of the parts.
"""

from typing import Any, TypeVar

import jax

from sigmoidf1_jax.objective import AxisName

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
    names = _names(axis_name)
    if not _checked(axis_name):
        return jax.lax.pmean(gradient, axis_name)

    def complete(x: jax.Array) -> jax.Array:
        # A part that still differs from device to device belongs to parameters that were marked
        # as varying: their gradients are local.
        local = tuple(name for name in names if name in _varies(x))
        return jax.lax.psum(x, local) if local else x

    return jax.tree.map(complete, gradient)


def varying(tree: T, axis_name: AxisName | None) -> T:
    """The same values, marked as free to differ from device to device.

    Gradients with respect to the result are each device's own, in every mode, and scans may
    carry it together with values that do differ.
    """
    if axis_name is None or not _checked(axis_name):
        return tree
    return _mark(tree, frozenset(_names(axis_name)))


def equally_varying(tree: T, others: Any) -> T:
    """The same values, marked as `varying` over each axis that a leaf of either tree varies over.

    With a replicated kernel and divided features the kernel's gradient varies too, which a custom
    derivative may return only for a kernel that varies; JAX then sums over the devices.
    """
    leaves = jax.tree.leaves((tree, others))
    return _mark(tree, frozenset[str]().union(*map(_varies, leaves)))


def _mark(tree: T, names: frozenset[str]) -> T:
    def mark(x: Any) -> Any:
        missing = tuple(sorted(names - _varies(x)))
        return jax.lax.pcast(x, missing, to="varying") if missing else x

    return jax.tree.map(mark, tree)


def _names(axis_name: AxisName) -> tuple[str, ...]:
    return (axis_name,) if isinstance(axis_name, str) else tuple(axis_name)


def _checked(axis_name: AxisName) -> bool:
    """Whether the surrounding shard_map tracks which values vary over the axis."""
    # A device's own number varies by definition, and only checked code knows that it does.
    name = _names(axis_name)[0]
    return name in _varies(jax.lax.axis_index(name))


def _varies(x: Any) -> frozenset[str]:
    """The axes over which x is known to differ from device to device."""
    axes: frozenset[str] = jax.typeof(x).manual_axis_type.varying
    return axes
