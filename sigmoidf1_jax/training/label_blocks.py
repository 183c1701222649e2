"""The loss and the best labels of a linear layer whose logits never exist all at once."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Num

from sigmoidf1_jax import _inputs, label_parts
from sigmoidf1_jax.label_parts import LabelParts
from sigmoidf1_jax.objective import AxisName, Objective
from sigmoidf1_jax.training.collectives import equally_varying

T = TypeVar("T")

_BLOCK_SIZE = 4096


def label_blocks(
    objective: Objective, *, block_size: int = _BLOCK_SIZE
) -> Callable[..., Float[Array, ""] | Float[Array, " labels"]]:
    r"""The objective of `features @ kernel + bias`, computed by blocks of labels.

    $L = \mathrm{value}\left(\bigoplus_b \mathrm{parts}(XW_b + c_b,\, Y_b)\right)$: what each
    block of labels adds to the statistics is computed from the block's logits and joined. The
    derivative computes each block's logits again, so the memory of value and gradient is that of
    one block: 1 GB of logits and as much for their gradient become some tens of MB for 256
    examples and a million labels. The price is one product of matrices more, four instead of
    three.

    The result is a function with these arguments; all gradients are those of the direct form.

      features: X, [batch, features], floating.
      kernel: W, [features, num_labels], floating.
      labels: [batch, num_labels], in [0, 1]; bool takes the least memory.
      bias: c, [num_labels].
      label_indices: instead of `labels`, the indices of each example's positives,
        [batch, max_positives]; values outside [0, num_labels), such as -1, are padding, and
        repeated indices count once.
      where: True where an entry counts; broadcasts to [batch, num_labels] and is never
        broadcast in memory.
      weights: weights >= 0; likewise.
      axis_name: mapped axis (or axes) of pmap, shard_map or vmap whose global batch the loss is
        of; `kernel` and `bias` hold all labels on each device.

    It can be differentiated with respect to features, kernel, bias and the objective's own
    numbers, in reverse mode; hyperparameters of shape [num_labels] are cut like the bias. Labels
    and weights have no gradient. Logits are accumulated in float32 at least, and the result is
    as in the direct form. Call it inside jit; NaN logits are not looked for.

    Args:
      objective: any objective that is separable over labels: all confusion-based and pointwise
        losses but `distribution_balanced`, `zlpr`, `pairwise_logistic`, `bp_mll`, `two_way`,
        `cross_entropy_with_count`, `auc_margin`, `positive_unlabeled`, and weighted sums of them.
      block_size: labels in a block, >= 1; it need not divide the number of labels.

    Raises:
      TypeError: not an objective (or one with state); when called, one that is not separable
        over labels (`rank_hinge`, `sparsemax`), or arrays of a wrong type.
      ValueError: `block_size` < 1; when called, shapes that do not fit, both or neither of
        `labels` and `label_indices`, and on concrete arrays labels outside [0, 1] or weights < 0.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> from sigmoidf1_jax import training
      >>> loss = training.label_blocks(sf.objectives.soft_f1(), block_size=2)
      >>> features, kernel = jnp.eye(2), jnp.array([[2.0, -1.0, 0.3], [-3.0, 1.0, 0.1]])
      >>> positives = jnp.array([[0, 2], [1, -1]])
      >>> value = loss(features, kernel, label_indices=positives)
      >>> direct = sf.losses.soft_f1(features @ kernel, jnp.array([[1, 0, 1], [0, 1, 0]]))
      >>> bool(jnp.allclose(value, direct))
      True
      >>> jax.grad(loss, argnums=1)(features, kernel, label_indices=positives).shape
      (2, 3)
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective must be an Objective without state, got {objective!r}")
    _check_block_size(block_size)

    def loss(
        features: Float[ArrayLike, "batch features"],
        kernel: Float[ArrayLike, "features labels"],
        labels: Num[ArrayLike, "batch labels"] | Bool[ArrayLike, "batch labels"] | None = None,
        *,
        bias: Float[ArrayLike, " labels"] | None = None,
        label_indices: Int[ArrayLike, "batch positives"] | None = None,
        where: Bool[ArrayLike, "..."] | None = None,
        weights: Num[ArrayLike, "..."] | None = None,
        axis_name: AxisName | None = None,
    ) -> Float[Array, ""] | Float[Array, " labels"]:
        features, kernel, bias = _linear(features, kernel, bias)
        if (labels is None) == (label_indices is None):
            raise ValueError("give either labels or label_indices")
        if label_indices is not None:
            label_indices = _inputs.label_indices(label_indices, features, "label_indices")
        else:
            labels = _inputs.as_array(labels, "labels")
        where = None if where is None else _inputs.as_array(where, "where")
        weights = None if weights is None else _inputs.as_array(weights, "weights")
        _check(objective, features, kernel, labels, where, weights)
        floating, others = _partition(objective, _is_floating)
        spans = functools.partial(_spans, num_labels=kernel.shape[1])
        trained = _Trained(features, kernel, bias, *_partition(floating, spans))
        given = _Given(label_indices, *_partition((labels, where, weights, others), spans))
        joined = _jitted(block_size, trained, given)
        statistics = objective.from_label_parts(joined)
        if axis_name is not None:
            statistics = lax.psum(statistics, axis_name)
        return objective.value(statistics)

    return loss


