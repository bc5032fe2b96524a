"""Events from a source's files to delivered ones: each once, whose it is, filed under its own day."""

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from event_home import EventHome, Row
from hypothesis import given, settings
from hypothesis import strategies as st

from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.engine import InProcess
from ctexport_dagster.stages.event_identity import persons_of, resolve_event_partition, with_persons

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


def event(number: int, name: str = "Viewed", ts: object = 20261101120000, who: str = "a", **values: object) -> Row:
    return {"eventName": name, "ts": ts, "clevertapId": who, "eventProps": {"number": number}, **values}


def numbers(home: EventHome, line: object, partition: str) -> list[int]:
    return [read["eventProps"]["number"] for read in home.delivered(line, partition).events()]


@pytest.mark.req("L1", "L8", "L14", "B1")
@pytest.mark.parametrize("format_", ["json", "csv", "xml", "parquet", {"type": "parquet", "style": "typed"}])
def test_a_partition_of_events_is_delivered_and_proven_in_every_format(tmp_path: Path, format_: object) -> None:
    home = EventHome.at(tmp_path, has_profiles=True)
    home.tell(
        DAYS[0],
        [event(n, ["Viewed", "Added to Cart", "Kategorie/öffnen 📨"][n % 3], who="abc"[n % 3]) for n in range(30)],
        [{"clevertapId": "a", "identity": "user-a", "Email": "a@example.com"}],
    )
    line = home.line(format=format_)
    outcome = home.run(line, DAYS[0])
    manifest = outcome.manifest
    assert (manifest.kind, manifest.rows.source, manifest.rows.exported, len(manifest.files)) == ("events", 30, 30, 3)
    assert manifest.rows.adds_up
    assert home.delivered(line, DAYS[0]).verify() == ()
    assert sum(1 for _ in home.delivered(line, DAYS[0]).events()) == 30
    assert home.run(line, DAYS[0]).status == "unchanged"


@pytest.mark.req("L14", "L2")
def test_the_profiles_state_at_the_partitions_end_tells_whose_an_event_is(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path, has_profiles=True)
    told = [{"clevertapId": "a", "identity": "first"}, {"clevertapId": "b", "Email": "b@example.com"}]
    home.tell(DAYS[0], [event(0), event(1, who="b"), event(2, who="c", profile={"email": "c@example.com"})], told)
    home.tell(DAYS[1], [event(3)], [{"clevertapId": "a", "identity": "second"}])
    line = home.line()
    home.run(line, DAYS[0])
    home.run(line, DAYS[1])
    first = {
        read["eventProps"]["number"]: read["profile"]["identity"] for read in home.delivered(line, DAYS[0]).events()
    }
    second = [read["profile"]["identity"] for read in home.delivered(line, DAYS[1]).events()]
    assert (first, second) == ({0: "first", 1: "b@example.com", 2: "c@example.com"}, ["second"])


@pytest.mark.req("L14", "B10")
@pytest.mark.parametrize("instances", [{}, {"instanceId": 1}])
def test_a_profile_that_names_its_instance_is_found_for_events_that_do_not(
    tmp_path: Path, instances: dict[str, object]
) -> None:
    home = EventHome.at(tmp_path, has_profiles=True, instances=3)
    people = [{"clevertapId": who, "identity": f"user-{who}", "instanceId": 1} for who in "abcdef"]
    home.tell(DAYS[0], [event(n, who=who, **instances) for n, who in enumerate("abcdef")], people)
    line = home.line()
    home.run(line, DAYS[0])
    found = {
        read["eventProps"]["number"]: read["profile"]["identity"] for read in home.delivered(line, DAYS[0]).events()
    }
    assert found == {n: f"user-{who}" for n, who in enumerate("abcdef")}


def test_a_person_is_known_in_every_slice_that_has_events_of_theirs(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path, has_profiles=True)
    people = [{"clevertapId": who, "identity": f"user-{who}"} for who in "abc"]
    home.tell(DAYS[0], [event(n, who="abc"[n % 3]) for n in range(12)], people)
    line = home.line()
    persons, schema, _ = persons_of(line, [DAYS[0]])
    [events] = line.event_lake.view().slices([DAYS[0]], 0)
    one_by_one = events.iter_slices(1)
    found = [
        (rows["clevertapId"][0], known.filter(clevertapId=rows["clevertapId"][0])["identity"].to_list())
        for rows, known in with_persons(one_by_one, persons, 0, schema)
        if known is not None
    ]
    assert len(found) == 12
    assert all(identity == [[f"user-{who}"]] for who, identity in found)


@pytest.mark.req("L3")
def test_a_one_time_export_counts_and_heads_what_its_range_can_hold(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path)
    home.tell(DAYS[0], [{**event(0), "eventProps": {"number": 0, "old": 1}}, event(1, ts="soon")])
    home.tell(DAYS[1], [{**event(2, ts=20261102120000), "eventProps": {"number": 2, "new": 1}}])
    schedule = {"every": "once", "start": DAYS[1], "range": {"from": DAYS[1], "to": DAYS[1]}}
    line = home.line(name="once", schedule=schedule, format="csv")
    manifest = home.run(line, DAYS[1]).manifest
    [read] = home.delivered(line, DAYS[1]).events()
    assert (manifest.rows.source, manifest.rows.quarantined, manifest.rows.exported) == (1, 0, 1)
    assert [name for name in read if name.startswith("eventProps.")] == ["eventProps.number", "eventProps.new"]


