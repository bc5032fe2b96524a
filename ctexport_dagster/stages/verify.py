"""Proves a delivered partition where it lies: manifest, bytes, checksums and rows, one file at a time on our disk."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ctexport_dagster.core.delivery.record import Generation
from ctexport_dagster.core.destination import Readable
from ctexport_dagster.core.manifest import ManifestFile
from ctexport_dagster.reader.verify import FileProblem, checksum_problem, contradictions, file_problem


@dataclass(frozen=True)
class Verified:
    """What was read back of one generation, and everything that isn't as promised."""

    generation: int
    files: int
    bytes: int
    rows: int
    problems: tuple[FileProblem, ...]


def verify_generation(delivered: Generation, destination: Readable, scratch: Path) -> Verified:
    """Reads every file of a delivered generation back; `scratch` holds one of them at a time.

    Raises:
        DeliveryError: reading isn't allowed, or failed.
    """
    manifest, problems = delivered.manifest, list[FileProblem]()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        place = Path(folder) / "file"
        told = _manifest_problem(delivered, destination, place)
        problems += [told] if told else []
        for file in manifest.files:
            _fetch(destination, file.key, place)
            found = file_problem(manifest, file, place)
            problems += [found] if found else []
    return Verified(
        generation=manifest.generation,
        files=len(manifest.files),
        bytes=manifest.bytes,
        rows=sum(file.rows for file in manifest.files),
        problems=(*problems, *contradictions(manifest)),
    )


def _manifest_problem(delivered: Generation, destination: Readable, place: Path) -> FileProblem | None:
    """Whether the manifest lies there as it was sent; it is told by bytes alone."""
    planned = delivered.plan.manifest
    _fetch(destination, planned.key, place)
    expected = ManifestFile(key=planned.key, rows=0, bytes=planned.bytes, sha256=planned.sha256)
    return checksum_problem(expected, place)


def _fetch(destination: Readable, key: str, place: Path) -> None:
    """Copies a file to our disk; nothing lies at `place` afterwards if nothing lies there."""
    place.unlink(missing_ok=True)
    try:
        with place.open("wb") as file:
            for block in destination.read(key):
                file.write(block)
    except FileNotFoundError:
        place.unlink()
