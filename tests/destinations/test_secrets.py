"""No secret shows up anywhere: not in what commands print, logs, Dagster's database, manifests, plans or errors."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from cases import KINDS
from contract import Case, under
from declared_home import DAY, write_home
from fault_proxy import FaultProxy
from session_cases import Cases

CLOUDS = [pytest.param(kind, id=name) for kind, name in KINDS.items() if kind != "local"]


def ctexport(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    code = "import sys; from ctexport_dagster.cli.app import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=False)


def forms(secret: str) -> set[bytes]:
    """A secret as it may be written: plain, in JSON, in a URL."""
    return {text.encode() for text in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote(secret))}


def traces(case: Case, state: Path, prefix: str, outputs: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Everything that a run leaves behind, by where."""
    yield from outputs.items()
    yield from under(case, prefix).items()
    for path in state.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(state)), path.read_bytes()


@pytest.mark.req("B8")
@pytest.mark.parametrize("kind", CLOUDS)
def test_no_secret_shows_up_in_what_a_failed_and_a_good_run_leave(
    cases: Cases, kind: str, tmp_path: Path, prefix: str, child_environment: Mapping[str, str]
) -> None:
    case, state = cases.of(kind), tmp_path / "state"
    home = case.surroundings.home
    environment = {
        **child_environment,
        **case.surroundings.environment,
        "CTEXPORT_HOME": str(home),
        "CTEXPORT_STATE": str(state),
    }
    refusal = next(fault for fault in case.faults() if fault.whose == "customer" and fault.counts)
    with FaultProxy(case.endpoint, speaks_http=kind != "sftp") as proxy:
        write_home(home, case.declaration(proxy.endpoint, prefix=prefix))
        with refusal.inflict(proxy):
            failed = ctexport(environment, "run", "daily", "--partition", DAY)
            warned = ctexport(environment, "check", "there", "--canary")
        done = ctexport(environment, "run", "daily", "--partition", DAY)
        checked = ctexport(environment, "check", "there", "--canary")
    runs = {"failed": failed, "warned": warned, "done": done, "checked": checked}
    outputs = {name: run.stdout + run.stderr for name, run in runs.items()}
    assert [run.returncode for run in runs.values()] == [1, 1, 0, 0], outputs
    secrets = {form for secret in case.secrets for form in forms(secret)}
    places = list(traces(case, state, prefix, outputs))
    assert len(places) > len(outputs)
    assert [where for where, content in places if any(secret in content for secret in secrets)] == []