@pytest.mark.req("L15")
def test_edited_priorities_hold_from_the_next_run_and_change_nothing_that_was_delivered(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path, has_profiles=True)
    person = {"clevertapId": "a", "identity": "user-a", "Email": "a@example.com"}
    for number, key in enumerate(DAYS[:2]):
        home.tell(key, [event(number)], [person])
    home.run(home.line(), DAYS[0])
    edited = home.line(identity={"order": ["Email", "Identity"]})
    home.run(edited, DAYS[1])
    found = [read["profile"]["identity"] for key in DAYS[:2] for read in home.delivered(edited, key).events()]
    assert found == ["user-a", "a@example.com"]


@pytest.mark.req("L1")
def test_named_events_go_out_and_no_others(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path)
    home.tell(DAYS[0], [event(0, "Viewed"), event(1, "Charged"), event(2, "Launched")])
    line = home.line(events=["Charged", "Launched"])
    assert home.run(line, DAYS[0]).manifest.rows.exported == 2
    assert sorted(numbers(home, line, DAYS[0])) == [1, 2]


@pytest.mark.req("L6", "P32")
def test_files_are_named_by_event_and_day_and_events_of_one_path_are_kept_apart(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path)
    home.tell(DAYS[0], [event(0, "Add to"), event(1, "Add/to"), event(2, "Add to", 20261031235959)])
    line = home.line(export_id=7)
    keys = [file.key for file in home.run(line, DAYS[0]).manifest.files]
    assert len(set(keys)) == 3
    assert sum(key.startswith("7-1793577600-Add-to") for key in keys) == 3
    assert sum("-20261031-0-0.json.gz" in key for key in keys) == 1


@pytest.mark.req("L14")
def test_an_event_that_comes_late_goes_out_with_the_partition_it_arrives_in_and_is_counted(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path)
    home.tell(DAYS[0], [event(0)])
    home.tell(DAYS[1], [event(1, ts=20261101230000), event(2, ts=20261102010000)])
    line = home.line()
    home.run(line, DAYS[0])
    staged = resolve_event_partition(line, DAYS[1], engine=InProcess(), run_id="run")
    assert (staged.resolved.late, staged.resolved.rows.exported) == (1, 2)
    home.run(line, DAYS[1])
    assert (numbers(home, line, DAYS[0]), sorted(numbers(home, line, DAYS[1]))) == ([0], [1, 2])


@pytest.mark.req("B6", "B1")
def test_rows_that_cannot_be_used_are_counted_and_the_others_go_out(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path)
    home.tell(DAYS[0], [event(0), {"ts": 20261101120000, "eventProps": {}}, event(1, ts="soon")])
    manifest = home.run(home.line(), DAYS[0]).manifest
    assert (manifest.rows.source, manifest.rows.quarantined, manifest.rows.exported) == (3, 2, 1)


@pytest.mark.req("B1")
def test_a_day_without_events_has_a_manifest_and_no_file(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path)
    home.tell(DAYS[0], [])
    assert home.run(home.line(), DAYS[0]).manifest.files == ()


instants = st.sampled_from([20261031230000, 20261101000000, 20261101235959, 20261102120000, 20261103235959])
arrivals = st.lists(st.lists(instants, max_size=6), min_size=3, max_size=3)


@pytest.mark.req("L3", "L5", "L14")
@settings(max_examples=15)
@given(arrivals, st.sampled_from([("2026-11-01", "2026-11-02"), ("2026-11-02", "2026-11-02")]))
def test_all_that_arrives_goes_out_once_and_a_one_time_export_has_its_range_of_it(
    arrived: Sequence[Sequence[int]], days: tuple[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home, count = EventHome.at(Path(folder)), 0
        for key, moments in zip(DAYS, arrived, strict=True):
            home.tell(key, [event(count + place, f"e{place % 2}", ts) for place, ts in enumerate(moments)])
            count += len(moments)
        daily = home.line()
        for key in DAYS:
            home.run(daily, key)
        sent = [read for key in DAYS for read in home.delivered(daily, key).events()]
        assert Counter(read["eventProps"]["number"] for read in sent) == Counter(range(count))
        first, last = (day.replace("-", "") for day in days)
        schedule = {"every": "once", "start": DAYS[2], "range": {"from": days[0], "to": days[1]}}
        once = home.line(name="once", schedule=schedule)
        home.run(once, DAYS[2])
        expected = [read for read in sent if first <= str(read["ts"])[:8] <= last]
        got = list(home.delivered(once, DAYS[2]).events())
        assert sorted(map(json.dumps, got)) == sorted(map(json.dumps, expected))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"events": []}, "name at least one event"),
        ({"events": ["a", "a"]}, "twice: a"),
        ({"schedule": {"mode": "full"}}, "events have no full mode"),
        ({"allowed_lateness": "soon"}, "write how long as 2h or 30m"),
        ({"columns": {"communication": ["MSG-pigeon"]}}, "is none of"),
    ],
)
def test_a_mistaken_declaration_is_refused_with_what_to_write(declared: dict[str, object], message: str) -> None:
    least = {"name": "e", "owner": "a@example.com", "source": "s", "destination": "d", "account_id": 1, "format": "csv"}
    with pytest.raises(ValueError, match=message):
        EventExport.model_validate({**least, **declared})
