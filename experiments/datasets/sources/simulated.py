"""Simulated examples whose label probabilities given the features are known exactly."""

import dataclasses
import functools
import math
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.scipy.stats import norm
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from experiments.datasets.dataset import Dataset
from experiments.errors import UserError

Structure = Literal["entity-wide", "sub-entity"]
Floats = npt.NDArray[np.float64]

# Outliers lie beyond sqrt(num_features) + this, where no more than exp(-18) of entity-wide
# examples do (concentration of the norm of a standard normal vector).
_MARGIN = 6.0
_TAIL_INDEX = 2.0


@dataclasses.dataclass(frozen=True)
class Simulation:
    r"""Parameters of simulated data; docs/simulated.md has the equations.

    Given the features, the labels of an example are independent. All dependence between labels,
    of `count_variation` and `correlation`, is through what the features show.

    Attributes:
      examples: number of examples, >= 1.
      num_labels: number of labels, >= 1.
      num_features: number of features, >= num_labels + groups.
      mean_labels: expected number of labels of an example before noise, > 0.
      imbalance: rate of the commonest label over that of the rarest, >= 1; rates are a geometric
        series.
      count_variation: how much the number of labels varies, >= 0; 1 is that of independent labels
        (with correlation 0). Entity-wide: the factor by which the mean of an example's label
        scores varies more (> 1) or less (< 1). Sub-entity, >= 1: its square is about the variance
        of the number of labels over its mean, by parts that are many in one example, few in
        another.
      correlation: dependence of labels of one group, in [0, 1]. Entity-wide: the correlation of
        their scores; sub-entity: the share of a group's rarest label that comes from parts which
        show the whole group.
      groups: number of groups of labels, neighbours in frequency, 1 to num_labels.
      signal: how much the features say, > 0. Entity-wide: the standard deviation of a label's
        score, in those of its noise; sub-entity: the mean evidence in a part, which shows its
        label with probability signal / (1 + signal).
      noise_positive: rate at which a label that is there is not observed, in [0, 1).
      noise_negative: rate at which a label that is not there is observed, in [0, 1).
      outliers: share of examples in [0, 1) with far-off features that say nothing of the labels.
      structure: "entity-wide": a label depends on the whole feature vector; "sub-entity": an
        example is a bag of parts, and has a label if at least one part shows it.

    Raises:
      UserError: a parameter out of range, or a commonest label of rate >= 1.
    """

    examples: int = 4000
    num_labels: int = 12
    num_features: int = 24
    mean_labels: float = 3.0
    imbalance: float = 4.0
    count_variation: float = 1.0
    correlation: float = 0.0
    groups: int = 3
    signal: float = 2.0
    noise_positive: float = 0.0
    noise_negative: float = 0.0
    outliers: float = 0.0
    structure: Structure = "entity-wide"

    def __post_init__(self) -> None:
        """Refuses what no data could have."""
        if self.structure not in get_args(Structure):
            raise UserError(f"structure {self.structure!r}; expected one of {get_args(Structure)}")
        least = 1 if self.structure == "sub-entity" else 0
        latents = self.num_labels + self.groups
        inf = math.inf
        expected = {
            "examples": (self.examples >= 1, ">= 1"),
            "num_labels": (self.num_labels >= 1, ">= 1"),
            "groups": (1 <= self.groups <= self.num_labels, f"1 to {self.num_labels} (num_labels)"),
            "num_features": (self.num_features >= latents, f">= {latents} (num_labels + groups)"),
            "mean_labels": (0 < self.mean_labels < inf, "> 0 and finite"),
            "imbalance": (1 <= self.imbalance < inf, ">= 1 and finite"),
            "count_variation": (
                least <= self.count_variation < inf,
                f">= {least} ({self.structure}) and finite",
            ),
            "correlation": (0 <= self.correlation <= 1, "in [0, 1]"),
            "signal": (0 < self.signal < inf, "> 0 and finite"),
            "noise_positive": (0 <= self.noise_positive < 1, "in [0, 1)"),
            "noise_negative": (0 <= self.noise_negative < 1, "in [0, 1)"),
            "outliers": (0 <= self.outliers < 1, "in [0, 1)"),
        }
        for name, (fine, text) in expected.items():
            if not fine:
                raise UserError(f"{name} must be {text}, got {getattr(self, name)}")
        if rates(self)[0] >= 1:
            raise UserError(
                f"mean_labels {self.mean_labels:g} of {self.num_labels} labels with imbalance "
                f"{self.imbalance:g} give the commonest label rate {rates(self)[0]:.3g}; expected "
                "< 1: lower mean_labels or imbalance"
            )
        if self.structure == "entity-wide" and _loadings(self)[1].min() < 1e-6:
            raise UserError(
                f"count_variation {self.count_variation:g} leaves the scores of labels nothing to "
                f"vary by with num_labels {self.num_labels}, groups {self.groups} and correlation "
                f"{self.correlation:g}; expected count_variation above 0"
            )


