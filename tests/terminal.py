"""Terminals, and how wide they show text."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import unicodedata

from waiting import PATIENCE


def on_terminal(program, *arguments, environment=None, on_text=lambda text: None, columns=80, on_start=lambda process: None):
    """What the program writes to a terminal, of which on_text() hears whenever there is more, and its status."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    process = subprocess.Popen([program.path, *arguments], stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
                               env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(environment or {})})
    os.close(follower)
    on_start(process)
    text = b""
    try:
        while chunk := os.read(leader, 65536):
            text += chunk
            on_text(text)
    except OSError:  # the last process on the terminal is gone
        pass
    os.close(leader)
    return text.decode().replace("\r\n", "\n"), process.wait(PATIENCE)


def width(line):
    """Columns of a terminal."""
    return sum(0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)
