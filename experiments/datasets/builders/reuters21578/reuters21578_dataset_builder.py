"""Reuters-21578 in the ModApte split: news and their topics, from the SGML files."""

import functools
import html
import pathlib
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from experiments.datasets.builders import raw
from experiments.datasets.builders.multilabel_builder import (
    Content,
    Example,
    MultilabelBuilder,
    count_labels,
)
from experiments.datasets.formats.files import read_bytes
from experiments.errors import UserError

_COMMIT = "7008b13439afe8d91a777ed534acf12268d52340"
_URL = f"https://raw.githubusercontent.com/sola91/reuters-21578/{_COMMIT}/data/"
_FILES = tuple(f"reut2-{number:03}.sgm" for number in range(22))
_SPLITS = {"TRAIN": "train", "TEST": "test"}
_DOCUMENT = re.compile(r"<REUTERS\b([^>]*)>(.*?)</REUTERS>", re.DOTALL)
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')


class Builder(MultilabelBuilder):
    """News with a topic; `parts` of the collection by their LEWISSPLIT."""

    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(
            name="modapte_90", description="The 90 topics that train and test both have."
        ),
        tfds.core.BuilderConfig(
            name="modapte_115", description="The 115 topics of train; test has 93, 3 not in train."
        ),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
        optional: reut2-000.sgm to reut2-021.sgm of Reuters-21578, distribution 1.0 (as in {_URL}),
        or the archive reuters21578.tar.gz that holds them
    """
    HOMEPAGE = "https://archive.ics.uci.edu/dataset/137"
    SCOPE = "entity-wide"
    SCOPE_REASON = "topics were given to whole stories by indexers"

    def _inputs(self) -> dict[str, Any]:
        return {"text": tfds.features.Text(), "title": tfds.features.Text()}

    def _content(self, raw_files: raw.RawFiles) -> Content:
        documents: dict[str, list[Example]] = {"train": [], "test": []}
        for where, data in _files(raw_files):
            for split, document in _documents(data, where):
                documents[split].append(document)
        splits = {split: functools.partial(iter, found) for split, found in documents.items()}
        train, test = (set(count_labels(splits[split])) for split in ("train", "test"))
        topics = train & test if self.builder_config.name == "modapte_90" else train
        return Content(splits, sorted(topics), keep_unlabelled=False)


def _files(raw_files: raw.RawFiles) -> Iterator[tuple[str, bytes]]:
    archive = raw_files.find("reuters21578.tar.gz")
    if archive is None:
        for name in _FILES:
            path = raw_files.path(name, url=_URL + name)
            yield str(path), read_bytes(path)
        return
    found = {pathlib.PurePosixPath(name).name: data for name, data in raw.members(archive)}
    for name in _FILES:
        if name not in found:
            raise UserError(f"{archive} holds no {name}")
        yield f"{archive}: {name}", found[name]


def _documents(data: bytes, where: str) -> Iterator[tuple[str, Example]]:
    # Latin-1, since a few characters of the collection are neither ASCII nor UTF-8.
    text = data.decode("latin-1")
    found = 0
    for match in _DOCUMENT.finditer(text):
        found += 1
        attributes = dict(_ATTRIBUTE.findall(match[1]))
        try:
            identifier, topics, split = (
                attributes[name] for name in ("NEWID", "TOPICS", "LEWISSPLIT")
            )
        except KeyError as error:
            line = text.count("\n", 0, match.start()) + 1
            raise UserError(f"{where} line {line}: <REUTERS> without {error}") from error
        if topics == "YES" and split in _SPLITS:
            labels = re.findall(r"<D>(.*?)</D>", _element(match[2], "TOPICS"))
            title, body = _element(match[2], "TITLE"), _element(match[2], "BODY")
            if not title and not body:  # stories marked BRIEF or UNPROC
                body = re.sub(r"<[^>]*>", " ", _element(match[2], "TEXT"))
            yield (
                _SPLITS[split],
                {
                    "id": identifier,
                    "title": _plain(title),
                    "text": f"{_plain(title)}\n{_plain(body)}".strip(),
                    "labels": [html.unescape(label) for label in labels],
                },
            )
    if not found or found != text.count("<REUTERS "):
        raise UserError(f"{where}: {found} complete documents; the file is truncated or not SGML")


def _element(text: str, name: str) -> str:
    match = re.search(rf"<{name}\b[^>]*>(.*?)</{name}>", text, re.DOTALL)
    return match[1] if match else ""


def _plain(text: str) -> str:
    # Control characters, written as &#2; and the like, open and close the texts.
    unescaped = html.unescape(re.sub(r"&#(?:[0-8]|1[1-9]|2\d|3[01]|127);", "", text))
    return unescaped.strip()
