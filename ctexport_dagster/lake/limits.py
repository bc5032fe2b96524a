"""The limits that a source's declaration sets for every partition, of profiles as of events."""

from ctexport_dagster.core.errors import TooManyQuarantined
from ctexport_dagster.core.source import SourceDeclaration


def check_quarantined(attempted: str, declaration: SourceDeclaration, *, refused: int, given: int) -> None:
    """Raises TooManyQuarantined where more rows were refused, of those given, than `max_quarantined` allows."""
    most = declaration.max_quarantined
    if most is not None and refused > (most * given if most < 1 else most):
        raise TooManyQuarantined(
            attempted,
            f"{refused} of {given} rows were refused, `max_quarantined` allows {most}",
            "Mend the source, or raise the limit in its declaration; the partition was left as it was.",
        )
