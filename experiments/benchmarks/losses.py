"""Losses with their gradients against optax, plain JAX and torch; the floor is `z + y`."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import sigmoidf1_jax as sf
from experiments.benchmarks.timing import OURS, Contender, Row, compiled, in_turns, installed
from sigmoidf1_jax.averaging import Average

Loss = Callable[[jax.Array, jax.Array], jax.Array]

SHAPES = [(256, 100), (256, 1_000), (4_096, 1_000), (256, 100_000), (100_000, 100)]
TYPES = (4_096, 1_000)
"""The shape on which types of labels are compared."""
EAGER = (256, 100)
POSITIVES = 0.03
FLOOR = "z + y"


class Subject(NamedTuple):
    """A loss here and at peers; `torch` names a function of experiments.benchmarks.torch_losses."""

    name: str
    ours: Callable[..., jax.Array]
    peers: Mapping[str, Loss] = {}
    torch: str | None = None


def plain_sigmoid_f1(average: str, z: jax.Array, y: jax.Array) -> jax.Array:
    """Sigmoid F1 of slope 1 and offset 0, as one writes it in a few lines."""
    axes: Any = {"macro": 0, "micro": (0, 1), "samples": 1, "weighted": 0}[average]
    h = jax.nn.sigmoid(z)
    tp = jnp.sum(h * y, axes)
    positives = jnp.sum(y, axes)
    f1 = 2 * tp / (jnp.sum(h, axes) + positives)
    if average == "weighted":
        return 1 - jnp.sum(f1 * positives) / jnp.sum(positives)
    return 1 - jnp.mean(f1)


def _cross_entropy(z: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(optax.sigmoid_binary_cross_entropy(z, y))


def _focal(z: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(optax.sigmoid_focal_loss(z, y, gamma=2.0))


CROSS_ENTROPY = {"optax BCE": _cross_entropy}
FOCAL = {"optax focal": _focal}


def _sigmoid_f1(average: Average) -> Subject:
    return Subject(
        f"sigmoid_f1, {average}",
        functools.partial(sf.losses.sigmoid_f1, slope=1.0, average=average),
        {"plain JAX": functools.partial(plain_sigmoid_f1, average), **CROSS_ENTROPY},
        f"sigmoid_f1_{average}",
    )


AVERAGES: tuple[Average, ...] = ("macro", "micro", "samples", "weighted")
COMPARED = [
    *(_sigmoid_f1(average) for average in AVERAGES),
    Subject(
        "binary_cross_entropy",
        sf.losses.binary_cross_entropy,
        CROSS_ENTROPY,
        "binary_cross_entropy",
    ),
    Subject("focal", sf.losses.focal, FOCAL, "focal"),
    Subject("asymmetric", sf.losses.asymmetric, FOCAL, "asymmetric"),
]
"""On every shape, against torch, too."""


def _with_frequencies(num_labels: int, num_examples: int) -> list[Subject]:
    frequency = np.maximum(1, np.arange(num_labels) % (num_examples // 10))
    known: Mapping[str, Any] = {"class_frequency": frequency, "num_examples": num_examples}
    return [
        Subject(
            "class_balanced", functools.partial(sf.losses.class_balanced, class_frequency=frequency)
        ),
        Subject("negative_tolerant", functools.partial(sf.losses.negative_tolerant, **known)),
        Subject(
            "distribution_balanced", functools.partial(sf.losses.distribution_balanced, **known)
        ),
    ]


OTHERS = [
    Subject(name, getattr(sf.losses, name))
    for name in (
        *("hill", "zlpr", "pairwise_logistic", "bp_mll"),
        *("rank_hinge", "two_way", "sparsemax"),
        *("hinge", "squared_hinge", "huber", "jaccard", "tversky", "mcc", "any_loss"),
    )
]
"""Against optax's binary cross-entropy alone."""


def run(*, quick: bool) -> Iterator[Row]:
    """Value and gradient in float32, then other types of labels, then eager values."""
    rounds = 3 if quick else 9
    for shape in SHAPES[:1] if quick else SHAPES:
        z, y = _data(shape)
        for subject in COMPARED:
            yield from _value_and_grad(subject, _name(shape), z, y, rounds)
        for other in [*OTHERS, *_with_frequencies(shape[1], 10 * shape[0])]:
            subject = other._replace(peers={**CROSS_ENTROPY, "our focal": sf.losses.focal})
            yield from _value_and_grad(subject, _name(shape), z, y, rounds)
    shape = SHAPES[0] if quick else TYPES
    z, y = _data(shape)
    for subject in COMPARED[0], COMPARED[4], COMPARED[5]:
        for dtype in (jnp.bool_, jnp.int32):
            yield from _types(subject, shape, z, y, dtype, rounds)
    z, y = _data(EAGER)
    for subject in COMPARED[0], COMPARED[4], OTHERS[1]:
        yield from _eager(subject, z, y, rounds)


def _name(shape: tuple[int, int]) -> str:
    return f"[{shape[0]}, {shape[1]}]"


def _data(shape: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    y = rng.random(shape, np.float32) < POSITIVES
    z = rng.standard_normal(shape, np.float32) + 2 * y
    return jnp.asarray(z), jnp.asarray(y, jnp.float32)


def _of_mean(loss: Callable[..., jax.Array]) -> Loss:
    return lambda z, y: jnp.mean(loss(z, y))


def _value_and_grad(
    subject: Subject, setting: str, z: jax.Array, y: jax.Array, rounds: int
) -> Iterator[Row]:
    contenders = {
        OURS: compiled(jax.value_and_grad(_of_mean(subject.ours)), z, y),
        FLOOR: compiled(jnp.add, z, y),
        **{
            name: compiled(jax.value_and_grad(_of_mean(peer)), z, y)
            for name, peer in subject.peers.items()
        },
        **_torch(subject, z, y),
    }
    yield from in_turns(f"{subject.name}, gradient", setting, contenders, rounds)


def _torch(subject: Subject, z: jax.Array, y: jax.Array) -> dict[str, Contender]:
    if subject.torch is None or not installed("torch"):
        return {}
    from experiments.benchmarks import torch_losses

    return torch_losses.contenders(subject.torch, np.asarray(z), np.asarray(y))


def _types(
    subject: Subject, shape: tuple[int, int], z: jax.Array, y: jax.Array, dtype: Any, rounds: int
) -> Iterator[Row]:
    """Ours with such labels against ours with float32 labels."""
    gradient = jax.value_and_grad(_of_mean(subject.ours))
    contenders = {
        OURS: compiled(gradient, z, y.astype(dtype)),
        "float32 labels": compiled(gradient, z, y),
    }
    setting = f"{_name(shape)}, {jnp.dtype(dtype).name} labels"
    yield from in_turns(f"{subject.name}, gradient", setting, contenders, rounds)


def _eager(subject: Subject, z: jax.Array, y: jax.Array, rounds: int) -> Iterator[Row]:
    contenders = {
        OURS: Contender(lambda: subject.ours(z, y)),
        "optax BCE": Contender(lambda: _cross_entropy(z, y)),
    }
    yield from in_turns(f"{subject.name}, eager value", _name(EAGER), contenders, rounds)
