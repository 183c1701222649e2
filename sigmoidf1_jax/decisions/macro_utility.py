"""Decisions for macro metrics at test time: the whole set of examples is decided together."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray

from sigmoidf1_jax import _inputs
from sigmoidf1_jax import scores as score_functions
from sigmoidf1_jax._bound import as_bound
from sigmoidf1_jax._inputs import Labels, Where
from sigmoidf1_jax.confusion import Confusion, soft_confusion
from sigmoidf1_jax.decisions import _shared
from sigmoidf1_jax.decisions._shared import Decided, Scores
from sigmoidf1_jax.decisions.thresholds import check_count
from sigmoidf1_jax.scores import Score

_LINE_SEARCH = 100


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["slope", "offset"], meta_fields=["k"]
)
@dataclasses.dataclass(frozen=True)
class Weighted:
    """Predicts by the gain `slope * score + offset`, see `weighted`."""

    slope: Float[Array, ""] | Float[Array, " labels"]
    offset: Float[Array, ""] | Float[Array, " labels"]
    k: int

    def __call__(self, scores: Scores) -> Decided:
        """True where a label is predicted, in the scores' shape."""
        scores = _shared.check_scores(scores)
        scores = scores.astype(_inputs.accumulation_dtype(scores.dtype))
        slope = _inputs.per_label("slope", self.slope, scores)
        offset = _inputs.per_label("offset", self.offset, scores)
        return _select(slope * scores + offset, self.k)


def weighted(slope: ArrayLike = 1.0, offset: ArrayLike = 0.0, *, k: int = 0) -> Weighted:
    r"""Predicts the k labels of highest gain $a_c s_c + b_c$, or all of gain >= 0.

    With probabilities $\eta$ and priors $\pi$ these maximise expected metrics that are linear in
    the confusion counts: a = 1 precision at k, $a = 1/\pi$ macro recall, a = inverse propensity
    PSP at k, $a = 1/\pi + 1/(1-\pi)$, $b = -1/(1-\pi)$ macro balanced accuracy.

    Args:
      slope: a, scalar or [num_labels], finite.
      offset: b, scalar or [num_labels], finite.
      k: labels per example; 0 is no constraint (gain >= 0).

    Raises:
      ValueError: k < 0, NaN or infinite slopes or offsets; when deciding, k above the number of
        labels.

    Source: Schultheis et al., Generalized Test Utilities for Long-tail Performance, NeurIPS 2023.

    Example:
      >>> import jax.numpy as jnp
      >>> weighted(jnp.array([1.0, 4.0, 1.0]), k=1)(jnp.array([0.75, 0.25, 0.5]))
      Array([False,  True, False], dtype=bool)
    """
    check_count("k", k, 0)
    _inputs.check_hyperparameter("slope", slope)
    _inputs.check_hyperparameter("offset", offset)
    dtype = jnp.result_type(float)
    return Weighted(jnp.asarray(slope, dtype), jnp.asarray(offset, dtype), k)


def expected_macro_utility(
    decided: Decided,
    probabilities: Scores,
    *,
    score: Score = score_functions.f1,
    where: Where = None,
) -> Float[Array, ""]:
    r"""Mean over labels of `score` at the expected counts of the decided sets.

    With probabilities $\eta$ and decisions $h$: $tp = \frac1n \sum_i h_i \eta_i$, $fp = \frac1n
    \sum_i h_i (1 - \eta_i)$, and so on. `block_coordinate_ascent` maximises it. With 0/1 labels
    in the place of the probabilities it is the observed macro score.

    Args:
      decided: bool [..., num_labels].
      probabilities: same shape, in [0, 1].
      score: function of a `Confusion`.
      where: True where an entry counts.

    Raises:
      ValueError: shapes; in concrete arrays probabilities outside [0, 1].

    Example:
      >>> import jax.numpy as jnp
      >>> p = jnp.array([[0.75], [0.25]])
      >>> expected_macro_utility(p >= 0.5, p)
      Array(0.75, dtype=float32)
    """
    p, weight = _population(probabilities, where)
    decided = _inputs.as_array(decided, "decided")
    _inputs.check_same_shape(decided, _inputs.as_array(probabilities, "probabilities"), "decided")
    return jnp.mean(score(_counts(decided.reshape(p.shape), p, weight)))


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["score", "tolerance"],
    meta_fields=["k", "max_sweeps"],
)
@dataclasses.dataclass(frozen=True)
class BlockCoordinateAscent:
    """Decides all examples of a set together, see `block_coordinate_ascent`."""

    score: Any
    tolerance: Float[Array, ""]
    k: int
    max_sweeps: int

    def __call__(self, probabilities: Scores, *, where: Where = None) -> Decided:
        """The decided sets [..., num_labels] of the given set of examples.

        Args:
          probabilities: [..., num_labels] in [0, 1]; all leading axes are one set.
          where: True where an entry counts (padded rows); False is never predicted.

        Raises:
          ValueError: k above the number of labels; in concrete arrays values outside [0, 1].
        """
        p, weight = _population(probabilities, where)
        _check_k(self.k, p.shape[-1])
        decided = _ascend(p, weight, self.score, self.tolerance, self.k, self.max_sweeps)
        return decided.reshape(jnp.shape(probabilities))


