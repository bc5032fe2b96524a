"""Events' files as a source of events: what each format gives back of what it was given."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from golden_events import EVERY_IDENTITY, event_format, resolved_events, written

from ctexport_dagster.core.events.normalise import EventNormaliser
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.files.declaration import FilesSource

DAY = "2026-11-01"
PROPS: Mapping[str, object] = {
    "Amount": 59.5,
    "Items": [{"Title": "Watch", "n": 1, "f": 1.5}, {"Title": "Strap"}],
    "ok": True,
    "big": 5_000_000_000,
    "digits": "5",
}
DEVICE: Mapping[str, object] = {"make": "X", "dimensions": {"width": 5, "unit": "px"}}
EVENT: Mapping[str, object] = {
    "eventName": "[Promo] Sale",
    "ts": "2026-11-01T12:00:00Z",
    "clevertapId": "a",
    "identity": ["u1", "u2"],
    "all_identities": ["u1", "u2"],
    "eventProps": PROPS,
    "deviceInfo": DEVICE,
}


def read_back(home: Path, type_: str, **options: str) -> dict[str, object]:
    content = written(
        event_format(type_, **options),
        EVERY_IDENTITY,
        resolved_events([json.dumps(EVENT, separators=(",", ":"))], EVERY_IDENTITY),
    )
    (home / f"{DAY}.{type_}").write_bytes(content)
    declared = {
        "name": "app",
        "start": date(2026, 11, 1),
        "events": f"{{{{Partition}}}}.{type_}",
        "timezone": "Asia/Kolkata",
    }
    source = FilesSource.model_validate(declared)
    normaliser = EventNormaliser(source)
    batches = source.open(Surroundings(home)).events(DAY, source.cadence.window_of(DAY)).batches()
    results = [normaliser.normalise(batch) for batch in batches]
    assert all(result.quarantined.is_empty() for result in results)
    [row] = [row for result in results for row in result.frame.rows(named=True)]
    return row


@pytest.mark.req("L8", "L9", "L11")
@pytest.mark.parametrize("style", ["clevertap", "typed"])
@pytest.mark.parametrize("type_", ["json", "csv", "parquet"])
def test_an_event_comes_back_with_its_name_instant_and_person(tmp_path: Path, type_: str, style: str) -> None:
    row = read_back(tmp_path, type_, style=style)
    assert [str(row[name]) for name in ("eventName", "ts", "clevertapId")] == [
        "[Promo] Sale",
        "2026-11-01 12:00:00+00:00",
        "a",
    ]
    assert row["identity"] == ["u1", "u2"]


@pytest.mark.req("L11", "P31")
@pytest.mark.parametrize("type_", ["json", "parquet"])
def test_properties_come_back_with_their_types_and_nesting(tmp_path: Path, type_: str) -> None:
    row = read_back(tmp_path, type_)
    assert json.loads(str(row["eventProps"])) == PROPS
    assert json.loads(str(row["deviceInfo"]))["dimensions"] == DEVICE["dimensions"]


@pytest.mark.req("P31")
@pytest.mark.parametrize(("type_", "style"), [("csv", "clevertap"), ("parquet", "typed")])
def test_flat_columns_give_dimensions_back_as_one_object(tmp_path: Path, type_: str, style: str) -> None:
    device = json.loads(str(read_back(tmp_path, type_, style=style)["deviceInfo"]))
    assert {name: str(value) for name, value in device["dimensions"].items()} == {"width": "5", "unit": "px"}
    assert device.keys() == {"make", "dimensions"}
