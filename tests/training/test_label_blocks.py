"""Losses by blocks of labels: the direct form's value and gradients, in a fraction of its memory."""

import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from sigmoidf1_jax.training import label_blocks, label_blocks_top_k
from tests.catalogue import AVERAGES

BATCH, FEATURES, LABELS = 9, 4, 13

OBJECTIVES = {
    "binary_cross_entropy": sf.objectives.binary_cross_entropy(pos_weight=2.0),
    "focal": sf.objectives.focal(gamma=1.5),
    **{f"soft_f1 {a}": sf.objectives.soft_f1(average=a, smoothing=0.1) for a in AVERAGES},
    **{f"sigmoid_f1 {a}": sf.objectives.sigmoid_f1(2.0, 0.5, average=a) for a in AVERAGES},
    "f_beta micro": sf.objectives.f_beta(2.0, average="micro"),
    "zlpr": sf.objectives.zlpr(),
    "pairwise_logistic": sf.objectives.pairwise_logistic(),
    "bp_mll": sf.objectives.bp_mll(),
    "two_way": sf.objectives.two_way(),
    "cross_entropy_with_count": sf.objectives.cross_entropy_with_count(0.5),
    "positive_unlabeled": sf.objectives.positive_unlabeled(0.3),
    "auc_margin": sf.objectives.auc_margin(),
}
# Every way in which parts join.
MIX = (
    0.3 * OBJECTIVES["binary_cross_entropy"]
    + OBJECTIVES["sigmoid_f1 macro"]
    + 2.0 * OBJECTIVES["soft_f1 samples"]
    + 0.1 * OBJECTIVES["zlpr"]
)


def data(dtype=np.float64, labels=LABELS):
    rng = np.random.default_rng(0)
    y = rng.random((BATCH, labels)) < 0.3
    y[2], y[3] = False, True
    layer = (
        rng.normal(size=(BATCH, FEATURES)).astype(dtype),
        rng.normal(size=(FEATURES, labels)).astype(dtype),
        rng.normal(size=labels).astype(dtype),
    )
    return layer, y


def indices_of(labels):
    """Padded indices with padding on both sides, one of it out of range, and repetitions."""
    rows = np.full((labels.shape[0], 2 * labels.shape[1] + 2), -1)
    for row, y in zip(rows, labels, strict=True):
        found = np.flatnonzero(y)
        row[1 : 1 + 2 * len(found)] = np.repeat(found, 2)
        row[-1] = labels.shape[1]
    return rows


def direct(objective, features, kernel, bias, labels, **options):
    return jnp.sum(objective(features @ kernel + bias, labels, **options))


def both(objective, layer, labels, block_size, *, sparse=False, **options):
    """Value and gradients (objective's numbers, features, kernel, bias) of both forms."""

    def blocked(objective, features, kernel, bias):
        targets = {"label_indices": indices_of(labels)} if sparse else {"labels": labels}
        loss = label_blocks(objective, block_size=block_size)
        return jnp.sum(loss(features, kernel, bias=bias, **targets, **options))

    def whole(objective, *layer):
        return direct(objective, *layer, labels, **options)

    layer = tuple(jnp.asarray(x) for x in layer)
    objective = jax.tree.map(lambda x: jnp.asarray(x, layer[0].dtype), objective)
    return [
        jax.jit(jax.value_and_grad(f, (0, 1, 2, 3)))(objective, *layer) for f in (blocked, whole)
    ]


def assert_equal(blocked, whole, tolerance):
    """Differences of at most `tolerance` of each array's largest entry."""
    assert jax.tree.structure(blocked) == jax.tree.structure(whole)
    for got, expected in zip(jax.tree.leaves(blocked), jax.tree.leaves(whole), strict=True):
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        scale = max(np.abs(expected).max(), 1e-3)
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_value_and_gradients_are_those_of_the_direct_form(objective):
    layer, labels = data()
    where = np.random.default_rng(1).random(labels.shape) < 0.8
    where[:, 4], where[5] = False, False
    weights = np.random.default_rng(2).uniform(0.2, 2, (BATCH, 1))
    with jax.enable_x64(True):
        assert_equal(*both(objective, layer, labels, 5, where=where, weights=weights), 1e-12)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("block_size", [1, 4, 13, 50])
