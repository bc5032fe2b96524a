"""Names in the declared files that nothing of the source has answered to so far: most are misspelt.

What a source gives may change, so they are told and stop nothing.
"""

from collections.abc import Collection, Iterable

from ctexport_dagster.core.normalise.keys import KEY_NAMES
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.declarations.messages import did_you_mean
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.lake.datasets import DatasetRecord
from ctexport_dagster.lake.record import History
from ctexport_dagster.line import Line


def misnamed(line: Line) -> list[str]:
    """What to tell of an export's names, by what its source has given so far; nothing before it gave anything."""
    match line:
        case DatasetLine():
            return [told for dataset in line.inputs for told in _of_dataset(line, dataset)]
        case EventLine():
            records, names = line.event_lake.view().records(), line.export.names
            seen = {count.event for record in records for count in record.names}
            return _told(f"{line.name}: events", "no event is", names or (), seen) if seen else []
        case _:
            return of_profiles(line.source, line.lake.view().listing.history)


def of_profiles(declaration: SourceDeclaration, history: History) -> list[str]:
    """The names under `types:` that no profile has; of a source with events, they may be meant for those."""
    known = {name for _, name in history.schema.by_name}
    if not known or declaration.has_events:
        return []
    return _told(f"{declaration.name}: types", "no column is", declaration.types, known | set(KEY_NAMES))


def of_columns(asset: str, types: Iterable[str], record: DatasetRecord) -> list[str]:
    """The names under a dataset's `types:` that neither the partition nor one before it has."""
    return _told(f"{asset}: types", "no column is", types, set(record.columns)) if record.columns else []


def _of_dataset(line: DatasetLine, dataset: str) -> list[str]:
    lake = line.dataset_lake(dataset)
    records = lake.view().records()
    return of_columns(lake.name, line.declared(dataset).types, records[-1]) if records else []


def _told(where: str, nothing_is: str, declared: Iterable[str], known: Collection[str]) -> list[str]:
    unknown = sorted(set(declared) - set(known))
    return [f"{where}: {nothing_is} called {name}{did_you_mean(name, sorted(known))}" for name in unknown]
