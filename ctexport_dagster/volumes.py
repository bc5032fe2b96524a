"""How many bytes were delivered in a calendar year, by export: read from the manifests in a home's state.

<state>/volumes/<export>.json   what each partition's manifests said when they were last read

A partition is read again when its folder, or that of one of its datasets, has changed since: a home with years of
deliveries answers at once. The time of a delivery is that of its manifest in the state. Of a flow the datasets' own
manifests count, not the receipts that sum them up: those tell again of what was delivered before, and come last.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ctexport_dagster.core.atomic import write_bytes
from ctexport_dagster.core.entitlement import Entitlement, Usage, year_of
from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.state import StateFolders

_SETTLED_NS = 2 * 10**9
"""A folder that changed so lately may change again within the same tick of the file system's clock."""


class _Partition(BaseModel):
    """What a partition's manifests said: bytes by the year of their delivery, and the folders' newest time then.

    `unread`: how many of them couldn't be read. They aren't counted, and are looked at again each time.
    """

    model_config = ConfigDict(frozen=True)

    changed_ns: int
    bytes_by_year: dict[int, int]
    unread: int = 0


class _Known(BaseModel):
    """All that is known of an export, by partition."""

    partitions: dict[str, _Partition] = Field(default_factory=dict)


UsageAt: TypeAlias = Callable[[datetime], Usage | None]
"""The volume of the year in which an instant lies, beside what is allowed; None where no entitlement is declared."""


def nothing_is_counted(_now: datetime) -> Usage | None:
    """A home that declares no entitlement."""
    return None


def usage_of(folders: StateFolders, entitlement: Entitlement | None) -> UsageAt:
    """How a home's volume is counted."""
    if entitlement is None:
        return nothing_is_counted

    def usage_at(now: datetime) -> Usage:
        year = year_of(now)
        found = _found(folders)
        uncounted = sum(read.unread for partitions in found.values() for read in partitions)
        return Usage(year, entitlement.allowed_bytes, _in_year(found, year), uncounted)

    return usage_at


def delivered_bytes(folders: StateFolders, year: int) -> dict[str, int]:
    """The bytes of every generation delivered in a year, by export; exports that are declared no more count as well."""
    return _in_year(_found(folders), year)


def _in_year(found: Mapping[str, Sequence[_Partition]], year: int) -> dict[str, int]:
    totals = {name: sum(read.bytes_by_year.get(year, 0) for read in partitions) for name, partitions in found.items()}
    return {name: total for name, total in totals.items() if total}


def _found(folders: StateFolders) -> dict[str, list[_Partition]]:
    """What the manifests of every export say."""
    root = folders.deliveries("")
    exports = sorted(folder.name for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
    return {export: _found_of(folders, export) for export in exports}


def _found_of(folders: StateFolders, export: str) -> list[_Partition]:
    path = folders.volumes(export)
    before = _known(path)
    found = dict(_partitions(folders.deliveries(export), before))
    since = time.time_ns() - _SETTLED_NS
    settled = {name: read for name, read in found.items() if read.changed_ns < since and not read.unread}
    if settled != before.partitions:
        with suppress(OSError):  # who may only read the state gets the same answer, later
            write_bytes(path, _Known(partitions=settled).model_dump_json().encode())
    return list(found.values())


def _known(path: Path) -> _Known:
    """Nothing, where another version of ctexport wrote the file."""
    try:
        return _Known.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return _Known()


def _partitions(deliveries: Path, known: _Known) -> Iterator[tuple[str, _Partition]]:
    with os.scandir(deliveries) as entries:
        for folder in sorted(entries, key=lambda entry: entry.name):
            if not folder.is_dir():
                continue
            folders = [Path(folder.path), *_subfolders(folder.path)]
            changed_ns = max(path.stat().st_mtime_ns for path in folders)
            read = known.partitions.get(folder.name)
            if read is None or read.changed_ns != changed_ns:
                read = _read(folders[1:] or folders, changed_ns)
            yield folder.name, read


def _subfolders(record: str) -> list[Path]:
    """Those of a flow's datasets; there are none for exports of other kinds."""
    with os.scandir(record) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir())


def _read(records: Sequence[Path], changed_ns: int) -> _Partition:
    bytes_by_year: dict[int, int] = {}
    unread = 0
    for path in sorted(path for record in records for path in record.glob("manifest-g*.json")):
        year = year_of(datetime.fromtimestamp(path.stat().st_mtime, UTC))
        try:
            delivered = Manifest.from_json(path.read_text(encoding="utf-8")).bytes
        except (OSError, ValueError):  # what was delivered stays delivered, whoever can't count it
            unread += 1
        else:
            bytes_by_year[year] = bytes_by_year.get(year, 0) + delivered
    return _Partition(changed_ns=changed_ns, bytes_by_year=bytes_by_year, unread=unread)
