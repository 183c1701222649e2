"""One update of a run: what the training step and population training have in common."""

from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array

from sigmoidf1_jax.objective import AnyObjective, AxisName, State, WeightedSum
from sigmoidf1_jax.objectives._means import Mean
from sigmoidf1_jax.training.accumulation import Accumulated, accumulate
from sigmoidf1_jax.training.batch import Batch
from sigmoidf1_jax.training.collectives import shared_state, value_and_global_gradient
from sigmoidf1_jax.training.forward import Forward, over_axis


class Learned(NamedTuple):
    """What an update changes; the fields are those of `TrainState`."""

    params: Any
    model_state: Any
    optimizer_state: Any
    loss_state: State


def update(
    network: Forward,
    objective: AnyObjective,
    optimizer: optax.GradientTransformation,
    before: Learned,
    batch: Batch,
    keys: tuple[Array, Array],
    *,
    micro_batches: int = 1,
    axis_name: AxisName | None = None,
) -> tuple[Learned, Array, Any]:
    """What is learned from a batch, with the loss and its gradient.

    `keys` are for the network and for the loss; see `train_step` for the rest.

    Raises:
      ValueError: the state of an `optax.MultiSteps` with a loss that is not a mean.
    """
    check_multi_steps(objective, before.optimizer_state)
    if micro_batches > 1:
        result = accumulate(
            objective,
            network,
            before.params,
            batch,
            micro_batches=micro_batches,
            keys=keys,
            model_state=before.model_state,
            loss_state=before.loss_state,
            axis_name=axis_name,
        )
    else:
        (loss, (model_state, loss_state)), gradient = value_and_global_gradient(
            _loss,
            before.params,
            over_axis(network, axis_name),
            objective,
            before,
            batch,
            keys,
            axis_name=axis_name,
            has_aux=True,
        )
        result = Accumulated(loss, gradient, shared_state(model_state, axis_name), loss_state)
    updates, optimizer_state = optimizer.update(
        result.gradient, before.optimizer_state, before.params
    )
    params = optax.apply_updates(before.params, updates)
    after = Learned(params, result.model_state, optimizer_state, result.loss_state)
    return after, result.value, result.gradient


def _loss(
    params: Any,
    network: Forward,
    objective: AnyObjective,
    before: Learned,
    batch: Any,
    keys: tuple[Array, Array],
    *,
    axis_name: AxisName | None,
) -> tuple[Array, Any]:
    logits, model_state = network(params, before.model_state, batch.inputs, keys[0])
    value, loss_state = objective.apply(
        logits,
        batch.labels,
        before.loss_state,
        where=batch.where,
        weights=batch.weights,
        axis_name=axis_name,
        key=keys[1],
    )
    return value, (model_state, loss_state)


def is_mean(objective: AnyObjective) -> bool:
    """Whether the loss is linear in the examples, up to the weight of a batch."""
    if isinstance(objective, WeightedSum):
        return all(is_mean(part) for part in objective.parts)
    return isinstance(objective, Mean)


def check_multi_steps(objective: AnyObjective, optimizer_state: Any) -> None:
    """Refuses the mean of several batches' gradients where it is no gradient."""

    # By its state it is found wherever it is: in a chain, masked or wrapped.
    def is_multi_steps(x: Any) -> bool:
        return isinstance(x, optax.MultiStepsState)

    states = jax.tree.leaves(optimizer_state, is_leaf=is_multi_steps)
    if any(map(is_multi_steps, states)) and not is_mean(objective):
        raise ValueError(multi_steps(objective))


def multi_steps(objective: AnyObjective) -> str:
    """What is wrong with `optax.MultiSteps`."""
    return (
        "optax.MultiSteps takes the mean of the gradients of several batches, which is not the "
        f"gradient of {objective!r}: use train_step(..., micro_batches=) without it"
    )
