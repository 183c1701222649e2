"""One training step: the same function on one device, on many, and over micro-batches."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PRNGKeyArray

from sigmoidf1_jax.objective import AxisName, Objective, State, StatefulObjective
from sigmoidf1_jax.training.accumulation import accumulate
from sigmoidf1_jax.training.batch import Batch
from sigmoidf1_jax.training.collectives import complete_gradient
from sigmoidf1_jax.training.forward import Forward, forward


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
) -> TrainState:
    """The state before the first step.

    Args:
      model: Flax module.
      objective: the loss, whose state is made for `num_labels`.
      optimizer: an Optax transformation.
      key: for the initial parameters, and for everything that training draws.
      inputs: an example of the inputs, only its shape and dtype matter.
      num_labels: size of the last axis of the labels.
    """
    for_params, key = jax.random.split(key)
    variables = dict(model.init(for_params, inputs))
    params = variables.pop("params")
    loss_state = objective.init(num_labels) if isinstance(objective, StatefulObjective) else None
    return TrainState(
        jnp.zeros((), jnp.int32), params, variables, optimizer.init(params), loss_state, key
    )


def train_step(
    model: nn.Module | Forward,
    objective: Objective | StatefulObjective,
    optimizer: optax.GradientTransformation,
    *,
    micro_batches: int = 1,
) -> Step:
    """The training step of a network, an objective and an optimizer.

    Args:
      model: a Flax module, or a `Forward` for other networks.
      objective: the loss, with or without state; called with the whole batch.
      optimizer: an Optax transformation.
      micro_batches: parts in which the batch is computed (see `accumulate`); the result is that
        of the whole batch, the memory that of one part.

    Returns:
      A pure function `step(state, batch, *, axis_name=None) -> (state, metrics)` to be jitted, or
      given to `data_parallel`. With `axis_name` the loss, the gradient and all states are those
      of the global batch, equal on all devices. `metrics` holds scalars: the loss and the norm
      of the gradient. Dropout draws from `state.key`, the step and the device's place.

    Raises:
      ValueError: `micro_batches` < 1.
      TypeError: when called with `micro_batches` > 1, an objective that is no function of sums.

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
    network = forward(model)
    if micro_batches < 1:
        raise ValueError(f"micro_batches must be >= 1, got {micro_batches}")

    def step(
        state: TrainState, batch: Batch, *, axis_name: AxisName | None = None
    ) -> tuple[TrainState, dict[str, Array]]:
        for_network, for_loss = jax.random.split(jax.random.fold_in(state.key, state.step))
        if axis_name is not None:
            for_network = jax.random.fold_in(for_network, jax.lax.axis_index(axis_name))
        if micro_batches > 1:
            loss, gradient, model_state, loss_state = accumulate(
                objective,
                network,
                state.params,
                batch,
                micro_batches=micro_batches,
                keys=(for_network, for_loss),
                model_state=state.model_state,
                loss_state=state.loss_state,
                axis_name=axis_name,
            )
        else:
            (loss, (model_state, loss_state)), gradient = jax.value_and_grad(
                _loss(network, objective, state, batch, (for_network, for_loss), axis_name),
                has_aux=True,
            )(state.params)
            gradient = complete_gradient(gradient, axis_name)
            if axis_name is not None:
                model_state = jax.lax.pmean(model_state, axis_name)
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
    network: Forward,
    objective: Objective | StatefulObjective,
    state: TrainState,
    batch: Batch,
    keys: tuple[Array, Array],
    axis_name: AxisName | None,
) -> Callable[[Any], tuple[Array, Any]]:
    def loss(params: Any) -> tuple[Array, Any]:
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

    return loss
