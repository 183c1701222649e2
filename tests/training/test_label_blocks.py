"""Losses by blocks of labels: the direct form's values and gradients, in little memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from sigmoidf1_jax.training import label_blocks, label_blocks_top_k
from tests.catalogue import AVERAGES

BATCH, FEATURES, LABELS = 9, 4, 13

# Sums, since one compilation of several losses takes less time than one of each.
OBJECTIVES = {
    "pointwise": sf.objectives.binary_cross_entropy(pos_weight=2.0) + sf.objectives.focal(1.5),
    "averages": sum(
        sf.objectives.soft_f1(average=a, smoothing=0.1)
        + 2.0 * sf.objectives.sigmoid_f1(2.0, 0.5, average=a)
        for a in AVERAGES
    )
    + sf.objectives.f_beta(2.0, average="micro"),
    "within examples": sf.objectives.zlpr()
    + sf.objectives.pairwise_logistic()
    + 0.1 * sf.objectives.bp_mll()
    + sf.objectives.cross_entropy_with_count(0.5),
    "within labels": sf.objectives.two_way()
    + sf.objectives.positive_unlabeled(0.3)
    + sf.objectives.auc_margin(),
}
# Every way in which parts join.
MIX = (
    0.3 * sf.objectives.binary_cross_entropy()
    + 2.0 * sf.objectives.sigmoid_f1(2.0, 0.5)
    + 0.1 * sf.objectives.zlpr()
)
# These arrays are small: most of a test's time is the compiler's.
FAST = {"xla_backend_optimization_level": 0}


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
        jax.jit(jax.value_and_grad(f, (0, 1, 2, 3)), compiler_options=FAST)(objective, *layer)
        for f in (blocked, whole)
    ]


def assert_equal(blocked, whole, tolerance):
    """Differences of at most `tolerance` of each array's largest entry."""
    assert jax.tree.structure(blocked) == jax.tree.structure(whole)
    for got, expected in zip(jax.tree.leaves(blocked), jax.tree.leaves(whole), strict=True):
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        scale = max(np.abs(expected).max(), 1e-3)
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_value_and_gradients_are_those_of_the_direct_form(objective):
    layer, labels = data()
    where = np.random.default_rng(1).random(labels.shape) < 0.8
    where[:, 4], where[5] = False, False
    weights = np.random.default_rng(2).uniform(0.2, 2, (BATCH, 1))
    with jax.enable_x64(True):
        assert_equal(*both(objective, layer, labels, 5, where=where, weights=weights), 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("block_size", "sparse"), [(1, False), (4, True), (50, False)])
def test_any_block_size_and_both_kinds_of_labels(block_size, sparse):
    layer, labels = data()
    with jax.enable_x64(True):
        assert_equal(*both(MIX, layer, labels, block_size, sparse=sparse), 1e-12)


# Sums of some ten terms in another order: a few roundings of float32.
FLOAT32 = 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({}, LABELS),
        ({}, 1),
        ({"weights": np.linspace(0, 2, LABELS)[None].repeat(BATCH, 0)}, LABELS),
        ({"where": np.arange(BATCH)[:, None] != 2, "weights": 3.0}, LABELS),
        ({"where": np.zeros(LABELS, bool)}, LABELS),
    ],
    ids=["plain", "one label", "weights of entries", "mask of examples", "nothing counts"],
)
def test_float32_masks_and_weights_that_are_not_broadcast(options, labels):
    layer, y = data(np.float32, labels)
    options = {k: jnp.asarray(v) for k, v in options.items()}
    assert_equal(*both(MIX, layer, y, 6, **options), FLOAT32)


@pytest.mark.slow
def test_weights_of_labels_are_cut_and_refused_where_they_cancel():
    layer, y = data(np.float32)
    weights = jnp.linspace(0, 2, LABELS)
    weighted = sf.objectives.soft_f1(average="weighted") + sf.objectives.binary_cross_entropy()
    assert_equal(*both(weighted, layer, y, 6, weights=weights), FLOAT32)
    with pytest.raises(ValueError, match="weigh labels, which cancels"):
        both(MIX, layer, y, 6, weights=weights)


