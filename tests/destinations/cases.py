"""The kinds of destinations that the suites run against, each made when the first test needs it."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from contract import Case

KINDS: Mapping[str, str] = {
    "local": "local",
    "s3": "s3",
    "gcs": "gcs",
    "azure_blob": "azure_blob",
    "adls": "adls-simulated",
    "sftp": "sftp",
}
"""Kind → its name in test ids; the server of a simulated one is our own."""

FAULT_COUNTS: Mapping[str, int] = {**dict.fromkeys(KINDS, 14), "local": 6}
"""How many faults each kind's case inflicts, known before its server is started. The local disk has no network."""


def make_case(kind: str, folder: Path, environment: Mapping[str, str]) -> Case:
    """Starts a kind's server; `environment` is what its process may see of ours.

    Raises:
        ServerMissing: it isn't installed.
    """
    return import_module(f"case_{kind}").make_case(folder, environment)
