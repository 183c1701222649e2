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
from sigmoidf1_jax._inputs import Labels, Where
from sigmoidf1_jax.decisions import _shared
from sigmoidf1_jax.decisions._shared import Decided, Scores

Probabilities = Float[Array, "*batch labels"]
Calibrator = Callable[[Scores], Probabilities]
_NEWTON_STEPS = 30
_BISECTIONS = 60
_STEEPEST = 1e3


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["slope", "offset"], meta_fields=[]
)
@dataclasses.dataclass(frozen=True)
class Logistic:
    """`sigmoid(slope * score + offset)`, scalars or [num_labels]."""

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
class Isotonic:
    """Linear interpolation between `knots` (scores) and `values`, both [n] or [n, num_labels]."""

    knots: Float[Array, "*knots"]
    values: Float[Array, "*knots"]

    def __call__(self, scores: Scores) -> Probabilities:
        """Probabilities of the scores' shape, float32 at least; constant beyond the knots."""
        scores = _shared.check_scores(scores)
        scores = scores.astype(_inputs.accumulation_dtype(scores.dtype))
        flat = scores.reshape(-1, scores.shape[-1])
        if self.knots.ndim == 1:
            return jnp.interp(scores, self.knots, self.values)
        if self.knots.shape[-1] != scores.shape[-1]:
            raise ValueError(
                f"scores must have {self.knots.shape[-1]} labels as in the fit, got {scores.shape}"
            )
        interpolate = jax.vmap(jnp.interp, in_axes=1, out_axes=1)
        return interpolate(flat, self.knots, self.values).reshape(scores.shape)


def platt(
    scores: Scores, labels: Labels, *, per_label: bool = True, where: Where = None
) -> Logistic:
    r"""Platt scaling: $p = \sigma(a s + b)$ with a and b of greatest likelihood.

    Targets are Platt's $(n_+ + 1)/(n_+ + 2)$ for positives and $1/(n_- + 2)$ for negatives, so a
    and b stay finite when scores separate the classes. Newton's method with halved steps, on
    standardised scores. Constant scores get a = 0 and the (smoothed) base rate.

    Args:
      scores: [..., num_labels], floating and finite: logits or any scores.
      labels: same shape, 0 or 1.
      per_label: one (a, b) per label, or one for all.
      where: True where an entry counts; broadcasts to the shape.

    Returns:
      A `Logistic`. A label without both classes takes the (a, b) of all labels pooled; outside
      jit one warning lists such labels.

    Raises:
      ValueError: shapes; in concrete arrays NaN or infinite scores, labels not 0/1.

    Source: Platt, Probabilistic Outputs for Support Vector Machines, 1999; Lin, Lin and Weng,
    A Note on Platt's Probabilistic Outputs, 2007.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.array([[2.0], [1.0], [-1.0], [-2.0]])
      >>> calibrator = platt(scores, jnp.array([[1], [1], [0], [0]]))
      >>> calibrator(jnp.array([[0.0]])).round(3)
      Array([[0.5]], dtype=float32)
    """
    fitted = _fit(_platt_column, scores, labels, per_label, where)
    return Logistic(*fitted)


def temperature(
    scores: Scores, labels: Labels, *, per_label: bool = False, where: Where = None
) -> Logistic:
    r"""Temperature scaling of logits: $p = \sigma(s / T)$ with T of greatest likelihood.

    It keeps p = 0.5 at logit 0 and the order of all scores, across labels too (if not
    `per_label`). 1/T is bisected in [0, 1000]: scores that separate the classes perfectly would
    have T = 0, and scores that are no better than chance get T = infinity (p = 0.5).

    Args:
      scores: logits [..., num_labels], floating and finite.
      labels: same shape, 0 or 1.
      per_label: one T per label, or one for all.
      where: True where an entry counts; broadcasts to the shape.

    Returns:
      A `Logistic` with slope 1/T and offset 0; labels without both classes as in `platt`.

    Raises:
      ValueError: as in `platt`.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.array([[4.0], [4.0], [4.0], [4.0]])
      >>> calibrator = temperature(scores, jnp.array([[1], [1], [1], [0]]))
      >>> round(float(calibrator(scores)[0, 0]), 3)
      0.75
    """
    fitted = _fit(_temperature_column, scores, labels, per_label, where)
    return Logistic(*fitted)


