"""What a delivered partition rests on: the state of the source that its files were made from.

<state>/deliveries/<export>/<partition>/basis.json   of a flow, one beside the manifests of each dataset

It stands apart from the manifest: a re-run whose files come out the same writes no other manifest, and rests on another
state all the same. So it is written by every run that has delivered the partition, or found that it is.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ctexport_dagster.core.atomic import write_bytes
from ctexport_dagster.core.manifest import Mode

_FILE = "basis.json"


class Basis(BaseModel):
    """The source, and a fingerprint of what its inputs (profiles, events or a dataset) held, by their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    mode: Mode
    inputs: dict[str, str]


def note_basis(record: Path, basis: Basis) -> None:
    """Writes down what the newest generation in a record rests on."""
    if basis != read_basis(record):
        write_bytes(record / _FILE, basis.model_dump_json(indent=1).encode())


def read_basis(record: Path) -> Basis | None:
    """What the newest generation rests on; None where nothing was delivered, or by a version that didn't tell."""
    path = record / _FILE
    return Basis.model_validate_json(path.read_bytes()) if path.exists() else None
