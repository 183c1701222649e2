"""Checkpoints that survive being killed in mid-save: the last ones, and the best."""

import contextlib
import errno
import json
import math
import os
import pathlib
import types
import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Array, UInt32

Json = Any
T = TypeVar("T")
_PYTHON: dict[str, Any] = {kind.__name__: kind for kind in (bool, int, float, complex)}
_PATTERN = "[*?\\"
_SHOWN = 6
"""Leaves that a message lists."""
_UNIT = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint32}


class Checkpointer:
    """Saves and restores training states, bit by bit, with what belongs to them.

    Two folders of Orbax checkpoints: `last` for going on after an interruption, `best` for the
    state with the greatest value of a metric so far. Every array of the state is kept as it is
    (PRNG keys as their data), beside the state of the data iterator, the configuration and a
    checksum. A state is a `TrainState` or another pytree with a step (a field, or a key of a
    mapping), such as Flax's own; its leaves are arrays of JAX or NumPy, PRNG keys and numbers.

    Writing happens in the background; a checkpoint appears under its name only when it is
    complete, and the best is complete before the last is begun, so a process may be killed at any
    moment, and a disk may be full: the checkpoints before stay.

    Under several processes every process makes the same calls, and `folder` is on a file system
    that all of them see.

    Args:
      folder: made if missing; a path without [, *, ? and backslash, which Orbax takes for patterns
        and then cannot read what it wrote.
      config: what determines the run, as JSON; checkpoints of another one are refused.
      keep: number of last checkpoints that stay, >= 1; with 2 one may turn out corrupt.
      metric: name of the metric that chooses the best, greater is better.
      may_differ: fields of `config` that do not matter to whether a checkpoint is one of this
        run, such as the number of epochs of a run that is extended.

    Attributes:
      folder: as given, absolute.
      saved_config: the configuration that the newest checkpoint was saved with when this was made,
        with the fields that may differ; None without one.

    Raises:
      ImportError: Orbax is not installed.
      ValueError: `keep` < 1, a path with such signs, or `folder` has checkpoints of another
        `config`: the message names the fields that differ, with both values.

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
        may_differ: Collection[str] = (),
    ) -> None:
        if keep < 1:
            raise ValueError(f"keep must be >= 1, got {keep}")
        self._orbax = _import_orbax()
        self.folder = pathlib.Path(folder).absolute()
        if signs := [x for x in _PATTERN if x in str(self.folder)]:
            raise ValueError(
                f"folder must be a path without {' '.join(signs)}, which Orbax takes for a "
                f"pattern, got {self.folder}"
            )
        # As it will come back from a file: tuples are lists there.
        self._config = json.loads(json.dumps(config))
        self._metric = metric
        self._last = self._manager("last", keep)
        self._best = self._manager("best", None)
        self.saved_config: dict[str, Json] | None = None
        for manager in (self._best, self._last):
            for _, meta in sorted(self._metas(manager).items()):
                if differences := _differences(meta["config"], self._config, may_differ):
                    raise ValueError(
                        f"the checkpoints in {self.folder} are of another configuration: "
                        f"{differences}"
                    )
                self.saved_config = meta["config"]
        self._best_values: dict[int, float] = {}

    def _manager(self, name: str, keep: int | None) -> Any:
        parts = self._orbax.options.MultiprocessingOptions
        options = self._orbax.CheckpointManagerOptions(
            max_to_keep=keep,
            # Both managers save the same steps: without names of their own, processes that wait
            # for each other in one could meet in the other.
            multiprocessing_options=parts(barrier_sync_key_prefix=name),
        )
        return self._orbax.CheckpointManager(self.folder / name, options=options)

    def _metas(self, manager: Any) -> dict[int, dict[str, Json]]:
        """What is beside the arrays of every checkpoint, where it can be read."""
        metas = {}
        for step in manager.all_steps():
            # `restore` will say what is wrong with a checkpoint, and take another one.
            with contextlib.suppress(Exception):
                metas[step] = self._meta(manager, step)
        return metas

    def _meta(self, manager: Any, step: int) -> dict[str, Json]:
        args = self._orbax.args
        read = manager.restore(step, args=args.Composite(meta=args.JsonRestore()))
        return dict(read.meta)

    @property
    def last_step(self) -> int | None:
        """The step of the newest complete checkpoint."""
        # One that could not be written is none; `save` and `close` say so.
        with contextlib.suppress(OSError):
            self._wait(self._last)
        step: int | None = self._last.latest_step()
        return step

    def save(
        self,
        state: Any,
        data_state: Json = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Saves the state as the last, and as the best if its metrics are the best so far.

        Args:
          state: any state; its step names the checkpoint.
          data_state: what the data iterator needs to go on, as JSON.
          metrics: values on validation, with the chosen metric among them; without them the state
            is not a candidate for the best.

        Raises:
          KeyError: `metrics` without the chosen metric.
          TypeError: `data_state` is not JSON, or a state without a step or with a leaf that is
            neither an array nor a number.
          OSError: this checkpoint, or the one before, cannot be written.
        """
        step, arrays = _step(state), _plain(state)
        meta = {
            "config": self._config,
            "data": data_state,
            "metrics": dict(metrics or {}),
            "checksum": int(_checksum(_bits(arrays))),
            "fields": {
                name: int(_checksum(_bits(field))) for name, field in _fields(arrays).items()
            },
            "leaves": {path: _described(x) for path, x in _leaves(state).items()},
        }
        json.dumps(meta)
        if metrics is not None and metrics[self._metric] > self._best_so_far():
            self._write(self._best, step, arrays, meta)
            # Were the last complete before the best, the best could be lost for good.
            self._wait(self._best)
            # One whose metrics cannot be read, for the moment, may be better.
            for other in [x for x in self._best_values if x != step]:
                del self._best_values[other]
                with self._writing():
                    self._best.delete(other)
            self._best_values[step] = metrics[self._metric]
        self._write(self._last, step, arrays, meta)

    def _best_so_far(self) -> float:
        if set(self._best.all_steps()) != set(self._best_values):
            self._best_values = {
                step: meta["metrics"].get(self._metric, -math.inf)
                for step, meta in self._metas(self._best).items()
            }
        return max(self._best_values.values(), default=-math.inf)

    def restore(self, like: T) -> tuple[T, Json] | None:
        """The newest checkpoint that can be read, with its data state; None if there is none.

        Where a checkpoint cannot be read, or does not match its checksum, the one before is taken
        with a warning. None is deleted for that: it may be readable again tomorrow, and a run
        that comes by its step writes it anew.

        Args:
          like: a state of the same structure; arrays come back in its layout over devices, which
            need not be the one that they were saved in, and leaves as its kinds of arrays and
            numbers.

        Raises:
          ValueError: there are checkpoints and none can be read, or one is of another network or
            optimizer: the message names the leaves that differ.
          TypeError: a leaf that is neither an array nor a number.
        """
        found = self._newest(self._last, like)
        return None if found is None else (found[0], found[1]["data"])

    def restore_best(self, like: T) -> tuple[T, dict[str, float]] | None:
        """As `restore`, the state with the best metric, with its metrics."""
        found = self._newest(self._best, like)
        return None if found is None else (found[0], found[1]["metrics"])

    def restore_fields(
        self, like: Mapping[str, Any], *, best: bool = False
    ) -> dict[str, Any] | None:
        """Some fields of a checkpoint alone, such as the parameters without the optimizer.

        Args:
          like: the fields that are wanted, each with a tree of the same structure, for instance
            `{"params": params, "model_state": model_state}`; other fields are not read.
          best: those of the best checkpoint instead of the newest.

        Returns:
          The fields; None if there is no checkpoint.

        Raises:
          ValueError, TypeError: as `restore`, for the leaves of these fields.
        """
        manager = self._best if best else self._last
        found = self._newest(manager, dict(like), fields=True)
        return None if found is None else found[0]

    def close(self) -> None:
        """Waits until everything is written.

        Raises:
          OSError: the last checkpoint cannot be written.
        """
        with contextlib.ExitStack() as both:
            for manager in (self._best, self._last):
                both.enter_context(self._writing())
                both.callback(manager.close)

    def _wait(self, manager: Any) -> None:
        """Waits until what a manager has begun is written."""
        with self._writing():
            manager.wait_until_finished()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Names what keeps Orbax from writing: it passes on what its threads and TensorStore say.

        Raises:
          OSError: with the number that the system gave, where there is one.
        """
        try:
            yield
        except Exception as error:
            number = _system_error(error)
            if number:
                raise OSError(number, os.strerror(number), str(self.folder)) from error
            said = (
                f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
            )
            raise OSError(f"cannot write a checkpoint to {self.folder}: {said}") from error

    def _write(self, manager: Any, step: int, arrays: Any, meta: Json) -> None:
        save = self._orbax.args
        # A run that went back to an earlier checkpoint comes by the same steps again.
        with self._writing():
            if step in manager.all_steps():
                manager.delete(step)
            manager.save(
                step,
                args=save.Composite(state=save.StandardSave(arrays), meta=save.JsonSave(meta)),
                force=True,
            )

    def _newest(self, manager: Any, like: Any, fields: bool = False) -> tuple[Any, Json] | None:
        self._wait(manager)
        _plain(like)  # Says what cannot be restored before anything is read.
        steps = sorted(manager.all_steps(), reverse=True)
        if manager is self._best and len(steps) > 1:
            self._best_so_far()
            steps.sort(key=lambda step: (-self._best_values.get(step, -math.inf), step))
        problems = []
        for step in steps:
            read = self._read(manager, step, like, fields)
            place = manager.directory / str(step)
            if not _everywhere(not read.differences):
                raise ValueError(
                    f"the checkpoint {place} is of another network or optimizer: "
                    f"{read.differences or 'see the other processes'}"
                )
            if _everywhere(read.problem is None):
                return read.state, read.meta
            problem = read.problem or "another process cannot read it"
            problems.append(f"{step}: {problem}")
            warnings.warn(
                f"checkpoint {place} cannot be used: {problem}", RuntimeWarning, stacklevel=3
            )
        if problems:
            raise ValueError(
                f"no checkpoint in {manager.directory} is intact ({'; '.join(problems)})"
            )
        return None

    def _read(self, manager: Any, step: int, like: Any, fields: bool) -> "_Read":
        """State and what is beside it, or what is wrong with them."""
        try:
            meta = self._meta(manager, step)
            # Checkpoints of earlier versions hold neither leaves nor fields.
            saved = meta.get("leaves", {})
            if fields:
                saved = {path: x for path, x in saved.items() if path.split("/")[0] in like}
            if differences := _unlike(saved, like) if "leaves" in meta else "":
                return _Read(differences=differences)
            target = jax.tree_util.tree_map_with_path(
                lambda path, x: _target(x, saved.get(_path(path))), like
            )
            if fields:
                state = self._read_fields(manager.directory / str(step) / "state", target)
                sums = {name: int(_checksum(_bits(x))) for name, x in state.items()}
                kept = meta.get("fields", sums)
                intact = all(kept.get(name, 0) == total for name, total in sums.items())
            else:
                args = self._orbax.args
                arguments = args.Composite(state=args.StandardRestore(target))
                state = manager.restore(step, args=arguments).state
                intact = int(_checksum(_bits(state))) == meta["checksum"]
            if not intact:
                return _Read(problem="its arrays do not match their checksum")
            return _Read(jax.tree.map(_as_in, like, state), meta)
        except Exception as error:  # damaged files fail in as many ways as there are formats
            return _Read(problem=f"{type(error).__name__}: {str(error)[:100]}")

    def _read_fields(self, folder: Any, target: Any) -> Any:
        orbax = self._orbax
        layout = orbax.checkpoint_utils.construct_restore_args(target)
        with orbax.Checkpointer(orbax.PyTreeCheckpointHandler()) as reader:
            return reader.restore(
                folder,
                args=orbax.args.PyTreeRestore(target, restore_args=layout, partial_restore=True),
            )


class _Read(NamedTuple):
    """What came of reading a checkpoint."""

    state: Any = None
    meta: Json = None
    problem: str | None = None
    differences: str = ""


def _import_orbax() -> types.ModuleType:
    try:
        import orbax.checkpoint
    except ImportError as error:
        raise ImportError(
            "checkpoints need Orbax: pip install 'sigmoidf1-jax[experiments]'"
        ) from error
    module: types.ModuleType = orbax.checkpoint
    return module


def _system_error(error: BaseException | None) -> int:
    """The number of the system's error that another one comes from, or 0."""
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            return error.errno
        # TensorStore has the words alone.
        for number in errno.errorcode:
            if os.strerror(number) in str(error):
                return number
        error = error.__cause__ or error.__context__
    return 0


