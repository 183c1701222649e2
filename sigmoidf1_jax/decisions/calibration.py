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

from sigmoidf1_jax import _checks, _inputs, _tiles
from sigmoidf1_jax._inputs import Labels, Weights, Where
from sigmoidf1_jax._keys import integer_keys, scores_of_keys
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
        return _inputs.on_its_mesh(_interpolated, scores.astype(dtype), knots, values)


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


Column = Callable[[Array, Array, Array, Array | None], tuple[Array, Array]]


def _fit(
    column: Column, scores: Any, labels: Any, per_label: bool, where: Any, weights: Any
) -> tuple[Array, Array]:
    """Fits `column(scores, labels, counted, weight)`, all [n], per label or on all entries.

    Without weights `weight` is None.
    """
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
    largest = jnp.maximum(jnp.max(s, 0), -jnp.min(s, 0))
    nan += largest - largest
    counted &= ~jnp.isinf(s)
    s, y = jnp.where(counted, s, 0), y & counted
    weight = examples.weight if examples.weight is None else jnp.where(counted, examples.weight, 0)
    columns: tuple[Any, ...] = (s, y, counted, weight)
    if per_label:
        # Before the pooled fit, so that their memory is not taken at once.
        own = _per_label(column, columns)
        columns, own = jax.lax.optimization_barrier((columns, own))
    flat: list[Any] = [x if x is None else x.ravel() for x in columns]
    if per_label and column is _isotonic_column:
        pooled = _isotonic_column(*flat, num_knots=s.shape[0])
    else:
        pooled = column(*flat)
    pooled = _shared.spoil(pooled, jnp.sum(nan))
    if not per_label:
        return pooled
    own = _shared.spoil(own, nan)
    one_class = ~(jnp.any(y, 0) & jnp.any(counted & ~y, 0)) & ~jnp.isnan(nan)
    _shared.warn_labels(
        one_class, "lack positives or negatives; they take the calibration of all labels", 4
    )

    def choose(mine: Array, shared: Array) -> Array:
        return jnp.where(one_class, shared[:, None] if mine.ndim == 2 else shared, mine)

    return choose(own[0], pooled[0]), choose(own[1], pooled[1])


@functools.partial(jax.jit, static_argnums=0)
def _per_label(column: Column, columns: tuple[Array, ...]) -> tuple[Array, ...]:
    """The column's fit of each label, its labels last."""

    def block(columns: tuple[Array, ...]) -> tuple[Array, ...]:
        axes = tuple(x if x is None else 1 for x in columns)
        return jax.vmap(column, in_axes=axes)(*columns)

    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, -1), _tiles.per_slice(block, columns, 1))


