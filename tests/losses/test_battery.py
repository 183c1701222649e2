"""What every loss must satisfy, whatever its formula."""

import inspect
import pickle

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import sigmoidf1_jax as sf
from tests.catalogue import CASES, Case, batch, edge_cases, tree_allclose

# All tests of one loss run in one worker, so that they share what is compiled.
every_loss = pytest.mark.parametrize(
    "case", [pytest.param(c, id=str(c), marks=pytest.mark.xdist_group(str(c))) for c in CASES]
)


def total(case: Case):
    """A scalar function of (logits, labels), for gradients."""
    return lambda logits, labels: jnp.sum(case.objective(logits, labels))


_COMPILED = {}


def compiled(case: Case):
    """The objective under jit, compiled once per shape and dtype for all tests."""
    if str(case) not in _COMPILED:
        _COMPILED[str(case)] = jax.jit(
            lambda logits, labels, where, weights: case.objective(
                logits, labels, where=where, weights=weights
            )
        )

    def call(logits, labels, where=True, weights=1):
        where = np.broadcast_to(where, labels.shape)
        weights = np.broadcast_to(np.asarray(weights, np.float32), labels.shape)
        return _COMPILED[str(case)](logits, labels, where, weights)

    return call


@every_loss
def test_jit_equals_eager_in_value_and_gradient(case):
    logits, labels = batch(0)
    logits = jnp.asarray(logits, jnp.float32)
    function = jax.value_and_grad(total(case))
    # Nor does either make a NaN on the way, which users who look for their own would stop at.
    stop_at_nan = "nan" not in str(case.hyper)
    with jax.debug_nans(stop_at_nan):
        tree_allclose(jax.jit(function)(logits, labels), function(logits, labels))
        np.testing.assert_allclose(
            jax.jit(case.loss)(logits, labels), case.loss(logits, labels), rtol=1e-5, atol=1e-6
        )


@every_loss
def test_function_and_objective_agree(case):
    logits, labels = batch(1)
    value = case.loss(jnp.asarray(logits, jnp.float32), labels)
    if case.pointwise:
        assert value.shape == logits.shape
        value = value.mean()
    objective = case.objective(jnp.asarray(logits, jnp.float32), labels)
    np.testing.assert_allclose(value, objective, rtol=1e-5)
    assert objective.shape == ((5,) if case.hyper.get("average", 0) is None else ())


@every_loss
def test_vmap_equals_a_loop(case):
    logits, labels = batch(2, (3, 12, 5))
    logits = jnp.asarray(logits, jnp.float32)
    function = jax.value_and_grad(total(case))
    mapped = jax.jit(jax.vmap(function))(logits, jnp.asarray(labels))
    looped = [jax.jit(function)(z, y) for z, y in zip(logits, labels, strict=True)]
    tree_allclose(mapped, jax.tree.map(lambda *x: jnp.stack(x), *looped))


@every_loss
def test_gradients_in_float64(case):
    with jax.enable_x64(True):
        function = compiled(case)
        for seed in (3, 4, 5):
            logits, labels = batch(seed, (6, 4))
            for mode, order in (("fwd", 1), ("rev", case.smooth)):
                check_grads(
                    lambda z, labels=labels: function(z, labels),
                    (jnp.asarray(logits),),
                    order=order,
                    modes=[mode],
                    # Central differences with the default step err by about 1e-7 here.
                    atol=1e-5,
                    rtol=1e-5,
                )


@every_loss
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_value_and_gradient_are_finite(case, dtype):
    function = jax.jit(
        jax.value_and_grad(
            lambda z, y, where: jnp.sum(case.objective(z, y, where=where)),
        )
    )
    for name, (logits, labels, where) in edge_cases().items():
        mask = np.ones(labels.shape, bool) if where is None else where
        value, gradient = function(jnp.asarray(logits, dtype), labels, mask)
        assert value.dtype == jnp.float32, name
        assert gradient.dtype == dtype, name
        assert np.isfinite(value), name
        assert np.isfinite(np.asarray(gradient, np.float32)).all(), name
        assert not np.asarray(gradient, np.float32)[~mask].any(), name
    logits, labels, _ = edge_cases()["empty and full labels and rows"]
    for row, column in ((3, 1), (4, 2), (0, 0)):
        bad, mask = logits.copy(), np.ones(labels.shape, bool)
        bad[row, column] = np.nan
        assert np.isnan(function(jnp.asarray(bad, dtype), labels, mask)[0]), (row, column)
        # With one entry NaN and all others masked, nothing else is there to carry it.
        mask[:], mask[row, column] = False, True
        assert np.isnan(function(jnp.asarray(bad, dtype), labels, mask)[0]), (row, column)


