"""The files source: profiles in Parquet, NDJSON or CSV files, one set of files a partition."""

import glob
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never, get_args

from pydantic import field_validator

from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import ProfileInput, RawBatch, Source, SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.files.bytes import content_hash, unreadable
from ctexport_dagster.resources.files.csv import csv_batches
from ctexport_dagster.resources.files.ndjson import ndjson_batches
from ctexport_dagster.resources.files.parquet import parquet_batches, parquet_row_count

FileFormat = Literal["parquet", "ndjson", "csv"]

_READING = 1
"""Raise it when the same files come to be read differently: it stands in the fingerprint."""
_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_EXTENSIONS: dict[str, FileFormat] = {
    ".parquet": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
}
_ROW_BYTES = 300
_GZIP_RATIO = 6


class FilesSource(SourceDeclaration):
    """Declares files of profiles on a disk that this machine can read."""

    type: Literal["files"] = "files"
    profiles: str
    """A path, relative to the home, with `{{Partition}}`; `*`, `?`, `[…]` and `**` match several files."""
    format: Literal["auto", FileFormat] = "auto"
    """`auto`: by the file's extension, `.gz` aside."""

    @field_validator("profiles")
    @classmethod
    def _names_the_partition(cls, template: str) -> str:
        variables = _VARIABLE.findall(template)
        unknown = [name for name in variables if name.lower() != "partition"]
        if unknown:
            raise ValueError(
                f"{{{{{unknown[0]}}}}} is no variable of a source's path; {{{{Partition}}}} is the only one"
            )
        if not variables:
            raise ValueError("write {{Partition}} where the partition's key stands, as in data/{{Partition}}.parquet")
        return template

    def open(self, surroundings: Surroundings) -> Source:
        """The source; nothing is read yet."""
        return Files(self, surroundings.home)

    def check(self, home_root: Path) -> tuple[str, ...]:
        """What stands in the way of reading it, in sentences: the folder before the first variable must exist."""
        fixed = re.split(r"\{\{|[*?\[]", self.profiles, maxsplit=1)[0]
        folder = (home_root / fixed).parent if not fixed.endswith("/") else home_root / fixed
        return () if folder.is_dir() else (f"{folder} is no folder that can be read",)


@dataclass(frozen=True)
class Files:
    """Files of profiles, as a `Source`."""

    declaration: FilesSource
    home_root: Path

    def profiles(self, partition: str, window: Interval) -> ProfileInput:
        """The files of one partition, in the order of their names.

        An empty file is a partition without rows. Formats are told before anything is read.

        Raises:
            SourceMissing: no file matches the path.
            SourceUnreadable: a file's format can't be told.
        """
        paths = self._paths(partition)
        formats: dict[Path, FileFormat] = {path: self._format_of(path) for path in paths}
        return ProfileInput(
            fingerprint=self._fingerprint(paths),
            places=tuple(self._name_of(path) for path in paths),
            batches=lambda: self._batches(formats),
            row_estimate=sum(_row_estimate(path, kind) for path, kind in formats.items()),
        )

    def _paths(self, partition: str) -> list[Path]:
        template = self.declaration.profiles
        path = _VARIABLE.sub(lambda _: glob.escape(partition), template)
        pattern = path if Path(path).is_absolute() else f"{glob.escape(str(self.home_root))}/{path}"
        found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
        files = [path for path in found if path.is_file()]
        if not files:
            raise SourceMissing(
                f"Looking for the profiles of {self.declaration.name} for {partition}",
                f"no file matches {pattern}",
                "Put the partition's file there, or mend `profiles:` in the source's declaration.",
            )
        return files

    def _format_of(self, path: Path) -> FileFormat:
        declared = self.declaration.format
        if declared != "auto":
            return declared
        plain = path.with_suffix("") if path.suffix in (".gz", ".gzip") else path
        known = _EXTENSIONS.get(plain.suffix.lower())
        if known is None:
            raise SourceUnreadable(
                f"Reading {path}",
                f"its name ends in none of {', '.join(_EXTENSIONS)}",
                f"Write `format:` into the declaration of {self.declaration.name}: {', '.join(get_args(FileFormat))}.",
            )
        return known

    def _name_of(self, path: Path) -> str:
        return str(path.relative_to(self.home_root)) if path.is_relative_to(self.home_root) else str(path)

    def _fingerprint(self, paths: list[Path]) -> str:
        contents = [[self._name_of(path), content_hash(path)] for path in paths]
        shape = self.declaration.model_dump(mode="json", include={"format", "columns", "types", "timezone", "mode"})
        return hashlib.sha256(json.dumps([_READING, contents, shape], sort_keys=True).encode()).hexdigest()

    def _batches(self, formats: dict[Path, FileFormat]) -> Iterator[RawBatch]:
        for path, kind in formats.items():
            for batch in self._read(path, kind):
                yield _in_the_model(batch, self.declaration.columns, path, needs_id=kind != "ndjson")

    def _read(self, path: Path, kind: FileFormat) -> Iterator[RawBatch]:
        origin = self._name_of(path)
        match kind:
            case "parquet":
                return parquet_batches(path, origin)
            case "ndjson":
                names = self.declaration.columns
                return ndjson_batches(path, origin, {names.get(n, n) for n in ("device", "subscriptionGroups")})
            case "csv":
                return csv_batches(path, origin)
            case _:
                assert_never(kind)


def _in_the_model(batch: RawBatch, columns: dict[str, str], path: Path, *, needs_id: bool) -> RawBatch:
    """The batch with its columns named as in the model: `columns` maps model names to the file's."""
    names = {given: model for model, given in columns.items()}
    further = {name for variants in batch.variants.values() for name in variants}
    renamed = {name: names.get(name, name) for name in batch.frame.columns if name not in further}
    taken: dict[str, str] = {}
    for given, model in renamed.items():
        if model in taken:
            why = f"its columns {taken[model]!r} and {given!r} would both become {model!r} by `columns:`"
            raise unreadable(path, why)
        taken[model] = given
    if needs_id and "clevertapId" not in taken:
        raise unreadable(path, f"it has no column {columns.get('clevertapId', 'clevertapId')!r} for the clevertapId")
    variants = {renamed[name]: further for name, further in batch.variants.items()}
    return RawBatch(batch.frame.rename(renamed), batch.unreadable, batch.origin, batch.numbers, variants)


def _row_estimate(path: Path, kind: FileFormat) -> int:
    if kind == "parquet":
        return parquet_row_count(path)
    ratio = _GZIP_RATIO if path.suffix in (".gz", ".gzip") else 1
    return path.stat().st_size * ratio // _ROW_BYTES