def label_blocks_top_k(
    features: Float[ArrayLike, "batch features"],
    kernel: Float[ArrayLike, "features labels"],
    k: int,
    *,
    bias: Float[ArrayLike, " labels"] | None = None,
    block_size: int = _BLOCK_SIZE,
) -> tuple[Float[Array, "batch k"], Int[Array, "batch k"]]:
    """The k best labels of `features @ kernel + bias`, computed by blocks of labels.

    `jax.lax.top_k` of the logits, of which only one block exists at a time: after each block the
    k best so far are kept.

    Args:
      features: [batch, features], floating.
      kernel: [features, num_labels], floating.
      k: labels to keep, 1 to num_labels.
      bias: [num_labels].
      block_size: labels in a block, >= 1; it need not divide the number of labels.

    Returns:
      (scores, indices), both [batch, k], best first: logits in float32 at least, and int32
      numbers of labels. Of equal logits the label with the lower number comes first.

    Raises:
      ValueError: shapes that do not fit, `k` or `block_size` out of range.
      TypeError: features, kernel or bias are not floating.

    Example:
      >>> import jax.numpy as jnp
      >>> from sigmoidf1_jax import training
      >>> kernel = jnp.array([[2.0, -1.0, 3.0, 2.0]])
      >>> scores, indices = training.label_blocks_top_k(jnp.ones((1, 1)), kernel, 2, block_size=2)
      >>> indices
      Array([[2, 0]], dtype=int32)
    """
    _check_block_size(block_size)
    features, kernel, bias = _linear(features, kernel, bias)
    num_labels = kernel.shape[1]
    if not 1 <= k <= num_labels:
        raise ValueError(f"k must lie in 1 to num_labels = {num_labels}, got {k}")
    best: tuple[Array, Array] = _top_k(features, kernel, bias, k, block_size)
    return best


@functools.partial(jax.jit, static_argnums=(3, 4))
def _top_k(
    features: Array, kernel: Array, bias: Array | None, k: int, block_size: int
) -> tuple[Array, Array]:
    def visit(
        best: tuple[Array, Array] | None, start: int | Array, size: int
    ) -> tuple[Array, Array]:
        logits = _logits(features, *_cut((kernel, bias), start, size))
        scores, indices = lax.top_k(logits, min(k, size))
        indices += jnp.asarray(start, indices.dtype)
        if best is None:
            return scores, indices
        # top_k puts the first of equals first, and these are lower labels than all before them.
        scores = jnp.concatenate([scores, best[0]], -1)
        indices = jnp.concatenate([indices, best[1]], -1)
        scores, places = lax.top_k(scores, k)
        return scores, jnp.take_along_axis(indices, places, -1)

    return _from_last_to_first(visit, kernel.shape[1], block_size, at_least=k)


