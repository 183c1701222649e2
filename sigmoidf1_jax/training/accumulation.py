"""Exact gradient accumulation: the loss of the whole batch, the memory of one micro-batch."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sigmoidf1_jax import _inputs
from sigmoidf1_jax.objective import AnyObjective, AxisName, State
from sigmoidf1_jax.training.batch import Batch, pad
from sigmoidf1_jax.training.collectives import shared_state, varying
from sigmoidf1_jax.training.forward import Forward, over_axis


class Accumulated(NamedTuple):
    """Loss and gradient of a batch, and the states after it."""

    value: Array
    gradient: Any
    model_state: Any
    loss_state: State


def accumulate(
    objective: AnyObjective,
    forward: Forward,
    params: Any,
    batch: Batch,
    *,
    micro_batches: int,
    keys: tuple[Array, Array],
    model_state: Any = None,
    loss_state: State = None,
    axis_name: AxisName | None = None,
) -> Accumulated:
    r"""Value and gradient of the loss of the whole batch, one micro-batch in memory at a time.

    A mean of the micro-batches' gradients is not the gradient of a loss that is not a mean.
    With $L = v(S)$ and $S = \sum_m s_m(\theta)$ it is
    $\nabla L = \sum_m \nabla_\theta \langle v'(S), s_m(\theta) \rangle$: a first pass sums the
    statistics, a second one accumulates the gradient of their product with $v'(S)$. It costs one
    forward pass more than a step on the whole batch.

    Both passes give micro-batch m the same key and the same state of the network, so dropout
    drops the same units in both, and the gradient is exact. Batch normalisation normalises by
    the micro-batch, in both passes alike: value and gradient are then exactly those of that
    network, not of one that sees the whole batch; its running statistics are updated once per
    micro-batch.

    Args:
      objective: any loss of sums, with or without state (all but
        `objectives.average_precision`).
      forward: `(params, model_state, inputs, key) -> (logits, model_state)`; see
        `training.forward` for Flax modules.
      params: what the gradient is with respect to.
      batch: all examples; padded if `micro_batches` does not divide them.
      micro_batches: the number of parts, >= 1.
      keys: for the network (dropout) and for a loss that draws. Under `axis_name` the first may
        differ from device to device, the second must not.
      model_state: the network's own state.
      loss_state: of a stateful objective.
      axis_name: mapped axis (or axes) whose global batch the loss is of. Value, gradient and
        states are then equal on all devices; no further collective is needed.

    Returns:
      An `Accumulated`; the gradient has the dtype of `params` and is summed in float32 at least.

    Raises:
      ValueError: `micro_batches` < 1, or a batch whose arrays differ in their first axis.
      TypeError: an objective that is not a function of sums.

    Source: the chain rule; for means it is ordinary gradient accumulation.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> inputs, labels = jnp.array([[1.0], [-2.0], [0.5]]), jnp.array([[1], [1], [0]])
      >>> def forward(params, model_state, inputs, key):
      ...     return inputs * params, model_state
      >>> objective = sf.objectives.soft_f1()
      >>> batch = sf.training.Batch(inputs, labels)
      >>> keys = tuple(jax.random.split(jax.random.key(0)))
      >>> parts = accumulate(objective, forward, 1.0, batch, micro_batches=2, keys=keys)
      >>> round(float(parts.gradient), 4)
      0.0224
      >>> round(float(jax.grad(lambda p: objective(p * inputs, labels))(1.0)), 4)
      0.0224
    """
    if micro_batches < 1:
        raise ValueError(f"micro_batches must be >= 1, got {micro_batches}")
    micro = jax.tree.map(
        lambda x: x.reshape(micro_batches, -1, *x.shape[1:]),
        jax.tree.map(jnp.asarray, pad(batch, micro_batches)),
    )
    for_network, for_loss = keys
    forward = over_axis(forward, axis_name)
    parts = (micro, jax.random.split(for_network, micro_batches))
    # Each device's own copy: its gradient is its own examples' part, in every mode of mapping.
    params, model_state, parts = varying((params, model_state, parts), axis_name)

    def statistics(params: Any, model_state: Any, part: Any, key: Array) -> Any:
        before = model_state
        logits, model_state = forward(params, model_state, part.inputs, key)
        try:
            sums = objective.statistics(logits, part.labels, where=part.where, weights=part.weights)
        except NotImplementedError as error:
            raise TypeError(f"{objective!r} is not a function of sums over examples") from error
        # A loop needs the types that it began with.
        model_state = varying(jax.tree.map(_as_before, model_state, before), axis_name)
        return sums, model_state

    def add_statistics(carry: Any, step: Any) -> Any:
        sums, model_state = carry
        more, model_state = statistics(params, model_state, *step)
        return (jax.tree.map(jnp.add, sums, more), model_state), None

    def add_gradient(weights: Any, carry: Any, step: Any) -> Any:
        gradient, model_state = carry
        _, pullback, model_state = jax.vjp(
            lambda p: statistics(p, model_state, *step), params, has_aux=True
        )
        (more,) = pullback(weights)
        return (jax.tree.map(_add, gradient, more), model_state), None

    first = jax.tree.map(lambda x: x[0], parts)
    shapes, _ = jax.eval_shape(statistics, params, model_state, *first)
    zeros = varying(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes), axis_name)
    (sums, _), _ = jax.lax.scan(add_statistics, (zeros, model_state), parts)
    if axis_name is not None:
        sums = jax.lax.psum(sums, axis_name)

    def value(sums: Any) -> tuple[Array, State]:
        return objective.advance(sums, loss_state, key=for_loss)

    (loss, loss_state), weights = jax.value_and_grad(value, has_aux=True)(sums)
    nothing = varying(jax.tree.map(_accumulator, params), axis_name)
    (gradient, model_state), _ = jax.lax.scan(
        functools.partial(add_gradient, varying(weights, axis_name)),
        (nothing, model_state),
        parts,
    )
    if axis_name is not None:
        gradient = jax.lax.psum(gradient, axis_name)
        model_state = shared_state(model_state, axis_name)
    gradient = jax.tree.map(lambda x, p: x.astype(jnp.result_type(p)), gradient, params)
    return Accumulated(loss, gradient, model_state, jax.lax.stop_gradient(loss_state))


def _accumulator(x: Any) -> Array:
    return jnp.zeros(jnp.shape(x), _inputs.accumulation_dtype(jnp.result_type(x)))


def _as_before(x: Any, before: Any) -> Any:
    return x if x.dtype == before.dtype else x.astype(before.dtype)


def _add(total: Array, part: Array) -> Array:
    return total + part.astype(total.dtype)
