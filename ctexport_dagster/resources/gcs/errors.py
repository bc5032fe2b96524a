"""From what Google's client raises to a failure of the table: by exception, by the answer's JSON, by status.

Texts of Google's are read for the codes in them and never passed on: they hold addresses of upload sessions.
"""

import re
from collections.abc import Mapping

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, TransportError
from requests import Response
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import RequestException, SSLError, Timeout

from ctexport_dagster.core.failure import Failure
from ctexport_dagster.resources.gcs.failures import (
    CLOCK,
    CREATE,
    DAMAGED,
    EXISTS,
    GCS,
    KMS,
    PROTECTED,
    READ,
    REPLACE,
    SESSION_LOST,
    UNTRUSTED,
)

_PHRASES = {
    re.escape(REPLACE): REPLACE,
    re.escape(CREATE): CREATE,
    re.escape(READ): READ,
    "KMS key": KMS,
    "CRC32C .* doesn't match": DAMAGED,
}
"""What tells errors apart that share a status and a reason."""


def failure_of(error: GoogleAPICallError | GoogleAuthError | RequestException) -> Failure:
    """What an error of Google's client means."""
    match error:
        case GoogleAPICallError():
            return _answered(error)
        case TransportError():
            return GCS.classify(code=_network_code(error.args[0] if error.args else None))
        case GoogleAuthError():
            return GCS.classify(code=_refused_code(error))
        case RequestException():
            return GCS.classify(code=_network_code(error))


def says_it_exists(error: GoogleAPICallError | GoogleAuthError | RequestException, *, overwrites: bool) -> bool:
    """Whether an upload that replaces nothing was refused because something lies there.

    Either by the precondition, or because replacing takes a right that the role doesn't have: the order in which Google
    looks at the two isn't documented.
    """
    if overwrites or not isinstance(error, GoogleAPICallError):
        return False
    code = _code(error)
    return code in (REPLACE, *PROTECTED) or (error.code == 412 and code in (None, EXISTS))


def says_no_bucket(error: GoogleAPICallError) -> bool:
    """Whether a 404 means the bucket; else it means the object."""
    return isinstance(error.response, Response) and "bucket does not exist" in error.response.text


def _answered(error: GoogleAPICallError) -> Failure:
    status = error.code if isinstance(error.code, int) else None
    return GCS.classify(code=_code(error), status=status, retry_after_seconds=_retry_after(error.response))


def _code(error: GoogleAPICallError) -> str | None:
    """The missing permission, else the reason in the answer; None where it gives neither."""
    answer = error.response
    if not isinstance(answer, Response):
        return None
    if answer.status_code in (404, 410) and answer.request.method == "PUT":
        return SESSION_LOST
    for phrase, code in _PHRASES.items():
        if re.search(phrase, answer.text):
            return code
    return _reason(answer)


def _reason(answer: Response) -> str | None:
    try:
        reason = answer.json()["error"]["errors"][0]["reason"]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return reason if isinstance(reason, str) and re.fullmatch(r"\w{1,60}", reason) else None


def _retry_after(answer: object) -> float | None:
    """Seconds; the form with a date is left out, for it would need a clock."""
    asked = answer.headers.get("Retry-After", "") if isinstance(answer, Response) else ""
    return float(asked) if asked.isdecimal() else None


def _refused_code(error: GoogleAuthError) -> str:
    """What the token endpoint said: `invalid_grant`, `server_error`; else the exception's name."""
    told = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], Mapping) else {}
    if "reasonable timeframe" in str(told.get("error_description")):
        return CLOCK
    code = str(told.get("error"))
    if code in GCS.codes:
        return code
    return "temporarily_unavailable" if error.retryable else type(error).__name__


def _network_code(error: object) -> str:
    """Broken and refused connections share a name; what we did wrong (an impossible URL) keeps its own, and is ours."""
    match error:
        case SSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return UNTRUSTED
        case RequestsConnectionError():
            return "ConnectionError"
        case Timeout():
            return "Timeout"
        case RequestException():
            return type(error).__name__
        case _:
            return TransportError.__name__
