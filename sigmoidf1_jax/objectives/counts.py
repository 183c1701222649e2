"""Objectives on the number of labels of an example."""

import dataclasses
import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _checks, _inputs, _safe, averaging
from sigmoidf1_jax._inputs import AnyArray, Labels, Weights, Where
from sigmoidf1_jax._logistic import binary_cross_entropy
from sigmoidf1_jax._partial import bind
from sigmoidf1_jax.objective import Statistics
from sigmoidf1_jax.objectives._means import LabelSumMean, LabelSums, Mean, Sums

__all__ = [
    "cross_entropy_with_count",
    "label_count",
]


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
        entropy=w * binary_cross_entropy(z, y),
        surplus=w * (jax.nn.sigmoid(z) - y),
        predicted=predicted,
        hits=predicted * y,
    )
    return LabelSums(summed=jax.tree.map(lambda x: jnp.sum(x, -1), terms))


def cross_entropy_with_count(
    count_weight: ArrayLike = 1.0, variant: Literal["corrected", "draft", "seed"] = "corrected"
) -> LabelSumMean:
    """Mean over examples of `losses.cross_entropy_with_count`."""
    if variant == "seed":  # the old name
        variant = "draft"
    return LabelSumMean(
        _count_sums, bind(_cross_entropy_with_count, count_weight=count_weight, variant=variant)
    )


def _cross_entropy_with_count(
    sums: LabelSums,
    count_weight: ArrayLike,
    variant: Literal["corrected", "draft"],
) -> Float[Array, "*batch"]:
    if variant not in ("corrected", "draft"):
        raise ValueError(f"variant must be 'corrected' or 'draft', got {variant!r}")
    _inputs.check_hyperparameter("count_weight", count_weight, low=0.0)
    size, entropy, surplus, predicted, hits = sums.summed
    if variant == "corrected":
        penalty = _safe.ratio(surplus * surplus, size)
    else:
        penalty = _safe.ratio(hits, predicted)
    return _safe.ratio(entropy, size) + jnp.asarray(count_weight, size.dtype) * penalty


@functools.partial(jax.tree_util.register_dataclass, data_fields=[], meta_fields=[])
@dataclasses.dataclass(frozen=True, repr=False)
class CountEntropy(Mean):
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

    def __repr__(self) -> str:
        return "label_count()"


def label_count() -> CountEntropy:
    """Mean over examples of `losses.label_count`."""
    return CountEntropy()
