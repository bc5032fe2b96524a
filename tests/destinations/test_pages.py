"""What the guide's pages tell a new user to type works as it stands, but for where the servers of the tests listen."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from case_gcs import GcsCase, variable
from case_local import LocalCase
from case_sftp import SftpCase
from contract import Case, under
from declared_home import DAY, write_declared
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app
from ctexport_dagster.resources.registry import RESOURCE_KINDS

GUIDE = Path(__file__).parents[2] / "docs/destinations"
PAGES = sorted(GUIDE.glob("*.md"))
PLACEHOLDERS = {"host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"}
"""What nobody can type as it stands: it ends in an ellipsis."""

Change = Callable[[Case], Mapping[str, object]]
URLS: Mapping[str, str] = {"azure_blob": "/acmestorage", "adls": "/acmelake"}
"""Paths of endpoints."""
VARIABLES: Mapping[str, Mapping[str, str]] = {
    "s3": {"ACME_S3_KEY": "KEY_POLICY_KEY", "ACME_S3_SECRET": "KEY_POLICY_SECRET"},
    "azure_blob": {"ACME_AZURE_SAS": "CREATE_WRITE"},
    "adls": {"ACME_LAKE_SAS": "WRITE_MOVE"},
    "sftp": {"ACME_SFTP_KEY": "SFTP_KEY", "ACME_SFTP_PASSPHRASE": "SFTP_PASSPHRASE"},
}
"""The page's variables, and the case's that hold what belongs into them: the least rights."""


def typed_on(page: Path) -> list[dict[str, object]]:
    """Every destination that a page shows, in its order."""
    blocks = re.findall(r"^( *)```yaml\n(.*?)^ *```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(dedent(block)) for _, block in blocks]


def changed(case: Case) -> Mapping[str, object]:
    """What has to be another than the page says, so that the case's server is met."""
    host, port = case.endpoint
    match case:
        case LocalCase():
            return {"folder": str(case.exports)}
        case SftpCase():
            declared = case.declaration()
            login = {"host": host, "port": port, "user": declared.user, "folder": declared.folder}
            return {**login, "host_key": case.host_key, "key_passphrase": {"env": "ACME_SFTP_PASSPHRASE"}}
        case _:
            return {"endpoint_url": f"http://{host}:{port}{URLS.get(case.kind, '')}"}


def environment_of(case: Case) -> dict[str, str]:
    ours = case.surroundings.environment
    if isinstance(case, GcsCase):
        return {"ACME_GCS_KEY": ours[variable(case.creator)]}
    return {name: ours[theirs] for name, theirs in VARIABLES.get(case.kind, {}).items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_destination_that_a_page_shows_can_be_declared(page: Path) -> None:
    for declared in typed_on(page):
        kind = RESOURCE_KINDS[str(declared["type"])]
        kind.load().model_validate({"name": page.stem, **declared, **(PLACEHOLDERS if "host_key" in declared else {})})


@pytest.mark.req("P1", "G2")
def test_the_first_destination_of_a_page_passes_the_check_with_its_canary_and_takes_an_export(
    case: Case, tmp_path: Path, prefix: str
) -> None:
    declared = {**typed_on(GUIDE / f"{case.kind}.md")[0], **changed(case), "prefix": f"{prefix}/crm"}
    write_declared(tmp_path, declared)
    environment = {**environment_of(case), "CTEXPORT_HOME": str(tmp_path), "COLUMNS": "200"}
    checked = CliRunner().invoke(app, ["check", "--canary"], env=environment)
    assert checked.exit_code == 0, checked.output
    ran = CliRunner().invoke(app, ["run", "daily", "--partition", DAY], env=environment)
    assert ran.exit_code == 0, (ran.output, ran.exception)
    arrived = {re.split("[-/]", key)[0] for key in under(case, f"{prefix}/crm")}
    assert arrived == {".ctexport", "100000000", "daily"}
