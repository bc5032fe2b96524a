"""Rows picked out of files, kept on disk while they are taken in.

Which rows of growing files belong to a partition is only known once all were read. So they are read once, and those
that belong to it are kept in a temporary folder, which goes when nothing refers to it any longer.
"""

import hashlib
import json
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ctexport_dagster.core.source import RawBatch


@dataclass(frozen=True, eq=False)
class KeptRows:
    """Batches of rows in order, and a fingerprint of what is in them, however they are divided (sha256, hex)."""

    folder: Path
    batch_count: int
    row_count: int
    fingerprint: str

    def batches(self) -> Iterator[RawBatch]:
        """The rows, from the first."""
        for number in range(self.batch_count):
            told = json.loads((self.folder / f"{number:06}.json").read_text())
            numbers = pl.read_ipc(self.folder / f"{number:06}.numbers").to_series() if told["numbered"] else None
            yield RawBatch(
                pl.read_ipc(self.folder / f"{number:06}.rows"),
                pl.read_ipc(self.folder / f"{number:06}.unreadable"),
                told["origin"],
                numbers,
                {name: tuple(further) for name, further in told["variants"].items()},
            )


def kept(batches: Iterable[RawBatch]) -> KeptRows:
    """Takes the batches to disk, one at a time."""
    folder = Path(tempfile.mkdtemp(prefix="ctexport-files-"))
    told, refused = _Digest(), _Digest()
    count = rows = 0
    try:
        for batch in batches:
            _write(batch, folder, count)
            told.take(batch.frame)
            refused.take(batch.unreadable)
            count, rows = count + 1, rows + batch.frame.height
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    found = KeptRows(folder, count, rows, hashlib.sha256(f"{told}{refused}".encode()).hexdigest())
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    return found


class _Digest:
    """What is in some rows: their values in order, and the columns that they stand in.

    The bytes of frames won't do: they hold traces of rows that were filtered out.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._columns: list[tuple[str, str]] = []

    def take(self, rows: pl.DataFrame) -> None:
        """Takes in further rows; those of an empty frame are none."""
        if not rows.height:
            return
        columns = [(name, str(dtype)) for name, dtype in rows.schema.items()]
        if columns != self._columns:
            self._columns = columns
            self._digest.update(json.dumps(columns).encode())
        self._digest.update(rows.hash_rows().to_numpy().tobytes())

    def __str__(self) -> str:
        return self._digest.hexdigest()


def _write(batch: RawBatch, folder: Path, number: int) -> None:
    frames = {"rows": batch.frame, "unreadable": batch.unreadable}
    if batch.numbers is not None:
        frames["numbers"] = batch.numbers.to_frame("number")
    for name, frame in frames.items():
        frame.rechunk().write_ipc(folder / f"{number:06}.{name}", compression="lz4")
    variants = {name: [*further] for name, further in batch.variants.items()}
    told = {"origin": batch.origin, "numbered": batch.numbers is not None, "variants": variants}
    (folder / f"{number:06}.json").write_text(json.dumps(told, sort_keys=True))