def test_any_block_size_and_both_kinds_of_labels(block_size, sparse):
    layer, labels = data()
    with jax.enable_x64(True):
        assert_equal(*both(MIX, layer, labels, block_size, sparse=sparse), 1e-12)


# Sums of some ten terms in another order: a few roundings of float32.
FLOAT32 = 1e-6


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({}, LABELS),
        ({}, 1),
        ({"weights": np.linspace(0, 2, LABELS)}, LABELS),
        ({"where": np.arange(BATCH)[:, None] != 2, "weights": 3.0}, LABELS),
        ({"where": np.zeros(LABELS, bool)}, LABELS),
    ],
    ids=["plain", "one label", "weights of labels", "mask of examples", "nothing counts"],
)
def test_float32_masks_and_weights_that_are_not_broadcast(options, labels):
    layer, y = data(np.float32, labels)
    options = {k: jnp.asarray(v) for k, v in options.items()}
    assert_equal(*both(MIX, layer, y, 6, **options), FLOAT32)


def test_a_batch_without_positives():
    layer, labels = data(np.float32)
    assert_equal(*both(MIX, layer, np.zeros_like(labels), 6), FLOAT32)
    # Padding alone, and no room for any index.
    loss = label_blocks(MIX, block_size=6)
    expected = direct(MIX, *layer, np.zeros_like(labels))
    for width in (0, 3):
        none = np.full((BATCH, width), -1)
        value = loss(*layer[:2], bias=layer[2], label_indices=none)
        np.testing.assert_allclose(value, expected, rtol=FLOAT32)


def test_numbers_per_label_are_cut_and_get_their_gradient():
    layer, labels = data()
    slope, offset = np.linspace(0.5, 3, LABELS), np.linspace(-1, 1, LABELS)
    objective = sf.objectives.sigmoid_f1(slope, offset) + sf.objectives.binary_cross_entropy(
        np.linspace(1, 2, LABELS)
    )
    with jax.enable_x64(True):
        assert_equal(*both(objective, layer, labels, 5), 1e-12)


def test_as_many_features_examples_and_indices_as_labels():
    """Only what holds labels is cut, whatever its shape."""
    rng = np.random.default_rng(0)
    square = rng.normal(size=(6, 6))
    layer, labels = (square, square.T, square[0]), rng.random((6, 6)) < 0.4
    weights = rng.uniform(0.5, 1, (6, 1))
    indices = np.where(labels, np.arange(6), -1)
    with jax.enable_x64(True):
        expected = direct(MIX, *layer, labels, weights=weights)
        value = label_blocks(MIX, block_size=4)(
            *layer[:2], bias=layer[2], label_indices=indices, weights=weights
        )
        np.testing.assert_allclose(value, expected, rtol=1e-12)


@pytest.mark.parametrize("scale", [60.0, 1e4])
def test_huge_logits_are_finite_and_equal(scale):
    layer, labels = data(np.float32)
    layer = (np.eye(BATCH, dtype=np.float32), scale * np.sign(layer[0] @ layer[1]), layer[2])
    # The direct form's own rounding at logits of 1e4 is 6e-8 * 1e4 in a loss of about 1e4.
    assert_equal(*both(MIX, layer, labels, 5), FLOAT32)


def test_gradients_of_gradients():
    layer, labels = data()
    with jax.enable_x64(True):
        features, kernel, bias = (jnp.asarray(x) for x in layer)
        direction = jnp.cos(jnp.arange(kernel.size)).reshape(kernel.shape)

        def curvature(loss):
            return jax.jit(jax.grad(lambda w: jnp.vdot(jax.grad(loss)(w), direction)))(kernel)

        blocked = curvature(lambda w: label_blocks(MIX, block_size=5)(features, w, labels))
        whole = curvature(lambda w: MIX(features @ w, labels))
        np.testing.assert_allclose(blocked, whole, rtol=0, atol=1e-12 * np.abs(whole).max())


