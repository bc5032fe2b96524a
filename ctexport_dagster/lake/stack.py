"""The layers on disk that make up a state, and the reader that folds them range by range."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import Field, Role, SourceSchema, ValueType
from ctexport_dagster.lake.cursor import ColumnRead, SortedRun, Wanted, ranges
from ctexport_dagster.lake.files import Place, SortedWriter
from ctexport_dagster.lake.layers import Layer, latest, living
from ctexport_dagster.lake.record import History
from ctexport_dagster.lake.tuning import Tuning

_ALWAYS = ("h", "clevertapId", "deleted")


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
    """The layers that make up a state of one instance, oldest first."""

    layers: tuple[StackedLayer, ...]

    @property
    def rows(self) -> int:
        return sum(layer.rows for layer in self.layers)


class StateReader:
    """The state that a stack makes up, in the columns of a schema, read range by range in order of h."""

    def __init__(self, stack: Stack, schema: SourceSchema, columns: Sequence[str] | None = None) -> None:
        self._columns = frame_columns(schema, columns)
        self._runs = [(_run(layer, schema, self._columns), _absent_columns(layer, schema)) for layer in stack.layers]

    def layers(self, upper: int, wanted: Wanted | None = None) -> list[Layer]:
        """What each layer has below `upper` that was not read yet."""
        return [Layer(run.take(upper, wanted), absent) for run, absent in self._runs]

    def living(self, upper: int, wanted: Wanted | None = None) -> pl.DataFrame:
        """The living rows below `upper` that were not read yet, sorted by (h, clevertapId)."""
        layers = self.layers(upper, wanted)
        return living(latest(layers)) if layers else pl.DataFrame(schema=self._columns)


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
    while len(stack.layers) > tuning.most_layers:
        oldest, rest = stack.layers[: tuning.most_layers], stack.layers[tuning.most_layers :]
        stack = Stack((_folded(Stack(oldest), history, scratch / str(len(rest)), tuning), *rest))
    return stack


def _folded(stack: Stack, history: History, folder: Path, tuning: Tuning) -> StackedLayer:
    top = stack.layers[-1]
    part = History(history.source, history.records[: top.upto + 1])
    place = Place(folder, "fold", "base", top.instance)
    writer = SortedWriter(place, "fold", part.schema.fields, tuning, small_groups=False)
    for rows in state_slices(stack, part, tuning):
        writer.write(rows)
    files = writer.finish()
    paths = tuple(folder / file.path for file in files)
    return StackedLayer(paths, sum(file.rows for file in files), part.schema.fields, top.instance, top.upto)


def state_slices(stack: Stack, history: History, tuning: Tuning) -> Iterator[pl.DataFrame]:
    """The living rows of a whole stack, slice by slice."""
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
