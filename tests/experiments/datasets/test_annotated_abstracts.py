"""Hallmarks of cancer and chemical exposure: sentences' labels joined per abstract."""

import io
import tarfile
import zipfile

import pytest

from tests.experiments.datasets.building import counts, examples, prepare, shared  # isort: skip
from experiments.datasets.builders.chemical_exposure import chemical_exposure_dataset_builder
from experiments.datasets.builders.hallmarks_of_cancer import hallmarks_of_cancer_dataset_builder
from experiments.errors import UserError

Hallmarks = hallmarks_of_cancer_dataset_builder.Builder
Exposure = chemical_exposure_dataset_builder.Builder
TINY = {
    "README.md": "no document",
    "text/1.txt": "First sentence .\nSecond one .\n",
    "text/2.txt": "Only sentence .",
    "text/3.txt": "Nothing here .\n",
    "labels/1.txt": "<One--a ANDTwo--b AND  one--A--< Two--",
    "labels/2.txt": "<two--c--workers--",
    "labels/3.txt": "< NULL",
}


def tar(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode("latin-1")))
    return path.parent


def test_documents_have_the_labels_of_their_sentences(tmp_path):
    tar(tmp_path / "hallmarks_of_cancer.tar.gz", TINY)
    builder = prepare(Hallmarks, tmp_path)
    assert builder.info.features["labels"].feature.names == ["one", "two"]
    read = {e["id"]: e for e in builder.as_data_source()["train"]}
    assert {key: sorted(e["labels"]) for key, e in read.items()} == {
        b"1": [0, 1],
        b"2": [1],
        b"3": [],
    }
    assert read[b"1"]["text"] == b"First sentence .\nSecond one .\n"
    _, names = examples(Hallmarks, tmp_path, "full_path")
    assert names == ["one--a", "two", "two--b", "two--c--workers"]


def test_folders_zips_and_folders_of_the_set_s_name_are_read(tmp_path):
    folder = tmp_path / "all" / "chemical_exposure"
    for name, text in TINY.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (tmp_path / "zip").mkdir()
    with zipfile.ZipFile(tmp_path / "zip" / "chemical_exposure.zip", "w") as archive:
        for name, text in TINY.items():
            archive.writestr(f"repository-1/{name}", text)
    a = examples(Exposure, tmp_path / "all", "no_population", tmp_path / "a")
    assert a == examples(Exposure, tmp_path / "zip", "no_population", tmp_path / "b")
    assert a[1] == ["one--a", "two", "two--b", "two--c"]
    assert examples(Exposure, tmp_path / "all", "top_level", tmp_path / "c")[1] == ["one", "two"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels/4.txt": "<a"}, "4.txt is not in both text/ and labels/"),
        ({"labels/2.txt": "<a<b"}, "labels/2.txt has 2 label fields for the 1 sentences of text/2"),
        ({"text/2.txt": "a\xff"}, r"text/2.txt line 1: byte 0xff is not UTF-8"),
        ({"labels/2.txt": "<\xe9"}, r"labels/2.txt line 1: byte 0xe9 is not UTF-8"),
        ({"../text/2.txt": "a"}, r"archive member '../text/2.txt' leaves its folder"),
        ({"/text/2.txt": "a"}, r"archive member '/text/2.txt' leaves its folder"),
    ],
)
def test_broken_archives_are_named_and_nothing_is_left(tmp_path, changed, message):
    tar(tmp_path / "hallmarks_of_cancer.tar.gz", TINY | changed)
    with pytest.raises(UserError, match=f"hallmarks_of_cancer.tar.gz.*{message}"):
        prepare(Hallmarks, tmp_path)
    assert not [p for p in (tmp_path / "data").rglob("*") if "1.0.0" in p.name]


def test_archives_without_documents_or_labels_are_refused(tmp_path):
    tar(tmp_path / "hallmarks_of_cancer.tar.gz", {"README.md": ""})
    with pytest.raises(UserError, match=r"holds no text/\*.txt"):
        examples(Hallmarks, tmp_path)
    tar(tmp_path / "hallmarks_of_cancer.tar.gz", {"text/1.txt": "a", "labels/1.txt": "<"})
    with pytest.raises(UserError, match="no label is left in train"):
        examples(Hallmarks, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("builder", "file", "config", "labels", "expected"),
    [
        (Hallmarks, "hoc", "top_level", 10, (1852, 1.332, (0, 5), 272, 660)),
        (Hallmarks, "hoc", "full_path", 36, (1852, 1.677, (0, 8), 272, 958)),
        (Exposure, "cei", "full", 69, (3661, 2.930, (1, 13), 0, 2867)),
        (Exposure, "cei", "no_population", 36, (3661, 2.436, (1, 10), 0, 2619)),
        (Exposure, "cei", "top_level", 3, (3661, 1.496, (1, 3), 0, 1624)),
    ],
)
def test_the_real_files_have_their_published_counts(
    tmp_path, builder, file, config, labels, expected
):
    link = tmp_path / f"{builder.name}.tar.gz"
    link.symlink_to(shared(builder.name) / f"{file}_raw.tar.gz")
    read, names = examples(builder, tmp_path, config)
    assert len(names) == labels
    assert tuple(counts(read["train"]).values()) == expected


@pytest.mark.slow
def test_the_real_hallmarks_come_back_from_disk(tmp_path):
    (tmp_path / "hallmarks_of_cancer.tar.gz").symlink_to(
        shared("hallmarks_of_cancer") / "hoc_raw.tar.gz"
    )
    builder = prepare(Hallmarks, tmp_path)
    assert builder.info.splits["train"].num_examples == 1852
    read = list(builder.as_data_source("train"))
    assert tuple(counts(read).values()) == (1852, 1.332, (0, 5), 272, 660)
    names = builder.info.features["labels"].feature.names
    written = {e["id"].decode(): {names[i] for i in e["labels"]} for e in read}
    raw, _ = examples(Hallmarks, tmp_path)
    assert written == {e["id"]: set(e["labels"]) for e in raw["train"]}


@pytest.mark.slow
@pytest.mark.parametrize(("builder", "file"), [(Hallmarks, "hoc"), (Exposure, "cei")])
def test_the_content_digest_is_that_of_the_published_files(tmp_path, monkeypatch, builder, file):
    archive = shared(builder.name) / f"{file}_raw.tar.gz"
    manager = "tensorflow_datasets.core.download.DownloadManager.download"
    monkeypatch.setattr(manager, lambda self, url: archive)
    assert counts(examples(builder, tmp_path)[0]["train"])["examples"] > 1000
    tar(tmp_path / "other.tar.gz", TINY)
    archive = tmp_path / "other.tar.gz"
    with pytest.raises(UserError, match="are not what was published"):
        examples(builder, tmp_path, data_dir=tmp_path / "again")
