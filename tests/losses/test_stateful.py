"""Losses with state: init, (value, state), the same under jit, scan and several devices."""

import dataclasses
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.catalogue import batch, edge_cases, tree_allclose

KEY = jax.random.key(0)


@dataclasses.dataclass(frozen=True, eq=False)
class Stateful:
    name: str
    hyper: dict[str, Any] = dataclasses.field(default_factory=dict)
    data: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self):
        return self.name

    @property
    def init(self):
        return getattr(sf.losses, self.name).init

    def __call__(self, logits, labels, state, **kwargs):
        loss = getattr(sf.losses, self.name)
        return loss(logits, labels, state, **self.hyper, **self.data, **kwargs)


CASES = [
    Stateful("tencent", {}, {"key": KEY}),
    Stateful("cost_sensitive_f_beta", {"beta": 2.0}),
    Stateful("cost_sensitive_jaccard", {"average": "micro"}),
    Stateful("recall_at_precision"),
    Stateful("precision_at_recall", {"recall": 0.7}),
    Stateful("f_bound"),
    Stateful("average_precision"),
]
every = pytest.mark.parametrize("case", CASES, ids=str)


def data(seed, shape=(12, 5)):
    logits, labels = batch(seed, shape)
    return jnp.asarray(logits, jnp.float32), jnp.asarray(labels)


@pytest.mark.slow
@every
def test_objective_and_function_agree_and_the_state_keeps_its_structure(case):
    logits, labels = data(0)
    state = case.init(5)
    value, after = case(logits, labels, state)
    objective = getattr(sf.objectives, case.name)(**case.hyper)
    tree_allclose((value, after), objective(logits, labels, objective.init(5), **case.data))
    assert value.shape == ()
    assert jax.tree.structure(after) == jax.tree.structure(state)
    for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
        assert (old.shape, old.dtype) == (new.shape, new.dtype)


@pytest.mark.slow
@every
def test_a_state_takes_in_no_nan(case):
    logits, labels = data(2)
    state = case.init(5)
    value, after = jax.jit(case)(logits.at[2, 3].set(jnp.nan), labels, state)
    assert np.isnan(value)
    tree_allclose(after, state, rtol=0, atol=0)
    where = jnp.ones(labels.shape, bool).at[2, 3].set(False)
    masked = jax.jit(case)(logits.at[2, 3].set(jnp.nan), labels, state, where=where)
    tree_allclose(masked, jax.jit(case)(logits, labels, state, where=where))


@pytest.mark.slow
@every
def test_objectives_with_state_are_plain_data(case):
    objective, other = (getattr(sf.objectives, case.name)(**case.hyper) for _ in range(2))
    again = pickle.loads(pickle.dumps(objective))
    assert objective == other == again
    assert hash(objective) == hash(other) == hash(again)
    logits, labels = data(3)
    state = case.init(5)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        jax.eval_shape(jax.grad(lambda z: case(z, labels, state)[0]), logits)
    with jax.debug_nans(True):
        jax.value_and_grad(lambda z: case(z, labels, state), has_aux=True)(logits)


def test_a_label_that_never_occurs_keeps_the_weight_of_its_negatives():
    objective = sf.objectives.cost_sensitive_f_beta()
    logits, labels = jnp.full((4, 1), -1.0), jnp.zeros((4, 1), int)

    def step(state, _):
        value, state = objective(logits, labels, state)
        return state, value

    # 3,000 batches: 0.95^1400 is below what float32 can divide by.
    _, values = jax.jit(lambda s: jax.lax.scan(step, s, None, length=3000))(objective.init(1))
    np.testing.assert_allclose(values, values[0], rtol=1e-4)


@pytest.mark.slow
def test_padding_that_repeats_an_index_keeps_the_memory_of_the_real_example():
    logits, labels = data(4, (8, 5))
    loss, state = sf.losses.average_precision, sf.losses.average_precision.init(5, 20)
    where = (jnp.arange(8) < 4)[:, None]
    index = jnp.array([0, 1, 2, 3, 0, 0, -1, 99])
    padded = loss(logits, labels, state, where=where, index=index)
    tree_allclose(padded, loss(logits[:4], labels[:4], state, index=index[:4]))
    for wrong in (index, jnp.arange(8) + 15):
        with pytest.raises(ValueError, match=r"index must hold different numbers in 0\.\.19"):
            loss(logits, labels, state, index=wrong)


