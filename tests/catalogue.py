"""The losses that every test of the battery runs over, with inputs that stress them."""

import dataclasses
from typing import Any

import jax
import numpy as np

import sigmoidf1_jax as sf


@dataclasses.dataclass(frozen=True)
class Case:
    """One loss with hyperparameters; `smooth` is the highest order `check_grads` may test."""

    name: str
    hyper: dict[str, Any] = dataclasses.field(default_factory=dict)
    smooth: int = 2

    def __str__(self) -> str:
        hyper = ",".join(f"{k}={getattr(v, '__name__', v)}" for k, v in self.hyper.items())
        return f"{self.name}({hyper})"

    @property
    def objective(self) -> sf.Objective:
        return getattr(sf.objectives, self.name)(**self.hyper)

    def loss(self, logits, labels, **kwargs):
        return getattr(sf.losses, self.name)(logits, labels, **self.hyper, **kwargs)

    @property
    def pointwise(self) -> bool:
        return self.name in POINTWISE


POINTWISE = {
    "asymmetric",
    "binary_cross_entropy",
    "class_balanced",
    "distribution_balanced",
    "focal",
    "hill",
    "hinge",
    "huber",
    "negative_tolerant",
    "propensity_weighted",
    "smooth_hinge",
    "squared_hinge",
}
AVERAGES = ("macro", "micro", "weighted", "samples", None)

CASES = [
    Case("binary_cross_entropy"),
    Case("binary_cross_entropy", {"pos_weight": 3.0, "label_smoothing": 0.1}),
    Case("focal"),
    Case("focal", {"gamma": 0.5, "alpha": 0.25}),
    *(Case("sigmoid_f1", {"slope": 3.0, "offset": 0.5, "average": a}) for a in AVERAGES),
    *(Case("soft_f1", {"average": a, "smoothing": 0.1}) for a in ("macro", "samples")),
    Case("soft_f1"),
    Case("soft_f1", {"zero_division": 1.0}),
    Case("soft_f1", {"zero_division": float("nan")}),
    Case("sigmoid_f1", {"surrogate": sf.surrogates.sigmoid_of_probability(10.0, -0.5)}),
    Case("double_soft_f1"),
    Case("double_soft_f1", {"average": "samples"}),
    Case("unbounded_f1", {"smoothing": 30.0}),
    Case("f_beta", {"beta": 2.0}),
    Case("f_beta", {"beta": 0.5, "average": "micro"}),
    Case("tversky", {"alpha": 0.3, "beta": 0.7}),
    Case("from_score", {"score": sf.scores.informedness, "average": "samples"}),
    Case("from_score", {"score": sf.scores.cohen_kappa}),
    Case("from_score", {"score": sf.scores.specificity, "average": "weighted"}),
    Case("from_score", {"score": sf.scores.f1, "surrogate": sf.surrogates.linear()}, 1),
    Case("jaccard", {"smoothing": 0.1}),
    Case("mcc"),
    Case("g_mean"),
    Case("balanced_accuracy"),
    Case("any_loss", {"score": sf.scores.g_mean, "slope": 10.0}),
    Case("score_oriented", {"delta": 0.4}, 1),
    Case("asymmetric", {}, 1),
    Case("asymmetric", {"gamma_negative": 2.0, "gamma_positive": 0.5, "shift": 0.0}),
    Case("hill"),
    Case("hinge", {}, 1),
    Case("squared_hinge", {}, 1),
    Case("smooth_hinge", {}, 1),
    Case("huber", {}, 1),
    # One number for all labels: the battery drops and permutes labels. The numbers per label
    # are in test_goldens.
    Case("class_balanced", {"class_frequency": 30.0}),
    Case("negative_tolerant", {"class_frequency": 30.0, "num_examples": 100.0}),
    Case("distribution_balanced", {"class_frequency": 30.0, "num_examples": 100.0}),
    Case("propensity_weighted", {"propensity": 0.7}),
    Case("positive_unlabeled", {"prior": 0.4}, 1),
    Case("cross_entropy_with_count"),
    Case("cross_entropy_with_count", {"variant": "draft"}, 1),
    Case("pairwise_logistic"),
    Case("bp_mll"),
    Case("rank_hinge", {}, 1),
    Case("zlpr"),
    Case("two_way"),
    Case("sparsemax", {}, 1),
    Case("auc_margin", {}, 1),
    Case("auc_margin", {"surrogate": sf.surrogates.unbounded(), "a": 0.5, "b": -0.5, "alpha": 0.3}),
]

