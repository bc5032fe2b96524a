"""Rows of an export's source that were refused and wait in the quarantine: how many, of which partition, and where.

A partition's own are told by its record in the lake. One that failed for `max_quarantined` has no record of them: its
file alone tells (lake/refused.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow.parquet as pq

from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.quarantine import RefusedCount
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.findings.outdated import LOOK_BACK
from ctexport_dagster.lake.refused import failed_files, refused_counts
from ctexport_dagster.line import Line


@dataclass(frozen=True)
class Refused:
    """The refused rows of one partition of what a source gives; `given` None where the partition failed for them."""

    input: str
    partition: str
    rows: int
    given: int | None
    file: Path

    @property
    def counts(self) -> list[RefusedCount]:
        """By reason and field, read from the file; nothing where somebody deleted it."""
        return refused_counts(self.file)


class _Tally(Protocol):
    @property
    def source(self) -> int: ...
    @property
    def quarantined(self) -> int: ...


class _Record(Protocol):
    """What is known of a partition of anything that a source gives."""

    @property
    def partition(self) -> str: ...
    @property
    def window(self) -> Interval: ...
    @property
    def rows(self) -> _Tally: ...
    @property
    def quarantine(self) -> str | None: ...


@dataclass(frozen=True)
class _Input:
    """What an export stands on: its partitions in the lake, oldest first, and where its refused rows lie."""

    part: str
    name: str
    records: Sequence[_Record]
    quarantine: Path

    def refused(self, record: _Record) -> Refused | None:
        if record.quarantine is None:
            return None
        rows, file = record.rows, self.quarantine / record.quarantine
        return Refused(self.name, record.partition, rows.quarantined, rows.source, file)


def refused_in(line: Line, partition: str) -> dict[str, tuple[Refused, ...]]:
    """What a partition of an export lacks, by the part it is of: of a flow, the dataset."""
    found: dict[str, tuple[Refused, ...]] = {}
    for one in _inputs(line):
        wanted = _partitions(line, partition, one.part)
        each = (one.refused(record) for record in one.records if record.partition in wanted)
        found[one.part] = tuple(refused for refused in each if refused)
    return found


def newest_refused(line: Line, *, most: int = LOOK_BACK) -> list[Refused]:
    """Those of the newest partitions of what the export stands on, oldest first; then of those that failed."""
    inputs, start = _inputs(line), line.cadence.first.start
    kept = [
        refused
        for one in inputs
        for record in one.records[-most:]
        if record.window.end > start and (refused := one.refused(record))
    ]
    return [*sorted(kept, key=lambda refused: refused.partition), *(gone for one in inputs for gone in _failed(one))]


def _inputs(line: Line) -> list[_Input]:
    """Without the profiles that tell whose events are: an event is delivered all the same."""
    match line:
        case DatasetLine():
            lakes = {dataset: line.dataset_lake(dataset) for dataset in line.inputs}
            return [_Input(part, lake.name, lake.view().records(), lake.quarantine) for part, lake in lakes.items()]
        case EventLine():
            events = line.event_lake
            return [_Input("", f"{events.source}/events", events.view().records(), events.quarantine)]
        case _:
            profiles = line.lake
            return [_Input("", f"{profiles.source}/profiles", profiles.view().records(), profiles.quarantine)]


def _partitions(line: Line, partition: str, part: str) -> Sequence[str]:
    """The source's partitions whose refused rows count as those of the export's."""
    match line:
        case DatasetLine():
            return line.selection(partition, part, "incremental").window
        case EventLine():
            return line.event_selection(partition).partitions
        case _:
            return line.source_partitions(line.window(partition))


def _failed(one: _Input) -> Iterator[Refused]:
    for partition, file in failed_files(one.quarantine):
        yield Refused(one.name, partition, pq.read_metadata(file).num_rows, None, file)
