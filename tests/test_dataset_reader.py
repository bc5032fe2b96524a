"""The reader of tables: the rows as they were, whichever format, and a clear refusal of what isn't a table's file."""

import gzip
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from dataset_manifests import dataset_manifest

from ctexport_dagster.core.datasets.chunking import write_dataset_chunks
from ctexport_dagster.core.datasets.format import DatasetFormat
from ctexport_dagster.reader.datasets import DatasetRow, read_dataset

ORDERS = pl.DataFrame(
    {
        "id": [1, 2],
        "price": [Decimal("19.90"), None],
        "photo": [b"\x00\xff", b""],
        "took": [timedelta(days=1, microseconds=1), timedelta(microseconds=-1)],
        "seen": [datetime(2026, 11, 18, 10, 0, 0, 1, tzinfo=UTC), None],
        "customer": [{"name": "Ada", "credits": [Decimal("0.10"), None]}, None],
    },
    schema_overrides={"price": pl.Decimal(12, 2)},
).with_columns(by_day=pl.Series([{date(2026, 11, 18): 2.5}, {}], dtype=pl.Map(pl.Date, pl.Float64)))

ROWS: list[DatasetRow] = [
    {
        "id": 1,
        "price": Decimal("19.90"),
        "photo": b"\x00\xff",
        "took": timedelta(days=1, microseconds=1),
        "seen": datetime(2026, 11, 18, 10, 0, 0, 1, tzinfo=UTC),
        "customer": {"name": "Ada", "credits": [Decimal("0.10"), None]},
        "by_day": {date(2026, 11, 18): 2.5},
    },
    {"id": 2, "photo": b"", "took": timedelta(microseconds=-1), "by_day": {}},
]


@pytest.mark.parametrize("wrap", ["none", "gzip"])
@pytest.mark.parametrize("type_", ["csv", "json", "xml", "parquet"])
@pytest.mark.req("A1", "B1")
def test_a_row_is_the_same_whichever_format_it_was_delivered_in(type_: str, wrap: str, tmp_path: Path) -> None:
    options = {"wrap": wrap} if type_ == "parquet" else {}
    declared = DatasetFormat.model_validate({"type": type_, **options})
    (chunk,) = write_dataset_chunks([ORDERS], declared, ORDERS.schema, tmp_path, 10**6, 1)
    assert list(read_dataset(dataset_manifest(ORDERS.schema, 2, type_), tmp_path / chunk.file)) == ROWS


@pytest.mark.parametrize("type_", ["csv", "json", "xml", "parquet"])
@pytest.mark.req("A1")
def test_columns_may_be_called_anything(type_: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"": [1], "*": ["a"], "^x$": [{"": 1, "*": 2, "^y$": 3}]})
    declared = DatasetFormat.model_validate({"type": type_})
    (chunk,) = write_dataset_chunks([frame], declared, frame.schema, tmp_path, 10**6, 1)
    rows = list(read_dataset(dataset_manifest(frame.schema, 1, type_), tmp_path / chunk.file))
    assert rows == frame.to_dicts()


@pytest.mark.parametrize("type_", ["csv", "json", "xml", "parquet"])
def test_what_python_has_no_value_for_is_left_out(type_: str, tmp_path: Path) -> None:
    ticks = pl.Series("ticks", [2**31 - 1])
    frame = pl.DataFrame(
        {
            "day": ticks.cast(pl.Date),
            "at": (ticks * 10**9).cast(pl.Datetime("ms")),
            "took": (ticks * 10**9).cast(pl.Duration("ms")),
            "id": ticks,
        }
    )
    (chunk,) = write_dataset_chunks(
        [frame], DatasetFormat.model_validate({"type": type_}), frame.schema, tmp_path, 10**6, 1
    )
    rows = list(read_dataset(dataset_manifest(frame.schema, 1, type_), tmp_path / chunk.file))
    assert rows == [{"id": 2**31 - 1}]


@pytest.mark.parametrize(
    ("type_", "content", "complaint"),
    [
        ("json", b"[]\n", "no JSON object"),
        ("json", b'{"ID":1}\n', "doesn't name"),
        ("json", b'{"customer":[1]}\n', "isn't nested"),
        ("csv", b"id,by\r\n1,2\r\n", "doesn't name"),
        ("csv", b"took\r\n2 hours\r\n", "no duration"),
        ("xml", b"<root>\n<Row><entry><key>id</key><value>one</value></entry></Row>\n</root>", "invalid literal"),
        ("avro", b"", "doesn't know"),
    ],
)
@pytest.mark.req("B1")
def test_what_is_no_file_of_the_table_is_refused(type_: str, content: bytes, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=complaint):
        list(read_dataset(dataset_manifest(ORDERS.schema, 2, type_), path))
