"""A folder of deliveries as its manifests tell it: partitions, their rows, and the state as of any of them."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TypeVar

from ctexport_dagster.core.counted import counted
from ctexport_dagster.core.errors import DeliveryUnreadable
from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.reader.datasets import DatasetRow, read_dataset
from ctexport_dagster.reader.events import Event, read_events
from ctexport_dagster.reader.rows import read_rows
from ctexport_dagster.reader.values import Row
from ctexport_dagster.reader.verify import FileProblem, missing_or_wrong_size, verify_delivery

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class Partition:
    """One partition in its newest generation; keys are relative to `folder`."""

    manifest: Manifest
    folder: Path

    @property
    def key(self) -> str:
        return self.manifest.partition

    def rows(self) -> Iterator[Row]:
        """Every row of profiles, file by file.

        Raises:
            DeliveryUnreadable: a file is missing, has another size, or can't be read.
        """
        return self._read(read_rows)

    def events(self) -> Iterator[Event]:
        """Every event, file by file, as its format nests it (reader/events.py).

        Raises:
            DeliveryUnreadable: a file is missing, has another size, or can't be read.
        """
        return self._read(read_events)

    def records(self) -> Iterator[DatasetRow]:
        """Every row of a dataset, file by file, as its format has it (reader/datasets.py).

        Raises:
            DeliveryUnreadable: a file is missing, has another size, or can't be read.
        """
        return self._read(read_dataset)

    def verify(self) -> tuple[FileProblem, ...]:
        """What isn't as the manifest promises: bytes, checksums, rows."""
        return verify_delivery(self.manifest, self.folder)

    def _read(self, reader: Callable[[Manifest, Path], Iterator[_Record]]) -> Iterator[_Record]:
        for file in self.manifest.files:
            path = self.folder / file.key
            if problem := missing_or_wrong_size(file, path):
                raise self._unreadable(str(problem))
            try:
                yield from reader(self.manifest, path)
            except (ValueError, OSError, EOFError, SyntaxError, zlib.error) as error:
                what = f"{file.key} can't be read as the manifest describes it ({type(error).__name__})"
                raise self._unreadable(what) from None  # a parser's message may quote the row

    def _unreadable(self, happened: str) -> DeliveryUnreadable:
        return DeliveryUnreadable(
            f"Reading {self.manifest.export}, partition {self.key}, generation {self.manifest.generation}",
            happened,
            "Look for a newer manifest (a re-run may be replacing files just now), else deliver the partition again.",
        )


@dataclass(frozen=True)
class Delivery:
    """The partitions of one export, or of one dataset of a flow, oldest first."""

    export: str
    partitions: tuple[Partition, ...]
    dataset: str | None = None

    def partition(self, key: str) -> Partition:
        """Raises: DeliveryUnreadable: no such partition was delivered."""
        for partition in self.partitions:
            if partition.key == key:
                return partition
        raise DeliveryUnreadable(
            f"Reading {self.export}, partition {key}",
            "it has no manifest here",
            f"Delivered are {self._span()}.",
        )

    def state(self, as_of: str, *, key: str = "clevertapId") -> Iterator[tuple[str, Row]]:
        """Every profile as of the end of a partition: its key and its newest row, each once, in no particular order.

        It reads from that partition back to the last full one, and remembers the keys of the increments alone.

        Raises:
            DeliveryUnreadable: no full partition comes before, one between is missing, or rows lack the key column.
        """
        seen: set[str] = set()
        for partition in reversed(self._since_full(as_of)):
            is_last = partition.manifest.mode == "full"
            for row in partition.rows():
                identifier = self._identifier(row, key, partition)
                if identifier not in seen:
                    if not is_last:
                        seen.add(identifier)
                    yield identifier, row

    def table(self, as_of: str) -> Iterator[DatasetRow]:
        """Every row of a dataset as of the end of a partition: the last full one's, then what was added since.

        Raises:
            DeliveryUnreadable: no full partition comes before, or one between is missing.
        """
        for partition in self._since_full(as_of):
            yield from partition.records()

    def _since_full(self, as_of: str) -> list[Partition]:
        end = self.partition(as_of).manifest.window.end
        until = [partition for partition in self.partitions if partition.manifest.window.end <= end]
        fulls = [place for place, partition in enumerate(until) if partition.manifest.mode == "full"]
        if not fulls:
            raise DeliveryUnreadable(
                f"Replaying {self.export} to {as_of}",
                "no full partition lies at or before it",
                f"Delivered are {self._span()}; run the first partition, or this one with --full.",
            )
        chain = until[fulls[-1] :]
        for one, next_one in pairwise(chain):
            if one.manifest.window.end != next_one.manifest.window.start:
                raise DeliveryUnreadable(
                    f"Replaying {self.export} to {as_of}",
                    f"there is a gap between {one.key} and {next_one.key}",
                    "Deliver the partitions between them, or wait for them.",
                )
        return chain

    def _identifier(self, row: Row, key: str, partition: Partition) -> str:
        value = row.get(key)
        if not isinstance(value, str):
            raise DeliveryUnreadable(
                f"Replaying {self.export}, partition {partition.key}",
                f"a row has no text in the column {key!r}",
                "Name a column that identifies every row: state(…, key=…).",
            )
        return value

    def _span(self) -> str:
        return f"{counted(len(self.partitions), 'partition')}, {self.partitions[0].key} to {self.partitions[-1].key}"


