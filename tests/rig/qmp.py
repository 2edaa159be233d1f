"""A QEMU monitor."""

import json
import time


class Refused(Exception):
    """QEMU answered with an error; the text is its description."""


class Monitor:
    """QMP over a connected socket. Events that come along are kept in `events`."""

    def __init__(self, connection):
        self.connection = connection
        self.file = connection.makefile("rwb")
        self.events = []
        self._receive(30)
        self.execute("qmp_capabilities")

    def _receive(self, seconds):
        self.connection.settimeout(seconds)
        line = self.file.readline()
        if not line:
            raise ConnectionError("QEMU closed its monitor")
        return json.loads(line)

    def execute(self, command, seconds=60, **arguments):
        """The answer to a command, or Refused."""
        self.file.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self.file.flush()
        while True:
            message = self._receive(seconds)
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise Refused(message["error"]["desc"])
            self.events.append(message)

    def wait_for(self, event, seconds=60, **data):
        """The next event of that name whose data has these values."""
        deadline = time.monotonic() + seconds
        while True:
            for position, message in enumerate(self.events):
                if message["event"] == event and data.items() <= message.get("data", {}).items():
                    return self.events.pop(position)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no {event} {data} within {seconds} s")
            self.events.append(self._receive(left))

    def close(self):
        self.file.close()
        self.connection.close()
