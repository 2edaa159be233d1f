"""What the benchmarks have in common: a release build, runs by turns, medians."""

import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent
MIB = 1024


def stop(message):
    sys.exit(f"benchmarks/{pathlib.Path(sys.argv[0]).name}: {message}")


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr


def build(directory):
    """A release build of its own, as a distribution would make it, and the program that measures."""
    if not (directory / "build.ninja").exists():
        subprocess.run(["meson", "setup", directory, SOURCE, "--buildtype=release", "-Db_lto=true",
                        "-Dtests=disabled", "-Dintrospection=disabled"], check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", directory], check=True, stdout=subprocess.DEVNULL)
    measure = directory / "measure"
    subprocess.run(["cc", "-O2", "-o", measure, SOURCE / "benchmarks" / "measure.c"], check=True)
    return directory / "tools" / "virt-vsmmu", measure


class Series:
    """What repeated runs of one command took."""

    def __init__(self, command):
        self.command = [str(word) for word in command]
        self.cpu = []
        self.wall = []
        self.memory = 0

    def run(self, measure):
        fields = output_of(measure, *self.command).split()
        if len(fields) != 4 or int(fields[3]) > 4:
            stop(f"{' '.join(self.command)[:200]} cannot be run")
        self.cpu.append(int(fields[0]) / 1000)
        self.wall.append(int(fields[1]) / 1000)
        self.memory = max(self.memory, int(fields[2]) / MIB)

    def result(self, documents):
        low, *_, high = statistics.quantiles(self.cpu, n=10)
        return {"cpu_ms": statistics.median(self.cpu) / documents, "cpu_ms_p10": low / documents,
                "cpu_ms_p90": high / documents, "wall_ms": statistics.median(self.wall) / documents,
                "peak_mib": self.memory, "runs": len(self.cpu)}


def compare(measure, commands, repetitions, documents=1):
    """Runs the commands by turns, so that whatever else the machine does meets all of them."""
    series = {name: Series(command) for name, command in commands.items()}
    for one in series.values():
        one.run(measure)
        one.__init__(one.command)
    for _ in range(repetitions):
        for one in series.values():
            one.run(measure)
    return {name: one.result(documents) for name, one in series.items()}


def machine():
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    system = re.search(r'^PRETTY_NAME="(.*)"$', pathlib.Path("/etc/os-release").read_text(), re.M)
    return {"cpu": model[1] if model else platform.machine(), "processors": os.cpu_count(),
            "kernel": platform.release(), "system": system[1] if system else platform.system()}
