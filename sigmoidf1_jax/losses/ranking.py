"""Losses that compare the labels of one example with each other: means over examples."""

from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sigmoidf1_jax import _inputs, objectives
from sigmoidf1_jax._inputs import AnyArray, Labels, Logits, Weights, Where
from sigmoidf1_jax.objective import AxisName

__all__ = [
    "bp_mll",
    "pairwise_logistic",
    "rank_hinge",
    "sparsemax",
    "two_way",
    "zlpr",
    "zlpr_sparse",
]


def pairwise_logistic(
    logits: Logits,
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""Log-sum-exp pairwise loss (LSEP): every positive should score above every negative.

    $\ell = \log\left(1 + \sum_{k \notin P}\sum_{j \in P} e^{z_k - z_j}\right)
    = \mathrm{softplus}(\mathrm{LSE}_{k \notin P}(z_k) + \mathrm{LSE}_{j \in P}(-z_j))$ per
    example: O(labels), without the pairs, and without the random subset of pairs that published
    codes draw. Only the order of the labels is learned: decide with `top_k` or a fitted
    threshold, not at z = 0.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1]. A soft label counts y as positive
        and 1 - y as negative.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar >= 0, the mean over the examples that count. An example without positives or without
      negatives contributes 0, with zero gradient.

    Raises:
      ValueError: shapes that differ or do not broadcast; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Li et al., Improving Pairwise Ranking for Multi-label Image Classification, CVPR 2017.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.0, -1.0]]), jnp.array([[1, 0, 0]])
      >>> round(float(sf.losses.pairwise_logistic(logits, labels)), 4)
      0.4076
    """
    objective = objectives.pairwise_logistic()
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def bp_mll(
    logits: Logits,
    labels: Labels,
    limit: ArrayLike = 10.0,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""BP-MLL: the mean over (positive, negative) pairs of an exponential loss.

    $\ell = \frac{1}{|P||N|}\sum_{j \in P}\sum_{k \in N} e^{-(z_j - z_k)} = e^x$ per example, in
    O(labels) as a product of two sums. An exponential of logits overflows: public codes give
    1e34 at |z| = 40, and one example without positives makes their batch NaN. Here $e^x$ goes on
    as its tangent above x = `limit`, so value and gradient stay finite.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      limit: finite; where the tangent takes over. e^10 is below float16's largest number.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar >= 0, the mean over the examples that count. An example without positives or without
      negatives contributes 0, with zero gradient.

    Raises:
      ValueError: shapes that differ or do not broadcast, a `limit` that is not finite; on concrete
        arrays also NaN logits, labels outside [0, 1] and negative weights, where they count (inside
        `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Zhang and Zhou, Multilabel Neural Networks with Applications to Functional Genomics and
    Text Categorization, TKDE 2006. The paper's outputs are tanh units in [-1, 1]; pass
    `jnp.tanh(logits)` for that.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.0, -1.0]]), jnp.array([[1, 0, 0]])
      >>> round(float(sf.losses.bp_mll(logits, labels)), 4)
      0.2516
    """
    objective = objectives.bp_mll(limit)
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def rank_hinge(
    logits: Logits,
    labels: Labels,
    margin: ArrayLike = 1.0,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""Pairwise ranking hinge (RankSVM): positives should lead negatives by a margin.

    $\ell = \frac{1}{|P||N|}\sum_{j \in P}\sum_{k \in N} \max(0, m - (z_j - z_k))$ per example, in
    O(labels log labels): after one sort the sum over pairs is a sum over the gaps between
    neighbours, each times the number of pairs that span it. Every term is >= 0, so nothing
    cancels. Piecewise linear: second derivatives are 0 or undefined.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      margin: m >= 0.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar >= 0, the mean over the examples that count. An example without positives or without
      negatives contributes 0, with zero gradient.

    Raises:
      ValueError: shapes that differ or do not broadcast, a `margin` out of range; on concrete
        arrays also NaN logits, labels outside [0, 1] and negative weights, where they count (inside
        `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Elisseeff and Weston, A kernel method for multi-labelled classification, NIPS 2001.
    torch's MultiLabelMarginLoss divides by the number of labels instead of pairs.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.5, -1.0]]), jnp.array([[1, 0, 0]])
      >>> float(sf.losses.rank_hinge(logits, labels))
      0.25
    """
    objective = objectives.rank_hinge(margin)
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def zlpr(
    logits: Logits,
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""ZLPR: positives above zero, negatives below zero, as one softmax-like loss.

    $\ell = \log(1 + \sum_{k \notin P} e^{z_k}) + \log(1 + \sum_{j \in P} e^{-z_j})$ per example;
    decide z > 0. Made for many labels and few positives; an example without positives still
    has a loss. `zlpr_sparse` takes label indices.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar >= 0, the mean over the examples that count.

    Raises:
      ValueError: shapes that differ or do not broadcast; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Su et al., ZLPR: A Novel Loss for Multi-label Classification, 2022.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.0, -1.0]]), jnp.array([[1, 0, 0]])
      >>> round(float(sf.losses.zlpr(logits, labels)), 4)
      1.1753
    """
    objective = objectives.zlpr()
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def zlpr_sparse(
    logits: Logits,
    indices: Int[AnyArray, "*batch positives"],
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""`zlpr` of labels given as padded indices of each example's positives.

    $\ell = \log(1 + \sum_{k \notin P} e^{z_k}) + \log(1 + \sum_{j \in P} e^{-z_j})$ per example.
    Public sparse forms subtract the positives' exponentials from the sum over all labels, which
    cancels (3.88 instead of 4.91 in one case); this leaves them out of the sum.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      indices: [..., max_positives], integer; values outside [0, num_labels), such as -1, are
        padding, and repeated indices count once.
      where: bool, True where an entry counts; broadcasts to the logits' shape.
      weights: numbers >= 0 that broadcast to the logits' shape; weight 0 is the same as masked.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar >= 0, the mean over the examples that count.

    Raises:
      ValueError: leading axes that differ, a `where` or weights that do not broadcast; on concrete
        arrays also NaN logits and negative weights, where they count (inside `jit` under
        `checkify`).
      TypeError: indices that are not integers, logits that are not floating, or a `where` that is
        not bool.

    Source: Su et al., ZLPR: A Novel Loss for Multi-label Classification, 2022.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, indices = jnp.array([[1.0, 0.0, -1.0]]), jnp.array([[0, -1]])
      >>> round(float(sf.losses.zlpr_sparse(logits, indices)), 4)
      1.1753
    """
    logits = _inputs.as_array(logits, "logits")
    indices = _inputs.label_indices(indices, logits, "indices")
    labels = _inputs.labels_at(indices, 0, logits.shape[-1])
    return zlpr(logits, labels, where=where, weights=weights, axis_name=axis_name)


def sparsemax(
    logits: Logits,
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""Multilabel sparsemax loss against the uniform distribution over the positives.

    $\ell = \langle \pi - q, z \rangle + \frac12\|q\|^2 - \frac12\|\pi\|^2$ with
    $\pi = \mathrm{sparsemax}(z)$, the projection of z on the simplex, and $q = y / |y|$; the
    gradient is $\pi - q$. Zero when the projection is exactly q. Only differences of logits
    matter: decide where $\pi > 0$, or by `top_k`. O(labels log labels). The gradient is
    continuous, its derivative jumps where a label enters the support.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        They weigh examples; within an example they weigh the entries of q.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar >= 0, the mean over the examples that count. An example without positives contributes
      0, with zero gradient.

    Raises:
      ValueError: shapes that differ or do not broadcast; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Martins and Astudillo, From Softmax to Sparsemax, ICML 2016.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.5, -1.0]]), jnp.array([[1, 0, 0]])
      >>> float(sf.losses.sparsemax(logits, labels))
      0.0625
    """
    objective = objectives.sparsemax()
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def two_way(
    logits: Logits,
    labels: Labels,
    positive_temperature: ArrayLike = 4.0,
    negative_temperature: ArrayLike = 1.0,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""Two-way loss: rank labels within each example, and examples within each label.

    $\ell_A = \mathrm{softplus}\left(T_n\,\mathrm{LSE}_{k \in N_A}(z_k / T_n) +
    T_p\,\mathrm{LSE}_{j \in P_A}(-z_j / T_p)\right)$ with A an example's labels or a label's
    examples; the loss is the mean of the mean over examples and the mean over labels. The sums
    over a label's examples are kept in bins of the exponent, so they add up over devices and
    micro-batches like every other statistic.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      positive_temperature: $T_p$ > 0.
      negative_temperature: $T_n$ > 0.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar >= 0. The means are over examples and labels that have a positive; those without
      negatives contribute 0. Half of the published code's value, which adds the two means, and
      which is NaN for a batch without positives. In the sums over a label's examples |z| / T counts
      as 704 at most.

    Raises:
      ValueError: shapes that differ or do not broadcast, a temperature out of range; on concrete
        arrays also NaN logits, labels outside [0, 1] and negative weights, where they count (inside
        `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Kobayashi, Two-way Multi-Label Loss, CVPR 2023.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([[1, 0], [0, 1]])
      >>> round(float(sf.losses.two_way(logits, labels)), 4)
      0.3133
    """
    objective = objectives.two_way(positive_temperature, negative_temperature)
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)
