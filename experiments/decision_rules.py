"""The decision rules that losses are crossed with, all fitted on validation."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sigmoidf1_jax import decisions, metrics

Scores = Float[Array, "rows labels"]
Labels = Bool[Array, "rows labels"]
Decision = Callable[..., Labels]
Fitting = Callable[[Scores, Labels, Labels], Decision]
"""(scores, labels, where) on validation -> decision."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """A decision rule.

    Attributes:
      fit: (scores, labels, where) on validation -> decision.
      together: whether the decision takes all test examples at once, with their mask.
    """

    fit: Fitting
    together: bool = False


def _calibrated(rule: Callable[..., Any]) -> Fitting:
    """A rule on probabilities: isotonic calibration suits the scores of any loss."""
    isotonic = decisions.calibration.isotonic
    return lambda scores, labels, where: decisions.calibrated(
        scores, labels, rule, calibrate=isotonic, where=where
    )


def _thresholds(rule: Callable[..., Any], **arguments: object) -> Fitting:
    return lambda scores, labels, where: rule(scores, labels, where=where, **arguments)


UNTUNED = "fixed"
GLOBAL = "global"
PER_LABEL = "per_label"
GLOBAL_SAMPLES = "global_samples"

# The first is never tuned; the first three are compared by default.
RULES: dict[str, Rule] = {
    UNTUNED: Rule(lambda scores, labels, where: decisions.fixed(0.5)),
    GLOBAL: Rule(_thresholds(decisions.global_threshold)),
    PER_LABEL: Rule(_thresholds(decisions.per_label_threshold)),
    "global_macro": Rule(_thresholds(decisions.global_threshold, average="macro")),
    GLOBAL_SAMPLES: Rule(_thresholds(decisions.global_threshold, average="samples")),
    "per_label_cv": Rule(_thresholds(decisions.per_label_threshold, folds=3, min_positives=5)),
    "lipton": Rule(_calibrated(decisions.lipton_threshold)),
    "knee": Rule(_thresholds(decisions.knee_threshold)),
    "top_k": Rule(_thresholds(decisions.top_k)),
    "label_count": Rule(_calibrated(decisions.label_count)),
    "f_maximizer": Rule(_calibrated(decisions.f_maximizer)),
    "block_coordinate_ascent": Rule(_calibrated(decisions.block_coordinate_ascent), together=True),
    "frank_wolfe": Rule(_calibrated(decisions.frank_wolfe)),
    "conformal": Rule(_thresholds(decisions.conformal_risk, alpha=0.2)),
}
DEFAULT = (UNTUNED, GLOBAL, PER_LABEL)
ORACLE = "oracle"


def oracle_f1(scores: Scores, labels: Labels, where: Labels) -> dict[str, Float[Array, ""]]:
    """What no decision fitted elsewhere can be expected to reach: fitted on these very labels.

    micro: the best single threshold; macro: the best threshold per label; samples: the best
    number of top-ranked labels for each example.
    """
    shared = decisions.global_threshold(scores, labels, where=where)
    own = decisions.per_label_threshold(scores, labels, where=where)
    order = jnp.argsort(jnp.where(where, scores, -jnp.inf), axis=-1, descending=True)
    hits = jnp.cumsum(jnp.take_along_axis(labels & where, order, -1), -1)
    sizes = 1 + jnp.arange(labels.shape[-1])
    true = jnp.sum(labels & where, -1, keepdims=True)
    best = jnp.max(2 * hits / (sizes + true), -1)
    return {
        "micro_f1": metrics.f1(shared(scores), labels, average="micro", where=where),
        "macro_f1": metrics.f1(own(scores), labels, average="macro", where=where),
        "samples_f1": jnp.mean(best, where=jnp.any(where, -1)),
    }
