"""What every loss must satisfy, whatever its formula.

Facts about formulas (gradients, extremes, masks, shards, NaN, promotion, export) are tested on
every loss. Facts about inputs, which all losses read in the same code, are tested on one loss of
each kind (`KINDS`). Compiling is what takes time: `run` is one program for most tests of a loss.
"""

import functools
import inspect
import pickle

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.catalogue import CASES, KINDS, QUICK, Case, batch, edge_cases, tree_allclose


def over(cases):
    # All tests of one loss run in one worker, so that they share what is compiled.
    def marks(case):
        group = pytest.mark.xdist_group(str(case))
        return [group] if case in KINDS[:QUICK] else [group, pytest.mark.slow]

    return pytest.mark.parametrize(
        "case", [pytest.param(c, id=str(c), marks=marks(c)) for c in cases]
    )


every_loss, one_of_each_kind = over(CASES), over(KINDS)
SHAPE = (12, 5)


def total(case: Case):
    """A scalar function of (logits, labels), for gradients."""
    return lambda logits, labels: jnp.sum(case.objective(logits, labels))


def value_and_gradient(case: Case, logits, labels, where, weights):
    def loss(z):
        value = case.objective(z, labels, where=where, weights=weights)
        return jnp.sum(value), value

    gradient, value = jax.grad(loss, has_aux=True)(logits)
    return value, gradient


# Of the hyperparameters some are functions or arrays: the text tells cases apart.
_BY_NAME = {str(c): c for c in CASES}


@functools.cache
def _program(name: str):
    return jax.jit(functools.partial(value_and_gradient, _BY_NAME[name]))


def run(case: Case, logits, labels, where=True, weights=1, dtype=jnp.float32):
    """Value and gradient under jit; one program for all inputs of a shape and dtype."""
    where = np.broadcast_to(where, labels.shape)
    weights = np.broadcast_to(np.asarray(weights, np.float32), labels.shape)
    return _program(str(case))(
        jnp.asarray(logits, dtype), np.asarray(labels, np.float32), where, weights
    )


def value(case: Case, *args, **kwargs):
    return run(case, *args, **kwargs)[0]


@every_loss
def test_jit_equals_eager_and_the_function_equals_the_objective(case):
    logits, labels = batch(0)
    logits = jnp.asarray(logits, jnp.float32)
    # Nor does either make a NaN on the way, which users who look for their own would stop at.
    with jax.debug_nans("nan" not in str(case.hyper)):
        eager = value_and_gradient(case, logits, labels, None, None)
        loss = case.loss(logits, labels)
        jitted = run(case, logits, labels)
    tree_allclose(jitted, eager)
    assert jitted[0].shape == ((5,) if case.hyper.get("average", 0) is None else ())
    if case.pointwise:
        assert loss.shape == logits.shape
        loss = loss.mean()
    np.testing.assert_allclose(loss, jitted[0], rtol=1e-5)


@every_loss
def test_vmap_equals_a_loop(case):
    logits, labels = batch(2, (3, *SHAPE))
    logits = jnp.asarray(logits, jnp.float32)
    mapped = jax.jit(jax.vmap(jax.value_and_grad(total(case))))(logits, jnp.asarray(labels))
    for i in range(3):
        single, gradient = run(case, logits[i], labels[i])
        tree_allclose((mapped[0][i], mapped[1][i]), (jnp.sum(single), gradient))


@every_loss
def test_gradients_in_float64(case):
    step = 1e-5

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, 0, 0))
    def derivatives(z, y, direction):
        """Value, its slope along the direction, gradient, and the gradient's slope."""
        function = functools.partial(total(case), labels=y)
        value, slope = jax.jvp(function, (z,), (direction,))
        gradient, back = jax.vjp(jax.grad(function), z)
        return value, slope, gradient, back(direction)[0]

    with jax.enable_x64(True):
        logits, labels = (np.stack(x) for x in zip(*map(batch, (3, 4, 5)), strict=True))
        direction = np.random.default_rng(0).normal(size=logits.shape)
        # Three batches, each where it is and one step forth and back, in one call.
        at = np.concatenate([logits + i * step * direction for i in (0, 1, -1)])
        at, labels, directions = jnp.asarray(at), np.tile(labels, (3, 1, 1)), np.tile(
            direction, (3, 1, 1)
        )  # fmt: skip
        value, slope, gradient, curve = (
            np.split(np.asarray(x), 3) for x in derivatives(at, labels, directions)
        )
    # Central differences err by the square of the step times a third derivative.
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    close(slope[0], (value[1] - value[2]) / (2 * step))
    close(np.sum(gradient[0] * direction, (1, 2)), slope[0], rtol=1e-9, atol=1e-12)
    if case.smooth > 1:
        close(curve[0], (gradient[1] - gradient[2]) / (2 * step))


