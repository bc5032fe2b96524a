"""What the declared files of a home must agree on: names, windows, keys and columns across exports and resources."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from ctexport_dagster.core.column_plan import plan_columns
from ctexport_dagster.core.counted import counted
from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.datasets.naming import file_of
from ctexport_dagster.core.errors import ConfigurationError, Mistake
from ctexport_dagster.core.export import DeclaredExport, Export
from ctexport_dagster.core.interval import Cadence
from ctexport_dagster.core.kinds import naming_of
from ctexport_dagster.core.naming import NamingMistake
from ctexport_dagster.core.ranges import days_of, reaches_too_far
from ctexport_dagster.core.run_names import FileOfDataset
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.declarations.messages import did_you_mean
from ctexport_dagster.declarations.reading import SETTINGS, Declaration, Declarations
from ctexport_dagster.declarations.yaml import Document
from ctexport_dagster.resources.declared_destination import DeclaredDestination
from ctexport_dagster.resources.registry import ResourceRole

_CHECKED_DAYS = 2 * 366
"""Clock changes repeat every year; two of them show every offset that two zones may have to each other."""


def disagreements(declared: Declarations) -> Iterator[Mistake]:
    """Every mistake that only several files together, or a whole export, can show."""
    for name, export in declared.exports.items():
        yield from _resource_mistakes(export, declared)
        yield from _naming_mistakes(export)
        yield from _range_mistakes(export, _look_back(export, declared))
        if isinstance(export.model, Export):
            yield from _column_mistakes(export.model, export.document)
        source = declared.sources.get(export.model.source)
        if source:
            yield from _content_mistakes(export, source.model)
            yield from _window_mistakes(export, source.model.cadence, source.model.name)
        if declared.roles.get(name) == "source":
            yield Mistake(
                export.document.file,
                0,
                "",
                f"resources/{name}.yaml has the same name: their assets would share one group; rename one of them",
            )
    yield from _guarded(declared)
    yield from _shared_export_ids(declared)
    yield from _shared_keys(declared)


def _resource_mistakes(export: Declaration[DeclaredExport], declared: Declarations) -> Iterator[Mistake]:
    roles: tuple[tuple[ResourceRole, str], ...] = (
        ("source", export.model.source),
        ("destination", export.model.destination),
    )
    for role, name in roles:
        usable = [known for known, its_role in declared.roles.items() if its_role in (role, None)]
        if name in usable:
            continue
        reason = (
            f"{name} is a {declared.roles[name]}" if name in declared.roles else f"there is no resources/{name}.yaml"
        )
        hint = did_you_mean(name, usable) or (f"; declared are {', '.join(usable)}" if usable else "")
        yield export.document.mistake((role,), f"{reason}{hint}")


def _naming_mistakes(export: Declaration[DeclaredExport]) -> Iterator[Mistake]:
    try:
        naming_of(export.model)
    except NamingMistake as problem:
        yield export.document.mistake(tuple(problem.field.split(".")), str(problem))


def _range_mistakes(export: Declaration[DeclaredExport], look_back: tuple[int, str]) -> Iterator[Mistake]:
    schedule = export.model.schedule
    if schedule.range is None or schedule.start is None:
        return
    if export.model.kind != "events":
        what = "the state" if export.model.kind == "profiles" else "everything up to the end"
        end = "at the end of its start day" if export.model.kind == "profiles" else "of its start day"
        message = f"range is for events; a one-time export of {export.model.kind} has {what} {end}"
        yield export.document.mistake(("schedule", "range"), message)
        return
    days, (bound, declared_in) = days_of(schedule.range, schedule.start), look_back
    if reaches_too_far(days, schedule.start, look_back_days=bound):
        message = (
            f"begins on {days.first}, more than {counted(bound, 'day')} before start (look_back_days of {declared_in})"
        )
        yield export.document.mistake(("schedule", "range"), message)


def _look_back(export: Declaration[DeclaredExport], declared: Declarations) -> tuple[int, str]:
    """How many days a range may reach back, and the file that says so. Source: REQUIREMENTS G3."""
    name = export.model.destination
    destination = declared.destinations.get(name)
    own = (
        destination.model.look_back_days if destination and isinstance(destination.model, DeclaredDestination) else None
    )
    return (declared.settings.look_back_days, SETTINGS) if own is None else (own, f"resources/{name}.yaml")


def _guarded(declared: Declarations) -> Iterator[Mistake]:
    """What the home's own guards refuse. Source: REQUIREMENTS P35."""
    guards = declared.settings.guards
    profiles = [export for export in declared.exports.values() if export.model.kind == "profiles"]
    recurring = [export for export in profiles if not export.model.schedule.is_once]
    if guards.one_recurring_profile_export:
        for export in recurring[1:]:
            message = f"{recurring[0].model.name} is the one recurring profile export that settings.yaml allows"
            yield export.document.mistake(("schedule",), message)
    if guards.no_one_time_beside_recurring and recurring:
        for export in profiles:
            if export.model.schedule.is_once:
                message = f"settings.yaml allows no one-time export while {recurring[0].model.name} is recurring"
                yield export.document.mistake(("schedule", "every"), message)


