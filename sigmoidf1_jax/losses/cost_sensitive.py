"""F-beta and Jaccard as weighted cross-entropies whose weights follow the running score."""

import dataclasses
import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from sigmoidf1_jax import _inputs, _safe, averaging, scores
from sigmoidf1_jax._bound import Bound, bind
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where, per_label
from sigmoidf1_jax._plain import number
from sigmoidf1_jax.confusion import Confusion, soft_confusion
from sigmoidf1_jax.losses._define import stateful
from sigmoidf1_jax.objective import StatefulObjective, Statistics
from sigmoidf1_jax.surrogates import Surrogate, hard

# Half an example of each kind: F1 starts at 1/2, Jaccard at 1/3, and the first batches overrule it.
_PRIOR = 0.5

# Far below what one entry of a batch adds: (1 - decay) for any decay of use.
_FADED = 1e-6


def _init(num_labels: int) -> Confusion:
    """Running counts of `num_labels` labels: half an example of each kind."""
    return Confusion(*(jnp.full(num_labels, _PRIOR) for _ in range(4)))


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["score", "positive_weight", "decay", "level", "surrogate"],
    meta_fields=["average"],
)
@dataclasses.dataclass(frozen=True, repr=False)
class CostSensitive(StatefulObjective):
    """See `cost_sensitive_f_beta`.

    `score` is N / D; N - level * D is, up to a constant, `positive_weight(level)` times the true
    positives minus `level` times the false positives.
    """

    score: Bound
    positive_weight: Bound
    decay: ArrayLike
    level: ArrayLike | None
    surrogate: Surrogate
    average: Literal["macro", "micro"]

    init = staticmethod(_init)

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Statistics:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        axes = averaging.leading_axes(z)
        decisions = jax.lax.stop_gradient(self.surrogate(z))
        return (
            jnp.sum(w * y * jax.nn.softplus(-z), axes),
            jnp.sum(w * (1 - y) * jax.nn.softplus(z), axes),
            soft_confusion(decisions, y, w, axes),
        )

    def value(self, statistics: Statistics, state: Confusion, **_: Any) -> tuple[Array, Confusion]:
        positive, negative, counts = statistics
        decay = jnp.asarray(self.decay, jnp.float32)

        def moved(old: Array, new: Array) -> Array:
            return (decay * old + (1 - decay) * new).astype(old.dtype)

        state = _held_up(jax.tree.map(moved, state, counts))
        level = self.level_of(state).astype(positive.dtype)
        total = jnp.sum(self.positive_weight(level) * positive + level * negative)
        weight = jnp.sum(counts.tp + counts.fp + counts.fn + counts.tn)
        return _safe.ratio(total, weight), state

    def level_of(self, state: Confusion) -> Array:
        """The score of the running counts, [num_labels] or []; `level` if that is given."""
        if self.level is not None:
            return per_label("level", self.level, state.tp)
        return self.score(averaging.pool(state) if self.average == "micro" else state)


def _cost_sensitive(
    score: Bound,
    positive_weight: Bound,
    decay: ArrayLike,
    level: ArrayLike | None,
    surrogate: Surrogate | None,
    average: Literal["macro", "micro"],
) -> CostSensitive:
    if average not in ("macro", "micro"):
        raise ValueError(f"average must be 'macro' or 'micro', got {average!r}")
    _inputs.check_hyperparameter("decay", decay, low=0.0, below=1.0)
    if level is not None:
        _inputs.check_hyperparameter("level", level, low=0.0, high=1.0)
    counted = surrogate or hard()
    return CostSensitive(score, positive_weight, number(decay), number(level), counted, average)


def _held_up(counts: Confusion) -> Confusion:
    """Counts that are almost forgotten, enlarged: their score is what the next batch starts from.

    A label that is neither true nor predicted for a thousand batches would otherwise fade to
    0/0, and the weight of its negatives with it.
    """
    relevant = counts.tp + counts.fp + counts.fn
    factor = jnp.maximum(_safe.ratio(jnp.asarray(_FADED, relevant.dtype), relevant, 1.0), 1)
    return Confusion(counts.tp * factor, counts.fp * factor, counts.fn * factor, counts.tn)


