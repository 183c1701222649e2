"""Files, plain or compressed: line by line, or as a whole."""

import bz2
import contextlib
import csv
import gzip
import lzma
import pathlib
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from experiments.errors import UserError

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
"""How files are opened that are compressed, by the end of their name."""

# Texts are longer than the 131,072 characters after which Python's reader of CSV gives up; here,
# as whoever reads CSV takes its lines from this file.
csv.field_size_limit(2**31 - 1)

_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)

# Old spreadsheets end lines with a carriage return alone.
_LONE_RETURN = re.compile(r"(?<=\r)(?!\n)")


def without_compression(name: str) -> str:
    """The name of a file without the ending that says how it is compressed.

    >>> without_compression("films.csv.gz")
    'films.csv'
    """
    stem, dot, suffix = name.rpartition(".")
    return stem if (dot + suffix).lower() in OPENERS else name


def lines(path: pathlib.Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    r"""(number from 1, text with its line end) of each line of a file, plain or compressed.

    Lines end in \n, \r\n or \r.

    Raises:
      UserError: a file that cannot be read or unpacked, or a line that is not in the encoding.
    """
    number = 0
    try:
        with OPENERS.get(path.suffix.lower(), open)(path, "rb") as file:
            for line in file:
                if not number and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise UserError(f"{path} is UTF-16; save it as UTF-8")
                try:
                    text = line.decode(encoding)
                except UnicodeDecodeError as error:
                    # Python's own spelling of the default is not the usual one.
                    name = "UTF-8" if encoding == "utf-8" else encoding
                    place = number + 1 + len(_LONE_RETURN.findall(line[: error.start].decode()))
                    raise UserError(
                        f"{path} line {place}: byte 0x{line[error.start]:02x} is not {name}"
                    ) from error
                # Some spreadsheets mark UTF-8 with an invisible first character.
                text = text if number else text.removeprefix("\ufeff")
                for part in _LONE_RETURN.split(text) if "\r" in text else (text,):
                    if part:
                        number += 1
                        yield number, part
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise UserError(f"{path} cannot be read, or is truncated: {error}") from error


@contextlib.contextmanager
def readable(path: pathlib.Path) -> Iterator[None]:
    """While it lasts, what cannot be read or unpacked is an error that names this file.

    Raises:
      UserError: it cannot be.
    """
    try:
        yield
    except _DAMAGED as error:
        raise UserError(f"{path} cannot be read, or is truncated: {error}") from error


def read_bytes(path: pathlib.Path) -> bytes:
    """The content of a file, unpacked if its name says that it is compressed."""
    with readable(path), OPENERS.get(path.suffix.lower(), open)(path, "rb") as file:
        data: bytes = file.read()
        return data


def decode(data: bytes, where: str) -> str:
    """UTF-8 text.

    Raises:
      UserError: bytes that are not UTF-8; it names `where` and the line.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{where} line {line}: byte 0x{data[error.start]:02x} is not UTF-8"
        ) from error
