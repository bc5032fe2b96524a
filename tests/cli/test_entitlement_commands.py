"""What `ctexport list` and `ctexport show` tell of the year's volume and its entitlement."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app

YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date()
EXPORT = (
    "owner: growth@example.com\nsource: demo\ndestination: disk\naccount_id: 1\nformat: csv\n"
    f"schedule: {{every: once, start: {YESTERDAY}}}\n"
)


def ctexport(home: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, env={"CTEXPORT_HOME": str(home), "COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def entitle(home: Path, allowed_bytes: int) -> None:
    """To as many bytes: what one application gives for one profile."""
    per_profile = f"{{profiles: 1, per_profile: {allowed_bytes}}}"
    (home / "settings.yaml").write_text(f"entitlement: {{applications: {{prime: {per_profile}}}}}\n")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One export has delivered, another hasn't."""
    home = tmp_path_factory.mktemp("home")
    (home / "assets").mkdir(), (home / "resources").mkdir()
    (home / "resources/demo.yaml").write_text(f"type: demo\nprofiles: 10\nstart: {YESTERDAY}\n")
    (home / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
    for name in ("once", "later"):
        (home / f"assets/{name}.yaml").write_text(EXPORT)
    ctexport(home, "run", "once")
    return home


@pytest.fixture(scope="module")
def delivered(home: Path) -> int:
    """The bytes of the one delivered file."""
    (file,) = (home / "exports").rglob("*.csv.gz")
    return file.stat().st_size


@pytest.mark.req("A11")
def test_the_list_tells_how_much_of_the_entitlement_is_used(home: Path, delivered: int) -> None:
    entitle(home, 10 * delivered)
    year = datetime.now(UTC).year
    assert ctexport(home, "list").splitlines()[-1].endswith(f"exported in {year} (10.0 %)")
    assert json.loads(ctexport(home, "list", "--json"))["usage"] == {
        "year": year,
        "allowed_bytes": 10 * delivered,
        "used_bytes": delivered,
        "percent": 10.0,
        "level": "usual",
        "by_export": {"once": delivered},
        "uncounted_manifests": 0,
    }


@pytest.mark.req("A11")
@pytest.mark.parametrize(
    ("share", "warning"), [(1.25, "80 % or more of the year's entitlement"), (0.5, "more than the year's entitlement")]
)
def test_list_and_show_warn_from_80_percent_on(home: Path, delivered: int, share: float, warning: str) -> None:
    entitle(home, int(delivered * share))
    for command in (["list"], ["show", "once"], ["show", "later"]):
        (warned,) = (line for line in ctexport(home, *command).splitlines() if line.startswith("warning: "))
        assert warned.endswith(warning)


@pytest.mark.req("A11")
def test_show_tells_the_share_of_the_export_beside_that_of_all(home: Path, delivered: int) -> None:
    entitle(home, 10 * delivered)
    assert "exported by once in " in ctexport(home, "show", "once")
    assert "(10.0 % of the entitlement)" in ctexport(home, "show", "once")
    assert "(0.0 % of the entitlement)" in ctexport(home, "show", "later")
    assert json.loads(ctexport(home, "show", "later", "--json"))["usage"]["percent"] == 10.0


def test_a_home_without_an_entitlement_tells_nothing_of_it(home: Path) -> None:
    (home / "settings.yaml").unlink(missing_ok=True)
    assert "exported in" not in ctexport(home, "list")
    assert json.loads(ctexport(home, "list", "--json"))["usage"] is None
