"""Streams: exact sums over batches, devices and merges; sketches within their bounds."""

import functools
import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as sk

import sigmoidf1_jax as sf
from sigmoidf1_jax.metrics import _compensated, streaming

pytestmark = pytest.mark.xdist_group("metrics_streaming")

m = sf.metrics
WORTH = (1.0, 2.0, 3.0, 4.0, 5.0)
STREAMS = [
    (m.f1, {"average": "macro"}),
    (m.f1, {"average": "samples"}),
    (m.f_beta, {"beta": 2.0, "average": "weighted"}),
    (m.jaccard, {"average": None, "zero_division": np.nan}),
    (m.matthews, {}),
    (m.hamming_loss, {}),
    (m.subset_accuracy, {}),
    (m.label_count_error, {}),
    (m.coverage_error, {}),
    (m.label_ranking_average_precision, {}),
    (m.roc_auc, {"average": "samples"}),
    (m.precision_at_k, {"k": 2}),
    (m.psp_at_k, {"k": 2, "inverse_propensities": WORTH}),
    (m.calibration_error, {"num_bins": 5, "average": "micro"}),
]
DECIDED = {m.f1, m.f_beta, m.jaccard, m.matthews, m.hamming_loss, m.subset_accuracy,
           m.label_count_error, m.label_count_bias, m.accuracy, m.balanced_accuracy, m.precision,
           m.recall, m.specificity}  # fmt: skip


def batches(metric, seed=0, n=12):
    rng = np.random.default_rng(seed)
    scores = rng.random((n, 5)).astype(np.float32)
    labels = rng.random((n, 5)) < 0.5
    labels[:, 0] = np.arange(n) % 2
    labels[:, 1:3] = [[True, False]]
    return (scores > 0.4 if metric in DECIDED else scores), labels


@functools.cache
def update_of(stream):
    """`update` under jit, compiled once for all tests of a stream and a shape."""
    return jax.jit(
        lambda state, p, y, where, weights: stream.update(state, p, y, where=where, weights=weights)
    )


@functools.cache
def compute_of(stream):
    return jax.jit(stream.compute)


ALL, EVEN = np.ones((12, 1), bool), np.ones((12, 1), np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "options"), STREAMS)
def test_batches_add_up_to_the_whole_set(metric, options):
    predictions, labels = batches(metric)
    weights = np.linspace(0.5, 2, 12, dtype=np.float32)[:, None]
    where = np.ones((12, 1), bool)
    where[-2:] = False
    stream = m.Stream(metric, 5, **options)
    update = jax.jit(stream.update)
    first = update(
        stream.empty(), predictions[:4], labels[:4], weights=weights[:4], where=where[:4]
    )
    second = stream.empty()
    for part in (slice(4, 8), slice(8, 12)):
        second = update(
            second, predictions[part], labels[part], weights=weights[part], where=where[part]
        )
    state = stream.merge(first, second)
    expected = metric(predictions, labels, weights=weights, where=where, **options)
    np.testing.assert_allclose(compute_of(stream)(state), expected, rtol=1e-5, atol=1e-6)


OTHERS = [
    *((metric, {}) for metric in (
        m.accuracy, m.balanced_accuracy, m.precision, m.recall, m.specificity, m.label_count_bias,
        m.ranking_loss, m.one_error, m.average_precision, m.roc_auc,
    )),
    *((metric, {"k": 3}) for metric in (m.recall_at_k, m.r_precision_at_k, m.ndcg_at_k)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "options"), OTHERS)
def test_the_other_metrics_add_up_too(metric, options):
    predictions, labels = batches(metric)
    if metric not in DECIDED:
        # On the edges of the sketch's bins, which are 1/64 wide: it then rounds no score.
        predictions = np.round(predictions * 64) / np.float32(64)
    stream = m.Stream(metric, 5, **options)
    state = stream.update(stream.empty(), predictions[:5], labels[:5])
    value = stream.compute(stream.update(state, predictions[5:], labels[5:]))
    expected = metric(predictions, labels, **options)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def test_every_other_public_function_is_refused():
    functions = {getattr(m, n) for n in m.__all__ if inspect.isfunction(getattr(m, n))}
    streamed = {metric for metric, _ in STREAMS + OTHERS}
    assert functions > streamed
    for function in functions - streamed:
        name = f"metrics.{function.__name__} is not a metric that can be streamed"
        with pytest.raises(ValueError, match=name):
            m.Stream(function, 5)


