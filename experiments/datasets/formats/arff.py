"""Multilabel data sets in ARFF files: the rows of one or several, put together."""

import collections
import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from experiments.datasets import rows
from experiments.datasets.dataset import Dataset, Impute, Rows
from experiments.datasets.formats.arff_features import (
    aligned,
    as_features,
    check_known,
    learnt_from,
)
from experiments.datasets.formats.arff_file import Table, read_table
from experiments.datasets.formats.arff_folder import Part, files_of_folder, own_labels
from experiments.datasets.formats.arff_grammar import Header
from experiments.datasets.formats.xml_labels import LabelList
from experiments.datasets.options import Options
from experiments.errors import UserError, listed

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
        files = files_of_folder(path)
    elif options.test is None:
        files = [Part(path, None)]
    else:
        files = [Part(path, "train"), Part(pathlib.Path(options.test), "test")]

    def labels(header: Header) -> tuple[LabelList, object]:
        if options.labels:
            return LabelList(options.labels), "--labels"
        return own_labels(header)

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
    attributes, values = aligned(tables)
    kept, notes = _distinct(files, tables, values)
    tables, values = [tables[i] for i in kept], [values[i] for i in kept]
    columns, dropped = learnt_from(attributes, values)
    if not columns:
        raise UserError(f"{files[0].path} has no feature besides its labels; {'; '.join(dropped)}")
    if any(table.weighted for table in tables):
        notes.append("weights of rows are passed over")
    if impute is None:
        check_known(attributes, columns, values, tables)
    features, feature_names = as_features(attributes, columns, values)
    return Content(
        features,
        feature_names,
        np.concatenate([table.labels for table in tables]),
        np.concatenate([table.where for table in tables]),
        found,
        tuple((files[i].part, len(tables[j].numbers)) for j, i in enumerate(kept)),
        (*notes, *dropped),
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