def isotonic(
    scores: Scores, labels: Labels, *, per_label: bool = True, where: Where = None
) -> Isotonic:
    """Isotonic regression: the non-decreasing function of the score of least squared error.

    Pool-adjacent-violators on tie means in O(n log n), jitted. It needs some hundred examples
    per label; with fewer, `platt` is safer.

    Args:
      scores: [..., num_labels], floating and finite.
      labels: same shape, 0 or 1.
      per_label: one function per label, or one for all.
      where: True where an entry counts; broadcasts to the shape.

    Returns:
      An `Isotonic` with as many knots as there are examples (entries, if not `per_label`). A
      label without both classes takes the function of all labels pooled, sampled at evenly
      spaced entries; outside jit one warning lists such labels.

    Raises:
      ValueError: as in `platt`.

    Source: Zadrozny and Elkan, Transforming Classifier Scores into Accurate Multiclass
    Probability Estimates, KDD 2002; equal to scikit-learn's `IsotonicRegression`
    (out_of_bounds="clip").

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.array([[0.0], [1.0], [2.0], [3.0]])
      >>> isotonic(scores, jnp.array([[0], [1], [0], [1]]))(scores).ravel()
      Array([0. , 0.5, 0.5, 1. ], dtype=float32)
    """
    fitted = _fit(_isotonic_column, scores, labels, per_label, where)
    return Isotonic(*fitted)


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["calibrator", "decision"], meta_fields=[]
)
@dataclasses.dataclass(frozen=True)
class Calibrated:
    """`decision(calibrator(scores))`, see `calibrated`."""

    calibrator: Any
    decision: Any

    def __call__(self, scores: Scores, *args: Any, **kwargs: Any) -> Decided:
        """The decision on calibrated probabilities; further arguments are the decision's."""
        return self.decision(self.calibrator(scores), *args, **kwargs)


def calibrated(
    scores: Scores,
    labels: Labels,
    rule: Callable[..., Any],
    *,
    calibrate: Callable[..., Calibrator] = platt,
    where: Where = None,
    **rule_arguments: Any,
) -> Calibrated:
    """Any rule on calibrated probabilities: fits the calibrator, then the rule on its output.

    Args:
      scores: [..., num_labels], floating and finite.
      labels: same shape, 0 or 1.
      rule: a function of this package, called as `rule(probabilities, labels, ...)`.
      calibrate: `platt`, `temperature`, `isotonic`, or any `f(scores, labels, where=)`.
      where: True where an entry counts for the calibration; a rule that takes `where` itself is
        given it by `functools.partial(rule, where=where)`.
      rule_arguments: keyword arguments of the rule.

    Returns:
      A decision on scores like those given.

    Example:
      >>> import jax.numpy as jnp
      >>> from sigmoidf1_jax import decisions
      >>> logits = jnp.array([[2.0, -1.0], [-2.0, 1.0], [1.0, 2.0], [-1.0, -2.0]])
      >>> labels = jnp.array([[1, 0], [0, 1], [1, 1], [0, 0]])
      >>> decision = decisions.calibrated(logits, labels, decisions.f_maximizer, beta=2.0)
      >>> decision(jnp.array([[3.0, -3.0]]))
      Array([[ True, False]], dtype=bool)
    """
    calibrator = calibrate(scores, labels, where=where)
    probabilities = calibrator(_finite(scores, where))
    return Calibrated(calibrator, rule(probabilities, labels, **rule_arguments))


def _finite(scores: Any, where: Any) -> Array:
    """Scores with 0 in the place of masked ones, whatever stood there."""
    scores = _inputs.as_array(scores, "scores")
    return jnp.where(_shared.mask_of(where, scores.shape), scores, 0)


def _fit(
    column: Callable[[Array, Array, Array], tuple[Array, Array]],
    scores: Any,
    labels: Any,
    per_label: bool,
    where: Any,
) -> tuple[Array, Array]:
    """Fits `column(scores, labels, counted)`, all [n], per label or on all entries."""
    s, y, counted = _shared.prepare(scores, labels, where)
    _checks.check_value(
        lambda: jnp.all(jnp.isfinite(s) | ~counted),
        s,
        message="scores must be finite where they count",
    )
    _checks.check_value(
        lambda: jnp.any(counted), counted, message="labels must have an entry that counts"
    )
    s = jnp.where(counted, s, 0)
    pooled = column(*(x.ravel() for x in (s, y, counted)))
    if not per_label:
        return pooled
    own = jax.vmap(column, in_axes=1, out_axes=-1)(s, y, counted)
    one_class = ~(jnp.any(y, 0) & jnp.any(counted & ~y, 0))
    _shared.warn_labels(
        one_class, "lack positives or negatives; they take the calibration of all labels", 4
    )

    def choose(mine: Array, shared: Array) -> Array:
        if mine.ndim == 1:
            return jnp.where(one_class, shared, mine)
        # Knots: [n * labels] pooled against [n, labels]; both ends are among the sampled.
        sampled = jnp.linspace(0, shared.shape[0] - 1, mine.shape[0]).round().astype(int)
        return jnp.where(one_class, shared[sampled][:, None], mine)

    return choose(own[0], pooled[0]), choose(own[1], pooled[1])