def _f_beta_weight(level: Array, *, beta: ArrayLike) -> Array:
    return 1 + jnp.square(jnp.asarray(beta, level.dtype)) - level


def _jaccard_weight(level: Array) -> Array:
    return jnp.ones_like(level)


@stateful(_init)
def cost_sensitive_f_beta(
    beta: ArrayLike = 1.0,
    *,
    average: Literal["macro", "micro"] = "macro",
    decay: ArrayLike = 0.95,
    level: ArrayLike | None = None,
    surrogate: Surrogate | None = None,
) -> CostSensitive:
    r"""F-beta by a weighted cross-entropy whose weights follow the F-beta reached so far.

    F = N / D is largest, at F = $\lambda^*$, where $N - \lambda^* D$ is largest (and 0). For
    F-beta that is a weighted error, here $\ell = (1 + \beta^2 - \lambda)\,y\,\mathrm{softplus}(-z)
    + \lambda\,(1-y)\,\mathrm{softplus}(z)$ averaged over entries, with $\lambda$ the F-beta of
    moving-average counts: of each label ("macro") or of all ("micro"). The Bayes decision,
    $p > \lambda / (1 + \beta^2)$, is at z = 0 of the trained network, so no threshold is needed.
    A label absent from a batch keeps a gradient: what the smooth F1 losses lack.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape, in [0, 1].
      state: running counts, from `cost_sensitive_f_beta.init(num_labels)` or the last call.
      beta: > 0; larger weighs recall more.
      average: "macro" (a $\lambda$ per label) or "micro" (one).
      decay: of the moving average of the counts, in [0, 1).
      level: a fixed $\lambda$ in [0, 1] instead of the running score, scalar or [num_labels]:
        train with a few and choose on validation data, as the theory does.
      surrogate: the decisions that are counted; None is `surrogates.hard()`,
        `surrogates.probability()` counts softly.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0; broadcast to the labels' shape.
      axis_name: mapped axis whose global batch the loss and the state are of.

    Returns:
      (value, state): a scalar >= 0 and the next running counts, a `Confusion`. The counts
      include this batch, and no gradient flows through them.

    Raises:
      ValueError, TypeError: as in `sigmoid_f1`.

    Source: Parambath et al., Optimizing F-Measures by Cost-Sensitive Classification, NIPS 2014;
    Dinkelbach, On Nonlinear Fractional Programming, 1967; Mao, Mohri and Zhong, ICML 2025.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, -1.0]]), jnp.array([[1, 0]])
      >>> state = sf.losses.cost_sensitive_f_beta.init(2)
      >>> value, state = sf.losses.cost_sensitive_f_beta(logits, labels, state)
      >>> round(float(value), 4)
      0.3093
    """
    _inputs.check_hyperparameter("beta", beta, above=0.0)
    score, weight = bind(scores.f_beta, beta=beta), bind(_f_beta_weight, beta=beta)
    return _cost_sensitive(score, weight, decay, level, surrogate, average)


@stateful(_init)
def cost_sensitive_jaccard(
    *,
    average: Literal["macro", "micro"] = "macro",
    decay: ArrayLike = 0.95,
    level: ArrayLike | None = None,
    surrogate: Surrogate | None = None,
) -> CostSensitive:
    r"""The Jaccard index by a weighted cross-entropy that follows the index reached so far.

    As `cost_sensitive_f_beta` with N = tp, D = tp + fp + fn: weight 1 on positives and
    $\lambda$, the running Jaccard index, on negatives. Arguments and result as there.

    Source: Dinkelbach, 1967, on the Jaccard index; Parambath et al., NIPS 2014.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, -1.0]]), jnp.array([[1, 0]])
      >>> state = sf.losses.cost_sensitive_jaccard.init(2)
      >>> value, state = sf.losses.cost_sensitive_jaccard(logits, labels, state)
      >>> round(float(value), 4)
      0.2088
    """
    return _cost_sensitive(
        bind(scores.jaccard), bind(_jaccard_weight), decay, level, surrogate, average
    )
