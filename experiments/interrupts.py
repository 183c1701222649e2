"""Ctrl-C and SIGTERM within seconds, also while Python waits for a compiler or a device."""

import contextlib
import dataclasses
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from experiments.errors import Stopped

INTERRUPTED = "interrupted; the same command goes on from what is done"
Handler = Callable[[int, FrameType | None], object] | int | None
SIGNALS: tuple[int, ...] = (signal.SIGTERM, signal.SIGINT)
AT_ONCE = 2.0
"""Seconds for what has nothing to save: compilation, reading, judging."""
TO_SAVE = 10.0
"""Seconds for a step under way and its checkpoint."""


@dataclasses.dataclass
class Stops:
    """The signals that came while they were collected, and how long they may be waited for."""

    received: list[int] = dataclasses.field(default_factory=list)
    patience: float = AT_ONCE

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """Within this context a first signal is kept in `received`; a second one stops at once."""
        previous: dict[int, Handler] = {}

        def handle(number: int, frame: FrameType | None) -> None:
            self.received.append(number)
            signal.signal(number, previous[number])

        for number in SIGNALS:
            previous[number] = signal.signal(number, handle)
        try:
            yield
        finally:
            self.patience = AT_ONCE
            for number, handler in previous.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def bounded(
    last_words: Callable[[int], str] = lambda number: INTERRUPTED,
    restore: Callable[[], object] = lambda: None,
) -> Iterator[Stops]:
    """Within this context a process ends at most `Stops.patience` seconds after a signal.

    Python runs a signal's handler when its main thread comes back from C++, which may be minutes
    later; and a KeyboardInterrupt that is raised while garbage is collected is lost. A thread waits
    for the signals beside it, and ends the process if the main thread does not: everything on disk
    is written so that a process may end at any moment. Contexts may be nested: the inner one acts.

    Args:
      last_words: the line that is printed when the process is ended so, of the signal's number.
      restore: called before that, to leave the terminal as it was.

    Raises:
      KeyboardInterrupt: at the end, for a signal that was lost and not collected.
    """
    stops = Stops()
    if threading.current_thread() is not threading.main_thread():
        yield stops
        return
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    seen: list[int] = []

    def watch() -> None:
        first, deadline = 0, math.inf
        while True:
            left = deadline - time.monotonic()
            ours.settimeout(None if math.isinf(left) else max(left, 1e-3))
            try:
                received = ours.recv(1)
            except TimeoutError:
                break
            if not received:
                return
            if received[0] in SIGNALS:
                # A second signal shortens the wait for the first.
                patience = AT_ONCE if first else stops.patience
                first = first or received[0]
                seen.append(first)
                deadline = min(deadline, time.monotonic() + patience)
        with contextlib.suppress(Exception):
            restore()
            print(last_words(first), file=sys.stderr, flush=True)
            sys.stdout.flush()
        os._exit(128 + first)

    thread = threading.Thread(target=watch, name="signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        yield stops
    finally:
        signal.set_wakeup_fd(before)
        theirs.close()
        thread.join()
        ours.close()
    if seen and not stops.received:
        raise KeyboardInterrupt


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends what is inside as Ctrl-C does: what is finished is kept.

    Raises:
      Stopped: SIGTERM came; exit code 143.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped("stopped by SIGTERM; the same command goes on from what is done", 143)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may ask for signals
        return
    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
