"""A training step on many devices and hosts, with the result of one device."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from sigmoidf1_jax.training.batch import Batch, pad, size

BATCH, LABEL = "batch", "label"
"""The names of the mesh axes over which examples and labels are divided."""

T = TypeVar("T")
How = Literal["shard_map", "pmap", "jit"]


def make_mesh(label: int = 1, devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh with the axes batch and label over all devices (of all hosts).

    Args:
      label: devices over which the label axis is divided; the others divide the batch.
      devices: default `jax.devices()`.

    Raises:
      ValueError: `label` does not divide the number of devices.

    Example:
      >>> dict(make_mesh().shape)
      {'batch': 1, 'label': 1}
    """
    devices = list(jax.devices() if devices is None else devices)
    if label < 1 or len(devices) % label:
        raise ValueError(
            f"label must be >= 1 and divide the number of devices, {len(devices)}, got {label}"
        )
    shape = (len(devices) // label, label)
    return Mesh(np.array(devices).reshape(shape), (BATCH, LABEL), axis_types=(AxisType.Auto,) * 2)


def label_sharding(state: Any, num_labels: int, mesh: Mesh) -> Any:
    """How to lay out a state whose label axis is divided: a `NamedSharding` for every leaf.

    Leaves whose last axis has `num_labels` entries (the last layer's kernel and bias, their
    optimizer moments, a loss's state per label) are divided over the mesh axis "label", all
    others are replicated.

    Raises:
      ValueError: the number of devices along "label" does not divide `num_labels`.
    """
    parts = mesh.shape[LABEL]
    if num_labels % parts:
        raise ValueError(
            f"num_labels must be divisible by the mesh axis {LABEL!r} of size {parts}, "
            f"got {num_labels}"
        )

    def layout(x: Any) -> NamedSharding:
        shape = jax.numpy.shape(x)
        if not shape or shape[-1] != num_labels:
            return NamedSharding(mesh, PartitionSpec())
        return NamedSharding(mesh, PartitionSpec(*(None,) * (len(shape) - 1), LABEL))

    return jax.tree.map(layout, state)


def divide(batch: T, mesh: Mesh) -> T:
    """Global arrays of the examples of all processes, divided over the mesh axis "batch".

    Args:
      batch: a pytree of arrays with this process's examples on their first axis, as many as every
        other process has and a multiple of its devices along "batch".
      mesh: devices, with an axis "batch".
    """
    layout = NamedSharding(mesh, PartitionSpec(BATCH))
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(layout, np.asarray(x)), batch
    )


