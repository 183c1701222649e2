"""The label set of greatest expected F-beta of each example, from marginals or joint counts."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _inputs
from sigmoidf1_jax._inputs import AnyArray, Labels, Weights, Where
from sigmoidf1_jax._keys import integer_keys
from sigmoidf1_jax._plain import Plain
from sigmoidf1_jax.decisions import _shared
from sigmoidf1_jax.decisions._shared import Decided, Scores

CountMatrix = Float[AnyArray, "*batch labels sizes"]
_AT_ONCE = 2**22
"""The most entries of square matrices that are in memory together: 16 MiB."""
_IN_CACHE = 2**18
"""The most probabilities of examples whose expected F is computed together."""


@functools.partial(jax.tree_util.register_dataclass, data_fields=["beta"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class FMaximizer(Plain):
    """Predicts the set of labels of greatest expected F-beta, see `f_maximizer`."""

    beta: Float[Array, ""]

    def __call__(self, probabilities: Scores, *, where: Where = None) -> Decided:
        """The optimal sets [..., num_labels] of labels that are independent given the example.

        Takes O(num_labels^2) time and O(num_labels) memory per example. Sizes of the label set
        that have, together, a probability below the square of the dtype's resolution (1.4e-14 in
        float32) are left out, which changes the expected F of a set by at most
        4 (1 + beta^2) times that: less than rounding does.

        Args:
          probabilities: [..., num_labels] in [0, 1].
          where: True where a label may be predicted; the others count as absent. Broadcasts to
            the shape.

        Raises:
          ValueError: probabilities outside [0, 1] or NaN, in concrete arrays (a traced NaN
            counts as a label that is absent).
        """
        p, usable = _shared.to_decide(
            probabilities, where, "probabilities", _shared.check_probabilities
        )
        # Of probability 0 where not usable, which the best set never holds.
        return _inputs.on_its_mesh(_from_marginals, p, self.beta) & usable

    def from_counts(
        self, matrix: CountMatrix, empty: Float[AnyArray, "*batch"] | None = None
    ) -> Decided:
        r"""The optimal sets [..., num_labels] under any dependence of labels (GFM).

        Takes O(num_labels^2 log num_labels) time per example, after a product of two square
        matrices.

        Args:
          matrix: [..., num_labels, num_labels], entry (i, s - 1) is P(y_i = 1, |y| = s); from a
            model, or e.g. the mean of `count_matrix_of_labels` over samples of the label set.
          empty: [...], P(|y| = 0); None derives it, since column s sums to s P(|y| = s).

        Raises:
          ValueError: the last two axes differ, shape of `empty`; in concrete arrays values
            outside [0, 1] or NaN (for a traced NaN the set is empty).
        """
        matrix = _shared.check_probabilities(matrix, "matrix")
        if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
            raise ValueError(
                "matrix must have shape [..., num_labels, num_labels] (sizes 1 to num_labels), "
                f"got {matrix.shape}"
            )
        if empty is not None:
            empty = _inputs.as_array(empty, "empty")
            if empty.shape != matrix.shape[:-2]:
                raise ValueError(f"empty must have shape {matrix.shape[:-2]}, got {empty.shape}")
            empty = empty.astype(matrix.dtype)
        axes = range(matrix.ndim - 1)
        return _inputs.on_its_mesh(_from_matrix, matrix, empty, self.beta, axes=axes)


def f_maximizer(
    probabilities: Scores | None = None,
    labels: Labels | None = None,
    *,
    beta: ArrayLike = 1.0,
    where: Where = None,
    weights: Weights = None,
) -> FMaximizer:
    r"""Predicts the set $h$ of each example that maximises $E[F_\beta(h, y)]$.

    $F_\beta(h, y) = (1+\beta^2)|h \cap y| / (\beta^2 |y| + |h|)$ with $F(\emptyset, \emptyset)
    = 1$, so the empty set is predicted where it is best. The expected F of a set of k labels is
    a sum over its labels, $\sum_{i \in h} \sum_s \frac{1+\beta^2}{\beta^2 s + k} P(y_i = 1, |y|
    = s)$: for each k the k labels with the largest terms are best. Of equally good sets the
    smallest is taken, and of equal terms the lower label index.

    `decision(probabilities)` takes labels to be independent given the example, whose marginals
    the probabilities are; `decision.from_counts(matrix)` takes the matrix above and is exact for
    any dependence. Use it for samples F (the mean F of examples) with calibrated probabilities;
    for others `decisions.calibrated(scores, labels, f_maximizer)`.

    Args:
      probabilities: not used: nothing is fitted. Here so that all rules are called alike.
      labels: not used.
      beta: > 0, weight of recall against precision.
      where: not used.
      weights: not used.

    Raises:
      ValueError: beta <= 0.

    Source: Ye, Chai, Lee and Chieu, Optimizing F-measures: A Tale of Two Approaches, ICML 2012;
    Dembczynski et al., An Exact Algorithm for F-Measure Maximization, NeurIPS 2011. The sum over
    sizes in O(n^2) for every real beta is ours: Ye et al. need a rational beta^2.

    Example:
      >>> import jax.numpy as jnp
      >>> f_maximizer()(jnp.array([[0.75, 0.375, 0.125], [0.125, 0.125, 0.0]]))
      Array([[ True,  True, False],
             [False, False, False]], dtype=bool)
    """
    del probabilities, labels, where, weights
    _inputs.check_hyperparameter("beta", beta, above=0.0)
    return FMaximizer(jnp.asarray(beta, jnp.result_type(float)))


def count_matrix_of_labels(labels: Labels) -> CountMatrix:
    """The matrix 1[y_i = 1, |y| = s] of label sets; its mean over samples estimates P.

    Args:
      labels: [..., num_labels], 0 or 1.

    Returns:
      [..., num_labels, num_labels], entry (i, s - 1) for size s; all 0 for an empty set.

    Raises:
      ValueError: labels not 0 or 1 in concrete arrays.

    Example:
      >>> import jax.numpy as jnp
      >>> count_matrix_of_labels(jnp.array([1, 0, 1]))
      Array([[0., 1., 0.],
             [0., 0., 0.],
             [0., 1., 0.]], dtype=float32)
    """
    labels = _inputs.as_array(labels, "labels")
    _shared.check_labelled(labels, "labels")
    _shared.check_binary(labels, None)
    present = _shared.is_positive(labels)
    sizes = jnp.arange(1, labels.shape[-1] + 1).reshape((1,) * (labels.ndim - 1) + (-1,))
    of_size = jnp.sum(present, -1, keepdims=True) == sizes
    matrix = (present[..., :, None] & of_size[..., None, :]).astype(jnp.result_type(float))
    if not jnp.issubdtype(labels.dtype, jnp.inexact):
        return matrix
    nan = jnp.sum(jnp.where(jnp.isnan(labels), labels, 0), -1)
    return _shared.spoil(matrix, nan[..., None, None])


def count_matrix_of_marginals(probabilities: Scores) -> CountMatrix:
    r"""The matrix P(y_i = 1, |y| = s) of independent labels, in O(num_labels^2) per example.

    $P(y_i = 1, |y| = s) = p_i P(\sum_{j \ne i} y_j = s - 1)$; the distribution of the sum
    without label i is the Poisson-binomial of all labels divided by label i's factor, from the
    side from which the division is stable.

    Args:
      probabilities: [..., num_labels] in [0, 1].

    Returns:
      [..., num_labels, num_labels], entry (i, s - 1) for size s.

    Raises:
      ValueError: probabilities outside [0, 1] in concrete arrays.

    Example:
      >>> import jax.numpy as jnp
      >>> count_matrix_of_marginals(jnp.array([0.5, 0.25]))
      Array([[0.375, 0.125],
             [0.125, 0.125]], dtype=float32)
    """
    p = _shared.check_probabilities(probabilities)
    return _inputs.on_its_mesh(_matrices, p, axes=(*range(p.ndim), None))


@jax.jit
def _matrices(p: Array) -> Array:
    return _per_example(_independent_counts, p, _AT_ONCE // p.shape[-1] ** 2)


def _per_example(function: Any, p: Array, at_once: int) -> Array:
    """Maps over examples, `at_once` at a time, at least one."""
    flat = p.reshape(-1, p.shape[-1])
    at_once = max(1, at_once)
    if not isinstance(flat.shape[0], int):
        out = _in_parts(function, flat, min(at_once, 64))
    elif flat.shape[0] <= at_once:
        out = jax.vmap(function)(flat)
    else:
        out = jax.lax.map(function, flat, batch_size=at_once)
    return out.reshape(*p.shape[:-1], *out.shape[1:])


def _in_parts(function: Any, rows: Array, at_once: int) -> Array:
    """Maps over a symbolic number of rows, the last one repeated to fill the last part."""
    n = rows.shape[0]
    parts = (n + at_once - 1) // at_once
    filled = rows[jnp.minimum(jnp.arange(parts * at_once), n - 1)]
    out = jax.lax.map(jax.vmap(function), filled.reshape(parts, at_once, rows.shape[1]))
    return out.reshape(parts * at_once, *out.shape[2:])[jnp.arange(n)]


def _poisson_binomial(p: Array) -> Array:
    """P(sum = 0), ..., P(sum = n) of independent Bernoulli(p)."""

    def add(distribution: Array, q: Array) -> tuple[Array, None]:
        shifted = jnp.concatenate([jnp.zeros_like(distribution[:1]), distribution[:-1]])
        return distribution * (1 - q) + shifted * q, None

    start = jnp.zeros(p.shape[0] + 1, p.dtype).at[0].set(1)
    return jax.lax.scan(add, start, p)[0]


def _independent_counts(p: Array) -> Array:
    """`count_matrix_of_marginals` of one example."""
    total = _poisson_binomial(p)
    # total(s) = (1-p) rest(s) + p rest(s-1). Solving for rest upwards divides by 1-p, downwards
    # by p; the larger of the two never amplifies a rounding error.
    up = p <= 0.5
    keep = jnp.where(up, 1 - p, p)

    def step(previous: Array, terms: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = terms
        rest = _rest(jnp.where(up, low, high), previous, keep)
        return rest, rest

    _, rest = jax.lax.scan(step, jnp.zeros_like(p), (total[:-1], total[:0:-1]))
    # Row t of `rest` is P(rest = t) going up and P(rest = n - 1 - t) going down.
    rest = jnp.where(up[None], rest, rest[::-1])
    return (p[None] * rest).T


def _expected_f(p: Array, beta: Array) -> Array:
    """The expected F-beta of the k first labels, k = 1 to n, in O(n) memory.

    That of k labels is the sum over sizes s of weight(s, k) times the sum over i <= k of
    P(y_i = 1, |y| = s): the matrix of `_independent_counts`, of which two columns, one going
    up for p <= 1/2 and one going down, exist at a time.
    """
    n = p.shape[0]
    total = _poisson_binomial(p)
    # Sizes that matter are neighbours, since the distribution has one mode. What goes beyond
    # them starts at 0 there, instead of at twice `least` at most.
    least = jnp.finfo(p.dtype).eps ** 2 / n
    likely = total > least
    first = jnp.maximum(jnp.argmax(likely) - 1, 0)
    last = n - jnp.argmax(likely[::-1])
    up = p <= 0.5
    keep = jnp.where(up, 1 - p, p)

    def step(t: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        rest, values = state
        low, high = first + t, last - t
        rest = _rest(jnp.where(up, total[low], total[high]), rest, keep)
        joint = p * rest
        for chosen, size in ((up, low + 1), (~up, high)):
            running = jnp.cumsum(jnp.where(chosen, joint, 0))
            values += running * _weight(size, n, beta, p.dtype)
        return rest, values

    return jax.lax.fori_loop(0, last - first, step, (jnp.zeros_like(p), jnp.zeros_like(p)))[1]


def _rest(total: Array, previous: Array, keep: Array) -> Array:
    # Rounding can leave -1e-9 where the probability is 0.
    return jnp.clip((total - (1 - keep) * previous) / keep, 0, 1)


def _weight(size: Array, n: int, beta: Array, dtype: Any) -> Array:
    """(1 + beta^2) / (beta^2 s + k), [..., k = 1 to n] for sizes s [...]."""
    b2 = jnp.square(beta).astype(dtype)
    k = jnp.arange(1, n + 1, dtype=dtype).reshape((1,) * size.ndim + (n,))
    return (1 + b2) / (b2 * size.astype(dtype)[..., None] + k)


@jax.jit
def _from_marginals(p: Array, beta: Array) -> Array:
    def one(p: Array) -> Array:
        order = jnp.argsort(integer_keys(p), descending=True)
        # Under independence the best set of size k is the k most probable labels.
        values = _expected_f(p[order], beta)
        size = jnp.argmax(jnp.concatenate([jnp.prod(1 - p)[None], values]))
        return _shared.ranks(p) < size

    return _per_example(one, p, _IN_CACHE // p.shape[-1])


@jax.jit
def _from_matrix(matrix: Array, empty: Array | None, beta: Array) -> Array:
    n = matrix.shape[-1]
    if empty is None:
        of_size = jnp.arange(1, n + 1, dtype=matrix.dtype).reshape((1,) * (matrix.ndim - 2) + (n,))
        empty = jnp.clip(1 - jnp.sum(jnp.sum(matrix, -2) / of_size, -1), 0, 1)
    weights = _weight(jnp.arange(1, n + 1), n, beta, matrix.dtype)
    terms = jnp.matmul(matrix, weights, precision=jax.lax.Precision.HIGHEST)
    by_size = jnp.swapaxes(terms, -1, -2)  # [..., k - 1, labels]
    sizes = jnp.arange(1, n + 1).reshape((1,) * (matrix.ndim - 2) + (n, 1))
    chosen = _shared.ranks(by_size) < sizes
    values = jnp.sum(jnp.where(chosen, by_size, 0), -1)
    size = jnp.argmax(jnp.concatenate([empty[..., None], values], -1), -1)
    best = jnp.take_along_axis(chosen, jnp.maximum(size - 1, 0)[..., None, None], -2)[..., 0, :]
    # The first NaN is the largest there is for argmax; a set of NaN terms is any set.
    return best & ((size > 0) & ~jnp.isnan(jnp.sum(values, -1) + empty))[..., None]
