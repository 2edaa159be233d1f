"""What guests say on their serial console: see rig/l2."""

import collections
import dataclasses
import re
import time

SECONDS_TO_BOOT = 180


class Died(Exception):
    """QEMU ended; the text is what it said."""


@dataclasses.dataclass(frozen=True)
class Vector:
    irq: int
    before: int
    after: int
    kind: str
    name: str


class Report:
    """What the guest says of itself: see l2/report. Devices are named by their PCI address in the guest."""

    def __init__(self, text):
        self.text = text
        self.devices = {}
        self.data = {}
        self.vectors = collections.defaultdict(list)
        self.smmu_interrupts = collections.Counter()
        self.kernel = []
        for kind, rest in re.findall(r"^rig (\w+) (.*)$", text, re.MULTILINE):
            fields = dict(re.findall(r"(\w+)=(.*?)(?= \w+=|$)", rest)) if kind != "kernel" else {}
            if kind == "device":
                self.devices[fields["bdf"]] = fields
            elif kind == "data":
                self.data[fields["bdf"]] = fields["text"]
            elif kind == "vector":
                self.vectors[fields["bdf"]].append(
                    Vector(int(fields["irq"]), int(fields["before"]), int(fields["after"]), fields["kind"], fields["name"]))
            elif kind == "smmu":
                self.smmu_interrupts[fields["name"]] += int(fields["count"])
            elif kind == "kernel":
                self.kernel.append(rest.removeprefix("text="))

    def works(self, bdf, marker):
        """The disk was read and its interrupts came while it was."""
        return self.data.get(bdf) == marker and any(vector.after > vector.before for vector in self.vectors[bdf])

    @property
    def command_errors(self):
        """Commands of the guest that its SMMU called illegal."""
        return [line for line in self.kernel if "Illegal command" in line]


class Console:
    """The serial console of a guest, on which l2/init takes commands."""

    def __init__(self, connection):
        self.connection = connection
        self.text = ""

    def wait_for(self, pattern, seconds):
        """What was said up to the first match of the pattern, which is taken off."""
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.text, re.MULTILINE)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"the guest did not say '{pattern}' within {seconds} s; its last words:\n{self.text[-2000:]}")
            self.connection.settimeout(left)
            try:
                piece = self.connection.recv(1 << 16)
            except TimeoutError:
                continue
            if not piece:
                raise Died(f"the console closed; its last words:\n{self.text[-2000:]}")
            self.text += piece.decode(errors="replace").replace("\r", "")
        said, self.text = self.text[:match.end()], self.text[match.end():]
        return said

    def wait_until_ready(self, seconds=SECONDS_TO_BOOT):
        return float(re.search(r"rig ready ([\d.]+)", self.wait_for(r"^rig ready [\d.]+\n", seconds))[1])

    def command(self, text, seconds=60):
        self.connection.sendall(text.encode() + b"\n")
        return self.wait_for(r"^rig end\n", seconds)

    def report(self, seconds=90):
        return Report(self.command("report", seconds))

    def report_until(self, good, seconds=90):
        """The first report of which good(report) is true, else the last one within that time. Devices take their time."""
        deadline = time.monotonic() + seconds
        while not good(report := self.report()) and time.monotonic() < deadline:
            time.sleep(1)
        return report
