"""The limits that a source's declaration sets for every partition, of profiles as of events."""

from ctexport_dagster.core.errors import TooManyQuarantined
from ctexport_dagster.core.quarantine import told_counts
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.lake.refused import RefusedRows, refused_counts


def check_quarantined(attempted: str, declaration: SourceDeclaration, *, refused: RefusedRows, given: int) -> None:
    """Raises TooManyQuarantined where more rows were refused, of those given, than `max_quarantined` allows.

    The message tells where the refused rows are kept all the same.
    """
    most = declaration.max_quarantined
    if most is not None and refused.count > (most * given if most < 1 else most):
        kept = refused.keep()
        raise TooManyQuarantined(
            attempted,
            f"{refused.count} of {given} rows were refused, `max_quarantined` allows {most}:"
            f" {told_counts(refused_counts(kept))}",
            f"The refused rows are in {kept}. Mend the source, or raise the limit in its declaration; the partition was"
            " left as it was.",
        )
