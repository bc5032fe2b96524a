"""Previews of what isn't in the lake yet: of the source's own rows, whatever its files begin with."""

from pathlib import Path

import pytest
from event_home import EventHome

from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.line import ProfileLine
from ctexport_dagster.resources.files.declaration import FilesSource
from ctexport_dagster.stages.dataset_preview import DatasetPreview, preview_datasets
from ctexport_dagster.stages.datasets import ingest_dataset_partition
from ctexport_dagster.stages.event_preview import preview_event_partition
from ctexport_dagster.stages.preview import preview_partition
from ctexport_dagster.state import StateFolders

LEAST = {"name": "out", "owner": "a@example.com", "source": "shop", "destination": "disk", "account_id": 1}
DAY = "2026-11-01"


class Shop:
    """Files of a source under `root/data`, and exports of them."""

    def __init__(self, root: Path, **declared: object) -> None:
        self.root, self.folders = root, StateFolders(root / "state")
        (root / "data").mkdir()
        least = {"name": "shop", "type": "files", "start": DAY}
        self.source = FilesSource.model_validate({**least, **declared})

    def put(self, file: str, text: str) -> None:
        (self.root / "data" / file).write_text(text)

    def profiles(self, partition: str = DAY):
        line = ProfileLine(Export.model_validate({**LEAST, "format": "csv"}), self.source, self.folders)
        return preview_partition(line, self.source.open(Surroundings(self.root)), partition, rows=5)

    def flow(self, **declared: object) -> DatasetLine:
        export = DatasetExport.model_validate({**LEAST, "format": "csv", "datasets": ["orders"], **declared})
        return DatasetLine(export, self.source, self.folders)

    def datasets(self, partition: str = DAY, **declared: object) -> DatasetPreview:
        return preview_datasets(self.flow(**declared), self.source.open(Surroundings(self.root)), partition, rows=5)

    def take_in(self, partition: str) -> None:
        opened = self.source.open(Surroundings(self.root))
        ingest_dataset_partition(self.source, opened, "orders", partition, folders=self.folders, run_id="in")


ORDERS = {
    "datasets": {"orders": {"path": "data/*.csv", "timestamp": "at", "types": {"at": "timestamp", "n": "integer"}}}
}


def test_profiles_of_a_csv_file_are_shown(tmp_path: Path) -> None:
    shop = Shop(tmp_path, profiles="data/{{Partition}}.csv", types={"visits": "integer"})
    shop.put(f"{DAY}.csv", "clevertapId,visits\na,1\nb,2\n")
    shown = shop.profiles()
    assert shown.rows["clevertapId"].to_list() == ["a", "b"]
    assert {column.header: column.type.value for column in shown.plan.columns}["visits"] == "integer"


def test_events_of_a_csv_file_are_shown_under_their_own_files(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path, events="data/{{Partition}}.csv")
    (tmp_path / f"data/{DAY}.csv").write_text("eventName,ts,clevertapId\nCharged,2026-11-01T10:00:00Z,a\n")
    shown = preview_event_partition(home.line(), home.source.open(Surroundings(tmp_path)), DAY, rows=5)
    assert shown.rows["eventName"].to_list() == ["Charged"]
    assert ["Charged" in key for key in shown.keys] == [True]


def test_every_event_that_was_looked_at_has_its_file_shown(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path)
    names = ["Charged", "Viewed", "Searched", "Left"]
    lines = [f'{{"eventName":"{name}","clevertapId":"a","ts":20261101120000}}\n' for name in names]
    (tmp_path / f"data/events-{DAY}.ndjson").write_text("".join(lines))
    shown = preview_event_partition(home.line(), home.source.open(Surroundings(tmp_path)), DAY, rows=1)
    assert (shown.rows.height, len(shown.keys)) == (1, 4)


def test_a_one_time_export_shows_the_events_of_its_range_alone(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path)
    for day in ("01", "02"):
        line = f'{{"eventName":"Day{day}","clevertapId":"a","ts":202611{day}120000}}\n'
        (tmp_path / f"data/events-2026-11-{day}.ndjson").write_text(line)
    schedule = {"every": "once", "start": "2026-11-02", "range": {"from": DAY, "to": DAY}}
    source = home.source.open(Surroundings(tmp_path))
    shown = preview_event_partition(home.line(schedule=schedule), source, "2026-11-02", rows=5)
    assert (shown.origin, shown.rows["eventName"].to_list()) == ("source", ["Day01"])


def test_tables_of_a_csv_file_are_shown_in_the_types_that_they_will_have(tmp_path: Path) -> None:
    shop = Shop(tmp_path, **ORDERS)
    shop.put("a.csv", "at,n,note\n2026-11-01T10:00:00Z,1,x\n")
    shown = shop.datasets(files={"name": "adobe"})
    (orders,) = shown.datasets
    assert [(column.name, column.type) for column in orders.columns] == [
        ("at", "timestamp(us, UTC)"),
        ("n", "int64"),
        ("note", "string"),
    ]
    assert (orders.rows.height, shown.warnings) == (1, ())


def test_where_nothing_has_come_yet_the_columns_are_those_of_the_lake(tmp_path: Path) -> None:
    shop = Shop(tmp_path, **ORDERS)
    shop.put("a.csv", "at,n\n2026-11-01T10:00:00Z,1\n")
    shop.take_in(DAY)
    shown = shop.datasets("2026-11-02", files={"name": "adobe"})
    assert [column.name for column in shown.datasets[0].columns] == ["at", "n"]
    assert shown.warnings == ()


def test_a_column_of_several_types_is_shown_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path, datasets={"orders": {"path": "data/*.ndjson"}})
    shop.put("a.ndjson", '{"n":1}\n{"n":"one"}\n')
    assert [(column.name, column.type) for column in shop.datasets().datasets[0].columns] == [("n", "string")]


def test_rows_that_a_run_would_refuse_are_counted_with_their_reasons(tmp_path: Path) -> None:
    shop = Shop(tmp_path, **ORDERS)
    shop.put("a.csv", "at,n\n2026-11-01T10:00:00Z,one\n")
    shown = shop.datasets()
    assert shown.datasets[0].rows.height == 0
    assert shown.warnings == ("orders: of 1 row read for it, a run would refuse 1: 1 contradicts_type in n",)


@pytest.mark.parametrize("text", ["clevertapId,visits\n", "", "clevertapId,visits\n,1\n"])
def test_a_source_without_a_usable_row_shows_none(tmp_path: Path, text: str) -> None:
    shop = Shop(tmp_path, profiles="data/{{Partition}}.csv")
    shop.put(f"{DAY}.csv", text)
    assert shop.profiles().rows.height == 0