def _content_mistakes(export: Declaration[DeclaredExport], source: SourceDeclaration) -> Iterator[Mistake]:
    """An export of what its source doesn't give."""
    if export.model.kind == "profiles" and not source.has_profiles:
        others = (("events", source.has_events), ("datasets", bool(source.declared_datasets)))
        only = " and ".join(name for name, is_given in others if is_given)
        yield export.document.mistake(
            ("source",), f"{source.name} declares no profiles" + (f", only {only}" if only else "")
        )
    if export.model.kind == "events" and not source.has_events:
        yield export.document.mistake(("source",), f"{source.name} declares no events; add `events:` to it")
    if isinstance(export.model, DatasetExport):
        yield from _dataset_mistakes(export.model, export.document, source)


def _dataset_mistakes(export: DatasetExport, document: Document, source: SourceDeclaration) -> Iterator[Mistake]:
    """Datasets that the source doesn't give, or not in a way in which the flow could send them."""
    known = source.declared_datasets
    if not known:
        message = f"{source.name} declares no datasets, and {export.name} exports {', '.join(export.datasets)}"
        yield document.mistake(("source",), f"{message}; add `datasets:` to it")
        return
    by_id: dict[str, str] = {}
    sends_all = export.schedule.is_once or export.schedule.mode == "full"
    for number, name in enumerate(export.datasets):
        place = ("datasets", number)
        if name not in known:
            hint = did_you_mean(name, known) or f"; it has {', '.join(known)}"
            message = f"{export.name} exports the dataset {name}, which {source.name} doesn't declare"
            yield document.mistake(place, f"{message} (to stop exporting it, take it out of this list){hint}")
            continue
        held = file_of(name, known[name]).id
        if held in by_id:
            yield document.mistake(place, f"{name} has the id {held}, as {by_id[held]} has; give each an id of its own")
        by_id.setdefault(held, name)
        if known[name].holds == "all" and not sends_all:
            message = f"each partition of {name} has the whole table (holds: all), so that nothing tells what was added"
            yield document.mistake(place, f"{message}; write schedule: {{mode: full}}, or every: once")
        if isinstance(export.max_age_days, int) and not (known[name].timestamp or known[name].cursor):
            message = f"{name} has no column that tells a row's age; declare its `timestamp:` in the source"
            yield document.mistake(("max_age_days",), message)


def _column_mistakes(model: Export, document: Document) -> Iterator[Mistake]:
    """Names that mean no column: known before any data is only where properties are chosen by name."""
    listed = model.columns.listed_properties
    if listed is None:
        return
    for number, name in enumerate(model.columns.order):
        if name not in listed:
            message = f"{name} isn't among columns.properties{did_you_mean(name, listed)}"
            yield document.mistake(("columns", "order", number), message)
    columns = _column_names(model, listed)
    for name in model.columns.rename:
        if name not in columns:
            message = f"{name} is no column of this export{did_you_mean(name, columns)}"
            yield document.mistake(("columns", "rename", name), message)
    if model.strict:
        yield from _clashes(model, listed, document)


def _column_names(export: Export, listed: tuple[str, ...]) -> list[str]:
    columns = export.columns.model_copy(update={"rename": {}})
    plan = plan_columns(export.model_copy(update={"columns": columns, "strict": False}), _schema_of(export, listed))
    return [*listed, *(column.name for column in plan.columns)]


def _clashes(export: Export, listed: tuple[str, ...], document: Document) -> Iterator[Mistake]:
    try:
        plan_columns(export, _schema_of(export, listed))
    except ConfigurationError as problem:
        for mistake in problem.mistakes:
            yield document.mistake(tuple(mistake.field.split(".")), mistake.message)


