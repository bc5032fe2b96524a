"""The manifest: the document, written last of all, that says what one partition of one export consists of."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from ctexport_dagster.core.interval import Interval

Mode = Literal["full", "incremental"]


@dataclass(frozen=True)
class RowCounts:
    """What became of the rows: source = unchanged + superseded + quarantined + exported; tombstones stand apart.

    `source` counts, in an increment, the living rows that the source gave in the window; in a full partition, the
    living profiles of the state at the window's end plus the rows quarantined in the window. Source: REQUIREMENTS B1.
    """

    source: int
    unchanged: int
    superseded: int
    quarantined: int
    exported: int
    tombstones: int

    @property
    def adds_up(self) -> bool:
        return self.source == self.unchanged + self.superseded + self.quarantined + self.exported


@dataclass(frozen=True)
class ManifestFile:
    """One delivered file: its key, rows, bytes as delivered and their sha256 (hex)."""

    key: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ManifestColumn:
    """One column as the file shows it: its header, the type's name, and what it comes from in the model."""

    name: str
    type: str
    source: str


@dataclass(frozen=True)
class Manifest:
    """Everything that a consumer needs to trust one partition. Source: REQUIREMENTS B1."""

    export: str
    export_id: int
    configuration_version: str
    kind: str
    partition: str
    window: Interval
    generation: int
    supersedes: int | None
    run_id: str
    mode: Mode
    format: dict[str, object]
    fingerprint: str
    columns: tuple[ManifestColumn, ...]
    files: tuple[ManifestFile, ...]
    rows: RowCounts
    lake_version: int
    upstream_runs: tuple[str, ...]

    def to_json(self) -> str:
        """The document's text: keys in the contract's order, two spaces, a final line break."""
        document = {
            "export": self.export,
            "export_id": self.export_id,
            "configuration_version": self.configuration_version,
            "kind": self.kind,
            "partition": self.partition,
            "window": {"start": _stamp(self.window.start), "end": _stamp(self.window.end)},
            "generation": self.generation,
            "supersedes": self.supersedes,
            "run_id": self.run_id,
            "mode": self.mode,
            "format": self.format,
            "schema": {"fingerprint": self.fingerprint, "columns": [asdict(column) for column in self.columns]},
            "files": [asdict(file) for file in self.files],
            "rows": asdict(self.rows),
            "lake_version": self.lake_version,
            "upstream_runs": list(self.upstream_runs),
        }
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> "Manifest":
        """The manifest that `to_json` wrote; keys that it doesn't know are left alone.

        Raises:
            ValueError: the text is no manifest.
        """
        try:
            document = json.loads(text)
            window = document["window"]
            return Manifest(
                export=document["export"],
                export_id=document["export_id"],
                configuration_version=document["configuration_version"],
                kind=document["kind"],
                partition=document["partition"],
                window=Interval(datetime.fromisoformat(window["start"]), datetime.fromisoformat(window["end"])),
                generation=document["generation"],
                supersedes=document["supersedes"],
                run_id=document["run_id"],
                mode=document["mode"],
                format=document["format"],
                fingerprint=document["schema"]["fingerprint"],
                columns=tuple(ManifestColumn(**column) for column in document["schema"]["columns"]),
                files=tuple(ManifestFile(**file) for file in document["files"]),
                rows=RowCounts(**document["rows"]),
                lake_version=document["lake_version"],
                upstream_runs=tuple(document["upstream_runs"]),
            )
        except (KeyError, TypeError, json.JSONDecodeError) as problem:
            raise ValueError(f"not a manifest: {problem!r}") from problem


def _stamp(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