@pytest.mark.slow
def test_a_batch_without_positives():
    layer, labels = data(np.float32)
    assert_equal(*both(MIX, layer, np.zeros_like(labels), 6), FLOAT32)
    # Indices that are all padding, and no indices.
    loss = jax.jit(label_blocks(sf.objectives.binary_cross_entropy(), block_size=6))
    values = [loss(*layer[:2], label_indices=np.full((BATCH, width), -1)) for width in (3, 0)]
    expected = np.logaddexp(0, layer[0] @ layer[1]).mean()
    np.testing.assert_allclose(values, expected, rtol=FLOAT32)


@pytest.mark.slow
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
        expected = jax.jit(direct)(MIX, *layer, labels, weights=weights)
        loss = jax.jit(label_blocks(MIX, block_size=4))
        value = loss(*layer[:2], bias=layer[2], label_indices=indices, weights=weights)
        np.testing.assert_allclose(value, expected, rtol=1e-12)


@pytest.mark.slow
def test_huge_logits_are_finite_and_equal():
    scale = 1e4
    layer, labels = data(np.float32)
    layer = (np.eye(BATCH, dtype=np.float32), scale * np.sign(layer[0] @ layer[1]), layer[2])
    blocked, whole = both(MIX, layer, labels, 5)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(blocked))
    # A block's share of the sum of e^z is e to the difference of two logs, each rounded at its
    # own size: at |z| = 1e4 the direct form, too, knows z only to 1e-3.
    assert_equal(blocked, whole, 4 * np.finfo(np.float32).eps * scale)


@pytest.mark.slow
def test_gradients_of_gradients():
    layer, labels = data()
    with jax.enable_x64(True):
        features, kernel = (jnp.asarray(x) for x in layer[:2])
        direction = jnp.cos(jnp.arange(kernel.size)).reshape(kernel.shape)

        def curvature(loss):
            slope = jax.grad(lambda w: jnp.vdot(jax.grad(loss)(w), direction))
            return jax.jit(slope, compiler_options=FAST)(kernel)

        objective = sf.objectives.sigmoid_f1() + sf.objectives.zlpr()
        blocked = curvature(lambda w: label_blocks(objective, block_size=5)(features, w, labels))
        whole = curvature(lambda w: objective(features @ w, labels))
        np.testing.assert_allclose(blocked, whole, rtol=0, atol=1e-12 * np.abs(whole).max())


@pytest.mark.slow
def test_half_precision_accumulates_in_float32():
    layer, labels = data(np.float32)
    features, kernel, bias = (jnp.asarray(x, jnp.bfloat16) for x in layer)
    loss = label_blocks(MIX, block_size=5)
    value, gradients = jax.jit(
        jax.value_and_grad(lambda x, w, b: loss(x, w, labels, bias=b), (0, 1, 2)),
        compiler_options=FAST,
    )(features, kernel, bias)
    assert value.dtype == jnp.float32
    assert {g.dtype for g in gradients} == {jnp.dtype(jnp.bfloat16)}
    same = [np.asarray(x, np.float32) for x in (features, kernel, bias)]
    expected_value, expected = jax.jit(
        jax.value_and_grad(lambda *layer: direct(MIX, *layer, labels), (0, 1, 2)),
        compiler_options=FAST,
    )(*same)
    np.testing.assert_allclose(value, expected_value, rtol=FLOAT32)
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


@pytest.mark.slow
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


@pytest.mark.slow
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
            r"label_indices must be .* leading axes \(9,\), got \(3, 2\)",
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


@pytest.mark.slow
@pytest.mark.parametrize("block_size", [1, 5, 20])
@pytest.mark.parametrize("k", [1, 4, 13])
def test_top_k_is_that_of_all_logits(k, block_size):
    # Few different logits, so that most of them are tied, and labels that are ruled out.
    rng = np.random.default_rng(3)
    features, kernel = (rng.integers(-1, 2, shape) for shape in ((40, 2), (2, LABELS)))
    features, kernel = features.astype(np.float32), kernel.astype(np.float32)
    bias = np.where(np.arange(LABELS) % 4 == 1, -np.inf, 0).astype(np.float32)
    expected = jax.lax.top_k(features @ kernel + bias, k)
    for x64 in (False, True):
        with jax.enable_x64(x64):
            got = label_blocks_top_k(features, kernel, k, bias=bias, block_size=block_size)
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
