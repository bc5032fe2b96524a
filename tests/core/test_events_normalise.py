"""Raw events brought to the event model."""

from collections.abc import Mapping, Sequence
from datetime import date
from zlib import crc32

import polars as pl
import pytest

from ctexport_dagster.core.events.model import EVENT_COLUMNS
from ctexport_dagster.core.events.normalise import EventNormaliser, NormalisedEvents
from ctexport_dagster.core.events.source import RawEvents
from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA
from ctexport_dagster.resources.files.declaration import FilesSource

GOOD: Mapping[str, object] = {"eventName": "Viewed", "ts": "20261101120000"}


def normalised(*rows: Mapping[str, object], instances: int = 1) -> NormalisedEvents:
    """The rows, each with a name and an instant if it says nothing else, as one batch."""
    given = [{**GOOD, **row} for row in rows]
    names = list(dict.fromkeys(name for row in given for name in row))
    frame = pl.DataFrame([pl.Series(name, [row.get(name) for row in given]) for name in names])
    numbers = pl.int_range(1, len(given) + 1, dtype=pl.UInt64, eager=True)
    declaration = FilesSource(name="app", events="{{Partition}}", start=date(2026, 11, 1), instances=instances)
    return EventNormaliser(declaration).normalise(RawEvents(frame, origin="f", numbers=numbers))


def values(name: str, *rows: Mapping[str, object]) -> list[object]:
    found = normalised(*rows)
    assert found.quarantined.is_empty()
    return found.frame[name].to_list()


def refusals(*rows: Mapping[str, object]) -> list[tuple[object, ...]]:
    return normalised(*rows).quarantined.select("reason", "field", "place").rows()


def test_the_frame_has_the_columns_of_the_model_whatever_the_source_has() -> None:
    assert dict(normalised({}).frame.schema) == EVENT_COLUMNS
    assert dict(normalised({"name": ""}).quarantined.schema) == QUARANTINE_SCHEMA


@pytest.mark.parametrize(
    "row",
    [
        {"clevertapId": "x", "objectId": "y", "profile": '{"objectId":"z"}'},
        {"clevertapId": " ", "objectId": "x", "profile": '{"objectId":"z"}'},
        {"profile": '{"objectId":"x","clevertapId":"z"}'},
        {"profile": '{"objectId":"","clevertapId":"x"}'},
        {"clevertapId": None, "objectId": None, "profile": '{"clevertapId":"x"}'},
    ],
)
def test_the_id_is_the_first_of_those_that_an_event_may_tell(row: Mapping[str, object]) -> None:
    assert values("clevertapId", row) == ["x"]


def test_ids_may_be_numbers() -> None:
    assert values("clevertapId", {"profile": '{"objectId":12}'}) == ["12"]
    assert values("clevertapId", {"clevertapId": 12}) == ["12"]


@pytest.mark.req("L14")
def test_an_event_without_an_id_is_kept() -> None:
    assert normalised({"profile": '{"email":"a@b"}'}).frame.select("h", "instance", "clevertapId").rows() == [
        (0, 0, None)
    ]


def test_h_and_instance_are_those_of_profiles() -> None:
    frame = normalised({"clevertapId": "é"}, {"clevertapId": "b"}, instances=7).frame
    hashes = [crc32(name.encode()) for name in ("é", "b")]
    assert frame.select("h", "instance").rows() == [(number, number % 7) for number in hashes]
    assert values("instance", {"clevertapId": "a", "instanceId": 5}) == [5]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"identity": "u1", "profile": '{"identity":"u2"}'}, ["u1"]),
        ({"identity": '["u1","u2"]'}, ["u1", "u2"]),
        ({"identity": ["u1", ""]}, ["u1"]),
        ({"profile": '{"identity":["u1",7,null,""]}'}, ["u1", "7"]),
        ({"profile": '{"identity":7}'}, ["7"]),
        ({"profile": '{"identity":""}'}, None),
        ({}, None),
    ],
)
def test_identity_values(row: Mapping[str, object], expected: Sequence[str] | None) -> None:
    assert values("identity", row) == [expected]


