"""What holds for every builder: metadata, features, names, and TensorFlow is never imported."""

import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow_datasets", reason="builders need the experiments extra")
pytest.importorskip("matplotlib", reason="icons are drawn with matplotlib")

import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_metadata

from experiments.datasets import builders
from experiments.datasets.builders import BUILDERS

CONFIGS = [
    (name, config.name if config else None)
    for name, builder in BUILDERS.items()
    for config in (builder.BUILDER_CONFIGS or [None])
]


@pytest.mark.parametrize(("name", "config"), CONFIGS)
def test_features_are_one_input_and_labels(tmp_path, name, config):
    builder = BUILDERS[name](data_dir=tmp_path, config=config)
    features = builder.info.features
    assert len({"text", "features", "image"} & set(features)) == 1
    kinds = {"text": tfds.features.Text, "image": tfds.features.Image}
    for key, kind in (kinds | {"features": tfds.features.Tensor}).items():
        assert key not in features or isinstance(features[key], kind)
    assert isinstance(features["labels"].feature, tfds.features.ClassLabel)
    assert builder.SCOPE in {"entity-wide", "sub-entity"}
    assert builder.SCOPE_REASON


@pytest.mark.parametrize("name", BUILDERS)
def test_metadata_are_complete(name):
    builder = BUILDERS[name]
    assert builder.name == name
    metadata = builder.get_metadata()
    assert "Licence: " in metadata.description
    assert metadata.citation.startswith("@")
    assert metadata.tags
    assert set(metadata.tags) <= {
        tag.split("#")[0].strip() for tag in dataset_metadata.valid_tags()
    }
    assert builder.HOMEPAGE.startswith("https://")
    assert len(builder.MANUAL_DOWNLOAD_INSTRUCTIONS) > 20


def test_every_folder_of_a_builder_is_listed():
    folder = pathlib.Path(builders.__file__).parent
    found = {path.parent.name for path in folder.glob("*/*_dataset_builder.py")}
    assert set(BUILDERS) == found


@pytest.mark.slow
def test_tensorflow_is_never_imported(tmp_path):
    """From raw files to reading, in a process of its own."""
    code = f"""
import pathlib, sys
import tensorflow_datasets as tfds
from experiments.datasets.builders import BUILDERS
folder = pathlib.Path({str(tmp_path)!r})
(folder / "emotions.xml").write_text('<labels><label name="a"/></labels>')
for part in ("train", "test"):
    text = "@attribute x numeric\\n@attribute a {{0,1}}\\n@data\\n1,1\\n2,0\\n"
    (folder / f"emotions-{{part}}.arff").write_text(text)
builder = BUILDERS["mulan"](data_dir=folder / "data", config="emotions")
builder.download_and_prepare(
    file_format="array_record",
    download_config=tfds.download.DownloadConfig(manual_dir=folder),
)
rows = builder.as_data_source("train")
print(sorted((float(row["features"][0]), len(row["labels"])) for row in rows))
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[(1.0, 1), (2.0, 0)]"
