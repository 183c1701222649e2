"""A second eager call with arrays of the same shapes compiles nothing."""

import functools
import warnings

import jax
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.decisions import cases as decisions
from tests.metrics import cases as metrics

_compiled: list[float] = []


def _count(event, duration, **_):
    if event == "/jax/core/compile/backend_compile_duration":
        _compiled.append(duration)


@pytest.fixture(autouse=True, scope="module")
def _listener():
    jax.monitoring.register_event_duration_secs_listener(_count)
    yield
    jax.monitoring.unregister_event_duration_listener(_count)


def compiled_by_second_call(function, first, second):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        function(*first)
        before = len(_compiled)
        function(*second)
    return len(_compiled) - before


def test_a_new_program_is_noticed():
    def anew(x):
        return jax.jit(lambda x: x + 1)(x)

    assert compiled_by_second_call(anew, (np.ones(3),), (np.ones(3),)) == 1


METRICS = [c for c in metrics.CASES if not c.name.startswith("Stream")]


@pytest.mark.slow
@pytest.mark.parametrize("case", METRICS, ids=str)
def test_metrics(case):
    def batch(seed):
        scores, labels = decisions.data(seed, n=9, num_labels=4)
        return (scores > 0.5 if case.decided else scores), labels

    assert compiled_by_second_call(case.metric, batch(0), batch(1)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("rule", decisions.RULES, ids=str)
def test_decisions(rule):
    def fit_and_decide(scores, labels):
        rule.fit(scores, labels)(scores)

    batches = (decisions.data(seed, n=9, num_labels=4) for seed in (0, 1))
    assert compiled_by_second_call(fit_and_decide, *batches) == 0


d = sf.decisions


@pytest.mark.slow
@pytest.mark.parametrize(
    "function",
    [
        d.count_matrix_of_marginals,
        lambda p: d.f_maximizer().from_counts(d.count_matrix_of_marginals(p)),
        functools.partial(d.per_label_threshold, labels=np.eye(9, 4, dtype=int), folds=3),
        d.knee_curve,
        lambda p: d.expected_macro_utility((p > 0.5).astype(np.float32), p),
    ],
    ids=["count_matrix_of_marginals", "from_counts", "folds", "knee_curve", "macro_utility"],
)
def test_functions_of_probabilities(function):
    batches = ((decisions.data(seed, n=9, num_labels=4)[0],) for seed in (0, 1))
    assert compiled_by_second_call(function, *batches) == 0
