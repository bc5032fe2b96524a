"""What a materialization says of itself: counts, sizes, window and schema, never a row or a value."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import dagster as dg

from ctexport_dagster.assets.earlier import BLANKS, PartitionFigures
from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.datasets.columns import dataset_columns
from ctexport_dagster.core.datasets.schema_text import schema_from_text
from ctexport_dagster.core.datasets.staged import ChosenRows
from ctexport_dagster.core.export import PersonExport
from ctexport_dagster.core.figures import Figures
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.lineage import described
from ctexport_dagster.core.lineage_drawing import lineage_markdown
from ctexport_dagster.core.manifest import ManifestFile
from ctexport_dagster.core.plot import Bar, bar_chart
from ctexport_dagster.core.schema import Field
from ctexport_dagster.core.staging import ResolvedRows, StagedChunks

Metadata = dict[str, dg.MetadataValue]

LISTED_FILES = 100
"""The manifest names every file; Dagster's event log needn't grow with them."""


def of_window(partition: str, window: Interval) -> Metadata:
    """The partition's key and its half-open window."""
    return {
        "partition": dg.MetadataValue.text(partition),
        "window": dg.MetadataValue.text(f"[{window.start:%Y-%m-%dT%H:%M:%SZ}, {window.end:%Y-%m-%dT%H:%M:%SZ})"),
    }


def of_counts(counts: Mapping[str, int]) -> Metadata:
    """One number each, which the UI plots over the partitions."""
    return {name: dg.MetadataValue.int(count) for name, count in counts.items()}


def of_duration(seconds: float) -> Metadata:
    """How long the stage took, which the UI plots as well."""
    return {"seconds": dg.MetadataValue.float(round(seconds, 3))}


def of_schema(plan: ColumnPlan, export: PersonExport) -> Metadata:
    """The columns as the files show them: header, type, and what each holds."""
    columns = [
        dg.TableColumn(
            name=column.header,
            type=column.type.value,
            description=described(column, export),
            constraints=_constraints(column),
        )
        for column in plan.columns
    ]
    return {"dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns=columns))}


def of_tables(staged: Sequence[StagedChunks[ResolvedRows]]) -> Metadata:
    """Of each dataset, what was staged; and its columns with their types: as Dagster's own where there is one alone."""
    chosen = [(one.resolved, one.chunks) for one in staged if isinstance(one.resolved, ChosenRows)]
    records = [
        dg.TableRecord(
            {
                "dataset": rows.dataset,
                "mode": rows.mode,
                "rows": rows.rows.exported,
                "quarantined": rows.rows.quarantined,
                "too old": rows.too_old,
                "files": len(chunks),
                "bytes": sum(chunk.bytes for chunk in chunks),
            }
        )
        for rows, chunks in chosen
    ]
    names = ["dagster/column_schema"] if len(chosen) == 1 else [f"columns of {rows.dataset}" for rows, _ in chosen]
    schemas = {name: _table_schema(rows) for name, (rows, _) in zip(names, chosen, strict=True)}
    return {"datasets": dg.MetadataValue.table(records), **schemas} if records else {}


def _table_schema(rows: ChosenRows) -> dg.MetadataValue:
    columns = dataset_columns(schema_from_text(rows.schema_text))
    return dg.MetadataValue.table_schema(
        dg.TableSchema(columns=[dg.TableColumn(name=column.name, type=column.type) for column in columns])
    )


def of_lineage(plan: ColumnPlan, fields: Mapping[str, Sequence[str]], source: dg.AssetKey) -> Metadata:
    """Which source columns each output column comes from: as Dagster stores it, and as a drawing, which it doesn't."""
    stored = dg.TableColumnLineage(
        {
            header: [dg.TableColumnDep(asset_key=source, column_name=name) for name in names]
            for header, names in fields.items()
        }
    )
    return {
        "dagster/column_lineage": dg.MetadataValue.column_lineage(stored),
        "column lineage": dg.MetadataValue.md(lineage_markdown(plan, fields, source.to_user_string())),
    }


def of_warnings(warnings: Iterable[str]) -> Metadata:
    """What the plan warns of, as a list; nothing where it doesn't."""
    lines = [f"- {warning}" for warning in warnings]
    return {"warnings": dg.MetadataValue.md("\n".join(lines))} if lines else {}


def of_preview(table: str) -> Metadata:
    """The first rows as a table whose values are masked already; nothing where there are no rows."""
    return {"preview (masked)": dg.MetadataValue.md(table)} if table else {}


def of_blanks(figures: Figures) -> Metadata:
    """Rows without a value, by column: what later partitions are compared with."""
    return {BLANKS: dg.MetadataValue.json(dict(figures.blanks))}


def of_plot(bars: Sequence[Bar], title: str) -> Metadata:
    """The rows of the last partitions as a drawing."""
    return {"rows per partition": dg.MetadataValue.md(bar_chart(bars, title))}


def bars(earlier: Sequence[PartitionFigures], now: PartitionFigures) -> list[Bar]:
    """The bars of an export's partitions, this one last."""
    return [Bar(told.partition, told.figures.rows, is_full=told.mode == "full") for told in (*earlier, now)]


def of_files(files: Sequence[ManifestFile], address: Callable[[str], str]) -> Metadata:
    """Every delivered file with its address, rows and bytes, up to `LISTED_FILES` of them."""
    records = [
        dg.TableRecord({"file": address(file.key), "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256})
        for file in files[:LISTED_FILES]
    ]
    return {"delivered files": dg.MetadataValue.table(records)} if records else {}


def of_fields(fields: Iterable[Field]) -> Metadata:
    """The fields that a source's partition held, as a schema."""
    columns = [dg.TableColumn(name=field.name, type=field.type.value, description=field.role) for field in fields]
    return {"dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns=columns))}


def _constraints(column: OutputColumn) -> dg.TableColumnConstraints:
    """What always holds of a column."""
    is_key = column.role == "clevertapId"
    is_filled = is_key or column.role in ("identity", "all_identities")
    return dg.TableColumnConstraints(nullable=not is_filled, unique=is_key)
