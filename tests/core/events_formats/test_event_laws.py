"""Whatever JSON the maps of events hold, each format's files read back as documented, in independent readers."""

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pytest
from event_strategies import ROWS, SPELLINGS, Json, Row, compact, frame_of, own, text_of
from golden_events import IDENTITY_ALONE, event_format, formats_of, keys_of, written
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  (it has no stubs)
from pyarrow import parquet

AFTER = ("deviceInfo", "sessionProps")


@settings(max_examples=20)
@given(ROWS, SPELLINGS)
@pytest.mark.req("L8", "P31")
def test_json_lines_hold_every_map_as_it_was_spelt(rows: list[Row], escaped: bool) -> None:
    lines = written(event_format("json"), IDENTITY_ALONE, frame_of(rows, escaped=escaped)).decode().split("\n")
    assert lines[0] == "Any"
    assert lines[-1] == ""
    for place, (line, row) in enumerate(zip(lines[1:-1], rows, strict=True)):
        expected: dict[str, object] = {"profile": {"identity": f"user_{place}"} | own(row["profile"])}
        expected |= {"ts": 20261102053000, "eventProps": row["eventProps"] or {}}
        expected |= {name: row[name] for name in AFTER if row[name]}
        assert [expected, list(expected)] == [json.loads(line), list(json.loads(line))]
        assert compact(row["eventProps"] or {}, escaped=escaped) in line


def quoted(value: Json) -> Json:
    """The value with every number and boolean as text, spelt as JSON."""
    match value:
        case dict():
            return {key: quoted(item) for key, item in value.items()}
        case list():
            return [quoted(item) for item in value]
        case None | str():
            return value
        case _:
            return compact(value)


@settings(max_examples=20)
@given(ROWS, SPELLINGS)
@pytest.mark.req("L13")
def test_json_as_strings_has_text_where_numbers_and_booleans_were(rows: list[Row], escaped: bool) -> None:
    declared = event_format("json", as_string=True, header_line=False)
    lines = written(declared, IDENTITY_ALONE, frame_of(rows, escaped=escaped)).decode().split("\n")[:-1]
    read = [json.loads(line) for line in lines]
    assert [quoted(row["eventProps"] or {}) for row in rows] == [line["eventProps"] for line in read]
    assert [quoted(own(row["profile"])) for row in rows] == [own(line["profile"]) for line in read]


@settings(max_examples=20)
@given(ROWS, SPELLINGS)
@pytest.mark.req("L9", "P29")
def test_csv_has_every_value_under_its_dotted_header(rows: list[Row], escaped: bool) -> None:
    frame = frame_of(rows, escaped=escaped)
    content = written(event_format("csv"), IDENTITY_ALONE, frame).decode()
    header, *fields = csv.reader(io.StringIO(content, newline=""))
    assert sorted(header) == sorted(
        ["ts", "eventName", "profile.identity", "controlGroupName"]
        + [f"{name}.{key}" for name, keys in keys_of(frame).items() for key in keys]
    )
    for row, values in zip(rows, fields, strict=True):
        found = dict(zip(header, values, strict=True))
        for name, entries in row.items():
            for key, value in (entries or {}).items():
                # Nested values are as they were spelt: they compare as JSON.
                actual = found[f"{name}.{key}"]
                assert (
                    (value == json.loads(actual))
                    if isinstance(value, dict | list)
                    else (text_of(value) or "") == actual
                )


def xml_text(text: str) -> str:
    """A text as XML can hold it."""
    return "".join("?" if (one < " " and one not in "\t\n\r") or one in "\ufffe\uffff" else one for one in text)


@settings(max_examples=20)
@given(ROWS, SPELLINGS)
@pytest.mark.req("L10", "P28")
def test_xml_is_well_formed_and_has_every_value_as_an_entry(rows: list[Row], escaped: bool) -> None:
    root = etree.fromstring(written(event_format("xml"), IDENTITY_ALONE, frame_of(rows, escaped=escaped)))
    for row, event in zip(rows, root, strict=True):
        entries = [(entry.findtext("key"), entry.findtext("value")) for entry in event.find("eventProps")]
        props = {key: value for key, value in (row["eventProps"] or {}).items() if value is not None}
        assert [xml_text(key) for key in props] == [key for key, _ in entries]
        for value, (_, text) in zip(props.values(), entries, strict=True):
            expected = compact(value, escaped=escaped) if isinstance(value, dict | list) else str(text_of(value))
            assert xml_text(expected) == (text or "")


