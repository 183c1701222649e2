import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.decisions.cases import f_beta

d = sf.decisions


def all_sets(n):
    return np.array(list(itertools.product((0, 1), repeat=n)))


def expected(sets, joint, beta):
    """Expected F-beta of every set under a joint distribution over all sets."""
    return f_beta(sets[:, None], sets[None], beta, empty=1.0, axis=-1) @ np.asarray(
        joint, np.float64
    )


def joint_of(p, sets):
    return np.prod(np.where(sets == 1, p, 1 - p), -1)


def value_of(decided, sets, values):
    return values[np.argmax((sets == np.asarray(decided)).all(-1))]


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0, 0.7])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_no_set_has_a_larger_expected_f_under_independence(n, beta):
    rng = np.random.default_rng(n)
    # The last rows make the empty set optimal, and hold certain labels.
    p = rng.beta(0.5, 1.0, (12, n)).astype(np.float32)
    p[-3:] = [[0.01], [0.0], [1.0]]
    decided = d.f_maximizer(beta=beta)(p)
    sets = all_sets(n)
    for row, h in zip(p, decided, strict=True):
        values = expected(sets, joint_of(row.astype(float), sets), beta)
        # Two sets whose expected F differ by float32 rounding are equally good.
        assert value_of(h, sets, values) >= values.max() - 1e-6
    assert not decided[-3:-1].any()
    assert decided[-1].all()


@pytest.mark.slow
def test_no_set_of_ten_labels_has_a_larger_expected_f():
    p = np.random.default_rng(3).beta(0.6, 1.4, (3, 10)).astype(np.float32)
    sets = all_sets(10)
    for row, h in zip(p, d.f_maximizer()(p), strict=True):
        values = expected(sets, joint_of(row.astype(float), sets), 1.0)
        assert value_of(h, sets, values) >= values.max() - 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("n", [3, 6])
def test_no_set_has_a_larger_expected_f_under_any_joint_distribution(n, beta):
    rng = np.random.default_rng(n)
    sets = all_sets(n)
    joint = rng.dirichlet(np.full(len(sets), 0.1), 6)
    joint[0] = 0.1 * joint[0] + 0.9 * (sets.sum(-1) == 0)
    matrix = np.einsum("bs,sij->bij", joint, np.asarray(d.count_matrix_of_labels(sets)))
    decided = d.f_maximizer(beta=beta).from_counts(matrix)
    for h, row in zip(decided, joint, strict=True):
        values = expected(sets, row, beta)
        assert value_of(h, sets, values) >= values.max() - 1e-6
    assert not decided[0].any()


