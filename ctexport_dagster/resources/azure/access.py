"""How an Azure destination is let in: its one secret, out of whatever form it was given in, and where requests go."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from ctexport_dagster.core.errors import ConfigurationError, Mistake
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.resources.azure.declared import AzureDeclared
from ctexport_dagster.resources.azure.failures import expired, too_narrow

Service = Literal["blob", "dfs"]
_NEEDED = {"c": "create", "w": "write"}


@dataclass(frozen=True)
class Access:
    """The endpoint, and a SAS token, an account key, or nothing: the machine's own identity."""

    endpoint: str
    sas: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)

    def shortcoming(self, now: datetime, also_needed: Mapping[str, str]) -> Failure | None:
        """Why this can't be enough, as far as a SAS token says so itself."""
        told = parse_qs(self.sas or "")
        ends = _instant(told.get("se", [""])[0])
        if ends and ends <= now:
            return expired(f"on {ends:%d %b %Y at %H:%M} UTC")
        granted = told.get("sp", [None])[0]
        missing = [name for letter, name in {**_NEEDED, **also_needed}.items() if granted and letter not in granted]
        return too_narrow(" and ".join(missing)) if missing else None


def find_access(declared: AzureDeclared, environment: Mapping[str, str], service: Service) -> Access:
    """Resolves the declared secret.

    Raises:
        ConfigurationError: its variable isn't set, or holds something else than the declared file says.
    """
    endpoint = declared.endpoint_url or declared.place(service).rpartition("/")[0]
    if declared.sas_token:
        return Access(endpoint, sas=_sas(declared.sas_token, declared.sas_token.resolve(environment)))
    if declared.sas_url:
        return _by_url(declared, declared.sas_url, environment, service)
    if declared.account_key:
        return Access(endpoint, key=_key(declared.account_key, declared.account_key.resolve(environment)))
    if declared.connection_string:
        return _by_connection_string(declared, declared.connection_string, environment, service)
    return Access(endpoint)


def _by_url(declared: AzureDeclared, secret: Secret, environment: Mapping[str, str], service: Service) -> Access:
    url = urlsplit(secret.resolve(environment).strip())
    above, _, container = url.path.rstrip("/").rpartition("/")
    if url.scheme not in ("http", "https") or not url.netloc or "@" in url.netloc:
        raise _mistake(secret, "is no SAS URL: https://<account>.blob.core.windows.net/<container>?sv=…&sig=…")
    if container != declared.container:
        raise _mistake(secret, "is the SAS URL of another container, or of a whole account; compare it with container")
    if declared.storage_account not in (url.netloc.partition(".")[0], above.strip("/")):
        raise _mistake(secret, "is the SAS URL of another account; compare it with storage_account")
    endpoint = declared.endpoint_url or _for(service, f"{url.scheme}://{url.netloc}{above}")
    return Access(endpoint, sas=_sas(secret, url.query))


def _by_connection_string(
    declared: AzureDeclared, secret: Secret, environment: Mapping[str, str], service: Service
) -> Access:
    pairs = (part.strip().partition("=") for part in secret.resolve(environment).split(";") if part.strip())
    told = {name.lower(): value for name, _, value in pairs}
    if told.get("accountname", declared.storage_account) != declared.storage_account:
        raise _mistake(secret, "is the connection string of another account; compare it with storage_account")
    suffix = told.get("endpointsuffix", declared.endpoint_suffix)
    usual = f"{told.get('defaultendpointsprotocol', 'https')}://{declared.storage_account}.{service}.{suffix}"
    endpoint = declared.endpoint_url or _for(service, told.get("blobendpoint", usual).rstrip("/"))
    if "sharedaccesssignature" in told:
        return Access(endpoint, sas=_sas(secret, told["sharedaccesssignature"]))
    if "accountkey" in told:
        return Access(endpoint, key=_key(secret, told["accountkey"]))
    raise _mistake(secret, "holds neither AccountKey nor SharedAccessSignature")


def _for(service: Service, endpoint: str) -> str:
    """A blob endpoint's twin that speaks the other language."""
    return re.sub(r"\.(blob|dfs)\.", f".{service}.", endpoint, count=1)


def _sas(secret: Secret, text: str) -> str:
    token = text.strip().lstrip("?")
    if not re.search(r"(^|&)sig=[^&\s]+", token) or re.search(r"\s", token):
        raise _mistake(secret, "is no SAS token: it reads sv=…&sp=cw…&sig=…, without spaces")
    return token


def _key(secret: Secret, text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9+/]{20,}={0,2}", text.strip()):
        raise _mistake(secret, "is no account key: it is 88 characters of base64, as the portal shows it")
    return text.strip()


def _mistake(secret: Secret, message: str) -> ConfigurationError:
    """Names the variable and never what it holds."""
    return ConfigurationError([Mistake("environment", 0, secret.env, message)])


def _instant(text: str) -> datetime | None:
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)
