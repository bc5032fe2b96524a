"""`ctexport verify` reads a delivery back from every kind of destination, and finds what isn't as it was sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from by_hand import deliver_by_hand
from cases import KINDS
from contract import Case, under
from declared_home import DAY, write_home
from session_cases import Cases
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app, main
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.home import DestinationDeclaration, load_home

CLOUDS = [pytest.param(kind, id=name) for kind, name in KINDS.items() if kind != "local"]
VERIFY = ["verify", "daily", "--partition", DAY]


@dataclass(frozen=True)
class Delivered:
    """A partition that was delivered, and the environment in which `ctexport` finds its home."""

    case: Case
    environment: Mapping[str, str]
    prefix: str

    def key_that_ends_in(self, ending: str) -> str:
        (key,) = (key for key in under(self.case, self.prefix) if key.endswith(ending))
        return key

    def problems(self) -> tuple[int, list[tuple[str, str]]]:
        result = CliRunner().invoke(app, [*VERIFY, "--json"], env=dict(self.environment))
        told = json.loads(result.output)
        return result.exit_code, [(problem["kind"], problem["key"]) for problem in told["problems"]]


def deliver_to(root: Path, declared: DestinationDeclaration, surroundings: Surroundings) -> Mapping[str, str]:
    """Delivers one partition of the demo source; the environment of the home that it came from."""
    write_home(root, declared)
    environment = {**surroundings.environment, "CTEXPORT_HOME": str(root), "CTEXPORT_STATE": str(root / "state")}
    deliver_by_hand(load_home(environment, root), "daily", DAY)
    return environment


@pytest.fixture
def delivered(case: Case, tmp_path: Path, prefix: str) -> Delivered:
    declared = case.readable(prefix)
    return Delivered(case, deliver_to(tmp_path, declared, case.surroundings), prefix)


@pytest.mark.req("B3")
def test_a_delivery_is_proved_where_it_lies(delivered: Delivered) -> None:
    assert delivered.problems() == (0, [])


@pytest.mark.req("B3")
@pytest.mark.parametrize("ending", [".csv.gz", ".manifest.json"])
def test_a_file_that_is_gone_is_named(delivered: Delivered, ending: str) -> None:
    key = delivered.key_that_ends_in(ending)
    delivered.case.remove(f"{delivered.prefix}/{key}")
    assert delivered.problems() == (1, [("missing", key)])


@pytest.mark.req("B3")
def test_a_file_that_was_changed_is_named(delivered: Delivered) -> None:
    key = delivered.key_that_ends_in(".csv.gz")
    content = delivered.case.read(f"{delivered.prefix}/{key}")
    delivered.case.change(f"{delivered.prefix}/{key}", content[:-1] + bytes([content[-1] ^ 1]))
    assert delivered.problems() == (1, [("checksum", key)])


@pytest.mark.req("P2", "B3")
@pytest.mark.parametrize("kind", CLOUDS)
def test_rights_to_write_alone_are_told_to_be_too_few_to_verify(
    cases: Cases,
    kind: str,
    tmp_path: Path,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reads_too = "write only"  # so is called the login that may not delete or list
    grant = next(grant for grant in cases.of(kind).grants() if grant.suffices and grant.name != reads_too)
    environment = deliver_to(tmp_path, grant.declare(prefix), grant.surroundings)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main(VERIFY)
    said = " ".join(capsys.readouterr().err.split())
    assert (ended.value.code, "reading is not allowed there" in said) == (1, True), said
