"""The quarantine file of one partition, written as rows are refused and whole before its partition is committed.

`<partition>-g<generation>-<attempt>.parquet` has the refused rows of a partition in the lake,
`<partition>-failed.parquet` those for which it was not taken in.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA, Reason, RefusedCount
from ctexport_dagster.core.schema import Field
from ctexport_dagster.core.source import RowsWithoutId
from ctexport_dagster.lake.files import make_durable
from ctexport_dagster.lake.leftovers import drop
from ctexport_dagster.lake.places import Places

_FAILED = "-failed.parquet"


class RefusedRows:
    """Takes quarantine frames in the source's order; `publish` gives them their name, `discard` takes all back."""

    def __init__(self, folder: Path, partition: str, *, generation: int, attempt: str) -> None:
        name = f"{partition}-g{generation}-{attempt}.parquet"
        self._part, self._path, self._failed = folder / f".{name}.part", folder / name, _failed(folder, partition)
        self._writer: pq.ParquetWriter | None = None
        self.count = 0
        self.identified = 0
        """Those that name their profile."""
        self._without_id = 0

    def may_be_anybodys(self, rows_without_id: RowsWithoutId) -> bool:
        """Whether there is one of which nobody can tell whose profile it was."""
        unknown = self.count - self.identified
        return unknown > 0 if rows_without_id == "hold" else unknown > self._without_id

    def add(self, rows: pl.DataFrame) -> None:
        if rows.is_empty():
            return
        table = rows.select(QUARANTINE_SCHEMA.keys()).to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._part, table.schema, compression="zstd")
        self._writer.write_table(table)
        self.count += rows.height
        is_named = (rows["clevertapId"].str.strip_chars() != "").fill_null(value=False)
        self.identified += int(is_named.sum())
        self._without_id += int((~is_named & (rows["reason"] == Reason.MISSING_ID.value)).sum())

    def publish(self) -> str | None:
        """The file's name; None where no row was refused."""
        return self._closed_as(self._path).name if self._writer else None

    def keep(self) -> Path:
        """The file with the rows for which the partition fails; `discard` leaves it, the next ingest replaces it."""
        return self._closed_as(self._failed)

    def _closed_as(self, path: Path) -> Path:
        assert self._writer is not None
        self._writer.close()
        self._part.replace(path)
        make_durable(path)
        return path

    def discard(self) -> None:
        """Takes everything back; rows may be added anew."""
        if self._writer is not None:
            self._writer.close()
        self._writer, self.count, self.identified, self._without_id = None, 0, 0, 0
        self._part.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)


def drop_older(folder: Path, partition: str, kept: str | None) -> None:
    """Deletes the quarantine files of a partition but the one that its record names now."""
    files = (*folder.glob(f"{partition}-g*.parquet"), *folder.glob(_failed(folder, partition).name))
    drop(path for path in files if path.name != kept)


def refused_counts(path: Path) -> list[RefusedCount]:
    """What a quarantine file holds, by reason and field, most rows first; nothing where somebody deleted it."""
    counts: dict[tuple[str, str | None], RefusedCount] = {}
    if not path.exists():
        return []
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["reason", "field", "place"]):
            rows = pl.DataFrame(batch)
            found = rows.group_by("reason", "field", maintain_order=True).agg(pl.len(), pl.col("place").first())
            for reason, name, count, place in found.iter_rows():
                before = counts.get((reason, name), RefusedCount(reason, name, 0, place))
                counts[reason, name] = replace(before, rows=before.rows + count)
    return sorted(counts.values(), key=lambda count: -count.rows)


def failed_files(folder: Path) -> list[tuple[str, Path]]:
    """The partitions that failed for their refused rows and weren't taken in since, with the files that keep them."""
    return [(path.name.removesuffix(_FAILED), path) for path in sorted(folder.glob(f"*{_FAILED}"))]


def _failed(folder: Path, partition: str) -> Path:
    return folder / f"{partition}{_FAILED}"


def duplicates(rows: pl.DataFrame, fields: Sequence[Field], places: Places) -> pl.DataFrame:
    """Rows of a profile frame with `seq` that contradict another row of their profile, as a quarantine frame."""
    ordered = rows.sort("seq")
    return ordered.select(
        "clevertapId",
        reason=pl.lit(Reason.DUPLICATE_ID.value),
        field=pl.lit("clevertapId"),
        value="clevertapId",
        row=_json_text(fields),
        place=places.of(ordered["seq"]),
    ).cast(pl.Schema(QUARANTINE_SCHEMA))


def _json_text(fields: Sequence[Field]) -> pl.Expr:
    keys = [name for name in KEY_COLUMNS if name not in ("h", "instance", "mergedInto", "deleted")]
    values = [pl.col(field.column).alias(field.name) for field in fields if field.name not in keys]
    return pl.struct(*keys, *values).struct.json_encode()
