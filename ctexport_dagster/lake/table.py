"""A Delta table of a source: which files make it up, and how one partition's files replace older ones at once.

Delta is the commit log alone: data files are written and read by our own code. Three traps, all seen with deltalake
1.6: two writers of one partition both commit unless they carry the same application transaction; a commit never
widens the table's schema by itself, and readers then don't see the new columns; and a writer that adds a column makes
every other one in flight fail, which then only needs to look again and repeat.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction, CommitProperties, RemoveAction, Transaction
from typing_extensions import TypeVar

from ctexport_dagster.core.errors import ConcurrentWrite
from ctexport_dagster.core.schema import Field
from ctexport_dagster.lake.files import DataFile, Place, make_durable, stored_columns
from ctexport_dagster.lake.newest import Newest
from ctexport_dagster.lake.record import History, PartitionRecord

_PARTITIONED_BY = ["partition", "kind", "instance"]
_CONFIGURATION = {"delta.checkpointInterval": "100", "delta.dataSkippingStatsColumns": "h"}
_TRIES = 20

H = TypeVar("H", default=History)
"""The records of a table's partitions, folded into what its readers need."""


@dataclass(frozen=True)
class StoredFile:
    """A committed file; `path` is relative to the table's root."""

    path: str
    kind: str
    partition: str
    instance: int
    rows: int
    bytes: int
    first: int

    @property
    def lineage(self) -> str:
        """Of a base: the lineage of the history that it was folded from."""
        return Path(self.path).name.split("-")[1]


@dataclass(frozen=True)
class Listing(Generic[H]):
    """The table at one version; `version` is -1 before the first commit."""

    version: int
    files: tuple[StoredFile, ...]
    history: H

    def of_kind(self, kind: str, partition: str) -> tuple[StoredFile, ...]:
        return tuple(file for file in self.files if file.kind == kind and file.partition == partition)

    @property
    def bases(self) -> tuple[StoredFile, ...]:
        return tuple(file for file in self.files if file.kind == "base")


@dataclass(frozen=True)
class Replacement:
    """What one commit does: these files come, those go; `transaction` marks the partition's new generation."""

    adds: tuple[DataFile, ...]
    removes: tuple[StoredFile, ...]
    fields: tuple[Field, ...] = ()
    transaction: tuple[str, int] | None = None


