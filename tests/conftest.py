"""What all tests share: how Hypothesis searches, and what child processes are told."""

import os
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import loopback
import pytest
from hypothesis import HealthCheck, settings
from line_fakes import MemoryDeclaration, TinyHome

if TYPE_CHECKING:
    import dagster as dg

settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("search", parent=settings.get_profile("steady"), derandomize=False)
loopback.watch()
settings.load_profile(os.environ.get("CTEXPORT_HYPOTHESIS", "steady"))


@pytest.fixture(scope="session", autouse=True)
def nothing_leaves_this_machine() -> Iterator[None]:
    """Fails at the end of the session where anything wanted to reach another host."""
    yield
    assert loopback.wanted == set()


@pytest.fixture(scope="session")
def child_environment() -> Mapping[str, str]:
    """The environment of a child process: ours, less what would lead it to another home, and without telemetry."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("CTEXPORT_", "DAGSTER_"))}
    return {**ours, "DAGSTER_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}


@pytest.fixture
def tiny_home(tmp_path: Path) -> TinyHome:
    """A home with one daily snapshot source in memory, of which nothing is told yet."""
    return TinyHome(tmp_path, MemoryDeclaration(name="crm", start=date(2026, 11, 18), max_deleted=1))


@pytest.fixture
def instance() -> Iterator["dg.DagsterInstance"]:
    """A Dagster instance in memory."""
    import dagster as dg  # seconds, that tests without it needn't wait for

    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
