"""What several decision rules share: checked inputs of fits, sorted sweeps and ranks."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from sigmoidf1_jax import _checks, _inputs
from sigmoidf1_jax import scores as score_functions
from sigmoidf1_jax._inputs import AnyArray, Where
from sigmoidf1_jax._keys import integer_keys, scores_of_keys
from sigmoidf1_jax._partial import as_partial, bind
from sigmoidf1_jax.confusion import Confusion
from sigmoidf1_jax.scores import Score

Scores = Float[AnyArray, "*batch labels"]
Decided = Bool[Array, "*batch labels"]
T = TypeVar("T")


class Examples(NamedTuple):
    """What a fit is given, as [examples, num_labels]; see `prepare`.

    Entries that do not count hold score 0, label False and weight 0. An entry that counts and
    has a NaN anywhere does not count in the arithmetic: its label has NaN in `nan` instead,
    which `spoil` puts into what is fitted. So no formula has to hand a NaN on.
    """

    scores: Float[Array, "examples labels"]
    labels: Bool[Array, "examples labels"]
    counted: Bool[Array, "examples labels"]
    weight: Float[Array, "examples labels"] | None
    """None if no weights are given: counts are then exact integers."""
    nan: Float[Array, " labels"]
    """0, or NaN for a label with a NaN that counts."""

    @property
    def keys(self) -> Int[Array, "examples labels"]:
        """The scores' integer keys, `masked_key` for entries that do not count."""
        keys = integer_keys(self.scores)
        return jnp.where(self.counted, keys, masked_key(keys))

    @property
    def any_nan(self) -> Float[Array, ""]:
        """0, or NaN if any label has one."""
        return jnp.sum(self.nan)


def check_scores(scores: Any, name: str = "scores", mask: Array | None = None) -> Array:
    """Floating scores [..., num_labels] without NaN where they count."""
    scores = _inputs.as_array(scores, name)
    _inputs.check_floating(scores, name)
    check_labelled(scores, name)

    def no_nan() -> Array:
        bad = jnp.isnan(scores)
        return ~jnp.any(bad if mask is None else bad & mask)

    counts = "" if mask is None else " where they count"
    _checks.check_value(no_nan, scores, mask, message=f"{name} must not be NaN{counts}")
    return scores


def check_labelled(x: Array, name: str) -> None:
    """`x` is [..., num_labels] with a label at least."""
    if x.ndim == 0 or x.shape[-1] == 0:
        got = f"shape {x.shape}" if x.ndim else "a scalar"
        raise ValueError(f"{name} must have shape [..., num_labels], num_labels >= 1, got {got}")


def check_examples(x: Array, name: str) -> None:
    """`x` is [..., examples, num_labels], as all that is fitted on."""
    check_labelled(x, name)
    if x.ndim == 1:
        raise ValueError(
            f"{name} must have shape [examples, num_labels] in a fit, got {x.shape}; "
            f"those of a single label are {name}[:, None]"
        )
    if 0 in x.shape:
        raise ValueError(f"{name} must hold at least one entry, got shape {x.shape}")


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
        mask,
        message=f"{name} must lie in [0, 1]; calibrate scores first (decisions.calibrated)",
    )
    return probabilities.astype(_inputs.accumulation_dtype(probabilities.dtype))


def check_binary(labels: Array, counted: Array | None) -> None:
    """Labels are 0 or 1 where they count."""
    if labels.dtype == jnp.bool_:
        return

    def binary() -> Array:
        ok = (labels == 0) | (labels == 1)
        return jnp.all(ok if counted is None else ok | ~counted)

    _checks.check_value(binary, labels, counted, message="labels must be 0 or 1 where they count")


def is_positive(labels: Array) -> Bool[Array, "..."]:
    """Labels that are 1."""
    return labels if labels.dtype == jnp.bool_ else labels == 1


def mask_of(where: Any, shape: tuple[int, ...]) -> Array | None:
    """`where` broadcast to `shape`; None stays None."""
    return _inputs.entry_weights(shape, jnp.float32, where, None)[0]


