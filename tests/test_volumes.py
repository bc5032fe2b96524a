"""The bytes delivered in a year, as a home's state tells them: all generations, by the time of their delivery."""

import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from dataset_home import DatasetHome, numbered
from line_fakes import Given, TinyHome

from ctexport_dagster.assets import checks
from ctexport_dagster.core.delivery.record import latest_manifest
from ctexport_dagster.core.entitlement import Entitlement
from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.volumes import delivered_bytes, nothing_is_counted, usage_of

DAYS = ("2026-11-18", "2026-11-19")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def tell(home: TinyHome, day: str, name: str = "Ada") -> None:
    given = Given({"clevertapId": pl.String(), "Name": pl.String()}, ({"clevertapId": "a", "Name": name},))
    home.tell(day, given)
    home.ingest(day)


def deliver(home: TinyHome, export: str, day: str, *, at: datetime) -> int:
    """Runs a partition; its newest manifest is of that time. Gives the bytes of that generation."""
    home.run(home.line(export), day)
    record = record_of(home, export, day)
    manifest = latest_manifest(record)
    assert manifest
    date(record / f"manifest-g{manifest.generation}.json", at)
    return manifest.bytes


def record_of(home: TinyHome, export: str, day: str) -> Path:
    return home.folders.deliveries(export) / day


def flow_of(root: Path) -> tuple[DatasetHome, DatasetLine]:
    """A flow of two datasets, of which the lake has a day."""
    home = DatasetHome.at(root, orders={}, carts={})
    line = home.line("orders", "carts")
    for dataset in line.inputs:
        home.take_in(dataset, "2026-11-01", numbered(0, 3))
    return home, line


def date(path: Path, at: datetime) -> None:
    os.utime(path, (at.timestamp(), at.timestamp()))


@pytest.mark.req("A11")
def test_every_generation_counts_in_the_year_of_its_delivery(tiny_home: TinyHome) -> None:
    tell(tiny_home, DAYS[0])
    last_year = deliver(tiny_home, "daily", DAYS[0], at=datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC))
    tell(tiny_home, DAYS[0], "Augusta Ada")
    again = deliver(tiny_home, "daily", DAYS[0], at=datetime(2026, 1, 1, tzinfo=UTC))
    other = deliver(tiny_home, "other", DAYS[0], at=datetime(2026, 7, 1, tzinfo=UTC))
    assert again != last_year
    assert delivered_bytes(tiny_home.folders, 2025) == {"daily": last_year}
    assert delivered_bytes(tiny_home.folders, 2026) == {"daily": again, "other": other}
    assert delivered_bytes(tiny_home.folders, 2027) == {}


def test_a_home_that_delivered_nothing_has_used_nothing(tiny_home: TinyHome) -> None:
    assert delivered_bytes(tiny_home.folders, 2026) == {}


@pytest.mark.req("A11")
def test_a_delivery_after_a_look_is_counted_by_the_next_one(tiny_home: TinyHome) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    tell(tiny_home, DAYS[0])
    first = deliver(tiny_home, "daily", DAYS[0], at=now)
    assert delivered_bytes(tiny_home.folders, 2026) == {"daily": first}
    tell(tiny_home, DAYS[1], "Grace")
    second = deliver(tiny_home, "daily", DAYS[1], at=now)
    assert delivered_bytes(tiny_home.folders, 2026) == {"daily": first + second}
    tell(tiny_home, DAYS[1], "Grace Hopper")
    third = deliver(tiny_home, "daily", DAYS[1], at=now)
    assert delivered_bytes(tiny_home.folders, 2026) == {"daily": first + second + third}


def test_a_partition_is_read_again_only_where_its_folder_has_changed(tiny_home: TinyHome) -> None:
    """A manifest that can't be read shows who reads it: written over, it leaves its folder as it was."""
    tell(tiny_home, DAYS[0])
    size = deliver(tiny_home, "daily", DAYS[0], at=LONG_AGO)
    record = record_of(tiny_home, "daily", DAYS[0])
    date(record, LONG_AGO)
    assert delivered_bytes(tiny_home.folders, 2020) == {"daily": size}
    (record / "manifest-g1.json").write_text("nothing")
    assert delivered_bytes(tiny_home.folders, 2020) == {"daily": size}
    date(record, datetime(2021, 1, 1, tzinfo=UTC))
    assert delivered_bytes(tiny_home.folders, 2020) == {}


