"""Builds Dagster's definitions from declarations: `definitions.py` calls it with a home, tests with fakes."""

from collections.abc import Iterable, Mapping

import dagster as dg

from ctexport_dagster.assets.chunks import chunks_asset
from ctexport_dagster.assets.delivery import delivery_asset
from ctexport_dagster.assets.identity import identity_asset
from ctexport_dagster.assets.profiles import profiles_asset
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.home import DestinationDeclaration
from ctexport_dagster.line import Line


def build_definitions(
    exports: Iterable[Export],
    sources: Mapping[str, SourceDeclaration],
    destinations: Mapping[str, DestinationDeclaration],
    *,
    surroundings: Surroundings,
    workshop: Workshop,
) -> dg.Definitions:
    """Everything that Dagster needs to know of these exports: their assets, and a resource per source and destination.

    A source or destination is opened when a run first needs it, never while definitions load.
    """
    lines = [Line(export, sources[export.source], workshop.folders) for export in exports]
    assets = [
        *(profiles_asset(source, workshop) for source in sources.values()),
        *(
            asset
            for line in lines
            for asset in (
                identity_asset(line, workshop),
                chunks_asset(line, workshop),
                delivery_asset(
                    line,
                    workshop,
                    kind=_icon(destinations[line.export.destination]),
                    parallel=_parallel(destinations[line.export.destination]),
                ),
            )
        ),
    ]
    resources = {name: _resource(declared, surroundings) for name, declared in {**sources, **destinations}.items()}
    return dg.Definitions(assets=assets, resources=resources, executor=dg.in_process_executor)


def _resource(
    declared: DestinationDeclaration | SourceDeclaration, surroundings: Surroundings
) -> dg.ResourceDefinition:
    return dg.ResourceDefinition(
        lambda _: declared.open(surroundings), description=getattr(declared, "description", None)
    )


def _icon(destination: DestinationDeclaration) -> str:
    return {"local": "file"}.get(destination.type, destination.type)


def _parallel(destination: DestinationDeclaration) -> int:
    """How many files are sent at once: the destination's own setting, where its kind has one."""
    return getattr(destination, "parallel_uploads", 4)
