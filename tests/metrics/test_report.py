"""The report equals the single metrics; bootstrap intervals cover as they should."""

import doctest
import pathlib
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf

pytestmark = pytest.mark.xdist_group("metrics_report")

m = sf.metrics


def data(n=30, c=6, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.random((n, c)) < 0.4
    scores = np.round(rng.normal(size=(n, c)) + labels, 1).astype(np.float32)
    return scores, labels, scores > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "weights", "zeros", "mask", "one class"])
def test_every_entry_equals_its_own_function(kind):
    scores, labels, decisions = data()
    rng = np.random.default_rng(1)
    given = {}
    if kind == "weights":
        given["weights"] = rng.choice([0.5, 1.0, 2.0], (30, 1)).astype(np.float32)
    if kind == "zeros":
        given["weights"] = rng.choice([0.0, 0.0, 0.3, 1.0, 2.0], (30, 6)).astype(np.float32)
        given["weights"][:3] = 0
    if kind == "mask":
        given["where"] = (rng.random((30, 6)) < 0.8) & (np.arange(30) < 25)[:, None]
    if kind == "one class":
        # Sums of such weights in another order are no exact 0 where a class is absent.
        given["weights"] = rng.random((30, 1)).astype(np.float32)
        labels[:, 0] = True
    values = m.report(scores, labels, decisions, k=(2,), **given)
    assert len(values) == 36
    for name, value in values.items():
        metric, _, option = name.partition("/")
        function = getattr(m, metric)
        options = {"k": int(option)} if option.isdigit() else {"average": option} if option else {}
        if metric == "roc_auc":
            options["undefined"] = "skip"
        predictions = decisions if metric in DECIDED else scores
        expected = function(predictions, labels, **options, **given)
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6, err_msg=name)
        assert np.isfinite(value), name


DECIDED = {"f1", "precision", "recall", "jaccard", "matthews", "balanced_accuracy",
           "hamming_loss", "subset_accuracy", "label_count_error", "label_count_bias"}  # fmt: skip


@pytest.mark.slow
def test_bootstrap_keeps_the_values_and_orders_the_interval():
    scores, labels, decisions = data()
    values = m.report(scores, labels, decisions, k=(1,))
    estimates = m.report(scores, labels, decisions, k=(1,), bootstrap=50, key=jax.random.key(0))
    again = m.report(scores, labels, decisions, k=(1,), bootstrap=50, key=jax.random.key(0))
    for name, estimate in estimates.items():
        np.testing.assert_allclose(estimate.value, values[name], rtol=1e-5, atol=1e-6)
        assert estimate.low <= estimate.high
        np.testing.assert_array_equal(estimate.low, again[name].low)


@pytest.mark.slow
def test_a_resample_is_worth_repeated_examples():
    # One draw of each of n examples with replacement: the mean of the draws of a 0/1 metric has
    # standard error sqrt(p (1 - p) / n), and the interval is about 2 * 1.96 of them wide.
    n = 400
    labels = np.ones((n, 2), bool)
    decisions = labels.copy()
    decisions[: n // 4, 0] = False
    scores = np.where(decisions, 1.0, 0.0).astype(np.float32)
    estimate = m.report(scores, labels, decisions, k=(1,), bootstrap=1000, key=jax.random.key(1))[
        "subset_accuracy"
    ]
    width = 2 * 1.96 * np.sqrt(0.25 * 0.75 / n)
    np.testing.assert_allclose(estimate.high - estimate.low, width, rtol=0.15)
    assert estimate.low < 0.75 < estimate.high


@pytest.mark.slow
def test_intervals_cover_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(0)
    covered, trials = 0, 60
    for trial in range(trials):
        right = rng.random((60, 2)) < 0.7
        labels = np.ones((60, 2), bool)
        estimate = m.report(
            right.astype(np.float32), labels, right, k=(1,), bootstrap=100,
            key=jax.random.key(trial),
        )["recall/micro"]  # fmt: skip
        covered += bool(estimate.low <= 0.7 <= estimate.high)
    # Binomial(60, .95) is below 50 once in 5,000 runs; with 100 resamples of 60 examples the
    # percentile interval is a little short, hence the wide margin.
    assert covered >= 50


@pytest.mark.slow
def test_the_interval_of_a_nan_is_nan():
    scores, labels, decisions = data()
    scores[3, 1] = np.nan
    estimates = jax.jit(
        lambda *x: m.report(*x, k=(1,), bootstrap=5, key=jax.random.key(0))
    )(scores, labels, decisions)  # fmt: skip
    # A resample without that example is finite, but no sample of this value.
    for name in ("average_precision/macro", "coverage_error", "ndcg_at_k/1"):
        assert np.isnan(estimates[name]).all()
    # Decisions were made without it.
    assert np.isfinite(estimates["f1/macro"]).all()
    with pytest.raises(ValueError, match="scores must not be NaN"):
        m.report(scores, labels, decisions)


@pytest.mark.slow
def test_padding_does_not_change_the_distribution_of_intervals():
    scores, labels, decisions = data(n=60)
    pad = np.zeros((60, 6), np.float32)
    where = np.arange(120)[:, None] < 60
    plain = m.report(scores, labels, decisions, k=(1,), bootstrap=400, key=jax.random.key(0))
    padded = m.report(
        np.r_[scores, pad * np.nan], np.r_[labels, pad > 0], np.r_[decisions, pad > 0],
        k=(1,), where=where, bootstrap=400, key=jax.random.key(0),
    )  # fmt: skip
    for name in ("f1/macro", "average_precision/macro", "coverage_error"):
        a, b = plain[name], padded[name]
        np.testing.assert_allclose(a.value, b.value, rtol=1e-5)
        np.testing.assert_allclose(b.high - b.low, a.high - a.low, rtol=0.3)


@pytest.mark.slow
def test_the_report_runs_inside_jit():
    scores, labels, decisions = data()
    inside = jax.jit(lambda *x: m.report(*x))(scores, labels, decisions)
    outside = m.report(scores, labels, decisions)
    for name, value in inside.items():
        np.testing.assert_allclose(value, outside[name], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"bootstrap": 10}, "needs a key"),
        ({"bootstrap": 0, "key": jnp.zeros(2)}, "bootstrap must be"),
        ({"level": 1.0}, "level must lie"),
        ({"k": (0,)}, "k must lie"),
        ({"label_names": ["a"]}, "label_names must be 6 names, got 1"),
    ],
)
def test_mistakes_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        m.report(*data(), **options)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "weights and mask"])
def test_values_of_each_label_are_those_of_their_functions(kind):
    scores, labels, decisions = data()
    labels[:, 0], labels[:, 1], decisions[:, 1] = True, False, False
    rng = np.random.default_rng(1)
    given = {}
    if kind == "weights and mask":
        given["weights"] = rng.choice([0.5, 1.0, 2.0], (30, 1)).astype(np.float32)
        # Nothing is known of the last label.
        given["where"] = (rng.random((30, 6)) < 0.8) & (np.arange(6) < 5)
    values = m.report(scores, labels, decisions, k=(1,), per_label=True, **given)
    for name in ("f1", "precision", "recall", "average_precision", "roc_auc"):
        predictions = decisions if name in DECIDED else scores
        expected = getattr(m, name)(predictions, labels, average=None, **given)
        np.testing.assert_allclose(values[f"{name}/per_label"], expected, rtol=1e-5, err_msg=name)
    counted = np.broadcast_to(given.get("weights", 1) * given.get("where", 1), labels.shape)
    np.testing.assert_allclose(values["support/per_label"], np.sum(labels * counted, 0))
    # The averages are what they are without them.
    plain = m.report(scores, labels, decisions, k=(1,), **given)
    assert not any("per_label" in name for name in plain)
    for name, value in plain.items():
        np.testing.assert_allclose(values[name], value, rtol=1e-6)


