"""Text to features by hashing words: nothing is fitted, so nothing leaks from test texts."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import check_memory


def bag_of_words(texts: Sequence[str], dimension: int) -> npt.NDArray[np.float32]:
    """log(1 + count) of the words of each text, hashed to `dimension` columns.

    Words are runs of two or more letters or digits, in lower case. Words that hash to the same
    column are counted together.

    Returns:
      float32 [texts, dimension], >= 0.

    Raises:
      UserError: the dense array would be too large.
    """
    # Imported late: it takes a second, and not all data sets are text.
    from sklearn.feature_extraction.text import HashingVectorizer

    check_memory("the bag of words", len(texts), dimension, itemsize=4)
    vectorizer = HashingVectorizer(
        n_features=dimension, alternate_sign=False, norm=None, dtype=np.float32
    )
    counts: npt.NDArray[np.float32] = vectorizer.transform(texts).toarray()
    return np.log1p(counts, out=counts)
