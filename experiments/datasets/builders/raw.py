"""Raw files of a data set: the user's copy or the public address, unpacked in memory, as UTF-8."""

import csv
import dataclasses
import gzip
import hashlib
import json
import pathlib
import shutil
import tarfile
import zipfile
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from experiments.datasets.formats.files import OPENERS, lines, readable
from experiments.datasets.sources.network import impatient_tfds
from experiments.errors import UserError


@dataclasses.dataclass(frozen=True)
class RawFiles:
    """Where the raw files of one data set are: in the user's folder, else at public addresses.

    Attributes:
      name: the data set, for messages and for a folder of that name in the user's folder.
      instructions: where the files come from, one line.
      manager: TFDS's download manager; it knows the user's folder and registered checksums.
    """

    name: str
    instructions: str
    manager: Any

    def find(self, *names: str) -> pathlib.Path | None:
        """The first of these files or folders in the user's folder, plain or packed, or None.

        Small and capital letters do not matter where no name is the very one.
        """
        try:
            manual = pathlib.Path(self.manager.manual_dir)
        except AssertionError:  # TFDS's word for a folder that is not there, or empty
            return None
        for folder in (manual / self.name, manual):
            there = sorted(folder.iterdir()) if folder.is_dir() else []
            exact = {path.name: path for path in there}
            any_case = {path.name.lower(): path for path in reversed(there)}
            for name in (name + end for name in names for end in ("", *OPENERS)):
                found = exact.get(name) or any_case.get(name.lower())
                if found is not None:
                    return found
        return None

    def path(self, *names: str, url: str | None = None) -> pathlib.Path:
        """As `find`, or the download of `url`, checked against checksums.tsv where it is listed.

        Raises:
          UserError: the user has no such file and there is no address, no connection, or the
            download is not the file that was registered.
        """
        found = self.find(*names)
        if found is not None:
            return found
        if url is None:
            raise UserError(self._missing(names))
        return self._download(url, names)

    def _missing(self, names: Collection[str]) -> str:
        try:
            where = f"{self.manager.manual_dir} holds no {' or '.join(names)}"
        except AssertionError as error:
            where = f"no {' or '.join(names)}: {str(error).splitlines()[0].split('. ')[0]}"
        return f"data set {self.name}: {where}; {self.instructions}"

    def _by_hand(self) -> pathlib.Path:
        """Where the user's files go, whether or not the folder is there."""
        try:
            return pathlib.Path(self.manager.manual_dir)
        except AssertionError:
            own = getattr(self.manager, "_manual_dir", None)
            return pathlib.Path(own or pathlib.Path(self.manager.download_dir) / "manual")

    def _download(self, url: str, names: Collection[str]) -> pathlib.Path:
        # Needs requests, which TFDS has; imported late, since reading local files needs neither.
        import requests
        from tensorflow_datasets.core.download import download_manager, util

        folder = pathlib.Path(self.manager.download_dir)
        before = set(folder.rglob("*.tmp.*"))
        try:
            with impatient_tfds():
                return pathlib.Path(self.manager.download(url))
        except download_manager.NonMatchingChecksumError as error:
            raise UserError(
                f"data set {self.name}: {url} is not the file that was registered; "
                f"{' '.join(str(error).split())}"
            ) from error
        except (requests.RequestException, util.DownloadError, OSError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            about = reason if url in reason else f"{url} cannot be downloaded: {reason}"
            raise UserError(
                f"data set {self.name}: {about}; or put {' or '.join(names)} by hand into "
                f"{self._by_hand()}: {self.instructions}"
            ) from error
        finally:
            for path in set(folder.rglob("*.tmp.*")) - before:
                shutil.rmtree(path, ignore_errors=True)


def csv_rows(
    path: pathlib.Path, columns: Iterable[str] = (), encoding: str = "utf-8"
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of each row of a CSV file that has at least these columns.

    Raises:
      UserError: a column is missing, or a row is longer or shorter than the header.
    """
    reader = csv.DictReader(text for _, text in lines(path, encoding))
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise UserError(
            f"{path} line 1: no column {missing[0]!r}; the columns are {reader.fieldnames}"
        )
    try:
        for row in reader:
            if None in row or None in row.values():
                raise UserError(
                    f"{path} line {reader.line_num}: expected {len(reader.fieldnames or ())} cells"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{path} line {reader.line_num}: {error}") from error


def json_value(data: bytes | str, where: str) -> Any:
    """The JSON value in the data.

    Raises:
      UserError: it is not JSON; it names `where`.
    """
    try:
        return json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{where}: not JSON: {error}") from error


def members(path: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file in a folder, a .tar.gz or a .zip; nothing is unpacked to disk.

    Raises:
      UserError: a truncated archive, a link, or a name that leaves the archive's folder.
    """
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            yield file.relative_to(path).as_posix(), file.read_bytes()
    elif path.suffix == ".zip":
        with readable(path), zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                # The upper half of external_attr is the Unix mode; 0o120000 marks a link.
                _refuse(path, entry.filename, link=(entry.external_attr >> 28) == 0o12)
                if not entry.is_dir():
                    yield entry.filename, archive.read(entry)
    else:
        with readable(path), gzip.open(path) as stream:
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                for member in tar:
                    _refuse(path, member.name, link=not (member.isfile() or member.isdir()))
                    content = tar.extractfile(member)
                    if content is not None:
                        yield member.name, content.read()
            while stream.read(1 << 20):  # to the end, where gzip's own checksum is
                pass


def _refuse(path: pathlib.Path, name: str, *, link: bool) -> None:
    parts = pathlib.PurePosixPath(name.replace("\\", "/"))
    if link or parts.is_absolute() or ".." in parts.parts:
        what = "is a link or a device" if link else "leaves its folder"
        raise UserError(f"{path}: archive member {name!r} {what}; the archive was not used")


def digest(contents: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of named contents, whatever their order: for archives that are packed anew."""
    entries = sorted(f"{name}\0{hashlib.sha256(data).hexdigest()}" for name, data in contents)
    return hashlib.sha256("\n".join(entries).encode()).hexdigest()


def image_file(path: pathlib.Path) -> str:
    """The path of a JPEG or PNG file as TFDS takes it, after a look at how the file begins.

    Raises:
      UserError: it begins as neither does.
    """
    with path.open("rb") as file:
        if not file.read(8).startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
            raise UserError(f"{path} is neither a JPEG nor a PNG image")
    return str(path)
