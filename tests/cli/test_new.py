"""`ctexport new`: the same declaration by answers and by flags, and nothing written on a mistake."""

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from line_fakes import tree
from new_place import Place, said

from ctexport_dagster.home import load_home
from ctexport_dagster.resources.registry import RESOURCE_KINDS
from ctexport_dagster.wizard.answers import secret_fields
from ctexport_dagster.wizard.kinds import ASKED

DAY = "2026-11-18"
PROFILES = pl.DataFrame(
    {
        "user_id": ["zanzibar", "b", "c"],
        "login": ["u1", "u2", None],
        "mail": ["quokka@example.com", None, "x@example.com"],
        "plan": ["gold", "iron", None],
        "visits": [1, 2, 3],
    }
)
ANSWERS = (
    *("customers", "", "crm", "data/{{Day}}/*.parquet", "data/{{Partition}}/*.parquet"),
    *("", "", "", "", "", "changes", "", "UTC", ""),  # columns of five names, mode, every, zone, start
    *("", "outbox", "local", "exports"),
    *("xlsx", "json", "abc", "100000000", "growth@example", "growth@example.com", "../x", "run_date", "default"),
    *("Identity, crm", "Identity, Email, 4", "all", "y", ""),
    *("n", "MSG-push, 4", "all", "visits", "mail=x", "plan=Plan", "lock"),
    *("24h", "UTC", DAY, "25:00", "02:00", "", "y"),
)
FLAGS = (
    *("customers", "--source", "crm", "--source-files", "data/{{Partition}}/*.parquet"),
    *("--source-column", "clevertapId=user_id", "--source-column", "identity=login", "--source-column", "Email=mail"),
    *("--source-option", "mode=changes", "--source-option", "every=24h"),
    *("--source-option", "timezone=UTC", "--source-option", f"start={DAY}"),
    *("--destination", "outbox", "--destination-type", "local", "--destination-option", "folder=exports"),
    *("--format", "json", "--account-id", "100000000", "--owner", "growth@example.com", "--folder", "run_date"),
    *("--identifier", "Identity", "--identifier", "Email", "--identifier", "plan", "--identity-values", "all"),
    *("--all-identities", "--no-device", "--communication", "MSG-push", "--communication", "MSG-email"),
    *("--order", "visits", "--rename", "plan=Plan", "--on-new-property", "lock"),
    *("--every", "24h", "--timezone", "UTC", "--start", DAY, "--at", "02:00", "--mode", "incremental"),
)
SAID = {
    "resources/crm.yaml": {
        "type": "files",
        "profiles": "data/{{Partition}}/*.parquet",
        "mode": "changes",
        "every": "24h",
        "timezone": "UTC",
        "start": date(2026, 11, 18),
        "columns": {"clevertapId": "user_id", "identity": "login", "Email": "mail"},
    },
    "resources/outbox.yaml": {"type": "local", "folder": "exports"},
    "assets/customers.yaml": {
        "kind": "profiles",
        "owner": "growth@example.com",
        "source": "crm",
        "destination": "outbox",
        "account_id": 100000000,
        "format": "json",
        "files": {"folder": "run_date", "name": "default"},
        "identity": {
            "order": ["Identity", "Email", "plan"],
            "values": "all",
            "all_identities": True,
            "clevertap_id": True,
        },
        "columns": {
            "device": False,
            "communication": ["MSG-push", "MSG-email"],
            "properties": "all",
            "rename": {"plan": "Plan"},
            "order": ["visits"],
            "on_new_property": "lock",
        },
        "schedule": {
            "every": "24h",
            "at": "02:00",
            "timezone": "UTC",
            "start": date(2026, 11, 18),
            "mode": "incremental",
        },
    },
}
SHORT = ("--owner", "growth@example.com", "--account-id", "100000000")
LOCAL = ("--destination", "outbox", "--destination-type", "local")
CRM = ("--source", "crm", "--source-files", "data/{{Partition}}/*.parquet", "--source-column", "clevertapId=user_id")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with one day's Parquet file."""
    (tmp_path / "data" / DAY).mkdir(parents=True)
    PROFILES.write_parquet(tmp_path / "data" / DAY / "part.parquet")
    return Place(tmp_path)


