"""One training step: the same function on one device, on many, and over micro-batches."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PRNGKeyArray

from sigmoidf1_jax.objective import (
    AxisName,
    Objective,
    State,
    StatefulObjective,
    WeightedSum,
)
from sigmoidf1_jax.objectives._means import EntryMean, ExampleMean, LabelSumMean
from sigmoidf1_jax.training.accumulation import accumulate
from sigmoidf1_jax.training.batch import Batch
from sigmoidf1_jax.training.collectives import shared_state, value_and_global_gradient
from sigmoidf1_jax.training.forward import Forward, Network, forward, over_axis


class TrainState(NamedTuple):
    """Everything that a step changes, as a pytree of arrays: what a checkpoint holds."""

    step: Int[Array, ""]
    params: Any
    model_state: Any
    """The network's other collections, such as running statistics; {} without any."""
    optimizer_state: Any
    loss_state: State
    """Of a stateful objective, else None."""
    key: PRNGKeyArray
    """Never changes: the step's number is folded into it."""


class Step(Protocol):
    """`(state, batch) -> (state, metrics)`; with `axis_name`, of the global batch."""

    def __call__(
        self, state: TrainState, batch: Batch, *, axis_name: AxisName | None = None
    ) -> tuple[TrainState, dict[str, Array]]: ...


def initial_state(
    model: nn.Module,
    objective: Objective | StatefulObjective,
    optimizer: optax.GradientTransformation,
    key: PRNGKeyArray,
    inputs: Any,
    num_labels: int,
    *,
    model_args: Mapping[str, Any] | None = None,
) -> TrainState:
    """The state before the first step, no two of whose arrays share their memory.

    Args:
      model: Flax module; made in training mode (see `forward`).
      objective: the loss, whose state is made for `num_labels`.
      optimizer: an Optax transformation.
      key: for the initial parameters, and for everything that training draws.
      inputs: an example of the inputs, only its shape and dtype matter.
      num_labels: size of the last axis of the labels.
      model_args: arguments of the module's call in training, by name, besides its mode.

    Raises:
      ValueError: `optax.MultiSteps` around the optimizer of a loss that is not a mean.
    """
    for_params, key = jax.random.split(key)
    variables = Network(model, model_args).init(for_params, inputs)
    params = variables.pop("params", {})
    optimizer_state = optimizer.init(params)
    _check_multi_steps(objective, optimizer_state)
    loss_state = objective.init(num_labels) if isinstance(objective, StatefulObjective) else None
    return _unaliased(
        TrainState(jnp.zeros((), jnp.int32), params, variables, optimizer_state, loss_state, key)
    )


