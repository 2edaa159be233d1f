"""What a machine may lack."""

import os

import pytest


def give_up(reason):
    """A machine without the means skips the test; continuous integration must have them. There is no other way to skip."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
