"""Multilabel data sets in ARFF files: which files belong together, and what their columns say."""

import collections
import dataclasses
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from experiments.datasets import rows
from experiments.datasets.dataset import PART_NAMES, Dataset, Impute, Rows, check_memory
from experiments.datasets.formats.arff_file import Attribute, Header, Table, read_table
from experiments.datasets.formats.cells import truth
from experiments.datasets.formats.files import without_compression
from experiments.datasets.formats.xml_labels import LabelList, read_label_list
from experiments.datasets.options import Options
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


# Gives the labels of a file, and what lists them, for messages.
Lister = Callable[[Header], tuple[LabelList, object]]


@dataclasses.dataclass(frozen=True)
class Content:
    """What files hold together; `sizes` are the numbers of rows by part, in the rows' order."""

    features: npt.NDArray[np.float32]
    feature_names: tuple[str, ...]
    labels: npt.NDArray[np.bool_]
    where: npt.NDArray[np.bool_]
    label_list: LabelList
    sizes: tuple[tuple[str | None, int], ...]
    notes: tuple[str, ...]

    def parts(self) -> dict[str | None, Rows]:
        """Rows by part."""
        ends = np.cumsum([0, *(size for _, size in self.sizes)], dtype=np.int32)
        return {
            part: np.arange(ends[i], ends[i + 1], dtype=np.int32)
            for i, (part, _) in enumerate(self.sizes)
        }


def arff(path: pathlib.Path, name: str, options: Options) -> Dataset:
    """The data set in an ARFF file, in that and `options.test`, or in the files of a folder.

    Labels are those of `options.labels`, else of the XML file of the same name (or the only one
    there), else of @outputs or of MEKA's -C in the relation's name. Files of a folder whose names
    end in -train, -test or -validation are the parts of the source's own split; a file that holds
    the same rows as others do is left out.

    Raises:
      UserError: no ARFF file, nothing that tells the labels, files that do not belong together,
        or a line that cannot be read (named with its file and number).
    """
    if path.is_dir():
        files = _of_folder(path)
    elif options.test is None:
        files = [Part(path, None)]
    else:
        files = [Part(path, "train"), Part(pathlib.Path(options.test), "test")]

    def labels(header: Header) -> tuple[LabelList, object]:
        if options.labels:
            return LabelList(options.labels), "--labels"
        return _own_labels(header)

    content = read_content(files, labels, options.negative, options.impute)
    parts = content.parts()
    second = f" and {pathlib.Path(options.test).name}" if options.test else ""
    source = path.resolve().name + second
    return Dataset(
        name,
        content.features,
        content.labels,
        content.label_list.names,
        f"{source} ({'; '.join(('ARFF', *content.notes))})",
        where=None if content.where.all() else content.where,
        impute=options.impute if np.isnan(content.features).any() else None,
        parts={part: rows for part, rows in parts.items() if part is not None}
        if "train" in parts and "test" in parts
        else None,
        feature_names=content.feature_names,
        hierarchy=content.label_list.hierarchy,
    )


def read_content(
    files: Sequence[Part],
    labels: Lister,
    negative: str | None = None,
    impute: Impute | None = None,
) -> Content:
    """Features and labels of the rows of all files, each of another part of one data set.

    A nominal attribute whose values are numbers is a feature of those numbers; one of up to two
    values is 0 and 1; one of more is a feature for each value. One whose values hardly repeat says
    only which example a row is, and is left out.

    Args:
      files: files and their parts. Those with the rows of others are left out.
      labels: gives the labels of each file.
      negative: as `cells.truth`.
      impute: what takes the place of features that are not known, which are refused without.

    Raises:
      UserError: files that do not belong together, or that cannot be read.
    """
    found: LabelList | None = None

    def names(header: Header) -> tuple[str, ...]:
        nonlocal found
        listing, lister = labels(header)
        _check_labels(header, listing, lister)
        found = found or listing
        if set(found.names) != set(listing.names):
            raise UserError(f"{header.path} has other labels than {files[0].path}")
        return found.names

    tables = [read_table(file.path, names, negative) for file in files]
    assert found is not None  # there is at least one file
    attributes, values = _aligned(tables)
    kept, notes = _distinct(files, tables, values)
    tables, values = [tables[i] for i in kept], [values[i] for i in kept]
    columns, dropped = _columns(attributes, values)
    if not columns:
        raise UserError(f"{files[0].path} has no feature besides its labels; {'; '.join(dropped)}")
    if any(table.weighted for table in tables):
        notes.append("weights of rows are passed over")
    if impute is None:
        _check_known(attributes, columns, values, tables)
    features, feature_names = _features(attributes, columns, values)
    return Content(
        features,
        feature_names,
        np.concatenate([table.labels for table in tables]),
        np.concatenate([table.where for table in tables]),
        found,
        tuple((files[i].part, len(tables[j].numbers)) for j, i in enumerate(kept)),
        (*notes, *dropped),
    )


