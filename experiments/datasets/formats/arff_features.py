"""The attributes of ARFF files as features: one list of values, and words as columns."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import check_memory
from experiments.datasets.formats.arff_file import Table
from experiments.datasets.formats.arff_grammar import Attribute
from experiments.datasets.formats.cells import truth
from experiments.errors import UserError


def aligned(
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
    arrays = []
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
        arrays.append(values)
    attributes = [
        dataclasses.replace(attribute, values=tuple(places) or attribute.values)
        for attribute, places in zip(first.features, values_of, strict=True)
    ]
    return attributes, arrays


def learnt_from(
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


def as_features(
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


def check_known(
    attributes: Sequence[Attribute],
    columns: Sequence[int],
    values: Sequence[npt.NDArray[np.float32]],
    tables: Sequence[Table],
) -> None:
    """Refuses values that are not known, without --impute.

    Raises:
      UserError: there are some; it names the first.
    """
    unknown = [np.isnan(table[:, columns]) for table in values]
    count = sum(int(table.any(1).sum()) for table in unknown)
    for table, missing in zip(tables, unknown, strict=True):
        for row in np.flatnonzero(missing.any(1))[:1]:
            name = attributes[columns[int(missing[row].argmax())]].name
            raise UserError(
                f"{table.header.path} line {table.numbers[row]}: attribute {name!r} is not known "
                f"({count:,} rows lack a value); --impute median or zero says what takes its place"
            )
