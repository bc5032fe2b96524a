"""What bad input gets at the command line: a clear sentence and nothing written, or bad rows apart, the rest sent."""

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from line_fakes import tree
from run_child import Command, start

from ctexport_dagster import reader
from ctexport_dagster.core.manifest import RowCounts

DAY, NEXT = "2026-11-18", "2026-11-19"
SOURCE = "type: files\nprofiles: data/{{Partition}}.ndjson\nstart: 2026-11-18\n"
EXPORT = "owner: growth@example.com\nsource: crm\ndestination: disk\naccount_id: 100000000\n"
ROWS = (
    {"clevertapId": "a", "plan": "gold", "visits": 1, "score": 0.5},
    {"clevertapId": "b", "plan": "iron", "visits": 2},
)


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    text: str


@dataclass(frozen=True)
class CommandHome:
    """A home of declared files, and the command line on it."""

    root: Path
    environment: Mapping[str, str]

    def export(self, text: str) -> None:
        (self.root / "assets/daily.yaml").write_text(EXPORT + text)

    def source(self, text: str, *, start: str = SOURCE) -> None:
        (self.root / "resources/crm.yaml").write_text(start + text)

    def day(self, day: str, *lines: bytes | Mapping[str, object]) -> None:
        told = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        (self.root / f"data/{day}.ndjson").write_bytes(b"".join(line + b"\n" for line in told))

    def __call__(self, *arguments: str) -> Said:
        said = self.root.with_name("said")
        environment = {**self.environment, "CTEXPORT_HOME": str(self.root), "COLUMNS": "500", "NO_COLOR": "1"}
        process = start(Command(self.root, arguments, environment, said))
        process.join()
        return Said(process.exitcode or 0, said.read_text())

    def delivered(self, day: str = DAY) -> reader.Partition:
        return reader.open_delivery(self.root / "exports").partition(day)

    def quarantined(self) -> list[tuple[str | None, str, str | None]]:
        """Id, reason and field of every refused row."""
        files = sorted((self.root / ".ctexport/quarantine/crm").glob("*.parquet"))
        frames = [pl.read_parquet(file) for file in files]
        return pl.concat(frames).select("clevertapId", "reason", "field").rows() if frames else []