def test_definitions_have_the_options_and_defaults_of_their_functions():
    data = {"where", "weights"}
    for function, definition in streaming._DEFINITIONS.items():
        public = inspect.signature(function).parameters
        options = dict(list(public.items())[2:])
        own = inspect.signature(definition).parameters
        more = any(x.kind is x.VAR_KEYWORD for x in own.values())
        named = {name: x for name, x in own.items() if x.kind is not x.VAR_KEYWORD}
        assert named.keys() <= options.keys() - data, function
        assert more or named.keys() == options.keys() - data, function
        for name, x in named.items():
            assert x.default == options[name].default, (function, name)


def predicted_and_true(decisions, labels, *, where=None, weights=None):
    counts = sf.confusion(decisions, labels, where=where, weights=weights)
    return {"predicted": counts.tp + counts.fp, "true": counts.tp + counts.fn}


def ratio_of_cardinalities(sums):
    return jnp.sum(sums["predicted"]) / jnp.sum(sums["true"])


def test_a_new_metric_is_one_definition():
    metric = m.Metric(predicted_and_true, ratio_of_cardinalities, decided=True)
    decisions, labels = batches(m.f1)
    where = np.arange(12)[:, None] != 4
    expected = decisions[where[:, 0]].sum() / labels[where[:, 0]].sum()
    np.testing.assert_allclose(metric(decisions, labels, where=where), expected, rtol=1e-6)
    stream = pickle.loads(pickle.dumps(m.Stream(metric, 5)))
    assert stream == m.Stream(metric, 5)
    update = jax.jit(stream.update)
    first, second = (
        update(stream.empty(), decisions[i : i + 6], labels[i : i + 6], where=where[i : i + 6])
        for i in (0, 6)
    )
    np.testing.assert_allclose(stream.compute(stream.merge(first, second)), expected, rtol=1e-6)


@pytest.mark.slow
def test_an_objective_streams_to_its_value_on_all_examples():
    scores, labels = batches(m.roc_auc)
    objective = sf.objectives.soft_f1(average="micro") + 0.5 * sf.objectives.zlpr()
    stream = m.Stream(objective, 5)
    state = stream.update(stream.empty(), scores[:5], labels[:5])
    value = stream.compute(stream.update(state, scores[5:], labels[5:]))
    np.testing.assert_allclose(value, objective(scores, labels), rtol=1e-5)


@pytest.mark.slow
def test_counts_stay_exact_past_2_to_the_24():
    stream = m.Stream(m.accuracy, 1, average=None)
    one = jnp.ones((1, 1), bool)
    big = 2**24 + 1

    @jax.jit
    def run(state):
        state = stream.update(state, jnp.ones((big, 1), bool), jnp.ones((big, 1), bool))
        return jax.lax.fori_loop(0, 1001, lambda _, s: stream.update(s, one, one), state)

    state = run(stream.empty())
    merged = stream.merge(state, state)
    tp = merged.sums.tp
    assert int(np.float64(tp.high[0]) + np.float64(tp.low[0])) == 2 * (big + 1001)
    assert np.float32(2**24) + np.float32(1) == 2**24  # what a float32 counter does


def test_counters_hold_integers_up_to_2_to_the_47():
    counter = _compensated.CompensatedSum(jnp.zeros(()), jnp.zeros(()))
    amounts, total = [2**31 - 1, 2**30 + 1, 2**31 - 3], 0
    for i in range(300):
        counter = _compensated.add(counter, jnp.int32(amounts[i % 3]))
        total += amounts[i % 3]
    assert int(np.float64(counter.high) + np.float64(counter.low)) == total

    @jax.jit
    def doubled(c, times):
        return jax.lax.fori_loop(0, times, lambda _, c: _compensated.join(c, c), c)

    counter = doubled(counter, 7)
    assert total * 2**7 < 2**47
    assert int(np.float64(counter.high) + np.float64(counter.low)) == total * 2**7


