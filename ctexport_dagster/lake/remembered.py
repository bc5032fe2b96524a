"""What a snapshot's raw rows were, kept beside the lake for the next one: a cache, never a truth, safe to delete.

A folder for each of the last partitions, named by its write: for each instance a file with `h`, raw and value hash of
each living row, in order of (h, clevertapId), the ids in a few bits, and a document that says for which state, rules
and version of polars they hold. Whatever is missing, damaged or of another key isn't used: the state is read then.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from shutil import move, rmtree
from zlib import crc32

import numpy as np
import numpy.typing as npt
import polars as pl

from ctexport_dagster.core.atomic import write_json
from ctexport_dagster.core.schema import SourceSchema
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.lake.known import Doubtful, Flags, Known, Seen
from ctexport_dagster.lake.living_ids import LivingIds
from ctexport_dagster.lake.raw_rows import UNTOLD, Hashes, lists_living

_LAYOUT = 1
_ROW = np.dtype([("h", "<u4"), ("raw", "<u8"), ("value", "<u8")])
_DOCUMENT, _IDS = "key.json", "ids"
_LEAST_SHARE = 0.5
"""With fewer rows known by their hash, reading the state recognises more."""


class InputMemory:
    """Takes the living rows after a partition, instance by instance, in order; `publish` makes them a memory."""

    def __init__(self, folder: Path, row_count: int, compared: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.compared = tuple(compared)
        """The columns that value hashes are over."""
        self._living = LivingIds.of_about(row_count)
        self._sums: dict[str, int] = {}
        self._rows = self._told = 0

    def add(self, instance: int, after: pl.DataFrame) -> None:
        """Takes the next rows: `h`, `clevertapId`, `raw` and `value`."""
        if after.is_empty():
            return
        rows = np.empty(after.height, dtype=_ROW)
        for column in ("h", "raw", "value"):
            rows[column] = after[column].to_numpy()
        name, content = str(instance), rows.tobytes()
        with (self._folder / name).open("ab") as file:
            file.write(content)
        self._sums[name] = crc32(content, self._sums.get(name, 0))
        self._living.add(after["clevertapId"])
        self._rows += after.height
        self._told += int((rows["raw"] != UNTOLD).sum())

    def publish(self, caches: Path, name: str, key: str, *, beside: str | None) -> None:
        """Puts the memory into its place under `caches`, and takes away all but it and the one `beside` it."""
        bits = self._living.bits.tobytes()
        (self._folder / _IDS).write_bytes(bits)
        document = {"key": _full_key(key), "sums": {**self._sums, _IDS: crc32(bits)}, "compared": self.compared}
        if self._told >= _LEAST_SHARE * self._rows:
            write_json(self._folder / _DOCUMENT, document)
            caches.mkdir(parents=True, exist_ok=True)
            move(self._folder, caches / name)
        for other in caches.glob("*"):
            if other.name not in (name, beside):
                rmtree(other, ignore_errors=True)


class RememberedInput(Known):
    """Knows rows by their raw hashes, as a memory has them: 13 bytes a row."""

    def __init__(
        self,
        files: dict[int, npt.NDArray[np.void]],
        living: LivingIds,
        schema: SourceSchema,
        compared: Sequence[str],
    ) -> None:
        super().__init__()
        self._compared = list(compared)
        self._living = living
        self._schema = schema
        self._files = files
        self._starts: dict[int, int] = {}
        size = 0
        for instance, rows in files.items():
            self._starts[instance] = size
            size += len(rows)
        hashes = np.concatenate([rows["raw"] for rows in files.values()]) if files else np.empty(0, dtype=np.uint64)
        self._places = np.argsort(hashes).astype(np.uint32)
        self._sorted = hashes[self._places]
        self._is_seen = np.zeros(size, dtype=bool)

    @staticmethod
    def read(caches: Path, name: str, key: str, schema: SourceSchema) -> "RememberedInput | None":
        """The memory of that name, if it is whole and has this key; `schema` is the one after its partition."""
        folder = caches / name
        try:
            document = json.loads((folder / _DOCUMENT).read_bytes())
            if document["key"] != _full_key(key):
                return None
            sums: dict[str, int] = dict(document["sums"])
            contents = {name: np.memmap(folder / name, dtype=np.uint8, mode="r") for name in sums}
            if any(crc32(contents[name].data) != total for name, total in sums.items()):
                return None
            bits = np.array(contents.pop(_IDS))
            files = {int(instance): rows.view(_ROW) for instance, rows in contents.items()}
            return RememberedInput(files, LivingIds(bits), schema, document["compared"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def recognised_raw(self, raw: RawBatch, hashes: Hashes) -> Flags:
        found = np.zeros(len(hashes), dtype=bool)
        if not len(self._sorted) or not len(hashes):
            return found
        order = np.argsort(hashes)
        at = np.empty(len(hashes), dtype=np.int64)
        at[order] = np.searchsorted(self._sorted, hashes[order])  # in order, for the processor's cache
        at = np.minimum(at, len(self._sorted) - 1)
        found = (self._sorted[at] == hashes) & (hashes != UNTOLD) & ~lists_living(raw, self._living)
        places = np.unique(self._places[at[found]])
        self._count(int((~self._is_seen[places]).sum()), int(found.sum()))
        self._is_seen[places] = True
        return found

    def holds_in(self, schema: SourceSchema) -> bool:
        return not self._schema.drifts_to(schema)

    def knows_values(self, compared: Sequence[str]) -> bool:
        return self._compared == list(compared)

    def seen(self, instance: int, start: int, h: pl.Series) -> Seen | None:
        rows = self._files.get(instance)
        if rows is None:
            return None
        first, end = self._starts[instance] + start, start + len(h)
        if not np.array_equal(rows["h"][start:end], h.to_numpy()):
            raise Doubtful
        return Seen(self._is_seen[first : first + len(h)], rows["raw"][start:end], rows["value"][start:end])


def _full_key(key: str) -> str:
    return hashlib.sha256(f"{_LAYOUT} {pl.__version__} {key}".encode()).hexdigest()