def open_delivery(folder: str | PathLike[str], *, export: str | None = None, dataset: str | None = None) -> Delivery:
    """The deliveries that lie in a folder or below it, each partition in its newest generation.

    `export` picks one where several exports share the folder, `dataset` one of a flow's.

    Raises:
        DeliveryUnreadable: there is no manifest, one can't be read, or several exports or datasets and none was named.
    """
    root = Path(folder)
    newest: dict[tuple[str, str, str], Partition] = {}
    for path in sorted(root.rglob("*.manifest.json")):
        found = _read(path)
        subject = (found.manifest.export, found.manifest.dataset or "", found.key)
        known = newest.get(subject)
        if known is None or known.manifest.generation < found.manifest.generation:
            newest[subject] = found
    name = _chosen(root, "export", export, sorted({exported for exported, _, _ in newest}))
    datasets = sorted({of for exported, of, _ in newest if exported == name})
    of = _chosen(root, "dataset", dataset, datasets)
    partitions = [partition for (exported, held, _), partition in newest.items() if (exported, held) == (name, of)]
    return Delivery(name, tuple(sorted(partitions, key=lambda partition: partition.manifest.window)), of or None)


def _read(path: Path) -> Partition:
    try:
        manifest = Manifest.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DeliveryUnreadable(
            f"Reading {path}", str(error), "Move it away, or deliver its partition again."
        ) from error
    return Partition(manifest, _folder_of_keys(manifest, path))


def _folder_of_keys(manifest: Manifest, path: Path) -> Path:
    """What keys are relative to: the manifest lies in the deepest folder that they share, wherever that was copied."""
    folders = [file.key.split("/")[:-1] for file in manifest.files]
    depth = 0
    for names in zip(*folders, strict=False):
        if len(set(names)) > 1:
            break
        depth += 1
    above = path.absolute().parents
    return above[min(depth, len(above) - 1)]


def _chosen(root: Path, noun: str, asked: str | None, known: list[str]) -> str:
    names = ", ".join(known)
    if not known:
        raise DeliveryUnreadable(
            f"Opening {root}", "there is no manifest in it", "Name the folder that files arrive in."
        )
    if asked is not None and asked not in known:
        raise DeliveryUnreadable(f"Opening {root}", f"no manifest of {asked} is in it", f"It has {names or 'others'}.")
    if asked is None and len(known) > 1:
        raise DeliveryUnreadable(f"Opening {root}", f"it holds several {noun}s: {names}", f"Name one: {noun}=….")
    return asked or known[0]
