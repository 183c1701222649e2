"""Adapters of TFDS's own data sets, on examples in the sources' structure."""

import csv
import gzip
import importlib
import pathlib

import numpy as np
import pytest

pytest.importorskip("tensorflow_datasets", reason="adapters need the experiments extra")

import tensorflow_datasets as tfds

from experiments.datasets.sources.adapters import ADAPTERS, adapt
from tests.experiments.datasets.building import counts, shared

Text, Image, ClassLabel = tfds.features.Text, tfds.features.Image, tfds.features.ClassLabel


def classes(*names):
    return tfds.features.Sequence(ClassLabel(names=list(names)))


PIXELS = np.zeros((2, 2, 3), np.uint8)
TOXICITY = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
# Per source: its features, two examples as they are read, label names, labels of the examples.
CASES = {
    "wikipedia_toxicity_subtypes": (
        {"text": Text(), "id": Text(), "language": Text(), **dict.fromkeys(TOXICITY, np.float32)},
        [
            {"text": b"a", "id": b"1", "language": b"en"} | dict.fromkeys(TOXICITY, 0.0),
            {"text": b"b", "id": b"2", "language": b"en"}
            | dict.fromkeys(TOXICITY, 0.0)
            | {"insult": 1.0, "toxicity": 1.0},
        ],
        TOXICITY,
        [[], [0, 4]],
    ),
    "civil_comments": (
        {"text": Text(), "sexual_explicit": np.float32, **dict.fromkeys(TOXICITY, np.float32)},
        [
            {"text": b"a", "sexual_explicit": 0.5} | dict.fromkeys(TOXICITY, 0.49),
            {"text": b"b", "sexual_explicit": 0.0} | dict.fromkeys(TOXICITY, 0.0),
        ],
        (*TOXICITY, "sexual_explicit"),
        [[6], []],
    ),
    "goemotions": (
        {"comment_text": Text(), "joy": np.bool_, "anger": np.bool_},
        [
            {"comment_text": b"a", "joy": np.True_, "anger": np.False_},
            {"comment_text": b"b", "joy": np.True_, "anger": np.True_},
        ],
        ("anger", "joy"),
        [[1], [0, 1]],
    ),
    "voc": (
        {"image": Image(), "labels": classes("cat", "dog"), "labels_no_difficult": classes("cat")},
        [
            {"image": PIXELS, "labels": np.array([1, 0]), "labels_no_difficult": []},
            {"image": PIXELS, "labels": [np.int64(1)], "labels_no_difficult": []},
        ],
        ("cat", "dog"),
        [[0, 1], [1]],
    ),
    "coco": (
        {
            "image": Image(),
            "objects": tfds.features.Sequence(
                {"label": ClassLabel(names=["cat", "dog"]), "is_crowd": np.bool_}
            ),
        },
        [
            {"image": PIXELS, "objects": {"label": np.array([1, 1, 0]), "is_crowd": [0, 0, 0]}},
            {"image": PIXELS, "objects": {"label": np.array([], np.int64), "is_crowd": []}},
        ],
        ("cat", "dog"),
        [[0, 1], []],
    ),
    "bigearthnet": (
        {"image": Image(), "labels": classes("forest", "sea"), "filename": Text()},
        [
            {"image": PIXELS, "labels": [1], "filename": b"x"},
            {"image": PIXELS, "labels": [1, 0], "filename": b"y"},
        ],
        ("forest", "sea"),
        [[1], [0, 1]],
    ),
    "celeb_a": (
        {"image": Image(), "attributes": {"Young": np.bool_, "Bald": np.bool_}},
        [
            {"image": PIXELS, "attributes": {"Young": np.True_, "Bald": np.False_}},
            {"image": PIXELS, "attributes": {"Young": np.False_, "Bald": np.False_}},
        ],
        ("Bald", "Young"),
        [[1], []],
    ),
    "movielens": (
        {
            "movie_title": np.str_,
            "movie_genres": classes("Action", "Unknown", "War", "(no genres listed)"),
        },
        [
            {"movie_title": b"a", "movie_genres": [3]},
            {"movie_title": b"b", "movie_genres": np.array([2, 0, 1])},
        ],
        ("Action", "War"),
        [[], [0, 1]],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_sources_have_one_input_and_a_set_of_labels(name):
    features, rows, names, labels = CASES[name]
    adapter = ADAPTERS[name]
    adapted, read = adapt(adapter, tfds.features.FeaturesDict(features))
    assert set(adapted) == {adapter.target, "labels"}
    assert isinstance(adapted[adapter.target], Text if adapter.target == "text" else Image)
    assert tuple(adapted["labels"].feature.names) == names
    assert [read(row)["labels"] for row in rows] == labels
    assert read(rows[0])[adapter.target] is rows[0][adapter.source]


def test_uncertain_findings_are_missing():
    states = ClassLabel(names=["uncertain", "positive", "negative", "unmentioned"])
    features = {"image": Image(), "label": tfds.features.Sequence(states)}
    adapted, read = adapt(ADAPTERS["chexpert"], features)
    assert adapted["labels"].feature.names[2] == "Cardiomegaly"
    assert adapted["known"].shape == (14,)
    found = read({"image": PIXELS, "label": [0, 1, 2, 3] + [3] * 10})
    assert found["labels"] == [1]
    np.testing.assert_array_equal(found["known"], np.arange(14) != 0)


def test_a_prepared_source_is_read(tmp_path):
    """From disk: what `as_data_source` yields is what the readers take."""

    class Movies(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = tmp_path
        code_path = pathlib.Path(__file__)

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(CASES["movielens"][0])
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield from enumerate(CASES["movielens"][1])

    builder = Movies(data_dir=tmp_path)
    builder.download_and_prepare(file_format="array_record")
    _, read = adapt(ADAPTERS["movielens"], builder.info.features)
    found = {e["text"]: e["labels"] for e in map(read, builder.as_data_source("train"))}
    assert found == {b"a": [], b"b": [0, 1]}


def test_chexpert_s_states_are_tfds_s():
    chexpert = importlib.import_module("tensorflow_datasets.image_classification.chexpert")
    assert set(chexpert._LABELS.values()) == {"uncertain", "positive", "negative", "unmentioned"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("train", (43410, 1.177, (1, 5), 0, 7102)),
        ("dev", (5426, 1.176, (1, 5), 0, 878)),
        ("test", (5427, 1.166, (1, 5), 0, 837)),
    ],
)
def test_real_goemotions_have_their_published_counts(part, expected):
    folder = shared("goemotions")
    emotions = (folder / "labels.txt").read_text().split()
    features = {"comment_text": Text(), **dict.fromkeys(emotions, np.bool_)}
    adapted, read = adapt(ADAPTERS["goemotions"], features)
    names = adapted["labels"].feature.names
    assert sorted(emotions) == names
    with gzip.open(folder / f"{part}.tsv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found = []
    for text, ids, _ in rows:
        chosen = {emotions[int(i)] for i in ids.split(",")}
        row = {"comment_text": text, **{emotion: emotion in chosen for emotion in emotions}}
        found.append(read(row))
        assert {names[i] for i in found[-1]["labels"]} == chosen
    result = tuple(counts(found).values())
    assert (result[0], result[1], result[4]) == (expected[0], expected[1], expected[4])
    assert result[2][0] == 1
    assert result[2][1] <= 5


@pytest.mark.parametrize(
    ("part", "expected"),
    [("train_sample", (1000, 0.215, 902)), ("val_sample", (1000, 0.178, 920))],
)
def test_a_real_sample_of_toxic_comments_has_its_published_counts(part, expected):
    features, _, names, _ = CASES["wikipedia_toxicity_subtypes"]
    columns = dict(zip(names, ("toxic", *names[1:5], "identity_hate"), strict=True))
    columns["severe_toxicity"] = "severe_toxic"
    _, read = adapt(ADAPTERS["wikipedia_toxicity_subtypes"], features)
    path = shared("jigsaw_toxicity_sample") / f"{part}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        found = counts(
            read({"text": row["comment_text"], **{n: float(row[c]) for n, c in columns.items()}})
            for row in csv.DictReader(file)
        )
    assert (found["examples"], found["cardinality"], found["none"]) == expected
