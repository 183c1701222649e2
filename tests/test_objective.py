"""Objective: pytree, weighted sums, and what they refuse."""

import dataclasses
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from sigmoidf1_jax.label_parts import join
from tests.catalogue import CASES, batch, tree_allclose

LOGITS, LABELS = batch(0)
LOGITS = jnp.asarray(LOGITS, jnp.float32)


def test_numbers_are_leaves_and_choices_are_static():
    objective = sf.objectives.sigmoid_f1(slope=2.0, offset=0.5, average="micro")
    assert 2.0 in jax.tree.leaves(objective)
    assert "micro" not in jax.tree.leaves(objective)
    other = sf.objectives.sigmoid_f1(slope=7.0, average="micro")
    assert jax.tree.structure(objective) == jax.tree.structure(other)
    assert jax.tree.structure(objective) != jax.tree.structure(sf.objectives.sigmoid_f1())


@pytest.mark.slow
def test_a_batched_objective_maps_over_its_slopes():
    slopes = jnp.array([0.5, 1.0, 4.0])
    objectives = jax.vmap(lambda s: sf.objectives.sigmoid_f1(slope=s))(slopes)
    mapped = jax.vmap(lambda o: o(LOGITS, LABELS))(objectives)
    looped = [sf.losses.sigmoid_f1(LOGITS, LABELS, slope=s) for s in slopes]
    np.testing.assert_allclose(mapped, looped, rtol=1e-6)


@pytest.mark.slow
def test_gradient_with_respect_to_the_slope():
    objective = sf.objectives.sigmoid_f1(slope=2.0)
    gradient = jax.grad(lambda o: o(LOGITS, LABELS))(objective)
    step = 1e-2
    up, down = (sf.losses.sigmoid_f1(LOGITS, LABELS, slope=2.0 + d) for d in (step, -step))
    np.testing.assert_allclose(
        gradient.surrogate.parameters["slope"], (up - down) / (2 * step), rtol=1e-2
    )


@pytest.mark.slow
def test_slope_per_label_equals_each_label_alone():
    slopes = jnp.array([0.5, 1.0, 2.0, 3.0, 4.0])
    together = sf.losses.sigmoid_f1(LOGITS, LABELS, slope=slopes, average=None)
    alone = [
        sf.losses.sigmoid_f1(LOGITS[:, [c]], LABELS[:, [c]], slope=slopes[c]) for c in range(5)
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@pytest.mark.slow
def test_weighted_sums_add_values():
    bce, f1 = sf.objectives.binary_cross_entropy(), sf.objectives.soft_f1(average="micro")
    total = 0.3 * bce + f1 * 2 + 0.5 * (bce + f1)
    expected = 0.8 * bce(LOGITS, LABELS) + 2.5 * f1(LOGITS, LABELS)
    np.testing.assert_allclose(total(LOGITS, LABELS), expected, rtol=1e-6)
    np.testing.assert_allclose(
        sum([bce, f1])(LOGITS, LABELS), bce(LOGITS, LABELS) + f1(LOGITS, LABELS), rtol=1e-6
    )
    np.testing.assert_allclose(
        (np.float32(2) * bce)(LOGITS, LABELS), 2 * bce(LOGITS, LABELS), rtol=1e-6
    )
    np.testing.assert_allclose((jnp.float32(2) * bce)(LOGITS, LABELS), 2 * bce(LOGITS, LABELS))


@pytest.mark.slow
def test_weights_of_a_sum_are_leaves():
    bce, f1 = sf.objectives.binary_cross_entropy(), sf.objectives.soft_f1()
    mixes = jax.vmap(lambda w: w * bce + f1)(jnp.array([0.1, 1.0]))
    values = jax.vmap(lambda o: o(LOGITS, LABELS))(mixes)
    expected = [(w * bce + f1)(LOGITS, LABELS) for w in (0.1, 1.0)]
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_objectives_do_not_multiply():
    bce = sf.objectives.binary_cross_entropy()
    with pytest.raises(TypeError):
        bce * bce
    with pytest.raises(TypeError):
        bce + 1


def test_repr_shows_hyperparameters():
    text = repr(0.5 * sf.objectives.sigmoid_f1(slope=2.0))
    assert "sigmoid(slope=2.0, offset=0.0)" in text
    assert "average='macro'" in text
    assert text.startswith("0.5 * ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: o.sigmoid_f1(slope=0.0), "slope must be a finite number > 0, got 0"),
        (lambda o: o.sigmoid_f1(slope=float("nan")), "slope must be a finite number > 0"),
        (lambda o: o.soft_f1(smoothing=-1.0), "smoothing must be a finite number >= 0"),
        (lambda o: o.soft_f1(average="mean"), "average must be 'micro', .* got 'mean'"),
        (lambda o: o.f_beta(beta=-1.0), "beta must be a finite number > 0"),
        (lambda o: o.recall_at_precision(1.0), "precision must be a finite number > 0 and < 1"),
        (lambda o: o.cost_sensitive_f_beta(decay=1.0), "decay must be .* >= 0 and < 1, got 1"),
        (lambda o: o.focal(gamma=-1.0)(LOGITS, LABELS), "gamma must be a finite number >= 0"),
        (lambda o: o.propensity_weighted(0.0)(LOGITS, LABELS), "propensity must be .* > 0"),
        (
            lambda o: o.class_balanced(np.full(5, 3.0), 1.0)(LOGITS, LABELS),
            "beta must be a finite number >= 0 and < 1, got 1",
        ),
        (
            lambda o: o.sigmoid_f1(slope=2.0, surrogate=sf.surrogates.probability()),
            "pass slope and offset to the surrogate",
        ),
        (
            lambda o: o.sigmoid_f1(slope=[1.0, 2.0])(LOGITS, LABELS),
            r"slope must be a scalar or have shape \[num_labels\] = \(5,\), got \(2,\)",
        ),
        (
            lambda o: o.f_beta(beta=np.ones(5), average="micro")(LOGITS, LABELS),
            "a score must be elementwise",
        ),
    ],
)
def test_wrong_hyperparameters_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(sf.objectives)


