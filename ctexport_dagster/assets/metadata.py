"""What a materialization says of itself: counts, sizes, window and schema, never a row or a value."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import dagster as dg

from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.manifest import ManifestFile
from ctexport_dagster.core.phones import PhoneReport
from ctexport_dagster.core.schema import Field

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


def of_schema(plan: ColumnPlan) -> Metadata:
    """The columns as the files show them: header, type, and what each comes from."""
    return {
        "dagster/column_schema": dg.MetadataValue.table_schema(
            dg.TableSchema(
                columns=[
                    dg.TableColumn(name=column.header, type=column.type.value, description=f"from {column.key}")
                    for column in plan.columns
                ]
            )
        )
    }


def of_lineage(fields: Mapping[str, Iterable[str]], source: dg.AssetKey) -> Metadata:
    """Which source columns each output column comes from, as Dagster stores it."""
    return {
        "dagster/column_lineage": dg.MetadataValue.column_lineage(
            dg.TableColumnLineage(
                {
                    header: [dg.TableColumnDep(asset_key=source, column_name=name) for name in names]
                    for header, names in fields.items()
                }
            )
        )
    }


def of_warnings(warnings: Iterable[str]) -> Metadata:
    """What the plan warns of, as a list; nothing where it doesn't."""
    lines = [f"- {warning}" for warning in warnings]
    return {"warnings": dg.MetadataValue.md("\n".join(lines))} if lines else {}


def of_preview(table: str) -> Metadata:
    """The first rows as a table whose values are masked already; nothing where there are no rows."""
    return {"preview (masked)": dg.MetadataValue.md(table)} if table else {}


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


def of_phones(check_name: str, report: PhoneReport) -> dg.AssetCheckResult:
    """The check of REQUIREMENTS P16: a warning, for nothing is held back or changed."""
    return dg.AssetCheckResult(
        check_name=check_name,
        passed=report.irregular == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            **of_counts({"phones": report.phones, "not E.164": report.irregular, "not proven": report.unproven}),
            "samples (masked)": ", ".join(report.samples) or "none",
        },
    )
