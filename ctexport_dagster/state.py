"""The folders of a home's state.

<state>/lake/<source>/…                 the source's state          (lake): profiles/, events/, datasets/<dataset>/
<state>/quarantine/<source>/…           refused rows; <source>-events/ and <source>-<dataset>/ those of others
<state>/staging/<export>/<partition>/…  what one stage leaves for the next
<state>/deliveries/<export>/<partition> plans, journals and manifests of what was delivered; of a flow, below it one
                                        folder for each dataset
<state>/volumes/<export>.json           what its manifests sum up to, remembered; made anew where it is missing
<state>/versions/<export>.json          from which partition on each version of the declaration holds
<state>/versions/<export>.declared.json the declaration that last ran
<state>/versions/<flow>.datasets.json   from which partition on each dataset goes out with its flow
<state>/scratch/…                       spilled rows of a run at work; swept
"""

from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ctexport_dagster.core import asset_names
from ctexport_dagster.core.staging import StagingArea
from ctexport_dagster.lake import Lake
from ctexport_dagster.lake.datasets import DatasetLake
from ctexport_dagster.lake.events import EventLake


@dataclass(frozen=True)
class StateFolders:
    """The folders of a home's state."""

    root: Path

    def lake(self, source: str) -> Lake:
        """The lake of a source's profiles."""
        return Lake(
            source=source,
            root=self.root / "lake" / source / "profiles",
            quarantine=self.root / "quarantine" / source,
            scratch=self.root / "scratch" / source,
        )

    def event_lake(self, source: str) -> EventLake:
        """The lake of a source's events."""
        return EventLake(
            source=source,
            root=self.root / "lake" / source / "events",
            quarantine=self.root / "quarantine" / f"{source}-events",
            scratch=self.root / "scratch" / f"{source}-events",
        )

    def dataset_lake(self, source: str, dataset: str) -> DatasetLake:
        """The lake of one dataset of a source."""
        return DatasetLake(
            source=source,
            dataset=dataset,
            root=self.root / "lake" / source / "datasets" / dataset,
            quarantine=self.root / "quarantine" / f"{source}-{dataset}",
        )

    def staging(self, export: str, partition: str) -> StagingArea:
        return StagingArea(self.root / "staging" / export / partition)

    def deliveries(self, export: str) -> Path:
        return self.root / "deliveries" / export

    def volumes(self, export: str) -> Path:
        return self.root / "volumes" / f"{export}.json"

    def versions(self, export: str) -> Path:
        return self.root / "versions" / f"{export}.json"

    def declared(self, export: str) -> Path:
        return self.root / "versions" / f"{export}.declared.json"

    def first_partitions(self, export: str) -> Path:
        return self.root / "versions" / f"{export}.datasets.json"

    def lock(self, kind: str, name: str) -> FileLock:
        """The lock of one source or export on this home; taken without waiting.

        Dagster's pools keep its own runs apart; this one also keeps apart two Dagster instances and the command line.
        """
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{kind}-{name}.lock", timeout=0)

    def ingest_lock(self, source: str, content: str) -> FileLock:
        """The lock of whoever writes into the lake what a source gives: its profiles, its events or a dataset."""
        match content:
            case asset_names.PROFILES:
                return self.lock("source", source)
            case asset_names.EVENTS:
                return self.lock("events", source)
            case _:
                return self.lock(f"dataset-{source}", content)
