"""Decisions: from scores to label sets of the right size.

`decisions.x(scores, labels, ...) -> decision` fits on held-out scores, and
`decision(scores) -> bool[..., num_labels]` decides. Scores are probabilities, logits or any
other numbers that grow with the belief in a label; a decision applies to the kind of scores it
was fitted on. Decisions are frozen pytrees: jit, vmap over seeds, save and load them.
"""

from sigmoidf1_jax.decisions.thresholds import (
    Threshold,
    fixed,
    global_threshold,
    per_label_threshold,
)

__all__ = ["Threshold", "fixed", "global_threshold", "per_label_threshold"]
