"""Proves a delivery: every file of a manifest is there, with the bytes, the checksum and the rows that it promises."""

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ctexport_dagster.core.counted import counted
from ctexport_dagster.core.manifest import Manifest, ManifestFile
from ctexport_dagster.reader.datasets import read_dataset
from ctexport_dagster.reader.events import read_events
from ctexport_dagster.reader.rows import read_rows

ProblemKind = Literal["missing", "size", "checksum", "unreadable", "rows"]


@dataclass(frozen=True)
class FileProblem:
    """One thing that isn't as promised; `key` is empty where the manifest contradicts itself."""

    kind: ProblemKind
    key: str
    promised: str
    found: str

    def __str__(self) -> str:
        return f"{self.key or 'the manifest'}: {self.kind}: promised {self.promised}, found {self.found}"


def verify_delivery(manifest: Manifest, folder: Path) -> tuple[FileProblem, ...]:
    """Every problem, in the manifest's order; empty when all is as promised.

    `folder` is what keys are relative to. Rows are read and counted only where the checksum holds.
    """
    found = [problem for file in manifest.files if (problem := file_problem(manifest, file, folder / file.key))]
    return (*found, *contradictions(manifest))


def contradictions(manifest: Manifest) -> tuple[FileProblem, ...]:
    """Where the manifest's own numbers don't add up."""
    total = sum(file.rows for file in manifest.files)
    if total == manifest.rows.exported:
        return ()
    return (FileProblem("rows", "", counted(manifest.rows.exported, "row"), f"{counted(total, 'row')} in its files"),)


def checksum_problem(file: ManifestFile, path: Path) -> FileProblem | None:
    """Whether a file is missing or has other bytes than its manifest promises."""
    if size_problem := missing_or_wrong_size(file, path):
        return size_problem
    with path.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    return None if sha256 == file.sha256 else FileProblem("checksum", file.key, file.sha256, sha256)


def missing_or_wrong_size(file: ManifestFile, path: Path) -> FileProblem | None:
    """What can be seen without reading the file."""
    if not path.is_file():
        return FileProblem("missing", file.key, counted(file.bytes, "byte"), "no such file")
    size = path.stat().st_size
    if size == file.bytes:
        return None
    return FileProblem("size", file.key, counted(file.bytes, "byte"), counted(size, "byte"))


def _records(manifest: Manifest, path: Path) -> Iterator[Mapping[str, object]]:
    """What a file holds, one by one."""
    match manifest.kind:
        case "events":
            return read_events(manifest, path)
        case "datasets":
            return read_dataset(manifest, path)
        case _:
            return read_rows(manifest, path)


def file_problem(manifest: Manifest, file: ManifestFile, path: Path) -> FileProblem | None:
    """What isn't as promised in one file: its size, checksum, or rows."""
    if wrong_bytes := checksum_problem(file, path):
        return wrong_bytes
    try:
        rows = sum(1 for _ in _records(manifest, path))
    except (ValueError, OSError, EOFError, SyntaxError, zlib.error) as error:
        return FileProblem("unreadable", file.key, counted(file.rows, "row"), type(error).__name__)
    return None if rows == file.rows else FileProblem("rows", file.key, counted(file.rows, "row"), counted(rows, "row"))