@every_loss
def test_nan_in_is_nan_out_inside_jit_and_weight_0_does_not_count(case):
    objective = compiled(case)
    logits, labels = batch(15)
    logits, labels = logits.astype(np.float32), labels.astype(np.float32)
    spoiled = {name: np.array(x) for name, x in (("logits", logits), ("labels", labels))}
    spoiled["weights"] = np.ones(labels.shape, np.float32)
    for name, x in spoiled.items():
        bad = {**spoiled, name: x.copy()}
        bad[name][2, 3] = np.nan
        nan = np.isnan(objective(**bad))
        # Of losses per label, that of this label only.
        assert nan.tolist() == ([c == 3 for c in range(5)] if nan.ndim else True), name
        if name != "weights":
            bad["weights"] = np.ones(labels.shape, np.float32)
            bad["weights"][2, 3] = 0
            masked = objective(**{**spoiled, "where": bad["weights"] > 0})
            assert np.array_equal(objective(**bad), masked), name
            # Eagerly too, where a NaN that counts raises.
            np.testing.assert_allclose(case.objective(**bad), masked, rtol=1e-5)


@every_loss
def test_result_has_the_dtype_of_the_logits(case):
    logits, labels = batch(0)
    with jax.enable_x64(True):
        assert case.objective(jnp.asarray(logits), labels).dtype == jnp.float64
        assert case.objective(jnp.asarray(logits, jnp.float32), labels).dtype == jnp.float32
        assert case.objective(jnp.asarray(logits, jnp.bfloat16), labels).dtype == jnp.float32


@every_loss
def test_a_mask_equals_a_subset(case):
    objective = compiled(case)
    logits, labels = batch(5)
    logits = jnp.asarray(logits, jnp.float32)
    rows, columns = np.ones(12, bool), np.ones(5, bool)
    rows[[2, 7]], columns[3] = False, False
    by_row = objective(logits, labels, where=rows[:, None])
    np.testing.assert_allclose(by_row, objective(logits[rows], labels[rows]), rtol=1e-5)
    by_label = objective(logits, labels, where=columns)
    subset = objective(logits[:, columns], labels[:, columns])
    if subset.ndim:
        by_label = by_label[columns]
    np.testing.assert_allclose(by_label, subset, rtol=1e-5)


@every_loss
def test_weights_equal_repetition(case):
    objective = compiled(case)
    logits, labels = batch(6)
    logits = jnp.asarray(logits, jnp.float32)
    repeats = np.random.default_rng(0).integers(0, 3, 12)
    weighted = objective(logits, labels, weights=repeats[:, None])
    repeated = objective(jnp.repeat(logits, repeats, 0), np.repeat(labels, repeats, 0))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-5)


@every_loss
def test_order_of_examples_and_labels_is_irrelevant(case):
    objective = compiled(case)
    logits, labels = batch(7)
    logits = jnp.asarray(logits, jnp.float32)
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(12), rng.permutation(5)
    value = objective(logits, labels)
    np.testing.assert_allclose(objective(logits[rows], labels[rows]), value, rtol=1e-5)
    permuted = objective(logits[:, columns], labels[:, columns])
    np.testing.assert_allclose(permuted, value[columns] if value.ndim else value, rtol=1e-5)


@every_loss
def test_leading_axes_hold_examples(case):
    objective = compiled(case)
    logits, labels = batch(8, (2, 3, 4, 5))
    logits = jnp.asarray(logits, jnp.float32)
    flat = objective(logits.reshape(24, 5), labels.reshape(24, 5))
    np.testing.assert_allclose(objective(logits, labels), flat, rtol=1e-5)


@every_loss
def test_labels_of_any_dtype(case):
    objective = compiled(case)
    logits, labels = batch(9)
    logits = jnp.asarray(logits, jnp.float32)
    values = [objective(logits, labels.astype(t)) for t in (bool, np.int8, np.float32)]
    assert values[0].tolist() == values[1].tolist() == values[2].tolist()


@every_loss
def test_statistics_of_shards_add_up_under_an_axis_name(case):
    logits, labels = batch(10, (4, 3, 5))
    logits = jnp.asarray(logits, jnp.float32)
    mapped = jax.jit(
        jax.vmap(lambda z, y: case.objective(z, y, axis_name="shards"), axis_name="shards")
    )(logits, jnp.asarray(labels))
    whole = compiled(case)(logits.reshape(12, 5), labels.reshape(12, 5))
    for shard in mapped:
        np.testing.assert_allclose(shard, whole, rtol=1e-5)


@every_loss
def test_two_pass_accumulation_is_the_gradient_of_the_whole_batch(case):
    logits, labels = batch(11, (4, 3, 5))
    logits = jnp.asarray(logits, jnp.float32)
    objective = case.objective

    @jax.jit
    def two_passes(logits, labels):
        parts = jax.vmap(objective.statistics)(logits, labels)
        summed = jax.tree.map(lambda x: x.sum(0), parts)
        outer = jax.grad(lambda s: jnp.sum(objective.value(s)))(summed)

        def inner(z, y):
            products = jax.tree.map(jnp.vdot, outer, objective.statistics(z, y))
            return sum(jax.tree.leaves(products))

        return jax.vmap(jax.grad(inner))(logits, labels)

    inner = two_passes(logits, jnp.asarray(labels))
    whole = jax.grad(total(case))(logits.reshape(12, 5), labels.reshape(12, 5))
    np.testing.assert_allclose(inner.reshape(12, 5), whole, rtol=1e-4, atol=1e-6)