@pytest.mark.slow
def test_functools_partial_is_a_score():
    import functools

    score = functools.partial(sf.scores.f_beta, beta=2.0, smoothing=0.5)
    value = sf.losses.from_score(LOGITS, LABELS, score)
    np.testing.assert_allclose(
        value, sf.losses.f_beta(LOGITS, LABELS, beta=2.0, smoothing=0.5), rtol=1e-6
    )
    assert 2.0 in jax.tree.leaves(sf.objectives.from_score(score))
    with pytest.raises(TypeError, match="by keyword"):
        sf.objectives.from_score(functools.partial(sf.scores.f_beta, None))


@pytest.mark.slow
def test_a_label_absent_from_the_batch_has_no_gradient_without_smoothing_and_one_with_it():
    labels = LABELS.copy()
    labels[:, 2] = 0
    for smoothing, moves in ((0.0, False), (0.1, True)):
        gradient = jax.grad(lambda z, a=smoothing: sf.losses.soft_f1(z, labels, smoothing=a))(
            LOGITS
        )
        assert bool(jnp.any(gradient[:, 2] != 0)) is moves


@pytest.mark.slow
def test_macro_of_one_label_is_micro():
    for name in ("sigmoid_f1", "soft_f1", "double_soft_f1"):
        loss = getattr(sf.losses, name)
        macro, micro = (loss(LOGITS[:, :1], LABELS[:, :1], average=a) for a in ("macro", "micro"))
        np.testing.assert_allclose(macro, micro, rtol=1e-6)


@pytest.mark.slow
def test_mean_of_shard_losses_is_not_the_loss_of_the_batch():
    """The reason for statistics: averaging per-shard F1 losses gives another number."""
    loss = sf.objectives.soft_f1()
    shards = jnp.mean(jnp.stack([loss(LOGITS[i::4], LABELS[i::4]) for i in range(4)]))
    assert abs(float(shards - loss(LOGITS, LABELS))) > 0.01


ALIKE = [
    sf.objectives.soft_f1(),
    0.5 * sf.objectives.binary_cross_entropy() + sf.objectives.soft_f1(),
    sf.objectives.tencent(),
    sf.objectives.soft_f1() + 0.5 * sf.objectives.tencent(),
    sf.objectives.average_precision() + sf.objectives.zlpr(),
]


@pytest.mark.slow
@pytest.mark.parametrize("objective", ALIKE, ids=lambda o: repr(o)[:40])
def test_objectives_with_and_without_state_are_called_alike(objective):
    key, where = jax.random.key(0), jnp.arange(12)[:, None] > 1
    state = objective.init(5)
    after = objective.apply(LOGITS, LABELS, state, where=where, key=key)
    stateful = isinstance(objective, sf.StatefulObjective)
    assert (state is None) is (after[1] is None) is not stateful
    if stateful:
        expected = objective(LOGITS, LABELS, state, where=where, key=key)
    else:
        expected = objective(LOGITS, LABELS, where=where), None
    tree_allclose(after, expected, 0, 0)
    if objective is not ALIKE[-1]:  # which is no function of sums
        sums = objective.statistics(LOGITS, LABELS, where=where)
        tree_allclose(objective.advance(sums, state, key=key), expected, 1e-6, 0)


