"""What the two Azure kinds declare alike: account, container, and one of five ways to be let in."""

from typing import TypedDict

from pydantic import Field, model_validator

from ctexport_dagster.core.secret import Secret
from ctexport_dagster.resources.declared_destination import DeclaredCloud


class ClientOptions(TypedDict):
    """What Azure's clients take; times in seconds."""

    retry_total: int
    connection_timeout: float
    read_timeout: float


class AzureDeclared(DeclaredCloud):
    """A container of a storage account. Of the credentials, one at most; none means the machine's own identity."""

    storage_account: str = Field(pattern="^[a-z0-9]{3,24}$")
    """The account's name, without a domain."""
    container: str = Field(pattern=r"^(\$web|[a-z0-9](-?[a-z0-9]){2,62})$")
    """The container's name; ADLS calls it a file system."""
    sas_token: Secret | None = None
    """A shared access signature: what stands behind the ? of a SAS URL."""
    sas_url: Secret | None = None
    """A container's whole SAS URL, as a Data Landing Zone comes with."""
    account_key: Secret | None = None
    """Opens the whole account: a SAS token that may create and write is enough."""
    connection_string: Secret | None = None
    """With an account key or a SAS token in it."""
    endpoint_suffix: str = Field(default="core.windows.net", pattern=r"^[a-z0-9.-]+$")
    """Of another cloud: core.usgovcloudapi.net, core.chinacloudapi.cn."""
    endpoint_url: str | None = Field(default=None, pattern=r"^https?://[^?@\s]+$")
    """Instead of the account's own: a private endpoint, or an emulator's with the account in its path."""
    parallel_uploads: int = Field(default=4, ge=1, le=32)

    @model_validator(mode="after")
    def _is_let_in_by_one_way(self) -> "AzureDeclared":
        ways = (self.sas_token, self.sas_url, self.account_key, self.connection_string)
        given = len([way for way in ways if way])
        if given > 1:
            raise ValueError("give one of sas_token, sas_url, account_key, connection_string, or none of them")
        if not given and (self.endpoint_url or "").startswith("http:"):
            raise ValueError("the machine's own identity is sent over https alone: mend endpoint_url")
        return self

    @property
    def client_options(self) -> ClientOptions:
        """What dagster-azure's clients lack: timeouts, and no tries of their own, for core/sending.py tries again."""
        return {
            "retry_total": 0,
            "connection_timeout": self.connect_timeout_seconds,
            "read_timeout": self.read_timeout_seconds,
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed, but more than we need."""
        if self.account_key is None:
            return ()
        return ("account_key opens the whole account; the SAS token of `ctexport policy azure` is enough",)

    def place(self, service: str) -> str:
        """The container's public address, wherever requests go: `https://acme.blob.core.windows.net/exports`."""
        return f"https://{self.storage_account}.{service}.{self.endpoint_suffix}/{self.container}"