class _Trained(NamedTuple):
    """What the loss is differentiated by."""

    features: Array
    kernel: Array
    bias: Array | None
    per_label: Any
    """The objective's floating leaves of shape [num_labels]; None for other leaves."""
    shared: Any
    """The objective's other floating leaves."""


class _Given(NamedTuple):
    """What the loss is not differentiated by."""

    indices: Array | None
    per_label: Any
    """Of (labels, where, weights, leaves of the objective that are not floating), those with an
    axis of labels; None for the others."""
    shared: Any
    """The others."""


# Jitted, because an eager loop over blocks compiles anew at every call.
@functools.partial(jax.jit, static_argnums=0)
def _jitted(block_size: int, trained: _Trained, given: _Given) -> LabelParts:
    return _joined_parts(block_size, equally_varying(trained, given), given)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _joined_parts(block_size: int, trained: _Trained, given: _Given) -> LabelParts:
    """The label parts of all labels together."""
    num_labels = trained.kernel.shape[1]

    def visit(joined: LabelParts | None, start: int | Array, size: int) -> LabelParts:
        kernel, bias, numbers, targets = _cut_labels(trained, given, start, size)
        logits = _logits(trained.features, kernel, bias)
        parts = _label_parts(targets, logits, numbers, trained.shared)
        return label_parts.join(joined, parts, start, num_labels)

    return _from_last_to_first(visit, num_labels, block_size)


def _forward(block_size: int, trained: _Trained, given: _Given) -> tuple[LabelParts, Any]:
    joined = _joined_parts(block_size, trained, given)
    return joined, (trained, given, joined.log_summed)


def _backward(block_size: int, residuals: Any, cotangent: LabelParts) -> tuple[_Trained, None]:
    trained, given, log_summed = residuals
    features, num_labels = trained.features, trained.kernel.shape[1]

    def visit(gradients: LabelParts | None, start: int | Array, size: int) -> LabelParts:
        kernel, bias, numbers, targets = _cut_labels(trained, given, start, size)
        logits = _logits(features, kernel, bias)
        parts, pull = jax.vjp(
            functools.partial(_label_parts, targets), logits, numbers, trained.shared
        )
        by_logits, by_numbers, by_shared = pull(
            label_parts.block_cotangent(cotangent, log_summed, parts, start)
        )
        by_features = jnp.dot(by_logits, kernel.T)
        by_kernel = jnp.dot(features.T, by_logits).astype(kernel.dtype)
        by_bias = None if bias is None else jnp.sum(by_logits, 0).astype(bias.dtype)
        # Gradients of blocks join as their parts do.
        part = LabelParts((by_kernel, by_bias, by_numbers), (by_features, by_shared))
        return label_parts.join(gradients, part, start, num_labels)

    gradients = _from_last_to_first(visit, num_labels, block_size)
    by_kernel, by_bias, by_numbers = gradients.per_label
    by_features, by_shared = gradients.summed
    by_features = by_features.astype(features.dtype)
    return _Trained(by_features, by_kernel, by_bias, by_numbers, by_shared), None


_joined_parts.defvjp(_forward, _backward)


def _from_last_to_first(
    visit: Callable[[T | None, Any, int], T], num_labels: int, block_size: int, at_least: int = 1
) -> T:
    """Folds `visit(carry, start, size)` over blocks of labels, beginning with the last one.

    The last block is what is left, but `at_least` labels, and begins without a carry. Its result
    starts the loop over the others, so that the carry's shapes and types need not be known.
    """
    block_size = min(block_size, num_labels)
    others = (num_labels - at_least) // block_size
    carry = visit(None, others * block_size, num_labels - others * block_size)
    if others == 0:
        return carry

    def step(i: Array, carry: T) -> T:
        return visit(carry, (others - 1 - i) * block_size, block_size)

    return lax.fori_loop(0, others, step, carry)


