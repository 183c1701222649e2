"""Results on disk: a folder per configuration, written atomically, so that runs can resume."""

import contextlib
import errno
import fcntl
import hashlib
import importlib.metadata
import io
import json
import os
import pathlib
import platform
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from experiments import records
from experiments.errors import DiskFull, UserError

T = TypeVar("T")
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn", "river")


def versions() -> dict[str, str]:
    """Versions of what results depend on."""
    import sigmoidf1_jax

    found = {"python": platform.python_version(), "sigmoidf1_jax": sigmoidf1_jax.__version__}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def digest(config: Mapping[str, object]) -> str:
    """Twelve hexadecimal digits that name a configuration."""
    text = json.dumps(config, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def prepare_folder(path: pathlib.Path) -> pathlib.Path:
    """Makes the folder and shows that it can be written.

    Raises:
      UserError: it cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(f"cannot write to the output folder {path}: {error.strerror}") from error
    return path


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Keeps other runs out of a folder; the lock ends with the process, however it ends.

    Raises:
      UserError: another run works there; names its process.
    """
    with (folder / ".lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"{folder} is in use by another run (process {file.read().strip() or 'unknown'}); "
                "wait for it, or give another --output"
            ) from None
        with _writing(folder / ".lock"):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield


@contextlib.contextmanager
def _writing(path: pathlib.Path) -> Iterator[None]:
    """Says in one line what cannot be written, and why.

    Raises:
      DiskFull: there is no room; what a run did so far is kept.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(
                f"cannot write {path}: {error.strerror}; what is done is kept, the same command "
                "goes on",
                1,
            ) from error
        raise


def write_bytes(path: pathlib.Path, data: bytes) -> None:
    """Writes a whole file or nothing: to a temporary file beside it, then renamed.

    Raises:
      DiskFull: the disk is full.
    """
    with _writing(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise


def write_text(path: pathlib.Path, text: str) -> None:
    """`write_bytes` of UTF-8 text."""
    # Names that came from bytes of another encoding may hold lone surrogates.
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: pathlib.Path, record: object) -> None:
    """Writes a record as JSON, as `records.to_json` has it."""
    write_text(path, json.dumps(records.to_json(record), indent=1, allow_nan=False) + "\n")


def read_json(path: pathlib.Path) -> object:
    """The value in a JSON file, or None where there is no such file.

    Raises:
      UserError: it holds something else.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is not valid JSON ({error}); delete it to compute it again"
        ) from error


def read_record(kind: type[T], path: pathlib.Path) -> T | None:
    """The record of a type in a JSON file, or None where there is no such file.

    Raises:
      UserError: it holds something else.
    """
    value = read_json(path)
    try:
        return None if value is None else records.from_json(kind, value)
    except ValueError as error:
        raise UserError(f"{path} does not hold what it should: {error}") from error


def read_cell(kind: type[T], path: pathlib.Path, say: Callable[[str], None]) -> T | None:
    """`read_record` of what can be computed again: None where it is damaged, and `say` is told."""
    try:
        return read_record(kind, path)
    except UserError as error:
        say(f"computed again: {error}")
        return None


def write_arrays(path: pathlib.Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Writes arrays as a compressed .npz file, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def read_arrays(path: pathlib.Path) -> dict[str, npt.NDArray[Any]] | None:
    """The arrays of a .npz file, or None where there is no such file.

    Raises:
      UserError: it holds something else.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is not a whole .npz file ({error})") from error