def _schema_of(export: Export, listed: tuple[str, ...]) -> SourceSchema:
    """A source that has every property which the export names."""
    names = dict.fromkeys((*listed, *(name for name in export.identity.order if name != "Identity")))
    return SourceSchema(tuple(Field("property", name, ValueType.STRING) for name in names))


def _window_mistakes(export: Declaration[DeclaredExport], source: Cadence, name: str) -> Iterator[Mistake]:
    document, schedule = export.document, export.model.schedule
    cadence = export.model.cadence(source)
    if cadence.end and cadence.end <= cadence.start:
        yield document.mistake(("schedule", "end"), f"the export would end, on {cadence.end}, before it starts")
        return
    if outside := boundary_outside(cadence, source):
        by_zone = schedule.timezone is not None and schedule.timezone != source.zone.key
        yield document.mistake(
            ("schedule", "timezone" if by_zone else "every"),
            f"a window would start at {outside:%Y-%m-%dT%H:%MZ}, where none of the source {name} does: its windows are"
            f" {source.hours}h long from midnight in {source.zone.key}, and an export's are made of whole ones",
        )
        return
    if cadence.first.start < source.first.start:
        yield document.mistake(("schedule", "start"), f"the source {name} starts on {source.start}; start no earlier")
    elif source.end and cadence.start >= source.end:
        yield document.mistake(("schedule", "start"), f"the source {name} ends on {source.end}; start before")
    if source.end and cadence.end and cadence.end > source.end:
        yield document.mistake(("schedule", "end"), f"the source {name} ends on {source.end}; end no later")


def boundary_outside(export: Cadence, source: Cadence) -> datetime | None:
    """The first boundary of an export's windows that is none of its source's.

    In one zone, windows whose hours are a multiple of the source's start at wall-clock times at which the source's
    do, whatever the clocks do. Two zones are compared day by day.
    """
    if export.zone.key == source.zone.key and export.hours % source.hours == 0:
        return None
    days = _days(export.start, export.end)
    around = (days[0] - timedelta(days=2), days[0] - timedelta(days=1), *days, *_after(days[-1]))
    known = {boundary for day in around for boundary in source.boundaries_of(day)}
    return next((b for day in days for b in export.boundaries_of(day) if b not in known), None)


def _days(start: date, end: date | None) -> list[date]:
    count = min(_CHECKED_DAYS, (end - start).days) if end else _CHECKED_DAYS
    return [start + timedelta(days=number) for number in range(count)]


def _after(day: date) -> list[date]:
    return [day + timedelta(days=number) for number in (1, 2)]


def _shared_export_ids(declared: Declarations) -> Iterator[Mistake]:
    seen: dict[int, str] = {}
    for name, export in declared.exports.items():
        number = export.model.effective_export_id
        if number in seen:
            yield export.document.mistake(
                ("export_id",), f"{seen[number]} has the export id {number} too; declare another one"
            )
        seen.setdefault(number, name)


def _shared_keys(declared: Declarations) -> Iterator[Mistake]:
    """Exports to one destination whose files would overwrite each other's, though their ids differ."""
    seen: dict[tuple[object, ...], str] = {}
    ids: set[int] = set()
    for name, export in declared.exports.items():
        if export.model.effective_export_id in ids:
            continue
        ids.add(export.model.effective_export_id)
        model = export.model
        try:
            naming = naming_of(model)
        except NamingMistake:
            continue
        number = model.effective_export_id
        places = [(model.destination, *naming.shape(model.account_id, number, held)) for held in _held(model, declared)]
        taken = next((place for place in places if place in seen), None)
        if taken is not None:
            message = f"{seen[taken]} writes the same keys to {model.destination}; add {{{{Export-id}}}}"
            yield export.document.mistake(("files", "name"), message)
        seen.update({place: name for place in places if place not in seen})


def _held(export: DeclaredExport, declared: Declarations) -> list[FileOfDataset | None]:
    """What the files of an export hold, as far as it stands in their names before anything runs."""
    source = declared.sources.get(export.source)
    if not isinstance(export, DatasetExport) or source is None:
        return [None]
    known = source.model.declared_datasets
    return [file_of(name, known[name]) for name in export.datasets if name in known]
