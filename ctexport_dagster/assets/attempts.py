"""How a Dagster run says which exports it attempts, and whose a failure is: tags, by which running/history.py finds it.

Runs that schedules, sensors and the command line launch carry the tags from the start (`attempt_tags`); those that
somebody launches in Dagit get them from the first asset that runs.
"""

from collections.abc import Iterable

import dagster as dg

from ctexport_dagster.core.asset_names import DELIVERY, is_of_export
from ctexport_dagster.core.history import Whose

WHOSE = "ctexport/whose"
LAST_STAGE = DELIVERY


def attempt_tag(export: str) -> str:
    """The tag whose value is "yes" on every run that is to deliver a partition of the export."""
    return f"ctexport.export/{export}"


def attempt_tags(exports: Iterable[str]) -> dict[str, str]:
    """The tags of a run that is to deliver a partition of each of these exports."""
    return {attempt_tag(export): "yes" for export in exports}


def needed_by_tag(export: str) -> str:
    """The tag of a run that is to write a source's partition for an export's run, which begins only once it has.

    Its value is Dagster's key of the export's partition.
    """
    return f"ctexport.needed_by/{export}"


def ingest_tag(source: str) -> str:
    """The tag whose value is "yes" on every run that is to write a partition of the source."""
    return f"ctexport.source/{source}"


def tags_of_assets(assets: Iterable[dg.AssetKey]) -> dict[str, str]:
    """The tags of a run of these assets: as an attempt at exports, and as one at partitions of sources."""
    keys = sorted(assets)
    exports = attempt_tags(key.path[0] for key in keys if key.path[-1] == LAST_STAGE)
    return exports | {ingest_tag(key.path[0]): "yes" for key in keys if not is_of_export(key.path[-1])}


def note_attempt(context: dg.AssetExecutionContext) -> None:
    """Marks the run as an attempt at every export that it is to deliver, and every source that it is to read."""
    _add(context, tags_of_assets(context.run.asset_selection or ()))


def note_failure(context: dg.AssetExecutionContext, whose: Whose) -> None:
    """Marks the run's failure as somebody's."""
    _add(context, {WHOSE: whose})


def _add(context: dg.AssetExecutionContext, tags: dict[str, str]) -> None:
    missing = {name: value for name, value in tags.items() if context.run.tags.get(name) != value}
    if missing:
        context.instance.add_run_tags(context.run.run_id, missing)
