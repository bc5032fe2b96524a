"""The manifest: the document, written last of all, that says what one partition of one export consists of."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Literal

from pydantic import AliasPath, AwareDatetime, BaseModel, Field, ValidationError

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


@dataclass(frozen=True, kw_only=True)
class ManifestHead:
    """What a manifest says of its partition before the delivery is planned: everything but files and generation.

    `format` holds JSON values alone. `dataset` is the one that the manifest is of, where an export has several;
    `too_old` counts its rows that were left out for their age. `scheduled` is the run's instant, in manifests that also
    have the keys of Adobe's. Source: REQUIREMENTS A8, A9.
    """

    export: str
    export_id: int
    configuration_version: str
    kind: str
    partition: str
    window: Interval
    run_id: str
    mode: Mode
    format: Mapping[str, object]
    fingerprint: str
    columns: tuple[ManifestColumn, ...]
    rows: RowCounts
    lake_version: int
    upstream_runs: tuple[str, ...]
    dataset: str | None = None
    too_old: int = 0
    scheduled: datetime | None = None

    def manifest(self, files: Iterable[ManifestFile], *, generation: int, supersedes: int | None) -> "Manifest":
        """The manifest of one generation."""
        mine = {field.name: getattr(self, field.name) for field in fields(ManifestHead)}
        return Manifest(**mine, generation=generation, supersedes=supersedes, files=tuple(files))


@dataclass(frozen=True, kw_only=True)
class Manifest(ManifestHead):
    """Everything that a consumer needs to trust one partition. Source: REQUIREMENTS B1."""

    generation: int
    supersedes: int | None
    files: tuple[ManifestFile, ...]

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(file.bytes for file in self.files)

    def tells_the_same_as(self, other: "Manifest") -> bool:
        """Whether a consumer finds the same rows in the same files, whichever run, edit or generation said so."""
        return _without_provenance(self) == _without_provenance(other)

    def to_json(self) -> str:
        """The document's text: keys in the contract's order, two spaces, a final line break."""
        document = {
            "export": self.export,
            "export_id": self.export_id,
            **({"dataset": self.dataset} if self.dataset else {}),
            "configuration_version": self.configuration_version,
            "kind": self.kind,
            "partition": self.partition,
            "window": {"start": _stamp(self.window.start), "end": _stamp(self.window.end)},
            "generation": self.generation,
            "supersedes": self.supersedes,
            "run_id": self.run_id,
            "mode": self.mode,
            "format": dict(self.format),
            "schema": {"fingerprint": self.fingerprint, "columns": [asdict(column) for column in self.columns]},
            "files": [asdict(file) for file in self.files],
            "rows": {**asdict(self.rows), **({"too_old": self.too_old} if self.too_old else {})},
            "lake_version": self.lake_version,
            "upstream_runs": list(self.upstream_runs),
            **(_adobe_keys(self, self.scheduled) if self.scheduled else {}),
        }
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> "Manifest":
        """The manifest that `to_json` wrote; keys that it doesn't know are left alone, at every depth.

        Raises:
            ValueError: the text is no manifest; the message names what is wrong, never a value.
        """
        try:
            document = _Document.model_validate_json(text)
        except ValidationError as problem:
            first = problem.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"not a manifest: {place + ': ' if place else ''}{first['msg']}") from None
        return document.manifest()


def _adobe_keys(manifest: Manifest, scheduled: datetime) -> dict[str, object]:
    """What readers of Adobe's manifests look for: each file's folder, name and size."""
    files = [(file.key.rpartition("/"), file.bytes) for file in manifest.files]
    return {
        "flowRunId": manifest.run_id,
        "scheduledTime": _stamp(scheduled),
        "exportResults": [{"sinkPath": folder, "name": name, "size": size} for (folder, _, name), size in files],
    }


def _without_provenance(manifest: Manifest) -> Manifest:
    """The format goes through JSON, where a tuple and a list are the same."""
    return replace(
        manifest,
        configuration_version="",
        generation=0,
        supersedes=None,
        run_id="",
        format=json.loads(json.dumps(manifest.format)),
        lake_version=0,
        upstream_runs=(),
    )


class _Window(BaseModel):
    start: AwareDatetime
    end: AwareDatetime


class _Schema(BaseModel):
    fingerprint: str
    columns: tuple[ManifestColumn, ...]


class _Document(BaseModel):
    """The document's shape, for reading; unknown keys are ignored, so that later versions may add some."""

    export: str
    export_id: int
    configuration_version: str
    kind: str
    partition: str
    window: _Window
    generation: int
    supersedes: int | None
    run_id: str
    mode: Mode
    format: dict[str, object]
    schema_: _Schema = Field(alias="schema")
    files: tuple[ManifestFile, ...]
    rows: RowCounts
    lake_version: int
    upstream_runs: tuple[str, ...]
    dataset: str | None = None
    too_old: int = Field(default=0, validation_alias=AliasPath("rows", "too_old"))
    scheduled: AwareDatetime | None = Field(default=None, alias="scheduledTime")

    def manifest(self) -> Manifest:
        """Raises: ValueError: the window ends before it starts."""
        return Manifest(
            export=self.export,
            export_id=self.export_id,
            configuration_version=self.configuration_version,
            kind=self.kind,
            partition=self.partition,
            window=Interval(self.window.start, self.window.end),
            generation=self.generation,
            supersedes=self.supersedes,
            run_id=self.run_id,
            mode=self.mode,
            format=self.format,
            fingerprint=self.schema_.fingerprint,
            columns=self.schema_.columns,
            files=self.files,
            rows=self.rows,
            lake_version=self.lake_version,
            upstream_runs=self.upstream_runs,
            dataset=self.dataset,
            too_old=self.too_old,
            scheduled=self.scheduled,
        )


def _stamp(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
