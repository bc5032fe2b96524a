"""The cases of a session: each kind of destination with its server, started when the first test needs it."""

from collections.abc import Mapping
from contextlib import ExitStack

import pytest
from cases import make_case
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
