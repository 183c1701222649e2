"""Cross-entropies whose entries are reweighted: by class frequency, or for missing positives."""

import dataclasses
import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _inputs, _safe, averaging
from sigmoidf1_jax._checks import check_value
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where, per_label
from sigmoidf1_jax._logistic import cross_entropy, softplus, softplus_of_negative
from sigmoidf1_jax._partial import bind
from sigmoidf1_jax._plain import number
from sigmoidf1_jax.label_parts import LabelParts
from sigmoidf1_jax.objective import SeparableObjective
from sigmoidf1_jax.objectives._means import CoupledEntryMean, EntryMean
from sigmoidf1_jax.objectives.pointwise import focal_entropy, focal_positive

__all__ = [
    "class_balanced",
    "distribution_balanced",
    "negative_tolerant",
    "positive_unlabeled",
    "propensity_weighted",
]


def class_balanced(
    class_frequency: ArrayLike, beta: ArrayLike = 0.999, gamma: ArrayLike = 2.0
) -> EntryMean:
    """Mean over entries of `losses.class_balanced`."""
    return EntryMean(bind(_class_balanced, class_frequency=class_frequency, beta=beta, gamma=gamma))


def _class_balanced(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    class_frequency: ArrayLike,
    beta: ArrayLike,
    gamma: ArrayLike,
) -> Float[Array, "*batch labels"]:
    n = _counts_of_labels(class_frequency, logits)
    log_beta = jnp.log(
        jnp.maximum(
            per_label("beta", beta, logits, low=0.0, below=1.0), jnp.finfo(logits.dtype).tiny
        )
    )
    # 1 - beta^n by expm1: for beta near 1 the plain difference has no digits left.
    weight = jnp.expm1(log_beta) / jnp.expm1(n * log_beta)
    return weight * focal_entropy(logits, labels, gamma)


def negative_tolerant(
    class_frequency: ArrayLike,
    num_examples: ArrayLike,
    negative_scale: ArrayLike = 2.0,
    bias: ArrayLike = 0.05,
    gamma: ArrayLike = 2.0,
) -> EntryMean:
    """Mean over entries of `losses.negative_tolerant`."""
    return EntryMean(
        bind(
            _negative_tolerant,
            class_frequency=class_frequency,
            num_examples=num_examples,
            negative_scale=negative_scale,
            bias=bias,
            gamma=gamma,
        )
    )


def _negative_tolerant(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    class_frequency: ArrayLike,
    num_examples: ArrayLike,
    negative_scale: ArrayLike,
    bias: ArrayLike,
    gamma: ArrayLike,
) -> Float[Array, "*batch labels"]:
    return _tolerant(
        logits,
        labels,
        class_frequency,
        num_examples,
        negative_scale,
        bias,
        gamma,
        jnp.ones((), logits.dtype),
    )


def _counts_of_labels(class_frequency: ArrayLike, like: Array) -> Array:
    """Positives of each label in the training data, 1 for labels that have none."""
    counts = jnp.asarray(class_frequency)
    check_value(
        lambda: ~jnp.any((counts > 0) & (counts < 1)),
        message="class_frequency must be numbers of positives, not shares, got values between 0 "
        "and 1: multiply them by the number of examples",
    )
    return jnp.maximum(per_label("class_frequency", class_frequency, like, low=0.0), 1)


def _tolerant(
    logits: Array,
    labels: Array,
    class_frequency: ArrayLike,
    num_examples: ArrayLike,
    negative_scale: ArrayLike,
    bias: ArrayLike,
    gamma: ArrayLike,
    weight: Array,
) -> Array:
    scale = per_label("negative_scale", negative_scale, logits, above=0.0)
    # A label that is never or always positive counts as if one example differed.
    _inputs.check_hyperparameter("num_examples", num_examples, low=1.0)
    total = jnp.asarray(num_examples, logits.dtype)
    n = jnp.clip(_counts_of_labels(class_frequency, logits), 1, jnp.maximum(total - 1, 1))
    z = logits - per_label("bias", bias, logits, low=0.0) * jnp.log(total / n - 1)
    # Weighed through the labels, in which both are linear: one array less than weighing the sum.
    negative = focal_positive(-scale * z, weight / scale * (1 - labels), gamma)
    return focal_positive(z, weight * labels, gamma) + negative


