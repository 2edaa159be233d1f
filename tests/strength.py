"""A pytest plugin for test_strength.py: runs what drives our programs, of which there are only stand-ins, and says what passes."""

import json
import os
import signal
import zlib

import pytest

# A case that a stand-in makes wait so many seconds has failed.
HANG = 60


def of_each_function(items, each):
    """So many cases of each test function, always the same ones, in the order of the files."""
    groups = {}
    for item in items:
        groups.setdefault(item.nodeid.split("[")[0], []).append(item)
    chosen = set()
    for group in groups.values():
        chosen.update(sorted(group, key=lambda item: zlib.crc32(item.nodeid.encode("utf-8")))[:each])
    return [item for item in items if item in chosen]


class Strength:
    """`each` is the number of cases of a test function, or None for all."""

    def __init__(self, report, each):
        self.report = report
        self.each = each
        self.outcomes = {}

    def pytest_collection_modifyitems(self, config, items):
        driving = [item for item in items if "build_dir" in item.fixturenames]
        chosen = driving if self.each is None else of_each_function(driving, self.each)
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item):
        def give_up(*_):
            raise TimeoutError(f"{HANG} seconds with a stand-in")

        before = signal.signal(signal.SIGALRM, give_up)
        signal.alarm(HANG)
        yield
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)

    def pytest_runtest_logreport(self, report):
        outcome = self.outcomes.setdefault(report.nodeid, {"outcome": "passed", "seconds": 0})
        outcome["seconds"] += report.duration
        if not report.passed:
            outcome["outcome"] = report.outcome

    def pytest_sessionfinish(self):
        with open(self.report, "w", encoding="utf-8") as file:
            json.dump(self.outcomes, file, indent=1)


def pytest_configure(config):
    each = os.environ["VSMMU_STRENGTH_EACH"]
    config.pluginmanager.register(Strength(os.environ["VSMMU_STRENGTH_REPORT"], int(each) or None))
