"""Statistics of blocks of labels, and how they join to the statistics of all labels."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array


class LabelParts(NamedTuple):
    """What a block of labels adds to a statistic: three pytrees, one for each way to join.

    `log_summed` leaves are -inf where there is nothing to sum.

    >>> import jax.numpy as jnp
    >>> block = LabelParts(per_label=jnp.ones(2), summed=jnp.ones(()))
    >>> both = join(join(None, block, 0, 4), block, 2, 4)
    >>> both.per_label, both.summed
    (Array([1., 1., 1., 1.], dtype=float32), Array(2., dtype=float32))
    """

    per_label: Any = ()
    """Leaves [..., block]: concatenated."""
    summed: Any = ()
    """Leaves without an axis of labels: added."""
    log_summed: Any = ()
    """Leaves without an axis of labels, logarithms of sums: joined by logaddexp."""


def join(
    joined: LabelParts | None, block: LabelParts, start: int | Array, num_labels: int
) -> LabelParts:
    """Adds to the parts of other blocks (None if there is none yet) those of one at `start`."""
    if joined is None:
        whole = jax.tree.map(lambda x: jnp.zeros((*x.shape[:-1], num_labels), x.dtype), block[0])
        joined = block._replace(per_label=whole)
    else:
        joined = LabelParts(
            joined.per_label,
            jax.tree.map(jnp.add, joined.summed, block.summed),
            jax.tree.map(jnp.logaddexp, joined.log_summed, block.log_summed),
        )

    def write(whole: Array, part: Array) -> Array:
        return lax.dynamic_update_slice_in_dim(whole, part, start, -1)

    return joined._replace(per_label=jax.tree.map(write, joined.per_label, block.per_label))


def block_cotangent(
    cotangent: LabelParts, log_summed: Any, block: LabelParts, start: int | Array
) -> LabelParts:
    """The cotangent of the block at `start`, from that of the joined parts.

    `log_summed` is what was joined; the other ways to join are linear.
    """

    def cut(whole: Array, part: Array) -> Array:
        return lax.dynamic_slice_in_dim(whole, start, part.shape[-1], -1)

    def share(cotangent: Array, log_sum: Array, part: Array) -> Array:
        # A block that adds nothing has no share, even where no block adds anything.
        some = part > -jnp.inf
        return jnp.where(some, cotangent * jnp.exp(jnp.where(some, part - log_sum, 0)), 0)

    return LabelParts(
        jax.tree.map(cut, cotangent.per_label, block.per_label),
        cotangent.summed,
        jax.tree.map(share, cotangent.log_summed, log_summed, block.log_summed),
    )
