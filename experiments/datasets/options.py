"""What a user says about a data set: which columns are labels, which labels and examples stay."""

import dataclasses
import pathlib
from collections.abc import Collection, Mapping
from typing import Annotated, Literal

import tyro

from experiments.errors import UserError, check_at_least, flag


@dataclasses.dataclass(frozen=True)
class Options:
    """How to read a data set; every command that takes one has these flags."""

    labels: tuple[str, ...] = ()
    """Label columns of a table; or one column whose cells list the labels of an example."""
    label_separator: str | None = None
    """What stands between the labels in a cell of one label column (default: a comma)."""
    negative: str | None = None
    """What says that a label does not hold, where it is not 0, false or no: -1 beside 1."""
    features: tuple[str, ...] = ()
    """Feature columns of a table (default: all numeric columns that have no other role)."""
    impute: Literal["median", "zero"] | None = None
    """What takes the place of a feature that is blank: its median in train, or 0."""
    delimiter: str | None = None
    """What stands between the cells of a .csv file (default: what the file shows)."""
    text: tuple[str, ...] = ()
    """Columns with text: their hashed bag of words becomes the features."""
    text_features: int = 2048
    """Size of the hashed bag of words."""
    split: str | None = None
    """Column that says train, validation or test."""
    test: str | None = None
    """Path of a second file with the test examples; the first has then the training examples."""
    min_label_count: int = 0
    """Drop labels that fewer examples have."""
    drop_unlabelled: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Drop examples that have no label (after rare labels are dropped)."""
    data_dir: pathlib.Path | None = None
    """Where prepared data sets are kept (default: ~/tensorflow_datasets)."""

    def check(self) -> None:
        """Refuses numbers out of range.

        Raises:
          UserError: one is.
        """
        for name in ("label_separator", "negative", "delimiter"):
            if getattr(self, name) == "":
                raise UserError(f"{flag(name)} must not be empty")
        check_at_least(self, 1, "text_features")
        check_at_least(self, 0, "min_label_count")

    def refuse_unused(self, flags: Mapping[str, Collection[str]], kind: str, source: str) -> None:
        """Refuses flags that mean nothing for a kind of source, rather than pass over them.

        Args:
          flags: fields that each kind of source takes, besides those that all take.
          kind: one of these kinds.
          source: what was asked for, for the message.

        Raises:
          UserError: a flag that the kind does not take was given.

        Example:
          >>> flags = {"ARFF": ("labels",), "CSV": ("labels", "text"), "Parquet": ("text",)}
          >>> Options(text=("plot",)).refuse_unused(flags, "ARFF", "a.arff (ARFF)")
          Traceback (most recent call last):
            ...
          experiments.errors.UserError: --text means nothing for a.arff (ARFF), which takes \
--labels, --min-label-count, --drop-unlabelled; --text is for CSV, Parquet
        """
        for field in dataclasses.fields(self):
            taken = (*flags[kind], "min_label_count", "drop_unlabelled")
            if getattr(self, field.name) == field.default or field.name in taken:
                continue
            given, can = flag(field.name), ", ".join(map(flag, taken))
            others = ", ".join(other for other, fields in flags.items() if field.name in fields)
            raise UserError(
                f"{given} means nothing for {source}, which takes {can}; {given} is for {others}"
            )