@pytest.fixture
def started(place: Place) -> Place:
    """A home with an export, its source and its destination."""
    assert place.new("first", *CRM, *LOCAL, *SHORT)[0] == 0
    return place


def test_the_answers_become_files(place: Place) -> None:
    assert place.new("--ask", answers=ANSWERS)[0] == 0
    assert said(place) == SAID


def test_every_setting_has_its_comment(place: Place) -> None:
    place.new("--ask", answers=ANSWERS)
    lines = place.written()["assets/customers.yaml"].splitlines()
    settings = [number for number, line in enumerate(lines) if re.match(r" *[a-z_]+: ", line)]
    assert [lines[n] for n in settings if "  # " not in lines[n] and "# " not in lines[n - 1]] == []
    assert len(settings) == 23


def test_the_same_said_by_flags_becomes_the_same_files(place: Place) -> None:
    assert place.new(*FLAGS)[0] == 0
    assert said(place) == SAID


def test_what_it_writes_is_right(place: Place) -> None:
    place.new(*FLAGS)
    assert place.check() == 0


def test_the_preview_shows_paths_columns_and_masked_rows(place: Place) -> None:
    _, output = place.new("--ask", answers=ANSWERS)
    shown = (
        f"{place.root}/exports/2026-11-19/100000000-",
        "customers-2026-11-18-g1.manifest.json",
        "Plan",
        "q***@e***",
    )
    assert [text in output for text in shown] == [True] * 4
    assert "quokka" not in output
    assert "zanzibar" not in output


def test_a_folder_that_is_no_home_becomes_one_and_is_told_so(place: Place) -> None:
    _, output = place.new("first", *CRM, *LOCAL, *SHORT)
    assert f"{place.root} becomes a home: assets/ and resources/ will be made in it" in output


def test_defaults_stand_in_the_file(started: Place) -> None:
    export = load_home({"CTEXPORT_HOME": str(started.root)}, started.root).exports["first"]
    text = started.written()["assets/first.yaml"]
    assert (export.files.folder, export.identity.order, "folder: bucket_root" in text, "properties: all" in text) == (
        "bucket_root",
        ("Identity", "Email", "Phone"),
        True,
        True,
    )


def test_the_first_partition_that_is_there_is_the_start(started: Place) -> None:
    assert f"start: {DAY}" in started.written()["resources/crm.yaml"]


def test_what_exists_is_chosen_where_there_is_no_choice(started: Place) -> None:
    assert started.new("second", *SHORT, "--file-name", "b-{{Export-id}}")[0] == 0
    assert sorted(started.written()) == [
        "assets/first.yaml",
        "assets/second.yaml",
        "resources/crm.yaml",
        "resources/outbox.yaml",
    ]


def test_without_a_terminal_all_missing_flags_are_named_at_once(place: Place) -> None:
    place.refuses(says="give NAME, --source, --destination, --owner, --account-id; or --ask")


def test_a_new_destination_that_lacks_a_field_names_it(place: Place) -> None:
    flags = ("--destination", "acme", "--destination-type", "gcs")
    place.refuses("first", *CRM, *flags, *SHORT, says="give --destination-option bucket=…")


def test_input_that_ends_early_writes_nothing(place: Place) -> None:
    place.refuses("--ask", answers=ANSWERS[:30], says="the input ended before this was answered")


def test_a_no_at_the_end_writes_nothing(place: Place) -> None:
    before = tree(place.root)
    assert place.new("--ask", answers=(*ANSWERS[:-1], "n"))[0] == 0
    assert tree(place.root) == before


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--folder", "../out"), "assets/first.yaml:"),
        (("--every", "5h"), "schedule.every"),
        (("--timezone", "Europe/Berln"), "schedule.timezone"),
        (("--timezone", "Asia/Kolkata"), "a window would start at"),
        (("--start", "2026-11-17"), "start no earlier"),
        (("--property", "Identity"), "Identity is an identifier"),
        (("--owner", "growth"), "owner is the e-mail address"),
    ],
)
def test_a_mistake_in_a_flag_is_told_and_nothing_is_written(place: Place, flags: tuple[str, ...], says: str) -> None:
    place.refuses("first", *CRM, *LOCAL, *SHORT, *flags, says=says)


