"""The catalogue of systems that are compared."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jaxtyping import Array, PyTree

import sigmoidf1_jax as sf
from experiments.tuning_space import Arguments, Labels, System
from sigmoidf1_jax.averaging import Average

objectives = sf.objectives
Numbers = Array | np.ndarray
AVERAGES: tuple[Average, ...] = ("macro", "micro", "samples")


def _identity(logits: Array) -> Array:
    return logits


def _soft(objective: Callable[..., sf.Objective], average: Average) -> Callable[..., sf.Objective]:
    return functools.partial(objective, average=average)


def _mixed_f1(smoothing: float, cross_entropy: float) -> sf.Objective:
    f1 = [objectives.soft_f1(average=a, smoothing=smoothing) for a in AVERAGES]
    return sum(f1[1:], f1[0]) + cross_entropy * objectives.binary_cross_entropy()


def _frequencies(labels: Labels, where: Labels) -> Arguments:
    # Losses that divide by a frequency need every label to have been seen once.
    return {"class_frequency": np.maximum(labels.sum(0, where=where), 1).astype(np.float32)}


def _frequencies_and_size(labels: Labels, where: Labels) -> Arguments:
    return {**_frequencies(labels, where), "num_examples": np.float32(len(labels))}


def _positive_unlabeled(factor: float, prior: npt.NDArray[np.float32]) -> sf.Objective:
    return objectives.positive_unlabeled(np.minimum(factor * prior, 0.95))


def _base_rates(labels: Labels, where: Labels) -> Arguments:
    rates = labels.sum(0, where=where) / np.maximum(where.sum(0), 1)
    return {"prior": np.clip(rates, 1 / len(labels), 1).astype(np.float32)}


@functools.partial(jax.tree_util.register_dataclass, data_fields=["count_weight"], meta_fields=[])
@dataclasses.dataclass(frozen=True, repr=False)
class LabelsAndCount(sf.Objective):
    """Cross-entropy of the labels, and of their number from the outputs after them (ML-Net)."""

    count_weight: float

    def statistics(
        self,
        logits: Numbers,
        labels: Numbers,
        *,
        where: Numbers | None = None,
        weights: Numbers | None = None,
    ) -> PyTree:
        num_labels = labels.shape[-1]
        return tuple(
            part.statistics(outputs, labels, where=where, weights=weights)
            for part, outputs in zip(
                (objectives.binary_cross_entropy(), objectives.label_count()),
                (logits[..., :num_labels], logits[..., num_labels:]),
                strict=True,
            )
        )

    def value(self, statistics: PyTree) -> Array:
        labels, count = statistics
        entropy = objectives.binary_cross_entropy().value(labels)
        return entropy + self.count_weight * objectives.label_count().value(count)


def _top_of_count(outputs: Array) -> Array:
    """Scores that are above 0.5 for the k best labels, k the most probable number of labels."""
    num_labels = outputs.shape[-1] // 2
    logits, counts = outputs[..., :num_labels], outputs[..., num_labels:]
    ordered = jnp.sort(logits, axis=-1, descending=True)
    edge = jnp.full_like(ordered[..., :1], 1.0)
    # Boundaries for k = 0 (above the best) to num_labels (below the last).
    middles = (ordered[..., :-1] + ordered[..., 1:]) / 2
    bounds = jnp.concatenate([ordered[..., :1] + edge, middles, ordered[..., -1:] - edge], -1)
    k = jnp.argmax(counts, -1, keepdims=True)
    return jax.nn.sigmoid(logits - jnp.take_along_axis(bounds, k, -1))


SMOOTHING = (0.0, 0.1, 1.0)
SMOOTH = {"smoothing": SMOOTHING}
BASELINE = "binary_cross_entropy"
QUICK_SYSTEMS = (BASELINE, "macro_soft_f1", "sigmoid_f1")
"""What a try-out trains."""

# Compared by default.
MAIN_SYSTEMS: dict[str, System] = {
    BASELINE: System(objectives.binary_cross_entropy),
    "focal": System(objectives.focal, {"gamma": (2.0, 1.0, 4.0)}),
    "macro_soft_f1": System(_soft(objectives.soft_f1, "macro"), SMOOTH),
    "micro_soft_f1": System(_soft(objectives.soft_f1, "micro"), SMOOTH),
    "samples_soft_f1": System(_soft(objectives.soft_f1, "samples"), SMOOTH),
    "sigmoid_f1": System(
        objectives.sigmoid_f1,
        {"slope": (1.0, 0.5, 2.0, 5.0), "offset": (0.0, -1.0, 1.0), **SMOOTH},
    ),
    "unbounded_f1": System(objectives.unbounded_f1, SMOOTH, _identity),
    "mixed_f1": System(_mixed_f1, {**SMOOTH, "cross_entropy": (0.3, 0.1, 1.0)}),
}

# The rest of the catalogue, by name with --losses.
SYSTEMS: dict[str, System] = {
    **MAIN_SYSTEMS,
    # One minus a score of soft counts.
    "soft_f1": System(objectives.soft_f1, SMOOTH),
    "double_soft_f1": System(objectives.double_soft_f1, SMOOTH),
    "f_beta": System(objectives.f_beta, {"beta": (1.0, 0.5, 2.0), **SMOOTH}),
    "tversky": System(
        objectives.tversky, {"alpha": (0.5, 0.3, 0.7), "beta": (0.5, 0.3, 0.7), **SMOOTH}
    ),
    "jaccard": System(objectives.jaccard, SMOOTH),
    "mcc": System(objectives.mcc),
    "g_mean": System(objectives.g_mean),
    "balanced_accuracy": System(objectives.balanced_accuracy),
    "any_loss": System(objectives.any_loss, {"slope": (73.0, 30.0, 10.0)}),
    "score_oriented": System(
        objectives.score_oriented, {"mu": (0.5, 0.3), "delta": (0.1, 0.3, 0.5)}
    ),
    "from_score": System(lambda: objectives.from_score(sf.scores.cohen_kappa)),
    # Entry by entry.
    "asymmetric": System(
        objectives.asymmetric,
        {
            "gamma_negative": (4.0, 1.0, 2.0),
            "gamma_positive": (1.0, 0.0),
            "shift": (0.05, 0.0, 0.1),
        },
    ),
    "hill": System(objectives.hill, {"height": (1.5, 1.0, 2.0), "margin": (1.0, 0.0, 0.5)}),
    "hinge": System(objectives.hinge),
    "squared_hinge": System(objectives.squared_hinge),
    "smooth_hinge": System(objectives.smooth_hinge),
    "huber": System(objectives.huber, {"delta": (1.0, 0.5, 2.0)}),
    "class_balanced": System(
        objectives.class_balanced,
        {"beta": (0.999, 0.9, 0.99), "gamma": (2.0, 0.0, 1.0)},
        from_labels=_frequencies,
    ),
    "distribution_balanced": System(
        objectives.distribution_balanced,
        {"negative_scale": (2.0, 1.0, 5.0), "map_mu": (0.2, 0.3, 0.9)},
        from_labels=_frequencies_and_size,
    ),
    "negative_tolerant": System(
        objectives.negative_tolerant,
        {"negative_scale": (2.0, 1.0, 5.0), "bias": (0.05, 0.0, 0.1)},
        from_labels=_frequencies_and_size,
    ),
    "propensity_weighted": System(objectives.propensity_weighted, {"propensity": (0.9, 0.7, 0.5)}),
    "positive_unlabeled": System(
        _positive_unlabeled, {"factor": (1.0, 1.5, 2.0)}, from_labels=_base_rates
    ),
    # With a term for the number of labels.
    "cross_entropy_with_count": System(
        objectives.cross_entropy_with_count, {"count_weight": (1.0, 0.1, 10.0)}
    ),
    "label_count": System(
        LabelsAndCount, {"count_weight": (1.0, 0.3, 3.0)}, _top_of_count, count_head=True
    ),
    # Ranking the labels of an example.
    "pairwise_logistic": System(objectives.pairwise_logistic),
    "bp_mll": System(objectives.bp_mll),
    "rank_hinge": System(objectives.rank_hinge, {"margin": (1.0, 0.5, 2.0)}),
    "zlpr": System(objectives.zlpr),
    "two_way": System(
        objectives.two_way,
        {"positive_temperature": (4.0, 1.0, 2.0), "negative_temperature": (1.0, 0.5, 2.0)},
    ),
    "sparsemax": System(objectives.sparsemax),
    # Ranking the examples of a label, and losses with state.
    "auc_margin": System(objectives.auc_margin, {"margin": (1.0, 0.6, 0.3)}),
    "average_precision": System(
        objectives.average_precision, {"gamma": (0.9, 0.5), "margin": (1.0, 0.5, 2.0)}
    ),
    "recall_at_precision": System(
        objectives.recall_at_precision,
        {"precision": (0.8, 0.5, 0.7), "dual_rate": (0.1, 0.01, 1.0)},
    ),
    "precision_at_recall": System(
        objectives.precision_at_recall,
        {"recall": (0.8, 0.5, 0.7), "dual_rate": (0.1, 0.01, 1.0)},
    ),
    "f_bound": System(objectives.f_bound, {"dual_rate": (0.1, 0.01, 1.0)}),
    "cost_sensitive_f_beta": System(objectives.cost_sensitive_f_beta, {"decay": (0.95, 0.8, 0.99)}),
    "micro_cost_sensitive_f_beta": System(
        functools.partial(objectives.cost_sensitive_f_beta, average="micro"),
        {"decay": (0.95, 0.8, 0.99)},
    ),
    "cost_sensitive_jaccard": System(
        objectives.cost_sensitive_jaccard, {"decay": (0.95, 0.8, 0.99)}
    ),
    "tencent": System(
        objectives.tencent, {"pos_weight": (12.0, 1.0, 4.0), "negative_rate": (0.3, 0.1, 1.0)}
    ),
}
