"""The receipt of a flow's partition: one manifest of all its datasets together, kept in the state alone.

It is written once every dataset is delivered with a manifest of its own, so that a flow's partition is delivered
exactly when its receipt is there, as any export's is when its manifest is.
"""

from collections.abc import Sequence
from dataclasses import fields

from ctexport_dagster.core.manifest import Manifest, ManifestHead, RowCounts


def receipt(head: ManifestHead, manifests: Sequence[Manifest], *, generation: int) -> Manifest:
    """The receipt; `head` tells what they share. Its columns are empty: each dataset has its own."""
    shared = {field.name: getattr(head, field.name) for field in fields(ManifestHead)}
    told = {
        "mode": "full" if all(manifest.mode == "full" for manifest in manifests) else "incremental",
        "fingerprint": " ".join(manifest.fingerprint for manifest in manifests),
        "columns": (),
        "rows": summed([manifest.rows for manifest in manifests]),
        "too_old": sum(manifest.too_old for manifest in manifests),
        "lake_version": sum(manifest.lake_version for manifest in manifests),
        "upstream_runs": tuple(dict.fromkeys(run for manifest in manifests for run in manifest.upstream_runs)),
        "dataset": None,
        "scheduled": None,
    }
    return Manifest(
        **{**shared, **told},
        generation=generation,
        supersedes=generation - 1 or None,
        files=tuple(file for manifest in manifests for file in manifest.files),
    )


def summed(counts: Sequence[RowCounts]) -> RowCounts:
    """The counts of all of them together."""
    return RowCounts(*(sum(getattr(one, field.name) for one in counts) for field in fields(RowCounts)))