def test_the_matrix_of_marginals_is_that_of_the_joint_distribution():
    p = np.random.default_rng(0).random((3, 7))
    p[0, :3] = [0.0, 0.5, 1.0]
    sets = all_sets(7)
    joint = np.stack([joint_of(row, sets) for row in p])
    exact = np.einsum("bs,sij->bij", joint, np.asarray(d.count_matrix_of_labels(sets)))
    np.testing.assert_allclose(d.count_matrix_of_marginals(p), exact, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("center", [0.01, 0.5, 0.99])
def test_the_matrix_of_five_hundred_marginals_is_accurate_in_float32(center):
    rng = np.random.default_rng(1)
    p = np.clip(center + 0.02 * rng.standard_normal(500), 0, 1)
    p[:10] = 0.5
    single = d.count_matrix_of_marginals(p.astype(np.float32))
    with jax.enable_x64(True):
        double = d.count_matrix_of_marginals(jnp.asarray(p.astype(np.float32), jnp.float64))
        # Row sums are the marginals, whatever the method.
        np.testing.assert_allclose(double.sum(-1), p.astype(np.float32), atol=1e-9)
    np.testing.assert_allclose(single, double, atol=1e-5)


@pytest.mark.slow
def test_both_ways_agree_on_independent_labels():
    p = np.random.default_rng(5).random((20, 9)).astype(np.float32)
    decision = d.f_maximizer(beta=1.5)
    np.testing.assert_array_equal(decision(p), decision.from_counts(d.count_matrix_of_marginals(p)))


@pytest.mark.slow
def test_the_empty_probability_follows_from_the_matrix():
    p = jnp.asarray([[0.2, 0.1, 0.3]])
    matrix = d.count_matrix_of_marginals(p)
    given = d.f_maximizer().from_counts(matrix, jnp.prod(1 - p, -1))
    np.testing.assert_array_equal(given, d.f_maximizer().from_counts(matrix))


@pytest.mark.parametrize("beta", [0.5, 2.3])
@pytest.mark.parametrize("kind", ["sparse", "dense", "sure", "ties"])
def test_the_best_size_is_that_of_the_whole_matrix(kind, beta):
    # From the marginals only the sizes that matter are summed, one after the other.
    rng = np.random.default_rng(7)
    p = {
        "sparse": rng.beta(0.1, 5.0, (2, 300)),
        "dense": rng.random((2, 300)),
        "sure": np.where(rng.random((2, 300)) < 0.5, 1.0, 1e-6),
        "ties": np.round(4 * rng.random((2, 300))) / 4,
    }[kind].astype(np.float32)
    decision = d.f_maximizer(beta=beta)
    decided = decision(p)
    with jax.enable_x64(True):
        matrix = np.asarray(d.count_matrix_of_marginals(p.astype(np.float64)))
    sizes = np.arange(1, 301)
    weights = (1 + beta**2) / (beta**2 * sizes[:, None] + sizes[None])
    for row, h, joint in zip(p, decided, matrix, strict=True):
        order = np.argsort(-row, kind="stable")
        values = np.sum(np.cumsum(joint[order], 0) * weights.T, -1)
        values = np.append(np.prod(1 - row.astype(float)), values)
        k = int(h.sum())
        assert h[order[:k]].all()
        # Two sets whose expected F differ by float32 rounding are equally good.
        assert values[k] >= values.max() - 1e-6


@pytest.mark.slow
def test_many_examples_are_mapped_in_parts():
    p = np.random.default_rng(6).random((70, 300)).astype(np.float32)
    whole = d.f_maximizer()(p)
    np.testing.assert_array_equal(whole[50], d.f_maximizer()(p[50]))
    assert d.f_maximizer()(p[:0]).shape == (0, 300)


def test_equal_probabilities_take_the_lower_index():
    decided = d.f_maximizer(beta=0.25)(jnp.asarray([0.0, 0.75, 0.75, 0.0]))
    assert decided.tolist() in ([False, True, True, False], [False, True, False, False])


def test_bad_input_raises():
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]; calibrate"):
        d.f_maximizer()(jnp.asarray([2.0, -1.0]))
    with pytest.raises(ValueError, match="beta must be a finite number > 0"):
        d.f_maximizer(beta=-1.0)
    with pytest.raises(ValueError, match=r"matrix must have shape"):
        d.f_maximizer().from_counts(jnp.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"empty must have shape \(2,\)"):
        d.f_maximizer().from_counts(jnp.zeros((2, 4, 4)), jnp.zeros(3))
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        d.count_matrix_of_labels(jnp.asarray([2, 0]))


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.5, 1, 2])
@pytest.mark.parametrize("m", [3, 4, 5, 6])
def test_goldens_of_gfm(goldens, m, beta):
    vectors = goldens("decisions")
    at = f"gfm/joint_m={m}"
    matrix, empty = vectors[f"{at}/P"], vectors[f"{at}/P0"]
    decided = d.f_maximizer(beta=beta).from_counts(matrix, empty)
    np.testing.assert_array_equal(decided, vectors[f"{at}/beta={beta}/bf_argmax_any"])
    # The public code never returns the empty set: without it, ours is the same.
    nonempty = d.f_maximizer(beta=beta).from_counts(matrix, np.zeros_like(empty))
    np.testing.assert_array_equal(nonempty, vectors[f"{at}/beta={beta}/pred"])
    np.testing.assert_array_equal(nonempty, vectors[f"{at}/beta={beta}/bf_argmax_nonempty"])


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.5, 1, 2])
def test_goldens_of_independent_labels(goldens, beta):
    vectors = goldens("decisions")
    p = vectors["gfm/independent/marginals"]
    matrix = d.count_matrix_of_marginals(p)
    np.testing.assert_allclose(matrix, vectors["gfm/independent/P"], atol=1e-6)
    best = vectors[f"gfm/independent/beta={beta}/bf_argmax_any"]
    np.testing.assert_array_equal(d.f_maximizer(beta=beta)(p), best)


def test_goldens_of_the_label_matrix(goldens):
    vectors = goldens("decisions")
    at = "gfm/labelmatrix_to_GFM_matrix"
    matrix = d.count_matrix_of_labels(vectors[f"{at}/labels"])
    # Their column 0 holds P(y_i = 0), which is no part of the matrix.
    np.testing.assert_array_equal(matrix, vectors[f"{at}/value"][..., 1:])
    sizes = np.arange(1, matrix.shape[-1] + 1)
    np.testing.assert_array_equal(matrix @ sizes, vectors["gfm/labels_to_matrix_Y/value"])