def test_a_manifest_that_cannot_be_read_is_told_and_counts_once_it_can_be(tiny_home: TinyHome) -> None:
    tell(tiny_home, DAYS[0])
    size = deliver(tiny_home, "daily", DAYS[0], at=LONG_AGO)
    path = record_of(tiny_home, "daily", DAYS[0]) / "manifest-g1.json"
    text = path.read_text()
    path.write_text("nothing")
    date(path.parent, LONG_AGO)
    usage_at = usage_of(tiny_home.folders, Entitlement(add_ons={"extra": size * 2}))
    unread = usage_at(LONG_AGO)
    assert unread
    (result,) = checks.of_usage(unread, "daily")
    assert (unread.by_export, unread.uncounted, result.passed) == ({}, 1, False)
    assert "manifests that can't be read and aren't counted: 1" in (result.description or "")
    path.write_text(text)
    date(path, LONG_AGO)
    read = usage_at(LONG_AGO)
    assert read
    assert (read.by_export, read.uncounted, checks.of_usage(read, "daily")[0].passed) == ({"daily": size}, 0, True)


@pytest.mark.req("A11")
def test_of_a_flow_every_delivery_of_a_dataset_counts_once_even_before_all_are_delivered(tmp_path: Path) -> None:
    home, line = flow_of(tmp_path)
    first = home.run(line, "2026-11-01")
    (line.record("2026-11-01") / "manifest-g1.json").unlink()
    bytes_ = {name: outcome.manifest.bytes for name, outcome in first.items()}
    year = datetime.now(UTC).year
    assert delivered_bytes(home.folders, year) == {"flow": sum(bytes_.values())}
    home.take_in("orders", "2026-11-01", numbered(0, 400))
    second = home.run(line, "2026-11-01")
    assert line.is_delivered(line.window("2026-11-01"))
    again = second["orders"].manifest.bytes
    assert again != bytes_["orders"]
    assert delivered_bytes(home.folders, year) == {"flow": sum(bytes_.values()) + again}


@pytest.mark.req("A11")
def test_a_delivery_of_one_dataset_is_counted_by_the_look_after_it(tmp_path: Path) -> None:
    home, line = flow_of(tmp_path)
    sizes = sum(outcome.manifest.bytes for outcome in home.run(line, "2026-11-01").values())
    record = line.record("2026-11-01")
    for folder in (record, record / "orders", record / "carts"):
        date(folder, LONG_AGO)
    year = datetime.now(UTC).year
    assert delivered_bytes(home.folders, year) == {"flow": sizes}
    assert home.folders.volumes("flow").exists()
    again = (record / "carts" / "manifest-g1.json").read_text()
    (record / "carts" / "manifest-g2.json").write_text(again)
    date(record, LONG_AGO)
    assert delivered_bytes(home.folders, year) == {"flow": sizes + Manifest.from_json(again).bytes}


def test_what_another_version_remembered_is_read_anew(tiny_home: TinyHome) -> None:
    tell(tiny_home, DAYS[0])
    size = deliver(tiny_home, "daily", DAYS[0], at=LONG_AGO)
    date(record_of(tiny_home, "daily", DAYS[0]), LONG_AGO)
    delivered_bytes(tiny_home.folders, 2020)
    tiny_home.folders.volumes("daily").write_text('{"partitions": 3}')
    assert delivered_bytes(tiny_home.folders, 2020) == {"daily": size}


@pytest.mark.req("A11")
def test_the_usage_is_that_of_the_year_now_beside_what_is_declared(tiny_home: TinyHome) -> None:
    tell(tiny_home, DAYS[0])
    size = deliver(tiny_home, "daily", DAYS[0], at=datetime(2026, 3, 1, tzinfo=UTC))
    usage_at = usage_of(tiny_home.folders, Entitlement(add_ons={"extra": size}))
    now, later = (usage_at(datetime(year, 11, 20, tzinfo=UTC)) for year in (2026, 2027))
    assert now
    assert later
    assert (now.year, now.by_export, now.level) == (2026, {"daily": size}, "near")
    assert (later.year, later.by_export, later.level) == (2027, {}, "usual")


def test_without_an_entitlement_nothing_is_counted(tiny_home: TinyHome) -> None:
    assert usage_of(tiny_home.folders, None) is nothing_is_counted
    assert nothing_is_counted(datetime(2026, 1, 1, tzinfo=UTC)) is None
