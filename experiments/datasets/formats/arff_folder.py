"""Which ARFF files belong together, and which XML file lists their labels."""

import pathlib
import re
from typing import NamedTuple

from experiments.datasets.dataset import PART_NAMES
from experiments.datasets.formats.arff_grammar import Header
from experiments.datasets.formats.files import without_compression
from experiments.datasets.formats.xml_labels import LabelList, read_label_list
from experiments.errors import UserError, listed

_ARFF = re.compile(r"(.+)\.arff", re.IGNORECASE)
_XML = re.compile(r"(.+)\.xml", re.IGNORECASE)
# Between the words of a file's name: signs, or a capital letter after a small one.
_BETWEEN = re.compile(r"[-_. ]|(?<=[a-z0-9])(?=[A-Z])")
_FORMS = ("sparse", "dense", "full", "all", "whole", "complete")


class Part(NamedTuple):
    """A file, and which part of its data set it holds; None for all of it."""

    path: pathlib.Path
    part: str | None


def files_of_folder(folder: pathlib.Path) -> list[Part]:
    """The files of a folder that has one data set."""
    found = {p: m for p in sorted(folder.iterdir()) if (m := _match(_ARFF, p)) is not None}
    lists = sum(_match(_XML, p) is not None for p in folder.iterdir())
    if not found:
        raise UserError(
            f"{folder} holds 0 .arff files and {lists} .xml files; expected one or more .arff "
            "files (perhaps in .gz, .bz2 or .xz) and one .xml file that lists the labels"
        )
    stems = {path: _stem(match[1]) for path, match in found.items()}
    if len({stem for stem, _ in stems.values() if stem}) > 1:
        raise UserError(
            f"{folder} holds several data sets, or parts that are not called train, validation or "
            f"test: {listed([p.name for p in found])}; give the path of one file (and --test, of "
            "another), or a folder of one data set"
        )
    return [Part(path, part) for path, (_, part) in stems.items()]


def _match(pattern: re.Pattern[str], path: pathlib.Path) -> re.Match[str] | None:
    # macOS puts a file ._NAME beside each that it packs.
    return None if path.name[0] == "." else pattern.fullmatch(without_compression(path.name))


def _stem(text: str) -> tuple[str, str | None]:
    """What a file's name says: the data set in small letters without signs, and the part."""
    words = [word.lower() for word in _BETWEEN.split(text)]
    part = None
    while words:
        if part is None and words[-1] in PART_NAMES:
            part = PART_NAMES[words[-1]]
        elif words[-1] not in _FORMS:
            break
        words.pop()
    return "".join(words), part


def own_labels(header: Header) -> tuple[LabelList, object]:
    """The labels that an XML file lists for this one, else those that the file itself tells."""
    path = header.path
    match = _match(_ARFF, path)
    stem, _ = _stem(match[1] if match else path.stem)
    lists = {p: m[1] for p in sorted(path.parent.iterdir()) if (m := _match(_XML, p)) is not None}
    own = [p for p, name in lists.items() if match and name.lower() == match[1].lower()]
    own = own or [p for p, name in lists.items() if _stem(name)[0] == stem]
    told = header.own_labels()
    candidates = own or list(lists)
    if not own and told and len(lists) > 1:
        candidates = []
    listings = {read_label_list(p): p for p in reversed(candidates)}
    if len(listings) > 1:
        raise UserError(
            f"which of {listed([p.name for p in candidates])} lists the labels of {path}? expected "
            "one of its name, or --labels"
        )
    names = {attribute.name for attribute in header.attributes}
    for listing, file in listings.items():
        # Another file's list does not count against what this one says itself.
        if own or not told or names.issuperset(listing.names):
            return listing, file
    if told:
        return LabelList(told), "it"
    raise UserError(
        f"{path}: which attributes are labels? no .xml file beside it lists them, and neither "
        "@outputs nor a -C in its @relation tells them; pass --labels; its attributes: "
        f"{listed([attribute.name for attribute in header.attributes])}"
    )