@pytest.mark.slow
@every
def test_scan_over_batches_equals_a_loop(case):
    logits, labels = data(1, (3, 12, 5))

    def step(state, batch):
        value, state = case(*batch, state)
        return state, value

    last, values = jax.jit(lambda z, y: jax.lax.scan(step, case.init(5), (z, y)))(logits, labels)
    state = case.init(5)
    for i in range(3):
        value, state = jax.jit(case)(logits[i], labels[i], state)
        np.testing.assert_allclose(value, values[i], rtol=1e-5)
    tree_allclose(state, last)


@pytest.mark.slow
@every
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_value_gradient_and_state_are_finite(case, dtype):
    function = jax.jit(jax.value_and_grad(lambda z, y, w, s: case(z, y, s, where=w), has_aux=True))
    for name, (logits, labels, where) in edge_cases().items():
        mask = np.ones(labels.shape, bool) if where is None else where
        state = case.init(6)
        for _ in range(2):
            (value, state), gradient = function(jnp.asarray(logits, dtype), labels, mask, state)
            gradient = np.asarray(gradient, np.float32)
            assert value.dtype == jnp.float32, name
            assert np.isfinite(value), name
            assert np.isfinite(gradient).all(), name
            assert not gradient[~mask].any(), name
            assert all(np.isfinite(x).all() for x in jax.tree.leaves(state)), name


