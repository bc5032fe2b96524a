"""Messages to the address that `settings.yaml` declares as `webhook`, as Slack's incoming webhooks take them."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.letter import Letter, as_slack
from ctexport_dagster.core.settings import Webhook
from ctexport_dagster.resources.telling import NotSent, Obstacle, patiently

_MEND = {
    "down": "It is sent again by itself; if it stays, look at the service, and at webhook in settings.yaml.",
    "misconfigured": "Put the address that the service gave you into the variable; the message goes out then.",
    "refused": "See what the service takes; Slack's incoming webhooks take all of ours.",
}
_PASSING = (408, 425, 429)


@dataclass(frozen=True)
class HttpWebhook:
    """Posts JSON; the address is a secret, which nothing here shows."""

    declared: Webhook
    environment: Mapping[str, str] = field(repr=False)

    def send(self, letter: Letter, *, to: str, now: datetime) -> None:
        """Raises: NotSent: the service has not taken it."""
        body = json.dumps(as_slack(letter), ensure_ascii=False, sort_keys=True).encode()
        patiently(lambda: self._post(body))

    def _post(self, body: bytes) -> None:
        try:
            with _opener().open(self._request(body), timeout=self.declared.timeout_seconds):
                return
        except urllib.error.HTTPError as problem:
            problem.close()
            is_passing = problem.code >= 500 or problem.code in _PASSING
            raise self._not_sent(f"the service answered {problem.code}", "down" if is_passing else "refused") from None
        except http.client.InvalidURL:
            raise self._no_address() from None
        except (OSError, http.client.HTTPException) as problem:
            raise self._not_sent(f"the service could not be reached ({type(problem).__name__})", "down") from None

    def _request(self, body: bytes) -> urllib.request.Request:
        try:
            url = self.declared.url.resolve(self.environment)
        except ConfigurationError:
            raise self._not_sent(f"{self.declared.url.env} is not set", "misconfigured") from None
        if not url.startswith(("https://", "http://")):
            raise self._no_address()
        try:
            return urllib.request.Request(url, data=body, headers={"Content-Type": "application/json; charset=utf-8"})  # noqa: S310
        except ValueError:
            raise self._no_address() from None

    def _no_address(self) -> NotSent:
        return self._not_sent(f"{self.declared.url.env} holds no web address", "misconfigured")

    def _not_sent(self, happened: str, obstacle: Obstacle) -> NotSent:
        return NotSent("Posting to the webhook", happened, _MEND[obstacle], obstacle)


def _opener() -> urllib.request.OpenerDirector:
    """Follows no redirect: a redirected POST would become a GET elsewhere, and count as sent."""
    opener = urllib.request.OpenerDirector()
    for kind in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
    ):
        opener.add_handler(kind())
    return opener
