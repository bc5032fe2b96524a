"""An opened Azure container of either kind: what its credentials say of themselves, beside the uploads."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.azure.access import Access, Service, find_access
from ctexport_dagster.resources.azure.declared import AzureDeclared
from ctexport_dagster.resources.object_store import Connection, ObjectStore

_ALSO_NEEDED: Mapping[Service, Mapping[str, str]] = {"blob": {}, "dfs": {"m": "move"}}


class AzureContainer(ObjectStore):
    """A container with the rights to write alone. `connect` makes the connection of its service."""

    def __init__(
        self,
        declared: AzureDeclared,
        surroundings: Surroundings,
        service: Service,
        connect: Callable[[Access], Connection],
    ) -> None:
        self._declared = declared
        self._surroundings = surroundings
        self._service: Service = service
        super().__init__(declared.place(service), declared.prefix, lambda: connect(self._access()))

    @property
    def dated_by(self) -> str:
        """Where requests go."""
        return self._access().endpoint

    def check(self) -> Failure | None:
        """Why nothing could be written, as far as it shows without a request: what the SAS token says of itself.

        Raises:
            ConfigurationError: the extra is missing, or the variable of the secret isn't set or holds something else.
        """
        access = self._access()
        self.connection()
        return access.shortcoming(datetime.now(UTC), _ALSO_NEEDED[self._service])

    def _access(self) -> Access:
        return find_access(self._declared, self._surroundings.environment, self._service)