class Simulated(NamedTuple):
    """Drawn examples, and P(label = 1 | features) of what was observed of each label."""

    features: Float[Array, "examples features"]
    labels: Bool[Array, "examples labels"]
    posteriors: Float[Array, "examples labels"]


def rates(simulation: Simulation) -> Floats:
    """P(label = 1) before noise, commonest label first: [num_labels], summing to mean_labels.

    Example:
      >>> rates(Simulation(num_labels=3, mean_labels=0.7, imbalance=4.0, groups=1)).round(3)
      array([0.4, 0.2, 0.1])
    """
    steps = np.arange(simulation.num_labels) / max(simulation.num_labels - 1, 1)
    shape = simulation.imbalance**-steps
    return simulation.mean_labels * shape / shape.sum()


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
        loadings = jnp.asarray(_loadings(simulation)[0], jnp.float32)
        hidden, clean = _entity_wide(
            for_hidden, simulation.examples, loadings, rate, simulation.signal
        )
    else:
        parts, variance = _part_rates(simulation)
        hidden, clean = _sub_entity(
            for_hidden,
            simulation.examples,
            jnp.asarray(parts, jnp.float32),
            variance,
            jnp.asarray(_incidence(simulation), jnp.float32),
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


def _group(simulation: Simulation) -> npt.NDArray[np.intp]:
    """The group of each label: [num_labels], rising."""
    return np.arange(simulation.num_labels) * simulation.groups // simulation.num_labels


def _incidence(simulation: Simulation) -> Floats:
    """1 where a label depends on a hidden number: [num_features, num_labels].

    Hidden numbers are the groups', the labels' own, and those that say nothing.
    """
    labels = np.arange(simulation.num_labels)
    incidence = np.zeros((simulation.num_features, simulation.num_labels))
    incidence[_group(simulation), labels] = 1
    incidence[simulation.groups + labels, labels] = 1
    return incidence


def _loadings(simulation: Simulation) -> tuple[Floats, Floats]:
    """Scores' loadings on hidden numbers, columns of norm 1; and the norms that they had."""
    shares = np.full((simulation.num_features, 1), 1 - simulation.correlation)
    shares[: simulation.groups] = simulation.correlation
    loadings = np.sqrt(shares) * _incidence(simulation)
    loadings += (simulation.count_variation - 1) * loadings.mean(1, keepdims=True)
    norms = np.linalg.norm(loadings, axis=0)
    return loadings / np.where(norms > 0, norms, 1), norms


def _part_rates(simulation: Simulation) -> tuple[Floats, float]:
    """Expected number of parts of each hidden number's type, and the squared variation of all.

    With n ~ Poisson(L m) parts of evidence v ~ Exponential(1), E[exp(-a sum v)] = exp(-L m a/(1+a))
    given the intensity L; for L of a gamma distribution of mean 1 and variance w that becomes
    (1 + w m a/(1+a))^(-1/w), which must be 1 - rate.
    """
    a = simulation.signal
    variance = (simulation.count_variation**2 - 1) / simulation.mean_labels
    hazard = -np.log1p(-rates(simulation))
    needed = np.expm1(variance * hazard) / variance if variance > 0 else hazard
    parts = needed * (1 + a) / a
    group = _group(simulation)
    rarest = np.array([parts[group == k].min() for k in range(simulation.groups)])
    shared = simulation.correlation * rarest
    nothing = simulation.num_features - simulation.groups - simulation.num_labels
    types = [shared, parts - shared[group], np.full(nothing, parts.mean())]
    return np.concatenate(types), variance


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