@jax.jit
def _platt_column(s: Array, y: Array, counted: Array, weight: Array | None) -> tuple[Array, Array]:
    # First to [-1, 1], then to mean 0 and variance 1: no square can overflow or vanish.
    low = jnp.min(jnp.where(counted, s, jnp.inf), initial=jnp.inf)
    high = jnp.max(jnp.where(counted, s, -jnp.inf), initial=-jnp.inf)
    low, high = (jnp.where(low < high, x, 0) for x in (low, high))
    center, half = low / 2 + high / 2, high / 2 - low / 2
    varied = half > 0
    half = jnp.where(varied, half, 1)
    # As they came: without weights the bools take a quarter of what floats would.
    weight = counted if weight is None else weight

    def sums(entries: tuple[Array, ...]) -> tuple[Array, ...]:
        y, weight = entries
        weight = weight.astype(s.dtype)
        kept = (weight, jnp.where(y, weight, 0), jnp.where(y, 0, weight))
        return tuple(map(jnp.sum, kept))

    n, positives, negatives = _tiles.total(sums, (y, weight))
    n = jnp.maximum(n, jnp.finfo(s.dtype).tiny)
    w = weight.astype(s.dtype) / n
    x = jnp.where(varied & counted, (s - center) / half, 0)
    mean = jnp.sum(w * x)
    spread = jnp.sqrt(jnp.sum(w * jnp.square(x - mean)))
    # A spread of 0 is that of equal scores, or of one to which all weight has been rounded.
    spread = jnp.where(spread > 0, spread, 1)
    x = jnp.where(counted, (x - mean) / spread, 0)
    targets = (positives + 1) / (positives + 2), 1 / (negatives + 2)

    def loss(a: Array, b: Array) -> Array:
        def part(entries: tuple[Array, ...]) -> Array:
            x, y, weight = entries
            w = weight.astype(x.dtype) / n
            z = a * x + b
            return jnp.sum(w * (jax.nn.softplus(z) - jnp.where(y, *targets) * z))

        return _tiles.total(part, (x, y, weight))

    def step(_: int, ab: tuple[Array, Array]) -> tuple[Array, Array]:
        a, b = ab

        def part(entries: tuple[Array, ...]) -> tuple[Array, ...]:
            x, y, weight = entries
            w = weight.astype(x.dtype) / n
            p = jax.nn.sigmoid(a * x + b)
            error, h = w * (p - jnp.where(y, *targets)), w * p * (1 - p)
            return tuple(map(jnp.sum, (error * x, error, h * x * x, h * x, h)))

        ga, gb, haa, hab, hbb = _tiles.total(part, (x, y, weight))
        # A ridge far below any curvature that matters keeps constant scores solvable.
        haa, hbb = haa + 1e-7, hbb + 1e-7
        det = haa * hbb - hab * hab
        da, db = (hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det
        # Full steps can overshoot where the sigmoid is flat: the best of several halvings, 0 last.
        sizes = jnp.append(0.5 ** jnp.arange(12, dtype=s.dtype), jnp.zeros((), s.dtype))
        # One at a time: together they would take an array each.
        losses = jax.lax.map(lambda t: loss(a - t * da, b - t * db), sizes)
        t = sizes[jnp.argmin(jnp.where(jnp.isnan(losses), jnp.inf, losses))]
        return a - t * da, b - t * db

    start = (jnp.zeros((), s.dtype), jnp.zeros((), s.dtype))
    a, b = jax.lax.fori_loop(0, _NEWTON_STEPS, step, start)
    a = a / spread
    return _finite(a / half), b - a * mean - a * (center / half)


@jax.jit
def _temperature_column(
    s: Array, y: Array, counted: Array, weight: Array | None
) -> tuple[Array, Array]:
    largest = jnp.max(jnp.where(counted, jnp.abs(s), 0), initial=0)
    largest = jnp.where(largest > 0, largest, 1)
    x = s / largest
    entries = (x, y, counted if weight is None else weight)

    # The likelihood is concave in 1/T: its slope changes sign once.
    def slope(a: Array) -> Array:
        def part(entries: tuple[Array, ...]) -> Array:
            x, y, weight = entries
            return jnp.sum(weight.astype(x.dtype) * x * (jax.nn.sigmoid(a * x) - y.astype(x.dtype)))

        return _tiles.total(part, entries)

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


@functools.partial(jax.jit, static_argnames="num_knots")
def _isotonic_column(
    s: Array, y: Array, counted: Array, weight: Array | None, num_knots: int | None = None
) -> tuple[Array, Array]:
    """The function at all scores, or at those of `num_knots` entries, both ends among them."""
    n = s.shape[0]
    keys = integer_keys(s)
    keys = jnp.where(counted, keys, jnp.iinfo(keys.dtype).max)
    # Sorted with what follows their order: an order by itself takes two arrays more.
    weighted = () if weight is None else (weight,)
    keys, y, *moved = jax.lax.sort((keys, y, *weighted), num_keys=1)
    m = jnp.sum(counted)

    # A stack of blocks: their means, first entries and, if entries do not all weigh 1, weights.
    # Equal scores are gathered into one block, which is merged with those below while they are
    # higher.
    Stack = tuple[Array, ...]
    Block = tuple[Array, Array, Array, Array]

    def push(i: Array, state: tuple[Stack, Block]) -> tuple[Stack, Block]:
        (means, starts, *weights), (positive, total, start, top) = state
        own = moved[0][i] if moved else (i < m).astype(s.dtype)
        positive, total = positive + jnp.where(y[i], own, 0), total + own
        ends = (i < m) & ((i + 1 == m) | (keys[i] != keys[jnp.minimum(i + 1, n - 1)]))

        def violates(block: Block) -> Array:
            mean, _, _, top = block
            return ends & (top > 0) & (means[jnp.maximum(top - 1, 0)] >= mean)

        def merge(block: Block) -> Block:
            mean, weight, start, top = block
            first = starts[top - 1]
            below = weights[0][top - 1] if weights else (start - first).astype(s.dtype)
            total = weight + below
            mean = mean + (means[top - 1] - mean) * below / jnp.where(total > 0, total, 1)
            return mean, total, first, top - 1

        # Only four numbers change in the inner loop: under vmap a loop copies what it carries.
        mean = positive / jnp.where(total > 0, total, 1)
        block = (mean, total, start, top)
        mean, weight, first, top = jax.lax.while_loop(violates, merge, block)
        # Where no group ends, what is written is beyond the top.
        means, starts = means.at[top].set(mean), starts.at[top].set(first)
        weights = [x.at[top].set(weight) for x in weights]
        positive, total = jnp.where(ends, 0, positive), jnp.where(ends, 0, total)
        group = (positive, total, jnp.where(ends, i + 1, start), top + ends.astype(top.dtype))
        return (means, starts, *weights), group

    zeros, places = jnp.zeros(n, s.dtype), jnp.arange(n, dtype=jnp.int32)
    stack = (zeros, jnp.zeros_like(places), *(zeros for _ in moved))
    number, index = jnp.zeros((), s.dtype), jnp.zeros((), jnp.int32)
    start = (stack, (number, number, index, index))
    (means, starts, *_), (*_, top) = jax.lax.fori_loop(0, n, push, start)
    starts = jnp.where(places < top, starts, n)
    if num_knots is None:
        block = jnp.cumsum(jnp.zeros_like(starts).at[starts].set(1, mode="drop")) - 1
    else:
        places = jnp.linspace(0, n - 1, num_knots).round().astype(places.dtype)
        block = jnp.searchsorted(starts, places, side="right") - 1
    # What does not count stands at the end and takes the last score and value that do.
    x = keys[jnp.clip(places, 0, jnp.maximum(m - 1, 0))]
    return scores_of_keys(x).astype(s.dtype), means[jnp.maximum(block, 0)]
