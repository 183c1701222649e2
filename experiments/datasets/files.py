"""Text files, plain or gzipped, line by line."""

import gzip
import pathlib
import zlib
from collections.abc import Iterator

from experiments.errors import UserError


def lines(path: pathlib.Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """(number from 1, text with its line end) of each line of a file, plain or gzipped.

    Raises:
      UserError: a file that cannot be read or unpacked, or a line that is not in the encoding.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    text = line.decode(encoding)
                except UnicodeDecodeError as error:
                    # Python's own spelling of the default is not the usual one.
                    name = "UTF-8" if encoding == "utf-8" else encoding
                    raise UserError(
                        f"{path} line {number}: byte 0x{line[error.start]:02x} is not {name}"
                    ) from error
                # Some spreadsheets mark UTF-8 with an invisible first character.
                yield number, text.removeprefix("\ufeff") if number == 1 else text
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read, or is truncated: {error}") from error