def test_scan_and_checkpoint_keep_the_state():
    predictions, labels = batches(m.f1)
    stream = m.Stream(m.f1, 5)

    def step(state, batch):
        return stream.update(state, *batch), None

    state, _ = jax.lax.scan(
        step, stream.empty(), (predictions.reshape(3, 4, 5), labels.reshape(3, 4, 5))
    )
    leaves = [np.asarray(x) for x in jax.tree.leaves(state)]
    restored = jax.tree.unflatten(jax.tree.structure(m.Stream(m.f1, 5).empty()), leaves)
    assert stream.compute(restored) == m.f1(predictions, labels)


@pytest.mark.slow
def test_axis_name_sums_over_devices():
    for metric in (m.f1, m.roc_auc, m.coverage_error):
        predictions, labels = batches(metric)
        options = {} if metric is m.coverage_error else {"average": "micro"}
        stream = m.Stream(metric, 5, **options)
        states = jax.jit(
            jax.vmap(
                lambda p, y, stream=stream: stream.update(stream.empty(), p, y, axis_name="batch"),
                axis_name="batch",
            )
        )(predictions.reshape(3, 4, 5), labels.reshape(3, 4, 5))
        whole = update_of(stream)(stream.empty(), predictions, labels, ALL, EVEN)
        for i in range(3):
            shard = compute_of(stream)(jax.tree.map(lambda x, i=i: x[i], states))
            np.testing.assert_allclose(shard, compute_of(stream)(whole), rtol=1e-6)


def test_static_choices_are_no_leaves():
    state = m.Stream(m.f1, 5, average="micro").empty()
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(state))
    assert len(jax.tree.leaves(state)) == 8


def test_states_of_other_streams_are_refused():
    f1, recall = m.Stream(m.f1, 5), m.Stream(m.recall, 5)
    with pytest.raises(ValueError, match="state is one of"):
        f1.merge(f1.empty(), recall.empty())
    with pytest.raises(ValueError, match="state is one of"):
        f1.merge(f1.empty(), m.Stream(m.f1, 5, average="micro").empty())
    with pytest.raises(ValueError, match="state is one of"):
        f1.compute(m.Stream(m.f1, 4).empty())
    with pytest.raises(TypeError, match=r"Stream\.empty"):
        f1.compute(jnp.zeros(3))


@pytest.mark.slow
def test_streams_with_nan_pickle_compare_hash_and_merge():
    stream = m.Stream(m.f1, 2, zero_division=float("nan"))
    again = pickle.loads(pickle.dumps(stream))
    for other in (again, m.Stream(m.f1, 2, zero_division=np.float32("nan"))):
        assert other == stream
        assert hash(other) == hash(stream)
    for other in (m.Stream(m.f1, 2), m.Stream(m.f1, 3, zero_division=np.nan), "f1"):
        assert other != stream
    batch = np.array([[1, 0]]), np.array([[1, 0]])
    state = stream.update(stream.empty(), *batch)
    restored = pickle.loads(pickle.dumps(state))
    merged = jax.jit(again.merge)(again.update(restored, *batch), state)
    assert float(stream.compute(merged)) == 1
    worth = np.arange(1.0, 6.0)
    assert m.Stream(m.psp_at_k, 5, k=2, inverse_propensities=worth) == m.Stream(
        m.psp_at_k, 5, k=2, inverse_propensities=tuple(worth)
    )


@pytest.mark.slow
def test_a_nan_in_the_sums_stays_and_other_labels_are_untouched():
    for metric in (m.f1, m.roc_auc, m.calibration_error):
        predictions, labels = batches(metric)
        options = {} if metric is m.f1 else {"num_bins": 4}
        stream = m.Stream(metric, 5, average=None, **options)
        clean = stream.update(stream.empty(), predictions, labels)
        bad = labels.astype(np.float32)
        bad[3, 1] = np.nan
        with pytest.raises(ValueError, match="labels must be 0 or 1"):
            stream.update(clean, predictions, bad)
        update = update_of(stream)
        state = update(clean, predictions, bad, ALL, EVEN)
        again = update(state, predictions, labels.astype(np.float32), ALL, EVEN)
        value = np.asarray(compute_of(stream)(stream.merge(clean, again)))
        assert np.isnan(value[1])
        np.testing.assert_allclose(
            np.delete(value, 1), np.delete(compute_of(stream)(clean), 1), rtol=1e-5, atol=1e-6
        )


