"""Events out of files: what three formats give, what they refuse, and that nothing is lost or changed on the way."""

import gzip
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable
from ctexport_dagster.core.events.normalise import EventNormaliser
from ctexport_dagster.core.events.source import EventInput, EventSource
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.files.declaration import FilesSource
from ctexport_dagster.resources.files.events_ndjson import ndjson_events

DAY = "2026-11-01"
GOLDENS = Path(__file__).parents[1] / "goldens" / "event_sources"
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "json_cells.csv": {"columns": {"clevertapId": "who", "ts": "happened", "eventName": "what"}},
    "dotted.csv": {"types": {"eventProps.Price": "float64"}},
}


def declared(events: str = "{{Partition}}/*", **settings: object) -> FilesSource:
    return FilesSource.model_validate({"name": "app", "start": date(2026, 11, 1), "events": events, **settings})


def opened(home: Path, source: FilesSource) -> EventInput:
    return source.open(Surroundings(home)).events(DAY, source.cadence.window_of(DAY))


def place(home: Path, name: str, content: bytes) -> Path:
    path = home / DAY / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def read(home: Path, source: FilesSource) -> tuple[list[dict[str, object]], list[tuple[object, ...]]]:
    """Every event with what it has, and (id, reason, field, place) of every row refused."""
    normaliser = EventNormaliser(source)
    results = [normaliser.normalise(batch) for batch in opened(home, source).batches()]
    events = [row for result in results for row in result.frame.iter_rows(named=True)]
    lost = [row for result in results for row in result.quarantined.select(*LOST).rows()]
    return [_told(event) for event in events], lost


LOST = ("clevertapId", "reason", "field", "place")


def _told(event: dict[str, object]) -> dict[str, object]:
    hidden = ("h", "instance")
    return {name: str(v) if name == "ts" else v for name, v in event.items() if v is not None and name not in hidden}


@pytest.mark.req("L8", "L9", "B9")
@pytest.mark.parametrize(
    "path", sorted(path for path in GOLDENS.iterdir() if path.suffix != ".expected"), ids=lambda path: path.name
)
def test_goldens(tmp_path: Path, path: Path) -> None:
    place(tmp_path, path.name, path.read_bytes())
    events, lost = read(tmp_path, declared(**SETTINGS.get(path.name, {})))
    expected = json.loads((GOLDENS / f"{path.name}.expected").read_text())
    assert expected["events"] == events
    assert expected["refused"] == [list(row) for row in lost]


def test_files_are_events_of_one_partition_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b", "a"):
        place(tmp_path, f"{name}.ndjson", f'{{"eventName":"{name}","ts":1510185615}}'.encode())
    events, _ = read(tmp_path, declared())
    assert [event["eventName"] for event in events] == ["a", "b"]
    assert opened(tmp_path, declared()).places == (f"{DAY}/a.ndjson", f"{DAY}/b.ndjson")


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{Partition}}/{{Event-name}}.ndjson", "Charged.ndjson"),
        ("{{partition}}/{{event-name}}/*.ndjson", "Charged/1.ndjson"),
        ("{{Partition}}/**/{{Event-name}}-[0-9].*", "x/y/Charged-1.ndjson"),
        ("{{Partition}}/app-{{Event-name}}-?.ndjson", "app-Charged-7.ndjson"),
    ],
)
def test_the_path_names_events_that_dont(tmp_path: Path, template: str, name: str) -> None:
    place(tmp_path, name, b'{"ts":1510185615}\n{"ts":1510185615,"eventName":"Own"}')
    events, _ = read(tmp_path, declared(template))
    assert [event["eventName"] for event in events] == ["Charged", "Own"]


def test_a_csv_file_may_be_named_by_its_path(tmp_path: Path) -> None:
    place(tmp_path, "Charged.csv", b"ts,eventProps.a\n1510185615,1\n")
    events, _ = read(tmp_path, declared("{{Partition}}/{{Event-name}}.csv"))
    assert [event["eventName"] for event in events] == ["Charged"]


def test_declared_columns_rename_keys(tmp_path: Path) -> None:
    place(tmp_path, "a.ndjson", b'{"user_id":"x","name":"N","when":1510185615,"clevertapId":"other","props":{"a":1}}')
    columns = {"clevertapId": "user_id", "eventName": "name", "ts": "when", "eventProps": "props"}
    [event], _ = read(tmp_path, declared(columns=columns))
    assert (event["clevertapId"], event["eventName"], event["eventProps"]) == ("x", "N", '{"a":1}')