def _of_folder(folder: pathlib.Path) -> list[Part]:
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


def _own_labels(header: Header) -> tuple[LabelList, object]:
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


def _check_labels(header: Header, listing: LabelList, lister: object) -> None:
    names = [attribute.name for attribute in header.attributes]
    missing = [name for name in listing.names if name not in set(names)]
    if missing:
        raise UserError(
            f"{header.path} lacks the label {missing[0]!r} that {lister} lists; its attributes: "
            f"{listed(names)}"
        )
    if len(set(listing.names)) < len(listing.names):
        twice = next(name for name in listing.names if listing.names.count(name) > 1)
        raise UserError(f"{header.path}: {lister} lists the label {twice!r} twice")
    if len(listing.names) == len(names):
        raise UserError(f"{header.path} has labels alone; expected features, too")


def _aligned(
    tables: Sequence[Table],
) -> tuple[list[Attribute], list[npt.NDArray[np.float32]]]:
    """The attributes that are features, and each table's values in their order.

    A list of values that differs between files becomes what is in any of them.
    """
    first = tables[0]
    order = {attribute.name: i for i, attribute in enumerate(first.features)}
    values_of: list[dict[str, None]] = [dict.fromkeys(a.words or ()) for a in first.features]
    for table in tables[1:]:
        path = table.header.path
        others = {attribute.name for attribute in table.features}
        odd = [name for name in (*order, *others) if (name in order) != (name in others)]
        if odd:
            raise UserError(
                f"{path} has other attributes than {first.header.path}, such as {odd[0]!r}; "
                "expected the same"
            )
        for attribute in table.features:
            known = values_of[order[attribute.name]]
            if bool(known) != bool(attribute.words):
                raise UserError(
                    f"{path} line {attribute.line}: attribute {attribute.name!r} is of another "
                    f"type than in {first.header.path}"
                )
            known.update(dict.fromkeys(attribute.words or ()))
    aligned = []
    for table in tables:
        values = np.empty_like(table.values)
        for i, attribute in enumerate(table.features):
            column, places = table.values[:, i], values_of[order[attribute.name]]
            if attribute.words is not None and attribute.words != tuple(places):
                number = {value: place for place, value in enumerate(places)}
                new = np.array([number[value] for value in attribute.words], np.float32)
                known_rows = ~np.isnan(column)
                column[known_rows] = new[column[known_rows].astype(np.intp)]
            values[:, order[attribute.name]] = column
        aligned.append(values)
    attributes = [
        dataclasses.replace(attribute, values=tuple(places) or attribute.values)
        for attribute, places in zip(first.features, values_of, strict=True)
    ]
    return attributes, aligned


