"""Databases as sources of events."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import DAYS, execute, opened, rows_of, window

from ctexport_dagster.core.errors import SourceMissing
from ctexport_dagster.core.events.source import EventSource

pytestmark = pytest.mark.xdist_group("postgres")  # one server for all of them

WINDOWED = "SELECT * FROM events WHERE arrived >= :start AND arrived < :end ORDER BY arrived"


@pytest.fixture
def events(postgres_url: str) -> Iterator[str]:
    execute(
        postgres_url,
        'CREATE TABLE events (arrived timestamptz, "eventName" text, ts timestamptz, "clevertapId" text,'
        ' "eventProps" jsonb, "profile.plan" text)',
        "INSERT INTO events VALUES ('2026-11-18T10:00Z', 'Charged', '2026-11-17T23:00Z', 'a',"
        ' \'{"Amount": 0.1000000000000000055, "Items": [{"sku": "é"}]}\', \'gold\')',
        "INSERT INTO events VALUES ('2026-11-19T00:00Z', 'Viewed', '2026-11-18T23:59Z', 'b', NULL, NULL)",
    )
    yield postgres_url
    execute(postgres_url, "DROP TABLE events")


@pytest.mark.req("B9")
def test_events_are_those_that_arrived_in_the_window(events: str) -> None:
    source = opened(events, events=WINDOWED)
    assert isinstance(source, EventSource)
    told = [[row["eventName"] for row in rows_of(list(source.events(day, window(day)).batches()))] for day in DAYS]
    assert told == [["Charged"], ["Viewed"], []]
    assert (source.declaration.has_events, source.declaration.has_profiles) == (True, False)


def test_maps_come_as_texts_with_every_digit_and_dotted_columns_are_put_together(events: str) -> None:
    (row,) = rows_of(list(opened(events, events=WINDOWED).events(DAYS[0], window(DAYS[0])).batches()))
    assert row["eventProps"] == '{"Items": [{"sku": "é"}], "Amount": 0.1000000000000000055}'
    assert row["profile"] == '{"plan":"gold"}'


@pytest.mark.req("P25")
def test_the_fingerprint_is_that_of_the_rows(events: str) -> None:
    source = opened(events, events=WINDOWED)
    before = [source.events(day, window(day)).fingerprint for day in DAYS]
    execute(events, "INSERT INTO events VALUES ('2026-11-19T10:00Z', 'New', '2026-11-18T23:59Z', 'b', NULL, NULL)")
    after = [source.events(day, window(day)).fingerprint for day in DAYS]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_a_column_of_several_types_becomes_text(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/crm.db"
    execute(
        url,
        'CREATE TABLE events ("eventName" text, ts, "eventProps.size")',
        "INSERT INTO events VALUES ('a', 1, 5), ('b', 2, 'XL'), ('c', 3, 0.5)",
    )
    told = rows_of(list(opened(url, events="SELECT * FROM events").events(DAYS[0], window(DAYS[0])).batches()))
    assert [row["eventProps"] for row in told] == ['{"size":"5"}', '{"size":"XL"}', '{"size":"0.5"}']


def test_what_isnt_declared_is_missing(tmp_path: Path) -> None:
    source = opened(f"sqlite:///{tmp_path}/crm.db", events="SELECT 1 AS ts")
    with pytest.raises(SourceMissing, match="Add `profiles:`"):
        source.profiles(DAYS[0], window(DAYS[0]))
