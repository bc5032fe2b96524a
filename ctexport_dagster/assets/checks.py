"""The checks on the assets: what each looks at, and how a finding of the core is told. None blocks what follows.

A broken promise of ours is an error; what somebody should look at, while nothing is lost or wrong, is a warning.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import dagster as dg

from ctexport_dagster.assets.earlier import PartitionFigures
from ctexport_dagster.assets.metadata import of_counts
from ctexport_dagster.core.checks import COMPARED, FEWEST, Bounds, Drift, unusual_shares, usual_rows
from ctexport_dagster.core.delivery.audit import Audit
from ctexport_dagster.core.entitlement import NEAR_PERCENT, Usage
from ctexport_dagster.core.figures import Figures
from ctexport_dagster.core.interval import Cadence
from ctexport_dagster.core.lateness import Standing
from ctexport_dagster.core.manifest import Manifest, Mode
from ctexport_dagster.core.phones import PhoneReport
from ctexport_dagster.core.quarantine import told_counts
from ctexport_dagster.findings.outdated import LOOK_BACK, Outdated
from ctexport_dagster.lake.refused import refused_counts

CheckName = Literal[
    "every_row_is_accounted_for",
    "every_row_is_usable",
    "declared_columns_are_given",
    "fields_are_as_before",
    "volume_is_usual",
    "phones_are_e164",
    "ids_are_unique",
    "columns_are_as_before",
    "blanks_are_usual",
    "chunks_hold_every_row",
    "files_hold_every_exported_row",
    "files_are_as_planned",
    "newest_partition_is_on_time",
    "source_is_as_delivered",
    "year_is_within_entitlement",
]

_DESCRIPTIONS: Mapping[CheckName, str] = {
    "every_row_is_accounted_for": "The source's rows are those kept, passed over, superseded and quarantined together.",
    "every_row_is_usable": "No row of the source waits in the quarantine; an error where none could be used.",
    "declared_columns_are_given": "The source has given every column that its `types:` name.",
    "fields_are_as_before": "The source gives the fields that it gave in the partition before, with their types.",
    "volume_is_usual": f"As many rows as usual, going by the last {COMPARED} partitions of the same mode.",
    "phones_are_e164": "Phone values are E.164, as +15551234567. Others are sent as they are, and counted here.",
    "ids_are_unique": "No clevertapId stands in two rows of an instance; rows are in their order.",
    "columns_are_as_before": "The files have the columns of the partition before, unless the declaration was edited.",
    "blanks_are_usual": f"Each column is as often blank as usual, going by the last {COMPARED} partitions of the mode.",
    "chunks_hold_every_row": "The chunks hold every resolved row, once.",
    "files_hold_every_exported_row": "The rows of the manifest's files together are the rows exported.",
    "files_are_as_planned": "Plan, manifest and journal tell of the same files, rows, bytes and checksums.",
    "newest_partition_is_on_time": "The newest partition due an hour ago or earlier is delivered. Looked at often.",
    "source_is_as_delivered": (
        f"None of the newest {LOOK_BACK} partitions was read anew at its source since its delivery. Looked at often."
    ),
    "year_is_within_entitlement": f"All exports together used less than {NEAR_PERCENT} % of the year's entitlement.",
}
_SHOWN = 50
"""Names that a finding lists; the rest is counted."""


def specs(asset: dg.AssetKey, *names: CheckName) -> list[dg.AssetCheckSpec]:
    """The declarations of these checks on an asset."""
    return [dg.AssetCheckSpec(name, asset=asset, description=_DESCRIPTIONS[name]) for name in names]


def of_partition(partition: str, results: Iterable[dg.AssetCheckResult]) -> list[dg.AssetCheckResult]:
    """The results with the partition that they are of: Dagit's own column for it stays empty."""
    key = dg.MetadataValue.text(partition)
    return [result._replace(metadata={"partition": key, **(result.metadata or {})}) for result in results]


def of_sum(source: int, parts: Mapping[str, int], *, adds_up: bool = True) -> dg.AssetCheckResult:
    """The row sum of REQUIREMENTS B1; `adds_up` tells of the sums that it is made of."""
    counts = of_counts({"source": source, **parts, "accounted for": sum(parts.values())})
    return _result("every_row_is_accounted_for", passed=adds_up and source == sum(parts.values()), metadata=counts)