def _distinct(
    files: Sequence[Part], tables: Sequence[Table], values: Sequence[npt.NDArray[np.float32]]
) -> tuple[list[int], list[str]]:
    """Numbers of the files that no other holds the rows of, and what is said of the others."""
    groups: dict[str | None, list[int]] = {}
    for i, file in enumerate(files):
        groups.setdefault(file.part, []).append(i)
    counted: dict[int, collections.Counter[bytes]] = {}

    def count(i: int) -> collections.Counter[bytes]:
        if i not in counted:
            columns = (values[i], tables[i].labels, tables[i].where)
            counted[i] = collections.Counter(rows.keys(np.hstack(columns, dtype=np.float32)))
        return counted[i]

    notes = []
    for part, members in groups.items():
        # The plainest name: without -sparse, .gz and such.
        members.sort(key=lambda i: (len(files[i].path.name), files[i].path.name))
        kept = files[members[0]].path
        for i in members[1:]:
            if count(i) != count(members[0]):
                raise UserError(
                    f"{files[i].path} and {kept} are both {part or 'a whole set'}, and their rows "
                    "differ; give one of them as the path, or keep one in the folder"
                )
            notes.append(f"{files[i].path.name} left out: its rows are those of {kept.name}")
    chosen = {part: members[0] for part, members in groups.items()}
    if None in chosen and len(chosen) > 1:
        whole = chosen.pop(None)
        together = sum((count(i) for i in chosen.values()), collections.Counter())
        names = listed([files[i].path.name for i in chosen.values()])
        if count(whole) != together:
            raise UserError(
                f"{files[whole].path} has {len(tables[whole].numbers):,} rows that are not the "
                f"{together.total():,} of {names}: which is the data set? give the path of one "
                "file (and --test, of another), or keep the whole set or its parts in the folder"
            )
        notes.append(f"{files[whole].path.name} left out: its rows are those of {names}")
    return sorted(chosen.values()), notes


def _columns(
    attributes: Sequence[Attribute], values: Sequence[npt.NDArray[np.float32]]
) -> tuple[list[int], list[str]]:
    """Numbers of the attributes that are learnt from, and what is said of the others."""
    kept = []
    notes = []
    examples = sum(map(len, values))
    for i, attribute in enumerate(attributes):
        used = 0
        if attribute.words:
            places = np.concatenate([table[:, i] for table in values])
            used = len(np.unique(places[~np.isnan(places)]))
        if _identifies(used, examples):
            notes.append(
                f"attribute {attribute.name!r} left out: {used:,} values in {examples:,} rows say "
                "which example it is"
            )
        else:
            kept.append(i)
    return kept, notes


def _features(
    attributes: Sequence[Attribute],
    columns: Sequence[int],
    values: Sequence[npt.NDArray[np.float32]],
) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Features as they are learnt from, and their names."""
    together = np.concatenate(values)
    if len(columns) == len(attributes) and not any(attribute.words for attribute in attributes):
        return together, tuple(attribute.name for attribute in attributes)
    words_of = [attributes[i].words or () for i in columns]
    width = sum(len(words) if len(words) > 2 else 1 for words in words_of)
    check_memory("features with one for each nominal value", len(together), width, itemsize=4)
    features = np.empty((len(together), width), np.float32)
    names: list[str] = []
    for i, words in zip(columns, words_of, strict=True):
        column = together[:, i]
        if len(words) > 2:
            # NaN where the value is not known, in every one.
            nothing = column * 0
            for place, word in enumerate(words):
                features[:, len(names)] = (column == place) + nothing
                names.append(f"{attributes[i].name}={word}")
        else:
            # FALSE and TRUE are 0 and 1 in whichever order they are listed.
            turned = [truth(word) for word in words] == [True, False]
            features[:, len(names)] = 1 - column if turned else column
            names.append(attributes[i].name)
    return features, tuple(names)


def _identifies(used: int, examples: int) -> bool:
    """Whether so many values in so many examples are names rather than kinds."""
    return used > 0.9 * max(examples, 10) or (used > 100 and used > 0.5 * examples)


def _check_known(
    attributes: Sequence[Attribute],
    columns: Sequence[int],
    values: Sequence[npt.NDArray[np.float32]],
    tables: Sequence[Table],
) -> None:
    unknown = [np.isnan(table[:, columns]) for table in values]
    count = sum(int(table.any(1).sum()) for table in unknown)
    for table, missing in zip(tables, unknown, strict=True):
        for row in np.flatnonzero(missing.any(1))[:1]:
            name = attributes[columns[int(missing[row].argmax())]].name
            raise UserError(
                f"{table.header.path} line {table.numbers[row]}: attribute {name!r} is not known "
                f"({count:,} rows lack a value); --impute median or zero says what takes its place"
            )
