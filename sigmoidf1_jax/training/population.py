"""Population training: seeds x settings of one objective in one compiled epoch."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from sigmoidf1_jax.objective import AnyObjective
from sigmoidf1_jax.training._update import Learned, update
from sigmoidf1_jax.training.batch import Batch
from sigmoidf1_jax.training.forward import Network, Watch, mode_arguments

Criteria = Callable[
    [Float[Array, "rows labels"], Num[Array, "rows labels"], Bool[Array, "rows labels"]],
    Float[Array, " criteria"],
]
Optimizer = Callable[[ArrayLike, ArrayLike], optax.GradientTransformation]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["objective", "learning_rate", "weight_decay"],
    meta_fields=[],
)
@dataclasses.dataclass(frozen=True)
class Setting:
    """What is tuned: an objective (with or without state), and the optimizer's hyperparameters."""

    objective: AnyObjective
    learning_rate: ArrayLike = 1e-3
    weight_decay: ArrayLike = 0.0


def stack(settings: Sequence[Setting]) -> Setting:
    """K settings of one objective as one batched `Setting` with leaves [K, ...].

    Raises:
      ValueError: no settings, or settings whose objectives differ in more than numbers.

    Example:
      >>> import sigmoidf1_jax as sf
      >>> settings = [Setting(sf.objectives.sigmoid_f1(slope=s)) for s in (1.0, 2.0)]
      >>> stack(settings).objective.surrogate.parameters["slope"].tolist()
      [1.0, 2.0]
    """
    if not settings:
        raise ValueError("settings must not be empty")
    structures = {jax.tree.structure(setting) for setting in settings}
    if len(structures) > 1:
        raise ValueError(
            "all settings must be of one objective and differ in numbers only, "
            f"got {[setting.objective for setting in settings]}"
        )
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(x) for x in leaves]), *settings)


class Split(NamedTuple):
    """One train / validation split per seed, as row numbers into the examples.

    `train` is [seeds, n] and `validation` [seeds, m]; shorter splits are padded with -1. Features
    enter the network as `(features - shift) * scale`, both [seeds, num_features]: statistics of
    the training rows. With `fill`, [seeds, num_features], a feature that is NaN takes the value
    there first (a median of the training rows, or 0); without, NaN reaches the network.
    """

    train: Int[ArrayLike, "seeds train"]
    validation: Int[ArrayLike, "seeds validation"]
    shift: Float[ArrayLike, "seeds features"]
    scale: Float[ArrayLike, "seeds features"]
    fill: Float[ArrayLike, "seeds features"] | None = None

    def inputs(self, features: Float[Array, "rows features"]) -> Float[Array, "rows features"]:
        """What the network is given of these features; of one seed's split, as vmap sees it."""
        if self.fill is not None:
            features = jnp.where(jnp.isnan(features), jnp.asarray(self.fill)[None], features)
        return (features - jnp.asarray(self.shift)[None]) * jnp.asarray(self.scale)[None]


class Population(NamedTuple):
    """Trained runs. S seeds, K settings, E epochs, M selection criteria.

    `params` holds, for every run and criterion, the variables of the network (`model.apply` takes
    them) with the parameters of the epoch in which the criterion was greatest on validation;
    `best_epoch` is -1 (and the parameters are the initial ones) where it was never a number.
    """

    params: Any  # leaves [S, K, M, ...]
    best: Float[Array, "S K M"]
    best_epoch: Int[Array, "S K M"]
    criteria: Float[Array, "S K E M"]
    loss: Float[Array, "S K E"]


def adamw(learning_rate: ArrayLike, weight_decay: ArrayLike) -> optax.GradientTransformation:
    """The default optimizer: Adam with decoupled weight decay."""
    return optax.adamw(learning_rate, weight_decay=weight_decay)


