"""Decisions: from scores to label sets of the right size.

`decisions.x(scores, labels, ...) -> decision` fits on held-out scores, and
`decision(scores) -> bool[..., num_labels]` decides. Scores are probabilities, logits or any
other numbers that grow with the belief in a label; a decision applies to the kind of scores it
was fitted on. Decisions are frozen pytrees: jit, vmap over seeds, save and load them.

Rules whose first argument is `probabilities` need calibrated ones: `calibrated` puts a
calibrator of `decisions.calibration` in front of any rule.
"""

from sigmoidf1_jax.decisions import calibration
from sigmoidf1_jax.decisions.calibration import Calibrated, calibrated
from sigmoidf1_jax.decisions.conformal import conformal_risk
from sigmoidf1_jax.decisions.expected_f import (
    FMaximizer,
    count_matrix_of_labels,
    count_matrix_of_marginals,
    f_maximizer,
)
from sigmoidf1_jax.decisions.knee import KneeCurve, knee_curve, knee_threshold
from sigmoidf1_jax.decisions.lipton import lipton_threshold
from sigmoidf1_jax.decisions.macro_utility import (
    BlockCoordinateAscent,
    FrankWolfe,
    Weighted,
    block_coordinate_ascent,
    expected_macro_utility,
    frank_wolfe,
    weighted,
)
from sigmoidf1_jax.decisions.ranked import (
    LabelCount,
    TopK,
    counts_from_logits,
    label_count,
    top_k,
)
from sigmoidf1_jax.decisions.thresholds import (
    Threshold,
    fixed,
    global_threshold,
    per_label_threshold,
)

__all__ = [
    "BlockCoordinateAscent",
    "Calibrated",
    "FMaximizer",
    "FrankWolfe",
    "KneeCurve",
    "LabelCount",
    "Threshold",
    "TopK",
    "Weighted",
    "block_coordinate_ascent",
    "calibrated",
    "calibration",
    "conformal_risk",
    "count_matrix_of_labels",
    "count_matrix_of_marginals",
    "counts_from_logits",
    "expected_macro_utility",
    "f_maximizer",
    "fixed",
    "frank_wolfe",
    "global_threshold",
    "knee_curve",
    "knee_threshold",
    "label_count",
    "lipton_threshold",
    "per_label_threshold",
    "top_k",
    "weighted",
]
