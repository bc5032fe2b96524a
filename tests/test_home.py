"""The home: where it is found, and that every mistake in its files is named with file, line, field and fix."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from line_fakes import MemorySource

from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.destination import Destination
from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.source import Source, SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.home import Home, find_home, is_fallback, load_home
from ctexport_dagster.resources.local import LocalDisk
from ctexport_dagster.resources.registry import ResourceKind

HOME_B = {"CTEXPORT_HOME": "/b"}


class TableSource(SourceDeclaration):
    type: Literal["table"]
    rows: int = 1

    def open(self, surroundings: Surroundings) -> Source:
        return MemorySource()


class VaultDestination(Declared):
    type: Literal["vault"]
    name: str
    password: Secret | None = None

    def open(self, surroundings: Surroundings) -> Destination:
        return LocalDisk(surroundings.home)


KINDS = {
    "table": ResourceKind("source", __name__, "TableSource"),
    "vault": ResourceKind("destination", __name__, "VaultDestination"),
}
EXPORT = """\
owner: growth@example.com
source: crm
destination: vault
account_id: 100000000
format: csv
"""
SOURCE = "type: table\nstart: 2026-11-01\n"
FILES = {"assets/daily.yaml": EXPORT, "resources/crm.yaml": SOURCE, "resources/vault.yaml": "type: vault\n"}
NOWHERE = Path("/nonexistent/package")


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def home_of(root: Path, files: Mapping[str, str | bytes]) -> Home:
    return load_home({}, write(root, {**FILES, **files}), kinds=KINDS, package=NOWHERE)


def mistakes(root: Path, files: Mapping[str, str | bytes]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        home_of(root, files)
    return str(caught.value).splitlines()


def mistakes_in_export(root: Path, more: str) -> list[str]:
    """The mistakes of an export with these lines after the needed ones: the first stands on line 6."""
    return [line.removeprefix("assets/daily.yaml:") for line in mistakes(root, {"assets/daily.yaml": EXPORT + more})]


def test_everything_declared_is_found_by_its_files_stem(tmp_path: Path) -> None:
    home = home_of(tmp_path, {})
    assert (list(home.exports), list(home.sources), list(home.destinations)) == (["daily"], ["crm"], ["vault"])


def test_files_in_subfolders_are_left_alone(tmp_path: Path) -> None:
    home = home_of(tmp_path, {"resources/examples/other.yaml": "type: nothing\n", "assets/.daily.yaml": "x"})
    assert (list(home.exports), list(home.sources)) == (["daily"], ["crm"])


def test_state_lies_in_the_home_unless_told_otherwise(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    states = [
        load_home(environment, tmp_path, kinds=KINDS).state
        for environment in ({}, {"CTEXPORT_STATE": "/var/state"}, {"CTEXPORT_STATE": "here"})
    ]
    assert states == [tmp_path / ".ctexport", Path("/var/state"), tmp_path / "here"]


def test_the_home_is_what_the_environment_says(tmp_path: Path) -> None:
    write(tmp_path / "a", FILES), write(tmp_path / "b", FILES)
    assert find_home({"CTEXPORT_HOME": str(tmp_path / "a")}, tmp_path / "b", NOWHERE) == tmp_path / "a"


def test_else_the_home_is_the_working_directory(tmp_path: Path) -> None:
    write(tmp_path / "a", FILES), write(tmp_path / "b", FILES)
    assert find_home({}, tmp_path / "a", tmp_path / "b" / "package") == tmp_path / "a"


def test_else_the_home_is_a_folder_above_that_has_both_folders(tmp_path: Path) -> None:
    write(tmp_path / "a", FILES), (tmp_path / "a/data/days").mkdir(parents=True), (tmp_path / "a/data/assets").mkdir()
    assert find_home({}, tmp_path / "a/data/days", NOWHERE) == tmp_path / "a"


def test_else_the_home_is_the_checkout(tmp_path: Path) -> None:
    write(tmp_path / "b", FILES)
    assert find_home({}, tmp_path, tmp_path / "b" / "package") == tmp_path / "b"


@pytest.mark.parametrize(
    ("environment", "cwd", "falls_back"), [({}, ".", True), ({}, "b", False), (HOME_B, ".", False)]
)
def test_a_checkout_that_nobody_named_is_known_as_such(
    tmp_path: Path, environment: Mapping[str, str], cwd: str, falls_back: bool
) -> None:
    write(tmp_path / "b", FILES)
    assert is_fallback(tmp_path / "b", environment, tmp_path / cwd, tmp_path / "b" / "package") == falls_back


def test_the_package_itself_is_no_home(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "package/assets/__init__.py": ""})
    assert find_home({}, tmp_path / "package", tmp_path / "package") == tmp_path


def test_without_a_home_the_places_tried_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_home({}, tmp_path, tmp_path / "checkout" / "package")
    assert str(caught.value) == (
        f"home: no folder assets/ in the working directory, {tmp_path} or in the checkout, {tmp_path}/checkout;"
        " go to your project or set CTEXPORT_HOME"
    )


def test_a_wrong_ctexport_home_is_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    with pytest.raises(ConfigurationError, match="CTEXPORT_HOME, /nowhere"):
        find_home({"CTEXPORT_HOME": "/nowhere"}, tmp_path, NOWHERE)


def test_a_home_without_an_export_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/assets: holds no export"):
        load_home({}, tmp_path, kinds=KINDS)


@pytest.mark.req("P5")
def test_all_mistakes_of_all_files_are_told_at_once_in_order(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        {
            "assets/daily.yaml": EXPORT.replace("csv", "cvs") + "stric: true\nfiles:\n  folder: /a\n",
            "assets/other.yaml": EXPORT.replace("source: crm", "source: crn") + "files: {folder: '{{dat}}'}\n",
            "resources/crm.yaml": "type: tabel\n",
            "resources/vault.yaml": "type: vault\nbucket: x\n",
        },
    )
    assert found == [
        "assets/daily.yaml:5: format: must be one of csv, json, xml, parquet; did you mean csv?",
        "assets/daily.yaml:6: stric: unknown key; did you mean strict?",
        "assets/other.yaml:2: source: there is no resources/crn.yaml; did you mean crm?",
        "assets/other.yaml:6: files.folder: unknown variable {{dat}}; did you mean {{Date}}? (at character 1)",
        "resources/crm.yaml:1: type: must be one of table, vault; did you mean table?",
        "resources/vault.yaml:2: bucket: unknown key; the keys here are type, password",
    ]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("owner: x\n", "6: owner: stands here a second time; the first is on line 1"),
        ("name: x\n", "6: name: the name is the file's, daily; leave the key out"),
        ("folder: run_date\n", "6: folder: unknown key here; it belongs under files"),
        ("schedule:\n  at: 12:30\n", '7: schedule.at: write a time of day in quotes, as "02:00"'),
        ("schedule: {every: 5h}\n", "6: schedule.every: write one of 3h, 4h, 6h, 8h, 12h, 24h or once"),
        ("schedule: {start: 20261118}\n", "6: schedule.start: write a day as 2026-11-01"),
        (
            "schedule: {timezone: Asia/Kolkatta}\n",
            "6: schedule.timezone: 'Asia/Kolkatta' is no time zone; write an IANA name such as UTC or Asia/Kolkata",
        ),
        ("schedule: {start: 2026-12-01, end: 2026-12-01}\n", "6: schedule.end: end must lie after start"),
        ("schedule: {mode: ful}\n", "6: schedule.mode: must be one of incremental, full; did you mean full?"),
        ("files: {chunk_size: 100 megs}\n", "6: files.chunk_size: '100 megs' is no size; write it as 100 MB"),
        ("files: {chunk_size: 0}\n", "6: files.chunk_size: must be more than 0"),
        ("files:\n", "6: files: is empty; write a value, or leave the key out"),
        ("files: [a]\n", "6: files: must hold keys and values, as key: value"),
        ("identity:\n  order: [Email, 5]\n", "7: identity.order[1]: must be text: put it in quotes"),
        ("identity:\n  order: Email\n", "7: identity.order: must be a list, as [a, b]"),
        (
            "identity:\n  order: []\n",
            "7: identity.order: name at least one of Identity, Email, Phone or a property",
        ),
        ("identity:\n  order: [Email, Email]\n", "7: identity.order: an identifier stands in the list twice: Email"),
        (
            "columns: {properties: systm}\n",
            "6: columns.properties: must be one of all, system; did you mean system?, or a list",
        ),
        ("columns: {properties: []}\n", "6: columns.properties: choose at least one property"),
        (
            "columns: {properties: [Identity]}\n",
            "6: columns.properties: Identity is an identifier: choose it under identity, not as a property",
        ),
        ("columns: {communication: [MSG-push, 5]}\n", "6: columns.communication[1]: must be text: put it in quotes"),
        ("columns: {rename: {Email: ''}}\n", "6: columns.rename: the new name of Email is empty"),
        (
            "columns: {rename: {2026: x}}\n",
            '6: columns.rename.2026: YAML doesn\'t read this key as text; write it as "2026"',
        ),
        ("strict: maybe\n", "6: strict: must be true or false"),
        ("export_id: -1\n", "6: export_id: must be at least 0"),
        ("export_id: soon\n", "6: export_id: must be a whole number"),
        ("description: 2026-02-30\n", "6: description: this isn't a valid timestamp; put text in quotes"),
        (
            "files: {name: p.json.gz}\n",
            "6: files.name: files of this export end in .csv.gz; leave .json.gz out (at character 2)",
        ),
        ("columns: &a {rename: *a}\n", "6: columns.rename: an alias may not name what it stands in"),
    ],
)
def test_a_mistake_in_an_export_is_named_in_plain_words(tmp_path: Path, more: str, expected: str) -> None:
    assert mistakes_in_export(tmp_path, more)[0] == expected


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("{type: csv, compression: zstd}", "5: format.compression: the compression of csv is one of fast, small"),
        (
            "{type: csv, wrap: gzip}",
            "5: format.wrap: wrap is for parquet alone: the text formats are always gzip",
        ),
        ("{typ: csv}", "5: format.type: is missing: csv, json (one object a line), xml or parquet."),
        ("{type: csv, styl: typed}", "5: format.styl: unknown key; did you mean style?"),
    ],
)
@pytest.mark.req("P11")
def test_a_mistake_in_a_format_is_named(tmp_path: Path, declared: str, expected: str) -> None:
    found = mistakes(tmp_path, {"assets/daily.yaml": EXPORT.replace("csv", declared)})
    assert found[0].removeprefix("assets/daily.yaml:") == expected


def test_a_missing_key_is_named_with_what_it_is(tmp_path: Path) -> None:
    without_owner = EXPORT.replace("owner: growth@example.com\n", "")
    assert mistakes(tmp_path, {"assets/daily.yaml": without_owner}) == [
        "assets/daily.yaml:1: owner: is missing: The e-mail address that failures are sent to."
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "assets/bad.yaml: the file is empty"),
        ("- a\n", "assets/bad.yaml: write keys and values, as key: value"),
        ("a:\n\tb: d\n", "assets/bad.yaml:2: not readable as YAML: found character that cannot start any token"),
        ("a: [b\n", "assets/bad.yaml:2: not readable as YAML: did not find expected ',' or ']'"),
        (b"a: b\nc: \xff\n", "assets/bad.yaml:2: this is not UTF-8 text; save the file as UTF-8"),
        ("a: b\n---\nc: d\n", "assets/bad.yaml:2: not readable as YAML: but found another document"),
    ],
)
def test_a_file_that_is_no_declaration_is_named_with_its_line(
    tmp_path: Path, content: str | bytes, expected: str
) -> None:
    assert mistakes(tmp_path, {"assets/bad.yaml": content})[0] == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "assets/Daily-2.yaml",
            "assets/Daily-2.yaml: the file's name is the name in Dagster: use a-z, 0-9 and _ alone",
        ),
        ("assets/more.yml", "assets/more.yml: rename it to more.yaml, else it isn't read"),
        (
            "resources/my crm.yaml",
            "resources/my crm.yaml: the file's name is the name in Dagster: use a-z, 0-9 and _ alone",
        ),
    ],
)
def test_a_file_name_that_can_be_no_name_is_refused(tmp_path: Path, file: str, expected: str) -> None:
    assert mistakes(tmp_path, {file: EXPORT}) == [expected]


def test_a_source_named_as_destination_is_told_apart(tmp_path: Path) -> None:
    crossed = EXPORT.replace("destination: vault", "destination: crm")
    assert mistakes(tmp_path, {"assets/daily.yaml": crossed}) == [
        "assets/daily.yaml:3: destination: crm is a source; declared are vault"
    ]


def test_a_broken_resource_is_not_reported_as_missing_as_well(tmp_path: Path) -> None:
    assert mistakes(tmp_path, {"resources/crm.yaml": SOURCE + "rows: many\n"}) == [
        "resources/crm.yaml:3: rows: must be a whole number"
    ]


def test_an_export_and_a_source_may_not_share_a_name(tmp_path: Path) -> None:
    assert mistakes(tmp_path, {"assets/crm.yaml": EXPORT}) == [
        "assets/crm.yaml: resources/crm.yaml has the same name: their assets would share one group; rename one of them"
    ]


@pytest.mark.req("P9")
def test_two_exports_of_one_id_refuse_to_load(tmp_path: Path) -> None:
    exports = {f"assets/{name}.yaml": EXPORT + "export_id: 7\n" for name in ("one", "two")}
    assert mistakes(tmp_path, exports)[0] == (
        "assets/two.yaml:6: export_id: one has the export id 7 too; declare another one"
    )


@pytest.mark.req("P10")
def test_two_exports_that_write_the_same_keys_refuse_to_load(tmp_path: Path) -> None:
    exports = {f"assets/{name}.yaml": EXPORT + "files:\n  name: profiles\n" for name in ("one", "two")}
    assert mistakes(tmp_path, exports) == [
        "assets/two.yaml:7: files.name: one writes the same keys to vault; add {{Export-id}}"
    ]


@pytest.mark.parametrize(
    ("schedule", "source", "expected"),
    [
        ("{every: 6h}", "", "6: schedule.every: a window would start at 2026-11-01T06:00Z, where none of the source"),
        (
            "{timezone: Asia/Kolkata, start: 2026-11-02}",
            "",
            "6: schedule.timezone: a window would start at 2026-11-01T18:30Z, where none",
        ),
        ("{every: 4h}", "every: 3h\n", "6: schedule.every: a window would start at 2026-11-01T04:00Z, where none"),
        (
            "{timezone: Europe/Berlin, start: 2026-11-02}",
            "every: 3h\n",
            "6: schedule.timezone: a window would start at 2026-11-01T23:00Z, where none",
        ),
        (
            "{timezone: Europe/London, start: 2026-11-02}",
            "",
            "6: schedule.timezone: a window would start at 2027-03-28T23:00Z, where none",
        ),
        ("{start: 2026-10-31}", "", "6: schedule.start: the source crm starts on 2026-11-01; start no earlier"),
        ("{start: 2026-12-01}", "end: 2026-12-01\n", "6: schedule.end: the export would end, on 2026-12-01, before"),
        ("{end: 2027-01-01}", "end: 2026-12-01\n", "6: schedule.end: the source crm ends on 2026-12-01; end no later"),
    ],
)
@pytest.mark.req("P24", "P26")
def test_an_exports_windows_must_be_whole_windows_of_its_source(
    tmp_path: Path, schedule: str, source: str, expected: str
) -> None:
    files = {"assets/daily.yaml": EXPORT + f"schedule: {schedule}\n", "resources/crm.yaml": SOURCE + source}
    assert mistakes(tmp_path, files)[0].removeprefix("assets/daily.yaml:").startswith(expected)


@pytest.mark.parametrize(
    ("schedule", "source"),
    [
        ("{every: 24h}", "every: 3h\n"),
        ("{every: 12h}", "every: 6h\ntimezone: Australia/Lord_Howe\n"),
        ("{timezone: Etc/UTC}", ""),
        ("{timezone: Asia/Calcutta}", "timezone: Asia/Kolkata\n"),
        ("{start: 2026-11-15, end: 2026-11-20}", "end: 2026-12-01\n"),
    ],
)
@pytest.mark.req("P24", "P26")
def test_windows_that_are_whole_windows_of_the_source_load(tmp_path: Path, schedule: str, source: str) -> None:
    files = {"assets/daily.yaml": EXPORT + f"schedule: {schedule}\n", "resources/crm.yaml": SOURCE + source}
    assert list(home_of(tmp_path, files).exports) == ["daily"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            "{properties: [Email, Plan], order: [Emial]}",
            "6: columns.order[0]: Emial isn't among columns.properties; did you mean Email?",
        ),
        (
            "{properties: [Email, Plan], rename: {Phone: Tel}}",
            "6: columns.rename.Phone: Phone is no column of this export",
        ),
        (
            "{properties: system, order: [Plan]}",
            "6: columns.order[0]: Plan isn't among columns.properties",
        ),
    ],
)
@pytest.mark.req("P19", "P20")
def test_a_name_that_is_no_chosen_property_is_refused(tmp_path: Path, columns: str, expected: str) -> None:
    assert mistakes_in_export(tmp_path, f"columns: {columns}\n") == [expected]


@pytest.mark.req("P20")
def test_two_columns_of_one_name_are_refused_under_strict(tmp_path: Path) -> None:
    clash = "columns: {properties: [Email, Plan], rename: {Plan: Email}}\nstrict: true\n"
    assert [line.split(":")[:2] for line in mistakes_in_export(tmp_path, clash)] == [["6", " columns"]]


@pytest.mark.req("P20")
def test_two_columns_of_one_name_load_without_strict(tmp_path: Path) -> None:
    clash = "columns: {properties: [Email, Plan], rename: {Plan: Email}}\n"
    assert list(home_of(tmp_path, {"assets/daily.yaml": EXPORT + clash}).exports) == ["daily"]


@pytest.mark.req("P12")
def test_a_property_may_be_an_identifier_without_being_exported(tmp_path: Path) -> None:
    declared = "columns: {properties: [Email, Plan]}\nidentity: {order: [crm_id]}\nstrict: true\n"
    assert home_of(tmp_path, {"assets/daily.yaml": EXPORT + declared}).exports["daily"].identity.order == ("crm_id",)


@pytest.mark.req("B8")
def test_a_secret_in_the_clear_is_refused_and_never_repeated(tmp_path: Path) -> None:
    found = mistakes(tmp_path, {"resources/vault.yaml": "type: vault\npassword: hunter2\n"})
    assert found == ["resources/vault.yaml:2: password: a secret never stands in a file; write {env: NAME}"]


@pytest.mark.req("B8")
def test_a_declared_secret_shows_its_variable_alone(tmp_path: Path) -> None:
    home = home_of(tmp_path, {"resources/vault.yaml": "type: vault\npassword: {env: VAULT_PASSWORD}\n"})
    destination = home.destinations["vault"]
    assert isinstance(destination, VaultDestination)
    assert destination.password == Secret("VAULT_PASSWORD")


def test_no_examples_hold_mistakes_and_loading_them_needs_no_dagster() -> None:
    root = Path(__file__).parents[1]
    code = (
        "import sys; from pathlib import Path; from ctexport_dagster.home import load_home;"
        f"home = load_home({{'CTEXPORT_HOME': {str(root)!r}}}, Path('/'));"
        "print(sorted(e.format.type for e in home.exports.values()), 'dagster' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("['csv', 'csv', 'json', 'json', 'parquet', 'parquet', 'xml'] False\n", "")


@pytest.mark.parametrize(
    ("kind", "hint"), [("event", "; did you mean events?"), ("tables", ""), ("profile", "; did you mean profiles?")]
)
def test_a_kind_that_there_isnt_is_the_one_mistake_told_of_it(tmp_path: Path, kind: str, hint: str) -> None:
    assert mistakes_in_export(tmp_path, f"events: all\nkind: {kind}\n") == [
        f"7: kind: must be one of profiles, events, datasets{hint}"
    ]


@pytest.mark.parametrize(
    ("said", "hint"), [("int64", "; did you mean integer?"), ("strng", "; did you mean string?"), ("decimal(10,2)", "")]
)
def test_a_type_that_there_isnt_is_told_with_those_that_there_are(tmp_path: Path, said: str, hint: str) -> None:
    (mistake,) = mistakes(tmp_path, {"resources/crm.yaml": SOURCE + f"types: {{age: '{said}'}}\n"})
    known = "boolean, integer, float32, float64, string, date, timestamp, strings"
    assert mistake.endswith(f"types.age: must be one of {known}{hint}")