def population(
    model: nn.Module,
    settings: Setting,
    features: Float[ArrayLike, "examples features"],
    labels: Num[ArrayLike, "examples labels"] | Bool[ArrayLike, "examples labels"],
    split: Split,
    keys: PRNGKeyArray,
    *,
    epochs: int,
    batch_size: int,
    criteria: Criteria,
    where: Bool[ArrayLike, "examples labels"] | None = None,
    optimizer: Optimizer = adamw,
    progress: Callable[[int], None] | None = None,
) -> Population:
    """Trains every setting on every seed's split, with one jitted program per epoch.

    All runs advance together: seeds and settings are mapped, steps are scanned, and the host
    starts one epoch after the other, so that an interruption waits for none. Settings of one
    seed see the same initial parameters and the same batches, so that they differ in nothing
    else. After each epoch the criteria are computed on validation; per criterion only the
    parameters of the best epoch so far are kept, so memory does not grow with the epochs. A batch
    of nothing but padding, as splits of different sizes have them, changes nothing at all.

    Args:
      model: Flax module, [rows, num_features] -> logits [rows, num_labels]. Its parameters are
        trained, told so by its mode (see `forward`), with dropout. Its other collections, such as
        the statistics of a frozen batch normalisation, stay as they are made: a module that has
        any is in evaluation mode throughout.
      settings: batched setting, leaves [K, ...] (see `stack`), or [S, K, ...] where settings
        depend on the seed's split, as class frequencies of its training rows do.
      features: [examples, num_features], shared by all seeds.
      labels: [examples, num_labels].
      split: rows of each seed's split, and its standardisation.
      keys: [S] PRNG keys, for initial parameters and for shuffling.
      epochs: passes over the training rows, >= 1.
      batch_size: rows in a step; the last batch of an epoch holds what is left, masked.
      criteria: `(logits, labels, where) -> [M]` on validation, greater is better.
      where: True where an entry counts (missing labels).
      optimizer: `(learning_rate, weight_decay) -> optax transformation`.
      progress: called on the host with the number of each finished epoch.

    Returns:
      A `Population`.

    Raises:
      ValueError: shapes that do not fit, `epochs` or `batch_size` < 1, an empty split, a module
        whose dropout would stay off, or `optax.MultiSteps` with a loss that is not a mean.
    """
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"epochs and batch_size must be >= 1, got {epochs} and {batch_size}")
    features, labels = jnp.asarray(features), jnp.asarray(labels)
    where = jnp.ones(labels.shape, bool) if where is None else jnp.asarray(where)
    chex.assert_rank([features, labels, where], 2, exception_type=ValueError)
    chex.assert_equal_shape([labels, where], exception_type=ValueError)
    chex.assert_equal_shape_prefix([features, labels], 1, exception_type=ValueError)
    split = jax.tree.map(jnp.asarray, split)
    chex.assert_equal_shape_prefix([*jax.tree.leaves(split), keys], 1, exception_type=ValueError)
    for name in ("train", "validation"):
        if not bool(jnp.all(jnp.any(getattr(split, name) >= 0, axis=1))):
            raise ValueError(f"the {name} split of a seed has no rows")
    if jnp.ndim(settings.learning_rate) == 1:
        settings = jax.tree.map(lambda x: jnp.broadcast_to(x, (len(keys), *x.shape)), settings)
    trainer = _Trainer(model, min(batch_size, jnp.shape(split.train)[1]), criteria, optimizer)
    data = _Data(settings, features, labels, where, split, keys)
    runs = trainer.start(data)
    losses: list[Array] = []
    values: list[Array] = []
    for epoch in range(epochs):
        runs, loss, value = trainer.epoch(runs, data, np.int32(epoch))
        losses.append(loss)
        values.append(value)
        # One epoch is on its way while the host waits for the one before, and no more.
        for finished in range(max(epoch - 1, 0), epochs if epoch == epochs - 1 else epoch):
            _wait(losses[finished])
            if progress is not None:
                progress(finished)
    axis = runs.best.shape[2]
    others = jax.tree.map(
        lambda x: jnp.repeat(x[:, :, None], axis, axis=2), runs.learned.model_state
    )
    return Population(
        params={**others, "params": runs.best_params},
        best=runs.best,
        best_epoch=runs.best_epoch,
        criteria=jnp.stack(values, 2),
        loss=jnp.stack(losses, 2),
    )


_Examples = tuple[Array, Array, Array]
"""Inputs, labels and where."""


class _Run(NamedTuple):
    """What one run carries from epoch to epoch."""

    learned: Learned
    best_params: Any  # leaves [M, ...]
    best: Array  # [M]
    best_epoch: Array  # [M]


class _Data(NamedTuple):
    """What is the same in all epochs."""

    settings: Setting  # leaves [S, K, ...]
    features: Array
    labels: Array
    where: Array
    split: Split
    keys: Array

    def gather(self, rows: Array, part: Split) -> _Examples:
        """Inputs, labels and mask of some rows; rows of -1 count for nothing."""
        where = self.where[rows] & (rows >= 0)[:, None]
        return part.inputs(self.features[rows]), self.labels[rows], where