def test_half_precision_accumulates_in_float32():
    layer, labels = data(np.float32)
    features, kernel, bias = (jnp.asarray(x, jnp.bfloat16) for x in layer)
    loss = label_blocks(MIX, block_size=5)
    value, gradients = jax.value_and_grad(
        lambda x, w, b: loss(x, w, labels, bias=b), argnums=(0, 1, 2)
    )(features, kernel, bias)
    assert value.dtype == jnp.float32
    assert {g.dtype for g in gradients} == {jnp.dtype(jnp.bfloat16)}
    same = [np.asarray(x, np.float32) for x in (features, kernel, bias)]
    np.testing.assert_allclose(value, direct(MIX, *same, labels), rtol=FLOAT32)
    expected = jax.grad(lambda *layer: direct(MIX, *layer, labels), argnums=(0, 1, 2))(*same)
    for got, exact in zip(gradients, expected, strict=True):
        # Rounded once, to 8 bits.
        np.testing.assert_allclose(
            np.asarray(got, np.float32), exact, rtol=2.0**-8, atol=1e-6 * np.abs(exact).max()
        )


def test_one_trace_for_each_shape_and_none_for_other_numbers():
    traces = []

    def score(confusion):
        traces.append(1)
        return sf.scores.f1(confusion)

    @jax.jit
    def loss(objective, features, kernel, labels):
        return label_blocks(objective, block_size=5)(features, kernel, labels)

    (features, kernel, _), labels = data(np.float32)
    make = [sf.objectives.from_score(score, surrogate=sf.surrogates.sigmoid(s)) for s in (1.0, 2.0)]
    for objective in make:
        loss(objective, features, kernel, labels)
    first = len(traces)
    loss(make[0], features[:4], kernel, labels[:4])
    assert len(traces) == 2 * first


@pytest.mark.parametrize(
    "objective",
    [sf.objectives.binary_cross_entropy(), sf.objectives.focal(), sf.objectives.soft_f1()]
    + [sf.objectives.sigmoid_f1(average=a) for a in ("micro", "samples")]
    + [sf.objectives.zlpr()],
    ids=lambda o: repr(o)[:40],
)
def test_memory_of_a_hundred_thousand_labels(objective):
    """Compiled, not run: temporary memory is at most 0.15 of the direct form's."""

    def temporary(loss):
        shapes = ((256, 128), jnp.float32), ((128, 100_000), jnp.float32), ((256, 100_000), bool)
        arrays = [jax.ShapeDtypeStruct(*x) for x in shapes]
        compiled = jax.jit(jax.value_and_grad(loss, (0, 1))).lower(*arrays).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    blocks = temporary(label_blocks(objective))
    assert blocks <= 0.15 * temporary(lambda x, w, y: objective(x @ w, y))


