"""What the cells of files say, whatever the format: truth, numbers, nothing."""

import decimal
import math
import numbers
import re
from typing import Any

# What pandas, R, Weka and people write where a value is not known.
_NOT_KNOWN = frozenset(("", "?", "na", "n/a", "nan", "null", "none"))
_WORDS = {"false": False, "no": False, "f": False, "n": False}
_WORDS |= {"true": True, "yes": True, "t": True, "y": True}
EXACT = 2**53
"""Whole numbers above have lost their last digits as floats: different ones have become one."""
LARGEST = 3.4028234663852886e38
"""The largest number of float32, in which features are held."""

# Python's own reading takes 1_0 for 10, and digits of any script.
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)


def is_blank(cell: Any) -> bool:
    """Whether a cell says nothing: empty, None, NaN, or one of the usual words for it.

    >>> [is_blank(cell) for cell in (" ", None, float("nan"), "NA", "?", 0, "0", "no")]
    [True, True, True, True, True, False, False, False]
    """
    if isinstance(cell, str):
        return cell.strip().lower() in _NOT_KNOWN
    return cell is None or (isinstance(cell, float | decimal.Decimal) and math.isnan(cell))


def number(cell: Any, comma: bool = False) -> float | None:
    """The number in a cell, None if there is none; infinities are none.

    Args:
      cell: text, or a value as JSON and Parquet have them; True and False are 1 and 0.
      comma: whether a comma stands before the decimals, as in files with semicolons.

    >>> [number(cell) for cell in ("1.5", " -2e3 ", "1_0", "inf", True, None, "one")]
    [1.5, -2000.0, None, None, 1.0, None, None]
    >>> number("1,5", comma=True)
    1.5
    """
    if isinstance(cell, str):
        text = cell.strip()
        text = text.replace(",", ".", 1) if comma and "." not in text else text
        if not _NUMBER.fullmatch(text):
            return None
        value = float(text)
    elif isinstance(cell, numbers.Real | decimal.Decimal):
        try:
            value = float(cell)
        except OverflowError:  # whole numbers above 1e308
            return None
    else:
        return None
    return value if math.isfinite(value) else None


def truth(cell: Any, negative: str | None = None) -> bool | None:
    """Whether a cell says that something holds; None if it says neither yes nor no.

    Args:
      cell: true / false, yes / no, t / f, y / n in any case, or a number that is 0 or 1.
      negative: what alone stands for "does not hold", as -1 beside 1; it is compared as a number
        if it is one.

    >>> [truth(cell) for cell in ("Yes", "false", "1.000e+00", 0.0, "2", "", -1)]
    [True, False, True, False, None, None, None]
    >>> [truth(cell, negative="-1") for cell in ("-1.0", "1", "0")]
    [False, True, None]
    """
    value = number(cell)
    if negative is not None:
        word = number(negative)
        if value == word if word is not None else str(cell).strip() == negative:
            return False
        # Beside another word for it, 0 and false may mean anything.
        return truth(cell) or None
    if isinstance(cell, str) and value is None:
        return _WORDS.get(cell.strip().lower())
    return bool(value) if value in (0, 1) else None


def is_word_of_truth(cell: Any) -> bool:
    """Whether a cell is true / false or yes / no: what makes a column of words one of 0 and 1."""
    text = str(cell).strip().lower() if isinstance(cell, str | bool) else ""
    return len(text) > 1 and text in _WORDS