def assert_finite_where_naive_formulas_are_not(case, dtype):
    for name, (logits, labels, where) in edge_cases(shape=SHAPE).items():
        mask = np.ones(labels.shape, bool) if where is None else where
        found, gradient = run(case, logits, labels, mask, dtype=dtype)
        assert found.dtype == jnp.float32, name
        assert gradient.dtype == dtype, name
        gradient = np.asarray(gradient, np.float32)
        assert np.isfinite(np.sum(found)), name
        assert np.isfinite(gradient).all(), name
        assert not gradient[~mask].any(), name
    logits, labels, _ = edge_cases(shape=SHAPE)["empty and full labels and rows"]
    for row, column in ((3, 1), (4, 2), (0, 0)):
        bad, mask = logits.copy(), np.ones(labels.shape, bool)
        bad[row, column] = np.nan
        assert np.isnan(np.sum(value(case, bad, labels, mask, dtype=dtype))), (row, column)
        # With one entry NaN and all others masked, nothing else is there to carry it.
        mask[:], mask[row, column] = False, True
        assert np.isnan(np.sum(value(case, bad, labels, mask, dtype=dtype))), (row, column)


@every_loss
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_value_and_gradient_are_finite(case, dtype):
    assert_finite_where_naive_formulas_are_not(case, dtype)