@pytest.fixture
def ctexport(tmp_path: Path, child_environment: Mapping[str, str]) -> CommandHome:
    """A home whose declarations and data are right."""
    home = CommandHome(tmp_path / "home", child_environment)
    for folder in ("assets", "resources", "data"):
        (home.root / folder).mkdir(parents=True)
    (home.root / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
    home.source("")
    home.export("format: json\n")
    home.day(DAY, *ROWS)
    return home


def assert_refused(ctexport: CommandHome, *arguments: str, code: int, says: str) -> None:
    before = tree(ctexport.root)
    said = ctexport(*arguments)
    assert says in said.text
    assert "Traceback" not in said.text
    assert said.code == code
    assert tree(ctexport.root) == before


MISTAKES = {
    "unknown key": ("format: csv\nfile: {folder: run_date}\n", "assets/daily.yaml:6: file: "),
    "misspelt key": ("format: csv\nfiles: {foldr: run_date}\n", "did you mean folder?"),
    "unknown zone": ("format: csv\nschedule: {timezone: Europe/Berln}\n", "assets/daily.yaml:6: schedule.timezone: "),
    "unknown template variable": ("format: csv\nfiles: {name: 'a-{{Dat}}'}\n", "assets/daily.yaml:6: files.name: "),
    "a way out of the folder": ("format: csv\nfiles: {folder: ../a}\n", "assets/daily.yaml:6: files.folder: "),
    "unknown preference": ("format: csv\ncolumns: {communication: [MSG-fax]}\n", "columns.communication"),
    "unknown column to rename": (
        "format: csv\ncolumns: {properties: [plan], rename: {plam: Plan}}\n",
        "plam is no column of this export; did you mean plan?",
    ),
    "unknown format": ("format: xlsx\n", "assets/daily.yaml:5: format"),
    "no identifier": ("format: csv\nidentity: {order: []}\n", "name at least one of Identity, Email, Phone"),
    "no property": ("format: csv\ncolumns: {properties: []}\n", "choose at least one property"),
    "an identifier as a property": ("format: csv\ncolumns: {properties: [Identity]}\n", "Identity is an identifier"),
    "two columns of one name under strict": (
        "format: csv\nstrict: true\ncolumns: {properties: [plan, visits], rename: {visits: plan}}\n",
        "assets/daily.yaml:",
    ),
    "a boundary that is none of the source's": (
        "format: csv\nschedule: {every: 12h}\n",
        "a window would start at 2026-11-18T12:00Z, where none of the source crm does",
    ),
    "another zone's midnights": (
        "format: csv\nschedule: {timezone: Asia/Kolkata}\n",
        "assets/daily.yaml:6: schedule.timezone: a window would start at",
    ),
    "a start before the source's": ("format: csv\nschedule: {start: 2026-11-17}\n", "start no earlier"),
}


@pytest.mark.req("P5", "P12", "P19", "P20", "P24")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_declaration_is_refused_with_its_place(ctexport: CommandHome, mistake: str) -> None:
    declared, says = MISTAKES[mistake]
    ctexport.export(declared)
    assert_refused(ctexport, "run", "daily", "--partition", DAY, code=2, says=says)


def test_all_mistakes_of_all_files_are_told_at_once(ctexport: CommandHome) -> None:
    ctexport.export("format: csv\nfiles: {foldr: a, nam: b}\n")
    ctexport.source("modus: changes\n")
    said = ctexport("run", "daily", "--partition", DAY)
    told = [line for line in said.text.splitlines() if line.startswith(("assets/", "resources/"))]
    assert (said.code, len(told)) == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "dayly"), "no export is called dayly; did you mean daily?"),
        (("run", "daily", "--partition", "2026-11-17"), "2026-11-17 is no partition of daily; its first is 2026-11-18"),
        (("run", "daily", "--partition", "yesterday"), "yesterday is no partition of daily"),
        (("run", "daily", "--from", DAY), "--from and --to go together"),
        (("run", "daily", "--partition", DAY, "--from", DAY, "--to", DAY), "give --partition, or --from and --to"),
        (("preview", "daily", "--partition", "2026-11-17"), "2026-11-17 is no partition of daily"),
        (("why", "daily", "a", "--partition", "2026-11-17"), "2026-11-17 is no partition of daily"),
    ],
)
def test_wrong_usage_is_refused_with_what_is_right(
    ctexport: CommandHome, arguments: tuple[str, ...], says: str
) -> None:
    assert_refused(ctexport, *arguments, code=2, says=says)


def test_a_home_without_exports_is_an_error_that_names_the_place(ctexport: CommandHome) -> None:
    (ctexport.root / "assets/daily.yaml").unlink()
    assert_refused(ctexport, "run", "daily", code=2, says=f"{ctexport.root}/assets")


def test_a_missing_source_file_fails_the_partition_and_names_the_path(ctexport: CommandHome) -> None:
    said = ctexport("run", "daily", "--from", DAY, "--to", NEXT)
    assert said.code == 1
    assert f"no file matches {ctexport.root}/data/{NEXT}.ndjson" in said.text
    assert "Traceback" not in said.text
    assert [partition.key for partition in reader.open_delivery(ctexport.root / "exports").partitions] == [DAY]
    assert not (ctexport.root / ".ctexport/staging/daily" / NEXT).exists()


def test_a_preview_of_a_missing_source_file_names_the_path_and_writes_nothing(ctexport: CommandHome) -> None:
    says = f"no file matches {ctexport.root}/data/{NEXT}.ndjson"
    assert_refused(ctexport, "preview", "daily", "--partition", NEXT, code=1, says=says)


@pytest.mark.req("P3")
def test_a_preview_writes_nothing_at_all(ctexport: CommandHome) -> None:
    before = tree(ctexport.root)
    said = ctexport("preview", "daily", "--partition", DAY, "--values")
    assert said.code == 0
    assert "gold" in said.text
    assert tree(ctexport.root) == before


