"""Downloads that say within seconds that there is no network, whatever library asks."""

import contextlib
import queue
import re
import socket
import threading
import urllib.error
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

# Seconds for a server's first answer, and then for each of the bytes that follow.
PATIENCE = 8.0
STALLED = 60.0

_T = TypeVar("_T")
_ERRNO = re.compile(r"\[Errno -?\d+\] [^'\")>]+")


class Unreachable(OSError):
    """No answer from an address; the message has both and the reason."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address} cannot be reached: {reason}")
        self.address = address


@contextlib.contextmanager
def impatient_tfds() -> Iterator[None]:
    """While it lasts, TFDS gives an address up that does not answer, with `Unreachable`.

    By itself it tries ten times, for minutes, and waits for ever for one that says nothing.
    """
    # Imported late: it is the machinery of downloads.
    import requests
    from tensorflow_datasets.core.download import downloader

    module: Any = downloader
    asked, retries = module._open_url, module.MAX_RETRIES

    @contextlib.contextmanager
    def open_url(url: str, **options: Any) -> Iterator[Any]:
        try:
            with contextlib.ExitStack() as stack:
                opened = asked(url, **{"timeout": STALLED} | options)
                answered = _answer(url, opened.__enter__)
                stack.push(opened.__exit__)
                yield answered
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.RetryError,
        ) as error:
            raise Unreachable(url, _reason(error)) from error

    module._open_url, module.MAX_RETRIES = open_url, 1
    try:
        yield
    finally:
        module._open_url, module.MAX_RETRIES = asked, retries


@contextlib.contextmanager
def impatient_openml() -> Iterator[None]:
    """While it lasts, scikit-learn gives up as `impatient_tfds` says for TFDS."""
    from sklearn.datasets import _openml

    module: Any = _openml
    asked, before = module.urlopen, socket.getdefaulttimeout()
    given_up: list[Unreachable] = []

    def urlopen(request: Any, *arguments: Any, **options: Any) -> Any:
        if given_up:  # it tries again whatever it is told
            raise given_up[0]
        address = getattr(request, "full_url", str(request))
        try:
            return _answer(address, lambda: asked(request, *arguments, **options))
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            known = error if isinstance(error, Unreachable) else None
            given_up.append(known or Unreachable(address, _reason(error)))
            raise given_up[0] from error

    module.urlopen = urlopen
    socket.setdefaulttimeout(STALLED)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Invalid cache, redownloading")
            yield
    finally:
        module.urlopen = asked
        socket.setdefaulttimeout(before)


def _answer(address: str, ask: Callable[[], _T]) -> _T:
    """What `ask` returns, or raises, if it does so in time: names are looked up without a limit."""
    answers: queue.SimpleQueue[tuple[_T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((ask(), None))
        except BaseException as error:  # it is raised where the answer is waited for
            answers.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        answered, error = answers.get(timeout=PATIENCE)
    except queue.Empty:
        raise Unreachable(address, f"no answer within {PATIENCE:g} seconds") from None
    if error is not None:
        raise error
    return answered  # type: ignore[return-value]  # None only beside an error


def _reason(error: BaseException) -> str:
    """The words of the operating system in an error that wraps them, if there are any."""
    text = " ".join(str(error).split())
    found = _ERRNO.findall(text)
    return found[-1].strip() if found else text[:200] or type(error).__name__