def to_decide(
    scores: Any,
    where: Where,
    name: str = "scores",
    check: Callable[..., Array] = check_scores,
) -> tuple[Array, Bool[Array, "*batch labels"]]:
    """Checked scores of a decision, 0 where they cannot be predicted, and where they can.

    Masked entries cannot, nor can NaN, which only traced scores hold here.
    """
    scores = _inputs.as_array(scores, name)
    mask = None if where is None else mask_of(where, scores.shape)
    scores = check(scores, name, mask)
    usable = ~jnp.isnan(scores)
    if mask is not None:
        usable &= mask
    return jnp.where(usable, scores, 0), usable


def prepare(
    scores: Any, labels: Any, where: Any, weights: Any = None, *, name: str = "scores"
) -> Examples:
    """Checks what a fit is given and folds its leading axes into one.

    `labels` may be None: they are all False then.
    """
    scores = _inputs.replicated(_inputs.as_array(scores, name))
    _inputs.check_floating(scores, name)
    if labels is None:
        check_examples(scores, name)
        labels = jnp.zeros(scores.shape, bool)
    labels = _inputs.replicated(_inputs.as_array(labels, "labels"))
    _inputs.check_same_shape(scores, labels, name)
    check_examples(scores, name)
    dtype = _inputs.accumulation_dtype(scores.dtype)
    counted, weight = counted_labels(labels, where, weights, dtype)
    scores = check_scores(scores, name, counted)
    if counted is None:
        counted = jnp.ones(labels.shape, bool)
    # What is there, rather than a constant, so that `jax_debug_nans` passes on clean inputs.
    scores = scores.astype(dtype)
    bad = scores if not jnp.issubdtype(labels.dtype, jnp.inexact) else scores + labels.astype(dtype)
    if weight is not None:
        bad += weight
    bad = jnp.where(counted & jnp.isnan(bad), bad, 0)
    counted &= ~jnp.isnan(bad)
    flat = (-1, scores.shape[-1])
    return Examples(
        jnp.where(counted, scores, 0).reshape(flat),
        (is_positive(labels) & counted).reshape(flat),
        counted.reshape(flat),
        None if weight is None else jnp.where(counted, weight, 0).reshape(flat),
        jnp.sum(bad.reshape(flat), 0),
    )


def counted_labels(
    labels: Array, where: Any, weights: Any, dtype: Any
) -> tuple[Array | None, Array | None]:
    """Checks labels [..., num_labels]; which of them count and with what weight, None for all 1."""
    where, weights = (
        x if x is None else _inputs.replicated(_inputs.as_array(x, name))
        for x, name in ((where, "where"), (weights, "weights"))
    )
    mask, weight = _inputs.entry_weights(labels.shape, dtype, where, weights)
    counted = _inputs.counted_entries(mask, weights, weight)
    check_binary(labels, counted)
    return counted, None if weights is None else weight


def spoil(fitted: T, nan: Array) -> T:
    """Fitted numbers, NaN where `nan` is; it broadcasts to them, from the last axis."""

    def one(x: Array) -> Array:
        own = nan.reshape((1,) * (x.ndim - nan.ndim) + nan.shape) if nan.ndim else nan
        # Chosen, not added: an addition would flush subnormal numbers to 0.
        return jnp.where(jnp.isnan(own), own.astype(x.dtype), x)

    return jax.tree.map(one, fitted)


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
        return as_partial(score)
    return bind(score_functions.f_beta, beta=jnp.asarray(beta, float))


def rarer_than(min_positives: int, labels: Array, weight: Array | None) -> Array:
    """Labels without positives, or with fewer than `min_positives`, each as many as its weight."""
    number = jnp.sum(labels, 0) if weight is None else jnp.sum(jnp.where(labels, weight, 0), 0)
    return ~jnp.any(labels, 0) | (number < max(min_positives, 1)) & (min_positives > 1)


