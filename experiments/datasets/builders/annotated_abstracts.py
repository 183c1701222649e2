"""PubMed abstracts whose sentences carry paths in a taxonomy, joined per document.

Each document is `text/<id>.txt`, one sentence a line, and `labels/<id>.txt`, where each sentence's
labels follow a "<"; several are joined by " AND" and levels by "--".
"""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

from experiments.datasets.builders import raw
from experiments.datasets.formats.files import decode
from experiments.errors import UserError


def abstracts(
    raw_files: raw.RawFiles, url: str, digest: str, label: Callable[[str], str]
) -> list[dict[str, Any]]:
    """The documents with the union of their sentences' labels.

    Args:
      raw_files: where the user may have the folders `text` and `labels`, or an archive of both
        named as the data set, .tar.gz or .zip.
      url: the public archive. Its packing may change, so its content is checked, not its bytes.
      digest: what `raw.digest` of the downloaded `text/...` and `labels/...` files must be.
      label: from a lower-cased full path, as "a--b", to the label that is wanted.

    Raises:
      UserError: other content than the digest's, a document without its labels or the reverse,
        another number of label fields than sentences, or text that is not UTF-8.
    """
    text = raw_files.find("text")
    found = (
        text.parent if text else raw_files.find(f"{raw_files.name}.tar.gz", f"{raw_files.name}.zip")
    )
    path = found or raw_files.path(f"{raw_files.name}.tar.gz", url=url)
    files = {"text": dict[str, bytes](), "labels": dict[str, bytes]()}
    for name, data in raw.members(path):
        parts = pathlib.PurePosixPath(name).parts
        if len(parts) > 1 and parts[-2] in files and parts[-1].endswith(".txt"):
            files[parts[-2]][parts[-1]] = data
    if not files["text"]:
        raise UserError(f"{path} holds no text/*.txt")
    alone = sorted(set(files["text"]) ^ set(files["labels"]))
    if alone:
        raise UserError(f"{path}: {alone[0]} is not in both text/ and labels/")
    content = [(f"{kind}/{name}", data) for kind in files for name, data in files[kind].items()]
    if found is None and raw.digest(content) != digest:
        raise UserError(f"{path}: text/ and labels/ are not what was published")
    return [
        {
            "id": pathlib.PurePosixPath(name).stem,
            "text": decode(data, f"{path}: text/{name}"),
            "labels": list(_labels(name, data, files["labels"][name], label, path)),
        }
        for name, data in sorted(files["text"].items())
    ]


def _labels(
    name: str, text: bytes, labels: bytes, label: Callable[[str], str], path: pathlib.Path
) -> Iterator[str]:
    # What precedes the first "<" is empty; so is the field of a sentence without labels.
    fields = decode(labels, f"{path}: labels/{name}").split("<")[1:]
    sentences = text.rstrip(b"\n").count(b"\n") + 1
    if len(fields) != sentences:
        raise UserError(
            f"{path}: labels/{name} has {len(fields)} label fields for the {sentences} sentences "
            f"of text/{name}"
        )
    for field in fields:
        for entry in field.split(" AND"):
            levels = [level.strip() for level in entry.lower().split("--")]
            taxon = "--".join(level for level in levels if level)
            if taxon and taxon != "null":
                yield label(taxon)