# One loss of each way to get from entries to a value: what all losses share, reading and checking
# their inputs, is tested on these only. The first of them are what the inner loop runs.
QUICK = 4
KINDS = [
    next(c for c in CASES if str(c) == name)
    for name in (
        "binary_cross_entropy()",  # a mean over entries
        "sigmoid_f1(slope=3.0,offset=0.5,average=macro)",  # a score of confusion counts
        "zlpr()",  # a mean over examples, sums of exponentials
        "cross_entropy_with_count()",  # a sum of two objectives
        "class_balanced(class_frequency=30.0)",  # a mean with numbers per label
        "sigmoid_f1(slope=3.0,offset=0.5,average=samples)",  # the same of every example
        "sigmoid_f1(slope=3.0,offset=0.5,average=None)",  # a value per label
        "positive_unlabeled(prior=0.4)",  # a function of several means per label
        "bp_mll()",  # a mean over examples, of pairs
        "two_way()",  # sums of exponentials over both axes
        "sparsemax()",  # a sort
        "auc_margin()",  # moments per label, a minimum and a maximum
    )
]


def batch(seed: int, shape: tuple[int, ...] = (12, 5), scale: float = 2.0, density: float = 0.35):
    """Random float64 logits and labels; every label and every example has both classes."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, shape)
    labels = (rng.random(shape) < density).astype(np.int32)
    flat = labels.reshape(-1, shape[-1])
    rows, columns = flat.shape
    for i in range(max(rows, columns)):
        flat[i % rows, i % columns] = 1
        flat[i % rows, (i + 1) % columns] = 0
    return logits, flat.reshape(shape)


def edge_cases(
    seed: int = 0, shape: tuple[int, int] = (8, 6)
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """Inputs at which naive implementations overflow or divide by zero: logits, labels, where."""
    logits, labels = batch(seed, shape, scale=3.0)
    huge = np.sign(logits) * 1e4
    empty_and_full = labels.copy()
    empty_and_full[:, 1], empty_and_full[:, 2] = 0, 1
    empty_and_full[3], empty_and_full[4] = 0, 1
    right = np.where(labels == 1, 1e4, -1e4)
    masked = np.ones(labels.shape, bool)
    masked[:, 0], masked[2] = False, False
    nan = logits.copy()
    nan[2] = np.nan
    return {
        "huge": (huge, labels, None),
        "huge and right": (right, labels, None),
        "huge and wrong": (-right, labels, None),
        "empty and full labels and rows": (logits, empty_and_full, None),
        "huge, empty and full": (huge, empty_and_full, None),
        "all negative": (np.full_like(logits, -60.0), np.zeros_like(labels), None),
        "all far below": (np.full_like(logits, -1e4), np.zeros_like(labels), None),
        "all positive": (np.full_like(logits, 60.0), np.ones_like(labels), None),
        "zeros": (np.zeros_like(logits), np.zeros_like(labels), None),
        "minus 88": (np.full_like(logits, -88.0), empty_and_full, None),
        "minus 100": (np.full_like(logits, -100.0), empty_and_full, None),
        "masked label and row": (logits, labels, masked),
        "everything masked": (logits, labels, np.zeros(labels.shape, bool)),
        "NaN behind the mask": (nan, labels, masked),
    }


def tree_allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Asserts that two pytrees have equal structure and close leaves."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)
