"""Reuters-21578: SGML files, plain or archived, and the counts of the ModApte split."""

import gzip
import html
import io
import json
import tarfile

import pytest

from tests.experiments.datasets.building import counts, examples, prepare, shared  # isort: skip
from experiments.datasets.builders.reuters21578.reuters21578_dataset_builder import Builder
from experiments.errors import UserError


def story(number, split, topics, title="A TITLE", body="Words & more.\n Reuter"):
    text = f"<TITLE>{html.escape(title)}</TITLE>\n" if title else ""
    if body:
        text += f"<DATELINE> CITY, March 3 - </DATELINE><BODY>{html.escape(body)}\n&#3;</BODY>"
    topics = "".join(f"<D>{topic}</D>" for topic in topics)
    return (
        f'<REUTERS TOPICS="YES" LEWISSPLIT="{split}" CGISPLIT="S" OLDID="1" NEWID="{number}">\n'
        f"<TOPICS>{topics}</TOPICS>\n<PLACES><D>elsewhere</D></PLACES>\n"
        f"<TEXT>&#2;\n{text}</TEXT>\n</REUTERS>\n"
    )


def write(folder, stories):
    """22 files, as the collection has: the stories in the first, an unused one in the others."""
    unused = story(0, "NOT-USED", ["grain"])
    for number in range(22):
        content = "".join(stories) if number == 0 else unused.replace('"0"', f'"x{number}"')
        text = '<!DOCTYPE lewis SYSTEM "lewis.dtd">\n' + content
        (folder / f"reut2-{number:03}.sgm").write_text(text, encoding="latin-1")


TINY = [
    story(1, "TRAIN", ["grain", "oil"]),
    story(2, "TRAIN", ["gold"]),
    story(3, "TRAIN", []),
    story(4, "TEST", ["oil", "tea"], title="", body="Caf\xe9"),
    story(5, "TEST", ["tea"]),
    story(6, "TEST", ["grain"]).replace("<TITLE>", "plain ").replace("</TITLE>", ""),
]


def test_topics_of_both_splits_are_kept_and_stories_without_are_not(tmp_path):
    write(tmp_path, TINY)
    builder = prepare(Builder, tmp_path)
    assert builder.info.features["labels"].feature.names == ["grain", "oil"]
    source = builder.as_data_source()
    read = {e["id"]: (e["text"].decode(), list(e["labels"])) for s in source for e in source[s]}
    assert read == {
        b"1": ("A TITLE\nWords & more.\n Reuter", [0, 1]),
        b"4": ("Caf\xe9", [1]),
        b"6": ("Words & more.\n Reuter", [0]),
    }
    assert (len(source["train"]), len(source["test"])) == (1, 2)


def test_all_topics_of_train_in_an_archive(tmp_path):
    write(tmp_path, TINY)
    (tmp_path / "a").mkdir()
    with tarfile.open(tmp_path / "a" / "reuters21578.tar.gz", "w:gz") as tar:
        for path in sorted(tmp_path.glob("*.sgm")):
            tar.add(path, path.name)
    read, names = examples(Builder, tmp_path / "a", "modapte_115")
    assert names == ["gold", "grain", "oil"]
    assert [e["id"] for e in read["train"]] == ["1", "2"]
    (tmp_path / "b").mkdir()
    with tarfile.open(tmp_path / "b" / "reuters21578.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("README"), io.BytesIO())
    with pytest.raises(UserError, match=r"reuters21578.tar.gz holds no reut2-000.sgm"):
        examples(Builder, tmp_path / "b")


@pytest.mark.parametrize(
    ("stories", "message"),
    [
        ([TINY[0][:-20]], r"reut2-000.sgm: 0 complete documents; the file is truncated"),
        ([TINY[0].replace("NEWID", "ID")], r"reut2-000.sgm line 2: <REUTERS> without 'NEWID'"),
        ([TINY[0], story(9, "TEST", ["tea"])], "no label is left in train, test"),
    ],
)
def test_broken_files_are_named(tmp_path, stories, message):
    write(tmp_path, stories)
    with pytest.raises(UserError, match=message):
        examples(Builder, tmp_path)


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """The collection's stories as SGML again, from the JSON lines that were made of it."""
    folder = tmp_path_factory.mktemp("reuters")
    path = shared("reuters21578_modapte") / "modapte.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    write(
        folder,
        [story(r["id"], r["split"].upper(), r["topics"], r["title"], r["body"]) for r in rows],
    )
    return folder, {str(r["id"]): r for r in rows}


@pytest.mark.slow
def test_the_real_collection_has_its_published_counts(real):
    folder, rows = real
    read, names = examples(Builder, folder)
    assert len(names) == 90
    assert {split: len(e) for split, e in read.items()} == {"train": 7770, "test": 3019}
    assert counts(read["train"] + read["test"])["cardinality"] == 1.235
    assert all(e["title"] == rows[e["id"]]["title"].strip() for e in read["train"])
    read, names = examples(Builder, folder, "modapte_115")
    assert len(names) == 115
    assert counts(read["train"])["examples"] == 7775
    assert counts(read["train"])["cardinality"] == 1.241
    assert counts(read["train"])["range"] == (1, 16)
