"""Results on disk: a folder per configuration, written atomically, so that runs can resume."""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import tempfile
from collections.abc import Iterator
from typing import Any

from experiments.errors import UserError

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


def digest(config: dict[str, Any]) -> str:
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
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def write_bytes(path: pathlib.Path, data: bytes) -> None:
    """Writes a whole file or nothing: to a temporary file beside it, then renamed."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write_text(path: pathlib.Path, text: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes JSON; NaN and infinities are refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: pathlib.Path) -> Any:
    """The value in a JSON file, or None where there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is not valid JSON ({error}); delete it to compute it again"
        ) from error
