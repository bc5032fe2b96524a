"""A manifest of one partition of a table, for files that a test wrote by itself."""

from datetime import UTC, datetime

import polars as pl

from ctexport_dagster.core.datasets.columns import dataset_columns
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.manifest import Manifest, RowCounts


def dataset_manifest(schema: pl.Schema, rows: int, type_: str, *, as_string: bool = False) -> Manifest:
    """What a reader has to know of `rows` rows in a format; it names no files."""
    return Manifest(
        export="flow",
        export_id=1,
        configuration_version="1",
        kind="datasets",
        partition="2026-11-18",
        window=Interval(datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC)),
        run_id="",
        mode="full",
        format={"type": type_, "style": "typed", "wrap": "none", "as_string": as_string},
        fingerprint="",
        columns=dataset_columns(schema),
        rows=RowCounts(rows, 0, 0, 0, rows, 0),
        lake_version=0,
        upstream_runs=(),
        generation=0,
        supersedes=None,
        files=(),
    )