def train_step(
    model: nn.Module | Forward,
    objective: Objective | StatefulObjective,
    optimizer: optax.GradientTransformation,
    *,
    micro_batches: int = 1,
    model_args: Mapping[str, Any] | None = None,
) -> Step:
    """The training step of a network, an objective and an optimizer.

    Args:
      model: a Flax module, told that it is training (see `forward`), or a `Forward` for other
        networks.
      objective: the loss, with or without state; called with the whole batch.
      optimizer: an Optax transformation. `optax.MultiSteps` takes the mean of the gradients of
        several batches: for a loss that is a mean over entries or examples that is a gradient
        (each batch counts alike, however many of its entries do), for an F1 loss it is not.
      micro_batches: parts in which the batch is computed (see `accumulate`); the result is that
        of the whole batch, the memory that of one part.
      model_args: keyword arguments of the module's `__call__` in training, where its mode goes
        by a name that `forward` does not know.

    Returns:
      A pure function `step(state, batch, *, axis_name=None) -> (state, metrics)` to be jitted, or
      given to `data_parallel`. With `axis_name` the loss, the gradient and all states are those
      of the global batch, equal on all devices. `metrics` holds scalars: the loss and the norm
      of the gradient. Dropout draws from `state.key`, the step and the device's place.
      Batch normalisation over one device's examples is not that of the global batch: with
      `axis_name` a `flax.linen.BatchNorm` needs it as its own `axis_name`, and gets it where the
      module has a field or an argument of `__call__` named `axis_name` to pass on.

    Raises:
      ValueError: `micro_batches` < 1; `optax.MultiSteps` around the optimizer of a loss that is
        not a mean, at the latest when called; when called, a module that stays in evaluation
        mode, or batch normalisation over each device's own examples.
      TypeError: `model_args` without a Flax module; when called with `micro_batches` > 1, an
        objective that is no function of sums.

    Example:
      >>> import jax, jax.numpy as jnp, optax
      >>> import sigmoidf1_jax as sf
      >>> model, objective = sf.models.MLP(3, hidden=()), sf.objectives.soft_f1()
      >>> optimizer = optax.sgd(0.1)
      >>> batch = Batch(jnp.ones((4, 2)), jnp.ones((4, 3), bool))
      >>> key = jax.random.key(0)
      >>> state = initial_state(model, objective, optimizer, key, batch.inputs, 3)
      >>> state, metrics = jax.jit(train_step(model, objective, optimizer))(state, batch)
      >>> int(state.step), sorted(metrics)
      (1, ['gradient_norm', 'loss'])
    """
    network = forward(model, model_args=model_args)
    if isinstance(optimizer, optax.MultiSteps) and not _is_mean(objective):
        raise ValueError(_multi_steps(objective))
    if micro_batches < 1:
        raise ValueError(f"micro_batches must be >= 1, got {micro_batches}")

    def step(
        state: TrainState, batch: Batch, *, axis_name: AxisName | None = None
    ) -> tuple[TrainState, dict[str, Array]]:
        _check_multi_steps(objective, state.optimizer_state)
        for_network, for_loss = jax.random.split(jax.random.fold_in(state.key, state.step))
        if axis_name is not None:
            for_network = jax.random.fold_in(for_network, jax.lax.axis_index(axis_name))
        keys = (for_network, for_loss)
        if micro_batches > 1:
            loss, gradient, model_state, loss_state = accumulate(
                objective,
                network,
                state.params,
                batch,
                micro_batches=micro_batches,
                keys=keys,
                model_state=state.model_state,
                loss_state=state.loss_state,
                axis_name=axis_name,
            )
        else:
            (loss, (model_state, loss_state)), gradient = value_and_global_gradient(
                _loss,
                state.params,
                over_axis(network, axis_name),
                objective,
                state,
                batch,
                keys,
                axis_name=axis_name,
                has_aux=True,
            )
            model_state = shared_state(model_state, axis_name)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer_state, state.params)
        state = state._replace(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            model_state=model_state,
            optimizer_state=optimizer_state,
            loss_state=loss_state,
        )
        return state, {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}

    return step


def _loss(
    params: Any,
    network: Forward,
    objective: Objective | StatefulObjective,
    state: TrainState,
    batch: Any,
    keys: tuple[Array, Array],
    *,
    axis_name: AxisName | None,
) -> tuple[Array, Any]:
    logits, model_state = network(params, state.model_state, batch.inputs, keys[0])
    options: dict[str, Any] = {
        "where": batch.where,
        "weights": batch.weights,
        "axis_name": axis_name,
    }
    if isinstance(objective, StatefulObjective):
        value, loss_state = objective(
            logits, batch.labels, state.loss_state, key=keys[1], **options
        )
        return value, (model_state, loss_state)
    return objective(logits, batch.labels, **options), (model_state, None)


def _is_mean(objective: Objective | StatefulObjective) -> bool:
    """Whether the loss is linear in the examples, up to the weight of a batch."""
    if isinstance(objective, WeightedSum):
        return all(_is_mean(part) for part in objective.parts)
    return isinstance(objective, EntryMean | ExampleMean | LabelSumMean)


def _check_multi_steps(objective: Objective | StatefulObjective, optimizer_state: Any) -> None:
    # By its state it is found wherever it is: in a chain, masked or wrapped.
    def is_multi_steps(x: Any) -> bool:
        return isinstance(x, optax.MultiStepsState)

    states = jax.tree.leaves(optimizer_state, is_leaf=is_multi_steps)
    if any(map(is_multi_steps, states)) and not _is_mean(objective):
        raise ValueError(_multi_steps(objective))


def _multi_steps(objective: Objective | StatefulObjective) -> str:
    return (
        "optax.MultiSteps takes the mean of the gradients of several batches, which is not the "
        f"gradient of {objective!r}: use train_step(..., micro_batches=) without it"
    )


def _unaliased(state: TrainState) -> TrainState:
    """The state with a copy wherever an array comes a second time.

    A step may reuse the memory of its state, and no memory can be reused twice.
    """
    seen: set[int] = set()

    def own(x: Any) -> Any:
        if id(x) in seen:
            return jnp.copy(x)
        seen.add(id(x))
        return x

    return jax.tree.map(own, state)
