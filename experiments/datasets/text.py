"""Text to features by hashing words: nothing is fitted, so nothing leaks from test texts."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.utils import murmurhash3_32

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
    check_memory("the bag of words", len(texts), dimension, itemsize=4)
    vectorizer = HashingVectorizer(
        n_features=dimension, alternate_sign=False, norm=None, dtype=np.float32
    )
    counts: npt.NDArray[np.float32] = vectorizer.transform(texts).toarray()
    return np.log1p(counts, out=counts)


def token_ids(texts: Sequence[str], vocabulary_size: int, length: int) -> npt.NDArray[np.int32]:
    """The first `length` words of each text as hashed numbers 1 to `vocabulary_size` - 1.

    Returns:
      int32 [texts, length], 0 where a text has ended; words are those of `bag_of_words`.

    Raises:
      ValueError: `vocabulary_size` < 2 or `length` < 1.
    """
    if vocabulary_size < 2 or length < 1:
        raise ValueError(
            f"vocabulary_size must be >= 2 and length >= 1, got {vocabulary_size} and {length}"
        )
    words = HashingVectorizer().build_analyzer()
    ids = np.zeros((len(texts), length), np.int32)
    for row, text in zip(ids, texts, strict=True):
        for position, word in enumerate(words(text)[:length]):
            row[position] = 1 + murmurhash3_32(word, positive=True) % (vocabulary_size - 1)
    return ids
