"""What holds for a whole home, as its `settings.yaml` says: who is told of failures and how, and the guards."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.entitlement import Entitlement
from ctexport_dagster.core.secret import Secret


def _address(value: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        raise ValueError("write an e-mail address, as data-team@example.com")
    return value


Address = Annotated[str, AfterValidator(_address)]


class Mail(Declared):
    """The SMTP server that failures are mailed over."""

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    """starttls (port 587), tls (port 465), or none: for a relay on this machine alone."""
    sender: Address
    """The address that mails come from."""
    username: Secret | None = None
    password: Secret | None = None
    timeout_seconds: float = Field(default=30, gt=0)

    @model_validator(mode="after")
    def _fits_together(self) -> "Mail":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together; leave both out for a server that asks for neither")
        if self.username and self.security == "none":
            raise ValueError("a password is never sent in clear: set security to starttls or tls")
        return self


class Webhook(Declared):
    """An address that takes messages as Slack's incoming webhooks do."""

    url: Secret
    timeout_seconds: float = Field(default=10, gt=0)


class Guards(Declared):
    """Limits of CleverTap's own exports that ctexport lifts, each to be turned on again."""

    one_recurring_profile_export: bool = False
    """Refuses a second recurring profile export."""
    no_one_time_beside_recurring: bool = False
    """Refuses a one-time profile export while a recurring one is declared."""
    exports_are_final: bool = False
    """Disables an export whose declaration was edited after its first run."""


class Settings(Declared):
    """Everything that `settings.yaml` may say; a home without that file has the defaults."""

    operations: Address | None = None
    """Who is told of failures that aren't the owner's to mend; None for nobody."""
    mail: Mail | None = None
    """None: nobody is mailed; failures stand in Dagit and in the run's log alone."""
    webhook: Webhook | None = None
    dagit_url: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    """Where Dagit is reached, as https://dagster.example.com: mails link to its runs."""
    look_back_days: int = Field(default=60, ge=1)
    """How far back a one-time export of events may reach; a destination may declare another bound."""
    entitlement: Entitlement | None = None
    """How much may be exported in a calendar year: shown, and warned of from 80 % on; None: nothing is counted."""
    guards: Guards = Guards()