def of_refused(refused: int, source: int, file: Path | None) -> dg.AssetCheckResult:
    """The refused rows, by reason and field, and the quarantine file that holds them.

    A warning where some were refused: the rest is there. An error where all were.
    """
    told = of_counts({"refused": refused, "source": source})
    if file is None:
        return _result("every_row_is_usable", passed=True, metadata=told)
    counts = refused_counts(file)
    records = [
        dg.TableRecord({"reason": one.reason, "field": one.field or "", "rows": one.rows, "first at": one.first or ""})
        for one in counts[:_SHOWN]
    ]
    table = {"by reason and field": dg.MetadataValue.table(records)} if records else {}
    all_or = "All" if refused == source else f"{refused:,} of"
    return _result(
        "every_row_is_usable",
        passed=False,
        warns=refused < source,
        metadata={**told, **table, "kept in": dg.MetadataValue.path(str(file))},
        description=f"{all_or} {source:,} rows were refused{f': {told_counts(counts)}' if counts else ''}.",
    )


def of_declared_columns(misnamed: Sequence[str]) -> dg.AssetCheckResult:
    """What is told of the names under `types:` that no column has: a warning, as the source may give them yet."""
    told = "; ".join(misnamed[:_SHOWN]) or None
    return _result("declared_columns_are_given", passed=not misnamed, warns=True, metadata={}, description=told)


def of_phones(report: PhoneReport) -> dg.AssetCheckResult:
    """The check of REQUIREMENTS P16: a warning, for nothing is held back or changed."""
    return _result(
        "phones_are_e164",
        passed=report.irregular == 0,
        warns=True,
        metadata={
            **of_counts({"phones": report.phones, "not E.164": report.irregular, "not proven": report.unproven}),
            "samples (masked)": dg.MetadataValue.text(", ".join(report.samples) or "none"),
        },
    )


def of_ids(figures: Figures) -> dg.AssetCheckResult:
    """Unique ids; rows out of order would hide repeated ones, so they fail it as well."""
    counts = {"rows": figures.rows, "repeated ids": figures.repeated, "rows out of order": figures.misplaced}
    return _result("ids_are_unique", passed=not (figures.repeated or figures.misplaced), metadata=of_counts(counts))


def of_drift(name: CheckName, found: Drift | None, *, edited: bool = False) -> dg.AssetCheckResult:
    """A drift of columns, by their names; None where there is nothing to compare with."""
    if found is None:
        return _passed(name, "There is no partition before this one to compare with.")
    listed = {"added": found.added, "removed": found.removed, "changed type": found.retyped}
    told = {what: dg.MetadataValue.text(_listed(names)) for what, names in listed.items() if names}
    description = "The declaration was edited since the partition before." if edited else None
    return _result(name, passed=found.is_none or edited, warns=True, metadata=told, description=description)


def of_volume(rows: int, past: Sequence[int], mode: Mode) -> dg.AssetCheckResult:
    """The rows beside the usual ones; `past` are those of earlier partitions of this mode, oldest first."""
    compared = past[-COMPARED:]
    usual = usual_rows(compared, mode)
    if usual is None:
        return _passed("volume_is_usual", _too_few(len(compared), mode))
    return _result(
        "volume_is_usual",
        passed=usual.hold(rows),
        warns=True,
        metadata={
            **of_counts({"rows": rows}),
            "usual": dg.MetadataValue.text(f"{usual.low:,.0f} to {usual.high:,.0f} rows"),
            "compared with": _compared(len(compared), mode),
        },
    )


def of_blanks(now: PartitionFigures, earlier: Sequence[PartitionFigures]) -> dg.AssetCheckResult:
    """Columns whose share of blank values is unusual, with what would be usual."""
    past = [told.figures for told in earlier if told.mode == now.mode][-COMPARED:]
    if len(past) < FEWEST:
        return _passed("blanks_are_usual", _too_few(len(past), now.mode))
    found = unusual_shares(now.figures, past)
    records = [
        dg.TableRecord({"column": one.header, "blank": f"{one.share:.1%}", "usual": _percent(one.usual)})
        for one in found[:_SHOWN]
    ]
    return _result(
        "blanks_are_usual",
        passed=not found,
        warns=True,
        metadata={
            **of_counts({"unusual columns": len(found)}),
            "compared with": _compared(len(past), now.mode),
            **({"columns": dg.MetadataValue.table(records)} if records else {}),
        },
    )


def of_chunks(held: Sequence[int], resolved: Sequence[int]) -> dg.AssetCheckResult:
    """The chunks' rows beside the resolved ones; of a flow, of each dataset."""
    counts = of_counts({"in chunks": sum(held), "resolved": sum(resolved)})
    return _result("chunks_hold_every_row", passed=list(held) == list(resolved), metadata=counts)


