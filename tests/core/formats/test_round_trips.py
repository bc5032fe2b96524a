"""What a format wrote, two independent readers read back equal, whatever text the values hold."""

import csv
import gzip
import io
import json
import xml.etree.ElementTree as ElementTree
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from golden_profiles import PLAN, without
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  (it has no stubs)
from pyarrow import csv as arrow_csv
from pyarrow import json as arrow_json
from pyarrow import parquet

from ctexport_dagster.core.chunking import write_chunks
from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.schema import ValueType

Row = dict[str, object]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = {
    ValueType.STRING: TEXT,
    ValueType.STRINGS: st.lists(TEXT, max_size=3),
    ValueType.BOOLEAN: st.booleans(),
    ValueType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    ValueType.FLOAT32: st.floats(width=32, allow_nan=False, allow_infinity=False),
    ValueType.FLOAT64: st.floats(allow_nan=False, allow_infinity=False),
    ValueType.DATE: st.dates(),
    ValueType.TIMESTAMP: st.datetimes(timezones=st.just(UTC)),
    ValueType.UNKNOWN: st.none(),
}
GROUPS = st.dictionaries(TEXT, st.sampled_from(["Subscribed", "Unsubscribed"]), max_size=3).map(
    lambda groups: json.dumps(groups, ensure_ascii=False, separators=(",", ":"))
)


def _values(column: OutputColumn) -> st.SearchStrategy[object]:
    values: st.SearchStrategy[object] = GROUPS if column.role == "groups" else VALUES[column.type]
    return values if column.role in ("all_identities", "clevertapId") else st.none() | values


ROWS = st.lists(st.fixed_dictionaries({column.key: _values(column) for column in PLAN.columns}), min_size=1, max_size=6)


def written(type_: str, rows: list[Row], plan: ColumnPlan = PLAN) -> bytes:
    """The one file that these rows come to, before any gzip."""
    frame = pl.DataFrame(rows, schema=plan.frame_schema, orient="row")
    with TemporaryDirectory() as folder:
        chunks = write_chunks([frame], Format.model_validate({"type": type_}), plan, Path(folder), 0, 10**8, 1)
        (chunk,) = chunks
        content = (Path(folder) / chunk.file).read_bytes()
    return content if type_ == "parquet" else gzip.decompress(content)


def scalar_text(value: object, type_: ValueType) -> str:
    """A scalar as the text formats write it, but for floats (compare those as numbers)."""
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            fraction = f"{value.microsecond:06d}"
            digits = fraction[:3] if fraction.endswith("000") else fraction
            return f"{value:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + (f".{digits}" if value.microsecond else "") + "Z"
        case date():
            return value.isoformat()
        case _:
            return str(value)


def csv_text(column: OutputColumn, value: object) -> str | None:
    """The CSV field, null as None."""
    if value is None or (column.is_list and column.role == "clevertapIds"):
        return None if value is None else f"[{','.join(value)}]"  # type: ignore[arg-type]
    if column.is_list:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if column.role == "device":
        return json.dumps({"token": value}, ensure_ascii=False, separators=(",", ":"))
    return scalar_text(value, column.type)


def comparable(column: OutputColumn, text: str | None) -> str | float | None:
    """Floats have several right texts: they compare as numbers of their width."""
    if text is None or column.type not in (ValueType.FLOAT32, ValueType.FLOAT64):
        return text
    return pl.Series([float(text)], dtype=column.dtype)[0]


