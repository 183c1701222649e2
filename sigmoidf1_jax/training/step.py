"""One training step: the same function on one device, on many, and over micro-batches."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PRNGKeyArray

from sigmoidf1_jax.objective import AnyObjective, AxisName, State
from sigmoidf1_jax.training._update import (
    Learned,
    check_multi_steps,
    is_mean,
    multi_steps,
    update,
)
from sigmoidf1_jax.training.batch import Batch
from sigmoidf1_jax.training.forward import Forward, Network, forward


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
    objective: AnyObjective,
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
      TypeError: no objective.
    """
    _check_objective(objective)
    for_params, key = jax.random.split(key)
    variables = Network(model, model_args).init(for_params, inputs)
    params = variables.pop("params", {})
    optimizer_state = optimizer.init(params)
    check_multi_steps(objective, optimizer_state)
    loss_state = objective.init(num_labels)
    return _unaliased(
        TrainState(jnp.zeros((), jnp.int32), params, variables, optimizer_state, loss_state, key)
    )


def train_step(
    model: nn.Module | Forward,
    objective: AnyObjective,
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
      TypeError: no objective; `model_args` without a Flax module; when called with
        `micro_batches` > 1, an objective that is no function of sums.

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
    _check_objective(objective)
    network = forward(model, model_args=model_args)
    if isinstance(optimizer, optax.MultiSteps) and not is_mean(objective):
        raise ValueError(multi_steps(objective))
    if micro_batches < 1:
        raise ValueError(f"micro_batches must be >= 1, got {micro_batches}")

    def step(
        state: TrainState, batch: Batch, *, axis_name: AxisName | None = None
    ) -> tuple[TrainState, dict[str, Array]]:
        for_network, for_loss = jax.random.split(jax.random.fold_in(state.key, state.step))
        if axis_name is not None:
            for_network = jax.random.fold_in(for_network, jax.lax.axis_index(axis_name))
        before = Learned(state.params, state.model_state, state.optimizer_state, state.loss_state)
        after, loss, gradient = update(
            network,
            objective,
            optimizer,
            before,
            batch,
            (for_network, for_loss),
            micro_batches=micro_batches,
            axis_name=axis_name,
        )
        state = state._replace(step=state.step + 1, **after._asdict())
        return state, {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}

    return step


def _check_objective(objective: AnyObjective) -> None:
    if not isinstance(objective, AnyObjective):
        raise TypeError(f"objective must be an Objective or StatefulObjective, got {objective!r}")


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
