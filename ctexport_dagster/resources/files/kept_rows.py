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
from ctexport_dagster.resources.files.bytes import content_hash


@dataclass(frozen=True, eq=False)
class KeptRows:
    """Batches of rows in order, and a fingerprint of those that aren't empty (sha256, hex)."""

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
    digest = hashlib.sha256()
    count = rows = 0
    try:
        for batch in batches:
            hashes = [content_hash(path) for path in _written(batch, folder, count)]
            if batch.frame.height or batch.unreadable.height:
                digest.update("".join(hashes).encode())
            count, rows = count + 1, rows + batch.frame.height
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    found = KeptRows(folder, count, rows, digest.hexdigest())
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    return found


def _written(batch: RawBatch, folder: Path, number: int) -> Iterator[Path]:
    """The files of one batch."""
    frames = {"rows": batch.frame, "unreadable": batch.unreadable}
    if batch.numbers is not None:
        frames["numbers"] = batch.numbers.to_frame("number")
    for name, frame in frames.items():
        path = folder / f"{number:06}.{name}"
        frame.rechunk().write_ipc(path, compression="lz4")
        yield path
    path = folder / f"{number:06}.json"
    variants = {name: [*further] for name, further in batch.variants.items()}
    told = {"origin": batch.origin, "numbered": batch.numbers is not None, "variants": variants}
    path.write_text(json.dumps(told, sort_keys=True))
    yield path
