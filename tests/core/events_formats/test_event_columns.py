"""The columns and keys of events' files where two things would have one name, or one type isn't enough."""

import io
import json
from datetime import UTC, date, datetime

import polars as pl
import pyarrow as pa
import pytest
from golden_events import IDENTITY_ALONE, event_format, written
from pyarrow import parquet

from ctexport_dagster.core.events.resolve import resolved_event_schema


def frame_of(*rows: dict[str, object]) -> pl.DataFrame:
    """Events of one name, maps as objects."""
    schema = resolved_event_schema(IDENTITY_ALONE)
    least = {"identity": "u", "eventName": "A", "ts": datetime(2026, 11, 1, tzinfo=UTC), "day": date(2026, 11, 1)}
    told = [
        {
            name: json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else value
            for name, value in row.items()
        }
        for row in rows
    ]
    return pl.DataFrame([{**dict.fromkeys(schema), **least, **row} for row in told], schema=schema, orient="row")


def table_of(frame: pl.DataFrame, **options: str | bool) -> pa.Table:
    declared = event_format("parquet", **options)
    return parquet.read_table(pa.BufferReader(written(declared, IDENTITY_ALONE, frame)))


def props_of(row: dict[str, object]) -> dict[str, object]:
    [props] = table_of(frame_of(row))["eventProps"].to_pylist()
    return {key: next(value for value in union.values() if value is not None) for key, union in props}


@pytest.mark.req("L11")
def test_a_property_named_as_what_has_no_column_stands_beside_it() -> None:
    found = props_of(
        {
            "eventProps": {"controlGroupName": "mine", "sessionProps.utm_source": "own", "n": 1},
            "sessionProps": {"utm_source": "real"},
            "controlGroupName": "CG",
        }
    )
    assert found == {
        "eventProps.controlGroupName": "mine",
        "eventProps.sessionProps.utm_source": "own",
        "n": 1,
        "sessionProps.utm_source": "real",
        "controlGroupName": "CG",
    }


def test_it_does_so_even_where_that_name_is_taken_too() -> None:
    props = {"controlGroupName": 1, "eventProps.controlGroupName": 2}
    found = props_of({"eventProps": props, "controlGroupName": "CG"})
    assert sorted(map(str, found.values())) == ["1", "2", "CG"]
    assert found["controlGroupName"] == "CG"


def test_where_nothing_takes_its_name_a_property_keeps_it() -> None:
    assert props_of({"eventProps": {"controlGroupName": "mine"}}) == {"controlGroupName": "mine"}


DEVICES = frame_of(
    {"deviceInfo": {"dimensions": {"width": 1.5, "height": 2, "unit": "in"}, "dimensions.width": 7}},
    {"deviceInfo": {"dimensions": {"width": 3}}},
)


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_no_two_columns_have_one_header(format_: str) -> None:
    content = written(event_format(format_, style="typed"), IDENTITY_ALONE, DEVICES)
    found = pl.read_csv(io.BytesIO(content)) if format_ == "csv" else pl.read_parquet(io.BytesIO(content))
    assert found["deviceInfo.dimensions.width"].to_list() == [1.5, 3.0]
    assert found["deviceInfo.deviceInfo.dimensions.width"].to_list() == [7, None]


@pytest.mark.req("P31")
def test_typed_dimensions_have_the_types_that_they_hold() -> None:
    table = table_of(DEVICES, style="typed")
    types = {name: table.schema.field(f"deviceInfo.dimensions.{name}").type for name in ("width", "height", "unit")}
    assert types == {"width": pa.float64(), "height": pa.int64(), "unit": pa.string()}


@pytest.mark.parametrize("value", ["wide", True])
def test_typed_dimensions_that_hold_something_else_are_text(value: object) -> None:
    table = table_of(
        frame_of({"deviceInfo": {"dimensions": {"width": 1}}}, {"deviceInfo": {"dimensions": {"width": value}}}),
        style="typed",
    )
    assert table["deviceInfo.dimensions.width"].to_pylist() == ["1", str(value).lower()]


@pytest.mark.req("L13")
def test_as_strings_even_the_time_is_text() -> None:
    table = table_of(frame_of({}), style="typed", as_string=True)
    assert table["eventTime"].to_pylist() == ["2026-11-01T00:00:00Z"]