def data_parallel(
    step: Callable[..., tuple[Any, Any]],
    mesh_or_devices: Mesh | Sequence[Any],
    how: How = "shard_map",
    *,
    state_sharding: Any = None,
    padding: bool = True,
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """The step with its batch divided over devices; the result is that of one device.

    Args:
      step: `(state, batch, *, axis_name) -> (state, metrics)`, as `train_step` makes it. With
        `axis_name` its result must be equal on all devices: losses take it, and
        `complete_gradient` sees to the gradient.
      mesh_or_devices: a mesh with an axis "batch" (see `make_mesh`), or the devices themselves.
      how: "shard_map" (the default) and "pmap" run the step on every device's examples with
        `axis_name="batch"`; "jit" compiles the step of the global batch for arrays that are
        divided, `axis_name=None`, and lets the compiler place the collectives. Only "jit"
        divides the label axis too.
      state_sharding: for "jit", how the state is laid out, for instance `label_sharding(state,
        num_labels, mesh)`; replicated by default.
      padding: pads a `Batch` that does not divide evenly with rows that do not count; otherwise
        that is an error.

    Returns:
      `(state, batch) -> (state, metrics)`, jitted; but under pmap the state's memory is reused for
      the new one, so the old one must not be used again.
      The batch holds the examples of this process (all of them, if there is one process); every
      process must give the same number.

    Raises:
      ValueError: a mesh without "batch", another `how`, `state_sharding` without "jit"; when
        called, a batch that does not divide evenly with `padding=False`.

    Example:
      >>> import jax, jax.numpy as jnp, optax
      >>> import sigmoidf1_jax as sf
      >>> from sigmoidf1_jax import training
      >>> model, objective = sf.models.MLP(3, hidden=()), sf.objectives.soft_f1()
      >>> step = training.train_step(model, objective, optax.sgd(0.1))
      >>> batch = training.Batch(jnp.ones((4, 2)), jnp.ones((4, 3), bool))
      >>> state = training.initial_state(
      ...     model, objective, optax.sgd(0.1), jax.random.key(0), batch.inputs, 3
      ... )
      >>> state, metrics = training.data_parallel(step, jax.devices())(state, batch)
      >>> int(state.step)
      1
    """
    if how not in ("shard_map", "pmap", "jit"):
        raise ValueError(f"how must be 'shard_map', 'pmap' or 'jit', got {how!r}")
    if isinstance(mesh_or_devices, Mesh):
        mesh = _automatic(mesh_or_devices)
    else:
        mesh = make_mesh(devices=mesh_or_devices)
    if BATCH not in mesh.shape:
        raise ValueError(f"the mesh needs an axis named {BATCH!r}, got {mesh.axis_names}")
    if state_sharding is not None and how != "jit":
        raise ValueError(f"state_sharding needs how='jit', got {how!r}")
    local = mesh.local_mesh.shape[BATCH]
    whole, rows = PartitionSpec(), PartitionSpec(BATCH)
    own = mesh

    if how == "pmap":
        devices = _batch_devices(mesh)
        own = Mesh(np.array(devices), (BATCH,), axis_types=(AxisType.Auto,))
        compiled = jax.pmap(
            lambda state, batch: step(state, batch, axis_name=BATCH),
            axis_name=BATCH,
            in_axes=(None, 0),
            out_axes=None,
            devices=devices,
        )

        def place(batch: Any) -> Any:
            return jax.tree.map(lambda x: x.reshape(local, -1, *x.shape[1:]), batch)
    else:
        if how == "shard_map":
            mapped = jax.shard_map(
                lambda state, batch: step(state, batch, axis_name=BATCH),
                mesh=mesh,
                in_specs=(whole, rows),
                out_specs=(whole, whole),
            )
        else:
            mapped = step
        replicated = NamedSharding(mesh, whole)
        layout = replicated
        if state_sharding is not None:
            layout = jax.tree.map(
                lambda x: (
                    NamedSharding(_automatic(x.mesh), x.spec) if isinstance(x, NamedSharding) else x
                ),
                state_sharding,
            )
        compiled = jax.jit(
            mapped,
            in_shardings=(layout, NamedSharding(mesh, rows)),
            out_shardings=(layout, replicated),
            donate_argnums=0,
        )

        place = functools.partial(divide, mesh=mesh)

    def run(state: Any, batch: Any) -> tuple[Any, Any]:
        examples = size(batch)
        around = jax.sharding.get_mesh()
        given = state
        state, batch = _automatic_arrays(state), _automatic_arrays(batch)
        if state is not given and how != "pmap":
            # Arrays made under an Explicit mesh are laid out already, if not as wanted here.
            state = jax.device_put(state, layout)
        with contextlib.nullcontext() if around.empty else jax.set_mesh(own):
            if examples % local:
                if not padding or not isinstance(batch, Batch):
                    raise ValueError(
                        f"the batch of {examples} examples must be divisible by the {local} "
                        f"devices along {BATCH!r}" + (" (padding is off)" if not padding else "")
                    )
                batch = pad(batch, local)
            state, metrics = compiled(state, place(batch))
            if how == "pmap" and jax.process_count() > 1:
                # pmap knows the devices of its process only; the other modes return global arrays.
                everywhere = NamedSharding(mesh, whole)
                state = jax.tree.map(lambda x: _of_all_processes(x, everywhere), state)
        if not around.empty:
            state, metrics = jax.tree.map(lambda x: _on_mesh(x, around), (state, metrics))
        return state, metrics

    return run


def _automatic(mesh: Any) -> Mesh:
    """The mesh with axes that the compiler looks after.

    Axes of type Explicit, `jax.make_mesh`'s default, would make every array's layout a part of its
    type, and every network and optimizer would have to say how its products are laid out.
    """
    return Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * mesh.devices.ndim)


def _automatic_arrays(tree: T) -> T:
    """The same arrays, laid out over meshes whose axes the compiler looks after."""

    def is_explicit(x: Any) -> bool:
        layout = getattr(x, "sharding", None)
        return isinstance(layout, NamedSharding) and AxisType.Explicit in layout.mesh.axis_types

    def convert(x: Any) -> Any:
        if not is_explicit(x):
            return x
        return jax.device_put(x, NamedSharding(_automatic(x.sharding.mesh), x.sharding.spec))

    return jax.tree.map(convert, tree) if any(map(is_explicit, jax.tree.leaves(tree))) else tree


def _on_mesh(x: Any, mesh: Mesh) -> Any:
    """The array as those that are made inside `jax.set_mesh(mesh)` are, if it fits there."""
    layout = x.sharding
    if layout.device_set != set(mesh.devices.flat):
        return x
    if layout.is_fully_replicated:
        return jax.device_put(x, NamedSharding(mesh, PartitionSpec()))
    fits = dict(layout.mesh.shape) == dict(mesh.shape)
    return jax.device_put(x, NamedSharding(mesh, layout.spec)) if fits else x


def _of_all_processes(x: Any, everywhere: NamedSharding) -> Any:
    """A global array of which every process has a copy already."""
    if jax.numpy.issubdtype(x.dtype, jax.dtypes.prng_key):
        data = _of_all_processes(jax.random.key_data(x), everywhere)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(x))
    copies = [shard.data for shard in x.addressable_shards]
    return jax.make_array_from_single_device_arrays(x.shape, everywhere, copies)


def _batch_devices(mesh: Mesh) -> list[Any]:
    if mesh.devices.size != mesh.shape[BATCH]:
        raise ValueError(f"pmap divides {BATCH!r} only, got a mesh of {dict(mesh.shape)}")
    return list(mesh.devices.flat)
