"""Simulated examples whose label probabilities given the features are known exactly."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.scipy.stats import norm
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from experiments.datasets.dataset import Dataset
from experiments.datasets.sources.simulation import (
    Simulation,
    incidence,
    loadings,
    part_rates,
    rates,
)

__all__ = ["Simulated", "Simulation", "load_simulated", "rates", "simulate", "simulated"]

# Outliers lie beyond sqrt(num_features) + this, where no more than exp(-18) of entity-wide
# examples do (concentration of the norm of a standard normal vector).
_MARGIN = 6.0
_TAIL_INDEX = 2.0


class Simulated(NamedTuple):
    """Drawn examples, and P(label = 1 | features) of what was observed of each label."""

    features: Float[Array, "examples features"]
    labels: Bool[Array, "examples labels"]
    posteriors: Float[Array, "examples labels"]


def simulate(simulation: Simulation, key: PRNGKeyArray) -> Simulated:
    r"""Draws examples and the probabilities of their labels.

    Hidden numbers of an example (scores or pooled evidence, [num_features]) give each label's
    probability and, turned by a random rotation, its features. Labels are then drawn
    independently of each other:

    - entity-wide: $P(y_c = 1 | x) = \Phi(a s_c + \sqrt{1 + a^2} \Phi^{-1}(\pi_c))$ with $s_c$
      a standard normal linear function of x and a the signal;
    - sub-entity: $1 - \prod_{parts} (1 - q_c) = 1 - \exp(-a e_c)$ with $q_c = 1 - \exp(-a v_c)$
      of a part's evidence $v_c$ and $e_c$ the sum of it over parts, a linear function of x;
    - noise: $p \to (1 - \text{noise}_+) p + \text{noise}_- (1 - p)$;
    - outliers: their features are replaced by far-off ones, and p by the label's rate.

    Rates $\pi_c$ are exact in expectation, since every constant has a closed form. The rotation
    depends on `key` and num_features alone, so the same key with more examples draws from the
    same population.

    Args:
      simulation: the parameters.
      key: PRNG key.

    Returns:
      Float32 features [examples, num_features], bool labels and float32 posteriors [examples,
      num_labels]. Posteriors are functions of the features: outliers are recognisable by their
      norm (entity-wide, up to a probability of 1.6e-8) or by evidence below 0 (sub-entity, up to
      2^-num_features).

    Example:
      >>> drawn = simulate(Simulation(examples=5), jax.random.key(0))
      >>> [x.shape for x in drawn]
      [(5, 24), (5, 12), (5, 12)]

    Source: multivariate probit (Ashford and Sowden 1970) and noisy-or (Pearl 1988) models; the
    count variation and the closed-form rates are ours.
    """
    for_hidden, for_rest = jax.random.split(key)
    rate = jnp.asarray(rates(simulation), jnp.float32)
    # Numbers are arguments of what is compiled: other parameters of one shape compile nothing.
    if simulation.structure == "entity-wide":
        directions = jnp.asarray(loadings(simulation)[0], jnp.float32)
        hidden, clean = _entity_wide(
            for_hidden, simulation.examples, directions, rate, simulation.signal
        )
    else:
        parts, variance = part_rates(simulation)
        hidden, clean = _sub_entity(
            for_hidden,
            simulation.examples,
            jnp.asarray(parts, jnp.float32),
            variance,
            jnp.asarray(incidence(simulation), jnp.float32),
            simulation.signal,
        )
    noise = simulation.noise_positive, simulation.noise_negative
    return _observed(for_rest, hidden, clean, rate, simulation.outliers, noise)


def load_simulated(
    simulation: Simulation, seed: int = 0, name: str = "simulated"
) -> tuple[Dataset, npt.NDArray[np.float32]]:
    """A simulation as a data set, and its posteriors [examples, num_labels].

    Raises:
      UserError: no example has a label.
    """
    drawn = simulate(simulation, jax.random.key(seed))
    features, labels, posteriors = (np.asarray(x) for x in drawn)
    scope_reason = {
        "entity-wide": "labels depend on all features of an example",
        "sub-entity": "a label is there if at least one part of the example shows it",
    }
    dataset = Dataset(
        name,
        features,
        labels,
        tuple(f"label_{c}" for c in range(simulation.num_labels)),
        f"simulated with seed {seed}: {simulation}",
        scope=simulation.structure,
        scope_reason=scope_reason[simulation.structure],
    )
    return dataset, posteriors


def simulated() -> Dataset:
    """4,000 simulated examples with 24 features and 12 labels."""
    return load_simulated(Simulation())[0]


@functools.partial(jax.jit, static_argnames="examples")
def _entity_wide(
    key: PRNGKeyArray, examples: int, loadings: Array, rate: Array, signal: float
) -> tuple[Array, Array]:
    """Standard normal hidden numbers, and the labels' probabilities."""
    hidden = jax.random.normal(key, (examples, loadings.shape[0]))
    scores = jnp.matmul(hidden, loadings, precision=jax.lax.Precision.HIGHEST)
    # E[Phi(a s + b)] = Phi(b / sqrt(1 + a^2)) for standard normal s.
    offset = jnp.sqrt(1 + jnp.square(signal)) * norm.ppf(rate)
    return hidden, norm.cdf(signal * scores + offset[None])