def test_a_schedule_that_does_not_fit_the_source_is_asked_again(place: Place) -> None:
    schedule = ("24h", "Asia/Kolkata", DAY, "", "")
    code, output = place.new("--ask", answers=(*ANSWERS[:-7], *schedule, "24h", "UTC", DAY, "02:00", "", "y"))
    assert (code, "a window would start at" in output) == (0, True)
    assert said(place) == SAID


def test_an_export_is_never_overwritten_unless_forced(started: Place) -> None:
    started.refuses("first", *SHORT, says="assets/first.yaml is there already; --force overwrites it")
    assert started.new("first", *SHORT, "--format", "xml", "--force")[0] == 0
    assert "format: xml" in started.written()["assets/first.yaml"]


@pytest.mark.parametrize(("flags", "file"), [(CRM, "crm"), (LOCAL, "outbox")])
def test_a_source_or_destination_is_never_overwritten(started: Place, flags: tuple[str, ...], file: str) -> None:
    started.refuses("second", *flags, *SHORT, says=f"resources/{file}.yaml: is there already")


def test_a_mistake_in_another_file_is_told_and_stops_nothing(started: Place) -> None:
    (started.root / "assets/other.yaml").write_text("ownr: x\n")
    code, output = started.new("second", *SHORT, "--file-name", "b-{{Export-id}}")
    assert (code, "warning: assets/other.yaml:1: ownr: unknown key" in output) == (0, True)


def test_names_are_taken_as_typed_where_the_source_cannot_be_read_yet(place: Place) -> None:
    crm = ("--source", "crm", "--source-files", "later/{{Partition}}.csv", "--source-option", f"start={DAY}")
    code, output = place.new("first", *crm, *LOCAL, *SHORT, "--property", "plan")
    assert (code, f"no file matches {place.root}/later/{DAY}.csv" in output) == (0, True)
    assert "properties: [plan]" in place.written()["assets/first.yaml"]


SECRETS = ("--destination-option", "bucket=acme", "--destination-option", "region=eu-west-1")


def test_a_secret_in_a_flag_is_refused_and_not_repeated(place: Place) -> None:
    key = ("--destination-option", "access_key_id=AKIAZANZIBAR")
    flags = ("--destination", "acme", "--destination-type", "s3", *SECRETS, *key)
    output = place.refuses("first", *CRM, *flags, *SHORT, says="access_key_id=env:ACME_KEY")
    assert "ZANZIBAR" not in output


def test_a_secret_pasted_as_an_answer_is_asked_again(place: Place) -> None:
    flags = ("first", "--ask", *CRM, "--source-option", f"start={DAY}", *SHORT, "--destination", "acme")
    answers = (
        "",
        "",
        "",
        "",
        "snapshot",
        "24h",
        "UTC",
        "s3",
        "acme",
        "eu-west-1",
        "",
        "1",
        "AKIAIOSFODNN7EXAMPLE",
        "s3cr3t",
    )
    _, output = place.new(*flags, answers=answers)
    assert output.count("that is no variable's name") == 2


def test_the_variables_to_set_are_told(place: Place) -> None:
    keys = (
        "--destination-option",
        "access_key_id=env:ACME_ID",
        "--destination-option",
        "secret_access_key=env:ACME_KEY",
    )
    flags = ("--destination", "acme", "--destination-type", "s3", *SECRETS, *keys)
    code, output = place.new("first", *CRM, *flags, *SHORT, "--json", ACME_ID="x")
    document = json.loads(output[output.index("{\n") :])
    assert (code, document["files"], document["variables"]) == (
        0,
        ["resources/crm.yaml", "resources/acme.yaml", "assets/first.yaml"],
        [{"name": "ACME_ID", "is_set": True}, {"name": "ACME_KEY", "is_set": False}],
    )
    assert "access_key_id: {env: ACME_ID}" in place.written()["resources/acme.yaml"]