@pytest.mark.req("B1")
def test_an_empty_file_is_an_empty_day_for_a_source_of_changes(ctexport: CommandHome) -> None:
    ctexport.source("mode: changes\n")
    ctexport.day(NEXT)
    assert ctexport("run", "daily", "--from", DAY, "--to", NEXT).code == 0
    manifest = ctexport.delivered(NEXT).manifest
    assert (manifest.files, manifest.rows) == ((), RowCounts(0, 0, 0, 0, 0, 0))


def test_an_empty_snapshot_deletes_nobody_but_fails(ctexport: CommandHome) -> None:
    ctexport.day(NEXT)
    said = ctexport("run", "daily", "--from", DAY, "--to", NEXT)
    assert said.code == 1
    assert "2 of 2 profiles are gone, `max_deleted` allows 0.2 of them" in said.text
    ctexport.day(NEXT, *ROWS)
    assert ctexport("run", "daily", "--partition", NEXT).code == 0
    assert ctexport.delivered(NEXT).manifest.rows == RowCounts(2, 2, 0, 0, 0, 0)


GOOD = {"clevertapId": "c", "plan": "pewter", "visits": 3, "score": 1.5}
BAD_ROWS: dict[str, tuple[tuple[bytes | Mapping[str, object], ...], list[tuple[str | None, str, str | None]]]] = {
    "without an id": (({**GOOD, "clevertapId": None},), [(None, "missing_id", "clevertapId")]),
    "with a blank id": (({**GOOD, "clevertapId": " "},), [(" ", "missing_id", "clevertapId")]),
    "that contradict each other": (
        (GOOD, {**GOOD, "plan": "lead"}),
        [("c", "duplicate_id", "clevertapId"), ("c", "duplicate_id", "clevertapId")],
    ),
    "with a value of another type": (({**GOOD, "visits": "many"},), [("c", "contradicts_type", "visits")]),
    "with broken text": (
        (b'{"clevertapId":"c","plan":"t\xff\xfe","visits":3,"score":1.5}',),
        [("c", "invalid_text", None)],
    ),
    "that are no JSON": ((b'{"clevertapId":"c","plan":',), [("c", "unreadable", None)]),
    "that are cut off before their id": ((b'{"plan":"pewter","clevertapId":"c',), [(None, "unreadable", None)]),
    "that are no number": (
        (b'{"clevertapId":"c","plan":"pewter","visits":3,"score":NaN}',),
        [("c", "not_finite", "score")],
    ),
}


@pytest.mark.req("P22", "B1", "B6")
@pytest.mark.parametrize("bad", BAD_ROWS)
def test_rows_that_cannot_be_used_are_kept_with_their_reason_and_the_rest_is_sent(
    ctexport: CommandHome, bad: str
) -> None:
    rows, refused = BAD_ROWS[bad]
    ctexport.day(DAY, *ROWS, *rows)
    said = ctexport("run", "daily", "--partition", DAY)
    assert said.code == 0, said.text
    assert ctexport.quarantined() == refused
    partition = ctexport.delivered()
    assert sorted(str(row["clevertapId"]) for row in partition.rows()) == ["a", "b"]
    assert partition.manifest.rows == RowCounts(2 + len(rows), 0, 0, len(rows), 2, 0)
    assert "pewter" not in said.text


@pytest.mark.req("B6")
def test_a_refused_row_leaves_its_profile_as_it_was(ctexport: CommandHome) -> None:
    ctexport.day(NEXT, {**ROWS[0], "visits": "many", "plan": "lead"}, {**ROWS[1], "plan": "zinc"})
    assert ctexport("run", "daily", "--from", DAY, "--to", NEXT).code == 0
    state = dict(reader.open_delivery(ctexport.root / "exports").state(NEXT))
    assert {key: row["plan"] for key, row in state.items()} == {"a": "gold", "b": "zinc"}
    assert ctexport.delivered(NEXT).manifest.rows == RowCounts(2, 0, 0, 1, 1, 0)


