"""Calibration: from scores to probabilities that match observed frequencies.

`platt`, `temperature` and `isotonic` are fitted on held-out scores and labels and return a
calibrator, a frozen pytree with `calibrator(scores) -> probabilities`. `lipton_threshold`,
`f_maximizer`, `label_count`, `block_coordinate_ascent` and `frank_wolfe` need probabilities;
`calibrated` puts a calibrator in front of any rule.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sigmoidf1_jax import _checks, _inputs
from sigmoidf1_jax._inputs import Labels, Weights, Where
from sigmoidf1_jax._keys import integer_keys
from sigmoidf1_jax._plain import Plain
from sigmoidf1_jax.decisions import _shared
from sigmoidf1_jax.decisions._shared import Decided, Scores

Probabilities = Float[Array, "*batch labels"]
Calibrator = Callable[[Scores], Probabilities]
_NEWTON_STEPS = 30
_BISECTIONS = 60
_STEEPEST = 40


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["slope", "offset"], meta_fields=[]
)
@dataclasses.dataclass(frozen=True)
class Logistic(Plain):
    """`sigmoid(slope * score + offset)`, scalars or [num_labels].

    NaN, of labels or altogether, where a NaN counted in a fit under jit.
    """

    slope: Float[Array, ""] | Float[Array, " labels"]
    offset: Float[Array, ""] | Float[Array, " labels"]

    def __call__(self, scores: Scores) -> Probabilities:
        """Probabilities of the scores' shape, float32 at least."""
        scores = _shared.check_scores(scores)
        scores = scores.astype(_inputs.accumulation_dtype(scores.dtype))
        slope = _inputs.per_label("slope", self.slope, scores)
        return jax.nn.sigmoid(slope * scores + _inputs.per_label("offset", self.offset, scores))


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["knots", "values"], meta_fields=[]
)
@dataclasses.dataclass(frozen=True)
class Isotonic(Plain):
    """Linear interpolation between `knots` (scores) and `values`, both [n] or [n, num_labels]."""

    knots: Float[Array, "*knots"]
    values: Float[Array, "*knots"]

    def __call__(self, scores: Scores) -> Probabilities:
        """Probabilities of the scores' shape, float32 at least; constant beyond the knots."""
        scores = _shared.check_scores(scores)
        dtype = _inputs.accumulation_dtype(scores.dtype, self.knots, self.values)
        knots, values = jnp.asarray(self.knots, dtype), jnp.asarray(self.values, dtype)
        if knots.ndim == 2 and knots.shape[-1] != scores.shape[-1]:
            raise ValueError(
                f"scores must have {knots.shape[-1]} labels as in the fit, got {scores.shape}"
            )
        return _shared.on_its_mesh(_interpolated, scores.astype(dtype), knots, values)


def _interpolated(scores: Array, knots: Array, values: Array) -> Array:
    axis = 1 if knots.ndim == 2 else None
    per_label = jax.vmap(_interpolate, in_axes=(1, axis, axis), out_axes=1)
    return per_label(scores.reshape(-1, scores.shape[-1]), knots, values).reshape(scores.shape)


def _interpolate(x: Array, knots: Array, values: Array) -> Array:
    """As `jnp.interp`, which takes knots that are closer than 1e-23 for one."""
    keys = integer_keys(knots)
    high = jnp.searchsorted(keys, integer_keys(x), side="right")
    low, high = jnp.maximum(high - 1, 0), jnp.minimum(high, keys.shape[0] - 1)
    # Quarters of large numbers, so that no difference overflows.
    unit = jnp.where(jnp.maximum(jnp.abs(knots[low]), jnp.abs(knots[high])) > 1, 0.25, 1.0)
    unit = unit.astype(x.dtype)
    start, gap = unit * knots[low], unit * knots[high] - unit * knots[low]
    share = jnp.clip((unit * x - start) / jnp.where(gap > 0, gap, 1), 0, 1)
    # Infinite scores lie beyond the knots, where low and high are one.
    share = jnp.where(gap > 0, share, 0)
    return _shared.spoil(values[low] + share * (values[high] - values[low]), x)


