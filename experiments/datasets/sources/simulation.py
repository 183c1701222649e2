"""The parameters of simulated data, and the constants that follow from them in closed form."""

import dataclasses
import math
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from experiments.errors import UserError

Structure = Literal["entity-wide", "sub-entity"]
Floats = npt.NDArray[np.float64]


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
        if self.structure == "entity-wide" and loadings(self)[1].min() < 1e-6:
            raise UserError(
                f"count_variation {self.count_variation:g} leaves the scores of labels nothing to "
                f"vary by with num_labels {self.num_labels}, groups {self.groups} and correlation "
                f"{self.correlation:g}; expected count_variation above 0"
            )


def rates(simulation: Simulation) -> Floats:
    """P(label = 1) before noise, commonest label first: [num_labels], summing to mean_labels.

    Example:
      >>> rates(Simulation(num_labels=3, mean_labels=0.7, imbalance=4.0, groups=1)).round(3)
      array([0.4, 0.2, 0.1])
    """
    steps = np.arange(simulation.num_labels) / max(simulation.num_labels - 1, 1)
    shape = simulation.imbalance**-steps
    return simulation.mean_labels * shape / shape.sum()


def _group(simulation: Simulation) -> npt.NDArray[np.intp]:
    """The group of each label: [num_labels], rising."""
    return np.arange(simulation.num_labels) * simulation.groups // simulation.num_labels


def incidence(simulation: Simulation) -> Floats:
    """1 where a label depends on a hidden number: [num_features, num_labels].

    Hidden numbers are the groups', the labels' own, and those that say nothing.
    """
    labels = np.arange(simulation.num_labels)
    incidence = np.zeros((simulation.num_features, simulation.num_labels))
    incidence[_group(simulation), labels] = 1
    incidence[simulation.groups + labels, labels] = 1
    return incidence


def loadings(simulation: Simulation) -> tuple[Floats, Floats]:
    """Scores' loadings on hidden numbers, columns of norm 1; and the norms that they had."""
    shares = np.full((simulation.num_features, 1), 1 - simulation.correlation)
    shares[: simulation.groups] = simulation.correlation
    loadings = np.sqrt(shares) * incidence(simulation)
    loadings += (simulation.count_variation - 1) * loadings.mean(1, keepdims=True)
    norms = np.linalg.norm(loadings, axis=0)
    return loadings / np.where(norms > 0, norms, 1), norms


def part_rates(simulation: Simulation) -> tuple[Floats, float]:
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
