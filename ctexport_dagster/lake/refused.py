"""The quarantine file of one partition, written as rows are refused and whole before its partition is committed."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA, Reason
from ctexport_dagster.core.schema import Field
from ctexport_dagster.core.source import RowsWithoutId
from ctexport_dagster.lake.files import make_durable
from ctexport_dagster.lake.leftovers import drop
from ctexport_dagster.lake.places import Places


class RefusedRows:
    """Takes quarantine frames in the source's order; `publish` gives them their name, `discard` takes all back."""

    def __init__(self, folder: Path, name: str) -> None:
        self._part, self._path = folder / f".{name}.part", folder / name
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
        if self._writer is None:
            return None
        self._writer.close()
        self._part.replace(self._path)
        make_durable(self._path)
        return self._path.name

    def discard(self) -> None:
        """Takes everything back; rows may be added anew."""
        if self._writer is not None:
            self._writer.close()
        self._writer, self.count, self.identified, self._without_id = None, 0, 0, 0
        self._part.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)


def drop_older(folder: Path, partition: str, kept: str | None) -> None:
    """Deletes the quarantine files of a partition but the one that its record names now."""
    drop(path for path in folder.glob(f"{partition}-g*.parquet") if path.name != kept)


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
