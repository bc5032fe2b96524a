"""Compares this machine's clock with a service's, by the Date that every HTTP answer bears, whatever it says else."""

import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError

from ctexport_dagster.core.failure import Failure

MOST_BEARABLE = timedelta(minutes=5)
"""AWS and Azure refuse requests that are 15 minutes off, Google tokens that are a few."""
_TIMEOUT_SECONDS = 5


class _Staying(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the first answer tells the time, and S3's leads to another site."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def ahead_of(url: str, now: Callable[[], datetime]) -> timedelta | None:
    """By how much our clock is ahead of a service's; None where it can't be reached or tells no time.

    One HEAD of the service's own root, without credentials: it looks at no bucket and needs no right.
    """
    headers = _headers_of(url)
    try:
        told = parsedate_to_datetime(headers["Date"]) if headers and headers["Date"] else None
        return now() - told if told else None
    except (ValueError, TypeError):
        return None


def wrong_clock(ahead: timedelta) -> Failure | None:
    """What to say of a clock that is so far ahead; None where it is near enough."""
    if abs(ahead) <= MOST_BEARABLE:
        return None
    minutes = round(abs(ahead).total_seconds() / 60)
    way = "ahead of" if ahead > timedelta(0) else "behind"
    return Failure(
        whose="ours",
        code="clock",
        happened=f"this machine's clock is {minutes} minutes {way} the service's",
        cause="requests are signed with the time, and a service refuses those from another time",
        fix="Set the clock, and keep it set by NTP",
    )


def _headers_of(url: str) -> Message | None:
    opener = urllib.request.build_opener(_Staying)
    request = urllib.request.Request(f"{url.rstrip('/')}/", method="HEAD")  # noqa: S310  (a declared http(s) URL)
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return answer.headers
    except HTTPError as error:
        with error:
            return error.headers
    except (OSError, HTTPException, ValueError):
        return None
