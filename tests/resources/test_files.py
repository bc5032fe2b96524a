"""The files source: what three formats give, what they refuse, and that nothing is coerced or lost on the way."""

import gzip
import json
import math
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable
from ctexport_dagster.core.normalise.normaliser import Normaliser
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType
from ctexport_dagster.core.source import ProfileInput, RawBatch
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.files.csv import csv_batches
from ctexport_dagster.resources.files.declaration import FilesSource
from ctexport_dagster.resources.files.ndjson import NdjsonReader, ndjson_batches, read_fast
from ctexport_dagster.resources.files.ndjson_exact import read_exactly
from ctexport_dagster.resources.files.parquet import parquet_tables
from ctexport_dagster.resources.files.parquet_wide import COLUMNS_AT_ONCE, wide_batches

DAY = "2026-11-01"


def declared(profiles: str = "data/{{Partition}}.*", **settings: object) -> FilesSource:
    return FilesSource.model_validate({"name": "crm", "start": date(2026, 11, 1), "profiles": profiles, **settings})


def opened(home: Path, source: FilesSource) -> ProfileInput:
    return source.open(Surroundings(home)).profiles(DAY, source.cadence.window_of(DAY))


def place(home: Path, name: str, content: bytes) -> Path:
    path = home / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def frame_and_quarantine(home: Path, source: FilesSource) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Everything that the partition gives, normalised."""
    normaliser = Normaliser(source, SourceSchema())
    results = [normaliser.normalise(batch) for batch in opened(home, source).batches()]
    frame = pl.concat([result.frame for result in results], how="diagonal")
    return frame, pl.concat([result.quarantined for result in results])


def values_of(home: Path, source: FilesSource | None = None) -> list[dict[str, object]]:
    frame, lost = frame_and_quarantine(home, source or declared())
    assert lost.is_empty()
    return frame.select(pl.exclude(*(KEY_COLUMNS.keys() - {"clevertapId"}), "seq")).to_dicts()


def lost_of(home: Path, source: FilesSource | None = None) -> list[tuple[object, ...]]:
    _, lost = frame_and_quarantine(home, source or declared())
    return lost.select("reason", "field", "row", "place").rows()


def parquet(home: Path, table: pa.Table, name: str = f"{DAY}.parquet", row_group_size: int | None = None) -> Path:
    path = place(home, name, b"")
    pq.write_table(table, path, row_group_size=row_group_size)
    return path


ONE = pa.table({"clevertapId": ["a"], "age": [1]})


@pytest.mark.req("B9")
def test_the_same_profile_in_each_format(tmp_path: Path):
    parquet(tmp_path / "p", ONE)
    for name in ("ndjson", "jsonl", "json"):
        place(tmp_path / name, f"{DAY}.{name}", b'{"clevertapId":"a","age":1}\n')
        place(tmp_path / f"{name}.gz", f"{DAY}.{name}.gz", gzip.compress(b'{"clevertapId":"a","age":1}\n'))
    place(tmp_path / "c", f"{DAY}.csv", b"clevertapId,age\na,1\n")
    place(tmp_path / "z", f"{DAY}.csv.gz", gzip.compress(b"clevertapId,age\na,1\n"))
    for home in tmp_path.iterdir():
        assert values_of(home, declared(types={"age": "integer"})) == [{"clevertapId": "a", "pi_age": 1}]


def test_several_files_are_read_in_the_order_of_their_names(tmp_path: Path):
    for name in ("b.csv", "a.ndjson", "c.csv"):
        row = f'{{"clevertapId":"{name}"}}' if name.endswith("ndjson") else f"clevertapId\n{name}"
        place(tmp_path, f"{DAY}/{name}", row.encode())
    source = declared("data/{{partition}}/*")
    assert [row["clevertapId"] for row in values_of(tmp_path, source)] == ["a.ndjson", "b.csv", "c.csv"]
    assert opened(tmp_path, source).places == tuple(f"data/{DAY}/{name}" for name in ("a.ndjson", "b.csv", "c.csv"))


def test_batches_start_a_fresh_pass_each_time(tmp_path: Path):
    place(tmp_path, f"{DAY}.ndjson", b'{"clevertapId":"a"}')
    given_input = opened(tmp_path, declared())
    assert [[b.frame.height for b in given_input.batches()] for _ in range(2)] == [[1], [1]]


def test_a_missing_file_is_told_with_the_path_looked_for(tmp_path: Path):
    with pytest.raises(SourceMissing, match=rf"{tmp_path}/data/{DAY}\.parquet"):
        opened(tmp_path, declared("data/{{Partition}}.parquet"))


def test_a_home_whose_name_looks_like_a_pattern_is_no_pattern(tmp_path: Path):
    place(tmp_path / "[x]*", f"{DAY}.csv", b"clevertapId\na\n")
    assert len(values_of(tmp_path / "[x]*")) == 1


@pytest.mark.parametrize("name", [f"{DAY}.ndjson", f"{DAY}.csv", f"{DAY}.json.gz"])
def test_an_empty_file_is_a_partition_without_rows(tmp_path: Path, name: str):
    place(tmp_path, name, gzip.compress(b"") if name.endswith("gz") else b"")
    assert list(opened(tmp_path, declared()).batches()) == []


@pytest.mark.parametrize("name", [f"{DAY}.parquet", f"{DAY}.ndjson.gz"])
@pytest.mark.parametrize(
    "content",
    [b"PAR1 no more", gzip.compress(b'{"clevertapId":"a"}\n' * 1000, mtime=0)[:-20]],
    ids=["no more than a magic", "cut off"],
)
def test_a_broken_file_fails_as_a_whole(tmp_path: Path, name: str, content: bytes):
    place(tmp_path, name, content)
    with pytest.raises(SourceUnreadable, match=name):
        list(opened(tmp_path, declared()).batches())


def test_an_unknown_extension_asks_for_the_format(tmp_path: Path):
    place(tmp_path, f"{DAY}.txt", b"clevertapId\na\n")
    with pytest.raises(SourceUnreadable, match="Write `format:`"):
        opened(tmp_path, declared())
    assert len(values_of(tmp_path, declared(format="csv"))) == 1


@pytest.mark.parametrize("path", ["data/today.csv", "data/{{Date}}.csv", "data/{{Partition}}/{{x}}.csv"])
def test_a_path_needs_the_partition_and_no_other_variable(path: str):
    with pytest.raises(ValidationError, match="Partition"):
        declared(path)


def test_check_tells_a_folder_that_is_not_there(tmp_path: Path):
    place(tmp_path, "x.csv", b"")
    assert declared("data/{{Partition}}.csv").check(tmp_path) == ()
    assert declared("lost/x-{{Partition}}.csv").check(tmp_path) == (
        f"profiles: {tmp_path}/lost is no folder that can be read; make it, or mend the path",
    )


def test_the_fingerprint_changes_with_content_names_and_reading_alone(tmp_path: Path):
    path = place(tmp_path, f"{DAY}.csv", b"clevertapId\na\n")
    first = opened(tmp_path, declared()).fingerprint
    path.touch()
    assert opened(tmp_path, declared(max_deleted=1)).fingerprint == first
    others = [opened(tmp_path, declared(columns={"Email": "mail"})).fingerprint]
    path.write_bytes(b"clevertapId\nb\n")
    others.append(opened(tmp_path, declared()).fingerprint)
    path.rename(tmp_path / "data" / f"{DAY}.2.csv")
    others.append(opened(tmp_path, declared()).fingerprint)
    assert len({first, *others}) == 4


def test_columns_are_named_as_in_the_model(tmp_path: Path):
    place(tmp_path, f"{DAY}.csv", b"user_id,mail,Email\na,m,old\n")
    source = declared(columns={"clevertapId": "user_id", "Email": "mail", "Old Email": "Email"})
    assert values_of(tmp_path, source) == [{"clevertapId": "a", "ps_^email": "m", "ps_^old%20^email": "old"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"user_id,clevertapId\na,b\n", "'user_id' and 'clevertapId' would both become"),
        (b"id\na\n", "no column 'user_id'"),
        (b"user_id,x,x\na,b,c\n", "has the same name at the places 2 and 3"),
        (b"user_id,\na,b\n", "name every column"),
        (b'user_id,"x\n', "name every column"),
    ],
)
def test_columns_that_cannot_be_told_apart_fail_the_file(tmp_path: Path, content: bytes, message: str):
    place(tmp_path, f"{DAY}.csv", content)
    with pytest.raises(SourceUnreadable, match=message):
        values_of(tmp_path, declared(columns={"clevertapId": "user_id"}))


@pytest.mark.req("P31")
def test_parquet_keeps_types_and_nulls_over_row_groups(tmp_path: Path):
    table = pa.table(
        {
            "clevertapId": pa.array([str(row) for row in range(5)]),
            "big": pa.array([2**63 - 1, None, 0, 1, 2], pa.int64()),
            "dictionary": pa.array(["x", None, "x", "y", ""]).dictionary_encode(),
            "when": pa.array([0, None, 1, 2, 3], pa.timestamp("ms", "Europe/Berlin")),
            "tags": pa.array([["a"], [], None, ["b", None], ["c"]], pa.list_(pa.string())),
        }
    )
    parquet(tmp_path, table, row_group_size=2)
    frame, lost = frame_and_quarantine(tmp_path, declared())
    assert lost.is_empty()
    assert frame["pi_big"].to_list() == table["big"].to_pylist()
    assert frame["ps_dictionary"].to_list() == table["dictionary"].to_pylist()
    assert frame["pt_when"].to_list() == table["when"].to_pylist()
    assert frame["pl_tags"].to_list() == table["tags"].to_pylist()


@pytest.mark.req("P27")
def test_parquet_maps_and_structs_give_the_key_columns(tmp_path: Path):
    table = pa.table(
        {
            "clevertapId": ["a"],
            "device": pa.array([{"token": "t"}]),
            "subscriptionGroups": pa.array([[("g", "Subscribed")]], pa.map_(pa.string(), pa.string())),
            "props": pa.array([[("b", 1), ("a", 2)]], pa.map_(pa.string(), pa.int32())),
        }
    )
    parquet(tmp_path, table)
    frame, _ = frame_and_quarantine(tmp_path, declared())
    row = frame.select("deviceToken", "subscriptionGroups", "ps_props").row(0)
    assert row == ("t", '{"g":"Subscribed"}', '{"a":2,"b":1}')


@pytest.mark.req("B6")
def test_parquet_text_that_is_not_utf_8_is_refused_wherever_it_stands(tmp_path: Path):
    broken = pa.array([b"ok", b"\xff"]).view(pa.string())
    nested = pa.StructArray.from_arrays([broken.take(pa.array([1, 0]))], ["token"])
    parquet(tmp_path, pa.table({"clevertapId": ["a", "b"], "x": broken, "device": nested}))
    assert [row[:2] for row in lost_of(tmp_path)] == [("invalid_text", "device"), ("invalid_text", "x")]


def test_a_wide_and_long_row_group_reads_as_it_stands(tmp_path: Path):
    names = ["a", "a.b", *(f"c{place}" for place in range(COLUMNS_AT_ONCE * 2))]
    table = pa.table({name: pa.array([f"{name}-{row}" for row in range(50)]) for name in names})
    path = parquet(tmp_path, table.append_column("device", pa.array([{"token": "t", "os": None}] * 50)))
    with pq.ParquetFile(path) as file:
        tables = list(wide_batches(file, 0, batch_rows=20))
        assert [part.num_rows for part in tables] == [20, 20, 10]
        assert pa.concat_tables(tables).equals(file.read())


def test_a_parquet_row_group_of_long_rows_is_read_in_few_at_a_time_whatever_the_others_hold(tmp_path: Path):
    schema = pa.schema([("clevertapId", pa.string()), ("x", pa.string())])
    path = tmp_path / f"{DAY}.parquet"
    with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
        short = 100_000
        writer.write_table(pa.table([[str(row) for row in range(short)], pa.nulls(short, pa.string())], schema=schema))
        writer.write_table(pa.table([[str(row) for row in range(80)], ["x" * 500_000] * 80], schema=schema))
    sizes = [table.num_rows for table in parquet_tables(path, lambda kind: kind)]
    assert sizes[:4] == [25_000] * 4
    assert max(sizes[4:]) * 500_000 <= 32_000_000
    assert sum(sizes) == short + 80


@pytest.mark.req("P24")
def test_int96_timestamps_of_any_year_are_what_they_are(tmp_path: Path):
    years = [datetime(year, 12, 31, 1, 2, 3, 456789, tzinfo=UTC) for year in (1, 1815, 2026, 9999)]
    table = pa.table({"clevertapId": list("abcd"), "x": pa.array(years, pa.timestamp("us"))})
    pq.write_table(table, place(tmp_path, f"{DAY}.parquet", b""), use_deprecated_int96_timestamps=True)
    assert [row["pt_x"] for row in values_of(tmp_path)] == years


def test_a_parquet_file_without_rows_still_names_its_columns(tmp_path: Path):
    parquet(tmp_path, ONE.slice(0, 0))
    normaliser = Normaliser(declared(), SourceSchema())
    for batch in opened(tmp_path, declared()).batches():
        normaliser.normalise(batch)
    assert normaliser.present == (Field("property", "age", ValueType.UNKNOWN),)


def test_the_row_estimate_of_parquet_is_its_row_count(tmp_path: Path):
    parquet(tmp_path, pa.table({"clevertapId": [str(row) for row in range(123)]}))
    assert opened(tmp_path, declared()).row_estimate == 123


@pytest.mark.req("P29", "P32")
def test_csv_reads_rfc_4180(tmp_path: Path):
    content = b'\xef\xbb\xbfclevertapId,x,y\r\na,"q""uo,te","two\r\nlines"\r\nb,,""\r\n\r\n"c",\xf0\x9f\x9a\x80,z'
    place(tmp_path, f"{DAY}.csv", content)
    assert values_of(tmp_path) == [
        {"clevertapId": "a", "ps_x": 'q"uo,te', "ps_y": "two\r\nlines"},
        {"clevertapId": "b", "ps_x": None, "ps_y": ""},
        {"clevertapId": "c", "ps_x": "🚀", "ps_y": "z"},
    ]


def test_the_error_for_a_csv_without_a_header_holds_no_value(tmp_path: Path):
    place(tmp_path, f"{DAY}.csv", b"4711,ada@example.com,4711\n")
    with pytest.raises(SourceUnreadable, match="the same name at the places 1 and 3") as raised:
        values_of(tmp_path)
    assert "4711" not in str(raised.value)


def test_csv_rows_of_empty_fields_alone_are_no_profiles(tmp_path: Path):
    place(tmp_path, f"{DAY}.csv", b"clevertapId,x\na,1\n,\n\n")
    assert values_of(tmp_path) == [{"clevertapId": "a", "ps_x": "1"}]


@pytest.mark.req("B6")
@pytest.mark.parametrize("block_bytes", [7, 8_000_000])
def test_csv_refuses_broken_lines_and_goes_on_at_the_next(tmp_path: Path, block_bytes: int):
    lines = ["clevertapId,x", "a,1", "b", "c,1,2", 'd,"1"x', 'e,5"', 'f,"x', "y", 'z"', "g,7", 'h,"open', "i,9"]
    path = place(tmp_path, "day.csv", "\n".join(lines).encode())
    batches = list(csv_batches(path, "day.csv", block_bytes))
    rows = [
        (bytes(i).decode(), n)
        for b in batches
        if b.numbers is not None
        for i, n in zip(b.frame["clevertapId"], b.numbers, strict=True)
    ]
    assert rows == [("a", 2), ("f", 7), ("g", 10), ("i", 12)]
    lost = pl.concat([batch.unreadable for batch in batches])
    assert lost.select("reason", "row", "place").rows() == [
        ("unreadable", "b", "day.csv:3"),
        ("unreadable", "c,1,2", "day.csv:4"),
        ("unreadable", 'd,"1"x', "day.csv:5"),
        ("unreadable", 'e,5"', "day.csv:6"),
        ("unreadable", 'h,"open', "day.csv:11"),
    ]


@pytest.mark.req("B6")
def test_csv_text_that_is_not_utf_8_is_refused(tmp_path: Path):
    place(tmp_path, f"{DAY}.csv", b"clevertapId,x\na,\xff\nb,1\n")
    assert [row[:2] for row in lost_of(tmp_path)] == [("invalid_text", "x")]


FIELDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=4)


@pytest.mark.req("P31")
@examples(max_examples=40, deadline=None)
@given(st.lists(st.tuples(FIELDS, st.none() | FIELDS), min_size=1, max_size=5), st.integers(1, 40))
def test_csv_gives_back_every_value_at_any_block_size(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str | None]], block_bytes: int
):
    def field(value: str | None) -> str:
        return "" if value is None else '"' + value.replace('"', '""') + '"'

    text = "x,y\n" + "".join(f"{field(x)},{field(y)}\n" for x, y in rows)
    path = tmp_path_factory.mktemp("csv") / "day.csv"
    path.write_bytes(text.encode())
    frames = [batch.frame.cast(pl.String) for batch in csv_batches(path, "day.csv", block_bytes)]
    assert pl.concat(frames).rows() == rows


def test_a_json_array_is_no_ndjson(tmp_path: Path):
    place(tmp_path, f"{DAY}.json", b'[\n{"clevertapId":"a"}]')
    with pytest.raises(SourceUnreadable, match="one JSON array"):
        list(opened(tmp_path, declared()).batches())


@pytest.mark.req("B6")
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"clevertapId":"b"', "unreadable"),
        (b'{"clevertapId":"b"} {"clevertapId":"c"}', "unreadable"),
        (b'{"clevertapId":"b","x":1,"x":2}', "unreadable"),
        (b'{"clevertapId":"b","device":{"token":"1","token":"2"}}', "unreadable"),
        (b'"b"', "unreadable"),
        (b"[1]", "unreadable"),
        (b'{"clevertapId":"b","x":"\xff"}', "invalid_text"),
        (b'{"clevertapId":"b","x":"\\ud800"}', "invalid_text"),
        (b'{"clevertapId":"b","x":NaN}', "not_finite"),
        (b'{"clevertapId":"b","x":1e999}', "not_finite"),
        (b'{"clevertapId":"b","x":"text"}', "contradicts_type"),
        (b'{"clevertapId":"b","x":9223372036854775808}', "contradicts_type"),
        (b'{"clevertapId":"b","x":1' + b"0" * 50 + b"}", "contradicts_type"),
        (b'{"x":1}', "missing_id"),
        (b"{}", "missing_id"),
        (b"[" * 100_000, "unreadable"),
    ],
)
@pytest.mark.parametrize("position", [1, 3])
def test_ndjson_refuses_a_bad_line_alone(tmp_path: Path, line: bytes, reason: str, position: int):
    lines = [b'{"clevertapId":"a","x":1}', b'{"clevertapId":"c","x":2}', b'{"clevertapId":"d","x":3}']
    lines.insert(position, line)
    path = place(tmp_path, f"{DAY}.ndjson", b"\n".join(lines))
    normaliser = Normaliser(declared(), SourceSchema())
    results = [normaliser.normalise(batch) for batch in ndjson_batches(path, "day", (), block_bytes=60)]
    frame = pl.concat([result.frame for result in results], how="diagonal")
    assert frame.select("clevertapId", "pi_x").rows() == [("a", 1), ("c", 2), ("d", 3)]
    lost = pl.concat([result.quarantined for result in results])
    assert lost.select("reason", "place").rows() == [(reason, f"day:{position + 1}")]


@pytest.mark.req("P31")
def test_ndjson_values_keep_their_types_and_texts(tmp_path: Path):
    rows = [
        {
            "clevertapId": "a",
            "i": 2**53 + 1,
            "f": 0.1,
            "b": True,
            "s": "2026-01-01",
            "l": ["x", "é"],
            "o": {"b": [1.50], "a": None},
        },
        {"clevertapId": "b", "i": None, "f": 1e300, "b": False, "s": "\u0000\n", "l": [], "o": None},
    ]
    place(tmp_path, f"{DAY}.ndjson", b"\n".join(json.dumps(row).encode() for row in rows))
    assert values_of(tmp_path) == [
        {
            "clevertapId": "a",
            "pi_i": 2**53 + 1,
            "pf_f": 0.1,
            "pb_b": True,
            "ps_s": "2026-01-01",
            "pl_l": ["x", "é"],
            "ps_o": '{"a":null,"b":[1.5]}',
        },
        {"clevertapId": "b", "pi_i": None, "pf_f": 1e300, "pb_b": False, "ps_s": "\u0000\n", "pl_l": [], "ps_o": None},
    ]


def test_ndjson_groups_may_be_objects_or_lists_of_entries(tmp_path: Path):
    lines = [
        b'{"clevertapId":"a","subscriptionGroups":{"b":"Subscribed","a":null}}',
        b'{"clevertapId":"b","subscriptionGroups":[{"key":"b","value":"Subscribed"}]}',
    ]
    place(tmp_path, f"{DAY}.ndjson", b"\n".join(lines))
    frame, _ = frame_and_quarantine(tmp_path, declared())
    assert frame["subscriptionGroups"].to_list() == ['{"b":"Subscribed"}'] * 2


CONTRACT = pa.schema([("i", pa.int64()), ("f", pa.float64()), ("s", pa.string()), ("l", pa.list_(pa.string()))])


@pytest.mark.parametrize(
    "line",
    [
        b'{"i":1.5}',
        b'{"i":1.0}',
        b'{"i":9223372036854775808}',
        b'{"i":"1"}',
        b'{"i":true}',
        b'{"f":9007199254740993}',
        b'{"f":"1"}',
        b'{"s":1}',
        b'{"s":"\xff"}',
        b'{"s":"\\udc00"}',
        b'{"s":"a","s":"b"}',
        b'{"l":[1]}',
        b'{"l":"a"}',
        b'{"new":null}',
        b'{"i":1}{"i":2}',
        b'{"i":1} ',
        b'{"i":1',
    ],
)
def test_the_fast_reader_gives_up_rather_than_change_a_value(line: bytes):
    assert read_fast(b'{"i":1,"f":1.5,"s":"","l":["a"]}\n' + line + b"\n", CONTRACT) is None


def test_the_fast_reader_reads_what_keeps_to_the_contract():
    frame = read_fast(b'{"i":1,"f":2,"s":"\\u00e9","l":["a",null]}\r\n{"s":"2026-01-01T00:00:00Z"}', CONTRACT)
    assert frame is not None
    assert frame.rows() == [(1, 2.0, "é", ["a", None]), (None, None, "2026-01-01T00:00:00Z", None)]


def test_the_second_block_of_regular_lines_is_read_fast(tmp_path: Path):
    reader = NdjsonReader("day", ())
    block = b'{"clevertapId":"a","x":1}\n' * 3
    reader.read(block, 1)
    contract = reader._contract
    assert contract is not None
    assert read_fast(block, contract) is not None


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**64),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
    st.lists(st.text(max_size=3) | st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from(["token", "t"]), st.text(max_size=2) | st.none(), max_size=2),
)
ROWS = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "device", "é\n"]), SCALARS, max_size=3), min_size=1, max_size=8
)


def values_in(batch: RawBatch) -> list[dict[str, object]]:
    """The batch's rows, null left out, variants under their field's name."""
    fields = {further: name for name, variants in batch.variants.items() for further in variants}
    return [
        {fields.get(name, name): v for name, v in row.items() if v is not None}
        for row in batch.frame.iter_rows(named=True)
    ]


@pytest.mark.req("B6", "P31")
@examples(max_examples=80, deadline=None)
@given(ROWS)
def test_exact_reading_preserves_every_value(rows: list[dict[str, object]]):
    block = b"\n".join(json.dumps(row).encode() for row in rows)
    found = values_in(read_exactly(block, 1, "day").batch())
    assert [
        {name: _back(v, row[name]) for name, v in kept.items() if name in row}
        for kept, row in zip(found, rows, strict=True)
    ] == [{name: v for name, v in row.items() if v is not None} for row in rows]


def _back(found: object, given_value: object) -> object:
    """What a list or object became, as it was: its texts mean the same JSON."""
    if isinstance(given_value, dict):
        return json.loads(str(found))
    if isinstance(given_value, list) and isinstance(found, list):
        return [
            json.loads(item) if not isinstance(was, str) else item for item, was in zip(found, given_value, strict=True)
        ]
    return found


@pytest.mark.req("B6", "P31")
@examples(max_examples=80, deadline=None)
@given(ROWS, ROWS)
def test_fast_and_exact_reading_of_a_block_agree(taught: list[dict[str, object]], rows: list[dict[str, object]]):
    reader = NdjsonReader("day", ("device",))
    reader.read(b"\n".join(json.dumps(row).encode() for row in taught), 1)
    block = b"\n".join(json.dumps(row).encode() for row in rows) + b"\n"
    contract = reader._contract
    fast = read_fast(block, contract) if contract is not None else None
    if fast is not None:
        exact = read_exactly(block, 1, "day").batch()
        normal = [_normalised(b) for b in (RawBatch(fast, numbers=exact.numbers), exact)]
        assert normal[0] == normal[1]


def _normalised(batch: RawBatch) -> list[dict[str, object]]:
    ids = pl.Series([str(row) for row in range(batch.frame.height)], dtype=pl.String)
    named = RawBatch(batch.frame.with_columns(clevertapId=ids), numbers=batch.numbers, variants=batch.variants)
    floats = SourceSchema(tuple(Field("property", name, ValueType.FLOAT64) for name in _float_columns(batch)))
    result = Normaliser(declared(), floats).normalise(named)
    kept = [{n: v for n, v in row.items() if v is not None} for row in result.frame.iter_rows(named=True)]
    return [*kept, *result.quarantined.drop("row").to_dicts()]


def _float_columns(batch: RawBatch) -> list[str]:
    return [name for name in ("a", "b", "é\n") if name in batch.frame.columns and batch.frame[name].dtype.is_numeric()]


@pytest.mark.req("B1", "B6")
@examples(max_examples=40, deadline=None)
@given(st.lists(ROWS.map(lambda rows: rows[0]), max_size=12), st.integers(10, 200))
def test_every_ndjson_row_ends_in_the_frame_or_in_quarantine(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]], block_bytes: int
):
    path = tmp_path_factory.mktemp("ndjson") / "day.ndjson"
    path.write_bytes(b"\n".join(json.dumps({"clevertapId": str(n), **row}).encode() for n, row in enumerate(rows)))
    normaliser = Normaliser(declared(), SourceSchema())
    results = [normaliser.normalise(batch) for batch in ndjson_batches(path, "day", ("device",), block_bytes)]
    ids = [i for result in results for part in (result.frame, result.quarantined) for i in part["clevertapId"]]
    assert sorted(ids, key=int) == [str(number) for number in range(len(rows))]
    assert all(
        math.isfinite(v)
        for r in results
        for c in r.frame.select(pl.col(pl.Float64)).iter_columns()
        for v in c.drop_nulls()
    )


def test_a_file_without_the_column_of_the_id_says_what_to_declare(tmp_path: Path) -> None:
    (tmp_path / f"{DAY}.csv").write_text("user_id,Email\na,b\n")
    source = FilesSource.model_validate(
        {
            "name": "crm",
            "type": "files",
            "start": DAY,
            "profiles": "{{Partition}}.csv",
            "columns": {"clevertapId": "user_idd"},
        }
    )
    given = source.open(Surroundings(tmp_path)).profiles(DAY, source.cadence.window_of(DAY))
    with pytest.raises(SourceUnreadable, match=r"did you mean .user_id.*Write `clevertapId: user_id` under `columns:`"):
        list(given.batches())
