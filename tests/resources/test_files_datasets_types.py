"""Tables in files: that every type and every digit survives, and what is refused row by row."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.files.ndjson_types import typed_ndjson_batches
from ctexport_dagster.resources.files.parquet_types import typed_parquet_batches
from ctexport_dagster.resources.files.text_columns import text_batches

INSTANT = datetime(2026, 11, 1, 12, 30, 0, 123456, tzinfo=UTC)


def of_parquet(folder: Path, table: pa.Table) -> list[RawBatch]:
    pq.write_table(table, folder / "a.parquet")
    return list(typed_parquet_batches(folder / "a.parquet", "a.parquet"))


def of_json(folder: Path, *lines: str, block_bytes: int = 8_000_000) -> list[RawBatch]:
    (folder / "a.ndjson").write_text("".join(f"{line}\n" for line in lines))
    return list(typed_ndjson_batches(folder / "a.ndjson", "a.ndjson", block_bytes))


def rows(batches: Sequence[RawBatch]) -> list[dict[str, object]]:
    return [row for batch in batches for row in batch.frame.to_dicts()]


def refused(batches: Sequence[RawBatch]) -> list[tuple[object, ...]]:
    return [row for batch in batches for row in batch.unreadable.select("reason", "place").rows()]


# Parquet


@pytest.mark.req("A1", "B9")
@pytest.mark.parametrize(
    ("kind", "value", "dtype"),
    [
        (pa.int8(), -7, pl.Int8()),
        (pa.uint64(), 2**64 - 1, pl.UInt64()),
        (pa.int64(), 2**53 + 1, pl.Int64()),
        (pa.float32(), 0.5, pl.Float32()),
        (pa.string(), "naïve ☕", pl.String()),
        (pa.binary(), b"\xff\x00", pl.Binary()),
        (pa.binary(2), b"\xff\x00", pl.Binary()),
        (pa.bool_(), True, pl.Boolean()),
        (pa.date32(), date(2026, 11, 1), pl.Date()),
        (pa.time64("us"), time(1, 2, 3, 4), pl.Time()),
        (pa.duration("us"), timedelta(seconds=5), pl.Duration("us")),
        (pa.timestamp("us"), INSTANT.replace(tzinfo=None), pl.Datetime("us")),
        (pa.timestamp("ms", "Asia/Kolkata"), INSTANT.replace(microsecond=123000), pl.Datetime("ms", "Asia/Kolkata")),
        (pa.timestamp("us", "+05:30"), INSTANT, pl.Datetime("us", "UTC")),
        (pa.decimal128(38, 2), Decimal("123456789012345678901234567890123456.78"), pl.Decimal(38, 2)),
        (pa.list_(pa.int32()), [1, None], pl.List(pl.Int32())),
        (pa.list_(pa.float64(), 2), [0.1, 0.2], pl.Array(pl.Float64(), 2)),
        (pa.struct({"a": pa.string(), "b": pa.list_(pa.binary())}), {"a": "x", "b": [b"\xff"]}, None),
    ],
    ids=str,
)
def test_every_type_of_parquet_stays_what_it_is(
    tmp_path: Path, kind: pa.DataType, value: object, dtype: pl.DataType | None
) -> None:
    batches = of_parquet(tmp_path, pa.table({"v": pa.array([value, None], kind)}))
    assert dtype in (None, batches[0].frame.schema["v"])
    assert pl.concat([batch.frame for batch in batches])["v"].to_list() == [value, None]


@pytest.mark.req("P24")
def test_int96_timestamps_are_those_of_any_year_in_microseconds(tmp_path: Path) -> None:
    years = [INSTANT.replace(tzinfo=None, year=year) for year in (1, 1815, 2026, 9999)]
    table = pa.table({"v": pa.array(years, pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    (batch,) = typed_parquet_batches(tmp_path / "a.parquet", "a.parquet")
    assert (batch.frame.schema["v"], batch.frame["v"].to_list()) == (pl.Datetime("us"), years)


def test_a_map_of_parquet_stays_a_map(tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.int64())
    (batch,) = of_parquet(tmp_path, pa.table({"v": pa.array([[("a", 1)], None], kind)}))
    assert batch.frame.schema["v"] == pl.Map(pl.String(), pl.Int64())


@pytest.mark.parametrize("kind", [pa.decimal256(60, 2), pa.list_(pa.decimal256(60, 2))], ids=str)
def test_a_decimal_of_more_than_38_digits_is_its_text(tmp_path: Path, kind: pa.DataType) -> None:
    digits = "1234567890123456789012345678901234567890.12"
    value = Decimal(digits) if pa.types.is_decimal(kind) else [Decimal(digits)]
    expected = digits if pa.types.is_decimal(kind) else [digits]
    (batch,) = of_parquet(tmp_path, pa.table({"v": pa.array([value], kind)}))
    assert batch.frame["v"].to_list() == [expected]


def test_a_dictionary_is_its_values(tmp_path: Path) -> None:
    (batch,) = of_parquet(tmp_path, pa.table({"v": pa.array(["a", "b", "a"]).dictionary_encode()}))
    assert (batch.frame.schema["v"], batch.frame["v"].to_list()) == (pl.String(), ["a", "b", "a"])


def broken_text(*cells: bytes) -> pa.Array:
    """A text column with whatever bytes."""
    plain = pa.array(cells, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(cells), plain.buffers())


def test_a_row_of_parquet_that_is_not_utf8_is_refused_alone(tmp_path: Path) -> None:
    table = pa.table({"id": [0, 1, 2, 3], "v": broken_text(b"a", b"\xff", b"c", b"d")})
    (batch,) = of_parquet(tmp_path, table)
    assert batch.frame.to_dicts() == [{"id": 0, "v": "a"}, {"id": 2, "v": "c"}, {"id": 3, "v": "d"}]
    assert refused([batch]) == [("invalid_text", "a.parquet:1")]
    assert batch.numbers is not None
    assert batch.numbers.to_list() == [0, 2, 3]
    assert batch.unreadable["row"].to_list() == ['{"id": 1, "v": "\\\\xff"}']


def test_broken_text_within_a_struct_is_found(tmp_path: Path) -> None:
    inner = pa.StructArray.from_arrays([broken_text(b"a", b"\xff")], names=["t"])
    assert refused(of_parquet(tmp_path, pa.table({"v": inner}))) == [("invalid_text", "a.parquet:1")]


def test_a_parquet_file_without_rows_has_its_columns(tmp_path: Path) -> None:
    (batch,) = of_parquet(tmp_path, pa.table({"v": pa.array([], pa.decimal128(9, 2))}))
    assert batch.frame.schema == {"v": pl.Decimal(9, 2)}


# NDJSON


@pytest.mark.req("A1", "B9")
@pytest.mark.parametrize(
    ("literals", "dtype", "values"),
    [
        (["0.1", "2"], pl.Float64(), [0.1, 2.0]),
        (["9007199254740993"], pl.Int64(), [2**53 + 1]),
        (["12345678901234567890", "1"], pl.Int128(), [12345678901234567890, 1]),
        (["0.10000000000000001"], pl.Float64(), [0.1]),
        (["0.1234567890123456789"], pl.String(), ["0.1234567890123456789"]),
        (["1e400"], pl.String(), ["1e400"]),
        ([f"-{'9' * 38}", "1"], pl.Int128(), [-(10**38) + 1, 1]),
        ([f"1{'0' * 38}"], pl.String(), [f"1{'0' * 38}"]),
        (["170141183460469231731687303715884105728"], pl.String(), ["170141183460469231731687303715884105728"]),
        (["true", "null"], pl.Boolean(), [True, None]),
        (["[1,2.5]", "[]"], pl.List(pl.Float64()), [[1.0, 2.5], []]),
        (['[1,"x",{"a":1.5}]'], pl.List(pl.String()), [["1", "x", '{"a":1.5}']]),
        (['{"a":1}', '{"b":"x"}'], None, [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
        (['{"a":1,"n":null}', '{"a":2,"n":null}'], None, [{"a": 1}, {"a": 2}]),
        (['[{"a":[true]},null]'], None, [[{"a": [True]}, None]]),
        (["null", "null"], pl.Null(), [None, None]),
        (["{}", "{}"], pl.Null(), [None, None]),
    ],
)
@pytest.mark.parametrize("copies", [1, 50])
def test_what_json_says_is_what_comes(
    tmp_path: Path, literals: list[str], dtype: pl.DataType | None, values: list[object], copies: int
) -> None:
    """Of many rows all but the first block is read by the fast reader, where that can."""
    lines = [f'{{"v":{literal}}}' for literal in literals] * copies
    batches = of_json(tmp_path, *lines, block_bytes=200)
    assert all(dtype in (None, batch.frame.schema["v"]) for batch in batches)
    assert [row["v"] for row in rows(batches)] == values * copies


def test_a_wide_number_late_in_the_file_changes_no_digit(tmp_path: Path) -> None:
    lines = [*(f'{{"v":{number}.5}}' for number in range(100)), '{"v":9007199254740993}', '{"v":0.123456789012345678}']
    batches = of_json(tmp_path, *lines, block_bytes=300)
    last = batches[-1]
    assert set(last.variants["v"]) == {"v\0long", "v\0string"}
    assert last.frame["v\0long"].drop_nulls().to_list() == [9007199254740993]
    assert last.frame["v\0string"].drop_nulls().to_list() == ["0.123456789012345678"]


def test_values_of_several_types_stand_apart_the_commonest_under_the_columns_name(tmp_path: Path) -> None:
    (batch,) = of_json(tmp_path, '{"v":"a"}', '{"v":1}', '{"v":"b"}')
    assert batch.variants == {"v": ("v\0integer",)}
    assert batch.frame.to_dict(as_series=False) == {"v": ["a", None, "b"], "v\0integer": [None, 1, None]}


def test_all_batches_have_one_shape(tmp_path: Path) -> None:
    lines = [f'{{"v":{{"k{number % 7}":{number}}}}}' for number in range(60)]
    batches = of_json(tmp_path, *lines, block_bytes=100)
    assert len(batches) > 3
    assert len({str(batch.frame.schema) for batch in batches}) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "unreadable"),
        ("[1]", "unreadable"),
        ('{"v":1,"v":2}', "unreadable"),
        ('{"v":{"a":1,"a":2}}', "unreadable"),
        ('{"v":NaN}', "not_finite"),
        ('{"v":"\\ud800"}', "invalid_text"),
    ],
)
def test_a_line_that_is_no_row_is_refused_alone(tmp_path: Path, line: str, reason: str) -> None:
    batches = of_json(tmp_path, '{"v":{"a":1}}', line, '{"v":{"a":2}}')
    assert rows(batches) == [{"v": {"a": 1}}, {"v": {"a": 2}}]
    assert refused(batches) == [(reason, "a.ndjson:2")]


def nested(levels: int) -> str:
    """A row with an `x` so many levels below it, objects and lists in turn."""
    value = "1"
    for level in range(levels - 1, 0, -1):
        value = f'{{"a":{value}}}' if level % 2 else f"[{value}]"
    return f'{{"x":{value}}}'


@pytest.mark.parametrize("block_bytes", [200, 8_000_000])
def test_a_row_nested_deeper_than_any_table_needs_is_refused_alone(tmp_path: Path, block_bytes: int) -> None:
    lines = [nested(32), nested(33), nested(180), nested(5_000), '{"x":null}', *[nested(32)] * 5, nested(33)]
    batches = of_json(tmp_path, *lines, block_bytes=block_bytes)
    assert refused(batches) == [("unreadable", f"a.ndjson:{line}") for line in (2, 3, 4, 11)]
    assert [row["x"] is None for row in rows(batches)] == [False, True, *[False] * 5]


def test_brackets_within_texts_are_no_levels(tmp_path: Path) -> None:
    (batch,) = of_json(tmp_path, json.dumps({"x": "[{" * 50}))
    assert batch.frame["x"].to_list() == ["[{" * 50]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)


@examples(max_examples=50)
@given(given=st.lists(values, min_size=1, max_size=8))
def test_whatever_the_values_no_row_is_lost_and_no_scalar_changed(
    tmp_path_factory: pytest.TempPathFactory, given: list[object]
) -> None:
    lines = [json.dumps({"v": value}) for value in given]
    batches = of_json(tmp_path_factory.mktemp("json"), *lines, block_bytes=60)
    found: list[object] = []
    for batch in batches:
        columns = ("v", *batch.variants.get("v", ()))
        for row in batch.frame.select(columns).to_dicts():
            told = [value for value in row.values() if value is not None]
            assert len(told) < 2
            found.append(told[0] if told else None)
    assert len(found) == len(given)
    for seen, value in zip(found, given, strict=True):
        if isinstance(value, bool | int | float | str):
            assert seen == value


# CSV


@pytest.mark.req("B1")
def test_csv_rows_of_empty_fields_alone_are_rows_and_blank_lines_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'id,v\n\n1,"a\n\nb"\n,\n\r\n,\r\nx,y,z\n,\n\n')
    (_, batch) = text_batches(tmp_path / "a.csv", "a.csv")
    assert batch.frame.rows() == [("1", "a\n\nb"), *[(None, None)] * 3]
    assert batch.numbers is not None
    assert batch.numbers.to_list() == [3, 6, 8, 10]


def test_a_blank_line_is_no_row_of_a_csv_of_one_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'id\n\n1\n""\n')
    assert rows(list(text_batches(tmp_path / "a.csv", "a.csv"))) == [{"id": "1"}, {"id": ""}]


def test_csv_is_text_and_rows_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'id,v\n1,\n2,\xff\n3,""\nx,y,z\n')
    batches = list(text_batches(tmp_path / "a.csv", "a.csv"))
    assert rows(batches) == [{"id": "1", "v": None}, {"id": "3", "v": ""}]
    assert sorted(refused(batches)) == [("invalid_text", "a.csv:3"), ("unreadable", "a.csv:5")]