@every_loss
def test_one_trace_for_all_hyperparameters(case):
    traces = []

    @jax.jit
    def value(objective, logits, labels):
        traces.append(1)
        return objective(logits, labels)

    logits, labels = batch(12)
    objective = case.objective
    for factor in (1.0, 0.5, 2.0):
        value(jax.tree.map(lambda x, f=factor: x * f, objective), logits, labels)
    assert len(traces) == 1
    assert hash(jax.tree.structure(objective)) == hash(jax.tree.structure(case.objective))


@every_loss
def test_objectives_are_plain_data(case):
    objective, other = case.objective, case.objective
    again = pickle.loads(pickle.dumps(objective))
    assert objective == other == again
    assert hash(objective) == hash(other) == hash(again)
    leaves = jax.tree.leaves(objective)
    assert all(jnp.issubdtype(jnp.result_type(x), jnp.inexact) for x in leaves)
    assert not leaves or jax.tree.map(lambda x: x + 1, objective) != objective
    logits, labels = batch(16)
    static = jax.jit(lambda o, z, y: o(z, y), static_argnums=0)
    shape = jax.eval_shape(static, objective, jnp.float32(logits), labels)
    assert shape.shape == jnp.shape(objective(jnp.float32(logits), labels))


@every_loss
def test_strict_promotion_of_types_and_ranks(case):
    logits, labels = batch(17)
    where, weights = np.ones((12, 1), bool), np.ones((12, 5), np.float32)
    function = jax.value_and_grad(
        lambda z, y: jnp.sum(case.objective(z, y, where=where, weights=weights))
    )
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        for dtype in (jnp.float32, jnp.float16):
            for kind in (bool, np.int32, np.float32):
                # Traced only: what is forbidden is so at trace time.
                jax.eval_shape(function, jnp.asarray(logits, dtype), labels.astype(kind))


@every_loss
def test_value_and_gradient_export_with_a_symbolic_batch(case):
    (rows,) = jax.export.symbolic_shape("rows")
    arrays = [
        jax.ShapeDtypeStruct((rows, 5), jnp.float32),
        jax.ShapeDtypeStruct((rows, 5), jnp.int32),
        jax.ShapeDtypeStruct((rows, 1), bool),
    ]
    exported = jax.export.export(
        jax.jit(jax.value_and_grad(lambda z, y, m: jnp.sum(case.objective(z, y, where=m))))
    )(*arrays)
    assert exported.in_avals[0].shape == (rows, 5)


@every_loss
def test_signatures_and_names(case):
    loss, constructor = (getattr(m, case.name) for m in (sf.losses, sf.objectives))
    on_loss, on_objective = (inspect.signature(f).parameters for f in (loss, constructor))
    assert list(on_loss)[:2] == ["logits", "labels"]
    assert {"where", "weights"} <= set(on_loss)
    data = {"logits", "labels", "where", "weights", "axis_name"}
    assert [p for p in on_loss if p not in data] == list(on_objective)
    assert not data & set(on_objective)
    assert loss.__name__ == constructor.__name__ == case.name
    assert "Example" in loss.__doc__
    assert case.name in repr(case.objective) or "score=" in repr(case.objective)


@every_loss
def test_mistakes_are_named(case):
    logits, labels = batch(13)
    logits = jnp.asarray(logits, jnp.float32)
    with pytest.raises(ValueError, match=r"logits and labels must have the same shape.*\(12, 4\)"):
        case.loss(logits, labels[:, :4])
    with pytest.raises(TypeError, match="logits must be floating point, got int32"):
        case.loss(logits.astype(jnp.int32), labels)
    with pytest.raises(TypeError, match="where must be bool"):
        case.loss(logits, labels, where=np.ones(labels.shape, np.int32))
    with pytest.raises(ValueError, match=r"where must broadcast .*\(12, 5\), got \(3,\)"):
        case.loss(logits, labels, where=np.ones(3, bool))
    with pytest.raises(ValueError, match="weights must be >= 0"):
        case.loss(logits, labels, weights=-np.ones(5))
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 1\]"):
        case.loss(logits, labels * 2)
    with pytest.raises(ValueError, match="logits must not be NaN"):
        case.loss(logits.at[0, 0].set(jnp.nan), labels)
    with pytest.raises(ValueError, match="same shape"):
        jax.jit(case.loss)(logits, labels[:, :4])


@every_loss
def test_values_are_checked_inside_jit_by_checkify(case):
    from jax.experimental import checkify

    logits, labels = batch(14)
    checked = checkify.checkify(jax.jit(case.loss))
    assert checked(jnp.asarray(logits, jnp.float32), labels)[0].get() is None
    error, _ = checked(jnp.asarray(logits, jnp.float32), labels * 2)
    assert "labels must lie in [0, 1]" in error.get()
