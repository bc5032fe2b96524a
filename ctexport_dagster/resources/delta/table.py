"""A table at one version: its columns, and the files that hold its rows, deleted ones known."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeAlias, cast
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable

from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.resources.delta.log import LoggedFile, relative_path
from ctexport_dagster.resources.delta.place import Place

_HONOURED = frozenset({"deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"})
_ESCAPED = re.compile(r"(?:\\u00[0-9A-Fa-f]{2})+")
PartitionValue: TypeAlias = str | int | float | bool | bytes | date | datetime | Decimal | None


@dataclass(frozen=True)
class DataFile:
    """Rows of the table in one Parquet file.

    `kept`: which of its rows are still there (Boolean), None for all. `change_types`: of a file of changes, the
    `_change_type`s of the rows that are meant. `is_deletion`: its rows are those that went. `spread`: the least and
    greatest value of the column that was asked for, where the log tells them of a column without nulls.
    """

    path: str
    values: Mapping[str, PartitionValue]
    rows: int
    kept: pl.Series | None = None
    change_types: tuple[str, ...] = ()
    is_deletion: bool = False
    spread: tuple[object, object] | None = None

    @property
    def fingerprint(self) -> str:
        """Changes when the file's rows do: a file itself is never written twice."""
        deletions = "" if self.kept is None else hashlib.sha256(self.kept.to_numpy().tobytes()).hexdigest()
        return json.dumps([self.path, deletions, self.change_types, self.is_deletion])