@jax.jit
def _platt_column(s: Array, y: Array, counted: Array) -> tuple[Array, Array]:
    w = counted.astype(s.dtype)
    n = jnp.maximum(jnp.sum(w), 1)
    mean = jnp.sum(w * s) / n
    spread = jnp.sqrt(jnp.sum(w * jnp.square(s - mean)) / n)
    constant = spread <= 1e-6 * (1 + jnp.abs(mean))
    spread = jnp.where(constant, 1, spread)
    x = jnp.where(constant, 0, w * (s - mean) / spread)
    positives = jnp.sum(w * y)
    target = jnp.where(y, (positives + 1) / (positives + 2), 1 / (n - positives + 2))

    def loss(a: Array, b: Array) -> Array:
        z = a * x + b
        return jnp.sum(w * (jax.nn.softplus(z) - target * z)) / n

    def step(_: int, ab: tuple[Array, Array]) -> tuple[Array, Array]:
        a, b = ab
        p = jax.nn.sigmoid(a * x + b)
        error, h = w * (p - target) / n, w * p * (1 - p) / n
        ga, gb = jnp.sum(error * x), jnp.sum(error)
        # A ridge far below any curvature that matters keeps constant scores solvable.
        haa, hab, hbb = jnp.sum(h * x * x) + 1e-7, jnp.sum(h * x), jnp.sum(h) + 1e-7
        det = haa * hbb - hab * hab
        da, db = (hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det
        # Full steps can overshoot where the sigmoid is flat: the best of several halvings, 0 last.
        sizes = jnp.append(0.5 ** jnp.arange(12, dtype=s.dtype), 0)
        losses = jax.vmap(lambda t: loss(a - t * da, b - t * db))(sizes)
        t = sizes[jnp.argmin(jnp.where(jnp.isnan(losses), jnp.inf, losses))]
        return a - t * da, b - t * db

    start = (jnp.zeros((), s.dtype), jnp.zeros((), s.dtype))
    a, b = jax.lax.fori_loop(0, _NEWTON_STEPS, step, start)
    a = a / spread
    return a, b - a * mean


@jax.jit
def _temperature_column(s: Array, y: Array, counted: Array) -> tuple[Array, Array]:
    # The likelihood is concave in 1/T: its slope changes sign once.
    def slope(a: Array) -> Array:
        return jnp.sum(jnp.where(counted, s * (jax.nn.sigmoid(a * s) - y), 0))

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        rising = slope(middle) < 0
        return jnp.where(rising, middle, low), jnp.where(rising, high, middle)

    ends = (jnp.zeros((), s.dtype), jnp.asarray(_STEEPEST, s.dtype))
    low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, ends)
    return (low + high) / 2, jnp.zeros((), s.dtype)


@jax.jit
def _isotonic_column(s: Array, y: Array, counted: Array) -> tuple[Array, Array]:
    n = s.shape[0]
    order = jnp.argsort(jnp.where(counted, s, jnp.inf))
    x = s[order]
    m = jnp.sum(counted)
    inside = jnp.arange(n) < m
    last = jnp.maximum(m - 1, 0)
    x = jnp.where(inside, x, x[last])
    # Equal scores share one mean; repeated for each of them it weighs as much as they did.
    sums = jnp.concatenate([jnp.zeros(1, s.dtype), jnp.cumsum((y[order] & inside).astype(s.dtype))])
    start, stop = jnp.searchsorted(x, x, side="left"), jnp.searchsorted(x, x, side="right")
    stop = jnp.minimum(stop, m)
    tie_mean = (sums[stop] - sums[start]) / jnp.maximum(stop - start, 1)

    # A stack of blocks (mean, size); a new entry is merged with those below while they are higher.
    def push(stack: tuple[Array, Array, Array], value: Array) -> tuple[Any, None]:
        means, sizes, top = stack

        def violates(state: tuple[Array, Array, Array]) -> Array:
            mean, _, top = state
            return (top > 0) & (means[jnp.maximum(top - 1, 0)] >= mean)

        def merge(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            mean, size, top = state
            below = sizes[top - 1]
            total = size + below
            return mean + (means[top - 1] - mean) * below / total, total, top - 1

        first = (value, jnp.ones((), s.dtype), top)
        # Only three numbers change in the inner loop: under vmap a loop copies what it carries.
        mean, size, top = jax.lax.while_loop(violates, merge, first)
        return (means.at[top].set(mean), sizes.at[top].set(size), top + 1), None

    empty = (jnp.zeros(n, s.dtype), jnp.zeros(n, s.dtype), jnp.zeros((), jnp.int32))
    # Entries beyond the counted ones get the highest value there can be and pool with nobody.
    padded = jnp.where(inside, tie_mean, 2 + jnp.arange(n, dtype=s.dtype))
    (means, sizes, top), _ = jax.lax.scan(push, empty, padded)
    ends = jnp.cumsum(jnp.where(jnp.arange(n) < top, sizes, 0))
    block = jnp.searchsorted(ends, jnp.arange(n, dtype=s.dtype), side="right")
    values = means[jnp.minimum(block, n - 1)]
    return x, jnp.where(inside, values, values[last])
