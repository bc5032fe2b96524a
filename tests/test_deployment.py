"""What a deployment is made of holds together: the image's parts, the service units, the chart's values."""

import configparser
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import dagster as dg
import pytest
import yaml
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app
from ctexport_dagster.running.location import LOCATION

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
BIN = Path(sys.executable).parent


def instructions(word: str) -> list[str]:
    """The arguments of every instruction of one kind, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#")))
    return re.findall(rf"^{word} (.*)$", text, flags=re.MULTILINE)


def copied() -> Iterator[str]:
    """What the image takes from the checkout."""
    for instruction in instructions("COPY"):
        options = [word for word in instruction.split() if word.startswith("--")]
        if not any(option.startswith("--from=") for option in options):
            yield from [word for word in instruction.split() if word not in options][:-1]


def locked(name: str) -> dict[str, str]:
    """Package → version of a lock file."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z0-9,-]+\])?==([^ ;\\]+)", text, flags=re.MULTILINE))


def test_everything_that_the_image_copies_is_there_and_reaches_the_build() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert [path for path in copied() if not (ROOT / path).exists()] == []
    assert [path for path in copied() if not any(fnmatch(path, pattern) for pattern in allowed)] == []


def test_nothing_else_reaches_the_build() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(copied())


def test_the_image_does_not_run_as_root() -> None:
    assert instructions("USER") == ["ctexport"]


def test_the_image_is_locked_to_what_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = [extra for extra in declared["project"]["optional-dependencies"] if extra != "all"]
    wanted = [
        *declared["project"]["dependencies"],
        *(package for extra in extras for package in declared["project"]["optional-dependencies"][extra]),
        *declared["dependency-groups"]["image"],
    ]
    names = {re.split(r"[\[><=~!]", package)[0].strip().lower().replace("_", "-") for package in wanted}
    assert names - locked("requirements-image.lock").keys() == set()


def test_the_image_has_the_versions_that_are_tested() -> None:
    image, tested = locked("requirements-image.lock"), locked("requirements-dev.lock")
    assert {name: (found, tested[name]) for name, found in image.items() if tested.get(name, found) != found} == {}


def test_every_package_of_the_image_is_checked_by_its_hash() -> None:
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements-image.lock").read_text().strip())
    assert [entry.split("==")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_image_starts_a_command_of_ours() -> None:
    (command,) = instructions("CMD")
    program, subcommand, *options = yaml.safe_load(command)
    assert program == "ctexport"
    assert_accepted(subcommand, options)


@pytest.mark.parametrize("unit", UNITS, ids=[unit.stem for unit in UNITS])
def test_a_service_starts_a_command_of_ours(unit: Path) -> None:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    parsed.read(unit)
    program, subcommand, *arguments = shlex.split(parsed["Service"]["ExecStart"])
    assert (program, parsed["Service"]["User"]) == ("/opt/ctexport/bin/ctexport", "ctexport")
    assert_accepted(subcommand, arguments)


def assert_accepted(subcommand: str, arguments: list[str]) -> None:
    """The command line's own parser takes these; `--help` keeps it from doing anything."""
    result = CliRunner().invoke(app, [subcommand, *arguments, "--help"])
    assert result.exit_code == 0
    options = [argument for argument in arguments if argument.startswith("--")]
    assert [option for option in options if option not in result.output] == []


def test_the_chart_runs_our_definitions_with_pools_that_hold_one_run() -> None:
    values = yaml.safe_load((ROOT / "deploy/kubernetes/values.yaml").read_text())
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert deployment["dagsterApiGrpcArgs"] == ["--module-name", "ctexport_dagster.definitions"]
    assert values["concurrency"]["pools"] == {"defaultLimit": 1, "granularity": "run"}
    launcher = values["runLauncher"]["config"]["customRunLauncher"]
    assert getattr(dg, launcher["class"], None) is not None


def test_the_chart_calls_the_code_location_as_everything_else_does() -> None:
    values = yaml.safe_load((ROOT / "deploy/kubernetes/values.yaml").read_text())
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    served = {"host": deployment["name"], "port": deployment["port"], "name": LOCATION}
    assert values["dagsterWebserver"]["workspace"] == {"enabled": True, "servers": [served]}


def test_the_chart_mounts_the_state_where_the_code_looks_for_it() -> None:
    values = yaml.safe_load((ROOT / "deploy/kubernetes/values.yaml").read_text())
    claim = yaml.safe_load((ROOT / "deploy/kubernetes/state.yaml").read_text())
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    environment = {variable["name"]: variable["value"] for variable in deployment["env"]}
    (volume,) = deployment["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert deployment["volumeMounts"] == [{"name": volume["name"], "mountPath": environment["CTEXPORT_STATE"]}]


def test_the_chart_is_of_our_dagster() -> None:
    text = (ROOT / "deploy/kubernetes/values.yaml").read_text()
    assert re.findall(r"--version (\S+)", text) == [locked("requirements.lock")["dagster"]] == [version("dagster")]


def test_the_programs_that_serve_are_installed() -> None:
    programs = ("ctexport", "dagster", "dagster-daemon", "dagster-webserver")
    assert [program for program in programs if not (BIN / program).is_file()] == []


def test_the_daemon_s_health_is_told_by_a_command_that_exists() -> None:
    said = subprocess.run([BIN / "dagster-daemon", "--help"], capture_output=True, text=True, check=True).stdout
    assert "liveness-check" in said
