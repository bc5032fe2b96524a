"""The checks as runs evaluate them: what a sound partition passes, and what each finds in one that isn't."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster_home import DagsterHome
from line_fakes import Given, MemoryDeclaration, Row, TinyHome

from ctexport_dagster.assets.delivery import delivery_key
from ctexport_dagster.instance import open_instance
from ctexport_dagster.partitions import dagster_key
from ctexport_dagster.resources.local import LocalDestination
from ctexport_dagster.running.switch import stop
from ctexport_dagster.sensors.punctuality import punctuality_sensor
from ctexport_dagster.sensors.read_anew import read_anew_sensor

COLUMNS: dict[str, pl.DataType] = {
    "clevertapId": pl.String(),
    "Email": pl.String(),
    "Phone": pl.String(),
    "score": pl.Int64(),
}
DAYS = [f"2026-11-{day:02}" for day in range(1, 9)]
EVERY_CHECK = {
    "crm/profiles": {
        "every_row_is_accounted_for",
        "every_row_is_usable",
        "declared_columns_are_given",
        "fields_are_as_before",
        "volume_is_usual",
    },
    "daily/identity_resolved_profiles": {
        "ids_are_unique",
        "phones_are_e164",
        "columns_are_as_before",
        "blanks_are_usual",
        "volume_is_usual",
    },
    "daily/formatted_chunks": {"chunks_hold_every_row"},
    "daily/delivery": {
        "every_row_is_accounted_for",
        "files_hold_every_exported_row",
        "files_are_as_planned",
        "newest_partition_is_on_time",
        "source_is_as_delivered",
    },
}


@pytest.fixture
def tiny_home(tmp_path: Path) -> TinyHome:
    """A home whose source begins a week earlier than the usual one."""
    return TinyHome(tmp_path, MemoryDeclaration(name="crm", start=at(DAYS[0]).date(), max_deleted=1))


def day(number: int, rows: int = 200, columns: dict[str, pl.DataType] = COLUMNS, **values: object) -> Given:
    """So many profiles, all of them changed since the day before."""
    profiles: Sequence[Row] = [
        {"clevertapId": f"c{n}", "Email": f"c{n}@example.com", "Phone": "+14155550123", "score": number, **values}
        for n in range(rows)
    ]
    return Given(columns, tuple({name: row.get(name) for name in columns} for row in profiles))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def home_of(tiny: TinyHome, instance: dg.DagsterInstance, now: str = "2026-11-02 00:30", **declared: object):
    destination = LocalDestination(type="local", name="disk", folder="out")
    return DagsterHome(tiny, [tiny.line("daily", **declared)], destination, instance, clock=lambda: at(now))


def evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, dg.AssetCheckEvaluation]]:
    found: dict[str, dict[str, dg.AssetCheckEvaluation]] = {}
    for one in result.get_asset_check_evaluations():
        found.setdefault(one.asset_key.to_user_string(), {})[one.check_name] = one
    return found


def ran(home: DagsterHome, days: Sequence[str]) -> dict[str, dict[str, dg.AssetCheckEvaluation]]:
    """Runs the days, and gives the evaluations of the last one."""
    results = [home.everything(key) for key in days]
    assert all(result.success for result in results)
    return evaluations(results[-1])


IDENTITY = "daily/identity_resolved_profiles"


@pytest.mark.req("P16", "B1")
def test_a_sound_partition_passes_every_check(tiny_home: TinyHome, instance: dg.DagsterInstance) -> None:
    tiny_home.tell(DAYS[0], day(0))
    found = ran(home_of(tiny_home, instance), DAYS[:1])
    assert {asset: set(checks) for asset, checks in found.items()} == EVERY_CHECK
    assert [name for checks in found.values() for name, one in checks.items() if not one.passed] == []
    told = {one.metadata["partition"].value for checks in found.values() for one in checks.values()}
    assert told == {DAYS[0]}


@pytest.mark.req("B6")
def test_refused_rows_are_warned_of_by_reason_and_field_and_an_error_where_none_is_left(
    tiny_home: TinyHome, instance: dg.DagsterInstance
) -> None:
    columns = {"clevertapId": pl.String(), "Email": pl.String()}
    told = [["a", None, None], [None]]
    for key, ids in zip(DAYS, told, strict=False):
        tiny_home.tell(key, Given(columns, tuple({"clevertapId": one, "Email": "secret"} for one in ids)))
    home = home_of(tiny_home, instance)
    checks = [ran(home, [key])["crm/profiles"]["every_row_is_usable"] for key in DAYS[:2]]
    assert [(one.passed, one.severity.value) for one in checks] == [(False, "WARN"), (False, "ERROR")]
    table = checks[0].metadata["by reason and field"]
    assert isinstance(table, dg.TableMetadataValue)
    (row,) = table.records
    assert row.data == {"reason": "missing_id", "field": "clevertapId", "rows": 2, "first at": row.data["first at"]}
    kept = Path(str(checks[0].metadata["kept in"].value))
    assert pl.read_parquet(kept).height == 2
    assert "secret" not in str(checks)


def test_first_partitions_pass_with_too_few_to_compare(tiny_home: TinyHome, instance: dg.DagsterInstance) -> None:
    for number, key in enumerate(DAYS[:3]):
        tiny_home.tell(key, day(number, rows=10 * 9**number))
    found = ran(home_of(tiny_home, instance), DAYS[:3])
    for asset, name in (
        ("crm/profiles", "volume_is_usual"),
        (IDENTITY, "volume_is_usual"),
        (IDENTITY, "blanks_are_usual"),
    ):
        check = found[asset][name]
        assert check.passed
        assert "too few to compare with" in (check.description or "")


def test_a_day_of_unusual_volume_and_blanks_is_warned_of_with_what_is_usual(
    tiny_home: TinyHome, instance: dg.DagsterInstance
) -> None:
    for number, key in enumerate(DAYS[:7]):
        tiny_home.tell(key, day(number))
    tiny_home.tell(DAYS[7], day(7, rows=2000, Email=None))
    home = home_of(tiny_home, instance)
    usual, odd = ran(home, DAYS[:7])[IDENTITY], ran(home, DAYS[7:8])[IDENTITY]
    names = ("volume_is_usual", "blanks_are_usual")
    assert [usual[name].passed for name in names] == [True, True]
    assert [(odd[name].passed, odd[name].severity) for name in names] == [(False, dg.AssetCheckSeverity.WARN)] * 2
    assert odd["volume_is_usual"].metadata["usual"].value == "100 to 300 rows"
    assert odd["volume_is_usual"].metadata["compared with"].value == "the 6 incremental partitions before"
    columns = odd["blanks_are_usual"].metadata["columns"]
    assert isinstance(columns, dg.TableMetadataValue)
    (column,) = columns.records
    assert column.data == {"column": "Email", "blank": "100.0%", "usual": "0.0% to 5.0%"}


def test_a_full_partition_is_compared_with_full_ones_alone(tiny_home: TinyHome, instance: dg.DagsterInstance) -> None:
    for number, key in enumerate(DAYS[:7]):
        changed = tuple(dict(row) | {"score": number} for row in day(0).rows[:20])
        tiny_home.tell(key, Given(COLUMNS, (*changed, *day(0).rows[20:])))
    home = home_of(tiny_home, instance)
    ran(home, DAYS[:6])
    full = {"ops": {"daily__identity_resolved_profiles": {"config": {"full": True}}}}
    check = evaluations(home.everything(DAYS[6], config=full))[IDENTITY]["volume_is_usual"]
    assert (check.passed, check.description) == (
        True,
        "1 earlier full partitions are too few to compare with; 5 are enough.",
    )


def test_a_drift_of_columns_is_warned_of_by_name_at_the_source_and_at_the_export(
    tiny_home: TinyHome, instance: dg.DagsterInstance
) -> None:
    wider = {**COLUMNS, "score": pl.Float64(), "tier": pl.String()}
    del wider["Phone"]
    tiny_home.tell(DAYS[0], day(0))
    tiny_home.tell(DAYS[1], day(1, columns=wider, score=1.5, tier="gold"))
    found = ran(home_of(tiny_home, instance), DAYS[:2])
    source, export = found["crm/profiles"]["fields_are_as_before"], found[IDENTITY]["columns_are_as_before"]
    assert (source.passed, export.passed, source.severity) == (False, False, dg.AssetCheckSeverity.WARN)
    assert {name: value.value for name, value in source.metadata.items()} == {
        "partition": DAYS[1],
        "added": "tier",
        "removed": "Phone",
        "changed type": "score: integer → float64",
    }
    assert {name: value.value for name, value in export.metadata.items()} == {
        "partition": DAYS[1],
        "added": "tier",
        "changed type": "score: integer → float64",
    }


def test_columns_that_an_edit_changed_are_named_and_pass(tiny_home: TinyHome, instance: dg.DagsterInstance) -> None:
    for number, key in enumerate(DAYS[:2]):
        tiny_home.tell(key, day(number))
    ran(home_of(tiny_home, instance), DAYS[:1])
    edited = home_of(tiny_home, instance, columns={"rename": {"Phone": "Phone Number"}})
    check = ran(edited, DAYS[1:2])[IDENTITY]["columns_are_as_before"]
    assert (check.passed, check.description) == (True, "The declaration was edited since the partition before.")
    assert (check.metadata["added"].value, check.metadata["removed"].value) == ("Phone Number", "Phone")


ON_TIME = "newest_partition_is_on_time"


def looked(home: DagsterHome, cursor: str | None) -> tuple[list[dg.AssetCheckEvaluation], str | None]:
    """What the sensor tells at a look, and its cursor after it."""
    context = dg.build_sensor_context(instance=home.instance, cursor=cursor)
    result = punctuality_sensor(home.lines, home.clock)(context)
    assert isinstance(result, dg.SensorResult)
    return [one for one in result.asset_events or [] if isinstance(one, dg.AssetCheckEvaluation)], result.cursor


def test_a_missing_partition_is_told_once_and_again_when_it_has_come(
    tiny_home: TinyHome, instance: dg.DagsterInstance
) -> None:
    tiny_home.tell(DAYS[0], day(0))
    early = home_of(tiny_home, instance, now="2026-11-02 00:59")
    told, cursor = looked(early, None)
    assert told == []
    late = home_of(tiny_home, instance, now="2026-11-02 01:00")
    (evaluation,), cursor = looked(late, cursor)
    assert (evaluation.asset_key, evaluation.check_name) == (delivery_key("daily"), ON_TIME)
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.description == "2026-11-01 was due at 2026-11-02 00:00Z and isn't delivered."
    assert looked(late, cursor)[0] == []
    assert ran(late, DAYS[:1])["daily/delivery"][ON_TIME].passed
    (evaluation,), cursor = looked(late, cursor)
    assert evaluation.passed
    assert looked(late, cursor)[0] == []


def looked_for_readings(home: DagsterHome, cursor: str | None) -> tuple[list[dg.AssetCheckEvaluation], str | None]:
    """What the sensor that looks for partitions read anew tells, and its cursor after it."""
    result = read_anew_sensor(home.lines, home.clock)(dg.build_sensor_context(home.instance, cursor))
    assert isinstance(result, dg.SensorResult)
    return [one for one in result.asset_events or [] if isinstance(one, dg.AssetCheckEvaluation)], result.cursor


def test_a_partition_that_was_read_anew_is_warned_of_once_and_passes_when_it_was_sent_anew(
    tiny_home: TinyHome, instance: dg.DagsterInstance
) -> None:
    tiny_home.tell(DAYS[0], day(0))
    home = home_of(tiny_home, instance)
    assert ran(home, DAYS[:1])["daily/delivery"]["source_is_as_delivered"].passed
    told, cursor = looked_for_readings(home, None)
    assert told == []
    tiny_home.tell(DAYS[0], day(1))
    tiny_home.ingest(DAYS[0])
    (evaluation,), cursor = looked_for_readings(home, cursor)
    assert (evaluation.asset_key, evaluation.check_name) == (delivery_key("daily"), "source_is_as_delivered")
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.description == "The source was read anew since these were delivered: 2026-11-01."
    table = evaluation.metadata["partitions"]
    assert isinstance(table, dg.TableMetadataValue)
    command = "ctexport run daily --partition 2026-11-01"
    assert [record.data for record in table.records] == [
        {"partition": "2026-11-01", "read anew": "profiles", "to send it anew": command}
    ]
    assert looked_for_readings(home, cursor)[0] == []
    assert ran(home, DAYS[:1])["daily/delivery"]["source_is_as_delivered"].passed
    (evaluation,), cursor = looked_for_readings(home, cursor)
    assert evaluation.passed


def test_two_missing_partitions_are_told_apart_from_one(tiny_home: TinyHome, instance: dg.DagsterInstance) -> None:
    home = home_of(tiny_home, instance, now="2026-11-03 01:00")
    (evaluation,), _ = looked(home, None)
    told = "Neither 2026-11-02, due at 2026-11-03 00:00Z, nor the partition before is delivered."
    assert (evaluation.passed, evaluation.description) == (False, told)


def test_nobody_waits_for_a_stopped_export(tmp_path: Path, tiny_home: TinyHome) -> None:
    with open_instance(tmp_path / "dagster", {}) as instance:
        home = home_of(tiny_home, instance, now="2026-11-03 01:00")
        (_,), cursor = looked(home, None)
        stop(instance, "daily")
        (evaluation,), _ = looked(home, cursor)
    assert (evaluation.passed, evaluation.description) == (True, "The export is stopped.")


@pytest.mark.req("B1")
def test_a_file_that_the_journal_never_saw_sent_is_found(
    tmp_path: Path, tiny_home: TinyHome, instance: dg.DagsterInstance
) -> None:
    tiny_home.tell(DAYS[0], day(0))
    home = home_of(tiny_home, instance)
    assert ran(home, DAYS[:1])["daily/delivery"]["files_are_as_planned"].passed
    journal = tiny_home.folders.deliveries("daily") / DAYS[0] / "journal-g1.jsonl"
    kept = [line for line in journal.read_text().splitlines(keepends=True) if "json.gz" not in line]
    journal.write_text("".join(kept))
    check = ran(home, DAYS[:1])["daily/delivery"]["files_are_as_planned"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    (key,) = (path.name for path in (tmp_path / "out").glob("*.json.gz"))
    assert check.metadata["keys not as planned"].value == key


@pytest.mark.req("P24")
def test_partitions_of_a_6_hourly_source_are_compared_too(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    declaration = MemoryDeclaration(
        name="crm", every=6, timezone="America/New_York", start=at("2026-11-01").date(), max_deleted=1
    )
    tiny = TinyHome(tmp_path, declaration)
    home = home_of(tiny, instance, schedule={"every": 6})
    windows = list(declaration.cadence.windows(until=at("2026-11-02 11:00")))
    for number, window in enumerate(windows):
        tiny.tell(declaration.cadence.key_of(window), day(number))
    for window in windows:
        result = home.everything(dagster_key(declaration.cadence, window))
        assert result.success
    check = evaluations(result)[IDENTITY]["volume_is_usual"]
    assert (
        check.description
        == f"{len(windows) - 2} earlier incremental partitions are too few to compare with; 5 are enough."
    )
