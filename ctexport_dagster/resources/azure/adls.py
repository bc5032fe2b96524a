"""Azure Data Lake Storage Gen2 as a destination: a container of an account with a hierarchical namespace."""

from typing import Literal

from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.azure.access import Access
from ctexport_dagster.resources.azure.container import AzureContainer
from ctexport_dagster.resources.azure.declared import AzureDeclared
from ctexport_dagster.resources.extras import extra
from ctexport_dagster.resources.object_store import Connection


class AdlsDestination(AzureDeclared):
    """A container, as `resources/<name>.yaml` declares it. A SAS token that may create, write and move is enough."""

    type: Literal["adls"]

    def open(self, surroundings: Surroundings) -> AzureContainer:
        """The destination, ready to take files; touches no network and reads no secret."""
        return AzureContainer(self, surroundings, "dfs", self._connected)

    def _connected(self, access: Access) -> Connection:
        with extra("azure", self.name):
            from ctexport_dagster.resources.azure.adls_client import FileWriter
        return FileWriter.connect(self, access)