def masked_key(keys: Array) -> int:
    """The key that stands for "does not count": below those of all scores, -inf included."""
    return int(jnp.iinfo(keys.dtype).min)


def threshold_of_keys(keys: Int[Array, "..."]) -> Float[Array, "..."]:
    """The threshold from which on entries with these keys are predicted.

    The threshold +inf means nothing, not even a score of +inf; that one is reached by the
    largest finite threshold.
    """
    scores = scores_of_keys(keys)
    return jnp.where(scores == jnp.inf, jnp.finfo(scores.dtype).max, scores)


@jax.jit
def sweep(keys: Array, labels: Array, weight: Array | None, score: Score) -> tuple[Array, Array]:
    """Keys of each column in descending order, [n, groups], and `score` of the top k.

    The latter has shape [n + 1, groups], k = 0 to n.
    """
    # One sort with all that follows its order: an order by itself takes two arrays more. The
    # keys' complements, since sorts ascend.
    inverse, positive, *moved = jax.lax.sort(
        (~keys, labels, *(() if weight is None else (weight,))), dimension=0, num_keys=1
    )
    ordered = ~inverse
    counted = ordered > masked_key(ordered)
    dtype = jnp.float64 if keys.dtype == jnp.int64 else jnp.float32

    def running(x: Array) -> Array:
        x, kind = (jnp.where(x, moved[0], 0), dtype) if moved else (x, jnp.int32)
        sums = jnp.cumsum(x, axis=0, dtype=kind)
        return jnp.concatenate([jnp.zeros_like(sums[:1]), sums])

    tp = running(positive)
    if moved:
        predicted = running(counted)
    else:
        # Entries that count come first: no sum is needed.
        number = jnp.sum(counted, 0, dtype=jnp.int32)[None]
        predicted = jnp.minimum(jnp.arange(tp.shape[0], dtype=jnp.int32)[:, None], number)
    fp, fn = predicted - tp, tp[-1:] - tp
    tn = predicted[-1:] - predicted - fn
    if weight is not None:
        # Sums that should cancel leave a remainder, which can be negative.
        fp, fn, tn = (jnp.maximum(x, 0) for x in (fp, fn, tn))
    counts = Confusion(*(x.astype(dtype) for x in (tp, fp, fn, tn)))
    return ordered, score(counts)


@jax.jit
def best_threshold(ordered: Array, values: Array) -> Array:
    """Per column, the largest threshold of greatest value; +inf unless it beats k = 0.

    `values[k]` is the value with the first k entries of `ordered` predicted, so it is that of a
    threshold only where the next score differs.
    """
    usable = ends_tie(ordered) & (ordered > masked_key(ordered))
    best = jnp.argmax(jnp.where(usable, values[1:], -jnp.inf), axis=0)
    key = jnp.take_along_axis(ordered, best[None], 0)[0]
    value = jnp.take_along_axis(values[1:], best[None], 0)[0]
    better = jnp.any(usable, 0) & (value > values[0])
    return jnp.where(better, threshold_of_keys(key), jnp.inf)


def ends_tie(ordered: Array) -> Array:
    """True where the next key of the (sorted, first) axis differs; True at the end."""
    return jnp.concatenate([ordered[:-1] != ordered[1:], jnp.ones_like(ordered[:1], bool)])


def ranks(scores: Array, usable: Array | None = None) -> Int[Array, "*batch labels"]:
    """Position of each label in descending order of score; of equal scores, lower index first.

    Labels that are not usable come last.
    """
    keys = integer_keys(scores)
    if usable is not None:
        keys = jnp.where(usable, keys, masked_key(keys))
    return jnp.argsort(jnp.argsort(keys, axis=-1, descending=True), axis=-1)


def highest(scores: Array, usable: Array, k: Array | int) -> Decided:
    """The `k` usable labels of highest score, [...] or one number; all usable if fewer."""
    k = jnp.asarray(k)
    return (ranks(scores, usable) < (k[..., None] if k.ndim else k)) & usable