# A ratio of logits has no bound on its gradient: unbounded_f1 is out.
@over([c for c in CASES if c.name != "unbounded_f1"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_infinite_logits_are_large_logits(case, dtype):
    logits, labels = batch(0)
    logits[1], logits[2, 1], logits[3, 2] = np.inf, -np.inf, np.inf
    labels[:, 3] = logits[:, 3] > 0
    found, gradient = run(case, logits, labels, dtype=dtype)
    gradient = np.asarray(gradient, np.float32)
    assert np.isfinite(np.sum(found))
    assert np.isfinite(gradient).all()
    assert not gradient[~np.isfinite(logits)].any()


@one_of_each_kind
def test_value_and_gradient_are_finite_in_bfloat16(case):
    # It has the range of float32, in which losses compute: the conversions alone are new.
    assert_finite_where_naive_formulas_are_not(case, "bfloat16")


@every_loss
def test_nan_in_is_nan_out_inside_jit_and_weight_0_does_not_count(case):
    logits, labels = batch(15)
    clean = {"logits": logits.astype(np.float32), "labels": labels.astype(np.float32)}
    clean["weights"] = np.ones(SHAPE, np.float32)
    for name, x in clean.items():
        bad = {**clean, name: x.copy()}
        bad[name][2, 3] = np.nan
        nan = np.isnan(value(case, **bad))
        # Of losses per label, that of this label only.
        assert nan.tolist() == ([c == 3 for c in range(5)] if nan.ndim else True), name
        if name != "weights":
            bad["weights"] = np.ones(SHAPE, np.float32)
            bad["weights"][2, 3] = 0
            masked = value(case, **clean, where=bad["weights"] > 0)
            assert np.array_equal(value(case, **bad), masked), name
            if case in KINDS:
                # Eagerly too, where a NaN that counts raises.
                np.testing.assert_allclose(case.objective(**bad), masked, rtol=1e-5)


@every_loss
def test_a_mask_equals_a_subset(case):
    logits, labels = batch(5)
    rows, columns = np.ones(12, bool), np.ones(5, bool)
    rows[[2, 7]], columns[3] = False, False
    masked = value(case, logits, labels, where=rows[:, None] & columns)
    subset = jnp.asarray(logits[rows][:, columns], jnp.float32), labels[rows][:, columns]
    found = jax.jit(case.objective)(*subset)
    np.testing.assert_allclose(masked[columns] if masked.ndim else masked, found, rtol=1e-5)


@one_of_each_kind
def test_masks_of_examples_and_of_labels_broadcast(case):
    logits, labels = batch(5)
    logits = jnp.asarray(logits, jnp.float32)
    for mask in (np.arange(12)[:, None] % 5 > 0, np.arange(5) != 3):
        whole = value(case, logits, labels, where=mask)
        np.testing.assert_allclose(case.objective(logits, labels, where=mask), whole, rtol=1e-5)


@every_loss
def test_weights_equal_repetition(case):
    logits, labels = batch(6)
    # As many as there are examples: the program is the same.
    repeats = np.random.default_rng(0).permutation(np.arange(12) % 3)
    weighted = value(case, logits, labels, weights=repeats[:, None])
    repeated = value(case, np.repeat(logits, repeats, 0), np.repeat(labels, repeats, 0))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-5)


@every_loss
def test_order_of_examples_and_labels_is_irrelevant(case):
    logits, labels = batch(7)
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(12), rng.permutation(5)
    plain = value(case, logits, labels)
    np.testing.assert_allclose(value(case, logits[rows], labels[rows]), plain, rtol=1e-5)
    permuted = value(case, logits[:, columns], labels[:, columns])
    np.testing.assert_allclose(permuted, plain[columns] if plain.ndim else plain, rtol=1e-5)


@one_of_each_kind
def test_leading_axes_hold_examples(case):
    logits, labels = batch(8, (2, 2, 3, 5))
    flat = value(case, logits.reshape(SHAPE), labels.reshape(SHAPE))
    found = jax.jit(case.objective)(jnp.asarray(logits, jnp.float32), labels)
    np.testing.assert_allclose(found, flat, rtol=1e-5)


@one_of_each_kind
def test_labels_of_any_dtype(case):
    logits, labels = batch(9)
    logits = jnp.asarray(logits, jnp.float32)
    values = [case.objective(logits, labels.astype(t)) for t in (bool, np.int8, np.float32)]
    assert values[0].tolist() == values[1].tolist() == values[2].tolist()


@every_loss
def test_statistics_of_shards_add_up_under_an_axis_name(case):
    logits, labels = batch(10, (4, 3, 5))
    logits = jnp.asarray(logits, jnp.float32)
    mapped = jax.jit(
        jax.vmap(lambda z, y: case.objective(z, y, axis_name="shards"), axis_name="shards")
    )(logits, jnp.asarray(labels))
    whole = value(case, logits.reshape(SHAPE), labels.reshape(SHAPE))
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
    _, whole = run(case, logits.reshape(SHAPE), labels.reshape(SHAPE))
    np.testing.assert_allclose(inner.reshape(SHAPE), whole, rtol=1e-4, atol=1e-6)


@every_loss
def test_one_trace_for_all_hyperparameters(case):
    traces = []

    @jax.jit
    def traced(objective, logits, labels):
        traces.append(1)
        return objective(logits, labels)

    logits, labels = batch(12)
    objective = case.objective
    for factor in (1.0, 0.5, 2.0):
        # Nothing is compiled.
        traced.eval_shape(jax.tree.map(lambda x, f=factor: x * f, objective), logits, labels)
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
    shape = static.eval_shape(objective, jnp.float32(logits), labels)
    assert shape.shape == jnp.shape(value(case, logits, labels))


@every_loss
def test_strict_promotion_of_types_and_ranks_and_the_dtype_of_the_logits(case):
    logits, labels = batch(17)
    where, weights = np.ones((12, 1), bool), np.ones(SHAPE, np.float32)
    # Traced only: what is forbidden is so at trace time. Each dtype of logits and of labels.
    pairs = [("float32", np.int32, "float32"), ("float16", np.float32, "float32"),
             ("bfloat16", bool, "float32"), ("float64", bool, "float64")]  # fmt: skip
    for dtype, kind, expected in pairs:
        with (
            jax.enable_x64(dtype == "float64"),
            jax.numpy_dtype_promotion("strict"),
            jax.numpy_rank_promotion("raise"),
        ):
            found, gradient = jax.eval_shape(
                functools.partial(value_and_gradient, case),
                jax.ShapeDtypeStruct(SHAPE, dtype), labels.astype(kind), where, weights,
            )  # fmt: skip
        assert (found.dtype, gradient.dtype) == (expected, dtype)


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


@one_of_each_kind
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


@one_of_each_kind
def test_values_are_checked_inside_jit_by_checkify(case):
    from jax.experimental import checkify

    logits, labels = batch(14)
    checked = checkify.checkify(jax.jit(case.loss))
    assert checked(jnp.asarray(logits, jnp.float32), labels)[0].get() is None
    error, _ = checked(jnp.asarray(logits, jnp.float32), labels * 2)
    assert "labels must lie in [0, 1]" in error.get()
