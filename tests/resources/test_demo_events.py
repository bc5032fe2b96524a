"""The demo source's events: the same each time, of the demo's own people, with everything that real ones have."""

from datetime import date
from pathlib import Path

import polars as pl

from ctexport_dagster.core.events.normalise import EventNormaliser
from ctexport_dagster.core.events.source import EventInput, EventSource
from ctexport_dagster.core.normalise.normaliser import Normaliser
from ctexport_dagster.core.schema import SourceSchema
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.demo.source import DemoSource

DAY = "2026-11-19"


def declared(**settings: object) -> DemoSource:
    given = {"name": "demo", "start": date(2026, 11, 18), "profiles": 500, "daily_events": 3_000, **settings}
    return DemoSource.model_validate(given)


def opened(source: DemoSource, day: str = DAY) -> EventInput:
    return source.open(Surroundings(Path())).events(day, source.cadence.window_of(day))


def frames(source: DemoSource, day: str = DAY) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The events, the refused ones and the keys of a day."""
    normaliser = EventNormaliser(source)
    results = [normaliser.normalise(batch) for batch in opened(source, day).batches()]
    events = pl.concat([result.frame for result in results])
    return events, pl.concat([result.quarantined for result in results]), normaliser.keys.frame()


def test_there_are_as_many_as_declared_and_one_bad_one() -> None:
    events, refused, _ = frames(declared())
    assert events.height == 3_000
    assert refused["reason"].to_list() == ["missing_value"]


def test_they_are_the_same_each_time_and_others_on_another_day() -> None:
    source = declared()
    first, again, other = (frames(source, day)[0] for day in (DAY, DAY, "2026-11-20"))
    assert first.equals(again)
    assert first["eventProps"].to_list() != other["eventProps"].to_list()
    assert opened(source).fingerprint == opened(source).fingerprint != opened(source, "2026-11-20").fingerprint


def test_they_are_of_the_demos_own_people() -> None:
    source = declared()
    batches = source.open(Surroundings(Path())).profiles(DAY, source.cadence.window_of(DAY)).batches()
    normaliser = Normaliser(source, SourceSchema())
    people = pl.concat([normaliser.normalise(batch).frame.select("clevertapId") for batch in batches])
    events, _, _ = frames(source)
    known = events.join(people, on="clevertapId", how="semi")
    assert known.height > events.height * 0.95


def test_some_come_late_and_none_early() -> None:
    source = declared()
    window = source.cadence.window_of(DAY)
    instants = frames(source)[0]["ts"]
    late = int((instants < window.start).sum())
    assert 0 < late < 150
    assert bool((instants < window.end).all())


def test_one_key_holds_values_of_two_types_and_charged_holds_items() -> None:
    events, _, keys = frames(declared())
    amounts = events["eventProps"].str.extract(r'"Amount":(.)').drop_nulls()
    assert {'"'} < set(amounts)
    assert ("Charged", "eventProps", "Items") in keys.rows()
    assert events.filter(pl.col("eventName") == "Charged")["eventProps"].str.contains('"Items":[{', literal=True).all()


def test_a_demo_without_events_says_so() -> None:
    assert [declared(daily_events=count).has_events for count in (0, 1)] == [False, True]
    assert isinstance(declared().open(Surroundings(Path())), EventSource)