def block_coordinate_ascent(
    probabilities: Scores | None = None,
    labels: Labels | None = None,
    *,
    score: Score = score_functions.f1,
    k: int = 0,
    tolerance: float = 1e-6,
    max_sweeps: int = 100,
) -> BlockCoordinateAscent:
    r"""Label sets that maximise a macro metric of the whole test set, in expectation.

    Maximises `expected_macro_utility`. Rows are visited in order; given all other rows, the best
    set of a row is known exactly: the labels whose `score` gains most from being predicted (the
    k of greatest gain, or all of gain >= 0). So the utility never falls; sweeps end when it
    gains no more than `tolerance`. The result is a local optimum. O(num_labels log num_labels)
    per row and sweep; compiled once per shape.

    Use it for macro metrics when all test examples are there at once, above all under a budget
    of k labels each; a threshold per label is the simpler choice without a budget.

    Args:
      probabilities: not used: nothing is fitted. Here so that all rules are called alike.
      labels: not used.
      score: function of a `Confusion` of fractions of the number of examples, e.g.
        `sf.scores.jaccard`, finite; its hyperparameters by `functools.partial`.
      k: labels per example; 0 is no constraint. With k the start is the k most probable labels,
        without it every label.
      tolerance: >= 0, least gain of a sweep to go on.
      max_sweeps: most sweeps over the rows, 0 or more.

    Raises:
      ValueError: k, `tolerance` or `max_sweeps` < 0.

    Source: Schultheis et al., Generalized Test Utilities for Long-tail Performance in Extreme
    Multi-label Classification, NeurIPS 2023.

    Example:
      >>> import jax.numpy as jnp
      >>> p = jnp.array([[0.75, 0.5], [0.75, 0.125]])
      >>> block_coordinate_ascent(k=1)(p)
      Array([[False,  True],
             [ True, False]], dtype=bool)
    """
    del probabilities, labels
    check_count("k", k, 0)
    check_count("max_sweeps", max_sweeps, 0)
    _inputs.check_hyperparameter("tolerance", tolerance, low=0.0)
    tolerance_ = jnp.asarray(tolerance, jnp.result_type(float))
    return BlockCoordinateAscent(as_bound(score), tolerance_, k, max_sweeps)


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["slopes", "offsets", "mixture", "best"],
    meta_fields=["k"],
)
@dataclasses.dataclass(frozen=True)
class FrankWolfe:
    """Weighted rules [rules, num_labels] and their mixture, see `frank_wolfe`."""

    slopes: Float[Array, "rules labels"]
    offsets: Float[Array, "rules labels"]
    mixture: Float[Array, " rules"]
    best: Int[Array, ""]
    k: int

    def __call__(self, probabilities: Scores, *, key: PRNGKeyArray | None = None) -> Decided:
        """True where a label is predicted, in the probabilities' shape.

        Args:
          probabilities: [..., num_labels], like those of the fit.
          key: draws a rule from the mixture for each example; None uses the best single rule.
        """
        p = _shared.check_probabilities(probabilities)
        if p.shape[-1] != self.slopes.shape[-1]:
            raise ValueError(
                f"probabilities must have {self.slopes.shape[-1]} labels as in the fit, "
                f"got {p.shape}"
            )
        if key is None:
            index = jnp.broadcast_to(self.best, p.shape[:-1])
        else:
            index = jax.random.choice(key, self.mixture.shape[0], p.shape[:-1], p=self.mixture)
        return _select(self.slopes[index] * p + self.offsets[index], self.k)


