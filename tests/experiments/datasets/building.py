"""Runs builders offline: example by example for counts, or whole for a round trip."""

import pathlib

import numpy as np
import pytest

pytest.importorskip("tensorflow_datasets", reason="builders need the experiments extra")

import tensorflow_datasets as tfds

from tests.conftest import SHARED


def examples(builder_class, folder, config=None, data_dir=None):
    """{split: examples} as the builder yields them, and its label names; nothing is written."""
    data_dir = data_dir or pathlib.Path(folder) / "data"
    builder = builder_class(data_dir=data_dir, config=config)
    manager = builder._make_download_manager(
        download_dir=data_dir / "downloads",
        download_config=tfds.download.DownloadConfig(manual_dir=folder),
    )
    splits = builder._split_generators(manager)
    read = {split: [example for _, example in pairs] for split, pairs in splits.items()}
    for split in read.values():
        keys = [example["id"] for example in split]
        assert len(set(keys)) == len(keys)
    return read, builder.info.features["labels"].feature.names


def prepare(builder_class, folder, config=None, data_dir=None):
    """The prepared builder, read back from disk by a second one."""
    data_dir = data_dir or pathlib.Path(folder) / "data"
    builder_class(data_dir=data_dir, config=config).download_and_prepare(
        file_format="array_record",
        download_config=tfds.download.DownloadConfig(manual_dir=folder),
    )
    return builder_class(data_dir=data_dir, config=config)


def counts(split):
    """Examples, labels an example (mean, least and most), examples with none, with several."""
    sizes = np.array([len(example["labels"]) for example in split])
    return {
        "examples": len(sizes),
        "cardinality": round(float(sizes.mean()), 3),
        "range": (int(sizes.min()), int(sizes.max())),
        "none": int((sizes == 0).sum()),
        "several": int((sizes > 1).sum()),
    }


def shared(name):
    """The folder of a set's real files, or a skip."""
    folder = SHARED / "data" / name
    if not folder.is_dir():
        pytest.skip(f"no copy of the public {name} files at {folder}; set SIGMOIDF1_SHARED")
    return folder
