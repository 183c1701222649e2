"""Argument checks, sorted sweeps and ranks that several decision rules share."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from sigmoidf1_jax import _checks, _inputs
from sigmoidf1_jax import scores as score_functions
from sigmoidf1_jax._bound import as_bound, bind
from sigmoidf1_jax.confusion import Confusion
from sigmoidf1_jax.scores import Score

Scores = Float[Array, "*batch labels"]
Decided = Bool[Array, "*batch labels"]


def check_scores(scores: Any, name: str = "scores", mask: Array | None = None) -> Array:
    """Floating scores [..., num_labels] without NaN where they count."""
    scores = _inputs.as_array(scores, name)
    _inputs.check_floating(scores, name)
    if scores.ndim == 0:
        raise ValueError(f"{name} must have shape [..., num_labels], got a scalar")

    def no_nan() -> Array:
        bad = jnp.isnan(scores)
        return ~jnp.any(bad if mask is None else bad & mask)

    counts = "" if mask is None else " where they count"
    _checks.check_value(no_nan, scores, message=f"{name} must not be NaN{counts}")
    return scores


def check_probabilities(
    probabilities: Any, name: str = "probabilities", mask: Array | None = None
) -> Array:
    """Floating probabilities [..., num_labels], float32 at least, in [0, 1] where they count."""
    probabilities = check_scores(probabilities, name, mask)

    def inside() -> Array:
        ok = (probabilities >= 0) & (probabilities <= 1)
        return jnp.all(ok if mask is None else ok | ~mask)

    _checks.check_value(
        inside,
        probabilities,
        message=f"{name} must lie in [0, 1]; calibrate scores first (decisions.calibrated)",
    )
    return probabilities.astype(_inputs.accumulation_dtype(probabilities.dtype))


def mask_of(where: Any, shape: tuple[int, ...]) -> Array:
    """`where` broadcast to `shape`, all True if it is None."""
    mask, _ = _inputs.entry_weights(shape, jnp.float32, where, None)
    return jnp.ones(shape, bool) if mask is None else mask


def prepare(scores: Any, labels: Any, where: Any) -> tuple[Array, Array, Array]:
    """Checked [n, labels] scores (-inf where masked), bool labels and mask."""
    scores, labels = _inputs.as_array(scores, "scores"), _inputs.as_array(labels, "labels")
    _inputs.check_floating(scores, "scores")
    _inputs.check_same_shape(scores, labels, "scores")
    counted = mask_of(where, labels.shape)
    check_scores(scores, mask=counted)
    _checks.check_value(
        lambda: jnp.all((labels == 0) | (labels == 1) | ~counted),
        labels,
        message="labels must be 0 or 1 where they count",
    )
    if labels.size == 0:
        raise ValueError(f"labels must hold at least one entry, got shape {labels.shape}")
    scores = jnp.where(counted, scores.astype(_inputs.accumulation_dtype(scores.dtype)), -jnp.inf)
    flat = (-1, scores.shape[-1])
    return scores.reshape(flat), ((labels == 1) & counted).reshape(flat), counted.reshape(flat)


def warn_labels(bad: Array, text: str, stacklevel: int = 3) -> None:
    """One warning "labels [...] text" for the True entries of a concrete [num_labels] array."""
    if isinstance(bad, jax.core.Tracer) or bad.ndim != 1 or not bool(bad.any()):
        return
    listed = [int(c) for c in jnp.flatnonzero(bad)]
    warnings.warn(f"labels {listed} {text}", stacklevel=stacklevel)


def score_or_f_beta(score: Score | None, beta: ArrayLike) -> Score:
    """`score`, or F-beta if it is None; as a pytree, so that jitted code is compiled once."""
    _inputs.check_hyperparameter("beta", beta, above=0.0)
    if score is not None:
        return as_bound(score)
    return bind(score_functions.f_beta, beta=jnp.asarray(beta, float))


@jax.jit
def sweep(scores: Array, labels: Array, counted: Array, score: Score) -> tuple[Array, Array]:
    """Scores of each column in descending order, [n, groups], and `score` of the top k.

    The latter has shape [n + 1, groups], k = 0 to n.
    """
    order = jnp.argsort(scores, axis=0, descending=True)
    ordered = jnp.take_along_axis(scores, order, 0)

    def running(x: Array) -> Array:
        sums = jnp.cumsum(jnp.take_along_axis(x, order, 0), axis=0, dtype=jnp.int32)
        return jnp.concatenate([jnp.zeros_like(sums[:1]), sums])

    tp, predicted = running(labels), running(counted)
    fp, fn = predicted - tp, tp[-1:] - tp
    tn = predicted[-1:] - predicted - fn
    counts = Confusion(*(x.astype(scores.dtype) for x in (tp, fp, fn, tn)))
    return ordered, score(counts)


@jax.jit
def best_threshold(ordered: Array, values: Array) -> Array:
    """Per column, the largest threshold of greatest value; +inf unless it beats k = 0.

    `values[k]` is the value with the first k entries of `ordered` predicted, so it is that of a
    threshold only where the next score differs.
    """
    usable = ends_tie(ordered) & (ordered > -jnp.inf)
    best = jnp.argmax(jnp.where(usable, values[1:], -jnp.inf), axis=0)
    threshold = jnp.take_along_axis(ordered, best[None], 0)[0]
    value = jnp.take_along_axis(values[1:], best[None], 0)[0]
    return jnp.where(jnp.any(usable, 0) & (value > values[0]), threshold, jnp.inf)


def ends_tie(ordered: Array) -> Array:
    """True where the next score of the (sorted, first) axis differs; True at the end."""
    return jnp.concatenate([ordered[:-1] != ordered[1:], jnp.ones_like(ordered[:1], bool)])


def ranks(scores: Array) -> Int[Array, "*batch labels"]:
    """Position of each label in descending order of score; of equal scores, lower index first."""
    return jnp.argsort(jnp.argsort(scores, axis=-1, descending=True), axis=-1)