def frank_wolfe(
    probabilities: Scores,
    labels: Labels | None = None,
    *,
    score: Score = score_functions.f1,
    k: int = 0,
    iterations: int = 20,
    where: Where = None,
) -> FrankWolfe:
    r"""Weights per label that maximise a macro metric, by Frank-Wolfe over confusion counts.

    Each iteration linearises the metric at the current counts; the best decision for a linear
    metric is a `weighted` rule, whose counts are mixed in with the best of 101 step sizes. The
    mixture of all rules, a rule drawn per example (`decision(p, key=key)`), has a utility on the
    fitted counts that never falls from one iteration to the next and, for a concave score,
    tends to the optimum. `decision(p)` is deterministic: the single rule of highest utility on
    the fitted data, never below the first, which is the k most probable labels (all labels
    without k). Unlike `block_coordinate_ascent` it decides each example on its own.

    Args:
      probabilities: [..., num_labels] in [0, 1].
      labels: same shape, 0 or 1: observed counts; None uses expected counts.
      score: differentiable function of a `Confusion` of fractions of the number of examples.
      k: labels per example; 0 is no constraint.
      iterations: number of rules after the first, >= 1.
      where: True where an entry counts; broadcasts to the shape.

    Raises:
      ValueError: shapes, k outside 0 to num_labels, `iterations` < 1; in concrete arrays
        probabilities outside [0, 1] or labels not 0/1.

    Source: Schultheis et al., Consistent Algorithms for Multi-label Classification with Macro-at-k
    Metrics, ICLR 2024; Narasimhan et al., Consistent Multiclass Algorithms for Complex
    Performance Measures, ICML 2015.

    Example:
      >>> import jax.numpy as jnp
      >>> p = jnp.array([[0.75, 0.5], [0.75, 0.125], [0.5, 0.25]])
      >>> frank_wolfe(p)(p)
      Array([[ True,  True],
             [ True, False],
             [ True, False]], dtype=bool)
    """
    check_count("k", k, 0)
    check_count("iterations", iterations)
    p, weight = _population(probabilities, where)
    _check_k(k, p.shape[-1])
    if labels is None:
        truth = p
    else:
        shape = jnp.shape(probabilities)
        _, y, _ = _shared.prepare(jnp.zeros(shape), labels, _shared.mask_of(where, shape))
        truth = y.astype(p.dtype)
    slopes, offsets, mixture, best = _frank_wolfe(p, truth, weight, as_bound(score), k, iterations)
    return FrankWolfe(slopes, offsets, mixture, best, k)


def _check_k(k: int, num_labels: int) -> None:
    if k > num_labels:
        raise ValueError(f"k must be <= the number of labels, {num_labels}, got {k}")


def _population(probabilities: Any, where: Any) -> tuple[Array, Array]:
    """Probabilities [n, labels], 0 where masked, and weights that sum to 1 per full label."""
    probabilities = _inputs.as_array(probabilities, "probabilities")
    mask = _shared.mask_of(where, probabilities.shape)
    p = jnp.where(mask, _shared.check_probabilities(probabilities, mask=mask), 0)
    flat = (-1, p.shape[-1])
    rows = jnp.maximum(jnp.sum(jnp.any(mask.reshape(flat), -1)), 1).astype(p.dtype)
    return p.reshape(flat), mask.reshape(flat) / rows


def _select(gain: Array, k: int) -> Array:
    """The k labels of greatest gain; all of gain >= 0 if k is 0."""
    _check_k(k, gain.shape[-1])
    return _shared.ranks(gain) < k if k else gain >= 0


def _counts(decided: Array, truth: Array, weight: Array) -> Confusion:
    return soft_confusion(decided.astype(truth.dtype), truth, weight, 0)