@dataclass(frozen=True)
class TableVersion:
    """A table as it stood at one version."""

    place: Place
    id: str
    version: int
    arrow: pa.Schema
    schema: pl.Schema
    partitioned_by: tuple[str, ...]
    configuration: Mapping[str, str]
    table: DeltaTable

    @staticmethod
    def of(place: Place, version: int) -> "TableVersion":
        """The table at a version.

        Raises:
            SourceMissing, SourceUnreadable: as `Place.opened`; or it has a feature that changes what its files mean.
        """
        table = place.opened(version)
        with place.reading():
            metadata = table.metadata()
            _refuse_unknown_features(table, place)
            arrow = pa.schema(table.schema().to_arrow())  # pyright: ignore[reportArgumentType]  (an Arrow capsule)
        dtypes = cast("pl.DataFrame", pl.from_arrow(arrow.empty_table())).dtypes
        schema = pl.Schema(zip(arrow.names, dtypes, strict=True))  # a column called "" would get another name
        partitioned_by = tuple(metadata.partition_columns)
        return TableVersion(
            place, str(metadata.id), version, arrow, schema, partitioned_by, metadata.configuration, table
        )

    def files(self, spread_of: str | None = None) -> list[DataFile]:
        """The files that make up the table, in the order of their names."""
        with self.place.reading():
            actions = pa.table(self.table.get_add_actions(flatten=False))  # pyright: ignore[reportArgumentType]
            deletions = list(self._deletions())
        files = [self._data_file(row, spread_of) for row in _rows(actions, spread_of)]
        kept = _by_path(deletions, files)
        matched = [replace(file, kept=kept.get(file.path)) for file in files]
        if len(kept) != len(deletions):
            what = "its deletion vectors don't belong to its files"
            raise SourceUnreadable(self.place.attempted, what, "Run `REORG TABLE … APPLY (PURGE)` on it.")
        return sorted(matched, key=lambda file: file.path)

    def logged(self, file: LoggedFile) -> DataFile:
        """A file of a commit, its partition's values in the types of their columns."""
        dtypes = self.schema
        values = {name: _value(text, dtypes[name]) for name, text in file.values.items() if name in dtypes}
        return DataFile(file.path, values, max(1, file.bytes // 100))

    def _data_file(self, row: Mapping[str, object], spread_of: str | None) -> DataFile:
        path = relative_path(str(row["path"]))
        if "://" in path or path.startswith("/"):
            what = "it has files outside of its own folder, as a shallow clone does"
            raise SourceUnreadable(self.place.attempted, what, "Name the table that it was cloned from, or deepen it.")
        given = cast("Mapping[str, PartitionValue]", row.get("partition") or {})
        values = {name: _bytes(value.decode()) if isinstance(value, bytes) else value for name, value in given.items()}
        rows = row["num_records"]
        estimate = rows if isinstance(rows, int) else cast("int", row["size_bytes"]) // 100
        return DataFile(path, values, estimate, spread=_spread(row, spread_of))

    def _deletions(self) -> Iterator[tuple[str, pl.Series]]:
        """The rows that are still there, by the file's whole URL."""
        if "deletionVectors" not in (self.table.protocol().reader_features or ()):
            return
        for batch in pa.RecordBatchReader.from_stream(self.table.deletion_vectors()):
            for url, kept in zip(batch.column(0).to_pylist(), batch.column(1), strict=True):
                yield unquote(url), cast("pl.Series", pl.from_arrow(kept.values))


def _refuse_unknown_features(table: DeltaTable, place: Place) -> None:
    """What would give wrong rows if it were passed over is refused, whatever the version says."""
    protocol = table.protocol()
    unknown = sorted({*(protocol.reader_features or ())} - _HONOURED)
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        unknown = sorted({*unknown, "columnMapping"})
    if unknown:
        what = f"the table {place.name} uses {', '.join(unknown)}, which ctexport can't read"
        fix = "Write a copy without it, as CREATE TABLE … AS SELECT with its table properties left at their defaults."
        raise SourceUnreadable(place.attempted, what, fix)


def _rows(actions: pa.Table, spread_of: str | None) -> list[dict[str, object]]:
    """The listing's rows with as many of its columns as are needed: a wide table has thousands of statistics."""
    told = {name: pa.array(actions.column(name)) for name in ("path", "size_bytes", "num_records")}
    if "partition" in actions.column_names:
        told["partition"] = actions.column("partition")
    for name in ("min", "max", "null_count"):
        has_it = name in actions.column_names and spread_of in [field.name for field in actions.schema.field(name).type]
        if spread_of is not None and has_it:
            told[name] = pa.chunked_array([chunk.field(spread_of) for chunk in actions.column(name).chunks])
    return pa.table(told).to_pylist()


def _spread(row: Mapping[str, object], column: str | None) -> tuple[object, object] | None:
    if column is None or row.get("null_count") != 0 or row.get("min") is None or row.get("max") is None:
        return None
    return row["min"], row["max"]


def _by_path(deletions: Sequence[tuple[str, pl.Series]], files: Sequence[DataFile]) -> Mapping[str, pl.Series]:
    """What is kept of each file; the deletions name it by its whole URL."""
    of_name: dict[str, list[str]] = {}
    for file in files:
        of_name.setdefault(file.path.rpartition("/")[2], []).append(file.path)
    found = ((url, of_name.get(url.rpartition("/")[2], ()), kept) for url, kept in deletions)
    return {path: kept for url, paths, kept in found for path in paths if url.endswith(f"/{path}")}


def _bytes(text: str) -> bytes:
    """A binary value out of the log's text: each byte escaped, as the protocol and delta-rs have it, else UTF-8."""
    if _ESCAPED.fullmatch(text):
        return bytes.fromhex(text.replace("\\u00", ""))
    return text.encode()


def _value(text: str | None, dtype: pl.DataType) -> PartitionValue:
    """A partition's value out of the log's text. Source: the Delta protocol, Partition Value Serialization."""
    if text is None or text == "":
        return None
    match dtype:
        case pl.Boolean():
            return text == "true"
        case pl.Date():
            return date.fromisoformat(text)
        case pl.Datetime():
            instant = datetime.fromisoformat(text)
            return instant.replace(tzinfo=instant.tzinfo or UTC) if dtype.time_zone else instant
        case pl.Decimal():
            return Decimal(text)
        case pl.Binary():
            return _bytes(text)
        case _ if dtype.is_integer():
            return int(text)
        case _ if dtype.is_float():
            return float(text)
        case _:
            return text
