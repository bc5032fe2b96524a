"""What commands say of refused rows: how many, by which reason and field, and where they lie; never a value."""

from collections.abc import Sequence
from dataclasses import dataclass

from ctexport_dagster.core.quarantine import RefusedCount, told_counts
from ctexport_dagster.findings.refused import Refused


@dataclass(frozen=True)
class ShownRefused:
    """The refused rows of one partition of a source, for machines; `given` null where it failed for them."""

    input: str
    partition: str
    rows: int
    given: int | None
    by: tuple[RefusedCount, ...]
    file: str


def shown_refused(refused: Sequence[Refused]) -> tuple[ShownRefused, ...]:
    """What `--json` says of them."""
    return tuple(
        ShownRefused(one.input, one.partition, one.rows, one.given, tuple(one.counts), str(one.file)) for one in refused
    )


def printed_refused(refused: Sequence[ShownRefused]) -> list[str]:
    """A line for each partition."""
    return [_line(one) for one in refused]


def _line(one: ShownRefused) -> str:
    if one.given is None:
        many = f"{one.rows:,} rows refused, so that the partition failed"
    else:
        many = f"{'all ' if one.rows == one.given else ''}{one.rows:,} of {one.given:,} rows refused"
    where = f"{told_counts(one.by)}; in {one.file}" if one.by else "their file was deleted"
    return f"{one.input} {one.partition}: {many}: {where}"