@dataclass(frozen=True)
class LakeTable(ABC, Generic[H]):
    """The Delta table at `root`; `source` and what it holds (`content`) name it in messages.

    Each partition's newest commit has a file of kind `record` among its own.
    """

    root: Path
    source: str

    content: ClassVar[str]
    columns: ClassVar[dict[str, pl.DataType]]
    """Those that every data file has; `partition`, `kind` and `instance` stand in none."""
    _newest: ClassVar[Newest[Any]] = Newest()

    @abstractmethod
    def _history(self, records: Iterable[str]) -> H:
        """What the records say together, each given as its JSON text."""

    def listing(self, version: int | None = None) -> Listing[H]:
        """The table as it stands, or stood at a version."""
        if known := self._newest.find(self.root, version):
            return known
        try:
            table = DeltaTable(self.root, version=version)
        except TableNotFoundError:
            return Listing(-1, (), self._history(()))
        listing = self._listing(table)
        if version is None:
            self._newest.keep(self.root, listing)
        return listing

    def commit(self, plan: Callable[[Listing[H]], Replacement]) -> int:
        """Makes a replacement real, or leaves the table alone; returns the version.

        `plan` sees the newest listing, and is asked again where another commit came in between.

        Raises:
            ConcurrentWrite: others kept committing; whatever `plan` raises.
        """
        if not DeltaTable.is_deltatable(str(self.root)):
            self._create()
        for _ in range(_TRIES):
            table = DeltaTable(self.root)
            replacement = plan(self._listing(table))
            try:
                if self._add_columns(table, replacement.fields):
                    continue
                return self._write(table, replacement)
            except CommitFailedError:
                continue
        raise ConcurrentWrite(
            f"Committing to {self.source}/{self.content}",
            f"other writers came first {_TRIES} times in a row",
            "Run the partition again; nothing was changed.",
        )

    def write_record(self, record: "Recorded") -> DataFile:
        """The record as a file of one row, ready to be committed beside its data."""
        rows = pl.DataFrame({"record": [record.to_json()]})
        return self.write_small(record.partition, "record", record.attempt, rows)

    def write_small(self, partition: str, kind: str, attempt: str, rows: pl.DataFrame) -> DataFile:
        """A file of few rows that belongs to a partition as a whole, ready to be committed."""
        path = Place(self.root, partition, kind, 0).file(f"{kind}-{attempt}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows.to_arrow(), path)
        make_durable(path)
        relative = str(path.relative_to(self.root))
        return DataFile(relative, kind, partition, 0, rows.height, path.stat().st_size)

    def sweep(self, min_age_hours: int) -> int:
        """Deletes files that no version of that age or younger needs, those of killed writers too; returns how many.

        A file of a writer at work is younger than its commit: the age must exceed the longest ingest.
        """
        if not DeltaTable.is_deltatable(str(self.root)):
            return 0
        table = DeltaTable(self.root)
        rules = {"retention_hours": min_age_hours, "enforce_retention_duration": False, "full": True}
        if not table.vacuum(dry_run=True, **rules):
            return 0
        return len(table.vacuum(dry_run=False, **rules))

    def discard(self, attempt: str, partition: str) -> bool:
        """Deletes the files of an attempt that failed; False, and all is kept, where its commit did go through."""
        files = list(self.root.glob(f"partition={partition}/kind=*/instance=*/*-{attempt}*"))
        committed = {file.path for file in self.listing().files}
        if any(str(file.relative_to(self.root)) in committed for file in files):
            return True
        for file in files:
            file.unlink()
        return False

    def _create(self) -> None:
        """Makes the empty table; of two who do so at once, one finds it made."""
        partition, kind, record = (pa.field(name, pa.string()) for name in ("partition", "kind", "record"))
        keys = _arrow_fields(self.columns)
        schema = pa.schema([partition, kind, pa.field("instance", pa.int32()), record, *keys])
        DeltaTable.create(
            self.root,
            Schema.from_arrow(schema),
            mode="ignore",
            partition_by=_PARTITIONED_BY,
            name=f"{self.source}/{self.content}",
            configuration=_CONFIGURATION,
        )

    def _add_columns(self, table: DeltaTable, fields: Sequence[Field]) -> bool:
        """Whether columns had to be added: a commit of its own, which changes nothing that is read."""
        known = {field.name for field in table.schema().fields}
        missing = {name: dtype for name, dtype in stored_columns(fields).items() if name not in known}
        if missing:
            table.alter.add_columns(list(Schema.from_arrow(pa.schema(_arrow_fields(missing))).fields))
        return bool(missing)

    def _write(self, table: DeltaTable, replacement: Replacement) -> int:
        now = time.time_ns() // 1_000_000  # Delta's bookkeeping: it reaches no row and no name
        actions = [_removal(file, now) for file in replacement.removes] + [_addition(f, now) for f in replacement.adds]
        transactions = [Transaction(*replacement.transaction)] if replacement.transaction else None
        table.create_write_transaction(
            actions,
            "append",
            table.schema(),
            _PARTITIONED_BY,
            commit_properties=CommitProperties(app_transactions=transactions),
        )
        return table.version()

    def _listing(self, table: DeltaTable) -> Listing[H]:
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
        if actions.is_empty():
            return Listing(table.version(), (), self._history(()))
        first = pl.col("min.h") if "min.h" in actions.columns else pl.lit(None)
        rows = actions.select(
            "path", "partition.kind", "partition.partition", "partition.instance", "num_records", "size_bytes",
            first.fill_null(0).cast(pl.Int64).alias("first"),
        ).sort("path")  # fmt: skip
        files = tuple(StoredFile(*row) for row in rows.iter_rows())
        records = (_read_record(self.root / file.path) for file in files if file.kind == "record")
        return Listing(table.version(), files, self._history(records))


class ProfileTable(LakeTable[History]):
    """The state of a source's profiles; columns are added as its fields appear."""

    content = "profiles"
    columns = stored_columns(())

    def _history(self, records: Iterable[str]) -> History:
        return History.of(self.source, map(_parsed, records))


class Recorded(Protocol):
    """A partition's record, of whatever kind of table."""

    @property
    def partition(self) -> str: ...

    @property
    def attempt(self) -> str: ...

    def to_json(self) -> str: ...


@lru_cache(maxsize=5_000)
def _read_record(path: Path) -> str:
    """A record never changes under its name, which carries the attempt."""
    return pq.ParquetFile(path).read(["record"])["record"][0].as_py()


@lru_cache(maxsize=5_000)
def _parsed(record: str) -> PartitionRecord:
    return PartitionRecord.from_json(record)


def _arrow_fields(columns: dict[str, pl.DataType]) -> list[pa.Field]:
    schema = pl.DataFrame(schema=columns).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    return [pa.field(field.name, _plain_type(field.type)) for field in schema]


def _plain_type(type_: pa.DataType) -> pa.DataType:
    """The type with 32-bit offsets, which alone Delta's schema knows."""
    if pa.types.is_large_list(type_):
        return pa.list_(_plain_type(type_.value_type))
    return pa.string() if pa.types.is_large_string(type_) else type_


def _addition(file: DataFile, now: int) -> AddAction:
    stats: dict[str, object] = {"numRecords": file.rows}
    if file.h_range:
        stats |= {"minValues": {"h": file.h_range[0]}, "maxValues": {"h": file.h_range[1]}, "nullCount": {"h": 0}}
    return AddAction(file.path, file.bytes, _partition_values(file), now, data_change=True, stats=json.dumps(stats))


def _removal(file: StoredFile, now: int) -> RemoveAction:
    return RemoveAction(file.path, True, now, file.bytes, _partition_values(file))


def _partition_values(file: DataFile | StoredFile) -> dict[str, str | None]:
    return {"partition": file.partition, "kind": file.kind, "instance": str(file.instance)}


def rows_in(files: Iterable[StoredFile]) -> int:
    return sum(file.rows for file in files)