@pytest.mark.req("B6")
@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b'{"clevertapId":"a","plan":"lead","visits":', ["a"]),
        (b'{"plan":"l\xff\xfed","clevertapId":"a","visits":1}', ["a"]),
        (b'{"plan":"lead","clevertapId":"a', ["a", "b"]),
    ],
)
def test_a_line_that_cannot_be_read_deletes_nobody_whose_line_it_may_have_been(
    ctexport: CommandHome, line: bytes, kept: list[str]
) -> None:
    ctexport.source("max_deleted: 1\n")
    assert ctexport("run", "daily", "--partition", DAY).code == 0
    ctexport.day(NEXT, line, {**ROWS[0], "clevertapId": "c"})
    assert ctexport("run", "daily", "--partition", NEXT).code == 0
    assert ctexport.delivered(NEXT).manifest.rows.tombstones == 2 - len(kept)


@pytest.mark.req("B6")
def test_more_refused_rows_than_allowed_fail_the_partition_and_are_all_that_is_left_of_it(
    ctexport: CommandHome,
) -> None:
    ctexport.source("max_quarantined: 0\n")
    ctexport.day(DAY, *ROWS, {**GOOD, "clevertapId": None})
    said = ctexport("run", "daily", "--partition", DAY)
    assert said.code == 1
    assert "1 of 3 rows were refused, `max_quarantined` allows 0" in said.text
    assert ctexport.quarantined() == [(None, "missing_id", "clevertapId")]
    assert not (ctexport.root / "exports").exists()


def truncated(path: Path) -> None:
    path.write_bytes(gzip.compress(b'{"clevertapId":"a"}\n' * 1000)[:-12])


def a_folder(path: Path) -> None:
    path.mkdir()


def no_parquet(path: Path) -> None:
    path.write_bytes(b"PAR1 this is none")


BROKEN: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a gzip file that was cut off": ("ndjson.gz", truncated),
    "a file that is no Parquet": ("parquet", no_parquet),
    "a folder instead of a file": ("ndjson", a_folder),
    "a file of an unknown kind": ("xlsx", no_parquet),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_an_input_that_cannot_be_read_at_all_fails_with_its_name_and_leaves_no_trace(
    ctexport: CommandHome, broken: str
) -> None:
    extension, make = BROKEN[broken]
    ctexport.source("", start=SOURCE.replace("ndjson", extension))
    path = ctexport.root / f"data/{DAY}.{extension}"
    path.unlink(missing_ok=True)
    make(path)
    said = ctexport("run", "daily", "--partition", DAY)
    assert said.code == 1
    assert f"data/{DAY}.{extension}" in said.text
    assert "Traceback" not in said.text
    assert "an error that ctexport doesn't expect" not in said.text
    state = tree(ctexport.root / ".ctexport")
    assert [path for path in state if path.startswith(("staging", "scratch", "quarantine"))] == []
    assert [path for path in state if path.endswith(".parquet")] == []


@pytest.mark.req("P20")
def test_two_columns_of_one_name_that_only_the_data_shows_are_refused_under_strict(ctexport: CommandHome) -> None:
    ctexport.export("format: csv\nstrict: true\ncolumns: {rename: {visits: plan}}\n")
    said = ctexport("run", "daily", "--partition", DAY)
    assert said.code == 2
    assert "assets/daily.yaml: columns: two columns are called plan" in said.text
    assert not (ctexport.root / "exports").exists()


@pytest.mark.req("P20")
def test_two_columns_of_one_name_are_a_warning_otherwise_and_the_last_one_wins(ctexport: CommandHome) -> None:
    ctexport.export("format: json\ncolumns: {rename: {visits: plan}}\n")
    assert "warning" in ctexport("preview", "daily", "--partition", DAY).text
    assert ctexport("run", "daily", "--partition", DAY).code == 0
    assert sorted(row["plan"] for row in ctexport.delivered().rows()) == [1, 2]  # pyright: ignore


def test_no_value_ever_stands_in_what_a_failure_says(ctexport: CommandHome) -> None:
    ctexport.source("max_quarantined: 0\n")
    ctexport.day(DAY, {"clevertapId": "zanzibar", "Email": "quokka@example.com", "visits": 1}, b'{"quokka": ')
    said = ctexport("run", "daily", "--partition", DAY)
    assert said.code == 1
    assert "zanzibar" not in said.text
    assert "quokka" not in said.text
