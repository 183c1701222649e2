"""Decisions for macro metrics at test time: the whole set of examples is decided together."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray

from sigmoidf1_jax import _inputs, averaging
from sigmoidf1_jax import scores as score_functions
from sigmoidf1_jax._inputs import Labels, Weights, Where
from sigmoidf1_jax._keys import integer_keys, scores_of_keys
from sigmoidf1_jax._partial import as_partial
from sigmoidf1_jax._plain import Plain
from sigmoidf1_jax.confusion import Confusion, soft_confusion
from sigmoidf1_jax.decisions import _shared
from sigmoidf1_jax.decisions._shared import Decided, Scores
from sigmoidf1_jax.decisions.thresholds import best_global, check_count
from sigmoidf1_jax.scores import Score

_LINE_SEARCH = 100


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["slope", "offset"], meta_fields=["k"]
)
@dataclasses.dataclass(frozen=True)
class Weighted(Plain):
    """Predicts by the gain `slope * score + offset`, see `weighted`."""

    slope: Float[Array, ""] | Float[Array, " labels"]
    offset: Float[Array, ""] | Float[Array, " labels"]
    k: int

    def __call__(self, scores: Scores, *, where: Where = None) -> Decided:
        """True where a label is predicted, in the scores' shape.

        Args:
          scores: [..., num_labels], floating.
          where: True where a label may be predicted; broadcasts to the shape. An example with
            fewer than k such labels gets all of them.

        Raises:
          ValueError: shapes, k above the number of labels; in concrete arrays NaN scores (traced
            ones are not predicted).
        """
        scores, usable = _shared.to_decide(scores, where)
        scores = scores.astype(_inputs.accumulation_dtype(scores.dtype))
        slope = _inputs.per_label("slope", self.slope, scores)
        offset = _inputs.per_label("offset", self.offset, scores)
        _check_k(self.k, scores.shape[-1])
        gain = slope * scores + offset
        return _inputs.on_its_mesh(functools.partial(_select, self.k), gain, usable)


def weighted(slope: ArrayLike = 1.0, offset: ArrayLike = 0.0, *, k: int = 0) -> Weighted:
    r"""Predicts the k labels of highest gain $a_c s_c + b_c$, or all of gain > 0.

    With probabilities $\eta$ and priors $\pi$ these maximise expected metrics that are linear in
    the confusion counts: a = 1 precision at k, $a = 1/\pi$ macro recall, a = inverse propensity
    PSP at k, $a = 1/\pi + 1/(1-\pi)$, $b = -1/(1-\pi)$ macro balanced accuracy.

    Args:
      slope: a, scalar or [num_labels], finite.
      offset: b, scalar or [num_labels], finite.
      k: labels per example; 0 is no constraint (gain > 0: a label that gains nothing is not
        predicted).

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
    probabilities = _inputs.replicated(_inputs.as_array(probabilities, "probabilities"))
    decided = _inputs.replicated(_inputs.as_array(decided, "decided"))
    _inputs.check_same_shape(decided, probabilities, "decided")
    mask = None if where is None else _shared.mask_of(where, probabilities.shape)
    p = _shared.check_probabilities(probabilities, mask=mask)
    counted = jnp.ones(p.shape, bool) if mask is None else mask
    flat = (-1, p.shape[-1])
    decided = jnp.where(counted, decided.astype(p.dtype), 0)
    p, decided, counted = (x.reshape(flat) for x in (jnp.where(counted, p, 0), decided, counted))
    return jnp.mean(score(_counts(decided, p, _shares(counted, None, p.dtype))))


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["score", "tolerance"],
    meta_fields=["k", "max_sweeps"],
)
@dataclasses.dataclass(frozen=True)
class BlockCoordinateAscent(Plain):
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
          ValueError: k above the number of labels; in concrete arrays NaN or values outside
            [0, 1] (a traced NaN is masked).
        """
        p, usable = _shared.to_decide(
            probabilities, where, "probabilities", _shared.check_probabilities
        )
        _check_k(self.k, p.shape[-1])
        ascend = functools.partial(_decide_together, self.k, self.max_sweeps)
        return _inputs.on_its_mesh(ascend, p, usable, self.score, self.tolerance)


def block_coordinate_ascent(
    probabilities: Scores | None = None,
    labels: Labels | None = None,
    *,
    score: Score = score_functions.f1,
    k: int = 0,
    tolerance: float = 1e-6,
    max_sweeps: int = 100,
    where: Where = None,
    weights: Weights = None,
) -> BlockCoordinateAscent:
    r"""Label sets that maximise a macro metric of the whole test set, in expectation.

    Maximises `expected_macro_utility`. Rows are visited in order; given all other rows, the best
    set of a row is known exactly: the labels whose `score` gains most from being predicted (the
    k of greatest gain, or all of gain > 0, so that a label nobody has is not predicted). So the
    utility never falls; sweeps end when it gains no more than `tolerance`. The result is a local
    optimum. O(num_labels log num_labels) per row and sweep; compiled once per shape.

    Use it for macro metrics when all test examples are there at once, above all under a budget
    of k labels each; a threshold per label is the simpler choice without a budget.

    Args:
      probabilities: not used: nothing is fitted. Here so that all rules are called alike.
      labels: not used.
      score: function of a `Confusion` of fractions of the number of examples, e.g.
        `sf.scores.jaccard`, finite; its hyperparameters by `functools.partial`.
      k: labels per example; 0 is no constraint. With k the start is the k most probable labels,
        without it every label of positive probability.
      tolerance: >= 0, least gain of a sweep to go on.
      max_sweeps: most sweeps over the rows, 0 or more.
      where: not used; `decision(probabilities, where=)` is.
      weights: not used.

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
    del probabilities, labels, where, weights
    check_count("k", k, 0)
    check_count("max_sweeps", max_sweeps, 0)
    _inputs.check_hyperparameter("tolerance", tolerance, low=0.0)
    tolerance_ = jnp.asarray(tolerance, jnp.result_type(float))
    return BlockCoordinateAscent(as_partial(score), tolerance_, k, max_sweeps)


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["slopes", "offsets", "mixture", "best"],
    meta_fields=["k"],
)
@dataclasses.dataclass(frozen=True)
class FrankWolfe(Plain):
    """Weighted rules [rules, num_labels] and their mixture, see `frank_wolfe`.

    All NaN, which predicts nothing, where a NaN counted in a fit under jit.
    """

    slopes: Float[Array, "rules labels"]
    offsets: Float[Array, "rules labels"]
    mixture: Float[Array, " rules"]
    best: Int[Array, ""]
    k: int

    def __call__(
        self, probabilities: Scores, *, key: PRNGKeyArray | None = None, where: Where = None
    ) -> Decided:
        """True where a label is predicted, in the probabilities' shape.

        Args:
          probabilities: [..., num_labels], like those of the fit.
          key: draws a rule from the mixture for each example; None uses the best single rule.
          where: True where a label may be predicted; broadcasts to the shape. An example with
            fewer than k such labels gets all of them.

        Raises:
          ValueError: shapes; in concrete arrays NaN (traced ones are not predicted) or values
            outside [0, 1].
        """
        p, usable = _shared.to_decide(
            probabilities, where, "probabilities", _shared.check_probabilities
        )
        if p.shape[-1] != self.slopes.shape[-1]:
            raise ValueError(
                f"probabilities must have {self.slopes.shape[-1]} labels as in the fit, "
                f"got {p.shape}"
            )
        return _inputs.on_its_mesh(self._decide, p, usable, self, key)

    @staticmethod
    def _decide(p: Array, usable: Array, rules: "FrankWolfe", key: PRNGKeyArray | None) -> Array:
        slopes, offsets = (jnp.asarray(x, p.dtype) for x in (rules.slopes, rules.offsets))
        if key is None:
            one = (1,) * (p.ndim - 1) + p.shape[-1:]
            slope, offset = (x[rules.best].reshape(one) for x in (slopes, offsets))
        else:
            mixture = jnp.asarray(rules.mixture)
            index = jax.random.choice(key, mixture.shape[0], p.shape[:-1], p=mixture)
            slope, offset = slopes[index], offsets[index]
        return _select(rules.k, slope * p + offset, usable)


