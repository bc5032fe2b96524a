"""The asset `<source>/<dataset>`: a table of a source, in the lake, by the window in which its rows were new."""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from ctexport_dagster.assets import checks, metadata
from ctexport_dagster.assets.source_asset import OF_COLUMNS, Asked, Content, Told, content_key, source_asset
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.checks import COMPARED, Drift, drift
from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.type_names import type_name
from ctexport_dagster.core.datasets.widening import NO_TYPE
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.plot import SHOWN_BARS, Bar
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.findings import misnamed
from ctexport_dagster.lake.datasets import DatasetLake, DatasetRecord
from ctexport_dagster.stages.datasets import ingest_dataset_partition


def dataset_key(source: str, dataset: str) -> dg.AssetKey:
    return content_key(source, dataset)


def dataset_asset(
    declaration: SourceDeclaration, dataset: str, workshop: Workshop, *, owners: Sequence[str] = ()
) -> dg.AssetsDefinition:
    """The asset of one declared dataset of a source; every flow that has it stands on it."""
    declared = declaration.declared_datasets[dataset]
    content = Content(
        name=dataset,
        pool=f"dataset_{declaration.name}_{dataset}",
        kinds=frozenset({"parquet", "polars"}),
        description=_description(declaration, dataset, declared),
        checks=OF_COLUMNS,
        bars="Rows that the source gave",
    )

    def ingest(asked: Asked) -> Told:
        record = ingest_dataset_partition(
            declaration,
            asked.source,
            dataset,
            asked.partition,
            folders=workshop.folders,
            run_id=asked.run_id,
            progress=asked.progress,
        )
        lake = workshop.folders.dataset_lake(declaration.name, dataset)
        records = lake.view().records()
        upto = [one for one in records if one.window <= asked.window]
        rows = record.rows
        return Told(
            state=record.state,
            rows=rows.kept,
            counts={"rows source": rows.source, "rows quarantined": rows.quarantined, "bytes": record.bytes},
            generation=record.generation,
            was_new=record.is_new,
            bars=[Bar(one.partition, one.rows.source, is_full=one.holds_all) for one in upto[-SHOWN_BARS:]],
            findings=_findings(declared, lake, record, upto),
            further=_columns(record),
        )

    return source_asset(declaration, content, ingest, workshop, owners=owners)


def _findings(
    declared: DeclaredDataset, lake: DatasetLake, record: DatasetRecord, upto: Sequence[DatasetRecord]
) -> list[dg.AssetCheckResult]:
    file = lake.quarantine / record.quarantine if record.quarantine else None
    alike = [one.rows.source for one in upto[:-1] if one.holds_all == record.holds_all]
    mode: Mode = "full" if record.holds_all else "incremental"
    return [
        checks.of_sum(record.rows.source, {"quarantined": record.rows.quarantined, "kept": record.rows.kept}),
        checks.of_refused(record.rows.quarantined, record.rows.source, file),
        checks.of_declared_columns(misnamed.of_columns(lake.name, declared.types, record)),
        checks.of_drift("fields_are_as_before", _drift(upto)),
        checks.of_volume(record.rows.source, alike[-COMPARED:], mode),
    ]


def _drift(upto: Sequence[DatasetRecord]) -> Drift | None:
    """How the last record's columns differ from those of the one before; None for the first."""
    if len(upto) < 2:
        return None
    before, now = (_types(record) for record in upto[-2:])
    return drift(before, now)


def _types(record: DatasetRecord) -> dict[str, str]:
    """The columns that the source gave, with their types."""
    return {name: _type(record.columns[name]) for name in record.present}


def _type(dtype: pl.DataType) -> str:
    return ValueType.UNKNOWN.value if dtype == NO_TYPE else type_name(dtype)


def _columns(record: DatasetRecord) -> metadata.Metadata:
    columns = [dg.TableColumn(name=name, type=type_name(dtype)) for name, dtype in record.columns.items()]
    return {"dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns=columns))}


def _description(declaration: SourceDeclaration, dataset: str, declared: DeclaredDataset) -> str:
    every = f"every {declaration.every} hours ({declaration.timezone})"
    if declared.holds == "all":
        gives = f"the whole of it {every}; the lake keeps the newest few"
    else:
        by = f" by its column {declared.cursor}" if declared.cursor else ""
        gives = f"the rows that are new{by} {every}, and all rows so far with the first partition"
    return (
        f"The table {dataset} of the source {declaration.name}, which gives {gives}. Columns keep their own"
        " types; rows that can't be used wait in the quarantine with their reason. Partitions are taken in as exports"
        " need them: those that none does stay missing, and nothing is wrong with that."
    )
