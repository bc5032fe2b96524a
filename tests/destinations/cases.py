"""The kinds of destinations that the suites run against, each made when the first test needs it."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from contract import Case
from fault_table import faults_of

KINDS: Mapping[str, str] = {
    "local": "local",
    "s3": "s3",
    "gcs": "gcs",
    "azure_blob": "azure_blob",
    "adls": "adls-simulated",
    "sftp": "sftp",
}
"""Kind → its name in test ids; the server of a simulated one is our own."""

FAULTS: Mapping[str, Mapping[str, str]] = faults_of(list(KINDS))
"""The faults that each kind's case inflicts with their classes, known before its server is started."""


def make_case(kind: str, folder: Path, environment: Mapping[str, str]) -> Case:
    """Starts a kind's server; `environment` is what its process may see of ours.

    Raises:
        ServerMissing: it isn't installed.
    """
    return import_module(f"case_{kind}").make_case(folder, environment)