NAMES = ("speed [m/s]", "[/h]", "comedy", "comedy", "喜剧\nx", "l" * 60)


@pytest.mark.slow
def test_the_table_shows_names_as_they_are_and_the_values_of_the_report():
    scores, labels, decisions = data()
    labels[:, 0] = True
    values = m.report(scores, labels, decisions, k=(1,), label_names=NAMES)
    lines = str(values).splitlines()
    assert lines[0].split() == ["precision", "recall", "F1", "avg", "precision", "ROC", "AUC",
                                "support"]  # fmt: skip
    names = ["speed [m/s]", "[/h]", "comedy", "comedy", "喜剧 x", "l" * 39 + "…"]
    for i, (name, line) in enumerate(zip(names, lines[1:7], strict=True)):
        assert line.startswith(name + " ")
        shown = line.removeprefix(name).split()
        for title, cell in zip(
            ("precision", "recall", "f1", "average_precision"), shown, strict=False
        ):
            assert cell == f"{values[f'{title}/per_label'][i]:.3f}"
        # Of one class there is no ROC.
        assert (shown[4] == "-") == (i == 0)
        assert shown[5] == str(labels[:, i].sum())
    assert [line.split()[0] for line in lines[8:12]] == ["micro", "macro", "weighted", "samples"]
    assert lines[9].split()[4] == f"{values['f1/macro']:.3f}"
    assert f"{values['hamming_loss']:.3f}" in next(x for x in lines if x.startswith("hamming_loss"))
    # Two cells a character: such a line is as wide as the others, in fewer characters.
    assert len(lines[1]) - len(lines[5]) == 2
    assert f"{values['f1/micro']:.5f}" in values.table(digits=5)


@pytest.mark.slow
def test_a_report_with_names_goes_through_jit_pickle_and_bootstrap():
    scores, labels, decisions = data()

    @jax.jit
    def inside(*x):
        values = m.report(*x, k=(1,), label_names=NAMES)
        assert "Tracer" in str(values)
        return values

    outside = m.report(scores, labels, decisions, k=(1,), label_names=NAMES)
    again = inside(scores, labels, decisions)
    assert isinstance(again, m.Report)
    assert again.label_names == NAMES
    for values in (again, pickle.loads(pickle.dumps(outside)), jax.tree.map(lambda x: x, outside)):
        assert str(values) == str(outside)
    estimates = m.report(
        scores, labels, decisions, k=(1,), label_names=NAMES, bootstrap=20, key=jax.random.key(0)
    )
    estimate = estimates["f1/per_label"]
    np.testing.assert_allclose(estimate.value, outside["f1/per_label"], rtol=1e-5)
    assert estimate.low.shape == (6,)
    assert (estimate.low <= estimate.high).all()
    first = tuple(float(x[2]) for x in estimate)
    assert "{:.3f} [{:.3f}, {:.3f}]".format(*first) in str(estimates).splitlines()[3]


def test_one_string_is_not_a_sequence_of_names():
    with pytest.raises(TypeError, match="got the one string 'abcdef'"):
        m.report(*data(), label_names="abcdef")


@pytest.mark.slow
def test_the_page_on_metrics_shows_what_comes_out():
    page = pathlib.Path(__file__).parents[2] / "docs" / "metrics.md"
    assert doctest.testfile(str(page), module_relative=False).failed == 0