def test_single_and_several_identities_of_one_batch() -> None:
    rows = [{"profile": text} for text in ('{"identity":"a"}', '{"identity":["b","c"]}', '{"identity":[""]}', "{}")]
    assert values("identity", *rows) == [["a"], ["b", "c"], None, None]


@pytest.mark.req("B6")
@pytest.mark.parametrize(
    ("row", "reason", "field"),
    [
        ({"eventName": None}, "missing_value", "eventName"),
        ({"eventName": " "}, "missing_value", "eventName"),
        ({"eventName": 5}, "contradicts_type", "eventName"),
        ({"eventName": b"\xff"}, "invalid_text", "eventName"),
        ({"ts": None}, "missing_value", "ts"),
        ({"ts": ""}, "missing_value", "ts"),
        ({"ts": "soon"}, "contradicts_type", "ts"),
        ({"ts": True}, "contradicts_type", "ts"),
        ({"clevertapId": b"\xff"}, "invalid_text", "clevertapId"),
        ({"clevertapId": 1.5}, "contradicts_type", "clevertapId"),
        ({"profile": '{"objectId":[1]}'}, "contradicts_type", "profile.objectId"),
        ({"profile": '{"identity":{"a":1}}'}, "contradicts_type", "profile.identity"),
        ({"profile": '{"identity":[1.5]}'}, "contradicts_type", "profile.identity"),
        ({"eventProps": 5}, "contradicts_type", "eventProps"),
        ({"eventProps": b'{"a":"\xff"}'}, "invalid_text", "eventProps"),
        ({"sessionProps": '{"a":1,"a":1}'}, "duplicate_key", "sessionProps"),
        ({"deviceInfo": '{"a":NaN}'}, "not_finite", "deviceInfo"),
        ({"controlGroupName": 5}, "contradicts_type", "controlGroupName"),
        ({"instanceId": 5000}, "contradicts_type", "instanceId"),
    ],
)
def test_what_cant_be_used_is_refused_with_reason_and_field(row: Mapping[str, object], reason: str, field: str) -> None:
    found = normalised(row)
    assert found.frame.is_empty()
    assert found.quarantined.select("reason", "field", "place").rows() == [(reason, field, "f:1")]


def test_the_others_go_on_and_keep_their_numbers() -> None:
    found = normalised({"clevertapId": "a"}, {"ts": "soon", "clevertapId": "b"}, {"clevertapId": "c"})
    assert found.frame.select("clevertapId", "seq").rows() == [("a", 0), ("c", 2)]
    assert found.quarantined["clevertapId"].to_list() == ["b"]


def test_refused_events_teach_no_keys() -> None:
    declaration = FilesSource(name="app", events="{{Partition}}", start=date(2026, 11, 1))
    normaliser = EventNormaliser(declaration)
    frame = pl.DataFrame({**GOOD, "eventProps": ['{"bad":1,"bad":1}', '{"b":1,"a":null}', '{"c":1}']})
    normaliser.normalise(RawEvents(frame.with_columns(eventName=pl.Series(["x", "y", "x"]))))
    assert normaliser.keys.frame().rows() == [
        ("y", "eventProps", "b"),
        ("y", "eventProps", "a"),
        ("x", "eventProps", "c"),
    ]


def test_text_may_come_as_bytes_or_categories() -> None:
    frame = pl.DataFrame(
        {
            "eventName": pl.Series(["Viewed"], dtype=pl.Categorical),
            "ts": [b"20261101120000"],
            "eventProps": [b'{"a":1}'],
        }
    )
    declaration = FilesSource(name="app", events="{{Partition}}", start=date(2026, 11, 1))
    found = EventNormaliser(declaration).normalise(RawEvents(frame)).frame
    assert found.select("eventName", "eventProps").row(0) == ("Viewed", '{"a":1}')


def test_a_list_that_is_text_gives_the_same_identities_as_a_list() -> None:
    maps = ['{"identity":"[\\"u1\\", \\"u2\\"]"}', '{"identity":["u1","u2"]}', '{"identity":"[\\"broken"}']
    assert values("identity", *({"profile": told} for told in maps)) == [["u1", "u2"], ["u1", "u2"], ['["broken']]
