"""Fixtures of the destinations' suites: every kind with its server, started once, when the first test needs it."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from cases import KINDS
from contract import Case
from session_cases import Cases


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory, child_environment: Mapping[str, str]) -> Iterator[Cases]:
    with ExitStack() as stack:
        yield Cases(tmp_path_factory, child_environment, stack)


@pytest.fixture(params=list(KINDS), ids=lambda kind: KINDS[kind])
def case(request: pytest.FixtureRequest, cases: Cases) -> Case:
    """Each kind in turn."""
    return cases.of(request.param)


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """A folder at the destination for one test alone."""
    return "t-" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]