DESTINATIONS = [kind for kind, registered in RESOURCE_KINDS.items() if registered.role == "destination"]


@pytest.mark.parametrize("kind", DESTINATIONS)
def test_every_kind_of_destination_is_asked_what_its_declaration_has(kind: str) -> None:
    model, asked = RESOURCE_KINDS[kind].load(), ASKED[kind]
    secrets = {secret for way in asked.ways.values() for secret in way}
    assert set(asked.fields) <= set(model.model_fields)
    assert secrets <= secret_fields(model)


OPTIONS = {
    "local": (),
    "s3": ("bucket=acme", "region=eu-west-1"),
    "gcs": ("bucket=acme", "key_json=env:KEY"),
    "azure_blob": ("storage_account=acme", "container=exports", "sas_token=env:SAS"),
    "adls": ("storage_account=acme", "container=exports", "sas_url=env:SAS"),
    "sftp": ("host=sftp.example.com", "user=ctexport", "key=env:KEY"),
}


@pytest.mark.parametrize("kind", DESTINATIONS)
def test_every_kind_of_destination_can_be_declared_by_flags(place: Place, kind: str) -> None:
    options = [word for option in OPTIONS[kind] for word in ("--destination-option", option)]
    code, output = place.new("first", *CRM, "--destination", "to", "--destination-type", kind, *options, *SHORT)
    assert (code, sorted(load_home({"CTEXPORT_HOME": str(place.root)}, place.root).destinations)) == (0, ["to"]), output


def test_on_a_terminal_it_asks(place: Place, child_environment: Mapping[str, str]) -> None:
    ours, theirs = pty.openpty()
    code = "from ctexport_dagster.cli.app import main; main(['new', 'first'])"
    environment = {**child_environment, "CTEXPORT_HOME": str(place.root), "COLUMNS": "300"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in ANSWERS[1:]).encode())
    shown = ""
    try:
        while block := os.read(ours, 65536).decode(errors="replace"):
            shown += block
    except OSError:
        pass  # how Linux tells that the other side has ended
    finally:
        os.close(ours)
    assert (process.wait(timeout=30), "Write this?" in shown) == (0, True)
    assert said(place)["assets/first.yaml"] == SAID["assets/customers.yaml"]


def test_the_command_of_the_guide_works_as_it_stands(place: Place) -> None:
    guide = (Path(__file__).parents[2] / "docs/first_export.md").read_text()
    (command,) = re.findall(r"^ctexport new (customers (?:.*\\\n)*.*)$", guide, flags=re.MULTILINE)
    lies = place.root / "data/profiles" / DAY
    lies.mkdir(parents=True)
    PROFILES.write_parquet(lies / "part.parquet")
    code, output = place.new(*shlex.split(command.replace("\\\n", " ")))
    assert (code, "can't be read" in output) == (0, False)
    assert place.check() == 0


@pytest.mark.parametrize("rows", ["user_id,plan\nzanzibar,gold\n", "user_id,plan\n", ""])
@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_a_source_whose_first_rows_are_none_is_declared_all_the_same(tmp_path: Path, kind: str, rows: str) -> None:
    (tmp_path / "data" / DAY).mkdir(parents=True)
    text = rows if kind == "csv" else "".join('{"user_id":"zanzibar"}\n' for _ in rows.splitlines()[1:])
    (tmp_path / "data" / DAY / f"part.{kind}").write_text(text)
    place = Place(tmp_path)
    source = ("--source", "crm", "--source-files", f"data/{{{{Partition}}}}/*.{kind}")
    code, output = place.new("first", *source, "--source-column", "clevertapId=user_id", *LOCAL, *SHORT)
    assert code == 0, output
    assert ("z***" in output, "no sample rows" in output) == (("zanzibar" in rows), ("zanzibar" not in rows))