def in_blocks(objective, logits, labels, where, size):
    """The statistics from blocks of labels."""
    joined = None
    for start in range(0, labels.shape[1], size):
        z, y, w = (x[:, start : start + size] for x in (logits, labels, where))
        part = objective.label_parts(z, y, where=w)
        joined = join(joined, part, start, labels.shape[1])
    return objective.from_label_parts(joined)


OBJECTIVES = {str(case): case.objective for case in CASES} | {
    "label_count": sf.objectives.label_count(),
    "sum": sf.objectives.binary_cross_entropy() + sf.objectives.soft_f1() * 2,
    "sum with one that is not": sf.objectives.zlpr() + sf.objectives.sparsemax(),
}


def separable(objective) -> bool:
    if isinstance(objective, sf.WeightedSum):
        return all(map(separable, objective.parts))
    return isinstance(objective, sf.SeparableObjective)


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_what_is_separable_over_labels_says_so_and_nothing_else(objective):
    where = np.random.default_rng(1).random(LABELS.shape) < 0.8
    if not separable(objective):
        with pytest.raises(TypeError, match="is not separable over labels"):
            objective.label_parts(LOGITS, LABELS)
        with pytest.raises(TypeError, match="is not separable over labels"):
            sf.training.label_blocks(objective)(LOGITS, np.eye(5), LABELS)
        return
    blocks = in_blocks(objective, LOGITS, LABELS, where, 3)
    # Sums in another order: roundings of float32, of logs too.
    tree_allclose(blocks, objective.statistics(LOGITS, LABELS, where=where), 1e-5, 1e-6)


def test_only_what_looks_at_several_labels_at_once_is_not_separable():
    assert {case.name for case in CASES if not separable(case.objective)} == {
        "distribution_balanced", "rank_hinge", "sparsemax",
    }  # fmt: skip


@pytest.mark.parametrize("stateful", [False, True])
def test_whole_numbers_as_weights_are_numbers(stateful):
    objective = sf.objectives.f_bound() if stateful else sf.objectives.soft_f1()
    assert 2 * objective == 2.0 * objective == 2 * (1 * objective)
    assert all(isinstance(w, float) for w in (2 * (objective + objective)).weights)


@dataclasses.dataclass(frozen=True)
class Distance(sf.Objective):
    """A user's own loss, not registered with JAX by hand."""

    margin: float = 1.0
    kind: str = "square"
    power: int = dataclasses.field(default=2, metadata={"static": True})

    def statistics(self, logits, labels, *, where=None, weights=None):
        return jnp.sum(jnp.abs(logits - self.margin) ** self.power)

    def value(self, statistics):
        return statistics


def test_a_subclass_of_a_user_is_plain_data():
    mine = Distance(0.5)
    assert jax.tree.leaves(mine) == [0.5]
    assert mine == Distance(0.5) != Distance(0.25)
    assert mine != Distance(0.5, power=3)
    assert hash(mine) == hash(Distance(0.5)) == hash(pickle.loads(pickle.dumps(mine)))
    logits, labels = jnp.array([[1.0], [0.0]]), jnp.array([[1], [0]])
    assert jax.jit(lambda o: o(logits, labels))(2 * mine) == 1.0
    assert jax.grad(lambda o: o(logits, labels))(mine).margin == 0.0
    assert jax.jit(lambda o: o(logits, labels), static_argnums=0)(mine) == 0.5
    # A leaf stays one whatever takes its place, as in a mask of an optimizer.
    assert jax.tree.leaves(jax.tree.map(lambda _: True, mine)) == [True]


@pytest.mark.slow
def test_integer_hyperparameters_can_be_differentiated_by():
    logits, labels = jnp.array([[1.0], [0.0]]), jnp.array([[1], [0]])
    gradient = jax.grad(lambda o: o(logits, labels))(2 * sf.objectives.f_beta(beta=2))
    assert all(jnp.issubdtype(x.dtype, jnp.floating) for x in jax.tree.leaves(gradient))
    assert sf.objectives.f_beta(beta=2) == sf.objectives.f_beta(beta=2.0)


def test_array_hyperparameters_compare_and_hash():
    first, second = (sf.objectives.sigmoid_f1(slope=np.array([1.0, s])) for s in (2.0, 3.0))
    assert first == sf.objectives.sigmoid_f1(slope=np.array([1.0, 2.0])) != second
    assert len({first, second, first}) == 2


def test_an_objective_registered_by_hand_stays_as_it_was_registered():
    @jax.tree_util.register_dataclass
    @dataclasses.dataclass(frozen=True)
    class Registered(Distance):
        pass

    # JAX's own rule makes leaves of all fields that are not marked static.
    assert len(jax.tree.leaves(Registered())) == 2