def platt(
    scores: Scores,
    labels: Labels,
    *,
    per_label: bool = True,
    where: Where = None,
    weights: Weights = None,
) -> Logistic:
    r"""Platt scaling: $p = \sigma(a s + b)$ with a and b of greatest likelihood.

    Targets are Platt's $(n_+ + 1)/(n_+ + 2)$ for positives and $1/(n_- + 2)$ for negatives, so a
    and b stay finite when scores separate the classes. Newton's method with halved steps, on
    standardised scores: the fit is the same in any units of the scores. Scores that are all
    equal get a = 0 and the (smoothed) base rate.

    Args:
      scores: [..., examples, num_labels], floating and finite: logits or any scores.
      labels: same shape, 0 or 1.
      per_label: one (a, b) per label, or one for all.
      where: True where an entry counts; broadcasts to the shape.
      weights: >= 0, how often an entry counts; broadcast to the shape.

    Returns:
      A `Logistic`. A label without both classes takes the (a, b) of all labels pooled; outside
      jit one warning lists such labels. Under jit a label with a NaN or an infinite score that
      counts gets NaN, and so does the pooled one.

    Raises:
      ValueError: shapes; in concrete arrays NaN or infinite scores, labels not 0/1 or negative
        weights.

    Source: Platt, Probabilistic Outputs for Support Vector Machines, 1999; Lin, Lin and Weng,
    A Note on Platt's Probabilistic Outputs, 2007.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.array([[2.0], [1.0], [-1.0], [-2.0]])
      >>> calibrator = platt(scores, jnp.array([[1], [1], [0], [0]]))
      >>> calibrator(jnp.array([[0.0]])).round(3)
      Array([[0.5]], dtype=float32)
    """
    fitted = _fit(_platt_column, scores, labels, per_label, where, weights)
    return Logistic(*fitted)


def temperature(
    scores: Scores,
    labels: Labels,
    *,
    per_label: bool = False,
    where: Where = None,
    weights: Weights = None,
) -> Logistic:
    r"""Temperature scaling of logits: $p = \sigma(s / T)$ with T of greatest likelihood.

    It keeps p = 0.5 at logit 0 and the order of all scores, across labels too (if not
    `per_label`). Scores that separate the classes perfectly would have T = 0; 1/T is at most 1e12
    over the largest |s|. Scores that are no better than chance get T = infinity (p = 0.5).

    Args:
      scores: logits [..., examples, num_labels], floating and finite.
      labels: same shape, 0 or 1.
      per_label: one T per label, or one for all.
      where: True where an entry counts; broadcasts to the shape.
      weights: >= 0, how often an entry counts; broadcast to the shape.

    Returns:
      A `Logistic` with slope 1/T and offset 0. A label without both classes takes the T of all
      labels pooled; outside jit one warning lists such labels. Under jit a label with a NaN or an
      infinite score that counts gets NaN, and so does the pooled one.

    Raises:
      ValueError: shapes; in concrete arrays NaN or infinite scores, labels not 0/1 or negative
        weights.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.array([[4.0], [4.0], [4.0], [4.0]])
      >>> calibrator = temperature(scores, jnp.array([[1], [1], [1], [0]]))
      >>> round(float(calibrator(scores)[0, 0]), 3)
      0.75
    """
    fitted = _fit(_temperature_column, scores, labels, per_label, where, weights)
    return Logistic(*fitted)


