"""Commits: whole or not at all, whoever else is writing, and readable by others."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from lake_days import Days, key, window

from ctexport_dagster.core.errors import ConcurrentWrite
from ctexport_dagster.core.source import ProfileInput, RawBatch
from ctexport_dagster.lake import PartitionRecord, ingest
from ctexport_dagster.lake.table import Listing, Replacement


def plans(**by_id: str) -> pl.DataFrame:
    return pl.DataFrame({"clevertapId": list(by_id), "Plan": list(by_id.values())})


def take_while(days: Days, day: int, frame: pl.DataFrame, meanwhile: Callable[[], object]) -> PartitionRecord:
    """Ingests a day, and does something else after its rows were read."""

    def batches():
        yield RawBatch(frame)
        meanwhile()

    return ingest(
        days.lake,
        declaration=days.declaration,
        partition=key(day),
        window=window(day),
        previous=None,
        input=ProfileInput("interrupted", ("crm",), batches, frame.height),
        run_id="run",
        scratch=days.root / "scratch",
    )


def files(days: Days) -> set[str]:
    return {str(path.relative_to(days.root / "lake")) for path in (days.root / "lake").rglob("*.parquet")}


def test_of_two_runs_that_write_the_same_day_the_second_fails_and_leaves_nothing(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, [{"clevertapId": "a", "Plan": "old"}])
    with pytest.raises(ConcurrentWrite, match="another run wrote the same partition"):
        take_while(days, 1, plans(a="loser"), lambda: days.take(1, plans(a="winner")))
    assert days.state(1)["a"]["Plan"] == "winner"
    days.lake.sweep(0)
    assert {file.path for file in days.view().listing.files} == {f for f in files(days) if not f.startswith("_")}


def test_of_two_runs_that_write_the_first_day_at_once_one_fails(tmp_path: Path) -> None:
    days = Days(tmp_path)
    with pytest.raises(ConcurrentWrite):
        take_while(days, 1, plans(a="loser"), lambda: days.take(1, plans(a="winner")))
    assert {i: row["Plan"] for i, row in days.state(1).items()} == {"a": "winner"}


def test_a_commit_of_the_same_generation_in_between_makes_the_plan_look_again(tmp_path: Path) -> None:
    table = Days(tmp_path).lake.table
    seen: list[int] = []

    def first(listing: Listing) -> Replacement:
        return Replacement((), (), (), ("lake:day", 1))

    def second(listing: Listing) -> Replacement:
        seen.append(listing.version)
        if len(seen) == 1:
            table.commit(first)
        if len(seen) == 2:
            raise ConcurrentWrite("Writing a day", "it was written meanwhile", "Look.")
        return Replacement((), (), (), ("lake:day", 1))

    with pytest.raises(ConcurrentWrite, match="written meanwhile"):
        table.commit(second)
    assert seen == [0, 1]


def test_a_run_survives_another_day_being_written_with_a_new_column_meanwhile(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes")
    days.take(1, plans(a="1"))
    days.take(2, plans(a="2"))
    wider = plans(a="3").with_columns(City=pl.lit("Rome"))
    take_while(days, 1, plans(a="1", b="1"), lambda: days.take(2, wider))
    state = days.state(2)
    assert {i: (row["Plan"], row["City"]) for i, row in state.items()} == {"a": ("3", "Rome"), "b": ("1", None)}


def test_a_day_with_fewer_columns_takes_none_from_the_table(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes")
    days.take(1, plans(a="1").with_columns(City=pl.lit("Rome")))
    days.take(2, pl.DataFrame({"clevertapId": ["b"]}))
    names = [field.name for field in DeltaTable(days.lake.root).schema().fields]
    assert {"ps_^plan", "ps_^city"} <= set(names)
    assert days.state(2)["a"]["City"] == "Rome"


@pytest.mark.req("B2")
def test_a_kill_between_files_and_commit_changes_nothing_and_the_next_run_succeeds(
    tmp_path: Path, child_environment: Mapping[str, str]
) -> None:
    days = Days(tmp_path)
    days.take(1, plans(a="1", b="1"))
    before = files(days)
    child = Path(__file__).with_name("lake_killed_child.py")
    command = [sys.executable, str(child), str(tmp_path)]
    done = subprocess.run(command, check=False, env=dict(child_environment), capture_output=True)
    assert done.returncode == -signal.SIGKILL
    orphans = files(days) - before
    assert len(orphans) > 1
    assert [record.partition for record in days.view().records()] == [key(1)]
    days.take(2, plans(a="2", b="2"))
    assert {row["Plan"] for row in days.state(2).values()} == {"2"}
    assert days.lake.sweep(24) == 0
    for orphan in orphans:
        os.utime(days.root / "lake" / orphan, (0, 0))
    assert days.lake.sweep(24) == len(orphans)
    assert {row["Plan"] for row in days.state(2).values()} == {"2"}


def test_what_killed_reads_and_ingests_left_is_swept_and_what_others_may_be_reading_is_not(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.take(1, plans(a="1"))
    left = [days.lake.scratch / name for name in ("ingest-dead", "fold-old", "fold-new")]
    for folder in left:
        (folder / "rows").mkdir(parents=True)
    os.utime(left[1], (0, 0))
    refused = days.lake.quarantine / ".2026-11-01-g1-dead.parquet.part"
    refused.parent.mkdir(exist_ok=True)
    refused.touch()
    days.lake.sweep()
    assert [folder.name for folder in days.lake.scratch.iterdir()] == ["fold-new"]
    assert not refused.exists()


def test_others_read_the_table_as_plain_delta(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.take(1, plans(a="1", b="1"))
    days.take(2, plans(a="2").with_columns(age=pl.lit(1.5)))
    wanted = ["partition", "clevertapId", "deleted", "ps_^plan", "pf_age"]
    expected = [
        (key(1), "a", False, "1", None),
        (key(1), "b", False, "1", None),
        (key(2), "a", False, "2", 1.5),
        (key(2), "b", True, None, None),
    ]
    logs = pl.scan_delta(str(days.lake.root)).filter(pl.col("kind") == "log").select(wanted)
    assert sorted(logs.collect().rows()) == expected
    table = pl.DataFrame(DeltaTable(days.lake.root).to_pyarrow_table(filters=[("kind", "=", "log")]))
    assert sorted(table.select(wanted).rows()) == expected


def test_the_commit_log_gets_a_checkpoint_every_hundred_commits(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.take(1, plans(a="1"))
    for _ in range(100):
        days.lake.table.commit(lambda listing: Replacement((), ()))
    assert (days.lake.root / "_delta_log" / "_last_checkpoint").exists()
    assert sorted(days.state(1)) == ["a"]


def test_an_older_version_can_still_be_read_after_a_rerun(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.take(1, plans(a="1"))
    then = days.view()
    days.take(1, plans(a="2"))
    assert days.state(1, days.lake.view(then.version))["a"]["Plan"] == "1"
    assert days.state(1)["a"]["Plan"] == "2"


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    record = Days(tmp_path).take(1, plans(a="1"))
    assert PartitionRecord.from_json(record.to_json()) == replace(record, is_new=True)
