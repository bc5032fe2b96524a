"""What every kind of destination declares alike: its name, a prefix, and how hard it may be pressed."""

from typing import Annotated

from pydantic import Field, model_validator

from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.delivery.request import Pace, RetryPolicy
from ctexport_dagster.resources.key_prefix import KeyPrefix

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Retries(Declared):
    """How a file is tried again where the network or the service stumbled; what else goes wrong is tried once."""

    attempts: int = Field(default=8, ge=1, le=100)
    """How often one file is sent at most, the first time included; 1: never again."""
    first_wait_seconds: float = Field(default=0.5, ge=0, le=3600)
    """Doubled after each attempt, with up to a second of chance on top."""
    longest_wait_seconds: float = Field(default=60, ge=0, le=3600)
    """Also where the service itself asks for a longer one."""

    @model_validator(mode="after")
    def _grow(self) -> "Retries":
        if self.first_wait_seconds > self.longest_wait_seconds:
            raise ValueError("first_wait_seconds is longer than longest_wait_seconds")
        return self

    @property
    def policy(self) -> RetryPolicy:
        return RetryPolicy(
            attempts=self.attempts,
            wait_initial_seconds=self.first_wait_seconds,
            wait_max_seconds=self.longest_wait_seconds,
        )


class DeclaredDestination(Declared):
    """A destination of any kind, as `resources/<name>.yaml` declares it; `name` is the file's stem."""

    name: str
    description: str | None = None
    prefix: KeyPrefix = ""
    """Stands before every key, as a folder: exports/daily."""
    parallel_uploads: int = Field(default=4, ge=1, le=64)
    """How many files are sent at once."""
    retries: Retries = Retries()
    """How a file is tried again after a transient failure."""
    look_back_days: int | None = Field(default=None, ge=1)
    """How far back a one-time export of events to it may reach; None: as settings.yaml says."""

    @property
    def pace(self) -> Pace:
        """How deliveries may press it."""
        return Pace(parallel=self.parallel_uploads, retries=self.retries.policy)


class DeclaredCloud(DeclaredDestination):
    """A destination that is reached over HTTP."""

    connect_timeout_seconds: Seconds = 10
    read_timeout_seconds: Seconds = 60
    """The longest silence of the service that is borne; an upload that makes progress may take longer."""