def _differences(
    theirs: Mapping[str, Json], ours: Mapping[str, Json], may_differ: Collection[str]
) -> str:
    names = sorted({*theirs, *ours} - {*may_differ})
    return "; ".join(
        f"{name} is {theirs.get(name, 'missing')!r} there and {ours.get(name, 'missing')!r} here"
        for name in names
        if (name in theirs, theirs.get(name)) != (name in ours, ours.get(name))
    )


def _step(state: Any) -> int:
    """The number of the step that the state is of."""
    held = isinstance(state, Mapping)
    step = state.get("step") if held else getattr(state, "step", None)
    if step is None or np.ndim(step):
        raise TypeError(
            "state must hold the number of its step as a field or key 'step', got "
            + (f"a mapping with {sorted(map(str, state))}" if held else type(state).__name__)
        )
    return int(step)


def _path(path: Any) -> str:
    """The names along a path: the same for fields and for keys of mappings."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _leaves(tree: Any) -> dict[str, Any]:
    return {_path(path): x for path, x in jax.tree_util.tree_leaves_with_path(tree)}


def _fields(tree: Any) -> dict[str, list[Any]]:
    """The leaves of each field of a state."""
    fields: dict[str, list[Any]] = {}
    for path, x in jax.tree_util.tree_leaves_with_path(tree):
        fields.setdefault(_path(path[:1]), []).append(x)
    return fields


def _is_number(x: Any) -> bool:
    # Exactly: NumPy's float64 is a float too.
    return type(x) in _PYTHON.values()


def _is_key(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _described(x: Any) -> str:
    """Type and shape, for instance float32[3,2]; of a Python number its type alone."""
    if _is_number(x):
        return type(x).__name__
    return f"{x.dtype.name}[{','.join(map(str, x.shape))}]"


def _kind(description: str) -> str:
    """bool, int, float or complex for what describes a number, "" for arrays and keys."""
    if description in _PYTHON:
        return description
    dtype, _, shape = description.partition("[")
    if shape != "]" or dtype.startswith("key"):
        return ""
    for name, kind in (("bool", np.bool_), ("int", jnp.integer), ("float", jnp.floating)):
        if jnp.issubdtype(jnp.dtype(dtype), kind):
            return name
    return "complex"


def _fits(saved: str, expected: str) -> bool:
    """Whether what was saved is what is expected; Python numbers are of any width."""
    if saved == expected:
        return True
    loose = saved in _PYTHON or expected in _PYTHON
    return loose and _kind(saved) != "" and _kind(saved) == _kind(expected)


def _unlike(saved: Mapping[str, str], like: Any) -> str:
    """The leaves that differ from what was saved, in words; "" if there are none."""
    expected = {path: _described(x) for path, x in _leaves(like).items()}
    differences = [
        f"{path} is {saved.get(path, 'missing')} there and {expected.get(path, 'missing')} here"
        for path in dict.fromkeys([*expected, *saved])
        if path not in saved or path not in expected or not _fits(saved[path], expected[path])
    ]
    shown = "; ".join(differences[:_SHOWN])
    more = len(differences) - _SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _plain(tree: Any) -> Any:
    """The tree as Orbax takes it: data in place of PRNG keys, nothing in place of empty arrays.

    Raises:
      TypeError: a leaf that is neither an array nor a number.
    """

    def plain(path: Any, x: Any) -> Any:
        if _is_number(x):
            return np.asarray(x)
        known = isinstance(x, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct)
        if not known or not (
            _is_key(x) or jnp.issubdtype(x.dtype, np.number) or x.dtype == np.bool_
        ):
            what = f"an array of {x.dtype}" if known else type(x).__name__
            raise TypeError(
                f"a state holds arrays of numbers, PRNG keys and numbers, got {what} at "
                f"{_path(path)}"
            )
        if not x.size:
            return None
        if isinstance(x, np.ndarray | np.generic):
            return np.asarray(x, x.dtype.newbyteorder("="))
        return jax.random.key_data(x) if _is_key(x) and isinstance(x, jax.Array) else x

    return jax.tree_util.tree_map_with_path(plain, tree)


def _target(like: Any, saved: str | None) -> Any:
    """What Orbax is to read a leaf as."""
    saved = saved or _described(like)
    if saved in _PYTHON or _is_number(like):
        # As it was saved; it is made what it is to be when its bits are found right.
        kind = _PYTHON.get(saved)
        dtype = np.asarray(kind(0)).dtype if kind else jnp.dtype(saved.partition("[")[0])
        return np.zeros((), dtype)
    if not like.size:
        return None
    if isinstance(like, np.ndarray | np.generic):
        return np.zeros(like.shape, like.dtype.newbyteorder("="))
    data = jax.eval_shape(jax.random.key_data, like) if _is_key(like) else like
    return jax.ShapeDtypeStruct(data.shape, data.dtype, sharding=_layout(like))


def _layout(like: Any) -> Any:
    if _is_key(like) and isinstance(like, jax.Array):
        return jax.random.key_data(like).sharding
    return like.sharding


def _as_in(like: Any, x: Any) -> Any:
    """The restored array as the kind of array or number that it is to be."""
    if _is_number(like):
        return type(like)(np.asarray(x).item())
    if x is None:
        abstract = isinstance(like, jax.ShapeDtypeStruct)
        return jnp.zeros(like.shape, like.dtype) if abstract else like
    if isinstance(like, np.ndarray | np.generic):
        x = np.asarray(x, like.dtype)
        return x if isinstance(like, np.ndarray) else x[()]
    if isinstance(x, np.ndarray):
        x = jax.device_put(x.astype(like.dtype), like.sharding)
    if not getattr(like, "committed", like.sharding is not None):
        # Left free to move to other devices, as arrays are that nobody has placed.
        x = jnp.asarray(np.asarray(x))
    if not _is_key(like):
        return x
    # Of an abstract key only the type is there to ask.
    return jax.random.wrap_key_data(x, impl=jax.random.key_impl(jnp.empty((), like.dtype)))


def _everywhere(value: bool) -> bool:
    """Whether it is true in all processes."""
    if jax.process_count() == 1:
        return value
    return bool(np.all(multihost_utils.process_allgather(np.asarray(value))))


def _bits(tree: Any) -> Any:
    """The tree with NumPy arrays as words: JAX would cut their 64-bit numbers short."""

    def bits(x: Any) -> Any:
        if not isinstance(x, np.ndarray | np.generic):
            return x
        x = np.ascontiguousarray(x).reshape(-1)
        return x.view(_UNIT[min(x.dtype.itemsize, 4)])

    return jax.tree.map(bits, tree)


@jax.jit
def _checksum(tree: Any) -> UInt32[Array, ""]:
    """A number that changes with any word of the arrays, the same in every layout over devices.

    The sum over words of word * odd number, modulo 2^32: odd numbers have inverses there.
    """
    total = jnp.zeros((), jnp.uint32)
    for x in jax.tree.leaves(tree):
        x = x.astype(jnp.uint8) if x.dtype == bool else x
        if jnp.issubdtype(x.dtype, jnp.complexfloating):
            x = jnp.stack([x.real, x.imag], -1)
        words = jax.lax.bitcast_convert_type(x, _UNIT[x.dtype.itemsize]).astype(jnp.uint32)
        position = jnp.zeros(words.shape, jnp.uint32)
        for axis, size in enumerate(words.shape):
            along = jax.lax.broadcasted_iota(jnp.uint32, words.shape, axis)
            position = position * jnp.uint32(size) + along
        total = total * jnp.uint32(31) + jnp.sum(words * (2 * position + 1), dtype=jnp.uint32)
    return total