def of_manifests(manifests: Sequence[Manifest]) -> list[dg.AssetCheckResult]:
    """The sum of each manifest's counts, and of its files' rows, told for all of them together."""
    rows = [manifest.rows for manifest in manifests]
    parts = {
        name: sum(getattr(counts, name) for counts in rows)
        for name in ("unchanged", "superseded", "quarantined", "exported")
    }
    held = [sum(file.rows for file in manifest.files) for manifest in manifests]
    exported = [counts.exported for counts in rows]
    return [
        of_sum(sum(counts.source for counts in rows), parts, adds_up=all(counts.adds_up for counts in rows)),
        _result(
            "files_hold_every_exported_row",
            passed=held == exported,
            metadata=of_counts({"in files": sum(held), "exported": sum(exported)}),
        ),
    ]


def of_audit(found: Audit) -> dg.AssetCheckResult:
    """Files and bytes: planned, in the manifest, arrived."""
    records = [
        dg.TableRecord({"told by": "plan", "files": found.planned_files, "bytes": found.planned_bytes}),
        dg.TableRecord({"told by": "manifest", "files": found.manifest_files, "bytes": found.manifest_bytes}),
        dg.TableRecord({"told by": "journal", "files": found.arrived_files, "bytes": found.arrived_bytes}),
    ]
    unlike = {"keys not as planned": dg.MetadataValue.text(_listed(found.unlike))} if found.unlike else {}
    return _result(
        "files_are_as_planned", passed=not found.unlike, metadata={"files": dg.MetadataValue.table(records), **unlike}
    )


def of_standing(found: Standing | None, cadence: Cadence) -> dg.AssetCheckResult:
    """Whether the newest partition that is due is delivered; None for an export that somebody stopped.

    A warning however far behind: an export that begins with days long past is behind until it has caught up.
    """
    name: CheckName = "newest_partition_is_on_time"
    if found is None:
        return _passed(name, "The export is stopped.")
    if found.newest is None or found.due is None:
        return _passed(name, "No partition is due yet.")
    newest = cadence.key_of(found.newest)
    words = {
        "late": f"{newest} was due at {found.due:%Y-%m-%d %H:%M}Z and isn't delivered.",
        "far behind": f"Neither {newest}, due at {found.due:%Y-%m-%d %H:%M}Z, nor the partition before is delivered.",
    }
    return _result(
        name,
        passed=not found.is_late,
        warns=True,
        metadata={
            "newest due": dg.MetadataValue.text(newest),
            "due": dg.MetadataValue.timestamp(found.due),
        },
        description=words.get(found.punctuality),
    )


def of_outdated(found: Sequence[Outdated]) -> dg.AssetCheckResult:
    """The partitions whose source was read anew since they were delivered, with what to run.

    A warning: nothing was lost, and whether the consumers need the files anew is for people to say.
    """
    records = [
        dg.TableRecord({"partition": one.partition, "read anew": ", ".join(one.inputs), "to send it anew": one.command})
        for one in found
    ]
    listed = _listed(one.partition for one in found)
    return _result(
        "source_is_as_delivered",
        passed=not found,
        warns=True,
        metadata={"partitions": dg.MetadataValue.table(records)} if records else {},
        description=f"The source was read anew since these were delivered: {listed}." if found else None,
    )


def of_usage(found: Usage | None, export: str) -> list[dg.AssetCheckResult]:
    """The check of REQUIREMENTS A11; none where the home declares no entitlement."""
    if found is None:
        return []
    counts = {"allowed bytes": found.allowed_bytes, "used bytes": found.used_bytes}
    told = of_counts({**counts, f"used bytes by {export}": found.by_export.get(export, 0)})
    is_usual = found.level == "usual" and not found.uncounted
    description = found.warning or (str(found) if found.uncounted else None)
    return [_result("year_is_within_entitlement", passed=is_usual, warns=True, metadata=told, description=description)]


def _result(
    name: CheckName,
    *,
    passed: bool,
    metadata: Mapping[str, dg.MetadataValue],
    warns: bool = False,
    description: str | None = None,
) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(
        check_name=name, passed=passed, severity=severity, metadata=metadata, description=description
    )


def _passed(name: CheckName, why: str) -> dg.AssetCheckResult:
    return _result(name, passed=True, metadata={}, warns=True, description=why)


def _compared(found: int, mode: Mode) -> dg.MetadataValue:
    return dg.MetadataValue.text(f"the {found} {mode} partitions before")


def _too_few(found: int, mode: Mode) -> str:
    return f"{found} earlier {mode} partitions are too few to compare with; {FEWEST} are enough."


def _percent(bounds: Bounds) -> str:
    return f"{bounds.low:.1%} to {min(bounds.high, 1):.1%}"


def _listed(names: Iterable[str]) -> str:
    listed = tuple(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
