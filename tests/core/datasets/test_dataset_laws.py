"""Whatever a table holds, every format's files read back as its values, in readers that know nothing of each other."""

import csv
import gzip
import io
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import polars as pl
import pytest
from dataset_manifests import dataset_manifest
from dataset_strategies import XML_TEXTS, frames
from golden_datasets import dataset_format, written
from hypothesis import given, settings
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  (it has no stubs)
from pyarrow import parquet

from ctexport_dagster.reader.datasets import read_dataset
from ctexport_dagster.reader.rows import csv_cells

FORMATS = ("csv", "json", "xml", "parquet")
AS_STRING = tuple((type_, as_string) for type_ in FORMATS for as_string in (False, True))


def file_of(frame: pl.DataFrame, type_: str, folder: str, *, as_string: bool = False) -> Path:
    return written(dataset_format(type_, as_string=as_string), frame, Path(folder))


def comparable(value: object, *, has_nan: bool) -> object:
    """Python's values so that `==` compares them: what isn't finite as text, or None where the format has null."""
    match value:
        case float() if not math.isfinite(value):
            return str(value) if has_nan else None
        case datetime() if value.tzinfo:
            return value.astimezone(UTC)
        case list():
            return [comparable(item, has_nan=has_nan) for item in value]
        case dict():
            return {key: comparable(item, has_nan=has_nan) for key, item in value.items()}
        case _:
            return value


def present(row: Mapping[str, object], *, has_nan: bool, has_nested_nan: bool) -> dict[str, object]:
    """A row's values without nulls; in JSON, and in JSON text within CSV and XML, null stands for NaN and infinity."""
    values = {
        name: comparable(value, has_nan=has_nan if isinstance(value, float) else has_nested_nan)
        for name, value in row.items()
    }
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize(("type_", "as_string"), AS_STRING)
@settings(max_examples=25)
@given(frames(XML_TEXTS))
@pytest.mark.req("A1", "A7", "P32", "L13")
def test_any_table_reads_back_as_its_values(type_: str, as_string: bool, frame: pl.DataFrame) -> None:
    with TemporaryDirectory() as folder:
        path = file_of(frame, type_, folder, as_string=as_string)
        read = list(read_dataset(dataset_manifest(frame.schema, frame.height, type_, as_string=as_string), path))
    has_nan, has_nested_nan = as_string or type_ != "json", as_string or type_ == "parquet"
    expected, actual = (
        [present(row, has_nan=has_nan, has_nested_nan=has_nested_nan) for row in rows]
        for rows in (frame.iter_rows(named=True), read)
    )
    assert expected == actual


@settings(max_examples=25)
@given(frames())
@pytest.mark.req("A1", "P29", "P32")
def test_csv_has_the_same_fields_in_the_standard_library_as_in_arrow(frame: pl.DataFrame) -> None:
    with TemporaryDirectory() as folder:
        path = file_of(frame, "csv", folder)
        header, *fields = csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode(), newline=""))
        cells = [dict(row) for row in csv_cells(path, frame.columns)]
    assert frame.columns == header
    # A null in a table of one column is an empty line, which the standard library takes for no fields at all.
    rows = [dict(zip(header, row or [""], strict=True)) for row in fields]
    assert rows == [{name: row.get(name, "") for name in header} for row in cells]


@settings(max_examples=25)
@given(frames())
@pytest.mark.req("A7", "P27", "P32")
def test_json_has_the_same_values_in_duckdb_as_in_the_standard_library(frame: pl.DataFrame) -> None:
    with TemporaryDirectory() as folder:
        path = file_of(frame, "json", folder)
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]
        rows = duckdb.execute(f"SELECT json FROM read_ndjson_objects('{path}')").fetchall()
    expected = [json.loads(line, parse_float=Decimal) for line in lines]
    assert expected == [json.loads(text, parse_float=Decimal) for (text,) in rows]
    assert [[name for name in frame.columns if row.get(name) is not None] for row in frame.iter_rows(named=True)] == [
        list(row) for row in expected
    ]


@settings(max_examples=25)
@given(frames())
@pytest.mark.req("P28")
def test_xml_is_well_formed_whatever_a_table_holds(frame: pl.DataFrame) -> None:
    with TemporaryDirectory() as folder:
        root = etree.fromstring(gzip.decompress(file_of(frame, "xml", folder).read_bytes()))
    assert [[name for name in frame.columns if row[name] is not None] for row in frame.iter_rows(named=True)] == [
        [entry.findtext("key") for entry in row] for row in root
    ]


@settings(max_examples=25)
@given(frames())
@pytest.mark.req("A7")
def test_parquet_has_the_same_values_in_duckdb_as_in_arrow(frame: pl.DataFrame) -> None:
    with TemporaryDirectory() as folder:
        path = file_of(frame, "parquet", folder)
        rows = duckdb.execute(f"FROM '{path}'").fetchall()
        read = [pl.DataFrame(batch) for batch in parquet.ParquetFile(path).iter_batches()]
    expected = [comparable(list(row), has_nan=True) for row in pl.concat(read).iter_rows()]
    assert expected == [comparable(list(row), has_nan=True) for row in rows]
