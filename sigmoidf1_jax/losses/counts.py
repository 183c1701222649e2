"""Losses on the number of labels of an example."""

import dataclasses
import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _checks, _inputs, _safe, averaging
from sigmoidf1_jax._inputs import AnyArray, Labels, Weights, Where
from sigmoidf1_jax.losses._define import LabelSums, Sums, from_label_sums, from_objective
from sigmoidf1_jax.objective import Objective, Statistics


class CountSums(NamedTuple):
    """Per example, sums over labels: see the formula of `cross_entropy_with_count`."""

    size: Float[Array, "*batch"]
    entropy: Float[Array, "*batch"]
    surplus: Float[Array, "*batch"]
    predicted: Float[Array, "*batch"]
    hits: Float[Array, "*batch"]


def _count_sums(z: Array, y: Array, w: Array) -> LabelSums:
    predicted = jnp.where(z > 0, w, 0)
    terms = CountSums(
        size=w,
        entropy=w * (jax.nn.softplus(z) - y * z),
        surplus=w * (jax.nn.sigmoid(z) - y),
        predicted=predicted,
        hits=predicted * y,
    )
    return LabelSums(summed=jax.tree.map(lambda x: jnp.sum(x, -1), terms))


@from_label_sums(_count_sums)
def cross_entropy_with_count(
    sums: LabelSums,
    count_weight: ArrayLike = 1.0,
    variant: Literal["corrected", "seed"] = "corrected",
) -> Float[Array, "*batch"]:
    r"""Cross-entropy plus a penalty on the number of predicted labels (CE+N).

    $\ell = \frac1C \sum_c \mathrm{CE}(z_c, y_c) + \frac{\lambda}{C}
    \left(\sum_c p_c - \sum_c y_c\right)^2$ per example. `variant="seed"` is the first draft's
    formula, $\frac1C\sum_c \mathrm{CE} + \lambda\, tp / |\{p > .5\}|$: its indicator has no
    gradient and its sign would reward wrong predictions, so it trains exactly like
    cross-entropy. It is kept to show that.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape, in [0, 1].
      count_weight: $\lambda$ >= 0; 0 gives `binary_cross_entropy`.
      variant: "corrected" or "seed".
      where: True where an entry counts; C is the number of those in the example.
      weights: weights >= 0; broadcast to the labels' shape.
      axis_name: mapped axis whose global batch the loss is of.

    Returns:
      A scalar >= 0: the mean over examples.

    Raises:
      ValueError: another variant; otherwise as in `sigmoid_f1`.

    Source: the draft that preceded Benedict et al., sigmoidF1, TMLR 2022 (CE+N).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[0.0, 0.0]]), jnp.array([[1, 1]])
      >>> round(float(sf.losses.cross_entropy_with_count(logits, labels)), 4)
      1.1931
    """
    if variant not in ("corrected", "seed"):
        raise ValueError(f"variant must be 'corrected' or 'seed', got {variant!r}")
    _inputs.check_hyperparameter("count_weight", count_weight, low=0.0)
    size, entropy, surplus, predicted, hits = sums.summed
    if variant == "corrected":
        penalty = _safe.ratio(surplus * surplus, size)
    else:
        penalty = _safe.ratio(hits, predicted)
    return _safe.ratio(entropy, size) + jnp.asarray(count_weight, size.dtype) * penalty


@functools.partial(jax.tree_util.register_dataclass, data_fields=[], meta_fields=[])
@dataclasses.dataclass(frozen=True, repr=False)
class LabelCount(Objective):
    """See `label_count`; its statistics take the logits of counts, [..., max_count + 1]."""

    def statistics(
        self,
        logits: Float[AnyArray, "*batch counts"],
        labels: Labels,
        *,
        where: Where = None,
        weights: Weights = None,
    ) -> Statistics:
        logits, labels = _inputs.as_array(logits, "logits"), _inputs.as_array(labels, "labels")
        if logits.ndim == 0 or labels.ndim == 0 or logits.shape[:-1] != labels.shape[:-1]:
            raise ValueError(
                "logits [..., max_count + 1] and labels [..., num_labels] must have the same "
                f"leading axes, got logits {logits.shape} and labels {labels.shape}"
            )
        _inputs.check_floating(logits, "logits")
        dtype = _inputs.accumulation_dtype(logits.dtype)
        # The labels are checked against themselves: only their leading axes match the logits.
        nan, y, w = _inputs.prepare(labels.astype(dtype), labels, where, weights, name="labels")
        example, within = averaging.example_weights(w)
        counted = (example > 0)[..., None]
        _checks.check_value(
            lambda: ~jnp.any(jnp.isnan(logits) & counted),
            logits,
            counted,
            message="logits must not be NaN where they count",
        )
        logits = jnp.where(counted, _inputs.finite(logits.astype(dtype)), 0)
        count = jnp.round(jnp.sum((within > 0) * y, -1)).astype(jnp.int32)
        target = jnp.clip(count, 0, logits.shape[-1] - 1)[..., None]
        log_p = jnp.take_along_axis(jax.nn.log_softmax(logits, -1), target, -1)[..., 0]
        return Sums(-jnp.sum(example * log_p) + _inputs.nan_of(nan), jnp.sum(example))

    def value(self, statistics: Sums) -> Array:
        return _safe.ratio(statistics.total, statistics.weight)

    def __repr__(self) -> str:
        return "label_count()"


@from_objective
def label_count() -> Objective:
    r"""Cross-entropy of the number of labels: a head that learns how many to predict.

    $\ell = -\log \mathrm{softmax}(u)_k$ with $k = \min(|y|, K)$ and u the logits of the counts
    0 to K. Train the head on features whose gradient is stopped (`jax.lax.stop_gradient`), as
    the paper does, and predict the k best labels with the most probable count k. A calibrated
    head's expected count is the mean number of labels.

    Args:
      logits: [..., max_count + 1], floating: one per count, not one per label.
      labels: [..., num_labels] with the same leading axes, in [0, 1].
      where: True where an entry counts; broadcasts to the labels' shape. Masked labels are not
        counted; an example with all masked does not count.
      weights: weights >= 0; broadcast to the labels' shape.
      axis_name: mapped axis whose global batch the loss is of.

    Returns:
      A scalar >= 0: the mean over examples.

    Raises:
      ValueError, TypeError: shapes or dtypes at trace time; values in concrete arrays.

    Source: Du et al., ML-Net: multi-label classification of biomedical texts with deep neural
    networks, JAMIA 2019 (label count prediction network).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> counts, labels = jnp.zeros((1, 4)), jnp.array([[1, 0, 1]])
      >>> round(float(sf.losses.label_count(counts, labels)), 4)
      1.3863
    """
    return LabelCount()
