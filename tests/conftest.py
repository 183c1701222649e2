"""Shared fixtures: the folder with real data and golden vectors, where a checkout has it."""

import functools
import os
import pathlib

import pytest

SHARED = pathlib.Path(
    os.environ.get("SIGMOIDF1_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)


@pytest.fixture(scope="session")
def goldens():
    """`goldens("losses")` loads one file of values that peers' own code computed."""
    import numpy as np

    @functools.cache
    def load(name):
        path = SHARED / "goldens" / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"golden vectors not found at {path}; set SIGMOIDF1_SHARED to their folder")
        with np.load(path, allow_pickle=False) as file:
            return dict(file)

    return load