def test_parquet_maps_structs_and_texts_become_objects(tmp_path: Path) -> None:
    union = pa.struct([("member0", pa.bool_()), ("member1", pa.int32()), ("member5", pa.string())])
    table = pa.table(
        {
            "eventName": pa.array(["Charged"]).dictionary_encode(),
            "eventTime": ["1510185615"],
            "identity": pa.array(
                [[("clevertapId", {"member5": "a"}), ("identity", {"member5": "u1"})]], pa.map_(pa.string(), union)
            ),
            "eventProps": pa.array([[("CT SDK Version", {"member1": 5})]], pa.map_(pa.string(), union)),
            "deviceInfo": pa.array([{"make": "m", "model": None}]),
            "profile": ['{"x": 1}'],
        }
    )
    pq.write_table(table, place(tmp_path, "a.parquet", b""))
    [event], _ = read(tmp_path, declared())
    assert event == {
        "clevertapId": "a",
        "identity": ["u1"],
        "eventName": "Charged",
        "ts": "2017-11-09 00:00:15+00:00",
        "profile": '{"x":1}',
        "deviceInfo": '{"make":"m"}',
        "eventProps": '{"CT SDK Version":5}',
        "seq": 0,
    }


def test_parquet_that_isnt_utf8_or_finite_is_refused_row_by_row(tmp_path: Path) -> None:
    props = pa.array([{"a": 1.5}, {"a": float("nan")}])
    names = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"AB")]
    )
    pq.write_table(
        pa.table({"eventName": names, "ts": [1510185615] * 2, "eventProps": props}), place(tmp_path, "a.parquet", b"")
    )
    events, lost = read(tmp_path, declared())
    assert [event["eventProps"] for event in events] == ['{"a":1.5}']
    assert lost == [(None, "not_finite", "eventProps", f"{DAY}/a.parquet:1")]


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_rows_that_hold_nothing_of_the_model_are_refused_one_by_one(tmp_path: Path, name: str) -> None:
    place(tmp_path, name, b"x\n1\n2\n" if name.endswith("csv") else b'{"x":1}\n{"x":2}\n')
    events, lost = read(tmp_path, declared())
    assert (events, [row[1:3] for row in lost]) == ([], [("missing_value", "eventName")] * 2)


def test_a_typed_cell_that_contradicts_its_type_refuses_its_row_alone(tmp_path: Path) -> None:
    place(tmp_path, "a.csv", b"ts,eventName,clevertapId,eventProps.n\n1510185615,A,x,1\n1510185615,A,y,one\n")
    events, lost = read(tmp_path, declared(types={"eventProps.n": "integer"}))
    assert [event["eventProps"] for event in events] == ['{"n":1}']
    assert lost == [("y", "contradicts_type", "eventProps.n", f"{DAY}/a.csv:3")]


def test_a_file_that_is_one_array_cant_be_read(tmp_path: Path) -> None:
    place(tmp_path, "a.ndjson", b'[{"eventName":"A"}]')
    with pytest.raises(SourceUnreadable, match="one JSON array"):
        read(tmp_path, declared())


