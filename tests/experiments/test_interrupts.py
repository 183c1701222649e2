"""A signal takes effect within seconds, whatever the main thread waits for."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
# Minutes in C++ that no signal ends, as a compilation is; and a step that ends soon.
BUSY = "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)"
SOON = "[time.sleep(0.01) for _ in range(30)]"
SCRIPT = """
import hashlib, time
from experiments import interrupts
with interrupts.bounded("ended by {}".format, lambda: print("restored")) as stops:
    %s
    print("ready", flush=True)
    %s
    print("received", stops.received)
"""
COLLECTED = "stack = stops.collected(); stack.__enter__()"


@pytest.fixture
def started(start):
    def ready(*parts):
        process = start(
            [sys.executable, "-c", SCRIPT % parts],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "ready\n"
        return process

    return ready


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_does_not_end_is_ended(started, number):
    process = started(COLLECTED, BUSY)
    began = time.monotonic()
    process.send_signal(number)
    out, error = process.communicate()
    # 2 seconds of patience, and a loaded machine.
    assert time.monotonic() - began < 8
    assert process.returncode == 128 + number
    assert (out, error) == ("restored\n", f"ended by {number.value}\n")


def test_what_ends_soon_ends_by_itself(started):
    process = started(COLLECTED, SOON)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate()
    assert (process.returncode, out, error) == (0, "received [2]\n", "")


def test_a_second_signal_stops_at_once(started):
    process = started(
        COLLECTED + "; stops.patience = 60", "[time.sleep(0.01) for _ in range(6000)]"
    )
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
    began = time.monotonic()
    _, error = process.communicate()
    assert time.monotonic() - began < 8
    assert "KeyboardInterrupt" in error


def test_a_signal_that_is_lost_takes_effect_at_the_end(started):
    # As in a callback of the garbage collector, where Python drops the exception.
    lost = "try: time.sleep(60)\n    except KeyboardInterrupt: pass"
    process = started("pass", lost)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert error.splitlines()[-1] == "KeyboardInterrupt"