def union(value: Json, *, depth: int = 0) -> object:
    """The one member that holds a value; `depth` 0 of a property, 1 of a list's item, 2 of a map's value."""
    match value:
        case bool():
            return {"member0": value}
        case int() if -(2**31) <= value < 2**31:
            return {"member1": value}
        case int() if -(2**63) <= value < 2**63:
            return {"member2": value}
        case float():
            return {"member4": value}
        case list() if depth == 0:
            return {"member6": [None if item is None else union(item, depth=1) for item in value]}
        case dict() if depth == 1:
            present = {key: item for key, item in value.items() if item is not None}
            return {"member6": {key: union(item, depth=2) for key, item in present.items()}}
        case _:
            return {"member5": value if isinstance(value, str) else ("json", value)}


def comparable(value: object, expected: object) -> object:
    """A value as read, nulls left out; JSON text is parsed where it is expected."""
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        value = dict(value)
    if value == [] and expected == {}:
        return {}
    if isinstance(value, dict):
        inner = expected if isinstance(expected, dict) else {}
        return {key: comparable(item, inner.get(key)) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        inner = expected if isinstance(expected, list) else [None] * len(value)
        return [comparable(item, other) for item, other in zip(value, inner, strict=False)]
    is_json = isinstance(expected, tuple) and isinstance(value, str)
    return ("json", json.loads(value)) if is_json and isinstance(value, str) else value


def expected_props(row: Row) -> dict[str, object]:
    session = {f"sessionProps.{key}": value for key, value in (row["sessionProps"] or {}).items()}
    props = {key: value for key, value in ((row["eventProps"] or {}) | session).items() if value is not None}
    return {key: union(value) for key, value in props.items()}


@settings(max_examples=20)
@given(ROWS, SPELLINGS)
@pytest.mark.req("L11", "P31")
def test_parquet_holds_each_value_in_the_one_member_of_its_type_read_by_arrow(rows: list[Row], escaped: bool) -> None:
    content = written(event_format("parquet"), IDENTITY_ALONE, frame_of(rows, escaped=escaped))
    read = parquet.read_table(pa.BufferReader(content)).to_pylist()
    expected = [expected_props(row) for row in rows]
    assert expected == [comparable(row["eventProps"], props) for row, props in zip(read, expected, strict=True)]


@settings(max_examples=8)
@given(ROWS, SPELLINGS)
@pytest.mark.req("L11", "P31")
def test_parquet_holds_each_value_in_the_one_member_of_its_type_read_by_duckdb(rows: list[Row], escaped: bool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        path.write_bytes(written(event_format("parquet"), IDENTITY_ALONE, frame_of(rows, escaped=escaped)))
        read = [props for (props,) in duckdb.execute(f"SELECT eventProps FROM '{path}'").fetchall()]
    expected = [expected_props(row) for row in rows]
    assert expected == [comparable(actual, props) for actual, props in zip(read, expected, strict=True)]


@settings(max_examples=12)
@given(ROWS, SPELLINGS)
@pytest.mark.req("L11")
def test_typed_parquet_has_every_value_in_the_type_of_its_column(rows: list[Row], escaped: bool) -> None:
    content = written(event_format("parquet", style="typed"), IDENTITY_ALONE, frame_of(rows, escaped=escaped))
    for row, actual in zip(rows, parquet.read_table(pa.BufferReader(content)).to_pylist(), strict=True):
        for key, value in (row["eventProps"] or {}).items():
            found = actual[f"eventProps.{key}"]
            if isinstance(value, dict | list):
                assert json.loads(found) == value
            else:
                assert found == (text_of(value) if isinstance(found, str) else value)


@settings(max_examples=12)
@given(ROWS, st.sampled_from(["json", "csv", "xml"]), st.data())
@pytest.mark.req("L6", "P10")
def test_files_formatted_at_once_have_the_bytes_of_files_formatted_alone(
    rows: list[Row], type_: str, data: st.DataObject
) -> None:
    frame = frame_of(rows, escaped=False)
    cut = data.draw(st.integers(0, frame.height))
    format_ = formats_of(event_format(type_), IDENTITY_ALONE, frame).of("Any")
    first, second = format_.split(frame, [cut, frame.height - cut])
    assert bytes(format_.rows(frame).content) == bytes(first.content) + bytes(second.content)
    assert [cut, frame.height - cut] == [first.row_count, second.row_count]
