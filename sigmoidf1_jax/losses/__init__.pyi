"""Written by `python -m sigmoidf1_jax.losses._stub`; do not edit."""

from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.objective import AxisName
from sigmoidf1_jax.scores import Score
from sigmoidf1_jax.surrogates import Surrogate

__all__ = [
    "binary_cross_entropy",
    "double_soft_f1",
    "f_beta",
    "focal",
    "from_score",
    "sigmoid_f1",
    "soft_f1",
    "tversky",
    "unbounded_f1",
]

def binary_cross_entropy(
    logits: Logits,
    labels: Labels,
    pos_weight: ArrayLike = 1.0,
    label_smoothing: ArrayLike = 0.0,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]: ...
def double_soft_f1(
    logits: Logits,
    labels: Labels,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def f_beta(
    logits: Logits,
    labels: Labels,
    beta: ArrayLike = 1.0,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def focal(
    logits: Logits,
    labels: Labels,
    gamma: ArrayLike = 2.0,
    alpha: ArrayLike | None = None,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]: ...
def from_score(
    logits: Logits,
    labels: Labels,
    score: Score,
    surrogate: Surrogate | None = None,
    *,
    average: Average | None = "macro",
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def sigmoid_f1(
    logits: Logits,
    labels: Labels,
    slope: ArrayLike = 1.0,
    offset: ArrayLike = 0.0,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    surrogate: Surrogate | None = None,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def soft_f1(
    logits: Logits,
    labels: Labels,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def tversky(
    logits: Logits,
    labels: Labels,
    alpha: ArrayLike = 0.5,
    beta: ArrayLike = 0.5,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def unbounded_f1(
    logits: Logits,
    labels: Labels,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
