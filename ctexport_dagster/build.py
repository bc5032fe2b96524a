"""Builds Dagster's definitions from declarations: `definitions.py` calls it with a home, tests with fakes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import dagster as dg

from ctexport_dagster.assets.chunks import chunks_asset
from ctexport_dagster.assets.datasets import dataset_asset
from ctexport_dagster.assets.delivery import delivery_asset
from ctexport_dagster.assets.event_identity import event_identity_asset
from ctexport_dagster.assets.events import events_asset
from ctexport_dagster.assets.identity import identity_asset
from ctexport_dagster.assets.profiles import profiles_asset
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.clock import Clock, utc_now
from ctexport_dagster.core.asset_names import EVENTS, PROFILES
from ctexport_dagster.core.delivery.request import USUAL_PACE, Pace
from ctexport_dagster.core.export import DeclaredExport
from ctexport_dagster.core.settings import Settings
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.home import DestinationDeclaration
from ctexport_dagster.line import Line, ProfileLine
from ctexport_dagster.lines import open_line
from ctexport_dagster.resources.declared_destination import DeclaredDestination
from ctexport_dagster.running.planning import Ledger
from ctexport_dagster.schedules import schedule_of
from ctexport_dagster.sensors.catch_up import catch_up_sensor
from ctexport_dagster.sensors.failures import failure_sensors
from ctexport_dagster.sensors.punctuality import punctuality_sensor
from ctexport_dagster.sensors.read_anew import read_anew_sensor
from ctexport_dagster.sensors.telling import post_of
from ctexport_dagster.volumes import usage_of


def build_definitions(
    exports: Iterable[DeclaredExport],
    sources: Mapping[str, SourceDeclaration],
    destinations: Mapping[str, DestinationDeclaration],
    *,
    surroundings: Surroundings,
    workshop: Workshop,
    settings: Settings | None = None,
    clock: Clock = utc_now,
) -> dg.Definitions:
    """Everything that Dagster needs to know of these exports: assets, schedules, sensors and resources.

    A source or destination is opened when a run first needs it, never while definitions load. `clock` tells sensors the
    time; a schedule's tick has its own.
    """
    held = settings or Settings()
    is_final = held.guards.exports_are_final
    usage_at = usage_of(workshop.folders, held.entitlement)
    lines = [
        open_line(export, sources[export.source], workshop.folders, is_final=is_final, beside=exports)
        for export in exports
    ]
    assets = [
        *(asset for source in sources.values() for asset in _source_assets(source, workshop, lines)),
        *(
            asset
            for line in lines
            for asset in (
                *_identity_assets(line, workshop),
                chunks_asset(line, workshop),
                delivery_asset(
                    line,
                    workshop,
                    kind=_icon(destinations[line.export.destination]),
                    clock=clock,
                    pace=_pace(destinations[line.export.destination]),
                    usage_at=usage_at,
                ),
            )
        ),
    ]
    resources = {name: _resource(declared, surroundings) for name, declared in {**sources, **destinations}.items()}
    ledger = Ledger()
    return dg.Definitions(
        assets=assets,
        resources=resources,
        executor=dg.in_process_executor,
        schedules=[schedule_of(line, ledger) for line in lines],
        sensors=[
            catch_up_sensor(lines, ledger, clock, pools={pool for asset in assets if (pool := asset.op.pool)}),
            punctuality_sensor(lines, clock),
            read_anew_sensor(lines, clock),
            *failure_sensors(lines, _types(destinations), post_of(held, surroundings), clock, usage_at),
        ]
        if lines
        else [],
    )


def _source_assets(source: SourceDeclaration, workshop: Workshop, lines: Sequence[Line]) -> list[dg.AssetsDefinition]:
    """What the source gives: profiles, events and datasets."""

    def owners(content: str) -> list[str]:
        return _owners(lines, source, content)

    return [
        *([profiles_asset(source, workshop, owners=owners(PROFILES))] if source.has_profiles else []),
        *([events_asset(source, workshop, owners=owners(EVENTS))] if source.has_events else []),
        *(dataset_asset(source, dataset, workshop, owners=owners(dataset)) for dataset in source.declared_datasets),
    ]


def _identity_assets(line: Line, workshop: Workshop) -> list[dg.AssetsDefinition]:
    """What says whose an export's rows are; tables are nobody's."""
    if isinstance(line, DatasetLine):
        return []
    if isinstance(line, EventLine):
        return [event_identity_asset(line, workshop)]
    return [identity_asset(cast("ProfileLine", line), workshop)]


def _owners(lines: Sequence[Line], source: SourceDeclaration, content: str) -> list[str]:
    """Who owns what a source gives: the owners of all exports that stand on it."""
    return sorted({line.export.owner for line in lines if line.source.name == source.name and content in line.inputs})


def _resource(
    declared: DestinationDeclaration | SourceDeclaration, surroundings: Surroundings
) -> dg.ResourceDefinition:
    return dg.ResourceDefinition(
        lambda _: declared.open(surroundings), description=getattr(declared, "description", None)
    )


def _types(destinations: Mapping[str, DestinationDeclaration]) -> dict[str, str]:
    return {name: destination.type for name, destination in destinations.items()}


def _icon(destination: DestinationDeclaration) -> str:
    return {"local": "file"}.get(destination.type, destination.type)


def _pace(destination: DestinationDeclaration) -> Pace:
    """How hard the destination may be pressed: its own settings, where its kind declares them."""
    return destination.pace if isinstance(destination, DeclaredDestination) else USUAL_PACE
