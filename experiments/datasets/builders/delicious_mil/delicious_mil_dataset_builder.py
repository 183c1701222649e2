"""Delicious MIL: web pages as sentences of word stems, and the tags that users gave to them."""

import functools
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow_datasets as tfds

from experiments.datasets.builders import raw
from experiments.datasets.builders.multilabel_builder import Content, Example, MultilabelBuilder
from experiments.datasets.formats import files
from experiments.errors import UserError

_COMMIT = "355c469a814b50618a31bdbdd550ccdad8ed543b"
_URL = f"https://raw.githubusercontent.com/hsoleimani/MLTM/{_COMMIT}/Data/Delicious/"
_SPLITS = {"train": "train", "valid": "validation", "test": "test"}


class Builder(MultilabelBuilder):
    """Documents as text, a sentence a line."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
        optional: labels.txt, vocabs.txt and, for train, valid and test, *-data.dat and
        *-label.dat ({_URL}, or https://archive.ics.uci.edu/dataset/418/deliciousmil)
    """
    HOMEPAGE = "https://archive.ics.uci.edu/dataset/418/deliciousmil"
    SCOPE = "sub-entity"
    SCOPE_REASON = "tags are given to documents; the source also labels sentences of the test part"

    def _inputs(self) -> dict[str, Any]:
        return {"text": tfds.features.Text()}

    def _content(self, raw_files: raw.RawFiles) -> Content:
        def path(name: str) -> pathlib.Path:
            return raw_files.path(name, url=_URL + name)

        labels, words = _names(path("labels.txt")), _names(path("vocabs.txt"))
        return Content(
            {
                split: functools.partial(
                    documents, path(f"{part}-data.dat"), path(f"{part}-label.dat"), words, labels
                )
                for part, split in _SPLITS.items()
            },
            labels,
        )


def documents(
    data: pathlib.Path, labels: pathlib.Path, words: Sequence[str], names: Sequence[str]
) -> Iterator[Example]:
    """The documents of one part: a line of word numbers and a line of 0s and 1s for each.

    A line is `<sentences>`, then per sentence `<words>` and that many word numbers.
    """
    texts, rows = list(files.lines(data)), list(files.lines(labels))
    if len(texts) != len(rows):
        raise UserError(
            f"{data} has {len(texts)} lines and {labels} {len(rows)}; expected the same"
        )
    for (number, text), (_, row) in zip(texts, rows, strict=True):
        flags = row.split()
        if len(flags) != len(names) or not set(flags) <= {"0", "1"}:
            raise UserError(f"{labels} line {number}: expected {len(names)} times 0 or 1")
        yield {
            "id": str(number),
            "text": "\n".join(_sentences(text, words, f"{data} line {number}")),
            "labels": [name for name, flag in zip(names, flags, strict=True) if flag == "1"],
        }


def _sentences(line: str, words: Sequence[str], where: str) -> Iterator[str]:
    total, *parts = re.split(r"<(\d+)>", line.strip())[1:] or ["", ""]
    sizes, sentences = parts[1::2], [part.split() for part in parts[2::2]]
    if str(len(sentences)) != total or [str(len(s)) for s in sentences] != sizes:
        raise UserError(f"{where}: sentences or words are not as many as the line says")
    for sentence in sentences:
        try:
            yield " ".join(words[int(word)] for word in sentence)
        except (ValueError, IndexError) as error:
            raise UserError(f"{where}: expected word numbers below {len(words)}") from error


def _names(path: pathlib.Path) -> list[str]:
    """Names in a file with lines `name, number`, numbers from 0 in order."""
    names: list[str] = []
    for number, line in files.lines(path):
        if line.strip():
            name, _, index = line.rpartition(",")
            if index.strip() != str(len(names)):
                raise UserError(f"{path} line {number}: expected 'name, {len(names)}'")
            names.append(name.strip())
    return names
