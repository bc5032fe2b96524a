"""The state before a snapshot in a few bytes a row, so that rows which stand as they stood aren't sorted or stored.

Of a day on which 1 % differ, 99 % end here. A row is recognised by 64 bits of hash over everything that counts as its
value; what isn't recognised is compared by value later. So a hash can only fail to see a change, with odds of 1 to some
2^40 for each row. A row that lists another profile's id is never passed over: what it says of that one must be heard.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from ctexport_dagster.core.changes import compared_columns
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType, widened
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.lake.living_ids import LivingIds
from ctexport_dagster.lake.raw_rows import UNTOLD, Hashes
from ctexport_dagster.lake.typed import typed

Flags = npt.NDArray[np.bool_]


class Doubtful(Exception):
    """What was passed over may not stand as it stood: the whole partition must be compared row by row."""


@dataclass(frozen=True)
class Seen:
    """Some rows of the state, in order: whether each was seen, as which raw row, and its value hash where it is known.

    The raw hash of a row that wasn't seen means nothing.
    """

    is_seen: Flags
    raw: Hashes
    values: Hashes | None = None

    @staticmethod
    def none_of(count: int) -> "Seen":
        return Seen(np.zeros(count, dtype=bool), np.full(count, UNTOLD))


class Known(ABC):
    """The living rows before a snapshot, per instance in order of (h, clevertapId), and which of them it shows."""

    def __init__(self) -> None:
        self.unchanged = 0
        self.superseded = 0
        """Further copies of rows that are unchanged."""

    def recognised_raw(self, raw: RawBatch, hashes: Hashes) -> Flags:
        """Which raw rows stand in the state as they are; each is remembered as seen."""
        return np.zeros(raw.frame.height, dtype=bool)

    def recognised(self, frame: pl.DataFrame) -> Flags:
        """Which rows of a normalised frame, with their `raw` hashes, do; the same."""
        return np.zeros(frame.height, dtype=bool)

    def holds_in(self, schema: SourceSchema) -> bool:
        """Whether what was recognised is right where the partition has this schema."""
        return True

    def knows_values(self, compared: Sequence[str]) -> bool:
        """Whether `seen` also tells the value hashes (raw_rows.py) of rows, over these columns."""
        return False

    @abstractmethod
    def seen(self, instance: int, start: int, h: pl.Series) -> Seen | None:
        """What is known of these rows of the state, by place in the instance.

        None where nothing is known of the instance.

        Raises:
            Doubtful: other rows stand there.
        """

    def _count(self, fresh: int, all_found: int) -> None:
        self.unchanged += fresh
        self.superseded += all_found - fresh


class KnownState(Known):
    """Knows rows by what they are once normalised: learned from the state itself, 21 bytes a row."""

    def __init__(self, schema: SourceSchema, row_count: int) -> None:
        super().__init__()
        fields = [field for field in schema.fields if field.type != ValueType.UNKNOWN]
        self._fields = tuple(fields)
        self._hashed = ("clevertapId", *compared_columns(fields), "deviceToken")
        types = KEY_COLUMNS | {field.column: field.type.dtype for field in fields}
        self._columns = {name: types[name] for name in self._hashed}
        self._readable = {*KEY_COLUMNS, "seq", "raw", *(column for field in fields for column in _lossless(field))}
        self._instances: dict[int, _Instance] = {}
        self._living = LivingIds.of_about(row_count)

    def learn(self, instance: int, slices: Iterable[pl.DataFrame], most_rows: int) -> None:
        """Takes the whole state of an instance, in order, in the schema given at first."""
        rows = _Instance(most_rows)
        for frame in slices:
            rows.append(frame["h"].to_numpy(), self._hashes(frame))
            self._living.add(frame["clevertapId"])
        self._instances[instance] = rows

    def recognised(self, frame: pl.DataFrame) -> Flags:
        values = typed([frame], self._columns, self._fields)
        hashes, h, raw = self._hashes(values), frame["h"].to_numpy(), frame["raw"].to_numpy()
        may_be = (~frame["deleted"] & ~self._holds_more(frame)).to_numpy()
        may_be &= ~self._living.listed(frame["clevertapId"], frame["clevertapIds"])
        instances = frame["instance"].to_numpy()
        found = np.zeros(frame.height, dtype=bool)
        for instance in np.unique(instances):
            known = self._instances.get(int(instance))
            at = np.flatnonzero(may_be & (instances == instance))
            if known is not None and len(at):
                places = known.places_of(h[at], hashes[at])
                is_found = places >= 0
                found[at] = is_found
                self._count(known.see(places[is_found], raw[at][is_found]), int(is_found.sum()))
        return found

    def seen(self, instance: int, start: int, h: pl.Series) -> Seen | None:
        known = self._instances.get(instance)
        return None if known is None else known.seen(start, h.to_numpy())

    def _hashes(self, frame: pl.DataFrame) -> Hashes:
        return frame.select(self._hashed).hash_rows().to_numpy()

    def _holds_more(self, frame: pl.DataFrame) -> pl.Series:
        """Rows with a value in a column that the state doesn't know, or not in that type."""
        more = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
        for name in frame.columns:
            if name not in self._readable:
                more |= frame[name].is_not_null()
        return more


class _Instance:
    """`h` and row hash of each row in order, whether it was seen, and as which raw row."""

    def __init__(self, most_rows: int) -> None:
        self._h = np.empty(most_rows, dtype=np.uint32)
        self._hash = np.empty(most_rows, dtype=np.uint64)
        self._raw = np.full(most_rows, UNTOLD, dtype=np.uint64)
        self._is_seen = np.zeros(most_rows, dtype=bool)
        self._size = 0

    def append(self, h: npt.NDArray[np.uint32], hashes: Hashes) -> None:
        end = self._size + len(h)
        self._h[self._size : end], self._hash[self._size : end] = h, hashes
        self._size = end

    def places_of(self, h: npt.NDArray[np.uint32], hashes: Hashes) -> npt.NDArray[np.int64]:
        """The place of each of these rows, -1 for those that aren't here; several may share their h."""
        known_h, known_hash = self._h[: self._size], self._hash[: self._size]
        found = np.full(len(h), -1, dtype=np.int64)
        at, candidates = np.arange(len(h)), np.searchsorted(known_h, h)
        while len(at):
            inside = candidates < self._size
            at, candidates = at[inside], candidates[inside]
            alike = known_h[candidates] == h[at]
            at, candidates = at[alike], candidates[alike]
            is_same = known_hash[candidates] == hashes[at]
            found[at[is_same]] = candidates[is_same]
            at, candidates = at[~is_same], candidates[~is_same] + 1
        return found

    def see(self, places: npt.NDArray[np.int64], raw: Hashes) -> int:
        """Marks places as seen; how many of them were not before."""
        distinct = np.unique(places)
        fresh = int((~self._is_seen[distinct]).sum())
        self._is_seen[distinct] = True
        self._raw[places] = raw
        return fresh

    def seen(self, start: int, h: npt.NDArray[np.uint32]) -> Seen:
        end = start + len(h)
        if not np.array_equal(self._h[start:end], h):
            raise Doubtful
        return Seen(self._is_seen[start:end], self._raw[start:end])


def _lossless(field: Field) -> list[str]:
    """The columns whose values of a field can be read in the field's type."""
    kinds = [kind for kind in ValueType if kind != ValueType.UNKNOWN and widened(field.type, kind) == field.type]
    return [Field(field.role, field.name, kind).column for kind in kinds]
