"""A tiny home with one source of NDJSON events, and profiles if given, whose events are exported to a folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ctexport_dagster.core.delivery.protocol import DeliveryOutcome
from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.engine import InProcess
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.lake.events import EventRecord
from ctexport_dagster.reader import Partition, open_delivery
from ctexport_dagster.resources.files.declaration import FilesSource
from ctexport_dagster.resources.local import LocalDestination
from ctexport_dagster.stages.delivery import deliver_partition
from ctexport_dagster.stages.event_identity import resolve_event_partition
from ctexport_dagster.stages.event_staging import stage_event_chunks
from ctexport_dagster.stages.events import ingest_event_partition
from ctexport_dagster.stages.profiles import ingest_partition
from ctexport_dagster.state import StateFolders

Row = Mapping[str, object]


@dataclass(frozen=True)
class EventHome:
    """A home under `root`; what the source gives lies in `data/`."""

    root: Path
    source: FilesSource

    @staticmethod
    def at(root: Path, *, has_profiles: bool = False, **declared: object) -> "EventHome":
        profiles = {"profiles": "data/profiles-{{Partition}}.ndjson"} if has_profiles else {}
        source = FilesSource.model_validate(
            {
                "name": "shop",
                "type": "files",
                "events": "data/events-{{Partition}}.ndjson",
                "start": "2026-11-01",
                "max_deleted": 1,
                **profiles,
                **declared,
            }
        )
        (root / "data").mkdir(parents=True)
        return EventHome(root, source)

    @property
    def folders(self) -> StateFolders:
        return StateFolders(self.root / "state")

    def tell(self, partition: str, events: Sequence[Row], profiles: Sequence[Row] = ()) -> EventRecord:
        """Puts the partition's files there and takes them in."""
        for kind, rows in (("events", events), ("profiles", profiles)):
            path = self.root / "data" / f"{kind}-{partition}.ndjson"
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        opened = self.source.open(Surroundings(self.root))
        if self.source.has_profiles:
            ingest_partition(self.source, opened, partition, folders=self.folders, run_id="in")
        return ingest_event_partition(self.source, opened, partition, folders=self.folders, run_id="in")

    def line(self, **declared: object) -> EventLine:
        least = {"owner": "a@example.com", "source": "shop", "destination": "disk", "account_id": 1, "format": "json"}
        export = EventExport.model_validate({"name": "events", **least, **declared})
        return EventLine(export, self.source, self.folders)

    def run(self, line: EventLine, partition: str) -> DeliveryOutcome:
        """The three stages of the export, one after the other."""
        resolve_event_partition(line, partition, engine=InProcess(), run_id="run")
        stage_event_chunks(line, partition, engine=InProcess(), run_id="run")
        folder = f"exports/{line.name}"
        destination = LocalDestination(type="local", name="disk", folder=folder).open(Surroundings(self.root))
        return deliver_partition(line, partition, destination, run_id="run")

    def delivered(self, line: EventLine, partition: str) -> Partition:
        return open_delivery(self.root / "exports" / line.name).partition(partition)