@pytest.mark.slow
@every
def test_shards_under_an_axis_name_equal_the_whole_batch(case):
    logits, labels = data(2, (4, 3, 5))
    state = case.init(5)

    def shard(z, y):
        return jax.value_and_grad(lambda z: case(z, y, state, axis_name="shards"), has_aux=True)(z)

    (values, states), gradients = jax.jit(jax.vmap(shard, axis_name="shards"))(logits, labels)
    (value, after), gradient = jax.value_and_grad(
        lambda z: case(z, labels.reshape(12, 5), state), has_aux=True
    )(logits.reshape(12, 5))
    for i in range(4):
        np.testing.assert_allclose(values[i], value, rtol=1e-5)
        tree_allclose(jax.tree.map(lambda x, i=i: x[i], states), after)
    # Under vmap a psum's gradient counts every shard's copy of the loss: the mean is right.
    np.testing.assert_allclose(gradients.reshape(12, 5) / 4, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@every
def test_a_mask_equals_a_subset(case):
    logits, labels = data(3)
    rows = np.ones(12, bool)
    rows[[2, 7]] = False
    state = case.init(5)
    masked = case(logits, labels, state, where=rows[:, None])
    tree_allclose(masked, case(logits[rows], labels[rows], state))


@pytest.mark.slow
@every
def test_no_gradient_flows_through_the_state(case):
    logits, labels = data(4)
    state = case.init(5)
    floats = jax.grad(lambda s: case(logits, labels, s)[0])(state)
    assert not any(np.any(x) for x in jax.tree.leaves(floats))


@pytest.mark.slow
def test_the_cost_sensitive_level_settles_at_the_score_of_the_decisions():
    logits, labels = data(5)
    for average in ("macro", "micro"):
        objective = sf.objectives.cost_sensitive_f_beta(average=average, decay=0.5)
        state = objective.init(5)
        step = jax.jit(lambda s, o=objective: o(logits, labels, s)[1])
        for _ in range(40):
            state = step(state)
        score = sf.metrics.f1(logits >= 0, labels, average=None if average == "macro" else average)
        np.testing.assert_allclose(objective.level_of(state), score, rtol=1e-5)


@pytest.mark.slow
def test_the_cost_sensitive_minimum_weighs_positives_by_two_minus_the_level():
    """One logit for all examples: its best probability p solves the weighted cross-entropy."""
    labels = jnp.array([[1], [0], [0], [0]])
    loss = sf.losses.cost_sensitive_f_beta
    state = loss.init(1)
    for level in (0.4, 0.5, 0.6):

        def slope(z, level=level):
            return jax.grad(lambda z: loss(jnp.full((4, 1), z), labels, state, level=level)[0])(z)

        # (2 - level) / 4 * (1 - p) = level * 3 / 4 * p.
        p = (2 - level) / (2 - level + 3 * level)
        np.testing.assert_allclose(slope(jnp.log(p / (1 - p))), 0, atol=1e-6)


@pytest.mark.slow
def test_labels_absent_from_the_batch_keep_a_gradient():
    logits, labels = data(6)
    labels = labels.at[:, 0].set(0)
    for name in ("cost_sensitive_f_beta", "cost_sensitive_jaccard", "f_bound"):
        loss = getattr(sf.losses, name)
        gradient = jax.grad(lambda z, loss=loss: loss(z, labels, loss.init(5))[0])(logits)
        assert np.any(gradient[:, 0] > 0), name
    macro = jax.grad(lambda z: sf.losses.soft_f1(z, labels))(logits)
    assert not np.any(macro[:, 0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["recall_at_precision", "precision_at_recall", "f_bound"])
def test_multipliers_ascend_where_violated_and_stay_non_negative(name):
    loss = getattr(sf.losses, name)
    labels = jnp.array([[1, 1], [0, 0]])
    # The first label is ranked right beyond the margin, the second wrong.
    logits = jnp.array([[5.0, -5.0], [-5.0, 5.0]])
    state = loss.init(2)
    for _ in range(300):
        _, state = loss(logits, labels, state)
    assert state.multiplier[0] == 0
    assert state.multiplier[1] > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["recall_at_precision", "precision_at_recall"])
def test_multipliers_step_along_the_gradient_of_the_lagrangian(name):
    logits, labels = data(7)
    objective = getattr(sf.objectives, name)(dual_rate=0.01)
    statistics, state = objective.statistics(logits, labels), objective.init(5)
    gradient = jax.grad(lambda s: objective.value(statistics, s)[0])(state).multiplier
    _, after = objective.value(statistics, state)
    # The value is a mean over 5 labels.
    np.testing.assert_allclose(after.multiplier - 1, 0.01 * 5 * gradient, rtol=1e-3)


@pytest.mark.slow
def test_f_bound_bounds_f1_from_below():
    """At the best multiplier it is p (L+ + L-) / (p - L+) = p r, and 1 / (1 + r / 2) <= F1."""
    labels = jnp.array([[1], [1], [0], [0]])
    logits = jnp.array([[2.0], [0.8], [-0.7], [-3.0]])
    positive, negative, share = 0.2 / 4, 0.3 / 4, 0.5
    ratio = (positive + negative) / (share - positive)
    state = sf.losses.f_bound.init(1)
    loss = jax.jit(lambda s: sf.losses.f_bound(logits, labels, s, dual_rate=0.5))
    for _ in range(3000):
        value, state = loss(state)
    np.testing.assert_allclose(value, share * ratio, rtol=1e-3)
    assert 1 / (1 + ratio / 2) <= sf.metrics.f1(logits > 0, labels, average="macro")


def test_tencent_runs_count_batches_and_unknown_entries_cost_nothing():
    logits = jnp.array([[1.0, 2.0, -1.0]])
    labels = jnp.array([[1, 0, -1]])
    state = sf.losses.tencent.init(3)
    for i in range(3):
        value, state = sf.losses.tencent(logits, labels, state, negative_rate=1.0, key=KEY)
        assert state.positive_run.tolist() == [i + 1, 0, 0]
        assert state.negative_run.tolist() == [0, i + 1, i + 1]
    expected = -np.log10(3.01 / 10) * 12 * np.log1p(np.exp(-1)) + 0.001 * np.log1p(np.exp(2))
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    with pytest.raises(TypeError, match="key"):
        sf.losses.tencent(logits, labels, state)


@pytest.mark.slow
def test_average_precision_remembers_examples_by_their_index():
    logits, labels = data(8)
    loss = sf.losses.average_precision
    state = loss.init(5, 20)
    index = np.arange(12) + 4
    _, state = loss(logits, labels, state, index=index)
    touched = np.asarray(state.all > 0)
    assert touched[:, 4:16].sum() == labels.sum()
    assert not touched[:, :4].any()
    assert not touched[:, 16:].any()
    with pytest.raises(ValueError, match="index must be given exactly when"):
        loss(logits, labels, state)
    with pytest.raises(ValueError, match="index must be given exactly when"):
        loss(logits, labels, loss.init(5), index=index)


@pytest.mark.slow
def test_average_precision_of_a_perfect_ranking_is_better():
    logits, labels = data(9)
    loss = sf.losses.average_precision
    right, wrong = (loss(s * (2.0 * labels - 1), labels, loss.init(5))[0] for s in (5.0, -5.0))
    middle = loss(logits, labels, loss.init(5))[0]
    assert 0 <= right < middle < wrong <= 1


def test_states_round_trip_through_their_leaves():
    for case in CASES:
        state = case.init(5)
        leaves, structure = jax.tree.flatten(state)
        stored = [np.asarray(x) for x in leaves]
        tree_allclose(jax.tree.unflatten(structure, stored), state)