def isotonic(
    scores: Scores,
    labels: Labels,
    *,
    per_label: bool = True,
    where: Where = None,
    weights: Weights = None,
) -> Isotonic:
    """Isotonic regression: the non-decreasing function of the score of least squared error.

    Pool-adjacent-violators on tie means in O(n log n), jitted. It needs some hundred examples
    per label; with fewer, `platt` is safer.

    Args:
      scores: [..., examples, num_labels], floating and finite.
      labels: same shape, 0 or 1.
      per_label: one function per label, or one for all.
      where: True where an entry counts; broadcasts to the shape.
      weights: >= 0, how often an entry counts; broadcast to the shape.

    Returns:
      An `Isotonic` with as many knots as there are examples (entries, if not `per_label`). A
      label without both classes takes the function of all labels pooled, sampled at evenly
      spaced entries; outside jit one warning lists such labels. Under jit a label with a
      NaN or an infinite score that counts gets NaN, and so does the pooled one.

    Raises:
      ValueError: shapes; in concrete arrays NaN or infinite scores, labels not 0/1 or negative
        weights.

    Source: Zadrozny and Elkan, Transforming Classifier Scores into Accurate Multiclass
    Probability Estimates, KDD 2002; equal to scikit-learn's `IsotonicRegression`
    (out_of_bounds="clip").

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.array([[0.0], [1.0], [2.0], [3.0]])
      >>> isotonic(scores, jnp.array([[0], [1], [0], [1]]))(scores).ravel()
      Array([0. , 0.5, 0.5, 1. ], dtype=float32)
    """
    fitted = _fit(_isotonic_column, scores, labels, per_label, where, weights)
    return Isotonic(*fitted)


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["calibrator", "decision"], meta_fields=[]
)
@dataclasses.dataclass(frozen=True)
class Calibrated(Plain):
    """`decision(calibrator(scores))`, see `calibrated`."""

    calibrator: Any
    decision: Any

    def __call__(self, scores: Scores, *args: Any, where: Where = None, **kwargs: Any) -> Decided:
        """The decision on calibrated probabilities.

        Args:
          scores: [..., num_labels], like those of the fit.
          *args: further arguments of the decision.
          where: True where a label may be predicted; broadcasts to the shape.
          **kwargs: further keyword arguments of the decision.
        """
        if where is not None:
            kwargs["where"] = where
        return self.decision(self.calibrator(_unmasked(scores, where)), *args, **kwargs)


def calibrated(
    scores: Scores,
    labels: Labels,
    rule: Callable[..., Any],
    *,
    calibrate: Callable[..., Calibrator] = platt,
    where: Where = None,
    weights: Weights = None,
    **rule_arguments: Any,
) -> Calibrated:
    """Any rule on calibrated probabilities: fits the calibrator, then the rule on its output.

    Args:
      scores: [..., examples, num_labels], floating and finite.
      labels: same shape, 0 or 1.
      rule: a function of this package, called as `rule(probabilities, labels, ...)`.
      calibrate: `platt`, `temperature`, `isotonic`, or any `f(scores, labels, where=)`.
      where: True where an entry counts, for the calibration and for the rule, which is given
        `where` unless it is None.
      weights: >= 0, how often an entry counts, for both alike.
      rule_arguments: keyword arguments of the rule.

    Returns:
      A decision on scores like those given.

    Raises:
      TypeError: `weights` are given and the rule has none (`conformal_risk`, `knee_threshold`).

    Example:
      >>> import jax.numpy as jnp
      >>> from sigmoidf1_jax import decisions
      >>> logits = jnp.array([[2.0, -1.0], [-2.0, 1.0], [1.0, 2.0], [-1.0, -2.0]])
      >>> labels = jnp.array([[1, 0], [0, 1], [1, 1], [0, 0]])
      >>> decision = decisions.calibrated(logits, labels, decisions.f_maximizer, beta=2.0)
      >>> decision(jnp.array([[3.0, -3.0]]))
      Array([[ True, False]], dtype=bool)
    """
    # Not given where they are None, so that a rule or calibrator without them can be used.
    given = {} if weights is None else {"weights": weights}
    calibrator = calibrate(scores, labels, where=where, **given)
    if where is not None:
        rule_arguments["where"] = where
    probabilities = calibrator(_unmasked(scores, where, weights))
    return Calibrated(calibrator, rule(probabilities, labels, **given, **rule_arguments))


def _unmasked(scores: Any, where: Any, weights: Any = None) -> Array:
    """Scores with 0 in the place of those that do not count, whatever stood there."""
    scores = _inputs.as_array(scores, "scores")
    mask, weight = _inputs.entry_weights(scores.shape, jnp.float32, where, weights)
    counted = _inputs.counted_entries(mask, weights, weight)
    return scores if counted is None else jnp.where(counted, scores, 0)


Column = Callable[[Array, Array, Array, Array], tuple[Array, Array]]


