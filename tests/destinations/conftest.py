"""Fixtures of the destinations' suites: every kind with its server, started once, when the first test needs it."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from cases import KINDS, make_case
from contract import Case, ServerMissing
from left_out import leave_out


class Cases:
    """The cases of this session by kind; a server that is missing is asked for only once."""

    def __init__(self, factory: pytest.TempPathFactory, environment: Mapping[str, str], stack: ExitStack) -> None:
        self._factory = factory
        self._environment = environment
        self._stack = stack
        self._made: dict[str, Case | ServerMissing] = {}

    def of(self, kind: str) -> Case:
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        made = self._made[kind]
        if isinstance(made, ServerMissing):
            leave_out(f"the server of {kind}", str(made))
        return made

    def _make(self, kind: str) -> Case | ServerMissing:
        try:
            made = make_case(kind, self._factory.mktemp(kind), self._environment)
        except ServerMissing as missing:
            return missing
        self._stack.callback(made.close)
        return made


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
