"""Every type in every format, byte for byte, and as another reader sees it."""

import gzip
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from golden_datasets import GOLDENS, QUOTED, ROWS, SCHEMA, dataset_format, frame_of, written
from pyarrow import csv as arrow_csv
from pyarrow import parquet

CASES: dict[str, dict[str, object]] = {"typed": {}, "as_string": {"as_string": True}}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("type_", ["csv", "json", "xml"])
@pytest.mark.req("A1", "A7", "P32", "L13")
def test_a_text_file_of_a_table_is_its_golden_byte_for_byte(type_: str, case: str, tmp_path: Path) -> None:
    path = written(dataset_format(type_, **CASES[case]), frame_of(ROWS), tmp_path)
    assert (GOLDENS / f"{case}.{type_}").read_bytes() == gzip.decompress(path.read_bytes())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.req("A1", "A7", "L13")
def test_a_parquet_file_of_a_table_has_its_goldens_types_and_values_in_duckdb(case: str, tmp_path: Path) -> None:
    path = written(dataset_format("parquet", **CASES[case]), frame_of(ROWS), tmp_path)
    assert (GOLDENS / f"{case}.parquet.types").read_text() == duckdb_types(path)
    assert (GOLDENS / f"{case}.parquet.values").read_text() == duckdb_values(path)


def duckdb_types(path: Path) -> str:
    """Each column and its type."""
    described = duckdb.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM '{path}')").fetchall()
    return "".join(f"{name}: {type_}\n" for name, type_ in described)


def duckdb_values(path: Path) -> str:
    """Each row as a line of JSON, of the values as DuckDB spells them."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        result = connection.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM '{path}'")
        names = [column[0] for column in result.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.req("A1", "A7", "B1")
def test_a_parquet_footer_says_the_logical_type_of_each_column(tmp_path: Path) -> None:
    path = written(dataset_format("parquet"), frame_of(ROWS), tmp_path)
    footer = parquet.ParquetFile(path).schema
    columns = [footer.column(place) for place in range(len(footer))]
    types = {column.path: str(column.logical_type) for column in columns}
    assert types["exact"] == "Decimal(precision=38, scale=18)"
    assert "isAdjustedToUTC=false, timeUnit=milliseconds" in types["local"]
    assert "isAdjustedToUTC=true, timeUnit=microseconds" in types["seen"]
    assert "isAdjustedToUTC=true, timeUnit=nanoseconds" in types["zoned"]
    assert types["huge"] == "Int(bitWidth=64, isSigned=false)"
    assert types["extras.key_value.key"] == "String"


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "none"])
@pytest.mark.req("A7")
def test_parquet_pages_have_the_declared_codec(codec: str, tmp_path: Path) -> None:
    path = written(dataset_format("parquet", compression=codec), frame_of(ROWS), tmp_path)
    column = parquet.ParquetFile(path).metadata.row_group(0).column(0)
    assert {"none": "UNCOMPRESSED"}.get(codec, codec.upper()) == column.compression


@pytest.mark.req("A1", "A7")
def test_duckdb_reads_every_type_from_json_where_its_columns_are_declared(tmp_path: Path) -> None:
    path = written(dataset_format("json"), frame_of(ROWS), tmp_path)
    types = "{order_id: 'BIGINT', exact: 'DECIMAL(38,18)', seen: 'TIMESTAMPTZ', day: 'DATE', giant: 'HUGEINT'}"
    rows = duckdb.execute(f"SELECT order_id, giant, day FROM read_json('{path}', columns = {types})").fetchall()
    assert [(row.get("order_id"), row.get("giant"), row.get("day")) for row in ROWS] == rows


@pytest.mark.req("A1", "P29")
def test_duckdb_reads_nested_values_and_decimals_from_csv(tmp_path: Path) -> None:
    path = written(dataset_format("csv"), frame_of(ROWS), tmp_path)
    query = "SELECT exact::DECIMAL(38,18), lines->0->>'price', extras->>'gift'"
    read = f"read_csv('{path}', all_varchar = true, header = true, allow_quoted_nulls = false, strict_mode = false)"
    (first, *_) = duckdb.execute(f"{query} FROM {read}").fetchall()
    assert (ROWS[0]["exact"], "9.95", "1") == first


@pytest.mark.req("P29")
def test_csv_tells_null_from_an_empty_text_and_empty_bytes(tmp_path: Path) -> None:
    path = written(dataset_format("csv"), frame_of(ROWS), tmp_path)
    table = arrow_csv.read_csv(
        pa.py_buffer(gzip.decompress(path.read_bytes())),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(SCHEMA.names(), pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )
    rows = table.to_pylist()
    assert [(row[QUOTED], row["photo"]) for row in rows[:3]] == [("paid by card", "AP/+"), (None, None), ("", "")]
