"""What a user says about a data set: which columns are labels, which labels and examples stay."""

import dataclasses
import pathlib
from collections.abc import Collection
from typing import Annotated, Literal

import tyro

from experiments.errors import UserError


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
                raise UserError(f"{_flag(name)} must not be empty")
        for name, least in (("text_features", 1), ("min_label_count", 0)):
            if getattr(self, name) < least:
                raise UserError(f"{_flag(name)} must be >= {least}, got {getattr(self, name)}")

    def refuse_unused(self, used: Collection[str], kind: str) -> None:
        """Refuses flags that mean nothing for a kind of source, rather than pass over them.

        Raises:
          UserError: a flag that is not in `used` was given.
        """
        for field in dataclasses.fields(self):
            always = ("min_label_count", "drop_unlabelled")
            given = getattr(self, field.name) != field.default
            if given and field.name not in (*used, *always):
                can = ", ".join(map(_flag, (*used, *always)))
                raise UserError(f"{_flag(field.name)} means nothing for {kind}; it takes {can}")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
