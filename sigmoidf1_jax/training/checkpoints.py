"""Checkpoints that survive being killed in mid-save: the last ones, and the best."""

import contextlib
import json
import math
import os
import pathlib
import types
import warnings
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Array, UInt32

from sigmoidf1_jax.training.step import TrainState

Json = Any
_UNIT = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint32}


class Checkpointer:
    """Saves and restores training states, bit by bit, with what belongs to them.

    Two folders of Orbax checkpoints: `last` for going on after an interruption, `best` for the
    state with the greatest value of a metric so far. Every array of the `TrainState` is kept as
    it is (PRNG keys as their data), beside the state of the data iterator, the configuration and
    a checksum. Writing happens in the background; a checkpoint appears under its name only when
    it is complete, and the best is complete before the last is begun, so a process may be killed
    at any moment.

    Under several processes every process makes the same calls, and `folder` is on a file system
    that all of them see.

    Args:
      folder: made if missing.
      config: what determines the run, as JSON; checkpoints of another one are refused.
      keep: number of last checkpoints that stay, >= 1; with 2 one may turn out corrupt.
      metric: name of the metric that chooses the best, greater is better.

    Raises:
      ImportError: Orbax is not installed.
      ValueError: `keep` < 1, or `folder` has checkpoints of another `config`: the message names
        the fields that differ, with both values.

    Example:
      >>> import tempfile, jax, jax.numpy as jnp, optax
      >>> import sigmoidf1_jax as sf
      >>> model, objective = sf.models.MLP(3, hidden=()), sf.objectives.soft_f1()
      >>> state = sf.training.initial_state(
      ...     model, objective, optax.adam(0.1), jax.random.key(0), jnp.ones((1, 2)), 3
      ... )
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     checkpoints = Checkpointer(folder, {"loss": "soft_f1"})
      ...     checkpoints.save(state, {"next_index": 7}, {"micro_f1": 0.5})
      ...     again, data = checkpoints.restore(state)
      ...     checkpoints.close()
      >>> bool(jnp.all(jax.random.key_data(again.key) == jax.random.key_data(state.key)))
      True
      >>> data
      {'next_index': 7}
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        config: Mapping[str, Json],
        *,
        keep: int = 2,
        metric: str = "micro_f1",
    ) -> None:
        if keep < 1:
            raise ValueError(f"keep must be >= 1, got {keep}")
        self._orbax = _import_orbax()
        self.folder = pathlib.Path(folder).absolute()
        # As it will come back from a file: tuples are lists there.
        self._config = json.loads(json.dumps(config))
        self._metric = metric
        self._last = self._manager("last", keep)
        self._best = self._manager("best", None)
        for manager in (self._last, self._best):
            for meta in self._metas(manager):
                if differences := _differences(meta["config"], self._config):
                    raise ValueError(
                        f"the checkpoints in {self.folder} are of another configuration: "
                        f"{differences}"
                    )
        values = (meta["metrics"].get(metric, -math.inf) for meta in self._metas(self._best))
        self._best_value = max(values, default=-math.inf)

    def _manager(self, name: str, keep: int | None) -> Any:
        options = self._orbax.CheckpointManagerOptions(max_to_keep=keep)
        return self._orbax.CheckpointManager(self.folder / name, options=options)

    def _metas(self, manager: Any) -> list[dict[str, Json]]:
        """What is beside the arrays of every checkpoint, where it can be read."""
        metas = []
        args = self._orbax.args
        for step in manager.all_steps():
            # `restore` will say what is wrong with a checkpoint, and take another one.
            with contextlib.suppress(Exception):
                read = manager.restore(step, args=args.Composite(meta=args.JsonRestore()))
                metas.append(dict(read.meta))
        return metas

    @property
    def last_step(self) -> int | None:
        """The step of the newest complete checkpoint."""
        self._last.wait_until_finished()
        step: int | None = self._last.latest_step()
        return step

    def save(
        self,
        state: TrainState,
        data_state: Json = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Saves the state as the last, and as the best if its metrics are the best so far.

        Args:
          state: any `TrainState`; its step names the checkpoint.
          data_state: what the data iterator needs to go on, as JSON.
          metrics: values on validation, with the chosen metric among them; without them the state
            is not a candidate for the best.

        Raises:
          KeyError: `metrics` without the chosen metric.
          TypeError: `data_state` is not JSON.
        """
        arrays = _plain(state)
        meta = {
            "config": self._config,
            "data": data_state,
            "metrics": dict(metrics or {}),
            "checksum": int(_checksum(arrays)),
        }
        json.dumps(meta)
        if metrics is not None and metrics[self._metric] > self._best_value:
            self._write(self._best, arrays, meta)
            # Were the last complete before the best, the best could be lost for good.
            self._best.wait_until_finished()
            self._best_value = metrics[self._metric]
            for step in self._best.all_steps():
                if step != int(state.step):
                    self._best.delete(step)
        self._write(self._last, arrays, meta)

    def restore(self, like: TrainState) -> tuple[TrainState, Json] | None:
        """The newest checkpoint that can be read, with its data state; None if there is none.

        Where a checkpoint cannot be read, or does not match its checksum, the one before is taken
        with a warning; the damaged one is deleted then, to be written again.

        Args:
          like: a state of the same structure; arrays come back in its layout over devices, which
            need not be the one that they were saved in.

        Raises:
          ValueError: there are checkpoints and none can be read.
        """
        found = self._newest(self._last, like)
        return None if found is None else (found[0], found[1]["data"])

    def restore_best(self, like: TrainState) -> tuple[TrainState, dict[str, float]] | None:
        """As `restore`, the state with the best metric, with its metrics."""
        found = self._newest(self._best, like)
        return None if found is None else (found[0], found[1]["metrics"])

    def close(self) -> None:
        """Waits until everything is written."""
        self._last.close()
        self._best.close()

    def _write(self, manager: Any, arrays: Any, meta: Json) -> None:
        save, step = self._orbax.args, int(arrays.step)
        # A run that went back to an earlier checkpoint comes by the same steps again.
        if step in manager.all_steps():
            manager.delete(step)
        manager.save(
            step,
            args=save.Composite(state=save.StandardSave(arrays), meta=save.JsonSave(meta)),
            force=True,
        )

    def _newest(self, manager: Any, like: TrainState) -> tuple[TrainState, Json] | None:
        manager.wait_until_finished()
        damaged: list[int] = []
        for step in sorted(manager.all_steps(), reverse=True):
            state, meta, problem = self._read(manager, step, like)
            if _everywhere(problem is None):
                for later in damaged:
                    manager.delete(later)
                return state, meta
            damaged.append(step)
            warnings.warn(
                f"checkpoint {manager.directory / str(step)} cannot be used: "
                f"{problem or 'another process cannot read it'}",
                RuntimeWarning,
                stacklevel=3,
            )
        if damaged:
            raise ValueError(f"no checkpoint in {manager.directory} is intact")
        return None

    def _read(self, manager: Any, step: int, like: TrainState) -> tuple[Any, Json, str | None]:
        """State and what is beside it, or what is wrong with them."""
        args = self._orbax.args
        shapes = jax.tree.map(_shape, _plain(like))
        try:
            read = manager.restore(
                step,
                args=args.Composite(state=args.StandardRestore(shapes), meta=args.JsonRestore()),
            )
            meta = dict(read.meta)
            if int(_checksum(read.state)) != meta["checksum"]:
                return None, None, "its arrays do not match their checksum"
            return jax.tree.map(_as_in, like, read.state), meta, None
        except Exception as error:  # damaged files fail in as many ways as there are formats
            return None, None, f"{type(error).__name__}: {str(error)[:100]}"


