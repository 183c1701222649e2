"""The F1 that no decision can beat, where label posteriors are known."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

import sigmoidf1_jax as sf
from experiments.evaluation import SELECTION_AVERAGES

Posteriors = Float[Array, "examples labels"]
Decided = Bool[Array, "examples labels"]

# Examples whose [labels, labels] matrices exist at a time.
_AT_ONCE = 256


def bayes_decisions(posteriors: Posteriors) -> dict[str, Decided]:
    r"""The decisions of greatest expected micro, macro and samples F1.

    Micro and macro: thresholds F*/2, one for all labels or one per label, on expected counts.
    Samples: for each example the set of greatest $E[F1(h, y)]$ among all $2^C$, where labels are
    independent given the features. F1 of two empty sets is 0, as `sf.metrics.f1` has it, so that
    set is never empty.

    Args:
      posteriors: [examples, num_labels], P(label = 1 | features).

    Returns:
      Average -> bool [examples, num_labels].

    Raises:
      ValueError: posteriors outside [0, 1].

    Source: Lipton, Elkan and Naryanaswamy, ECML 2014 (thresholds); Dembczynski et al., NeurIPS
    2011 (sets).

    Example:
      >>> decided = bayes_decisions(jnp.array([[0.6, 0.1], [0.2, 0.3]]))
      >>> decided["samples"].tolist()
      [[True, False], [True, True]]
    """
    posteriors = jnp.asarray(posteriors)
    return {
        "micro": sf.decisions.lipton_threshold(posteriors, average="micro")(posteriors),
        "macro": sf.decisions.lipton_threshold(posteriors, average="macro")(posteriors),
        "samples": _best_sets(posteriors),
    }


def expected_f1(decided: Decided, posteriors: Posteriors) -> dict[str, Float[Array, ""]]:
    r"""Expected micro, macro and samples F1 of decisions on labels drawn from the posteriors.

    Samples F1 is exact for labels that are independent given the features. Micro and macro F1
    are the F1 of expected counts, $2 \sum d p / (\sum d + \sum p)$ over all entries or of each
    label: the limit of many examples.

    Args:
      decided: bool [examples, num_labels].
      posteriors: [examples, num_labels].

    Example:
      >>> p = jnp.array([[0.5, 0.5]])
      >>> {k: round(float(v), 3) for k, v in expected_f1(p >= 0.5, p).items()}
      {'micro': 0.667, 'macro': 0.667, 'samples': 0.583}
    """
    decided, posteriors = jnp.asarray(decided), jnp.asarray(posteriors)
    pooled = sf.confusion(decided, posteriors, axis=None)
    return {
        "micro": sf.scores.f1(pooled),
        "macro": jnp.mean(sf.scores.f1(sf.confusion(decided, posteriors))),
        "samples": jnp.mean(_expected_f1_of_examples(decided, posteriors)),
    }


def bayes_optimal(
    posteriors: Posteriors, labels: Bool[Array, "examples labels"] | None = None
) -> dict[str, float]:
    """The best expected micro, macro and samples F1; with `labels`, what it comes to on these.

    Each average has the decisions that are best for it, see `bayes_decisions`. On few labels
    chance can lift other decisions above them.

    Args:
      posteriors: [examples, num_labels], P(label = 1 | features).
      labels: [examples, num_labels], drawn from them.

    Example:
      >>> bayes_optimal(jnp.array([[1.0, 0.0], [0.0, 1.0]]))
      {'micro': 1.0, 'macro': 1.0, 'samples': 1.0}
    """
    decided = bayes_decisions(posteriors)
    if labels is None:
        return {a: float(expected_f1(decided[a], posteriors)[a]) for a in SELECTION_AVERAGES}
    return {a: float(sf.metrics.f1(decided[a], labels, average=a)) for a in SELECTION_AVERAGES}


@jax.jit
def _best_sets(posteriors: Posteriors) -> Decided:
    maximizer = sf.decisions.f_maximizer()

    def best_set(p: Array) -> Array:
        matrix = sf.decisions.count_matrix_of_marginals(p)
        return maximizer.from_counts(matrix, jnp.zeros((), matrix.dtype))

    return jax.lax.map(best_set, posteriors, batch_size=_AT_ONCE)


@jax.jit
def _expected_f1_of_examples(decided: Decided, posteriors: Posteriors) -> Float[Array, " examples"]:
    sizes = jnp.arange(1, posteriors.shape[-1] + 1)

    def of_example(example: tuple[Array, Array]) -> Array:
        h, p = example
        matrix = sf.decisions.count_matrix_of_marginals(p)
        return jnp.sum(h[:, None] * matrix * 2 / (jnp.sum(h) + sizes)[None])

    return jax.lax.map(of_example, (decided, posteriors), batch_size=_AT_ONCE)
