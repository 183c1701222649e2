"""The train command on a small data set: `python -m tests.experiments.small_train OPTIONS`."""

import sys
from unittest import mock

import numpy as np

from experiments import __main__, datasets

# 90 training rows: 3 batches of 32 in an epoch, the last one ragged.
OPTIONS = ("--dataset", "small", "--batch-size", "32", "--hidden", "8", "--loss", "macro_soft_f1")


def small():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(150, 6)).astype(np.float32)
    labels = features @ rng.normal(size=(6, 4)) + rng.normal(size=(150, 4)) > 0.5
    return datasets.Dataset("small", features, labels, tuple("abcd"), "made here")


def registered():
    """Within this context the data set has a name."""
    return mock.patch.dict(datasets.LOADERS, small=small)


def main(arguments):
    with registered():
        return __main__.main(["train", *OPTIONS, *arguments])


if __name__ == "__main__":
    __main__.leave(main(sys.argv[1:]))