def _cut(tree: T, start: int | Array, size: int) -> T:
    return jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, start, size, -1), tree)


def _cut_labels(
    trained: _Trained, given: _Given, start: int | Array, size: int
) -> tuple[Array, Array | None, Any, tuple[Any, ...]]:
    """Kernel, bias, numbers and targets of a block of labels."""
    per_label = trained.kernel, trained.bias, trained.per_label, given.per_label
    kernel, bias, numbers, targets = _cut(per_label, start, size)
    labels, where, weights, others = _combine(targets, given.shared)
    if given.indices is not None:
        labels = _inputs.labels_at(given.indices, start, size)
    return kernel, bias, numbers, (labels, where, weights, others)


def _label_parts(targets: tuple[Any, ...], logits: Array, numbers: Any, shared: Any) -> LabelParts:
    labels, where, weights, others = targets
    objective: Objective = _combine(_combine(numbers, shared), others)
    return objective.label_parts(logits, labels, where=where, weights=weights)


def _logits(features: Array, kernel: Array, bias: Array | None) -> Array:
    dtype = _inputs.accumulation_dtype(features.dtype, kernel.dtype)
    logits = jnp.dot(features, kernel, preferred_element_type=dtype)
    return logits if bias is None else logits + bias[None]


def _partition(tree: T, first: Callable[[Any], bool]) -> tuple[T, T]:
    """Two trees of the same structure, each with None for the leaves of the other."""
    return (
        jax.tree.map(lambda x: x if first(x) else None, tree),
        jax.tree.map(lambda x: None if first(x) else x, tree),
    )


def _combine(first: T, second: T) -> T:
    """What `_partition` took apart."""
    return jax.tree.map(
        lambda x, y: y if x is None else x, first, second, is_leaf=lambda x: x is None
    )


def _is_floating(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


def _spans(leaf: Any, num_labels: int) -> bool:
    return jnp.shape(leaf)[-1:] == (num_labels,)


def _check_block_size(block_size: int) -> None:
    if block_size < 1:
        raise ValueError(f"block_size must be >= 1, got {block_size}")


def _linear(features: Any, kernel: Any, bias: Any) -> tuple[Array, Array, Array | None]:
    """The checked arrays of a linear layer."""
    features, kernel = _inputs.as_array(features, "features"), _inputs.as_array(kernel, "kernel")
    _inputs.check_floating(features, "features")
    _inputs.check_floating(kernel, "kernel")
    if features.ndim != 2 or kernel.ndim != 2 or features.shape[1] != kernel.shape[0]:
        raise ValueError(
            "features must be [batch, features] and kernel [features, num_labels], "
            f"got features {features.shape} and kernel {kernel.shape}"
        )
    if kernel.shape[1] == 0:
        raise ValueError(f"kernel must have at least one label, got shape {kernel.shape}")
    if bias is not None:
        bias = _inputs.as_array(bias, "bias")
        _inputs.check_floating(bias, "bias")
        if bias.shape != kernel.shape[1:]:
            raise ValueError(
                f"bias must have shape [num_labels] = {kernel.shape[1:]}, got {bias.shape}"
            )
    return features, kernel, bias


def _check(
    objective: Objective,
    features: Array,
    kernel: Array,
    labels: Any,
    where: Array | None,
    weights: Array | None,
) -> None:
    """Raises what the direct form raises, without computing anything."""
    dtype = _inputs.accumulation_dtype(features.dtype, kernel.dtype)
    logits = jax.ShapeDtypeStruct((features.shape[0], kernel.shape[1]), dtype)
    like = jax.ShapeDtypeStruct(logits.shape, bool) if labels is None else labels
    jax.eval_shape(
        lambda z, y: objective.label_parts(z, y, where=where, weights=weights),
        logits,
        jax.ShapeDtypeStruct(like.shape, like.dtype),
    )
    if labels is not None:
        _inputs.check_labels(labels, where)