@pytest.mark.slow
def test_a_batch_in_which_nothing_counts_changes_nothing():
    for metric, options in STREAMS:
        predictions, labels = batches(metric)
        stream = m.Stream(metric, 5, **options)
        update = update_of(stream)
        state = update(stream.empty(), predictions, labels, ALL, EVEN)
        more = update(state, predictions, labels, ~ALL, EVEN)
        for x, y in zip(jax.tree.leaves(more), jax.tree.leaves(state), strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.slow
def test_examples_of_one_class_can_be_skipped_in_a_stream():
    predictions, labels = batches(m.roc_auc)
    labels[::3] = True
    stream = m.Stream(m.roc_auc, 5, average="samples", undefined="skip")
    state = stream.empty()
    for part in (slice(0, 5), slice(5, 12)):
        state = stream.update(state, predictions[part], labels[part])
    expected = m.roc_auc(predictions, labels, average="samples", undefined="skip")
    np.testing.assert_allclose(stream.compute(state), expected, rtol=1e-6)


@pytest.mark.slow
def test_a_stream_of_nothing_is_what_its_metric_is_of_nothing():
    for metric, options in STREAMS:
        stream = m.Stream(metric, 5, **options)
        zero = options.get("zero_division", 0.0)
        ratio = metric in DECIDED - {m.hamming_loss, m.subset_accuracy, m.label_count_error}
        np.testing.assert_array_equal(
            np.unique(compute_of(stream)(stream.empty())), zero if ratio else np.nan
        )


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: m.Stream(m.brier_score, 5), "not a metric that can be streamed"),
        (lambda: m.Stream(sf.objectives.tencent(), 5), "not a metric that can be streamed"),
        (lambda: m.Stream(sf.objectives.zlpr(), 5, average="micro"), "takes no options"),
        (lambda: m.Stream(m.f1, 5, zero_division=2.0), "zero_division"),
        (lambda: m.Stream(m.f_beta, 5, beta=0.0), "beta must be"),
        (lambda: m.Stream(m.f1, 5, average="all"), "average must be"),
        (lambda: m.Stream(m.f1, 5, slope=1), "slope"),
        (lambda: m.Stream(m.roc_auc, 5, slope=1), "slope"),
        (lambda: m.Stream(m.precision_at_k, 5, k=6), "k must lie in"),
        (lambda: m.Stream(m.f1, 0), "num_labels must be"),
        (lambda: m.Stream(m.roc_auc, 5, num_bins=3), "num_bins must be even"),
        (lambda: m.Stream(m.f1, 5, average="samples", zero_division=np.nan), "zero_division"),
        (lambda: m.Stream(m.f1, 5).bounds(m.Stream(m.f1, 5).empty()), "keeps no histogram"),
        (lambda: m.Stream(m.f1, 5).update(m.Stream(m.f1, 5).empty(), np.ones((2, 4), bool),
                                          np.ones((2, 4), bool)), "num_labels = 5"),
    ],
)  # fmt: skip
def test_mistakes_are_named(make, match):
    with pytest.raises(ValueError, match=match):
        make()


EXACT = {m.average_precision: sk.average_precision_score, m.roc_auc: sk.roc_auc_score}


AVERAGES = ("micro", "macro", "weighted", None)