def _fit(
    column: Column, scores: Any, labels: Any, per_label: bool, where: Any, weights: Any
) -> tuple[Array, Array]:
    """Fits `column(scores, labels, counted, weight)`, all [n], per label or on all entries."""
    examples = _shared.prepare(scores, labels, where, weights)
    s, y, counted, nan = examples.scores, examples.labels, examples.counted, examples.nan
    _checks.check_value(
        lambda: jnp.all(jnp.isfinite(s) | ~counted),
        s,
        message="scores must be finite where they count",
    )
    _checks.check_value(
        lambda: jnp.any(counted), counted, message="labels must have an entry that counts"
    )
    # Infinite scores, which only traced ones can be here, leave no slope to fit: as NaN.
    infinite = jnp.isinf(s)
    nan += jnp.sum(jnp.where(infinite, s - s, 0), 0)
    counted &= ~infinite
    s, y = jnp.where(counted, s, 0), y & counted
    weight = counted.astype(s.dtype) if examples.weight is None else examples.weight
    columns = (s, y, counted, jnp.where(counted, weight, 0))
    pooled = _shared.spoil(column(*(x.ravel() for x in columns)), jnp.sum(nan))
    if not per_label:
        return pooled
    own = _shared.spoil(jax.vmap(column, in_axes=1, out_axes=-1)(*columns), nan)
    one_class = ~(jnp.any(y, 0) & jnp.any(counted & ~y, 0)) & ~jnp.isnan(nan)
    _shared.warn_labels(
        one_class, "lack positives or negatives; they take the calibration of all labels", 4
    )

    def choose(mine: Array, shared: Array) -> Array:
        if mine.ndim == 1:
            return jnp.where(one_class, shared, mine)
        # Knots: [n * labels] pooled against [n, labels]; both ends are among the sampled.
        sampled = jnp.linspace(0, shared.shape[0] - 1, mine.shape[0]).round().astype(int)
        return jnp.where(one_class[None], shared[sampled][:, None], mine)

    return choose(own[0], pooled[0]), choose(own[1], pooled[1])


