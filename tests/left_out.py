"""A test without the program that it needs: left out loudly on a developer's machine, failing in CI."""

import os
from typing import Never

import pytest


def leave_out(what: str, why: str) -> Never:
    """Skips, with what is missing and how to get it; CI leaves out nothing."""
    message = f"*** LEFT OUT: {what} is missing: {why} ***"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