@functools.partial(jax.jit, static_argnames="examples")
def _sub_entity(
    key: PRNGKeyArray,
    examples: int,
    parts: Array,
    variance: float,
    shows: Array,
    signal: float,
) -> tuple[Array, Array]:
    """Evidence pooled over the parts of each type, and the labels' probabilities."""
    for_intensity, for_number, for_evidence = jax.random.split(key, 3)
    some = jnp.where(variance > 0, variance, 1)
    drawn = some * jax.random.gamma(for_intensity, 1 / some, (examples, 1))
    intensity = jnp.where(variance > 0, drawn, 1)
    number = jax.random.poisson(for_number, intensity * parts[None])
    # The sum of n independent Exponential(1) variables is Gamma(n).
    pooled = jax.random.gamma(for_evidence, jnp.maximum(number, 1).astype(parts.dtype))
    hidden = jnp.where(number > 0, pooled, 0)
    evidence = jnp.matmul(hidden, shows, precision=jax.lax.Precision.HIGHEST)
    return hidden, -jnp.expm1(-signal * evidence)


@jax.jit
def _observed(
    key: PRNGKeyArray,
    hidden: Array,
    clean: Array,
    rate: Array,
    outliers: float,
    noise: tuple[float, float],
) -> Simulated:
    """Outliers, noise, the rotation to features, and labels."""
    for_rotation, for_outliers, for_labels = jax.random.split(key, 3)
    is_outlier, far = _outliers(for_outliers, hidden.shape, outliers)
    hidden = jnp.where(is_outlier, far, hidden)
    clean = jnp.where(is_outlier, rate[None], clean)
    lost, added = noise
    posteriors = (1 - lost) * clean + added * (1 - clean)
    rotation = jax.random.orthogonal(for_rotation, hidden.shape[1])
    features = jnp.matmul(hidden, rotation, precision=jax.lax.Precision.HIGHEST)
    labels = jax.random.uniform(for_labels, posteriors.shape) < posteriors
    return Simulated(features, labels, posteriors)


def _outliers(
    key: PRNGKeyArray, shape: tuple[int, ...], share: Array | float
) -> tuple[Array, Array]:
    """Which examples are outliers, [examples, 1], and where they would be.

    Directions are uniform; the norm has a Pareto tail, so its variance is infinite.
    """
    for_which, for_direction, for_norm = jax.random.split(key, 3)
    which = jax.random.uniform(for_which, (shape[0], 1)) < share
    direction = jax.random.normal(for_direction, shape)
    direction /= jnp.linalg.norm(direction, axis=1, keepdims=True)
    stretch = jax.random.pareto(for_norm, _TAIL_INDEX, (shape[0], 1))
    return which, (math.sqrt(shape[1]) + _MARGIN) * stretch * direction
