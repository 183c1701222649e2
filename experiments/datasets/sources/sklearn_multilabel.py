"""scikit-learn's random multilabel problem."""

from typing import Any

import numpy as np

from experiments.datasets.dataset import Dataset
from experiments.errors import UserError


def make_multilabel(seed: int = 0, **parameters: Any) -> Dataset:
    """A problem of `sklearn.datasets.make_multilabel_classification` as a data set.

    Features are counts of words, drawn from a mixture of the example's labels.

    Args:
      seed: random state.
      **parameters: `n_samples`, `n_features`, `n_classes`, `n_labels`, `length` and
        `allow_unlabeled`, as scikit-learn has them.

    Raises:
      UserError: scikit-learn is not installed, or refuses the parameters.

    Example:
      >>> make_multilabel(n_samples=10, n_classes=4).labels.shape
      (10, 4)
    """
    try:
        from sklearn.datasets import make_multilabel_classification
    except ImportError as error:
        raise UserError(
            "data set sklearn_multilabel needs scikit-learn, which is not installed; "
            "pip install 'sigmoidf1-jax[experiments]'"
        ) from error
    try:
        features, labels = make_multilabel_classification(random_state=seed, **parameters)
    except (TypeError, ValueError) as error:
        raise UserError(f"make_multilabel: {error}") from error
    given = "".join(f", {name}={value}" for name, value in parameters.items())
    return Dataset(
        "sklearn_multilabel",
        features.astype(np.float32),
        labels.astype(bool),
        tuple(f"label_{c}" for c in range(labels.shape[1])),
        f"sklearn.datasets.make_multilabel_classification(random_state={seed}{given})",
        scope="entity-wide",
        scope_reason="every word of an example is drawn given all of its labels",
    )


def sklearn_multilabel() -> Dataset:
    """2,000 examples with 50 word counts and 12 labels, 3 labels an example."""
    return make_multilabel(n_samples=2000, n_features=50, n_classes=12, n_labels=3)