def call(**changes):
    (features, kernel, bias), labels = data(np.float32)
    arguments = {"features": features, "kernel": kernel, "labels": labels, "bias": bias, **changes}
    objective = arguments.pop("objective", MIX)
    block_size = arguments.pop("block_size", 5)
    return label_blocks(objective, block_size=block_size)(**arguments)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"block_size": 0}, ValueError, "block_size must be >= 1, got 0"),
        ({"objective": sf.losses.soft_f1}, TypeError, "objective must be an Objective"),
        ({"objective": sf.objectives.tencent()}, TypeError, "without state"),
        ({"objective": sf.objectives.rank_hinge()}, TypeError, "rank_hinge.* is not separable"),
        ({"objective": MIX + sf.objectives.sparsemax()}, TypeError, "sparsemax.* is not separable"),
        (
            {"objective": sf.objectives.distribution_balanced(30.0, 100.0)},
            TypeError,
            "distribution_balanced.* is not separable",
        ),
        (
            {"objective": sf.objectives.sigmoid_f1(slope=np.ones(3))},
            ValueError,
            r"slope must be a scalar or have shape \[num_labels\] = \(13,\), got \(3,\)",
        ),
        ({"objective": sf.objectives.focal(gamma=-1.0)}, ValueError, "gamma must be a finite"),
        ({"labels": None}, ValueError, "give either labels or label_indices"),
        ({"label_indices": np.zeros((BATCH, 2), int)}, ValueError, "give either labels or"),
        ({"labels": np.zeros((BATCH, 4))}, ValueError, r"the same shape .*\(9, 13\).*\(9, 4\)"),
        ({"labels": np.full((BATCH, LABELS), 2)}, ValueError, r"labels must lie in \[0, 1\]"),
        (
            {"labels": None, "label_indices": np.zeros((BATCH, 2))},
            TypeError,
            "label_indices must be integers, got float",
        ),
        (
            {"labels": None, "label_indices": np.zeros((3, 2), int)},
            ValueError,
            r"label_indices must be .* got label_indices \(3, 2\)",
        ),
        ({"features": np.zeros((BATCH, 3), np.float32)}, ValueError, r"kernel \(4, 13\)"),
        ({"features": np.zeros((BATCH, 4), int)}, TypeError, "features must be floating"),
        ({"kernel": np.zeros((4, 0), np.float32)}, ValueError, "at least one label"),
        ({"bias": np.zeros(3, np.float32)}, ValueError, r"bias must have shape .*\(13,\)"),
        ({"bias": np.zeros(13, int)}, TypeError, "bias must be floating"),
        ({"where": np.ones(BATCH, bool)}, ValueError, "where must broadcast"),
        ({"where": np.ones(LABELS)}, TypeError, "where must be bool"),
        ({"weights": -np.ones(LABELS)}, ValueError, "weights must be >= 0"),
        (
            {"labels": np.full((BATCH, LABELS), 2), "where": np.ones((BATCH, 1), bool)},
            ValueError,
            r"labels must lie in \[0, 1\]",
        ),
    ],
)
def test_mistakes_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        call(**changes)


@pytest.mark.parametrize("block_size", [1, 3, 5, 13, 20])
@pytest.mark.parametrize("k", [1, 4, 13])
def test_top_k_is_that_of_all_logits(k, block_size):
    # Few different logits, so that most of them are tied, and labels that are ruled out.
    rng = np.random.default_rng(3)
    features, kernel = (rng.integers(-1, 2, shape) for shape in ((40, 2), (2, LABELS)))
    features, kernel = features.astype(np.float32), kernel.astype(np.float32)
    bias = np.where(np.arange(LABELS) % 4 == 1, -np.inf, 0).astype(np.float32)
    got = label_blocks_top_k(features, kernel, k, bias=bias, block_size=block_size)
    expected = jax.lax.top_k(features @ kernel + bias, k)
    for x, y in zip(got, expected, strict=True):
        np.testing.assert_array_equal(x, y)
        assert x.dtype == y.dtype


@pytest.mark.parametrize("k", [0, 14])
def test_top_k_names_mistakes(k):
    (features, kernel, _), _ = data(np.float32)
    with pytest.raises(ValueError, match=f"k must lie in 1 to num_labels = 13, got {k}"):
        label_blocks_top_k(features, kernel, k)
    with pytest.raises(ValueError, match="block_size must be >= 1"):
        label_blocks_top_k(features, kernel, 1, block_size=-1)


def test_pmap_and_shard_map_over_8_devices_equal_one_device():
    root = pathlib.Path(__file__).parents[2]
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "PJRT_NPROC": "32",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(root),
    }
    command = [sys.executable, "-m", "tests.multi_device.check_label_blocks"]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "label blocks agree" in done.stdout
