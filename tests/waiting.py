"""Waiting for an event, with a deadline that only a hang meets. Nothing else in the tests may sleep; test_tests.py sees to that."""

import os
import pathlib
import time

# Seconds; much less for test_strength.py, whose stand-ins never do what is waited for.
PATIENCE = float(os.environ.get("VSMMU_PATIENCE", 60))


def await_true(condition, seconds=PATIENCE, what="what is waited for", pause=0.01):
    """Asks until it is so, and returns what it was then."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what() if callable(what) else what} has not come in {seconds} seconds"
        time.sleep(pause)
    return value


def measure(seconds):
    """Lets so much time pass in which a test measures, or is slow itself: it waits for nothing in it."""
    time.sleep(seconds)


def await_idle(pid, seconds=0.1):
    """Waits until no thread of a process has run for so long, as in one that waits for something."""
    def switches():
        tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
        return [line for task in tasks for line in (task / "status").read_text(encoding="ascii").splitlines() if "ctxt_switches" in line]

    def is_idle():
        try:
            before = switches()
            time.sleep(seconds)
            return switches() == before
        except OSError:  # a thread that has just ended
            return False

    await_true(is_idle)