def frank_wolfe(
    probabilities: Scores,
    labels: Labels | None = None,
    *,
    score: Score = score_functions.f1,
    k: int = 0,
    iterations: int = 20,
    min_positives: int = 1,
    where: Where = None,
    weights: Weights = None,
) -> FrankWolfe:
    r"""Weights per label that maximise a macro metric, by Frank-Wolfe over confusion counts.

    Each iteration linearises the metric at the current counts; the best decision for a linear
    metric is a `weighted` rule, whose counts are mixed in with the best of 101 step sizes. The
    mixture of all rules, a rule drawn per example (`decision(p, key=key)`), has a utility on the
    fitted counts that never falls from one iteration to the next and, for a concave score,
    tends to the optimum. `decision(p)` is deterministic: the single rule of highest utility on
    the fitted data, never below the first, which is the k most probable labels (all labels
    of positive probability without k). Unlike `block_coordinate_ascent` it decides each example
    on its own.

    The counts of a label without positives say nothing about whom it suits. With `labels`, one
    with fewer than `min_positives` has in all rules the threshold of `global_threshold` for this
    score (with k its gain is that of the other labels' mean slope above this threshold); outside
    jit one warning lists such labels. A label that gains nothing is not predicted.

    Args:
      probabilities: [..., examples, num_labels] in [0, 1].
      labels: same shape, 0 or 1: observed counts; None uses expected counts.
      score: differentiable function of a `Confusion` of fractions of the number of examples.
      k: labels per example; 0 is no constraint.
      iterations: number of rules after the first, >= 1.
      min_positives: fewest positives (with labels), >= 1, for weights of the label's own.
      where: True where an entry counts; broadcasts to the shape.
      weights: >= 0, how often an entry counts; broadcast to the shape.

    Returns:
      A decision; under jit all its numbers are NaN, and nothing is predicted, if a NaN counts.

    Raises:
      ValueError: shapes, k outside 0 to num_labels, `iterations` or `min_positives` < 1; in
        concrete arrays probabilities outside [0, 1], labels not 0/1 or negative weights.

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
    check_count("min_positives", min_positives)
    examples = _shared.prepare(probabilities, labels, where, weights, name="probabilities")
    p = _shared.check_probabilities(examples.scores)
    _check_k(k, p.shape[-1])
    score = as_partial(score)
    weight = _shares(examples.counted, examples.weight, p.dtype)
    if labels is None:
        truth, rare, fallback = p, jnp.zeros(p.shape[-1:], bool), jnp.zeros((), p.dtype)
    else:
        truth = examples.labels.astype(p.dtype)
        rare = _shared.rarer_than(min_positives, examples.labels, examples.weight)
        _shared.warn_labels(
            rare, f"have fewer than {min_positives} positives; they take the global threshold"
        )
        # The score is one of fractions.
        fallback = best_global(examples._replace(weight=weight), score, "micro")
    *numbers, best = _frank_wolfe(p, truth, weight, rare, fallback, score, k, iterations)
    slopes, offsets, mixture = _shared.spoil(tuple(numbers), examples.any_nan)
    return FrankWolfe(slopes, offsets, mixture, best, k)


def _check_k(k: int, num_labels: int) -> None:
    if k > num_labels:
        raise ValueError(f"k must be <= the number of labels, {num_labels}, got {k}")


def _shares(counted: Array, weight: Array | None, dtype: Any) -> Array:
    """Weights of entries that sum to 1 for a label that counts in all examples."""
    if weight is None:
        rows = jnp.maximum(jnp.sum(jnp.any(counted, -1)), 1)
        return counted.astype(dtype) / rows.astype(dtype)
    rows = jnp.sum(averaging.mean_weight(averaging.example_mass(weight)))
    return (weight / jnp.where(rows > 0, rows, 1)).astype(dtype)


def _select(k: int, gain: Array, usable: Array) -> Array:
    """The k usable labels of greatest gain, or all of gain > 0 if k is 0; never NaN."""
    # A gain of 0 is that of a label nobody has.
    return _shared.highest(gain, usable & ~jnp.isnan(gain), k) if k else (gain > 0) & usable


def _decide_together(
    k: int, max_sweeps: int, p: Array, usable: Array, score: Score, tolerance: Array
) -> Array:
    flat = (-1, p.shape[-1])
    weight = _shares(usable.reshape(flat), None, p.dtype)
    return _ascend(p.reshape(flat), weight, score, tolerance, k, max_sweeps).reshape(p.shape)


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
        predicted = predicted - old.astype(predicted.dtype)
        some, some_not = predicted > 0, predicted < rows - counted.astype(rows.dtype)
        others = Confusion(
            tp=jnp.where(some, others.tp, 0),
            fp=jnp.where(some, others.fp, 0),
            fn=jnp.where(some_not, others.fn, 0),
            tn=jnp.where(some_not, others.tn, 0),
        )
        gain = score(others + positive) - score(others + negative)
        chosen = _select(k, gain, counted)
        predicted = predicted + chosen.astype(predicted.dtype)
        return (others + contribution(chosen), predicted), chosen

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

    start = _select(k, p, counted)
    utility = jnp.mean(score(_counts(start, p, weight)))
    first = (start, utility, jnp.full_like(utility, jnp.inf), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(go_on, sweep, first)[0]


@functools.partial(jax.jit, static_argnames=["k", "iterations"])
def _frank_wolfe(
    p: Array,
    truth: Array,
    weight: Array,
    rare: Array,
    fallback: Array,
    score: Score,
    k: int,
    iterations: int,
) -> tuple[Array, Array, Array, Array]:
    # The largest number below the threshold, so that p - below > 0 where p >= threshold.
    below = scores_of_keys(integer_keys(fallback) - 1)
    below = jnp.where(fallback < jnp.inf, jnp.where(fallback > 0, below, -1), 1)

    def utility(counts: Confusion) -> Array:
        return jnp.mean(score(counts))

    def with_fallback(slope: Array, offset: Array) -> tuple[Array, Array]:
        others = jnp.sum(~rare).astype(p.dtype)
        shared = jnp.sum(jnp.where(rare, 0, slope)) / jnp.maximum(others, 1) if k else 1.0
        shared = jnp.where(shared > 0, shared, 1)
        return jnp.where(rare, shared, slope), jnp.where(rare, -shared * below, offset)

    def decide(slope: Array, offset: Array) -> Confusion:
        decided = _select(k, slope[None] * p + offset[None], weight > 0)
        return _counts(decided, truth, weight)

    def step(counts: Confusion, _: None) -> tuple[Confusion, tuple[Array, ...]]:
        g = jax.grad(utility)(counts)
        # Predicting a label of probability p gains p (tp - fn) + (1 - p) (fp - tn).
        slope, offset = (g.tp - g.fn) - (g.fp - g.tn), g.fp - g.tn
        slope, offset = (jnp.where(rare, 0, x) for x in (slope, offset))
        # Only ratios of gains matter; gradients of 1/num_labels each would look like ties.
        scale = jnp.maximum(jnp.max(jnp.abs(slope)), jnp.max(jnp.abs(offset)))
        scale = jnp.where(scale > 0, scale, 1)
        slope, offset = with_fallback(slope / scale, offset / scale)
        new = decide(slope, offset)
        sizes = jnp.linspace(0, 1, _LINE_SEARCH + 1, dtype=p.dtype)

        def mixed(t: Array) -> Confusion:
            return jax.tree.map(lambda a, b: (1 - t) * a + t * b, counts, new)

        t = sizes[jnp.argmax(jax.vmap(lambda t: utility(mixed(t)))(sizes))]
        return mixed(t), (slope, offset, t, utility(new))

    ones, zeros = with_fallback(jnp.ones(p.shape[-1], p.dtype), jnp.zeros(p.shape[-1], p.dtype))
    start = decide(ones, zeros)
    _, (slopes, offsets, sizes, values) = jax.lax.scan(step, start, None, iterations)
    sizes = jnp.concatenate([jnp.ones_like(sizes[:1]), sizes])
    # A rule keeps its share of the mixture through all later steps.
    kept = jnp.cumprod(jnp.append(1 - sizes[1:], jnp.ones_like(sizes[:1]))[::-1])[::-1]
    values = jnp.concatenate([utility(start)[None], values])
    return (
        jnp.concatenate([ones[None], slopes]),
        jnp.concatenate([zeros[None], offsets]),
        sizes * kept,
        jnp.argmax(values),
    )
