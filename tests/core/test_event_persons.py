"""Whose an event is: the profile's state where it is known, else what the event itself says."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from zlib import crc32
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.events.columns import plan_event_columns
from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.events.model import EVENT_COLUMNS
from ctexport_dagster.core.events.preview import event_preview
from ctexport_dagster.core.events.resolve import resolve_events, resolved_event_schema
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType

UTC_ZONE = ZoneInfo("UTC")
SCHEMA = SourceSchema(
    (
        Field("property", "Email", ValueType.STRING),
        Field("property", "crm_id", ValueType.INTEGER),
        Field("preference", "MSG-push", ValueType.BOOLEAN),
    )
)


def export(**declared: object) -> EventExport:
    return EventExport.model_validate(
        {
            "name": "events",
            "owner": "a@example.com",
            "source": "crm",
            "destination": "disk",
            "account_id": 1,
            "format": "json",
            **declared,
        }
    )


def event(clevertap_id: str | None = "a", **values: object) -> dict[str, object]:
    return {
        "h": crc32((clevertap_id or "").encode()),
        "instance": 0,
        "clevertapId": clevertap_id,
        "eventName": "Charged",
        "ts": datetime(2026, 11, 1, 20, tzinfo=UTC),
        "seq": 0,
        **values,
    }


def events(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([{**dict.fromkeys(EVENT_COLUMNS), **row} for row in rows], schema=EVENT_COLUMNS)


def profile(clevertap_id: str, **values: object) -> dict[str, object]:
    return {"h": crc32(clevertap_id.encode()), "clevertapId": clevertap_id, "deleted": False, **values}


def profiles(*rows: dict[str, object]) -> pl.DataFrame:
    schema = KEY_COLUMNS | {field.column: field.type.dtype for field in SCHEMA.fields}
    return pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)


def resolved(
    given_events: pl.DataFrame, known: pl.DataFrame | None, declared: EventExport, zone: ZoneInfo = UTC_ZONE
) -> pl.DataFrame:
    schema = SCHEMA if known is not None else SourceSchema(())
    return resolve_events(given_events, known, declared, plan_event_columns(declared, schema), schema, zone)


@pytest.mark.req("L14")
def test_the_identity_of_an_event_is_the_profiles_by_the_exports_priorities() -> None:
    known = profiles(profile("a", identity=["user-1", "user-2"], **{SCHEMA.fields[0].column: "a@example.com"}))
    told = resolved(events(event("a", identity=["from-the-event"])), known, export())
    assert told["identity"].to_list() == ["user-1"]
    by_mail = export(identity={"order": ["Email", "Identity"], "all_identities": True})
    told = resolved(events(event("a")), known, by_mail)
    assert told.select("identity", "all_identities").rows() == [
        ("a@example.com", ["user-1", "user-2", "a@example.com"])
    ]


@pytest.mark.req("L14", "L2")
def test_where_no_profile_is_known_the_events_own_map_tells_the_identity() -> None:
    own = json.dumps({"email": "own@example.com", "phone": "+15550100", "crm_id": 7})
    given_events = events(event("b", profile=own), event("c", identity=["event-7"], profile=own), event(None))
    told = resolved(given_events, profiles(profile("a")), export(identity={"order": ["Identity", "crm_id", "Email"]}))
    assert told["identity"].to_list() == ["7", "event-7", ""]


@pytest.mark.req("L14")
def test_a_source_without_profiles_tells_identities_by_its_events_alone() -> None:
    declared = export(identity={"values": "all"}, columns={"communication": ["MSG-push", "subscriptionGroups"]})
    own = json.dumps({"Email": "own@example.com", "MSG-push": True, "subscriptionGroups": {"news": "Subscribed"}})
    told = resolved(events(event("b", identity=["i"], profile=own)), None, declared)
    assert told.select("identity", "MSG-push", "subscriptionGroups").rows() == [
        (["i", "own@example.com"], True, '{"news":"Subscribed"}')
    ]


@pytest.mark.req("L14")
def test_preferences_are_the_profiles_state_and_keep_its_type() -> None:
    declared = export(columns={"communication": ["MSG-push"]})
    known = profiles(profile("a", **{Field("preference", "MSG-push", ValueType.BOOLEAN).column: True}))
    own = json.dumps({"MSG-push": False})
    told = resolved(events(event("a", profile=own), event("b", profile=own), event("c")), known, declared)
    assert told["MSG-push"].to_list() == [True, False, None]


@pytest.mark.req("P31")
def test_a_preference_that_no_profile_has_had_is_a_flag() -> None:
    declared = export(columns={"communication": ["MSG-sms"]})
    maps = [json.dumps({"MSG-sms": value}) for value in (True, "false", "perhaps")]
    own = events(event("a"), *(event(name, profile=told) for name, told in zip("bcd", maps, strict=True)))
    assert resolved(own, profiles(profile("a")), declared)["MSG-sms"].to_list() == [None, True, False, None]


@pytest.mark.req("P13")
@pytest.mark.parametrize(("values", "expected"), [("single", "a@x"), ("all", ["a@x", "b@x", "7"])])
def test_of_an_identifier_in_a_list_single_takes_the_first_and_all_take_each(values: str, expected: object) -> None:
    own = json.dumps({"email": [None, " ", "a@x", "b@x", {"no": "id"}], "phone": 7})
    declared = export(identity={"order": ["Email", "Phone"], "values": values})
    assert resolved(events(event("b", profile=own)), None, declared)["identity"].to_list() == [expected]


def test_a_whole_float_identifies_as_its_digits() -> None:
    own = events(event("b", profile='{"phone":9.19812345678e11}'))
    assert resolved(own, None, export(identity={"order": ["Phone"]}))["identity"].to_list() == ["919812345678"]


def test_an_object_identifies_nobody() -> None:
    own = json.dumps({"email": {"a": "x"}, "Email": "a@x"})
    assert (
        resolved(events(event("b", profile=own)), None, export(identity={"order": ["Email"]}))["identity"][0] == "a@x"
    )


@pytest.mark.parametrize("name", ['crm"id', "crm\\id", "crm\nid", "class"])
def test_an_identifier_may_have_any_name(name: str) -> None:
    own = events(event("b", profile=json.dumps({name: "x"})))
    assert resolved(own, None, export(identity={"order": [name]}))["identity"].to_list() == ["x"]


def test_an_event_is_filed_under_its_own_day_in_the_exports_zone() -> None:
    told = resolved(events(event("a")), profiles(profile("a")), export(), ZoneInfo("Asia/Kolkata"))
    assert told["day"].to_list() == [date(2026, 11, 2)]


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=20), st.sets(st.sampled_from("abcdef")))
def test_every_event_comes_out_once_in_its_place_with_its_own_persons_identity(
    ids: Sequence[str], known: set[str]
) -> None:
    given_events = events(*(event(id_, identity=[f"own-{id_}"], seq=place) for place, id_ in enumerate(ids)))
    state = profiles(*(profile(id_, identity=[f"state-{id_}"]) for id_ in sorted(known)))
    told = resolved(given_events, state, export())
    assert told["clevertapId"].to_list() == list(ids)
    assert told["identity"].to_list() == [f"{'state' if id_ in known else 'own'}-{id_}" for id_ in ids]


def test_the_resolved_frame_has_the_plans_columns_and_the_events_own() -> None:
    declared = export(identity={"all_identities": True}, columns={"communication": "all"})
    told = resolved(events(event("a")), profiles(profile("a")), declared)
    assert dict(told.schema) == resolved_event_schema(plan_event_columns(declared, SCHEMA))


def test_the_preview_masks_persons_and_shows_no_value_of_a_property() -> None:
    own = json.dumps({"Secret plan": "kumquat", **{f"k{n}": n for n in range(9)}})
    given_events = events(event("zanzibar", identity=["quokka"], eventProps=own))
    declared = export()
    plan = plan_event_columns(declared, SourceSchema(()))
    table = event_preview(resolved(given_events, None, declared), plan, declared.identity.order)
    assert "Secret plan" in table
    assert "… 2 more" in table
    assert not any(value in table for value in ("kumquat", "zanzibar", "quokka"))