def distribution_balanced(
    class_frequency: ArrayLike,
    num_examples: ArrayLike,
    negative_scale: ArrayLike = 2.0,
    bias: ArrayLike = 0.05,
    gamma: ArrayLike = 2.0,
    map_alpha: ArrayLike = 0.1,
    map_beta: ArrayLike = 10.0,
    map_mu: ArrayLike = 0.2,
) -> CoupledEntryMean:
    """Mean over entries of `losses.distribution_balanced`."""
    return CoupledEntryMean(
        bind(
            _distribution_balanced,
            class_frequency=class_frequency,
            num_examples=num_examples,
            negative_scale=negative_scale,
            bias=bias,
            gamma=gamma,
            map_alpha=map_alpha,
            map_beta=map_beta,
            map_mu=map_mu,
        )
    )


def _distribution_balanced(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    class_frequency: ArrayLike,
    num_examples: ArrayLike,
    negative_scale: ArrayLike,
    bias: ArrayLike,
    gamma: ArrayLike,
    map_alpha: ArrayLike,
    map_beta: ArrayLike,
    map_mu: ArrayLike,
) -> Float[Array, "*batch labels"]:
    n = _counts_of_labels(class_frequency, logits)
    drawn = jnp.sum(labels / n, -1, keepdims=True)
    r = _safe.ratio(jnp.broadcast_to(1 / n, labels.shape), drawn)
    beta = per_label("map_beta", map_beta, logits, low=0.0)
    _inputs.check_hyperparameter("map_mu", map_mu)
    mu = per_label("map_mu", map_mu, logits)
    # A choice, not r = inf, at which the derivatives by beta and mu would be NaN.
    mapped = jnp.where(drawn > 0, jax.nn.sigmoid(beta * (r - mu)), 1)
    weight = per_label("map_alpha", map_alpha, logits, low=0.0) + mapped
    return _tolerant(
        logits, labels, class_frequency, num_examples, negative_scale, bias, gamma, weight
    )


def propensity_weighted(
    propensity: ArrayLike = 1.0, variant: Literal["convex", "unbiased"] = "convex"
) -> EntryMean:
    """Mean over entries of `losses.propensity_weighted`."""
    return EntryMean(bind(_propensity_weighted, propensity=propensity, variant=variant))


def _propensity_weighted(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    propensity: ArrayLike,
    variant: Literal["convex", "unbiased"],
) -> Float[Array, "*batch labels"]:
    if variant not in ("convex", "unbiased"):
        raise ValueError(f"variant must be 'convex' or 'unbiased', got {variant!r}")
    inverse = 1 / per_label("propensity", propensity, logits, above=0.0, high=1.0)
    if variant == "unbiased":
        # softplus(z) - softplus(-z) is z.
        return softplus(logits) - labels * inverse * logits
    return cross_entropy(logits, (2 * inverse - 1) * labels, 1 - labels)


class PositiveUnlabeledSums(NamedTuple):
    """Per label: losses of positives as positives and as negatives, of the unlabeled, masses."""

    positive: Float[Array, " labels"]
    positive_as_negative: Float[Array, " labels"]
    unlabeled: Float[Array, " labels"]
    positives: Float[Array, " labels"]
    unlabeleds: Float[Array, " labels"]


@functools.partial(jax.tree_util.register_dataclass, data_fields=["prior"], meta_fields=[])
@dataclasses.dataclass(frozen=True, repr=False)
class PositiveUnlabeled(SeparableObjective):
    """See `positive_unlabeled`."""

    prior: ArrayLike

    def label_parts(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> LabelParts:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        _inputs.refuse_label_weights(weights, z.shape, "macro")
        positive, negative = softplus_of_negative(z), softplus(z)
        axes = averaging.leading_axes(z)
        return LabelParts(
            per_label=PositiveUnlabeledSums(
                *(
                    jnp.sum(x, axes)
                    for x in (
                        w * y * positive,
                        w * y * negative,
                        w * (1 - y) * negative,
                        w * y,
                        w * (1 - y),
                    )
                )
            )
        )

    def from_label_parts(self, parts: LabelParts) -> PositiveUnlabeledSums:
        return parts.per_label

    def value(self, statistics: PositiveUnlabeledSums) -> Array:
        s = statistics
        prior = per_label("prior", self.prior, s.positive, above=0.0, below=1.0)
        positive = _safe.ratio(s.positive, s.positives)
        negative = _safe.ratio(s.unlabeled, s.unlabeleds) - prior * _safe.ratio(
            s.positive_as_negative, s.positives
        )
        risk = prior * positive + jnp.maximum(negative, 0)
        return _safe.mean(risk, (s.positives + s.unlabeleds > 0).astype(risk.dtype))

    def __repr__(self) -> str:
        return f"positive_unlabeled(prior={self.prior!r})"


def positive_unlabeled(prior: ArrayLike) -> PositiveUnlabeled:
    """`losses.positive_unlabeled`: the non-negative risk of each label."""
    _inputs.check_hyperparameter("prior", prior, above=0.0, below=1.0)
    return PositiveUnlabeled(number(prior))
