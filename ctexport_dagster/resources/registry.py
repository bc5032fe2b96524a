"""The kinds of sources and destinations that a declared file may name, each imported when the first one is declared."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from ctexport_dagster.core.declared import Declared

ResourceRole = Literal["source", "destination"]


@dataclass(frozen=True)
class ResourceKind:
    """One kind: what it is for, and the class of its declarations."""

    role: ResourceRole
    module: str
    class_name: str

    def load(self) -> type[Declared]:
        """The class: a `SourceDeclaration`, or a destination's with `open(home_root)`."""
        return getattr(import_module(self.module), self.class_name)


RESOURCE_KINDS: Mapping[str, ResourceKind] = {
    "files": ResourceKind("source", "ctexport_dagster.resources.files.declaration", "FilesSource"),
    "demo": ResourceKind("source", "ctexport_dagster.resources.demo.source", "DemoSource"),
    "sql": ResourceKind("source", "ctexport_dagster.resources.sql.declaration", "SqlSource"),
    "delta": ResourceKind("source", "ctexport_dagster.resources.delta.declaration", "DeltaSource"),
    "local": ResourceKind("destination", "ctexport_dagster.resources.local", "LocalDestination"),
    "s3": ResourceKind("destination", "ctexport_dagster.resources.s3.declaration", "S3Destination"),
    "gcs": ResourceKind("destination", "ctexport_dagster.resources.gcs.declaration", "GcsDestination"),
    "azure_blob": ResourceKind("destination", "ctexport_dagster.resources.azure.blob", "AzureBlobDestination"),
    "adls": ResourceKind("destination", "ctexport_dagster.resources.azure.adls", "AdlsDestination"),
    "sftp": ResourceKind("destination", "ctexport_dagster.resources.sftp.declaration", "SftpDestination"),
}
