"""How well the number of labels per example is predicted."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from sigmoidf1_jax._inputs import Labels, Weights, Where
from sigmoidf1_jax.metrics._prepare import Decided, Decisions
from sigmoidf1_jax.metrics.metric import Definitions, ExampleValues, Metric, mean_over_examples


def label_count_error(
    decisions: Decisions, labels: Labels, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    r"""Mean over examples of $|\,|\hat Y_i| - |Y_i|\,|$: by how many labels the count is off.

    Entries that do not count are on neither side. NaN if no example counts.

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        example weighs the mean of its entries' weights, and weight 0 does not count.

    Returns:
      A scalar >= 0.

    Raises:
      ValueError: shapes differ, no axis of examples; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.label_count_error(jnp.array([[1, 1], [0, 0]]), jnp.array([[1, 0], [1, 1]]))
      Array(1.5, dtype=float32)
    """
    return _error()(decisions, labels, where=where, weights=weights)


def label_count_bias(
    decisions: Decisions, labels: Labels, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    r"""Mean over examples of $|\hat Y_i| - |Y_i|$: positive if too many labels are predicted.

    Entries that do not count are on neither side. NaN if no example counts.

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        example weighs the mean of its entries' weights, and weight 0 does not count.

    Returns:
      A scalar in [-num_labels, num_labels].

    Raises:
      ValueError: shapes differ, no axis of examples; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.label_count_bias(jnp.array([[1, 1], [0, 0]]), jnp.array([[1, 0], [1, 1]]))
      Array(-0.5, dtype=float32)
    """
    return _bias()(decisions, labels, where=where, weights=weights)


def _error() -> Metric:
    return mean_over_examples(lambda decided: jnp.abs(_surplus(decided)), decided=True)


def _bias() -> Metric:
    return mean_over_examples(_surplus, decided=True)


DEFINITIONS: Definitions = {label_count_error: _error, label_count_bias: _bias}


def report_of_sets(decided: Decided) -> dict[str, ExampleValues]:
    """What a report shows of the number of labels of each example."""
    surplus = _surplus(decided)
    return {
        "label_count_error": ExampleValues(jnp.abs(surplus)),
        "label_count_bias": ExampleValues(surplus),
    }


def _surplus(decided: Decided) -> Float[Array, " examples"]:
    """By how many labels each example has too many; exact, and no entry that does not count."""
    sizes = [jnp.sum(x, -1, dtype=jnp.int32) for x in (decided.decisions, decided.labels)]
    return (sizes[0] - sizes[1]).astype(decided.dtype)