@jax.jit
def _platt_column(s: Array, y: Array, counted: Array, weight: Array) -> tuple[Array, Array]:
    # First to [-1, 1], then to mean 0 and variance 1: no square can overflow or vanish.
    low = jnp.min(jnp.where(counted, s, jnp.inf), initial=jnp.inf)
    high = jnp.max(jnp.where(counted, s, -jnp.inf), initial=-jnp.inf)
    low, high = (jnp.where(low < high, x, 0) for x in (low, high))
    center, half = low / 2 + high / 2, high / 2 - low / 2
    varied = half > 0
    half = jnp.where(varied, half, 1)
    n = jnp.maximum(jnp.sum(weight), jnp.finfo(s.dtype).tiny)
    w = weight / n
    x = jnp.where(varied & counted, (s - center) / half, 0)
    mean = jnp.sum(w * x)
    spread = jnp.sqrt(jnp.sum(w * jnp.square(x - mean)))
    # A spread of 0 is that of equal scores, or of one to which all weight has been rounded.
    spread = jnp.where(spread > 0, spread, 1)
    x = jnp.where(counted, (x - mean) / spread, 0)
    positives = jnp.sum(jnp.where(y, weight, 0))
    negatives = jnp.sum(jnp.where(y, 0, weight))
    target = jnp.where(y, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(a: Array, b: Array) -> Array:
        z = a * x + b
        return jnp.sum(w * (jax.nn.softplus(z) - target * z))

    def step(_: int, ab: tuple[Array, Array]) -> tuple[Array, Array]:
        a, b = ab
        p = jax.nn.sigmoid(a * x + b)
        error, h = w * (p - target), w * p * (1 - p)
        ga, gb = jnp.sum(error * x), jnp.sum(error)
        # A ridge far below any curvature that matters keeps constant scores solvable.
        haa, hab, hbb = jnp.sum(h * x * x) + 1e-7, jnp.sum(h * x), jnp.sum(h) + 1e-7
        det = haa * hbb - hab * hab
        da, db = (hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det
        # Full steps can overshoot where the sigmoid is flat: the best of several halvings, 0 last.
        sizes = jnp.append(0.5 ** jnp.arange(12, dtype=s.dtype), jnp.zeros((), s.dtype))
        losses = jax.vmap(lambda t: loss(a - t * da, b - t * db))(sizes)
        t = sizes[jnp.argmin(jnp.where(jnp.isnan(losses), jnp.inf, losses))]
        return a - t * da, b - t * db

    start = (jnp.zeros((), s.dtype), jnp.zeros((), s.dtype))
    a, b = jax.lax.fori_loop(0, _NEWTON_STEPS, step, start)
    a = a / spread
    return _finite(a / half), b - a * mean - a * (center / half)


@jax.jit
def _temperature_column(s: Array, y: Array, counted: Array, weight: Array) -> tuple[Array, Array]:
    largest = jnp.max(jnp.where(counted, jnp.abs(s), 0), initial=0)
    largest = jnp.where(largest > 0, largest, 1)
    x = s / largest

    # The likelihood is concave in 1/T: its slope changes sign once.
    def slope(a: Array) -> Array:
        return jnp.sum(weight * x * (jax.nn.sigmoid(a * x) - y.astype(x.dtype)))

    # On a logarithmic scale, on which the best 1/T of scores of any spread is not far.
    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        rising = slope(jnp.exp2(middle)) < 0
        return jnp.where(rising, middle, low), jnp.where(rising, high, middle)

    ends = (jnp.asarray(-_STEEPEST, s.dtype), jnp.asarray(_STEEPEST, s.dtype))
    low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, ends)
    better = slope(jnp.zeros((), s.dtype)) < 0
    best = jnp.where(better, jnp.exp2((low + high) / 2), 0)
    return _finite(best / largest), jnp.zeros((), s.dtype)


def _finite(slope: Array) -> Array:
    # An infinite slope would make a NaN of a score of 0.
    most = jnp.finfo(slope.dtype).max
    return jnp.clip(slope, -most, most)


@jax.jit
def _isotonic_column(s: Array, y: Array, counted: Array, weight: Array) -> tuple[Array, Array]:
    n = s.shape[0]
    keys = integer_keys(s)
    keys = jnp.where(counted, keys, jnp.iinfo(keys.dtype).max)
    order = jnp.argsort(keys)
    m = jnp.sum(counted)
    inside = jnp.arange(n) < m
    last = jnp.maximum(m - 1, 0)
    x = jnp.where(inside, s[order], s[order][last])
    keys = keys[order]
    # Equal scores share one mean; repeated for each of them it weighs as much as they did.
    weight = jnp.where(inside, weight[order], 0)

    def running(x: Array) -> Array:
        return jnp.concatenate([jnp.zeros(1, s.dtype), jnp.cumsum(x)])

    positive, total = running(jnp.where(y[order], weight, 0)), running(weight)
    start = jnp.searchsorted(keys, keys, side="left")
    stop = jnp.minimum(jnp.searchsorted(keys, keys, side="right"), m)
    tied = total[stop] - total[start]
    # Rounding in long sums can leave the mean of a tie outside [0, 1].
    tie_mean = (positive[stop] - positive[start]) / jnp.where(tied > 0, tied, 1)
    tie_mean = jnp.clip(tie_mean, 0, 1)

    # A stack of blocks (mean, weight, size); a new entry is merged with those below while they
    # are higher.
    Stack = tuple[Array, Array, Array, Array]

    def push(stack: Stack, entry: tuple[Array, Array]) -> tuple[Stack, None]:
        means, weights, sizes, top = stack
        Block = tuple[Array, Array, Array, Array]

        def violates(state: Block) -> Array:
            mean, _, _, top = state
            return (top > 0) & (means[jnp.maximum(top - 1, 0)] >= mean)

        def merge(state: Block) -> Block:
            mean, weight, size, top = state
            below = weights[top - 1]
            total = weight + below
            mean = mean + (means[top - 1] - mean) * below / jnp.where(total > 0, total, 1)
            return mean, total, size + sizes[top - 1], top - 1

        first = (*entry, jnp.ones((), s.dtype), top)
        # Only four numbers change in the inner loop: under vmap a loop copies what it carries.
        mean, weight, size, top = jax.lax.while_loop(violates, merge, first)
        new = (means.at[top].set(mean), weights.at[top].set(weight), sizes.at[top].set(size))
        return (*new, top + 1), None

    zeros = jnp.zeros(n, s.dtype)
    # Entries beyond the counted ones get the highest value there can be and pool with nobody.
    padded = jnp.where(inside, tie_mean, 2 + jnp.arange(n, dtype=s.dtype))
    stack, _ = jax.lax.scan(push, (zeros, zeros, zeros, jnp.zeros((), jnp.int32)), (padded, weight))
    means, _, sizes, top = stack
    ends = jnp.cumsum(jnp.where(jnp.arange(n) < top, sizes, 0))
    block = jnp.searchsorted(ends, jnp.arange(n, dtype=s.dtype), side="right")
    values = means[jnp.minimum(block, n - 1)]
    return x, jnp.where(inside, values, values[last])