@functools.partial(jax.jit, static_argnames=["k", "max_sweeps"])
def _ascend(
    p: Array, weight: Array, score: Score, tolerance: Array, k: int, max_sweeps: int
) -> Array:
    counted = weight > 0
    rows = jnp.sum(counted, 0)
    Running = tuple[Confusion, Array]

    def row(running: Running, inputs: tuple[Array, ...]) -> tuple[Running, Array]:
        (counts, predicted), (p, w, counted, old) = running, inputs
        zero = jnp.zeros_like(p)
        positive = Confusion(tp=w * p, fp=w * (1 - p), fn=zero, tn=zero)
        negative = Confusion(tp=zero, fp=zero, fn=w * p, tn=w * (1 - p))

        def contribution(decided: Array) -> Confusion:
            return jax.tree.map(lambda a, b: jnp.where(decided, a, b), positive, negative)

        others = jax.tree.map(lambda c, r: jnp.maximum(c - r, 0), counts, contribution(old))
        # Subtracting can leave 1e-9 of a count that is 0, and the ratio of two such remainders
        # is any number. Whole numbers tell where nothing is left.
        predicted = predicted - old
        some, some_not = predicted > 0, predicted < rows - counted
        others = Confusion(
            tp=jnp.where(some, others.tp, 0),
            fp=jnp.where(some, others.fp, 0),
            fn=jnp.where(some_not, others.fn, 0),
            tn=jnp.where(some_not, others.tn, 0),
        )
        gain = score(others + positive) - score(others + negative)
        chosen = _select(jnp.where(counted, gain, -jnp.inf), k) & counted
        return (others + contribution(chosen), predicted + chosen), chosen

    State = tuple[Array, Array, Array, Array]

    def sweep(state: State) -> State:
        decided, utility, _, sweeps = state
        # Counted afresh each time, so that rounding does not pile up over sweeps.
        counts = (_counts(decided, p, weight), jnp.sum(decided, 0))
        _, new = jax.lax.scan(row, counts, (p, weight, counted, decided))
        value = jnp.mean(score(_counts(new, p, weight)))
        return new, value, value - utility, sweeps + 1

    def go_on(state: State) -> Array:
        _, _, gained, sweeps = state
        return (gained > tolerance) & (sweeps < max_sweeps)

    start = (_shared.ranks(jnp.where(counted, p, -1)) < k if k else p >= 0) & counted
    utility = jnp.mean(score(_counts(start, p, weight)))
    first = (start, utility, jnp.full_like(utility, jnp.inf), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(go_on, sweep, first)[0]


@functools.partial(jax.jit, static_argnames=["k", "iterations"])
def _frank_wolfe(
    p: Array, truth: Array, weight: Array, score: Score, k: int, iterations: int
) -> tuple[Array, Array, Array, Array]:
    def utility(counts: Confusion) -> Array:
        return jnp.mean(score(counts))

    def decide(slope: Array, offset: Array) -> Confusion:
        return _counts(_select(slope * p + offset, k), truth, weight)

    def step(counts: Confusion, _: None) -> tuple[Confusion, tuple[Array, ...]]:
        g = jax.grad(utility)(counts)
        # Predicting a label of probability p gains p (tp - fn) + (1 - p) (fp - tn).
        slope, offset = (g.tp - g.fn) - (g.fp - g.tn), g.fp - g.tn
        # Only ratios of gains matter; gradients of 1/num_labels each would look like ties.
        scale = jnp.maximum(jnp.max(jnp.abs(slope)), jnp.max(jnp.abs(offset)))
        scale = jnp.where(scale > 0, scale, 1)
        slope, offset = slope / scale, offset / scale
        new = decide(slope, offset)
        sizes = jnp.linspace(0, 1, _LINE_SEARCH + 1, dtype=p.dtype)

        def mixed(t: Array) -> Confusion:
            return jax.tree.map(lambda a, b: (1 - t) * a + t * b, counts, new)

        t = sizes[jnp.argmax(jax.vmap(lambda t: utility(mixed(t)))(sizes))]
        return mixed(t), (slope, offset, t, utility(new))

    ones, zeros = jnp.ones(p.shape[-1], p.dtype), jnp.zeros(p.shape[-1], p.dtype)
    start = decide(ones, zeros)
    _, (slopes, offsets, sizes, values) = jax.lax.scan(step, start, None, iterations)
    sizes = jnp.concatenate([jnp.ones_like(sizes[:1]), sizes])
    # A rule keeps its share of the mixture through all later steps.
    kept = jnp.cumprod(jnp.append(1 - sizes[1:], 1)[::-1])[::-1]
    values = jnp.concatenate([utility(start)[None], values])
    return (
        jnp.concatenate([ones[None], slopes]),
        jnp.concatenate([zeros[None], offsets]),
        sizes * kept,
        jnp.argmax(values),
    )