def test_a_missing_file_is_told_with_the_path_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=rf"no file matches {tmp_path}/{DAY}/\*\.csv"):
        opened(tmp_path, declared("{{Partition}}/{{Event-name}}.csv"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"events": "data/all.ndjson"}, "write {{Partition}}"),
        ({"events": "{{Partition}}/{{Day}}"}, "{{Day}} is no variable"),
        ({"profiles": "{{Partition}}/{{Event-name}}"}, "{{Event-name}} is no variable"),
        ({}, "write `profiles:`, `events:` or `datasets:`"),
    ],
)
def test_paths_are_checked_when_declared(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FilesSource.model_validate({"name": "app", "start": date(2026, 11, 1), **settings})


def test_a_source_says_what_it_has() -> None:
    events = declared()
    both = declared(profiles="{{Partition}}.csv")
    assert [(source.has_profiles, source.has_events) for source in (events, both)] == [(False, True), (True, True)]
    assert isinstance(events.open(Surroundings(Path())), EventSource)


def test_profiles_of_a_source_of_events_are_missing(tmp_path: Path) -> None:
    source = declared()
    with pytest.raises(SourceMissing, match="Add `profiles:`"):
        source.open(Surroundings(tmp_path)).profiles(DAY, source.cadence.window_of(DAY))


def test_the_fingerprint_changes_with_the_content_alone(tmp_path: Path) -> None:
    path = place(tmp_path, "a.ndjson", b'{"a":1}')
    first = opened(tmp_path, declared()).fingerprint
    path.touch()
    assert opened(tmp_path, declared()).fingerprint == first
    path.write_bytes(b'{"a":2}')
    assert opened(tmp_path, declared()).fingerprint != first


def test_the_folders_before_the_first_variable_must_exist(tmp_path: Path) -> None:
    source = declared("data/events/{{Partition}}/*.ndjson")
    assert source.check(tmp_path) == (
        f"events: {tmp_path}/data/events is no folder that can be read; make it, or mend the path",
    )
    (tmp_path / "data" / "events").mkdir(parents=True)
    assert source.check(tmp_path) == ()


TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
GOOD = st.fixed_dictionaries(
    {
        "eventName": st.sampled_from(["A", 'q"\\', "é🛒"]),
        "ts": st.just(1510185615),
        "eventProps": st.dictionaries(TEXTS, VALUES, max_size=3),
    },
    optional={"clevertapId": st.sampled_from(["a", "b\\"]), "extra": VALUES, "deviceInfo": st.just({"make": "m"})},
)
BAD = st.sampled_from(
    [b"{", b"nonsense", b'{"ts":1,"ts":2}', b'{"eventName":"\xff"}', b'{"eventProps":{"a":NaN}}', b"{}{}"]
)
LINES = st.lists(
    st.builds(
        lambda row, loose: json.dumps(row, separators=None if loose else (",", ":")).encode(), GOOD, st.booleans()
    )
    | st.builds(lambda row: json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode(), GOOD)
    | BAD,
    max_size=8,
)


@examples(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=LINES,
    block_bytes=st.sampled_from([40, 200, 2_000]),
    ending=st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    is_packed=st.booleans(),
)
def test_every_good_line_comes_out_equal_and_every_other_one_is_refused_however_blocks_are_cut(
    tmp_path: Path, lines: list[bytes], block_bytes: int, ending: bytes, *, is_packed: bool
) -> None:
    content = ending.join([b"{}", *lines])
    path = tmp_path / ("f.ndjson.gz" if is_packed else "f.ndjson")
    path.write_bytes(gzip.compress(content) if is_packed else content)
    normaliser = EventNormaliser(declared())
    results = [normaliser.normalise(batch) for batch in ndjson_events(path, "f", {}, None, block_bytes)]
    found = [
        (row["eventName"], json.loads(row["eventProps"] or "{}"), row["clevertapId"], row["deviceInfo"])
        for result in results
        for row in result.frame.iter_rows(named=True)
    ]
    expected = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if "eventName" in row:
            device = '{"make":"m"}' if "deviceInfo" in row else None
            expected.append((row["eventName"], row["eventProps"], row.get("clevertapId"), device))
    assert json.dumps(found) == json.dumps(expected)
    assert sum(result.quarantined.height for result in results) == 1 + len(lines) - len(expected)


def test_numbers_of_lines_are_those_of_the_file(tmp_path: Path) -> None:
    lines = [b"Header", b"", b'{"ts":1510185615}', b"{broken", b'{"ts":"x"}']
    place(tmp_path, "a.ndjson", b"\n".join(lines))
    _, lost = read(tmp_path, declared())
    assert sorted(str(row[-1]) for row in lost) == [f"{DAY}/a.ndjson:4", f"{DAY}/a.ndjson:5"]


def test_text_that_looks_like_many_keys_stays_readable(tmp_path: Path) -> None:
    rows = [json.dumps({"eventName": "A", "ts": 1510185615, f"key {number}": number}) for number in range(400)]
    path = tmp_path / "f.ndjson"
    path.write_text("\n".join(rows))
    assert (
        pl.concat(batch.frame.select("eventName") for batch in ndjson_events(path, "f", {}, None, 2_000)).height == 400
    )