@functools.cache
def sketches(metric, num_bins):
    """Values and bounds of all averages, in one program."""
    streams = {a: m.Stream(metric, 4, average=a, num_bins=num_bins) for a in AVERAGES}

    @jax.jit
    def run(scores, labels):
        states = {a: s.update(s.empty(), scores, labels) for a, s in streams.items()}
        return [(s.compute(states[a]), s.bounds(states[a])) for a, s in streams.items()]

    return lambda *data: dict(zip(AVERAGES, run(*data), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("metric", EXACT)
def test_the_exact_area_lies_within_the_bounds_of_the_sketch(metric):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        labels = rng.random((300, 4)) < rng.uniform(0.02, 0.9, 4)
        labels[:2] = [[True] * 4, [False] * 4]
        scores = (rng.normal(0, rng.uniform(0.1, 8), (300, 4)) + labels).astype(np.float32)
        exact = {a: EXACT[metric](labels, scores, average=a) for a in AVERAGES}
        for num_bins in (8, 2048):
            for average, (value, bounds) in sketches(metric, num_bins)(scores, labels).items():
                # No tolerance: what rounding may do is part of the bounds.
                low, high = (np.asarray(x, np.float64) for x in bounds)
                assert (low <= exact[average]).all(), average
                assert (exact[average] <= high).all(), average
                assert (low <= np.asarray(value)).all(), average
                assert (np.asarray(value) <= high).all(), average


@pytest.mark.slow
@pytest.mark.parametrize("metric", EXACT)
def test_bounds_of_scores_that_share_no_bin_are_tight_and_hold_the_exact_area(metric):
    # Then the sketch is exact but for its rounding, which alone decides. Rare positives too.
    for seed, share in enumerate((0.5, 0.05, 0.95, 0.01)):
        rng = np.random.default_rng(seed)
        scores = np.stack([rng.permutation(2048) for _ in range(4)], 1)
        labels = rng.random(scores.shape) < share
        scores = ((scores - 1024) / 64 + 1 / 128).astype(np.float32)
        for average in ("macro", None):
            _, bounds = sketches(metric, 2048)(scores, labels)[average]
            exact = EXACT[metric](labels, scores, average=average)
            low, high = (np.asarray(x, np.float64) for x in bounds)
            assert (low <= exact).all()
            assert (exact <= high).all()
            # Some hundred roundings of 6e-8.
            assert (high - low < 5e-5).all() if metric is m.roc_auc else (high - low < 5e-2).all()


@pytest.mark.slow
def test_the_default_sketch_is_within_a_thousandth_on_smooth_scores():
    rng = np.random.default_rng(0)
    labels = rng.random((20_000, 4)) < [0.02, 0.1, 0.3, 0.5]
    scores = (rng.normal(0, 2, labels.shape) + 2 * labels).astype(np.float32)
    for metric, exact in EXACT.items():
        value, bounds = sketches(metric, 2048)(scores, labels)[None]
        np.testing.assert_allclose(value, exact(labels, scores, average=None), atol=1e-3)
        # The interval is wide only where positives are rare: its top is one positive's luck.
        assert np.max(bounds.high - bounds.low) < 0.03


@pytest.mark.slow
def test_threshold_counts_are_exact():
    rng = np.random.default_rng(0)
    scores = np.concatenate(
        [rng.normal(0, 6, (50, 3)), np.round(rng.normal(0, 6, (50, 3)) * 4) / 4]
    )
    scores, labels = scores.astype(np.float32), rng.random((100, 3)) < 0.4
    counts = m.threshold_counts(m.score_histogram(scores, labels, num_bins=64))
    for b, threshold in enumerate(np.asarray(m.bin_thresholds(64))):
        expected = sf.confusion(jnp.asarray(scores >= threshold), labels)
        for x, y in zip(jax.tree.leaves(counts), jax.tree.leaves(expected), strict=True):
            np.testing.assert_array_equal(x[:, b], y)


@pytest.mark.slow
def test_infinite_and_masked_scores_go_to_the_outer_bins_or_nowhere():
    scores = np.array([[np.inf], [-np.inf], [1e30], [np.nan]], np.float32)
    where = np.array([[True], [True], [True], [False]])
    histogram = m.score_histogram(scores, np.array([[1], [0], [0], [1]]), where=where, num_bins=4)
    np.testing.assert_array_equal(histogram.positive, [[0, 0, 0, 1]])
    np.testing.assert_array_equal(histogram.negative, [[1, 0, 0, 1]])