def _import_orbax() -> types.ModuleType:
    try:
        import orbax.checkpoint
    except ImportError as error:
        raise ImportError(
            "checkpoints need Orbax: pip install 'sigmoidf1-jax[experiments]'"
        ) from error
    module: types.ModuleType = orbax.checkpoint
    return module


def _differences(theirs: Mapping[str, Json], ours: Mapping[str, Json]) -> str:
    names = sorted({*theirs, *ours})
    return "; ".join(
        f"{name} is {theirs.get(name, 'missing')!r} there and {ours.get(name, 'missing')!r} here"
        for name in names
        if (name in theirs, theirs.get(name)) != (name in ours, ours.get(name))
    )


def _is_key(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _plain(tree: Any) -> Any:
    """The tree as Orbax takes it: data in place of PRNG keys, nothing in place of empty arrays."""

    def plain(x: Array) -> Array | None:
        if not x.size:
            return None
        return jax.random.key_data(x) if _is_key(x) else x

    return jax.tree.map(plain, tree)


def _shape(x: Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)


def _as_in(like: Array, x: Array | None) -> Array:
    """The restored array as the kind of array that it was saved from."""
    if x is None:
        return like
    if not like.committed:
        # Left free to move to other devices, as arrays are that nobody has placed.
        x = jnp.asarray(np.asarray(x))
    return jax.random.wrap_key_data(x, impl=jax.random.key_impl(like)) if _is_key(like) else x


def _everywhere(value: bool) -> bool:
    """Whether it is true in all processes."""
    if jax.process_count() == 1:
        return value
    return bool(np.all(multihost_utils.process_allgather(np.asarray(value))))


@jax.jit
def _checksum(tree: Any) -> UInt32[Array, ""]:
    """A number that changes with any word of the arrays, the same in every layout over devices.

    The sum over words of word * odd number, modulo 2^32: odd numbers have inverses there.
    """
    total = jnp.zeros((), jnp.uint32)
    for x in jax.tree.leaves(tree):
        x = x.astype(jnp.uint8) if x.dtype == bool else x
        words = jax.lax.bitcast_convert_type(x, _UNIT[x.dtype.itemsize]).astype(jnp.uint32)
        position = jnp.zeros(words.shape, jnp.uint32)
        for axis, size in enumerate(words.shape):
            along = jax.lax.broadcasted_iota(jnp.uint32, words.shape, axis)
            position = position * jnp.uint32(size) + along
        total = total * jnp.uint32(31) + jnp.sum(words * (2 * position + 1), dtype=jnp.uint32)
    return total
