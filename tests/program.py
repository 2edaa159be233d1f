"""virt-vsmmu as the tests run it."""

import json
import os
import pathlib
import subprocess
from dataclasses import dataclass

DATA = pathlib.Path(__file__).parent / "data"


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def findings(self):
        """Of --format json."""
        return json.loads(self.out)["findings"]

    @property
    def rules(self):
        return sorted(finding["rule"] for finding in self.findings)


@dataclass(frozen=True)
class Program:
    path: pathlib.Path

    def run(self, *arguments, environment=None, **options):
        """Runs it in an English UTF-8 locale; what it prints must be UTF-8."""
        options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
        if options["stdin"] is None:
            del options["stdin"]
        process = subprocess.run([self.path, *map(os.fspath, arguments)], capture_output=True, timeout=120,
                                 env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(environment or {})}, **options)
        return Outcome(process.returncode, process.stdout.decode("utf-8"), process.stderr.decode("utf-8"))

    def check(self, *arguments, **options):
        return self.run("check", "--format", "json", *arguments, **options)

    def rules(self):
        """The ids of all rules, in the order of the table."""
        return [line.split()[0] for line in self.run("explain").out.splitlines()]