@settings(max_examples=25)
@given(ROWS)
@pytest.mark.req("P29", "P32")
def test_csv_reads_back_in_arrow_with_null_and_empty_apart(rows: list[Row]) -> None:
    table = arrow_csv.read_csv(
        pa.py_buffer(written("csv", rows)),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(PLAN.headers, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )
    assert [[comparable(column, csv_text(column, row[column.key])) for column in PLAN.columns] for row in rows] == [
        [comparable(column, text) for column, text in zip(PLAN.columns, row.values(), strict=True)]
        for row in table.to_pylist()
    ]


@settings(max_examples=25)
@given(ROWS)
@pytest.mark.req("P29", "P32")
def test_csv_reads_back_in_the_standard_library(rows: list[Row]) -> None:
    header, *fields = csv.reader(io.StringIO(written("csv", rows).decode(), newline=""))
    assert list(PLAN.headers) == header
    assert [
        [comparable(column, csv_text(column, row[column.key])) or "" for column in PLAN.columns] for row in rows
    ] == [
        [comparable(column, text or None) or "" for column, text in zip(PLAN.columns, row, strict=True)]
        for row in fields
    ]


def json_value(column: OutputColumn, value: object) -> object:
    """The parsed JSON value of a column, None where the key is left out."""
    if column.role == "identity":
        return value or ""
    if value is None:
        return None
    if column.role == "clevertapIds":
        return csv_text(column, value)
    if column.role == "device":
        return {"token": value}
    if column.role == "groups":
        return json.loads(str(value))
    if column.type in (ValueType.DATE, ValueType.TIMESTAMP):
        return scalar_text(value, column.type)
    return value


@settings(max_examples=25)
@given(ROWS)
@pytest.mark.req("P21", "P27", "P32")
def test_json_reads_back_in_the_standard_library_without_the_null_keys(rows: list[Row]) -> None:
    expected = [
        {c.header: json_value(c, row[c.key]) for c in PLAN.columns if json_value(c, row[c.key]) is not None}
        for row in rows
    ]
    actual = [json.loads(line) for line in written("json", rows).decode().split("\n")[:-1]]
    for row in actual:
        if "Score" in row:
            row["Score"] = pl.Series([row["Score"]], dtype=pl.Float32)[0]
    assert expected == actual
    assert [list(row) for row in expected] == [list(row) for row in actual]


@settings(max_examples=25)
@given(ROWS)
@pytest.mark.req("P27", "P32")
def test_json_texts_read_back_in_arrow(rows: list[Row]) -> None:
    texts = [column for column in PLAN.columns if column.type == ValueType.STRING and column.role != "groups"]
    schema = pa.schema(
        [(c.header, pa.struct([("token", pa.string())]) if c.role == "device" else pa.string()) for c in texts]
    )
    options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    table = arrow_json.read_json(pa.py_buffer(written("json", rows)), parse_options=options)
    assert [{c.header: json_value(c, row[c.key]) for c in texts} for row in rows] == table.to_pylist()


def xml_text(column: OutputColumn, value: object) -> str | None:
    if value is None:
        return "" if column.role == "identity" else None
    text = f"[{','.join(value)}]" if column.is_list else scalar_text(value, column.type)  # type: ignore[arg-type]
    return "".join("?" if (char < " " and char not in "\t\n\r") or char in "\ufffe\uffff" else char for char in text)


def xml_profile(profile: ElementTree.Element) -> dict[tuple[str, str], str]:
    """(section, key) → value of one Profile element."""
    values = {("identity", "identity"): profile.findtext("identity") or ""}
    for section in profile:
        for entry in section:
            values[str(section.tag), entry.findtext("key") or ""] = entry.findtext("value") or ""
    return values


SECTIONS = {
    "identity": "identity",
    "all_identities": "profileIdentities",
    "clevertapId": "profileIdentities",
    "clevertapIds": "profileIdentities",
    "device": "device",
    "preference": "commPrefs",
    "groups": "commPrefs",
    "property": "profileProps",
}


@settings(max_examples=25)
@given(ROWS)
@pytest.mark.req("P21", "P28", "P32")
def test_xml_reads_back_in_two_parsers(rows: list[Row]) -> None:
    plan = without(PLAN)
    expected = [
        {
            (SECTIONS[c.role], "token" if c.role == "device" else c.header): comparable(c, text)
            for c in plan.columns
            if (text := xml_text(c, row[c.key])) is not None
        }
        for row in rows
    ]
    content = written("xml", rows)
    floats = {("profileProps", c.header): c for c in plan.columns if c.type in (ValueType.FLOAT32, ValueType.FLOAT64)}
    for root in (etree.fromstring(content), ElementTree.fromstring(content)):
        profiles = [xml_profile(profile) for profile in root]
        assert expected == [
            {key: comparable(floats[key], text) if key in floats else text for key, text in profile.items()}
            for profile in profiles
        ]


def union(value: object, type_: ValueType, column: OutputColumn) -> Row:
    """The one non-null member that holds a value."""
    match type_:
        case ValueType.BOOLEAN:
            return {"member0": value}
        case ValueType.INTEGER:
            return {"member1" if -(2**31) <= int(str(value)) < 2**31 else "member2": value}
        case ValueType.FLOAT32:
            return {"member3": value}
        case ValueType.FLOAT64:
            return {"member4": value}
        case ValueType.STRINGS:
            return {"member5": csv_text(column, value)}
        case _:
            return {"member5": scalar_text(value, type_)}


def parquet_profile(row: Row) -> Row:
    """A row as the nested columns hold it, null members left out."""
    expected: Row = {name: {} for name in ("profileIdentities", "device", "commPrefs", "profileProps")}
    expected["identity"] = row["identity"]
    for column in PLAN.columns[1:]:
        value = row[column.key]
        if value is None:
            continue
        section = expected[SECTIONS[column.role]]
        assert isinstance(section, dict)
        match column.role:
            case "all_identities":
                section[column.header] = {"member0": f"[{','.join(value)}]"}  # type: ignore[arg-type]
            case "clevertapId" | "clevertapIds":
                section[column.header] = {"member1" if column.is_list else "member0": value}
            case "groups":
                groups = json.loads(str(value))
                section[column.header] = {"member6": {key: {"member5": state} for key, state in groups.items()}}
            case "device":
                section["token"] = {"member5": value}
            case _:
                section[column.header] = union(value, column.type, column)
    return expected


def without_nulls(value: object) -> object:
    """Maps as Arrow (pairs) or DuckDB (dicts) give them, as dicts, null members left out."""
    if isinstance(value, list) and all(isinstance(item, tuple) for item in value):
        value = dict(value)
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def nested(row: Row) -> Row:
    return {name: value if name == "identity" else without_nulls(value) for name, value in row.items()}


def with_lists(row: Row) -> Row:
    """Arrow gives an empty list and an empty map alike: only member1 of clevertapIds is a list."""
    identities = row["profileIdentities"]
    assert isinstance(identities, dict)
    for struct in identities.values():
        if struct.get("member1") == {}:
            struct["member1"] = []
    return row


@settings(max_examples=25)
@given(ROWS)
@pytest.mark.req("P21", "P30", "P32")
def test_parquet_reads_back_in_arrow_with_one_member_each(rows: list[Row]) -> None:
    table = parquet.read_table(pa.BufferReader(written("parquet", rows)))
    assert [parquet_profile(row) for row in rows] == [with_lists(nested(row)) for row in table.to_pylist()]


@settings(max_examples=15)
@given(ROWS)
@pytest.mark.req("P21", "P30", "P32")
def test_parquet_reads_back_in_duckdb_with_one_member_each(rows: list[Row]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "profiles.parquet"
        path.write_bytes(written("parquet", rows))
        result = duckdb.execute(f"FROM '{path}'")
        names = [column[0] for column in result.description or ()]
        actual = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    assert [parquet_profile(row) for row in rows] == [with_lists(nested(row)) for row in actual]
