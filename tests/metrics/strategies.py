"""Hypothesis strategies for multilabel inputs; few shapes, so that each is compiled once."""

import warnings

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

SHAPES = [(2, 3), (7, 5)]

FAST = settings(
    deadline=None,
    derandomize=True,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def labelled(draw, kind="scores", shapes=SHAPES):
    """(scores or decisions, labels, weights of examples); weights have a positive sum."""
    shape = draw(st.sampled_from(shapes))
    labels = draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 1)))
    weights = draw(
        hnp.arrays(np.float32, shape[:1], elements=st.sampled_from([1.0, 0.0, 0.5, 3.0]))
    )
    if not weights.sum():
        weights[0] = 1
    if kind == "decisions":
        return draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 1))), labels, weights
    element = draw(
        st.sampled_from(
            [
                st.integers(-2, 2).map(lambda i: i / 4),
                st.sampled_from([-0.0, 0.0, 1e-38, -1e-38, 1.5]),
                st.floats(-30, 30, width=32),
                st.floats(0, 1, width=32),
                # Far enough apart for the sort of pairs instead of packed keys.
                st.sampled_from([-1e30, -1e-35, 0.0, 1e-35, 1.0, 1e30]),
            ]
        )
    )
    return draw(hnp.arrays(np.float32, shape, elements=element)), labels, weights


def reference(function, *args, **kwargs):
    """scikit-learn's value without its warnings about undefined cases."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def close(actual, expected, rtol=2e-5, atol=2e-6):
    """float32 sums of at most some hundred terms."""
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=rtol, atol=atol)
