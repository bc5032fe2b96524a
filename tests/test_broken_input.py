"""Declared files that can't be used: every command, and Dagster itself, says what is wrong, and runs nothing."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from line_fakes import tree
from run_child import Command, start

from ctexport_dagster.cli.app import main

ROOT = Path(__file__).resolve().parents[1]
EXPORT = "owner: growth@example.com\nsource: crm\ndestination: disk\naccount_id: 100000000\nformat: csv\n"
SOURCE = "type: demo\nprofiles: 10\nstart: 2026-11-18\n"
DISK = "type: local\nfolder: exports\n"
BUCKET = "type: s3\nbucket: acme\nregion: eu-west-1\n"
CLEAR = "AKIAZANZIBARQUOKKA00"

BROKEN: dict[str, tuple[dict[str, str], str]] = {
    "an unknown key": ({"assets/daily.yaml": EXPORT + "fomat: csv\n"}, "assets/daily.yaml:6: fomat: unknown key"),
    "a key that belongs elsewhere": (
        {"assets/daily.yaml": EXPORT + "folder: run_date\n"},
        "assets/daily.yaml:6: folder: unknown key here; it belongs under files",
    ),
    "a key that stands there twice": (
        {"assets/daily.yaml": EXPORT + "owner: x@example.com\n"},
        "assets/daily.yaml:6: owner: stands here a second time; the first is on line 1",
    ),
    "a wrong type": (
        {"assets/daily.yaml": EXPORT.replace("100000000", "many")},
        "assets/daily.yaml:4: account_id: must be a whole number",
    ),
    "a list where a mapping belongs": (
        {"assets/daily.yaml": EXPORT + "files: [a]\n"},
        "assets/daily.yaml:6: files: must hold keys and values",
    ),
    "no YAML": ({"assets/daily.yaml": "a: [\n"}, "assets/daily.yaml:2: not readable as YAML"),
    "an empty file": ({"assets/daily.yaml": ""}, "assets/daily.yaml: the file is empty"),
    "a missing source": (
        {"assets/daily.yaml": EXPORT.replace("crm", "cmr")},
        "assets/daily.yaml:2: source: there is no resources/cmr.yaml; did you mean crm?",
    ),
    "a destination as the source": (
        {"assets/daily.yaml": EXPORT.replace("crm", "disk")},
        "assets/daily.yaml:2: source: disk is a destination",
    ),
    "an export called like its source": (
        {"assets/crm.yaml": EXPORT},
        "assets/crm.yaml: resources/crm.yaml has the same name",
    ),
    "a second ending of one name": ({"assets/daily.yml": EXPORT}, "assets/daily.yml: rename it to daily.yaml"),
    "two exports of one number": (
        {"assets/daily.yaml": EXPORT + "export_id: 7\n", "assets/other.yaml": EXPORT + "export_id: 7\n"},
        "assets/other.yaml:6: export_id: daily has the export id 7 too",
    ),
    "a cadence that doesn't divide a day": (
        {"assets/daily.yaml": EXPORT + "schedule: {every: 5h}\n"},
        "assets/daily.yaml:6: schedule.every: write one of 3h, 4h",
    ),
    "a cron expression": (
        {"assets/daily.yaml": EXPORT + "schedule: {every: '0 2 * * *'}\n"},
        "assets/daily.yaml:6: schedule.every: write one of 3h, 4h",
    ),
    "a time of day that is none": (
        {"assets/daily.yaml": EXPORT + "schedule: {at: '25:00'}\n"},
        "assets/daily.yaml:6: schedule.at: write a time of day in quotes",
    ),
    "an unknown zone": (
        {"assets/daily.yaml": EXPORT + "schedule: {timezone: Europe/Berln}\n"},
        "assets/daily.yaml:6: schedule.timezone: 'Europe/Berln' is no time zone",
    ),
    "an unknown variable of a template": (
        {"assets/daily.yaml": EXPORT + "files: {folder: '{{Weekday}}'}\n"},
        "assets/daily.yaml:6: files.folder: ",
    ),
    "a source's path without its variable": (
        {"resources/crm.yaml": "type: files\nprofiles: data/a.csv\nstart: 2026-11-18\n"},
        "resources/crm.yaml:2: profiles: write {{Partition}} where the partition's key stands",
    ),
    "an unknown kind": (
        {"resources/crm.yaml": SOURCE.replace("demo", "dmeo")},
        "resources/crm.yaml:1: type: must be one of",
    ),
    "a secret in clear": (
        {"resources/disk.yaml": BUCKET + f"access_key_id: {CLEAR}\nsecret_access_key: {{env: KEY}}\n"},
        "resources/disk.yaml:4: access_key_id: a secret never stands in a file; write {env: NAME}",
    ),
    "a secret in clear as if it were a variable": (
        {"resources/disk.yaml": BUCKET + f"access_key_id: {{env: '{CLEAR}/+='}}\nsecret_access_key: {{env: KEY}}\n"},
        "resources/disk.yaml:4: access_key_id: name the environment variable that holds the secret: {env: NAME}",
    ),
    "a password in clear among the settings": (
        {"settings.yaml": f"mail: {{host: a, sender: a@example.com, username: {{env: U}}, password: {CLEAR}}}\n"},
        "settings.yaml:1: mail.password: a secret never stands in a file; write {env: NAME}",
    ),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose one export is right."""
    root = tmp_path / "home"
    write(root, {"assets/daily.yaml": EXPORT, "resources/crm.yaml": SOURCE, "resources/disk.yaml": DISK})
    return root


