"""The layers on disk that make up a state, and the reader that folds them range by range."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import Field, Role, SourceSchema, ValueType
from ctexport_dagster.lake.cursor import ColumnRead, SortedRun, Wanted, ranges
from ctexport_dagster.lake.files import Place, SortedWriter, stored_columns
from ctexport_dagster.lake.layers import Layer, latest, living, together
from ctexport_dagster.lake.record import History
from ctexport_dagster.lake.tuning import Tuning

_ALWAYS = ("h", "clevertapId", "deleted")
_WHEREABOUTS = ("instance", "mergedInto")


@dataclass(frozen=True)
class StackedLayer:
    """One layer: its files in order of h, the fields that they hold, and those known before that its source lacked."""

    paths: tuple[Path, ...]
    rows: int
    fields: tuple[Field, ...]
    instance: int
    upto: int
    """The place in the history of the last partition that the layer tells of."""
    absent: frozenset[tuple[Role, str]] = frozenset()


@dataclass(frozen=True)
class Stack:
    """The layers that make up a state of one instance, oldest first.

    Where profiles move and columns vanish, those of all instances: a profile that came from another one has the values
    there that its source told last. Several layers then tell of the same partition.
    """

    layers: tuple[StackedLayer, ...]
    instance: int
    """The instance whose rows are meant."""

    @property
    def heights(self) -> tuple[int, ...]:
        """The places in the history that the layers tell of, oldest first."""
        return tuple(dict.fromkeys(layer.upto for layer in self.layers))

    @property
    def is_of_all(self) -> bool:
        return any(layer.instance != self.instance for layer in self.layers)

    @property
    def rows(self) -> int:
        return sum(layer.rows for layer in self.layers)


class StateReader:
    """The state that a stack makes up, in the columns of a schema, read range by range in order of h."""

    def __init__(self, stack: Stack, schema: SourceSchema, columns: Sequence[str] | None = None) -> None:
        self._asked = frame_columns(schema, columns)
        self._instance = stack.instance if stack.is_of_all else None
        self._columns = self._asked if self._instance is None else frame_columns(schema, [*self._asked, *_WHEREABOUTS])
        self._runs = [(layer, _run(layer, schema, self._columns)) for layer in stack.layers]
        self._absent = {layer.upto: _absent_columns(layer, schema) for layer in stack.layers}

    def layers(self, upper: int, wanted: Wanted | None = None) -> list[Layer]:
        """What each partition's layers have below `upper` that was not read yet, told as one."""
        found: dict[int, list[pl.DataFrame]] = {height: [] for height in self._absent}
        for layer, run in self._runs:
            found[layer.upto].append(run.take(upper, wanted))
        return [Layer(together(rows), self._absent[height]) for height, rows in found.items()]

    def everywhere(self, upper: int, wanted: Wanted | None = None) -> pl.DataFrame:
        """The living rows below `upper` of all instances that the stack holds, not read yet, by (h, clevertapId)."""
        layers = self.layers(upper, wanted)
        return living(latest(layers)) if layers else pl.DataFrame(schema=self._columns)

    def living(self, upper: int, wanted: Wanted | None = None) -> pl.DataFrame:
        """The living rows of the instance below `upper` that were not read yet, sorted by (h, clevertapId)."""
        rows = self.everywhere(upper, wanted)
        if self._instance is None:
            return rows
        return rows.filter(pl.col("instance") == self._instance).select(list(self._asked))


def frame_columns(schema: SourceSchema, columns: Sequence[str] | None) -> dict[str, pl.DataType]:
    """The columns of a profile frame in a schema, those named and the ones that always come."""
    every = KEY_COLUMNS | {field.column: field.type.dtype for field in schema.fields}
    if columns is None:
        return every
    wanted = {*columns, *_ALWAYS}
    return {name: dtype for name, dtype in every.items() if name in wanted}


def bounded(stack: Stack, history: History, scratch: Path, tuning: Tuning) -> Stack:
    """The same state in at most `most_layers` layers: the oldest are folded into one, in scratch, as often as it takes.

    A read holds a row group of every layer; 29 logs of 20 k rows beside a base take 100 MiB.
    """
    while len(stack.heights) > tuning.most_layers:
        top = stack.heights[tuning.most_layers - 1]
        oldest = tuple(layer for layer in stack.layers if layer.upto <= top)
        rest = tuple(layer for layer in stack.layers if layer.upto > top)
        folded = _folded(replace(stack, layers=oldest), history, scratch / str(len(rest)), tuning)
        stack = replace(stack, layers=(*folded, *rest))
    return stack


def _folded(stack: Stack, history: History, folder: Path, tuning: Tuning) -> Iterator[StackedLayer]:
    """The stack's rows as one layer for each instance that they stand in."""
    top = stack.heights[-1]
    part = History(history.source, history.records[: top + 1])
    instances = sorted({layer.instance for layer in stack.layers})
    columns = stored_columns(part.schema.fields)
    writers = {
        i: SortedWriter(Place(folder, "fold", "base", i), "fold", columns, tuning, small_groups=False)
        for i in instances
    }
    reader = StateReader(stack, part.schema)
    for upper in ranges(stack.rows, tuning.rows_of(part.row_bytes)):
        rows = reader.everywhere(upper)
        for instance, writer in writers.items():
            writer.write(rows.filter(pl.col("instance") == instance) if len(writers) > 1 else rows)
    for instance, writer in writers.items():
        files = writer.finish()
        paths = tuple(folder / file.path for file in files)
        yield StackedLayer(paths, sum(file.rows for file in files), part.schema.fields, instance, top)


def state_slices(stack: Stack, history: History, tuning: Tuning) -> Iterator[pl.DataFrame]:
    """The living rows of a stack's instance, slice by slice."""
    reader = StateReader(stack, history.schema)
    for upper in ranges(stack.rows, tuning.rows_of(history.row_bytes)):
        yield reader.living(upper)


def _run(layer: StackedLayer, schema: SourceSchema, columns: dict[str, pl.DataType]) -> SortedRun:
    stored = {
        schema.by_name[field.role, field.name].column: field.column
        for field in layer.fields
        if field.type != ValueType.UNKNOWN
    }
    reads = []
    for name, dtype in columns.items():
        if name == "instance":
            reads.append(ColumnRead(name, dtype, None, layer.instance))
        else:
            reads.append(ColumnRead(name, dtype, name if name in KEY_COLUMNS else stored.get(name)))
    return SortedRun(layer.paths, reads)


def _absent_columns(layer: StackedLayer, schema: SourceSchema) -> frozenset[str]:
    fields = (schema.by_name.get(key) for key in sorted(layer.absent))
    return frozenset(field.column for field in fields if field)
