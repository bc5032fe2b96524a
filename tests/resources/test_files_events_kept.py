"""What files of events hold beside the plain case: nothing is dropped, made text or put under another event."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctexport_dagster.core.events.normalise import EventNormaliser, NormalisedEvents
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.files.declaration import FilesSource
from ctexport_dagster.resources.files.events_ndjson import ndjson_events

DAY = "2026-11-01"
TS = '"ts":1510185615'


def results(home: Path, source: FilesSource) -> Iterator[NormalisedEvents]:
    normaliser = EventNormaliser(source)
    given = source.open(Surroundings(home)).events(DAY, source.cadence.window_of(DAY))
    return map(normaliser.normalise, given.batches())


class Given:
    """One file of events, and what came of it."""

    def __init__(self, home: Path, name: str, content: bytes | Mapping[str, pa.Array | list[object]]) -> None:
        path = home / DAY / name
        path.parent.mkdir(parents=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            rows = max(len(column) for column in content.values())
            least = {"eventName": ["A"] * rows, "ts": [1510185615] * rows}
            pq.write_table(pa.table({**least, **content}), path)
        source = FilesSource.model_validate({"name": "app", "start": date(2026, 11, 1), "events": "{{Partition}}/*"})
        self.found = list(results(home, source))

    def values(self, column: str) -> list[object]:
        return [value for result in self.found for value in result.frame[column].to_list()]

    @property
    def refused(self) -> list[tuple[object, ...]]:
        return [row for result in self.found for row in result.quarantined.select("reason", "field").rows()]


def lines(*texts: str) -> bytes:
    return "".join(text + "\n" for text in texts).encode()


@pytest.mark.parametrize("key", ['a\\"b', "a\\\\b", "a\\nb", "a\\u0000b", "", "k0", "é"])
def test_a_key_beside_the_model_may_have_any_name(tmp_path: Path, key: str) -> None:
    path = tmp_path / "f.ndjson"
    path.write_bytes(lines(*(f'{{"eventName":"A","{key}":{number}}}' for number in range(100))))
    batches = list(ndjson_events(path, "f", {}, None, 1_000))
    assert len(batches) > 1
    assert sum(batch.frame.height for batch in batches) == 100


def test_a_line_behind_a_whole_event_that_is_a_name_names_those_that_follow(tmp_path: Path) -> None:
    content = lines("Charged", f"{{{TS}}}", "Viewed", f"{{{TS}}}", f'{{{TS},"eventName":"Own"}}', '"Left"', f"{{{TS}}}")
    told = Given(tmp_path, "a.json", content)
    assert (told.values("eventName"), told.refused) == (["Charged", "Viewed", "Own", "Left"], [])


def test_headers_name_events_however_blocks_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(b"".join(lines(f"Event {n}", *([f"{{{TS}}}"] * 5)) for n in range(30)))
    for block_bytes in (20, 50, 300):
        batches = ndjson_events(path, "f", {}, None, block_bytes)
        names = [name for batch in batches for name in batch.frame["eventName"].to_list()]
        assert names == [f"Event {n}" for n in range(30) for _ in range(5)]


def test_behind_a_broken_line_a_text_names_nothing(tmp_path: Path) -> None:
    told = Given(tmp_path, "a.json", lines("Charged", '{"x":"line', "break", 'd"}', f"{{{TS}}}"))
    assert (told.values("eventName"), told.refused) == (["Charged"], [("unreadable", None)] * 3)


def test_behind_what_may_be_a_name_or_a_part_of_an_event_nothing_is_filed_under_another_name(tmp_path: Path) -> None:
    content = lines("Charged", f"{{{TS}}}", 'the "big" sale', f"{{{TS}}}", "Viewed", f"{{{TS}}}")
    told = Given(tmp_path, "a.json", content)
    assert told.values("eventName") == ["Charged", "Viewed"]
    assert sorted(told.refused) == [("missing_value", "eventName"), ("unreadable", None)]


def test_without_a_name_on_the_first_line_no_later_one_is_taken_for_one(tmp_path: Path) -> None:
    told = Given(tmp_path, "a.json", lines(f'{{"eventName":"A",{TS}}}', "text", f"{{{TS}}}"))
    assert told.values("eventName") == ["A"]
    assert sorted(told.refused) == [("missing_value", "eventName"), ("unreadable", None)]


@pytest.mark.parametrize("header", ["[Promo] Sale", "{x", " x "])
def test_a_first_line_that_is_no_json_is_the_events_name(tmp_path: Path, header: str) -> None:
    assert Given(tmp_path, "a.json", lines("", header, f"{{{TS}}}")).values("eventName") == [header]


def test_an_identity_of_more_digits_than_can_be_read_refuses_its_row_alone(tmp_path: Path) -> None:
    told = Given(tmp_path, "a.json", lines("Charged", f'{{{TS},"identity":[{"9" * 5_000}]}}', f"{{{TS}}}"))
    assert (told.values("eventName"), told.refused) == (["Charged"], [("contradicts_type", "identity")])


@pytest.mark.req("B6")
def test_two_spellings_of_one_map_are_one_map(tmp_path: Path) -> None:
    told = Given(
        tmp_path,
        "a.json",
        lines(
            "A",
            f'{{{TS},"eventProps":{{"a":1}},"event_props":{{"b":2}}}}',
            f'{{{TS},"eventProps":{{"a":1}},"event_props":{{"a":2}}}}',
            f'{{{TS},"event_props":{{"b":2}}}}',
        ),
    )
    assert told.values("eventProps") == ['{"a":1,"b":2}', '{"b":2}']
    assert told.refused == [("duplicate_key", "eventProps")]


@pytest.mark.req("B6")
def test_a_whole_map_and_its_dotted_columns_are_one_map(tmp_path: Path) -> None:
    rows = ['"{""a"":1}",5', ",5", '"{""a"":1}",', '"{""Price"":1}",5', "[1],5"]
    content = lines("eventName,ts,event_props,event_props.Price", *(f"A,1510185615,{row}" for row in rows))
    told = Given(tmp_path, "a.csv", content)
    assert told.values("eventProps") == ['{"a":1,"Price":"5"}', '{"Price":"5"}', '{"a":1}']
    assert told.refused == [("duplicate_key", "eventProps"), ("unreadable", "eventProps")]


def test_a_struct_or_a_map_goes_together_with_dotted_columns(tmp_path: Path) -> None:
    props = pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64()))
    told = Given(
        tmp_path, "a.parquet", {"eventProps": props, "eventProps.b": [2, 3], "profile": pa.array([{"x": 1}] * 2)}
    )
    assert told.values("eventProps") == ['{"a":1,"b":2}', '{"b":3}']


def test_a_time_may_stand_under_either_spelling_whatever_its_type(tmp_path: Path) -> None:
    told = Given(tmp_path, "a.parquet", {"ts": pa.array([1510185615, None]), "eventTime": ["", "1510185616"]})
    assert [str(ts) for ts in told.values("ts")] == ["2017-11-09 00:00:15+00:00", "2017-11-09 00:00:16+00:00"]


@pytest.mark.req("P31")
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([[1, 2]]), "[1,2]"),
        (pa.array([[{"a": 1, "b": 2.5}]]), '[{"a":1,"b":2.5}]'),
        (pa.array([{"p": 1, "q": ["x"]}]), '{"p":1,"q":["x"]}'),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), '{"k":1}'),
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        (pa.array([Decimal("123456789012345678901.10")]), "123456789012345678901.10"),
        (pa.array([1.5]), "1.5"),
        (pa.array([True]), "true"),
        (pa.array(["5"]), '"5"'),
    ],
)
def test_a_dotted_column_keeps_its_types(tmp_path: Path, values: pa.Array, expected: str) -> None:
    assert Given(tmp_path, "a.parquet", {"eventProps.x": values}).values("eventProps") == [f'{{"x":{expected}}}']


@pytest.mark.req("B6")
def test_a_map_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    props = pa.array([[("a", "1"), ("a", "2")], [("a", "1")]], pa.map_(pa.string(), pa.string()))
    told = Given(tmp_path, "a.parquet", {"eventProps": props})
    assert (told.values("eventProps"), told.refused) == (['{"a":"1"}'], [("duplicate_key", "eventProps")])


def test_an_instant_that_no_calendar_of_readers_has_is_refused(tmp_path: Path) -> None:
    times = pa.array([10**18, 0], pa.timestamp("us", "UTC"))
    told = Given(tmp_path, "a.parquet", {"ts": times, "eventProps.x": [1, 2]})
    assert (told.values("eventProps"), told.refused) == (['{"x":2}'], [("contradicts_type", "ts")])
    assert isinstance(told.values("ts")[0], datetime)


def test_dimensions_of_a_device_in_columns_are_one_object(tmp_path: Path) -> None:
    device = "deviceInfo.make,deviceInfo.dimensions.width,deviceInfo.dimensions.unit"
    header = f"eventName,ts,{device},eventProps.dimensions.width"
    told = Given(tmp_path, "a.csv", lines(header, "A,1510185615,X,5,px,7", "A,1510185615,X,,,"))
    assert told.values("deviceInfo") == ['{"make":"X","dimensions":{"width":"5","unit":"px"}}', '{"make":"X"}']
    assert told.values("eventProps") == ['{"dimensions.width":"7"}', None]


def test_several_identities_in_a_cell_are_several(tmp_path: Path) -> None:
    told = Given(tmp_path, "a.csv", lines("eventName,ts,profile.identity", 'A,1510185615,"[""u1"",""u2""]"'))
    assert told.values("identity") == [["u1", "u2"]]


@pytest.mark.parametrize("flawed", [pa.array([b"\xff", b"{}"]), pa.array([5, None])])
def test_a_whole_map_that_is_none_refuses_its_row_beside_dotted_columns(tmp_path: Path, flawed: pa.Array) -> None:
    told = Given(tmp_path, "a.parquet", {"eventProps": flawed, "eventProps.b": [1, 2]})
    assert (told.values("eventProps"), told.refused) == (['{"b":2}'], [("unreadable", "eventProps")])