@dataclasses.dataclass(frozen=True)
class _Trainer:
    """The program of an epoch: what is static in it."""

    model: nn.Module
    batch_size: int
    criteria: Criteria
    optimizer: Optimizer

    @functools.partial(jax.jit, static_argnums=0)
    def start(self, data: _Data) -> _Run:
        """All runs before the first epoch, leaves [S, K, ...]."""
        return jax.vmap(self._initial, (0, 0, None))(data.keys, data.settings, data)

    # Donated, so that two epochs' runs never exist at once.
    @functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
    def epoch(self, runs: _Run, data: _Data, epoch: ArrayLike) -> tuple[_Run, Array, Array]:
        """All runs after an epoch, with losses [S, K] and criteria [S, K, M]."""
        every_seed = jax.vmap(self._seed_epoch, (0, 0, 0, 0, None, None))
        runs, (losses, values) = every_seed(runs, data.settings, data.split, data.keys, epoch, data)
        return runs, losses, values

    def _apply(self, params: Any, others: Any, x: Array, *, key: Any = None) -> Any:
        """Logits; in training with a key, if the network can be."""
        # Batch statistics would be those of padding too: what has any stays as it is.
        training = key is not None and not others
        options = mode_arguments(self.model, training=training)
        rngs = None if key is None else {"dropout": key}
        watch = Watch()
        with nn.intercept_methods(watch):
            logits = self.model.apply({**others, "params": params}, x, rngs=rngs, **options)
        if key is not None and watch.dropout_off:
            raise ValueError(
                f"{type(self.model).__name__} would train with {', '.join(watch.dropout_off)} in "
                "evaluation mode: its __call__ has no argument for its mode, or it holds batch "
                "statistics, which a population does not train; use train_step"
            )
        return logits

    def _forward(self, params: Any, model_state: Any, inputs: Any, key: Array) -> tuple[Array, Any]:
        return self._apply(params, model_state, inputs, key=key), model_state

    def _update(
        self, run: _Run, setting: Setting, examples: _Examples, key: Array
    ) -> tuple[_Run, Array]:
        optimizer = self.optimizer(setting.learning_rate, setting.weight_decay)
        before, batch, keys = run.learned, Batch(*examples), (key, key)
        after, value, _ = update(self._forward, setting.objective, optimizer, before, batch, keys)
        # A batch of padding is no batch: momentum, decay and schedules would move on it.
        counts = jnp.any(examples[2])
        learned = jax.tree.map(lambda new, old: jnp.where(counts, new, old), after, before)
        return run._replace(learned=learned), value

    def _select(self, run: _Run, validation: _Examples, epoch: Array) -> tuple[_Run, Array]:
        params, others, *_ = run.learned
        x, y, mask = validation
        values = self.criteria(self._apply(params, others, x), y, mask)
        better = values > run.best

        def keep(new: Array, old: Array) -> Array:
            return jnp.where(better.reshape((-1,) + (1,) * new.ndim), new[None], old)

        run = run._replace(
            best_params=jax.tree.map(keep, params, run.best_params),
            best=jnp.where(better, values, run.best),
            best_epoch=jnp.where(better, epoch, run.best_epoch),
        )
        return run, values

    def _seed_epoch(
        self, runs: _Run, settings: Setting, part: Split, key: Array, epoch: Any, data: _Data
    ) -> tuple[_Run, tuple[Array, Array]]:
        """One epoch of all settings of one seed."""
        for_order, for_loss = jax.random.split(jax.random.fold_in(key, epoch))
        rows = _shuffled_batches(for_order, jnp.asarray(part.train), self.batch_size)

        def step(runs: _Run, inputs: tuple[Array, Array]) -> tuple[_Run, tuple[Array, Array]]:
            rows, key = inputs
            batch = data.gather(rows, part)
            runs, values = jax.vmap(self._update, (0, 0, None, None))(runs, settings, batch, key)
            return runs, (values, jnp.any(batch[2]))

        keys = jax.random.split(for_loss, rows.shape[0])
        runs, (values, used) = jax.lax.scan(step, runs, (rows, keys))
        validation = data.gather(jnp.asarray(part.validation), part)
        runs, criteria = jax.vmap(self._select, (0, None, None))(runs, validation, epoch)
        return runs, (jnp.mean(values, 0, where=used[:, None]), criteria)

    def _initial(self, key: Array, settings: Setting, data: _Data) -> _Run:
        some = data.features[:1]
        if data.split.fill is not None:
            some = jnp.where(jnp.isnan(some), 0, some)
        others: Any = Network(self.model, None).init(key, some)
        params = others.pop("params")
        sizes = jax.eval_shape(
            lambda p: self.criteria(self._apply(p, others, some), data.labels[:1], data.where[:1]),
            params,
        )
        number = sizes.shape[0]
        count = jnp.shape(settings.learning_rate)[0]

        def states(setting: Setting) -> tuple[Any, Any]:
            optimizer = self.optimizer(setting.learning_rate, setting.weight_decay)
            return optimizer.init(params), setting.objective.init(data.labels.shape[1])

        optimizer_state, loss_state = jax.vmap(states)(settings)

        def repeat(times: int, tree: Any) -> Any:
            return jax.tree.map(lambda x: jnp.broadcast_to(x, (times, *x.shape)), tree)

        return _Run(
            learned=Learned(
                repeat(count, params), repeat(count, others), optimizer_state, loss_state
            ),
            best_params=repeat(count, repeat(number, params)),
            best=jnp.full((count, number), -jnp.inf, sizes.dtype),
            best_epoch=jnp.full((count, number), -1, jnp.int32),
        )


def _wait(value: Any) -> None:
    """Until the value is there, in small steps: a signal is heard at once, not after an epoch."""
    while not (isinstance(value, jax.core.Tracer) or value.is_ready()):
        time.sleep(0.002)


def _shuffled_batches(key: Array, rows: Array, batch_size: int) -> Array:
    """[steps, batch_size] row numbers in random order, padding (-1) last."""
    order = jnp.argsort(jnp.where(rows >= 0, jax.random.uniform(key, rows.shape), 2.0))
    steps = -(-rows.shape[0] // batch_size)
    padding = steps * batch_size - rows.shape[0]
    return jnp.pad(rows[order], (0, padding), constant_values=-1).reshape(steps, batch_size)