def write(root: Path, files: Mapping[str, str]) -> None:
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)


def without_exports(root: Path) -> None:
    (root / "assets/daily.yaml").unlink()


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_broken_is_told_with_its_place(
    home: Path, broken: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files, says = BROKEN[broken]
    write(home, files)
    before = tree(home)
    monkeypatch.setenv("CTEXPORT_HOME", str(home))
    with pytest.raises(SystemExit) as ended:
        main(["check"])
    said = capsys.readouterr()
    assert says in said.err
    assert (ended.value.code, said.out) == (2, "")
    assert "ZANZIBAR" not in said.err
    assert tree(home) == before


COMMANDS = {
    "check": ("check",),
    "run": ("run", "daily", "--partition", "2026-11-18"),
    "list": ("list",),
    "show": ("show", "daily"),
    "preview": ("preview", "daily"),
    "verify": ("verify", "daily", "--partition", "2026-11-18"),
    "why": ("why", "daily", "a", "--partition", "2026-11-18"),
    "dev": ("dev",),
    "demo": ("demo",),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("broken", ["a mistake", "no export"])
def test_no_command_begins_on_a_broken_home(
    home: Path, command: str, broken: str, child_environment: Mapping[str, str]
) -> None:
    if broken == "no export":
        without_exports(home)
        says = f"{home}/assets: holds no export, no *.yaml; write one there"
    else:
        write(home, {"assets/daily.yaml": EXPORT + "fomat: csv\n"})
        says = "assets/daily.yaml:6: fomat: unknown key; did you mean format?"
    before = tree(home)
    file = home.with_name("said")
    environment = {**child_environment, "CTEXPORT_HOME": str(home)}
    process = start(Command(home, COMMANDS[command], environment, file))
    process.join()
    assert (process.exitcode, file.read_text().splitlines()) == (2, [says])
    assert tree(home) == before


def test_no_home_is_told_with_the_places_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CTEXPORT_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit) as ended:
        main(["list"])
    says = f"home: no folder assets/ in CTEXPORT_HOME, {tmp_path}/nowhere; go to your project or set CTEXPORT_HOME"
    assert (ended.value.code, capsys.readouterr().err.strip()) == (2, says)


def test_dagster_says_the_same_without_a_long_traceback(home: Path, child_environment: Mapping[str, str]) -> None:
    write(home, {"assets/daily.yaml": EXPORT + "fomat: csv\n", "resources/crm.yaml": SOURCE + "modus: changes\n"})
    command = [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", "-w", "workspace.yaml"]
    environment = {**child_environment, "CTEXPORT_HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    told = [number for number, line in enumerate(lines) if "unknown key" in line]
    assert [lines[number].partition("Error: ")[2] or lines[number] for number in told] == [
        "assets/daily.yaml:6: fomat: unknown key; did you mean format?",
        "resources/crm.yaml:4: modus: unknown key; did you mean mode?",
    ]
    assert done.returncode == 1
    assert len(lines) - told[-1] < 15
