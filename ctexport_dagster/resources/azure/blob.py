"""Azure Blob Storage as a destination, and with it a Data Landing Zone, which is a container opened by a SAS."""

from typing import Literal

from pydantic import Field

from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.azure.access import Access
from ctexport_dagster.resources.azure.container import AzureContainer
from ctexport_dagster.resources.azure.declared import AzureDeclared
from ctexport_dagster.resources.extras import extra
from ctexport_dagster.resources.object_store import Connection


class AzureBlobDestination(AzureDeclared):
    """A container, as `resources/<name>.yaml` declares it. A SAS token that may create and write is enough."""

    type: Literal["azure_blob"]
    access_tier: Literal["Hot", "Cool", "Cold", "Archive"] | None = None
    """Else the account's own."""
    encryption_scope: str | None = Field(default=None, min_length=3, max_length=63)
    """Else the container's own."""

    def open(self, surroundings: Surroundings) -> AzureContainer:
        """The destination, ready to take files; touches no network and reads no secret."""
        return AzureContainer(self, surroundings, "blob", self._connected)

    def _connected(self, access: Access) -> Connection:
        with extra("azure", self.name):
            from ctexport_dagster.resources.azure.blob_client import BlobWriter
        return BlobWriter.connect(self, access)
