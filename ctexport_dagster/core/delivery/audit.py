"""The audit of a delivered generation: its plan, its manifest and its journal must tell of the same files."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from ctexport_dagster.core.delivery.record import Generation


@dataclass(frozen=True)
class Audit:
    """Files and bytes as planned, as the manifest has them, and as they lie there: sent, or held from before.

    `unlike`: the keys of which the three don't tell the same, in the plan's order, then the manifest's.
    """

    planned_files: int
    planned_bytes: int
    manifest_files: int
    manifest_bytes: int
    arrived_files: int
    arrived_bytes: int
    unlike: tuple[str, ...]


def audit_of(generations: Iterable[Generation]) -> Audit:
    """The audits of several records, as one."""
    found = [audit(generation) for generation in generations]
    counts = (sum(getattr(one, field.name) for one in found) for field in fields(Audit) if field.name != "unlike")
    return Audit(*counts, unlike=tuple(key for one in found for key in one.unlike))


def audit(generation: Generation) -> Audit:
    """Compares what one delivered generation's record says of itself."""
    sent = generation.sent_keys()
    planned = {file.key: (file.rows, file.bytes, file.sha256) for file in generation.plan.files}
    told = {file.key: (file.rows, file.bytes, file.sha256) for file in generation.manifest.files}
    arrived = [file for file in generation.plan.files if file.held or file.key in sent]
    here = {file.key for file in arrived}
    others = [item.key for item in (*generation.plan.blanks, generation.plan.manifest) if item.key not in sent]
    keys = dict.fromkeys((*planned, *told))
    unlike = [key for key in keys if planned.get(key) != told.get(key) or key not in here]
    return Audit(
        planned_files=len(planned),
        planned_bytes=sum(size for _, size, _ in planned.values()),
        manifest_files=len(told),
        manifest_bytes=generation.manifest.bytes,
        arrived_files=len(arrived),
        arrived_bytes=sum(file.bytes for file in arrived),
        unlike=(*unlike, *others),
    )
