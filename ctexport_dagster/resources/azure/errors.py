"""From what Azure's client raises to a failure of the table: by its code, by status, by exception.

Texts of Azure's are read for a few dates and phrases and never passed on: they hold URLs with signatures.
"""

import logging
import re
from datetime import datetime
from email.utils import parsedate_to_datetime

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError
from requests.exceptions import SSLError

from ctexport_dagster.core.failure import Failure
from ctexport_dagster.resources.azure.failures import (
    AZURE,
    CLOCK,
    NETWORK,
    NO_CREDENTIALS,
    NOT_YET_VALID,
    UNTRUSTED,
    expired,
)

_SIGNATURE = re.compile(r"([?&]sig=)[^&\s\"']+")
_CHATTY = ("urllib3.connectionpool", "urllib3.util.retry")


def code_of(error: AzureError) -> str | None:
    """Azure's own name for an error, as `BlobAlreadyExists`; None where it gave none."""
    told = getattr(error, "error_code", None)
    code = str(getattr(told, "value", told))
    return code if told and re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,79}", code) else None


def failure_of(error: AzureError) -> Failure:
    """What an error of Azure's client means."""
    match error:
        case CredentialUnavailableError():
            return AZURE.classify(code=NO_CREDENTIALS)
        case HttpResponseError() if error.status_code:
            return _answered(error, error.status_code)
        case ServiceRequestError() | ServiceResponseError():
            return AZURE.classify(code=UNTRUSTED if _is_untrusted(error) else NETWORK)
        case ClientAuthenticationError():
            return AZURE.classify(code=ClientAuthenticationError.__name__)
        case _:
            return AZURE.classify(code=type(error).__name__)


def hush_signatures() -> None:
    """Keeps signatures out of the lines that urllib3 logs at level DEBUG: they show the URL of each request."""
    for name in _CHATTY:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Unsigned) for known in logger.filters):
            logger.addFilter(_Unsigned())


class _Unsigned(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _SIGNATURE.sub(r"\1REDACTED", record.getMessage()), None
        return True


def _answered(error: HttpResponseError, status: int) -> Failure:
    code = code_of(error)
    if code == "AuthenticationFailed":
        text = str(error.message)
        ended = _dated(text, "Expiry")
        if ended and "time frame" in text:
            return _out_of_time(text, ended, status)
        if "date header" in text.lower():
            code = CLOCK
    return AZURE.classify(code=code, status=status, retry_after_seconds=_retry_after(error))


def _out_of_time(text: str, ended: datetime, status: int) -> Failure:
    """`Signature not valid in the specified time frame: Start [..] - Expiry [..] - Current [..]`."""
    starts, now = _dated(text, "Start"), _dated(text, "Current")
    if starts and now and now < starts:
        return AZURE.classify(code=NOT_YET_VALID, status=status)
    return expired(f"on {ended:%d %b %Y at %H:%M} UTC", status)


def _dated(text: str, label: str) -> datetime | None:
    found = re.search(label + r" \[([^\]]{10,40})\]", text)
    try:
        return parsedate_to_datetime(found[1]) if found else None
    except ValueError:
        return None


def _retry_after(error: HttpResponseError) -> float | None:
    """Seconds; the form with a date is left out, for it would need a clock."""
    asked = getattr(error.response, "headers", {}).get("Retry-After", "")
    return float(asked) if asked.isdecimal() else None


def _is_untrusted(error: AzureError) -> bool:
    inner = error.inner_exception
    return isinstance(inner, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(inner)
