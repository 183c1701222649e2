"""Decisions: from scores to label sets of the right size.

`decisions.x(scores, labels, ...) -> decision` fits on held-out scores, and
`decision(scores) -> bool[..., num_labels]` decides. Scores are probabilities, logits or any
other numbers that grow with the belief in a label; a decision applies to the kind of scores it
was fitted on. Decisions are frozen pytrees: jit, vmap over seeds, pickle, export, save and load
them.

Arguments have one name for one thing. `scores` are any numbers; `probabilities` are scores in
[0, 1] that should be calibrated (`label_count`'s scores are, too, unless counts are given):
`calibrated` puts a calibrator of `decisions.calibration` in front of any rule. In a fit `where`
says which entries count and `weights` how often; when deciding, `where` says which labels may be
predicted. Rules that fit nothing take all of these as well, so that rules can be exchanged.

Under jit, where no value can be checked, a NaN that counts makes the numbers fitted on it NaN, and
such a decision predicts nothing: for the labels concerned, or at all. A NaN score is not
predicted. Outside jit both raise ValueError. Masked entries and those of weight 0 can hold
anything.
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
