"""The normalisation: a source's raw batches brought to the profile model, row by row refused where they can't be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from zlib import crc32
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.normalise.fields import FieldTypes, read_field
from ctexport_dagster.core.normalise.keys import KEY_NAMES, KeyName, KeyReading, read_key
from ctexport_dagster.core.normalise.refusals import Refusals
from ctexport_dagster.core.profile import KEY_COLUMNS, PREFERENCES
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.schema import Field, FieldKey, Role, SourceSchema, ValueType
from ctexport_dagster.core.source import RawBatch, SourceDeclaration


@dataclass(frozen=True)
class Normalised:
    """One batch: `frame` + `quarantined` hold every row that the raw batch gave, each once.

    `frame` is a profile frame (core/profile.py; rows in source order, not yet sorted) with one more column at the end:
    `seq` UInt64, the row's number within the partition (rising over the batches, with gaps where rows were refused).
    It has a value column for each field that holds a value in this batch; a field absent from it is null in all its
    rows. As a field may widen between two batches, its column may be `pi_age` in one and `pf_age` in the next.
    `quarantined` is a quarantine frame, the batch's unreadable rows among it.
    """

    frame: pl.DataFrame
    quarantined: pl.DataFrame


class Normaliser:
    """Brings the batches of one partition to the profile model, in order; `known` is the schema before the partition.

    `wide`: the known fields that hold integers beyond 2^53. Those can't widen to float: it would change them.

    A field's type is the known one, else the one that most values of the first batch with any have. Wider numbers widen
    it, anything else contradicts it, and the rows with such values are refused: the other rows go on.
    """

    def __init__(
        self, declaration: SourceDeclaration, known: SourceSchema, wide: frozenset[FieldKey] = frozenset()
    ) -> None:
        self._zone = ZoneInfo(declaration.timezone)
        self._instances = declaration.instances
        self._declared: Mapping[str, ValueType] = declaration.types
        self._types = FieldTypes(known, wide)
        self._row_count = 0

    def normalise(self, raw: RawBatch) -> Normalised:
        """The batch in the model. Never raises for a row: what can't be used is quarantined."""
        refusals = Refusals(raw)
        keys: dict[KeyName, pl.Series] = {
            name: self._key(raw, name, refusals) for name in KEY_NAMES if name in raw.frame.columns
        }
        rows = raw.frame.height
        identifier = keys.get("clevertapId", pl.Series([None] * rows, dtype=pl.String))
        refusals.add("clevertapId", Reason.MISSING_ID, ~(identifier.str.strip_chars() != "").fill_null(value=False))
        deleted = keys.get("deleted", pl.Series([None] * rows, dtype=pl.Boolean)).fill_null(value=False)
        values = self._values(raw, deleted, refusals)
        frame = pl.DataFrame([*self._key_columns(identifier, deleted, keys), *values, self._numbers(rows)])
        self._row_count += rows
        kept = frame.filter(~refusals.rows) if refusals.any else frame
        return Normalised(kept, pl.concat([refusals.quarantined(identifier), raw.unreadable]))

    @property
    def present(self) -> tuple[Field, ...]:
        """Every field that the partition's batches had a column for, in source column order, after the last batch.

        The type is that of the widest column that its values stand in; UNKNOWN for a field that held nulls alone.
        """
        return self._types.present

    @property
    def wide_integers(self) -> frozenset[FieldKey]:
        """The fields that hold integers beyond 2^53, or that are known to."""
        return self._types.wide_integers

    def _key(self, raw: RawBatch, name: KeyName, refusals: Refusals) -> pl.Series:
        columns = (name, *raw.variants.get(name, ()))
        readings = [read_key(name, raw.frame[column], self._zone) for column in columns]
        for column, reading in zip(columns, readings, strict=True):
            refusals.take(name, reading.refusals, column)
        return _united(readings)

    def _values(self, raw: RawBatch, deleted: pl.Series, refusals: Refusals) -> list[pl.Series]:
        """The value columns; those of deleted rows don't count, whatever stands in them."""
        further = {column for columns in raw.variants.values() for column in columns}
        names = [name for name in raw.frame.columns if name not in KEY_NAMES and name not in further]
        found: list[pl.Series] = []
        readings = {}
        for name in names:
            columns = (name, *raw.variants.get(name, ()))
            given = [_masked(raw.frame[column], deleted) for column in columns]
            readings[name] = [read_field(series, self._declared.get(name), self._zone) for series in given]
            for column, reading in zip(columns, readings[name], strict=True):
                refusals.take(name, reading.refusals, column)
        for name in names:
            role: Role = "preference" if name in PREFERENCES else "property"
            columns = (name, *raw.variants.get(name, ()))
            settled = self._types.settle(role, name, columns, readings[name], refusals)
            if settled is not None:
                found.append(settled)
        return found

    def _key_columns(
        self, identifier: pl.Series, deleted: pl.Series, keys: Mapping[KeyName, pl.Series]
    ) -> list[pl.Series]:
        hashes = pl.Series([crc32(i) if i else 0 for i in identifier.cast(pl.Binary).to_list()], dtype=pl.UInt32)
        instance = (hashes % self._instances).cast(pl.Int32)
        if "instanceId" in keys:
            instance = keys["instanceId"].fill_null(instance)
        token = _first(keys.get("deviceToken"), keys.get("device"))
        given: dict[str, pl.Series | None] = {
            "h": hashes,
            "instance": instance,
            "clevertapId": identifier,
            "clevertapIds": keys.get("clevertapIds"),
            "identity": keys.get("identity"),
            "deviceToken": token,
            "subscriptionGroups": keys.get("subscriptionGroups"),
            "updatedAt": keys.get("updatedAt"),
            "deleted": deleted,
            "mergedInto": None,
        }
        return [_column(name, given[name], len(identifier)) for name in KEY_COLUMNS]

    def _numbers(self, rows: int) -> pl.Series:
        return pl.int_range(self._row_count, self._row_count + rows, dtype=pl.UInt64, eager=True).alias("seq")


def _column(name: str, values: pl.Series | None, rows: int) -> pl.Series:
    if values is None:
        return pl.Series(name, [None] * rows, dtype=KEY_COLUMNS[name])
    return values.alias(name)


def _first(preferred: pl.Series | None, other: pl.Series | None) -> pl.Series | None:
    if preferred is None or other is None:
        return other if preferred is None else preferred
    return preferred.zip_with((preferred != "").fill_null(value=False), other)


def _united(readings: list[KeyReading]) -> pl.Series:
    values = readings[0].values
    for reading in readings[1:]:
        values = values.zip_with(values.is_not_null(), reading.values)
    return values


def _masked(raw: pl.Series, deleted: pl.Series) -> pl.Series:
    if not deleted.any():
        return raw
    return cast("pl.Series", pl.select(pl.when(~deleted).then(raw)).to_series())
