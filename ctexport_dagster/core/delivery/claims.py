"""Which addresses belong to which partition, so that no two deliveries ever write the same file.

    <state>/deliveries/<export>/claims.jsonl    {"partition": "2026-11-01", "addresses": ["s3://…", …]} a line
    <state>/deliveries/claims.lock              held while one delivery looks and adds its own

An address stays claimed for ever: a consumer may still read what once lay there. Source: REQUIREMENTS P10.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock

from ctexport_dagster.core.delivery.journal import Journal
from ctexport_dagster.core.errors import NamingError

_NAME = "claims.jsonl"


def claim(deliveries: Path, export: str, partition: str, addresses: Sequence[str]) -> None:
    """Makes these addresses the partition's own, or none of them.

    It reads the claims of every export line by line, so its memory doesn't grow with their number.

    Raises:
        NamingError: one of them belongs to another partition or export.
    """
    deliveries.mkdir(parents=True, exist_ok=True)
    with FileLock(deliveries / "claims.lock"):
        wanted, owned = set(addresses), set[str]()
        for owner, claimed in _claims(deliveries):
            if owner == (export, partition):
                owned |= wanted.intersection(claimed)
            elif not wanted.isdisjoint(claimed):
                raise _refused(export, partition, min(wanted.intersection(claimed)), *owner)
        missing = [address for address in addresses if address not in owned]
        if missing:
            Journal(deliveries / export / _NAME).append({"partition": partition, "addresses": missing})


def _claims(deliveries: Path) -> Iterator[tuple[tuple[str, str], list[str]]]:
    for path in sorted(deliveries.glob(f"*/{_NAME}")):
        for entry in Journal(path).entries():
            addresses = entry["addresses"]
            assert isinstance(addresses, list)
            yield (path.parent.name, str(entry["partition"])), addresses


def _refused(export: str, partition: str, address: str, other_export: str, other_partition: str) -> NamingError:
    elsewhere = f"partition {other_partition}" + ("" if other_export == export else f" of export {other_export}")
    fix = "Add {{Partition}} to files.name" if other_export == export else "Give the exports names or folders apart"
    return NamingError(
        f"Planning the delivery of {export}, partition {partition}",
        f"{address} belongs to {elsewhere}",
        f"{fix}; nothing was sent.",
    )
